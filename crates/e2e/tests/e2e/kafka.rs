//! Kafka to Kafka while the process is killed: rows, late records and dead letters, each once;
//! and dead letters in a bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use brooklet_e2e::clicks::{self, Click, PARTITIONS, same, source};
use brooklet_e2e::outputs::Place;
use brooklet_e2e::pipeline::{Pipeline, Scratch};
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Bucket, Kafka, Record, Topic};
use serde_json::Value;

use crate::Test;

pub const TESTS: &[Test] = &[
    ("every_row_once_over_kills", every_row_once_over_kills),
    ("dead_letters_in_a_bucket", dead_letters_in_a_bucket),
    ("every_compression_read_and_written", every_compression_read_and_written),
];

const KILLS: u32 = 16;
const LONGEST: Duration = Duration::from_millis(1_200);
/// One in so many records is cut in its middle.
const CUT: usize = 400;
/// One in so many clicks comes twenty minutes after its time.
const LATE: u64 = 150;
const MINUTE: i64 = 60_000;

/// What the pipeline writes to, two of them for records that are set aside.
struct Sinks {
    views: Topic,
    bought: Topic,
    late: Topic,
    dead: Topic,
}

impl Sinks {
    fn new(kafka: &Kafka) -> Sinks {
        let topic = |stem| kafka.topic(stem, PARTITIONS);
        Sinks {
            views: topic("views"),
            bought: topic("bought"),
            late: topic("late"),
            dead: topic("dead"),
        }
    }

    fn sql(&self, kafka: &Kafka, input: &Topic, bounded: bool) -> String {
        let options = |topic: &Topic| {
            format!(
                "'connector' = 'kafka', 'topic' = '{}', 'properties.bootstrap.servers' = '{}', \
                 'format' = 'json'",
                topic.name,
                kafka.brokers()
            )
        };
        format!(
            "SET 'brooklet.checkpoint.interval' = '200 ms';
SET 'brooklet.epoch.max-rows' = '5000';
{}
SET 'brooklet.table.clicks.late-records' = 'topic:{}';
SET 'brooklet.table.clicks.dead-letters' = 'topic:{}';
CREATE TABLE views (start TIMESTAMP(3), action STRING, cnt BIGINT) WITH ({},
  'key.format' = 'json', 'key.fields' = 'start;action');
CREATE TABLE bought (eventid STRING) WITH ({});
INSERT INTO views SELECT window_start, action, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(`timestamp`), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, action;
INSERT INTO bought SELECT eventid FROM clicks WHERE action = 'buy';
",
            source(input, kafka.brokers(), bounded),
            self.late.name,
            self.dead.name,
            options(&self.views),
            options(&self.bought)
        )
    }
}

/// Clicks, some of which come much too late.
fn clicks_with_late(count: u64) -> Vec<Click> {
    let mut all = clicks::generate(7, count);
    for click in all.iter_mut().filter(|c| c.id % LATE == LATE - 1) {
        click.time -= 20 * MINUTE;
    }
    all
}

/// Values of a topic's committed records.
fn values(topic: &Topic) -> Vec<Value> {
    let parse = |r: Record| serde_json::from_slice(&r.value.expect("a value")).expect("JSON");
    topic.read().into_iter().map(parse).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_string()
}

fn every_row_once_over_kills() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let input = kafka.topic("clicks", PARTITIONS);
    let all = clicks_with_late(scaled(120_000));
    let mut cut = 0;
    let records = all.iter().enumerate().flat_map(|(i, click)| {
        let whole = click.record();
        let mut part = whole.clone();
        part.value.as_mut().expect("a value").truncate(25);
        cut += usize::from(i % CUT == 0);
        (i % CUT == 0).then_some(part).into_iter().chain([whole])
    });
    input.produce(records.collect::<Vec<_>>());
    let sinks = Sinks::new(&kafka);
    let scratch = Scratch::new("kafka");
    // The cluster remembers pipelines by their names.
    let name = format!("of-{}", input.name);
    let pipeline = Pipeline::new(&scratch, &name, &sinks.sql(&kafka, &input, false));
    for point in ["before-sink-commit", "after-sink-commit"] {
        pipeline.kill_at(point, || ());
    }
    pipeline.kill_often(KILLS, LONGEST, &mut Dice::new(16));
    pipeline.rewrite(&sinks.sql(&kafka, &input, true));
    pipeline.finish();

    let mut bought: Vec<String> =
        values(&sinks.bought).iter().map(|v| text(&v["eventid"])).collect();
    bought.sort();
    let mut wanted: Vec<String> =
        all.iter().filter(|c| c.action == "buy").map(|c| format!("e{}", c.id)).collect();
    wanted.sort();
    same("bought", &wanted, &bought);
    let late = set_aside(&sinks.late, "late");
    assert!(late.len() as u64 > scaled(120_000) / LATE / 4, "{} were late", late.len());
    check_views(&sinks.views, &all, &late);
    assert_eq!(set_aside(&sinks.dead, "dead").len(), cut);
    let accounts = pipeline.accounts();
    let counted = format!("\"late\":{}", late.len());
    assert!(accounts.0.values().any(|c| c.contains(&counted)), "{accounts:#?}");
    assert!(accounts.0["scan clicks"].contains(&format!("\"dead\":{cut}")), "{accounts:#?}");
}

