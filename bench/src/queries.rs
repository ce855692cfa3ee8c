//! CPU per event of whole processes: consuming alone, decoding alone, the queries.

use std::process::{Command, Stdio};

use brooklet_testkit::services::Kafka;

use crate::Bench;
use crate::nexmark::{self, PARTITIONS, QUERIES};
use crate::usage::{self, Running};

/// Times that each query is run; the cheapest counts, others had company.
const ROUNDS: usize = 3;
/// Peak memory that a query may have.
const MEMORY: u64 = 200 << 20;
const RATIO: f64 = 1.3;

pub fn run(bench: &Bench) {
    let kafka = Kafka::at(&bench.brokers);
    let (topic, bytes) = nexmark::produce(&kafka, bench.events, PARTITIONS);
    println!(
        "Nexmark, {} JSON events of {} bytes, {PARTITIONS} partitions, to blackhole",
        bench.events,
        bytes / bench.events
    );
    let consume = (0..ROUNDS).map(|_| consume(bench, &topic.name)).fold(f64::MAX, f64::min);
    println!("  librdkafka consuming alone      {consume:.3} CPU-s per million");
    let decode = decode(bench, &topic.name);
    println!("  query  decode  brooklet  of consume + decode (target {RATIO})  events/s  peak MB");
    for (query, decode) in QUERIES.iter().zip(decode) {
        let sql = query.sql(&bench.brokers, &topic.name);
        let runs = (0..ROUNDS).map(|_| usage::finish(&bench.file(query.name, &sql)));
        let runs: Vec<_> = runs.collect();
        let cpu = runs.iter().map(|u| u.cpu_per_million(bench.events)).fold(f64::MAX, f64::min);
        let wall = runs.iter().map(|u| u.wall.as_secs_f64()).fold(f64::MAX, f64::min);
        let peak = runs.iter().map(|u| u.peak_bytes).max().unwrap_or(0);
        let over = if peak > MEMORY { " (target 200)" } else { "" };
        println!(
            "  {:5}  {decode:.3}   {cpu:.3}     {:.2}{:36}{:8.0}  {:4}{over}",
            query.name,
            cpu / (consume + decode),
            "",
            bench.events as f64 / wall,
            peak >> 20,
        );
    }
    topic.delete();
}

/// One of this program's own parts as a child.
fn part(bench: &Bench, name: &str, topic: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a path"));
    command.args(["part", name, &bench.brokers, topic]).stdout(Stdio::piped());
    command
}

fn consume(bench: &Bench, topic: &str) -> f64 {
    let usage = Running::start(part(bench, "consume", topic)).wait();
    assert!(usage.success, "consuming failed");
    usage.cpu_per_million(bench.events)
}

fn decode(bench: &Bench, topic: &str) -> Vec<f64> {
    let output = part(bench, "decode", topic).output().expect("this program can be run");
    assert!(output.status.success(), "decoding failed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(|line| line.parse().expect("a number a line")).collect()
}
