//! Records that are the lines of a file: read in blocks, numbered from 0.

use brooklet_core::raw::RawBatch;
use brooklet_core::source::{Budget, Payload};
use brooklet_core::{Error, Result};
use bytes::Bytes;

use super::source::Piece;
use super::store::{File, Store};

/// Read at a time; doubled while it holds too few lines.
const BLOCK: u64 = 16 << 20;
/// A longer line is taken for a file of another format.
const MAX_LINE: u64 = 256 << 20;

/// A position in a file's lines.
pub struct Lines {
    file: File,
    /// Where line `line` starts.
    byte: u64,
    line: i64,
    /// Whole lines from there on, read already.
    buffer: Bytes,
}

/// How much of a file to take.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Unless the file ends before.
    pub min_lines: usize,
    pub most: Budget,
}

impl Lines {
    pub fn new(file: File) -> Self {
        Lines { file, byte: 0, line: 0, buffer: Bytes::new() }
    }

    /// The number of the next line.
    pub fn line(&self) -> i64 {
        self.line
    }

    /// Lines from number `from` on; empty lines are counted but are no records. None at the end
    /// of the file. The piece's payload is left to the caller.
    pub async fn take(
        &mut self,
        store: &Store,
        from: i64,
        wanted: Wanted,
    ) -> Result<Option<(RawBatch, Piece)>> {
        if from < self.line {
            *self = Lines::new(self.file.clone());
        }
        while self.line < from {
            let max_rows = (from - self.line) as usize;
            self.fill(store, 1).await?;
            if self.buffer.is_empty() {
                return Ok(None);
            }
            self.advance(Budget { max_rows, max_bytes: usize::MAX });
        }
        self.fill(store, wanted.min_lines).await?;
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let (first, block) = (self.line, self.buffer.clone());
        let ranges = self.advance(wanted.most);
        let records: Vec<_> = ranges
            .into_iter()
            .enumerate()
            .filter(|(_, range)| !range.is_empty())
            .map(|(i, range)| (range, first + i as i64))
            .collect();
        let batch = RawBatch::from_buffer(block, &records);
        let piece = Piece {
            payload: Payload::None,
            rows: (self.line - first) as usize,
            bytes: batch.bytes(),
            to: self.line,
            more: self.byte < self.file.size,
        };
        Ok(Some((batch, piece)))
    }

    /// Makes the buffer hold `lines` whole lines, or the rest of the file.
    async fn fill(&mut self, store: &Store, lines: usize) -> Result<()> {
        let mut length = BLOCK;
        while newlines(&self.buffer, lines) < lines {
            let end = (self.byte + length).min(self.file.size);
            if self.byte + self.buffer.len() as u64 == self.file.size {
                return Ok(());
            }
            let block = store.read(&self.file.name, self.byte, end).await?;
            if (block.len() as u64) < end - self.byte {
                return Err(Error::corrupt(format!(
                    "the file '{}' became shorter while it was read",
                    self.file.name
                )));
            }
            let whole = match memchr::memrchr(b'\n', &block) {
                _ if end == self.file.size => block.len(),
                Some(last) => last + 1,
                None if length < MAX_LINE => 0,
                None => {
                    return Err(Error::data(format!(
                        "line {} of '{}' is longer than {} MB; is this the right format?",
                        self.line,
                        self.file.name,
                        MAX_LINE >> 20
                    )));
                }
            };
            self.buffer = block.slice(..whole);
            length *= 2;
        }
        Ok(())
    }

    /// Moves over lines of the buffer, at least one; where each lies in it, without its end.
    fn advance(&mut self, most: Budget) -> Vec<std::ops::Range<usize>> {
        let block = std::mem::take(&mut self.buffer);
        let mut ranges = Vec::new();
        let mut at = 0;
        while at < block.len() && ranges.len() < most.max_rows && at < most.max_bytes {
            let (end, next) = match memchr::memchr(b'\n', &block[at..]) {
                Some(length) => (at + length, at + length + 1),
                None => (block.len(), block.len()),
            };
            // A line may end in CR LF.
            let cut = end - (end > at && end < next && block[end - 1] == b'\r') as usize;
            ranges.push(at..cut);
            at = next;
        }
        self.buffer = block.slice(at..);
        self.byte += at as u64;
        self.line += ranges.len() as i64;
        ranges
    }
}

/// The number of line ends, counted up to `enough`.
fn newlines(block: &[u8], enough: usize) -> usize {
    memchr::memchr_iter(b'\n', block).take(enough).count()
}
