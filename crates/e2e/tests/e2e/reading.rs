//! Tables in Postgres as sources: what is refused, what a kill in the middle of a reading leaves,
//! and how changes are followed through an outage.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::time::Duration;

use brooklet_e2e::pipeline::{PATIENCE, Pipeline, Scratch, stop, wait_until};
use brooklet_e2e::proxy::Proxy;
use brooklet_e2e::scaled;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::Postgres;

use crate::Test;

pub const TESTS: &[Test] = &[
    ("tables_that_cannot_be_read", tables_that_cannot_be_read),
    ("kills_in_the_middle_of_a_reading", kills_in_the_middle_of_a_reading),
    ("changes_are_followed_through_kills_and_an_outage", changes_are_followed),
    ("a_query_over_tables_that_end", a_query_over_tables_that_end),
    ("a_file_that_reads_more_columns", a_file_that_reads_more_columns),
];

/// A table of the server at `port`.
fn table(postgres: &Postgres, port: u16, name: &str, columns: &str) -> String {
    format!(
        "CREATE TABLE {name} ({columns}) WITH ('connector' = 'jdbc', 'table-name' = '{name}',
           'url' = 'jdbc:postgresql://127.0.0.1:{port}/{}', 'username' = '{}',
           'password' = '{}');\n",
        postgres.database(),
        postgres.user(),
        postgres.password()
    )
}

fn postgres() -> Postgres {
    Postgres::from_env().expect("Postgres is up")
}

fn tables_that_cannot_be_read() {
    let postgres = postgres();
    postgres.run("CREATE TABLE items (id int, name text)");
    let of = |columns: &str| table(&postgres, postgres.port(), "items", columns);
    let whole = of("id INT, name STRING");
    let nobody = whole.replace(&format!(":{}/", postgres.port()), ":1/");
    let database = format!("/{}'", postgres.database());
    let cases: &[(String, &[&str])] = &[
        (whole.replace("'table-name' = 'items'", "'table-name' = 'itmes'"), &["no table 'itmes'"]),
        (of("id INT, title STRING"), &["no column 'title' (it has id, name)"]),
        (of("id INT, name INT"), &["column 'name' is text and not INT"]),
        (whole.replace("'username' = '", "'username' = 'no"), &["'username' and 'password'"]),
        (whole.replace(&database, "/no_such_database'"), &["no_such_database"]),
        (nobody, &["could not connect", "trying again"]),
    ];
    let scratch = Scratch::new("reading-refused");
    for (n, (source, texts)) in cases.iter().enumerate() {
        let sql = format!(
            "SET 'brooklet.start-timeout' = '1 s';\n{source}
             CREATE TABLE out (a STRING) WITH ('connector' = 'print');
             INSERT INTO out SELECT CAST(t.`{}` AS STRING) FROM items AS t;",
            if source.contains("title") { "title" } else { "name" }
        );
        let done = Pipeline::new(&scratch, &format!("refused{n}"), &sql).command(&[]).run(PATIENCE);
        assert_eq!(done.code(), Some(1), "{source}\n{}", done.stderr);
        for text in *texts {
            assert!(done.stderr.contains(text), "{source}: no \"{text}\" in\n{}", done.stderr);
        }
        assert!(!done.stderr.contains(postgres.password()), "{}", done.stderr);
    }
}

/// Many small epochs, so that a process dies between them.
const SMALL: &str = "SET 'brooklet.epoch.max-rows' = '200';
SET 'brooklet.epoch.interval' = '4 ms';
SET 'brooklet.checkpoint.interval' = '150 ms';
";

