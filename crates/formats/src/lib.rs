//! Bytes to rows and back, one folder per format under Flink's name.
//!
//! [`json`] one object per record, [`debezium`] a changelog of objects, [`csv`] fields by position,
//! [`avro`] binary records and files, [`avro_confluent`] records that name their schema in a
//! registry, [`raw`] one column that is the record itself, [`parquet`] whole files; [`keyed`] joins
//! the formats of a record's key and value. `java` and `time` hold the text forms of numbers and
//! times that all of them share.

pub mod avro;
pub mod avro_confluent;
pub mod csv;
pub mod debezium;
pub mod json;
pub mod keyed;
pub mod parquet;
pub mod raw;

mod java;
mod rows;
#[cfg(test)]
mod testing;
mod time;

use brooklet_core::connector::Format;

/// Every format there is.
pub static FORMATS: &[Format] = &[
    avro::FORMAT,
    avro_confluent::FORMAT,
    csv::FORMAT,
    debezium::FORMAT,
    json::FORMAT,
    parquet::FORMAT,
    raw::FORMAT,
];
