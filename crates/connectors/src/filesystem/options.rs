//! The options of a filesystem table.

use brooklet_core::options::{OptionKind, OptionSpec};
use brooklet_core::partition::DEFAULT_NAME;
use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Result};

pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text(
        "path",
        "A directory or a file: a local path, file:///…, s3://bucket/… or s3a://bucket/…. For \
         S3 the environment gives AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY.",
    )
    .required(),
    OptionSpec::text(
        "format",
        "How files are written: avro, csv, json, debezium-json, parquet or raw.",
    )
    .required(),
    OptionSpec::text(
        "partition.default-name",
        "The directory of rows whose partition value is NULL or empty.",
    )
    .default(DEFAULT_NAME),
    OptionSpec::text(
        "source.monitor-interval",
        "How often to look for new files. Not offered yet: files are read once.",
    )
    .kind(OptionKind::Duration),
    OptionSpec::text("sink.parallelism", "How many files are written side by side.")
        .kind(OptionKind::Int)
        .default("1"),
    OptionSpec::text("sink.rolling-policy.file-size", "A file is finished at this size.")
        .kind(OptionKind::Bytes)
        .default("128 MB"),
    OptionSpec::text("sink.rolling-policy.rollover-interval", "A file is finished at this age.")
        .kind(OptionKind::Duration)
        .default("30 min"),
    OptionSpec::text(
        "sink.rolling-policy.check-interval",
        "How often ages are looked at; here with every epoch.",
    )
    .kind(OptionKind::Duration)
    .default("1 min"),
    OptionSpec::text(
        "sink.rolling-policy.inactivity-interval",
        "Accepted; a file is finished by its age and size.",
    )
    .kind(OptionKind::Duration)
    .default("30 min"),
    OptionSpec::text(
        "auto-compaction",
        "The rows of all writers of a partition go into one file every \
         execution.checkpointing.interval, whatever sink.parallelism is.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "compaction.file-size",
        "With auto-compaction a file is finished at this size; sink.rolling-policy.file-size by \
         default.",
    )
    .kind(OptionKind::Bytes),
    OptionSpec::text(
        "sink.partition-commit.policy.kind",
        "What tells that a partition is complete: success-file, an empty file in it. Without \
         the option nothing does.",
    ),
    OptionSpec::text("sink.partition-commit.success-file.name", "The name of that file.")
        .default("_SUCCESS"),
    OptionSpec::text(
        "sink.partition-commit.trigger",
        "process-time: a partition is complete when its first row was written the delay ago; \
         partition-time: when the watermark is beyond the partition's time by more than the \
         delay.",
    )
    .kind(OptionKind::OneOf(&["process-time", "partition-time"]))
    .default("process-time"),
    OptionSpec::text(
        "sink.partition-commit.delay",
        "For partitions of a day `1 d`, of an hour `1 h`.",
    )
    .kind(OptionKind::Duration)
    .default("0 s"),
    OptionSpec::text(
        "sink.partition-commit.watermark-time-zone",
        "The zone that partition values are in: the local one if the watermark is on a \
         TIMESTAMP_LTZ column.",
    )
    .default("UTC"),
    OptionSpec::text("partition.time-extractor.kind", "How a partition's time is read.")
        .default("default"),
    OptionSpec::text(
        "partition.time-extractor.timestamp-pattern",
        "A text that makes a time of partition columns, such as `$dt $hour:00:00`; the first \
         column by default.",
    ),
    OptionSpec::text(
        "partition.time-extractor.timestamp-formatter",
        "How that text is read: numbers of Java's DateTimeFormatter such as `yyyyMMdd HH`. \
         `yyyy-MM-dd` with or without ` HH:mm:ss` by default.",
    ),
    OptionSpec::text(
        "brooklet.rolling.records",
        "A file is finished when it holds this many rows.",
    )
    .kind(OptionKind::Int),
];

/// What is offered of options that take names of classes.
pub fn check(table: &TableDef) -> Result<()> {
    let options = &table.options;
    let Some(kinds) = options.get(COMMIT_POLICY) else { return Ok(()) };
    let wrong =
        |why: String| Err(Error::config(format!("option '{COMMIT_POLICY}' = '{kinds}': {why}")));
    if let Some(kind) = kinds.split(',').map(str::trim).find(|kind| *kind != "success-file") {
        return wrong(match kind {
            "metastore" => "there is no metastore; success-file is offered".into(),
            "custom" => "classes of Java cannot be called; success-file is offered".into(),
            _ => "success-file is offered".into(),
        });
    }
    if table.partitioned_by.is_empty() {
        return wrong(
            "the table has no PARTITIONED BY columns, so there is nothing to commit".into(),
        );
    }
    let name = options.get("sink.partition-commit.success-file.name").unwrap_or("_SUCCESS");
    if name.is_empty() || name.contains('/') {
        return wrong(format!(
            "sink.partition-commit.success-file.name = '{name}' is no name of a file"
        ));
    }
    match options.get("partition.time-extractor.kind") {
        None | Some("default") => Ok(()),
        Some(kind) => Err(Error::config(format!(
            "option 'partition.time-extractor.kind' = '{kind}': classes of Java cannot be called; \
             default reads partition.time-extractor.timestamp-pattern"
        ))),
    }
}

const COMMIT_POLICY: &str = "sink.partition-commit.policy.kind";

/// The format's name.
pub fn format_name(table: &TableDef) -> Result<&str> {
    table.options.required("format")
}

/// What stands for NULL in directory names.
pub fn default_name(table: &TableDef) -> &str {
    table.options.get("partition.default-name").unwrap_or(DEFAULT_NAME)
}

/// Options that are recognised but would not do what they say.
pub fn check_source(table: &TableDef) -> Result<()> {
    match table.options.get("source.monitor-interval") {
        None => Ok(()),
        Some(_) => Err(Error::config(format!(
            "table '{}': option 'source.monitor-interval' is not offered yet; without it the \
             files that are there at the start are read once",
            table.name
        ))),
    }
}
