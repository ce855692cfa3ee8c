//! Changes as Flink reads and writes them.

use std::sync::Arc;

use arrow::array::{Array, Int32Array, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};
use brooklet_core::format::{DecodeSpec, Decoded, EncodeSpec, RecordOfRow};
use brooklet_core::options::Options;
use brooklet_core::types::{Nullable, SqlType};
use brooklet_core::{Delta, Weights};

use crate::testing::{batch, options};

fn schema() -> SchemaRef {
    let fields = vec![SqlType::Int.field("id", true), SqlType::STRING.field("name", true)];
    Arc::new(Schema::new(fields))
}

fn decode(pairs: &[(&str, &str)], records: &[&str]) -> Decoded {
    let spec = DecodeSpec::new(schema(), options(pairs));
    let batch = batch(records);
    super::decode::open(&spec).unwrap().decode(&batch, 0..batch.len())
}

fn ids(decoded: &Decoded) -> Vec<(i32, i64)> {
    let ids = decoded.rows.column(0).as_any().downcast_ref::<Int32Array>().unwrap();
    (0..ids.len()).map(|i| (ids.value(i), decoded.rows.weight(i))).collect()
}

#[test]
fn changes_become_weights() {
    let decoded = decode(
        &[],
        &[
            r#"{"before":null,"after":{"id":1,"name":"a"},"op":"c","ts_ms":5,"source":{"x":[1]}}"#,
            r#"{"before":{"id":1,"name":"a"},"after":{"id":2,"name":null},"op":"u"}"#,
            r#"{"op":"r","after":{"id":3}}"#,
            "",
            r#"{"before":{"id":3},"after":null,"op":"d"}"#,
        ],
    );
    assert_eq!(ids(&decoded), [(1, 1), (1, -1), (2, 1), (3, 1), (3, -1)]);
    assert_eq!(decoded.record_of_row, RecordOfRow::Each(vec![0, 1, 1, 2, 4]));
    assert_eq!(decoded.bad.len(), 1);
    assert!(decoded.bad[0].skip && decoded.bad[0].record == 3);
}

#[test]
fn what_is_no_change_is_bad() {
    let records = [
        r#"{"before":null,"after":{"id":1},"op":"x"}"#,
        r#"{"after":{"id":1},"op":"u"}"#,
        r#"{"before":{"id":1},"op":"u"}"#,
        r#"{"id":1}"#,
        "no json",
        r#"{"after":{"id":7},"op":"c"}"#,
    ];
    let decoded = decode(&[], &records);
    assert_eq!(ids(&decoded), [(7, 1)]);
    let bad: Vec<_> = decoded.bad.iter().map(|b| (b.record, b.skip)).collect();
    assert_eq!(bad, [(0, false), (1, false), (2, false), (3, false), (4, false)]);
    assert!(decoded.bad[1].reason.contains("REPLICA IDENTITY"));
    let ignored = decode(&[("debezium-json.ignore-parse-errors", "true")], &records);
    assert_eq!(ids(&ignored), [(7, 1)]);
    assert!(ignored.bad.iter().all(|b| b.skip));
}

#[test]
fn the_payload_of_a_record_with_schema() {
    let decoded = decode(
        &[("debezium-json.schema-include", "true")],
        &[
            r#"{"schema":{"type":"struct"},"payload":{"after":{"id":1},"op":"c"}}"#,
            r#"{"schema":{},"payload":null}"#,
        ],
    );
    assert_eq!(ids(&decoded), [(1, 1)]);
    assert_eq!(decoded.bad[0].record, 1);
}

