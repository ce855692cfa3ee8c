//! The shop pipeline: what real Flink gave, and generated visits against a recomputation, also
//! while the process is killed and somebody looks at the tables.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use brooklet_core::env::CrashPoint;
use brooklet_e2e::clicks::same_accounts;
use brooklet_e2e::outputs::json;
use brooklet_e2e::pipeline::{PATIENCE, Scratch, wait_until};
use brooklet_e2e::scaled;
use brooklet_e2e::shop::visits::{ANSWERS, generate};
use brooklet_e2e::shop::{Rows, ShopRun, Star, expect, same, sorted};
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Record, Topic};
use serde_json::Value;

use crate::Test;

pub const TESTS: &[Test] = &[
    ("the_recomputation_gives_what_flink_gave", the_recomputation_gives_what_flink_gave),
    ("the_rows_that_flink_gave", the_rows_that_flink_gave),
    ("the_sample_and_its_queries", the_sample_and_its_queries),
    ("the_rows_that_flink_gave_while_killed", the_rows_that_flink_gave_while_killed),
    ("the_rows_that_flink_gave_by_functions_in_python", functions_in_python),
    ("python_processes_end_with_their_pipeline", python_processes_end_with_their_pipeline),
    ("generated_visits_while_killed", generated_visits_while_killed),
];

/// With the Python packages that the pipeline's own functions want.
pub const TESTS_WITH_PACKAGES: &[Test] =
    &[("the_rows_that_flink_gave_by_its_own_python_file", its_own_python_file)];

/// Names the Python that has those packages: IP2Location 8.10.5, user-agents 2.2.0.
pub const PYTHON: &str = "BROOKLET_TEST_PYTHON";

/// Input and rows of a run of Flink 2.3.
const EVENTS: &[u8] = include_bytes!("../data/shop/events.jsonl");
const EXPECTED: [(&str, &str); 8] = [
    ("store", include_str!("../data/shop/store.csv")),
    ("referrer", include_str!("../data/shop/referrer.csv")),
    ("location", include_str!("../data/shop/location.csv")),
    ("time", include_str!("../data/shop/time.csv")),
    ("os", include_str!("../data/shop/os.csv")),
    ("browser", include_str!("../data/shop/browser.csv")),
    ("product", include_str!("../data/shop/product.csv")),
    ("fact_event", include_str!("../data/shop/fact_event.csv")),
];

const SAMPLE: &str = include_str!("../../../../../pipelines/shop/sample_events.jsonl");
const QUERIES: &str = include_str!("../../../../../pipelines/shop/star.sql");

const KILLS: u32 = 24;
const LONGEST: Duration = Duration::from_millis(1_000);
/// What a pipeline without state and with one sink passes.
const POINTS: [CrashPoint; 7] = [
    CrashPoint::AfterPoll,
    CrashPoint::AfterOperators,
    CrashPoint::AfterJournal,
    CrashPoint::BeforeSinkCommit,
    CrashPoint::AfterSinkCommit,
    CrashPoint::BeforeManifest,
    CrashPoint::BeforeTrim,
];
/// So that kills meet snapshots and journals of some length.
const BUSY: &str = "\nSET 'brooklet.checkpoint.interval' = '200 ms';
SET 'brooklet.checkpoint.retained' = '2';
SET 'brooklet.epoch.max-rows' = '1024';
";

fn topic() -> Topic {
    Kafka::from_env().expect("Kafka is up").topic("shop", 1)
}

fn flink_events() -> Vec<Record> {
    let bytes = |value: &Value| value.as_str().map(|text| text.as_bytes().to_vec());
    let record = |event: &Value| Record {
        partition: 0,
        key: bytes(&event["key"]),
        value: bytes(&event["value"]),
        timestamp: event["ts"].as_i64(),
        headers: vec![],
    };
    json(EVENTS).iter().map(record).collect()
}

/// Lines of values with commas between, `\N` for NULL; no value holds a comma.
fn flink_rows() -> Star {
    let cell = |text: &str| (text != "\\N").then(|| text.to_string());
    let rows = |text: &str| -> Rows {
        text.lines().skip(1).map(|line| line.split(',').map(cell).collect()).collect()
    };
    EXPECTED.into_iter().map(|(table, text)| (table, sorted(rows(text)))).collect()
}

