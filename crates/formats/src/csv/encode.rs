//! Rows to records, byte for byte as Flink's csv format (Jackson) writes them.

use arrow::array::RecordBatch;
use base64::Engine;
use brooklet_core::format::{EncodeSpec, Encoder, Records};
use brooklet_core::{Delta, Error, Result};

use super::options::CsvOptions;
use crate::java;
use crate::json::{BASE64, Cells, Values};
use crate::time::{self, Standard};

/// Longer texts are quoted without looking into them.
const MAX_LOOKED_AT: usize = 24;

/// Opens the encoder of the csv format.
pub(super) fn open(spec: &EncodeSpec) -> Result<Box<dyn Encoder>> {
    Ok(Box::new(CsvEncoder { writer: Writer::new(spec)? }))
}

struct CsvEncoder {
    writer: Writer,
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, rows: &Delta) -> Result<Records> {
        let mut records = Records::default();
        self.writer.rows(rows, |record| {
            records.bytes.extend_from_slice(record);
            records.ends.push(records.bytes.len());
        })?;
        Ok(records)
    }
}

/// Writes records without a line end.
pub(super) struct Writer {
    options: CsvOptions,
    /// Texts with a character below it are quoted.
    safe: u8,
    /// A text before it is known whether it needs quotes.
    text: Vec<u8>,
}

impl Writer {
    pub fn new(spec: &EncodeSpec) -> Result<Self> {
        let options = CsvOptions::new(&spec.options)?;
        super::convert::check(spec.schema.fields())?;
        crate::json::check_types(spec.schema.fields())?;
        let dialect = options.dialect;
        let safe = dialect.quote.unwrap_or(0).max(dialect.delimiter).max(b'\n') + 1;
        Ok(Writer { options, safe, text: Vec::new() })
    }

    /// Hands over each row's record, a row of weight n n times.
    pub fn rows(&mut self, rows: &Delta, mut take: impl FnMut(&[u8])) -> Result<()> {
        if !rows.is_append_only() {
            return Err(Error::config(
                "the csv format writes insertions only, but rows are updated or deleted: use \
                 format 'debezium-json', or a sink with a primary key",
            ));
        }
        let columns = cells(&rows.rows)?;
        let mut record = Vec::new();
        for row in 0..rows.len() {
            record.clear();
            for (i, cells) in columns.iter().enumerate() {
                if i > 0 {
                    record.push(self.options.dialect.delimiter);
                }
                self.field(cells, row, &mut record);
            }
            (0..rows.weight(row)).for_each(|_| take(&record));
        }
        Ok(())
    }

