//! Schemas that follow from columns.

use super::*;

const SCALARS: &str = r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[
{"name":"b","type":["null","boolean"],"default":null},
{"name":"t","type":["null","int"],"default":null},
{"name":"s","type":["null","int"],"default":null},
{"name":"i","type":"int"},
{"name":"l","type":["null","long"],"default":null},
{"name":"f","type":["null","float"],"default":null},
{"name":"d","type":["null","double"],"default":null},
{"name":"c","type":["null","string"],"default":null},
{"name":"v","type":"string"},
{"name":"y","type":["null","bytes"],"default":null},
{"name":"n","type":["null",{"type":"bytes","logicalType":"decimal","precision":10,"scale":2}],"default":null},
{"name":"dt","type":["null",{"type":"int","logicalType":"date"}],"default":null},
{"name":"tm","type":["null",{"type":"int","logicalType":"time-millis"}],"default":null},
{"name":"ts","type":["null",{"type":"long","logicalType":"timestamp-millis"}],"default":null}]}"#;

const NESTED: &str = r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated","fields":[
{"name":"r","type":["null",{"type":"record","name":"record_r","fields":[
{"name":"x","type":["null","int"],"default":null},
{"name":"r","type":["null",{"type":"record","name":"record_r_r","fields":[
{"name":"y","type":["null","string"],"default":null}]}],"default":null}]}],"default":null},
{"name":"a","type":["null",{"type":"array","items":["null","int"]}],"default":null},
{"name":"ar","type":["null",{"type":"array","items":["null",{"type":"record","name":"record_ar","fields":[
{"name":"z","type":"int"}]}]}],"default":null},
{"name":"m","type":["null",{"type":"map","values":["null","long"]}],"default":null},
{"name":"ms","type":["null",{"type":"map","values":["null","int"]}],"default":null}]}"#;

/// Without the line breaks that make it readable here.
fn compact(text: &str) -> String {
    text.lines().map(str::trim).collect()
}

fn derived(columns: &[(&str, SqlType)], legacy: bool) -> Result<String, String> {
    let schema = super::super::derive::schema(schema(columns).fields(), legacy);
    schema.map_err(|e| e.to_string())
}

pub(super) fn scalars() -> Vec<(&'static str, SqlType)> {
    vec![
        ("b", SqlType::Boolean),
        ("t", SqlType::TinyInt),
        ("s", SqlType::SmallInt),
        ("i!", SqlType::Int),
        ("l", SqlType::BigInt),
        ("f", SqlType::Float),
        ("d", SqlType::Double),
        ("c", SqlType::Char(3)),
        ("v!", SqlType::STRING),
        ("y", SqlType::BYTES),
        ("n", SqlType::Decimal(10, 2)),
        ("dt", SqlType::Date),
        ("tm", SqlType::Time(3)),
        ("ts", SqlType::Timestamp(3)),
    ]
}

pub(super) fn nested() -> Vec<(&'static str, SqlType)> {
    vec![
        ("r", row(&[("x", SqlType::Int), ("r", row(&[("y", SqlType::STRING)]))])),
        ("a", array(SqlType::Int)),
        ("ar", array(row(&[("z!", SqlType::Int)]))),
        ("m", map(SqlType::BigInt)),
        ("ms", SqlType::Multiset(Box::new(null(SqlType::STRING)))),
    ]
}

#[test]
fn as_flink_derives_them() {
    assert_eq!(derived(&scalars(), true).unwrap(), compact(SCALARS));
    assert_eq!(derived(&nested(), true).unwrap(), compact(NESTED));
}

#[test]
fn timestamps_by_their_mapping() {
    let logical = |ty: SqlType, legacy| {
        derived(&[("x!", ty)], legacy).map(|text| {
            let start = text.find("logicalType").unwrap() + 14;
            text[start..].split('"').next().unwrap().to_string()
        })
    };
    for precision in [0, 3] {
        assert_eq!(logical(SqlType::Timestamp(precision), true).unwrap(), "timestamp-millis");
    }
    for (ty, name) in [
        (SqlType::Timestamp(3), "local-timestamp-millis"),
        (SqlType::Timestamp(6), "local-timestamp-micros"),
        (SqlType::Timestamp(9), "local-timestamp-nanos"),
        (SqlType::TimestampLtz(3), "timestamp-millis"),
        (SqlType::TimestampLtz(6), "timestamp-micros"),
    ] {
        assert_eq!(logical(ty, false).unwrap(), name);
    }
    for ty in [SqlType::Timestamp(6), SqlType::TimestampLtz(3)] {
        let refused = logical(ty, true).unwrap_err();
        assert!(refused.contains("avro.timestamp_mapping.legacy"), "{refused}");
        assert!(refused.contains("column 'x'"), "{refused}");
    }
}

#[test]
fn what_avro_has_not() {
    let int_keys = SqlType::Map(Box::new(null(SqlType::Int)), Box::new(null(SqlType::Int)));
    for (columns, why) in [
        ([("x", SqlType::Time(6))], "TIME(0) to TIME(3)"),
        ([("x", SqlType::IntervalDaySecond)], "INTERVAL"),
        ([("x", int_keys)], "STRING"),
        ([("my col", SqlType::Int)], "column 'my col'"),
        ([("1a", SqlType::Int)], "column '1a'"),
    ] {
        let refused = derived(&columns, true).unwrap_err();
        assert!(refused.contains(why), "{refused}");
    }
}

#[test]
fn records_have_names_of_their_own() {
    // Both would be record_a_b.
    let inner = row(&[("x", SqlType::Int)]);
    let columns = [("a", row(&[("b", inner.clone())])), ("a_b", inner)];
    let text = derived(&columns, true).unwrap();
    assert!(super::super::shape::Shapes::parse(&text).is_ok(), "{text}");
}