fn the_recomputation_gives_what_flink_gave() {
    let values = flink_events().into_iter().filter_map(|record| record.value);
    same(&flink_rows(), &expect::star(&values.collect::<Vec<_>>()).star);
}

fn the_sample_and_its_queries() {
    let values: Vec<Vec<u8>> = SAMPLE.lines().map(|line| line.as_bytes().to_vec()).collect();
    let topic = topic();
    topic.produce(values.iter().map(|v| Record { value: Some(v.clone()), ..Record::default() }));
    let scratch = Scratch::new("shop-sample");
    let run = ShopRun::new(&scratch, &topic, "");
    run.finish();
    let star = expect::star(&values).star;
    same(&star, &run.star());
    let mut answers = run.postgres.rows(QUERIES);
    // The second query's rows, all facts by referrer, stand behind the most viewed products.
    let by_referrer: Rows = answers.extract_if(.., |row| row.len() == 3).collect();
    let count = |row: &Vec<Option<String>>| -> u64 {
        row.last().and_then(|n| n.as_ref()?.parse().ok()).expect("a count")
    };
    assert!(!answers.is_empty() && answers.len() <= 10);
    assert!(answers.is_sorted_by_key(|row| std::cmp::Reverse(count(row))));
    let facts = star["fact_event"].len() as u64;
    assert_eq!(by_referrer.iter().map(count).sum::<u64>(), facts);
}

fn the_rows_that_flink_gave() {
    let topic = topic();
    topic.produce(flink_events());
    let scratch = Scratch::new("shop");
    let run = ShopRun::new(&scratch, &topic, "");
    run.finish();
    same(&flink_rows(), &run.star());
}

fn the_rows_that_flink_gave_while_killed() {
    let (topic, events) = (topic(), flink_events());
    let scratch = Scratch::new("shop-flink-killed");
    // The tables are made by the first process, before anybody looks.
    let run = ShopRun::new(&scratch, &topic, BUSY);
    killed(&run, &topic, events, 8);
    run.finish();
    same(&flink_rows(), &run.star());
}

fn functions_in_python() {
    let topic = topic();
    topic.produce(flink_events());
    let scratch = Scratch::new("shop-python");
    let run = with_answers_in_python(&scratch, &topic);
    run.finish();
    same(&flink_rows(), &run.star());
}

