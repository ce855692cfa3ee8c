//! The services that `scripts/services.sh` started, found through the environment it wrote.
//!
//! Without the environment every `from_env` is None and a test that needs the service returns at
//! once; `make test` always sets it. Nothing is shared between tests: each makes its own topics,
//! database and bucket. Calls block and may be made from plain and from async tests.

pub mod kafka;
pub mod postgres;
pub mod registry;
pub mod s3;

use std::future::Future;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::runtime::Runtime;

pub use kafka::{Kafka, Record, Topic};
pub use postgres::Postgres;
pub use registry::Registry;
pub use s3::Bucket;

/// The clients' own I/O. Never dropped, so that a client may outlive the test that made it.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("threads can be started")
    })
}

/// Runs `future` on [`runtime`] and waits for it, from whatever thread.
fn block_on<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    let task = runtime().spawn(future);
    futures::executor::block_on(task).expect("the client's task does not panic")
}

/// `stem` with something that no other call, process or earlier run has.
#[allow(clippy::disallowed_methods, reason = "names must differ from run to run")]
fn unique(stem: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{stem}-{:x}-{:x}-{n}", now.as_nanos() as u64, std::process::id())
}

/// Services of one test's own, for tests that stop or kill one while they run: others would
/// notice if it were the shared one.
pub struct Own {
    dir: PathBuf,
}

impl Own {
    /// Services for one test alone, below a directory that is removed with the value.
    pub fn up() -> Self {
        Self::of(&[])
    }
    /// Only these; none are all.
    pub fn of(services: &[&str]) -> Self {
        let own = Own { dir: std::env::temp_dir().join(unique("brooklet-services")) };
        own.script("up", services);
        own
    }
    /// One variable of the environment of these services, such as `BROOKLET_TEST_KAFKA`.
    pub fn var(&self, name: &str) -> String {
        let env = std::fs::read_to_string(self.dir.join("env")).expect("up has written it");
        let prefix = format!("export {name}=");
        let line = env.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("{name} is not in the environment")).to_string()
    }
    /// `command` is stop, start, restart or kill; `service` is kafka, postgres, s3 or registry.
    pub fn control(&self, command: &str, service: &str) {
        self.script(command, &[service]);
    }
    fn script(&self, command: &str, more: &[&str]) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh");
        let mut script = Command::new(path);
        script.arg(command).arg(&self.dir).args(more);
        let status = script.status().expect("scripts/services.sh can be run");
        assert!(status.success(), "services.sh {command} failed");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.script("down", &[]);
        // Only logs are left; they matter when the test failed.
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kafka, Own, Postgres, Record, Registry};

    #[test]
    fn what_a_service_held_survives_its_kill() {
        // Without services nothing is installed for a test either.
        if std::env::var_os("BROOKLET_TEST_SERVICES").is_none() {
            return;
        }
        let own = Own::up();
        let postgres = Postgres::at(&own.var("BROOKLET_TEST_POSTGRES"));
        postgres.run("CREATE TABLE t (a INT); INSERT INTO t VALUES (7)");
        let topic = Kafka::at(own.var("BROOKLET_TEST_KAFKA")).topic("kept", 1);
        topic.produce([Record { value: Some(b"x".to_vec()), ..Record::default() }]);
        let registry = Registry::at(own.var("BROOKLET_TEST_REGISTRY"));
        let id = registry.register("kept-value", "\"int\"");
        for service in ["postgres", "kafka", "registry"] {
            own.control("kill", service);
        }
        assert!(postgres.try_rows("SELECT 1").is_err(), "the server is down");
        for service in ["postgres", "kafka", "registry"] {
            own.control("start", service);
        }
        assert_eq!(postgres.reconnect().number("SELECT a FROM t"), 7);
        assert_eq!(topic.read().len(), 1);
        assert_eq!(registry.schema(id), "\"int\"");
    }
}
