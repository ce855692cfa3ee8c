//! The options of the avro format, and the schema they choose.

use apache_avro::{Codec, DeflateSettings, ZstandardSettings};
use arrow::datatypes::Schema;
use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};

use super::derive;

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text("avro.codec", "How blocks of files are compressed.")
        .kind(OptionKind::OneOf(&["null", "deflate", "snappy", "zstandard"]))
        .default("snappy"),
    OptionSpec::text("avro.encoding", "How records are written: binary is the only way.")
        .kind(OptionKind::OneOf(&["binary"]))
        .default("binary"),
    OptionSpec::text(
        "avro.timestamp_mapping.legacy",
        "Whether TIMESTAMP is timestamp-millis, as in older versions of Flink, and not the local \
         one.",
    )
    .kind(OptionKind::Bool)
    .default("true"),
];

const SCHEMA_FILE: &str = "brooklet.avro.schema-file";

fn get<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    let key = format!("avro.{name}");
    options.get(&key).or_else(|| options.get(&format!("value.{key}")))
}

/// The JSON text of the schema records are written with: of `avro.schema-file`, or of the columns.
pub(super) fn schema(options: &Options, columns: &Schema) -> Result<String> {
    if let Some(path) = options.get(SCHEMA_FILE) {
        let text = std::fs::read_to_string(path);
        return text.map_err(|e| {
            Error::config(format!("'{SCHEMA_FILE}': the file '{path}' cannot be read")).caused_by(e)
        });
    }
    let legacy = match get(options, "timestamp_mapping.legacy") {
        None => true,
        Some(v) if v.eq_ignore_ascii_case("true") => true,
        Some(v) if v.eq_ignore_ascii_case("false") => false,
        Some(v) => {
            return Err(Error::config(format!(
                "option 'avro.timestamp_mapping.legacy' = '{v}' is not true or false"
            )));
        }
    };
    derive::schema(columns.fields(), legacy)
}

/// The codec of that name in files.
pub(super) fn codec(name: &str) -> Option<Codec> {
    Some(match name {
        "null" => Codec::Null,
        "deflate" => Codec::Deflate(DeflateSettings::default()),
        "snappy" => Codec::Snappy,
        "zstandard" => Codec::Zstandard(ZstandardSettings::default()),
        _ => return None,
    })
}

/// The codec of written files with its name.
pub(super) fn written_codec(options: &Options) -> Result<(&str, Codec)> {
    let name = get(options, "codec").unwrap_or("snappy");
    let found = codec(name).ok_or_else(|| {
        Error::config(format!(
            "option 'avro.codec' = '{name}' is not null, deflate, snappy or zstandard"
        ))
    });
    Ok((name, found?))
}