#[test]
fn weights_become_changes() {
    let rows = RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Int32Array::from(vec![1, 2, 3])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("c")])),
        ],
    )
    .unwrap();
    let encode = |pairs: &[(&str, &str)], weights: Weights| {
        let spec = EncodeSpec { schema: schema(), options: options(pairs) };
        let rows = Delta { rows: rows.clone(), weights };
        let records = super::encode::open(&spec).unwrap().encode(&rows).unwrap();
        let text = |r: &[u8]| String::from_utf8(r.to_vec()).unwrap();
        records.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(
        encode(&[], Weights::Each(vec![1, -2, 0])),
        [
            r#"{"before":null,"after":{"id":1,"name":"a"},"op":"c"}"#,
            r#"{"before":{"id":2,"name":null},"after":null,"op":"d"}"#,
            r#"{"before":{"id":2,"name":null},"after":null,"op":"d"}"#,
        ]
    );
    let skip = [("debezium-json.encode.ignore-null-fields", "true")];
    assert_eq!(encode(&skip, Weights::Ones)[1], r#"{"after":{"id":2},"op":"c"}"#);
}

/// A moment, a price, a MAP: what the options of json are about.
fn telling() -> SchemaRef {
    let nullable = |ty| Box::new(Nullable { ty, nullable: true });
    let map = SqlType::Map(nullable(SqlType::STRING), nullable(SqlType::Int));
    let fields = vec![
        SqlType::Timestamp(3).field("at", true),
        SqlType::Decimal(10, 2).field("price", true),
        map.field("m", true),
    ];
    Arc::new(Schema::new(fields))
}

#[test]
fn the_options_of_json_hold_for_both_sides() {
    let decode = |pairs: &[(&str, &str)], record: &str| {
        let spec = DecodeSpec::new(telling(), options(pairs));
        let batch = batch(&[record]);
        super::decode::open(&spec).unwrap().decode(&batch, 0..1)
    };
    let encode = |pairs: &[(&str, &str)], rows: &Delta| -> brooklet_core::Result<String> {
        let spec = EncodeSpec { schema: telling(), options: options(pairs) };
        let records = super::encode::open(&spec)?.encode(rows)?;
        Ok(String::from_utf8(records.bytes).unwrap())
    };
    let record = |op: &str, at: &str, price: &str, m: &str| {
        let (side, other) = if op == "c" { ("after", "before") } else { ("before", "after") };
        let row = format!(r#"{{"at":"{at}","price":{price},"m":{m}}}"#);
        match op {
            "c" => format!(r#"{{"{other}":null,"{side}":{row},"op":"c"}}"#),
            _ => format!(r#"{{"{side}":{row},"{other}":null,"op":"d"}}"#),
        }
    };
    let iso = ("debezium-json.timestamp-format.standard", "ISO-8601");
    let plain = ("debezium-json.encode.decimal-as-plain-number", "true");
    let sql_text = record("c", "2024-01-15 10:30:00", "1.2E+3", r#"{"a":1}"#);
    let rows = decode(&[], &sql_text).rows;
    assert_eq!(rows.len(), 1);
    assert_eq!(encode(&[], &rows).unwrap(), sql_text);
    let iso_text = record("c", "2024-01-15T10:30:00", "1200.00", r#"{"a":1}"#);
    assert_eq!(encode(&[iso, plain], &rows).unwrap(), iso_text);
    assert_eq!(decode(&[iso], &iso_text).rows.rows, rows.rows);
    // A time that does not fit is a bad record, or NULL.
    assert_eq!(decode(&[], &iso_text).bad.len(), 1);
    let lenient = decode(&[("debezium-json.ignore-parse-errors", "true")], &iso_text).rows;
    assert!(lenient.column(0).is_null(0) && !lenient.column(1).is_null(0));

    let taken_back = Delta::new(rows.rows.clone(), vec![-1]);
    let iso_text = record("d", "2024-01-15T10:30:00", "1200.00", r#"{"a":1}"#);
    assert_eq!(encode(&[iso, plain], &taken_back).unwrap(), iso_text);
}

#[test]
fn what_is_written_can_be_read() {
    let decoded = decode(&[], &[r#"{"after":{"id":1,"name":"ü\"\\"},"op":"c"}"#]);
    let spec = EncodeSpec { schema: schema(), options: Options::default() };
    let records = super::encode::open(&spec).unwrap().encode(&decoded.rows).unwrap();
    let text = std::str::from_utf8(&records.bytes).unwrap().to_string();
    let again = decode(&[], &[&text]);
    assert_eq!(again.rows.rows, decoded.rows.rows);
}
