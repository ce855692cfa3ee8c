//! Bytes to rows and back.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;

use crate::options::Options;
use crate::raw::RawBatch;
use crate::schemas::WriterSchema;
use crate::{Delta, Result};

/// What a decoder is made for.
#[derive(Debug, Clone)]
pub struct DecodeSpec {
    /// The columns to produce, pruned to what the plan reads, also inside ROWs. Types are the
    /// Arrow form of the declared types.
    pub schema: SchemaRef,
    /// All WITH options of the table (a format reads those with its prefix).
    pub options: Options,
    /// All columns of a record as declared, for formats that go by position.
    pub table: SchemaRef,
}

impl DecodeSpec {
    /// Every column of a record is produced.
    pub fn new(schema: SchemaRef, options: Options) -> Self {
        DecodeSpec { table: schema.clone(), schema, options }
    }
}

/// What an encoder is made for.
#[derive(Debug, Clone)]
pub struct EncodeSpec {
    pub schema: SchemaRef,
    pub options: Options,
}

/// What became of a batch of records.
#[derive(Debug)]
pub struct Decoded {
    /// Rows in record order; append-only formats give `Weights::Ones`.
    pub rows: Delta,
    /// Which record each row came from.
    pub record_of_row: RecordOfRow,
    /// Records that gave no row, in order. Bad records are data: the table's policy is applied
    /// by ingest.
    pub bad: Vec<BadRecord>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum RecordOfRow {
    /// Row i is record `first + i`.
    Same,
    Each(Vec<u32>),
}

impl RecordOfRow {
    /// Whether the record of this row gave no other row.
    pub fn is_alone(&self, row: usize) -> bool {
        match self {
            RecordOfRow::Same => true,
            RecordOfRow::Each(each) => {
                let differs = |other: Option<&u32>| other != Some(&each[row]);
                differs(each.get(row + 1)) && (row == 0 || differs(each.get(row - 1)))
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct BadRecord {
    /// Index in the batch.
    pub record: usize,
    /// For a person: what is wrong and where in the record.
    pub reason: String,
    /// `json.ignore-parse-errors` and its like: counted as skipped, never fails the pipeline.
    pub skip: bool,
}

/// Turns records into rows. A pure function of the record and of the schemas learnt: no other state
/// survives a call, so any number of decoders may share the work of one split.
pub trait Decoder: Send {
    /// Formats whose records name schemas know these from now on. Given before the records that
    /// need them; a later answer replaces an earlier one.
    fn learn(&mut self, _: &[WriterSchema]) {}
    /// Decodes the records at `range` of `batch`. `record` and `record_of_row` count from the
    /// start of the batch. Never fails and never panics on any bytes.
    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded;
}

/// Turns rows into records (`kafka`) or into the lines of a file.
pub trait Encoder: Send {
    /// One record per row (a row of weight n gives n), in row order; deletions only in formats
    /// that have them, an error otherwise.
    fn encode(&mut self, rows: &Delta) -> Result<Records>;
}

/// Encoded records, one after the other in one buffer.
#[derive(Debug, Default, Clone)]
pub struct Records {
    pub bytes: Vec<u8>,
    /// End of each record in `bytes`.
    pub ends: Vec<usize>,
}

impl Records {
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, to)| &self.bytes[from..*to])
    }
}

/// Finds the records of one file in a text format whose records are not simply its lines (csv).
/// Deterministic, so that a file read again has the same records.
pub trait Framing: Send + Sync {
    /// The whole records of `block`, which begins where a record begins. Called for a file's
    /// blocks in order; a block that holds too little comes again, longer.
    fn frame(&mut self, block: Bytes, place: Place) -> Result<Framed>;
}

/// Where in its file a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Nothing stands before it.
    pub first: bool,
    /// Nothing stands behind it: its end also ends the last record.
    pub last: bool,
}

/// The records of a block.
#[derive(Debug, Default)]
pub struct Framed {
    /// The block, or a copy in the form that the decoder takes.
    pub bytes: Bytes,
    pub records: Vec<FramedRecord>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FramedRecord {
    /// In [`Framed::bytes`]; None for what is counted but is no record (a header, an empty line).
    pub range: Option<Range<usize>>,
    /// Where the next one begins in the block.
    pub next: usize,
}

/// Formats that are whole files (Parquet): rows to one file. The same rows give the same bytes.
pub type EncodeFile = fn(&EncodeSpec, &[Delta]) -> Result<Bytes>;
/// A whole file to rows, in order, at most 8,192 a batch.
pub type DecodeFile = fn(&DecodeSpec, Bytes) -> Result<Vec<RecordBatch>>;
