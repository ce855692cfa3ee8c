//! Records and rows that are wrong: each a clear error or a dead letter, their neighbours pass.

use brooklet_e2e::clicks::{jdbc, same};
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch};
use brooklet_testkit::binary::Finished;
use brooklet_testkit::services::{Kafka, Postgres, Record, Topic};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("records_that_are_no_json", records_that_are_no_json),
    ("a_message_of_ten_megabytes", a_message_of_ten_megabytes),
    ("rows_that_postgres_refuses", rows_that_postgres_refuses),
    ("casts_that_fail", casts_that_fail),
    ("bad_lines_of_a_partition", bad_lines_of_a_partition),
];

fn record(value: impl Into<Vec<u8>>) -> Record {
    Record { partition: 0, value: Some(value.into()), ..Record::default() }
}

/// Events `id`, `text` in one partition; `query` goes into the table `kept`.
struct Events {
    topic: Topic,
    postgres: Postgres,
    scratch: Scratch,
}

impl Events {
    fn new(stem: &str) -> Events {
        let kafka = Kafka::from_env().expect("Kafka is up");
        // Whether a message is too large is not what is tested.
        let topic = kafka.topic_with(stem, 1, &[("max.message.bytes", "20000000")]);
        let postgres = Postgres::from_env().expect("Postgres is up");
        Events { topic, postgres, scratch: Scratch::new(stem) }
    }
    fn pipeline(&self, settings: &str, query: &str) -> Pipeline {
        let kafka = Kafka::from_env().expect("Kafka is up");
        let sql = format!(
            "{settings}
CREATE TABLE events (id BIGINT, text STRING) WITH ('connector' = 'kafka', 'topic' = '{}',
  'properties.bootstrap.servers' = '{}', 'scan.startup.mode' = 'earliest-offset',
  'scan.bounded.mode' = 'latest-offset', 'format' = 'json');
SET 'brooklet.table.kept.create-table' = 'if-not-exists';
CREATE TABLE kept (id BIGINT, text STRING) WITH ({});
INSERT INTO kept {query};",
            self.topic.name,
            kafka.brokers(),
            jdbc(&self.postgres, "kept")
        );
        Pipeline::new(&self.scratch, "events", &sql)
    }
    fn kept(&self) -> Vec<String> {
        let rows = self.postgres.rows("SELECT id FROM kept ORDER BY id");
        rows.into_iter().map(|mut row| row.remove(0).expect("not NULL")).collect()
    }
}

fn no_panic(done: &Finished) {
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}

const DEAD_LETTER: &str = "SET 'brooklet.on-row-error' = 'dead-letter';";

