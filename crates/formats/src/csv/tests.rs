//! Expectations are what Flink 2.3's own csv format gave for the same texts and rows, except
//! where the format's documentation names a difference.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use brooklet_core::Delta;
use brooklet_core::format::{DecodeSpec, Decoded, EncodeSpec};
use brooklet_core::raw::RawBatch;
use brooklet_core::types::{Nullable, RowField, SqlType};

use crate::testing::{batch, options, show};

mod decode;
mod encode;
mod files;
mod model;

fn schema(types: &[SqlType]) -> SchemaRef {
    let field = |(i, ty): (usize, &SqlType)| ty.field(&format!("f{i}"), true);
    Arc::new(Schema::new(types.iter().enumerate().map(field).collect::<Vec<_>>()))
}

fn null(ty: SqlType) -> Nullable {
    Nullable { ty, nullable: true }
}

fn array(ty: SqlType) -> SqlType {
    SqlType::Array(Box::new(null(ty)))
}

fn row(types: &[SqlType]) -> SqlType {
    let field =
        |(i, ty): (usize, &SqlType)| RowField { name: format!("r{i}"), ty: null(ty.clone()) };
    SqlType::Row(types.iter().enumerate().map(field).collect())
}

const IGNORE: (&str, &str) = ("csv.ignore-parse-errors", "true");

fn decode<T: AsRef<[u8]>>(schema: &SchemaRef, pairs: &[(&str, &str)], records: &[T]) -> Decoded {
    let spec = DecodeSpec::new(schema.clone(), options(pairs));
    let batch = batch(records);
    super::decode::open(&spec).unwrap().decode(&batch, 0..batch.len())
}

/// What becomes of one record: its row, or why it has none.
fn one(types: &[SqlType], pairs: &[(&str, &str)], record: &str) -> Result<String, String> {
    let decoded = decode(&schema(types), pairs, &[record]);
    match decoded.bad.first() {
        None => Ok(show(&decoded.rows.rows).remove(0)),
        Some(bad) => Err(bad.reason.clone()),
    }
}

/// The record of a batch's one row.
fn encode(rows: RecordBatch, pairs: &[(&str, &str)]) -> String {
    let spec = EncodeSpec { schema: rows.schema(), options: options(pairs) };
    let records = super::encode::open(&spec).unwrap().encode(&Delta::inserts(rows)).unwrap();
    assert_eq!(records.ends.len(), 1);
    String::from_utf8(records.bytes).unwrap()
}
