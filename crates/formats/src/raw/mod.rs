//! Format `raw`: the record itself is the value of the table's one column.
//!
//! ```sql
//! CREATE TABLE lines (line STRING) WITH ('connector' = 'kafka', …, 'format' = 'raw');
//! ```
//!
//! The column is STRING or BYTES. A record without a value is NULL. In STRING columns bytes that
//! are no UTF-8 become U+FFFD. Flink's other types and charsets are not supported.

mod decode;
mod encode;
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
        OptionSpec::text("raw.endianness", "Accepted; STRING and BYTES have no byte order.")
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
        Some((other, name)) => Err(Error::config(format!(
            "column '{name}': the raw format carries STRING and BYTES, not {other}"
        ))),
    }
}
