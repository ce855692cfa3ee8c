//! The options of the json format.

use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};

use crate::time::Standard;

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text(
        "json.fail-on-missing-field",
        "Whether a record without one of the columns is bad; otherwise the column is NULL.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "json.ignore-parse-errors",
        "A field that does not fit its type becomes NULL, and a record that is no JSON object is \
         skipped, instead of being bad.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "json.timestamp-format.standard",
        "How TIMESTAMP and TIMESTAMP_LTZ are written: SQL is '2024-01-15 10:30:00.123', ISO-8601 \
         '2024-01-15T10:30:00.123'; TIMESTAMP_LTZ ends in Z.",
    )
    .kind(OptionKind::OneOf(&["SQL", "ISO-8601"]))
    .default("SQL"),
    OptionSpec::text(
        "json.map-null-key.mode",
        "What to do with a NULL key of a MAP when writing: FAIL, DROP the entry, or write the \
         LITERAL of json.map-null-key.literal.",
    )
    .kind(OptionKind::OneOf(&["FAIL", "DROP", "LITERAL"]))
    .default("FAIL"),
    OptionSpec::text("json.map-null-key.literal", "The key written for NULL in mode LITERAL.")
        .default("null"),
    OptionSpec::text(
        "json.encode.decimal-as-plain-number",
        "Write DECIMAL with all its digits (1200.00) instead of the shortest form (1.2E+3).",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text("json.encode.ignore-null-fields", "Leave out fields that are NULL.")
        .kind(OptionKind::Bool)
        .default("false"),
    OptionSpec::text(
        "json.decode.json-parser.enabled",
        "Accepted so that files written for Flink run; there is one parser here.",
    )
    .kind(OptionKind::Bool)
    .default("true"),
];

/// How records are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadOptions {
    pub fail_on_missing: bool,
    pub ignore_errors: bool,
    pub standard: Standard,
}

/// How records are written.
#[derive(Debug, Clone)]
pub(crate) struct WriteOptions {
    pub standard: Standard,
    pub plain_decimal: bool,
    pub skip_nulls: bool,
    /// The key for NULL keys of maps; None fails.
    pub null_key: NullKey,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NullKey {
    Fail,
    Drop,
    Literal(String),
}

impl ReadOptions {
    /// Reads the options under `prefix` (`json` or `debezium-json`).
    pub(crate) fn new(options: &Options, prefix: &str) -> Result<Self> {
        let of = Prefixed { options, prefix };
        let read = ReadOptions {
            fail_on_missing: of.bool("fail-on-missing-field")?,
            ignore_errors: of.bool("ignore-parse-errors")?,
            standard: of.standard()?,
        };
        if read.fail_on_missing && read.ignore_errors {
            return Err(Error::config(format!(
                "'{prefix}.fail-on-missing-field' and '{prefix}.ignore-parse-errors' cannot both \
                 be true"
            )));
        }
        Ok(read)
    }
}

impl WriteOptions {
    pub(crate) fn new(options: &Options, prefix: &str) -> Result<Self> {
        let of = Prefixed { options, prefix };
        let null_key = match of.get("map-null-key.mode").unwrap_or("FAIL") {
            mode if mode.eq_ignore_ascii_case("FAIL") => NullKey::Fail,
            mode if mode.eq_ignore_ascii_case("DROP") => NullKey::Drop,
            mode if mode.eq_ignore_ascii_case("LITERAL") => {
                NullKey::Literal(of.get("map-null-key.literal").unwrap_or("null").to_string())
            }
            other => {
                return Err(Error::config(format!(
                    "option '{prefix}.map-null-key.mode' = '{other}' is not FAIL, DROP or LITERAL"
                )));
            }
        };
        Ok(WriteOptions {
            standard: of.standard()?,
            plain_decimal: of.bool("encode.decimal-as-plain-number")?,
            skip_nulls: of.bool("encode.ignore-null-fields")?,
            null_key,
        })
    }
}

/// Options by their names behind the format's prefix; `value.json.x` counts as `json.x`.
struct Prefixed<'a> {
    options: &'a Options,
    prefix: &'a str,
}

impl<'a> Prefixed<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let key = format!("{}.{name}", self.prefix);
        self.options.get(&key).or_else(|| self.options.get(&format!("value.{key}")))
    }
    fn bool(&self, name: &str) -> Result<bool> {
        match self.get(name) {
            None => Ok(false),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
            Some(v) => Err(self.wrong(name, v, "true or false")),
        }
    }
    fn standard(&self) -> Result<Standard> {
        match self.get("timestamp-format.standard") {
            None => Ok(Standard::Sql),
            Some(v) if v.eq_ignore_ascii_case("SQL") => Ok(Standard::Sql),
            Some(v) if v.eq_ignore_ascii_case("ISO-8601") => Ok(Standard::Iso),
            Some(v) => Err(self.wrong("timestamp-format.standard", v, "SQL or ISO-8601")),
        }
    }
    fn wrong(&self, name: &str, value: &str, expected: &str) -> Error {
        Error::config(format!("option '{}.{name}' = '{value}' is not {expected}", self.prefix))
    }
}
