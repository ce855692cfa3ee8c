//! Everything that is not determined: the clock, randomness, and where a test may kill us.
//!
//! Production reads the system; simulation hands in its own. clippy bans the direct ways.

use std::sync::Arc;
use std::time::Duration;

use crate::Result;
use crate::time::Millis;

/// Cheap to clone; handed to everything that needs the outside world's time or chance.
#[derive(Clone)]
pub struct Env(Arc<dyn World>);

/// The one trait behind [`Env`].
pub trait World: Send + Sync {
    /// Wall-clock time.
    fn now(&self) -> Millis;
    /// A random number; a simulation's come from its seed.
    fn random(&self) -> u64;
    /// Called at each named point of an epoch's life. An error ends the process there (a
    /// simulation's crash); the real world returns Ok unless a test asked to be killed.
    fn at(&self, point: CrashPoint) -> Result<()>;
    /// How long a back-off towards a service really takes; a simulation moves its clock instead.
    fn pause(&self, delay: Duration) -> Duration {
        delay
    }
}

/// Where a crash test may stop the world: each is a moment between two durable effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CrashPoint {
    AfterPoll,
    AfterOperators,
    AfterJournal,
    BetweenSinks,
    BeforeSinkCommit,
    AfterSinkCommit,
    MidUpload,
    MidSnapshot,
    BeforeManifest,
    BeforeTrim,
}

impl CrashPoint {
    pub const ALL: [CrashPoint; 10] = [
        CrashPoint::AfterPoll,
        CrashPoint::AfterOperators,
        CrashPoint::AfterJournal,
        CrashPoint::BetweenSinks,
        CrashPoint::BeforeSinkCommit,
        CrashPoint::AfterSinkCommit,
        CrashPoint::MidUpload,
        CrashPoint::MidSnapshot,
        CrashPoint::BeforeManifest,
        CrashPoint::BeforeTrim,
    ];

    /// `after-journal`, as the crash tests name it.
    pub fn name(self) -> &'static str {
        match self {
            CrashPoint::AfterPoll => "after-poll",
            CrashPoint::AfterOperators => "after-operators",
            CrashPoint::AfterJournal => "after-journal",
            CrashPoint::BetweenSinks => "between-sinks",
            CrashPoint::BeforeSinkCommit => "before-sink-commit",
            CrashPoint::AfterSinkCommit => "after-sink-commit",
            CrashPoint::MidUpload => "mid-upload",
            CrashPoint::MidSnapshot => "mid-snapshot",
            CrashPoint::BeforeManifest => "before-manifest",
            CrashPoint::BeforeTrim => "before-trim",
        }
    }
}

impl Env {
    pub fn new(world: impl World + 'static) -> Self {
        Env(Arc::new(world))
    }
    pub fn now(&self) -> Millis {
        self.0.now()
    }
    pub fn random(&self) -> u64 {
        self.0.random()
    }
    pub fn at(&self, point: CrashPoint) -> Result<()> {
        self.0.at(point)
    }
    pub fn pause(&self, delay: Duration) -> Duration {
        self.0.pause(delay)
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Env")
    }
}
