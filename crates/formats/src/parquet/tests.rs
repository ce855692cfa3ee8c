//! Files there and back, and the schema other readers see.

use std::sync::Arc;

use ::parquet::file::reader::{FileReader, SerializedFileReader};
use ::parquet::schema::printer::print_schema;
use arrow::array::{Array, ArrayRef, AsArray, Int32Array, RecordBatch};
use arrow::datatypes::{Int64Type, Schema, SchemaRef, TimestampMillisecondType};
use brooklet_core::Delta;
use brooklet_core::format::{DecodeSpec, EncodeSpec};
use brooklet_core::options::Options;
use brooklet_core::raw::RawBatch;
use brooklet_core::types::{Nullable, RowField, SqlType};
use bytes::Bytes;

use crate::testing::options;

fn null(ty: SqlType) -> Nullable {
    Nullable { ty, nullable: true }
}

fn columns() -> Vec<(&'static str, SqlType)> {
    let row = SqlType::Row(vec![
        RowField { name: "x".to_string(), ty: null(SqlType::Int) },
        RowField { name: "t".to_string(), ty: null(SqlType::Timestamp(3)) },
    ]);
    let key = Nullable { ty: SqlType::STRING, nullable: false };
    vec![
        ("id", SqlType::BigInt),
        ("s", SqlType::STRING),
        ("d", SqlType::Decimal(10, 2)),
        ("big", SqlType::Decimal(38, 18)),
        ("small", SqlType::SmallInt),
        ("f", SqlType::Double),
        ("day", SqlType::Date),
        ("time", SqlType::Time(0)),
        ("ts", SqlType::Timestamp(3)),
        ("ltz", SqlType::TimestampLtz(3)),
        ("b", SqlType::BYTES),
        ("yes", SqlType::Boolean),
        ("r", row),
        ("l", SqlType::Array(Box::new(null(SqlType::Int)))),
        ("m", SqlType::Map(Box::new(key), Box::new(null(SqlType::Timestamp(3))))),
    ]
}

fn schema(columns: &[(&str, SqlType)]) -> SchemaRef {
    let fields: Vec<_> = columns.iter().map(|(n, ty)| ty.field(n, *n != "id")).collect();
    Arc::new(Schema::new(fields))
}

/// Two rows, one of them full of NULL.
fn rows() -> RecordBatch {
    let full = r#"{"id":1,"s":"text","d":-12.34,"big":1.5,"small":-7,"f":0.1,"day":"2024-02-29",
        "time":"10:30:00","ts":"2024-01-15 10:30:00.123","ltz":"2024-01-15 10:30:00.123Z",
        "b":"aGk=","yes":true,"r":{"x":1,"t":"1969-12-31 23:59:59.999"},"l":[1,null,3],
        "m":{"a":"2024-01-15 10:30:00.123","b":null}}"#;
    let all = [full, r#"{"id":2}"#].concat();
    let ranges = [(0..full.len(), 0), (full.len()..all.len(), 1)];
    let batch = RawBatch::from_buffer(all.into(), &ranges);
    let spec = DecodeSpec::new(schema(&columns()), Options::default());
    let open = crate::json::FORMAT.decoder.unwrap();
    let decoded = open(&spec).unwrap().decode(&batch, 0..2);
    assert_eq!(decoded.bad, []);
    decoded.rows.rows
}

fn encode(pairs: &[(&str, &str)], rows: &[Delta]) -> brooklet_core::Result<Bytes> {
    let spec = EncodeSpec { schema: schema(&columns()), options: options(pairs) };
    super::encode::file(&spec, rows)
}

fn decode(schema: SchemaRef, file: &Bytes) -> brooklet_core::Result<Vec<RecordBatch>> {
    let spec = DecodeSpec::new(schema, Options::default());
    super::decode::file(&spec, file.clone())
}

#[test]
fn rows_come_back_with_every_codec_and_unit() {
    let rows = rows();
    for compression in ["UNCOMPRESSED", "SNAPPY", "GZIP", "LZ4_RAW", "ZSTD"] {
        for unit in ["millis", "micros", "nanos"] {
            let pairs =
                [("parquet.compression", compression), ("parquet.timestamp.time.unit", unit)];
            let file = encode(&pairs, &[Delta::inserts(rows.clone())]).unwrap();
            let reader = SerializedFileReader::new(file.clone()).unwrap();
            let codec = reader.metadata().row_group(0).column(0).compression();
            assert!(codec.to_string().starts_with(compression), "{codec}");
            let again = decode(rows.schema(), &file).unwrap();
            assert_eq!(again, std::slice::from_ref(&rows), "{compression} {unit}");
        }
    }
}

