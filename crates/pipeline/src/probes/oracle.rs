//! `tests/oracle/*.sql`: our own questions, and the answers that a real Flink gave.
//!
//! `make oracle` writes the answers of `TOPIC.sql` to `TOPIC.jsonl`: one object for each statement
//! that is no definition. A statement is asked with all definitions before it. `differs.txt` lists
//! the questions that brooklet answers otherwise on purpose, each with its reason:
//! `TOPIC.sql | the statement's beginning | reason`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Answer, Question, compared, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_that_the_oracle_wrote() {
    let mut report = String::new();
    let mut held = 0;
    let mut excused = Excuses::read();
    for file in questions() {
        let topic = file.file_name().unwrap().to_string_lossy().into_owned();
        for (setup, answer) in asked(&file) {
            let wrong = difference(&setup, &answer).await;
            let sql = shown(answer["sql"].as_str().unwrap());
            let excuse = excused.take(&topic, &sql);
            match (wrong, excuse) {
                (None, false) => held += 1,
                (Some(_), true) => {}
                (None, true) => {
                    writeln!(report, "{topic}: agrees, yet differs.txt has {sql}").unwrap()
                }
                (Some(why), false) => writeln!(report, "{topic}: {sql}\n    {why}").unwrap(),
            }
        }
    }
    for unused in excused.0 {
        writeln!(report, "differs.txt has a line for no question: {unused}").unwrap();
    }
    println!("{held} answers agree");
    assert!(report.is_empty(), "{held} answers agree\n{report}");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracle")
}

/// The question files; ORACLE_TOPIC leaves those whose names begin with it.
fn questions() -> Vec<PathBuf> {
    let topic = std::env::var("ORACLE_TOPIC").unwrap_or_default();
    let files = std::fs::read_dir(folder()).unwrap().map(|f| f.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|f| f.extension().is_some_and(|e| e == "sql"))
        .filter(|f| f.file_name().unwrap().to_string_lossy().starts_with(&topic))
        .collect();
    files.sort();
    files
}

/// Each answer of a file with the definitions that stand before its statement.
fn asked(file: &Path) -> Vec<(String, Value)> {
    let text = std::fs::read_to_string(file).unwrap();
    let answers = std::fs::read_to_string(file.with_extension("jsonl")).unwrap_or_default();
    let answers = answers.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let mut answers = answers.peekable();
    let mut setup = String::new();
    let mut asked = Vec::new();
    for statement in statements(&text) {
        if answers.peek().is_some_and(|a| a["sql"] == statement) {
            asked.push((setup.clone(), answers.next().unwrap()));
        } else {
            setup += &statement;
            setup += ";\n";
        }
    }
    let stale = answers.next().map(|a| a["sql"].to_string());
    assert_eq!(stale, None, "{} is not of this text; run make oracle", file.display());
    asked
}

/// The text's statements as `scripts/oracle/Oracle.java` splits them.
fn statements(text: &str) -> Vec<String> {
    let (mut found, mut statement, mut quote) = (Vec::new(), String::new(), None);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '`' | '"') => quote = Some(c),
            (None, '-') if rest.peek() == Some(&'-') => {
                rest.by_ref().take_while(|c| *c != '\n').for_each(drop);
                statement.push('\n');
                continue;
            }
            (None, ';') => {
                found.push(std::mem::take(&mut statement));
                continue;
            }
            _ => {}
        }
        statement.push(c);
    }
    found.push(statement);
    let trimmed = found.iter().map(|s| s.trim().to_string());
    trimmed.filter(|s| !s.is_empty()).collect()
}

/// On one line.
fn shown(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn difference(setup: &str, answer: &Value) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let question = Question {
        sql: format!("{setup}{}", answer["sql"].as_str().unwrap()),
        in_order: answer.get("ordered").is_some(),
        spelled: |ty| ty.to_string(),
    };
    let data = folder().join("data").to_string_lossy().into_owned();
    let value = move |name: &str| (name == "DATA").then(|| data.clone());
    let got = within(question.answer(&value, directory.path())).await;
    let got: Answer = got.unwrap_or_else(|| Err("no answer within 20 s".into()));
    compared(got, answer)
}

/// Lines of `differs.txt` not met yet.
struct Excuses(Vec<String>);

impl Excuses {
    fn read() -> Excuses {
        let text = std::fs::read_to_string(folder().join("differs.txt")).unwrap_or_default();
        let topic = std::env::var("ORACLE_TOPIC").unwrap_or_default();
        let lines = text.lines().filter(|l| !l.starts_with('#') && l.starts_with(&topic));
        let lines: Vec<String> = lines.filter(|l| !l.is_empty()).map(str::to_string).collect();
        for line in &lines {
            assert_eq!(line.split(" | ").count(), 3, "FILE | statement | reason: {line}");
        }
        Excuses(lines)
    }

    fn take(&mut self, topic: &str, sql: &str) -> bool {
        let met = self.0.iter().position(|line| {
            let mut parts = line.split(" | ");
            parts.next() == Some(topic) && parts.next().is_some_and(|start| sql.starts_with(start))
        });
        met.map(|i| self.0.remove(i)).is_some()
    }
}
