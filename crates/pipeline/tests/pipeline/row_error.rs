//! `brooklet.on-row-error`: what happens to rows that an expression fails on.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use brooklet_connectors::memory::Store;
use brooklet_core::{Delta, ErrorKind};
use brooklet_pipeline::Progress;
use serde_json::Value;

use crate::run::Home;

const PASS: &str = "SET 'brooklet.on-row-error' = 'dead-letter';
                    SET 'brooklet.table.events.dead-letters' = './dead';";

fn sql(to: &str, computed: &str, query: &str, more: &str) -> String {
    format!(
        "CREATE TABLE events (id BIGINT, price STRING, n BIGINT{computed})
           WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
         CREATE TABLE copy (id BIGINT, price BIGINT)
           WITH ('connector' = 'memory', 'name' = '{to}');
         SET 'brooklet.epoch.max-rows' = '4';
         {more}
         INSERT INTO copy {query};"
    )
}

/// `price` is no number in lines 2, 3 and 9; `n` is 0 in line 5.
fn input(home: &Home) -> String {
    std::fs::create_dir(home.path("in")).unwrap();
    let price = |i: u32| match i {
        2 | 3 | 9 => format!("p{i}"),
        i => i.to_string(),
    };
    let n = |i: u32| if i == 5 { 0 } else { 1 };
    let line = |i| format!("{{\"id\": {i}, \"price\": \"{}\", \"n\": {}}}\n", price(i), n(i));
    let text: String = (0..11).map(line).collect();
    home.write("in/a.json", &text);
    text
}

fn copied(name: &str) -> Vec<i64> {
    let rows = Store::named(name).rows_of("copy");
    let ids = rows.iter().flat_map(|d| d.column(0).as_primitive::<Int64Type>().values().to_vec());
    ids.collect()
}

const CAST: &str = "SELECT id, CAST(price AS BIGINT) FROM events WHERE id <> 4";

#[tokio::test]
async fn a_failing_row_stops_the_pipeline_and_the_message_says_the_way_out() {
    let home = Home::new(sql("row-fail", "", CAST, ""));
    input(&home);
    for _ in 0..2 {
        let error = home.run(|_| false).await.err().expect("it stops");
        assert_eq!(error.kind, ErrorKind::Data);
        let text = error.to_string();
        assert!(text.contains("p2") && text.contains("row 2 of the batch"), "{text}");
        assert!(text.contains("'brooklet.on-row-error' = 'dead-letter'"), "{text}");
    }
    assert!(copied("row-fail").is_empty(), "the epoch has no effect");
}

async fn passes(name: &str, computed: &str, query: &str, bad: &[i64], good: &[i64]) -> Vec<Value> {
    let home = Home::new(sql(name, computed, query, PASS));
    let text = input(&home);
    let ended = home.run_to_end().await;
    assert_eq!(copied(name), good);
    let lines = home.lines("dead");
    let offsets: Vec<i64> = lines.iter().map(|l| l["offset"].as_i64().unwrap()).collect();
    assert_eq!(offsets, bad);
    for line in &lines {
        let record = text.lines().nth(line["offset"].as_i64().unwrap() as usize).unwrap();
        assert_eq!(line["bytes"], record);
        let row: Value = serde_json::from_str(line["row"].as_str().unwrap()).unwrap();
        assert_eq!(row["id"], line["offset"]);
        let reason = line["reason"].as_str().unwrap();
        assert!(!reason.contains("batch") && !reason.contains("on-row-error"), "{reason}");
    }
    let count = bad.len() as u64;
    assert_eq!((ended.progress.dead, ended.progress.dead_of["events"]), (count, count));
    lines
}

#[tokio::test]
async fn rows_that_a_projection_fails_on_are_set_aside() {
    let lines = passes("row-cast", "", CAST, &[2, 3, 9], &[0, 1, 5, 6, 7, 8, 10]).await;
    let reason = lines[0]["reason"].as_str().unwrap();
    assert!(reason.contains("p2"), "{reason}");
}

#[tokio::test]
async fn rows_that_a_filter_fails_on_are_set_aside() {
    let query = "SELECT id, n FROM events WHERE 10 / n > 1";
    passes("row-filter", "", query, &[5], &[0, 1, 2, 3, 4, 6, 7, 8, 9, 10]).await;
}

#[tokio::test]
async fn rows_that_a_computed_column_fails_on_are_set_aside() {
    let computed = ", cents AS CAST(price AS BIGINT) * 100";
    let query = "SELECT id, cents FROM events";
    passes("row-computed", computed, query, &[2, 3, 9], &[0, 1, 4, 5, 6, 7, 8, 10]).await;
}