/// A copy without a key shows every row that was lost or came twice.
fn kills_in_the_middle_of_a_reading() {
    let postgres = postgres();
    let rows = scaled(60_000);
    postgres.run(&format!(
        "CREATE TABLE items (id bigint, name text, price numeric(10,2), at timestamp);
         INSERT INTO items SELECT g / 3, 'name ''' || g % 7, g / 100.0,
           timestamp '2024-01-01' + g * interval '1 s' FROM generate_series(1, {rows}) g;
         INSERT INTO items SELECT NULL FROM generate_series(1, 10)"
    ));
    let columns = "id BIGINT, name STRING, price DECIMAL(10, 2), at TIMESTAMP(6)";
    let port = postgres.port();
    let sql = [
        SMALL,
        &table(&postgres, port, "items", columns),
        &table(&postgres, port, "copy", columns),
        "SET 'brooklet.table.copy.create-table' = 'if-not-exists';\n",
        "INSERT INTO copy SELECT * FROM items;\n",
    ]
    .concat();
    let scratch = Scratch::new("reading-killed");
    let pipeline = Pipeline::new(&scratch, "copy", &sql);
    let mut dice = Dice::new(8);
    let mut killed = 0;
    while killed < 40 {
        let mut running = pipeline.start();
        if killed % 2 == 0 {
            running.wait_for_stderr("state in ", PATIENCE);
        }
        std::thread::sleep(Duration::from_millis(dice.below(250)));
        if running.has_ended() {
            break;
        }
        running.kill();
        killed += 1;
    }
    assert!(killed > 3, "killed only {killed} times");
    let done = pipeline.finish();
    assert_eq!(differ(&postgres, "copy", "SELECT * FROM items"), 0, "{}", done.stderr);
    assert_eq!(postgres.number("SELECT count(*) FROM copy") as u64, rows + 10);
    let read = format!("\"read\":{}", rows + 10);
    let accounts = pipeline.accounts();
    assert!(accounts.0["scan items"].contains(&read), "{accounts:#?}");
}

fn changes_are_followed() {
    let postgres = postgres();
    postgres.run(
        "CREATE TABLE items (id int PRIMARY KEY, name text, n int);
         INSERT INTO items SELECT g, 'i' || g % 10, g FROM generate_series(1, 2000) g",
    );
    let proxy = Proxy::to_tcp(&format!("127.0.0.1:{}", postgres.port()));
    let scratch = Scratch::new("reading-again");
    let pipeline = Pipeline::new(&scratch, "sums", &following(&postgres, proxy.port()));
    let settled = || {
        let sums = "SELECT name, sum(n)::bigint FROM items GROUP BY name";
        let latest = "SELECT DISTINCT ON (name) name, id FROM items ORDER BY name, n DESC, id DESC";
        differ(&postgres, "sums", sums) == 0 && differ(&postgres, "latest", latest) == 0
    };
    let change = |n: i32| {
        postgres.run(&format!(
            "UPDATE items SET n = n + {n}, name = 'i' || (id + {n}) % 11 WHERE id % 5 = {n} % 5;
             DELETE FROM items WHERE id % 97 = {n};
             INSERT INTO items SELECT {n} * 10000 + g, 'new', g FROM generate_series(1, 50) g"
        ));
    };
    let mut dice = Dice::new(4);
    for n in 1..12 {
        change(n);
        pipeline.kill_often(2, Duration::from_millis(500), &mut dice);
    }
    let mut running = pipeline.start();
    wait_until("what Postgres says", &mut running, settled);
    proxy.fail(true);
    change(20);
    std::thread::sleep(Duration::from_millis(700));
    assert!(!running.has_ended(), "{}", running.stderr());
    assert!(!settled(), "nothing came through a proxy that fails");
    change(21);
    proxy.fail(false);
    wait_until("what Postgres says after the outage", &mut running, settled);
    postgres.run("TRUNCATE items");
    wait_until("nothing", &mut running, settled);
    stop(running);
    assert_eq!(postgres.number("SELECT count(*) FROM sums"), 0);
}

/// Sums and latest rows of `items`, which is read at `port`.
fn following(postgres: &Postgres, port: u16) -> String {
    let items = "id INT, name STRING, n INT, PRIMARY KEY (id) NOT ENFORCED";
    let to = |name: &str, column: &str| {
        let columns = format!("name STRING, {column}, PRIMARY KEY (name) NOT ENFORCED");
        table(postgres, postgres.port(), name, &columns)
            + &format!("SET 'brooklet.table.{name}.create-table' = 'if-not-exists';\n")
    };
    [
        SMALL,
        &table(postgres, port, "items", items),
        "SET 'brooklet.table.items.refresh-interval' = '100 ms';\n",
        &to("sums", "n BIGINT"),
        &to("latest", "id INT"),
        "INSERT INTO sums SELECT name, SUM(CAST(n AS BIGINT)) FROM items GROUP BY name;
         INSERT INTO latest SELECT name, id FROM (SELECT *, ROW_NUMBER() OVER (
           PARTITION BY name ORDER BY n DESC, id DESC) AS rn FROM items) WHERE rn = 1;\n",
    ]
    .concat()
}

