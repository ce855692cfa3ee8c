//! Rows of one column to records.

use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use brooklet_core::format::{EncodeSpec, Encoder, Records};
use brooklet_core::{Delta, Error, Result};

use super::number;

/// Opens the encoder of the raw format.
pub(super) fn open(spec: &EncodeSpec) -> Result<Box<dyn Encoder>> {
    super::check(&spec.schema, &spec.options)?;
    if spec.schema.fields().is_empty() {
        return Err(Error::config("the raw format writes one column, but the table has none"));
    }
    Ok(Box::new(RawEncoder { little: super::is_little(&spec.options) }))
}

struct RawEncoder {
    little: bool,
}

impl Encoder for RawEncoder {
    fn encode(&mut self, rows: &Delta) -> Result<Records> {
        if !rows.is_append_only() {
            return Err(Error::config(
                "the raw format writes insertions only, but rows are updated or deleted",
            ));
        }
        let column = rows.column(0);
        let mut records = Records::default();
        let mut number = Vec::new();
        for row in 0..rows.len() {
            // A NULL is an empty record: `Records` has no NULL.
            number.clear();
            let value: &[u8] = match column.data_type() {
                _ if column.is_null(row) => b"",
                DataType::Utf8 => column.as_string::<i32>().value(row).as_bytes(),
                _ if number::write(column, row, self.little, &mut number) => &number,
                _ => column.as_binary::<i32>().value(row),
            };
            for _ in 0..rows.weight(row) {
                records.bytes.extend_from_slice(value);
                records.ends.push(records.bytes.len());
            }
        }
        Ok(records)
    }
}
