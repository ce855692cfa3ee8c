//! The complaints pipeline: what real Flink gave, and generated complaints against a recomputation,
//! also while the process is killed and the reference tables change.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

mod expect;
mod files;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use brooklet_core::env::CrashPoint;
use brooklet_e2e::complaints::generate::{self, Cleaned, Complaint, record};
use brooklet_e2e::complaints::{ComplaintsRun, FOLDER, read};
use brooklet_e2e::confluent;
use brooklet_e2e::outputs::json;
use brooklet_e2e::pipeline::{PATIENCE, Scratch, stop, wait_until};
use brooklet_e2e::scaled;
use brooklet_testkit::binary::Brooklet;
use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Kafka, Registry};
use serde_json::Value;

use crate::Test;
use expect::{Cells, Reference};

pub const TESTS: &[Test] = &[
    ("the_rows_that_flink_gave", the_rows_that_flink_gave),
    ("the_same_while_it_is_killed", the_same_while_it_is_killed),
    ("generated_complaints", generated_complaints),
    ("kills_and_reference_tables_that_change", kills_and_reference_tables_that_change),
    ("the_sample_needs_no_service", the_sample_needs_no_service),
    ("the_sample_in_a_topic", the_sample_in_a_topic),
    ("of_a_schema_in_a_file", of_a_schema_in_a_file),
];

pub const TESTS_WITH_REGISTRY: &[Test] = &[("of_schemas_in_a_registry", of_schemas_in_a_registry)];

/// Fields of a record; `?`: a union with null.
const FIELDS: [&str; 14] = [
    "ano",
    "trimestre",
    "categoria",
    "tipo",
    "cnpj_if?",
    "instituicao_financeira",
    "indice",
    "quantidade_de_reclamacoes_reguladas_procedentes",
    "quantidade_de_reclamacoes_reguladas_outras?",
    "quantidade_de_reclamacoes_nao_reguladas?",
    "quantidade_total_de_reclamacoes",
    "quantidade_total_de_clientes_ccs_e_scr",
    "quantidade_de_clientes_ccs?",
    "quantidade_de_clientes_scr?",
];

/// Records, hexadecimal, and what a run of Flink 2.3 wrote for them.
const RECORDS: &str = include_str!("../../data/complaints.hex");
const CLEANED: &[u8] = include_bytes!("../../data/complaints_cleaned.jsonl");
const JOINED: &[u8] = include_bytes!("../../data/complaints_joined.jsonl");

/// So that kills meet snapshots, readings of tables and journals of some length.
const BUSY: &str = "SET 'brooklet.checkpoint.interval' = '200 ms';
SET 'brooklet.checkpoint.retained' = '2';
SET 'brooklet.epoch.interval' = '5 ms';
SET 'brooklet.epoch.max-rows' = '2048';
";
const ONCE: &str = "0 s";

/// What stands in the pipeline's outputs.
trait Outputs {
    fn cleaned(&self) -> Vec<Cells>;
    fn joined(&self) -> BTreeSet<Cells>;
    fn reference(&self) -> Reference;
}

impl Outputs for ComplaintsRun {
    fn cleaned(&self) -> Vec<Cells> {
        sorted(self.postgres.rows("SELECT * FROM trusted.reclamacoes_cleaned"))
    }
    fn joined(&self) -> BTreeSet<Cells> {
        let rows = self.postgres.rows("SELECT * FROM trusted.reclamacoes_joined");
        rows.into_iter().collect()
    }
    fn reference(&self) -> Reference {
        Reference {
            banks: self.postgres.rows("SELECT * FROM trusted.bancos"),
            employers: self.postgres.rows("SELECT * FROM trusted.empregados"),
        }
    }
}

fn sorted(mut rows: Vec<Cells>) -> Vec<Cells> {
    rows.sort();
    rows
}

