//! Tables of upserts read and written, and partitions that appear while they are read, all while
//! the process is killed.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::collections::BTreeMap;
use std::time::Duration;

use brooklet_e2e::clicks::same;
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, wait_until};
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Record, Topic};
use serde_json::{Value, json};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("changes_once_over_kills", changes_once_over_kills),
    ("new_partitions_over_kills", new_partitions_over_kills),
    ("keys_and_metadata", keys_and_metadata),
];

const PARTITIONS: i32 = 2;
const ACCOUNTS: u64 = 300;
const OWNERS: u64 = 17;
const KILLS: u32 = 10;
const LONGEST: Duration = Duration::from_millis(1_200);

/// What a topic of upserts says of its keys.
type Table = BTreeMap<String, Value>;

/// Applies records in their order. Each must change something: one that was written twice would
/// say again what is so already.
fn table(topic: &Topic, written_once: bool) -> Table {
    let mut table = Table::new();
    for record in topic.read() {
        let key: Value = serde_json::from_slice(&record.key.expect("a key")).expect("JSON");
        let key = key.to_string();
        let after = record.value.map(|v| serde_json::from_slice::<Value>(&v).expect("JSON"));
        let before = match &after {
            Some(value) => table.insert(key.clone(), value.clone()),
            None => table.remove(&key),
        };
        assert!(!written_once || before != after, "{}: {key} twice: {after:?}", topic.name);
    }
    table
}

/// Accounts that are opened, changed and closed, each in a partition of its own.
fn upserts(count: u64) -> Vec<Record> {
    let mut dice = Dice::new(5);
    let record = |_| {
        let account = dice.below(ACCOUNTS);
        let (owner, amount) = (dice.below(OWNERS), dice.below(40));
        let value = json!({"account": account, "owner": format!("o{owner}"), "amount": amount});
        Record {
            partition: (account % PARTITIONS as u64) as i32,
            key: Some(json!({"account": account}).to_string().into_bytes()),
            value: (dice.below(5) > 0).then(|| value.to_string().into_bytes()),
            ..Record::default()
        }
    };
    (0..count).map(record).collect()
}

fn accounts_sql(kafka: &Kafka, input: &Topic, sinks: &[Topic; 3], bounded: bool) -> String {
    let options = |topic: &Topic| {
        format!(
            "'connector' = 'upsert-kafka', 'topic' = '{}', 'properties.bootstrap.servers' = '{}', \
             'key.format' = 'json', 'value.format' = 'json'",
            topic.name,
            kafka.brokers()
        )
    };
    let [copy, totals, rich] = sinks;
    let mode = if bounded { "latest-offset" } else { "unbounded" };
    format!(
        "SET 'brooklet.checkpoint.interval' = '200 ms';
SET 'brooklet.epoch.max-rows' = '1000';
CREATE TABLE accounts (account BIGINT, owner STRING, amount BIGINT, PRIMARY KEY (account)
  NOT ENFORCED) WITH ({}, 'scan.bounded.mode' = '{mode}');
CREATE TABLE copy (account BIGINT, owner STRING, amount BIGINT, PRIMARY KEY (account)
  NOT ENFORCED) WITH ({});
CREATE TABLE totals (t_owner STRING, accounts BIGINT, amount BIGINT, PRIMARY KEY (t_owner)
  NOT ENFORCED) WITH ({}, 'key.fields-prefix' = 't_', 'value.fields-include' = 'EXCEPT_KEY');
CREATE TABLE rich (account BIGINT, amount BIGINT, PRIMARY KEY (account) NOT ENFORCED) WITH ({});
INSERT INTO copy SELECT * FROM accounts;
INSERT INTO totals SELECT owner, COUNT(*), SUM(amount) FROM accounts GROUP BY owner;
INSERT INTO rich SELECT account, amount FROM accounts WHERE amount > 30;
",
        options(input),
        options(copy),
        options(totals),
        options(rich)
    )
}

