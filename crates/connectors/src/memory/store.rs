//! What outlives a pipeline in a test: the rows pushed in and the rows committed.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use brooklet_core::sink::EpochOutput;
use brooklet_core::{Delta, Epoch, Error, Instance, Result};

static STORES: LazyLock<Mutex<BTreeMap<String, Store>>> = LazyLock::new(Default::default);

/// A handle; clones share one store.
#[derive(Clone, Default)]
pub struct Store(Arc<Mutex<State>>);

#[derive(Default)]
pub(super) struct State {
    /// Each split's rows; an offset is the number of rows before it.
    pub splits: BTreeMap<String, Vec<Delta>>,
    pub ended: bool,
    pub wakers: Vec<Arc<dyn Fn() + Send + Sync>>,
    released: BTreeMap<String, i64>,
    committed: Option<(Instance, Epoch)>,
    tables: BTreeMap<String, Vec<Delta>>,
    fail_before: usize,
    fail_after: usize,
}

impl Store {
    /// The store of that name, empty when it is new.
    pub fn named(name: &str) -> Store {
        let mut stores = STORES.lock().unwrap_or_else(|broken| broken.into_inner());
        stores.entry(name.to_string()).or_default().clone()
    }
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|broken| broken.into_inner())
    }

    /// Appends rows to a split of the source.
    pub fn push(&self, split: &str, rows: Delta) {
        self.state().splits.entry(split.to_string()).or_default().push(rows);
        self.wake();
    }
    /// The source ends after what was pushed.
    pub fn end(&self) {
        self.state().ended = true;
        self.wake();
    }
    /// Up to where the source was told that it may forget.
    pub fn released(&self) -> BTreeMap<String, i64> {
        self.state().released.clone()
    }
    /// What sinks committed, table by table, in commit order.
    pub fn rows(&self) -> Vec<Delta> {
        self.state().tables.values().flatten().cloned().collect()
    }
    /// As [`Store::rows`], of one table.
    pub fn rows_of(&self, table: &str) -> Vec<Delta> {
        self.state().tables.get(table).cloned().unwrap_or_default()
    }
    pub fn committed(&self) -> Option<(Instance, Epoch)> {
        self.state().committed.clone()
    }
    /// The next commits fail without effect.
    pub fn fail_before(&self, commits: usize) {
        self.state().fail_before = commits;
    }
    /// The next commits take effect, but their answer is lost.
    pub fn fail_after(&self, commits: usize) {
        self.state().fail_after = commits;
    }
    /// As when new.
    pub fn clear(&self) {
        *self.state() = State::default();
    }

    fn wake(&self) {
        let wakers = self.state().wakers.clone();
        wakers.iter().for_each(|wake| wake());
    }
}

impl State {
    pub fn release(&mut self, split: &str, upto: i64) {
        self.released.insert(split.to_string(), upto);
    }

    /// All new epochs of `instance` in one act, under the last number (I3).
    pub fn commit(
        &mut self,
        instance: &Instance,
        tables: &[String],
        epochs: &[EpochOutput],
    ) -> Result<()> {
        if self.fail_before > 0 {
            self.fail_before -= 1;
            return Err(Error::outside("the memory store was told to fail"));
        }
        let held = match &self.committed {
            Some((of, epoch)) if of == instance => *epoch,
            _ => Epoch(0),
        };
        for output in epochs.iter().filter(|o| o.epoch > held) {
            for (table, rows) in tables.iter().zip(&output.tables) {
                let changes = rows.changes.iter().filter(|d| !d.is_empty()).cloned();
                self.tables.entry(table.clone()).or_default().extend(changes);
            }
        }
        if let Some(last) = epochs.last().filter(|last| last.epoch > held) {
            self.committed = Some((instance.clone(), last.epoch));
        }
        if self.fail_after > 0 {
            self.fail_after -= 1;
            return Err(Error::outside("the memory store's answer was told to be lost"));
        }
        Ok(())
    }
}
