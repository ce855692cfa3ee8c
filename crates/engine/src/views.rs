//! Built-in tables as readers see them: all of them as of one committed epoch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use brooklet_core::{Epoch, Instance};

pub use crate::ops::kept::{KeyPrefix, TableView};

/// The tables by name.
pub type Tables = BTreeMap<String, Arc<TableView>>;

/// All tables after an epoch that every sink holds.
pub struct CommittedTables {
    pub instance: Instance,
    /// The last one that changed a table, or the one the process came back with.
    pub epoch: Epoch,
    pub tables: Arc<Tables>,
}

/// Shared by the pipeline and its readers; reading never waits for an epoch.
#[derive(Clone, Default)]
pub struct Views(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    wanted: bool,
    committed: Option<Arc<CommittedTables>>,
}

impl Views {
    /// There will be readers: to be called before the pipeline starts, which makes no views
    /// otherwise.
    pub fn want(&self) {
        self.lock().wanted = true;
    }
    pub fn are_wanted(&self) -> bool {
        self.lock().wanted
    }
    /// None until the pipeline has recovered.
    pub fn read(&self) -> Option<Arc<CommittedTables>> {
        self.lock().committed.clone()
    }
    /// The pipeline has recovered.
    pub fn open(&self, committed: CommittedTables) {
        self.lock().committed = Some(Arc::new(committed));
    }
    /// Every sink holds the epoch. Nothing is shown before the pipeline has recovered.
    pub fn publish(&self, epoch: Epoch, tables: Arc<Tables>) {
        let mut state = self.lock();
        let Some(before) = state.committed.take() else { return };
        let instance = before.instance.clone();
        state.committed = Some(Arc::new(CommittedTables { instance, epoch, tables }));
        // What nobody reads any more is freed without making readers wait.
        drop(state);
        drop(before);
    }
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked while holding it left one of two states, both of which can be read.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
