//! Records are written and read by the apache-avro crate; registries are a real one and, for
//! answers that it does not give, a server of a few lines.

use std::sync::Arc;

use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::util::display::array_value_to_string;
use brooklet_core::options::Options;
use brooklet_core::raw::RawBatch;
use brooklet_core::types::SqlType;

mod decode;
mod evolution;
mod options;
mod registry;

/// Columns that may be NULL, unless their name ends in `!`.
fn table(columns: &[(&str, SqlType)]) -> SchemaRef {
    let field = |(name, ty): &(&str, SqlType)| match name.strip_suffix('!') {
        Some(name) => ty.field(name, false),
        None => ty.field(name, true),
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

fn options_of(pairs: &[(&str, &str)]) -> Options {
    Options(pairs.iter().map(|(k, v)| (format!("avro-confluent.{k}"), v.to_string())).collect())
}

fn batch<T: AsRef<[u8]>>(records: &[T]) -> RawBatch {
    let mut all = Vec::new();
    let mut ranges = Vec::new();
    for (i, record) in records.iter().enumerate() {
        let start = all.len();
        all.extend_from_slice(record.as_ref());
        ranges.push((start..all.len(), i as i64));
    }
    RawBatch::from_buffer(all.into(), &ranges)
}

/// A record of that schema: its fields in their order.
fn record(id: u32, schema: &str, fields: Vec<(&str, Value)>) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(schema).unwrap();
    let writer = GenericDatumWriter::builder(&schema).build().unwrap();
    let fields = fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let mut record = vec![0];
    record.extend(id.to_be_bytes());
    record.extend(writer.write_value_to_vec(Value::Record(fields)).unwrap());
    record
}

fn text(text: &str) -> Value {
    Value::String(text.to_string())
}

/// The value of a branch of a union.
fn branch(branch: u32, value: Value) -> Value {
    Value::Union(branch, Box::new(value))
}

/// Each row's values as text, joined by `|`; NULL where there is none.
fn show(rows: &RecordBatch) -> Vec<String> {
    let cell = |c: &Arc<dyn Array>, i| match c.is_null(i) {
        true => "NULL".to_string(),
        false => array_value_to_string(c, i).unwrap(),
    };
    let row = |i| rows.columns().iter().map(|c| cell(c, i)).collect::<Vec<_>>().join("|");
    (0..rows.num_rows()).map(row).collect()
}
