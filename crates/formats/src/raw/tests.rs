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
    let error = super::decode::open(&spec(SqlType::Date, true)).err().unwrap();
    assert!(error.message.contains("column 'v': the raw format carries STRING"), "{error}");
    let mut latin = spec(SqlType::STRING, true);
    latin.options.0.insert("raw.charset".into(), "ISO-8859-1".into());
    let error = super::decode::open(&latin).err().unwrap();
    assert!(error.message.contains("only UTF-8 is known"), "{error}");
    let two = Schema::new(vec![SqlType::STRING.field("a", true), SqlType::STRING.field("b", true)]);
    let two = DecodeSpec::new(Arc::new(two), Options::default());
    let error = super::decode::open(&two).err().unwrap();
    assert!(error.message.contains("a, b"), "{error}");
}

/// (type, its bytes as Java's DataOutput writes them, the value as text)
const NUMBERS: [(SqlType, &[u8], &str); 8] = [
    (SqlType::Boolean, &[1], "true"),
    (SqlType::Boolean, &[0], "false"),
    (SqlType::TinyInt, &[0xfe], "-2"),
    (SqlType::SmallInt, &[0x01, 0x02], "258"),
    (SqlType::Int, &[0xff, 0xff, 0xff, 0x00], "-256"),
    (SqlType::BigInt, &[0, 0, 0, 0, 0x49, 0x96, 0x02, 0xd2], "1234567890"),
    (SqlType::Float, &[0x3f, 0xc0, 0, 0], "1.5"),
    (SqlType::Double, &[0xc0, 0x04, 0, 0, 0, 0, 0, 0], "-2.5"),
];

#[test]
fn numbers_have_a_width_and_an_order() {
    for (ty, bytes, text) in NUMBERS {
        for (order, bytes) in [
            ("big-endian", bytes.to_vec()),
            ("little-endian", bytes.iter().rev().copied().collect::<Vec<u8>>()),
        ] {
            let mut spec = spec(ty.clone(), true);
            spec.options.0.insert("value.raw.endianness".into(), order.into());
            let longer = [&bytes[..], b"x"].concat();
            let end = longer.len();
            let ranges = [(0..end - 1, 0), (0..end, 1), (0..0, 2)];
            let batch = RawBatch::from_buffer(longer.into(), &ranges).with_nulls(&[2]);
            let decoded = super::decode::open(&spec).unwrap().decode(&batch, 0..3);
            assert_eq!(decoded.record_of_row, RecordOfRow::Each(vec![0, 2]), "{ty} {order}");
            let wanted = format!("the record has {end} bytes, a value of the column {}", end - 1);
            assert_eq!(decoded.bad[0].reason, wanted);
            let column = decoded.rows.column(0);
            let shown = arrow::util::display::array_value_to_string(column, 0).unwrap();
            assert_eq!(shown, text, "{ty} {order}");
            assert!(column.is_null(1));
            let encoder = EncodeSpec { schema: spec.schema, options: spec.options };
            let records = super::encode::open(&encoder).unwrap().encode(&decoded.rows).unwrap();
            assert_eq!((records.bytes, records.ends), (bytes, vec![end - 1, end - 1]));
        }
    }
}
