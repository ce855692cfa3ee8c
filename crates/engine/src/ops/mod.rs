//! Operators: what nodes of the plan do to rows, once per epoch and shard.
//!
//! One file per node kind: [`map`] (and [`unnest`]), [`join`] (in event time [`versions`], within
//! windows [`window_join`]; [`panes`] deals rows to these), [`reduce`] (with its aggregates,
//! windows, top-n and dedup), [`gate`], [`lookup`], [`sinks`] for what these keep: [`stage`] rows
//! of open files, [`partitions`] what is not complete, [`kept`] built-in tables, [`whole`] results;
//! [`held`] for sources that give rows once. Scans are [`crate::ingest`], exchanges
//! [`crate::exchange`], unions are concatenation.

pub mod bisect;
pub mod exprs;
mod file_name;
pub mod filter;
pub mod gate;
pub mod held;
pub mod join;
pub mod kept;
pub mod lookup;
pub mod map;
pub mod panes;
pub mod partitions;
pub mod reduce;
pub mod rows;
pub mod sinks;
pub mod stage;
pub mod ttl;
pub mod unnest;
pub mod versions;
pub mod whole;
pub mod window_join;

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Epoch, Result};

use crate::table::Table;

/// What an operator may know of the epoch beside its rows.
#[derive(Debug, Clone, Copy)]
pub struct StepCtx {
    pub epoch: Epoch,
    /// The epoch's processing time.
    pub now: Millis,
    /// After this epoch's input: close what is due.
    pub watermark: Millis,
    /// The watermark before this epoch: a window it has passed is closed. With on-event
    /// watermarks the row's hidden column says more.
    pub late_before: Millis,
}

/// What a step gives beside the next state.
#[derive(Debug, Default)]
pub struct StepOutput {
    pub rows: Vec<Delta>,
    pub counts: Counts,
    /// Rows that came too late for their window, with the input's columns.
    pub late: Vec<Delta>,
    /// Rows that an expression failed on, if the pipeline sets them aside.
    pub bad: Vec<BadRows>,
}

/// Rows whose first columns are the input's, each with what went wrong.
#[derive(Debug)]
pub struct BadRows {
    pub rows: Delta,
    pub reasons: Vec<String>,
}

/// Where the rows of one step went: in = passed + filtered + late + duplicates + change of held
/// for filters, dedup, and window inputs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    pub rows_in: u64,
    pub rows_out: u64,
    pub filtered: u64,
    pub late: u64,
    pub duplicates: u64,
    /// Rows that an expression failed on, under `brooklet.on-row-error` = dead-letter.
    pub bad: u64,
}

impl Counts {
    pub fn add(&mut self, other: Counts) {
        self.rows_in += other.rows_in;
        self.rows_out += other.rows_out;
        self.filtered += other.filtered;
        self.late += other.late;
        self.duplicates += other.duplicates;
        self.bad += other.bad;
    }
}

/// A node of the plan on one shard.
pub trait Operator: Send {
    /// Once per epoch, even when nothing came in. A pure function of state, inputs and `ctx` (I1):
    /// no I/O, no clock, no spawn. `inputs` is indexed like the node's inputs.
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput>;
    /// Every table that must survive a restart: saving and size metrics use this list.
    fn tables(&mut self) -> Vec<&mut Table> {
        Vec::new()
    }
    /// The table a snapshot calls `name`, created if the operator makes it on demand (window
    /// panes); None when it has no such table.
    fn table(&mut self, name: &str) -> Result<Option<&mut Table>> {
        Ok(self.tables().into_iter().find(|t| t.name() == name))
    }
    /// When the clock closes the next window.
    fn next_due(&self) -> Option<Millis> {
        None
    }
    /// All tables have been loaded: rebuild what is derived from them.
    fn loaded(&mut self) -> Result<()> {
        Ok(())
    }
}
