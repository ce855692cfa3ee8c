//! The pipeline's SET keys: Flink's that mean something here and our own `brooklet.*`.

use std::collections::BTreeMap;

use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};

/// Every key that does something. Unknown `brooklet.` keys are errors; unknown Flink keys are
/// accepted and ignored, as Flink does.
pub const SETTINGS: &[OptionSpec] = &[
    OptionSpec::text("pipeline.name", "Name of the pipeline; the file's stem by default."),
    OptionSpec::text("parallelism.default", "Number of shards; the machine's cores by default.")
        .kind(OptionKind::Int),
    OptionSpec::text("execution.runtime-mode", "streaming or batch (final rows only).")
        .kind(OptionKind::OneOf(&["streaming", "batch", "STREAMING", "BATCH"]))
        .default("streaming"),
    OptionSpec::text("execution.checkpointing.interval", "How often bulk files roll.")
        .kind(OptionKind::Duration)
        .default("60 s"),
    OptionSpec::text("execution.checkpointing.dir", "Where state is kept (file:// or s3://)."),
    OptionSpec::text("table.exec.state.ttl", "State untouched for this long is forgotten.")
        .kind(OptionKind::Duration)
        .default("0 ms"),
    OptionSpec::text(
        "table.exec.source.idle-timeout",
        "A split without data for this long no longer holds the watermark.",
    )
    .kind(OptionKind::Duration),
    OptionSpec::text(
        "table.local-time-zone",
        "Time zone of TIMESTAMP_LTZ texts: only UTC is offered.",
    )
    .kind(OptionKind::OneOf(&["UTC", "Etc/UTC", "GMT", "Z"]))
    .default("UTC"),
    OptionSpec::text("table.exec.sink.require-on-conflict", "Flink 2.3's check of upsert keys.")
        .kind(OptionKind::Bool)
        .default("true"),
    OptionSpec::text(
        "table.exec.sink.not-null-enforcer",
        "What a NULL does that a query gives to a NOT NULL column: ERROR, or DROP its row.",
    )
    .kind(OptionKind::OneOf(&["ERROR", "DROP", "error", "drop"]))
    .default("ERROR"),
    OptionSpec::text(
        "table.exec.emit.early-fire.enabled",
        "Windows of GROUP BY TUMBLE and HOP give results before they close, every epoch.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "table.exec.emit.late-fire.enabled",
        "They give new results for rows that come too late, within allow-lateness.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "table.exec.emit.allow-lateness",
        "How long after its end a late row may still change such a window, with late-fire.",
    )
    .kind(OptionKind::Duration)
    .default("0 ms"),
    OptionSpec::text("brooklet.epoch.max-rows", "Rows an epoch takes at most.")
        .kind(OptionKind::Int)
        .default("65536"),
    OptionSpec::text("brooklet.epoch.max-bytes", "Bytes an epoch takes at most.")
        .kind(OptionKind::Bytes)
        .default("32 MB"),
    OptionSpec::text("brooklet.epoch.interval", "Epochs start at least this far apart.")
        .kind(OptionKind::Duration)
        .default("0 ms"),
    OptionSpec::text(
        "brooklet.source.idle-timeout",
        "As table.exec.source.idle-timeout; 0 turns it off.",
    )
    .kind(OptionKind::Duration)
    .default("30 s"),
    OptionSpec::text(
        "brooklet.source.max-future",
        "Rows further ahead of now do not move the watermark; 0 is off.",
    )
    .kind(OptionKind::Duration)
    .default("0 ms"),
    OptionSpec::text(
        "brooklet.on-row-error",
        "fail, or dead-letter rows whose expressions or writes fail.",
    )
    .kind(OptionKind::OneOf(&["fail", "dead-letter"]))
    .default("fail"),
    OptionSpec::text(
        "brooklet.functions.ip-database",
        "The file that ip_country, ip_region and ip_city read: a BIN file of IP2Location or an \
         MMDB file of MaxMind. Relative to the SQL file.",
    ),
    OptionSpec::text(
        "brooklet.functions.native",
        "CREATE FUNCTION … LANGUAGE PYTHON under the name of an ip_* or ua_* function stands for \
         that function; false runs the Python one.",
    )
    .kind(OptionKind::Bool)
    .default("true"),
    OptionSpec::text(
        "python.files",
        "Where modules of LANGUAGE PYTHON functions are: .py files, directories and .zip files, \
         parted by commas. Relative to the SQL file. SET it before CREATE FUNCTION.",
    ),
    OptionSpec::text(
        "python.executable",
        "The Python 3 that runs LANGUAGE PYTHON functions, for example one of a virtual \
         environment. A path is relative to the SQL file.",
    )
    .default("python3"),
    OptionSpec::text(
        "brooklet.memory.limit",
        "State, batches and open files together; 0 is no limit.",
    )
    .kind(OptionKind::Bytes)
    .default("0"),
    OptionSpec::text("brooklet.checkpoint.location", "Where journal and snapshots are kept."),
    OptionSpec::text("brooklet.checkpoint.interval", "How often a snapshot is taken.")
        .kind(OptionKind::Duration)
        .default("10 s"),
    OptionSpec::text("brooklet.checkpoint.retained", "Snapshots kept.")
        .kind(OptionKind::Int)
        .default("10"),
    OptionSpec::text("brooklet.start-timeout", "How long a service may be unreachable at start.")
        .kind(OptionKind::Duration)
        .default("30 s"),
    OptionSpec::text(
        "brooklet.ready.max-commit-age",
        "GET /ready answers 503 when a commit or a service is waited for longer than this.",
    )
    .kind(OptionKind::Duration)
    .default("60 s"),
    OptionSpec::text(
        "brooklet.serve.dir",
        "Queries of built-in tables that are answered over HTTP; a directory relative to the SQL \
         file. Without the setting `serve` is looked at if there is one.",
    ),
    OptionSpec::text("brooklet.serve.max-rows", "Rows that an answer may have.")
        .kind(OptionKind::Int)
        .default("10000"),
    OptionSpec::text("brooklet.serve.timeout", "How long an answer may take: then 504.")
        .kind(OptionKind::Duration)
        .default("5 s"),
    OptionSpec::text(
        "brooklet.serve.max-concurrent",
        "Queries that are answered at once; further ones get 429.",
    )
    .kind(OptionKind::Int)
    .default("8"),
    OptionSpec::text("brooklet.stop-timeout", "How long a stop may take before it is forced.")
        .kind(OptionKind::Duration)
        .default("30 s"),
];