    /// The record of the columns' names.
    pub fn names<'n>(&mut self, names: impl Iterator<Item = &'n String>) -> Vec<u8> {
        let mut record = Vec::new();
        for (i, name) in names.enumerate() {
            if i > 0 {
                record.push(self.options.dialect.delimiter);
            }
            self.text.clear();
            self.text.extend_from_slice(name.as_bytes());
            self.quote(&mut record);
        }
        record
    }

    fn field(&mut self, cells: &Cells<'_>, row: usize, to: &mut Vec<u8>) {
        if cells.is_null(row) {
            to.extend_from_slice(self.options.null.as_deref().unwrap_or_default().as_bytes());
            return;
        }
        match &cells.values {
            Values::Bool(_)
            | Values::I8(_)
            | Values::I16(_)
            | Values::I32(_)
            | Values::I64(_)
            | Values::F32(_)
            | Values::F64(_)
            | Values::Decimal(_, _) => write_scalar(cells, row, &self.options, to),
            values => {
                self.text.clear();
                match values {
                    Values::List(list, items) => {
                        let offsets = list.value_offsets();
                        let range = offsets[row] as usize..offsets[row + 1] as usize;
                        let each = range.map(|at| (items.as_ref(), at));
                        write_elements(each, &self.options, &mut self.text);
                    }
                    Values::Row(fields) => {
                        let each = fields.iter().map(|field| (&field.cells, row));
                        write_elements(each, &self.options, &mut self.text);
                    }
                    _ => write_scalar(cells, row, &self.options, &mut self.text),
                }
                self.quote(to);
            }
        }
    }

    /// Appends the text, in quotes when it may need them.
    fn quote(&self, to: &mut Vec<u8>) {
        let text = self.text.as_slice();
        let Some(quote) = self.options.dialect.quote.filter(|_| self.needs_quotes(text)) else {
            return to.extend_from_slice(text);
        };
        let escape = self.options.dialect.escape;
        to.push(quote);
        let mut rest = text;
        while let Some(at) = memchr::memchr2(quote, escape.unwrap_or(quote), rest) {
            to.extend_from_slice(&rest[..=at]);
            to.push(rest[at]);
            rest = &rest[at + 1..];
        }
        to.extend_from_slice(rest);
        to.push(quote);
    }

    fn needs_quotes(&self, text: &[u8]) -> bool {
        // Java counts UTF-16 units: a continuation byte is none, a character of four bytes two. No
        // unit takes more than three bytes.
        let units = |b: &u8| usize::from(b & 0xc0 != 0x80) + usize::from(*b >= 0xf0);
        let escape = self.options.dialect.escape;
        text.len() > 3 * MAX_LOOKED_AT
            || (text.len() > MAX_LOOKED_AT && text.iter().map(units).sum::<usize>() > MAX_LOOKED_AT)
            || text.iter().any(|b| *b < self.safe || Some(*b) == escape)
    }
}

fn cells(rows: &RecordBatch) -> Result<Vec<Cells<'_>>> {
    rows.columns().iter().map(Cells::new).collect()
}

fn write_elements<'c>(
    elements: impl Iterator<Item = (&'c Cells<'c>, usize)>,
    options: &CsvOptions,
    to: &mut Vec<u8>,
) {
    for (i, (cells, at)) in elements.enumerate() {
        if i > 0 {
            to.extend_from_slice(options.element.encode_utf8(&mut [0; 4]).as_bytes());
        }
        if cells.is_null(at) {
            to.extend_from_slice(options.null.as_deref().unwrap_or_default().as_bytes());
        } else {
            write_scalar(cells, at, options, to);
        }
    }
}

/// The text of a value that is not NULL.
fn write_scalar(cells: &Cells<'_>, row: usize, options: &CsvOptions, to: &mut Vec<u8>) {
    let number = |to: &mut Vec<u8>, v: i64| {
        to.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
    };
    match &cells.values {
        Values::Bool(a) => to.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
        Values::I8(a) => number(to, a.value(row).into()),
        Values::I16(a) => number(to, a.value(row).into()),
        Values::I32(a) => number(to, a.value(row).into()),
        Values::I64(a) => number(to, a.value(row)),
        Values::F32(a) => java::write_f32(a.value(row), to),
        Values::F64(a) => java::write_f64(a.value(row), to),
        Values::Decimal(a, scale) if options.scientific => {
            java::write_stripped_decimal(a.value(row), *scale, to);
        }
        Values::Decimal(a, scale) => java::write_plain_decimal(a.value(row), *scale, to),
        Values::Date(a) => time::write_date(a.value(row).into(), to),
        Values::Time(a) => time::write_time(i64::from(a.value(row)) * 1_000_000, to),
        Values::Timestamp { values, unit, utc } => {
            time::write_timestamp(values[row], *unit, Standard::Sql, *utc, to);
        }
        Values::Utf8(a) => to.extend_from_slice(a.value(row).as_bytes()),
        Values::Binary(a) => to.extend_from_slice(BASE64.encode(a.value(row)).as_bytes()),
        Values::Row(_) | Values::List(_, _) | Values::Map(_, _, _) | Values::Null => {}
    }
}
