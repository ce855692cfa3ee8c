//! Where bytes come from.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::raw::RawBatch;
use crate::{Delta, Result};

/// Part of a source with an order of its own: a Kafka partition, a file. Sorts by name, which is
/// the arrival order among splits of one epoch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SplitId(pub Arc<str>);

/// No topic and no relative path has this name.
const REPLAY: &str = "//replay";

impl SplitId {
    pub fn new(name: impl AsRef<str>) -> Self {
        SplitId(Arc::from(name.as_ref()))
    }
    /// The split that every table of records has beside those of its source: dead letters that are
    /// given to the table again. It has no part in the table's watermark.
    pub fn replay() -> Self {
        SplitId::new(REPLAY)
    }
    pub fn is_replay(&self) -> bool {
        &*self.0 == REPLAY
    }
}

impl std::fmt::Display for SplitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Offsets `from..to` of a split; offsets may have gaps, `to` is the reader's position after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRange {
    pub split: SplitId,
    pub from: i64,
    pub to: i64,
}

/// Where a split is read from next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitPosition {
    pub split: SplitId,
    pub offset: i64,
}

/// How the rows of a table come to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Records stay where they are: recorded ranges can be read again.
    Log,
    /// Rows are taken as they are found, once. The record keeps them, and until the source has
    /// ended the state keeps what was given, so that a restart in between gives only the rest.
    Once,
    /// As `Once`, but never ended: what was given is compared with what is found, again and again,
    /// and rows that are there no more are taken back.
    Refreshed,
}

/// How much one poll may take, over all splits.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    pub max_rows: usize,
    pub max_bytes: usize,
}

/// What a poll took.
#[derive(Debug, Default)]
pub struct Input {
    /// Every split known, also those that gave nothing; sorted by split.
    pub splits: Vec<SplitInput>,
    /// The source is bounded and everything has been returned.
    pub ended: bool,
}

#[derive(Debug)]
pub struct SplitInput {
    pub range: SplitRange,
    pub payload: Payload,
    /// Read to its end as far as the source knows: without new data the split may become idle.
    /// False while there is lag, while paused, or when the split cannot be reached.
    pub caught_up: bool,
}

#[derive(Debug)]
pub enum Payload {
    /// Nothing was read.
    None,
    /// Records for a Decoder, in offset order.
    Raw(RawBatch),
    /// Rows already, in offset order: the table's physical columns asked for at open.
    Rows(Vec<Delta>),
}

impl Input {
    pub fn is_empty(&self) -> bool {
        self.splits.iter().all(|s| s.range.from == s.range.to)
    }
}

/// A reader of one table. Opened at positions (or at its startup mode), it is polled in a loop by
/// one task. Retry with backoff after `Outside` errors is the caller's; an implementation must be
/// able to go on after having returned one.
#[async_trait]
pub trait Source: Send {
    /// Takes what has arrived, at most `budget`, and returns at once. When there is nothing, new
    /// data later calls the waker given at open. Positions move by what was returned, once.
    async fn poll(&mut self, budget: Budget) -> Result<Input>;
    /// Reads recorded ranges again: the same records in the same order, or a `Corrupt` error when
    /// they are gone. Afterwards `poll` goes on at the ends of these ranges. Called before the
    /// first `poll` only, epoch by epoch.
    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input>;
    /// Instead of `replay`, for sources whose rows the record keeps (`Reading`): what was given.
    fn recall(&mut self, _: &Input) -> Result<()> {
        Ok(())
    }
    /// A snapshot covers everything before `upto`: the outside may forget it. May be repeated.
    async fn release(&mut self, upto: &[SplitPosition]) -> Result<()>;
    /// Records known to wait outside behind what `poll` has returned; None when nobody can know.
    /// For showing it: answers at once, perhaps from what was heard a moment ago.
    fn lag(&self) -> Option<u64> {
        None
    }
}
