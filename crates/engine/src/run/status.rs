//! What a running pipeline is doing, for whoever shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use brooklet_core::Epoch;
use brooklet_core::time::Millis;

use crate::ingest::ReadCounts;
use crate::ops::Counts;

/// Shared by the tasks of a run; reading never waits for an epoch.
#[derive(Clone, Default)]
pub struct Status(Arc<Mutex<Progress>>);

/// Totals since the pipeline's first start unless said otherwise.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// By table.
    pub read: BTreeMap<String, ReadCounts>,
    pub computed: Epoch,
    pub committed: Epoch,
    /// Rows given to sinks by this process, and committed by it.
    pub rows_out: u64,
    /// Rows that came too late, and records that could not be decoded or computed.
    pub late: u64,
    pub dead: u64,
    /// The same by source table.
    pub late_of: BTreeMap<String, u64>,
    pub dead_of: BTreeMap<String, u64>,
    /// The lowest watermark of the scans; None before the first event.
    pub watermark: Option<Millis>,
    /// Records known to wait outside; None when no source can tell.
    pub lag: Option<u64>,
    pub state_bytes: u64,
    pub snapshot: Option<Epoch>,
    pub snapshot_bytes: u64,
    /// By node label, in plan order.
    pub nodes: Vec<(String, Counts)>,
    /// An outage that is being retried.
    pub outage: Option<String>,
}

impl Status {
    pub fn read(&self) -> Progress {
        self.lock().clone()
    }
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock());
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        // A panic while holding it leaves plain numbers behind; they are still fit to show.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
