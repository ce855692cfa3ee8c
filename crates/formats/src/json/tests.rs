//! What Flink reads from and writes to JSON.

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::display::array_value_to_string;
use brooklet_core::format::{DecodeSpec, Decoded, EncodeSpec, RecordOfRow};
use brooklet_core::options::Options;
use brooklet_core::types::{Nullable, RowField, SqlType};
use brooklet_core::{Delta, ErrorKind};

use crate::testing::{batch, options, show};

mod decode;
mod encode;
mod model;

fn schema(columns: &[(&str, SqlType)]) -> SchemaRef {
    let field = |(name, ty): &(&str, SqlType)| ty.field(name, true);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn row(fields: &[(&str, SqlType)]) -> SqlType {
    let field = |(name, ty): &(&str, SqlType)| RowField { name: name.to_string(), ty: null(ty) };
    SqlType::Row(fields.iter().map(field).collect())
}

fn null(ty: &SqlType) -> Nullable {
    Nullable { ty: ty.clone(), nullable: true }
}

fn array(ty: SqlType) -> SqlType {
    SqlType::Array(Box::new(null(&ty)))
}

fn map(value: SqlType) -> SqlType {
    SqlType::Map(
        Box::new(Nullable { ty: SqlType::STRING, nullable: false }),
        Box::new(null(&value)),
    )
}

fn decode<T: AsRef<[u8]>>(schema: &SchemaRef, pairs: &[(&str, &str)], records: &[T]) -> Decoded {
    let spec = DecodeSpec::new(schema.clone(), options(pairs));
    let mut decoder = super::decode::open(&spec).unwrap();
    let batch = batch(records);
    decoder.decode(&batch, 0..batch.len())
}

/// The rows of records that are all good.
fn good<T: AsRef<[u8]>>(schema: &SchemaRef, pairs: &[(&str, &str)], records: &[T]) -> Vec<String> {
    let decoded = decode(schema, pairs, records);
    assert_eq!(decoded.bad, []);
    show(&decoded.rows.rows)
}

/// Why a record is bad.
fn reason(columns: &[(&str, SqlType)], pairs: &[(&str, &str)], record: &str) -> String {
    let decoded = decode(&schema(columns), pairs, &[record]);
    assert_eq!(decoded.rows.len(), 0, "{record}");
    assert_eq!(decoded.bad.len(), 1, "{record}");
    decoded.bad[0].reason.clone()
}

const IGNORE: &[(&str, &str)] = &[("json.ignore-parse-errors", "true")];
const ISO: &[(&str, &str)] = &[("json.timestamp-format.standard", "ISO-8601")];
