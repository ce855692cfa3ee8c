//! Files, services and disks that are wrong: a clear sentence, the right exit code, nothing lost.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use brooklet_e2e::clicks::{
    self, Click, PARTITIONS, check_files, check_postgres, source, to_files, to_postgres,
};
use brooklet_e2e::outputs::{Place, pairs};
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, wait_until};
use brooklet_testkit::binary::{Brooklet, Finished};
use brooklet_testkit::services::{Bucket, Kafka, Postgres, Topic};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("wrong_files", wrong_files),
    ("services_that_refuse", services_that_refuse),
    ("privileges_that_are_missing", privileges_that_are_missing),
    ("tables_that_differ", tables_that_differ),
    ("disk_full", disk_full),
    ("newest_snapshot_damaged", newest_snapshot_damaged),
    ("journal_torn", journal_torn),
];

const TABLES: &str = "CREATE TABLE clicks (
  eventid STRING, userid STRING, action STRING, `timestamp` TIMESTAMP(3),
  WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '10' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'clicks', 'properties.bootstrap.servers' = 'nowhere:1',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json');
CREATE TABLE counts (action STRING, cnt BIGINT) WITH ('connector' = 'print');
";

/// Panics unless stderr holds every text and no sign of a panic.
fn says(what: &str, finished: &Finished, texts: &[&str]) {
    let stderr = &finished.stderr;
    for text in texts {
        assert!(stderr.contains(text), "{what}: no \"{text}\" in\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{what}:\n{stderr}");
}

/// `run` and `validate` end with 2 and say what is wrong; no service is asked.
fn wrong_files() {
    let cases: &[(&str, &[&str])] = &[
        ("INSERT INTO counts SELEC action, 1 FROM clicks;", &["7:20", "^"]),
        ("INSERT INTO counts SELECT action, 1 FROM clicks", &[]),
        ("INSERT INTO counts SELECT actoin, 1 FROM clicks;", &["7:27", "^", "action"]),
        ("INSERT INTO cuonts SELECT action, 1 FROM clicks;", &["7:13", "^", "counts"]),
        ("INSERT INTO counts SELECT action, COUTN(*) FROM clicks GROUP BY action;", &["COUNT"]),
        ("INSERT INTO counts SELECT action, `timestamp` FROM clicks;", &["cnt", "TIMESTAMP"]),
        ("INSERT INTO counts SELECT action FROM clicks;", &["counts", "7:"]),
        ("SET 'brooklet.epoch.intervall' = '1 s';", &["brooklet.epoch.interval'"]),
        ("SET 'brooklet.epoch.max-rows' = 'many';", &["brooklet.epoch.max-rows", "many"]),
        (
            "CREATE TABLE f (a STRING) WITH ('connector' = 'filesystem', 'path' = 'f', \
             'format' = 'json', 'sink.rolling-policy.file-syze' = '1 MB');",
            &["sink.rolling-policy.file-size"],
        ),
        (
            "CREATE TABLE f (a STRING) WITH ('connector' = 'filesystem', 'path' = 'f', \
             'format' = 'json', 'sink.rolling-policy.rollover-interval' = 'soon');",
            &["sink.rolling-policy.rollover-interval", "soon"],
        ),
        ("CREATE TABLE k (a STRING) WITH ('connector' = 'kafak');", &["kafka"]),
        (
            "INSERT INTO counts SELECT actoin, 1 FROM clicks;\n\
             INSERT INTO counts SELECT userrid, 1 FROM clicks;",
            &["7:27", "8:27", "action", "userid"],
        ),
        ("INSERT INTO counts SELECT '${NOT_SET_ANYWHERE}', 1 FROM clicks;", &["NOT_SET_ANYWHERE"]),
    ];
    let scratch = Scratch::new("wrong");
    for (n, (statement, texts)) in cases.iter().enumerate() {
        let file = scratch.path().join(format!("wrong{n}.sql"));
        let rest = "\nINSERT INTO counts SELECT action, 1 FROM clicks;\n";
        std::fs::write(&file, format!("{TABLES}{statement}{rest}")).expect("a directory of ours");
        for command in ["validate", "run"] {
            let args = [command, &file.to_string_lossy()];
            let done = Brooklet::new(scratch.path(), args).run(PATIENCE);
            assert_eq!(done.code(), Some(2), "{statement}\n{}", done.stderr);
            says(statement, &done, texts);
        }
        assert!(!scratch.path().join(".brooklet").exists(), "nothing was started");
    }
}

/// Every case ends with 1 within seconds of the start timeout and names what refused.
fn services_that_refuse() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let postgres = Postgres::from_env().expect("Postgres is up");
    let bucket = Bucket::from_env().expect("S3 is up");
    let topic = kafka.topic("refused", PARTITIONS);
    topic.produce(clicks::generate(11, 100).iter().map(Click::record));
    let source = source(&topic, kafka.brokers(), true);
    let missing_topic = source.replace(&topic.name, "no-such-topic");
    let (database, password) = (postgres.database().to_string(), postgres.password().to_string());
    let to_database = to_postgres(&postgres);
    let port = format!(":{}/", postgres.port());
    let files = to_files("cloud", &bucket.url("out"));
    let nobody = to_files("cloud", "s3://no-such-bucket-here/out");
    let no_env: &[(&str, &str)] = &[];
    let wrong_key: &[(&str, &str)] = &[("AWS_SECRET_ACCESS_KEY", "hunter2hunter2")];
    let cases: &[(&str, String, &[(&str, &str)], &[&str])] = &[
        (
            "unreachable broker",
            clicks::source(&topic, "127.0.0.1:1", true) + &files,
            no_env,
            &["127.0.0.1:1", "clicks"],
        ),
        ("missing topic", missing_topic + &files, no_env, &["no-such-topic", "does not exist"]),
        (
            "unreachable Postgres",
            source.clone() + &to_database.replace(&port, ":1/"),
            no_env,
            &["127.0.0.1:1"],
        ),
        (
            "wrong password",
            source.clone() + &to_database.replace(&password, "hunter2"),
            no_env,
            &["password", "brooklet"],
        ),
        (
            "missing database",
            source.clone() + &to_database.replace(&database, "nowhere"),
            no_env,
            &["nowhere"],
        ),
        ("missing bucket", source.clone() + &nobody, no_env, &["no-such-bucket-here"]),
        ("wrong S3 key", source.clone() + &files, wrong_key, &[&bucket.name, "credentials"]),
    ];
    std::thread::scope(|scope| {
        for (what, sql, env, texts) in cases {
            scope.spawn(move || {
                let scratch = Scratch::new("refused");
                let sql = format!("SET 'brooklet.start-timeout' = '2 s';\n{sql}");
                let pipeline = Pipeline::new(&scratch, "refused", &sql);
                let command = env.iter().fold(pipeline.command(&[]), |c, (k, v)| c.env(k, v));
                let done = command.run(Duration::from_secs(60));
                assert_eq!(done.code(), Some(1), "{what}: {}\n{}", done.status, done.stderr);
                says(what, &done, texts);
                assert!(!done.stderr.contains("hunter2"), "a secret: {}", done.stderr);
            });
        }
    });
}

