//! The sink of a top-level SELECT: rows for whoever shows them.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use brooklet_core::sink::EpochOutput;
use brooklet_core::{Delta, Epoch, Instance, Result, Sink};

/// Receives a table's name and an epoch's changes of it.
pub type OnRows = Arc<dyn Fn(&str, &[Delta]) + Send + Sync>;

/// Hands rows to a callback; at least once.
pub struct CollectSink {
    /// Names, indexed like an output's tables.
    pub tables: Vec<String>,
    pub on_rows: OnRows,
}

#[async_trait]
impl Sink for CollectSink {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        Ok(None)
    }
    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        for epoch in epochs {
            for (name, output) in self.tables.iter().zip(&epoch.tables) {
                (self.on_rows)(name, &output.changes);
            }
        }
        Ok(())
    }
}

/// A callback that keeps all changes, and the changes.
pub fn keep_all() -> (OnRows, Arc<Mutex<Vec<Delta>>>) {
    let kept: Arc<Mutex<Vec<Delta>>> = Arc::default();
    let rows = kept.clone();
    let keep = move |_: &str, changes: &[Delta]| {
        let mut rows = rows.lock().unwrap_or_else(|broken| broken.into_inner());
        rows.extend(changes.iter().filter(|d| !d.is_empty()).cloned());
    };
    (Arc::new(keep), kept)
}
