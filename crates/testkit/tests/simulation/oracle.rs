//! Every question of `tests/oracle` whose answer is rows, disturbed: small epochs cut anywhere, one
//! to four shards, crashes, restarts at another number of shards. Flink's answer stays the answer.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use brooklet_core::{Error, Result};
use brooklet_pipeline::compile::SqlFile;
use brooklet_pipeline::rows::{cells, net};
use brooklet_pipeline::wall::on_the_wall;
use brooklet_plan::{NodeOp, StreamPlan};
use brooklet_testkit::dice::Dice;
use brooklet_testkit::oracle::{self, Excuses, Question, questions};

use crate::driver::{self, Case, Trouble};
use crate::files::real;
use crate::points::block_on;

/// `ORACLE_RUNS` disturbed runs of each question, one without it.
#[test]
fn answers_hold_however_the_run_is_disturbed() {
    let runs = std::env::var("ORACLE_RUNS").map_or(1, |n| n.parse().expect("a number"));
    let excuses = Excuses::read();
    let mut report = String::new();
    let mut held = 0;
    for (number, question) in questions().iter().enumerate() {
        if excuses.has(question) || question.rows().is_none() || is_left_out(question) {
            continue;
        }
        for run in 0..runs {
            let seed = number as u64 * 1_000 + run;
            let checked = catch_unwind(AssertUnwindSafe(|| block_on(check(question, seed))));
            match checked.unwrap_or_else(|_| Err(Error::bug("a panic"))) {
                Ok(()) => held += 1,
                Err(e) => {
                    let (topic, sql) = (&question.topic, question.shown());
                    let _ = writeln!(report, "{topic}, seed {seed}: {sql}\n    {e}");
                }
            }
        }
    }
    println!("{held} disturbed answers agree");
    assert!(report.is_empty(), "{held} disturbed answers agree\n{report}");
}

async fn check(question: &Question, seed: u64) -> Result<()> {
    let data = |name: &str| (name == "DATA").then(|| oracle::data().to_string_lossy().into_owned());
    let file = SqlFile { text: question.text(), name: "question".into() };
    let compiled = brooklet_pipeline::compile(&[file], &data)?;
    let Some(plan) = compiled.selects.into_iter().next() else { return Ok(()) };
    let table = plan.sinks().next().map(|(_, sink)| sink.tables[0].table.clone());
    let table = table.ok_or_else(|| Error::bug("a query has a sink"))?;
    let trouble = match Dice::new(seed).chance(0.2) {
        true => Trouble::NONE,
        false => Trouble::SOME,
    };
    let plan = into_memory(plan);
    let case = Case {
        plan,
        logs: Arc::new(BTreeMap::new()),
        seed,
        turn: seed,
        trouble,
        real: Some(real()),
    };
    let outcome = driver::run(&case).await?;
    let changes = outcome.changes.into_values().next().unwrap_or_default();
    let mut rows = Vec::new();
    for batch in net(&table.write_schema(), &changes)? {
        let shown = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".into());
        let (columns, batch) = on_the_wall(&table.columns, &batch, &compiled.settings)?;
        let texts = cells(&columns, &batch)?.into_iter();
        rows.extend(texts.map(|row| row.into_iter().map(shown).collect::<Vec<_>>().join("\t")));
    }
    rows.sort();
    let mut wanted = question.rows().unwrap_or_default();
    wanted.sort();
    let sql = question.shown();
    let loose = ROUNDED.iter().any(|function| sql.contains(function));
    let same = rows.len() == wanted.len()
        && rows.iter().zip(&wanted).all(|(a, b)| a == b || loose && nearly(a, b));
    match same {
        true => Ok(()),
        false => Err(Error::data(format!("{rows:?}, not {wanted:?}"))),
    }
}

/// Java's libraries round their last digits otherwise, also when nothing is disturbed.
const ROUNDED: [&str; 4] = ["STDDEV", "VAR", "POWER(", "SIN("];

/// Equal up to the last digits of numbers.
fn nearly(a: &str, b: &str) -> bool {
    let close = |(a, b): (&str, &str)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(x), Ok(y)) if a.contains('.') => (x - y).abs() <= 1e-9 * y.abs() || x == y,
        _ => a == b,
    };
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('\t').collect(), b.split('\t').collect());
    a == b || a.len() == b.len() && a.into_iter().zip(b).all(close)
}

/// By the clock the answer hangs on when rows are read.
fn is_left_out(question: &Question) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    question.shown().split(|c| !is_word(c)).any(|word| word == "pt")
}

/// The plan with its rows given to the simulation.
fn into_memory(mut plan: StreamPlan) -> StreamPlan {
    for node in &mut plan.nodes {
        if let NodeOp::Sink(sink) = &mut node.op {
            sink.connector = "memory".into();
        }
    }
    plan
}
