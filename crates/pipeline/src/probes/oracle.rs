//! Our own questions, each answered as a real Flink answered it: in streaming and in batch mode.

use std::fmt::Write as _;

use serde_json::Value;

use brooklet_testkit::oracle::{self, Excuses, questions};

use super::{Answer, Question, compared, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_that_the_oracle_wrote() {
    let mut report = String::new();
    let (excuses, questions) = (Excuses::read(), questions());
    for question in &questions {
        let (topic, sql) = (&question.topic, question.shown());
        let wrong = match difference(question.text(), &question.answer).await {
            None => in_batch(question).await.map(|why| format!("in batch mode: {why}")),
            wrong => wrong,
        };
        match (wrong, excuses.has(question)) {
            (None, false) | (Some(_), true) => {}
            (None, true) => {
                writeln!(report, "{topic}: agrees, yet differs.txt has {sql}").unwrap();
            }
            (Some(why), false) => writeln!(report, "{topic}: {sql}\n    {why}").unwrap(),
        }
    }
    for line in excuses.unmet(&questions) {
        writeln!(report, "differs.txt has a line for no question: {line}").unwrap();
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
    let got: Answer = got.unwrap_or_else(|| Err("no answer within 20 s".into()));
    compared(got, answer)
}
