//! docs/reference.md is written from the lists that the code itself checks options against.
//!
//! `UPDATE_REFERENCE=1 cargo test` writes the page anew; without it a difference fails.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use brooklet_connectors::CONNECTORS;
use brooklet_core::connector::{Connector, Guarantee};
use brooklet_core::options::{OptionKind, OptionSpec};
use brooklet_formats::FORMATS;
use brooklet_plan::settings::{SETTINGS, TABLE_SETTINGS};
use brooklet_sql::catalog::Catalog;
use brooklet_sql::query::Provider;

/// Not for users' DDL.
const INTERNAL: [&str; 2] = ["memory", "values"];

/// Written by the planner only.
const PLANNER: [&str; 3] = ["GET_FIELD", "NAMED_STRUCT", "MAKE_ARRAY"];
/// Calls that the planner turns into others.
const REWRITTEN: [&str; 6] =
    ["JSON_ARRAY", "JSON_ARRAYAGG", "JSON_OBJECT", "JSON_OBJECTAGG", "MOD", "ROW"];
const AGGREGATES: [&str; 25] = [
    "$SUM0",
    "APPROX_COUNT_DISTINCT",
    "ARRAY_AGG",
    "AVG",
    "COLLECT",
    "COUNT",
    "FIRST_VALUE",
    "GROUPING",
    "GROUPING_ID",
    "GROUP_ID",
    "JSON_ARRAYAGG",
    "JSON_OBJECTAGG",
    "LAST_VALUE",
    "LISTAGG",
    "MAX",
    "MIN",
    "PERCENTILE",
    "SINGLE_VALUE",
    "STDDEV",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "SUM",
    "VARIANCE",
    "VAR_POP",
    "VAR_SAMP",
];

const INTRODUCTION: &str = "\
# Reference

Written from the code's own lists: `UPDATE_REFERENCE=1 cargo test --workspace reference` does it
anew. Names, defaults and meanings are Flink's unless a line says otherwise. An option that is not
listed is an error with a suggestion.
";

#[test]
fn the_reference_lists_what_there_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = page(&root);
    let file = root.join("docs/reference.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&file, &page).unwrap();
    }
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    let missing: Vec<&str> = facts(&page).filter(|l| !held.lines().any(|h| h == *l)).collect();
    let stale: Vec<&str> = facts(&held).filter(|l| !page.lines().any(|h| h == *l)).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "docs/reference.md is not up to date, set UPDATE_REFERENCE=1\n\
         missing: {missing:#?}\nstale: {stale:#?}"
    );
}

/// The lines that name what there is; prose may be older than the code's.
fn facts(page: &str) -> impl Iterator<Item = &str> {
    page.lines()
        .filter(|l| l.starts_with("| `") || l.starts_with('#') || l.ends_with([',', '.']))
        .filter(|l| l.starts_with(['|', '#']) || l.chars().all(|c| !c.is_lowercase()))
}

fn page(root: &Path) -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## Connectors\n");
    for connector in CONNECTORS.iter().filter(|c| !INTERNAL.contains(&c.name)) {
        connector_section(&mut out, root, connector);
    }
    out.push_str("\n## Formats\n");
    for format in FORMATS {
        let folder = format.name.strip_suffix("-json").unwrap_or(format.name).replace('-', "_");
        let source = root.join("crates/formats/src").join(folder).join("mod.rs");
        let _ = write!(out, "\n### {}\n\n{}", format.name, module_docs(&source));
        table(&mut out, format.options);
    }
    out.push_str(
        "\n## SET\n\nOther keys are accepted and ignored, as in Flink, unless they start ",
    );
    out.push_str("with `brooklet.`.\n");
    table(&mut out, SETTINGS);
    out.push_str("\n## SET 'brooklet.table.&lt;table&gt;.&lt;key&gt;'\n\n");
    out.push_str("Before or behind the table's CREATE TABLE.\n");
    table(&mut out, TABLE_SETTINGS);
    functions(&mut out);
    out
}

