//! The users pipeline as it stands in `pipelines/users`: its topics, tables and answers, and a
//! plain recomputation of what must stand in them.

use std::collections::BTreeMap;

use brooklet_testkit::binary::Running;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Postgres, Record, Topic};
use chrono::{NaiveDateTime, Timelike};
use serde_json::{Value, json};

use crate::http::{ANY_PORT, Site};
use crate::pipeline::{Pipeline, Scratch, wait_until};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/users");

/// A pipeline with topics and a database of its own.
pub struct UsersRun {
    pub pipeline: Pipeline,
    pub postgres: Postgres,
    pub users: Topic,
    pub organizations: Topic,
    pub letters: Topic,
}

/// Rows by table, sorted; times with six digits behind the point.
#[derive(Debug, Default, PartialEq)]
pub struct Outputs {
    pub tables: BTreeMap<&'static str, Vec<Cells>>,
    pub letters: Vec<String>,
}

pub type Cells = Vec<Option<String>>;

const TABLES: [(&str, &str, Option<&str>); 4] = [
    ("user_events", EVENT, Some("received_at")),
    ("users_current", EVENT, Some("received_at")),
    ("org_events", "organization_key, organization_name, organization_tier", Some("created_at")),
    ("user_details", "user_email, username, user_type, organization_name, organization_tier", None),
];
const EVENT: &str = "id, event_type, username, user_email, user_type, organization_name";

impl UsersRun {
    /// Topics are the pipeline's to create; `settings` are statements put before the file's.
    pub fn new(scratch: &Scratch, partitions: i32, settings: &str) -> UsersRun {
        let postgres = Postgres::from_env().expect("Postgres is up");
        postgres.run("CREATE SCHEMA events");
        let kafka = Kafka::from_env().expect("Kafka is up");
        let topic = |stem, partitions| kafka.topic_to_be(stem, partitions);
        let [users, organizations] = ["users", "organizations"].map(|stem| topic(stem, partitions));
        let letters = topic("letters", 1);
        let file = format!("{DIRECTORY}/pipeline.sql");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
        let serve = format!("SET 'brooklet.serve.dir' = '{DIRECTORY}/serve';\n");
        // Its commits in Kafka are found by its name.
        let name = format!("pipeline-{}", users.name);
        let pipeline = Pipeline::new(scratch, &name, &format!("{settings}{serve}{text}"));
        let pipeline = pipeline
            .env("PIPELINE_NAME", name)
            .env("CHECKPOINT_INTERVAL", "200 ms")
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.brokers())
            .env("TOPIC_PARTITIONS", partitions.to_string())
            .env("USER_TOPIC", users.name.as_str())
            .env("ORG_TOPIC", organizations.name.as_str())
            .env("DLQ_TOPIC", letters.name.as_str())
            .env("POSTGRES_HOST", "127.0.0.1")
            .env("POSTGRES_PORT", postgres.port().to_string())
            .env("DB_NAME", postgres.database())
            .env("POSTGRES_USER", postgres.user())
            .env("POSTGRES_PASSWORD", postgres.password());
        UsersRun { pipeline, postgres, users, organizations, letters }
    }

    /// Starts it and waits until it answers; the topics are there then.
    pub fn start(&self) -> (Running, Site) {
        let mut running = self.pipeline.command(&ANY_PORT).spawn();
        let site = Site::of(&running);
        wait_until("readiness", &mut running, || site.get("/ready").0 == 200);
        (running, site)
    }

    /// Waits until so many records were read since the first start, and all of it is committed.
    pub fn settle(&self, running: &mut Running, site: &Site, users: usize, organizations: usize) {
        let read = |table: &str| format!("brooklet_records_read_total{{table=\"{table}\"}}");
        let expected = [("user_records", users), ("organization_records", organizations)];
        wait_until("all records", running, || {
            let now = site.metrics();
            expected.iter().all(|(table, count)| now.value(&read(table)) >= *count as f64)
        });
        let now = site.metrics();
        for (table, count) in expected {
            assert_eq!(now.value(&read(table)), count as f64, "{table}: none is read twice");
        }
        wait_until("their commit", running, || {
            let (_, ready) = site.json("/ready");
            ready["epoch"] == ready["computed_epoch"]
        });
    }

    /// What stands in Postgres and in the topic of dead letters.
    pub fn outputs(&self) -> Outputs {
        let mut outputs = Outputs::default();
        for (table, columns, time) in TABLES {
            let time = time.map(|t| format!(", to_char({t}, 'YYYY-MM-DD HH24:MI:SS.US')"));
            let time = time.unwrap_or_default();
            let mut rows =
                self.postgres.rows(&format!("SELECT {columns}{time} FROM events.{table}"));
            rows.sort();
            outputs.tables.insert(table, rows);
        }
        let text =
            |record: Record| String::from_utf8(record.value.expect("a letter")).expect("UTF-8");
        // Characters may be written as they are or by number.
        let same = |text: String| serde_json::from_str::<Value>(&text).expect("JSON").to_string();
        outputs.letters = self.letters.read().into_iter().map(text).map(same).collect();
        outputs.letters.sort();
        outputs
    }
}

