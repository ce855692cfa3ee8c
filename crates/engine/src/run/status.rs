//! What a running pipeline is doing, for whoever shows it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use brooklet_core::Epoch;
use brooklet_core::time::Millis;

use super::histogram::Histogram;
use crate::checkpoint::manifest::Manifest;
use crate::ingest::ReadCounts;
use crate::ops::Counts;
use crate::views::Views;

/// Shared by the tasks of a run; reading never waits for an epoch.
#[derive(Clone, Default)]
pub struct Status {
    progress: Arc<Mutex<Progress>>,
    tables: Views,
}

/// Totals since the pipeline's first start unless said otherwise. Written once per epoch or
/// commit, never per row.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub phase: Phase,
    /// By table.
    pub read: BTreeMap<String, ReadCounts>,
    pub computed: Epoch,
    pub committed: Epoch,
    /// When this process last committed.
    pub committed_at: Option<Millis>,
    /// Since when epochs are computed without one being committed.
    pub uncommitted_since: Option<Millis>,
    /// From the poll of an epoch to its commit in every sink, by this process.
    pub epoch_took: Histogram,
    /// Journal and sinks, for the epochs that are committed together, by this process.
    pub commit_took: Histogram,
    /// Rows given to sinks by this process, and committed by it.
    pub rows_out: u64,
    /// The same by sink table.
    pub written: BTreeMap<String, u64>,
    /// Rows that came too late, and records that could not be decoded or computed.
    pub late: u64,
    pub dead: u64,
    /// The same by source table.
    pub late_of: BTreeMap<String, u64>,
    pub dead_of: BTreeMap<String, u64>,
    /// The lowest watermark of the scans; None before the first event.
    pub watermark: Option<Millis>,
    /// By table, where there is one yet.
    pub watermark_of: BTreeMap<String, Millis>,
    /// Records known to wait outside; None when no source can tell.
    pub lag: Option<u64>,
    /// By table, where the source can tell.
    pub lag_of: BTreeMap<String, u64>,
    pub state_bytes: u64,
    /// The newest one published or restored.
    pub snapshot: Option<LastSnapshot>,
    /// In plan order.
    pub nodes: Vec<NodeProgress>,
    /// An outage that is being retried.
    pub outage: Option<String>,
    pub outage_since: Option<Millis>,
}

/// Where a run is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Opening connectors, loading the snapshot, replaying the journal's tail.
    #[default]
    Recovering,
    Running,
    /// Nothing is read any more; what was read is committed.
    Stopping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastSnapshot {
    pub epoch: Epoch,
    pub bytes: u64,
    pub taken_at: Millis,
    /// From the capture to the manifest; None when an earlier process took it.
    pub took_ms: Option<Millis>,
}

#[derive(Debug, Clone, Default)]
pub struct NodeProgress {
    pub label: String,
    /// `Map`, `Reduce`, …
    pub kind: &'static str,
    pub counts: Counts,
    pub state_bytes: u64,
}

impl LastSnapshot {
    /// A snapshot that was found at the start.
    pub fn of(manifest: &Manifest) -> Self {
        let (epoch, taken_at) = (manifest.epoch, manifest.taken_at);
        LastSnapshot { epoch, bytes: manifest.bytes(), taken_at, took_ms: None }
    }
}

impl Status {
    pub fn read(&self) -> Progress {
        self.lock().clone()
    }
    /// The built-in tables as last committed.
    pub fn tables(&self) -> &Views {
        &self.tables
    }
    pub fn update(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.lock());
    }
    fn lock(&self) -> std::sync::MutexGuard<'_, Progress> {
        // A panic while holding it leaves plain numbers behind; they are still fit to show.
        self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Progress {
    /// A counter over all nodes.
    pub fn sum(&self, of: impl Fn(&Counts) -> u64) -> u64 {
        self.nodes.iter().map(|node| of(&node.counts)).sum()
    }
    /// Since when a commit or a service is waited for; None while all is done that is there.
    pub fn waiting_since(&self) -> Option<Millis> {
        self.uncommitted_since.into_iter().chain(self.outage_since).min()
    }
    /// An epoch is computed and on its way out.
    pub fn show_computed(&mut self, epoch: Epoch, now: Millis) {
        self.computed = epoch;
        self.uncommitted_since.get_or_insert(now);
    }
    /// All sinks hold this epoch.
    pub fn show_committed(&mut self, epoch: Epoch, now: Millis) {
        self.committed = epoch;
        self.committed_at = Some(now);
        self.uncommitted_since = (self.computed > epoch).then_some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_nothing_to_commit_waits_for_nothing() {
        let mut p = Progress::default();
        assert_eq!(p.waiting_since(), None);
        p.show_computed(Epoch(1), 100);
        p.show_computed(Epoch(2), 200);
        assert_eq!(p.waiting_since(), Some(100));
        // A commit is a sign of life for those that are still under way.
        p.show_committed(Epoch(1), 300);
        assert_eq!((p.waiting_since(), p.committed_at), (Some(300), Some(300)));
        p.show_committed(Epoch(2), 400);
        assert_eq!(p.waiting_since(), None);
        p.outage_since = Some(500);
        p.show_computed(Epoch(3), 600);
        assert_eq!(p.waiting_since(), Some(500));
    }
}
