//! The records of one file: read in blocks, numbered from 0.

use brooklet_core::format::{Framed, Framing, Place};
use brooklet_core::raw::RawBatch;
use brooklet_core::source::{Budget, Payload};
use brooklet_core::{Error, Result};

use super::content::Content;
use super::source::Piece;
use super::store::{File, Store};

/// Read at a time; doubled while it holds too few records.
const BLOCK: u64 = 16 << 20;
/// A longer record is taken for a file of another format.
const MAX_RECORD: u64 = 256 << 20;

/// A position in a file's records.
pub struct Records {
    file: File,
    framing: Box<dyn Framing>,
    content: Content,
    /// Where record `number` starts.
    byte: u64,
    number: i64,
    /// The block read last: where it starts in the file, its records, and how many were taken.
    block: u64,
    found: Framed,
    taken: usize,
}

/// How much of a file to take.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Unless the file ends before.
    pub min_records: usize,
    pub most: Budget,
}

impl Records {
    /// An error when the file is compressed in a way that is not known here.
    pub fn new(file: File, framing: Box<dyn Framing>, named: &str) -> Result<Self> {
        let (found, content) = (Framed::default(), Content::new(&file, named)?);
        Ok(Records { file, framing, content, byte: 0, number: 0, block: 0, found, taken: 0 })
    }

    /// The number of the next record.
    pub fn number(&self) -> i64 {
        self.number
    }

    /// Records from number `from` on, which is not before [`Records::number`]. None at the end of
    /// the file. The piece's payload is left to the caller.
    pub async fn take(
        &mut self,
        store: &Store,
        from: i64,
        wanted: Wanted,
    ) -> Result<Option<(RawBatch, Piece)>> {
        while self.number < from {
            let max_rows = (from - self.number) as usize;
            self.fill(store, 1).await?;
            if self.left() == 0 {
                return Ok(None);
            }
            self.advance(Budget { max_rows, max_bytes: usize::MAX });
        }
        self.fill(store, wanted.min_records).await?;
        if self.left() == 0 {
            return Ok(None);
        }
        let (first, taken) = (self.number, self.taken);
        self.advance(wanted.most);
        let passed = &self.found.records[taken..self.taken];
        let ranges: Vec<_> = passed
            .iter()
            .zip(first..)
            .filter_map(|(record, number)| Some((record.range.clone()?, number)))
            .collect();
        let batch = RawBatch::from_buffer(self.found.bytes.clone(), &ranges);
        let piece = Piece {
            payload: Payload::None,
            rows: (self.number - first) as usize,
            bytes: batch.bytes(),
            to: self.number,
            more: self.content.end().is_none_or(|end| self.byte < end),
        };
        Ok(Some((batch, piece)))
    }

    /// Records at hand.
    fn left(&self) -> usize {
        self.found.records.len() - self.taken
    }

    /// Whether the block read last holds everything up to the end of the file.
    fn complete(&self) -> bool {
        let end = self.found.records.last().map_or(0, |record| record.next);
        self.content.end() == Some(self.block + end as u64)
    }

    /// Makes at least `wanted` records be at hand, or the rest of the file.
    async fn fill(&mut self, store: &Store, wanted: usize) -> Result<()> {
        let mut length = BLOCK;
        while self.left() < wanted && !self.complete() {
            let block = self.content.read(store, &self.file, self.byte, length).await?;
            let end = self.byte + block.len() as u64;
            let place = Place { first: self.byte == 0, last: self.content.end() == Some(end) };
            let found = self.framing.frame(block, place)?;
            if found.records.is_empty() && length >= MAX_RECORD {
                return Err(Error::data(format!(
                    "record {} of '{}' is longer than {} MB; is this the right format?",
                    self.number,
                    self.file.name,
                    MAX_RECORD >> 20
                )));
            }
            (self.block, self.found, self.taken) = (self.byte, found, 0);
            length *= 2;
            if place.last {
                break;
            }
        }
        Ok(())
    }

    /// Moves over records at hand, at least one.
    fn advance(&mut self, most: Budget) {
        let records = &self.found.records[self.taken..];
        let start = (self.byte - self.block) as usize;
        let (mut count, mut end) = (0, start);
        while count < records.len() && count < most.max_rows && end - start < most.max_bytes {
            end = records[count].next;
            count += 1;
        }
        self.taken += count;
        self.number += count as i64;
        self.byte = self.block + end as u64;
    }
}
