//! The pipelines of `pipelines/` as they stand, on generated records that wait in Kafka: CPU per
//! million records, peak memory, process start to the first row in Postgres.
#![allow(clippy::disallowed_methods, reason = "measuring is what this program is for")]

use std::process::Stdio;
use std::time::{Duration, Instant};

use brooklet_e2e::complaints::{ComplaintsRun, generate};
use brooklet_e2e::devices::DeviceRun;
use brooklet_e2e::page_views::{self, Shop};
use brooklet_e2e::pipeline::Scratch;
use brooklet_e2e::shop::{ShopRun, visits};
use brooklet_e2e::users::{UsersRun, organization_records, user_records};
use brooklet_testkit::binary::Brooklet;
use brooklet_testkit::devices::Devices;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Postgres, Record, Topic};

use crate::Bench;
use crate::usage::{Running, Usage};

/// Between two looks at Postgres for the first row.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(900);
/// Records of the pipelines with few columns or aggregates, and of the others.
const MANY: u64 = 1_000_000;
const FEW: u64 = 200_000;

pub fn run(_: &Bench) {
    println!("Pipelines, generated records in Kafka to Postgres (and Parquet on S3)");
    println!(
        "{:<12} {:>10} {:>9} {:>10} {:>10} {:>10}",
        "pipeline", "records", "CPU-s/M", "records/s", "peak", "first row"
    );
    devices();
    clicks();
    shop();
    users();
    complaints();
}

fn show(name: &str, records: u64, usage: Usage, first_row: Duration) {
    assert!(usage.success, "{name} failed");
    println!(
        "{name:<12} {records:>10} {:>9.2} {:>10.0} {:>7} MB {:>7} ms",
        usage.cpu_per_million(records),
        records as f64 / usage.wall.as_secs_f64(),
        usage.peak_bytes / 1_000_000,
        first_row.as_millis()
    );
}

/// Runs to the end that the topics have now; `table` gets the first row.
fn measured(command: Brooklet, postgres: &Postgres, table: &str) -> (Usage, Duration) {
    let mut command = command.env("KAFKA_BOUNDED_MODE", "latest-offset").into_command();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running::start(command);
    let first = first_row(&mut running, postgres, table);
    let deadline = Instant::now() + PATIENCE;
    while !running.look() {
        assert!(Instant::now() < deadline, "the pipeline does not end");
        std::thread::sleep(LOOK);
    }
    (running.wait(), first)
}

fn first_row(running: &mut Running, postgres: &Postgres, table: &str) -> Duration {
    let any = format!("SELECT 1 FROM {table} LIMIT 1");
    // The pipeline makes the table.
    while !postgres.try_rows(&any).is_ok_and(|rows| !rows.is_empty()) {
        assert!(!running.look(), "the pipeline ended without a row in {table}");
        std::thread::sleep(LOOK);
    }
    running.started.elapsed()
}

fn topic(name: &str, partitions: i32, values: impl IntoIterator<Item = Vec<u8>>) -> Topic {
    let topic = Kafka::from_env().expect("Kafka is up").topic(name, partitions);
    let record = |(n, value)| {
        let partition = (n % partitions as usize) as i32;
        Record { partition, value: Some(value), ..Record::default() }
    };
    topic.produce(values.into_iter().enumerate().map(record));
    topic
}

fn devices() {
    let devices =
        Devices { records: MANY, per_second: MANY / 3_600, devices: 300, ..Devices::default() };
    let topic = Kafka::from_env().expect("Kafka is up").topic("devices", devices.partitions);
    topic.produce(devices.generate());
    let scratch = Scratch::new("bench-devices");
    let run = DeviceRun::new(&scratch, &topic, "");
    let command = run.pipeline.command(&[]).env("KAFKA_MAX_OFFSETS_PER_TRIGGER", "65536");
    let (usage, first) = measured(command, &run.postgres, "device_minutes");
    show("devices", MANY, usage, first);
    topic.delete();
}

fn clicks() {
    let topic = topic("clicks", 2, page_views::clicks(1, MANY));
    let (shop, scratch) = (Shop::new(), Scratch::new("bench-clicks"));
    let pipeline = shop.streaming(&scratch, "page_views", &topic, "");
    let (usage, first) = measured(pipeline.command(&[]), &shop.postgres, "fact_page_views");
    show("clicks", MANY, usage, first);
    topic.delete();
}

fn shop() {
    let topic = topic("visits", 2, visits::generate(1, FEW));
    let scratch = Scratch::new("bench-shop");
    let run = ShopRun::new(&scratch, &topic, "");
    let (usage, first) = measured(run.pipeline.command(&[]), &run.postgres, "fact_event");
    show("shop", FEW, usage, first);
    topic.delete();
}

fn users() {
    let mut dice = Dice::new(1);
    let (users, organizations) =
        (user_records(FEW, 2, &mut dice), organization_records(200, 2, &mut dice));
    let scratch = Scratch::new("bench-users");
    let run = UsersRun::new(&scratch, 2, "");
    // The pipeline makes its topics.
    let (running, _) = run.start();
    running.terminate();
    running.wait(PATIENCE).expect_code(0);
    run.users.produce(users);
    run.organizations.produce(organizations);
    let command = run.pipeline.command(&[]);
    let (usage, first) = measured(command, &run.postgres, "events.user_events");
    show("users", FEW + 200, usage, first);
}

fn complaints() {
    let values = generate::complaints(FEW, 1).into_iter().map(|complaint| complaint.value);
    let topic = topic("complaints", 1, values);
    let scratch = Scratch::new("bench-complaints");
    let run = ComplaintsRun::new(&scratch, &topic, "", "0 s");
    let command = run.pipeline.command(&[]);
    let (usage, first) = measured(command, &run.postgres, "trusted.reclamacoes_cleaned");
    show("complaints", FEW, usage, first);
    topic.delete();
}
