//! Records that name their schema in a registry, written and read by hand from Avro's
//! specification.

use serde_json::{Map, Value, json};

/// A record: byte 0, the schema's number, the encoded fields.
pub fn record(schema: u32, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut record = vec![0];
    record.extend(schema.to_be_bytes());
    fields.iter().for_each(|field| record.extend(field));
    record
}

pub fn long(value: i64) -> Vec<u8> {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

pub fn text(value: &str) -> Vec<u8> {
    [long(value.len() as i64), value.as_bytes().to_vec()].concat()
}

/// A value of a branch of a union.
pub fn branch(index: i64, value: Vec<u8>) -> Vec<u8> {
    [long(index), value].concat()
}

/// The number of a record's schema and the bytes behind it.
pub fn split(record: &[u8]) -> (u32, &[u8]) {
    assert_eq!(record[0], 0, "the magic byte");
    (u32::from_be_bytes(record[1..5].try_into().expect("four bytes")), &record[5..])
}

/// The value of that schema, which takes all the bytes.
pub fn value(schema: &str, mut bytes: &[u8]) -> Value {
    let schema: Value = serde_json::from_str(schema).expect("a schema is JSON");
    let value = read(&schema, &mut bytes);
    assert!(bytes.is_empty(), "bytes behind the value");
    value
}

fn read(schema: &Value, bytes: &mut &[u8]) -> Value {
    match (schema, schema["type"].as_str()) {
        (Value::Array(branches), _) => {
            let branch = usize::try_from(number(bytes)).expect("a branch");
            read(&branches[branch], bytes)
        }
        (_, Some("record")) => {
            let fields = schema["fields"].as_array().expect("fields").iter();
            let name = |field: &Value| field["name"].as_str().expect("a name").to_string();
            let fields = fields.map(|field| (name(field), read(&field["type"], bytes)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        (Value::String(primitive), _) => match primitive.as_str() {
            "null" => Value::Null,
            "int" | "long" => json!(number(bytes)),
            "string" => {
                let length = usize::try_from(number(bytes)).expect("a length");
                let (text, rest) = bytes.split_at(length);
                *bytes = rest;
                json!(std::str::from_utf8(text).expect("UTF-8"))
            }
            other => panic!("{other} is not read here"),
        },
        (other, _) => panic!("{other} is not read here"),
    }
}

fn number(bytes: &mut &[u8]) -> i64 {
    let mut value = 0u64;
    for shift in (0..).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a number has its bytes");
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
