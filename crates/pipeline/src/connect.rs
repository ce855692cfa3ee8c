//! The plan's tables meet connectors and formats.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;

use brooklet_connectors::find_connector;
use brooklet_core::connector::{LookupSide, SinkSpec as OpenSink, SourceSpec, find_format};
use brooklet_core::format::{Decoder, EncodeSpec};
use brooklet_core::lookup::LookupSpec as OpenLookup;
use brooklet_core::options::Options;
use brooklet_core::schema::TableDef;
use brooklet_core::{Delta, Env, Error, Lookup, Result, Sink, Source};
use brooklet_engine::run::schemas::Registries;
use brooklet_engine::run::{Connections, Resume, Waker};
use brooklet_formats::FORMATS;
use brooklet_plan::StreamPlan;
use brooklet_plan::node::{LookupSpec, ScanSpec, SinkSpec};
use brooklet_sql::lower::COLLECT;

use crate::collect::{CollectSink, OnRows};

/// The connector that shows rows on stdout.
const PRINT: &str = brooklet_connectors::print::CONNECTOR.name;

/// The connectors and formats of this build.
pub struct Registry {
    pub env: Env,
    /// Relative paths of tables are relative to it.
    pub base: PathBuf,
    /// Where rows of a top-level SELECT go; with `preview`, the rows of every sink.
    pub on_rows: Option<OnRows>,
    /// Where rows of `print` tables go instead of stdout.
    pub on_print: Option<OnRows>,
    /// Sinks are replaced: nothing is committed anywhere.
    pub preview: bool,
    /// `brooklet.on-row-error`, handed to sinks as an option.
    pub on_row_error: String,
}

impl Registry {
    fn table(&self, table: &Arc<TableDef>) -> Arc<TableDef> {
        let mut table = TableDef::clone(table);
        for key in ["path", "brooklet.avro.schema-file"] {
            if let Some(path) = table.options.get(key) {
                let absolute = resolve(&self.base, path);
                table.options.0.insert(key.into(), absolute);
            }
        }
        let key = "brooklet.on-row-error";
        table.options.0.entry(key.into()).or_insert_with(|| self.on_row_error.clone());
        Arc::new(table)
    }
}

/// Rows as Flink's `json` format writes them.
pub fn row_texts(rows: &RecordBatch) -> Result<Vec<String>> {
    let spec = EncodeSpec { schema: rows.schema(), options: Options::default() };
    let json = find_format(FORMATS, "json").and_then(|f| f.encoder);
    let mut encoder = json.ok_or_else(|| Error::bug("there is a json format"))?(&spec)?;
    let records = encoder.encode(&Delta::inserts(rows.clone()))?;
    Ok(records.iter().map(|r| String::from_utf8_lossy(r).into_owned()).collect())
}

/// A relative local path below the base; anything else as it is.
fn resolve(base: &Path, path: &str) -> String {
    if path.contains("://") || Path::new(path).is_absolute() {
        return path.to_string();
    }
    base.join(path).to_string_lossy().into_owned()
}

/// Whether every source of the plan comes to an end.
pub fn ends(plan: &StreamPlan) -> bool {
    plan.scans().all(|(_, scan)| {
        let connector = find_connector(scan.table.connector());
        let side = connector.and_then(|c| c.source.as_ref());
        side.is_some_and(|side| (side.bounded)(&scan.table.options))
    })
}

/// A sink that hands the rows of its tables over.
fn collect(spec: &SinkSpec, on_rows: OnRows) -> Box<dyn Sink> {
    let tables = spec.tables.iter().map(|t| t.table.name.clone()).collect();
    Box::new(CollectSink { tables, on_rows })
}

#[async_trait]
impl Connections for Registry {
    async fn source(&self, scan: &ScanSpec, at: Resume, waker: Waker) -> Result<Box<dyn Source>> {
        let name = scan.table.connector();
        let connector = find_connector(name);
        let side = connector.and_then(|c| c.source.as_ref());
        let side = side.ok_or_else(|| {
            Error::config(format!("connector '{name}' of {} cannot be read", scan.table.name))
        })?;
        let spec = SourceSpec {
            table: self.table(&scan.table),
            schema: scan.decode.clone(),
            positions: at.positions,
            held: at.held,
            waker,
            formats: FORMATS,
            env: self.env.clone(),
        };
        (side.open)(spec).await
    }

    async fn sink(&self, spec: &SinkSpec, open: OpenSink) -> Result<Box<dyn Sink>> {
        if self.preview && spec.takes_letters_only() {
            return Ok(collect(spec, Arc::new(|_: &str, _: &[Delta]| ())));
        }
        if spec.connector == COLLECT || self.preview {
            let on_rows = self.on_rows.clone();
            let on_rows = on_rows.ok_or_else(|| Error::bug("nobody takes the rows"))?;
            return Ok(collect(spec, on_rows));
        }
        if let Some(on_print) = self.on_print.clone().filter(|_| spec.connector == PRINT) {
            return Ok(collect(spec, on_print));
        }
        let connector = find_connector(&spec.connector);
        let side = connector.and_then(|c| c.sink.as_ref());
        let side = side.ok_or_else(|| {
            Error::config(format!("connector '{}' cannot be written", spec.connector))
        })?;
        let tables = open.tables.iter().map(|t| self.table(t)).collect();
        (side.open)(OpenSink { formats: FORMATS, tables, ..open }).await
    }

    async fn lookup(&self, spec: &LookupSpec) -> Result<Box<dyn Lookup>> {
        let name = spec.table.connector();
        let connector = find_connector(name);
        let Some(LookupSide::Ask(open)) = connector.and_then(|c| c.lookup.as_ref()) else {
            return Err(Error::bug(format!("connector '{name}' is asked for rows by key")));
        };
        let asked = OpenLookup {
            table: self.table(&spec.table),
            keys: spec.key_columns.clone(),
            columns: spec.columns.clone(),
            env: self.env.clone(),
        };
        open(asked).await
    }

    fn registries(&self, scan: &ScanSpec) -> Result<Registries> {
        let table = self.table(&scan.table);
        crate::decode::registries(&ScanSpec { table, ..scan.clone() })
    }

    fn decoders(&self, scan: &ScanSpec, count: usize) -> Result<Vec<Box<dyn Decoder>>> {
        let table = self.table(&scan.table);
        crate::decode::decoders(&ScanSpec { table, ..scan.clone() }, count)
    }
}
