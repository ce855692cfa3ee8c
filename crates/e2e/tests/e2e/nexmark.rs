//! Nexmark into debezium-json files: the final rows are those of real Flink, for a data set in
//! order and one with late and disordered rows.
//!
//! The events and Flink's answers are read from `<BROOKLET_SHARED>/goldens` (`../shared` beside
//! the workspace by default); without them these tests are ignored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use brooklet_e2e::pipeline::Scratch;
use brooklet_testkit::binary::Brooklet;
use md5::{Digest, Md5};
use serde_json::Value;

const QUERIES: &[&str] = &[
    "q0", "q1", "q2", "q3", "q3l", "q4", "q5", "q7", "q8", "q9", "q10", "q11", "q12", "q13", "q14",
    "q15", "q16", "q17", "q18", "q19", "q20", "q21", "q22", "q23",
];
/// The row patterns of the benchmark's second suite; their answers stand beside them.
const PATTERNS: &[&str] = &["cep_q0", "cep_q1", "cep_q2", "cep_q3"];
const LIMIT: Duration = Duration::from_secs(300);

/// Name and body of a test for each data set.
pub const TESTS: &[super::Test] =
    &[("rows_in_order", || data_set("a")), ("late_and_disordered_rows", || data_set("c"))];

/// Whether Flink's answers are here.
pub fn present() -> bool {
    goldens().join("README.md").exists()
}

fn goldens() -> PathBuf {
    let shared = std::env::var_os("BROOKLET_SHARED").map(PathBuf::from);
    shared.unwrap_or_else(|| root().join("../shared")).join("goldens")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn data_set(name: &str) {
    let scratch = Scratch::new("nexmark");
    let events = scratch.path().join("events.ndjson");
    let packed = goldens().join(format!("nexmark_{name}.ndjson.xz"));
    let unpacked = Command::new("xz").arg("-dc").arg(packed).output();
    let unpacked = unpacked.expect("xz (package xz-utils) is installed");
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    std::fs::write(&events, unpacked.stdout).expect("the scratch directory can be written");
    let summary = goldens().join(format!("nexmark_{name}/summary.json"));
    let summary = std::fs::read_to_string(summary).expect("Flink's summary can be read");
    let mut summary: Value = serde_json::from_str(&summary).expect("Flink's summary is JSON");
    let patterns = root().join("tests/nexmark/cep.json");
    let patterns = std::fs::read_to_string(patterns).expect("the patterns' summary can be read");
    let mut patterns: Value = serde_json::from_str(&patterns).expect("it is JSON");
    for query in PATTERNS {
        summary[query] = patterns[name][query].take();
    }
    for query in QUERIES.iter().chain(PATTERNS) {
        let lines = run(&scratch, query, &events);
        let found = (rows(&lines), hash64(&lines));
        let expected = &summary[query];
        let expected = (
            expected["rows"].as_i64().expect("a number of rows"),
            expected["hash64"].as_str().expect("a hash").parse().expect("a number"),
        );
        assert_eq!(found, expected, "{query} of data set {name}: rows and hash");
        println!("{query} of data set {name}: {} rows as Flink's", found.0);
    }
}

/// Runs a query to its end; the final rows as Flink's `json` writes them, with their numbers.
fn run(scratch: &Scratch, query: &str, events: &Path) -> BTreeMap<String, i64> {
    let dir = scratch.path().join(query);
    std::fs::create_dir(&dir).expect("the scratch directory can be written");
    let mut sql = String::new();
    for part in ["tables", query] {
        let file = root().join(format!("tests/nexmark/{part}.sql"));
        sql += &std::fs::read_to_string(file).expect("a query can be read");
    }
    std::fs::write(dir.join("query.sql"), sql).expect("the scratch directory can be written");
    let result = dir.join("result");
    Brooklet::new(&dir, ["run", "--no-http", "query.sql"])
        .env("NEXMARK_EVENTS", events)
        .env("NEXMARK_SIDE_INPUT", goldens().join("side_input.csv"))
        .env("NEXMARK_RESULT", &result)
        .run(LIMIT)
        .expect_code(0);
    let mut lines = BTreeMap::new();
    // A query without rows writes no file.
    for file in std::fs::read_dir(&result).into_iter().flatten() {
        let file = file.expect("readable").path();
        let hidden = file.file_name().is_some_and(|n| n.to_string_lossy().starts_with(['.', '_']));
        if file.is_dir() || hidden {
            continue;
        }
        for change in std::fs::read_to_string(file).expect("a result is text").lines() {
            let (row, weight) = row_of(change);
            *lines.entry(row.to_string()).or_insert(0) += weight;
        }
    }
    lines.retain(|_, weight| *weight != 0);
    lines
}

/// The row of `{"before":…,"after":…,"op":…}` in the text's own bytes, and what it adds.
fn row_of(change: &str) -> (&str, i64) {
    let body = change.strip_prefix("{\"before\":").expect("debezium-json");
    match body.strip_prefix("null,\"after\":") {
        Some(after) => (&after[..after.rfind(",\"op\"").expect("debezium-json")], 1),
        None => (&body[..body.rfind(",\"after\":null").expect("debezium-json")], -1),
    }
}

fn rows(lines: &BTreeMap<String, i64>) -> i64 {
    assert!(lines.values().all(|weight| *weight > 0), "a row was taken back that never was");
    lines.values().sum()
}

/// Sum over all lines of the first 8 bytes of their MD5, as the goldens define it.
fn hash64(lines: &BTreeMap<String, i64>) -> u64 {
    lines.iter().fold(0, |sum: u64, (line, weight)| {
        let digest = Md5::digest(line.as_bytes());
        let first: [u8; 8] = digest[..8].try_into().expect("MD5 has 16 bytes");
        sum.wrapping_add(u64::from_be_bytes(first).wrapping_mul(*weight as u64))
    })
}
