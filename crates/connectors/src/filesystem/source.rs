//! Files that are there at the start, read once, in the order of their names.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, new_null_array};
use arrow::compute;
use arrow::datatypes::{Field, SchemaRef};
use arrow::error::ArrowError;
use brooklet_core::connector::{Format, SourceSpec};
use brooklet_core::format::{DecodeSpec, Framing};
use brooklet_core::partition::{in_files, partition_values, with_partition};
use brooklet_core::schema::TableDef;
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::{Delta, Error, Result, Source};

use super::lines::Lines;
use super::options::{check_source, default_name};
use super::records::{Records, Wanted};
use super::rows::FileRows;
use super::sink::find;
use super::store::{File, Store};

pub struct FileSource {
    table: Arc<TableDef>,
    format: &'static Format,
    /// The columns to produce.
    schema: SchemaRef,
    /// What is decoded from a file: the columns without those in directory names.
    decode: DecodeSpec,
    store: Store,
    /// Sorted by name; position = records or rows returned so far.
    files: Vec<Open>,
    /// The file being read; those before it are done unless a replay goes back.
    reader: Option<(usize, Reader)>,
}

struct Open {
    split: SplitId,
    file: File,
    position: i64,
    done: bool,
}

enum Reader {
    Records(Records),
    Rows(FileRows),
}

impl Reader {
    /// Records cannot be read backwards.
    fn is_past(&self, position: i64) -> bool {
        matches!(self, Reader::Records(records) if records.number() > position)
    }
}

pub async fn open(spec: SourceSpec) -> Result<Box<dyn Source>> {
    check_source(&spec.table)?;
    let format = find(&spec.table, spec.formats)?;
    if format.decoder.is_none() && format.decode_file.is_none() {
        return Err(Error::config(format!(
            "table '{}': format '{}' can only be written",
            spec.table.name, format.name
        )));
    }
    let store = Store::open(spec.table.options.required("path")?)?;
    let positions: BTreeMap<SplitId, i64> =
        spec.positions.into_iter().flatten().map(|p| (p.split, p.offset)).collect();
    let path = spec.table.options.required("path")?.trim_end_matches('/');
    let own_name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    let files = store.list().await?.into_iter().map(|file| {
        let split = SplitId::new(if file.name.is_empty() { own_name } else { &file.name });
        let position = positions.get(&split).copied().unwrap_or(0);
        Open { split, file, position, done: false }
    });
    let files: Vec<Open> = files.collect();
    if let Some(gone) = positions.keys().find(|p| files.iter().all(|f| f.split != **p)) {
        return Err(Error::corrupt(format!(
            "table '{}': the file '{gone}', which was read before, is gone; bring it back, or \
             start with --fresh",
            spec.table.name
        )));
    }
    let by = &spec.table.partitioned_by;
    let decode = DecodeSpec {
        schema: in_files(&spec.schema, by),
        options: spec.table.options.clone(),
        table: in_files(&spec.table.physical_schema(), by),
    };
    let (table, schema) = (spec.table, spec.schema);
    Ok(Box::new(FileSource { table, format, schema, decode, store, files, reader: None }))
}

#[async_trait::async_trait]
impl Source for FileSource {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        let mut left = budget;
        let mut taken: BTreeMap<usize, (i64, Payload)> = BTreeMap::new();
        while left.max_rows > 0 && left.max_bytes > 0 {
            let Some(at) = self.files.iter().position(|f| !f.done) else { break };
            let Some(piece) = self.take(at, Wanted { min_records: 1, most: left }).await? else {
                self.files[at].done = true;
                self.reader = None;
                continue;
            };
            left.max_rows = left.max_rows.saturating_sub(piece.rows);
            left.max_bytes = left.max_bytes.saturating_sub(piece.bytes);
            let from = self.files[at].position;
            self.files[at].position = piece.to;
            taken.insert(at, (from, piece.payload));
            if !piece.more {
                self.files[at].done = true;
                self.reader = None;
            } else {
                break;
            }
        }
        let ended = self.files.iter().all(|f| f.done);
        Ok(Input { splits: self.inputs(taken), ended })
    }

    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        let mut taken = BTreeMap::new();
        for range in ranges.iter().filter(|r| r.from < r.to) {
            let at = self.files.iter().position(|f| f.split == range.split);
            let at = at.ok_or_else(|| self.gone(range, "the file is gone"))?;
            if self.files[at].position != range.from {
                self.reader = None;
                self.files[at].position = range.from;
            }
            let rows = (range.to - range.from) as usize;
            let most = Budget { max_rows: rows, max_bytes: usize::MAX };
            let piece = self.take(at, Wanted { min_records: rows, most }).await?;
            let piece = piece.filter(|p| p.to == range.to);
            let piece = piece.ok_or_else(|| self.gone(range, "the file has fewer records now"))?;
            self.files[at].position = range.to;
            taken.insert(at, (range.from, piece.payload));
        }
        Ok(Input { splits: self.inputs(taken), ended: false })
    }

    async fn release(&mut self, _: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}

/// What one read of one file gave.
pub struct Piece {
    pub payload: Payload,
    pub rows: usize,
    pub bytes: usize,
    /// The position after it.
    pub to: i64,
    /// The file may hold more.
    pub more: bool,
}

