//! Looks for topics and partitions that were created while their table is read.
//!
//! They are read from their beginning. Nothing depends on when they are found: what an epoch took
//! of them stands in its record like the ranges of any other split.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::queue::Consumer;
use super::settings::Settings;
use super::source::blocking;
use super::start::{self, Start};

/// Ends when it is dropped.
pub(super) struct Discovery {
    found: Arc<Mutex<Vec<Start>>>,
    task: JoinHandle<()>,
}

impl Discovery {
    /// Looks every `interval` for partitions beside the `known` ones, and wakes when there are.
    pub fn start(
        consumer: Arc<Consumer>,
        settings: Arc<Settings>,
        interval: Duration,
        known: BTreeSet<(String, i32)>,
        waker: Arc<dyn Fn() + Send + Sync>,
    ) -> Discovery {
        let found: Arc<Mutex<Vec<Start>>> = Arc::default();
        let watch = Watch { consumer, settings, known, found: found.clone(), waker };
        Discovery { found, task: tokio::spawn(watch.run(interval)) }
    }

    /// What was found since the last call.
    pub fn take(&self) -> Vec<Start> {
        std::mem::take(&mut *lock(&self.found))
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watch {
    consumer: Arc<Consumer>,
    settings: Arc<Settings>,
    known: BTreeSet<(String, i32)>,
    found: Arc<Mutex<Vec<Start>>>,
    waker: Arc<dyn Fn() + Send + Sync>,
}

impl Watch {
    async fn run(mut self, interval: Duration) {
        loop {
            pause(interval).await;
            let (consumer, settings) = (self.consumer.clone(), self.settings.clone());
            let known = self.known.clone();
            let look = move || start::created(&consumer, &settings.topics, &known);
            match blocking(look).await {
                Ok(new) if new.is_empty() => {}
                Ok(new) => {
                    self.known.extend(new.iter().map(|s| (s.topic.clone(), s.partition)));
                    lock(&self.found).extend(new);
                    (self.waker)();
                }
                // Whether the topics can be read is the reading's to say.
                Err(e) => tracing::debug!("new partitions were not looked for: {e}"),
            }
        }
    }
}

fn lock(found: &Mutex<Vec<Start>>) -> MutexGuard<'_, Vec<Start>> {
    found.lock().unwrap_or_else(|broken| broken.into_inner())
}

#[allow(clippy::disallowed_methods, reason = "what is found stands in the epochs' records")]
async fn pause(interval: Duration) {
    tokio::time::sleep(interval).await;
}
