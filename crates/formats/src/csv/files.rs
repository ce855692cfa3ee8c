//! Files of records: where each record stands, and the line of names at the start.

use arrow::datatypes::SchemaRef;
use brooklet_core::format::{DecodeSpec, EncodeSpec, Framed, FramedRecord, Framing, Place};
use brooklet_core::{Delta, Error, Result};
use bytes::Bytes;

use super::decode::BOM;
use super::encode::Writer;
use super::options::CsvOptions;
use super::scan::{Scanned, Scanner};

/// Opens the framing of one file.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Framing>> {
    let options = CsvOptions::new(&spec.options)?;
    let scanner = Scanner::new(options.dialect);
    Ok(Box::new(CsvFile { scanner, options, table: spec.table.clone(), order: None }))
}

/// One file, each row on a line.
pub(super) fn write(spec: &EncodeSpec, rows: &[Delta]) -> Result<Bytes> {
    let mut writer = Writer::new(spec)?;
    let mut file = Vec::new();
    if CsvOptions::new(&spec.options)?.header {
        file = writer.names(spec.schema.fields().iter().map(|f| f.name()));
        file.push(b'\n');
    }
    for delta in rows {
        writer.rows(delta, |record| {
            file.extend_from_slice(record);
            file.push(b'\n');
        })?;
    }
    Ok(file.into())
}

struct CsvFile {
    scanner: Scanner,
    options: CsvOptions,
    table: SchemaRef,
    /// For each column of the table its field in this file, when the header has another order.
    order: Option<Vec<usize>>,
}

impl Framing for CsvFile {
    fn frame(&mut self, block: Bytes, place: Place) -> Result<Framed> {
        let mut records = Vec::new();
        let mut copy = Vec::new();
        let mut at = if place.first && block.starts_with(BOM) { BOM.len() } else { 0 };
        let mut header = self.options.header && place.first;
        while at < block.len() {
            let Some(scanned) = self.scanner.record(&block, at, place.last) else { break };
            at = scanned.next;
            let range = match scanned.range.clone() {
                Some(_) if header => {
                    self.order = self.header(&block, &scanned)?;
                    header = false;
                    None
                }
                // An empty line is a record of one empty field.
                Some(range) if range.is_empty() => Some(range.start..at),
                range => range,
            };
            let range = match (&self.order, range) {
                (Some(order), Some(range)) => {
                    let start = copy.len();
                    self.rearranged(&block, &scanned, order, &mut copy);
                    if copy.len() == start {
                        copy.extend_from_slice(&block[range]);
                    }
                    Some(start..copy.len())
                }
                (_, range) => range,
            };
            records.push(FramedRecord { range, next: at });
        }
        let bytes = if self.order.is_some() { copy.into() } else { block };
        Ok(Framed { bytes, records })
    }
}

impl CsvFile {
    /// The fields' order, unless it is that of the table.
    fn header(&self, block: &[u8], scanned: &Scanned) -> Result<Option<Vec<usize>>> {
        if let Some(fault) = scanned.fault {
            return Err(Error::data(format!("the file's header cannot be read: {fault}")));
        }
        let mut scratch = Vec::new();
        let mut name = |field| {
            let text = self.scanner.text(block, field, &mut scratch);
            String::from_utf8_lossy(text).into_owned()
        };
        let names: Vec<String> = self.scanner.fields.iter().map(&mut name).collect();
        let columns: Vec<&String> = self.table.fields().iter().map(|f| f.name()).collect();
        let all = columns.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ");
        if let Some(unknown) = names.iter().find(|name| !columns.contains(name)) {
            return Err(Error::data(format!(
                "the file's header has '{unknown}', which is no column of the table ({all})"
            )));
        }
        let place = |column: &&String| {
            let mut places = (0..names.len()).filter(|i| names[*i] == **column);
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (None, _) => Err(Error::data(format!("the file's header lacks column '{column}'"))),
                _ => Err(Error::data(format!("the file's header has column '{column}' twice"))),
            }
        };
        let order = columns.iter().map(place).collect::<Result<Vec<usize>>>()?;
        Ok(Some(order).filter(|order| !order.is_sorted()))
    }

    /// Appends the record in the table's order; nothing when it is not as it should be.
    fn rearranged(&self, block: &[u8], scanned: &Scanned, order: &[usize], to: &mut Vec<u8>) {
        let fields = &self.scanner.fields;
        let short = fields.len() < order.len();
        if scanned.fault.is_some() || (short && !self.options.ignore_errors) {
            return;
        }
        let null = self.options.null.as_deref().unwrap_or_default().as_bytes();
        for (i, place) in order.iter().copied().chain(order.len()..fields.len()).enumerate() {
            if i > 0 {
                to.push(self.options.dialect.delimiter);
            }
            to.extend_from_slice(fields.get(place).map_or(null, |f| &block[f.raw.clone()]));
        }
    }
}
