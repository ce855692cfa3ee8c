//! What state costs: CPU and memory by number of keys, bytes of a snapshot's increment, shards,
//! and the memory limit.
#![allow(clippy::disallowed_methods, reason = "measuring is what this program is for")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use brooklet_testkit::services::{Kafka, Topic};

use crate::keyed::{self, PARTITIONS, any_keys, each_key};
use crate::nexmark::{self, QUERIES};
use crate::usage::{self, Running, status};
use crate::{Bench, files_below};

/// Events after every key is known.
const EVENTS: u64 = 2_000_000;
const ROUNDS: usize = 3;

/// CPU per event once all keys are known, and memory per key. Snapshots are another block.
pub fn keys(bench: &Bench) {
    println!("Windowed count and sum per key, keys drawn evenly from as many as are known");
    println!("  keys       CPU-s per million events (target 1.5 x the first)  bytes per key");
    let mut first: Option<(f64, u64)> = None;
    for keys in [1_000, 1_000_000, 5_000_000] {
        let topic = Kafka::at(&bench.brokers).topic("keys", PARTITIONS);
        let sql = "SET 'brooklet.checkpoint.interval' = '1 h';\n".to_string()
            + &keyed::source(bench, &topic, false)
            + &keyed::per_day("blackhole");
        let mut running = Running::start(usage::run_file(&bench.file("keys", &sql)));
        topic.produce((0..(1_000_000 / keys).max(1)).flat_map(|_| each_key(keys)));
        running.settle();
        let cpu = (0..ROUNDS).map(|_| events(&mut running, &topic, keys));
        let cpu = cpu.fold(f64::MAX, f64::min);
        let memory = status(running.child.id(), "VmHWM:");
        running.kill();
        topic.delete();
        let (base, least) = *first.get_or_insert((cpu, memory));
        let of_key = memory.saturating_sub(least) / keys;
        println!("  {keys:<9}  {cpu:.3} ({:.2} x){:34}{of_key}", cpu / base, "");
    }
}

/// CPU-seconds per million of events that wait in the topic when the process goes on.
fn events(running: &mut Running, topic: &Topic, keys: u64) -> f64 {
    running.pause(true);
    topic.produce(any_keys(keys, EVENTS));
    let before = running.cpu();
    running.pause(false);
    running.settle();
    (running.cpu() - before).as_secs_f64() * 1e6 / EVENTS as f64
}

/// Bytes of the increment after 1 % of a million keys changed.
pub fn snapshots(bench: &Bench) {
    let topic = Kafka::at(&bench.brokers).topic("snapshots", PARTITIONS);
    let sql = "SET 'brooklet.checkpoint.interval' = '1 s';\n".to_string()
        + &keyed::source(bench, &topic, false)
        + &keyed::per_day("blackhole");
    let file = bench.file("snapshots", &sql);
    let running = Running::start(usage::run_file(&file));
    topic.produce(each_key(1_000_000));
    quiet(&file, &BTreeMap::new());
    // What came in bit by bit is written anew as a whole in between.
    let changed = |round: usize| {
        let before = segments(&file);
        topic.produce(each_key(1_000_000).skip(round).step_by(100));
        quiet(&file, &before).values().sum::<u64>()
    };
    let increment = (0..3).map(changed).min().unwrap_or(0);
    running.terminate();
    let ended = running.wait();
    assert!(ended.success, "a stop is no failure");
    topic.delete();
    let mut snapshots: BTreeMap<String, u64> = BTreeMap::new();
    for (name, bytes) in segments(&file) {
        let snapshot = name.rsplit_once('-').map_or(name.as_str(), |(of, _)| of);
        *snapshots.entry(snapshot.to_string()).or_default() += bytes;
    }
    let full = snapshots.into_values().max().unwrap_or(1);
    println!(
        "Snapshots, 1 M keys of which 1 % changed: increment {} kB, full {} kB: {:.1} % (target 5)",
        increment >> 10,
        full >> 10,
        increment as f64 * 100.0 / full as f64
    );
}