/// The answer to `GET /users/{name}`.
pub fn ask(site: &Site, name: &str) -> (u16, Value) {
    let byte = |b: u8| match b.is_ascii_alphanumeric() {
        true => (b as char).to_string(),
        false => format!("%{b:02X}"),
    };
    site.json(&format!("/users/{}", name.bytes().map(byte).collect::<String>()))
}

/// What must come of records, in the order of their arrival.
#[derive(Default)]
pub struct Expected {
    pub outputs: Outputs,
    /// By user's name, in the order of user_email and organization_key.
    pub answers: BTreeMap<String, Vec<Value>>,
}

/// The fields of a record that is a JSON object.
struct Fields(serde_json::Map<String, Value>);

impl Fields {
    fn of(record: &[u8]) -> Option<Fields> {
        match serde_json::from_slice(record) {
            Ok(Value::Object(fields)) => Some(Fields(fields)),
            _ => None,
        }
    }
    /// As JSON_VALUE gives it.
    fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Null | Value::Object(_) | Value::Array(_) => None,
            other => Some(other.to_string()),
        }
    }
    fn texts<const N: usize>(&self, names: [&str; N]) -> Cells {
        names.iter().map(|name| self.text(name)).collect()
    }
    fn time(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
        Some(format!("{}.{:06}", time.format("%Y-%m-%d %H:%M:%S"), time.nanosecond() / 1_000))
    }
}

struct Organization {
    cells: Cells,
    /// `created_at`, with NULL before every time.
    time: Option<String>,
}

/// The recomputation over records and their topics' names.
pub fn expect(users: (&str, &[Record]), organizations: (&str, &[Record])) -> Expected {
    let mut letters = Vec::new();
    let (last, newest) = users_of(users, &mut letters);
    let all = organizations_of(organizations, &mut letters);
    let mut of_name: BTreeMap<&str, Vec<&Organization>> = BTreeMap::new();
    for organization in &all {
        let name = organization.cells[1].as_deref();
        name.into_iter().for_each(|name| of_name.entry(name).or_default().push(organization));
    }
    let (mut details, mut answers) = (Vec::new(), BTreeMap::<String, Vec<Value>>::new());
    for (email, cells) in &newest {
        let same = cells[5].as_deref().and_then(|name| of_name.get(name)).map_or(&[][..], |v| v);
        // Of equal times the first stays.
        if let Some(newest) = same.iter().rev().max_by_key(|o| &o.time) {
            let tier = newest.cells[2].clone();
            let [name, kind, of] = [2, 4, 5].map(|i| cells[i].clone());
            details.push(vec![Some(email.clone()), name, kind, of, tier]);
        }
        let mut same = same.to_vec();
        same.sort_by_key(|o| o.cells[0].clone());
        let answers = answers.entry(cells[2].clone().unwrap_or_default()).or_default();
        answers.extend(same.iter().map(|o| {
            json!({ "username": cells[2], "user_type": cells[4], "organization_name": cells[5],
                    "organization_tier": o.cells[2] })
        }));
    }
    let sorted = |mut rows: Vec<Cells>| {
        rows.sort();
        rows
    };
    letters.sort();
    let tables = BTreeMap::from([
        ("user_events", sorted(last.into_values().collect())),
        ("users_current", sorted(newest.into_values().collect())),
        ("org_events", sorted(all.into_iter().map(|o| o.cells).collect())),
        ("user_details", sorted(details)),
    ]);
    Expected { outputs: Outputs { tables, letters }, answers }
}

