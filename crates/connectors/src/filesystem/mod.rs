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
//! finished. Local files are synced to disk before they get their name. INSERT OVERWRITE deletes
//! every file below the path (of a partitioned table: of the partitions it wrote) that it has not
//! written itself, whoever put it there, as Flink does; names that start with `.` or `_` stay.
//!
//! **Complete partitions.** With `'sink.partition-commit.policy.kind' = 'success-file'` an empty
//! file `_SUCCESS` appears in a partition, after all of its files, when
//! `sink.partition-commit.trigger` says that no more rows are expected, and at the end of the
//! input. `partition-time` asks the watermark, once it is beyond the partition's time
//! (`partition.time-extractor.*`) by more than the delay; `process-time` asks the clock. Rows that
//! come later are written all the same, and the file anew after them. The clock is asked no more
//! often than every `execution.checkpointing.interval`.
//!
//! **Small files.** With `'auto-compaction' = 'true'` the rows of all writers of a partition that
//! arrive within an `execution.checkpointing.interval` become one file, or several of
//! `compaction.file-size`. Files that are there are never rewritten: readers could see their rows
//! twice or not at all. For larger files let rows wait longer.
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
    check: options::check,
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
    lookup: None,
};
