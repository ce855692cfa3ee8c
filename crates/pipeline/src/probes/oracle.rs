//! Our own questions, each answered as a real Flink answered it.

use std::fmt::Write as _;

use brooklet_testkit::oracle::{self, Excuses, questions};

use super::{Answer, Question, compared, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_that_the_oracle_wrote() {
    let mut report = String::new();
    let mut held = 0;
    let (excuses, questions) = (Excuses::read(), questions());
    for question in &questions {
        let (topic, sql) = (&question.topic, question.shown());
        match (difference(question).await, excuses.has(question)) {
            (None, false) => held += 1,
            (Some(_), true) => {}
            (None, true) => {
                writeln!(report, "{topic}: agrees, yet differs.txt has {sql}").unwrap();
            }
            (Some(why), false) => writeln!(report, "{topic}: {sql}\n    {why}").unwrap(),
        }
    }
    for line in excuses.unmet(&questions) {
        writeln!(report, "differs.txt has a line for no question: {line}").unwrap();
    }
    println!("{held} answers agree");
    assert!(report.is_empty(), "{held} answers agree\n{report}");
}

async fn difference(question: &oracle::Question) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let asked = Question {
        sql: question.text(),
        in_order: question.in_order(),
        spelled: |ty| ty.to_string(),
    };
    let data = |name: &str| (name == "DATA").then(|| oracle::data().to_string_lossy().into_owned());
    let got = within(asked.answer(&data, directory.path())).await;
    let got: Answer = got.unwrap_or_else(|| Err("no answer within 20 s".into()));
    compared(got, &question.answer)
}
