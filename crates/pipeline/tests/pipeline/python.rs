//! CREATE FUNCTION … LANGUAGE PYTHON: planned, run, failing, and beside the program's own.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use brooklet_connectors::memory::Store;
use brooklet_core::ErrorKind;
use brooklet_pipeline::compile;
use brooklet_pipeline::compile::SqlFile;

use crate::run::Home;

const FUNCTIONS: &str = "from pyflink.table import DataTypes
from pyflink.table.udf import udf

@udf(result_type=DataTypes.BIGINT())
def cents(price):
    print('cents of', price)
    return round(float(price) * 100)

@udf(result_type=DataTypes.BIGINT())
def noted(price):
    with open(__file__ + '.calls', 'a') as calls:
        calls.write(price + '\\n')
    return round(float(price) * 100)

@udf(result_type='STRING')
def ua_os(agent):
    return 'python says ' + agent
";

/// Twenty lines; `price` is no number in line 7.
fn home(sql: &str) -> Home {
    let home = Home::new(format!(
        "SET 'python.files' = 'udf/functions.py';
         CREATE TABLE events (id BIGINT, price STRING)
           WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
         SET 'brooklet.epoch.max-rows' = '6';
         SET 'parallelism.default' = '2';
         {sql}"
    ));
    for directory in ["in", "udf"] {
        std::fs::create_dir(home.path(directory)).unwrap();
    }
    home.write("udf/functions.py", FUNCTIONS);
    let price = |i| if i == 7 { "free".to_string() } else { format!("{i}.25") };
    let line = |i| format!("{{\"id\": {i}, \"price\": \"{}\"}}\n", price(i));
    home.write("in/a.json", (0..20).map(line).collect::<String>());
    home
}

fn sql(to: &str, query: &str) -> String {
    format!(
        "CREATE FUNCTION cents AS 'functions.cents' LANGUAGE PYTHON;
         CREATE TABLE copy (id BIGINT, v BIGINT) WITH ('connector' = 'memory', 'name' = '{to}');
         INSERT INTO copy {query};"
    )
}

fn copied(name: &str) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    for delta in Store::named(name).rows_of("copy") {
        let column = |i: usize| delta.column(i).as_primitive::<Int64Type>().values().to_vec();
        rows.extend(column(0).into_iter().zip(column(1)));
    }
    rows.sort();
    rows
}

fn but_line_7() -> Vec<(i64, i64)> {
    (0..20).filter(|i| *i != 7).map(|i| (i, i * 100 + 25)).collect()
}

#[tokio::test]
async fn its_answers_are_in_the_rows() {
    let home = home(&sql("py-rows", "SELECT id, CENTS(price) FROM events WHERE id <> 7"));
    home.run_to_end().await;
    assert_eq!(copied("py-rows"), but_line_7());
}

#[tokio::test]
async fn an_exception_stops_the_pipeline_or_is_a_dead_letter() {
    let query = |to: &str| sql(to, "SELECT id, cents(price) FROM events");
    let error = home(&query("py-stop")).run(|_| false).await.err().expect("it stops");
    assert_eq!(error.kind, ErrorKind::Data);
    let text = error.to_string();
    assert!(text.contains("functions.cents: Traceback (most recent call last)"), "{text}");
    assert!(text.contains("could not convert string to float: 'free'"), "{text}");
    let pass = "SET 'brooklet.on-row-error' = 'dead-letter';
                SET 'brooklet.table.events.dead-letters' = './dead';";
    let home = home(&format!("{pass}{}", query("py-dead")));
    let ended = home.run_to_end().await;
    assert_eq!(copied("py-dead"), but_line_7());
    assert_eq!(ended.progress.dead, 1);
    let letters = home.lines("dead");
    let reason = letters[0]["reason"].as_str().unwrap();
    assert!(reason.contains("line 7, in cents") && reason.contains("ValueError"), "{reason}");
    assert_eq!(letters[0]["offset"], 7);
}

fn fault(sql: &str) -> String {
    let home = home(sql);
    let name = home.path("it.sql").to_string_lossy().into_owned();
    let text = home.sql().to_string();
    match compile(&[SqlFile { text, name }], &|_| None) {
        Ok(_) => String::new(),
        Err(e) => e.to_string(),
    }
}

/// Runs three INSERTs that read a view of NOTED; gives the prices that it was called with.
async fn noted(name: &str, queries: [&str; 3]) -> Vec<String> {
    let insert = |(i, query): (usize, &str)| {
        format!(
            "CREATE TABLE out{i} (id BIGINT, v BIGINT)
               WITH ('connector' = 'memory', 'name' = '{name}{i}');
             INSERT INTO out{i} {query};"
        )
    };
    let inserts: String = queries.into_iter().enumerate().map(insert).collect();
    let home = home(&format!(
        "CREATE FUNCTION noted AS 'functions.noted' LANGUAGE PYTHON;
         CREATE VIEW noted_events AS
           SELECT id, NOTED(price) AS v, price FROM events WHERE id <> 7;
         {inserts}"
    ));
    home.run_to_end().await;
    let calls = std::fs::read_to_string(home.path("udf/functions.py.calls")).unwrap();
    let mut calls: Vec<String> = calls.lines().map(str::to_string).collect();
    calls.sort();
    calls
}

fn written(name: &str, table: &str) -> Vec<(i64, i64)> {
    let mut rows = Vec::new();
    for delta in Store::named(name).rows_of(table) {
        let column = |i: usize| delta.column(i).as_primitive::<Int64Type>().values().to_vec();
        rows.extend(column(0).into_iter().zip(column(1)));
    }
    rows.sort();
    rows
}

