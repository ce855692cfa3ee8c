//! Clicks in two partitions, the pipeline that counts and keeps them, and what must come out.

use std::collections::BTreeMap;

use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Postgres, Record, Topic};
use chrono::DateTime;

use crate::outputs::{Files, pairs};
use crate::pipeline::Accounts;

const MINUTE: i64 = 60_000;
/// 2024-01-15 10:00 UTC.
const START: i64 = 1_705_312_800_000;
/// Event time between two clicks.
const STEP: i64 = 25;
/// Less than the watermark's delay: no click is late.
const DISORDER: i64 = 8_000;
const ACTIONS: [&str; 5] = ["view", "search", "cart", "buy", "leave"];
pub const PARTITIONS: i32 = 2;

/// A click; `id` counts from 0.
#[derive(Debug, Clone)]
pub struct Click {
    pub id: u64,
    pub user: u64,
    pub action: &'static str,
    pub time: i64,
}

/// `count` clicks in the order they are produced.
pub fn generate(seed: u64, count: u64) -> Vec<Click> {
    let mut dice = Dice::new(seed);
    let click = |id: u64| Click {
        id,
        user: dice.below(1_000),
        action: ACTIONS[dice.below(ACTIONS.len() as u64) as usize],
        time: START + id as i64 * STEP - dice.between(0, DISORDER),
    };
    (0..count).map(click).collect()
}

impl Click {
    pub fn record(&self) -> Record {
        let value = format!(
            r#"{{"eventid": "e{}", "userid": "u{}", "action": "{}", "timestamp": "{}"}}"#,
            self.id,
            self.user,
            self.action,
            iso(self.time)
        );
        Record {
            partition: (self.user % PARTITIONS as u64) as i32,
            value: Some(value.into_bytes()),
            ..Record::default()
        }
    }
}

/// One click per partition so far ahead that it closes every window before it.
pub fn closing() -> Vec<Record> {
    let last = |partition: i32| Click {
        id: u64::from(u32::MAX) + partition as u64,
        user: partition as u64,
        action: "close",
        time: START + 10_000 * 24 * 60 * MINUTE,
    };
    (0..PARTITIONS).map(|p| last(p).record()).collect()
}

fn iso(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).expect("a time of this century");
    time.format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

/// As Postgres prints it: a fraction without zeros at its end.
fn sql_time(ms: i64) -> String {
    let time = DateTime::from_timestamp_millis(ms).expect("a time of this century");
    let text = time.format("%Y-%m-%d %H:%M:%S%.f").to_string();
    match text.contains('.') {
        true => text.trim_end_matches('0').to_string(),
        false => text,
    }
}

/// The Kafka table `clicks`.
pub fn source(topic: &Topic, brokers: &str, bounded: bool) -> String {
    let mode = if bounded { "latest-offset" } else { "unbounded" };
    format!(
        "SET 'brooklet.source.idle-timeout' = '0 ms';
CREATE TABLE clicks (
  eventid STRING, userid STRING, action STRING, `timestamp` TIMESTAMP(3),
  WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '10' SECOND
) WITH ('connector' = 'kafka', 'topic' = '{}', 'properties.bootstrap.servers' = '{brokers}',
  'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = '{mode}',
  'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');
",
        topic.name
    )
}

/// Options of a jdbc table `name`.
pub fn jdbc(postgres: &Postgres, name: &str) -> String {
    format!(
        "'connector' = 'jdbc', 'url' = '{}', 'table-name' = '{name}', 'username' = '{}', \
         'password' = '{}'",
        postgres.jdbc_url(),
        postgres.user(),
        postgres.password()
    )
}

/// Counts per minute and action with a key, and every purchase without one.
pub fn to_postgres(postgres: &Postgres) -> String {
    format!(
        "SET 'brooklet.table.page_views.create-table' = 'if-not-exists';
SET 'brooklet.table.purchases.create-table' = 'if-not-exists';
CREATE TABLE page_views (window_start TIMESTAMP(3), window_end TIMESTAMP(3), action STRING,
  cnt BIGINT, PRIMARY KEY (window_start, window_end, action) NOT ENFORCED
) WITH ({});
CREATE TABLE purchases (eventid STRING, userid STRING, at TIMESTAMP(3)) WITH ({});
INSERT INTO page_views
SELECT window_start, window_end, action, COUNT(*)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(`timestamp`), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, action;
INSERT INTO purchases SELECT eventid, userid, `timestamp` FROM clicks WHERE action = 'buy';
",
        jdbc(postgres, "page_views"),
        jdbc(postgres, "purchases")
    )
}

