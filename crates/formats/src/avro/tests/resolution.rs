//! Records of a schema that is given, to and from a table's columns by name. Records are written
//! and read by the apache-avro crate.

use super::*;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use brooklet_core::Result;
use std::io::Write;

const WRITER: &str = r#"{
  "type": "record", "name": "order", "namespace": "shop", "fields": [
    {"name": "id", "type": "int"},
    {"name": "state", "type": {"type": "enum", "name": "state", "symbols": ["NEW", "PAID"]}},
    {"name": "skipped", "type": {"type": "array", "items": {"type": "record", "name": "item",
      "fields": [{"name": "next", "type": ["null", "item"]},
                 {"name": "marks", "type": {"type": "map", "values": "state"}}]}}},
    {"name": "price", "type": {"type": "fixed", "name": "money", "size": 4,
      "logicalType": "decimal", "precision": 9, "scale": 3}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "time", "type": ["null", {"type": "long", "logicalType": "time-micros"}]},
    {"name": "ratio", "type": ["int", "null", "float"]},
    {"name": "key", "type": {"type": "string", "logicalType": "uuid"}},
    {"name": "hash", "type": {"type": "fixed", "name": "hash", "size": 2}},
    {"name": "address", "type": ["null", {"type": "record", "name": "address", "fields": [
      {"name": "town", "type": "string"}, {"name": "zip", "type": "int"}]}]}
  ]}"#;

const KEY: &str = "67e55044-10b1-426f-9247-bb680e5fe0c8";

fn order() -> Value {
    let record = |fields: Vec<(&str, Value)>| {
        Value::Record(fields.into_iter().map(|(name, v)| (name.to_string(), v)).collect())
    };
    let some = |branch, value| Value::Union(branch, Box::new(value));
    let paid = || Value::Enum(1, "PAID".to_string());
    let marks = || ("marks", Value::Map([("m".to_string(), paid())].into()));
    let last = record(vec![("next", some(0, Value::Null)), marks()]);
    let item = record(vec![("next", some(1, last)), marks()]);
    record(vec![
        ("id", Value::Int(7)),
        ("state", paid()),
        ("skipped", Value::Array(vec![item])),
        ("price", Value::Decimal((-1235i32).to_be_bytes().into())),
        ("at", Value::TimestampMicros(1_700_000_000_123_456)),
        ("time", some(1, Value::TimeMicros(37_800_500_999))),
        ("ratio", some(2, Value::Float(0.5))),
        ("key", Value::Uuid(KEY.parse().unwrap())),
        ("hash", Value::Fixed(2, vec![0xab, 0xcd])),
        (
            "address",
            some(
                1,
                record(vec![("town", Value::String("Ulm".into())), ("zip", Value::Int(89073))]),
            ),
        ),
    ])
}

/// As the column's options have it: the file lives as long as what is returned.
fn schema_file(text: &str) -> (tempfile::NamedTempFile, Options) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let pairs = [("brooklet.avro.schema-file", file.path().to_str().unwrap())];
    let options = options(&pairs);
    (file, options)
}

/// The order read into these columns.
fn read(columns: &[(&str, SqlType)]) -> Result<String> {
    let writer = apache_avro::Schema::parse_str(WRITER).unwrap();
    let writer = GenericDatumWriter::builder(&writer).build().unwrap();
    let record = writer.write_value_to_vec(order()).unwrap();
    let (_file, options) = schema_file(WRITER);
    let spec = DecodeSpec::new(schema(columns), options);
    super::super::decode::open(&spec)?;
    let decoded = decode(&spec, &[record]);
    assert_eq!(decoded.bad, []);
    Ok(show(&decoded.rows.rows).remove(0))
}

#[test]
fn columns_are_found_by_name_in_any_order() {
    let address =
        row(&[("zip", SqlType::BigInt), ("none", SqlType::Int), ("town", SqlType::STRING)]);
    let columns = [
        ("address", address),
        ("missing", SqlType::Date),
        ("id!", SqlType::BigInt),
        ("state", SqlType::STRING),
        ("price", SqlType::Decimal(5, 2)),
        ("at", SqlType::Timestamp(3)),
        ("time", SqlType::Time(3)),
        ("ratio", SqlType::Double),
        ("key", SqlType::STRING),
        ("hash", SqlType::BYTES),
    ];
    assert_eq!(
        read(&columns).unwrap(),
        format!(
            "{{zip: 89073, none: , town: Ulm}}|NULL|7|PAID|-1.24|2023-11-14T22:13:20.123|\
             10:30:00.500|0.5|{KEY}|abcd"
        )
    );
}

