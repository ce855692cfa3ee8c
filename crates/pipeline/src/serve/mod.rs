//! Queries of built-in tables, asked over HTTP.
//!
//! [`file`] reads what stands in `serve/*.sql`: a path and a query each. [`Serving`] answers them
//! over the tables as of one committed epoch, [`table`] shows such a table to the query, [`answer`]
//! is what can come of it.

mod answer;
mod file;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use datafusion::datasource::provider_as_source;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::TableSource;
use datafusion::prelude::SessionConfig;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use brooklet_core::hash::hash_bytes;
use brooklet_core::{Env, Error, Result};
use brooklet_engine::views::{CommittedTables, Views};
use brooklet_plan::Settings;

use crate::compile::{Compiled, STACK, SqlFile};
pub use answer::{Answer, Refusal, Rows};
pub use file::{Endpoint, RESERVED, Segment, segments};
use table::Shown;

/// The directory beside the SQL file that is looked at when none is named.
const DIRECTORY: &str = "serve";
/// Memory that all queries together may take for sorting and joining.
const QUERY_BYTES: usize = 256 << 20;

/// The endpoints of a pipeline, sorted by path; all their faults are in the one error. None
/// without built-in tables, unless the settings name a directory.
pub fn load(compiled: &Compiled, env: &dyn Fn(&str) -> Option<String>) -> Result<Vec<Endpoint>> {
    let Some(directory) = directory(compiled) else { return Ok(Vec::new()) };
    let files = read(&directory)?;
    stacker::grow(STACK, || file::endpoints(compiled, &files, env))
}

fn directory(compiled: &Compiled) -> Option<PathBuf> {
    let settings = &compiled.settings;
    if settings.is_set("brooklet.serve.dir") {
        return Some(compiled.base.join(settings.text("brooklet.serve.dir")));
    }
    let kept = compiled.plan.sinks().any(|(_, sink)| sink.tables.iter().any(|t| t.kept));
    let beside = compiled.base.join(DIRECTORY);
    (kept && beside.is_dir()).then_some(beside)
}

/// The `.sql` files of a directory, by name.
fn read(directory: &Path) -> Result<Vec<SqlFile>> {
    let failed = |path: &Path, e| {
        Error::config(format!("cannot read {} (brooklet.serve.dir)", path.display())).caused_by(e)
    };
    let entries = std::fs::read_dir(directory).map_err(|e| failed(directory, e))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| failed(directory, e))?.path();
        if path.extension().is_some_and(|e| e == "sql") {
            paths.push(path);
        }
    }
    paths.sort();
    let file = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).map_err(|e| failed(path, e))?;
        Ok(SqlFile { text, name: path.to_string_lossy().into_owned() })
    };
    paths.iter().map(file).collect()
}

/// The limits of answering.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub max_rows: usize,
    pub timeout: Duration,
    pub max_concurrent: usize,
}

impl Limits {
    pub fn of(settings: &Settings) -> Result<Limits> {
        let positive = |key: &str| {
            let value = settings.int(key)?;
            let above = usize::try_from(value).ok().filter(|v| *v > 0);
            above.ok_or_else(|| Error::config(format!("SET '{key}' = '{value}' must be above 0")))
        };
        let timeout_ms = settings.millis("brooklet.serve.timeout")?.max(1) as u64;
        Ok(Limits {
            max_rows: positive("brooklet.serve.max-rows")?,
            timeout: Duration::from_millis(timeout_ms),
            max_concurrent: positive("brooklet.serve.max-concurrent")?.min(Semaphore::MAX_PERMITS),
        })
    }
}

/// Answers the endpoints of a running pipeline.
pub struct Serving {
    endpoints: Vec<Arc<Endpoint>>,
    limits: Limits,
    views: Views,
    session: SessionState,
    slots: Arc<Semaphore>,
    env: Env,
}

impl Serving {
    /// To be made before the pipeline starts, which shows its tables only when asked to.
    pub fn new(endpoints: Vec<Endpoint>, limits: Limits, views: Views, env: Env) -> Result<Self> {
        if !endpoints.is_empty() {
            views.want();
        }
        let pool = Arc::new(GreedyMemoryPool::new(QUERY_BYTES));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool).build_arc();
        let runtime = runtime.map_err(|e| Error::bug("queries cannot be run").caused_by(e))?;
        // One thread a query: several of them are what runs side by side.
        let config = SessionConfig::new().with_target_partitions(1);
        let session =
            SessionStateBuilder::new().with_config(config).with_runtime_env(runtime).build();
        Ok(Serving {
            endpoints: endpoints.into_iter().map(Arc::new).collect(),
            limits,
            views,
            session,
            slots: Arc::new(Semaphore::new(limits.max_concurrent)),
            env,
        })
    }

    pub fn endpoints(&self) -> &[Arc<Endpoint>] {
        &self.endpoints
    }

    /// The answer to `endpoint` with these parameters, as of the last committed epoch. `known` are
    /// the tags that the asking side has answers for (`If-None-Match`).
    pub async fn answer(
        self: &Arc<Self>,
        endpoint: &Arc<Endpoint>,
        values: BTreeMap<String, String>,
        known: Option<&str>,
    ) -> Answer {
        let Some(tables) = self.views.read() else { return Answer::Refused(Refusal::Starting) };
        if let Err(refusal) = endpoint.check(&values) {
            return Answer::Refused(refusal);
        }
        let tag = endpoint.tag(&tables);
        if let (Some(tag), Some(known)) = (&tag, known)
            && answer::knows(known, tag)
        {
            return Answer::Unchanged(tag.clone());
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return Answer::Refused(Refusal::Busy(self.limits.max_concurrent));
        };
        let (serving, asked) = (self.clone(), endpoint.clone());
        // Not on the threads that commit epochs.
        let running = tokio::task::spawn_blocking(move || {
            let rows = Handle::current().block_on(serving.rows(&asked, values, &tables));
            drop(slot);
            rows
        });
        let rows = match answer::within(self.limits.timeout, running).await {
            None => Err(Refusal::TooLong(self.limits.timeout)),
            Some(Ok(rows)) => rows,
            Some(Err(e)) => Err(Refusal::Failed(Error::bug("a query panicked").caused_by(e))),
        };
        match rows {
            Ok(rows) if rows.count == 0 && endpoint.names_something() => {
                Answer::Refused(Refusal::NotFound)
            }
            Ok(rows) => Answer::Rows(Rows { tag, ..rows }),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    async fn rows(
        &self,
        endpoint: &Endpoint,
        values: BTreeMap<String, String>,
        tables: &Arc<CommittedTables>,
    ) -> Result<Rows, Refusal> {
        let source = |name: &str| -> Option<Arc<dyn TableSource>> {
            let view = tables.tables.get(name)?.clone();
            Some(provider_as_source(Arc::new(Shown::new(name, view))))
        };
        let plan = endpoint.served.asked(&values, self.env.now(), &source);
        let plan = plan.map_err(Refusal::Failed)?;
        let rows = answer::collect(&self.session, &plan, self.limits).await?;
        answer::encode(&endpoint.served.columns, &rows)
    }
}

impl Endpoint {
    /// What changes when the answer may: the instance, the epoch, the query. None for queries
    /// whose answers also depend on the time.
    fn tag(&self, tables: &CommittedTables) -> Option<String> {
        let of = format!("{} {}", tables.instance, self.text);
        let query = hash_bytes(of.as_bytes(), 0);
        (!self.served.reads_clock).then(|| format!("\"{}-{query:016x}\"", tables.epoch))
    }
}