impl FileSource {
    /// Reads on in a file at its position; None at its end.
    async fn take(&mut self, at: usize, wanted: Wanted) -> Result<Option<Piece>> {
        let position = self.files[at].position;
        if self.reader.as_ref().is_none_or(|(of, reader)| *of != at || reader.is_past(position)) {
            let reader = self.open_file(at).await?;
            self.reader = Some((at, reader));
        }
        let (file, name) = (&self.files[at], self.file_name(at));
        let Some((_, reader)) = &mut self.reader else {
            return Err(Error::bug("no file is open"));
        };
        match reader {
            Reader::Rows(rows) => {
                let Some(mut piece) = rows.take(file.position, wanted.most) else {
                    let end = rows.end();
                    return self.at_end(at, end);
                };
                if let Payload::Rows(deltas) = &mut piece.payload {
                    self.complete(&self.files[at].file.name, deltas)?;
                }
                Ok(Some(piece))
            }
            Reader::Records(records) => {
                let read = records.take(&self.store, file.position, wanted).await;
                let Some((batch, mut piece)) = read.map_err(|e| e.at(name))? else {
                    let end = records.number();
                    return self.at_end(at, end);
                };
                let values = self.partition(&self.files[at].file.name)?;
                piece.payload = Payload::Raw(match values.is_empty() {
                    true => batch,
                    false => batch.of_partition(values),
                });
                Ok(Some(piece))
            }
        }
    }

    /// Nothing is left, unless more was there once.
    fn at_end(&self, at: usize, end: i64) -> Result<Option<Piece>> {
        let file = &self.files[at];
        if file.position <= end {
            return Ok(None);
        }
        let range = SplitRange { split: file.split.clone(), from: end, to: file.position };
        Err(self.gone(&range, "the file has fewer records now"))
    }

    async fn open_file(&self, at: usize) -> Result<Reader> {
        let file = &self.files[at].file;
        match self.format.decode_file {
            None => {
                let framing: Box<dyn Framing> = match self.format.framing {
                    Some(open) => open(&self.decode)?,
                    None => Box::new(Lines),
                };
                let named = &self.files[at].split.0;
                let records = Records::new(file.clone(), framing, named);
                Ok(Reader::Records(records.map_err(|e| e.at(self.file_name(at)))?))
            }
            Some(decode) => {
                let bytes = self.store.read(&file.name, 0, file.size).await?;
                let (spec, name) = (self.decode.clone(), self.file_name(at));
                let read =
                    super::store::blocking(move || decode(&spec, bytes).map_err(|e| e.at(name)));
                Ok(Reader::Rows(FileRows::new(read.await?)))
            }
        }
    }

    fn complete(&self, name: &str, deltas: &mut [Delta]) -> Result<()> {
        let values = self.partition(name)?;
        for delta in deltas.iter_mut().filter(|_| !values.is_empty()) {
            let by = &self.table.partitioned_by;
            *delta = delta.with_rows(with_partition(&self.schema, by, &values, &delta.rows)?);
        }
        Ok(())
    }

    /// The values of the partition columns that are read, from a file's name.
    fn partition(&self, name: &str) -> Result<Vec<ArrayRef>> {
        let read = self.schema.fields().iter();
        let mut read = read.filter(|f| self.table.partitioned_by.contains(f.name())).peekable();
        if read.peek().is_none() {
            return Ok(Vec::new());
        }
        let values = partition_values(name, default_name(&self.table));
        let value = |field: &Arc<Field>| {
            let value = values.iter().find(|(k, _)| k == field.name());
            constant(field, value.and_then(|(_, v)| v.as_deref())).map_err(|e| {
                let wrong = format!("the partition in the name '{name}' is wrong");
                Error::data(wrong).caused_by(e).at(format!("table '{}'", self.table.name))
            })
        };
        read.map(value).collect()
    }

    fn inputs(&self, mut taken: BTreeMap<usize, (i64, Payload)>) -> Vec<SplitInput> {
        let input = |(at, file): (usize, &Open)| {
            let (from, payload) = taken.remove(&at).unwrap_or((file.position, Payload::None));
            let range = SplitRange { split: file.split.clone(), from, to: file.position };
            SplitInput { range, payload, caught_up: file.done }
        };
        self.files.iter().enumerate().map(input).collect()
    }

    fn file_name(&self, at: usize) -> String {
        let path = self.table.options.get("path").unwrap_or_default();
        format!("table '{}', file '{path}/{}'", self.table.name, self.files[at].file.name)
    }

    fn gone(&self, range: &SplitRange, why: &str) -> Error {
        Error::corrupt(format!(
            "table '{}': records {} to {} of '{}' cannot be read again, {why}; bring the file \
             back as it was, or start with --fresh",
            self.table.name, range.from, range.to, range.split
        ))
    }
}

/// A column of one row, read from its text.
fn constant(field: &Field, value: Option<&str>) -> Result<ArrayRef, ArrowError> {
    let Some(value) = value else { return Ok(new_null_array(field.data_type(), 1)) };
    let options = compute::CastOptions { safe: false, ..Default::default() };
    compute::cast_with_options(&StringArray::from(vec![value]), field.data_type(), &options)
}
