//! Object container files, against the apache-avro crate.

use super::*;
use apache_avro::types::Value;
use apache_avro::{Codec, Writer};
use arrow::array::{ArrayRef, Int64Array, StringArray};
use brooklet_core::Result;
use bytes::Bytes;

fn table() -> SchemaRef {
    schema(&[("id!", SqlType::BigInt), ("text", SqlType::STRING)])
}

fn rows(from: i64, count: i64) -> RecordBatch {
    let ids = Int64Array::from_iter_values(from..from + count);
    let text = |i: i64| (i % 3 > 0).then(|| format!("text {i}"));
    let texts = StringArray::from_iter((from..from + count).map(text));
    let columns: Vec<ArrayRef> = vec![Arc::new(ids), Arc::new(texts)];
    RecordBatch::try_new(table(), columns).unwrap()
}

fn write(pairs: &[(&str, &str)], rows: &[Delta]) -> Result<Bytes> {
    super::super::files::write(&EncodeSpec { schema: table(), options: options(pairs) }, rows)
}

fn read(columns: SchemaRef, file: &[u8]) -> Result<Vec<RecordBatch>> {
    let spec = DecodeSpec::new(columns, Options::default());
    super::super::files::read(&spec, Bytes::copy_from_slice(file))
}

#[test]
fn every_codec_there_and_back() {
    let deltas = [Delta::inserts(rows(0, 10_000)), Delta::new(rows(10_000, 1), vec![2])];
    let mut sizes = Vec::new();
    for codec in ["null", "deflate", "snappy", "zstandard"] {
        let pairs = [("avro.codec", codec)];
        let file = write(&pairs, &deltas).unwrap();
        assert_eq!(file, write(&pairs, &deltas).unwrap(), "the same rows give the same bytes");
        let batches = read(table(), &file).unwrap();
        assert_eq!(batches.iter().map(RecordBatch::num_rows).collect::<Vec<_>>(), [8192, 1810]);
        let shown: Vec<String> = batches.iter().flat_map(show).collect();
        assert_eq!(shown[..10_000], show(&rows(0, 10_000)));
        assert_eq!(shown[10_000..], ["10000|text 10000", "10000|text 10000"]);
        let others: Vec<Value> =
            apache_avro::Reader::new(&file[..]).unwrap().map(|value| value.unwrap()).collect();
        assert_eq!(others.len(), 10_002);
        let text = Value::Union(1, Box::new(Value::String("text 1".into())));
        let fields = [("id", Value::Long(1)), ("text", text)];
        assert_eq!(others[1], Value::Record(fields.map(|(n, v)| (n.to_string(), v)).into()));
        sizes.push(file.len());
    }
    assert!(sizes[1..].iter().all(|size| *size < sizes[0]), "{sizes:?}");
    // Without an option: snappy.
    assert_eq!(write(&[], &deltas).unwrap().len(), sizes[2]);
    assert_eq!(read(table(), &write(&[], &[]).unwrap()).unwrap().len(), 0);
}

#[test]
fn files_of_others_are_read_with_their_own_schema() {
    let schema_text = r#"{"type": "record", "name": "r", "doc": "…", "fields": [
        {"name": "text", "type": ["string", "null"]},
        {"name": "more", "type": {"type": "map", "values": "double"}},
        {"name": "id", "type": "int"}]}"#;
    let avro = apache_avro::Schema::parse_str(schema_text).unwrap();
    let mut writer = Writer::with_codec(&avro, Vec::new(), Codec::Snappy).unwrap();
    writer.add_user_metadata("made.by".into(), b"someone").unwrap();
    for id in 0..3 {
        let text = Value::Union(0, Box::new(Value::String(format!("t{id}"))));
        let more = Value::Map([("rate".to_string(), Value::Double(0.25))].into());
        let fields = [("text", text), ("more", more), ("id", Value::Int(id))];
        writer.append_value(Value::Record(fields.map(|(n, v)| (n.to_string(), v)).into())).unwrap();
        writer.flush().unwrap();
    }
    let file = writer.into_inner().unwrap();
    assert_eq!(show(&read(table(), &file).unwrap()[0]), ["0|t0", "1|t1", "2|t2"]);
    let wider = schema(&[("none", SqlType::Int), ("id", SqlType::Double)]);
    assert_eq!(show(&read(wider, &file).unwrap()[0])[2], "NULL|2.0");
}

#[test]
fn broken_files_are_errors() {
    let file = write(&[("avro.codec", "deflate")], &[Delta::inserts(rows(0, 100))]).unwrap();
    for length in 0..file.len() {
        let cut = read(table(), &file[..length]);
        // Cut between header and block: a file without rows.
        let rows = cut.map(|batches| batches.len());
        assert!(rows.as_ref().map_or(true, |count| *count == 0), "{length}");
    }
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 0x55;
        // Whatever comes of it: no panic.
        drop(read(table(), &damaged));
    }
    let why = |file: &[u8]| read(table(), file).unwrap_err().to_string();
    assert!(why(b"{\"id\": 1}").contains("does not begin as an Avro file"));
    let text = String::from_utf8_lossy(&file).into_owned();
    assert!(text.contains("deflate"));
    let at = file.windows(7).position(|w| w == b"deflate").unwrap();
    let mut other = file.to_vec();
    other[at..at + 7].copy_from_slice(b"deflat9");
    assert!(why(&other).contains("'deflat9'"));
    let error = read(schema(&[("text!", SqlType::STRING)]), &file).unwrap_err();
    assert!(error.message.contains("record 0 of the Avro file: field 'text'"), "{error}");
    let refused = write(&[("avro.codec", "lzo")], &[]).unwrap_err();
    assert!(refused.message.contains("avro.codec"), "{refused}");
}
