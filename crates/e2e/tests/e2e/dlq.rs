//! `brooklet dlq`: records that cannot be decoded are listed where each target keeps them, and read
//! again once after the file was mended, also when the process is killed meanwhile.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::time::{Duration, Instant};

use brooklet_e2e::clicks::{jdbc, same};
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, stop, wait_until};
use brooklet_testkit::binary::{Brooklet, Finished};
use brooklet_testkit::services::{Bucket, Kafka, Postgres, Record, Topic};
use serde_json::Value;

use crate::Test;

pub const TESTS: &[Test] = &[
    ("letters_in_a_topic", letters_in_a_topic),
    ("letters_in_a_bucket", letters_in_a_bucket),
    ("letters_beside_the_rows", letters_beside_the_rows),
    ("letters_in_a_declared_table", letters_in_a_declared_table),
    ("flinks_names", flinks_names),
    ("rows_that_postgres_refused", rows_that_postgres_refused),
];

const RECORDS: usize = 300;
/// Each so many records has an id that is no number.
const BAD: usize = 10;
const EDITED: [&str; 2] = ["--accept-new", "--drop-state"];

struct Events {
    kafka: Kafka,
    topic: Topic,
    postgres: Postgres,
    scratch: Scratch,
    /// What the file says beside the tables of events and rows.
    more: String,
}

impl Events {
    fn new(stem: &str, more: impl Fn(&Kafka, &Postgres) -> String) -> Events {
        let kafka = Kafka::from_env().expect("Kafka is up");
        let postgres = Postgres::from_env().expect("Postgres is up");
        let topic = kafka.topic(stem, 2);
        let value = |i| format!("{{\"id\": \"{}\", \"note\": \"n{i}\"}}", id(i));
        let record = |i: usize| Record {
            partition: (i % 2) as i32,
            value: Some(value(i).into_bytes()),
            ..Record::default()
        };
        topic.produce((0..RECORDS).map(record));
        let more = more(&kafka, &postgres);
        Events { scratch: Scratch::new(stem), kafka, topic, postgres, more }
    }

