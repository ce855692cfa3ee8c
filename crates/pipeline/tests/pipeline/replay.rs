//! `brooklet dlq`: letters are listed, and given to the pipeline again exactly once.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use brooklet_connectors::memory::Store;
use brooklet_core::ErrorKind;
use brooklet_core::source::SplitId;
use brooklet_engine::checkpoint::replays::{self, Again, Slot};
use brooklet_engine::checkpoint::store::LocalStore;
use brooklet_pipeline::letters::{self, Asked, Groups, Letter, Outcome, Places, Wanted};
use brooklet_pipeline::{Agreed, Progress, StartOptions, Status};

use crate::run::Home;

const LINES: usize = 120;
/// Lines whose `id` is no number.
const BAD: [usize; 3] = [2, 3, 9];

/// A slow pipeline, so that it can be stopped in its middle; `id` is `ty`.
fn sql(to: &str, ty: &str, more: &str) -> String {
    format!(
        "CREATE TABLE events (id {ty}, n BIGINT)
           WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
         CREATE TABLE copy (id STRING, n BIGINT)
           WITH ('connector' = 'memory', 'name' = '{to}');
         SET 'brooklet.epoch.max-rows' = '1';
         SET 'brooklet.epoch.interval' = '4 ms';
         SET 'execution.checkpointing.interval' = '20 ms';
         SET 'brooklet.table.events.dead-letters' = './dead';
         {more}
         INSERT INTO copy SELECT CAST(id AS STRING), n FROM events;"
    )
}

fn id(i: usize) -> String {
    if BAD.contains(&i) { format!("x{i}") } else { i.to_string() }
}

fn home(sql: String) -> Home {
    let home = Home::new(sql);
    std::fs::create_dir(home.path("in")).unwrap();
    let line = |i| format!("{{\"id\": \"{}\", \"n\": {i}}}\n", id(i));
    home.write("in/a.json", (0..LINES).map(line).collect::<String>());
    home
}

fn copied(name: &str) -> Vec<String> {
    let rows = Store::named(name).rows_of("copy");
    let texts = rows.iter().flat_map(|d| {
        let ids = d.column(0).as_string::<i32>();
        ids.iter().map(|id| id.unwrap().to_string()).collect::<Vec<_>>()
    });
    let mut ids: Vec<String> = texts.collect();
    ids.sort();
    ids
}

fn sorted(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids
}

async fn ask(home: &Home, wanted: &Wanted, asked: Asked) -> Outcome {
    letters::replay(&home.compiled().unwrap(), wanted, asked).await.unwrap()
}

async fn replay(home: &Home) -> Outcome {
    ask(home, &Wanted::default(), Asked::default()).await
}

async fn stored(home: &Home) -> Vec<Letter> {
    let (compiled, wanted) = (home.compiled().unwrap(), Wanted::default());
    let places = Places::of(&compiled, &wanted).unwrap();
    let mut all = Vec::new();
    places.each(&compiled, &wanted, &mut |_, letter| all.push(letter)).await.unwrap();
    all
}

/// Groups as lines: source, kind, letters, replayed, reason, place.
async fn listed(home: &Home) -> Vec<String> {
    let (compiled, wanted) = (home.compiled().unwrap(), Wanted::default());
    let before = letters::before(&compiled).await.unwrap();
    let mut groups = Groups::default();
    let places = Places::of(&compiled, &wanted).unwrap();
    places.each(&compiled, &wanted, &mut |at, l| groups.add(at, &l, &before)).await.unwrap();
    let Some(rows) = groups.rows().unwrap() else { return vec![] };
    let columns = ["source", "kind", "letters", "replayed", "reason", "in"];
    let cell = |row, name| array_value_to_string(rows.column_by_name(name).unwrap(), row).unwrap();
    let line = |row| columns.map(|name| cell(row, name)).join(" | ");
    (0..rows.num_rows()).map(line).collect()
}

/// The letters of this many records can be read.
fn set_aside(home: &Home, count: usize) -> impl Fn(&Progress) -> bool + '_ {
    move |progress| progress.dead as usize >= count && home.lines("dead").len() >= count
}

