//! The device pipeline: what real Flink gave, and generated events against a recomputation, also
//! while the process is killed.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::collections::BTreeSet;
use std::slice::Chunks;
use std::time::Duration;

use brooklet_core::env::CrashPoint;
use brooklet_e2e::clicks::same_accounts;
use brooklet_e2e::devices::DeviceRun;
use brooklet_e2e::outputs::{Place, json};
use brooklet_e2e::pipeline::Scratch;
use brooklet_e2e::scaled;
use brooklet_testkit::devices::Devices;
use brooklet_testkit::devices::expect::{DeviceMinute, Lateness, Outcome, device_minutes};
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::kafka::Feed;
use brooklet_testkit::services::{Kafka, Record};
use chrono::NaiveDateTime;
use serde_json::Value;

use crate::Test;

pub const TESTS: &[Test] = &[
    ("the_rows_that_flink_gave", the_rows_that_flink_gave),
    ("four_partitions_without_late_rows", four_partitions_without_late_rows),
    ("one_partition_with_late_rows", one_partition_with_late_rows),
    ("four_partitions_with_late_rows", four_partitions_with_late_rows),
];

/// Input and rows of a run of Flink 2.3.
const EVENTS: &[u8] = include_bytes!("data/device_events.jsonl");
const MINUTES: &[u8] = include_bytes!("data/device_minutes.jsonl");

const KILLS: u32 = 50;
const PORTIONS: usize = 800;
const LONGEST: Duration = Duration::from_millis(1_000);
/// So that kills meet snapshots, files that roll and journals of some length.
const BUSY: &str = "SET 'brooklet.checkpoint.interval' = '200 ms';
SET 'brooklet.checkpoint.retained' = '2';
SET 'brooklet.epoch.interval' = '5 ms';
SET 'brooklet.epoch.max-rows' = '2048';
";

fn millis(row: &Value, column: &str) -> i64 {
    let text = row[column].as_str().expect("a time is text").replace(' ', "T");
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.f");
    time.expect("an ISO time").and_utc().timestamp_millis()
}

fn minute(row: &Value) -> DeviceMinute {
    let text = |column: &str| row[column].as_str().map(str::to_string);
    let double = |column: &str| row[column].as_f64().expect("a number");
    let long = |column: &str| row[column].as_i64().expect("a whole number");
    DeviceMinute {
        window_start: millis(row, "window_start"),
        window_end: millis(row, "window_end"),
        device_id: text("device_id").expect("part of the key"),
        device_type: text("device_type").expect("part of the key"),
        event_count: long("event_count"),
        avg_duration: double("avg_duration"),
        max_duration: double("max_duration"),
        min_duration: double("min_duration"),
        avg_battery_level: double("avg_battery_level"),
        min_battery_level: long("min_battery_level") as i32,
        avg_signal_strength: double("avg_signal_strength"),
        min_signal_strength: long("min_signal_strength") as i32,
        city: text("city"),
        country: text("country"),
        firmware_version: text("firmware_version"),
        last_event_time: millis(row, "last_event_time"),
    }
}

fn the_rows_that_flink_gave() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("devices", 1);
    let bytes = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    topic.produce(json(EVENTS).iter().map(|event| Record {
        partition: 0,
        key: bytes(&event["key"]),
        value: bytes(&event["value"]),
        timestamp: event["ts"].as_i64(),
        headers: vec![],
    }));
    let expected: Vec<DeviceMinute> = json(MINUTES).iter().map(minute).collect();
    let scratch = Scratch::new("flink");
    let run = DeviceRun::new(&scratch, &topic, "");
    run.finish();
    run.check(&expected);
}

fn four_partitions_without_late_rows() {
    let devices = Devices { seed: 4, partitions: 4, ..shape() };
    killed_and_undisturbed(&devices, Lateness::Ignored);
}

fn one_partition_with_late_rows() {
    let devices = Devices { seed: 5, late: 0.01, ..shape() };
    let lateness = Lateness::OnEvent { delay_ms: devices.delay_ms };
    killed_and_undisturbed(&devices, lateness);
}

/// 2 % repeated, 1 % invalid, some malformed, up to 30 s out of order, over an hour.
fn shape() -> Devices {
    let records = scaled(200_000);
    Devices { records, per_second: records.div_ceil(3_600), devices: 300, ..Devices::default() }
}