/// Refusals of Postgres name the statement that helps.
fn privileges_that_are_missing() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let postgres = Postgres::from_env().expect("Postgres is up");
    let topic = kafka.topic("privileges", PARTITIONS);
    let all = clicks::generate(12, 500);
    topic.produce(all.iter().map(Click::record));
    // Roles are the server's, not the database's: one of its own for this test.
    let role = format!("clerk_{}", postgres.database());
    postgres.run(&format!("CREATE ROLE {role} LOGIN PASSWORD 'clerk'"));
    let logs_in = |sql: &str| {
        let user = format!("'username' = '{}'", postgres.user());
        let password = format!("'password' = '{}'", postgres.password());
        sql.replace(&user, &format!("'username' = '{role}'"))
            .replace(&password, "'password' = 'clerk'")
    };
    let scratch = Scratch::new("privileges");
    let sql = logs_in(&to_postgres(&postgres));
    let source = source(&topic, kafka.brokers(), true);
    let pipeline = Pipeline::new(&scratch, "clerk", &(source + &sql));
    let refused = |texts: &[&str]| {
        let done = pipeline.command(&[]).run(PATIENCE).expect_code(1);
        says("privileges", &done, texts);
    };
    refused(&["CREATE TABLE IF NOT EXISTS brooklet_commits", "GRANT"]);

    postgres.run(&format!("GRANT CREATE ON SCHEMA public TO {role}"));
    postgres.run("CREATE TABLE purchases (eventid text, userid text, at timestamp(3))");
    refused(&["purchases", "INSERT"]);

    // What it asked for is enough, and nothing of the failed starts is in the way.
    postgres.run(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON purchases TO {role}"));
    pipeline.finish();
    check_postgres(&postgres, &all);
    postgres.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// A table in Postgres that is not what the DDL says: found at start, with the column's name.
fn tables_that_differ() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let topic = kafka.topic("differ", 1);
    let cases = [
        ("eventid text, userid text, at integer", "at"),
        ("eventid text, at timestamp(3)", "userid"),
        ("eventid text, userid text, at timestamp(3), extra int NOT NULL", "extra"),
    ];
    for (columns, named) in cases {
        let postgres = Postgres::from_env().expect("Postgres is up");
        postgres.run(&format!("CREATE TABLE purchases ({columns})"));
        let scratch = Scratch::new("differ");
        let sql = source(&topic, kafka.brokers(), true) + &to_postgres(&postgres);
        let done = Pipeline::new(&scratch, "differ", &sql).command(&[]).run(PATIENCE);
        assert!(matches!(done.code(), Some(1 | 2)), "{}\n{}", done.status, done.stderr);
        says(columns, &done, &["purchases", named]);
    }
}