/// Extensions of a table: `SET 'brooklet.table.<table>.<key>'`.
pub const TABLE_SETTINGS: &[OptionSpec] = &[
    OptionSpec::text(
        "create-table",
        "Create what is missing: a target with the DDL's columns and key, topics read or written.",
    )
    .kind(OptionKind::OneOf(&["if-not-exists", "never"]))
    .default("never"),
    OptionSpec::text(
        "create-table.partitions",
        "Partitions of topics that are created; as many as the broker thinks right by default.",
    )
    .kind(OptionKind::Int),
    OptionSpec::text("on-conflict", "What an existing key does to an insert.")
        .kind(OptionKind::OneOf(&["update", "ignore"]))
        .default("update"),
    OptionSpec::text(
        "dead-letters",
        "fail, log, a path, a topic of the same cluster (`topic:NAME`), a table of the file \
         (`table:NAME`), or `table`: brooklet_dead_letters in the database that rows go to.",
    )
    .default("log"),
    OptionSpec::text("late-records", "drop, log, a path, `topic:NAME`, `table:NAME` or `table`.")
        .default("drop"),
    OptionSpec::text(
        "scan.deser-failure.handler",
        "dead-letters in the words of the connectors kafka-safe and upsert-kafka-safe: none is \
         fail, log is log, kafka is `topic:` with the name that scan.deser-failure.topic gives.",
    )
    .kind(OptionKind::OneOf(&["none", "log", "kafka", "NONE", "LOG", "KAFKA"])),
    OptionSpec::text("scan.deser-failure.topic", "The topic of scan.deser-failure.handler."),
    OptionSpec::text("refresh-interval", "How often a jdbc table is read again; 0: once.")
        .kind(OptionKind::Duration),
    OptionSpec::text("max-records-per-epoch", "Rows an epoch takes of this table at most.")
        .kind(OptionKind::Int),
    OptionSpec::text("fail-on-data-loss", "Stop when unread records are gone from the topic.")
        .kind(OptionKind::Bool)
        .default("true"),
    OptionSpec::text(
        "dedup-ttl",
        "`watermark`: a deduplication of the table, ROW_NUMBER() … = 1 in ascending order directly \
         above it, forgets a key when the watermark has passed the event time of its row by the \
         watermark's delay. Duplicates are found that are no more than the delay apart; rows \
         before the watermark are late. Without it keys are kept for ever, or for \
         table.exec.state.ttl.",
    )
    .kind(OptionKind::OneOf(&["watermark"])),
    OptionSpec::text("rolling.records", "Records after which a file rolls.").kind(OptionKind::Int),
    OptionSpec::text(
        "output-mode",
        "changes, or complete: the table's rows are replaced by the whole result of the query \
         every execution.checkpointing.interval in which it changed, and at the end of the input \
         (jdbc, filesystem).",
    )
    .kind(OptionKind::OneOf(&["changes", "complete"]))
    .default("changes"),
    OptionSpec::text(
        "epoch-column",
        "With output-mode = complete: a BIGINT or STRING column that takes the epoch's number; \
         as PARTITIONED BY column it makes a directory of each result.",
    ),
    OptionSpec::text(
        "path-template",
        "Names of files in place of part-…: a time in UTC by {yyyy MM dd HH mm ss SSS}, as in \
         {yyyy}/{MM}/{dd}/{HH-mm-ss}-clicks.json, the PARTITIONED BY columns (all or none of \
         them), and {n} for a serial number, which stands before the extension if it is not \
         written.",
    ),
    OptionSpec::text(
        "single-file",
        "The path is the file itself, replaced by each result (batch mode, or output-mode = \
         complete).",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "csv.header",
        "Files of format csv: the first line names the columns, which are taken by name, and is \
         written. Records elsewhere, as in Kafka, have no first line: there it has no effect.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "avro.schema-file",
        "The Avro schema (.avsc) that records of format avro are written with, in place of the \
         one that follows from the columns. Relative to the SQL file.",
    ),
    OptionSpec::text(
        "values.*",
        "`values.<column>`: texts, parted by commas, that a datagen column is drawn from.",
    ),
];