fn prices(ids: impl Iterator<Item = i64>) -> Vec<String> {
    let mut prices: Vec<String> = ids.map(|i| format!("{i}.25")).collect();
    prices.sort();
    prices
}

#[tokio::test]
async fn a_call_in_a_view_is_made_once_for_all_inserts() {
    let queries = [
        "SELECT id, v FROM noted_events",
        "SELECT v, COUNT(*) FROM noted_events GROUP BY v",
        "SELECT id, CASE WHEN id > 9 THEN v ELSE 0 END FROM noted_events",
    ];
    assert_eq!(noted("py-once", queries).await, prices((0..20).filter(|i| *i != 7)));
    let rows = but_line_7();
    assert_eq!(written("py-once0", "out0"), rows);
    let counts: Vec<(i64, i64)> = rows.iter().map(|(_, v)| (*v, 1)).collect();
    assert_eq!(written("py-once1", "out1"), counts);
    let some: Vec<(i64, i64)> =
        rows.iter().map(|(id, v)| (*id, if *id > 9 { *v } else { 0 })).collect();
    assert_eq!(written("py-once2", "out2"), some);
}

#[tokio::test]
async fn a_call_is_not_made_for_rows_that_are_filtered_out() {
    let queries = [
        "SELECT id, v FROM noted_events WHERE id < 3",
        "SELECT id, v FROM noted_events WHERE id > 17",
        "SELECT id, 0 FROM noted_events",
    ];
    let wanted = prices((0..3).chain(18..20));
    assert_eq!(noted("py-apart", queries).await, wanted);
    assert_eq!(written("py-apart2", "out2").len(), 19);
}

#[tokio::test]
async fn a_record_that_a_shared_call_fails_on_is_one_dead_letter() {
    let home = home(
        "CREATE FUNCTION cents AS 'functions.cents' LANGUAGE PYTHON;
         SET 'brooklet.on-row-error' = 'dead-letter';
         SET 'brooklet.table.events.dead-letters' = './dead';
         CREATE VIEW priced AS SELECT id, CENTS(price) AS v FROM events;
         CREATE TABLE a (id BIGINT, v BIGINT) WITH ('connector' = 'memory', 'name' = 'py-shared');
         CREATE TABLE b (id BIGINT, v BIGINT) WITH ('connector' = 'memory', 'name' = 'py-shared');
         INSERT INTO a SELECT id, v FROM priced;
         INSERT INTO b SELECT id, v FROM priced WHERE v >= 0;",
    );
    let ended = home.run_to_end().await;
    assert_eq!(ended.progress.dead, 1);
    let letters = home.lines("dead");
    assert_eq!((letters.len(), &letters[0]["offset"]), (1, &7.into()));
    for table in ["a", "b"] {
        assert_eq!(written("py-shared", table), but_line_7(), "{table}");
    }
}

#[test]
fn what_is_wrong_is_said_where_it_is_declared() {
    let python = |name: &str| format!("CREATE FUNCTION f AS '{name}' LANGUAGE PYTHON;");
    for (sql, wanted) in [
        (python("functions.nothing"), "module 'functions' has no 'nothing'"),
        (python("elsewhere.f"), "No module named 'elsewhere'"),
        (format!("SET 'python.files' = 'no.py'; {}", python("no.f")), "no.py'"),
        (format!("SET 'python.executable' = './py'; {}", python("x.f")), "cannot be started"),
        (
            "CREATE FUNCTION cents AS 'functions.cents' LANGUAGE PYTHON;
             SELECT cents(price, id) FROM events;"
                .to_string(),
            "cents takes 1 argument, 2 were given",
        ),
    ] {
        let said = fault(&sql);
        assert!(said.contains(wanted), "{sql}\n{said}");
    }
}

#[test]
fn the_programs_own_functions_win_unless_told_otherwise() {
    // No process is started for it: the module need not exist.
    assert_eq!(fault("CREATE FUNCTION ua_os AS 'no.such' LANGUAGE PYTHON;"), "");
    assert_eq!(fault("CREATE FUNCTION upper AS 'no.such' LANGUAGE PYTHON;"), "");
    let off = "SET 'brooklet.functions.native' = 'false';";
    let said = fault(&format!("{off} CREATE FUNCTION ua_os AS 'no.such' LANGUAGE PYTHON;"));
    assert!(said.contains("No module named 'no'"), "{said}");
    // Others are Flink's own, which win there too.
    assert_eq!(fault(&format!("{off} CREATE FUNCTION upper AS 'no.such' LANGUAGE PYTHON;")), "");
}

#[tokio::test]
async fn a_python_function_in_the_place_of_one_of_the_programs() {
    let query = "SELECT id, CHAR_LENGTH(ua_os(price)) FROM events";
    let query = sql("py-native", query).replace("cents", "ua_os");
    let home = home(&format!("SET 'brooklet.functions.native' = 'false';{query}"));
    home.run_to_end().await;
    // 'python says ' before '0.25'.
    assert_eq!(copied("py-native")[0], (0, 16));
}

#[test]
fn a_database_that_is_needed_must_be_there() {
    let query = "SELECT ip_city(price) FROM events;";
    let said = fault(query);
    assert!(said.contains("SET 'brooklet.functions.ip-database' = 'path"), "{said}");
    let said = fault(&format!("SET 'brooklet.functions.ip-database' = 'udf/no.BIN'; {query}"));
    assert!(said.contains("udf/no.BIN': cannot be read"), "{said}");
    let unused = "SET 'brooklet.functions.ip-database' = 'udf/no.BIN'; SELECT 1;";
    assert_eq!(fault(unused), "");
}
