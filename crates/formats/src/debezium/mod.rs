//! Format `debezium-json`: a changelog, one JSON object per change with the row before and after.
//!
//! ```json
//! {"before":null,"after":{"id":1,"name":"x"},"op":"c"}
//! ```
//!
//! **Reading.** `op` c (created) and r (read by a snapshot) insert `after`; u (updated) deletes
//! `before` and inserts `after`; d (deleted) deletes `before`. Other fields are not looked at. An
//! update or deletion without `before` is a bad record: let the database send whole rows
//! (Postgres: REPLICA IDENTITY FULL). A record without a value (a tombstone) is skipped. With
//! `debezium-json.schema-include` the object is read from the field `payload`.
//!
//! **Writing.** An insertion has `op` c, a deletion d; an update is a deletion and an insertion,
//! as in Flink. Rows look as format `json` writes them.
//!
//! **Difference from Flink.** `value.ingestion-timestamp`, `value.source.timestamp` and the like
//! are not offered as METADATA columns: a row would be taken back with other values than it came
//! with.

mod decode;
mod encode;
mod options;
#[cfg(test)]
mod tests;

use brooklet_core::connector::Format;

pub const FORMAT: Format = Format {
    name: "debezium-json",
    options: options::OPTIONS,
    decoder: Some(decode::open),
    encoder: Some(encode::open),
    decode_file: None,
    encode_file: None,
    registry: None,
    framing: None,
    changelog: true,
    extension: "json",
};