#[tokio::test]
async fn letters_are_read_again_once_after_the_file_was_mended() {
    let mut home = home(sql("replay-once", "BIGINT", ""));
    home.run(set_aside(&home, 3)).await.unwrap();
    let group = "events | dead | 3 | 0 | field 'id': '…' is no BIGINT (byte …) | ./dead";
    assert_eq!(listed(&home).await, [group]);

    home.set_sql(sql("replay-once", "STRING", ""));
    let dry = ask(&home, &Wanted::default(), Asked { dry_run: true, again: false }).await;
    let one = Wanted { reason: Some("'x9'".into()), ..Wanted::default() };
    let first = ask(&home, &one, Asked::default()).await;
    let second = replay(&home).await;
    let third = replay(&home).await;
    let events = |outcome: &Outcome| outcome.replayed.get("events").copied();
    assert_eq!([&dry, &first, &second, &third].map(events), [Some(3), Some(1), Some(2), None]);
    assert_eq!([dry.before, first.before, second.before, third.before], [0, 0, 1, 3]);
    assert_eq!(listed(&home).await, [group.replace("| 0 |", "| 3 |")]);

    home.set_options(StartOptions {
        agreed: Agreed { new: true, lost: true },
        ..StartOptions::default()
    });
    let taken = |p: &Progress| p.read.get("events").is_some_and(|c| c.replayed > 0);
    // No sink may be ahead of the copy that is made of the state.
    let sql = home.sql().to_string();
    home.set_sql(sql.replace("'4 ms'", "'500 ms'"));
    home.run_and_crash(taken).await.unwrap();
    home.set_sql(sql);
    let ended = home.run_to_end().await;
    assert!(ended.replayed > 0, "the journal's tail held epochs");
    assert_eq!(copied("replay-once"), sorted((0..LINES).map(id)));
    let counts = ended.progress.read["events"];
    let lines = LINES as u64;
    assert_eq!((counts.read, counts.decoded), (lines + 3, lines));
    assert_eq!((counts.dead, counts.replayed), (3, 3));
}

