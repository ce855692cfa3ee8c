//! The SQL type of a column: what its metadata says, or what its Arrow type stands for.

use arrow::datatypes::Field;
use brooklet_core::types::{SQL_TYPE, SqlType};

/// The SQL type of a field. A field of an Arrow type that no SQL type stands for counts as STRING:
/// the planner has refused it before.
pub(crate) fn sql_type(field: &Field) -> SqlType {
    let plain = SqlType::from_arrow(field.data_type()).unwrap_or(SqlType::STRING);
    let Some(text) = field.metadata().get(SQL_TYPE) else { return plain };
    match annotated(text) {
        Some(ty) if ty.arrow() == *field.data_type() => ty,
        _ => plain,
    }
}

/// Reads the types with a length or precision that Arrow has no room for.
fn annotated(text: &str) -> Option<SqlType> {
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
