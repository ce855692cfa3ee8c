//! What a connector or a format offers, as values: the lists in `connectors` and `formats` are
//! the only registries.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use crate::delta::Delta;
use crate::format::{DecodeFile, DecodeSpec, Decoder, EncodeFile, EncodeSpec, Encoder, Framing};
use crate::lookup::LookupSpec;
use crate::options::{OptionSpec, Options};
use crate::schema::TableDef;
use crate::schemas::Schemas;
use crate::source::{Reading, SplitPosition};
use crate::types::SqlType;
use crate::{Env, Epoch, Instance, Lookup, Result, Sink, Source};

pub type Boxed<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// A connector under Flink's name.
pub struct Connector {
    pub name: &'static str,
    pub options: &'static [OptionSpec],
    /// METADATA columns a source offers.
    pub metadata: &'static [MetadataColumn],
    /// True when records are bytes and need a `format`.
    pub needs_format: bool,
    /// What the descriptions of single options cannot say about a table; asks nobody.
    pub check: fn(&TableDef) -> Result<()>,
    pub source: Option<SourceSide>,
    pub sink: Option<SinkSide>,
    pub lookup: Option<LookupSide>,
}

/// The reading of connectors whose records stay where they are.
pub fn of_log(_: &Options) -> Reading {
    Reading::Log
}

/// The check of connectors whose options say everything.
pub fn unchecked(_: &TableDef) -> Result<()> {
    Ok(())
}

pub struct SourceSide {
    pub open: fn(SourceSpec) -> Boxed<Box<dyn Source>>,
    /// Whether the table's options make it end.
    pub bounded: fn(&Options) -> bool,
    /// Whether what was read can be read again.
    pub reading: fn(&Options) -> Reading,
}

pub struct SinkSide {
    pub open: fn(SinkSpec) -> Boxed<Box<dyn Sink>>,
    /// Tables with the same text are committed together by one Sink.
    pub domain: fn(&TableDef) -> String,
    pub guarantee: Guarantee,
    /// The engine keeps unrolled rows as state and hands over whole files (`TableOutput::files`);
    /// otherwise changes are handed over each epoch.
    pub stages: bool,
    /// The engine keeps the rows by primary key as state, for whoever reads them in this process.
    pub keeps: bool,
    /// What a table holds can be replaced by a whole result (`TableOutput::replaces`).
    pub replaces: bool,
    /// Changes other than inserts can be written: by key (needs PRIMARY KEY) or as a changelog.
    pub accepts: fn(&TableDef) -> Accepts,
}

/// How rows of a table are found by key (FOR SYSTEM_TIME AS OF).
pub enum LookupSide {
    /// Outside: what was answered is recorded.
    Ask(fn(LookupSpec) -> Boxed<Box<dyn Lookup>>),
    /// The engine keeps the table (`SinkSide::keeps`).
    Kept,
}

/// Which changes a table can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    Inserts,
    /// Insert, update and delete by primary key.
    Upserts,
    /// Every insertion and deletion (debezium-json, print).
    Changes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guarantee {
    ExactlyOnce,
    AtLeastOnce,
}

pub struct MetadataColumn {
    pub key: &'static str,
    pub ty: fn() -> SqlType,
}

/// What a source is opened with.
pub struct SourceSpec {
    pub table: Arc<TableDef>,
    /// The physical columns to produce when the payload is rows; what decoding will read.
    pub schema: SchemaRef,
    /// Where to go on; None at the first start: the table's startup mode decides.
    pub positions: Option<Vec<SplitPosition>>,
    /// Rows that the state keeps (`Reading`): given before and not taken back.
    pub held: Vec<Delta>,
    /// Called from any thread when new data may have arrived.
    pub waker: Arc<dyn Fn() + Send + Sync>,
    /// Formats for connectors that decode whole files themselves.
    pub formats: &'static [Format],
    pub env: Env,
}

/// What a sink is opened with.
pub struct SinkSpec {
    pub pipeline: String,
    pub instance: Instance,
    /// Grows with every start of the instance: sessions of lower generations may be ended.
    pub generation: u64,
    /// `--fresh`: what an older instance wrote is to be ignored, not to be reported.
    pub fresh: bool,
    /// Set when the journal may have lost records (it is empty, or its end is damaged): its last
    /// epoch. A sink without numbers of its own reports what it holds beyond it.
    pub doubt: Option<Epoch>,
    pub tables: Vec<Arc<TableDef>>,
    pub formats: &'static [Format],
    pub env: Env,
}

/// A format under Flink's name.
pub struct Format {
    pub name: &'static str,
    pub options: &'static [OptionSpec],
    pub decoder: Option<fn(&DecodeSpec) -> Result<Box<dyn Decoder>>>,
    pub encoder: Option<fn(&EncodeSpec) -> Result<Box<dyn Encoder>>>,
    /// Set when records name the schema they were written with.
    pub registry: Option<RegistrySide>,
    pub decode_file: Option<DecodeFile>,
    pub encode_file: Option<EncodeFile>,
    /// How records stand in files; without it a record is a line.
    pub framing: Option<fn(&DecodeSpec) -> Result<Box<dyn Framing>>>,
    /// Rows carry insertions and deletions (debezium-json).
    pub changelog: bool,
    /// The extension of files it writes, without a dot.
    pub extension: &'static str,
}

/// A format whose schemas stand in a registry.
#[derive(Clone, Copy)]
pub struct RegistrySide {
    /// The registry that a table's options name.
    pub schemas: fn(&DecodeSpec) -> Result<Box<dyn Schemas>>,
    /// Instead of `Format::encoder`: opens an encoder after the registry has taken its schema under
    /// the subject given, unless options name another.
    pub encoder: fn(EncodeSpec, String) -> Boxed<Box<dyn Encoder>>,
}

/// The format of that name.
pub fn find_format<'a>(formats: &'a [Format], name: &str) -> Option<&'a Format> {
    formats.iter().find(|f| f.name == name)
}
