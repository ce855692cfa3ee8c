//! Records as a source received them, without copying: spans into buffers that are kept alive.
//!
//! librdkafka hands out pointers into its fetch buffers and copying them would cost a tenth of
//! the whole ingest, so a batch keeps the buffers' owner and borrows from it. This is one of the
//! two places with `unsafe` (docs/decisions/0002-borrowed-fetch-buffers.md).
#![allow(unsafe_code)]

use std::ops::Range;

use arrow::array::{ArrayRef, BinaryBuilder, MapBuilder, StringBuilder};
use bytes::Bytes;

use crate::source::SplitId;

/// Records of one split in offset order.
pub struct RawBatch {
    records: Vec<RawRecord>,
    /// Frees the buffers when dropped.
    owner: Box<dyn Owner>,
}

/// Headers of records as a column under construction.
pub type HeadersBuilder = MapBuilder<StringBuilder, BinaryBuilder>;

/// Keeps the memory of a batch's records and knows of them what is rarely asked. `records` are
/// positions in the batch.
pub trait Owner: Send + Sync {
    /// Appends a map of each record's headers; of headers with one name the last.
    fn headers(&self, records: &[u32], to: &mut HeadersBuilder) {
        for _ in records {
            // Keys and values are as many: none.
            let _ = to.append(true);
        }
    }
    /// Kafka's leader epoch of each record; None where it is not known.
    fn leader_epochs(&self, records: &[u32]) -> Vec<Option<i32>> {
        vec![None; records.len()]
    }
    /// Who set the time of each record.
    fn timestamp_types(&self, records: &[u32]) -> Vec<TimestampType> {
        vec![TimestampType::None; records.len()]
    }
    /// One value for each partition column that the scan reads, when they stand in the name of the
    /// place and not in the records.
    fn partition(&self) -> &[ArrayRef] {
        &[]
    }
    /// Split and offset that each record had when it was read for the first time, of records that
    /// are given again; otherwise none.
    fn origins(&self) -> &[(SplitId, i64)] {
        &[]
    }
}

/// Records that are given again.
struct Again {
    origins: Vec<(SplitId, i64)>,
    /// Frees the records' memory when dropped.
    _memory: Box<dyn Owner>,
}

impl Owner for Again {
    fn origins(&self) -> &[(SplitId, i64)] {
        &self.origins
    }
}

/// Records of a partition.
struct OfPartition {
    values: Vec<ArrayRef>,
    /// Frees the records' memory when dropped.
    _memory: Box<dyn Owner>,
}

impl Owner for OfPartition {
    fn partition(&self) -> &[ArrayRef] {
        &self.values
    }
}

impl Owner for Bytes {}

/// Who set a record's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampType {
    None,
    Producer,
    Broker,
}

impl TimestampType {
    /// Flink's word, which is the Java client's.
    pub fn name(self) -> &'static str {
        match self {
            TimestampType::None => "NoTimestampType",
            TimestampType::Producer => "CreateTime",
            TimestampType::Broker => "LogAppendTime",
        }
    }
}

/// One record. Addresses stay valid while the batch lives, which only the batch can promise:
/// the fields are therefore read through it.
#[derive(Clone, Copy)]
pub struct RawRecord {
    value: Span,
    key: Span,
    pub offset: i64,
    /// Milliseconds since the epoch; −1 when the source has none.
    pub timestamp: i64,
}

#[derive(Clone, Copy)]
struct Span {
    start: *const u8,
    len: usize,
}

const NULL: Span = Span { start: std::ptr::null(), len: 0 };

// SAFETY: the spans point into memory owned by `owner`, which is Send + Sync and immutable.
unsafe impl Send for RawBatch {}
// SAFETY: as above; nothing is written through the spans.
unsafe impl Sync for RawBatch {}

impl RawRecord {
    /// A record in foreign memory; a null pointer is a NULL value or key.
    ///
    /// # Safety
    /// Both spans must stay readable and unchanged until the owner given to
    /// [`RawBatch::from_foreign`] together with this record is dropped.
    pub unsafe fn foreign(
        value: (*const u8, usize),
        key: (*const u8, usize),
        offset: i64,
        timestamp: i64,
    ) -> Self {
        let value = Span { start: value.0, len: value.1 };
        let key = Span { start: key.0, len: key.1 };
        RawRecord { value, key, offset, timestamp }
    }

