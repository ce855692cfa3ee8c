//! Records of JSON objects to columns: one pass per record that extracts what the plan reads and
//! checks the rest.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, SchemaRef};
use brooklet_core::format::{BadRecord, DecodeSpec, Decoded, Decoder, RecordOfRow};
use brooklet_core::raw::RawBatch;
use brooklet_core::{Delta, Result};

use super::context::Context;
use super::node::Node;
use super::options::ReadOptions;
use super::scan::{self, at, space};

/// Opens the decoder of the json format.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Decoder>> {
    let options = ReadOptions::new(&spec.options, "json")?;
    Ok(Box::new(JsonDecoder::new(spec.schema.clone(), options)?))
}

/// Buffers are kept between calls, rows are not.
pub(crate) struct JsonDecoder {
    schema: SchemaRef,
    node: Node,
    context: Context,
    rows: usize,
    /// Set once rows and records stop going side by side.
    record_of_row: Option<Vec<u32>>,
}

impl JsonDecoder {
    pub(crate) fn new(schema: SchemaRef, options: ReadOptions) -> Result<Self> {
        let node = Node::new(schema.fields())?;
        let exact = schema.fields().iter().any(has_decimal);
        let context = Context::new(options, exact);
        Ok(JsonDecoder { schema, node, context, rows: 0, record_of_row: None })
    }

    /// Decodes without weights: the rows, their records, and the records that gave none.
    pub(crate) fn decode_rows(
        &mut self,
        batch: &RawBatch,
        range: Range<usize>,
    ) -> (RecordBatch, RecordOfRow, Vec<BadRecord>) {
        let mut bad = Vec::new();
        for record in range.clone() {
            let before = self.rows;
            let outcome = match batch.value(record) {
                Some(value) if !value.is_empty() => self.record(value),
                _ => Err("the record has no value".to_string()),
            };
            let skip = match &outcome {
                Ok(()) if self.rows == before + 1 => {
                    if let Some(each) = &mut self.record_of_row {
                        each.push(record as u32);
                    }
                    continue;
                }
                Ok(()) => true,
                Err(_) => {
                    self.rows = before;
                    self.node.cut(before);
                    let empty = batch.value(record).is_none_or(|v| v.is_empty());
                    empty || self.context.options.ignore_errors
                }
            };
            let first = range.start as u32;
            let each =
                self.record_of_row.get_or_insert_with(|| (first..first + before as u32).collect());
            each.resize(self.rows, record as u32);
            if self.rows == before {
                let reason = outcome.err().unwrap_or_else(|| "an array without rows".to_string());
                bad.push(BadRecord { record, reason, skip });
            }
        }
        let records = match self.record_of_row.take() {
            Some(each) => RecordOfRow::Each(each),
            None => RecordOfRow::Same,
        };
        (self.finish(), records, bad)
    }

    fn finish(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns = self.node.finish(rows);
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("columns have the schema's types and NOT NULL was checked for each row")
    }

    /// Appends the rows of one record; on failure they may be half-written.
    fn record(&mut self, value: &[u8]) -> Result<(), String> {
        let plain = value[0] == b'{' && value.get(1) != Some(&0);
        let converted;
        let value = if plain {
            value
        } else {
            converted = to_utf8(value);
            converted.as_deref().unwrap_or_else(|| value.strip_prefix(BOM).unwrap_or(value))
        };
        let text = match simdutf8::basic::from_utf8(value) {
            Ok(text) => text,
            Err(_) => return Err(not_utf8(value)),
        };
        match self.rows_of(text) {
            Some(()) => Ok(()),
            None => Err(self.context.reason()),
        }
    }

    #[inline]
    fn rows_of(&mut self, text: &str) -> Option<()> {
        let b = text.as_bytes();
        let i = space(b, 0);
        match at(b, i) {
            b'{' => {
                // Text behind the object is ignored, as Flink does.
                self.node.object(text, i, (self.rows, 0), &mut self.context)?;
                self.rows += 1;
                Some(())
            }
            b'[' => self.rows_of_array(text, i),
            _ if i == b.len() => self.context.wrong(i, "the record is empty"),
            _ => {
                scan::value(b, i, 0, &mut self.context.fault)?;
                self.context.wrong(i, "the record is no JSON object")
            }
        }
    }

    /// One row per object of a top-level array.
    fn rows_of_array(&mut self, text: &str, i: usize) -> Option<()> {
        let b = text.as_bytes();
        let first = self.rows;
        let mut i = space(b, i + 1);
        if at(b, i) == b']' {
            return Some(());
        }
        loop {
            match self.node.object(text, i, (self.rows, 1), &mut self.context) {
                Some(end) => i = space(b, end),
                None => return self.context.below_element(self.rows - first),
            }
            self.rows += 1;
            match at(b, i) {
                b',' => i = space(b, i + 1),
                b']' => return Some(()),
                _ => return self.context.fault.set(i, scan::behind_value(b, i, false)),
            }
        }
    }
}

impl Decoder for JsonDecoder {
    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let (rows, record_of_row, bad) = self.decode_rows(batch, range);
        Decoded { rows: Delta::inserts(rows), record_of_row, bad }
    }
}

const BOM: &[u8] = b"\xef\xbb\xbf";

/// UTF-16 as Jackson recognises it, by its mark or by the zero byte beside the first character.
fn to_utf8(value: &[u8]) -> Option<Vec<u8>> {
    let (big, from) = match value {
        [0xfe, 0xff, ..] => (true, 2),
        [0xff, 0xfe, ..] => (false, 2),
        [0, second, ..] if *second != 0 => (true, 0),
        [first, 0, rest @ ..] if *first != 0 && rest.first() != Some(&0) => (false, 0),
        _ => return None,
    };
    let units = value[from..].chunks_exact(2).map(|pair| {
        let pair = [pair[0], pair[1]];
        if big { u16::from_be_bytes(pair) } else { u16::from_le_bytes(pair) }
    });
    let text = char::decode_utf16(units).collect::<Result<String, _>>().ok()?;
    Some(text.into_bytes())
}

#[cold]
fn not_utf8(value: &[u8]) -> String {
    let at = std::str::from_utf8(value).map_or_else(|e| e.valid_up_to(), |_| 0);
    format!("the record is not valid UTF-8 (byte {at})")
}

fn has_decimal(field: &Arc<Field>) -> bool {
    match field.data_type() {
        DataType::Decimal128(_, _) => true,
        DataType::Struct(fields) => fields.iter().any(has_decimal),
        DataType::List(item) | DataType::Map(item, _) => has_decimal(item),
        _ => false,
    }
}
