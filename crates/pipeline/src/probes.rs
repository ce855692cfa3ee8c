//! Statements that real Flink answered, run through the whole way from text to rows.
//!
//! `goldens/probes.jsonl` of the folder BROOKLET_SHARED (beside the workspace by default) holds
//! them. `tests/probes/differs.txt` lists those that are answered otherwise on purpose (`number |
//! why`), `tests/probes/open.txt` those whose answer is not Flink's yet: the test fails when
//! another one differs, and when a listed one agrees. UPDATE_PROBES=1 rewrites the second list;
//! ORACLE_NULLS=1 also compares which columns are NOT NULL.

mod oracle;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::FieldRef;
use brooklet_core::delta::Weights;
use brooklet_core::schema::{ColumnDef, ColumnKind};
use brooklet_core::types::{MAX_LENGTH, Nullable, SqlType};
use brooklet_core::{Error, Result};
use brooklet_plan::StreamPlan;
use brooklet_plan::node::ORDER;
use serde_json::Value;
use tokio::sync::watch;

use crate::collect::keep_all;
use crate::compile::{Compiled, SqlFile, compile};
use crate::rows::{cells, has_order, net};
use crate::start::{StartOptions, start};
use crate::wall::on_the_wall;

/// What a probe gave, or why it failed.
type Answer = std::result::Result<Rows, String>;

#[derive(Debug, PartialEq)]
struct Rows {
    /// `name TYPE` of each column; empty for an INSERT.
    schema: Vec<String>,
    /// Sorted.
    rows: Vec<String>,
}

fn shared() -> PathBuf {
    match std::env::var_os("BROOKLET_SHARED") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
    }
}

fn list(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/probes").join(name)
}

/// The lines of a list that are no comments.
fn lines_of(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(list(name)).unwrap_or_default();
    text.lines().filter(|l| !l.starts_with('#')).map(str::to_string).collect()
}