/// The values of SET, checked, with defaults.
#[derive(Debug, Clone, Default)]
pub struct Settings(pub Options);

impl Settings {
    /// Checks that every `brooklet.` key exists and every known key's value parses.
    pub fn new(values: BTreeMap<String, String>) -> Result<Self> {
        let settings = Settings(Options(values));
        for spec in SETTINGS {
            match spec.kind {
                OptionKind::Duration => settings.millis(spec.name).map(drop)?,
                OptionKind::Bytes => settings.bytes(spec.name).map(drop)?,
                OptionKind::Int => settings.0.int(spec.name).map(drop)?,
                OptionKind::Bool => settings.0.bool(spec.name, false).map(drop)?,
                OptionKind::OneOf(choices) => {
                    let value = settings.text(spec.name);
                    if !choices.contains(&value.as_str()) {
                        let choices = choices.join(", ");
                        return Err(Error::config(format!(
                            "SET '{}' = '{value}': expected one of {choices}",
                            spec.name
                        )));
                    }
                }
                OptionKind::Text => {}
            }
        }
        Ok(settings)
    }
    fn default_of(name: &str) -> &'static str {
        SETTINGS.iter().find(|s| s.name == name).and_then(|s| s.default).unwrap_or("")
    }
    pub fn is_set(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }
    pub fn text(&self, name: &str) -> String {
        self.0.text(name, Self::default_of(name))
    }
    /// A duration in milliseconds; 0 without value and default.
    pub fn millis(&self, name: &str) -> Result<i64> {
        self.with_default(name, |o| Ok(o.duration(name)?.map(|d| d.as_millis() as i64)))
    }
    pub fn bytes(&self, name: &str) -> Result<u64> {
        self.with_default(name, |o| o.bytes(name))
    }
    pub fn int(&self, name: &str) -> Result<i64> {
        self.with_default(name, |o| o.int(name))
    }
    pub fn is_batch(&self) -> bool {
        self.text("execution.runtime-mode").eq_ignore_ascii_case("batch")
    }
    fn with_default<T: Default>(
        &self,
        name: &str,
        read: impl Fn(&Options) -> Result<Option<T>>,
    ) -> Result<T> {
        if let Some(value) = read(&self.0)? {
            return Ok(value);
        }
        let default = Options([(name.to_string(), Self::default_of(name).to_string())].into());
        if Self::default_of(name).is_empty() {
            return Ok(T::default());
        }
        Ok(read(&default)?.unwrap_or_default())
    }
}