/// The records that Flink read.
fn of_flink() -> Vec<Vec<u8>> {
    let byte = |pair: &str| u8::from_str_radix(pair, 16).expect("hexadecimal");
    let bytes = |line: &str| (0..line.len()).step_by(2).map(|i| byte(&line[i..i + 2])).collect();
    RECORDS.lines().map(bytes).collect()
}

/// The rows that Flink wrote.
fn by_flink(rows: &[u8]) -> Vec<Cells> {
    let cells = |row: &Value| {
        let cells = row.as_array().expect("a row").iter();
        cells.map(|cell| cell.as_str().map(str::to_string)).collect()
    };
    json(rows).iter().map(cells).collect()
}

fn check_against_flink(run: &ComplaintsRun) {
    assert_eq!(run.cleaned(), sorted(by_flink(CLEANED)));
    let expected: BTreeSet<Cells> = by_flink(JOINED).into_iter().collect();
    same(&run.joined(), &expected);
    files::check(&run.bucket, &expected);
}

/// Panics with some of the rows that differ.
fn same(got: &BTreeSet<Cells>, expected: &BTreeSet<Cells>) {
    let some = |a: &BTreeSet<Cells>, b: &BTreeSet<Cells>| {
        a.difference(b).take(3).map(|row| format!("{row:?}\n")).collect::<String>()
    };
    let (missing, wrong) = (some(expected, got), some(got, expected));
    let counts = (got.len(), expected.len());
    assert!(got == expected, "{counts:?} rows, missing:\n{missing}not expected:\n{wrong}");
}

fn the_rows_that_flink_gave() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("complaints", 1);
    topic.produce(of_flink().iter().map(|value| record(value)));
    let scratch = Scratch::new("complaints-flink");
    let run = ComplaintsRun::new(&scratch, &topic, "", ONCE);
    run.finish();
    check_against_flink(&run);
}

