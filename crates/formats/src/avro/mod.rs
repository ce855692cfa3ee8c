//! Format `avro`: a binary record per Kafka message, or files with their schema in front.
//!
//! ```sql
//! CREATE TABLE complaints (year STRING NOT NULL, bank STRING, total DECIMAL(10, 2))
//! WITH ('connector' = 'kafka', …, 'format' = 'avro');
//! SET 'brooklet.table.complaints.avro.schema-file' = 'complaint.avsc';
//! ```
//!
//! **Schema.** Records without a schema of their own are read and written with the one that
//! follows from the table's columns, as in Flink: a column that may be NULL is a union of null and
//! its type, so NOT NULL must stand where the writer had no union. `avro.schema-file` names the
//! schema that the records were, or are to be, written with instead; files are always read with
//! the schema in them. Columns are then found by name: fields that no column wants are passed
//! over, and a column without a field is NULL.
//!
//! | column | derived | also takes |
//! |---|---|---|
//! | BOOLEAN | boolean | |
//! | TINYINT, SMALLINT, INT | int | |
//! | BIGINT | long | int, every time and timestamp as its number |
//! | FLOAT, DOUBLE | float, double | numbers that Avro promotes |
//! | DECIMAL | bytes, decimal | fixed; of another scale, rounded half up; NULL when too large |
//! | STRING | string | enum, bytes in UTF-8, every uuid |
//! | BYTES | bytes | fixed, string, decimal |
//! | DATE, TIME | date, time-millis | time-micros |
//! | TIMESTAMP(0) to (3) | timestamp-millis | every timestamp, local or not; long in the unit |
//! | ROW, ARRAY, MAP, MULTISET | record, array, map, map of int | |
//!
//! With `avro.timestamp_mapping.legacy` = false TIMESTAMP is local-timestamp-millis, -micros or
//! -nanos by its precision, and TIMESTAMP_LTZ timestamp-millis, -micros or -nanos; with true, the
//! default, there is neither TIMESTAMP_LTZ nor a precision above 3.
//!
//! Bytes behind a record are ignored, as in Flink.
//!
//! **Differences from Flink.** A number that the column's type cannot hold, a boolean that is
//! neither 0 nor 1, a string that is not valid UTF-8 and a map with a key twice make the record bad
//! (Flink cuts, replaces or overwrites). Timestamps are converted when units differ, and
//! TIMESTAMP(6) is written in microseconds (Flink 2.3 writes milliseconds under the name of the
//! other). TIMESTAMP(9) is offered. Unions of several types are read when all of them fit the
//! column. Avro's JSON encoding and the codecs bzip2 and xz are not offered.

pub(crate) mod cursor;
mod decode;
mod default;
pub(crate) mod derive;
pub(crate) mod encode;
mod files;
mod number;
mod options;
pub(crate) mod read;
mod resolve;
pub(crate) mod shape;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use brooklet_core::connector::Format;

pub const FORMAT: Format = Format {
    name: "avro",
    options: options::OPTIONS,
    decoder: Some(decode::open),
    encoder: Some(encode::open),
    decode_file: Some(files::read),
    encode_file: Some(files::write),
    registry: None,
    framing: None,
    changelog: false,
    extension: "avro",
};