fn records_that_are_no_json() {
    let events = Events::new("no-json");
    let mut long = br#"{"id": 9, "text": ""#.to_vec();
    long.resize(10_000_000, b'x');
    let bad: Vec<Vec<u8>> = vec![
        br#"{"id": 1, "text": "cut"#.to_vec(),
        br#"{"id": 2, "text": "a\"#.to_vec(),
        br#"{"id": 3, "text": "b"} and more"#.to_vec(),
        b"{\"id\": 4, \"text\": \"\xc3\x28\"}".to_vec(),
        b"\xff\xfe{\x00".to_vec(),
        b"[1, 2]".to_vec(),
        b"no json".to_vec(),
        br#"{"id": 8, "text": "\ud800"}"#.to_vec(),
        // What the query needs stands in front of what is broken.
        br#"{"id": 9, "text": "c", "more": {"x": [1, 2}}"#.to_vec(),
        long,
    ];
    let mut records = Vec::new();
    for (n, value) in bad.iter().enumerate() {
        records.push(record(value.clone()));
        records.push(record(format!(r#"{{"id": {}, "text": "good é"}}"#, 100 + n)));
    }
    events.topic.produce(records);
    let done = events.pipeline("", "SELECT id, text FROM events").finish();
    no_panic(&done);
    // Text behind an object is ignored, as by Flink.
    let good = [3].into_iter().chain(100..100 + bad.len());
    let good: Vec<String> = good.map(|n| n.to_string()).collect();
    // A lone surrogate is no text, but Java's strings hold it: either way the others pass.
    let mut kept = events.kept();
    kept.retain(|id| id != "8");
    same("kept", &good, &kept);
    for offset in (0..2 * bad.len()).step_by(2).filter(|o| ![4, 14].contains(o)) {
        assert!(done.stderr.contains(&format!("offset={offset}")), "{offset}: {}", done.stderr);
    }
}

fn a_message_of_ten_megabytes() {
    let events = Events::new("large");
    let large = "0123456789".repeat(1_000_000);
    let middle = record(format!(r#"{{"id": 2, "text": "{large}"}}"#));
    let small = |id: u32| record(format!(r#"{{"id": {id}, "text": "small"}}"#));
    events.topic.produce([small(1), middle, small(3)]);
    no_panic(&events.pipeline("", "SELECT id, text FROM events").finish());
    assert_eq!(events.kept(), ["1", "2", "3"]);
    let stored = events.postgres.number("SELECT length(text) FROM kept WHERE id = 2");
    assert_eq!(stored, 10_000_000);
}

/// Numbers 0 to 99; 17 and 42 have texts that nobody else takes.
fn produce_hundred(events: &Events, odd: &str) {
    let text = |id: u32| if [17, 42].contains(&id) { odd } else { "12" };
    let value = |id: u32| record(format!(r#"{{"id": {id}, "text": "{}"}}"#, text(id)));
    events.topic.produce((0..100).map(value));
}

fn all_but_odd() -> Vec<String> {
    (0..100).filter(|id| ![17, 42].contains(id)).map(|id| id.to_string()).collect()
}

fn rows_that_postgres_refuses() {
    let events = Events::new("refused");
    produce_hundred(&events, "much too long");
    events.postgres.run("CREATE TABLE kept (id bigint, text varchar(5))");
    let query = "SELECT id, text FROM events";
    let pipeline = events.pipeline("", query);
    // At every start, and nothing else gets past it.
    for _ in 0..2 {
        let done = pipeline.command(&[]).run(PATIENCE).expect_code(1);
        no_panic(&done);
        for text in ["brooklet.on-row-error", "dead-letter", "kept", "too long"] {
            assert!(done.stderr.contains(text), "no {text} in\n{}", done.stderr);
        }
        assert_eq!(events.postgres.number("SELECT count(*) FROM kept"), 0);
    }
    // The way out that the message named goes on where the pipeline stands.
    no_panic(&events.pipeline(DEAD_LETTER, query).finish());
    same("kept", &all_but_odd(), &events.kept());
    let rejected = events.postgres.rows("SELECT row, reason FROM brooklet_rejected ORDER BY row");
    assert_eq!(rejected.len(), 2, "{rejected:?}");
    for (row, id) in rejected.iter().zip(["17", "42"]) {
        assert!(row[0].as_ref().is_some_and(|r| r.contains(id)), "{row:?}");
        assert!(row[1].as_ref().is_some_and(|r| r.contains("too long")), "{row:?}");
    }
}

fn casts_that_fail() {
    let events = Events::new("casts");
    produce_hundred(&events, "twelve");
    let query = "SELECT id + CAST(text AS INT) - 12, text FROM events";
    let pipeline = events.pipeline("", query);
    for _ in 0..2 {
        let done = pipeline.command(&[]).run(PATIENCE).expect_code(1);
        no_panic(&done);
        for text in ["twelve", "brooklet.on-row-error", "dead-letter"] {
            assert!(done.stderr.contains(text), "no {text} in\n{}", done.stderr);
        }
    }
    let done = events.pipeline(DEAD_LETTER, query).finish();
    no_panic(&done);
    same("kept", &all_but_odd(), &events.kept());
    for offset in [17, 42] {
        assert!(done.stderr.contains(&format!("offset={offset}")), "{offset}: {}", done.stderr);
    }
    assert_eq!(done.stderr.matches("record set aside").count(), 2, "{}", done.stderr);
}

fn bad_lines_of_a_partition() {
    let scratch = Scratch::new("partition");
    let directory = scratch.path().join("in/day=2026-01-02");
    std::fs::create_dir_all(&directory).expect("the scratch directory can be written");
    let lines = "{\"id\": 1}\nno json\n{\"id\": 3, \"day\": \"of the record\"}\n";
    std::fs::write(directory.join("f.json"), lines).expect("the file can be written");
    let sql = "CREATE TABLE events (id BIGINT, `day` DATE) PARTITIONED BY (`day`) WITH (
  'connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
CREATE TABLE kept (id BIGINT, `day` DATE) WITH ('connector' = 'print');
INSERT INTO kept SELECT id, `day` FROM events;";
    let done = Pipeline::new(&scratch, "partition", sql).finish();
    no_panic(&done);
    assert_eq!(done.stdout, "+I[1, 2026-01-02]\n+I[3, 2026-01-02]\n", "{}", done.stderr);
    let set_aside = done.stderr.lines().find(|l| l.contains("set aside")).unwrap_or_default();
    assert!(set_aside.contains("no json") && set_aside.contains("offset=1"), "{}", done.stderr);
}
