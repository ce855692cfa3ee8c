//! The list of metrics: names, meanings, and where in the pipeline's status their values stand.
//!
//! docs/metrics.md is written from this list; [`crate::exposition`] turns it into text.

#[cfg(test)]
mod docs;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use brooklet_core::time::{Millis, WATERMARK_MAX};
use brooklet_pipeline::{Histogram, LastSnapshot, NodeProgress, Progress, ReadCounts};

use crate::asked::Answers;
use crate::process::Usage;
use crate::{View, ready};

/// One family: a name and its samples.
pub struct Metric {
    /// Without the suffix that its kind adds in the text.
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    /// None at all where there is nothing to say yet.
    pub samples: fn(&Scrape) -> Vec<Sample>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, but for a restart; `_total` is added to its name.
    Counter,
    Gauge,
    Histogram,
    /// Always 1, says what it has to say in labels; `_info` is added to its name.
    Info,
}

/// A value with its labels.
pub struct Sample {
    pub labels: Vec<(&'static str, String)>,
    pub value: Value,
}

pub enum Value {
    Whole(u64),
    Real(f64),
    Took(Histogram),
    Info,
}

/// What a scrape reads from, all of one moment.
#[derive(Debug, Clone)]
pub struct Scrape {
    pub progress: Progress,
    /// By path.
    pub asked: BTreeMap<String, Answers>,
    pub ready: bool,
    pub now: Millis,
    pub usage: Usage,
    pub pipeline: String,
    pub version: &'static str,
    pub started_at: Millis,
}

impl Scrape {
    pub fn of(view: &View) -> Scrape {
        let (progress, now) = (view.status.read(), view.env.now());
        let verdict = ready::verdict(&progress, now, view.max_commit_age_ms);
        Scrape {
            ready: verdict.reason.is_none(),
            asked: view.asked.read(),
            progress,
            now,
            usage: Usage::now(),
            pipeline: view.pipeline.clone(),
            version: view.version,
            started_at: view.started_at,
        }
    }
}

const TABLE: &[&str] = &["table"];
const NODE: &[&str] = &["node", "kind", "label"];
/// Kinds of nodes that count what they do to rows.
const OPERATORS: &[&str] = &["Map", "Join", "Lookup", "Reduce"];

/// In the order in which they are shown.
pub const METRICS: &[Metric] = &[
    counter("brooklet_records_read", TABLE, "Records taken from a source.", |s| {
        read(s, |c| c.read)
    }),
    counter("brooklet_read_bytes", TABLE, "Bytes of the records taken from a source.", |s| {
        read(s, |c| c.bytes)
    }),
    counter(
        "brooklet_records_dead",
        TABLE,
        "Records that could not be decoded or computed: dead letters.",
        |s| by_table(&s.progress.dead_of, |n| Value::Whole(*n)),
    ),
    counter(
        "brooklet_records_skipped",
        TABLE,
        "Records dropped by the format's own ignore-parse-errors.",
        |s| read(s, |c| c.skipped),
    ),
    counter(
        "brooklet_records_replayed",
        TABLE,
        "Dead letters that were read again by `brooklet dlq replay`.",
        |s| read(s, |c| c.replayed),
    ),
    counter("brooklet_records_late", TABLE, "Rows too late for a window.", |s| {
        by_table(&s.progress.late_of, |n| Value::Whole(*n))
    }),
    gauge(
        "brooklet_source_lag_records",
        TABLE,
        "Records known to wait in a source, where it can tell.",
        |s| by_table(&s.progress.lag_of, |n| Value::Whole(*n)),
    ),
    gauge(
        "brooklet_watermark_timestamp_seconds",
        TABLE,
        "A source's watermark as Unix time; gone once the source has ended.",
        |s| watermarks(s, |_, watermark| seconds(watermark)),
    ),
    gauge(
        "brooklet_watermark_lag_seconds",
        TABLE,
        "How far a source's watermark is behind the clock.",
        |s| watermarks(s, |now, watermark| seconds(now - watermark)),
    ),
    counter("brooklet_node_rows_in", NODE, "Rows into a node of the plan.", |s| {
        let sinks_too = [OPERATORS, &["Sink"]].concat();
        by_node(s, &sinks_too, |n| n.counts.rows_in)
    }),
    counter("brooklet_node_rows_out", NODE, "Rows out of a node.", |s| {
        by_node(s, OPERATORS, |n| n.counts.rows_out)
    }),
    counter("brooklet_node_rows_filtered", NODE, "Rows that a condition left out.", |s| {
        by_node(s, &["Map"], |n| n.counts.filtered)
    }),
    counter("brooklet_node_rows_late", NODE, "Rows too late for a node's windows.", |s| {
        by_node(s, &["Reduce"], |n| n.counts.late)
    }),
    counter("brooklet_node_rows_duplicate", NODE, "Rows left out as duplicates.", |s| {
        by_node(s, &["Reduce"], |n| n.counts.duplicates)
    }),
    counter(
        "brooklet_node_rows_failed",
        NODE,
        "Rows that an expression failed on, under brooklet.on-row-error = dead-letter.",
        |s| by_node(s, &["Map", "Join", "Lookup"], |n| n.counts.bad),
    ),
    gauge("brooklet_node_state_bytes", NODE, "State of a node.", |s| {
        let kinds = ["Join", "Lookup", "Reduce", "Sink"];
        by_node(s, &kinds, |n| n.state_bytes)
    }),
    gauge("brooklet_state_bytes", &[], "State of all nodes.", |s| {
        one(Value::Whole(s.progress.state_bytes))
    }),
    counter(
        "brooklet_rows_written",
        TABLE,
        "Changes committed to a sink table by this process.",
        |s| by_table(&s.progress.written, |n| Value::Whole(*n)),
    ),
    counter("brooklet_epochs_computed", &[], "Number of the last epoch computed.", |s| {
        one(Value::Whole(s.progress.computed.0))
    }),
    counter(
        "brooklet_epochs_committed",
        &[],
        "Number of the last epoch that every sink holds.",
        |s| one(Value::Whole(s.progress.committed.0)),
    ),
    histogram(
        "brooklet_epoch_duration_seconds",
        &[],
        "From the poll of an epoch to its commit in every sink.",
        |s| one(Value::Took(s.progress.epoch_took)),
    ),
    histogram(
        "brooklet_commit_duration_seconds",
        &[],
        "Journal and sinks, for the epochs that are committed together.",
        |s| one(Value::Took(s.progress.commit_took)),
    ),
    gauge("brooklet_last_commit_age_seconds", &[], "Since this process's last commit.", |s| {
        maybe(s.progress.committed_at.map(|at| age(s, at)))
    }),
    gauge("brooklet_ready", &[], "1 while /ready answers 200, else 0.", |s| {
        one(Value::Whole(s.ready.into()))
    }),
    gauge("brooklet_outage", &[], "1 while a service is out and tried again, else 0.", |s| {
        one(Value::Whole(s.progress.outage.is_some().into()))
    }),
    gauge("brooklet_snapshot_epoch", &[], "Epoch of the newest snapshot.", |s| {
        snapshot(s, |last| Some(Value::Whole(last.epoch.0)))
    }),
    gauge("brooklet_snapshot_bytes", &[], "Size of the newest snapshot as stored.", |s| {
        snapshot(s, |last| Some(Value::Whole(last.bytes)))
    }),
    gauge(
        "brooklet_snapshot_duration_seconds",
        &[],
        "From the capture of the newest snapshot to its publication, by this process.",
        |s| snapshot(s, |last| last.took_ms.map(seconds)),
    ),
    gauge("brooklet_snapshot_age_seconds", &[], "Since the newest snapshot was captured.", |s| {
        snapshot(s, |last| Some(age(s, last.taken_at)))
    }),
    counter(
        "brooklet_queries",
        &["path", "status"],
        "Answers of the pipeline's own endpoints by HTTP status.",
        queries,
    ),
    histogram(
        "brooklet_query_duration_seconds",
        &["path"],
        "From a request for one of the pipeline's own endpoints to its answer.",
        |s| by_path(s, |answers| Value::Took(answers.took)),
    ),
    Metric {
        name: "brooklet_build",
        kind: Kind::Info,
        labels: &["version"],
        help: "The program.",
        samples: |s| info("version", s.version),
    },
    Metric {
        name: "brooklet_pipeline",
        kind: Kind::Info,
        labels: &["pipeline"],
        help: "The pipeline.",
        samples: |s| info("pipeline", &s.pipeline),
    },
    counter("process_cpu_seconds", &[], "User and system time used by the process.", |s| {
        one(Value::Real(s.usage.cpu_seconds))
    }),
    gauge("process_resident_memory_bytes", &[], "Memory of the process, on Linux.", |s| {
        maybe(s.usage.resident_bytes.map(Value::Whole))
    }),
    gauge("process_start_time_seconds", &[], "Start of the process as Unix time.", |s| {
        one(seconds(s.started_at))
    }),
];

type Samples = fn(&Scrape) -> Vec<Sample>;

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Samples,
) -> Metric {
    Metric { name, kind: Kind::Counter, labels, help, samples }
}

