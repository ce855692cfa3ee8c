//! Plans as text against tests/plans/*.plan (UPDATE_GOLDENS=1 rewrites them), and refusals.

use std::path::PathBuf;

use brooklet_core::connector::{
    Accepts, Boxed, Connector, Format, Guarantee, LookupSide, MetadataColumn, SinkSide, SourceSide,
};
use brooklet_core::lookup::LookupSpec;
use brooklet_core::options::{OptionSpec, Options};
use brooklet_core::schema::TableDef;
use brooklet_core::source::Reading;
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Lookup, Sink, Source};
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
    MetadataColumn { key: "partition", ty: || SqlType::Int },
    MetadataColumn { key: "offset", ty: || SqlType::BigInt },
    MetadataColumn { key: "timestamp", ty: || SqlType::TimestampLtz(3) },
];

fn reading(options: &Options) -> Reading {
    match options.get("brooklet.refresh-interval") {
        Some(_) => Reading::Refreshed,
        None => Reading::Log,
    }
}

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
        check: brooklet_core::connector::unchecked,
        source: Some(SourceSide { open: no_source, bounded: |_| false, reading }),
        sink: Some(SinkSide {
            open: no_sink,
            domain: |t| t.connector().to_string(),
            guarantee,
            stages,
            keeps: false,
            replaces: stages,
            accepts,
        }),
        lookup: None,
    }
}

/// With rows that are looked up outside.
const ASKED: Connector = Connector {
    lookup: Some(LookupSide::Ask(no_lookup)),
    ..connector("jdbc", Guarantee::ExactlyOnce, false, by_key)
};

/// With rows that the engine keeps.
const KEPT: Connector = Connector {
    sink: Some(SinkSide {
        open: no_sink,
        domain: |t| t.name.clone(),
        guarantee: Guarantee::ExactlyOnce,
        stages: false,
        keeps: true,
        replaces: false,
        accepts: by_key,
    }),
    lookup: Some(LookupSide::Kept),
    ..connector("brooklet-table", Guarantee::ExactlyOnce, false, by_key)
};

fn no_lookup(_: LookupSpec) -> Boxed<Box<dyn Lookup>> {
    Box::pin(async { unreachable!("plans are not run here") })
}

static CONNECTORS: &[Connector] = &[
    connector("kafka", Guarantee::ExactlyOnce, false, |_| Accepts::Inserts),
    connector("upsert-kafka", Guarantee::ExactlyOnce, false, by_key),
    ASKED,
    KEPT,
    connector("filesystem", Guarantee::ExactlyOnce, true, |_| Accepts::Inserts),
    connector("print", Guarantee::AtLeastOnce, false, |_| Accepts::Changes),
    connector("blackhole", Guarantee::AtLeastOnce, false, |_| Accepts::Changes),
];
static FORMATS: &[Format] = &[
    format("json", "json"),
    format("parquet", "parquet"),
    format("raw", ""),
    format("csv", "csv"),
    format("avro", "avro"),
];

