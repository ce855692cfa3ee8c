//! Many versions of a schema in one batch, as the rules of Avro's schema resolution have them.

use brooklet_core::Result;
use brooklet_core::format::DecodeSpec;
use brooklet_core::types::{Nullable, RowField};

use super::decode::known;
use super::*;
use crate::avro_confluent::decode;

fn fields(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"r","fields":[{fields}]}}"#)
}

/// What becomes of records of these schemas, which are numbered from 1.
fn read(
    table: &SchemaRef,
    schema: Option<&str>,
    writers: &[(&str, Vec<(&str, Value)>)],
) -> Result<Vec<String>> {
    let options = schema.map_or(options_of(&[]), |text| options_of(&[("schema", text)]));
    let mut decoder = decode::open(&DecodeSpec::new(table.clone(), options))?;
    let mut records = Vec::new();
    for (id, (schema, values)) in (1u32..).zip(writers) {
        decoder.learn(&[known(id, schema)]);
        records.push(record(id, schema, values.clone()));
    }
    let batch = batch(&records);
    let decoded = decoder.decode(&batch, 0..batch.len());
    let reasons = decoded.bad.into_iter().map(|bad| format!("bad: {}", bad.reason));
    Ok(show(&decoded.rows.rows).into_iter().chain(reasons).collect())
}

