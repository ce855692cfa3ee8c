//! Records to columns.

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use brooklet_core::format::{BadRecord, DecodeSpec, Decoded, Decoder, RecordOfRow};
use brooklet_core::raw::RawBatch;
use brooklet_core::{Delta, Error, Result};

use super::convert::{self, Shape};
use super::options::CsvOptions;
use super::scan::Scanner;
use crate::json::Column;

pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Opens the decoder of the csv format.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Decoder>> {
    let options = CsvOptions::new(&spec.options)?;
    convert::check(spec.table.fields())?;
    let target = |(read, column)| Target::new(read, column, &spec.table);
    let columns = spec.schema.fields().iter().map(Column::new);
    let columns = spec.schema.fields().iter().zip(columns).map(|(f, c)| target((f, c?)));
    Ok(Box::new(CsvDecoder {
        schema: spec.schema.clone(),
        width: spec.table.fields().len(),
        scanner: Scanner::new(options.dialect),
        columns: columns.collect::<Result<_>>()?,
        options,
        rows: 0,
        scratch: Vec::new(),
    }))
}

/// Buffers are kept between calls, rows are not.
struct CsvDecoder {
    schema: SchemaRef,
    /// The number of the table's columns.
    width: usize,
    options: CsvOptions,
    scanner: Scanner,
    columns: Vec<Target>,
    rows: usize,
    scratch: Vec<u8>,
}

/// A column that is read.
struct Target {
    /// Its field's position.
    place: usize,
    shape: Shape,
    column: Column,
}

impl Target {
    fn new(read: &arrow::datatypes::Field, column: Column, table: &SchemaRef) -> Result<Self> {
        let declared = table.fields().find(read.name());
        let (place, declared) = declared
            .ok_or_else(|| Error::bug(format!("column '{}' is not in the table", read.name())))?;
        Ok(Target { place, shape: Shape::new(read, declared), column })
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let mut bad = Vec::new();
        let mut records = Vec::new();
        for record in range.clone() {
            let value = batch.value(record);
            let outcome = match value {
                Some(value) => self.record(value),
                None => Err("the record has no value".to_string()),
            };
            match outcome {
                Ok(()) => {
                    self.rows += 1;
                    if !bad.is_empty() {
                        records.push(record as u32);
                    }
                }
                Err(reason) => {
                    let row = self.rows;
                    self.columns.iter_mut().for_each(|target| target.column.cut(row));
                    if bad.is_empty() {
                        records.extend(range.start as u32..record as u32);
                    }
                    let skip = value.is_none() || self.options.ignore_errors;
                    bad.push(BadRecord { record, reason, skip });
                }
            }
        }
        let record_of_row =
            if bad.is_empty() { RecordOfRow::Same } else { RecordOfRow::Each(records) };
        Decoded { rows: Delta::inserts(self.finish()), record_of_row, bad }
    }
}

impl CsvDecoder {
    /// Appends the row of a record; on failure it may be half-written.
    fn record(&mut self, value: &[u8]) -> Result<(), String> {
        let value = value.strip_prefix(BOM).unwrap_or(value);
        if let Err(e) = simdutf8::compat::from_utf8(value) {
            return Err(format!("the record is not valid UTF-8 (byte {})", e.valid_up_to()));
        }
        let scanned = self.scanner.record(value, 0, true);
        let Some(scanned) = scanned.filter(|s| s.range.is_some()) else {
            return Err("the record is empty".to_string());
        };
        if let Some(fault) = scanned.fault {
            return Err(fault.to_string());
        }
        let fields = self.scanner.fields.as_slice();
        // One empty field too many is a delimiter at the end of the line.
        let beyond = match fields.get(self.width..) {
            Some([last]) => {
                !self.scanner.text(value, last, &mut self.scratch).trim_ascii().is_empty()
            }
            Some([_, ..]) => true,
            _ => false,
        };
        if beyond || (fields.len() < self.width && !self.options.ignore_errors) {
            let (found, width) = (fields.len(), self.width);
            return Err(format!("the record has {found} fields, but the table {width} columns"));
        }
        for Target { place, shape, column } in &mut self.columns {
            let set = match fields.get(*place) {
                None => convert::not_null(column, self.rows),
                Some(field) => {
                    let text = self.scanner.text(value, field, &mut self.scratch);
                    match std::str::from_utf8(text) {
                        Ok(text) => convert::set(column, shape, self.rows, text, &self.options),
                        Err(_) => Err("an escape splits a character".to_string()),
                    }
                }
            };
            set.map_err(|why| format!("field '{}': {why}", column.field.name()))?;
        }
        Ok(())
    }

    fn finish(&mut self) -> RecordBatch {
        let rows = std::mem::take(&mut self.rows);
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let columns: Vec<ArrayRef> =
            self.columns.iter_mut().map(|target| target.column.finish(rows)).collect();
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("columns have the schema's types and NOT NULL was checked for each row")
    }
}
