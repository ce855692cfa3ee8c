//! `late-records`: what came too late for its window is found again as the record it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::array::{Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use brooklet_connectors::memory::Store;
use brooklet_core::Delta;
use serde_json::Value;

use crate::run::Home;

/// Counts per ten seconds with a delay of five; `FROM` is the table's options.
fn sql(from: &str, to: &str, more: &str) -> String {
    format!(
        "CREATE TABLE events (id BIGINT, ts TIMESTAMP(3), note STRING,
           WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
         ) WITH ({from}, 'scan.watermark.emit.strategy' = 'on-event');
         CREATE TABLE counts (window_end TIMESTAMP(3), n BIGINT, ids BIGINT)
           WITH ('connector' = 'memory', 'name' = '{to}');
         SET 'brooklet.epoch.max-rows' = '7';
         {more}
         INSERT INTO counts
         SELECT window_end, COUNT(*), SUM(id)
         FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY window_start, window_end;"
    )
}

/// Seconds of the events' times: three come after their windows closed.
const SECONDS: [i64; 12] = [1, 4, 9, 12, 16, 3, 21, 8, 25, 31, 7, 29];
/// Positions of the late ones, by the rule: the window's last millisecond is not after the
/// largest time before the row, minus five seconds.
fn late(seconds: &[i64]) -> Vec<usize> {
    let mut largest = i64::MIN;
    let mut late = Vec::new();
    for (i, s) in seconds.iter().enumerate() {
        let end = (s / 10 + 1) * 10_000;
        if largest != i64::MIN && end - 1 <= largest * 1_000 - 5_000 {
            late.push(i);
        }
        largest = largest.max(*s);
    }
    late
}

fn json_lines(seconds: &[i64]) -> String {
    let line = |(i, s): (usize, &i64)| {
        format!("{{\"id\": {i}, \"ts\": \"2024-05-01 00:00:{s:02}\", \"note\": \"n{i}\"}}\n")
    };
    seconds.iter().enumerate().map(line).collect()
}

/// Ids and seconds as rows of the memory table.
fn rows(seconds: &[(i64, i64)]) -> Delta {
    let start = 1_714_521_600_000;
    let ids = Int64Array::from_iter_values(seconds.iter().map(|(id, _)| *id));
    let times = seconds.iter().map(|(_, s)| start + s * 1_000);
    let times = TimestampMillisecondArray::from_iter_values(times);
    let notes = arrow::array::StringArray::from(vec!["x"; seconds.len()]);
    let columns: [(&str, Arc<dyn Array>); 3] =
        [("id", Arc::new(ids)), ("ts", Arc::new(times)), ("note", Arc::new(notes))];
    Delta::inserts(RecordBatch::try_from_iter(columns).unwrap())
}

/// Counts by window end, in seconds of the day.
fn counted(store: &Store) -> BTreeMap<i64, (i64, i64)> {
    let mut found = BTreeMap::new();
    for delta in store.rows_of("counts") {
        let ends = delta.column(0).as_primitive::<TimestampMillisecondType>();
        let counts = delta.column(1).as_primitive::<Int64Type>();
        let ids = delta.column(2).as_primitive::<Int64Type>();
        for row in 0..delta.len() {
            let end = ends.value(row) / 1_000 % 86_400;
            assert!(found.insert(end, (counts.value(row), ids.value(row))).is_none());
        }
    }
    found
}

fn expected(seconds: &[i64]) -> BTreeMap<i64, (i64, i64)> {
    let late = late(seconds);
    let mut windows: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    for (i, s) in seconds.iter().enumerate().filter(|(i, _)| !late.contains(i)) {
        let window = windows.entry((s / 10 + 1) * 10).or_default();
        window.0 += 1;
        window.1 += i as i64;
    }
    windows
}

#[tokio::test]
async fn late_lines_of_a_file_are_kept_whole() {
    let from = "'connector' = 'filesystem', 'path' = 'in', 'format' = 'json'";
    let set = "SET 'brooklet.table.events.late-records' = './late';";
    let home = Home::new(sql(from, "late-of-file", set));
    std::fs::create_dir(home.path("in")).unwrap();
    home.write("in/a.json", json_lines(&SECONDS));
    let ended = home.run_to_end().await;
    let expected_late = late(&SECONDS);
    assert_eq!(expected_late, [5, 7, 10]);
    assert_eq!(counted(&Store::named("late-of-file")), expected(&SECONDS));
    let lines = home.lines("late");
    let text = json_lines(&SECONDS);
    assert_eq!(lines.len(), 3);
    for (line, i) in lines.iter().zip(expected_late) {
        assert_eq!(line["kind"], "late");
        assert_eq!(line["source"], "events");
        assert_eq!(line["partition"], "a.json");
        assert_eq!(line["offset"], i as i64);
        assert_eq!(line["bytes"], text.lines().nth(i).unwrap());
        assert_eq!(line["encoding"], "utf-8");
        let row: Value = serde_json::from_str(line["row"].as_str().unwrap()).unwrap();
        assert_eq!(row["id"], i as i64, "{row}");
        assert_eq!(row["window_end"], "2024-05-01 00:00:10", "{row}");
    }
    let reason = lines[0]["reason"].as_str().unwrap();
    let wanted = "its window ended at 2024-05-01 00:00:10, the watermark was 2024-05-01 00:00:11";
    assert_eq!(reason, wanted);
    assert_eq!(ended.progress.late, 3);
    assert_eq!(ended.progress.late_of["events"], 3);
    assert_eq!(ended.progress.dead, 0);
}