/// By address: the event that came last, and the newest one if it is no deletion.
fn users_of(
    (topic, records): (&str, &[Record]),
    letters: &mut Vec<String>,
) -> (BTreeMap<String, Cells>, BTreeMap<String, Cells>) {
    let (mut last, mut newest): (BTreeMap<String, Cells>, BTreeMap<String, Cells>) =
        Default::default();
    for (offset, record) in with_offsets(records) {
        let value = record.value.as_deref().unwrap_or_default();
        let problem = match Fields::of(value).map(|fields| user(&fields)) {
            None => "malformed json",
            Some(Err(problem)) => problem,
            Some(Ok((email, cells))) => {
                // Of equal times the first arrival stays.
                if newest.get(&email).is_none_or(|held| held[6] < cells[6]) {
                    newest.insert(email.clone(), cells.clone());
                }
                last.insert(email, cells);
                continue;
            }
        };
        letters.push(letter(topic, record, offset, problem));
    }
    newest.retain(|_, cells| cells[1].as_deref().is_some_and(|kind| kind != "User Deleted"));
    (last, newest)
}

fn organizations_of(
    (topic, records): (&str, &[Record]),
    letters: &mut Vec<String>,
) -> Vec<Organization> {
    let mut all = Vec::new();
    for (offset, record) in with_offsets(records) {
        let value = record.value.as_deref().unwrap_or_default();
        let Some(fields) = Fields::of(value) else {
            letters.push(letter(topic, record, offset, "malformed json"));
            continue;
        };
        let time = fields.time("created_at");
        let mut cells =
            fields.texts(["organization_key", "organization_name", "organization_tier"]);
        cells.push(time.clone());
        all.push(Organization { cells, time });
    }
    all
}

/// Each record with its offset in its partition.
fn with_offsets(records: &[Record]) -> impl Iterator<Item = (u64, &Record)> {
    let mut next: BTreeMap<i32, u64> = BTreeMap::new();
    records.iter().map(move |record| {
        let next = next.entry(record.partition).or_default();
        *next += 1;
        (*next - 1, record)
    })
}

/// The address and the row, or what is wrong.
fn user(fields: &Fields) -> Result<(String, Cells), &'static str> {
    if fields.text("username").is_none_or(|name| name.is_empty()) {
        return Err("no username");
    }
    let email = fields.text("user_email").ok_or("no user_email")?;
    let time = fields.time("received_at").ok_or("bad received_at")?;
    let names = ["id", "event_type", "username", "user_email", "user_type", "organization_name"];
    let mut cells = fields.texts(names);
    cells.push(Some(time));
    Ok((email, cells))
}

fn letter(topic: &str, record: &Record, offset: u64, problem: &str) -> String {
    let payload = record.value.as_deref().map(String::from_utf8_lossy);
    let partition = record.partition;
    json!({ "topic": topic, "partition": partition, "offset": offset, "problem": problem,
            "payload": payload })
    .to_string()
}