    /// Bytes of value and key.
    pub fn bytes(&self) -> usize {
        self.value.len + self.key.len
    }
}

impl RawBatch {
    /// Records whose spans live as long as `owner`.
    ///
    /// # Safety
    /// Every span of `records` must stay readable and unchanged until `owner` is dropped.
    pub unsafe fn from_foreign(records: Vec<RawRecord>, owner: Box<dyn Owner>) -> Self {
        RawBatch { records, owner }
    }

    /// Records that are ranges of one buffer; each record's offset is given beside its range.
    pub fn from_buffer(buffer: Bytes, ranges: &[(Range<usize>, i64)]) -> Self {
        let records = ranges
            .iter()
            .map(|(range, offset)| {
                let slice = &buffer[range.clone()];
                let value = Span { start: slice.as_ptr(), len: slice.len() };
                RawRecord { value, key: NULL, offset: *offset, timestamp: -1 }
            })
            .collect();
        // `Bytes` never moves or changes its content while a handle to it lives.
        RawBatch { records, owner: Box::new(buffer) }
    }

    /// The same records, from a place whose name holds these values.
    pub fn of_partition(self, values: Vec<ArrayRef>) -> Self {
        RawBatch { owner: Box::new(OfPartition { values, _memory: self.owner }), ..self }
    }

    /// The same records, given again: each with its own time (−1 without one) and the place that it
    /// was read from first.
    pub fn given_again(mut self, times: &[i64], origins: Vec<(SplitId, i64)>) -> Self {
        for (record, time) in self.records.iter_mut().zip(times) {
            record.timestamp = *time;
        }
        RawBatch { owner: Box::new(Again { origins, _memory: self.owner }), records: self.records }
    }

    /// As [`RawBatch::from_buffer`], but the values at `nulls` are NULL (tombstones).
    pub fn with_nulls(mut self, nulls: &[usize]) -> Self {
        for i in nulls {
            self.records[*i].value = NULL;
        }
        self
    }

    /// The same with keys, given as the records are; None is a NULL key.
    pub fn with_keys(mut self, buffer: Bytes, ranges: &[Option<Range<usize>>]) -> Self {
        for (record, range) in self.records.iter_mut().zip(ranges) {
            let key = range.clone().map(|range| &buffer[range]);
            record.key = key.map_or(NULL, |key| Span { start: key.as_ptr(), len: key.len() });
        }
        let owner = Both { _values: self.owner, _keys: buffer };
        RawBatch { records: self.records, owner: Box::new(owner) }
    }

    /// Reads the keys of some records as if they were the values of a batch.
    pub fn keys<T>(&self, range: Range<usize>, read: impl FnOnce(&RawBatch) -> T) -> T {
        let key = |record: &RawRecord| RawRecord { value: record.key, key: NULL, ..*record };
        let records = self.records[range].iter().map(key).collect();
        // Nothing of it outlives the call, during which `self` keeps the memory.
        read(&RawBatch { records, owner: Box::new(Bytes::new()) })
    }

    /// What is rarely asked of the records.
    pub fn rarely(&self) -> &dyn Owner {
        &*self.owner
    }

    pub fn len(&self) -> usize {
        self.records.len()
    }
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
    /// None is a NULL value (a tombstone).
    #[inline]
    pub fn value(&self, i: usize) -> Option<&[u8]> {
        self.slice(self.records[i].value)
    }
    #[inline]
    pub fn key(&self, i: usize) -> Option<&[u8]> {
        self.slice(self.records[i].key)
    }
    pub fn offset(&self, i: usize) -> i64 {
        self.records[i].offset
    }
    pub fn timestamp(&self, i: usize) -> i64 {
        self.records[i].timestamp
    }
    /// Bytes of all values and keys.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(RawRecord::bytes).sum()
    }
    #[inline]
    fn slice(&self, span: Span) -> Option<&[u8]> {
        if span.start.is_null() {
            return None;
        }
        // SAFETY: promised by the constructors for as long as `owner`, and so `self`, lives.
        Some(unsafe { std::slice::from_raw_parts(span.start, span.len) })
    }
}

/// Values in one place, keys in another.
struct Both {
    _values: Box<dyn Owner>,
    _keys: Bytes,
}

impl Owner for Both {}

impl std::fmt::Debug for RawBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RawBatch({} records)", self.len())
    }
}
