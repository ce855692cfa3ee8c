//! The shop's pipelines: what real Flink gave, and generated clicks and orders against a
//! recomputation, also while the processes are killed.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use brooklet_core::env::CrashPoint;
use brooklet_e2e::clicks::same_accounts;
use brooklet_e2e::outputs::json;
use brooklet_e2e::page_views::{DAY, DIRECTORY, Shop, clicks, minutes, orders};
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch};
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Record, Topic};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("the_rows_that_flink_gave", the_rows_that_flink_gave),
    ("generated_clicks_while_killed", generated_clicks_while_killed),
    ("orders_are_replaced_at_once", orders_are_replaced_at_once),
];

/// Input and rows of a run of Flink 2.3.
const EVENTS: &[u8] = include_bytes!("../data/clicks/events.jsonl");
const ORDERS: &str = include_str!("../data/clicks/fact_orders.csv");
const VIEWS: &str = include_str!("../data/clicks/fact_page_views.csv");
const ACTIONS: &str = include_str!("../data/clicks/fact_action_counts.csv");
const ARCHIVE: [(&str, &str); 2] = [
    ("2026/01/18", include_str!("../data/clicks/archive-18.jsonl")),
    ("2026/01/19", include_str!("../data/clicks/archive-19.jsonl")),
];
const FILES: [&str; 3] = ["Users.csv", "Products.csv", "Orders.csv"];

const KILLS: u32 = 20;
const LONGEST: Duration = Duration::from_millis(1_000);
/// So that kills meet snapshots, files that roll and journals of some length.
const BUSY: &str = "SET 'brooklet.checkpoint.interval' = '200 ms';
SET 'brooklet.checkpoint.retained' = '2';
SET 'brooklet.epoch.interval' = '5 ms';
SET 'brooklet.epoch.max-rows' = '512';
";
/// A row that a replaced table no longer has.
const STALE: &str = "CREATE TABLE fact_orders (order_id VARCHAR(255) PRIMARY KEY,
user_id VARCHAR(255), product_id VARCHAR(255), quantity INT, total_amount NUMERIC(10, 2),
signup_date TIMESTAMP, country VARCHAR(255), category VARCHAR(255), product_price NUMERIC(10, 2));
INSERT INTO fact_orders VALUES ('stale', 'u', 'p', 1, 1, now(), 'X', 'X', 1)";

fn the_rows_that_flink_gave() {
    let (shop, scratch) = (Shop::new(), Scratch::new("shop-flink"));
    let sample = Path::new(DIRECTORY).join("sample");
    for _ in 0..2 {
        shop.upload(&scratch, &sample);
    }
    let uploaded: Vec<String> = shop.bucket.list(DAY).into_iter().map(|(path, _)| path).collect();
    assert_eq!(uploaded.len(), FILES.len(), "{uploaded:?}");
    for name in FILES {
        let own = std::fs::read(sample.join(name)).expect("the sample is there");
        assert!(shop.bucket.read(&format!("{DAY}/{name}")) == own, "{name} differs");
    }
    shop.postgres.run(STALE);
    let pipeline = shop.pipeline(&scratch, "orders", "");
    pipeline.kill_at(CrashPoint::BeforeSinkCommit.name(), || {});
    assert_eq!(shop.postgres.number("SELECT count(*) FROM fact_orders"), 1);
    for _ in 0..2 {
        pipeline.finish();
        assert_eq!(shop.rows("fact_orders"), lines(ORDERS));
    }

    let topic = Kafka::from_env().expect("Kafka is up").topic("clicks", 1);
    topic.produce(json(EVENTS).iter().map(|event| Record {
        partition: 0,
        value: event["value"].as_str().map(|text| text.as_bytes().to_vec()),
        timestamp: event["ts"].as_i64(),
        ..Record::default()
    }));
    to_the_end(&shop.streaming(&scratch, "page_views", &topic, ""));
    assert_eq!(shop.rows("fact_page_views"), lines(VIEWS));
    assert_eq!(shop.rows("fact_action_counts"), lines(ACTIONS));
    to_the_end(&shop.streaming(&scratch, "archive", &topic, ""));
    let days = archived(&shop);
    assert_eq!(days.len(), ARCHIVE.len());
    for (day, expected) in ARCHIVE {
        let mut expected: Vec<&str> = expected.lines().collect();
        expected.sort_unstable();
        assert_eq!(days[day], expected, "{day}");
    }
}

fn to_the_end(pipeline: &Pipeline) {
    let command = pipeline.command(&[]).env("KAFKA_BOUNDED_MODE", "latest-offset");
    command.run(PATIENCE).expect_code(0);
}

/// Lines of values with commas between, some in quotes, under a header.
fn lines(text: &str) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = text.lines().skip(1).map(values).collect();
    rows.sort();
    rows
}

fn values(line: &str) -> Vec<String> {
    let (mut values, mut quoted) = (vec![String::new()], false);
    for part in line.split_inclusive(['"', ',']) {
        let last = values.last_mut().expect("it begins with one");
        match part.strip_suffix([',', '"']) {
            Some(text) if part.ends_with('"') => {
                // A doubled quote within quotes stands for one.
                let doubled = text.is_empty() && !quoted && !last.is_empty();
                last.push_str(text);
                last.push_str(if doubled { "\"" } else { "" });
                quoted = !quoted;
            }
            Some(text) if !quoted => {
                last.push_str(text);
                values.push(String::new());
            }
            _ => last.push_str(part),
        }
    }
    values
}