/// Options of a filesystem table: short-lived files, so that a test sees many of them.
pub fn filesystem(path: &str, format: &str) -> String {
    format!(
        "'connector' = 'filesystem', 'path' = '{path}', 'format' = '{format}', \
         'sink.rolling-policy.rollover-interval' = '700 ms', \
         'sink.rolling-policy.check-interval' = '100 ms'"
    )
}

/// Every click as a JSON line and as a row of a Parquet file partitioned by the action, below
/// `<root>/json` and `<root>/parquet`; the tables' names start with `stem`.
pub fn to_files(stem: &str, root: &str) -> String {
    format!(
        "SET 'execution.checkpointing.interval' = '700 ms';
SET 'brooklet.table.{stem}_json.rolling.records' = '700';
CREATE TABLE {stem}_json (eventid STRING, action STRING, at TIMESTAMP(3)) WITH ({});
CREATE TABLE {stem}_parquet (eventid STRING, action STRING, at TIMESTAMP(3))
PARTITIONED BY (action) WITH ({});
INSERT INTO {stem}_json SELECT eventid, action, `timestamp` FROM clicks;
INSERT INTO {stem}_parquet SELECT eventid, action, `timestamp` FROM clicks;
",
        filesystem(&format!("{root}/json"), "json"),
        filesystem(&format!("{root}/parquet"), "parquet"),
    )
}

/// Panics unless the files hold each click once; those of [`closing`] are left out.
pub fn check_files(what: &str, files: &Files, clicks: &[Click]) {
    let mut found = pairs(files, "eventid", "action");
    found.retain(|(_, action)| action != "close");
    found.sort();
    let mut wanted: Vec<(String, String)> =
        clicks.iter().map(|c| (format!("e{}", c.id), c.action.to_string())).collect();
    wanted.sort();
    same(what, &wanted, &found);
}

type Row = Vec<Option<String>>;

/// Rows of `page_views` without those of the closing clicks, which only a bounded run makes.
pub fn page_views(clicks: &[Click]) -> Vec<Row> {
    let mut counts: BTreeMap<(i64, &str), u64> = BTreeMap::new();
    for click in clicks {
        *counts.entry((click.time.div_euclid(MINUTE) * MINUTE, click.action)).or_default() += 1;
    }
    let row = |((start, action), count): ((i64, &str), u64)| {
        let cells =
            [sql_time(start), sql_time(start + MINUTE), action.to_string(), count.to_string()];
        cells.into_iter().map(Some).collect()
    };
    counts.into_iter().map(row).collect()
}

/// Rows of `purchases` in the order of their ids.
pub fn purchases(clicks: &[Click]) -> Vec<Row> {
    let bought = clicks.iter().filter(|c| c.action == "buy");
    let row = |c: &Click| {
        let cells = [format!("e{}", c.id), format!("u{}", c.user), sql_time(c.time)];
        cells.into_iter().map(Some).collect()
    };
    bought.map(row).collect()
}

/// Panics unless Postgres holds exactly what the clicks make.
pub fn check_postgres(postgres: &Postgres, clicks: &[Click]) {
    let views = postgres.rows(
        "SELECT window_start, window_end, action, cnt FROM page_views \
         WHERE action <> 'close' ORDER BY window_start, action COLLATE \"C\"",
    );
    same("page_views", &page_views(clicks), &views);
    let bought = postgres
        .rows("SELECT eventid, userid, at FROM purchases ORDER BY substr(eventid, 2)::bigint");
    same("purchases", &purchases(clicks), &bought);
}

/// Panics with the first difference.
pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, wanted: &[T], got: &[T]) {
    let counts = format!("{what}: {} rows wanted, {} found", wanted.len(), got.len());
    if let Some(i) = wanted.iter().zip(got).position(|(w, g)| w != g) {
        panic!("{counts}; row {i} differs\nwanted {:?}\n   got {:?}", wanted[i], got[i]);
    }
    assert_eq!(wanted.len(), got.len(), "{counts}");
}

/// Panics with the counters that differ.
pub fn same_accounts(undisturbed: &Accounts, disturbed: &Accounts) {
    let pairs = undisturbed.0.iter().map(|(node, counts)| (node, counts, disturbed.0.get(node)));
    let wrong: Vec<_> = pairs.filter(|(_, counts, other)| *other != Some(*counts)).collect();
    assert!(wrong.is_empty(), "accounts differ: {wrong:#?}");
    assert_eq!(undisturbed.0.len(), disturbed.0.len(), "the same nodes");
}
