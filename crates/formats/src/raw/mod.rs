//! Format `raw`: the record itself is the value of the table's one column.
//!
//! ```sql
//! CREATE TABLE lines (line STRING) WITH ('connector' = 'kafka', …, 'format' = 'raw');
//! ```
//!
//! The column is STRING, BYTES, BOOLEAN (one byte, 0 is FALSE) or a number: TINYINT, SMALLINT, INT
//! and BIGINT of 1, 2, 4 and 8 bytes, FLOAT and DOUBLE of 4 and 8. A record of another length is
//! bad, one without a value is NULL. In STRING columns bytes that are no UTF-8 become U+FFFD.
//! Other charsets than UTF-8 are not supported. NULL is written as an empty record.

mod decode;
mod encode;
mod number;
#[cfg(test)]
mod tests;

use arrow::datatypes::{DataType, Schema};
use brooklet_core::connector::Format;
use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};

pub const FORMAT: Format = Format {
    name: "raw",
    options: &[
        OptionSpec::text("raw.charset", "The charset of STRING: UTF-8 is the only one.")
            .default("UTF-8"),
        OptionSpec::text("raw.endianness", "The order of the bytes of a number.")
            .kind(OptionKind::OneOf(&["big-endian", "little-endian"]))
            .default("big-endian"),
    ],
    decoder: Some(decode::open),
    encoder: Some(encode::open),
    decode_file: None,
    encode_file: None,
    registry: None,
    framing: None,
    changelog: false,
    extension: "raw",
};

/// Whether the lowest byte of a number comes first.
fn is_little(options: &Options) -> bool {
    let order = options.get("raw.endianness").or_else(|| options.get("value.raw.endianness"));
    order == Some("little-endian")
}

/// One column of STRING or BYTES. Reading may have pruned it away.
fn check(schema: &Schema, options: &Options) -> Result<()> {
    let charset = options.get("raw.charset").or_else(|| options.get("value.raw.charset"));
    if let Some(other) = charset.filter(|c| !c.eq_ignore_ascii_case("UTF-8")) {
        return Err(Error::config(format!(
            "option 'raw.charset' = '{other}': only UTF-8 is known"
        )));
    }
    if schema.fields().len() > 1 {
        let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let names = names.join(", ");
        return Err(Error::config(format!("the raw format has one column, not {names}")));
    }
    match schema.fields().first().map(|f| (f.data_type(), f.name())) {
        None | Some((DataType::Utf8 | DataType::Binary, _)) => Ok(()),
        Some((number, _)) if number::width(number).is_some() => Ok(()),
        Some((other, name)) => Err(Error::config(format!(
            "column '{name}': the raw format carries STRING, BYTES, BOOLEAN and numbers \
             but DECIMAL, not {other}"
        ))),
    }
}