#[tokio::test]
async fn what_fails_again_is_a_letter_of_its_own() {
    let home = home(sql("replay-fails", "BIGINT", ""));
    home.run(set_aside(&home, 3)).await.unwrap();
    assert_eq!(replay(&home).await.replayed["events"], 3);
    home.run(set_aside(&home, 6)).await.unwrap();
    let mut again: Vec<Letter> = stored(&home).await;
    again.retain(|l| l.partition.as_deref() == Some("//replay"));
    assert_eq!(again.iter().map(|l| l.offset.unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(again[0].bytes.as_deref(), Some(&b"{\"id\": \"x2\", \"n\": 2}"[..]));
    let outcome = replay(&home).await;
    assert_eq!((outcome.replayed["events"], outcome.before), (3, 3));
    let repeated = ask(&home, &Wanted::default(), Asked { again: true, dry_run: true }).await;
    assert_eq!((repeated.replayed["events"], repeated.before), (6, 0));
}

/// `n` is 0 in line 0 only.
const DIVIDED: &str = "SET 'brooklet.on-row-error' = 'dead-letter';
    CREATE TABLE divided (n BIGINT) WITH ('connector' = 'memory', 'name' = 'replay-divided');
    INSERT INTO divided SELECT 1 / n FROM events;";

#[tokio::test]
async fn a_record_that_went_on_elsewhere_is_not_read_again() {
    let home = home(sql("replay-two", "STRING", DIVIDED));
    home.run(set_aside(&home, 1)).await.unwrap();
    let outcome = replay(&home).await;
    assert!(outcome.replayed.is_empty());
    let left: Vec<_> = outcome.left.into_iter().collect();
    let why = "part of the record went on in the pipeline and would be counted twice";
    assert_eq!(left, [(why.to_string(), 1)]);
}

#[tokio::test]
async fn a_row_that_only_one_insert_saw_is_read_again() {
    let alone = sql("replay-alone", "STRING", "SET 'brooklet.on-row-error' = 'dead-letter';")
        .replace("SELECT CAST(id AS STRING), n", "SELECT id, 1 / n");
    let mut home = home(alone);
    home.run(set_aside(&home, 1)).await.unwrap();
    home.set_sql(home.sql().replace("1 / n", "n"));
    assert_eq!(replay(&home).await.replayed["events"], 1);
    home.set_options(StartOptions {
        agreed: Agreed { new: true, lost: true },
        ..StartOptions::default()
    });
    home.run_to_end().await;
    assert_eq!(copied("replay-alone"), sorted((0..LINES).map(id)));
}

#[tokio::test]
async fn letters_of_another_instance_and_of_a_source_that_ended_are_left() {
    let mut home = home(sql("replay-left", "BIGINT", ""));
    home.run(set_aside(&home, 3)).await.unwrap();
    home.set_options(StartOptions { fresh: true, ..StartOptions::default() });
    home.run_to_end().await;
    let outcome = replay(&home).await;
    assert!(outcome.replayed.is_empty());
    let left: Vec<(&str, usize)> = outcome.left.iter().map(|(w, n)| (w.as_str(), *n)).collect();
    let ended = "table events was read to its end and its windows are closed (run with --fresh)";
    let fresh = "set aside before --fresh, which reads their records anew";
    assert_eq!(left, [(fresh, 3), (ended, 3)]);
}

#[tokio::test]
async fn letters_may_go_to_a_table_of_the_file() {
    let table = "CREATE TABLE refused (reason STRING, `offset` BIGINT, source STRING, kind STRING)
           WITH ('connector' = 'filesystem', 'path' = 'refused', 'format' = 'csv');
         SET 'brooklet.table.events.dead-letters' = 'table:refused';";
    let home = home(sql("replay-table", "BIGINT", table));
    home.run_to_end().await;
    let mut offsets: Vec<Option<i64>> = stored(&home).await.iter().map(|l| l.offset).collect();
    offsets.sort();
    assert_eq!(offsets, BAD.map(|bad| Some(bad as i64)));
    let wanted = "events | dead | 3 | 0 | field 'id': '…' is no BIGINT (byte …) | table:refused";
    assert_eq!(listed(&home).await, [wanted]);
    let outcome = replay(&home).await;
    let left: Vec<_> = outcome.left.keys().collect();
    assert!(left.len() == 1 && left[0].contains("no column 'instance'"), "{left:?}");
}

#[tokio::test]
async fn a_pipeline_may_stop_at_a_record_that_cannot_be_decoded() {
    let set = "SET 'brooklet.table.events.dead-letters' = 'fail';";
    let home = home(sql("replay-stop", "BIGINT", set));
    let e = home.run(|_| false).await.err().expect("it stops");
    assert_eq!(e.kind, ErrorKind::Data);
    let text = e.to_string();
    assert!(text.contains("offset 2 of a.json") && text.contains("'x2' is no BIGINT"), "{text}");
    assert!(text.contains("'brooklet.table.events.dead-letters' = 'log'"), "{text}");
    assert_eq!(copied("replay-stop").len(), 2);
}

#[tokio::test]
async fn what_is_not_kept_is_said() {
    let home = home(sql("replay-kept", "BIGINT", "").replace("'./dead'", "'log'"));
    let compiled = home.compiled().unwrap();
    let places = Places::of(&compiled, &Wanted::default()).unwrap();
    let said =
        ["dead-letters of events are only in the log", "late-records of events are only counted"];
    assert_eq!(places.elsewhere, said);
    let late = Wanted { kind: Some("late".into()), ..Wanted::default() };
    assert_eq!(Places::of(&compiled, &late).unwrap().elsewhere.len(), 1);
    let other = Wanted { table: Some("copy".into()), ..Wanted::default() };
    let e = Places::of(&compiled, &other).err().unwrap();
    assert!(e.message.contains("reads no table 'copy', but events"), "{e}");
    let e = letters::replay(&compiled, &Wanted::default(), Asked::default()).await.unwrap_err();
    assert!(e.message.contains("never started"), "{e}");
}

const MINUTE_OF: &str = "2024-05-01 00:00:";

/// One event a second; counts of ten seconds close thirty seconds after their ends.
fn windows() -> Home {
    let home = Home::new(
        "CREATE TABLE events (ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '30' SECOND)
           WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json',
             'scan.watermark.emit.strategy' = 'on-event');
         CREATE TABLE counts (window_end TIMESTAMP(3), n BIGINT)
           WITH ('connector' = 'memory', 'name' = 'replay-windows');
         SET 'brooklet.epoch.max-rows' = '1';
         SET 'brooklet.epoch.interval' = '10 ms';
         SET 'execution.checkpointing.interval' = '20 ms';
         SET 'brooklet.table.events.dead-letters' = './dead';
         SET 'brooklet.table.events.late-records' = './late';
         INSERT INTO counts SELECT window_end, COUNT(*)
         FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(ts), INTERVAL '10' SECOND))
         GROUP BY window_start, window_end;",
    );
    std::fs::create_dir(home.path("in")).unwrap();
    let second = |s| format!("{{\"ts\": \"{MINUTE_OF}{s:02}\"}}\n");
    let bad = |s| if s == 45 { "no event\n".to_string() } else { second(s) };
    home.write("in/a.json", (0..60).map(bad).collect::<String>());
    home
}

