//! Schemas and bytes are those that Flink 2.3's own avro format gave for the same tables and rows;
//! files are checked against the apache-avro crate.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use brooklet_core::Delta;
use brooklet_core::format::{DecodeSpec, Decoded, EncodeSpec};
use brooklet_core::options::Options;
use brooklet_core::types::{Nullable, RowField, SqlType};

use crate::testing::{batch, options, show};

mod files;
mod model;
mod records;
mod resolution;
mod schemas;

/// Columns that may be NULL, unless their name ends in `!`.
fn schema(columns: &[(&str, SqlType)]) -> SchemaRef {
    let field = |(name, ty): &(&str, SqlType)| match name.strip_suffix('!') {
        Some(name) => ty.field(name, false),
        None => ty.field(name, true),
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn null(ty: SqlType) -> Nullable {
    Nullable { ty, nullable: true }
}

fn array(ty: SqlType) -> SqlType {
    SqlType::Array(Box::new(null(ty)))
}

fn map(value: SqlType) -> SqlType {
    let key = Nullable { ty: SqlType::STRING, nullable: false };
    SqlType::Map(Box::new(key), Box::new(null(value)))
}

fn row(fields: &[(&str, SqlType)]) -> SqlType {
    let field = |(name, ty): &(&str, SqlType)| RowField {
        name: name.trim_end_matches('!').to_string(),
        ty: Nullable { ty: ty.clone(), nullable: !name.ends_with('!') },
    };
    SqlType::Row(fields.iter().map(field).collect())
}

const LOCAL: (&str, &str) = ("avro.timestamp_mapping.legacy", "false");

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn decode<T: AsRef<[u8]>>(spec: &DecodeSpec, records: &[T]) -> Decoded {
    let batch = batch(records);
    super::decode::open(spec).unwrap().decode(&batch, 0..batch.len())
}

/// What becomes of one record, given in hexadecimal: its row, or why it has none.
fn one(table: &SchemaRef, pairs: &[(&str, &str)], record: &str) -> Result<String, String> {
    let decoded = decode(&DecodeSpec::new(table.clone(), options(pairs)), &[bytes(record)]);
    match decoded.bad.first() {
        None => Ok(show(&decoded.rows.rows).remove(0)),
        Some(bad) => {
            assert!(!bad.skip && decoded.rows.is_empty());
            Err(bad.reason.clone())
        }
    }
}

/// The records of a batch in hexadecimal.
fn encode(rows: &RecordBatch, pairs: &[(&str, &str)]) -> Vec<String> {
    let spec = EncodeSpec { schema: rows.schema(), options: options(pairs) };
    let mut encoder = super::encode::open(&spec).unwrap();
    encoder.encode(&Delta::inserts(rows.clone())).unwrap().iter().map(hex).collect()
}

/// Decodes the records, which have no fault, and encodes the rows again.
fn there_and_back(table: &SchemaRef, pairs: &[(&str, &str)], records: &[&str]) -> Vec<String> {
    let records: Vec<Vec<u8>> = records.iter().map(|record| bytes(record)).collect();
    let decoded = decode(&DecodeSpec::new(table.clone(), options(pairs)), &records);
    assert_eq!(decoded.bad, []);
    encode(&decoded.rows.rows, pairs)
}