#[tokio::test]
async fn a_row_of_many_records_has_no_position() {
    let query = "SELECT s, 100 / z FROM (
                   SELECT n AS s, COUNT(*) - 1 AS z FROM events GROUP BY n)";
    let home = Home::new(sql("row-group", "", query, PASS));
    input(&home);
    let ended = home.run_to_end().await;
    assert!(ended.progress.dead > 0);
    let lines = home.lines("dead");
    assert!(!lines.is_empty());
    for line in lines {
        assert!(line["offset"].is_null() && line["bytes"].is_null(), "{line}");
        let row: Value = serde_json::from_str(line["row"].as_str().unwrap()).unwrap();
        assert_eq!(row.as_object().unwrap().len(), 2, "{row}");
    }
}

#[tokio::test]
async fn pairs_that_a_join_fails_on_do_not_match() {
    let query = "SELECT a.id, b.id FROM events a LEFT JOIN events b
                 ON a.n = b.n AND a.id = b.id AND CAST(a.price AS BIGINT) < 10
                 WHERE b.id IS NOT NULL OR a.id > 7";
    let home = Home::new(sql("row-join", "", query, PASS));
    input(&home);
    home.run_to_end().await;
    // Lines 2, 3 and 9 fail, 10 does not match: 9 and 10 are padded.
    let mut ids = Vec::new();
    for rows in Store::named("row-join").rows_of("copy") {
        let column = rows.column(0).as_primitive::<Int64Type>();
        ids.extend((0..rows.len()).map(|i| (column.value(i), rows.weight(i))));
    }
    let mut net = std::collections::BTreeMap::<i64, i64>::new();
    ids.iter().for_each(|(id, weight)| *net.entry(*id).or_default() += weight);
    net.retain(|_, weight| *weight != 0);
    assert_eq!(net.into_keys().collect::<Vec<_>>(), [0, 1, 4, 5, 6, 7, 8, 9, 10]);
    let mut offsets: Vec<i64> =
        home.lines("dead").iter().map(|l| l["offset"].as_i64().unwrap()).collect();
    offsets.sort_unstable();
    offsets.dedup();
    assert_eq!(offsets, [2, 3, 9]);
}

/// Groups of the casts' results: their state must not change with the setting.
const GROUPED: &str = "SELECT price, COUNT(*) FROM (
    SELECT CAST(price AS BIGINT) AS price FROM events) GROUP BY price";

fn in_memory(name: &str, more: &str) -> String {
    format!(
        "CREATE TABLE events (price STRING) WITH ('connector' = 'memory', 'name' = '{name}-in');
         CREATE TABLE copy (price BIGINT, n BIGINT, PRIMARY KEY (price) NOT ENFORCED)
           WITH ('connector' = 'memory', 'name' = '{name}');
         SET 'brooklet.epoch.max-rows' = '2';
         {more}
         INSERT INTO copy {GROUPED};"
    )
}

fn prices(texts: &[&str]) -> Delta {
    let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
    Delta::inserts(RecordBatch::try_from_iter([("price", column)]).unwrap())
}

/// The sum of the changes, by price.
fn counts(name: &str) -> BTreeMap<i64, i64> {
    let mut net: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for rows in Store::named(name).rows_of("copy") {
        let price = rows.column(0).as_primitive::<Int64Type>();
        let count = rows.column(1).as_primitive::<Int64Type>();
        for i in 0..rows.len() {
            *net.entry((price.value(i), count.value(i))).or_default() += rows.weight(i);
        }
    }
    net.retain(|_, weight| *weight != 0);
    net.into_keys().collect()
}

#[tokio::test]
async fn the_way_out_needs_no_fresh_start() {
    let mut home = Home::new(in_memory("row-way-out", ""));
    let input = Store::named("row-way-out-in");
    input.push("p-0", prices(&["1", "2", "2", "1", "x", "2"]));
    input.end();
    assert!(home.run(|_| false).await.is_err());
    assert_eq!(counts("row-way-out"), [(1, 2), (2, 2)].into());
    home.set_sql(in_memory("row-way-out", "SET 'brooklet.on-row-error' = 'dead-letter';"));
    let ended = home.run_to_end().await;
    assert!(ended.replayed > 0);
    assert_eq!(counts("row-way-out"), [(1, 2), (2, 3)].into());
    assert_eq!(ended.progress.dead_of["events"], 1);
}

#[tokio::test]
async fn bad_rows_are_kept_once_over_a_crash() {
    let home = Home::new(in_memory("row-crash", PASS));
    let input = Store::named("row-crash-in");
    input.push("p-0", prices(&["1", "x", "2", "y"]));
    let read = |p: &Progress| p.read.get("events").is_some_and(|c| c.read == 4);
    let first = home.run_and_crash(read).await.unwrap();
    assert_eq!(first.progress.dead, 2);
    input.push("p-0", prices(&["z", "1"]));
    input.end();
    let ended = home.run_to_end().await;
    assert!(ended.replayed > 0);
    assert_eq!(counts("row-crash"), [(1, 2), (2, 1)].into());
    assert_eq!((ended.progress.dead, ended.progress.dead_of["events"]), (3, 3));
    let offsets: Vec<i64> =
        home.lines("dead").iter().map(|l| l["offset"].as_i64().unwrap()).collect();
    assert_eq!(offsets, [1, 3, 4]);
}