#[test]
fn types_are_promoted() {
    for (name, ty, text) in [
        ("id", SqlType::SmallInt, "7"),
        ("id", SqlType::Float, "7.0"),
        ("at", SqlType::TimestampLtz(6), "2023-11-14T22:13:20.123456Z"),
        ("at", SqlType::Timestamp(9), "2023-11-14T22:13:20.123456"),
        ("at", SqlType::BigInt, "1700000000123456"),
        ("time", SqlType::BigInt, "37800500999"),
        ("price", SqlType::Decimal(10, 4), "-1.2350"),
        ("price", SqlType::Decimal(2, 2), "NULL"),
        ("price", SqlType::BYTES, "fffffb2d"),
    ] {
        assert_eq!(read(&[(name, ty.clone())]).unwrap(), text, "{name} {ty}");
    }
}

#[test]
fn what_does_not_fit_is_refused_at_the_start() {
    for (name, ty, why) in [
        ("at", SqlType::Int, "INT cannot take Avro's timestamp"),
        ("state", SqlType::Int, "INT cannot take Avro's enum"),
        ("ratio", SqlType::Int, "INT cannot take Avro's float"),
        ("hash", SqlType::STRING, "STRING cannot take Avro's fixed"),
        ("address", row(&[("zip!", SqlType::STRING)]), "column 'zip'"),
        ("nothing!", SqlType::Int, "'nothing' is NOT NULL, but"),
    ] {
        let error = read(&[(name, ty)]).unwrap_err().to_string();
        assert!(error.contains(why), "{name}: {error}");
    }
    let (file, options) = schema_file("{}");
    let spec = DecodeSpec::new(schema(&[]), options);
    let error = super::super::decode::open(&spec).err().unwrap();
    assert!(error.to_string().contains("no Avro schema"), "{error}");
    drop(file);
    let error = super::super::decode::open(&spec).err().unwrap();
    assert!(error.message.contains("schema-file"), "{error}");
}

#[test]
fn rows_are_written_with_the_given_schema() {
    const GIVEN: &str = r#"{"type": "record", "name": "r", "fields": [
        {"name": "extra", "type": ["null", "int"]},
        {"name": "price", "type": {"type": "fixed", "name": "money", "size": 3,
          "logicalType": "decimal", "precision": 5, "scale": 2}},
        {"name": "state", "type": [{"type": "enum", "name": "s", "symbols": ["NEW", "PAID"]}, "null"]},
        {"name": "at", "type": {"type": "long", "logicalType": "local-timestamp-micros"}},
        {"name": "ratio", "type": ["null", "int", "double"]}]}"#;
    let columns = [
        ("state", SqlType::STRING),
        ("at", SqlType::Timestamp(3)),
        ("ratio", SqlType::Float),
        ("price", SqlType::Decimal(5, 2)),
    ];
    let (file, with_given) = schema_file(GIVEN);
    let table = schema(&columns);
    // By the derived schema: 'PAID', 1700000000123 ms, 0.5, -1.24.
    let derived = "02085041494402f6a1abfef962020000003f020284";
    let rows = decode(&DecodeSpec::new(table.clone(), Options::default()), &[bytes(derived)]);
    assert_eq!(rows.bad, []);
    let encode = |options: &Options| -> Result<Vec<u8>> {
        let spec = EncodeSpec { schema: table.clone(), options: options.clone() };
        Ok(super::super::encode::open(&spec)?.encode(&rows.rows)?.bytes)
    };
    let written = encode(&with_given).unwrap();
    let given = apache_avro::Schema::parse_str(GIVEN).unwrap();
    let reader = GenericDatumReader::builder(&given).build().unwrap();
    let Value::Record(fields) = reader.read_value(&mut written.as_slice()).unwrap() else {
        panic!("a record")
    };
    let some = |branch, value| Value::Union(branch, Box::new(value));
    let texts: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name} {value:?}")).collect();
    let wanted = [
        ("extra", some(0, Value::Null)),
        ("price", Value::Decimal(vec![0xff, 0xff, 0x84].into())),
        ("state", some(0, Value::Enum(1, "PAID".into()))),
        ("at", Value::LocalTimestampMicros(1_700_000_000_123_000)),
        ("ratio", some(2, Value::Double(0.5))),
    ];
    assert_eq!(texts, wanted.map(|(name, value)| format!("{name} {value:?}")));
    drop(file);

    for (from, to, why) in [
        ("\"NEW\", \"PAID\"", "\"NEW\"", "'PAID' is no symbol"),
        ("\"size\": 3", "\"size\": 0", "does not fit into 0 bytes"),
        ("\"scale\": 2", "\"scale\": 1", "cannot hold DECIMAL(5, 2)"),
        ("\"ratio\"", "\"other\"", "no field for column 'ratio'"),
        ("[\"null\", \"int\"]", "\"int\"", "no union with null and has no column"),
        ("\"int\", \"double\"", "\"int\", \"string\"", "cannot hold FLOAT"),
    ] {
        let (_file, options) = schema_file(&GIVEN.replace(from, to));
        let error = encode(&options).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}
