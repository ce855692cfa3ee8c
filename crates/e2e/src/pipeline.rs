//! A pipeline of the built binary: one SQL file, one state directory, many processes.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use brooklet_testkit::binary::{Brooklet, Finished, Running};
use brooklet_testkit::dice::Dice;
use serde_json::Value;

/// How long anything may take on a busy machine before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A directory of one test, removed unless the test panicked.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(stem: &str) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("brooklet-e2e-{stem}-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // Left over by a process of the same number.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("the temporary directory can be written");
        Scratch(path)
    }
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match std::thread::panicking() {
            true => eprintln!("state and files are kept in {}", self.0.display()),
            false => _ = std::fs::remove_dir_all(&self.0),
        }
    }
}

/// `<scratch>/<name>.sql` and the state beside it.
pub struct Pipeline {
    pub name: String,
    pub dir: PathBuf,
    env: Vec<(String, String)>,
}

impl Pipeline {
    /// Writes the file; its state will be in `.brooklet/<name>` beside it.
    pub fn new(scratch: &Scratch, name: &str, sql: &str) -> Self {
        let dir = scratch.path().to_path_buf();
        let pipeline = Pipeline { name: name.to_string(), dir, env: Vec::new() };
        pipeline.rewrite(sql);
        pipeline
    }
    pub fn rewrite(&self, sql: &str) {
        std::fs::write(self.file(), sql).expect("the directory can be written");
    }
    /// A variable of every process from now on.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_string(), value.into()));
        self
    }
    pub fn file(&self) -> PathBuf {
        self.dir.join(format!("{}.sql", self.name))
    }
    /// The state directory.
    pub fn state(&self) -> PathBuf {
        self.dir.join(".brooklet").join(&self.name)
    }

    /// `brooklet run FILE ARGS…`, not started.
    pub fn command(&self, args: &[&str]) -> Brooklet {
        self.command_in(&self.dir, args)
    }
    /// The same from another working directory. Without HTTP unless the arguments ask for it: many
    /// run at once.
    pub fn command_in(&self, dir: &Path, args: &[&str]) -> Brooklet {
        let file = self.file().to_string_lossy().into_owned();
        let silent = (!args.contains(&"--http")).then_some("--no-http");
        let all = ["run", &file].into_iter().chain(silent).chain(args.iter().copied());
        let command = Brooklet::new(dir, all.map(str::to_string).collect::<Vec<_>>());
        self.env.iter().fold(command, |command, (name, value)| command.env(name, value))
    }
    pub fn start(&self) -> Running {
        self.command(&[]).spawn()
    }
    /// Runs until its sources end.
    pub fn finish(&self) -> Finished {
        self.command(&[]).run(PATIENCE).expect_code(0)
    }

    /// Starts the pipeline `times` times and kills each process at a moment drawn from `dice`: up
    /// to `longest` after its start, every other one after its first live epoch was near. Panics
    /// when one ended by itself.
    pub fn kill_often(&self, times: u32, longest: Duration, dice: &mut Dice) {
        for n in 0..times {
            let mut running = self.start();
            if n % 2 == 0 {
                running.wait_for_stderr("state in ", PATIENCE);
            }
            let millis = dice.below(longest.as_millis() as u64);
            std::thread::sleep(Duration::from_millis(millis));
            let ended = running.has_ended();
            let killed = running.kill();
            assert!(!ended, "start {n} ended by itself:\n{}", killed.stderr);
        }
    }

    /// Lets a process kill itself when it first passes a named point, which needs a build with
    /// debug assertions; `feed` is called until it does.
    pub fn kill_at(&self, point: &str, mut feed: impl FnMut()) {
        let mut running = self.command(&[]).env("BROOKLET_CRASH_AT", format!("{point}:1")).spawn();
        let deadline = Instant::now() + PATIENCE;
        while !running.has_ended() {
            assert!(Instant::now() < deadline, "{point} was not passed:\n{}", running.stderr());
            feed();
            std::thread::sleep(Duration::from_millis(40));
        }
        let killed = running.wait(PATIENCE);
        assert_eq!(killed.code(), None, "{point} was not passed:\n{}", killed.stderr);
    }

    /// What the newest snapshot says about every source and node.
    pub fn accounts(&self) -> Accounts {
        let snapshots = self.state().join("000001/snapshots");
        let names = std::fs::read_dir(&snapshots).expect("a snapshot was taken");
        let names = names.map(|entry| entry.expect("readable").path());
        let newest = names.max().expect("a snapshot was taken");
        let text = std::fs::read_to_string(&newest).expect("a snapshot can be read");
        // The second line is a checksum.
        let line = text.lines().next().expect("a manifest has a line");
        let manifest: Value = serde_json::from_str(line).expect("a manifest is JSON");
        let nodes = manifest["nodes"].as_array().expect("a manifest lists nodes");
        let counts = |node: &Value| {
            let name = format!("{} {}", node["kind"], node["label"]);
            (name, node["counts"].to_string())
        };
        let scans = manifest["ingest"]["scans"].as_object().expect("a manifest lists scans");
        let mut all: BTreeMap<String, String> = nodes.iter().map(counts).collect();
        for (table, scan) in scans {
            all.insert(format!("scan {table}"), scan["counts"].to_string());
        }
        Accounts(all)
    }
}

/// Counters by node: those of two runs over the same input are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accounts(pub BTreeMap<String, String>);

/// Waits until `done`; panics after [`PATIENCE`] with the process's stderr.
pub fn wait_until(what: &str, running: &mut Running, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(!running.has_ended(), "ended before {what}:\n{}", running.stderr());
        assert!(Instant::now() < deadline, "no {what}:\n{}", running.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Asks for an orderly stop and waits for it.
pub fn stop(running: Running) -> Finished {
    // Before its banner it may not have come as far as to take signals.
    running.wait_for_stderr("state in ", PATIENCE);
    running.terminate();
    running.wait(PATIENCE).expect_code(0)
}
