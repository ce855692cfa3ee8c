//! The whole life of a run: where its state is, recovery, live epochs, the stop.

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use brooklet_core::{Env, Error, Result};
use brooklet_engine::checkpoint::instance::{OwnerLock, lock};
use brooklet_engine::checkpoint::store::{LocalStore, RemoteStore, Store};
use brooklet_engine::run::edit::Agreed;
use brooklet_engine::run::start::{Ready, Start};
use brooklet_engine::run::status::Status;
use brooklet_engine::run::{RunConfig, Stopped, live};
use brooklet_plan::{Settings, StreamPlan};

use crate::collect::OnRows;
use crate::connect::Registry;

/// How a pipeline is started, beside its SQL.
#[derive(Default, Clone)]
pub struct StartOptions {
    pub fresh: bool,
    pub take_over: bool,
    /// To changes of the file since the last snapshot.
    pub agreed: Agreed,
    /// Sinks are replaced by `on_rows`, nothing is committed and no state is kept.
    pub preview: bool,
    /// Takes the rows of SELECTs and previews.
    pub on_rows: Option<OnRows>,
    /// Takes the rows of `print` tables, which otherwise are lines on stdout.
    pub on_print: Option<OnRows>,
    /// State in a temporary directory that goes away with the run.
    pub ephemeral: bool,
    /// Shows what the run does, from its recovery on.
    pub status: Status,
}

/// A recovered pipeline, before its first live epoch.
pub struct Running {
    ready: Ready,
    config: RunConfig,
    env: Env,
    pub status: Status,
    /// Where the state is kept.
    pub location: String,
    _lock: Option<OwnerLock>,
    _temporary: Option<Temporary>,
}

/// A directory that is removed at the end of an ephemeral run.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // Left-overs in the system's temporary directory harm nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Finds the state, recovers, opens sources and sinks.
pub async fn start(
    plan: StreamPlan,
    settings: &Settings,
    name: &str,
    base: &Path,
    options: StartOptions,
) -> Result<Running> {
    let env = crate::world::real();
    let config = run_config(settings, name, &options)?;
    let ephemeral = options.ephemeral || options.preview;
    let place = place(settings, name, base, ephemeral, &env)?;
    let local = local_directory(&place.location);
    let lock = match &local {
        Some(directory) if !options.take_over && !ephemeral => Some(lock(directory)?),
        _ => None,
    };
    let store = open_store(&place.location, &env).await?;
    let status = options.status.clone();
    let registry = Registry {
        env: env.clone(),
        base: base.to_path_buf(),
        on_rows: options.on_rows.clone(),
        on_print: options.on_print.clone(),
        preview: options.preview,
        on_row_error: settings.text("brooklet.on-row-error"),
    };
    let ready = brooklet_engine::run::start::start(Start {
        plan,
        config: config.clone(),
        store,
        connections: Arc::new(registry),
        row_text: Some(Arc::new(crate::connect::row_texts)),
        env: env.clone(),
        status: status.clone(),
    })
    .await?;
    let Place { location, temporary } = place;
    Ok(Running { ready, config, env, status, location, _lock: lock, _temporary: temporary })
}

impl Running {
    pub fn recovered(&self) -> &brooklet_engine::run::start::Recovered {
        &self.ready.recovered
    }
    pub fn instance(&self) -> String {
        self.ready.home.instance.to_string()
    }
    pub fn shards(&self) -> u32 {
        self.config.shards
    }
    /// Runs until the sources end or `stop` turns true.
    pub async fn run(self, stop: watch::Receiver<bool>) -> Result<Stopped> {
        live::run(self.ready, &self.config, &self.env, &self.status, stop).await
    }
}

fn run_config(settings: &Settings, name: &str, options: &StartOptions) -> Result<RunConfig> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let shards = match settings.is_set("parallelism.default") {
        true => settings.int("parallelism.default")?.clamp(1, 256) as u32,
        false => cores.min(256) as u32,
    };
    let positive = |key: &str| -> Result<usize> {
        let value = settings.int(key)?;
        usize::try_from(value)
            .ok()
            .filter(|v| *v > 0)
            .ok_or_else(|| Error::config(format!("SET '{key}' = '{value}' must be above 0")))
    };
    Ok(RunConfig {
        pipeline: name.to_string(),
        shards,
        max_rows: positive("brooklet.epoch.max-rows")?,
        max_bytes: settings.bytes("brooklet.epoch.max-bytes")?.max(1) as usize,
        epoch_interval_ms: settings.millis("brooklet.epoch.interval")?,
        snapshot_interval_ms: settings.millis("brooklet.checkpoint.interval")?.max(10),
        retained: positive("brooklet.checkpoint.retained")?,
        memory_limit_bytes: settings.bytes("brooklet.memory.limit")?,
        start_timeout_ms: settings.millis("brooklet.start-timeout")?,
        fresh: options.fresh || options.ephemeral || settings.is_batch(),
        agreed: options.agreed,
    })
}

struct Place {
    location: String,
    temporary: Option<Temporary>,
}

fn place(
    settings: &Settings,
    name: &str,
    base: &Path,
    ephemeral: bool,
    env: &Env,
) -> Result<Place> {
    if ephemeral {
        let path = std::env::temp_dir().join(format!("brooklet-{:016x}", env.random()));
        let location = path.to_string_lossy().into_owned();
        return Ok(Place { location, temporary: Some(Temporary(path)) });
    }
    Ok(Place { location: location(settings, name, base), temporary: None })
}

/// Where a pipeline's state is kept: relative locations are relative to the SQL file.
pub fn location(settings: &Settings, name: &str, base: &Path) -> String {
    let relative = |text: String| match text.contains("://") || Path::new(&text).is_absolute() {
        true => text,
        false => base.join(text).to_string_lossy().into_owned(),
    };
    if settings.is_set("brooklet.checkpoint.location") {
        return relative(settings.text("brooklet.checkpoint.location"));
    }
    if settings.is_set("execution.checkpointing.dir") {
        let directory = settings.text("execution.checkpointing.dir");
        return relative(format!("{}/{name}", directory.trim_end_matches('/')));
    }
    relative(format!(".brooklet/{name}"))
}

fn local_directory(location: &str) -> Option<PathBuf> {
    match location.split_once("://") {
        None => Some(PathBuf::from(location)),
        Some(("file", path)) => Some(PathBuf::from(path)),
        Some(_) => None,
    }
}

/// The store of a location: a local directory, or `s3://bucket/prefix`.
pub async fn open_store(location: &str, env: &Env) -> Result<Arc<dyn Store>> {
    if let Some(directory) = local_directory(location) {
        return Ok(Arc::new(LocalStore::new(directory)));
    }
    let (store, prefix) = brooklet_connectors::filesystem::object_store(location)?;
    let remote = RemoteStore::new(store, prefix);
    remote.probe(&format!("{:016x}", env.random())).await?;
    Ok(Arc::new(remote))
}