/// Lines by day, sorted. A file has at most 50 and is called after the time it was finished.
fn archived(shop: &Shop) -> BTreeMap<String, Vec<String>> {
    let mut days: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, _) in shop.bucket.list("clickstream") {
        let parts: Vec<&str> = path.split('/').collect();
        let ["clickstream", year, month, day, name] = parts[..] else { panic!("{path}") };
        assert!(name.contains("-clickstream-") && name.ends_with(".json"), "{path}");
        let content = shop.bucket.read(&path);
        let text = std::str::from_utf8(&content).expect("clicks are text");
        assert!(text.ends_with('\n') && text.lines().count() <= 50, "{path}");
        let lines = days.entry(format!("{year}/{month}/{day}")).or_default();
        lines.extend(text.lines().map(str::to_string));
    }
    days.values_mut().for_each(|lines| lines.sort());
    days
}

fn generated_clicks_while_killed() {
    let values = clicks(7, scaled(100_000));
    let expected = minutes(values.iter().map(Vec::as_slice));
    let found = [expected.malformed, expected.untimed, expected.late];
    assert!(found.iter().all(|count| *count > 0), "{found:?}");
    let topic = Kafka::from_env().expect("Kafka is up").topic("clicks", 1);
    let record = |value: &Vec<u8>| Record { value: Some(value.clone()), ..Record::default() };
    let records: Vec<Record> = values.iter().map(record).collect();

    let (shop, scratch) = (Shop::new(), Scratch::new("shop-killed"));
    let views = shop.streaming(&scratch, "page_views", &topic, BUSY);
    let archive = shop.streaming(&scratch, "archive", &topic, BUSY);
    let (first, rest) = records.split_at(records.len() / 4);
    filling(&topic, first, || views.kill_often(KILLS / 2, LONGEST, &mut Dice::new(1)));
    filling(&topic, rest, || {
        std::thread::scope(|scope| {
            scope.spawn(|| archive.kill_often(KILLS / 2, LONGEST, &mut Dice::new(2)));
            views.kill_often(KILLS / 2, LONGEST, &mut Dice::new(3));
        });
    });
    to_the_end(&views);
    to_the_end(&archive);
    assert_eq!(shop.rows("fact_page_views"), expected.views);
    assert_eq!(shop.rows("fact_action_counts"), expected.actions);
    let mut archived: Vec<String> = archived(&shop).into_values().flatten().collect();
    archived.sort();
    let mut sent: Vec<String> =
        values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
    sent.sort();
    assert!(archived == sent, "{} lines archived of {}", archived.len(), sent.len());

    let (shop, scratch) = (Shop::new(), Scratch::new("shop-undisturbed"));
    let undisturbed = shop.streaming(&scratch, "page_views", &topic, BUSY);
    to_the_end(&undisturbed);
    assert_eq!(shop.rows("fact_page_views"), expected.views);
    let accounts = undisturbed.accounts();
    same_accounts(&accounts, &views.accounts());
    let scan = &accounts.0["scan clicks"];
    assert!(scan.contains(&format!("\"read\":{}", values.len())), "{scan}");
}

/// Fills the topic while `work` is done.
fn filling(topic: &Topic, records: &[Record], work: impl FnOnce()) {
    let portions = 200;
    let pause = LONGEST * KILLS / 4 / portions;
    let feed = topic.feed();
    std::thread::scope(|scope| {
        let filling = scope.spawn(move || {
            for portion in records.chunks(records.len().div_ceil(portions as usize).max(1)) {
                feed.produce(portion.iter().cloned());
                std::thread::sleep(pause);
            }
        });
        work();
        filling.join().expect("the topic is filled");
    });
}

/// Whoever reads sees the rows of one run or of the next, never some of both or none.
fn orders_are_replaced_at_once() {
    let (shop, scratch) = (Shop::new(), Scratch::new("shop-orders"));
    let (small, large) = (orders(1, scaled(10_000)), orders(2, scaled(100_000)));
    assert!(small.facts.len() != large.facts.len());
    let pipeline = shop.pipeline(&scratch, "orders", "");
    let path = scratch.path().join("files");
    let allowed = [small.facts.len() as i64, large.facts.len() as i64];
    for (round, data) in [&small, &large, &small].into_iter().enumerate() {
        data.write(&path);
        shop.upload(&scratch, &path);
        if round > 0 {
            let points = [CrashPoint::AfterOperators, CrashPoint::BeforeSinkCommit];
            for point in points {
                pipeline.kill_at(point.name(), || {});
                assert_eq!(count(&shop), Some(allowed[(round + 1) % 2]), "{}", point.name());
            }
        }
        let mut running = pipeline.start();
        while !running.has_ended() {
            let seen = count(&shop);
            assert!(round == 0 || seen.is_some_and(|n| allowed.contains(&n)), "{seen:?}");
            std::thread::sleep(Duration::from_millis(2));
        }
        running.wait(PATIENCE).expect_code(0);
        assert!(shop.rows("fact_orders") == data.facts, "round {round}: other rows");
    }
}

/// Rows of `fact_orders`; None when it is not there.
fn count(shop: &Shop) -> Option<i64> {
    let rows = shop.postgres.try_rows("SELECT count(*) FROM fact_orders").ok()?;
    rows[0][0].as_deref().and_then(|text| text.parse().ok())
}
