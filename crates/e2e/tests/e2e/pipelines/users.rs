//! The users pipeline: what real Flink gave, and generated records against a recomputation, also
//! while the process is killed; its answers over HTTP.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::time::Duration;

use brooklet_core::env::CrashPoint;
use brooklet_e2e::http::Site;
use brooklet_e2e::outputs::json;
use brooklet_e2e::pipeline::{Scratch, stop};
use brooklet_e2e::scaled;
use brooklet_e2e::users::{
    Cells, Expected, NAMES, UsersRun, ask, expect, organization_records, plain, user_records,
};
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::Record;
use serde_json::Value;

use crate::Test;

pub const TESTS: &[Test] = &[
    ("the_rows_that_flink_gave", the_rows_that_flink_gave),
    ("generated_records_and_kills", generated_records_and_kills),
];

/// Input of a run of Flink 2.3, and what it gave; the answers are Postgres's over those rows.
const USERS: &[u8] = include_bytes!("../data/user_events.jsonl");
const ORGANIZATIONS: &[u8] = include_bytes!("../data/org_events.jsonl");
const EXPECTED: &str = include_str!("../data/users_expected.json");

const KILLS: u32 = 25;
const PORTIONS: usize = 400;
const LONGEST: Duration = Duration::from_millis(1_500);
/// So that kills meet snapshots and journals of some length.
const BUSY: &str = "SET 'brooklet.checkpoint.retained' = '2';
SET 'brooklet.epoch.interval' = '5 ms';
SET 'brooklet.epoch.max-rows' = '2048';
";

fn records(lines: &[u8]) -> Vec<Record> {
    let value = |line: Value| line["value"].as_str().expect("text").to_string();
    json(lines).into_iter().map(|line| plain(0, value(line))).collect()
}

fn the_rows_that_flink_gave() {
    let (users, organizations) = (records(USERS), records(ORGANIZATIONS));
    let scratch = Scratch::new("users-flink");
    let run = UsersRun::new(&scratch, 1, "");
    let (mut running, site) = run.start();
    assert_eq!(site.get("/health").0, 200);
    assert_eq!(ask(&site, "Snake").0, 404, "there is nobody yet");
    // Organisations come first for half of the users, behind them for the others.
    run.users.produce(users[..200].iter().cloned());
    run.settle(&mut running, &site, 200, 0);
    run.organizations.produce(organizations.iter().cloned());
    run.users.produce(users[200..].iter().cloned());
    run.settle(&mut running, &site, users.len(), organizations.len());

    let expected: Value = serde_json::from_str(EXPECTED).expect("JSON");
    for (name, rows) in expected["answers"].as_object().expect("by name") {
        let (code, body) = ask(&site, name);
        match rows.as_array().expect("rows").is_empty() {
            // Where a path names something that is not there, 404 says it.
            true => assert_eq!((code, body["error"].is_string()), (404, true), "{name}: {body}"),
            false => assert_eq!((code, &body), (200, rows), "{name}"),
        }
    }
    check_http(&site);
    stop(running);

    let outputs = run.outputs();
    for (table, rows) in &outputs.tables {
        let cell = |cell: &Value| cell.as_str().map(str::to_string);
        let row = |row: &Value| row.as_array().expect("a row").iter().map(cell).collect();
        let mut wanted: Vec<Cells> =
            expected[*table].as_array().expect("rows").iter().map(row).collect();
        wanted.sort();
        assert_eq!(rows, &wanted, "{table}");
    }
    check_letters(&run, &outputs.letters, &expected["dead_letters"], &users);
}

/// Flink's dead letters, and beside them the records without a name, which the statements that
/// Flink ran passed over.
fn check_letters(run: &UsersRun, letters: &[String], of_flink: &Value, users: &[Record]) {
    let letters: Vec<Value> =
        letters.iter().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let (nameless, others): (Vec<Value>, Vec<Value>) =
        letters.into_iter().partition(|l| l["problem"] == "no username");
    let mut wanted: Vec<String> = Vec::new();
    for letter in of_flink.as_array().expect("letters") {
        let mut letter = letter.clone();
        let topic = if letter["topic"] == "user_events" { &run.users } else { &run.organizations };
        letter["topic"] = topic.name.as_str().into();
        wanted.push(letter.to_string());
    }
    wanted.sort();
    let mut others: Vec<String> = others.iter().map(Value::to_string).collect();
    others.sort();
    assert_eq!(others, wanted);
    let without = |record: &&Record| {
        let value = serde_json::from_slice(record.value.as_deref().unwrap_or_default());
        let value: Value = value.unwrap_or_default();
        value.is_object() && (value["username"].is_null() || value["username"] == "")
    };
    assert_eq!(nameless.len(), users.iter().filter(without).count());
    assert!(!nameless.is_empty());
}

