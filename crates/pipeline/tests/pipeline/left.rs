//! Whatever the cuts, the shards and the strategy: the windows hold the input without the rows
//! that are among the late records, and every row is in one of the two.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use brooklet_connectors::memory::Store;
use brooklet_core::Delta;
use serde_json::Value;

use crate::run::Home;

const START: i64 = 1_714_521_600_000;
const ROWS: i64 = 6_000;

/// How a pipeline is run.
struct Shape {
    name: &'static str,
    strategy: &'static str,
    shards: u32,
    /// The table function and, in seconds, size and slide of its windows.
    window: &'static str,
    size: i64,
    slide: i64,
    crash: bool,
}

/// Numbers that look random and are the same in every run.
fn noise(n: i64, seed: i64) -> i64 {
    let mixed = (n + seed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
    (mixed ^ (mixed >> 29)).rem_euclid(1_000_003)
}

/// Rows of one split: ids from `first` on, most a little and some very late.
fn rows(first: i64, count: i64) -> Delta {
    let time = |id: i64| {
        let late =
            if noise(id, 7) % 20 == 0 { noise(id, 9) % 90_000 } else { noise(id, 3) % 4_000 };
        START + (id % 1_000_000) * 50 - late
    };
    let ids = first..first + count;
    let times = TimestampMillisecondArray::from_iter_values(ids.clone().map(time));
    let ids = Int64Array::from_iter_values(ids);
    let columns: [(&str, Arc<dyn Array>); 2] = [("id", Arc::new(ids)), ("ts", Arc::new(times))];
    Delta::inserts(RecordBatch::try_from_iter(columns).unwrap())
}

fn sql(shape: &Shape) -> String {
    let Shape { name, strategy, shards, window, .. } = shape;
    let table = |table: &str| {
        format!(
            "CREATE TABLE {table} (id BIGINT, ts TIMESTAMP(3),
               WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
             ) WITH ('connector' = 'memory', 'name' = '{name}-{table}',
               'scan.watermark.emit.strategy' = '{strategy}');
             SET 'brooklet.table.{table}.late-records' = './late/{table}';"
        )
    };
    format!(
        "{} {}
         CREATE TABLE sums (window_end TIMESTAMP(3), n BIGINT, ids BIGINT)
           WITH ('connector' = 'memory', 'name' = '{name}');
         SET 'brooklet.epoch.max-rows' = '700';
         SET 'parallelism.default' = '{shards}';
         CREATE VIEW both AS SELECT id, ts FROM one UNION ALL SELECT id, ts FROM two;
         INSERT INTO sums SELECT window_end, COUNT(*), SUM(id)
         FROM TABLE({window}) GROUP BY window_start, window_end;",
        table("one"),
        table("two")
    )
}

/// Count and sum of ids by window end.
type Sums = BTreeMap<i64, (i64, i64)>;

fn add(sums: &mut Sums, end: i64, id: i64, sign: i64) {
    let sum = sums.entry(end).or_default();
    sum.0 += sign;
    sum.1 += sign * id;
}

/// Every row in every window it falls into.
fn all_windows(shape: &Shape, inputs: &[Delta]) -> Sums {
    let (size, slide) = (shape.size * 1_000, shape.slide * 1_000);
    let mut sums = Sums::new();
    for rows in inputs {
        let ids = rows.column(0).as_primitive::<Int64Type>();
        let times = rows.column(1).as_primitive::<TimestampMillisecondType>();
        for (id, time) in ids.values().iter().zip(times.values()) {
            let mut start = time.div_euclid(slide) * slide;
            while start > time - size {
                add(&mut sums, start + size, *id, 1);
                start -= slide;
            }
        }
    }
    sums
}

/// Takes the late rows away; returns how many of each table there were.
fn without_late(home: &Home, sums: &mut Sums) -> [u64; 2] {
    ["one", "two"].map(|table| {
        let mut seen = std::collections::BTreeSet::new();
        for line in home.lines(&format!("late/{table}")) {
            assert_eq!(line["source"], table);
            let row: Value = serde_json::from_str(line["row"].as_str().unwrap()).unwrap();
            let (id, end) = (row["id"].as_i64().unwrap(), row["window_end"].as_str().unwrap());
            // Rows of split k of a table start at 1,000,000 · (its number).
            let split = line["partition"].as_str().unwrap();
            assert_eq!(line["offset"].as_i64().unwrap(), id % 1_000_000, "{split}");
            assert!(split.ends_with(&(id / 1_000_000).to_string()), "{split} has no {id}");
            assert!(seen.insert((id, end.to_string())), "twice: {line}");
            let end = chrono(end);
            add(sums, end, id, -1);
        }
        seen.len() as u64
    })
}