/// Finished segments of snapshots and their bytes.
fn segments(file: &Path) -> BTreeMap<String, u64> {
    let dir = file.parent().expect("the bench's files have a directory");
    let finished = |name: &String| name.contains("/segments/") && !name.contains("/segments/.");
    files_below(dir).into_iter().filter(|(name, _)| finished(name)).collect()
}

/// What came after `before`, once nothing more has come for four seconds.
fn quiet(file: &Path, before: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    let mut changed = Instant::now();
    while seen.is_empty() || changed.elapsed() < Duration::from_secs(4) {
        assert!(changed.elapsed() < Duration::from_secs(60), "no snapshot came");
        for (name, bytes) in segments(file) {
            if !before.contains_key(&name) && seen.insert(name, bytes) != Some(bytes) {
                changed = Instant::now();
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    seen
}

/// One shard against two, on four partitions and on one.
pub fn shards(bench: &Bench) {
    let kafka = Kafka::at(&bench.brokers);
    println!("Windowed count of Nexmark's bids, events per second with one shard and with two");
    for partitions in [4, 1] {
        let (topic, _) = nexmark::produce(&kafka, bench.events, partitions);
        let query = QUERIES.last().expect("there are queries");
        let rates = [1, 2].map(|shards| {
            let set = format!("SET 'parallelism.default' = '{shards}';\n");
            let sql = set + &query.sql(&bench.brokers, &topic.name);
            let runs = (0..ROUNDS).map(|_| usage::finish(&bench.file("shards", &sql)).wall);
            let best = runs.min().unwrap_or_default();
            bench.events as f64 / best.as_secs_f64()
        });
        let [one, two] = rates;
        topic.delete();
        println!("  {partitions} partitions: {one:.0} and {two:.0}, {:.2} x", two / one);
    }
}

/// Half the memory that is needed, then enough of it.
pub fn limit(bench: &Bench) {
    const KEYS: u64 = 1_000_000;
    let topic = Kafka::at(&bench.brokers).topic("limit", PARTITIONS);
    topic.produce(each_key(KEYS));
    let tables = keyed::source(bench, &topic, true) + &keyed::per_day("print");
    let with = |mb: u64| format!("SET 'brooklet.memory.limit' = '{mb} MB';\n{tables}");
    let enough = (3..).map(|n| 1 << n).find(|mb| {
        let file = bench.file("enough", &with(*mb));
        Running::start(usage::run_file(&file)).wait().success
    });
    let enough = enough.expect("some limit is high enough");
    let half = enough / 2;
    let file = bench.file("limit", &with(half));
    let mut stopped = Running::start(usage::run_file(&file));
    let code = stopped.code();
    let log = std::fs::read_to_string(file.with_extension("log")).unwrap_or_default();
    let told = log.lines().find(|l| l.contains("memory.limit")).unwrap_or("nothing was said");
    std::fs::write(&file, with(enough)).expect("the bench's directory can be written");
    let rerun = usage::finish(&file);
    topic.delete();
    let out = std::fs::read_to_string(file.with_extension("out")).unwrap_or_default();
    let sum: u64 = out.lines().filter_map(last_number).sum();
    let exact = out.lines().count() as u64 == KEYS && sum == KEYS * (KEYS - 1) / 2;
    println!(
        "brooklet.memory.limit of {half} MB where {enough} MB suffice: exit code {} (target 1)\n  \
         {told}\n  the rerun ended after {:.1} s, {}",
        code.map_or("none".into(), |c| c.to_string()),
        rerun.wall.as_secs_f64(),
        if exact { "every key counted exactly" } else { "THE RESULT IS WRONG" }
    );
}

fn last_number(line: &str) -> Option<u64> {
    let digits = line.trim_end_matches(|c: char| !c.is_ascii_digit());
    let from = digits.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
    digits[from..].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::last_number;

    #[test]
    fn the_last_number_of_a_row() {
        assert_eq!(last_number("+I[5, 1, 17]"), Some(17));
        assert_eq!(last_number("none"), None);
    }
}