#[test]
fn fields_come_and_go_and_grow() {
    let v1 = fields(r#"{"name":"id","type":"int"},{"name":"name","type":"string"}"#);
    let v2 = fields(
        r#"{"name":"id","type":"int"},{"name":"name","type":["null","string"]},
           {"name":"mail","type":["null","string"],"default":null},{"name":"score","type":"int"}"#,
    );
    let v3 = fields(
        r#"{"name":"extra","type":{"type":"array","items":"string"}},
           {"name":"score","type":["double","null"]},{"name":"id","type":"long"}"#,
    );
    let v4 = fields(r#"{"name":"score","type":"float"},{"name":"id","type":["int","long"]}"#);
    let table = table(&[
        ("id!", SqlType::BigInt),
        ("name", SqlType::STRING),
        ("mail", SqlType::STRING),
        ("score", SqlType::Double),
    ]);
    let rows = read(
        &table,
        None,
        &[
            (&v1, vec![("id", Value::Int(1)), ("name", text("a"))]),
            (
                &v2,
                vec![
                    ("id", Value::Int(2)),
                    ("name", branch(0, Value::Null)),
                    ("mail", branch(1, text("m"))),
                    ("score", Value::Int(3)),
                ],
            ),
            (
                &v3,
                vec![
                    ("extra", Value::Array(vec![text("e")])),
                    ("score", branch(0, Value::Double(0.5))),
                    ("id", Value::Long(1 << 40)),
                ],
            ),
            (&v4, vec![("score", Value::Float(1.5)), ("id", branch(1, Value::Long(4)))]),
            (&v1, vec![("id", Value::Int(5)), ("name", text("e"))]),
        ],
    );
    let expected = [
        "1|a|NULL|NULL",
        "2|NULL|m|3.0",
        "1099511627776|NULL|NULL|0.5",
        "4|NULL|NULL|1.5",
        "5|e|NULL|NULL",
    ];
    assert_eq!(rows.unwrap(), expected);
}

#[test]
fn a_branch_that_does_not_fit_is_a_fault_of_its_records_alone() {
    let writer = fields(r#"{"name":"v","type":["null","string",{"type":"array","items":"int"}]}"#);
    let only = fields(r#"{"name":"v","type":["null",{"type":"array","items":"int"}]}"#);
    let table = table(&[("v", SqlType::STRING)]);
    let array = || Value::Array(vec![Value::Int(1)]);
    let rows = read(
        &table,
        None,
        &[
            (&writer, vec![("v", branch(1, text("x")))]),
            (&writer, vec![("v", branch(2, array()))]),
            (&writer, vec![("v", branch(0, Value::Null))]),
            (&only, vec![("v", branch(0, Value::Null))]),
        ],
    );
    let expected = [
        "x",
        "NULL",
        "bad: schema 2: field 'v': the column cannot take this type",
        "bad: schema 4: STRING cannot take Avro's array (column 'v')",
    ];
    assert_eq!(rows.unwrap(), expected);
}

/// The reader's schema has a default for each kind of type; the writer wrote one field of ten.
#[test]
fn defaults_of_the_readers_schema_stand_for_what_was_not_written() {
    let reader = fields(
        r#"{"name":"id","type":"int"},
           {"name":"t","type":"string","default":"é"},
           {"name":"b","type":"boolean","default":true},
           {"name":"l","type":"long","default":-7},
           {"name":"d","type":"double","default":2.5},
           {"name":"f","type":"float","default":1},
           {"name":"y","type":"bytes","default":"\u0001\u00ff"},
           {"name":"n","type":["null","string"],"default":null},
           {"name":"u","type":["string","null"],"default":"u"},
           {"name":"e","type":{"type":"enum","name":"e","symbols":["A","B"]},"default":"B"},
           {"name":"a","type":{"type":"array","items":"int"},"default":[1,2]},
           {"name":"m","type":{"type":"map","values":"int"},"default":{"k":3}},
           {"name":"r","type":{"type":"record","name":"in","fields":[
             {"name":"x","type":"int","default":9},{"name":"y","type":"string"}]},
             "default":{"y":"in"}}"#,
    );
    let nullable = |ty| Nullable { ty, nullable: true };
    let inner = |name: &str, ty| RowField { name: name.to_string(), ty: nullable(ty) };
    let table = table(&[
        ("id", SqlType::Int),
        ("t!", SqlType::STRING),
        ("b!", SqlType::Boolean),
        ("l!", SqlType::BigInt),
        ("d!", SqlType::Double),
        ("f!", SqlType::Float),
        ("y!", SqlType::BYTES),
        ("n", SqlType::STRING),
        ("u", SqlType::STRING),
        ("e!", SqlType::STRING),
        ("a!", SqlType::Array(Box::new(nullable(SqlType::Int)))),
        (
            "m!",
            SqlType::Map(
                Box::new(Nullable { ty: SqlType::STRING, nullable: false }),
                Box::new(nullable(SqlType::Int)),
            ),
        ),
        ("r!", SqlType::Row(vec![inner("x", SqlType::Int), inner("y", SqlType::STRING)])),
    ]);
    let writer = fields(r#"{"name":"id","type":"int"}"#);
    let rows = read(&table, Some(&reader), &[(&writer, vec![("id", Value::Int(1))])]);
    assert_eq!(rows.unwrap(), ["1|é|true|-7|2.5|1.0|01ff|NULL|u|B|[1, 2]|{k: 3}|{x: 9, y: in}"]);
}

#[test]
fn aliases_are_other_names_of_a_column_also_inside_of_rows() {
    let reader = fields(
        r#"{"name":"id","aliases":["number","no"],"type":"int"},
           {"name":"at","type":["null",{"type":"record","name":"place","fields":[
             {"name":"town","aliases":["city"],"type":"string"},
             {"name":"zip","type":"int","default":0}]}],"default":null}"#,
    );
    let town =
        |name: &str, ty| RowField { name: name.to_string(), ty: Nullable { ty, nullable: true } };
    let table = table(&[
        ("id!", SqlType::Int),
        ("at", SqlType::Row(vec![town("town", SqlType::STRING), town("zip", SqlType::Int)])),
    ]);
    let old = fields(
        r#"{"name":"no","type":"int"},{"name":"at","type":{"type":"record","name":"x",
           "fields":[{"name":"city","type":"string"}]}}"#,
    );
    let new = fields(r#"{"name":"id","type":"int"},{"name":"number","type":"string"}"#);
    let place = Value::Record(vec![("city".to_string(), text("Ulm"))]);
    let rows = read(
        &table,
        Some(&reader),
        &[
            (&old, vec![("no", Value::Int(1)), ("at", place)]),
            (&new, vec![("id", Value::Int(2)), ("number", text("other"))]),
        ],
    );
    assert_eq!(rows.unwrap(), ["1|{town: Ulm, zip: 0}", "2|NULL"]);
}

#[test]
fn without_a_default_a_field_that_the_reader_has_must_be_written() {
    let reader = fields(r#"{"name":"id","type":"int"},{"name":"v","type":["null","int"]}"#);
    let table = table(&[("id", SqlType::Int), ("v", SqlType::Int)]);
    let writer = fields(r#"{"name":"id","type":"int"}"#);
    let rows = read(&table, Some(&reader), &[(&writer, vec![("id", Value::Int(1))])]);
    assert_eq!(
        rows.unwrap(),
        [
            "bad: schema 1: the writer's schema has no field 'v', and the reader's has no default for \
          it"
        ]
    );
}

#[test]
fn a_readers_schema_that_is_not_the_tables_is_an_error_at_the_start() {
    let table = table(&[("id!", SqlType::Int)]);
    let fault = |schema: &str| read(&table, Some(schema), &[]).unwrap_err().to_string();
    for (schema, says) in [
        ("{", "the text is no Avro schema"),
        (&fields(r#"{"name":"other","type":"int"}"#), "no field for column 'id'"),
        (&fields(r#"{"name":"id","type":"string"}"#), "INT cannot take Avro's string"),
    ] {
        let fault = fault(schema);
        assert!(fault.contains(says) && fault.contains("'avro-confluent.schema'"), "{fault}");
    }
}
