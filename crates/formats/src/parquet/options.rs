//! The options of the parquet format.

use ::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use arrow::datatypes::TimeUnit;
use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text("parquet.compression", "The codec of written pages; ZSTD is at level 1.")
        .kind(OptionKind::OneOf(&["UNCOMPRESSED", "SNAPPY", "GZIP", "LZ4_RAW", "ZSTD"]))
        .default("SNAPPY"),
    OptionSpec::text(
        "parquet.utc-timezone",
        "Accepted: times are always those of UTC, as with true in Flink.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "parquet.write.int64.timestamp",
        "Accepted: timestamps are always written as INT64, as with true in Flink.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "parquet.timestamp.time.unit",
        "The unit of written timestamps: millis, micros or nanos.",
    )
    .kind(OptionKind::OneOf(&["millis", "micros", "nanos"]))
    .default("micros"),
    OptionSpec::text("parquet.*", "Settings of Flink's Parquet writer are accepted and ignored."),
];

/// The codec of written pages.
pub(super) fn compression(options: &Options) -> Result<Compression> {
    let name = options.get("parquet.compression").unwrap_or("SNAPPY");
    match name.to_ascii_uppercase().as_str() {
        "UNCOMPRESSED" => Ok(Compression::UNCOMPRESSED),
        "SNAPPY" => Ok(Compression::SNAPPY),
        "GZIP" => Ok(Compression::GZIP(GzipLevel::default())),
        "LZ4_RAW" => Ok(Compression::LZ4_RAW),
        "ZSTD" => Ok(Compression::ZSTD(ZstdLevel::try_new(1).expect("zstd has a level 1"))),
        _ => Err(Error::config(format!(
            "option 'parquet.compression' = '{name}' is not UNCOMPRESSED, SNAPPY, GZIP, LZ4_RAW or ZSTD"
        ))),
    }
}

/// The unit of written timestamps.
pub(super) fn time_unit(options: &Options) -> Result<TimeUnit> {
    match options.get("parquet.timestamp.time.unit").unwrap_or("micros") {
        "millis" => Ok(TimeUnit::Millisecond),
        "micros" => Ok(TimeUnit::Microsecond),
        "nanos" => Ok(TimeUnit::Nanosecond),
        other => Err(Error::config(format!(
            "option 'parquet.timestamp.time.unit' = '{other}' is not millis, micros or nanos"
        ))),
    }
}
