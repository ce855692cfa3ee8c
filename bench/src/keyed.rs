//! Small keyed records and the tables over them.

use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Record, Topic};

use crate::Bench;

pub const PARTITIONS: i32 = 4;

/// `k`, `v`, a time, and a text that is as long as wanted.
pub fn record(k: u64, v: u64, note: &str) -> Record {
    let value = format!(r#"{{"k":{k},"v":{v},"ts":"2026-01-01 10:00:00.000","note":"{note}"}}"#);
    let partition = (v % PARTITIONS as u64) as i32;
    Record { partition, value: Some(value.into_bytes()), ..Record::default() }
}

/// Every key below `keys` once, in an order without locality.
pub fn each_key(keys: u64) -> impl Iterator<Item = Record> {
    // An odd step without a common factor visits every key.
    let step = (keys as f64 * 0.618) as u64 | 1;
    let step = (step..).step_by(2).find(|s| gcd(*s, keys) == 1).unwrap_or(1);
    (0..keys).map(move |n| record((n * step) % keys, n, ""))
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Keys drawn evenly.
pub fn any_keys(keys: u64, count: u64) -> impl Iterator<Item = Record> {
    let mut dice = Dice::new(7);
    (0..count).map(move |n| record(dice.below(keys), n, ""))
}

/// The table `t` over a topic.
pub fn source(bench: &Bench, topic: &Topic, bounded: bool) -> String {
    let mode = if bounded { "latest-offset" } else { "unbounded" };
    format!(
        "CREATE TABLE t (k BIGINT, v BIGINT, ts TIMESTAMP(3), note STRING,
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND
) WITH ('connector' = 'kafka', 'topic' = '{}', 'format' = 'json',
  'properties.bootstrap.servers' = '{}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = '{mode}');\n",
        topic.name, bench.brokers
    )
}

/// A day's count and sum of every key, to `connector`.
pub fn per_day(connector: &str) -> String {
    format!(
        "CREATE TABLE result (k BIGINT, n BIGINT, s BIGINT) WITH ('connector' = '{connector}');
INSERT INTO result SELECT k, COUNT(*), SUM(v) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), \
         INTERVAL '1' DAY)) GROUP BY window_start, window_end, k;\n"
    )
}
