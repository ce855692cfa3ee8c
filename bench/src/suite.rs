//! Every query of tests/nexmark over the generated topic, and with `PEER=flink` the same text on a
//! real Flink beside it.
//!
//! `QUERIES="q4 q7"` chooses some.
#![allow(clippy::disallowed_methods, reason = "measuring is what this program is for")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use brooklet_testkit::services::Kafka;

use crate::Bench;
use crate::figures::{geometric_mean, median, metric, written};
use crate::nexmark::{self, PARTITIONS};
use crate::peer::{Flink, Peer};
use crate::usage::{self, Running, Usage};
use crate::web;

/// All but q6, which Flink itself refuses.
const ALL: &[&str] = &[
    "q0", "q1", "q2", "q3", "q3l", "q4", "q5", "q7", "q8", "q9", "q10", "q11", "q12", "q13", "q14",
    "q15", "q16", "q17", "q18", "q19", "q20", "q21", "q22", "q23", "cep_q0", "cep_q1", "cep_q2",
    "cep_q3",
];
/// Times that brooklet runs a query; medians count.
const ROUNDS: usize = 3;
/// Between two looks at the size of the state.
const LOOK: Duration = Duration::from_millis(100);
/// Events of each partition in a run that costs no more than it must.
const FEW: u64 = 100;
/// Keys of q13's side input.
const SIDE_KEYS: u64 = 10_000;

/// How the queries' files read and write, and what stands there in a bench.
const SOURCE: &str = "'connector' = 'filesystem',
  'path' = '${NEXMARK_EVENTS}',
  'format' = 'json',
  'scan.watermark.emit.strategy' = 'on-event'";
const SINK: &str =
    "'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'debezium-json'";
const KAFKA: &str = "'connector' = 'kafka', 'topic' = '${TOPIC}', 'format' = 'json',
  'properties.bootstrap.servers' = '${BROKERS}',
  'scan.startup.mode' = 'earliest-offset', ${BOUND}";
/// As the benchmark has q10's sink: files in a directory per minute, complete ones marked.
const FILES: &str = "PARTITIONED BY (dt, hm) WITH (
  'connector' = 'filesystem', 'path' = '${NEXMARK_RESULT}', 'format' = 'csv',
  'sink.partition-commit.trigger' = 'partition-time', 'sink.partition-commit.delay' = '1 min',
  'sink.partition-commit.policy.kind' = 'success-file',
  'partition.time-extractor.timestamp-pattern' = '$dt $hm:00',
  'sink.rolling-policy.rollover-interval' = '1 min',
  'sink.rolling-policy.check-interval' = '1 min')";

/// What brooklet needed for a query: medians, and peaks over all rounds.
struct Ours {
    /// Less what a run on a few events costs.
    cpu_per_million: f64,
    from_start_per_million: f64,
    events_per_second: f64,
    peak_bytes: u64,
    state_bytes: u64,
    rows: u64,
}

pub fn run(bench: &Bench) {
    let queries = chosen(std::env::var("QUERIES").ok().as_deref()).unwrap_or_else(|e| refuse(&e));
    let flink = match std::env::var("PEER").unwrap_or_default().as_str() {
        "" => None,
        "flink" => Some(Flink::start(&bench.dir.join("flink"))),
        other => refuse(&format!("PEER={other}: the peer that can be run is flink")),
    };
    let kafka = Kafka::at(&bench.brokers);
    let (topic, bytes) = nexmark::produce(&kafka, bench.events, PARTITIONS);
    println!(
        "Nexmark, {} JSON events of {} bytes, {PARTITIONS} partitions, to blackhole, one shard",
        bench.events,
        bytes / bench.events
    );
    heading(flink.as_ref());
    let mut ratios: Vec<(f64, f64)> = Vec::new();
    for query in queries {
        let place = Place { bench, query, topic: &topic.name };
        let ours = match ours(&place) {
            Ok(ours) => ours,
            Err(why) => {
                println!("  {query:<7} failed: {why}");
                continue;
            }
        };
        let peer = flink.as_ref().map(|flink| {
            let (all, few) = (place.sql("flink", TO_THE_END), place.sql("flink", &a_few()));
            flink.measure(&all, &few, bench.events)
        });
        ratios.extend(show(query, &ours, peer));
    }
    if flink.is_some() {
        summary(&ratios);
    }
    topic.delete();
}

fn refuse(why: &str) -> ! {
    eprintln!("bench: {why}");
    std::process::exit(2);
}

/// The queries of a text with names; all without one.
fn chosen(names: Option<&str>) -> Result<Vec<&'static str>, String> {
    let names: Vec<&str> = names.unwrap_or_default().split_whitespace().collect();
    if names.is_empty() {
        return Ok(ALL.to_vec());
    }
    let known = |name: &&str| {
        let found = ALL.iter().find(|known| *known == name);
        found.copied().ok_or(format!("QUERIES: there is no '{name}', but {}", ALL.join(", ")))
    };
    names.iter().map(known).collect()
}

