//! The options of the csv format.

use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text(
        "csv.field-delimiter",
        "The character between fields, one of ASCII; `\\t` and the like are understood.",
    )
    .default(","),
    OptionSpec::text("csv.disable-quote-character", "Whether no character quotes fields.")
        .kind(OptionKind::Bool)
        .default("false"),
    OptionSpec::text("csv.quote-character", "The character around fields that need it.")
        .default("\""),
    OptionSpec::text(
        "csv.allow-comments",
        "Whether lines that start with `#` are passed over, and empty lines and spaces at the \
         start of a line with them.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "csv.ignore-parse-errors",
        "A field that does not fit its type or is missing becomes NULL, and a record that is no \
         CSV is skipped, instead of being bad.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "csv.array-element-delimiter",
        "The character between the elements of ARRAY and ROW columns.",
    )
    .default(";"),
    OptionSpec::text(
        "csv.escape-character",
        "A character that takes its meaning from the next one; before n, t, r and 0 it gives \
         the control characters.",
    ),
    OptionSpec::text("csv.null-literal", "The text that is NULL, also in quotes."),
    OptionSpec::text(
        "csv.trim-spaces",
        "Whether spaces around fields are dropped when reading; those inside of quotes stay.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "csv.write-bigdecimal-in-scientific-notation",
        "Write DECIMAL in the shortest form (1200.00 is 1.2E+3) instead of with all its digits.",
    )
    .kind(OptionKind::Bool)
    .default("true"),
];

/// The characters that mean something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub quote: Option<u8>,
    pub escape: Option<u8>,
    pub comments: bool,
    /// Spaces around fields are none of their text.
    pub trim: bool,
}

/// All options of a table.
#[derive(Debug, Clone)]
pub(super) struct CsvOptions {
    pub dialect: Dialect,
    pub ignore_errors: bool,
    /// Between elements.
    pub element: char,
    pub null: Option<String>,
    pub scientific: bool,
    /// The first line of a file names the columns.
    pub header: bool,
}

impl CsvOptions {
    pub fn new(options: &Options) -> Result<Self> {
        let get = |name: &str| {
            let key = format!("csv.{name}");
            options.get(&key).or_else(|| options.get(&format!("value.{key}")))
        };
        let flag = |name: &str, default: bool| match get(name) {
            None => Ok(default),
            Some(v) if v.eq_ignore_ascii_case("true") => Ok(true),
            Some(v) if v.eq_ignore_ascii_case("false") => Ok(false),
            Some(v) => Err(wrong(name, v, "true or false")),
        };
        let character = |name: &str| get(name).map(|text| ascii(name, text, text)).transpose();
        let no_quote = flag("disable-quote-character", false)?;
        if no_quote && get("quote-character").is_some() {
            return Err(Error::config(
                "'csv.quote-character' cannot be set when 'csv.disable-quote-character' is true",
            ));
        }
        let delimiter = match get("field-delimiter") {
            None => b',',
            Some(text) => ascii("field-delimiter", text, &unescape(text))?,
        };
        let element = get("array-element-delimiter").unwrap_or(";");
        Ok(CsvOptions {
            dialect: Dialect {
                delimiter,
                quote: (!no_quote).then_some(character("quote-character")?.unwrap_or(b'"')),
                escape: character("escape-character")?,
                comments: flag("allow-comments", false)?,
                trim: flag("trim-spaces", false)?,
            },
            ignore_errors: flag("ignore-parse-errors", false)?,
            element: single(element)
                .ok_or_else(|| wrong("array-element-delimiter", element, "a single character"))?,
            null: get("null-literal").map(str::to_string),
            scientific: flag("write-bigdecimal-in-scientific-notation", true)?,
            header: options.bool("brooklet.csv.header", false)?,
        })
    }
}

fn single(text: &str) -> Option<char> {
    let mut chars = text.chars();
    chars.next().filter(|_| chars.next().is_none())
}

fn ascii(name: &str, written: &str, text: &str) -> Result<u8> {
    let byte = single(text).and_then(|c| u8::try_from(c).ok());
    let fits = byte.filter(|b| b.is_ascii() && !matches!(b, b'\n' | b'\r'));
    fits.ok_or_else(|| wrong(name, written, "a single ASCII character"))
}

fn wrong(name: &str, value: &str, expected: &str) -> Error {
    Error::config(format!("option 'csv.{name}' = '{value}' is not {expected}"))
}

/// Escapes as in Java's string literals; what is none stays as it is.
fn unescape(text: &str) -> String {
    let Some(escaped) = text.strip_prefix('\\') else { return text.to_string() };
    let code = escaped.strip_prefix('u').and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let char = match escaped {
        "t" => Some('\t'),
        "b" => Some('\u{8}'),
        "f" => Some('\u{c}'),
        "n" => Some('\n'),
        "r" => Some('\r'),
        "\\" | "\"" | "'" => escaped.chars().next(),
        _ => code.and_then(char::from_u32),
    };
    char.map_or_else(|| text.to_string(), String::from)
}
