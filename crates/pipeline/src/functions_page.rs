//! docs/functions.md: every function that Flink's SHOW FUNCTIONS names, and what becomes of it.
//!
//! `UPDATE_FUNCTIONS=1 cargo test` writes the page anew; without it a difference fails. The names
//! are what a real Flink answered, `tests/oracle/functions_names.jsonl`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use brooklet_sql::catalog::Catalog;
use brooklet_sql::query::Provider;
use serde_json::Value;

/// Flink's names of what SQL writes otherwise.
const WRITTEN: &[(&str, &str)] = &[
    ("and", "a AND b"),
    ("array", "ARRAY[…]"),
    ("as", "expression AS name"),
    ("asc", "ORDER BY … ASC"),
    ("at", "array[index], map[key]"),
    ("between", "a BETWEEN b AND c"),
    ("cast", "CAST(a AS type)"),
    ("desc", "ORDER BY … DESC"),
    ("distinct", "DISTINCT"),
    ("divide", "a / b"),
    ("equals", "a = b"),
    ("extract", "EXTRACT(unit FROM a)"),
    ("get", "row.field"),
    ("greaterThan", "a > b"),
    ("greaterThanOrEqual", "a >= b"),
    ("ifThenElse", "CASE, IF"),
    ("in", "a IN (…)"),
    ("isFalse", "a IS FALSE"),
    ("isNotFalse", "a IS NOT FALSE"),
    ("isNotNull", "a IS NOT NULL"),
    ("isNotTrue", "a IS NOT TRUE"),
    ("isNull", "a IS NULL"),
    ("isTrue", "a IS TRUE"),
    ("IS_JSON", "a IS JSON"),
    ("JSON", "JSON(text) in JSON_OBJECT and JSON_ARRAY"),
    ("lessThan", "a < b"),
    ("lessThanOrEqual", "a <= b"),
    ("LIKE", "a LIKE b"),
    ("map", "MAP[…]"),
    ("minus", "a - b"),
    ("minusPrefix", "-a"),
    ("mod", "a % b, MOD(a, b)"),
    ("not", "NOT a"),
    ("notBetween", "a NOT BETWEEN b AND c"),
    ("notEquals", "a <> b"),
    ("or", "a OR b"),
    ("over", "OVER"),
    ("plus", "a + b"),
    ("row", "ROW(…)"),
    ("similar", "a SIMILAR TO b"),
    ("temporalOverlaps", "(a, b) OVERLAPS (c, d)"),
    ("times", "a * b"),
    ("TRY_CAST", "TRY_CAST(a AS type)"),
    ("DEFAULT", "DEFAULT in a call with named arguments"),
];

/// Flink's names that stand for a call under another.
const CALLED: &[(&str, &str)] = &[
    ("charLength", "CHAR_LENGTH"),
    ("initCap", "INITCAP"),
    ("upperCase", "UPPER"),
    ("lowerCase", "LOWER"),
    ("listAgg", "LISTAGG"),
    ("toBase64", "TO_BASE64"),
    ("fromBase64", "FROM_BASE64"),
    ("localTime", "LOCALTIME"),
    ("localTimestamp", "LOCALTIMESTAMP"),
    ("timestampDiff", "TIMESTAMPDIFF"),
    ("fromUnixtime", "FROM_UNIXTIME"),
    ("stddevPop", "STDDEV_POP"),
];

/// What Flink lists and its SQL cannot call.
const INTERNAL: &[&str] = &[
    "AGG_DECIMAL_MINUS",
    "AGG_DECIMAL_PLUS",
    "ASSIGNMENT",
    "HIVE_AGG_DECIMAL_PLUS",
    "JSON_ARRAYAGG_ABSENT_ON_NULL",
    "JSON_ARRAYAGG_NULL_ON_NULL",
    "JSON_OBJECTAGG_ABSENT_ON_NULL",
    "JSON_OBJECTAGG_NULL_ON_NULL",
    "end",
    "flatten",
    "rangeTo",
    "reinterpretCast",
    "rowtime",
    "start",
    "streamRecordTimestamp",
    "sum0",
    "withColumns",
    "withoutColumns",
];

const AGGREGATES: &[&str] = &[
    "ARRAY_AGG",
    "PERCENTILE",
    "avg",
    "collect",
    "count",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "listAgg",
    "max",
    "min",
    "stddevPop",
    "stddevSamp",
    "sum",
    "varPop",
    "varSamp",
];

/// Expressions above that are not there yet, each with its reason on the page of differences.
const MISSING: &[&str] = &["DEFAULT"];

const INTRODUCTION: &str = "\
# Functions

Every name that `SHOW FUNCTIONS` of Flink 2.3 lists, as SQL writes it, and what becomes of it here.
Written from the code: `UPDATE_FUNCTIONS=1 cargo test --workspace functions_page` does it anew. What
differs in a result stands in [flink-compatibility.md](flink-compatibility.md#functions).

| Flink's name | in SQL | state |
|---|---|---|
";

#[test]
fn the_page_lists_every_name_of_flink() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = page(&root);
    let file = root.join("docs/functions.md");
    if std::env::var_os("UPDATE_FUNCTIONS").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(held == page, "docs/functions.md is not up to date, set UPDATE_FUNCTIONS=1");
}

fn page(root: &Path) -> String {
    let answer = std::fs::read_to_string(root.join("tests/oracle/functions_names.jsonl")).unwrap();
    let answer: Value = serde_json::from_str(answer.lines().next().unwrap()).unwrap();
    let names: BTreeSet<String> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row[0].as_str().unwrap().to_string())
        .collect();
    let catalog = Catalog::default();
    let known = Provider::new(&catalog).functions();
    let known: BTreeSet<String> = known.iter().map(|name| name.to_uppercase()).collect();
    let mut out = String::from(INTRODUCTION);
    for name in names {
        let (sql, state) = row(&name, &known);
        let _ = writeln!(out, "| {name} | {} | {state} |", sql.replace('|', "\\|"));
    }
    out
}

fn row(name: &str, known: &BTreeSet<String>) -> (String, &'static str) {
    if INTERNAL.contains(&name) {
        return (String::new(), "internal to Flink, no SQL calls it");
    }
    let written = WRITTEN.iter().find(|(flink, _)| *flink == name).map(|(_, sql)| *sql);
    let differs = "[differs](flink-compatibility.md#functions)";
    if let Some(sql) = written {
        let state = if MISSING.contains(&name) { differs } else { "supported" };
        return (format!("`{sql}`"), state);
    }
    let called = CALLED.iter().find(|(flink, _)| *flink == name).map(|(_, sql)| sql.to_string());
    let sql = called.unwrap_or_else(|| snake(name));
    let rewritten = ["JSON_ARRAY", "JSON_OBJECT", "CURRENT_DATABASE"];
    let there = known.contains(&sql) || rewritten.contains(&sql.as_str());
    let aggregate = AGGREGATES.contains(&name);
    let state = match (there, aggregate) {
        (true, true) => "supported, an aggregate",
        (true, false) => "supported",
        (false, true) => "[an aggregate](flink-compatibility.md#aggregation)",
        (false, false) => differs,
    };
    (format!("`{sql}`"), state)
}

/// `dateFormat` as DATE_FORMAT.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        let before = name.chars().nth(i.wrapping_sub(1));
        if c.is_uppercase() && before.is_some_and(|b| b.is_lowercase() || b.is_ascii_digit()) {
            out.push('_');
        }
        out.extend(c.to_uppercase());
    }
    out
}