fn changes_once_over_kills() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let input = kafka.topic("accounts", PARTITIONS);
    let count = scaled(60_000);
    let mut records = upserts(count);
    let later = records.split_off(records.len() / 2);
    input.produce(records);
    let sinks = ["copy", "totals", "rich"].map(|stem| kafka.topic(stem, PARTITIONS));
    let scratch = Scratch::new("upserts");
    let name = format!("of-{}", input.name);
    let pipeline = Pipeline::new(&scratch, &name, &accounts_sql(&kafka, &input, &sinks, false));
    for point in ["before-sink-commit", "after-sink-commit"] {
        pipeline.kill_at(point, || ());
    }
    pipeline.kill_often(KILLS / 2, LONGEST, &mut Dice::new(3));
    input.produce(later);
    pipeline.kill_often(KILLS / 2, LONGEST, &mut Dice::new(4));
    pipeline.rewrite(&accounts_sql(&kafka, &input, &sinks, true));
    pipeline.finish();

    let accounts = table(&input, false);
    assert!(accounts.len() > 100 && accounts.len() < ACCOUNTS as usize, "{}", accounts.len());
    let (mut totals, mut rich) = (BTreeMap::<String, (i64, i64)>::new(), Table::new());
    for (key, value) in &accounts {
        let amount = value["amount"].as_i64().expect("an amount");
        let owner = json!({"owner": value["owner"]}).to_string();
        let total = totals.entry(owner).or_default();
        *total = (total.0 + 1, total.1 + amount);
        if amount > 30 {
            rich.insert(key.clone(), json!({"account": value["account"], "amount": amount}));
        }
    }
    let total = |(n, sum): (i64, i64)| json!({"accounts": n, "amount": sum});
    let totals: Table = totals.into_iter().map(|(key, t)| (key, total(t))).collect();
    let list = |table: Table| table.into_iter().collect::<Vec<_>>();
    same("copy", &list(accounts), &list(table(&sinks[0], true)));
    same("totals", &list(totals), &list(table(&sinks[1], true)));
    same("rich", &list(rich), &list(table(&sinks[2], true)));
}

/// Records numbered from `from` on, dealt to the topic's partitions.
fn numbered(topic: &Topic, from: u64, count: u64) -> Vec<Record> {
    let record = |id: u64| Record {
        partition: (id % topic.partitions as u64) as i32,
        value: Some(format!("{{\"id\": {id}}}").into_bytes()),
        ..Record::default()
    };
    (from..from + count).map(record).collect()
}

fn found_sql(kafka: &Kafka, prefix: &str, out: &Topic, bounded: bool) -> String {
    let brokers = kafka.brokers();
    let mode = if bounded { "latest-offset" } else { "unbounded" };
    format!(
        "SET 'brooklet.checkpoint.interval' = '300 ms';
CREATE TABLE found (id BIGINT, `topic` STRING METADATA VIRTUAL, `partition` INT METADATA VIRTUAL,
  `offset` BIGINT METADATA VIRTUAL) WITH ('connector' = 'kafka', 'topic-pattern' = '{prefix}.*',
  'properties.bootstrap.servers' = '{brokers}', 'format' = 'json',
  'scan.startup.mode' = 'latest-offset', 'scan.bounded.mode' = '{mode}',
  'scan.topic-partition-discovery.interval' = '100 ms');
CREATE TABLE written (id BIGINT, place STRING) WITH ('connector' = 'kafka', 'topic' = '{}',
  'properties.bootstrap.servers' = '{brokers}', 'format' = 'json');
INSERT INTO written SELECT id,
  `topic` || '-' || CAST(`partition` AS STRING) || '@' || CAST(`offset` AS STRING) FROM found;
",
        out.name
    )
}

fn ids(out: &Topic) -> Vec<u64> {
    let id = |r: Record| {
        let row: Value = serde_json::from_slice(&r.value.expect("a value")).expect("JSON");
        row["id"].as_u64().expect("an id")
    };
    let mut ids: Vec<u64> = out.read().into_iter().map(id).collect();
    ids.sort_unstable();
    ids
}

/// The startup mode says `latest`: what is written to new partitions before they are found would
/// be missed by a start that took them for old ones.
fn new_partitions_over_kills() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let mut first = kafka.topic("found", 1);
    let prefix = first.name.clone();
    let out = kafka.topic("written", 1);
    let scratch = Scratch::new("found");
    let name = format!("of-{prefix}");
    let pipeline = Pipeline::new(&scratch, &name, &found_sql(&kafka, &prefix, &out, false));
    let mut dice = Dice::new(9);
    let mut next = 0;
    let mut feed = |topic: &Topic, count: u64| {
        topic.produce(numbered(topic, next, count));
        next += count;
        next
    };
    for round in 0..8 {
        let mut running = pipeline.start();
        running.wait_for_stderr("state in ", PATIENCE);
        if round == 0 {
            // What came after the start is read; from then on the journal says where to go on.
            let all = feed(&first, 1);
            wait_until("the first row", &mut running, || ids(&out).len() as u64 == all);
        }
        feed(&first, 50);
        let new = match round % 2 {
            0 => {
                first.grow(first.partitions + 1);
                first.clone()
            }
            _ => kafka.topic(&prefix, 2),
        };
        let all = feed(&new, 50);
        if round % 3 == 0 {
            wait_until("rows of new partitions", &mut running, || ids(&out).len() as u64 >= all);
        } else {
            std::thread::sleep(Duration::from_millis(dice.below(700)));
        }
        running.kill();
    }
    pipeline.rewrite(&found_sql(&kafka, &prefix, &out, true));
    pipeline.finish();
    same("ids", &(0..next).collect::<Vec<u64>>(), &ids(&out));
}

