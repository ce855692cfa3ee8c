//! Our own questions, each answered as a real Flink answered it: in streaming and in batch mode.

use std::fmt::Write as _;

use serde_json::Value;

use brooklet_testkit::oracle::{self, Excuses, questions};

use super::{Question, compared, within};

/// UPDATE_PROBES=1 rewrites `open.txt`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_that_the_oracle_wrote() {
    let mut report = String::new();
    let (excuses, questions) = (Excuses::read(), questions());
    let mut differing = Vec::new();
    for question in &questions {
        let wrong = match difference(question.text(), &question.answer).await {
            None => in_batch(question).await.map(|why| format!("in batch mode: {why}")),
            wrong => wrong,
        };
        let Some(why) = wrong else { continue };
        differing.push(question);
        if !excuses.has(question) {
            writeln!(report, "{}: {}\n    {why}", question.topic, question.shown()).unwrap();
        }
    }
    for line in excuses.stale(&differing) {
        writeln!(report, "excuses no question that differs: {line}").unwrap();
    }
    if std::env::var_os("UPDATE_PROBES").is_some() {
        differing.retain(|question| !excuses.is_meant(question));
        oracle::write_open(&differing);
        std::fs::write(std::env::temp_dir().join("oracle-report.txt"), &report).unwrap();
    }
    assert!(report.is_empty(), "of {} questions\n{report}", questions.len());
}

async fn in_batch(question: &oracle::Question) -> Option<String> {
    let answer = question.batch_answer()?;
    difference(format!("SET 'execution.runtime-mode'='batch';\n{}", question.text()), &answer).await
}

async fn difference(sql: String, answer: &Value) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let in_order = answer.get("ordered").is_some();
    let asked = Question { sql, in_order, spelled: |ty| ty.to_string() };
    let data = |name: &str| (name == "DATA").then(|| oracle::data().to_string_lossy().into_owned());
    let got = within(asked.answer(&data, directory.path())).await;
    match got {
        Some(got) => compared(got, answer),
        None => Some("no answer within 20 s".into()),
    }
}