#[test]
fn the_schema_is_flinks() {
    let file = encode(&[], &[Delta::inserts(rows())]).unwrap();
    let reader = SerializedFileReader::new(file).unwrap();
    let meta = reader.metadata().file_metadata();
    let mut text = Vec::new();
    print_schema(&mut text, meta.schema());
    let text = String::from_utf8(text).unwrap();
    let expected = "message flink_schema {
  REQUIRED INT64 id;
  OPTIONAL BYTE_ARRAY s (STRING);
  OPTIONAL FIXED_LEN_BYTE_ARRAY (5) d (DECIMAL(10,2));
  OPTIONAL FIXED_LEN_BYTE_ARRAY (16) big (DECIMAL(38,18));
  OPTIONAL INT32 small (INTEGER(16,true));
  OPTIONAL DOUBLE f;
  OPTIONAL INT32 day (DATE);
  OPTIONAL INT32 time (TIME(MILLIS,false));
  OPTIONAL INT64 ts (TIMESTAMP(MICROS,false));
  OPTIONAL INT64 ltz (TIMESTAMP(MICROS,true));
  OPTIONAL BYTE_ARRAY b;
  OPTIONAL BOOLEAN yes;
  OPTIONAL group r {
    OPTIONAL INT32 x;
    OPTIONAL INT64 t (TIMESTAMP(MICROS,false));
  }
  OPTIONAL group l (LIST) {
    REPEATED group list {
      OPTIONAL INT32 element;
    }
  }
  OPTIONAL group m (MAP) {
    REPEATED group key_value {
      REQUIRED BYTE_ARRAY key (STRING);
      OPTIONAL INT64 value (TIMESTAMP(MICROS,false));
    }
  }
}
";
    assert_eq!(text, expected);
    assert_eq!(meta.created_by(), Some("brooklet"));
    assert!(meta.key_value_metadata().is_none());
}

#[test]
fn the_same_rows_give_the_same_bytes() {
    let rows = rows();
    let first = encode(&[], &[Delta::inserts(rows.clone())]).unwrap();
    assert_eq!(first, encode(&[], &[Delta::inserts(rows.clone())]).unwrap());
    let cut = [rows.slice(0, 1), rows.slice(1, 1)].map(Delta::inserts);
    let again = decode(rows.schema(), &encode(&[], &cut).unwrap()).unwrap();
    assert_eq!(again, std::slice::from_ref(&rows));
    let twice = encode(&[], &[Delta::new(rows.clone(), vec![2, 1])]).unwrap();
    let ids = decode(schema(&columns()[..1]), &twice).unwrap();
    assert_eq!(ids[0].column(0).as_primitive::<Int64Type>().values(), &[1, 1, 2]);
    assert!(encode(&[], &[Delta::new(rows, vec![1, -1])]).is_err());
    assert_eq!(decode(schema(&columns()), &encode(&[], &[]).unwrap()).unwrap(), []);
}

#[test]
fn columns_are_found_by_name_and_cast() {
    let file = encode(&[], &[Delta::inserts(rows())]).unwrap();
    let t = RowField { name: "t".to_string(), ty: null(SqlType::Timestamp(3)) };
    let z = RowField { name: "z".to_string(), ty: null(SqlType::Int) };
    let wanted = schema(&[
        ("absent", SqlType::Int),
        ("small", SqlType::BigInt),
        ("r", SqlType::Row(vec![z, t])),
    ]);
    let found = &decode(wanted, &file).unwrap()[0];
    assert_eq!(found.column(0).null_count(), 2);
    assert_eq!(found.column(1).as_primitive::<Int64Type>().value(0), -7);
    let row = found.column(2).as_struct();
    assert!(row.is_null(1) && row.column(0).is_null(0));
    assert_eq!(row.column(1).as_primitive::<TimestampMillisecondType>().value(0), -1);
    let counted = &decode(schema(&[]), &file).unwrap()[0];
    assert_eq!(counted.num_rows(), 2);
}

#[test]
fn batches_have_at_most_8192_rows() {
    let schema = schema(&[("n", SqlType::Int)]);
    let column: ArrayRef = Arc::new(Int32Array::from_iter_values(0..20_000));
    let rows = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
    let spec = EncodeSpec { schema: schema.clone(), options: Options::default() };
    let file = super::encode::file(&spec, &[Delta::inserts(rows)]).unwrap();
    let sizes: Vec<usize> =
        decode(schema, &file).unwrap().iter().map(RecordBatch::num_rows).collect();
    assert_eq!(sizes, [8192, 8192, 3616]);
}

#[test]
fn what_is_no_parquet_is_an_error() {
    let file = encode(&[], &[Delta::inserts(rows())]).unwrap();
    for broken in [Bytes::new(), Bytes::from_static(b"PAR1"), file.slice(..file.len() / 2)] {
        let error = decode(schema(&columns()), &broken).unwrap_err();
        assert!(error.message.contains("Parquet"), "{error}");
    }
    assert!(encode(&[("parquet.compression", "LZO")], &[]).is_err());
}
