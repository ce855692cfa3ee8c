//! Rows to records without their schema.

use brooklet_core::format::{EncodeSpec, Encoder, Records};
use brooklet_core::{Delta, Error, Result};

use super::options;
use super::shape::Shapes;
use super::write::Writer;

/// Opens the encoder of the avro format.
pub(super) fn open(spec: &EncodeSpec) -> Result<Box<dyn Encoder>> {
    let (_, writer) = writer(spec)?;
    Ok(Box::new(AvroEncoder { writer, front: Vec::new() }))
}

/// The schema's text and how rows are written with it.
pub(super) fn writer(spec: &EncodeSpec) -> Result<(String, Writer)> {
    let schema = options::schema(&spec.options, &spec.schema)?;
    let writer = Writer::new(&Shapes::parse(&schema)?, spec.schema.fields())?;
    crate::json::check_types(spec.schema.fields())?;
    Ok((schema, writer))
}

pub(super) fn check_inserts(rows: &Delta) -> Result<()> {
    if rows.is_append_only() {
        return Ok(());
    }
    Err(Error::config(
        "Avro records are insertions only, but rows are updated or deleted: use format \
         'debezium-json', or a sink with a primary key",
    ))
}

pub(crate) struct AvroEncoder {
    pub writer: Writer,
    /// What each record begins with.
    pub front: Vec<u8>,
}

impl Encoder for AvroEncoder {
    fn encode(&mut self, rows: &Delta) -> Result<Records> {
        check_inserts(rows)?;
        let columns = Writer::columns(&rows.rows)?;
        let mut records = Records::default();
        for row in 0..rows.len() {
            let start = records.bytes.len();
            records.bytes.extend_from_slice(&self.front);
            self.writer.record(&columns, row, &mut records.bytes)?;
            let end = records.bytes.len();
            records.ends.push(end);
            for _ in 1..rows.weight(row) {
                records.bytes.extend_from_within(start..end);
                records.ends.push(records.bytes.len());
            }
        }
        Ok(records)
    }
}
