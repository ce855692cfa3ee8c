//! CPU per event of whole processes: consuming alone, decoding alone, the queries.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use brooklet_testkit::services::Kafka;

use crate::Bench;
use crate::figures::median;
use crate::nexmark::{self, PARTITIONS, QUERIES};
use crate::usage::{self, Running, Usage};

/// Times that everything is run, in turn, so that all have the same company; the median counts.
const ROUNDS: usize = 5;
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
    let files: Vec<PathBuf> = QUERIES
        .iter()
        .map(|query| bench.file(query.name, &query.sql(&bench.brokers, &topic.name)))
        .collect();
    let mut consumed: Vec<f64> = Vec::new();
    let mut decoded: Vec<Vec<f64>> = vec![Vec::new(); QUERIES.len()];
    let mut runs: Vec<Vec<Usage>> = vec![Vec::new(); QUERIES.len()];
    for _ in 0..ROUNDS {
        consumed.push(consume(bench, &topic.name));
        for (of, cpu) in decoded.iter_mut().zip(decode(bench, &topic.name)) {
            of.push(cpu);
        }
        for (of, file) in runs.iter_mut().zip(&files) {
            bench.forget(file);
            of.push(usage::finish(file));
        }
    }
    let consume = median(consumed);
    println!("  librdkafka consuming alone      {consume:.3} CPU-s per million");
    println!("  query  decode  brooklet  of consume + decode (target {RATIO})  events/s  peak MB");
    for ((query, decoded), runs) in QUERIES.iter().zip(decoded).zip(runs) {
        let decode = median(decoded);
        let cpu = median(runs.iter().map(|u| u.cpu_per_million(bench.events)).collect());
        let wall = median(runs.iter().map(|u| u.wall.as_secs_f64()).collect());
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
