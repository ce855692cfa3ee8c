//! A source whose table is given dead letters again, beside what it reads.
//!
//! The letters are the table's split [`SplitId::replay`]: recorded ranges of slots, decoded like
//! all other records, their position part of the state. That a new slot is there is found out
//! beside the reading, which costs one look at a number for every poll.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use brooklet_core::raw::RawBatch;
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::{Error, Result, Source};
use tokio::task::AbortHandle;

use super::Waker;
use crate::checkpoint::replays::{self, Again, Slot};
use crate::checkpoint::store::Store;

/// How often the store is asked for the next slot.
const LOOK: Duration = Duration::from_secs(2);

/// The slots of a pipeline, watched while this lives.
pub struct Replays {
    store: Arc<dyn Store>,
    root: String,
    /// How many slots are known to be there.
    known: Arc<AtomicI64>,
    watch: AbortHandle,
}

impl Drop for Replays {
    fn drop(&mut self) {
        self.watch.abort();
    }
}

impl Replays {
    /// `waker` is called when there is a new slot.
    pub async fn open(store: Arc<dyn Store>, root: &str, waker: Waker) -> Result<Arc<Replays>> {
        let known = Arc::new(AtomicI64::new(replays::count(store.as_ref(), root).await?));
        let watching = watch(store.clone(), root.to_string(), known.clone(), waker);
        let watch = tokio::spawn(watching).abort_handle();
        Ok(Arc::new(Replays { store, root: root.to_string(), known, watch }))
    }

    /// A slot that is known to be there.
    async fn read(&self, number: i64) -> Result<Slot> {
        let slot = replays::read(self.store.as_ref(), &self.root, number).await?;
        slot.ok_or_else(|| {
            Error::corrupt(format!("dead letters that were replayed are gone: slot {number}"))
        })
    }
}

/// Counts slots as they appear; an outage of the store is the journal's to report.
#[allow(clippy::disallowed_methods, reason = "what it finds is recorded when it is read")]
async fn watch(store: Arc<dyn Store>, root: String, known: Arc<AtomicI64>, waker: Waker) {
    loop {
        tokio::time::sleep(LOOK).await;
        let next = known.load(Ordering::Acquire);
        // A damaged slot is there as well: who reads it says so.
        let there = match replays::read(store.as_ref(), &root, next).await {
            Ok(slot) => slot.is_some(),
            Err(e) => e.kind == brooklet_core::ErrorKind::Corrupt,
        };
        if !there {
            continue;
        }
        if let Ok(count) = replays::count(store.as_ref(), &root).await {
            known.store(count, Ordering::Release);
            waker();
        }
    }
}

/// A table's source and its letters.
pub struct Replaying {
    source: Box<dyn Source>,
    table: String,
    replays: Arc<Replays>,
    /// The next slot.
    position: i64,
    /// The source itself has nothing more.
    ended: bool,
}

impl Replaying {
    /// Gives the source only its own positions: those of the letters are kept here.
    pub fn split_off(positions: Vec<SplitPosition>) -> (Vec<SplitPosition>, i64) {
        let (letters, own): (Vec<_>, Vec<_>) =
            positions.into_iter().partition(|p| p.split.is_replay());
        (own, letters.first().map_or(0, |p| p.offset))
    }

    pub fn new(
        source: Box<dyn Source>,
        table: &str,
        replays: Arc<Replays>,
        position: i64,
    ) -> Replaying {
        Replaying { source, table: table.to_string(), replays, position, ended: false }
    }

    /// The next letters of the table, and the slot after them.
    async fn waiting(&mut self, max_rows: usize) -> Result<(Vec<(i64, Again)>, i64)> {
        let known = self.replays.known.load(Ordering::Acquire);
        let (mut letters, mut next) = (Vec::new(), self.position);
        while next < known {
            let slot = self.replays.read(next).await?;
            let of_table = slot.table == self.table;
            if of_table && !letters.is_empty() && letters.len() + slot.letters.len() > max_rows {
                break;
            }
            if of_table {
                letters.extend(numbered(next, slot));
            }
            next += 1;
        }
        Ok((letters, next))
    }

    async fn again(&mut self, range: &SplitRange) -> Result<SplitInput> {
        let mut letters = Vec::new();
        for number in range.from..range.to {
            let slot = self.replays.read(number).await?;
            if slot.table == self.table {
                letters.extend(numbered(number, slot));
            }
        }
        Ok(input(letters, range.from, range.to))
    }
}

fn numbered(number: i64, slot: Slot) -> impl Iterator<Item = (i64, Again)> {
    let offset = move |(i, letter)| (Slot::offset(number, i), letter);
    slot.letters.into_iter().enumerate().map(offset)
}

fn input(letters: Vec<(i64, Again)>, from: i64, to: i64) -> SplitInput {
    let (mut buffer, mut ranges) = (Vec::new(), Vec::with_capacity(letters.len()));
    let (mut times, mut origins) = (Vec::new(), Vec::new());
    for (offset, letter) in letters {
        let start = buffer.len();
        buffer.extend_from_slice(&letter.bytes);
        ranges.push((start..buffer.len(), offset));
        times.push(letter.timestamp.unwrap_or(-1));
        origins.push((letter.split, letter.offset));
    }
    let batch = RawBatch::from_buffer(Bytes::from(buffer), &ranges).given_again(&times, origins);
    let payload = if batch.is_empty() { Payload::None } else { Payload::Raw(batch) };
    let range = SplitRange { split: SplitId::replay(), from, to };
    SplitInput { range, payload, caught_up: true }
}

#[async_trait]
impl Source for Replaying {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        // First: what the source gives is given once.
        let (letters, next) = match self.position < self.replays.known.load(Ordering::Acquire) {
            true => self.waiting(budget.max_rows).await?,
            false => (Vec::new(), self.position),
        };
        let max_rows = budget.max_rows.saturating_sub(letters.len()).max(1);
        let mut polled = match self.ended {
            true => Input { splits: Vec::new(), ended: true },
            false => self.source.poll(Budget { max_rows, ..budget }).await?,
        };
        self.ended = polled.ended;
        if !letters.is_empty() {
            polled.splits.push(input(letters, self.position, next));
            polled.splits.sort_by(|a, b| a.range.split.cmp(&b.range.split));
        }
        self.position = next;
        polled.ended = self.ended && next >= self.replays.known.load(Ordering::Acquire);
        Ok(polled)
    }

    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        let (letters, own): (Vec<SplitRange>, Vec<SplitRange>) =
            ranges.iter().cloned().partition(|range| range.split.is_replay());
        let mut replayed = match own.is_empty() {
            true => Input::default(),
            false => self.source.replay(&own).await?,
        };
        for range in letters {
            replayed.splits.push(self.again(&range).await?);
            self.position = range.to;
        }
        replayed.splits.sort_by(|a, b| a.range.split.cmp(&b.range.split));
        Ok(replayed)
    }

    fn recall(&mut self, input: &Input) -> Result<()> {
        self.source.recall(input)
    }

    async fn release(&mut self, upto: &[SplitPosition]) -> Result<()> {
        let own: Vec<SplitPosition> =
            upto.iter().filter(|p| !p.split.is_replay()).cloned().collect();
        self.source.release(&own).await
    }

    fn lag(&self) -> Option<u64> {
        self.source.lag()
    }
}

#[cfg(test)]
mod tests;