/// After a SIGKILL nobody is left to end them; a call may be under way.
fn python_processes_end_with_their_pipeline() {
    let topic = topic();
    topic.produce(flink_events());
    let scratch = Scratch::new("shop-orphans");
    let run = with_answers_in_python(&scratch, &topic);
    let mut running = run.pipeline.start();
    let facts = || run.postgres.try_rows("SELECT FROM fact_event").map_or(0, |rows| rows.len());
    wait_until("facts", &mut running, || facts() > 0);
    let python = children(running.id());
    assert!(!python.is_empty(), "{}", running.stderr());
    running.kill();
    let deadline = Instant::now() + PATIENCE;
    while python.iter().any(|pid| parent(*pid).is_some()) {
        assert!(Instant::now() < deadline, "{python:?} go on");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn children(of: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("Linux has it").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent(*pid) == Some(of)).collect()
}

/// The parent of a process; None once it has ended.
fn parent(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut behind_name = text.rsplit(')').next()?.split_whitespace();
    let state = behind_name.next()?;
    behind_name.next()?.parse().ok().filter(|_| state != "Z")
}

/// Functions that look their answers up in a file: what the Python packages say of each input.
fn with_answers_in_python(scratch: &Scratch, topic: &Topic) -> ShopRun {
    let file = scratch.path().join("shop_udfs.py");
    let functions = format!(
        "import json\nfrom pyflink.table.udf import udf\nANSWERS = json.loads('''{}''')\n\
         def answer(kind, of, i):\n    return ANSWERS[kind][of][i] if of else 'Unknown'\n\
         ip_city = udf(lambda ip: answer('places', ip, 0), result_type='STRING')\n\
         ip_region = udf(lambda ip: answer('places', ip, 1), result_type='STRING')\n\
         ip_country = udf(lambda ip: answer('places', ip, 2), result_type='STRING')\n\
         ua_os = udf(lambda agent: answer('agents', agent, 0), result_type='STRING')\n\
         ua_browser = udf(lambda agent: answer('agents', agent, 1), result_type='STRING')\n",
        ANSWERS.replace('\\', "\\\\").replace('\'', "\\'")
    );
    std::fs::write(&file, functions).expect("the directory can be written");
    ShopRun::new(scratch, topic, "")
        .env("NATIVE_FUNCTIONS", "false")
        // No database: the built-in functions could not answer.
        .env("IP2LOCATION_DB", "/no/such/file")
        .env("UDF_FILE", file.to_string_lossy())
}

fn its_own_python_file() {
    let topic = topic();
    topic.produce(flink_events());
    let scratch = Scratch::new("shop-packages");
    let python = std::env::var(PYTHON).expect("the test is ignored without it");
    let run =
        ShopRun::new(&scratch, &topic, "").env("NATIVE_FUNCTIONS", "false").env("PYTHON", python);
    run.finish();
    same(&flink_rows(), &run.star());
}

fn generated_visits_while_killed() {
    let values = generate(4, scaled(100_000));
    let expected = expect::star(&values);
    assert!(expected.malformed > 0 && expected.star["fact_event"].len() < values.len());
    let record = |value: &Vec<u8>| Record { value: Some(value.clone()), ..Record::default() };
    let records: Vec<Record> = values.iter().map(record).collect();
    let topic = topic();

    let scratch = Scratch::new("shop-killed");
    let run = ShopRun::new(&scratch, &topic, BUSY);
    killed(&run, &topic, records, KILLS);
    run.finish();
    same(&expected.star, &run.star());
    let rejected = run.postgres.number("SELECT count(*) FROM brooklet_rejected");
    assert_eq!(rejected as u64, expected.refused);

    let scratch = Scratch::new("shop-undisturbed");
    let undisturbed = ShopRun::new(&scratch, &topic, BUSY);
    undisturbed.finish();
    same(&expected.star, &undisturbed.star());
    let accounts = undisturbed.pipeline.accounts();
    same_accounts(&accounts, &run.pipeline.accounts());
    let scan = &accounts.0["scan product_view"];
    assert!(scan.contains(&format!("\"read\":{}", expected.read)), "{scan}");
    assert!(scan.contains(&format!("\"skipped\":{}", expected.malformed)), "{scan}");
}

struct Watched<'a>(&'a AtomicBool);

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Fills the topic while processes are killed at named points and at any moment; whoever looks
/// meanwhile sees no fact without its dimensions.
fn killed(run: &ShopRun, topic: &Topic, records: Vec<Record>, kills: u32) {
    let (over, feed) = (AtomicBool::new(false), topic.feed());
    let mut portions = records.chunks(records.len().div_ceil(400));
    let looks = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut looks = BTreeMap::new();
            while !over.load(Ordering::Acquire) {
                *looks.entry(run.orphans()).or_insert(0) += 1;
                std::thread::sleep(Duration::from_millis(20));
            }
            looks
        });
        // Set also when a panic ends this, so that the watcher ends.
        let watched = Watched(&over);
        for point in POINTS {
            let next = || portions.next().into_iter().for_each(|p| feed.produce(p.iter().cloned()));
            run.pipeline.kill_at(point.name(), next);
        }
        let filling = scope.spawn(move || {
            let pause = LONGEST * kills / 2 / portions.len().max(1) as u32;
            for portion in portions {
                feed.produce(portion.iter().cloned());
                std::thread::sleep(pause);
            }
        });
        run.pipeline.kill_often(kills, LONGEST, &mut Dice::new(9));
        filling.join().expect("the topic is filled");
        drop(watched);
        watching.join().expect("nothing to panic about")
    });
    assert!(looks.get(&Some(0)).is_some_and(|times| *times > 20), "{looks:?}");
    assert!(looks.keys().all(|orphans| orphans.is_none_or(|n| n == 0)), "{looks:?}");
}
