//! `tests/oracle/*.sql`: our own questions, and the answers that a real Flink gave.
//!
//! `make oracle` writes the answers of `TOPIC.sql` to `TOPIC.jsonl`: one object for each statement
//! that is no definition. A statement is asked with all definitions before it. `differs.txt` lists
//! the questions that brooklet answers otherwise on purpose, each with its reason:
//! `TOPIC.sql | the statement's beginning | reason`, where `;` is the statement's end. ORACLE_TOPIC
//! leaves the files whose names begin with it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A statement with the definitions before it, and Flink's answer.
pub struct Question {
    /// The file's name.
    pub topic: String,
    pub setup: String,
    pub sql: String,
    /// `error`, or `schema` and `rows`; `ordered` if the rows came in a meant order.
    pub answer: Value,
}

impl Question {
    /// On one line.
    pub fn shown(&self) -> String {
        self.sql.split_whitespace().collect::<Vec<_>>().join(" ")
    }
    pub fn text(&self) -> String {
        format!("{}{}", self.setup, self.sql)
    }
    /// What Flink answers in batch mode; None where the question chooses a mode, or where Flink
    /// can't plan it there and streaming can. What it refuses in both modes is an error.
    pub fn batch_answer(&self) -> Option<Value> {
        let chooses = self.setup.contains("execution.runtime-mode");
        let mut answer = self.answer.clone();
        if let Some(Value::Object(other)) = answer.as_object_mut()?.remove("batch") {
            if other.contains_key("error") {
                return None;
            }
            answer.as_object_mut()?.remove("error");
            answer.as_object_mut()?.extend(other);
        }
        (!chooses).then_some(answer)
    }
    /// Flink's rows, their cells joined by tabs; None if it answered with an error.
    pub fn rows(&self) -> Option<Vec<String>> {
        let cell = |c: &Value| c.as_str().unwrap_or("NULL").to_string();
        let row = |r: &Value| {
            let cells: Vec<String> = r.as_array().into_iter().flatten().map(cell).collect();
            cells.join("\t")
        };
        let rows = self.answer.get("rows").and_then(Value::as_array);
        match self.answer.get("error") {
            None => Some(rows.into_iter().flatten().map(row).collect()),
            Some(_) => None,
        }
    }
}

/// What `${DATA}` stands for in a question.
pub fn data() -> PathBuf {
    folder().join("data")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracle")
}

fn wanted() -> String {
    std::env::var("ORACLE_TOPIC").unwrap_or_default()
}

pub fn questions() -> Vec<Question> {
    let files = std::fs::read_dir(folder()).expect("tests/oracle is there");
    let files = files.map(|f| f.expect("a folder can be read").path());
    let named: BTreeMap<String, PathBuf> = files
        .filter(|f| f.extension().is_some_and(|e| e == "sql"))
        .filter_map(|f| Some((f.file_name()?.to_string_lossy().into_owned(), f)))
        .filter(|(topic, _)| topic.starts_with(&wanted()))
        .collect();
    named.iter().flat_map(|(topic, file)| of_file(topic, file)).collect()
}

fn of_file(topic: &str, file: &Path) -> Vec<Question> {
    let text = std::fs::read_to_string(file).expect("a question can be read");
    let answers = std::fs::read_to_string(file.with_extension("jsonl")).unwrap_or_default();
    let answers = answers.lines().map(|l| serde_json::from_str::<Value>(l).expect("JSON lines"));
    let mut answers = answers.peekable();
    let mut setup = String::new();
    let mut asked = Vec::new();
    for sql in statements(&text) {
        match answers.next_if(|a| a["sql"] == sql) {
            Some(answer) => {
                let (topic, setup) = (topic.to_string(), setup.clone());
                asked.push(Question { topic, setup, sql, answer });
            }
            None => {
                setup += &sql;
                setup += ";\n";
            }
        }
    }
    let stale = answers.next().map(|a| a["sql"].to_string());
    assert_eq!(stale, None, "{topic} has another text than its answers; run make oracle");
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

/// The questions whose answers are not Flink's: on purpose (`differs.txt`), or not yet
/// (`open.txt`, whole statements: `TOPIC.sql | statement`).
pub struct Excuses {
    differs: Vec<String>,
    open: BTreeSet<String>,
}

impl Excuses {
    pub fn read() -> Excuses {
        let lines = |name: &str| {
            let text = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
            let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
            lines.filter(|l| l.starts_with(&wanted())).map(str::to_string).collect::<Vec<_>>()
        };
        let differs = lines("differs.txt");
        for line in &differs {
            assert_eq!(line.split(" | ").count(), 3, "FILE | statement | reason: {line}");
        }
        Excuses { differs, open: lines("open.txt").into_iter().collect() }
    }

    pub fn has(&self, question: &Question) -> bool {
        self.is_open(question) || self.is_meant(question)
    }
    pub fn is_meant(&self, question: &Question) -> bool {
        self.differs.iter().any(|line| is_of(line, question))
    }
    pub fn is_open(&self, question: &Question) -> bool {
        self.open.contains(&open_line(question))
    }

    /// Lines that excuse none of the questions that differ.
    pub fn stale(&self, differing: &[&Question]) -> Vec<String> {
        let of = |line: &&String| !differing.iter().any(|q| is_of(line, q));
        let open = |line: &&String| !differing.iter().any(|q| open_line(q) == **line);
        let differs = self.differs.iter().filter(of).map(|l| format!("differs.txt: {l}"));
        differs.chain(self.open.iter().filter(open).map(|l| format!("open.txt: {l}"))).collect()
    }
}

/// Writes `open.txt`.
pub fn write_open(differing: &[&Question]) {
    let mut lines: Vec<String> = differing.iter().map(|q| open_line(q)).collect();
    lines.sort();
    lines.dedup();
    let head = format!("# {} questions whose answers are not Flink's yet.\n", lines.len());
    let text = head + &lines.join("\n") + "\n";
    std::fs::write(folder().join("open.txt"), text).expect("tests/oracle can be written");
}

fn open_line(question: &Question) -> String {
    format!("{} | {}", question.topic, question.shown())
}

fn is_of(line: &str, question: &Question) -> bool {
    let mut parts = line.split(" | ");
    let topic = parts.next() == Some(question.topic.as_str());
    let whole = question.shown() + ";";
    topic && parts.next().is_some_and(|start| whole.starts_with(start))
}
