//! The life of a running pipeline.
//!
//! [`start`] recovers: newest snapshot, then the journal's tail through the same steps as live
//! epochs. Then four tasks joined by bounded channels overlap consecutive epochs, while the order
//! within one stays poll → decode → watermarks → operators → journal → sinks: [`reader`] polls and
//! decodes, compute runs the operators, [`committer`] makes records durable and commits sinks,
//! [`snapshotter`] uploads what compute captured. [`live`] is the schedule.

pub mod asking;
pub mod committer;
pub mod edit;
pub mod histogram;
pub mod live;
pub mod reader;
mod recorded;
pub mod replays;
pub mod schemas;
pub mod snapshotter;
pub mod start;
pub mod status;

use async_trait::async_trait;
use std::sync::Arc;

use brooklet_core::connector::SinkSpec as OpenSink;
use brooklet_core::format::Decoder;
use brooklet_core::source::SplitPosition;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Lookup, Result, Sink, Source};
use brooklet_plan::node::{LookupSpec, ScanSpec, SinkSpec};

use edit::Agreed;
use schemas::Registries;

/// Called when new data may have arrived.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Where a source goes on.
#[derive(Debug, Clone, Default)]
pub struct Resume {
    /// None at the first start: the table's startup mode decides.
    pub positions: Option<Vec<SplitPosition>>,
    /// What the state holds of a table whose rows cannot be read again.
    pub held: Vec<Delta>,
}

/// How the engine reaches connectors and formats it knows nothing of.
#[async_trait]
pub trait Connections: Send + Sync {
    /// Opens a table's source.
    async fn source(&self, scan: &ScanSpec, at: Resume, waker: Waker) -> Result<Box<dyn Source>>;
    /// Opens a commit domain's sink.
    async fn sink(&self, spec: &SinkSpec, open: OpenSink) -> Result<Box<dyn Sink>>;
    /// Opens a table outside that rows are looked up in.
    async fn lookup(&self, spec: &LookupSpec) -> Result<Box<dyn Lookup>>;
    /// Who knows the schemas that a table's records name.
    fn registries(&self, _: &ScanSpec) -> Result<Registries> {
        Ok(Registries::default())
    }
    /// `count` decoders for a table's records; empty when its source gives rows.
    fn decoders(&self, scan: &ScanSpec, count: usize) -> Result<Vec<Box<dyn Decoder>>>;
}

/// The settings that the loop needs, read once.
#[derive(Debug, Clone)]
pub struct RunConfig {
    pub pipeline: String,
    pub shards: u32,
    pub max_rows: usize,
    pub max_bytes: usize,
    /// Epochs start at least this far apart.
    pub epoch_interval_ms: Millis,
    pub snapshot_interval_ms: Millis,
    pub retained: usize,
    /// 0 is no limit.
    pub memory_limit_bytes: u64,
    /// How long a service may be unreachable at start.
    pub start_timeout_ms: Millis,
    pub fresh: bool,
    /// To changes of the file since the last snapshot.
    pub agreed: Agreed,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Every source is bounded and was read to its end.
    Finished,
    /// It had finished in an earlier run.
    AlreadyFinished,
    /// Asked to; a restart goes on.
    Asked,
}
