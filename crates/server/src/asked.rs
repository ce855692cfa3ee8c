//! What the pipeline's own endpoints were asked, for the metrics.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use brooklet_core::time::Millis;
use brooklet_pipeline::Histogram;

/// Shared by the endpoints, which count, and whoever shows it.
#[derive(Clone, Default)]
pub struct Asked(Arc<Mutex<BTreeMap<String, Answers>>>);

/// The answers of one endpoint.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// By HTTP status.
    pub by_status: BTreeMap<u16, u64>,
    pub took: Histogram,
}

impl Asked {
    /// A request for `path`, as the endpoint is declared, was answered.
    pub fn count(&self, path: &str, status: u16, took: Millis) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = asked.entry(path.to_string()).or_default();
        *answers.by_status.entry(status).or_default() += 1;
        answers.took.observe(took);
    }

    /// By path, so far.
    pub fn read(&self) -> BTreeMap<String, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