/// The bytes of records that were set aside, whose positions must all differ.
fn set_aside(topic: &Topic, kind: &str) -> Vec<String> {
    let mut places = BTreeSet::new();
    let each = values(topic).into_iter().map(|letter| {
        assert_eq!(
            (text(&letter["kind"]), text(&letter["source"])),
            (kind.into(), "clicks".into())
        );
        let place = (text(&letter["partition"]), letter["offset"].as_i64().expect("an offset"));
        assert!(places.insert(place), "twice: {letter}");
        text(&letter["bytes"])
    });
    each.collect()
}

/// The windows hold the input without the late records.
fn check_views(topic: &Topic, all: &[Click], late: &[String]) {
    let id = |bytes: &String| -> String {
        let click: Value = serde_json::from_str(bytes).expect("late records are whole");
        text(&click["eventid"])
    };
    let late: BTreeSet<String> = late.iter().map(id).collect();
    let mut wanted: BTreeMap<(String, String), i64> = BTreeMap::new();
    for click in all.iter().filter(|c| !late.contains(&format!("e{}", c.id))) {
        let start = click.time.div_euclid(MINUTE) * MINUTE;
        let start = chrono::DateTime::from_timestamp_millis(start).expect("a time");
        let key = (start.format("%Y-%m-%d %H:%M:%S").to_string(), click.action.to_string());
        *wanted.entry(key).or_default() += 1;
    }
    let row =
        |v: &Value| ((text(&v["start"]), text(&v["action"])), v["cnt"].as_i64().expect("a count"));
    let mut found: Vec<_> = values(topic).iter().map(row).collect();
    found.sort();
    same("views", &wanted.into_iter().collect::<Vec<_>>(), &found);
}

fn dead_letters_in_a_bucket() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let bucket = Bucket::from_env().expect("S3 is up");
    let input = kafka.topic("bad", PARTITIONS);
    let value = |i: i32| match i % 10 {
        3 => b"{\"eventid\": \xff}".to_vec(),
        7 => format!("{{\"eventid\": \"{i}\"").into_bytes(),
        _ => format!("{{\"eventid\": \"{i}\", \"action\": \"buy\"}}").into_bytes(),
    };
    let record =
        |i| Record { partition: i % PARTITIONS, value: Some(value(i)), ..Record::default() };
    input.produce((0..1_000).map(record));
    let sql = format!(
        "{}
SET 'brooklet.table.clicks.dead-letters' = '{}';
CREATE TABLE nowhere (eventid STRING) WITH ('connector' = 'blackhole');
INSERT INTO nowhere SELECT eventid FROM clicks;",
        source(&input, kafka.brokers(), true),
        bucket.url("dead")
    );
    let scratch = Scratch::new("bucket");
    Pipeline::new(&scratch, "bucket", &sql).finish();
    let mut encodings: BTreeMap<String, usize> = BTreeMap::new();
    for content in Place::Bucket(&bucket, "dead".into()).files().values() {
        for line in content.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
            let letter: Value = serde_json::from_slice(line).expect("JSON lines");
            assert!(letter["timestamp"].is_string(), "{letter}");
            *encodings.entry(text(&letter["encoding"])).or_default() += 1;
        }
    }
    assert_eq!(encodings, [("base64".to_string(), 100), ("utf-8".to_string(), 100)].into());
}

/// Codecs by their number in the attributes of a batch.
const CODECS: [(&str, u8); 4] = [("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4)];

/// The codec of a topic's first batch, from the broker's own file: the lowest three bits of its
/// attributes, 21 bytes behind the batch's beginning.
fn codec_of(topic: &Topic) -> u8 {
    let services = std::env::var("BROOKLET_TEST_SERVICES").expect("services are up");
    let path = format!("{services}/kafka/{}-0/00000000000000000000.log", topic.name);
    let log = std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    assert_eq!(log[16], 2, "the version of batches");
    log[22] & 7
}

fn every_compression_read_and_written() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let scratch = Scratch::new("compressed");
    for (codec, number) in CODECS {
        let [input, output] = ["in", "out"].map(|end| kafka.topic(&format!("{codec}-{end}"), 1));
        let text = |id: u32| format!(r#"{{"id":{id},"text":"{}"}}"#, "again and ".repeat(20));
        let record = |id| Record { value: Some(text(id).into_bytes()), ..Record::default() };
        let records: Vec<Record> = (0..2_000).map(record).collect();
        input.produce_compressed(codec, records.clone());
        let table = |name: &str, topic: &Topic, more: &str| {
            format!(
                "CREATE TABLE {name} (id BIGINT, text STRING) WITH ('connector' = 'kafka',
  'topic' = '{}', 'properties.bootstrap.servers' = '{}', 'format' = 'json', {more});
",
                topic.name,
                kafka.brokers()
            )
        };
        let sql = [
            table(
                "source",
                &input,
                "'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'",
            ),
            table("sink", &output, &format!("'properties.compression.type' = '{codec}'")),
            "INSERT INTO sink SELECT * FROM source;".to_string(),
        ];
        Pipeline::new(&scratch, &output.name, &sql.concat()).finish();
        assert_eq!((codec_of(&input), codec_of(&output)), (number, number), "{codec}");
        let values = |records: Vec<Record>| -> Vec<Option<Vec<u8>>> {
            records.into_iter().map(|record| record.value).collect()
        };
        assert!(values(output.read()) == values(records), "{codec}: other rows");
    }
}