/// Tags, parameters, refusals and the description, over the rows that Flink gave.
fn check_http(site: &Site) {
    let (head, _) = site.exchange("/users/Zeus", &[]);
    let tag = head.lines().find_map(|l| l.strip_prefix("etag: ")).expect("a tag").to_string();
    let (head, body) = site.exchange("/users/Zeus", &[("If-None-Match", &tag)]);
    assert!(head.starts_with("HTTP/1.1 304") && body.is_empty(), "{head}");

    let members = "/members?organization=Metal+Gear%20Solid";
    let (code, all) = site.json(members);
    let all = all.as_array().expect("rows").len();
    let (_, admins) = site.json(&format!("{members}&user_type=Admin"));
    let admins = admins.as_array().expect("rows");
    assert!(code == 200 && admins.len() < all && admins.iter().all(|r| r["user_type"] == "Admin"));
    assert_eq!(site.json("/members?organization=None"), (200, Value::Array(vec![])));
    for wrong in ["/members", "/members?organisation=x", "/members?organization=x&organization=y"] {
        let (code, body) = site.json(wrong);
        assert!(code == 400 && body["error"].as_str().is_some_and(|e| e.contains("parameter")));
    }
    let (code, body) = site.json("/users/%FF");
    assert!(code == 400 && body["error"].is_string(), "{body}");
    let (code, described) = site.json("/openapi.json");
    assert_eq!((code, &described["openapi"]), (200, &"3.0.3".into()));
    let user = &described["paths"]["/users/{username}"]["get"];
    assert_eq!(user["parameters"][0]["name"], "username");
    assert_eq!(user["parameters"][0]["in"], "path");
    assert!(described["paths"]["/health"].is_object());
}

/// Every answer that the generated records make.
fn check_answers(site: &Site, expected: &Expected) {
    for name in NAMES {
        let (code, body) = ask(site, name);
        let wanted = expected.answers.get(name).filter(|rows| !rows.is_empty());
        match wanted {
            None => assert_eq!(code, 404, "{name}: {body}"),
            Some(rows) => assert_eq!((code, body), (200, Value::from(rows.clone())), "{name}"),
        }
    }
}

/// Kills the pipeline while its topics are filled, then compares it and a second one that nobody
/// disturbed with the recomputation.
fn generated_records_and_kills() {
    let mut dice = Dice::new(3);
    let count = scaled(100_000);
    let users = user_records(count, 3, &mut dice);
    // So many that each user has a handful.
    let organizations = organization_records((count / 1_000).clamp(40, 200), 3, &mut dice);
    let many =
        "SET 'brooklet.serve.max-rows' = '1000000';\nSET 'brooklet.serve.timeout' = '60 s';\n";
    let settings = [BUSY, many].concat();

    let scratch = Scratch::new("users-killed");
    let killed = UsersRun::new(&scratch, 3, &settings);
    let (running, _) = killed.start();
    stop(running);
    let (of_users, of_organizations) = (killed.users.feed(), killed.organizations.feed());
    let mut portions = users.chunks(users.len().div_ceil(PORTIONS));
    let mut few = organizations.chunks(organizations.len().div_ceil(PORTIONS / 4).max(1));
    // No file is uploaded here.
    for point in CrashPoint::ALL.into_iter().filter(|p| *p != CrashPoint::MidUpload) {
        killed.pipeline.kill_at(point.name(), || {
            portions.next().into_iter().for_each(|p| of_users.produce(p.iter().cloned()));
            few.next().into_iter().for_each(|p| of_organizations.produce(p.iter().cloned()));
        });
    }
    std::thread::scope(|scope| {
        let filling = scope.spawn(move || {
            let pause = LONGEST * KILLS / 2 / portions.len().max(1) as u32;
            for portion in portions {
                of_users.produce(portion.iter().cloned());
                few.next().into_iter().for_each(|p| of_organizations.produce(p.iter().cloned()));
                std::thread::sleep(pause);
            }
            few.for_each(|p| of_organizations.produce(p.iter().cloned()));
        });
        killed.pipeline.kill_often(KILLS, LONGEST, &mut Dice::new(4));
        filling.join().expect("the topics are filled");
    });
    finish_and_check(&killed, &users, &organizations);

    let scratch = Scratch::new("users");
    let undisturbed = UsersRun::new(&scratch, 3, &settings);
    let (running, _) = undisturbed.start();
    stop(running);
    undisturbed.users.produce(users.iter().cloned());
    undisturbed.organizations.produce(organizations.iter().cloned());
    finish_and_check(&undisturbed, &users, &organizations);
}

fn finish_and_check(run: &UsersRun, users: &[Record], organizations: &[Record]) {
    let expected = expect((&run.users.name, users), (&run.organizations.name, organizations));
    assert!(expected.outputs.letters.len() > users.len() / 50);
    let (mut running, site) = run.start();
    run.settle(&mut running, &site, users.len(), organizations.len());
    check_answers(&site, &expected);
    stop(running);
    // What is committed is what is answered after a restart as well.
    let (running, site) = run.start();
    check_answers(&site, &expected);
    stop(running);
    let outputs = run.outputs();
    for (table, rows) in &expected.outputs.tables {
        assert!(
            outputs.tables[table] == *rows,
            "{table}: {}",
            difference(&outputs.tables[table], rows)
        );
    }
    assert!(
        outputs.letters == expected.outputs.letters,
        "letters: {}",
        difference(&outputs.letters, &expected.outputs.letters)
    );
    // Every record was read once; what is no dead letter is in the tables' inputs.
    let accounts = run.pipeline.accounts();
    for (scan, count) in
        [("user_records", users.len()), ("organization_records", organizations.len())]
    {
        let counts = &accounts.0[&format!("scan {scan}")];
        assert!(counts.contains(&format!("\"read\":{count}")), "{scan}: {counts}");
    }
}

/// The first rows that only one side has.
fn difference<T: Ord + std::fmt::Debug>(got: &[T], wanted: &[T]) -> String {
    let extra: Vec<&T> = got.iter().filter(|r| wanted.binary_search(r).is_err()).take(3).collect();
    let missing: Vec<&T> =
        wanted.iter().filter(|r| got.binary_search(r).is_err()).take(3).collect();
    format!("{} rows, {} wanted; only here {extra:?}; missing {missing:?}", got.len(), wanted.len())
}
