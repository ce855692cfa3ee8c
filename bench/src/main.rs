//! `make bench`: what brooklet costs, beside what cannot be done without, in one run on one
//! machine.
//!
//! Blocks are printed as they are measured; names on the command line choose some of them.
//! `BENCH_EVENTS` (2,000,000) is the size of the Nexmark topic; `QUERIES` and `PEER` are for the
//! block `nexmark`. The services are those that the environment names as `scripts/services.sh`
//! does; `make bench` starts them.

mod figures;
mod keyed;
mod latency;
mod limit;
mod nexmark;
mod peer;
mod pipelines;
mod queries;
mod state;
mod suite;
mod usage;
mod web;

use std::path::{Path, PathBuf};

use brooklet_core::Result;

/// Where a bench runs and against what.
pub struct Bench {
    pub brokers: String,
    pub postgres: String,
    /// Of the Nexmark topic.
    pub events: u64,
    /// For pipelines and their state; on disk, emptied at the start.
    dir: PathBuf,
}

/// A named part of the bench.
type Block = (&'static str, fn(&Bench));

const BLOCKS: &[Block] = &[
    ("queries", queries::run),
    ("nexmark", suite::run),
    ("start", latency::start),
    ("latency", latency::postgres),
    ("snapshots", state::snapshots),
    ("keys", state::keys),
    ("shards", state::shards),
    ("limit", state::limit),
    ("held", latency::held),
    ("pipelines", pipelines::run),
];

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["part", "consume", brokers, topic] => limit::consume(brokers, topic),
        ["part", "decode", brokers, topic] => limit::decode(brokers, topic),
        chosen => {
            bench(chosen);
            Ok(())
        }
    }
}

fn bench(chosen: &[&str]) {
    let known: Vec<&str> = BLOCKS.iter().map(|(name, _)| *name).collect();
    if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
        eprintln!("bench has no block '{unknown}', it has {}", known.join(", "));
        std::process::exit(2);
    }
    let var = |name: &str| std::env::var(name).ok();
    let service = |name: &str| var(name).unwrap_or_else(|| panic!("{name}: make bench sets it"));
    let events = var("BENCH_EVENTS").map(|n| n.parse().expect("BENCH_EVENTS is a number"));
    let bench = Bench {
        brokers: service("BROOKLET_TEST_KAFKA"),
        postgres: service("BROOKLET_TEST_POSTGRES"),
        events: events.unwrap_or(2_000_000),
        dir: usage::brooklet().with_file_name("bench-run"),
    };
    for (name, run) in BLOCKS {
        if chosen.is_empty() || chosen.contains(name) {
            let _ = std::fs::remove_dir_all(&bench.dir);
            run(&bench);
            println!();
        }
    }
    let _ = std::fs::remove_dir_all(&bench.dir);
}

impl Bench {
    /// A pipeline's file in a directory of its own, so that it starts without state.
    pub fn file(&self, name: &str, sql: &str) -> PathBuf {
        let dir = self.dir.join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("the bench's directory can be made");
        let file = dir.join(format!("{name}.sql"));
        std::fs::write(&file, sql).expect("the bench's directory can be written");
        file
    }

    /// The next run of a pipeline's file starts without state.
    pub fn forget(&self, file: &Path) {
        let _ = std::fs::remove_dir_all(file.with_file_name(".brooklet"));
    }
}

/// All files below `dir` with their bytes.
pub fn files_below(dir: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => files_below(&entry.path()),
        Ok(meta) => vec![(entry.path().to_string_lossy().into_owned(), meta.len())],
        Err(_) => Vec::new(),
    };
    entries.flatten().flat_map(of).collect()
}