/// A pipeline into files whose topic is full from the start.
struct Filled {
    topic: Topic,
    all: Vec<Click>,
    scratch: Scratch,
    pipeline: Pipeline,
    settings: String,
}

impl Filled {
    fn new(name: &str, settings: &str) -> Filled {
        let kafka = Kafka::from_env().expect("Kafka is up");
        let topic = kafka.topic(name, PARTITIONS);
        let all = clicks::generate(13, 20_000);
        topic.produce(all.iter().map(Click::record));
        let scratch = Scratch::new(name);
        let pipeline = Pipeline::new(&scratch, name, "");
        let filled = Filled { topic, all, scratch, pipeline, settings: settings.to_string() };
        filled.bounded(false);
        filled
    }
    fn bounded(&self, bounded: bool) {
        let kafka = Kafka::from_env().expect("Kafka is up");
        let source = source(&self.topic, kafka.brokers(), bounded);
        let sql = [self.settings.as_str(), &source, &to_files("disk", "out")];
        self.pipeline.rewrite(&sql.concat());
    }
    fn place(&self, table: &str) -> Place<'_> {
        Place::Directory(self.scratch.path().join("out").join(table))
    }
    fn check(&self) {
        for table in ["json", "parquet"] {
            check_files(table, &self.place(table).files(), &self.all);
        }
    }
    /// Runs until every click is in a file, then kills.
    fn write_all(&self) {
        let mut running = self.pipeline.start();
        let place = self.place("json");
        let written = || pairs(&place.files(), "eventid", "action").len() >= self.all.len();
        wait_until("every click in a file", &mut running, written);
        wait_until("two snapshots", &mut running, || self.stored("snapshots").len() >= 2);
        running.kill();
    }
    /// The files of a folder of the state, in their order.
    fn stored(&self, folder: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        below(&self.pipeline.state().join("000001").join(folder), &mut found);
        found.sort();
        found
    }
}

