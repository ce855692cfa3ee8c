//! Flink's SQL types and the Arrow types that carry them.
//!
//! What Arrow cannot say (the n of VARCHAR(n), the p of TIMESTAMP(p)) travels in the field's
//! metadata under [`SQL_TYPE`], written as Flink writes the type.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, IntervalUnit, TimeUnit};

/// Field metadata key that holds the SQL type's text.
pub const SQL_TYPE: &str = "sql_type";
/// Metadata of a MAP's key: its type is NOT NULL. Arrow's keys never hold a NULL.
const KEY_NOT_NULL: &str = "not_null";
/// What Arrow calls a MAP's pairs, and those of a MULTISET: a value and how often it is there.
const ENTRIES: &str = "entries";
const COUNTED: &str = "counted";
/// The length of STRING, which is VARCHAR(2147483647).
pub const MAX_LENGTH: u32 = 2_147_483_647;
/// The Arrow time zone of TIMESTAMP_LTZ columns: instants.
pub const UTC: &str = "UTC";

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SqlType {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    Decimal(u8, u8),
    Char(u32),
    Varchar(u32),
    Binary(u32),
    Varbinary(u32),
    Date,
    Time(u8),
    Timestamp(u8),
    TimestampLtz(u8),
    IntervalYearMonth,
    IntervalDaySecond,
    Array(Box<Nullable>),
    Multiset(Box<Nullable>),
    Map(Box<Nullable>, Box<Nullable>),
    Row(Vec<RowField>),
}

/// A type in a place that says whether NULL may stand there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Nullable {
    pub ty: SqlType,
    pub nullable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowField {
    pub name: String,
    pub ty: Nullable,
}

impl SqlType {
    pub const STRING: SqlType = SqlType::Varchar(MAX_LENGTH);
    pub const BYTES: SqlType = SqlType::Varbinary(MAX_LENGTH);

    /// The Arrow type that carries values of this type. TIMESTAMP(p) is kept in milliseconds up
    /// to p = 3, microseconds up to 6, nanoseconds above.
    pub fn arrow(&self) -> DataType {
        match self {
            SqlType::Boolean => DataType::Boolean,
            SqlType::TinyInt => DataType::Int8,
            SqlType::SmallInt => DataType::Int16,
            SqlType::Int => DataType::Int32,
            SqlType::BigInt => DataType::Int64,
            SqlType::Float => DataType::Float32,
            SqlType::Double => DataType::Float64,
            SqlType::Decimal(p, s) => DataType::Decimal128(*p, *s as i8),
            SqlType::Char(_) | SqlType::Varchar(_) => DataType::Utf8,
            SqlType::Binary(_) | SqlType::Varbinary(_) => DataType::Binary,
            SqlType::Date => DataType::Date32,
            SqlType::Time(_) => DataType::Time32(TimeUnit::Millisecond),
            SqlType::Timestamp(p) => DataType::Timestamp(unit(*p), None),
            SqlType::TimestampLtz(p) => DataType::Timestamp(unit(*p), Some(UTC.into())),
            SqlType::IntervalYearMonth | SqlType::IntervalDaySecond => {
                DataType::Interval(IntervalUnit::MonthDayNano)
            }
            SqlType::Array(item) => DataType::List(Arc::new(item.field("item"))),
            SqlType::Multiset(item) => {
                pairs(COUNTED, item, &Nullable { ty: SqlType::Int, nullable: false })
            }
            SqlType::Map(key, value) => pairs(ENTRIES, key, value),
            SqlType::Row(fields) => DataType::Struct(row_fields(fields)),
        }
    }

    /// A column of this type.
    pub fn field(&self, name: &str, nullable: bool) -> Field {
        let field = Field::new(name, self.arrow(), nullable);
        if SqlType::from_arrow(field.data_type()).as_ref() == Some(self) {
            return field;
        }
        field.with_metadata([(SQL_TYPE.to_string(), self.to_string())].into())
    }

    /// The type of a field: what its metadata says, or what its Arrow type stands for.
    pub fn of_field(field: &Field) -> Option<SqlType> {
        let plain = SqlType::from_arrow(field.data_type())?;
        let said = field.metadata().get(SQL_TYPE).and_then(|text| annotated(text));
        Some(said.filter(|ty| ty.arrow() == *field.data_type()).unwrap_or(plain))
    }

    /// The type an Arrow type stands for when its field says nothing more.
    pub fn from_arrow(ty: &DataType) -> Option<SqlType> {
        Some(match ty {
            DataType::Boolean => SqlType::Boolean,
            DataType::Int8 => SqlType::TinyInt,
            DataType::Int16 => SqlType::SmallInt,
            DataType::Int32 => SqlType::Int,
            DataType::Int64 => SqlType::BigInt,
            DataType::Float32 => SqlType::Float,
            DataType::Float64 => SqlType::Double,
            DataType::Decimal128(p, s) if *s >= 0 => SqlType::Decimal(*p, *s as u8),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::STRING,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => SqlType::BYTES,
            DataType::Date32 => SqlType::Date,
            DataType::Time32(_) | DataType::Time64(_) => SqlType::Time(0),
            DataType::Timestamp(u, None) => SqlType::Timestamp(precision(*u)),
            DataType::Timestamp(u, Some(_)) => SqlType::TimestampLtz(precision(*u)),
            DataType::Interval(IntervalUnit::YearMonth) => SqlType::IntervalYearMonth,
            DataType::Interval(_) => SqlType::IntervalDaySecond,
            DataType::List(item) => SqlType::Array(Box::new(Nullable::of(item)?)),
            DataType::Map(entries, _) => {
                let DataType::Struct(kv) = entries.data_type() else { return None };
                let nullable = !kv[0].metadata().contains_key(KEY_NOT_NULL);
                let key = Box::new(Nullable { nullable, ..Nullable::of(&kv[0])? });
                match entries.name().as_str() {
                    COUNTED => SqlType::Multiset(key),
                    _ => SqlType::Map(key, Box::new(Nullable::of(&kv[1])?)),
                }
            }
            DataType::Struct(fields) => {
                let field = |f: &Arc<Field>| {
                    Some(RowField { name: f.name().clone(), ty: Nullable::of(f)? })
                };
                SqlType::Row(fields.iter().map(field).collect::<Option<_>>()?)
            }
            DataType::Null => SqlType::Varchar(0),
            _ => return None,
        })
    }
}

