//! The decoders of a table's records: one format, or one for keys and one for values.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use brooklet_core::connector::{Format, find_format};
use brooklet_core::format::{DecodeSpec, Decoder};
use brooklet_core::keyed::{self, KeyFields};
use brooklet_core::partition::in_files;
use brooklet_core::schemas::Part;
use brooklet_core::{Error, Result};
use brooklet_engine::run::schemas::Registries;
use brooklet_formats::FORMATS;
use brooklet_formats::keyed::{self as parts, KeyedDecoder};
use brooklet_plan::node::ScanSpec;

/// As many decoders as asked for; none for tables whose connector gives rows.
pub fn decoders(scan: &ScanSpec, count: usize) -> Result<Vec<Box<dyn Decoder>>> {
    let options = &scan.table.options;
    let Some(name) = options.get("format").or(options.get("value.format")) else {
        return Ok(Vec::new());
    };
    let value = find(name)?;
    // Formats that are whole files are decoded by their connector.
    let Some(decoder) = value.decoder else { return Ok(Vec::new()) };
    let count = count.max(1);
    let Some(key) = options.get("key.format") else {
        let by = &scan.table.partitioned_by;
        let schema = in_files(&scan.decode, by);
        let table = in_files(&scan.table.physical_schema(), by);
        let spec = DecodeSpec { schema, options: keyed::value_options(options), table };
        return (0..count).map(|_| decoder(&spec)).collect();
    };
    let key = find(key)?;
    (0..count).map(|_| Ok(Box::new(keyed(scan, key, value)?) as Box<dyn Decoder>)).collect()
}

/// Who knows the schemas that a table's records name.
pub fn registries(scan: &ScanSpec) -> Result<Registries> {
    let options = &scan.table.options;
    let value = options.get("format").or(options.get("value.format"));
    let value = value.map(|name| (Part::Value, name, keyed::value_options(options)));
    let key = options.get("key.format");
    let key = key.map(|name| (Part::Key, name, keyed::key_options(options, name)));
    let mut found = Vec::new();
    for (part, name, options) in key.into_iter().chain(value) {
        if let Some(registry) = find(name)?.registry {
            let spec = DecodeSpec::new(scan.decode.clone(), options);
            found.push((part, (registry.schemas)(&spec)?));
        }
    }
    Ok(Registries(found))
}

fn find(name: &str) -> Result<&'static Format> {
    find_format(FORMATS, name).ok_or_else(|| Error::config(format!("format '{name}' is unknown")))
}

/// Key and value, each with the columns that are read of it. Columns that both have are read
/// from the value; where records without one delete, from the key as well.
fn keyed(scan: &ScanSpec, key: &Format, value: &Format) -> Result<KeyedDecoder> {
    let fields = KeyFields::of(&scan.table)?;
    let upserts = scan.table.is_upserts();
    let in_key = |name: &str| fields.contains(name) && (upserts || !fields.in_value(name));
    let key_names = fields.names().iter().filter(|name| in_key(name));
    let of_key: Vec<usize> = key_names.filter_map(|name| scan.decode.index_of(name).ok()).collect();
    let of_value: Vec<usize> = (0..scan.decode.fields().len())
        .filter(|i| fields.in_value(scan.decode.field(*i).name()))
        .collect();
    let (options, physical) = (&scan.table.options, scan.table.physical_schema());
    let inner = |f: &Field| f.clone().with_name(fields.inner_name(f.name()));
    let in_key = fields.names().iter().filter_map(|n| physical.field_with_name(n).ok()).map(inner);
    let in_value =
        physical.fields().iter().filter(|f| fields.in_value(f.name())).map(|f| (**f).clone());
    let key_part = parts::Part {
        decoder: decoder(
            key,
            DecodeSpec {
                schema: of(&scan.decode, &of_key, inner),
                table: Arc::new(Schema::new(in_key.collect::<Vec<_>>())),
                options: keyed::key_options(options, key.name),
            },
        )?,
        columns: places(&scan.decode, &of_key),
    };
    let value_part = parts::Part {
        decoder: decoder(
            value,
            DecodeSpec {
                schema: of(&scan.decode, &of_value, Field::clone),
                table: Arc::new(Schema::new(in_value.collect::<Vec<_>>())),
                options: keyed::value_options(options),
            },
        )?,
        columns: places(&scan.decode, &of_value),
    };
    let nullable = |f: &Arc<Field>| f.as_ref().clone().with_nullable(true);
    let schema = Schema::new(scan.decode.fields().iter().map(nullable).collect::<Vec<_>>());
    Ok(KeyedDecoder { schema: Arc::new(schema), key: key_part, value: value_part, upserts })
}

fn decoder(format: &Format, spec: DecodeSpec) -> Result<Box<dyn Decoder>> {
    let new = format.decoder.ok_or_else(|| {
        Error::config(format!("format '{}' is for whole files, not for records", format.name))
    })?;
    new(&spec)
}

/// Some columns of a table, as a part of its records has them.
fn of(table: &SchemaRef, columns: &[usize], field: impl Fn(&Field) -> Field) -> SchemaRef {
    let fields: Vec<Field> = columns.iter().map(|i| field(table.field(*i))).collect();
    Arc::new(Schema::new(fields))
}

/// For each column of a table which of `columns` it is.
fn places(table: &SchemaRef, columns: &[usize]) -> Vec<Option<usize>> {
    let place = |i: usize| columns.iter().position(|column| *column == i);
    (0..table.fields().len()).map(place).collect()
}