/// Rows that stood in no source, as if they had been set aside, are asked for: what counts is how
/// they come in.
async fn give(home: &Home, seconds: &[i64]) {
    let letter = |(i, s): (usize, &i64)| Again {
        split: SplitId::new("a.json"),
        offset: i as i64,
        timestamp: None,
        bytes: format!("{{\"ts\": \"{MINUTE_OF}{s:02}\"}}").into_bytes(),
    };
    let letters = seconds.iter().enumerate().map(letter).collect();
    let slot = Slot { table: "events".into(), letters };
    let store = LocalStore::new(home.path(".brooklet/it"));
    replays::create(&store, "000001", 0, &slot).await.unwrap();
}

#[tokio::test]
async fn letters_that_come_again_neither_hold_nor_move_the_watermark() {
    let home = windows();
    // The watermark is past 10 s, and before 40 s.
    home.run(set_aside(&home, 1)).await.unwrap();
    give(&home, &[2, 59, 46]).await;
    home.run_to_end().await;
    let late = home.lines("late");
    let place = |l: &serde_json::Value| (l["partition"].clone(), l["offset"].clone());
    assert_eq!(late.iter().map(place).collect::<Vec<_>>(), [("//replay".into(), 0.into())]);
    let reason = late[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("its window ended at 2024-05-01 00:00:10"), "{reason}");
    let mut counts: Vec<(String, i64)> = Vec::new();
    for delta in Store::named("replay-windows").rows_of("counts") {
        let ns = delta.column(1).as_primitive::<Int64Type>();
        let ends = (0..delta.len()).map(|i| array_value_to_string(delta.column(0), i).unwrap());
        counts.extend(ends.zip(ns.values().iter().copied()));
    }
    counts.sort();
    // 45 s was no event, 46 s came twice, 59 s twice: had it moved the watermark, those between
    // would have been late.
    assert_eq!(counts.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [10, 10, 10, 10, 10, 11]);
}

