//! Records and the schemas they name: what is a row, what is a dead letter, and why.

use std::collections::BTreeSet;

use brooklet_core::format::{DecodeSpec, RecordOfRow};
use brooklet_core::schemas::{Found, Part, WriterSchema};

use super::*;
use crate::avro_confluent::decode;

const POINT: &str = r#"{"type":"record","name":"p","fields":[
    {"name":"id","type":"int"},{"name":"name","type":"string"}]}"#;

pub(super) fn known(id: u32, schema: &str) -> WriterSchema {
    WriterSchema { id, part: Part::Value, found: Found::Schema(schema.into()) }
}

fn missing(id: u32, reason: &str) -> WriterSchema {
    WriterSchema { id, part: Part::Value, found: Found::Missing(reason.into()) }
}

fn points() -> SchemaRef {
    table(&[("id!", SqlType::Int), ("name", SqlType::STRING)])
}

fn point(id: u32, value: i32) -> Vec<u8> {
    record(id, POINT, vec![("id", Value::Int(value)), ("name", text("x"))])
}

#[test]
fn a_record_without_a_row_says_why() {
    let mut decoder = decode::open(&DecodeSpec::new(points(), options_of(&[]))).unwrap();
    decoder.learn(&[
        known(1, POINT),
        missing(2, "the schema registry has no schema 2"),
        known(3, "{\"type\":\"array\",\"items\":\"int\"}"),
        known(4, "no JSON"),
        known(5, &POINT.replace("\"int\"", "\"long\"")),
        known(6, &POINT.replace("\"id\"", "\"number\"")),
    ]);
    let whole = point(1, 7);
    let records: Vec<Vec<u8>> = vec![
        whole.clone(),
        vec![],
        vec![0, 0, 0],
        b"{\"id\":7}".to_vec(),
        whole[..whole.len() - 1].to_vec(),
        whole[..5].to_vec(),
        point(2, 7),
        point(3, 7),
        point(4, 7),
        point(5, 7),
        point(6, 7),
        point(99, 7),
        point(1, 8),
    ];
    let batch = batch(&records);
    let decoded = decoder.decode(&batch, 0..batch.len());
    assert_eq!(show(&decoded.rows.rows), ["7|x", "8|x"]);
    assert_eq!(decoded.record_of_row, RecordOfRow::Each(vec![0, 12]));
    let reasons: Vec<&str> = decoded.bad.iter().map(|bad| bad.reason.as_str()).collect();
    let expected = [
        "the record has 0 bytes, but 5 stand in front of every value",
        "the record has 3 bytes, but 5 stand in front of every value",
        "the record begins with byte 0x7b, not with 0x00 and the number of a schema: it was not \
         written with a schema registry",
        "schema 1: field 'name': the record ends too early",
        "schema 1: field 'id': the record ends too early",
        "the schema registry has no schema 2",
        "schema 3: the Avro schema is no record",
        "schema 4: the text is no Avro schema",
        "schema 5: INT cannot take Avro's long (column 'id')",
        "schema 6: column 'id' is NOT NULL, but the Avro schema has no such field",
        "schema 99 is not known",
    ];
    assert_eq!(reasons.len(), expected.len(), "{reasons:#?}");
    for (reason, expected) in reasons.iter().zip(expected) {
        assert!(reason.starts_with(expected), "{reason}");
    }
    assert!(decoded.bad.iter().all(|bad| !bad.skip));
    assert_eq!(
        decoded.bad.iter().map(|b| b.record).collect::<Vec<_>>(),
        (1..12).collect::<Vec<_>>()
    );
}

#[test]
fn a_schema_that_comes_later_replaces_the_answer_that_there_is_none() {
    let mut decoder = decode::open(&DecodeSpec::new(points(), options_of(&[]))).unwrap();
    let batch = batch(&[point(300, 1)]);
    decoder.learn(&[missing(300, "not yet")]);
    assert_eq!(decoder.decode(&batch, 0..1).bad[0].reason, "not yet");
    decoder.learn(&[known(300, POINT)]);
    assert_eq!(show(&decoder.decode(&batch, 0..1).rows.rows), ["1|x"]);
}

#[test]
fn a_record_without_a_value_is_passed_over() {
    let mut decoder = decode::open(&DecodeSpec::new(points(), options_of(&[]))).unwrap();
    let batch = batch(&[vec![]]).with_nulls(&[0]);
    let decoded = decoder.decode(&batch, 0..1);
    assert!(decoded.rows.is_empty() && decoded.bad[0].skip);
}

#[test]
fn the_numbers_of_schemas_are_four_bytes_and_each_is_named_once() {
    let url = options_of(&[("url", "http://localhost:1")]);
    let schemas = decode::schemas(&DecodeSpec::new(points(), url)).unwrap();
    let front = |id: u32| [&[0][..], &id.to_be_bytes()].concat();
    let mut wrong = front(9);
    wrong[0] = 1;
    let records = [
        front(7),
        front(7),
        front(u32::MAX),
        front(7),
        vec![0, 0, 0, 1],
        wrong,
        vec![],
        [front(0x0102_0304), vec![1, 2, 3]].concat(),
    ];
    let mut ids = BTreeSet::new();
    schemas.named(&batch(&records).with_nulls(&[6]), &mut ids);
    assert_eq!(Vec::from_iter(ids), [7, 0x0102_0304, u32::MAX]);
}

proptest::proptest! {
    /// Never a panic, and every record is a row or a bad record.
    #[test]
    fn whatever_the_bytes(records in proptest::collection::vec(
        proptest::collection::vec(proptest::num::u8::ANY, 0..20), 0..20)) {
        let mut decoder = decode::open(&DecodeSpec::new(points(), options_of(&[]))).unwrap();
        decoder.learn(&[known(1, POINT)]);
        let front: Vec<Vec<u8>> =
            records.iter().map(|r| [&[0, 0, 0, 0, 1][..], r].concat()).collect();
        for records in [records, front] {
            let batch = batch(&records);
            let decoded = decoder.decode(&batch, 0..batch.len());
            proptest::prop_assert_eq!(decoded.rows.len() + decoded.bad.len(), batch.len());
        }
    }
}