/// What the planner knows, without names that only it writes.
fn functions(out: &mut String) {
    let names = Catalog::default();
    let known = Provider::new(&names).functions();
    let known: BTreeSet<String> = known.iter().map(|name| name.to_uppercase()).collect();
    let (aggregates, scalars): (Vec<String>, Vec<String>) = known
        .into_iter()
        .filter(|name| !name.starts_with('_') && !PLANNER.contains(&name.as_str()))
        .chain(REWRITTEN.map(String::from))
        .partition(|name| AGGREGATES.contains(&name.as_str()));
    assert_eq!(aggregates.len(), AGGREGATES.len(), "{aggregates:?}");
    let (mut aggregates, mut scalars): (Vec<String>, Vec<String>) = (aggregates, scalars);
    aggregates.sort();
    scalars.sort();
    let _ = write!(
        out,
        "\n## Functions\n\n{} beside operators, predicates, CASE, CAST and TRY_CAST:\n\n{}\n\n\
         Aggregates, with DISTINCT and FILTER:\n\n{}\n",
        scalars.len(),
        wrapped(&scalars),
        wrapped(&aggregates)
    );
}

fn connector_section(out: &mut String, root: &Path, connector: &Connector) {
    let source =
        root.join("crates/connectors/src").join(connector.name.replace('-', "_")).join("mod.rs");
    let sides = match (&connector.source, &connector.sink) {
        (Some(_), Some(_)) => "Source and sink",
        (Some(_), None) => "Source",
        _ => "Sink",
    };
    let guarantee = connector.sink.as_ref().map_or("", |sink| match sink.guarantee {
        Guarantee::ExactlyOnce => ", exactly once",
        Guarantee::AtLeastOnce => ", at least once",
    });
    let _ =
        write!(out, "\n### {}\n\n{sides}{guarantee}.\n\n{}", connector.name, module_docs(&source));
    table(out, connector.options);
    if !connector.metadata.is_empty() {
        let columns: Vec<String> =
            connector.metadata.iter().map(|m| format!("`{}` {}", m.key, (m.ty)())).collect();
        let _ = writeln!(out, "\nMetadata columns: {}.", columns.join(", "));
    }
}

/// The `//!` lines at the top of a file, as Markdown.
fn module_docs(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map_while(|l| l.strip_prefix("//!"));
    lines.map(|l| format!("{}\n", l.strip_prefix(' ').unwrap_or(l))).collect()
}

fn table(out: &mut String, options: &[OptionSpec]) {
    if options.is_empty() {
        return;
    }
    out.push_str("\n| option | type | default | |\n|---|---|---|---|\n");
    for spec in options {
        let kind = match spec.kind {
            OptionKind::Text => "text".to_string(),
            OptionKind::Bool => "boolean".to_string(),
            OptionKind::Int => "whole number".to_string(),
            OptionKind::Duration => "duration".to_string(),
            OptionKind::Bytes => "size".to_string(),
            OptionKind::OneOf(choices) => {
                choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ")
            }
        };
        let default = match (spec.required, spec.default) {
            (true, _) => "required".to_string(),
            (false, Some(default)) => format!("`{default}`"),
            (false, None) => String::new(),
        };
        let secret = if spec.secret { " Never shown." } else { "" };
        let doc = spec.doc.replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {kind} | {default} | {doc}{secret} |", spec.name);
    }
}

/// Words in lines of at most 100 characters.
fn wrapped(words: &[String]) -> String {
    let mut lines = vec![String::new()];
    for (i, word) in words.iter().enumerate() {
        let end = if i + 1 == words.len() { "." } else { ", " };
        if lines.last().map_or(0, String::len) + word.len() + end.len() > 100 {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(word);
            line.push_str(end);
        }
    }
    lines.iter().map(|l| l.trim_end()).collect::<Vec<_>>().join("\n")
}
