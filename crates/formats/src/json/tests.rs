//! What Flink reads from and writes to JSON.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::display::array_value_to_string;
use brooklet_core::format::{DecodeSpec, Decoded, EncodeSpec, RecordOfRow};
use brooklet_core::options::Options;
use brooklet_core::raw::RawBatch;
use brooklet_core::types::{Nullable, RowField, SqlType};
use brooklet_core::{Delta, ErrorKind};

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

fn options(pairs: &[(&str, &str)]) -> Options {
    Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

/// Records in one buffer, one behind the other.
fn batch<T: AsRef<[u8]>>(records: &[T]) -> RawBatch {
    let mut all = Vec::new();
    let mut ranges = Vec::new();
    for (i, record) in records.iter().enumerate() {
        let start = all.len();
        all.extend_from_slice(record.as_ref());
        ranges.push((start..all.len(), i as i64));
    }
    RawBatch::from_buffer(all.into(), &ranges)
}

fn decode<T: AsRef<[u8]>>(schema: &SchemaRef, pairs: &[(&str, &str)], records: &[T]) -> Decoded {
    let spec = DecodeSpec::new(schema.clone(), options(pairs));
    let mut decoder = super::decode::open(&spec).unwrap();
    let batch = batch(records);
    decoder.decode(&batch, 0..batch.len())
}

/// Each row's values as text, joined by `|`; NULL where there is none.
fn show(rows: &RecordBatch) -> Vec<String> {
    (0..rows.num_rows())
        .map(|i| {
            let cell = |c: &Arc<dyn Array>| match c.is_null(i) {
                true => "NULL".to_string(),
                false => array_value_to_string(c, i).unwrap(),
            };
            rows.columns().iter().map(cell).collect::<Vec<_>>().join("|")
        })
        .collect()
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
