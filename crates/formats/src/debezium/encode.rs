//! Changes to debezium-json: one object per unit of weight.

use brooklet_core::format::{EncodeSpec, Encoder, Records};
use brooklet_core::{Delta, Result};

use super::options::{self, PREFIX};
use crate::json::{RowWriter, WriteOptions, check_types};

/// Opens the encoder of the debezium-json format.
pub(super) fn open(spec: &EncodeSpec) -> Result<Box<dyn Encoder>> {
    options::check_writing(&spec.options)?;
    check_types(spec.schema.fields())?;
    Ok(Box::new(DebeziumEncoder { options: WriteOptions::new(&spec.options, PREFIX)? }))
}

struct DebeziumEncoder {
    options: WriteOptions,
}

impl Encoder for DebeziumEncoder {
    fn encode(&mut self, rows: &Delta) -> Result<Records> {
        let writer = RowWriter::new(&rows.rows, &self.options)?;
        // With ignore-null-fields the absent side is left out as every NULL field is.
        let (insert, delete): (&[u8], &[u8]) = if self.options.skip_nulls {
            (b"{\"after\":", b",\"op\":\"d\"}")
        } else {
            (b"{\"before\":null,\"after\":", b",\"after\":null,\"op\":\"d\"}")
        };
        let mut records = Records::default();
        for row in 0..rows.len() {
            let weight = rows.weight(row);
            let start = records.bytes.len();
            if weight == 0 {
                continue;
            }
            records.bytes.extend_from_slice(if weight > 0 { insert } else { b"{\"before\":" });
            writer.write(row, &mut records.bytes)?;
            records.bytes.extend_from_slice(if weight > 0 { b",\"op\":\"c\"}" } else { delete });
            let end = records.bytes.len();
            records.ends.push(end);
            for _ in 1..weight.unsigned_abs() {
                records.bytes.extend_from_within(start..end);
                records.ends.push(records.bytes.len());
            }
        }
        Ok(records)
    }
}
