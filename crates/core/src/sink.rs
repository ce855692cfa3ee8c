//! Where rows go.

use arrow::array::RecordBatch;
use async_trait::async_trait;

use crate::{Delta, Epoch, Instance, Result};

/// One commit domain: all tables whose rows become visible in one atomic act.
///
/// The caller asks `committed` once before the first commit, then commits epochs in order, each
/// epoch's record being durable in the journal (I2). After an `Outside` error the caller calls
/// `commit` again with the same epochs, so an implementation must find out by itself whether the
/// act before had taken place.
#[async_trait]
pub trait Sink: Send {
    /// What the outside already holds; None when nothing, or when repeating is harmless because
    /// a replay writes the same bytes under the same names.
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>>;
    /// Makes all waiting consecutive epochs visible in one atomic act under the last number (I3);
    /// durable on return. Epochs at or below the committed one are ignored.
    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()>;
}

/// What one epoch gives to one commit domain.
#[derive(Debug, Clone)]
pub struct EpochOutput {
    pub epoch: Epoch,
    /// Indexed like the tables the sink was opened with.
    pub tables: Vec<TableOutput>,
}

/// Rows of one table, in the order of its declared columns.
#[derive(Debug, Clone, Default)]
pub struct TableOutput {
    /// Consolidated changes of this epoch.
    pub changes: Vec<Delta>,
    /// Files that roll in this epoch, whole; only for tables that stage (see `Connector::stages`).
    pub files: Vec<RolledFile>,
    /// Names of empty files that are put when all files are there: partitions are complete.
    pub marks: Vec<String>,
    /// The rows are all that the table holds from now on. Of files: all that their directories
    /// hold, and the table's own.
    pub replaces: bool,
}

/// The content of a file that rolled. Name and content are a function of the journal alone.
#[derive(Debug, Clone)]
pub struct RolledFile {
    /// Relative to the table's path, with the file's extension.
    pub name: String,
    /// Changes in arrival order, without partition columns.
    pub rows: Vec<Delta>,
}

impl TableOutput {
    pub fn rows(&self) -> usize {
        self.changes.iter().map(Delta::len).sum::<usize>()
            + self.files.iter().flat_map(|f| &f.rows).map(Delta::len).sum::<usize>()
    }
    pub fn is_empty(&self) -> bool {
        !self.replaces
            && self.changes.iter().all(Delta::is_empty)
            && self.files.is_empty()
            && self.marks.is_empty()
    }
    /// The batches of an append-only table's changes.
    pub fn batches(&self) -> impl Iterator<Item = &RecordBatch> {
        self.changes.iter().map(|d| &d.rows)
    }
}
