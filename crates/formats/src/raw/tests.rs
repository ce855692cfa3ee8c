//! One column in, one column out.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Schema;
use brooklet_core::format::{DecodeSpec, EncodeSpec, RecordOfRow};
use brooklet_core::options::Options;
use brooklet_core::raw::RawBatch;
use brooklet_core::types::SqlType;

fn spec(ty: SqlType, nullable: bool) -> DecodeSpec {
    let schema = Arc::new(Schema::new(vec![ty.field("v", nullable)]));
    DecodeSpec::new(schema, Options::default())
}

fn batch() -> RawBatch {
    let bytes = b"line \xff{}".as_slice();
    RawBatch::from_buffer(bytes.into(), &[(0..6, 0), (6..8, 1), (8..8, 2)])
}

#[test]
fn records_are_values() {
    let text = spec(SqlType::STRING, true);
    let decoded = super::decode::open(&text).unwrap().decode(&batch(), 0..3);
    assert_eq!(decoded.record_of_row, RecordOfRow::Same);
    let texts: Vec<_> = decoded.rows.column(0).as_string::<i32>().iter().flatten().collect();
    assert_eq!(texts, ["line \u{fffd}", "{}", ""]);
    let bytes = spec(SqlType::BYTES, true);
    let decoded = super::decode::open(&bytes).unwrap().decode(&batch(), 0..3);
    assert_eq!(decoded.rows.column(0).as_binary::<i32>().value(0), b"line \xff");
    let encoder = EncodeSpec { schema: bytes.schema, options: Options::default() };
    let records = super::encode::open(&encoder).unwrap().encode(&decoded.rows).unwrap();
    assert_eq!(records.ends, [6, 8, 8]);
    assert_eq!(records.bytes, b"line \xff{}");
}

#[test]
fn a_record_without_value_is_null() {
    let batch = batch().with_nulls(&[0]);
    let nullable = spec(SqlType::STRING, true);
    let decoded = super::decode::open(&nullable).unwrap().decode(&batch, 0..1);
    assert!(decoded.rows.column(0).is_null(0));
    let not_null = spec(SqlType::STRING, false);
    let decoded = super::decode::open(&not_null).unwrap().decode(&batch, 0..1);
    assert_eq!((decoded.rows.len(), decoded.bad.len()), (0, 1));
}

#[test]
fn other_tables_are_refused() {
    assert!(super::decode::open(&spec(SqlType::Int, true)).is_err());
    let two = Schema::new(vec![SqlType::STRING.field("a", true), SqlType::STRING.field("b", true)]);
    let two = DecodeSpec::new(Arc::new(two), Options::default());
    let error = super::decode::open(&two).err().unwrap();
    assert!(error.message.contains("a, b"), "{error}");
}