/// `2024-05-01 00:10:00` of that day or the evening before, in milliseconds.
fn chrono(text: &str) -> i64 {
    let part = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let day = if text.starts_with("2024-05-01") { 0 } else { -86_400_000 };
    START + day + (part(11..13) * 3_600 + part(14..16) * 60 + part(17..19)) * 1_000
}

async fn nothing_is_lost(shape: Shape) {
    let home = Home::new(sql(&shape));
    let splits: Vec<(&str, &str, i64)> =
        vec![("one", "p-1", 1), ("one", "p-2", 2), ("two", "q-3", 3)];
    let inputs: Vec<Delta> = splits.iter().map(|(.., n)| rows(n * 1_000_000, ROWS)).collect();
    let half = ROWS as usize / 2;
    let push = |from: usize, to: usize| {
        for ((table, split, _), rows) in splits.iter().zip(&inputs) {
            let store = Store::named(&format!("{}-{table}", shape.name));
            let part: Vec<u32> = (from as u32..to as u32).collect();
            store.push(split, rows.take(&part).unwrap());
        }
    };
    if shape.crash {
        push(0, half);
        let wanted = [2 * half as u64, half as u64];
        let read = |p: &brooklet_pipeline::Progress| {
            ["one", "two"].map(|t| p.read.get(t).map_or(0, |c| c.read)) == wanted
        };
        home.run_and_crash(read).await.unwrap();
        push(half, ROWS as usize);
    } else {
        push(0, ROWS as usize);
    }
    ["one", "two"].iter().for_each(|t| Store::named(&format!("{}-{t}", shape.name)).end());
    let ended = home.run_to_end().await;
    assert_eq!(ended.replayed > 0, shape.crash);
    let mut wanted = all_windows(&shape, &inputs);
    let late = without_late(&home, &mut wanted);
    wanted.retain(|_, sum| sum.0 != 0);
    let mut found = Sums::new();
    for delta in Store::named(shape.name).rows_of("sums") {
        let ends = delta.column(0).as_primitive::<TimestampMillisecondType>();
        let counts = delta.column(1).as_primitive::<Int64Type>();
        let ids = delta.column(2).as_primitive::<Int64Type>();
        for row in 0..delta.len() {
            let sum = (counts.value(row), ids.value(row));
            assert!(found.insert(ends.value(row), sum).is_none(), "a window fired twice");
        }
    }
    assert_eq!(found, wanted);
    assert!(late.iter().all(|n| *n > 10), "{late:?}");
    let counted = ["one", "two"].map(|table| ended.progress.late_of[table]);
    assert_eq!(counted, late);
}

const TUMBLE: &str = "TUMBLE(TABLE both, DESCRIPTOR(ts), INTERVAL '10' SECOND)";
const HOP: &str = "HOP(TABLE both, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)";

#[tokio::test]
async fn on_event() {
    let shape = Shape {
        name: "left-on-event",
        strategy: "on-event",
        shards: 1,
        window: TUMBLE,
        size: 10,
        slide: 10,
        crash: false,
    };
    nothing_is_lost(shape).await;
}

#[tokio::test]
async fn on_periodic_on_three_shards_over_a_crash() {
    let shape = Shape {
        name: "left-on-periodic",
        strategy: "on-periodic",
        shards: 3,
        window: TUMBLE,
        size: 10,
        slide: 10,
        crash: true,
    };
    nothing_is_lost(shape).await;
}

#[tokio::test]
async fn hopping_windows_judge_a_row_for_each() {
    let shape = Shape {
        name: "left-hop",
        strategy: "on-event",
        shards: 2,
        window: HOP,
        size: 30,
        slide: 10,
        crash: true,
    };
    nothing_is_lost(shape).await;
}
