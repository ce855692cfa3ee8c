//! Tables in Postgres that rows are looked up in: what is refused, and that answers which change
//! all the time are given once, through kills and outages.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::time::Duration;

use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, stop, wait_until};
use brooklet_e2e::proxy::Proxy;
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Postgres, Record, Topic};

use crate::Test;

pub const TESTS: &[Test] = &[
    ("tables_that_cannot_be_looked_up", tables_that_cannot_be_looked_up),
    ("answers_are_given_once", answers_are_given_once),
    ("a_built_in_table_is_asked", a_built_in_table_is_asked),
];

fn postgres() -> Postgres {
    Postgres::from_env().expect("Postgres is up")
}

/// WITH of a table of the server at `port`.
fn at(postgres: &Postgres, port: u16, name: &str) -> String {
    format!(
        "WITH ('connector' = 'jdbc', 'table-name' = '{name}',
         'url' = 'jdbc:postgresql://127.0.0.1:{port}/{}', 'username' = '{}', 'password' = '{}'",
        postgres.database(),
        postgres.user(),
        postgres.password()
    )
}

/// A table of records `{"id": …, "customer": …}`.
fn orders(kafka: &Kafka, topic: &Topic, bounded: bool) -> String {
    let end = if bounded { "'scan.bounded.mode' = 'latest-offset'," } else { "" };
    format!(
        "CREATE TABLE orders (id BIGINT, customer INT, pt AS PROCTIME()) WITH (
           'connector' = 'kafka', 'topic' = '{}', 'properties.bootstrap.servers' = '{}', {end}
           'scan.startup.mode' = 'earliest-offset', 'format' = 'json');\n",
        topic.name,
        kafka.brokers()
    )
}

fn record(value: String) -> Record {
    Record { value: Some(value.into_bytes()), ..Record::default() }
}

fn order(id: u64, customer: u64) -> Record {
    record(format!("{{\"id\": {id}, \"customer\": {customer}}}"))
}

fn tables_that_cannot_be_looked_up() {
    let postgres = postgres();
    postgres.run("CREATE TABLE people (id int, name text, born date)");
    let port = postgres.port();
    let of = |columns: &str, port: u16| {
        format!("CREATE TABLE people ({columns}) {});\n", at(&postgres, port, "people"))
    };
    let whole = of("id INT, name STRING", port);
    let cases: &[(String, &[&str])] = &[
        (
            whole.replace("'table-name' = 'people'", "'table-name' = 'poeple'"),
            &["no table 'poeple'"],
        ),
        (of("id INT, title STRING", port), &["no column 'title'"]),
        (of("id INT, name INT", port), &["column 'name' is text and not INT"]),
        (of("id TIME, name STRING", port), &["column 'id' is integer and not TIME"]),
        (whole.replace("'username' = '", "'username' = 'no"), &["'username' and 'password'"]),
        (of("id INT, name STRING", 1), &["could not connect", "trying again"]),
    ];
    let scratch = Scratch::new("lookup-refused");
    for (n, (people, texts)) in cases.iter().enumerate() {
        let ty = if people.contains("id TIME") { "TIME" } else { "INT" };
        let name = if people.contains("title") { "title" } else { "name" };
        let sql = format!(
            "SET 'brooklet.start-timeout' = '1 s';\n{people}
             CREATE TABLE o (id {ty}) WITH ('connector' = 'datagen', 'number-of-rows' = '1');
             CREATE TABLE out (a STRING) WITH ('connector' = 'print');
             INSERT INTO out SELECT CAST(p.`{name}` AS STRING)
             FROM (SELECT *, PROCTIME() AS pt FROM o) AS o
             JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.id = p.id;"
        );
        let done = Pipeline::new(&scratch, &format!("refused{n}"), &sql).command(&[]).run(PATIENCE);
        assert_eq!(done.code(), Some(1), "{people}\n{}", done.stderr);
        for text in *texts {
            assert!(done.stderr.contains(text), "{people}: no \"{text}\" in\n{}", done.stderr);
        }
        assert!(!done.stderr.contains(postgres.password()), "{}", done.stderr);
    }
}

const CUSTOMERS: u64 = 50;

/// Two queries over the same orders: each order with its customer's version, which changes all the
/// time, and how many customers were last seen with each version.
fn enriching(kafka: &Kafka, topic: &Topic, postgres: &Postgres, port: u16) -> String {
    let own = postgres.port();
    format!(
        "SET 'brooklet.epoch.max-rows' = '40';
         SET 'brooklet.epoch.interval' = '4 ms';
         SET 'brooklet.checkpoint.interval' = '150 ms';
         {}
         CREATE TABLE people (id INT, version INT, PRIMARY KEY (id) NOT ENFORCED) {});
         CREATE TABLE named (id BIGINT, customer INT, version INT) {});
         CREATE TABLE spread (version INT, n BIGINT, PRIMARY KEY (version) NOT ENFORCED) {});
         SET 'brooklet.table.named.create-table' = 'if-not-exists';
         SET 'brooklet.table.spread.create-table' = 'if-not-exists';
         INSERT INTO named SELECT o.id, o.customer, p.version FROM orders AS o
           LEFT JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.customer = p.id;
         INSERT INTO spread SELECT COALESCE(p.version, 0), COUNT(*)
         FROM (SELECT customer, COUNT(*) AS n, PROCTIME() AS pt FROM orders GROUP BY customer) AS o
           LEFT JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.customer = p.id
         GROUP BY COALESCE(p.version, 0);",
        orders(kafka, topic, true),
        at(postgres, port, "people"),
        at(postgres, own, "named"),
        at(postgres, own, "spread"),
    )
}