fn heading(flink: Option<&Flink>) {
    println!(
        "  CPU-s per million events, net of what a run on few events costs, and from start to end; \
         memory in MB; state: the most that /metrics showed"
    );
    match flink {
        None => println!("  query     CPU-s/M  (start)  events/s  memory  state        rows"),
        Some(flink) => {
            println!("  beside {}", flink.settings());
            println!(
                "  query     CPU-s/M   Flink  ratio  (start)   Flink  ratio   events/s     Flink  \
                 memory  Flink  ratio  state        rows"
            );
        }
    }
}

/// A line; gives the ratios of CPU and of memory.
fn show(query: &str, ours: &Ours, peer: Option<Result<Peer, String>>) -> Option<(f64, f64)> {
    let Ours { cpu_per_million: cpu, from_start_per_million: start, .. } = *ours;
    let (rate, memory) = (ours.events_per_second, ours.peak_bytes >> 20);
    let (state, rows) = (ours.state_bytes >> 20, ours.rows);
    match peer {
        None => {
            println!(
                "  {query:<8}  {cpu:7.3}  {start:7.3}  {rate:8.0}  {memory:6}  {state:5}  {rows:10}"
            );
            None
        }
        Some(Err(why)) => {
            println!("  {query:<8}  {cpu:7.3}  Flink failed: {why}");
            None
        }
        Some(Ok(peer)) => {
            let of_cpu = peer.cpu_per_million / cpu;
            let of_start = peer.from_start_per_million / start;
            let of_memory = peer.peak_bytes as f64 / ours.peak_bytes as f64;
            println!(
                "  {query:<8}  {cpu:7.3}  {:6.2}  {of_cpu:5.1}  {start:7.3}  {:6.2}  {of_start:5.1}  \
                 {rate:9.0}  {:8.0}  {memory:6}  {:5}  {of_memory:5.1}  {state:5}  {rows:10}",
                peer.cpu_per_million,
                peer.from_start_per_million,
                peer.events_per_second,
                peer.peak_bytes >> 20,
            );
            Some((of_cpu, of_memory))
        }
    }
}

fn summary(ratios: &[(f64, f64)]) {
    let (cpu, memory): (Vec<f64>, Vec<f64>) = ratios.iter().copied().unzip();
    let least = |of: &[f64]| of.iter().copied().fold(f64::INFINITY, f64::min);
    if let (Some(of_cpu), Some(of_memory)) = (geometric_mean(&cpu), geometric_mean(&memory)) {
        println!(
            "  CPU: Flink needs {of_cpu:.1} x as much (geometric mean, target 8), at least {:.1} x \
             (target 4); memory {of_memory:.1} x, at least {:.1} x (target 10)",
            least(&cpu),
            least(&memory)
        );
    }
}

/// A query on a topic, as a file of the bench.
struct Place<'a> {
    bench: &'a Bench,
    query: &'a str,
    topic: &'a str,
}

impl Place<'_> {
    /// The text for an engine, which has an output directory of its own.
    fn sql(&self, engine: &str, bound: &str) -> String {
        let dir = self.bench.dir.join("suite");
        std::fs::create_dir_all(&dir).expect("the bench's directory can be made");
        let side = dir.join("side_input.csv");
        let lines: String = (0..SIDE_KEYS).map(|key| format!("{key},{key}\n")).collect();
        std::fs::write(&side, lines).expect("the bench's directory can be written");
        let result = dir.join(format!("{}-{engine}", self.query));
        let _ = std::fs::remove_dir_all(&result);
        filled(sql(self.query, &side, &result), &self.bench.brokers, self.topic, bound)
    }
}

fn filled(text: String, brokers: &str, topic: &str, bound: &str) -> String {
    text.replace("${BROKERS}", brokers).replace("${TOPIC}", topic).replace("${BOUND}", bound)
}

/// What a run reads of the topic.
const TO_THE_END: &str = "'scan.bounded.mode' = 'latest-offset'";

fn a_few() -> String {
    let offset = |partition| format!("partition:{partition},offset:{FEW}");
    let offsets: Vec<String> = (0..PARTITIONS).map(offset).collect();
    let offsets = offsets.join(";");
    format!(
        "'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = '{offsets}'"
    )
}

/// Reads `${TOPIC}` up to `${BOUND}` and throws the rows away, but for q10.
fn sql(query: &str, side_input: &Path, result: &Path) -> String {
    let tables = replaced(&file("tables"), SOURCE, KAFKA);
    let text = match query {
        "q10" => replaced(&file(query), &format!("WITH (\n  {SINK})"), FILES),
        _ => replaced(&file(query), SINK, "'connector' = 'blackhole'"),
    };
    let path = |path: &Path| path.display().to_string();
    let text = text.replace("${NEXMARK_SIDE_INPUT}", &path(side_input));
    let text = text.replace("${NEXMARK_RESULT}", &path(result));
    format!("SET 'parallelism.default' = '1';\n{tables}{text}")
}