const fn gauge(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Samples,
) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, help, samples }
}

const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    samples: Samples,
) -> Metric {
    Metric { name, kind: Kind::Histogram, labels, help, samples }
}

fn seconds(ms: Millis) -> Value {
    Value::Real(ms as f64 / 1_000.0)
}

/// Not below nothing when the clock was set back.
fn age(s: &Scrape, at: Millis) -> Value {
    seconds((s.now - at).max(0))
}

fn one(value: Value) -> Vec<Sample> {
    vec![Sample { labels: Vec::new(), value }]
}

fn maybe(value: Option<Value>) -> Vec<Sample> {
    value.map(one).unwrap_or_default()
}

fn info(label: &'static str, text: &str) -> Vec<Sample> {
    vec![Sample { labels: vec![(label, text.to_string())], value: Value::Info }]
}

fn queries(s: &Scrape) -> Vec<Sample> {
    let of_path = |(path, answers): (&String, &Answers)| {
        let sample = |(status, count): (&u16, &u64)| Sample {
            labels: vec![("path", path.clone()), ("status", status.to_string())],
            value: Value::Whole(*count),
        };
        answers.by_status.iter().map(sample).collect::<Vec<_>>()
    };
    s.asked.iter().flat_map(of_path).collect()
}

fn by_path(s: &Scrape, value: impl Fn(&Answers) -> Value) -> Vec<Sample> {
    let sample = |(path, answers): (&String, &Answers)| Sample {
        labels: vec![("path", path.clone())],
        value: value(answers),
    };
    s.asked.iter().map(sample).collect()
}

