//! Records that name their schema in a registry: many versions, a registry that goes away, kills,
//! and sinks whose records others read.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::collections::BTreeMap;
use std::time::Duration;

use brooklet_e2e::confluent::{branch, long, record, split, text, value};
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, stop, wait_until};
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Own, Record, Registry, Topic};
use serde_json::{Value, json};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("versions_of_a_schema_while_the_registry_is_away", versions_while_the_registry_is_away),
    ("records_that_cannot_be_read", records_that_cannot_be_read),
    ("written_once_for_others_to_read", written_once_for_others_to_read),
    ("a_registry_that_refuses_or_is_away", a_registry_that_refuses_or_is_away),
];

fn kafka() -> Kafka {
    Kafka::from_env().expect("Kafka is up")
}

fn on(topic: &Topic) -> String {
    format!("'topic' = '{}', 'properties.bootstrap.servers' = '{}'", topic.name, kafka().brokers())
}

fn schema(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"event","namespace":"shop","fields":[{fields}]}}"#)
}

/// Three versions of an event: a name; a mail that may be missing, and the number grows; no name
/// any more, and an order of fields of its own.
fn versions() -> [String; 3] {
    let mail = r#"{"name":"mail","type":["null","string"],"default":null}"#;
    let name = r#"{"name":"name","type":"string"}"#;
    [
        schema(&format!(r#"{{"name":"id","type":"int"}},{name}"#)),
        schema(&format!(r#"{{"name":"id","type":"long"}},{name},{mail}"#)),
        schema(&format!(
            r#"{mail},{{"name":"note","type":"string"}},{{"name":"id","type":"long"}}"#
        )),
    ]
}

/// An event as that version has it, and as the row that must become of it.
fn event(version: usize, schema: u32, id: i64) -> (Record, Value) {
    let (name, mail) = (format!("n{id}"), format!("m{id}@x"));
    let some = branch(1, text(&mail));
    let fields = match version {
        0 => vec![long(id), text(&name)],
        1 if id % 2 == 0 => vec![long(id), text(&name), branch(0, vec![])],
        1 => vec![long(id), text(&name), some],
        _ => vec![some, text("not read"), long(id)],
    };
    let row = json!({
        "id": id,
        "name": (version < 2).then_some(name),
        "mail": (version == 2 || version == 1 && id % 2 != 0).then_some(mail),
    });
    let value = Some(record(schema, &fields));
    (Record { partition: (id % 2) as i32, value, ..Record::default() }, row)
}

/// What was produced and must be read, in the order of its numbers.
struct Events {
    topic: Topic,
    schemas: [u32; 3],
    rows: Vec<Value>,
}

impl Events {
    fn produce(&mut self, version: usize, count: usize) {
        let from = self.rows.len() as i64;
        let made = (from..from + count as i64).map(|id| event(version, self.schemas[version], id));
        let (records, rows): (Vec<Record>, Vec<Value>) = made.unzip();
        self.topic.produce(records);
        self.rows.extend(rows);
    }
}

/// The rows of a topic of JSON in the order of their numbers.
fn rows(topic: &Topic) -> Vec<Value> {
    let json = |r: Record| serde_json::from_slice(&r.value.expect("a value")).expect("JSON");
    let mut rows: Vec<Value> = topic.read().into_iter().map(json).collect();
    rows.sort_by_key(|row| row["id"].as_i64());
    rows
}

fn versions_sql(events: &Topic, url: &str, sinks: &[Topic; 2]) -> String {
    format!(
        "SET 'brooklet.checkpoint.interval' = '1 h';
CREATE TABLE events (id BIGINT NOT NULL, name STRING, mail STRING) WITH ('connector' = 'kafka', {},
  'scan.startup.mode' = 'earliest-offset', 'format' = 'avro-confluent',
  'avro-confluent.url' = '{url}');
CREATE TABLE copy (id BIGINT, name STRING, mail STRING) WITH ('connector' = 'kafka', {},
  'format' = 'json');
CREATE TABLE sums (has_mail BOOLEAN, events BIGINT, total BIGINT, PRIMARY KEY (has_mail)
  NOT ENFORCED) WITH ('connector' = 'upsert-kafka', {}, 'key.format' = 'json',
  'value.format' = 'json');
INSERT INTO copy SELECT * FROM events;
INSERT INTO sums SELECT mail IS NOT NULL, COUNT(*), SUM(id) FROM events GROUP BY mail IS NOT NULL;
",
        on(events),
        on(&sinks[0]),
        on(&sinks[1])
    )
}

fn versions_while_the_registry_is_away() {
    let own = Own::of(&["registry"]);
    let registry = Registry::at(own.var("BROOKLET_TEST_REGISTRY"));
    let topic = kafka().topic("versions", 2);
    let subject = format!("{}-value", topic.name);
    let schemas = versions().map(|schema| registry.register(&subject, &schema));
    let sinks = [kafka().topic("copy", 1), kafka().topic("sums", 1)];
    let scratch = Scratch::new("versions");
    let sql = versions_sql(&topic, registry.url(), &sinks);
    let pipeline = Pipeline::new(&scratch, &format!("of-{}", topic.name), &sql);
    let mut events = Events { topic, schemas, rows: Vec::new() };
    let all_there = |events: &Events| sinks[0].read().len() >= events.rows.len();

    let mut running = pipeline.start();
    events.produce(0, 400);
    wait_until("the first version", &mut running, || all_there(&events));
    own.control("stop", "registry");
    // The first version needs it no more, also in a process of its own: all is in the journal.
    events.produce(0, 100);
    wait_until("more of what is known", &mut running, || all_there(&events));
    running.kill();
    let mut running = pipeline.start();
    events.produce(0, 100);
    wait_until("more after a kill", &mut running, || all_there(&events));
    // The second does, and holds what comes behind it.
    let before = events.rows.len();
    events.produce(1, 300);
    events.produce(0, 50);
    running.wait_for_stderr("does not answer: Connection refused", PATIENCE);
    events.produce(2, 300);
    std::thread::sleep(Duration::from_secs(1));
    assert!(!running.has_ended(), "{}", running.stderr());
    assert_eq!(sinks[0].read().len(), before, "sources are held");
    running.kill();
    let running = pipeline.start();
    running.wait_for_stderr("sources are held", PATIENCE);
    stop(running);
    let mut running = pipeline.start();
    running.wait_for_stderr("sources are held", PATIENCE);
    own.control("start", "registry");
    wait_until("all versions", &mut running, || all_there(&events));
    own.control("stop", "registry");
    // From the journal's tail once more, then from a snapshot.
    running.kill();
    stop(pipeline.start());
    let mut running = pipeline.start();
    (0..3).for_each(|version| events.produce(version, 20));
    wait_until("the last", &mut running, || all_there(&events));
    stop(running);

    assert_eq!(rows(&sinks[0]), events.rows);
    let mut expected = BTreeMap::<bool, (i64, i64)>::new();
    for row in &events.rows {
        let sum = expected.entry(!row["mail"].is_null()).or_default();
        *sum = (sum.0 + 1, sum.1 + row["id"].as_i64().expect("a number"));
    }
    let sum = |(has, sum): (&bool, &(i64, i64))| {
        let (events, total) = sum;
        json!({"has_mail": has, "events": events, "total": total})
    };
    let mut last = BTreeMap::new();
    for record in sinks[1].read() {
        let row: Value = serde_json::from_slice(&record.value.expect("a value")).expect("JSON");
        last.insert(row["has_mail"].as_bool(), row);
    }
    let last: Vec<Value> = last.into_values().collect();
    assert_eq!(last, expected.iter().map(sum).collect::<Vec<_>>());
}

fn records_that_cannot_be_read() {
    let registry = Registry::from_env().expect("a registry is up");
    let topic = kafka().topic("unread", 1);
    let letters = kafka().topic("letters", 1);
    let subject = format!("{}-value", topic.name);
    let [first, ..] = versions();
    let id = registry.register(&subject, &first);
    let foreign = registry.subject("foreign");
    let foreign = registry.register(&foreign, &schema(r#"{"name":"id","type":"string"}"#));
    let good = |n: i64| record(id, &[long(n), text("good")]);
    let cut = good(3)[..9].to_vec();
    let values = vec![
        good(1),
        br#"{"id": 2, "name": "JSON"}"#.to_vec(),
        cut,
        vec![0, 0],
        record(1_999_999_999, &[long(4), text("x")]),
        record(foreign, &[text("5")]),
        good(6),
    ];
    topic.produce(
        values.into_iter().map(|value| Record { value: Some(value), ..Record::default() }),
    );
    let sql = format!(
        "SET 'brooklet.table.events.dead-letters' = 'topic:{}';
CREATE TABLE events (id BIGINT NOT NULL, name STRING) WITH ('connector' = 'kafka', {},
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  'format' = 'avro-confluent', 'avro-confluent.url' = '{}');
CREATE TABLE shown (id BIGINT, name STRING) WITH ('connector' = 'print');
INSERT INTO shown SELECT id, name FROM events;",
        letters.name,
        on(&topic),
        registry.url()
    );
    let scratch = Scratch::new("unread");
    let name = format!("of-{}", topic.name);
    let done = Pipeline::new(&scratch, &name, &sql).finish();
    assert_eq!(done.stdout.matches("good").count(), 2, "{}", done.stdout);
    let letters: Vec<String> = letters
        .read()
        .into_iter()
        .map(|letter| {
            let all =
                letter.headers.iter().map(|(k, v)| format!("{k}={}", String::from_utf8_lossy(v)));
            let value =
                String::from_utf8_lossy(letter.value.as_deref().unwrap_or_default()).into_owned();
            all.chain([value]).collect::<Vec<_>>().join(" ")
        })
        .collect();
    let reasons = [
        "begins with byte 0x7b",
        "ends too early",
        "has 2 bytes",
        "has no schema 1999999999",
        "BIGINT cannot take Avro's string",
    ];
    assert_eq!(letters.len(), reasons.len(), "{letters:#?}");
    for (letter, reason) in letters.iter().zip(reasons) {
        assert!(letter.contains(reason), "no '{reason}' in {letter}");
    }
}

fn written_sql(input: &Topic, sinks: &[Topic; 2], url: &str, bounded: bool) -> String {
    let mode = if bounded { "latest-offset" } else { "unbounded" };
    format!(
        "SET 'brooklet.checkpoint.interval' = '200 ms';
SET 'brooklet.epoch.max-rows' = '500';
CREATE TABLE events (id BIGINT, name STRING) WITH ('connector' = 'kafka', {},
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = '{mode}', 'format' = 'json');
CREATE TABLE copy (id BIGINT NOT NULL, name STRING) WITH ('connector' = 'kafka', {},
  'format' = 'avro-confluent', 'avro-confluent.url' = '{url}');
CREATE TABLE names (n_name STRING, events BIGINT NOT NULL, PRIMARY KEY (n_name) NOT ENFORCED)
WITH ({});
INSERT INTO copy SELECT COALESCE(id, 0), name FROM events;
INSERT INTO names SELECT COALESCE(name, '-'), COUNT(*) FROM events GROUP BY COALESCE(name, '-')
  HAVING MOD(COUNT(*), 7) <> 0;
",
        on(input),
        on(&sinks[0]),
        names(&sinks[1], url)
    )
}

/// The options of a table with a schema of its own for keys.
fn names(topic: &Topic, url: &str) -> String {
    format!(
        "'connector' = 'upsert-kafka', {}, 'key.format' = 'avro-confluent',
  'key.avro-confluent.url' = '{url}', 'value.format' = 'avro-confluent',
  'value.avro-confluent.url' = '{url}', 'key.fields-prefix' = 'n_',
  'value.fields-include' = 'EXCEPT_KEY'",
        on(topic)
    )
}

fn flinks(fields: &str) -> Value {
    let text = format!(
        r#"{{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated",
            "fields":[{fields}]}}"#
    );
    serde_json::from_str(&text).expect("JSON")
}

/// What a record's key or value says, according to the registry.
fn read(registry: &Registry, bytes: &[u8], schemas: &mut BTreeMap<u32, String>) -> Value {
    let (id, bytes) = split(bytes);
    value(schemas.entry(id).or_insert_with(|| registry.schema(id)), bytes)
}

fn written_once_for_others_to_read() {
    let registry = Registry::from_env().expect("a registry is up");
    let input = kafka().topic("plain", 2);
    let sinks = [kafka().topic("copy", 2), kafka().topic("names", 2)];
    let scratch = Scratch::new("written");
    let name = format!("of-{}", input.name);
    let sql = |bounded| written_sql(&input, &sinks, registry.url(), bounded);
    let pipeline = Pipeline::new(&scratch, &name, &sql(false));
    let name_of = |id: i64| (id % 5 > 0).then(|| format!("name {}", id % 13));
    let record = |id: i64| Record {
        partition: (id % 2) as i32,
        value: Some(json!({"id": id, "name": name_of(id)}).to_string().into_bytes()),
        ..Record::default()
    };
    input.produce((0..10_000).map(record));
    for point in ["before-sink-commit", "after-sink-commit"] {
        pipeline.kill_at(point, || ());
    }
    pipeline.kill_often(3, Duration::from_millis(900), &mut Dice::new(11));
    input.produce((10_000..20_000).map(record));
    pipeline.kill_often(3, Duration::from_millis(900), &mut Dice::new(12));
    pipeline.rewrite(&sql(true));
    pipeline.finish();

    let latest = |topic: &Topic, part: &str| -> Value {
        let (_, schema) =
            registry.latest(&format!("{}-{part}", topic.name)).expect("it was registered");
        serde_json::from_str(&schema).expect("JSON")
    };
    let id = r#"{"name":"id","type":"long"}"#;
    let name = r#"{"name":"name","type":["null","string"],"default":null}"#;
    assert_eq!(latest(&sinks[0], "value"), flinks(&format!("{id},{name}")));
    assert_eq!(latest(&sinks[1], "key"), flinks(r#"{"name":"name","type":"string"}"#));
    assert_eq!(latest(&sinks[1], "value"), flinks(r#"{"name":"events","type":"long"}"#));
    let schemas = &mut BTreeMap::new();
    let copied = sinks[0].read().into_iter();
    let mut copied: Vec<Value> =
        copied.map(|r| read(&registry, &r.value.expect("a value"), schemas)).collect();
    copied.sort_by_key(|row| row["id"].as_i64());
    let expected = (0..20_000).map(|id| json!({"id": id, "name": name_of(id)}));
    assert!(copied == expected.collect::<Vec<_>>(), "{} rows", copied.len());

    let mut counts = BTreeMap::<String, i64>::new();
    for id in 0..20_000 {
        *counts.entry(name_of(id).unwrap_or_else(|| "-".to_string())).or_default() += 1;
    }
    counts.retain(|_, count| *count % 7 != 0);
    let mut held = BTreeMap::new();
    for record in sinks[1].read() {
        let key = read(&registry, &record.key.expect("a key"), schemas);
        let key = key["name"].as_str().expect("a name").to_string();
        match record.value {
            Some(value) => held.insert(key, read(&registry, &value, schemas)["events"].clone()),
            None => held.remove(&key),
        };
    }
    let counted: BTreeMap<String, Value> =
        counts.iter().map(|(name, count)| (name.clone(), json!(count))).collect();
    assert_eq!(held, counted);
    assert_eq!(read_back(&scratch, &registry, &sinks[1]), counted);
}

/// What a pipeline of ours reads in the topic of names.
fn read_back(scratch: &Scratch, registry: &Registry, topic: &Topic) -> BTreeMap<String, Value> {
    let copy = kafka().topic("read-back", 1);
    let sql = format!(
        "CREATE TABLE names (n_name STRING, events BIGINT, PRIMARY KEY (n_name) NOT ENFORCED)
WITH ({}, 'scan.bounded.mode' = 'latest-offset');
CREATE TABLE copy (name STRING, events BIGINT, PRIMARY KEY (name) NOT ENFORCED) WITH (
  'connector' = 'upsert-kafka', {}, 'key.format' = 'json', 'value.format' = 'json');
INSERT INTO copy SELECT * FROM names;",
        names(topic, registry.url()),
        on(&copy)
    );
    Pipeline::new(scratch, &format!("back-{}", topic.name), &sql).finish();
    let mut held = BTreeMap::new();
    for record in copy.read() {
        let key: Value = serde_json::from_slice(&record.key.expect("a key")).expect("JSON");
        let key = key["name"].as_str().expect("a name").to_string();
        let value = record.value.map(|v| serde_json::from_slice::<Value>(&v).expect("JSON"));
        match value {
            Some(value) => held.insert(key, value["events"].clone()),
            None => held.remove(&key),
        };
    }
    held
}

fn a_registry_that_refuses_or_is_away() {
    let registry = Registry::from_env().expect("a registry is up");
    let topic = kafka().topic("refused", 1);
    let subject = format!("{}-value", topic.name);
    registry.register(&subject, &flinks(r#"{"name":"id","type":"string"}"#).to_string());
    registry.allow(&subject, "BACKWARD");
    let scratch = Scratch::new("refused");
    let fails = |name: &str, sql: &str, says: &[&str]| {
        let sql = format!("SET 'brooklet.start-timeout' = '1 s';\n{sql}");
        let done = Pipeline::new(&scratch, name, &sql).command(&[]).run(PATIENCE).expect_code(1);
        for text in says {
            assert!(done.stderr.contains(text), "no '{text}': {}", done.stderr);
        }
        for secret in ["hunter2", "panicked"] {
            assert!(!done.stderr.contains(secret), "{}", done.stderr);
        }
    };
    let sink = |url: &str, more: &str| {
        format!(
            "CREATE TABLE numbers (id BIGINT) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
CREATE TABLE t (id BIGINT NOT NULL) WITH ('connector' = 'kafka', {}, 'format' = 'avro-confluent',
  'avro-confluent.url' = '{url}'{more});
INSERT INTO t SELECT COALESCE(id, 0) FROM numbers;",
            on(&topic)
        )
    };
    let source = |url: &str| {
        format!(
            "CREATE TABLE t (id BIGINT) WITH ('connector' = 'kafka', {},
  'scan.startup.mode' = 'earliest-offset', 'format' = 'avro-confluent',
  'avro-confluent.url' = '{url}', 'avro-confluent.basic-auth.user-info' = 'me:hunter2');
CREATE TABLE shown (id BIGINT) WITH ('connector' = 'print');
INSERT INTO shown SELECT * FROM t;",
            on(&topic)
        )
    };
    let reason = ["not compatible", &subject, "/fields/0/type"];
    fails("incompatible", &sink(registry.url(), ""), &reason);
    assert!(topic.read().is_empty());
    let away = ["the schema registry at http://127.0.0.1:1/", "does not answer", "refused"];
    let login = ", 'avro-confluent.basic-auth.user-info' = 'me:hunter2'";
    fails("sink-away", &sink("http://me:hunter2@127.0.0.1:1", login), &away);
    fails("source-away", &source("http://me:hunter2@127.0.0.1:1"), &away);
    let not_there = ["the schema registry refuses", "404"];
    fails("wrong-path", &sink(&format!("{}/no", registry.url()), ""), &not_there);
}