fn file(name: &str) -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/nexmark/{name}.sql"));
    std::fs::read_to_string(path).expect("the bench runs from its checkout")
}

fn replaced(text: &str, what: &str, by: &str) -> String {
    assert_eq!(text.matches(what).count(), 1, "once in the file: {what}");
    text.replace(what, by)
}

fn ours(place: &Place) -> Result<Ours, String> {
    let mut usages: Vec<Usage> = Vec::new();
    let (mut state_bytes, mut rows) = (0, 0);
    for _ in 0..ROUNDS {
        let (usage, state, log) = once(place, TO_THE_END)?;
        usages.push(usage);
        state_bytes = state_bytes.max(state);
        rows = written(&log).ok_or_else(|| format!("no account of the rows in\n{log}"))?;
    }
    let (few, ..) = once(place, &a_few())?;
    let events = place.bench.events;
    let seconds = median(usages.iter().map(|u| u.wall.as_secs_f64()).collect());
    let from_start_per_million = median(usages.iter().map(|u| u.cpu_per_million(events)).collect());
    Ok(Ours {
        cpu_per_million: from_start_per_million - few.cpu_per_million(events),
        from_start_per_million,
        events_per_second: events as f64 / seconds,
        peak_bytes: usages.iter().map(|u| u.peak_bytes).max().unwrap_or(0),
        state_bytes,
        rows,
    })
}

/// Runs a query up to `bound`: its usage, the most state there was, its messages.
fn once(place: &Place, bound: &str) -> Result<(Usage, u64, String), String> {
    let file = place.bench.file(place.query, &place.sql("brooklet", bound));
    let (usage, state) = watched(&file);
    let log = std::fs::read_to_string(file.with_extension("log")).unwrap_or_default();
    if usage.success { Ok((usage, state, log)) } else { Err(log.trim_end().to_string()) }
}

/// Runs to the end; also the most bytes that the state had at a look.
fn watched(file: &Path) -> (Usage, u64) {
    let port = web::free_port();
    let http = format!("127.0.0.1:{port}");
    let mut running = Running::start(usage::run_with(file, &["--http", &http]));
    let (mut state, mut looked) = (0, Instant::now());
    while !running.look() {
        std::thread::sleep(usage::LOOK);
        if looked.elapsed() < LOOK {
            continue;
        }
        looked = Instant::now();
        let found = web::get(port, "/metrics");
        state = state.max(found.and_then(|(_, t)| metric(&t, "brooklet_state_bytes")).unwrap_or(0));
    }
    (running.wait(), state)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use brooklet_pipeline::compile::{SqlFile, compile};

    use super::{ALL, TO_THE_END, a_few, chosen, filled, sql};

    #[test]
    fn every_query_is_a_pipeline_from_kafka() {
        for query in ALL {
            let text = sql(query, Path::new("/side"), Path::new("/out"));
            let text = filled(text, "127.0.0.1:9092", "events", TO_THE_END);
            assert!(!text.contains("${"), "{query} has a placeholder left: {text}");
            let file = SqlFile { text, name: format!("{query}.sql") };
            let compiled = compile(&[file], &|_| None);
            let plan = compiled.unwrap_or_else(|e| panic!("{query}: {e}")).plan;
            let sinks: Vec<&str> = plan
                .sinks()
                .flat_map(|(_, sink)| sink.tables.iter().map(|table| table.table.connector()))
                .collect();
            let expected = if *query == "q10" { "filesystem" } else { "blackhole" };
            assert_eq!(sinks, [expected], "{query}");
            assert!(plan.scans().any(|(_, scan)| scan.table.connector() == "kafka"), "{query}");
        }
    }

    #[test]
    fn a_few_events_are_some_of_every_partition() {
        assert_eq!(
            a_few(),
            "'scan.bounded.mode' = 'specific-offsets', 'scan.bounded.specific-offsets' = \
             'partition:0,offset:100;partition:1,offset:100;partition:2,offset:100;\
             partition:3,offset:100'"
        );
    }

    #[test]
    fn queries_are_chosen_by_name() {
        assert_eq!(chosen(None).map(|all| all.len()), Ok(ALL.len()));
        assert_eq!(chosen(Some(" q7  cep_q0 ")), Ok(vec!["q7", "cep_q0"]));
        let error = chosen(Some("q7 q6")).expect_err("Flink refuses q6");
        assert!(error.starts_with("QUERIES: there is no 'q6', but q0, "), "{error}");
    }
}
