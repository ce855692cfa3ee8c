//! Kafka → partitions of minutes on disk and on S3 while the process is killed: a minute that is
//! said to be complete has all of its rows.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brooklet_e2e::clicks::{self, Click, PARTITIONS, source};
use brooklet_e2e::outputs::{Files, Place, pairs};
use brooklet_e2e::pipeline::{Pipeline, Scratch};
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Bucket, Kafka};
use chrono::DateTime;

use crate::Test;
use crate::clicks::fill;

pub const TESTS: &[Test] = &[("complete_minutes_have_all_rows", complete_minutes_have_all_rows)];

const KILLS: u32 = 12;
const LONGEST: Duration = Duration::from_millis(2_000);

/// A Parquet table of one partition per minute, four writers merged.
fn to_minutes(name: &str, path: &str) -> String {
    format!(
        "CREATE TABLE {name} (eventid STRING, action STRING, minute STRING)
PARTITIONED BY (minute) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'parquet',
  'sink.parallelism' = '4', 'auto-compaction' = 'true',
  'sink.partition-commit.policy.kind' = 'success-file',
  'sink.partition-commit.trigger' = 'partition-time', 'sink.partition-commit.delay' = '1 min',
  'partition.time-extractor.timestamp-formatter' = 'yyyyMMddHHmm');
INSERT INTO {name} SELECT eventid, action, DATE_FORMAT(`timestamp`, 'yyyyMMddHHmm') FROM clicks;
"
    )
}

/// Ids by minute.
type Minutes = BTreeMap<String, BTreeSet<String>>;

fn minutes(clicks: &[Click]) -> Minutes {
    let mut minutes = Minutes::new();
    for click in clicks {
        let time = DateTime::from_timestamp_millis(click.time).expect("a time of this century");
        let minute = time.format("%Y%m%d%H%M").to_string();
        minutes.entry(minute).or_default().insert(format!("e{}", click.id));
    }
    minutes
}

/// Panics unless the partition holds each of its rows once.
fn check(partition: &str, files: &Files, wanted: &Minutes) {
    let minute = partition.rsplit('=').next().expect("a partition has a value");
    let inside = format!("{partition}/");
    let own = files.iter().filter(|(name, _)| name.starts_with(&inside));
    let own: Files = own.map(|(name, content)| (name.clone(), content.clone())).collect();
    let rows = pairs(&own, "eventid", "minute");
    let ids: BTreeSet<String> = rows.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(ids.len(), rows.len(), "{partition} holds rows twice");
    // The clicks that close the last minutes are no click of ours.
    let Some(wanted) = wanted.get(minute) else { return };
    assert!(ids == *wanted, "{partition}: {} rows of {}", ids.len(), wanted.len());
}

/// Looks at each minute as soon as it is complete; returns how many were before the end.
fn watch(place: &Place, wanted: &Minutes, over: &AtomicBool) -> usize {
    let mut seen = BTreeSet::new();
    while !over.load(Ordering::Acquire) {
        let new: Vec<String> = place.complete().into_iter().filter(|p| !seen.contains(p)).collect();
        if !new.is_empty() {
            let files = place.files();
            new.iter().for_each(|partition| check(partition, &files, wanted));
        }
        seen.extend(new);
        std::thread::sleep(Duration::from_millis(20));
    }
    seen.len()
}

/// Ends the watching, also when the test fails: a scope waits for its threads.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn complete_minutes_have_all_rows() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let (topic, brokers) = (kafka.topic("minutes", PARTITIONS), kafka.brokers().to_string());
    let bucket = Bucket::from_env().expect("S3 is up");
    let all = clicks::generate(31, scaled(100_000));
    let wanted = minutes(&all);
    let scratch = Scratch::new("minutes");
    let disk = scratch.path().join("disk");
    let sql = |bounded| {
        let settings = "SET 'execution.checkpointing.interval' = '500 ms';
SET 'brooklet.checkpoint.interval' = '300 ms';
";
        let local = to_minutes("disk", &disk.to_string_lossy());
        [
            settings,
            &source(&topic, &brokers, bounded),
            &local,
            &to_minutes("s3", &bucket.url("out")),
        ]
        .concat()
    };
    let pipeline = Pipeline::new(&scratch, "minutes", &sql(false));
    let places = [Place::Directory(disk.clone()), Place::Bucket(&bucket, "out".into())];
    let over = AtomicBool::new(false);
    let early: Vec<usize> = std::thread::scope(|scope| {
        let (guard, wanted) = (Over(&over), &wanted);
        let flag = guard.0;
        let watch = |place| scope.spawn(move || watch(place, wanted, flag));
        let watching: Vec<_> = places.iter().map(watch).collect();
        let filling = scope.spawn(|| fill(&topic, &all, KILLS * 2, LONGEST / 4));
        pipeline.kill_often(KILLS, LONGEST, &mut Dice::new(31));
        filling.join().expect("the topic is filled");
        drop(guard);
        watching.into_iter().map(|w| w.join().expect("what is complete stays so")).collect()
    });
    println!("complete before the end: {early:?} of {} minutes", wanted.len());
    assert!(early.iter().all(|n| *n > 3), "complete before the end: {early:?}");

    pipeline.rewrite(&sql(true));
    pipeline.finish();
    for place in &places {
        let (complete, files) = (place.complete(), place.files());
        // And the closing clicks'.
        assert_eq!(complete.len(), wanted.len() + 1);
        complete.iter().for_each(|partition| check(partition, &files, &wanted));
    }
}
