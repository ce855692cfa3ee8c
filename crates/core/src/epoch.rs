//! An epoch: a bounded gulp of input run through the whole plan, and the record that repeats it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::schemas::WriterSchema;
use crate::source::{SplitId, SplitRange};
use crate::time::Millis;

/// The number of an epoch. Numbers grow over all generations of an instance, start at 1 and are
/// never reused; 0 is the state before the first epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Epoch(pub u64);

impl Epoch {
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Minted at a pipeline's first start (and by `--fresh`): sinks compare (instance, epoch).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance(pub String);

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What an epoch saw that the state before it did not determine (I1). Durable in the journal
/// before any sink hears of the epoch (I2); replaying it gives the same output and state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    pub epoch: Epoch,
    /// PROCTIME(), CURRENT_TIMESTAMP and the age of open files are measured against this.
    pub now: Millis,
    /// Seeds RAND() and UUID().
    pub seed: u64,
    /// How many shards computed it: a tail is replayed at the recorded count.
    pub shards: u32,
    /// One entry per scan of the plan, in plan order.
    pub inputs: Vec<SourceInput>,
    /// Sinks roll what is open: the end of all inputs.
    pub end: bool,
    /// What outside tables answered, one entry per lookup that asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Answered>,
}

/// What one source gave to an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceInput {
    pub table: String,
    /// Every split known at that moment, `from == to` where nothing was read.
    pub ranges: Vec<SplitRange>,
    /// Splits that do not hold the watermark back in this epoch.
    pub idle: Vec<SplitId>,
    /// The source is bounded and was read to its end.
    pub ended: bool,
    /// The rows themselves, of a source that cannot give them again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<SplitRows>,
    /// What a registry answered about schemas that the records name and that were not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<WriterSchema>,
}

/// What a split gave, kept because nobody else does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitRows {
    pub split: SplitId,
    /// Each a batch with its weights as an Arrow IPC stream, in base64.
    pub batches: Vec<Arc<str>>,
}

/// What an outside table answered to a node of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The node's fingerprint.
    pub node: u64,
    /// The rows and which of the keys each answers, as an Arrow IPC stream, in base64. The keys
    /// follow from the state and the rows that ask.
    pub rows: Arc<str>,
}
