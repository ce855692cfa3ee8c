//! `filesystem`: files on a local disk or in S3, read once or written exactly once.
//!
//! ```sql
//! CREATE TABLE events (id BIGINT, day STRING) PARTITIONED BY (day) WITH (
//!   'connector' = 'filesystem', 'path' = 's3a://bucket/events', 'format' = 'parquet');
//! ```
//!
//! **Reading.** `path` is a file or a directory, which is read with all directories below it in
//! the order of names; names that start with `.` or `_` are passed over. Values of PARTITIONED BY
//! columns come from `key=value` directories. The table ends when all files have been read.
//!
//! Files of text formats may be compressed as a whole: gzip (`.gz`, `.gzip`), zlib (`.deflate`) and
//! zstd (`.zst`) are known by their extension; `.bz2` and `.xz` are not offered.
//!
//! **Writing.** Each file appears whole, under a name that a restart repeats with the same bytes,
//! in a `key=value` directory per partition; `sink.rolling-policy.*` says when a file is
//! finished. Local files are synced to disk before they get their name.
//!
//! **S3.** `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` are
//! read from the environment. An endpoint without TLS is accepted on this machine; for others
//! set `AWS_ALLOW_HTTP=true`.

mod content;
mod inflate;
#[cfg(test)]
mod inflate_tests;
mod lines;
mod local;
mod options;
mod records;
mod rows;
mod sink;
mod source;
mod store;

#[cfg(test)]
mod format_tests;
#[cfg(test)]
mod tests;

use brooklet_core::connector::{Connector, Guarantee, SinkSide, SourceSide, of_log};

pub use brooklet_core::partition;
pub use store::object_store;

pub const CONNECTOR: Connector = Connector {
    name: "filesystem",
    options: options::OPTIONS,
    metadata: &[],
    needs_format: true,
    check: brooklet_core::connector::unchecked,
    source: Some(SourceSide {
        open: |spec| Box::pin(source::open(spec)),
        bounded: |_| true,
        reading: of_log,
    }),
    sink: Some(SinkSide {
        open: |spec| Box::pin(sink::open(spec)),
        domain: |table| format!("filesystem {}", table.options.get("path").unwrap_or_default()),
        guarantee: Guarantee::ExactlyOnce,
        stages: true,
        keeps: false,
        replaces: true,
        accepts: sink::accepts,
    }),
};
