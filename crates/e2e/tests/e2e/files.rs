//! Kafka → files on disk and on S3 while the process is killed: each row once, no half files; and
//! compressed files → Postgres.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brooklet_e2e::clicks::{self, PARTITIONS, check_files, jdbc, same_accounts, source, to_files};
use brooklet_e2e::outputs::Place;
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch};
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Bucket, Kafka, Postgres, Topic};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::Test;
use crate::clicks::fill;

pub const TESTS: &[Test] = &[
    ("kills_while_files_roll", kills_while_files_roll),
    ("working_directory", working_directory),
    ("compressed_files_over_kills", compressed_files_over_kills),
];

const KILLS: u32 = 20;
const LONGEST: Duration = Duration::from_millis(2_000);

/// A pipeline, the bucket it writes to and where its four tables are.
struct Written {
    pipeline: Pipeline,
    topic: Topic,
    bucket: Bucket,
}

impl Written {
    fn new(scratch: &Scratch, name: &str, topic: &Topic) -> Written {
        let (topic, bucket) = (topic.clone(), Bucket::from_env().expect("S3 is up"));
        let pipeline = Pipeline::new(scratch, name, "");
        let written = Written { pipeline, topic, bucket };
        written.bounded(false);
        written
    }
    fn bounded(&self, bounded: bool) {
        let brokers = Kafka::from_env().expect("Kafka is up").brokers().to_string();
        let root = format!("file://{}/{}", self.pipeline.dir.display(), self.pipeline.name);
        let settings = "SET 'brooklet.checkpoint.interval' = '300 ms';\n";
        let sql = [
            settings,
            &source(&self.topic, &brokers, bounded),
            &to_files("disk", &root),
            &to_files("cloud", &self.bucket.url("out")),
        ];
        self.pipeline.rewrite(&sql.concat());
    }
    fn places(&self) -> Vec<Place<'_>> {
        let root = self.pipeline.dir.join(&self.pipeline.name);
        let bucket = &self.bucket;
        vec![
            Place::Directory(root.join("json")),
            Place::Directory(root.join("parquet")),
            Place::Bucket(bucket, "out/json".into()),
            Place::Bucket(bucket, "out/parquet".into()),
        ]
    }
    /// Runs to the topic's end and compares.
    fn finish(&self, all: &[clicks::Click]) {
        self.bounded(true);
        self.pipeline.finish();
        for (n, place) in self.places().iter().enumerate() {
            check_files(&format!("table {n}"), &place.files(), all);
        }
    }
}

/// Ends the watching, also when the test fails: a scope waits for its threads.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn kills_while_files_roll() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("files", PARTITIONS);
    let all = clicks::generate(3, scaled(100_000));
    let scratch = Scratch::new("files");
    let killed = Written::new(&scratch, "killed", &topic);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (over, all) = (Over(&over), &all);
        let flag = over.0;
        let watching: Vec<_> = killed
            .places()
            .into_iter()
            .map(|place| scope.spawn(move || place.watch(flag)))
            .collect();
        let filling = scope.spawn(|| fill(&topic, all, KILLS * 2, LONGEST / 4));
        killed.pipeline.kill_often(KILLS, LONGEST, &mut Dice::new(20));
        filling.join().expect("the topic is filled");
        killed.finish(all);
        drop(over);
        for watched in watching {
            let files = watched.join().expect("every file was whole");
            assert!(files > 10, "only {files} files rolled");
        }
    });

    let undisturbed = Written::new(&scratch, "undisturbed", &topic);
    undisturbed.finish(&all);
    same_accounts(&undisturbed.pipeline.accounts(), &killed.pipeline.accounts());
}

/// State and relative paths belong to the SQL file, wherever the process is started.
fn working_directory() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("elsewhere", PARTITIONS);
    let (early, late) = (clicks::generate(4, 2_000), clicks::generate(5, 1_000));
    let scratch = Scratch::new("elsewhere");
    let brokers = Kafka::from_env().expect("Kafka is up").brokers().to_string();
    let sql = [&source(&topic, &brokers, false), &to_files("disk", "out")];
    let pipeline = Pipeline::new(&scratch, "moved", &sql.map(String::as_str).concat());
    let places = ["json", "parquet"].map(|t| Place::Directory(scratch.path().join("out").join(t)));

    topic.produce(early.iter().map(clicks::Click::record));
    let running = pipeline.start();
    running.wait_for_stderr("first start", brooklet_e2e::pipeline::PATIENCE);
    std::thread::sleep(Duration::from_millis(500));
    drop(running);
    topic.produce(late.iter().map(clicks::Click::record));
    let sql = [&source(&topic, &brokers, true), &to_files("disk", "out")];
    pipeline.rewrite(&sql.map(String::as_str).concat());
    let elsewhere = pipeline.command_in(&std::env::temp_dir(), &[]);
    let finished = elsewhere.run(brooklet_e2e::pipeline::PATIENCE).expect_code(0);
    assert!(finished.stderr.contains("restored"), "{}", finished.stderr);
    for place in places {
        // The second batch's ids repeat the first's.
        let found = brooklet_e2e::outputs::pairs(&place.files(), "eventid", "action");
        assert_eq!(found.len(), early.len() + late.len());
    }
}

/// Each line once, though a process dies in the middle of a compressed file and the next one reads
/// it from its beginning.
fn compressed_files_over_kills() {
    let bucket = Bucket::from_env().expect("S3 is up");
    let postgres = Postgres::from_env().expect("Postgres is up");
    let lines = |from: u64| (from..from + 10_000).map(|id| format!("{{\"id\":{id}}}\n"));
    let plain = |from| lines(from).collect::<String>().into_bytes();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain(0)).expect("memory takes it");
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&plain(10_000)).expect("memory takes it");
    bucket.write("in/a.jsonl.gz", gzip.finish().expect("memory takes it"));
    bucket.write("in/b.deflate", zlib.finish().expect("memory takes it"));
    bucket.write("in/c.jsonl", plain(20_000));
    let scratch = Scratch::new("compressed-files");
    let sql = format!(
        "SET 'brooklet.epoch.max-rows' = '200';
SET 'brooklet.epoch.interval' = '4 ms';
SET 'brooklet.checkpoint.interval' = '150 ms';
SET 'brooklet.table.kept.create-table' = 'if-not-exists';
CREATE TABLE lines (id BIGINT) WITH ('connector' = 'filesystem', 'path' = '{}',
  'format' = 'json');
CREATE TABLE kept (id BIGINT) WITH ({});
INSERT INTO kept SELECT id FROM lines;",
        bucket.url("in"),
        jdbc(&postgres, "kept")
    );
    let pipeline = Pipeline::new(&scratch, "compressed-files", &sql);
    for point in ["after-journal", "after-sink-commit", "mid-snapshot"] {
        pipeline.kill_at(point, || ());
    }
    for millis in [200, 350, 500] {
        let running = pipeline.start();
        running.wait_for_stderr("state in ", PATIENCE);
        std::thread::sleep(Duration::from_millis(millis));
        running.kill();
    }
    pipeline.finish();
    let found = "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || sum(id) FROM kept";
    let found = postgres.rows(found).remove(0).remove(0);
    let sum: u64 = (0..30_000).sum();
    assert_eq!(found, Some(format!("30000 30000 {sum}")));
}