/// Kills the pipeline while its topic is filled, runs it to the end, and compares with the
/// recomputation and with a second pipeline that nobody disturbed.
fn killed_and_undisturbed(devices: &Devices, lateness: Lateness) {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let topic = kafka.topic("devices", devices.partitions);
    let records: Vec<Record> = devices.generate().collect();
    let values = records.iter().map(|r| r.value.as_deref().unwrap_or_default());
    let expected = device_minutes(values, lateness);
    assert!(expected.invalid > 0 && expected.duplicates > 0 && expected.malformed > 0);
    assert_eq!(expected.late > 0, matches!(lateness, Lateness::OnEvent { .. }));

    let scratch = Scratch::new("devices-killed");
    let killed = DeviceRun::new(&scratch, &topic, BUSY);
    let feed = topic.feed();
    let mut portions = records.chunks(records.len().div_ceil(PORTIONS));
    for point in CrashPoint::ALL {
        let next = || portions.next().into_iter().for_each(|p| feed.produce(p.iter().cloned()));
        killed.pipeline.kill_at(point.name(), next);
    }
    std::thread::scope(|scope| {
        let filling = scope.spawn(move || fill(&feed, portions, LONGEST * KILLS / 2));
        killed.pipeline.kill_often(KILLS, LONGEST, &mut Dice::new(devices.seed));
        filling.join().expect("the topic is filled");
    });
    killed.finish();
    killed.check(&expected.minutes);

    let scratch = Scratch::new("devices");
    let undisturbed = DeviceRun::new(&scratch, &topic, BUSY);
    undisturbed.finish();
    undisturbed.check(&expected.minutes);
    let accounts = undisturbed.pipeline.accounts();
    same_accounts(&accounts, &killed.pipeline.accounts());
    check_accounts(&expected, &accounts);
}

/// Takes about `time`.
fn fill(feed: &Feed, portions: Chunks<'_, Record>, time: Duration) {
    let pause = time / portions.len().max(1) as u32;
    for portion in portions {
        feed.produce(portion.iter().cloned());
        std::thread::sleep(pause);
    }
}

/// Which rows are late depends on how far each partition was read. Those that were are set aside;
/// a batch over the others gives the result.
fn four_partitions_with_late_rows() {
    let records = shape().records / 2;
    let devices = Devices { seed: 6, partitions: 4, late: 0.01, records, ..shape() };
    let topic = Kafka::from_env().expect("Kafka is up").topic("late", devices.partitions);
    let records: Vec<Record> = devices.generate().collect();
    let scratch = Scratch::new("late");
    let late = "SET 'brooklet.table.input_events.late-records' = './late/rows';\n";
    let run = DeviceRun::new(&scratch, &topic, &[BUSY, late].concat());
    let (kills, feed) = (10, topic.feed());
    std::thread::scope(|scope| {
        let portions = records.chunks(records.len().div_ceil(PORTIONS));
        let filling = scope.spawn(move || fill(&feed, portions, LONGEST * kills / 2));
        run.pipeline.kill_often(kills, LONGEST, &mut Dice::new(devices.seed));
        filling.join().expect("the topic is filled");
    });
    run.finish();

    let set_aside = Place::Directory(scratch.path().join("late/rows")).files();
    let letters: Vec<Value> = set_aside.values().flat_map(|content| json(content)).collect();
    assert!(letters.len() > records.len() / 1_000, "only {} rows were late", letters.len());
    let mut partitions = vec![Vec::new(); devices.partitions as usize];
    for record in &records {
        partitions[record.partition as usize].push(record.value.as_deref().unwrap_or_default());
    }
    let late: BTreeSet<&[u8]> = letters.iter().map(|l| record_of(l, &partitions)).collect();
    // A record that repeats a late one was dropped as a duplicate of it.
    let others = records.iter().map(|r| r.value.as_deref().unwrap_or_default());
    let expected = device_minutes(others.filter(|v| !late.contains(v)), Lateness::Ignored);
    run.check(&expected.minutes);
    let counted = format!("\"late\":{}", letters.len());
    let accounts = run.pipeline.accounts();
    assert!(accounts.0.values().any(|counts| counts.contains(&counted)), "{accounts:#?}");
}

/// The record that a letter is about, found by its position; its bytes must be those.
fn record_of<'a>(letter: &Value, partitions: &[Vec<&'a [u8]>]) -> &'a [u8] {
    assert_eq!(letter["kind"], "late", "{letter}");
    let split = letter["partition"].as_str().expect("a partition's name");
    let partition = split.rsplit('-').next().and_then(|n| n.parse::<usize>().ok());
    let offset = letter["offset"].as_u64().expect("an offset") as usize;
    let value = partitions[partition.expect("a number")][offset];
    assert_eq!(letter["bytes"].as_str().map(str::as_bytes), Some(value), "{letter}");
    value
}

/// Every record is accounted for: read, refused by the decoder, late.
fn check_accounts(expected: &Outcome, accounts: &brooklet_e2e::pipeline::Accounts) {
    let scan = &accounts.0["scan input_events"];
    assert!(scan.contains(&format!("\"read\":{}", expected.read)), "{scan}");
    let late = format!("\"late\":{}", expected.late);
    let windows = accounts.0.values().filter(|counts| counts.contains(&late)).count();
    assert!(windows > 0, "no node counts {} late rows: {accounts:#?}", expected.late);
}