/// Names that a careless server would take for SQL or for patterns, and others.
pub const NAMES: [&str; 14] = [
    "Snake",
    "Zeus",
    "O'Hara",
    "Robert'); DROP TABLE users;--",
    "' OR '1'='1",
    "%",
    "_",
    "Łara",
    "ソニック",
    "a/b",
    "?x=1&y=#",
    "💥 + space",
    "\\\"quoted\\\"",
    "..",
];

/// Records of users: created, updated, deleted, also those that are not there, repeated, late, and
/// broken in every way. All of one user are in one partition.
pub fn user_records(count: u64, partitions: i32, dice: &mut Dice) -> Vec<Record> {
    let people = (count / 20).max(10);
    let mut records: Vec<Record> = Vec::new();
    for n in 0..count {
        if n > 10 && dice.chance(0.03) {
            let again = dice.pick(&records).clone();
            records.push(again);
            continue;
        }
        let person = dice.below(people);
        // Mostly later than those before, sometimes by an hour earlier.
        let late = if dice.chance(0.1) { dice.below(3_600) } else { 0 };
        let second = n.saturating_sub(late) % 2_000_000;
        let time = chrono::DateTime::from_timestamp(1_607_000_000 + second as i64, 123_456_000);
        let time = time.expect("a time").format("%Y-%m-%d %H:%M:%S%.6f").to_string();
        let kinds = ["User Created", "User Updated", "User Updated", "User Deleted"];
        let mut record = json!({
            "id": format!("{n:032x}"),
            "event_type": dice.pick(&kinds),
            "username": NAMES[(person % NAMES.len() as u64) as usize],
            "user_email": format!("u{person}@olympus.org"),
            "user_type": dice.pick(&["Admin", "User", "Creator"]),
            "organization_name": organization(dice.below(60)),
            "received_at": time,
        });
        let broken = |record: &mut Value, field: &str, with: Value| record[field] = with;
        match dice.below(100) {
            0 => _ = record.as_object_mut().map(|fields| fields.remove("username")),
            1 => broken(&mut record, "username", "".into()),
            2 => broken(&mut record, "user_email", Value::Null),
            3 => broken(&mut record, "received_at", "soon".into()),
            4 => broken(&mut record, "received_at", Value::Null),
            5 => broken(&mut record, "organization_name", Value::Null),
            6 => broken(&mut record, "user_type", 7.into()),
            7 => broken(&mut record, "event_type", Value::Null),
            _ => {}
        }
        let value = match dice.below(200) {
            0 => "{\"id\": \"broken\"".to_string(),
            1 => "plain text".to_string(),
            2 => "[]".to_string(),
            3 => String::new(),
            _ => record.to_string(),
        };
        records.push(plain((person % partitions as u64) as i32, value));
    }
    records
}

fn organization(n: u64) -> String {
    match n % 3 {
        0 => format!("Organisation {n}"),
        1 => format!("Ōkami & \"Söhne\" {n}"),
        _ => format!("O'{n}; DELETE"),
    }
}

/// Records of organisations: repeated, without a key or a tier, broken. A user may name others.
pub fn organization_records(count: u64, partitions: i32, dice: &mut Dice) -> Vec<Record> {
    let tiers = ["Small", "Medium", "Enterprise"];
    let mut one = |n| {
        let of = dice.below(50);
        let time = format!("20{:02}-01-01 00:00:{:02}.5", 10 + n / 60 % 15, n % 60);
        let mut record = json!({
            "organization_key": format!("k{n}"),
            "organization_name": organization(of),
            "organization_tier": dice.pick(&tiers),
            "created_at": time,
        });
        for name in ["organization_key", "organization_name", "organization_tier", "created_at"] {
            if dice.chance(0.03) {
                record[name] = Value::Null;
            }
        }
        let value = if dice.chance(0.02) { "{oops".into() } else { record.to_string() };
        plain((of % partitions as u64) as i32, value)
    };
    (0..count).map(&mut one).collect()
}

/// A record without key and time.
pub fn plain(partition: i32, value: String) -> Record {
    Record { partition, value: Some(value.into_bytes()), ..Record::default() }
}