    /// `ty` of the column `id`; STRING takes what INT refuses.
    fn sql(&self, ty: &str, bounded: bool) -> String {
        let mode = if bounded { "latest-offset" } else { "unbounded" };
        format!(
            "SET 'execution.checkpointing.interval' = '200 ms';
CREATE TABLE events (id {ty}, note STRING) WITH ('connector' = 'kafka', 'topic' = '{}',
  'properties.bootstrap.servers' = '{}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = '{mode}', 'format' = 'json');
CREATE TABLE kept (id STRING, note STRING) WITH ({});
SET 'brooklet.table.kept.create-table' = 'if-not-exists';
{}
INSERT INTO kept SELECT CAST(id AS STRING), note FROM events;
",
            self.topic.name,
            self.kafka.brokers(),
            jdbc(&self.postgres, "kept"),
            self.more
        )
    }

    fn pipeline(&self, ty: &str, bounded: bool) -> Pipeline {
        // The cluster remembers pipelines by their names.
        let name = format!("of-{}", self.topic.name);
        Pipeline::new(&self.scratch, &name, &self.sql(ty, bounded))
    }

    fn kept(&self) -> Vec<String> {
        let rows = self.postgres.try_rows("SELECT id FROM kept ORDER BY id").unwrap_or_default();
        rows.into_iter().map(|row| row[0].clone().expect("an id")).collect()
    }
}

fn id(i: usize) -> String {
    if i.is_multiple_of(BAD) { format!("x{i}") } else { i.to_string() }
}

fn all_ids() -> Vec<String> {
    let mut ids: Vec<String> = (0..RECORDS).map(id).collect();
    ids.sort();
    ids
}

fn dlq(pipeline: &Pipeline, args: &[&str]) -> Finished {
    let file = pipeline.file().to_string_lossy().into_owned();
    let all = ["dlq", args[0], &file].into_iter().chain(args[1..].iter().copied());
    let done = Brooklet::new(&pipeline.dir, all.collect::<Vec<_>>()).run(PATIENCE);
    done.expect_code(0)
}

/// Sums of what `dlq list` says: letters, and how many of them were replayed.
fn listed(pipeline: &Pipeline) -> (i64, i64) {
    let done = dlq(pipeline, &["list", "--format", "jsonl"]);
    let parse = |line: &str| serde_json::from_str::<Value>(line).expect("JSON lines");
    let groups: Vec<Value> = done.stdout.lines().map(parse).collect();
    let sum = |key: &str| groups.iter().map(|g| g[key].as_i64().expect("a number")).sum();
    assert!(groups.iter().all(|g| g["source"] == "events" && g["kind"] == "dead"), "{groups:?}");
    (sum("letters"), sum("replayed"))
}

fn wait_for_letters(pipeline: &Pipeline, count: i64) {
    let deadline = Instant::now() + PATIENCE;
    while listed(pipeline).0 < count {
        assert!(Instant::now() < deadline, "{:?} instead of {count} letters", listed(pipeline));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(listed(pipeline).0, count);
}

/// Sets aside, mends the file, replays, and is killed on both sides of the commit.
fn replayed_once(events: &Events) -> Pipeline {
    let bad = (RECORDS / BAD) as i64;
    let pipeline = events.pipeline("INT", false);
    let running = pipeline.start();
    running.wait_for_stderr("state in ", PATIENCE);
    wait_for_letters(&pipeline, bad);
    stop(running);
    assert_eq!(events.kept().len(), RECORDS - bad as usize);
    let shown = dlq(&pipeline, &["show", "--reason", "'x20'", "--format", "jsonl"]).stdout;
    let letter: Value = serde_json::from_str(shown.trim()).expect("one letter");
    assert_eq!(letter["bytes"], "{\"id\": \"x20\", \"note\": \"n20\"}");
    assert_eq!(letter["offset"], 10);
    let table = dlq(&pipeline, &["list"]).stdout;
    assert!(table.contains("field 'id': '…' is no INT"), "{table}");

    pipeline.rewrite(&events.sql("STRING", false));
    let said = dlq(&pipeline, &["replay"]).stderr;
    assert!(said.contains("events: 30 are read again"), "{said}");
    for point in ["before-sink-commit", "after-sink-commit"] {
        let command = pipeline.command(&EDITED).env("BROOKLET_CRASH_AT", format!("{point}:1"));
        let killed = command.run(PATIENCE);
        assert_eq!(killed.status.code(), None, "{point} was not passed:\n{}", killed.stderr);
    }
    let mut running = pipeline.command(&EDITED).spawn();
    wait_until("rows", &mut running, || events.kept().len() >= RECORDS);
    let said = dlq(&pipeline, &["replay"]).stderr;
    assert!(said.contains("nothing to replay") && said.contains("30 were replayed"), "{said}");
    // Longer than it takes to find a new slot.
    std::thread::sleep(Duration::from_secs(3));
    stop(running);
    same("kept", &all_ids(), &events.kept());
    assert_eq!(listed(&pipeline), (bad, bad));
    let accounts = pipeline.accounts();
    let counted = format!("\"replayed\":{bad}");
    assert!(accounts.0["scan events"].contains(&counted), "{accounts:#?}");
    pipeline
}

fn target(value: &str) -> String {
    format!("SET 'brooklet.table.events.dead-letters' = '{value}';")
}

fn letters_in_a_topic() {
    let events = Events::new("dlq-topic", |kafka, _| {
        target(&format!("topic:{}", kafka.topic_to_be("dlq-dead", 1).name))
    });
    let pipeline = replayed_once(&events);
    // A running pipeline takes letters as well; these fail again, each as a letter of its own.
    let broken =
        |partition| Record { partition, value: Some(b"{\"id\":".to_vec()), ..Record::default() };
    events.topic.produce([broken(0), broken(1)]);
    let running = pipeline.start();
    running.wait_for_stderr("state in ", PATIENCE);
    wait_for_letters(&pipeline, 32);
    let said = dlq(&pipeline, &["replay", "--table", "events"]).stderr;
    assert!(said.contains("events: 2 are read again"), "{said}");
    wait_for_letters(&pipeline, 34);
    stop(running);
    same("kept", &all_ids(), &events.kept());
}

fn letters_in_a_bucket() {
    let bucket = Bucket::from_env().expect("S3 is up");
    let path = bucket.url("dead");
    replayed_once(&Events::new("dlq-bucket", |_, _| target(&path)));
}

fn letters_beside_the_rows() {
    let events = Events::new("dlq-own", |_, _| target("table"));
    let pipeline = replayed_once(&events);
    let count = "SELECT count(*), count(DISTINCT (\"partition\", \"offset\")) \
                 FROM brooklet_dead_letters WHERE source = 'events' AND replayable";
    let thirty = Some("30".to_string());
    assert_eq!(events.postgres.rows(count), [vec![thirty.clone(), thirty]]);
    // What no text of Postgres can hold stops nothing.
    let bytes = b"{\"id\": \0}";
    events.topic.produce([Record { value: Some(bytes.to_vec()), ..Record::default() }]);
    let running = pipeline.start();
    running.wait_for_stderr("state in ", PATIENCE);
    wait_for_letters(&pipeline, 31);
    stop(running);
    let shown = dlq(&pipeline, &["show", "--limit", "99", "--format", "jsonl"]).stdout;
    let last = shown.lines().last().expect("letters");
    let letter: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(letter["bytes"].as_str().map(str::as_bytes), Some(&bytes[..]));
}

fn letters_in_a_declared_table() {
    let events = Events::new("dlq-declared", |_, postgres| {
        format!(
            "CREATE TABLE refused (
  source STRING, kind STRING, `partition` STRING, `offset` BIGINT, reason STRING, bytes STRING,
  encoding STRING, replayable BOOLEAN, instance STRING, set_aside_at TIMESTAMP(3)
) WITH ({});
SET 'brooklet.table.refused.create-table' = 'if-not-exists';
{}",
            jdbc(postgres, "refused_events"),
            target("table:refused")
        )
    });
    replayed_once(&events);
    assert_eq!(events.postgres.number("SELECT count(set_aside_at) FROM refused_events"), 30);
}

fn flinks_names() {
    let handler = |value: &str| {
        format!("SET 'brooklet.table.events.scan.deser-failure.handler' = '{value}';")
    };
    let stops = Events::new("dlq-none", |_, _| handler("none"));
    let done = stops.pipeline("INT", true).command(&[]).run(PATIENCE).expect_code(1);
    assert!(
        done.stderr.contains("'brooklet.table.events.dead-letters' = 'log'"),
        "{}",
        done.stderr
    );
    assert!(stops.kept().is_empty());
    let dead = stops.kafka.topic_to_be("dlq-named", 1);
    let named = Events::new("dlq-kafka", |_, _| {
        let topic = "SET 'brooklet.table.events.scan.deser-failure.topic'";
        format!("{} {topic} = '{}';", handler("kafka"), dead.name)
    });
    named.pipeline("INT", true).finish();
    assert_eq!(dead.read().len(), RECORDS / BAD);
    assert_eq!(named.kept().len(), RECORDS - RECORDS / BAD);
}

fn rows_that_postgres_refused() {
    let set = "SET 'brooklet.on-row-error' = 'dead-letter';";
    let events = Events::new("dlq-rejected", |_, _| set.to_string());
    events.postgres.run("CREATE TABLE kept (id varchar(3), note text)");
    let pipeline = events.pipeline("STRING", true);
    pipeline.finish();
    // `x100` and its like are too long.
    assert_eq!(events.kept().len(), RECORDS - 20);
    let listed = dlq(&pipeline, &["list", "--kind", "rejected", "--format", "jsonl"]).stdout;
    let group: Value = serde_json::from_str(listed.trim()).expect("one group");
    assert_eq!((&group["source"], &group["letters"]), (&"kept".into(), &20.into()), "{group}");
    assert!(group["reason"].as_str().is_some_and(|r| r.contains("too long")), "{group}");
    let shown = dlq(&pipeline, &["show", "--table", "kept", "--limit", "1", "--format", "jsonl"]);
    assert!(shown.stdout.contains("x100"), "{}", shown.stdout);
    assert!(shown.stderr.contains("and 19 more"), "{}", shown.stderr);
    let said = dlq(&pipeline, &["replay"]).stderr;
    assert!(said.contains("nothing to replay") && said.contains("the database refused"), "{said}");
}
