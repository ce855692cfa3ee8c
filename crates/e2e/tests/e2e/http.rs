//! Health, readiness and metrics of the real process.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::io::Write;
use std::net::TcpListener;
use std::time::Instant;

use brooklet_e2e::http::{ANY_PORT, Site};
use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, wait_until};
use brooklet_e2e::proxy::Proxy;
use brooklet_testkit::binary::Brooklet;
use brooklet_testkit::services::Postgres;

use crate::Test;

pub const TESTS: &[Test] =
    &[("a_pipeline_shows_itself", a_pipeline_shows_itself), ("addresses", addresses)];
pub const TESTS_WITH_SERVICES: &[Test] = &[("a_sink_that_is_out", a_sink_that_is_out)];

const GENERATED: &str = "SET 'brooklet.checkpoint.interval' = '200 ms';
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '2000',
  'fields.n.min' = '1', 'fields.n.max' = '10');
CREATE TABLE small (n BIGINT, seen BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO small SELECT n, COUNT(*) FROM numbers WHERE n <= 4 GROUP BY n;
";

/// All endpoints while rows pass, over a stop with connections open, and after a restart.
fn a_pipeline_shows_itself() {
    let scratch = Scratch::new("shown");
    let pipeline = Pipeline::new(&scratch, "shown", GENERATED);
    let mut running = pipeline.command(&ANY_PORT).spawn();
    let site = Site::of(&running);
    assert_eq!(site.get("/health"), (200, "{\"status\":\"ok\"}\n".to_string()));
    // It listens before it has recovered.
    wait_until("readiness", &mut running, || site.get("/ready").0 == 200);
    let (code, index) = site.json("/");
    assert_eq!((code, &index["pipeline"]), (200, &"shown".into()));
    for endpoint in index["endpoints"].as_array().expect("a list") {
        let path = endpoint["path"].as_str().expect("a path");
        assert_eq!(site.get(path).0, 200, "{path}");
    }
    assert_eq!(site.json("/nothing").0, 404);

    let read = "brooklet_records_read_total{table=\"numbers\"}";
    let written = "brooklet_rows_written_total{table=\"small\"}";
    wait_until("a snapshot of many rows", &mut running, || {
        let now = site.metrics();
        now.sum("brooklet_snapshot_epoch") > 0.0 && now.sum(read) > 1_000.0
    });
    let first = site.metrics();
    let growing = [read, written, "brooklet_epochs_committed_total", "process_cpu_seconds_total"];
    wait_until("growth", &mut running, || {
        let now = site.metrics();
        growing.iter().all(|name| now.value(name) > first.value(name))
    });
    let now = site.metrics();
    let of = |what: &str| now.sum(&format!("brooklet_node_rows_{what}_total"));
    // The filter, the aggregation and the sink take rows in; the first two give some.
    assert!(of("filtered") > 0.0 && of("in") > of("out") && of("out") > 0.0);
    assert!(now.value("brooklet_state_bytes") > 0.0);
    assert!(now.value("brooklet_epoch_duration_seconds_count") > 1.0);
    assert!(now.value("process_resident_memory_bytes") > 1e6);
    let (code, ready) = site.json("/ready");
    assert_eq!((code, &ready["ready"], &ready["outage"]), (200, &true.into(), &().into()));
    assert!(ready["last_commit_age_seconds"].as_f64().is_some_and(|age| age < 30.0), "{ready}");

    // Neither an idle connection nor half a request holds the stop up.
    let mut idle = site.connect();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").expect("it reads");
    let mut half = site.connect();
    half.write_all(b"GET /hea").expect("it reads");
    let before = site.metrics();
    let asked = Instant::now();
    running.terminate();
    let stopped = running.wait(PATIENCE).expect_code(0);
    assert!(asked.elapsed().as_secs() < 20, "{}", stopped.stderr);
    assert!(!stopped.stderr.contains("panicked"), "{}", stopped.stderr);
    drop((idle, half));

    let mut running = pipeline.command(&ANY_PORT).spawn();
    let site = Site::of(&running);
    wait_until("readiness", &mut running, || site.get("/ready").0 == 200);
    let again = site.metrics();
    assert!(again.value(read) >= before.value(read), "the count goes on");
    assert!(again.value("brooklet_epochs_committed_total") >= 1.0);
    running.terminate();
    running.wait(PATIENCE).expect_code(0);
}

/// An address that was asked for must be had, the default one need not.
fn addresses() {
    let scratch = Scratch::new("addresses");
    let bounded =
        GENERATED.replace("'rows-per-second'", "'number-of-rows' = '10', 'rows-per-second'");
    let pipeline = Pipeline::new(&scratch, "addresses", &bounded);
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = held.local_addr().expect("it listens").to_string();
    let refused = pipeline.command(&["--http", &taken]).run(PATIENCE).expect_code(1);
    assert!(refused.stderr.contains(&taken) && refused.stderr.contains("--http"));
    let wrong = pipeline.command(&["--http", "localhost"]).run(PATIENCE).expect_code(2);
    assert!(wrong.stderr.contains("HOST:PORT"), "{}", wrong.stderr);
    pipeline.command(&["--http", "127.0.0.1:0", "--no-http"]).run(PATIENCE).expect_code(2);
    assert!(!pipeline.state().exists(), "nothing was started");

    // Either we hold the default port or somebody else does.
    let default = TcpListener::bind("127.0.0.1:8080");
    let file = pipeline.file();
    let args = ["run", file.to_str().expect("a path of ours")];
    let silent = Brooklet::new(&pipeline.dir, args).run(PATIENCE).expect_code(0);
    assert!(silent.stderr.contains("127.0.0.1:8080"), "{}", silent.stderr);
    assert!(silent.stderr.contains("no HTTP") && silent.stderr.contains("WARN"));
    drop(default);
    let without = pipeline.command(&["--fresh"]).run(PATIENCE).expect_code(0);
    assert!(without.stderr.contains("no HTTP") && !without.stderr.contains("8080"));
}

/// Postgres cannot be reached for a while: alive but not ready, then ready again.
fn a_sink_that_is_out() {
    let postgres = Postgres::from_env().expect("Postgres is up");
    let proxy = Proxy::to_tcp(&format!("127.0.0.1:{}", postgres.port()));
    let scratch = Scratch::new("out");
    let sql = format!(
        "SET 'brooklet.ready.max-commit-age' = '700 ms';
SET 'brooklet.table.numbers_out.create-table' = 'if-not-exists';
CREATE TABLE numbers (n BIGINT) WITH ('connector' = 'datagen', 'rows-per-second' = '200');
CREATE TABLE numbers_out (n BIGINT) WITH ('connector' = 'jdbc', 'table-name' = 'numbers_out',
  'url' = 'jdbc:postgresql://127.0.0.1:{}/{}', 'username' = '{}', 'password' = '{}');
INSERT INTO numbers_out SELECT n FROM numbers;
",
        proxy.port(),
        postgres.database(),
        postgres.user(),
        postgres.password()
    );
    let pipeline = Pipeline::new(&scratch, "out", &sql);
    let mut running = pipeline.command(&ANY_PORT).spawn();
    let site = Site::of(&running);
    let written = "brooklet_rows_written_total{table=\"numbers_out\"}";
    wait_until("rows", &mut running, || site.metrics().value(written) > 0.0);
    wait_until("readiness", &mut running, || site.get("/ready").0 == 200);

    proxy.fail(true);
    wait_until("unreadiness", &mut running, || site.get("/ready").0 == 503);
    wait_until("an outage", &mut running, || site.metrics().value("brooklet_outage") == 1.0);
    let (code, ready) = site.json("/ready");
    assert_eq!((code, &ready["ready"]), (503, &false.into()), "{ready}");
    assert!(
        ready["reason"].as_str().is_some_and(|r| r.contains("nothing was committed")),
        "{ready}"
    );
    assert!(ready["outage"].as_str().is_some_and(|o| o.contains("postgres")), "{ready}");
    assert!(ready["computed_epoch"].as_u64() > ready["epoch"].as_u64(), "{ready}");
    assert_eq!(site.get("/health").0, 200);
    let all = ["/", "/health", "/ready", "/metrics"].map(|path| site.get(path).1).concat();
    // An empty password would be found everywhere.
    assert!(postgres.password().is_empty() || !all.contains(postgres.password()), "{all}");

    proxy.fail(false);
    wait_until("readiness again", &mut running, || site.get("/ready").0 == 200);
    let held = postgres.number("SELECT count(*) FROM numbers_out");
    wait_until("more rows", &mut running, || {
        postgres.number("SELECT count(*) FROM numbers_out") > held
    });
    assert_eq!(site.metrics().value("brooklet_outage"), 0.0);
    running.terminate();
    running.wait(PATIENCE).expect_code(0);
}