/// Read from where Flink puts them, and written there again.
fn keys_and_metadata() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let (input, output) = (kafka.topic("keyed", 2), kafka.topic("metadata", 1));
    let record = |key: &str, value: &str| Record {
        partition: 1,
        key: Some(key.into()),
        value: Some(value.into()),
        timestamp: Some(1_705_312_800_123),
        headers: vec![("trace".into(), b"a1".to_vec()), ("hop".into(), b"\x00\xff".to_vec())],
    };
    input.produce([
        record(r#"{"id": 7}"#, r#"{"id": "of the value", "name": "seven"}"#),
        record("no key", r#"{"name": "lost"}"#),
        Record { headers: vec![], ..record(r#"{"id": "8"}"#, r#"{"name": null}"#) },
    ]);
    let brokers = kafka.brokers();
    let sql = format!(
        "CREATE TABLE keyed (k_id BIGINT, id STRING, name STRING,
  t STRING METADATA FROM 'topic' VIRTUAL, p INT METADATA FROM 'partition' VIRTUAL,
  h MAP<STRING NOT NULL, BYTES NOT NULL> METADATA FROM 'headers',
  e INT METADATA FROM 'leader-epoch' VIRTUAL, o BIGINT METADATA FROM 'offset' VIRTUAL,
  ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', tt STRING METADATA FROM 'timestamp-type' VIRTUAL
) WITH ('connector' = 'kafka', 'topic' = '{}', 'properties.bootstrap.servers' = '{brokers}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  'key.format' = 'json', 'key.fields' = 'k_id', 'key.fields-prefix' = 'k_',
  'key.json.ignore-parse-errors' = 'true', 'value.fields-include' = 'EXCEPT_KEY',
  'value.format' = 'json');
CREATE TABLE out (id BIGINT, all_of STRING, h MAP<STRING, BYTES> METADATA FROM 'headers',
  ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', place STRING, kind STRING, epoch INT)
WITH ('connector' = 'kafka', 'topic' = '{}', 'properties.bootstrap.servers' = '{brokers}',
  'key.format' = 'raw', 'key.fields' = 'all_of', 'value.format' = 'json');
INSERT INTO out SELECT k_id, id || ':' || name, h, ts,
  t || '/' || CAST(p AS STRING) || '/' || CAST(o AS STRING), tt, e FROM keyed;",
        input.name, output.name
    );
    let scratch = Scratch::new("keyed");
    let pipeline = Pipeline::new(&scratch, &format!("of-{}", input.name), &sql);
    pipeline.finish();
    let written = output.read();
    assert!(written.iter().all(|r| r.timestamp == Some(1_705_312_800_123)), "{written:?}");
    let values: Vec<Value> = written
        .iter()
        .map(|r| serde_json::from_slice(r.value.as_ref().expect("a value")).expect("JSON"))
        .collect();
    let row = |id: u64, all: Value, offset: u64| {
        json!({"id": id, "all_of": all, "place": format!("{}/1/{offset}", input.name),
               "kind": "CreateTime", "epoch": 0})
    };
    let wanted = [row(7, json!("of the value:seven"), 0), row(8, Value::Null, 2)];
    assert_eq!(values, wanted);
    assert_eq!(written[0].key.as_deref(), Some(&b"of the value:seven"[..]));
    let mut headers = written[0].headers.clone();
    headers.sort();
    let wanted = [("hop".into(), b"\x00\xff".to_vec()), ("trace".to_string(), b"a1".to_vec())];
    assert_eq!(headers, wanted);
    assert!(written[1].headers.is_empty(), "{:?}", written[1]);
    let accounts = pipeline.accounts();
    assert!(accounts.0["scan keyed"].contains("\"skipped\":1"), "{accounts:#?}");
}