fn below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("the state can be listed").path();
        if path.is_dir() {
            below(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// No file can grow beyond a few bytes, as on a full disk: the pipeline says so, holds its
/// sources, and goes on when there is room again.
fn disk_full() {
    let filled = Filled::new("full", "SET 'brooklet.epoch.max-rows' = '2000';\n");
    // The limit below would kill the process by a signal, which no full disk sends.
    let command = filled.pipeline.command(&[]).through_shell(r#"trap '' XFSZ; exec "$0" "$@""#);
    let mut running = command.spawn();
    let place = filled.place("json");
    wait_until("a first file", &mut running, || !place.files().is_empty());
    let limit = |bytes: Option<u64>| {
        let pid = i32::try_from(running.id()).expect("a pid is an int");
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Pid::from_raw(pid), Resource::Fsize, limit).expect("the child is ours");
    };
    limit(Some(16));
    let more = clicks::generate(14, 5_000);
    filled.topic.produce(more.iter().map(Click::record));
    running.wait_for_stderr("trying again", PATIENCE);
    std::thread::sleep(Duration::from_secs(1));
    limit(None);
    let all = filled.all.len() + more.len();
    let written = || pairs(&place.files(), "eventid", "action").len() >= all;
    wait_until("every click in a file", &mut running, written);
    let killed = running.kill();
    assert!(!killed.stderr.contains("panicked"), "{}", killed.stderr);
    filled.bounded(true);
    filled.pipeline.finish();
    for table in ["json", "parquet"] {
        assert_eq!(pairs(&filled.place(table).files(), "eventid", "action").len(), all);
    }
}

/// Damage to the newest snapshot costs time, never rows.
fn newest_snapshot_damaged() {
    let cases: [(&str, &str, fn(&Path)); 4] = [
        ("manifest", "snapshots", truncate),
        ("manifest", "snapshots", flip),
        ("segment", "segments", truncate),
        ("segment", "segments", flip),
    ];
    for (what, folder, damage) in cases {
        let settings = "SET 'brooklet.checkpoint.interval' = '100 ms';
SET 'brooklet.epoch.interval' = '40 ms';
SET 'brooklet.epoch.max-rows' = '1000';
";
        let filled = Filled::new("damaged", settings);
        filled.write_all();
        // The process may have died between a snapshot's segments and its manifest.
        let newest = filled.stored("snapshots").pop().expect("there is a snapshot");
        let named = String::from_utf8(std::fs::read(newest).expect("it can be read"));
        let named = named.expect("a manifest is text");
        let is_named = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            folder == "snapshots" || named.contains(&name)
        };
        let stored = filled.stored(folder);
        damage(stored.iter().rfind(|path| is_named(path)).expect("there is one"));
        filled.bounded(true);
        let done = filled.pipeline.finish();
        says(what, &done, &["the one before is used", "restored"]);
        filled.check();
    }
}

fn truncate(path: &Path) {
    let content = std::fs::read(path).expect("the state can be read");
    std::fs::write(path, &content[..content.len() / 2]).expect("the state is ours");
}

/// One wrong bit in the middle.
fn flip(path: &Path) {
    let mut content = std::fs::read(path).expect("the state can be read");
    let middle = content.len() / 2;
    content[middle] ^= 1;
    std::fs::write(path, content).expect("the state is ours");
}

/// The journal's last slot is torn although its epochs have been written: refused, for going on
/// would write them twice. With the slot back, everything is as it was.
fn journal_torn() {
    let filled = Filled::new("torn", "SET 'brooklet.epoch.max-rows' = '1000';\n");
    let mut running = filled.pipeline.start();
    let places = ["json", "parquet"].map(|table| filled.place(table));
    let written = |place: &Place<'_>| pairs(&place.files(), "eventid", "action").len();
    let all = || places.iter().all(|place| written(place) >= filled.all.len());
    // The last epoch is one that finished files: nothing comes after it.
    wait_until("every click in a file", &mut running, all);
    running.kill();
    let slots = filled.stored("journal");
    let newest = slots.last().expect("there is a journal");
    let content = std::fs::read(newest).expect("the state can be read");
    truncate(newest);
    let refused = filled.pipeline.command(&[]).run(PATIENCE).expect_code(1);
    says("torn", &refused, &["torn", "the journal ends at", "--fresh"]);
    std::fs::write(newest, content).expect("the state is ours");
    filled.bounded(true);
    filled.pipeline.finish();
    filled.check();
}
