//! Plans as text against tests/plans/*.plan (UPDATE_GOLDENS=1 rewrites them), and refusals.

use std::path::PathBuf;

use brooklet_core::connector::{
    Accepts, Boxed, Connector, Format, Guarantee, MetadataColumn, SinkSide, SourceSide,
};
use brooklet_core::options::OptionSpec;
use brooklet_core::schema::TableDef;
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Sink, Source};
use brooklet_plan::{Settings, StreamPlan};

use super::{plan, plan_select};
use crate::fault::Faults;
use crate::lower::Offers;
use crate::session::{JobKind, Script, Session};

fn no_source(_: brooklet_core::connector::SourceSpec) -> Boxed<Box<dyn Source>> {
    Box::pin(async { Err(Error::bug("plans only")) })
}
fn no_sink(_: brooklet_core::connector::SinkSpec) -> Boxed<Box<dyn Sink>> {
    Box::pin(async { Err(Error::bug("plans only")) })
}
fn by_key(table: &TableDef) -> Accepts {
    if table.primary_key.is_empty() { Accepts::Inserts } else { Accepts::Upserts }
}

const ANY: &[OptionSpec] = &[OptionSpec::text("*", "Anything.")];
const METADATA: &[MetadataColumn] = &[
    MetadataColumn { key: "offset", ty: || SqlType::BigInt },
    MetadataColumn { key: "timestamp", ty: || SqlType::TimestampLtz(3) },
];

const fn connector(
    name: &'static str,
    guarantee: Guarantee,
    stages: bool,
    accepts: fn(&TableDef) -> Accepts,
) -> Connector {
    Connector {
        name,
        options: ANY,
        metadata: METADATA,
        needs_format: false,
        source: Some(SourceSide { open: no_source, bounded: |_| false }),
        sink: Some(SinkSide {
            open: no_sink,
            domain: |t| t.connector().to_string(),
            guarantee,
            stages,
            accepts,
        }),
    }
}

static CONNECTORS: &[Connector] = &[
    connector("kafka", Guarantee::ExactlyOnce, false, |_| Accepts::Inserts),
    connector("jdbc", Guarantee::ExactlyOnce, false, by_key),
    connector("filesystem", Guarantee::ExactlyOnce, true, |_| Accepts::Inserts),
    connector("print", Guarantee::AtLeastOnce, false, |_| Accepts::Changes),
    connector("blackhole", Guarantee::AtLeastOnce, false, |_| Accepts::Changes),
];
static FORMATS: &[Format] = &[format("json", "json"), format("parquet", "parquet")];

const fn format(name: &'static str, extension: &'static str) -> Format {
    Format {
        name,
        options: ANY,
        decoder: None,
        encoder: None,
        decode_file: None,
        encode_file: None,
        changelog: false,
        extension,
    }
}

fn script(sql: &str) -> Script {
    let mut session = Session::new(CONNECTORS, FORMATS);
    session.apply(sql, "test.sql", &|_| None).unwrap_or_else(|e| panic!("{e}"))
}

fn planned(sql: &str) -> Result<StreamPlan, String> {
    let script = script(sql);
    let offers = Offers { connectors: CONNECTORS, formats: FORMATS };
    let mut inserts = Vec::new();
    for job in &script.jobs {
        match &job.kind {
            JobKind::Insert(insert) => inserts.push(insert.as_ref().clone()),
            JobKind::Query(query) => {
                let settings: &Settings = &script.settings;
                let shown = |f: Faults| f.in_source(&script.source).to_string();
                return plan_select(&script.catalog, settings, offers, query).map_err(shown);
            }
            _ => {}
        }
    }
    plan(&script.catalog, &script.settings, offers, &inserts)
        .map_err(|f| f.in_source(&script.source).to_string())
}

fn explained(sql: &str) -> String {
    match planned(sql) {
        Ok(plan) => brooklet_plan::explain::text(&plan),
        Err(e) => format!("{e}\n"),
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/plans")
}

/// `-- include FILE` as first line puts that file in front.
fn read(path: &PathBuf) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    match text.lines().next().and_then(|l| l.strip_prefix("-- include ")) {
        Some(file) => read(&folder().join(file.trim())) + &text,
        None => text,
    }
}

#[test]
fn plans_are_as_written_down() {
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|p| p.extension().is_some_and(|e| e == "sql"));
    files.sort();
    assert!(files.len() > 10, "the plan goldens are missing");
    let mut wrong = Vec::new();
    for file in files {
        let got = explained(&read(&file));
        let golden = file.with_extension("plan");
        if update {
            std::fs::write(&golden, &got).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        if got != want {
            wrong.push(format!("{}\n--- got\n{got}--- want\n{want}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn dbg_logical() {
    let script = script(&read(&folder().join(std::env::var("DBG").unwrap_or("top_n.sql".into()))));
    let provider = crate::query::Provider::new(&script.catalog);
    for job in &script.jobs {
        if let JobKind::Insert(i) = &job.kind {
            let b = crate::query::bind(&provider, (*i.query).clone()).unwrap();
            eprintln!("{}", b.display_indent());
            eprintln!("{}", crate::query::optimized(&provider, b).unwrap().display_indent());
        }
    }
}
