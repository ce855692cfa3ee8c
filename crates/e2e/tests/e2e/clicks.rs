//! Kafka → window → Postgres while the process is killed again and again.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::time::Duration;

use brooklet_core::env::CrashPoint;
use brooklet_e2e::clicks::{
    self, Click, PARTITIONS, check_files, check_postgres, closing, same_accounts, source, to_files,
    to_postgres,
};
use brooklet_e2e::outputs::Place;
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, stop, wait_until};
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Bucket, Kafka, Postgres, Topic};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("fifty_kills_while_the_topic_is_filled", fifty_kills_while_the_topic_is_filled),
    ("a_kill_at_every_named_point", a_kill_at_every_named_point),
];

const KILLS: u32 = 50;
/// A process lives up to this long; half of it on average.
const LONGEST: Duration = Duration::from_millis(1_000);

fn services() -> (Kafka, Postgres) {
    (Kafka::from_env().expect("Kafka is up"), Postgres::from_env().expect("Postgres is up"))
}

/// Fills the topic in `parts` portions with a pause behind each, then closes all windows.
pub fn fill(topic: &Topic, clicks: &[Click], parts: u32, pause: Duration) {
    let feed = topic.feed();
    for portion in clicks.chunks(clicks.len().div_ceil(parts as usize)) {
        feed.produce(portion.iter().map(Click::record));
        std::thread::sleep(pause);
    }
    feed.produce(closing());
}

/// Whether Postgres holds the last window and all purchases, which is all that will come.
fn complete(postgres: &Postgres, views: usize, purchases: usize) -> bool {
    let count = |table: &str| {
        let rows = postgres.try_rows(&format!("SELECT count(*) FROM {table}"));
        rows.ok().and_then(|r| r[0][0].clone()).and_then(|n| n.parse::<usize>().ok())
    };
    count("page_views").is_some_and(|n| n >= views)
        && count("purchases").is_some_and(|n| n >= purchases)
}

/// Starts once more, waits until everything is there, stops, compares.
fn complete_and_check(pipeline: &Pipeline, postgres: &Postgres, all: &[Click]) {
    let (views, purchases) = (clicks::page_views(all).len(), clicks::purchases(all).len());
    let mut running = pipeline.start();
    wait_until("complete tables", &mut running, || complete(postgres, views, purchases));
    stop(running);
    check_postgres(postgres, all);
}

fn fifty_kills_while_the_topic_is_filled() {
    let (kafka, postgres) = services();
    let topic = kafka.topic("clicks", PARTITIONS);
    let all = clicks::generate(1, scaled(400_000));
    let scratch = Scratch::new("kills");
    let settings = "SET 'brooklet.checkpoint.interval' = '300 ms';\n";
    let sql = |postgres: &Postgres| {
        [settings, &source(&topic, kafka.brokers(), false), &to_postgres(postgres)].concat()
    };
    let pipeline = Pipeline::new(&scratch, "killed", &sql(&postgres));
    std::thread::scope(|scope| {
        let filling = scope.spawn(|| fill(&topic, &all, 100, LONGEST * KILLS / 2 / 100));
        pipeline.kill_often(KILLS, LONGEST, &mut Dice::new(50));
        filling.join().expect("the topic is filled");
    });
    complete_and_check(&pipeline, &postgres, &all);

    let quiet = Postgres::from_env().expect("Postgres is up");
    let undisturbed = Pipeline::new(&scratch, "undisturbed", &sql(&quiet));
    complete_and_check(&undisturbed, &quiet, &all);
    same_accounts(&undisturbed.accounts(), &pipeline.accounts());
}

/// Every named point twice, into Postgres and into files on disk and on S3: there is something
/// between two sinks and an upload has a middle.
fn a_kill_at_every_named_point() {
    let (kafka, _) = services();
    let topic = kafka.topic("points", PARTITIONS);
    let all = clicks::generate(2, scaled(40_000).max(30_000));
    fill(&topic, &all, 1, Duration::ZERO);
    let undisturbed = Points::new(&kafka, &topic);
    undisturbed.finish_and_check(&all);
    let wanted = undisturbed.pipeline.accounts();
    let points: Vec<String> = CrashPoint::ALL
        .iter()
        .flat_map(|point| [1, 3].map(|passes| format!("{}:{passes}", point.name())))
        .collect();
    std::thread::scope(|scope| {
        for part in points.chunks(points.len().div_ceil(2)) {
            let (kafka, topic, all, wanted) = (&kafka, &topic, &all, &wanted);
            scope.spawn(move || {
                for point in part {
                    let points = Points::new(kafka, topic);
                    points.crash_at(point);
                    points.finish_and_check(all);
                    same_accounts(wanted, &points.pipeline.accounts());
                }
            });
        }
    });
}

/// One pipeline that is killed at a point, with everything it writes to.
struct Points {
    scratch: Scratch,
    pipeline: Pipeline,
    postgres: Postgres,
    bucket: Bucket,
}

impl Points {
    fn new(kafka: &Kafka, topic: &Topic) -> Points {
        let postgres = Postgres::from_env().expect("Postgres is up");
        let bucket = Bucket::from_env().expect("S3 is up");
        let scratch = Scratch::new("points");
        let settings = "SET 'brooklet.checkpoint.interval' = '30 ms';
SET 'brooklet.checkpoint.retained' = '1';
SET 'brooklet.epoch.interval' = '20 ms';
SET 'brooklet.epoch.max-rows' = '1000';
";
        let sql = [
            settings,
            &source(topic, kafka.brokers(), true),
            &to_postgres(&postgres),
            &to_files("disk", "out"),
            &to_files("cloud", &bucket.url("out")),
        ];
        let pipeline = Pipeline::new(&scratch, "point", &sql.concat());
        Points { scratch, pipeline, postgres, bucket }
    }
    fn crash_at(&self, point: &str) {
        let killed = self.pipeline.command(&[]).env("BROOKLET_CRASH_AT", point).run(PATIENCE);
        assert_eq!(killed.code(), None, "{point} was not passed:\n{}", killed.stderr);
    }
    fn finish_and_check(&self, all: &[Click]) {
        self.pipeline.finish();
        check_postgres(&self.postgres, all);
        for table in ["json", "parquet"] {
            let directory = Place::Directory(self.scratch.path().join("out").join(table));
            check_files(table, &directory.files(), all);
            let prefix = Place::Bucket(&self.bucket, format!("out/{table}"));
            check_files(table, &prefix.files(), all);
        }
    }
}