/// The numbers of the probes that are answered otherwise on purpose.
fn meant() -> Vec<usize> {
    let number = |line: &String| line.split(" | ").next()?.parse().ok();
    let lines = lines_of("differs.txt");
    lines
        .iter()
        .map(|line| number(line).unwrap_or_else(|| panic!("number | why: {line}")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_those_of_flink() {
    let file = shared().join("goldens/probes.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        assert!(
            std::env::var_os("BROOKLET_SHARED").is_none(),
            "BROOKLET_SHARED has no {}",
            file.display()
        );
        return;
    };
    let (open, meant) = (lines_of("open.txt"), meant());
    let (mut held, mut differing, mut report) = (0, Vec::new(), String::new());
    for (number, line) in text.lines().enumerate() {
        let probe: Value = serde_json::from_str(line).unwrap();
        let name = format!("{} {}", number + 1, probe["sql"].as_str().unwrap());
        let name: String = name.chars().take(160).collect();
        let listed = open.contains(&name);
        let is_meant = meant.contains(&(number + 1));
        match difference(&probe).await {
            None => {
                held += 1;
                if listed || is_meant {
                    writeln!(report, "holds now, remove it from tests/probes: {name}").unwrap();
                }
            }
            Some(_) if is_meant => {}
            Some(why) => {
                if !listed {
                    writeln!(report, "{name}\n    {why}").unwrap();
                }
                differing.push(name);
            }
        }
    }
    if std::env::var_os("UPDATE_PROBES").is_some() {
        let head = format!("# Of {} probes {held} hold; these do not yet.\n", text.lines().count());
        std::fs::write(list("open.txt"), head + &differing.join("\n") + "\n").unwrap();
        std::fs::write(std::env::temp_dir().join("probes-report.txt"), &report).unwrap();
    }
    assert!(report.is_empty(), "{held} hold\n{report}");
}

/// How brooklet's answer differs from Flink's, if it does.
async fn difference(probe: &Value) -> Option<String> {
    let directory = tempfile::tempdir().unwrap();
    let question =
        Question { sql: in_files(probe, directory.path()), in_order: false, spelled: flink_type };
    let got = within(question.answer(&|_| None, directory.path())).await;
    let got: Answer = got.unwrap_or_else(|| Err("no answer within 20 s".into()));
    compared(got, probe)
}

fn compared(got: Answer, probe: &Value) -> Option<String> {
    if let Some(error) = probe.get("error") {
        let error: String = error.as_str().unwrap().chars().take(120).collect();
        return got.ok().map(|rows| format!("no error, {:?}; Flink: {error}", rows.rows));
    }
    let got = match got {
        Ok(got) => got,
        Err(e) => return Some(e.lines().next().unwrap_or_default().to_string()),
    };
    let want = expected(probe);
    if want.schema != got.schema {
        return Some(format!("schema {:?}, not {:?}", got.schema, want.schema));
    }
    let close = |(a, b): (&String, &String)| a == b || nearly(a, b);
    let same = want.rows.len() == got.rows.len() && want.rows.iter().zip(&got.rows).all(close);
    (!same).then(|| format!("{:?}, not {:?}", got.rows, want.rows))
}

#[allow(clippy::disallowed_methods, reason = "a probe that hangs must not hang the others")]
async fn within(answer: impl Future<Output = Answer>) -> Option<Answer> {
    tokio::time::timeout(Duration::from_secs(20), answer).await.ok()
}

/// Equal up to the last digits of numbers.
fn nearly(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('\t'), b.split('\t'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(x), Some(y)) if x == y => {}
            (Some(x), Some(y)) => match (x.parse::<f64>(), y.parse::<f64>()) {
                (Ok(p), Ok(q)) if x.contains('.') && (p - q).abs() <= 1e-9 * q.abs() => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

/// Flink's final rows.
fn expected(probe: &Value) -> Rows {
    let list = |key: &str| probe.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    if probe.get("sink_lines").is_some() {
        let mut rows: Vec<String> =
            list("sink_lines").iter().map(|l| l.as_str().unwrap().to_string()).collect();
        rows.sort();
        return Rows { schema: Vec::new(), rows };
    }
    let schema = list("schema");
    let schema = schema.iter().map(|c| plain_type(c.as_str().unwrap()));
    let changelog = probe.get("changelog").is_some();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    let mut in_order = Vec::new();
    for row in list("rows") {
        let mut cells = row.as_array().unwrap().iter();
        let kind = if changelog { cells.next().and_then(Value::as_str) } else { None };
        let cells: Vec<&str> = cells.map(|c| c.as_str().unwrap_or("NULL")).collect();
        let weight = if matches!(kind, Some("UPDATE_BEFORE" | "DELETE")) { -1 } else { 1 };
        in_order.push(cells.join("\t"));
        *counts.entry(cells.join("\t")).or_default() += weight;
    }
    let rows = counts.into_iter().flat_map(|(row, n)| std::iter::repeat_n(row, n.max(0) as usize));
    let rows = if probe.get("ordered").is_some() { in_order } else { rows.collect() };
    Rows { schema: schema.collect(), rows }
}

/// A column without what it says of NULL and of time.
fn plain_type(column: &str) -> String {
    let nulls = std::env::var_os("ORACLE_NULLS").is_none();
    let column = if nulls { column.replace(" NOT NULL", "") } else { column.to_string() };
    let plain = [(" *ROWTIME*", ""), (" *PROCTIME*", ""), ("`", ""), (", ", ",")];
    plain.iter().fold(column.to_string(), |text, (from, to)| text.replace(from, to))
}

struct Question {
    sql: String,
    /// Rows are compared as they came.
    in_order: bool,
    /// How types are written.
    spelled: fn(&SqlType) -> String,
}

impl Question {
    async fn answer(&self, value: &dyn Fn(&str) -> Option<String>, directory: &Path) -> Answer {
        let file = SqlFile { text: self.sql.clone(), name: "probe".into() };
        let compiled = compile(&[file], value).map_err(shown_error)?;
        if let Some(shown) = compiled.shown.last() {
            return self.shown(shown).map_err(shown_error);
        }
        match compiled.selects.first() {
            Some(plan) => {
                self.select(&compiled, plan.clone(), directory).await.map_err(shown_error)
            }
            None if compiled.plan.nodes.is_empty() => {
                Ok(Rows { schema: Vec::new(), rows: Vec::new() })
            }
            None => {
                run(&compiled, compiled.plan.clone(), directory, None)
                    .await
                    .map_err(shown_error)?;
                let mut rows = Vec::new();
                read_lines(&directory.join("out"), &mut rows);
                rows.sort();
                Ok(Rows { schema: Vec::new(), rows })
            }
        }
    }

    fn shown(&self, shown: &RecordBatch) -> Result<Rows> {
        let column = |f: &FieldRef| ColumnDef {
            name: f.name().clone(),
            ty: SqlType::from_arrow(f.data_type()).unwrap_or(SqlType::STRING),
            nullable: true,
            kind: ColumnKind::Physical,
            comment: None,
        };
        let columns: Vec<ColumnDef> = shown.schema().fields().iter().map(column).collect();
        let mut rows = lines(&columns, shown)?;
        rows.sort();
        let spelled = |c: &ColumnDef| plain_type(&format!("{} {}", c.name, (self.spelled)(&c.ty)));
        Ok(Rows { schema: columns.iter().map(spelled).collect(), rows })
    }

    async fn select(
        &self,
        compiled: &Compiled,
        plan: StreamPlan,
        directory: &Path,
    ) -> Result<Rows> {
        let table = plan.sinks().next().map(|(_, sink)| sink.tables[0].table.clone());
        let table = table.ok_or_else(|| Error::bug("a query has a sink"))?;
        let (on_rows, kept) = keep_all();
        run(compiled, plan, directory, Some(on_rows)).await?;
        let schema = table
            .columns
            .iter()
            .filter(|c| c.name != ORDER)
            .map(|c| {
                let not = if c.nullable { "" } else { " NOT NULL" };
                plain_type(&format!("{} {}{not}", c.name, (self.spelled)(&c.ty)))
            })
            .collect();
        let changes = kept.lock().unwrap();
        let mut rows = Vec::new();
        let Some(first) = changes.first() else { return Ok(Rows { schema, rows }) };
        let sorted = self.in_order && has_order(&first.rows.schema());
        let came = self.in_order && changes.iter().all(|c| c.weights == Weights::Ones);
        let batches = match came && !sorted {
            true => changes.iter().map(|c| c.rows.clone()).collect(),
            false => net(&first.rows.schema(), &changes)?,
        };
        for batch in batches {
            let (columns, batch) = on_the_wall(&table.columns, &batch, &compiled.settings)?;
            rows.extend(lines(&columns, &batch)?);
        }
        if !came && !sorted {
            rows.sort();
        }
        Ok(Rows { schema, rows })
    }
}

fn shown_error(e: Error) -> String {
    e.to_string()
}

/// The rows' cells joined by tabs.
fn lines(columns: &[ColumnDef], rows: &RecordBatch) -> Result<Vec<String>> {
    let cell = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".into());
    let line = |row: Vec<Option<String>>| row.into_iter().map(cell).collect::<Vec<_>>().join("\t");
    Ok(cells(columns, rows)?.into_iter().map(line).collect())
}

/// The probe's statements, their input in a file.
fn in_files(probe: &Value, directory: &Path) -> String {
    let input = directory.join("input.json");
    let lines = probe.get("input").and_then(Value::as_array).cloned().unwrap_or_default();
    let lines: Vec<&str> = lines.iter().map(|l| l.as_str().unwrap()).collect();
    std::fs::write(&input, lines.join("\n")).unwrap();
    let mut sql = String::new();
    for statement in probe.get("setup").and_then(Value::as_array).into_iter().flatten() {
        sql += &local(statement.as_str().unwrap(), directory);
        sql += ";\n";
    }
    sql + probe["sql"].as_str().unwrap()
}

/// The statement with a file in place of the topic.
fn local(statement: &str, directory: &Path) -> String {
    let directory = directory.to_string_lossy();
    let statement = statement.replace("file:///tmp/pbout", &format!("{directory}/out"));
    let end = "'scan.bounded.mode'='latest-offset'";
    match (statement.find("'connector'='kafka'"), statement.find(end)) {
        (Some(from), Some(to)) => {
            let table = format!("'connector'='filesystem','path'='{directory}/input.json'");
            [&statement[..from], &table, &statement[to + end.len()..]].concat()
        }
        _ => statement,
    }
}

fn read_lines(directory: &Path, rows: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path().is_dir() {
            true => read_lines(&entry.path(), rows),
            false => {
                let text = std::fs::read_to_string(entry.path()).unwrap();
                rows.extend(text.lines().map(str::to_string));
            }
        }
    }
}

async fn run(
    compiled: &Compiled,
    plan: StreamPlan,
    directory: &Path,
    on_rows: Option<crate::collect::OnRows>,
) -> Result<()> {
    let options = StartOptions { on_rows, ephemeral: true, ..StartOptions::default() };
    let running = start(plan, &compiled.settings, "probe", directory, options).await?;
    let (_stop, stopped) = watch::channel(false);
    running.run(stopped).await.map(drop)
}

/// A type as the probes spell it.
fn flink_type(ty: &SqlType) -> String {
    let inner = |n: &Nullable| flink_type(&n.ty);
    match ty {
        SqlType::Int => "INTEGER".into(),
        SqlType::Decimal(p, s) => format!("DECIMAL({p},{s})"),
        SqlType::Varchar(MAX_LENGTH) => format!("VARCHAR({MAX_LENGTH})"),
        SqlType::Varbinary(MAX_LENGTH) => format!("VARBINARY({MAX_LENGTH})"),
        SqlType::Timestamp(p) => format!("TIMESTAMP_WITHOUT_TIME_ZONE({p})"),
        SqlType::TimestampLtz(p) => format!("TIMESTAMP_WITH_LOCAL_TIME_ZONE({p})"),
        SqlType::Array(item) => format!("ARRAY({})", inner(item)),
        SqlType::Multiset(item) => format!("MULTISET({})", inner(item)),
        SqlType::Map(key, value) => format!("MAP({}, {})", inner(key), inner(value)),
        SqlType::Row(fields) => {
            let each: Vec<String> =
                fields.iter().map(|f| format!("{} {}", f.name, inner(&f.ty))).collect();
            format!("ROW({})", each.join(","))
        }
        other => other.to_string(),
    }
}
