//! Records to columns.

use std::ops::Range;

use brooklet_core::format::{DecodeSpec, Decoded, Decoder};
use brooklet_core::raw::RawBatch;
use brooklet_core::{Error, Result};

use super::convert::{self, Shape};
use super::options::CsvOptions;
use super::scan::Scanner;
use crate::json::Column;
use crate::rows::{Rows, not_null};

pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// Opens the decoder of the csv format.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Decoder>> {
    let options = CsvOptions::new(&spec.options)?;
    convert::check(spec.table.fields())?;
    let declared = spec.table.fields();
    let places = spec.schema.fields().iter().map(|read| match declared.find(read.name()) {
        Some((place, declared)) => Ok((place, Shape::new(read, declared))),
        None => Err(Error::bug(format!("column '{}' is not in the table", read.name()))),
    });
    let records = Records {
        width: declared.len(),
        scanner: Scanner::new(options.dialect),
        places: places.collect::<Result<_>>()?,
        options,
        scratch: Vec::new(),
    };
    Ok(Box::new(CsvDecoder { rows: Rows::new(spec.schema.clone())?, records }))
}

struct CsvDecoder {
    rows: Rows,
    records: Records,
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let records = &mut self.records;
        let skip = records.options.ignore_errors;
        self.rows
            .decode(batch, range, skip, |columns, row, value| records.read(value, columns, row))
    }
}

/// Reads records into columns.
struct Records {
    /// The number of the table's columns.
    width: usize,
    options: CsvOptions,
    scanner: Scanner,
    /// Of each column that is read: its field's position.
    places: Vec<(usize, Shape)>,
    scratch: Vec<u8>,
}

impl Records {
    /// Writes the row of a record; on failure it may be half-written.
    fn read(&mut self, value: &[u8], columns: &mut [Column], row: usize) -> Result<(), String> {
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
        self.check_count(value)?;
        for ((place, shape), column) in self.places.iter().zip(columns) {
            let set = match self.scanner.fields.get(*place) {
                None => not_null(column, row),
                Some(field) => {
                    let text = self.scanner.text(value, field, &mut self.scratch);
                    match std::str::from_utf8(text) {
                        Ok(text) => convert::set(column, shape, row, text, &self.options),
                        Err(_) => Err("an escape splits a character".to_string()),
                    }
                }
            };
            set.map_err(|why| format!("field '{}': {why}", column.field.name()))?;
        }
        Ok(())
    }

    fn check_count(&mut self, value: &[u8]) -> Result<(), String> {
        let (fields, width) = (&self.scanner.fields, self.width);
        // One empty field too many is a delimiter at the end of the line.
        let too_many = match fields.get(width..) {
            Some([last]) => {
                let text = self.scanner.text(value, last, &mut self.scratch);
                !text.trim_ascii().is_empty()
            }
            Some([_, ..]) => true,
            _ => false,
        };
        if too_many || (fields.len() < width && !self.options.ignore_errors) {
            let found = fields.len();
            return Err(format!("the record has {found} fields, but the table {width} columns"));
        }
        Ok(())
    }
}
