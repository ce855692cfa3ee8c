//! Services that go away and come back, and owners that do.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::time::Duration;

use brooklet_e2e::clicks::{
    self, Click, PARTITIONS, check_files, check_postgres, closing, source, to_files, to_postgres,
};
use brooklet_e2e::outputs::{Place, pairs};
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, stop, wait_until};
use brooklet_e2e::proxy::Proxy;
use brooklet_testkit::binary::Running;
use brooklet_testkit::services::{Bucket, Kafka, Own, Postgres, Topic};
use rustix::process::{Pid, Signal, kill_process};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("services_restarted", services_restarted),
    ("s3_answers_503", s3_answers_503),
    ("started_twice", started_twice),
    ("stopped_inside_a_commit", stopped_inside_a_commit),
    ("state_directory_deleted", state_directory_deleted),
];

fn services() -> (Kafka, Postgres, Bucket) {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let postgres = Postgres::from_env().expect("Postgres is up");
    (kafka, postgres, Bucket::from_env().expect("S3 is up"))
}

/// How many rows a table has; 0 while nobody answers.
fn count(postgres: &Postgres, table: &str) -> usize {
    let rows = postgres.try_rows(&format!("SELECT count(*) FROM {table}"));
    let first = rows.ok().and_then(|rows| rows.first()?.first()?.clone());
    first.and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn produce(topic: &Topic, clicks: &[Click]) {
    topic.produce(clicks.iter().map(Click::record));
}

/// Waits until all purchases of the clicks are in Postgres.
fn wait_for_purchases(running: &mut Running, postgres: &Postgres, clicks: &[Click]) {
    let wanted = clicks::purchases(clicks).len();
    wait_until("all purchases", running, || count(postgres, "purchases") >= wanted);
}

/// Closes the windows, waits for them, stops and compares.
fn close_and_check(mut running: Running, topic: &Topic, postgres: &Postgres, all: &[Click]) {
    topic.produce(closing());
    wait_for_purchases(&mut running, postgres, all);
    let views = clicks::page_views(all).len();
    wait_until("all windows", &mut running, || count(postgres, "page_views") >= views);
    stop(running);
    check_postgres(postgres, all);
}

/// One pipeline lives through the end of its broker, of its database and of its object store.
fn services_restarted() {
    let own = Own::up();
    let kafka = Kafka::at(own.var("BROOKLET_TEST_KAFKA"));
    let mut postgres = Postgres::at(&own.var("BROOKLET_TEST_POSTGRES"));
    let keys = [own.var("AWS_ACCESS_KEY_ID"), own.var("AWS_SECRET_ACCESS_KEY")];
    let bucket = Bucket::at(&own.var("BROOKLET_TEST_S3"), &keys[0], &keys[1]);
    let topic = kafka.topic("restarts", PARTITIONS);
    let all = clicks::generate(6, 8_000);
    let parts: Vec<&[Click]> = all.chunks(1_000).collect();
    let scratch = Scratch::new("restarts");
    let sql = |bounded| {
        [
            "SET 'brooklet.checkpoint.interval' = '500 ms';\n",
            &source(&topic, kafka.brokers(), bounded),
            &to_postgres(&postgres),
            &to_files("cloud", &bucket.url("out")),
        ]
        .concat()
    };
    let (unbounded, bounded) = (sql(false), sql(true));
    let pipeline = Pipeline::new(&scratch, "restarts", &unbounded)
        .env("AWS_ENDPOINT", own.var("AWS_ENDPOINT"))
        .env("AWS_ACCESS_KEY_ID", &keys[0])
        .env("AWS_SECRET_ACCESS_KEY", &keys[1]);

    produce(&topic, parts[0]);
    let mut running = pipeline.start();
    wait_for_purchases(&mut running, &postgres, &all[..1_000]);
    let mut done = 1_000;
    for (n, service) in ["kafka", "postgres", "s3"].into_iter().enumerate() {
        // Killed amid work, away for a while, back with what it had stored.
        produce(&topic, parts[1 + 2 * n]);
        own.control("kill", service);
        std::thread::sleep(Duration::from_secs(3));
        assert!(!running.has_ended(), "{service} took it along:\n{}", running.stderr());
        own.control("start", service);
        if service == "postgres" {
            postgres = postgres.reconnect();
        }
        produce(&topic, parts[2 + 2 * n]);
        done += 2_000;
        wait_for_purchases(&mut running, &postgres, &all[..done]);
    }
    produce(&topic, parts[7]);
    close_and_check(running, &topic, &postgres, &all);
    pipeline.rewrite(&bounded);
    pipeline.finish();
    for table in ["json", "parquet"] {
        let place = Place::Bucket(&bucket, format!("out/{table}"));
        check_files(table, &place.files(), &all);
    }
}

/// State and files are on S3; the way there answers 503 three times for a while.
fn s3_answers_503() {
    let (kafka, _, bucket) = services();
    let proxy = Proxy::to(&std::env::var("BROOKLET_TEST_S3").expect("S3 is up"));
    let topic = kafka.topic("unavailable", PARTITIONS);
    let all = clicks::generate(7, 8_000);
    let scratch = Scratch::new("unavailable");
    let location = bucket.url("state");
    let sql = |bounded| {
        [
            "SET 'brooklet.checkpoint.interval' = '300 ms';\n",
            &format!("SET 'brooklet.checkpoint.location' = '{location}';\n"),
            &source(&topic, kafka.brokers(), bounded),
            &to_files("cloud", &bucket.url("out")),
        ]
        .concat()
    };
    let pipeline = Pipeline::new(&scratch, "unavailable", &sql(false))
        .env("AWS_ENDPOINT", proxy.url())
        .env("AWS_ENDPOINT_URL", proxy.url());
    let mut running = pipeline.start();
    running.wait_for_stderr("first start", PATIENCE);
    let place = Place::Bucket(&bucket, "out/json".into());
    for part in all.chunks(2_000) {
        // Some of it is under way when S3 goes, the rest comes while it is away.
        produce(&topic, &part[..1_000]);
        let refused = proxy.refused();
        proxy.fail(true);
        produce(&topic, &part[1_000..]);
        wait_until("requests while S3 is away", &mut running, || proxy.refused() > refused + 2);
        proxy.fail(false);
    }
    let everything = || pairs(&place.files(), "eventid", "action").len() >= all.len();
    wait_until("every click in a file", &mut running, everything);
    running.kill();
    pipeline.rewrite(&sql(true));
    pipeline.finish();
    for table in ["json", "parquet"] {
        let place = Place::Bucket(&bucket, format!("out/{table}"));
        check_files(table, &place.files(), &all);
    }
}

/// A second start is refused, or takes over and the first one is fenced; nothing is doubled.
fn started_twice() {
    let (kafka, postgres, _) = services();
    let topic = kafka.topic("twice", PARTITIONS);
    let all = clicks::generate(8, 6_000);
    let scratch = Scratch::new("twice");
    let sql = [
        "SET 'brooklet.checkpoint.interval' = '200 ms';\n",
        &source(&topic, kafka.brokers(), false),
        &to_postgres(&postgres),
        &to_files("disk", "out"),
    ];
    let pipeline = Pipeline::new(&scratch, "twice", &sql.concat());
    produce(&topic, &all[..2_000]);
    let mut first = pipeline.start();
    wait_for_purchases(&mut first, &postgres, &all[..2_000]);

    let refused = pipeline.command(&[]).run(PATIENCE).expect_code(4);
    assert!(refused.stderr.contains("--take-over"), "{}", refused.stderr);
    assert!(!first.has_ended(), "a refused start must not disturb:\n{}", first.stderr());

    let mut second = pipeline.command(&["--take-over"]).spawn();
    second.wait_for_stderr("restored", PATIENCE);
    produce(&topic, &all[2_000..4_000]);
    wait_for_purchases(&mut second, &postgres, &all[..4_000]);
    let fenced = first.wait(PATIENCE).expect_code(4);
    assert!(!fenced.stderr.contains("panicked"), "{}", fenced.stderr);
    produce(&topic, &all[4_000..]);
    close_and_check(second, &topic, &postgres, &all);
    let place = Place::Directory(scratch.path().join("out/json"));
    let mut found = pairs(&place.files(), "eventid", "action");
    let rows = found.len();
    found.sort();
    found.dedup();
    assert_eq!(found.len(), rows, "rows of a fenced process were written twice");
}

fn signal(running: &Running, signal: Signal) {
    let pid = i32::try_from(running.id()).expect("a pid is an int");
    let pid = Pid::from_raw(pid).expect("a pid is not 0");
    kill_process(pid, signal).expect("the child is ours");
}

/// The process sleeps with an open transaction while another one takes over; waking up, it must
/// not commit.
fn stopped_inside_a_commit() {
    let (kafka, postgres, _) = services();
    let topic = kafka.topic("asleep", PARTITIONS);
    let all = clicks::generate(9, 6_000);
    let scratch = Scratch::new("asleep");
    let sql = [&source(&topic, kafka.brokers(), false), &to_postgres(&postgres)];
    let pipeline = Pipeline::new(&scratch, "asleep", &sql.map(String::as_str).concat());
    produce(&topic, &all[..2_000]);
    let mut first = pipeline.start();
    wait_for_purchases(&mut first, &postgres, &all[..2_000]);

    // The next transaction waits for this lock, with its own number already taken.
    let locker = postgres.reconnect();
    locker.run("BEGIN; LOCK TABLE purchases IN ACCESS EXCLUSIVE MODE");
    produce(&topic, &all[2_000..4_000]);
    let waiting = "SELECT count(*) FROM pg_stat_activity \
                   WHERE wait_event_type = 'Lock' AND datname = current_database()";
    wait_until("a waiting INSERT", &mut first, || postgres.number(waiting) > 0);
    signal(&first, Signal::STOP);
    // The server finishes the statement; COMMIT is the sleeper's to send.
    locker.run("COMMIT");

    let mut second = pipeline.command(&["--take-over"]).spawn();
    wait_for_purchases(&mut second, &postgres, &all[..4_000]);
    signal(&first, Signal::CONT);
    first.wait(PATIENCE).expect_code(4);
    produce(&topic, &all[4_000..]);
    close_and_check(second, &topic, &postgres, &all);
}

/// Without its state a pipeline must not begin anew where its rows already are.
fn state_directory_deleted() {
    let (kafka, postgres, bucket) = services();
    let topic = kafka.topic("deleted", PARTITIONS);
    let all = clicks::generate(10, 2_000);
    produce(&topic, &all);
    let source = source(&topic, kafka.brokers(), true);
    let into_postgres = to_postgres(&postgres);
    let into_files = to_files("disk", "out");
    let into_cloud = to_files("cloud", &bucket.url("out"));
    for (name, sink) in [("database", into_postgres), ("disk", into_files), ("cloud", into_cloud)] {
        let scratch = Scratch::new("deleted");
        let pipeline = Pipeline::new(&scratch, name, &[source.as_str(), &sink].concat());
        pipeline.finish();
        std::fs::remove_dir_all(pipeline.state()).expect("there is state");
        // Also not at the second try, which finds the state of the first.
        for _ in 0..2 {
            let refused = pipeline.command(&[]).run(PATIENCE).expect_code(1);
            assert!(refused.stderr.contains("--fresh"), "{name}: {}", refused.stderr);
        }
        if name == "disk" {
            let place = Place::Directory(scratch.path().join("out/json"));
            check_files(name, &place.files(), &all);
            pipeline.command(&["--fresh"]).run(PATIENCE).expect_code(0);
            assert_eq!(pairs(&place.files(), "eventid", "action").len(), 2 * all.len());
            // A finished pipeline says so.
            pipeline.finish();
        }
    }
    check_postgres(&postgres, &all);
    check_files("cloud", &Place::Bucket(&bucket, "out/json".into()).files(), &all);
}