const fn format(name: &'static str, extension: &'static str) -> Format {
    Format {
        name,
        options: ANY,
        decoder: None,
        encoder: None,
        decode_file: None,
        encode_file: None,
        registry: None,
        framing: None,
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

fn refused(sql: &str) -> String {
    let tables = read(&folder().join("clicks.inc"));
    match planned(&(tables + sql)) {
        Ok(_) => panic!("planned: {sql}"),
        Err(e) => e,
    }
}

const OUT: &str = "CREATE TABLE o (a STRING, b INT) WITH ('connector' = 'kafka');\n";
const KEYED: &str = "CREATE TABLE o (a STRING, b BIGINT, PRIMARY KEY (a) NOT ENFORCED) \
                     WITH ('connector' = 'jdbc');\n";

#[test]
fn inserts_cast_only_what_flink_casts() {
    let e = refused(&format!("{OUT}INSERT INTO o SELECT userid, CAST(n AS BIGINT) FROM clicks;"));
    assert!(e.contains("column 'b' of table 'o' is INT, the query gives BIGINT"), "{e}");
    let e = refused(&format!("{OUT}INSERT INTO o SELECT n, n FROM clicks;"));
    assert!(e.contains("column 'a' of table 'o' is STRING, the query gives INT"), "{e}");
    let e = refused(&format!("{OUT}INSERT INTO o SELECT userid FROM clicks;"));
    assert!(e.contains("takes 2 columns, the query gives 1"), "{e}");
    let e = refused(&format!("{OUT}INSERT INTO o SELECT userid, n FROM clicks WHERE userid = 1;"));
    assert!(e.contains("cannot apply '=' to STRING and INT"), "{e}");
}

#[test]
fn a_sink_of_insertions_refuses_updates_and_names_the_clause() {
    let e =
        refused(&format!("{OUT}INSERT INTO o SELECT action, SUM(n) FROM clicks GROUP BY action;"));
    assert!(e.contains("takes only insertions") && e.contains("GROUP BY action"), "{e}");
    assert!(e.contains(":10:58:"), "{e}");
}

#[test]
fn another_key_than_the_tables_needs_on_conflict() {
    let insert = "INSERT INTO o SELECT userid, COUNT(*) FROM clicks GROUP BY userid, action";
    let e = refused(&format!("{KEYED}{insert};"));
    assert!(e.contains("PRIMARY KEY (a)") && e.contains("ON CONFLICT"), "{e}");
    let tables = read(&folder().join("clicks.inc"));
    planned(&format!("{tables}{KEYED}{insert} ON CONFLICT DO DEDUPLICATE;")).unwrap();
    let off = "SET 'table.exec.sink.require-on-conflict' = 'false';";
    planned(&format!("{tables}{KEYED}{off}{insert};")).unwrap();
}

#[test]
fn rows_that_are_taken_back_are_found_again() {
    let table = |column: &str| {
        format!(
            "CREATE TABLE t (a STRING, b INT{column}) WITH ('connector' = 'jdbc');
             SET 'brooklet.table.t.refresh-interval' = '1 s';
             CREATE TABLE p (a STRING, b INT) WITH ('connector' = 'print');"
        )
    };
    let ranked = "INSERT INTO p SELECT a, b FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY a \
                  ORDER BY b) AS rn FROM t) WHERE rn = 1;";
    let e = refused(&format!("{}{ranked}", table("")));
    assert!(e.contains("depends on the order of its rows: declare its PRIMARY KEY"), "{e}");
    let e = refused(&format!(
        "{}INSERT INTO p SELECT a, b FROM t WHERE CAST(pt AS STRING) <> '';",
        table(", pt AS PROCTIME()")
    ));
    assert!(e.contains("reads the clock: declare its PRIMARY KEY"), "{e}");
    // Without either, rows are found by all their columns.
    planned(&format!("{}INSERT INTO p SELECT a, b FROM t;", table(""))).unwrap();
    let e = refused(&format!("{}{OUT}INSERT INTO o SELECT a, b FROM t;", table("")));
    assert!(e.contains("takes only insertions"), "{e}");
}

#[test]
fn names_that_do_not_exist_get_a_suggestion() {
    let e = refused(&format!("{OUT}INSERT INTO o SELECT usrid, n FROM clicks;"));
    assert!(e.contains("no column 'usrid'") && e.contains("did you mean 'userid'"), "{e}");
    let e = refused(&format!("{OUT}INSERT INTO o SELECT userid, CUONT(*) FROM clicks;"));
    assert!(e.contains("no function CUONT") && e.contains("did you mean 'COUNT'"), "{e}");
    let e = refused(&format!("{OUT}INSERT INTO o SELECT userid, n FROM clikcs;"));
    assert!(e.contains("clikcs"), "{e}");
}

#[test]
fn a_window_needs_a_time_attribute() {
    let e = refused(&format!(
        "{OUT}INSERT INTO o SELECT a, 1 FROM TABLE(TUMBLE((SELECT action AS a, ts + INTERVAL '1' \
         SECOND AS ts FROM clicks), DESCRIPTOR(ts), INTERVAL '1' MINUTE));"
    ));
    assert!(e.contains("TABLE") || e.contains("time attribute"), "{e}");
    let e = refused(
        "CREATE VIEW v AS SELECT action AS a, ts + INTERVAL '1' SECOND AS later FROM clicks;
         SELECT a FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(later), INTERVAL '1' MINUTE));",
    );
    assert!(e.contains("'later' is not a time attribute") && e.contains("^^^^^"), "{e}");
}

#[test]
fn equal_queries_have_equal_fingerprints_and_others_do_not() {
    let tables = read(&folder().join("clicks.inc"));
    let of = |sql: &str| -> Vec<u64> {
        let plan = planned(&format!("{tables}{sql};")).unwrap();
        plan.nodes.iter().map(|n| n.fingerprint).collect()
    };
    let count = "SELECT action, COUNT(*) FROM clicks GROUP BY action";
    assert_eq!(of(count), of(count));
    assert_ne!(of(count).last(), of("SELECT action, SUM(n) FROM clicks GROUP BY action").last());
}
