//! WITH options: described once, checked and documented from the description.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Error, Result};

/// One option of a connector or format.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// Flink's name; a trailing `*` accepts every key with that prefix (`properties.*`).
    pub name: &'static str,
    pub kind: OptionKind,
    pub default: Option<&'static str>,
    pub required: bool,
    /// Never shown in logs, plans or errors.
    pub secret: bool,
    pub doc: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum OptionKind {
    Text,
    Bool,
    Int,
    /// `10 s`, `500 ms`, `1 min`, as Flink reads them.
    Duration,
    /// `128 MB`, as Flink reads them.
    Bytes,
    OneOf(&'static [&'static str]),
}

impl OptionSpec {
    pub const fn text(name: &'static str, doc: &'static str) -> Self {
        OptionSpec {
            name,
            kind: OptionKind::Text,
            default: None,
            required: false,
            secret: false,
            doc,
        }
    }
    pub const fn kind(self, kind: OptionKind) -> Self {
        OptionSpec { kind, ..self }
    }
    pub const fn default(self, default: &'static str) -> Self {
        OptionSpec { default: Some(default), ..self }
    }
    pub const fn required(self) -> Self {
        OptionSpec { required: true, ..self }
    }
    pub const fn secret(self) -> Self {
        OptionSpec { secret: true, ..self }
    }
    pub fn matches(&self, key: &str) -> bool {
        match self.name.strip_suffix('*') {
            Some(prefix) => key.starts_with(prefix),
            None => key == self.name,
        }
    }
}

/// The WITH options of a table together with its `brooklet.table.<name>.*` extensions (under
/// their short names, prefixed `brooklet.`). Getters read what `sql` has already checked, so a
/// value that does not parse is an error that names the option.
#[derive(Debug, Clone, Default)]
pub struct Options(pub BTreeMap<String, String>);

impl Options {
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    pub fn text(&self, name: &str, default: &str) -> String {
        self.get(name).unwrap_or(default).to_string()
    }
    pub fn required(&self, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| Error::config(format!("option '{name}' is missing")))
    }
    pub fn bool(&self, name: &str, default: bool) -> Result<bool> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(wrong(name, other, "true or false")),
        }
    }
    pub fn int(&self, name: &str) -> Result<Option<i64>> {
        let parse = |v: &str| v.trim().parse().map_err(|_| wrong(name, v, "a whole number"));
        self.get(name).map(parse).transpose()
    }
    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        let parse =
            |v: &str| parse_duration(v).ok_or_else(|| wrong(name, v, "a duration such as '10 s'"));
        self.get(name).map(parse).transpose()
    }
    pub fn bytes(&self, name: &str) -> Result<Option<u64>> {
        let parse =
            |v: &str| parse_bytes(v).ok_or_else(|| wrong(name, v, "a size such as '128 MB'"));
        self.get(name).map(parse).transpose()
    }
    /// All options below a prefix, without it: `properties.` gives librdkafka's settings.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(k, v)| Some((k.strip_prefix(prefix)?, v.as_str())))
    }
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::config(format!("option '{name}' = '{value}' is not {expected}"))
}

/// Flink's durations: a number and a unit (`ms`, `s`, `min`, `h`, `d` and their long forms); no
/// unit means milliseconds.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = number_and_unit(text)?;
    let nanos: u64 = match unit.to_ascii_lowercase().as_str() {
        "ns" | "nano" | "nanosecond" | "nanoseconds" => 1,
        "us" | "µs" | "micro" | "microsecond" | "microseconds" => 1_000,
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000_000_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000_000_000,
        "h" | "hour" | "hours" => 3_600_000_000_000,
        "d" | "day" | "days" => 86_400_000_000_000,
        _ => return None,
    };
    Some(Duration::from_nanos(number.checked_mul(nanos)?))
}

/// Flink's memory sizes: a number and a unit (`b`, `kb`, `mb`, `gb`, `tb`, powers of 1,024).
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = number_and_unit(text)?;
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" | "bytes" => 0,
        "k" | "kb" | "kibibytes" => 10,
        "m" | "mb" | "mebibytes" => 20,
        "g" | "gb" | "gibibytes" => 30,
        "t" | "tb" | "tebibytes" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..digits].parse().ok()?, text[digits..].trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_as_flink_reads_them() {
        assert_eq!(parse_duration("10 s"), Some(Duration::from_secs(10)));
        assert_eq!(parse_duration("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse_duration("2 min"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("7"), Some(Duration::from_millis(7)));
        assert_eq!(parse_duration("1 parsec"), None);
        assert_eq!(parse_duration("-1 s"), None);
        assert_eq!(parse_bytes("128 MB"), Some(128 << 20));
        assert_eq!(parse_bytes("1kb"), Some(1024));
        assert_eq!(parse_bytes("99999999999 tb"), None);
    }
}
