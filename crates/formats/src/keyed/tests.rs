//! Keys and values of records that fit together, and of those that do not.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use brooklet_core::connector::find_format;
use brooklet_core::format::DecodeSpec;
use brooklet_core::options::Options;
use bytes::Bytes;

use super::*;
use crate::FORMATS;

type Text = Option<&'static str>;

/// Records of (key, value); None is NULL.
fn batch(records: &[(Text, Text)]) -> RawBatch {
    let (mut values, mut keys) = (Vec::new(), Vec::new());
    let (mut places, mut key_places, mut nulls) = (Vec::new(), Vec::new(), Vec::new());
    for (i, (key, value)) in records.iter().enumerate() {
        let from = values.len();
        values.extend_from_slice(value.unwrap_or_default().as_bytes());
        places.push((from..values.len(), i as i64));
        nulls.extend(value.is_none().then_some(i));
        let from = keys.len();
        keys.extend_from_slice(key.unwrap_or_default().as_bytes());
        key_places.push(key.map(|_| from..keys.len()));
    }
    RawBatch::from_buffer(Bytes::from(values), &places)
        .with_nulls(&nulls)
        .with_keys(Bytes::from(keys), &key_places)
}

fn part(format: &str, columns: &[(&str, DataType)], places: &[Option<usize>]) -> Part {
    let fields: Vec<Field> =
        columns.iter().map(|(name, ty)| Field::new(*name, ty.clone(), true)).collect();
    let spec = DecodeSpec::new(Arc::new(Schema::new(fields)), Options::default());
    let decoder = find_format(FORMATS, format).unwrap().decoder.unwrap()(&spec).unwrap();
    Part { decoder, columns: places.to_vec() }
}

/// A table `id BIGINT, name STRING`: the id is the key's, and the value's too with `both`.
fn decoder(value: &str, both: bool, upserts: bool) -> KeyedDecoder {
    let (id, name) = (("id", DataType::Int64), ("name", DataType::Utf8));
    let value = match both {
        true => part(value, &[id.clone(), name.clone()], &[Some(0), Some(1)]),
        false => part(value, std::slice::from_ref(&name), &[None, Some(0)]),
    };
    let field = |(name, ty): (&str, DataType)| Field::new(name, ty, true);
    KeyedDecoder {
        schema: Arc::new(Schema::new(vec![field(id.clone()), field(name)])),
        key: part("json", &[id], &[Some(0), None]),
        value,
        upserts,
    }
}

/// The rows from record 1 on, each with its weight and record, then what is bad.
fn decoded(decoder: &mut KeyedDecoder, records: &[(Text, Text)]) -> Vec<String> {
    let mut all = vec![(None, None)];
    all.extend_from_slice(records);
    let batch = batch(&all);
    let out = decoder.decode(&batch, 1..all.len());
    let shown = arrow::util::display::array_value_to_string;
    let mut lines = Vec::new();
    for row in 0..out.rows.len() {
        let record = match &out.record_of_row {
            RecordOfRow::Same => row + 1,
            RecordOfRow::Each(each) => each[row] as usize,
        };
        let cells: Vec<String> =
            out.rows.rows.columns().iter().map(|c| shown(c, row).unwrap()).collect();
        lines.push(format!("{record}: {:+} {}", out.rows.weight(row), cells.join("|")));
    }
    let bad = |b: &BadRecord| format!("{}: {} ({})", b.record, b.reason, b.skip);
    lines.extend(out.bad.iter().map(bad));
    lines
}

#[test]
fn key_and_value_make_one_row() {
    let mut decoder = decoder("json", false, false);
    let records = [
        (Some(r#"{"id":1}"#), Some(r#"{"name":"a"}"#)),
        (Some(r#"{"id":2}"#), Some(r#"{"name":"b"}"#)),
    ];
    assert_eq!(decoded(&mut decoder, &records), ["1: +1 1|a", "2: +1 2|b"]);
}

/// A top-level array gives several rows; each goes with each of the key's.
#[test]
fn records_without_a_row_in_one_part_give_none() {
    let mut decoder = decoder("json", false, false);
    let records = [
        (Some(r#"{"id":1}"#), Some(r#"[{"name":"a"},{"name":"b"}]"#)),
        (None, Some(r#"{"name":"c"}"#)),
        (Some("nonsense"), Some(r#"{"name":"d"}"#)),
        (Some(r#"{"id":4}"#), None),
        (Some(r#"{"id":5}"#), Some("{")),
        (Some(r#"{"id":6}"#), Some(r#"{"name":"f"}"#)),
    ];
    let lines = decoded(&mut decoder, &records);
    assert_eq!(&lines[..3], ["1: +1 1|a", "1: +1 1|b", "6: +1 6|f"]);
    let rest: Vec<(&str, bool, bool)> = lines[3..]
        .iter()
        .map(|l| (&l[..1], l.contains("record's key"), l.ends_with("(true)")))
        .collect();
    let expected = [("2", true, true), ("3", true, false), ("4", false, true), ("5", false, false)];
    assert_eq!(rest, expected, "{lines:?}");
}

#[test]
fn what_both_parts_have_is_the_values() {
    let mut decoder = decoder("json", true, false);
    let records = [(Some(r#"{"id":1}"#), Some(r#"{"id":7,"name":"a"}"#))];
    assert_eq!(decoded(&mut decoder, &records), ["1: +1 7|a"]);
}

#[test]
fn an_upsert_without_a_value_is_a_deletion_by_key() {
    let records = [
        (Some(r#"{"id":1}"#), Some(r#"{"id":1,"name":"a"}"#)),
        (Some(r#"{"id":1}"#), None),
        (None, None),
    ];
    let lines = decoded(&mut decoder("json", true, true), &records);
    assert_eq!(&lines[..2], ["1: +1 1|a", "2: -1 1|"]);
    assert!(lines.len() == 3 && lines[2].starts_with("3: in the record's key"), "{lines:?}");
    // The raw format would make a row of it.
    let lines = decoded(&mut decoder("raw", false, true), &records[..2]);
    assert_eq!(lines, [r#"1: +1 1|{"id":1,"name":"a"}"#, "2: -1 1|"]);
}

#[test]
fn a_changelog_keeps_its_weights() {
    let mut decoder = decoder("debezium-json", false, false);
    let change = r#"{"before":{"name":"a"},"after":{"name":"b"},"op":"u"}"#;
    let lines = decoded(&mut decoder, &[(Some(r#"{"id":1}"#), Some(change))]);
    assert_eq!(lines, ["1: -1 1|a", "1: +1 1|b"]);
}
