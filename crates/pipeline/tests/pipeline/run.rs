//! Runs SQL in a directory of its own and looks at what it left there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use brooklet_core::Result;
use brooklet_pipeline::compile::SqlFile;
use brooklet_pipeline::{Compiled, Progress, StartOptions, Status, Stopped, compile, start};
use tokio::sync::watch;

/// A directory with the pipeline's SQL, its state and its files.
pub struct Home {
    pub dir: tempfile::TempDir,
    sql: String,
    options: StartOptions,
}

/// What a run ended with.
pub struct Ended {
    pub stopped: Stopped,
    pub progress: Progress,
    /// Epochs replayed at its start.
    pub replayed: usize,
}

impl Home {
    pub fn new(sql: impl Into<String>) -> Home {
        let options = StartOptions::default();
        Home { dir: tempfile::tempdir().unwrap(), sql: sql.into(), options }
    }
    pub fn set_sql(&mut self, sql: String) {
        self.sql = sql;
    }
    /// How runs from now on are started.
    pub fn set_options(&mut self, options: StartOptions) {
        self.options = options;
    }
    pub fn compiled(&self) -> Result<Compiled> {
        let name = self.path("it.sql").to_string_lossy().into_owned();
        compile(&[SqlFile { text: self.sql.clone(), name }], &|_| None)
    }
    pub fn sql(&self) -> &str {
        &self.sql
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Runs until the sources end, or until `enough` says so after a commit.
    pub async fn run(&self, enough: impl Fn(&Progress) -> bool) -> Result<Ended> {
        let compiled = self.compiled()?;
        let mut options = self.options.clone();
        if !options.status.tables().are_wanted() {
            options.status = Status::default();
        }
        let base = &compiled.base;
        let running =
            start(compiled.plan, &compiled.settings, &compiled.name, base, options).await?;
        let status = running.status.clone();
        let replayed = running.recovered().replayed;
        let (stop, stopping) = watch::channel(false);
        let run = tokio::spawn(running.run(stopping));
        while !run.is_finished() {
            let progress = status.read();
            if progress.committed == progress.computed && enough(&progress) {
                stop.send_replace(true);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let stopped = run.await.expect("no panic")?;
        Ok(Ended { stopped, progress: status.read(), replayed })
    }

    pub async fn run_to_end(&self) -> Ended {
        let ended = self.run(|_| false).await.unwrap();
        assert_eq!(ended.stopped, Stopped::Finished);
        ended
    }

    /// Runs until `enough` says so after a commit, and leaves behind what a SIGKILL at that
    /// moment would have: the state directory as it was then, without the snapshot of a stop.
    pub async fn run_and_crash(&self, enough: impl Fn(&Progress) -> bool) -> Result<Ended> {
        let (state, copy) = (self.path(".brooklet"), self.path(".copy"));
        let copied = std::cell::Cell::new(false);
        let ended = self.run(|progress| {
            if enough(progress) && !copied.replace(true) {
                copy_all(&state, &copy);
            }
            copied.get()
        });
        let ended = ended.await?;
        std::fs::remove_dir_all(&state).unwrap();
        std::fs::rename(&copy, &state).unwrap();
        Ok(ended)
    }

    /// The lines of all files below a directory, by file name; parsed.
    pub fn lines(&self, directory: &str) -> Vec<serde_json::Value> {
        let mut lines = Vec::new();
        for file in files(&self.path(directory)) {
            let text = std::fs::read_to_string(file).unwrap();
            lines.extend(text.lines().map(|l| serde_json::from_str(l).unwrap()));
        }
        lines
    }
}

/// Files below a directory, sorted.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}

fn copy_all(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(&file, target).unwrap();
    }
}
