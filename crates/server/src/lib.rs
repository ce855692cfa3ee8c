//! The HTTP side of a running pipeline: health, readiness and metrics, read from what the engine
//! shows of itself.
//!
//! [`listen`] takes connections and bounds what they may cost, [`routes`] is the list of
//! endpoints, [`ready`] the verdict behind `/ready`, [`metrics`] the list of metrics and
//! [`exposition`] their text, [`process`] what the kernel says of this process, [`queries`] the
//! pipeline's own endpoints, [`asked`] counts of them and [`openapi`] the description of all.
//! Everything runs on the I/O runtime and reads a copy of the pipeline's status: no request waits
//! for an epoch, no epoch for a request.

pub mod asked;
pub mod exposition;
pub mod listen;
pub mod metrics;
mod openapi;
pub mod process;
mod queries;
pub mod ready;
pub mod routes;

use std::sync::Arc;

use brooklet_core::Env;
use brooklet_core::time::Millis;
use brooklet_pipeline::Status;
use brooklet_pipeline::serve::{Endpoint, Serving};

pub use asked::Asked;
pub use listen::{Http, Listener};

/// What the endpoints may see of a pipeline.
#[derive(Clone)]
pub struct View {
    pub pipeline: String,
    /// Of the program.
    pub version: &'static str,
    pub status: Status,
    pub env: Env,
    /// How long a commit or a service may be waited for until the pipeline is not ready.
    pub max_commit_age_ms: Millis,
    /// When the process started.
    pub started_at: Millis,
    /// Queries of the pipeline's built-in tables.
    pub serving: Option<Arc<Serving>>,
    /// What they were asked.
    pub asked: Asked,
}

impl View {
    /// The pipeline's own endpoints.
    fn queries(&self) -> &[Arc<Endpoint>] {
        self.serving.as_deref().map_or(&[], Serving::endpoints)
    }
}

#[cfg(test)]
mod tests;
