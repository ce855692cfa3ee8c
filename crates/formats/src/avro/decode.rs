//! Records without their schema to rows.

use std::ops::Range;

use brooklet_core::Result;
use brooklet_core::format::{DecodeSpec, Decoded, Decoder};
use brooklet_core::raw::RawBatch;

use super::cursor::Cursor;
use super::options;
use super::read::Reader;
use super::shape::Shapes;
use crate::rows::Rows;

/// Opens the decoder of the avro format.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Decoder>> {
    let schema = options::schema(&spec.options, &spec.table)?;
    let rows = Rows::new(spec.schema.clone())?;
    let reader = Reader::new(Shapes::parse(&schema)?, spec.schema.fields())?;
    Ok(Box::new(AvroDecoder { rows, reader }))
}

struct AvroDecoder {
    rows: Rows,
    reader: Reader,
}

impl Decoder for AvroDecoder {
    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let reader = &self.reader;
        self.rows.decode(batch, range, false, |columns, row, value| {
            reader.record(&mut Cursor(value), columns, row)
        })
    }
}