/// The schema of Flink's records.
fn schema() -> String {
    let field = |name: &&str| match name.strip_suffix('?') {
        Some(name) => format!(r#"{{"name":"{name}","type":["null","string"]}}"#),
        None => format!(r#"{{"name":"{name}","type":"string"}}"#),
    };
    let fields: Vec<String> = FIELDS.iter().map(field).collect();
    format!(r#"{{"type":"record","name":"complaint","fields":[{}]}}"#, fields.join(","))
}

fn of_a_schema_in_a_file() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("complaints", 1);
    topic.produce(of_flink().iter().map(|value| record(value)));
    let scratch = Scratch::new("complaints-schema-file");
    std::fs::write(scratch.path().join("complaint.avsc"), schema()).expect("it can be written");
    let front = read(format!("{FOLDER}/schema_file.sql"));
    let mut run = ComplaintsRun::new(&scratch, &topic, &front, ONCE);
    run.pipeline = run.pipeline.env("SCHEMA_PATH", "complaint.avsc");
    run.finish();
    check_against_flink(&run);
}

/// Every other record as of a later version of the schema, which has a field more in front.
fn of_schemas_in_a_registry() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("complaints", 1);
    let registry = Registry::from_env().expect("a registry is up");
    let subject = format!("{}-value", topic.name);
    let first = registry.register(&subject, &schema());
    let more = r#""fields":[{"name":"canal","type":"string","default":""},"#;
    let later = registry.register(&subject, &schema().replacen(r#""fields":["#, more, 1));
    let versions = of_flink().into_iter().enumerate().map(|(i, value)| match i % 2 {
        0 => confluent::record(first, &[value]),
        _ => confluent::record(later, &[confluent::text("web"), value]),
    });
    topic.produce(versions.map(|value| record(&value)));
    let scratch = Scratch::new("complaints-registry");
    let front = read(format!("{FOLDER}/registry.sql"));
    let mut run = ComplaintsRun::new(&scratch, &topic, &front, ONCE);
    run.pipeline = run.pipeline.env("SCHEMA_REGISTRY_URL", registry.url());
    run.finish();
    check_against_flink(&run);
}

fn the_same_while_it_is_killed() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("complaints", 1);
    let records = of_flink();
    let feed = topic.feed();
    let mut portions = records.chunks(5);
    let scratch = Scratch::new("complaints-flink-killed");
    let few = "SET 'brooklet.epoch.max-rows' = '7';\n";
    let run = ComplaintsRun::new(
        &scratch,
        &topic,
        &[BUSY.replace("2048", "64").as_str(), few].concat(),
        ONCE,
    );
    for point in CrashPoint::ALL {
        let next = || {
            let portion = portions.next().into_iter().flatten();
            feed.produce(portion.map(|value| record(value)));
        };
        run.pipeline.kill_at(point.name(), next);
    }
    feed.produce(portions.flatten().map(|value| record(value)));
    run.pipeline.kill_often(6, Duration::from_millis(400), &mut Dice::new(7));
    run.finish();
    check_against_flink(&run);
}

fn decoded(complaints: &[Complaint]) -> Vec<Cleaned> {
    complaints.iter().filter_map(|complaint| complaint.cleaned.clone()).collect()
}

/// Duplicates and NULLs that the sample lacks.
const MORE_REFERENCE: &str = "
    INSERT INTO trusted.bancos VALUES ('S1', '60746948', 'BRADESCO'), (NULL, NULL, NULL),
        ('S9', '12345678', '\"ASPAS\" \\ BARRA'), ('S1', '70000000', 'INTER');
    INSERT INTO trusted.empregados (employer_name, url, segmento, cnpj, nome, geral) VALUES
        ('Robert', 'https://r', 'S4', NULL, 'ROBERT''); DROP TABLE TRUSTED.BANCOS;--', 1e300),
        ('nobody', NULL, NULL, NULL, NULL, NULL),
        ('twice', 'https://t', 'S5', '88888888', '株式会社', 0.1),
        ('twice', 'https://t', 'S5', '88888888', '株式会社', 0.1)";

fn check_generated(run: &ComplaintsRun, rows: &[Cleaned]) {
    let joined = expect::joined(rows, &run.reference());
    assert!(joined.len() > 100, "{} rows are joined", joined.len());
    same(&run.joined(), &joined);
    let (got, expected) = (run.cleaned(), sorted(expect::cleaned(rows)));
    let differ = got.iter().zip(&expected).find(|(a, b)| a != b);
    assert!(got == expected, "{} rows of {}: {differ:?}", got.len(), expected.len());
}

fn generated_complaints() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("complaints", 1);
    let complaints = generate::complaints(scaled(100_000), 1);
    topic.produce(complaints.iter().map(|complaint| record(&complaint.value)));
    let rows = decoded(&complaints);
    let dead = complaints.len() - rows.len();
    assert!(dead > 0);
    let scratch = Scratch::new("complaints");
    let run = ComplaintsRun::new(&scratch, &topic, "", ONCE);
    run.postgres.run(MORE_REFERENCE);
    run.finish();
    check_generated(&run, &rows);
    files::check(&run.bucket, &expect::joined(&rows, &run.reference()));
    let accounts = run.pipeline.accounts();
    let scan = &accounts.0["scan reclamacoes_stream"];
    let count = |name: &str, of: usize| scan.contains(&format!("\"{name}\":{of}"));
    let all =
        count("read", complaints.len()) && count("decoded", rows.len()) && count("dead", dead);
    assert!(all, "{scan}, {} read, {dead} dead", complaints.len());
    let banks = &accounts.0["scan bancos"];
    assert!(banks.contains("\"read\":21") && banks.contains("\"decoded\":21"), "{banks}");
}

/// Changes of the reference tables while the pipeline runs, is dead, or starts.
const CHANGES: [&str; 6] = [
    "UPDATE trusted.bancos SET segmento = 'S7' WHERE nome = 'PAN'",
    "DELETE FROM trusted.empregados WHERE employer_name IN ('Santander', 'Inter')",
    "UPDATE trusted.empregados SET geral = geral + 1, nome = 'BANCO XYZ' WHERE url LIKE '%/8.htm'",
    "INSERT INTO trusted.bancos VALUES ('S3', '99999999', 'SEM PAR 🏦')",
    "INSERT INTO trusted.empregados (employer_name, url, cnpj) VALUES ('new', 'u', '99999999')",
    "DELETE FROM trusted.bancos WHERE nome = 'BRADESCO'; \
     INSERT INTO trusted.bancos VALUES ('S1', '60746948', 'BRADESCO')",
];

fn kills_and_reference_tables_that_change() {
    let topic = Kafka::from_env().expect("Kafka is up").topic("complaints", 1);
    let complaints = generate::complaints(scaled(30_000), 2);
    let rows = decoded(&complaints);
    let scratch = Scratch::new("complaints-changes");
    let run = ComplaintsRun::new(&scratch, &topic, BUSY, "150 ms");
    run.postgres.run(MORE_REFERENCE);
    let feed = topic.feed();
    let kills = 20;
    let longest = Duration::from_millis(1_000);
    std::thread::scope(|scope| {
        let postgres = run.postgres.reconnect();
        let (complaints, feed) = (&complaints, &feed);
        let filling = scope.spawn(move || {
            let portions = complaints.chunks(complaints.len().div_ceil(200));
            for (n, portion) in portions.enumerate() {
                feed.produce(portion.iter().map(|complaint| record(&complaint.value)));
                if n % 30 == 15 {
                    postgres.run(CHANGES[n / 30 % CHANGES.len()]);
                }
                std::thread::sleep(longest * kills / 2 / 200);
            }
        });
        run.pipeline.kill_often(kills, longest, &mut Dice::new(3));
        filling.join().expect("the topic is filled");
    });
    let expected = expect::joined(&rows, &run.reference());
    let mut running = run.pipeline.start();
    wait_until("all rows", &mut running, || {
        let count = run.postgres.number("SELECT count(*) FROM trusted.reclamacoes_cleaned");
        count as usize >= rows.len() && run.joined() == expected
    });
    stop(running);
    check_generated(&run, &rows);
}

fn copy_folder(to: &Path) {
    for entry in std::fs::read_dir(FOLDER).expect("the pipeline's folder").flatten() {
        std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// The records that feed.sql writes are those that Flink read.
fn the_sample_in_a_topic() {
    let kafka = Kafka::from_env().expect("Kafka is up");
    let topic = kafka.topic("complaints", 1);
    let scratch = Scratch::new("complaints-feed");
    copy_folder(scratch.path());
    // Another test run may have left its mark at the broker.
    let args = ["run", "feed.sql", "--no-http", "--fresh"].map(str::to_string);
    let feed = Brooklet::new(scratch.path(), args.to_vec());
    let feed = feed.env("KAFKA_BOOTSTRAP_SERVERS", kafka.brokers());
    feed.env("KAFKA_TOPIC", topic.name.as_str()).run(PATIENCE).expect_code(0);
    let written = topic.read().into_iter().filter_map(|record| record.value);
    assert_eq!(written.collect::<Vec<_>>(), of_flink());
}

/// The file with other tables in front: the same joined rows on the terminal.
fn the_sample_needs_no_service() {
    let scratch = Scratch::new("complaints-sample");
    copy_folder(scratch.path());
    let args = ["run", "sample.sql", "pipeline.sql", "--no-http"].map(str::to_string);
    let command = Brooklet::new(scratch.path(), args.to_vec()).env("POSTGRES_PASSWORD", "");
    let ran = command.run(PATIENCE).expect_code(0);
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for line in ran.stdout.lines() {
        // `+I[row_id, …]`, and the same with -D or -U.
        let (change, row) = line.split_once('[').expect("a change and a row");
        let id = row.split(", ").next().expect("row_id comes first");
        match change.starts_with('+') {
            true => ids.insert(id),
            false => ids.remove(id),
        };
    }
    let expected = by_flink(JOINED);
    let expected: BTreeSet<&str> = expected.iter().filter_map(|row| row[0].as_deref()).collect();
    assert_eq!(ids, expected);
}
