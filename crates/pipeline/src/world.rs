//! The real clock and real chance, and the crash that a test may ask for.
#![allow(clippy::disallowed_methods, reason = "this is where Env meets the system")]

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use brooklet_core::env::{CrashPoint, World};
use brooklet_core::time::Millis;
use brooklet_core::{Env, Result};

/// `after-journal:3`: the process is killed when it passes that point the third time. Read only
/// by builds with debug assertions.
const CRASH_AT: &str = "BROOKLET_CRASH_AT";

struct Real {
    crash: Option<(String, u64)>,
    passed: Mutex<BTreeMap<&'static str, u64>>,
}

/// The environment of a real process.
pub fn real() -> Env {
    let crash =
        cfg!(debug_assertions).then(|| std::env::var(CRASH_AT).ok()).flatten().and_then(|text| {
            let (point, count) = text.split_once(':')?;
            Some((point.to_string(), count.parse().ok()?))
        });
    Env::new(Real { crash, passed: Mutex::default() })
}

impl World for Real {
    fn now(&self) -> Millis {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_millis() as Millis
    }
    fn random(&self) -> u64 {
        uuid::Uuid::new_v4().as_u64_pair().0
    }
    fn at(&self, point: CrashPoint) -> Result<()> {
        let Some((name, count)) = &self.crash else { return Ok(()) };
        if *name != point.name() {
            return Ok(());
        }
        let mut passed = self.passed.lock().unwrap_or_else(|broken| broken.into_inner());
        let times = passed.entry(point.name()).or_default();
        *times += 1;
        if *times == *count {
            let me = rustix::process::getpid();
            // Nothing runs after this: no destructor, no flush, as in a power cut.
            let _ = rustix::process::kill_process(me, rustix::process::Signal::KILL);
        }
        Ok(())
    }
}
