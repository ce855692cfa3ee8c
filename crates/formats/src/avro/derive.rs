//! The Avro schema that follows from a table's columns, as Flink derives it.

use std::collections::BTreeSet;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use brooklet_core::types::{SQL_TYPE, SqlType};
use brooklet_core::{Error, Result};

/// The schema's JSON text. `legacy`: TIMESTAMP is timestamp-millis, and nothing else is a time.
pub(crate) fn schema(fields: &Fields, legacy: bool) -> Result<String> {
    let mut derive = Derive { legacy, text: String::new(), names: BTreeSet::new() };
    derive.record(fields, "record", Some("org.apache.flink.avro.generated"))?;
    Ok(derive.text)
}

struct Derive {
    legacy: bool,
    text: String,
    /// Of records so far: each has a name of its own.
    names: BTreeSet<String>,
}

impl Derive {
    fn record(&mut self, fields: &Fields, name: &str, namespace: Option<&str>) -> Result<()> {
        let mut own = name.to_string();
        while !self.names.insert(own.clone()) {
            own.push('_');
        }
        self.text.push_str(&format!("{{\"type\":\"record\",\"name\":\"{own}\""));
        if let Some(namespace) = namespace {
            self.text.push_str(&format!(",\"namespace\":\"{namespace}\""));
        }
        self.text.push_str(",\"fields\":[");
        for (i, field) in fields.iter().enumerate() {
            check_name(field.name())?;
            let comma = if i > 0 { "," } else { "" };
            self.text.push_str(&format!("{comma}{{\"name\":\"{}\",\"type\":", field.name()));
            self.field(field, &format!("{name}_{}", field.name()))
                .map_err(|e| e.at(format!("column '{}'", field.name())))?;
            self.text.push_str(if field.is_nullable() { ",\"default\":null}" } else { "}" });
        }
        self.text.push_str("]}");
        Ok(())
    }

    /// The type of a column, an element or a value; `name`: of a record in it.
    fn field(&mut self, field: &Field, name: &str) -> Result<()> {
        if field.is_nullable() {
            self.text.push_str("[\"null\",");
        }
        match field.data_type() {
            DataType::Struct(fields) => self.record(fields, name, None)?,
            DataType::List(item) => {
                self.text.push_str("{\"type\":\"array\",\"items\":");
                self.field(item, name)?;
                self.text.push('}');
            }
            DataType::Map(entries, _) => {
                let DataType::Struct(entries) = entries.data_type() else {
                    return Err(Error::bug("a map without entries"));
                };
                if entries[0].data_type() != &DataType::Utf8 {
                    return Err(Error::config("Avro has no keys other than STRING in a MAP"));
                }
                self.text.push_str("{\"type\":\"map\",\"values\":");
                // Flink's counts of a MULTISET may be NULL.
                let multiset = SqlType::from_arrow(field.data_type());
                let multiset = matches!(multiset, Some(SqlType::Multiset(_)));
                let value = entries[1].as_ref().clone();
                let nullable = value.is_nullable() || multiset;
                self.field(&value.with_nullable(nullable), name)?;
                self.text.push('}');
            }
            _ => self.scalar(field)?,
        }
        if field.is_nullable() {
            self.text.push(']');
        }
        Ok(())
    }

    fn scalar(&mut self, field: &Field) -> Result<()> {
        let plain = match field.data_type() {
            DataType::Boolean => "boolean",
            DataType::Int8 | DataType::Int16 | DataType::Int32 => "int",
            DataType::Int64 => "long",
            DataType::Float32 => "float",
            DataType::Float64 => "double",
            DataType::Utf8 => "string",
            DataType::Binary => "bytes",
            _ => "",
        };
        if !plain.is_empty() {
            self.text.push_str(&format!("\"{plain}\""));
            return Ok(());
        }
        let (base, logical) = match field.data_type() {
            DataType::Decimal128(precision, scale) => {
                let decimal = format!("decimal\",\"precision\":{precision},\"scale\":{scale}");
                self.text.push_str(&format!("{{\"type\":\"bytes\",\"logicalType\":\"{decimal}}}"));
                return Ok(());
            }
            DataType::Date32 => ("int", "date"),
            DataType::Time32(_) => ("int", time(field)?),
            DataType::Timestamp(unit, zone) => ("long", self.timestamp(*unit, zone.is_some())?),
            other => {
                let ty = SqlType::from_arrow(other);
                let ty = ty.map_or_else(|| other.to_string(), |ty| ty.to_string());
                return Err(Error::config(format!("Avro cannot carry type {ty}")));
            }
        };
        self.text.push_str(&format!("{{\"type\":\"{base}\",\"logicalType\":\"{logical}\"}}"));
        Ok(())
    }

    fn timestamp(&self, unit: TimeUnit, utc: bool) -> Result<&'static str> {
        let precise = !matches!(unit, TimeUnit::Second | TimeUnit::Millisecond);
        if self.legacy && (utc || precise) {
            return Err(Error::config(
                "Avro's old mapping has TIMESTAMP(0) to (3) only: set \
                 'avro.timestamp_mapping.legacy' = 'false'",
            ));
        }
        Ok(match (utc || self.legacy, unit) {
            (true, TimeUnit::Second | TimeUnit::Millisecond) => "timestamp-millis",
            (true, TimeUnit::Microsecond) => "timestamp-micros",
            (true, TimeUnit::Nanosecond) => "timestamp-nanos",
            (false, TimeUnit::Second | TimeUnit::Millisecond) => "local-timestamp-millis",
            (false, TimeUnit::Microsecond) => "local-timestamp-micros",
            (false, TimeUnit::Nanosecond) => "local-timestamp-nanos",
        })
    }
}

fn time(field: &Field) -> Result<&'static str> {
    let declared = field.metadata().get(SQL_TYPE).map(String::as_str);
    if !matches!(declared, None | Some("TIME(0)" | "TIME(1)" | "TIME(2)" | "TIME(3)")) {
        return Err(Error::config("Avro has TIME(0) to TIME(3) only"));
    }
    Ok("time-millis")
}

fn check_name(name: &str) -> Result<()> {
    let fits = |(i, c): (usize, char)| {
        c == '_' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit())
    };
    if !name.is_empty() && name.chars().enumerate().all(fits) {
        return Ok(());
    }
    Err(Error::config(format!(
        "column '{name}': names in Avro are letters of ASCII, digits and '_', and begin with no \
         digit"
    )))
}