fn by_table<T>(tables: &BTreeMap<String, T>, value: impl Fn(&T) -> Value) -> Vec<Sample> {
    let sample = |(table, of): (&String, &T)| Sample {
        labels: vec![("table", table.clone())],
        value: value(of),
    };
    tables.iter().map(sample).collect()
}

fn read(s: &Scrape, value: fn(&ReadCounts) -> u64) -> Vec<Sample> {
    by_table(&s.progress.read, |counts| Value::Whole(value(counts)))
}

/// The end of a bounded source is no time.
fn watermarks(s: &Scrape, value: fn(Millis, Millis) -> Value) -> Vec<Sample> {
    let mut open = s.progress.watermark_of.clone();
    open.retain(|_, watermark| *watermark != WATERMARK_MAX);
    by_table(&open, |watermark| value(s.now, *watermark))
}

fn snapshot(s: &Scrape, value: impl Fn(LastSnapshot) -> Option<Value>) -> Vec<Sample> {
    maybe(s.progress.snapshot.and_then(value))
}

fn by_node(s: &Scrape, kinds: &[&str], value: fn(&NodeProgress) -> u64) -> Vec<Sample> {
    let sample = |(id, node): (usize, &NodeProgress)| Sample {
        labels: vec![
            ("node", id.to_string()),
            ("kind", node.kind.to_string()),
            ("label", node.label.clone()),
        ],
        value: Value::Whole(value(node)),
    };
    let nodes = s.progress.nodes.iter().enumerate();
    nodes.filter(|(_, node)| kinds.contains(&node.kind)).map(sample).collect()
}