impl Nullable {
    fn field(&self, name: &str) -> Field {
        self.ty.field(name, self.nullable)
    }
    fn of(field: &Field) -> Option<Nullable> {
        let ty = SqlType::of_field(field)?;
        Some(Nullable { ty, nullable: field.is_nullable() })
    }
}

fn row_fields(fields: &[RowField]) -> Fields {
    fields.iter().map(|f| f.ty.field(&f.name)).collect()
}

fn pairs(name: &str, key: &Nullable, value: &Nullable) -> DataType {
    let mut first = key.ty.field("key", false);
    if !key.nullable {
        let mut said = first.metadata().clone();
        said.insert(KEY_NOT_NULL.to_string(), "true".to_string());
        first = first.with_metadata(said);
    }
    let entries = Fields::from(vec![first, value.field("value")]);
    DataType::Map(Arc::new(Field::new(name, DataType::Struct(entries), false)), false)
}

/// Reads the types with a length or precision that Arrow has no room for, and intervals.
fn annotated(text: &str) -> Option<SqlType> {
    if text == SqlType::IntervalYearMonth.to_string() {
        return Some(SqlType::IntervalYearMonth);
    }
    let (name, rest) = text.split_once('(')?;
    let number = rest.strip_suffix(')')?;
    let length = || number.parse::<u32>().ok();
    let precision = || number.parse::<u8>().ok();
    Some(match name {
        "CHAR" => SqlType::Char(length()?),
        "VARCHAR" => SqlType::Varchar(length()?),
        "BINARY" => SqlType::Binary(length()?),
        "VARBINARY" => SqlType::Varbinary(length()?),
        "TIME" => SqlType::Time(precision()?),
        "TIMESTAMP" => SqlType::Timestamp(precision()?),
        "TIMESTAMP_LTZ" => SqlType::TimestampLtz(precision()?),
        _ => return None,
    })
}

fn unit(precision: u8) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

fn precision(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 3,
        TimeUnit::Microsecond => 6,
        TimeUnit::Nanosecond => 9,
    }
}

/// As Flink prints types.
impl fmt::Display for SqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SqlType::Boolean => f.write_str("BOOLEAN"),
            SqlType::TinyInt => f.write_str("TINYINT"),
            SqlType::SmallInt => f.write_str("SMALLINT"),
            SqlType::Int => f.write_str("INT"),
            SqlType::BigInt => f.write_str("BIGINT"),
            SqlType::Float => f.write_str("FLOAT"),
            SqlType::Double => f.write_str("DOUBLE"),
            SqlType::Decimal(p, s) => write!(f, "DECIMAL({p}, {s})"),
            SqlType::Char(n) => write!(f, "CHAR({n})"),
            SqlType::Varchar(MAX_LENGTH) => f.write_str("STRING"),
            SqlType::Varchar(n) => write!(f, "VARCHAR({n})"),
            SqlType::Binary(n) => write!(f, "BINARY({n})"),
            SqlType::Varbinary(MAX_LENGTH) => f.write_str("BYTES"),
            SqlType::Varbinary(n) => write!(f, "VARBINARY({n})"),
            SqlType::Date => f.write_str("DATE"),
            SqlType::Time(p) => write!(f, "TIME({p})"),
            SqlType::Timestamp(p) => write!(f, "TIMESTAMP({p})"),
            SqlType::TimestampLtz(p) => write!(f, "TIMESTAMP_LTZ({p})"),
            SqlType::IntervalYearMonth => f.write_str("INTERVAL MONTH"),
            SqlType::IntervalDaySecond => f.write_str("INTERVAL SECOND(3)"),
            SqlType::Array(item) => write!(f, "ARRAY<{item}>"),
            SqlType::Multiset(item) => write!(f, "MULTISET<{item}>"),
            SqlType::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            SqlType::Row(fields) => {
                let each: Vec<String> =
                    fields.iter().map(|x| format!("`{}` {}", x.name, x.ty)).collect();
                write!(f, "ROW<{}>", each.join(", "))
            }
        }
    }
}

impl fmt::Display for Nullable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.ty, if self.nullable { "" } else { " NOT NULL" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrow_carries_multisets_and_keys() {
        let of = |ty: SqlType, nullable| Box::new(Nullable { ty, nullable });
        for ty in [
            SqlType::Multiset(of(SqlType::Char(3), true)),
            SqlType::Multiset(of(SqlType::BigInt, false)),
            SqlType::Map(of(SqlType::STRING, true), of(SqlType::Int, true)),
            SqlType::Map(of(SqlType::Varchar(2), false), of(SqlType::Char(1), false)),
        ] {
            assert_eq!(SqlType::from_arrow(&ty.arrow()), Some(ty));
        }
    }
}