#[tokio::test]
async fn letters_may_be_a_built_in_table() {
    let table = "CREATE TABLE refused (`partition` STRING, `offset` BIGINT, bytes STRING,
             PRIMARY KEY (`offset`, `partition`) NOT ENFORCED)
           WITH ('connector' = 'brooklet-table');
         SET 'brooklet.table.events.dead-letters' = 'table:refused';";
    let mut home = home(sql("replay-built-in", "BIGINT", table));
    let status = Status::default();
    status.tables().want();
    home.set_options(StartOptions { status: status.clone(), ..StartOptions::default() });
    home.run_to_end().await;
    let tables = status.tables().read().unwrap();
    let view = &tables.tables["refused"];
    let mut rows: Vec<String> = Vec::new();
    for chunk in 0..view.chunks() {
        let read = view.read(chunk, None).unwrap();
        let cell = |row, column: usize| array_value_to_string(read.column(column), row).unwrap();
        rows.extend((0..read.num_rows()).map(|row| [0, 1, 2].map(|c| cell(row, c)).join(" ")));
    }
    rows.sort();
    let wanted = BAD.map(|i| format!("a.json {i} {{\"id\": \"x{i}\", \"n\": {i}}}"));
    assert_eq!(rows, wanted);
    let places = Places::of(&home.compiled().unwrap(), &Wanted::default()).unwrap();
    assert!(places.elsewhere[0].contains("'brooklet-table' only writes"), "{:?}", places.elsewhere);
}

#[test]
fn places_that_cannot_take_letters_are_faults() {
    let table = |columns: &str, more: &str| {
        format!(
            "CREATE TABLE refused ({columns}) WITH ('connector' = 'filesystem', 'path' = 'r',
               'format' = 'json'); {more}"
        )
    };
    for (more, to, wanted) in [
        (String::new(), "table", "no INSERT writes to a jdbc table"),
        (String::new(), "table:refused", "no CREATE TABLE makes table 'refused'"),
        (String::new(), "table:events", "letters would come back"),
        (String::new(), "table:copy", "an INSERT writes to table 'copy'"),
        (String::new(), "topic:x", "the connector of table 'events' is 'filesystem'"),
        (table("why STRING", ""), "table:refused", "column 'why': letters have only kind, source"),
        (table("`offset` INT", ""), "table:refused", "it is INT, letters have BIGINT"),
        (table("reason VARCHAR(9)", ""), "table:refused", "it is VARCHAR(9), letters have STRING"),
        (table("`row` STRING NOT NULL", ""), "table:refused", "it may be NULL"),
        (table("reason STRING NOT NULL, set_aside_at TIMESTAMP(6)", ""), "table:refused", ""),
        (
            "CREATE TABLE a (id STRING) WITH ('connector' = 'jdbc', 'table-name' = 'a',
               'url' = 'jdbc:postgresql://localhost/x');
             CREATE TABLE b (id STRING) WITH ('connector' = 'jdbc', 'table-name' = 'b',
               'url' = 'jdbc:postgresql://localhost/y');
             INSERT INTO a SELECT id FROM events; INSERT INTO b SELECT id FROM events;"
                .to_string(),
            "table",
            "INSERTs write to several databases",
        ),
    ] {
        let home = Home::new(sql("replay-faults", "STRING", &more).replace("./dead", to));
        match home.compiled() {
            Ok(_) => assert_eq!(wanted, "", "{to} {more}"),
            Err(e) => {
                let text = e.to_string();
                assert!(!wanted.is_empty() && text.contains(wanted), "{text}");
                let setting = format!("'brooklet.table.events.dead-letters' = '{to}'");
                assert!(text.contains(&setting), "{text}");
            }
        }
    }
}

#[test]
fn a_table_beside_the_rows_is_in_their_transaction() {
    let more = "CREATE TABLE rows_of (id STRING) WITH ('connector' = 'jdbc', 'table-name' = 'r',
           'url' = 'jdbc:postgresql://localhost/x', 'username' = 'u', 'password' = 'p');
         INSERT INTO rows_of SELECT id FROM events;
         SET 'brooklet.table.events.late-records' = 'table';";
    let home = Home::new(sql("replay-beside", "STRING", more).replace("./dead", "table"));
    let plan = home.compiled().unwrap().plan;
    let jdbc: Vec<_> = plan.sinks().filter(|(_, sink)| sink.connector == "jdbc").collect();
    assert_eq!(jdbc.len(), 1, "one commit domain");
    let tables: Vec<&str> =
        jdbc[0].1.tables.iter().map(|t| t.table.options.get("table-name").unwrap()).collect();
    assert_eq!(tables, ["r", "brooklet_dead_letters"]);
}
