//! Format `json`: one JSON object per record, as Flink's json format reads and writes them.
//!
//! ```sql
//! CREATE TABLE clicks (userid STRING, price DECIMAL(10, 2), at TIMESTAMP(3))
//! WITH ('connector' = 'kafka', …, 'format' = 'json',
//!       'json.timestamp-format.standard' = 'ISO-8601');
//! ```
//!
//! **Reading.** Columns are found by name, upper and lower case being different; a missing field
//! is NULL; of equal keys the last counts. A top-level array gives a row per object in it. A
//! record without a value is skipped. Text behind the first object is ignored.
//!
//! | column | takes |
//! |---|---|
//! | BOOLEAN | true, "true"; every other scalar is FALSE |
//! | TINYINT, SMALLINT | whole numbers, also in quotes |
//! | INT, BIGINT | numbers (1.9 becomes 1), whole numbers in quotes |
//! | FLOAT, DOUBLE | numbers, and what Java reads as one: "1.5", "NaN", "0x1p3" |
//! | DECIMAL | numbers, also in quotes, rounded half up; NULL when too large |
//! | STRING | everything: numbers as they are written, objects and arrays as JSON without spaces |
//! | BYTES | base64 |
//! | DATE, TIME | '2024-01-15', '10:30:00.123' |
//! | TIMESTAMP, TIMESTAMP_LTZ | see `json.timestamp-format.standard` |
//! | ROW, MAP, ARRAY | objects, objects, arrays |
//!
//! Anything else makes the record bad, or with `json.ignore-parse-errors` the field NULL. Every
//! record's structure and UTF-8 are checked to the end of the object, whichever columns are read.
//!
//! **Differences from Flink.** An object or array where a scalar is expected is an error (Flink
//! goes on inside it). With `json.ignore-parse-errors` a top-level array with an element that is
//! no object is skipped as a whole. NULL or nothing in a NOT NULL column makes the record bad. A
//! record that is not valid UTF-8 anywhere is bad. The last of equal keys counts even where Flink
//! stops looking because all columns have been seen.
//!
//! **Writing.** Fields in the order of the columns; DECIMAL without trailing zeros (1200.00 is
//! 1.2E+3, see `json.encode.decimal-as-plain-number`); NaN and Infinity as strings; BYTES as
//! base64. Only insertions can be written.

mod columns;
mod compact;
mod containers;
mod context;
mod convert;
mod decode;
mod encode;
mod node;
mod options;
mod scan;
#[cfg(test)]
mod tests;

use brooklet_core::connector::Format;

pub(crate) use columns::{Column, Data};
pub(crate) use convert::{BASE64, quoted, type_name};
pub(crate) use decode::JsonDecoder;
pub(crate) use encode::{Cells, RowWriter, Values, check_types};
pub(crate) use options::{ReadOptions, WriteOptions};

pub const FORMAT: Format = Format {
    name: "json",
    options: options::OPTIONS,
    decoder: Some(decode::open),
    encoder: Some(encode::open),
    decode_file: None,
    encode_file: None,
    registry: None,
    framing: None,
    changelog: false,
    extension: "json",
};