fn answers_are_given_once() {
    let (kafka, postgres) = (Kafka::from_env().expect("Kafka is up"), postgres());
    postgres.run(&format!(
        "CREATE TABLE people (id int PRIMARY KEY, version int);
         INSERT INTO people SELECT g, 1 FROM generate_series(0, {}) g",
        CUSTOMERS - 2
    ));
    let topic = kafka.topic("lookups", 2);
    let rows = scaled(30_000);
    topic.produce((0..rows).map(|id| order(id, id * 7 % CUSTOMERS)));
    let proxy = Proxy::to_tcp(&format!("127.0.0.1:{}", postgres.port()));
    let scratch = Scratch::new("lookup-once");
    let sql = enriching(&kafka, &topic, &postgres, proxy.port());
    let pipeline = Pipeline::new(&scratch, "once", &sql);
    let mut dice = Dice::new(6);
    for n in 1..10_u64 {
        postgres.run(&format!(
            "UPDATE people SET version = version + 1; DELETE FROM people WHERE id = {};
             INSERT INTO people VALUES ({}, {n}) ON CONFLICT DO NOTHING",
            n % CUSTOMERS,
            (n + 40) % CUSTOMERS
        ));
        pipeline.kill_often(2, Duration::from_millis(300), &mut dice);
    }
    let running = pipeline.start();
    running.wait_for_stderr("state in ", PATIENCE);
    proxy.fail(true);
    std::thread::sleep(Duration::from_millis(500));
    postgres.run("UPDATE people SET version = version + 100");
    proxy.fail(false);
    running.wait(PATIENCE).expect_code(0);
    let count = |sql: &str| postgres.number(sql) as u64;
    assert_eq!(count("SELECT count(*) FROM named"), rows);
    assert_eq!(count("SELECT count(DISTINCT id) FROM named"), rows);
    assert!(count("SELECT count(DISTINCT version) FROM named") > 1, "versions changed meanwhile");
    let wrong = format!("SELECT count(*) FROM named WHERE customer <> id * 7 % {CUSTOMERS}");
    assert_eq!(count(&wrong), 0);
    // Every customer is counted under one version only, whatever the table said when its rows
    // were taken back.
    assert_eq!(count("SELECT sum(n)::bigint FROM spread"), CUSTOMERS);
    assert_eq!(count("SELECT count(*) FROM spread WHERE n < 1"), 0);
    let done = pipeline.finish();
    assert!(done.stderr.contains("finished"), "{}", done.stderr);
}

fn a_built_in_table_is_asked() {
    let (kafka, postgres) = (Kafka::from_env().expect("Kafka is up"), postgres());
    let changes = kafka.topic("lookup-changes", 1);
    let topic = kafka.topic("lookup-orders", 1);
    let sql = format!(
        "{}
         CREATE TABLE changes (id INT, name STRING) WITH ('connector' = 'kafka', 'topic' = '{}',
           'properties.bootstrap.servers' = '{}', 'scan.startup.mode' = 'earliest-offset',
           'format' = 'json');
         CREATE TABLE people (id INT, name STRING, PRIMARY KEY (id) NOT ENFORCED)
           WITH ('connector' = 'brooklet-table');
         CREATE TABLE named (id BIGINT, name STRING) {});
         SET 'brooklet.table.named.create-table' = 'if-not-exists';
         INSERT INTO people SELECT id, LAST_VALUE(name) FROM changes GROUP BY id;
         INSERT INTO named SELECT o.id, p.name FROM orders AS o
           LEFT JOIN people FOR SYSTEM_TIME AS OF o.pt AS p ON o.customer = p.id;",
        orders(&kafka, &topic, false),
        changes.name,
        kafka.brokers(),
        at(&postgres, postgres.port(), "named"),
    );
    let scratch = Scratch::new("lookup-built-in");
    let pipeline = Pipeline::new(&scratch, "asked", &sql);
    let named = |id: u64| {
        let sql = format!("SELECT coalesce(name, 'nobody') FROM named WHERE id = {id}");
        let rows = postgres.try_rows(&sql).unwrap_or_default();
        rows.first().and_then(|row| row[0].clone())
    };
    let mut running = pipeline.start();
    for (id, name) in [(1_u64, "Ann"), (2, "Ünal O'Brien")] {
        topic.produce([order(id * 10, id)]);
        wait_until("nobody", &mut running, || named(id * 10).is_some());
        assert_eq!(named(id * 10).as_deref(), Some("nobody"));
        changes.produce([record(format!("{{\"id\": {id}, \"name\": \"{name}\"}}"))]);
        // The next orders come in later epochs; the first that finds the name tells that it came.
        let mut next = id * 10;
        wait_until(name, &mut running, || {
            if named(next).is_some() && named(next).as_deref() != Some(name) {
                next += 1000;
                topic.produce([order(next, id)]);
            }
            named(next).as_deref() == Some(name)
        });
        running.kill();
        running = pipeline.start();
        topic.produce([order(id * 10 + 1, id)]);
        wait_until(name, &mut running, || named(id * 10 + 1).as_deref() == Some(name));
    }
    stop(running);
}
