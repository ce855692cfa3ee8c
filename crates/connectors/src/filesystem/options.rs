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
    OptionSpec::text("auto-compaction", "Merging of small files; only `false` is offered.")
        .kind(OptionKind::Bool)
        .default("false"),
    OptionSpec::text(
        "brooklet.rolling.records",
        "A file is finished when it holds this many rows.",
    )
    .kind(OptionKind::Int),
];

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