/// Rows that only one of them has: the table, what the query gives.
fn differ(postgres: &Postgres, table: &str, query: &str) -> i64 {
    postgres.number(&format!(
        "WITH q AS ({query}) SELECT count(*) FROM ((SELECT * FROM q EXCEPT ALL SELECT * FROM \
         {table}) UNION ALL (SELECT * FROM {table} EXCEPT ALL SELECT * FROM q)) d"
    ))
}

/// A join of two tables that are read once, and the rows that match nothing, on stdout.
fn a_query_over_tables_that_end() {
    let postgres = postgres();
    postgres.run(
        "CREATE TABLE l (a int, b text); CREATE TABLE r (a int, b text, c float8);
         INSERT INTO l VALUES (1, 'x'), (2, NULL), (NULL, 'z'), (4, 'y');
         INSERT INTO r VALUES (1, 'x', 0.5), (3, 'z', 1e300), (NULL, NULL, 2), (1, 'y', NULL)",
    );
    let port = postgres.port();
    let sql = [
        &table(&postgres, port, "l", "a INT, b STRING"),
        &table(&postgres, port, "r", "a INT, b STRING, c DOUBLE"),
        "CREATE TABLE o (a INT, b STRING, c DOUBLE) WITH ('connector' = 'jdbc', \
         'table-name' = 'o', ",
        &format!(
            "'url' = '{}', 'username' = '{}', 'password' = '{}');\n",
            postgres.jdbc_url(),
            postgres.user(),
            postgres.password()
        ),
        "SET 'brooklet.table.o.create-table' = 'if-not-exists';
         INSERT INTO o SELECT l.a, l.b, r.c FROM l JOIN r ON l.a = r.a OR l.b = r.b;\n",
    ]
    .concat();
    let scratch = Scratch::new("reading-join");
    Pipeline::new(&scratch, "join", &sql).finish();
    let expected = "SELECT l.a, l.b, r.c FROM l JOIN r ON l.a = r.a OR l.b = r.b";
    assert_eq!(differ(&postgres, "o", expected), 0);
    assert_eq!(postgres.number("SELECT count(*) FROM o"), 4);
}

/// A table that was read to its end is read again when the file wants more of it.
fn a_file_that_reads_more_columns() {
    let postgres = postgres();
    postgres.run(
        "CREATE TABLE items (id int, name text, price float8);
         INSERT INTO items SELECT g, 'i' || g, g / 2.0 FROM generate_series(0, 9) g",
    );
    let port = postgres.port();
    let sql = |price: &str| {
        let seen = "id INT, name STRING, price DOUBLE, PRIMARY KEY (id) NOT ENFORCED";
        [
            &table(&postgres, port, "items", "id INT, name STRING, price DOUBLE"),
            &table(&postgres, port, "seen", seen),
            "SET 'brooklet.table.seen.create-table' = 'if-not-exists';
             CREATE TABLE ticks (k INT) WITH ('connector' = 'datagen', 'rows-per-second' = '500',
               'fields.k.min' = '0', 'fields.k.max' = '9');\n",
            &format!(
                "INSERT INTO seen SELECT i.id, MAX(i.name), MAX({price}) FROM ticks AS t \
                 JOIN items AS i ON t.k = i.id GROUP BY i.id;\n"
            ),
        ]
        .concat()
    };
    let scratch = Scratch::new("reading-more");
    let pipeline = Pipeline::new(&scratch, "more", &sql("CAST(NULL AS DOUBLE)"));
    let all = |price: &str| {
        let sql = format!("SELECT count(*) FROM seen WHERE name = 'i' || id AND price {price}");
        move |postgres: &Postgres| {
            let rows = postgres.try_rows(&sql).unwrap_or_default();
            rows.first().and_then(|row| row[0].as_deref()) == Some("10")
        }
    };
    let first = all("IS NULL");
    let mut running = pipeline.start();
    wait_until("all items", &mut running, || first(&postgres));
    stop(running);
    pipeline.rewrite(&sql("i.price"));
    let refused = pipeline.command(&[]).run(PATIENCE);
    assert_eq!(refused.code(), Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("Scan items"), "{}", refused.stderr);
    let second = all("= id / 2.0");
    let mut running = pipeline.command(&["--accept-new", "--drop-state"]).spawn();
    wait_until("all prices", &mut running, || second(&postgres));
    stop(running);
}
