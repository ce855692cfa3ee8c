//! The options of the debezium-json format.

use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};

pub(super) const PREFIX: &str = "debezium-json";
pub(super) const SCHEMA_INCLUDE: &str = "debezium-json.schema-include";

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text(
        SCHEMA_INCLUDE,
        "Records carry Kafka Connect's schema, so the change is in the field 'payload' \
         (value.converter.schemas.enable). Reading only.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "debezium-json.ignore-parse-errors",
        "A field that does not fit its type becomes NULL, and a record that is no change is \
         skipped, instead of being bad.",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text(
        "debezium-json.timestamp-format.standard",
        "How TIMESTAMP and TIMESTAMP_LTZ are written, see json.timestamp-format.standard.",
    )
    .kind(OptionKind::OneOf(&["SQL", "ISO-8601"]))
    .default("SQL"),
    OptionSpec::text(
        "debezium-json.map-null-key.mode",
        "What to do with a NULL key of a MAP when writing: FAIL, DROP the entry, or write the \
         LITERAL of debezium-json.map-null-key.literal.",
    )
    .kind(OptionKind::OneOf(&["FAIL", "DROP", "LITERAL"]))
    .default("FAIL"),
    OptionSpec::text(
        "debezium-json.map-null-key.literal",
        "The key written for NULL in mode LITERAL.",
    )
    .default("null"),
    OptionSpec::text(
        "debezium-json.encode.decimal-as-plain-number",
        "Write DECIMAL with all its digits (1200.00) instead of the shortest form (1.2E+3).",
    )
    .kind(OptionKind::Bool)
    .default("false"),
    OptionSpec::text("debezium-json.encode.ignore-null-fields", "Leave out fields that are NULL.")
        .kind(OptionKind::Bool)
        .default("false"),
];

/// Whether the change is in the field `payload`.
pub(super) fn schema_include(options: &Options) -> Result<bool> {
    let value = "value.debezium-json.schema-include";
    let name = if options.get(SCHEMA_INCLUDE).is_some() { SCHEMA_INCLUDE } else { value };
    options.bool(name, false)
}

/// Kafka Connect's schema is not written.
pub(super) fn check_writing(options: &Options) -> Result<()> {
    if schema_include(options)? {
        return Err(Error::config(format!("'{SCHEMA_INCLUDE}' = 'true' cannot be written")));
    }
    Ok(())
}