#[tokio::test]
async fn late_rows_are_only_counted_by_default() {
    let from = "'connector' = 'filesystem', 'path' = 'in', 'format' = 'json'";
    let home = Home::new(sql(from, "late-dropped", ""));
    std::fs::create_dir(home.path("in")).unwrap();
    home.write("in/a.json", json_lines(&SECONDS));
    let ended = home.run_to_end().await;
    assert_eq!(counted(&Store::named("late-dropped")), expected(&SECONDS));
    assert_eq!((ended.progress.late, ended.progress.late_of["events"]), (3, 3));
    assert!(!home.path("late").exists());
}

/// Half of the input, a stop or a crash, the other half.
async fn over_a_restart(name: &str, shards: [u32; 2], crash: bool) {
    let (source, target) = (format!("{name}-in"), format!("{name}-out"));
    let from = format!("'connector' = 'memory', 'name' = '{source}'");
    let sql = |shards: u32| {
        let set = format!(
            "SET 'brooklet.table.events.late-records' = './late';
             SET 'parallelism.default' = '{shards}';"
        );
        sql(&from, &target, &set)
    };
    let mut home = Home::new(sql(shards[0]));
    let store = Store::named(&source);
    let numbered: Vec<(i64, i64)> = (0..).zip(SECONDS).collect();
    store.push("p-0", rows(&numbered[..8]));
    let read = |n: u64| {
        move |p: &brooklet_pipeline::Progress| p.read.get("events").is_some_and(|c| c.read == n)
    };
    let first = match crash {
        true => home.run_and_crash(read(8)).await.unwrap(),
        false => home.run(read(8)).await.unwrap(),
    };
    assert_eq!((first.progress.late, first.progress.late_of["events"]), (2, 2));
    assert!(home.lines("late").is_empty(), "no file has rolled yet");
    home.set_sql(sql(shards[1]));
    store.push("p-0", rows(&numbered[8..]));
    store.end();
    let second = home.run_to_end().await;
    assert_eq!(second.replayed > 0, crash);
    assert_eq!((second.progress.late, second.progress.late_of["events"]), (3, 3));
    assert_eq!(second.progress.read["events"].read, 12);
    assert_eq!(counted(&Store::named(&target)), expected(&SECONDS));
    let lines = home.lines("late");
    let offsets: Vec<i64> = lines.iter().map(|l| l["offset"].as_i64().unwrap()).collect();
    assert_eq!(offsets, [5, 7, 10], "each once");
    assert!(lines.iter().all(|l| l["partition"] == "p-0" && l["bytes"].is_null()));
    let ids: Vec<i64> = lines
        .iter()
        .map(|l| serde_json::from_str::<Value>(l["row"].as_str().unwrap()).unwrap())
        .map(|row| row["id"].as_i64().unwrap())
        .collect();
    assert_eq!(ids, [5, 7, 10]);
}

#[tokio::test]
async fn late_rows_are_kept_once_over_a_restart() {
    over_a_restart("late-restart", [1, 2], false).await;
}

#[tokio::test]
async fn late_rows_are_kept_once_over_a_crash() {
    over_a_restart("late-crash", [2, 1], true).await;
}

#[tokio::test]
async fn a_misspelt_target_is_an_error_with_its_place() {
    let from = "'connector' = 'filesystem', 'path' = 'in', 'format' = 'json'";
    for (value, wanted) in [("lgo", "expected drop, log, topic:NAME"), ("topic:x", "own")] {
        let set = format!("SET 'brooklet.table.events.late-records' = '{value}';");
        let home = Home::new(sql(from, "late-wrong", &set));
        std::fs::create_dir(home.path("in")).unwrap();
        let error = home.run(|_| false).await.err().expect("it is refused").to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let home = Home::new(sql(from, "x", "SET 'brooklet.table.counts.late-records' = './late';"));
    std::fs::create_dir(home.path("in")).unwrap();
    let error = home.run(|_| false).await.err().expect("it is refused").to_string();
    assert!(error.contains("only written"), "{error}");
}
