//! The demo accounts for every generated event; the sample gives the rows that stand beside it.

use std::sync::Arc;

use brooklet_pipeline::{StartOptions, Status, start};
use tokio::sync::watch;

use super::board::Board;
use super::*;
use crate::progress::read_of;

/// Runs the demo's pipeline in `dir`; its rows as lines, and what it says of itself.
async fn run_in(dir: &Path, args: &Args) -> (Vec<String>, Status) {
    let compiled = compiled(dir, args).unwrap();
    let rows: Arc<Mutex<Vec<String>>> = Arc::default();
    let (board, kept) = (Mutex::new(Board::default()), rows.clone());
    let options = StartOptions {
        on_print: Some(Arc::new(move |_, changes| {
            kept.lock().unwrap().extend(board.lock().unwrap().add(changes).unwrap());
        })),
        ..StartOptions::default()
    };
    let running = start(compiled.plan, &compiled.settings, &compiled.name, dir, options);
    let running = running.await.unwrap();
    let status = running.status.clone();
    let (_stop, stopped) = watch::channel(false);
    assert_eq!(running.run(stopped).await.unwrap(), Stopped::Finished);
    let lines = rows.lock().unwrap().clone();
    (lines, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_accounted_for() {
    let place = std::env::temp_dir().join(format!("brooklet-demo-test-{}", std::process::id()));
    let dir = directory(Some(&place)).unwrap();
    let args = Args { events: Some(20_000), rate: 1_000_000, dir: None };
    let (mut lines, status) = run_in(&dir, &args).await;
    let p = status.read();
    assert_eq!(read_of(&p), 20_000);
    let events = |line: &String| line.split_whitespace().nth(4).unwrap().parse::<u64>().unwrap();
    let counted: u64 = lines.iter().map(events).sum();
    let (repeated, invalid) = (p.sum(|c| c.duplicates), p.sum(|c| c.filtered));
    assert_eq!(counted + repeated + invalid + p.late, 20_000);
    assert!((300..500).contains(&repeated) && (100..300).contains(&invalid));
    assert!((20..100).contains(&p.late));
    // 20,000 events are 20 minutes of event time, and each belongs to one of 8 devices.
    assert!((8 * 20..=8 * 22).contains(&lines.len()), "{}", lines.len());
    lines.sort();
    lines.dedup();
    let (files, bytes) = measure(&dir.join(FILES)).unwrap();
    assert!(files >= 4 && bytes > 0);
    std::fs::remove_dir_all(&dir).unwrap();
}

/// `brooklet run sample.sql pipeline.sql` in a directory of its own, rows as JSON lines.
#[tokio::test(flavor = "multi_thread")]
async fn the_sample_gives_the_rows_that_stand_beside_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines/devices");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let dir = std::env::temp_dir().join(format!("brooklet-sample-test-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("sample_events.jsonl"), read("sample_events.jsonl")).unwrap();
    let file = |name: &str| {
        let path = dir.join(name).to_string_lossy().into_owned();
        SqlFile { text: read(name), name: path }
    };
    let files = [file("sample.sql"), file("pipeline.sql")];
    let value = |name: &str| (name == "PGPASSWORD").then(String::new);
    let compiled = compile(&files, &value).unwrap();
    let (on_rows, rows) = brooklet_pipeline::collect::keep_all();
    let options = StartOptions { on_print: Some(on_rows), ..StartOptions::default() };
    let running = start(compiled.plan, &compiled.settings, &compiled.name, &dir, options);
    let running = running.await.unwrap();
    let status = running.status.clone();
    let (_stop, stopped) = watch::channel(false);
    assert_eq!(running.run(stopped).await.unwrap(), Stopped::Finished);
    let p = status.read();
    assert_eq!((read_of(&p), p.late, p.read["input_events"].skipped), (342, 3, 6));

    let rows = rows.lock().unwrap();
    let schema = rows[0].rows.schema();
    let batches: Vec<_> = rows.iter().map(|d| d.rows.clone()).collect();
    let lines = brooklet_pipeline::rows::json_lines(&schema, &batches).unwrap();
    let parse = |line: &str| -> serde_json::Map<String, serde_json::Value> {
        serde_json::from_str(line).unwrap()
    };
    let by_key = |rows: Vec<serde_json::Map<String, serde_json::Value>>| {
        let key = |r: &serde_json::Map<_, serde_json::Value>| {
            (
                r["window_start"].to_string(),
                r["device_id"].to_string(),
                r["device_type"].to_string(),
            )
        };
        rows.into_iter().map(|r| (key(&r), r)).collect::<std::collections::BTreeMap<_, _>>()
    };
    let got = by_key(std::str::from_utf8(&lines).unwrap().lines().map(parse).collect());
    let wanted = by_key(read("sample_minutes.jsonl").lines().map(parse).collect());
    assert_eq!(got.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (key, row) in &wanted {
        for (column, value) in row {
            let found = &got[key][column];
            let same = match (value.as_f64(), found.as_f64(), value.as_str(), found.as_str()) {
                (Some(a), Some(b), ..) => (a - b).abs() <= 1e-9 * a.abs(),
                // Fractions of seconds are written without zeros at their end.
                (.., Some(a), Some(b)) if column == "last_event_time" => {
                    a.trim_end_matches('0') == b.trim_end_matches('0')
                }
                _ => value == found,
            };
            assert!(same, "{key:?} {column}: {value} expected, {} found", got[key][column]);
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
