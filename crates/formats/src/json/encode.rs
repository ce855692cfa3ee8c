//! Rows to JSON objects, byte for byte as Flink's json format (Jackson) writes them.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, ListArray, MapArray, PrimitiveArray,
    RecordBatch, StringArray, StructArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Fields, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, TimeUnit,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use brooklet_core::format::{EncodeSpec, Encoder, Records};
use brooklet_core::{Delta, Error, Result};

use super::options::{NullKey, WriteOptions};
use crate::{java, time};

/// Opens the encoder of the json format.
pub(super) fn open(spec: &EncodeSpec) -> Result<Box<dyn Encoder>> {
    let options = WriteOptions::new(&spec.options, "json")?;
    check_types(spec.schema.fields())?;
    Ok(Box::new(JsonEncoder { options }))
}

struct JsonEncoder {
    options: WriteOptions,
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, rows: &Delta) -> Result<Records> {
        if !rows.is_append_only() {
            return Err(Error::config(
                "the json format writes insertions only, but rows are updated or deleted: use \
                 format 'debezium-json', or a sink with a primary key",
            ));
        }
        let writer = RowWriter::new(&rows.rows, &self.options)?;
        let mut records = Records::default();
        for row in 0..rows.len() {
            let start = records.bytes.len();
            writer.write(row, &mut records.bytes)?;
            let end = records.bytes.len();
            records.ends.push(end);
            for _ in 1..rows.weight(row) {
                records.bytes.extend_from_within(start..end);
                records.ends.push(records.bytes.len());
            }
        }
        Ok(records)
    }
}

/// Writes rows of one batch as objects.
pub(crate) struct RowWriter<'a> {
    fields: Vec<NamedCells<'a>>,
    options: &'a WriteOptions,
}

pub(crate) struct NamedCells<'a> {
    /// `"name":`
    key: Vec<u8>,
    pub cells: Cells<'a>,
}

/// A column by its type, looked up once per batch.
pub(crate) struct Cells<'a> {
    nulls: Option<&'a NullBuffer>,
    pub values: Values<'a>,
}

pub(crate) enum Values<'a> {
    Bool(&'a BooleanArray),
    I8(&'a PrimitiveArray<Int8Type>),
    I16(&'a PrimitiveArray<Int16Type>),
    I32(&'a PrimitiveArray<Int32Type>),
    I64(&'a PrimitiveArray<Int64Type>),
    F32(&'a PrimitiveArray<Float32Type>),
    F64(&'a PrimitiveArray<Float64Type>),
    Decimal(&'a PrimitiveArray<Decimal128Type>, u32),
    Date(&'a PrimitiveArray<Date32Type>),
    Time(&'a PrimitiveArray<Time32MillisecondType>),
    Timestamp { values: &'a [i64], unit: TimeUnit, utc: bool },
    Utf8(&'a StringArray),
    Binary(&'a BinaryArray),
    Row(Vec<NamedCells<'a>>),
    List(&'a ListArray, Box<Cells<'a>>),
    Map(&'a MapArray, &'a StringArray, Box<Cells<'a>>),
    Null,
}

/// The types JSON can carry, checked when the sink is opened.
pub(crate) fn check_types(fields: &Fields) -> Result<()> {
    for field in fields {
        let array = arrow::array::new_empty_array(field.data_type());
        Cells::new(&array).map_err(|e| e.at(format!("column '{}'", field.name())))?;
    }
    Ok(())
}

impl<'a> RowWriter<'a> {
    pub(crate) fn new(rows: &'a RecordBatch, options: &'a WriteOptions) -> Result<Self> {
        let schema = rows.schema_ref();
        let named = schema.fields().iter().map(|f| f.name()).zip(rows.columns());
        Ok(RowWriter { fields: named_cells(named)?, options })
    }

    /// Appends the object of one row.
    pub(crate) fn write(&self, row: usize, to: &mut Vec<u8>) -> Result<()> {
        write_object(&self.fields, row, self.options, to)
    }
}

fn named_cells<'a>(
    columns: impl Iterator<Item = (&'a String, &'a ArrayRef)>,
) -> Result<Vec<NamedCells<'a>>> {
    columns
        .map(|(name, column)| {
            let mut key = Vec::new();
            write_string(name.as_bytes(), true, &mut key);
            key.push(b':');
            Ok(NamedCells { key, cells: Cells::new(column)? })
        })
        .collect()
}

impl<'a> Cells<'a> {
    pub fn new(array: &'a ArrayRef) -> Result<Self> {
        let values = match array.data_type() {
            DataType::Boolean => Values::Bool(array.as_boolean()),
            DataType::Int8 => Values::I8(array.as_primitive()),
            DataType::Int16 => Values::I16(array.as_primitive()),
            DataType::Int32 => Values::I32(array.as_primitive()),
            DataType::Int64 => Values::I64(array.as_primitive()),
            DataType::Float32 => Values::F32(array.as_primitive()),
            DataType::Float64 => Values::F64(array.as_primitive()),
            DataType::Decimal128(_, scale) if *scale >= 0 => {
                Values::Decimal(array.as_primitive(), *scale as u32)
            }
            DataType::Date32 => Values::Date(array.as_primitive()),
            DataType::Time32(TimeUnit::Millisecond) => Values::Time(array.as_primitive()),
            DataType::Timestamp(unit, zone) => Values::Timestamp {
                values: instants(array, *unit),
                unit: *unit,
                utc: zone.is_some(),
            },
            DataType::Utf8 => Values::Utf8(array.as_string()),
            DataType::Binary => Values::Binary(array.as_binary()),
            DataType::Struct(fields) => {
                let array: &StructArray = array.as_struct();
                let named = fields.iter().map(|f| f.name()).zip(array.columns());
                Values::Row(named_cells(named)?)
            }
            DataType::List(_) => {
                let list: &ListArray = array.as_list();
                Values::List(list, Box::new(Cells::new(list.values())?))
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let Some(keys) = map.keys().as_string_opt::<i32>() else {
                    return Err(Error::config("the format has no keys other than STRING in a MAP"));
                };
                Values::Map(map, keys, Box::new(Cells::new(map.values())?))
            }
            DataType::Null => Values::Null,
            other => return Err(Error::config(format!("the format cannot carry type {other}"))),
        };
        Ok(Cells { nulls: array.nulls(), values })
    }

    pub fn is_null(&self, row: usize) -> bool {
        matches!(self.values, Values::Null) || self.nulls.is_some_and(|n| n.is_null(row))
    }

    fn write(&self, row: usize, options: &WriteOptions, to: &mut Vec<u8>) -> Result<()> {
        if self.is_null(row) {
            to.extend_from_slice(b"null");
            return Ok(());
        }
        match &self.values {
            Values::Bool(a) => to.extend_from_slice(if a.value(row) { b"true" } else { b"false" }),
            Values::I8(a) => write_integer(a.value(row), to),
            Values::I16(a) => write_integer(a.value(row), to),
            Values::I32(a) => write_integer(a.value(row), to),
            Values::I64(a) => write_integer(a.value(row), to),
            Values::F32(a) => {
                let v = a.value(row);
                write_float(v.is_finite(), to, |to| java::write_f32(v, to));
            }
            Values::F64(a) => {
                let v = a.value(row);
                write_float(v.is_finite(), to, |to| java::write_f64(v, to));
            }
            Values::Decimal(a, scale) if options.plain_decimal => {
                java::write_plain_decimal(a.value(row), *scale, to);
            }
            Values::Decimal(a, scale) => java::write_stripped_decimal(a.value(row), *scale, to),
            Values::Date(a) => in_quotes(to, |to| time::write_date(a.value(row).into(), to)),
            Values::Time(a) => {
                in_quotes(to, |to| time::write_time(i64::from(a.value(row)) * 1_000_000, to));
            }
            Values::Timestamp { values, unit, utc } => in_quotes(to, |to| {
                time::write_timestamp(values[row], *unit, options.standard, *utc, to);
            }),
            Values::Utf8(a) => write_string(a.value(row).as_bytes(), true, to),
            Values::Binary(a) => in_quotes(to, |to| {
                to.extend_from_slice(BASE64.encode(a.value(row)).as_bytes());
            }),
            Values::Row(fields) => write_object(fields, row, options, to)?,
            Values::List(list, items) => write_list(list, items, row, options, to)?,
            Values::Map(map, keys, values) => {
                let offsets = map.value_offsets();
                let entries = offsets[row] as usize..offsets[row + 1] as usize;
                write_map(keys, values, entries, options, to)?;
            }
            Values::Null => {}
        }
        Ok(())
    }
}

/// The counts since 1970-01-01 of a timestamp column of any unit.
fn instants(array: &ArrayRef, unit: TimeUnit) -> &[i64] {
    use arrow::datatypes::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType,
    };
    match unit {
        TimeUnit::Second => array.as_primitive::<TimestampSecondType>().values(),
        TimeUnit::Millisecond => array.as_primitive::<TimestampMillisecondType>().values(),
        TimeUnit::Microsecond => array.as_primitive::<TimestampMicrosecondType>().values(),
        TimeUnit::Nanosecond => array.as_primitive::<TimestampNanosecondType>().values(),
    }
}

fn write_object(
    fields: &[NamedCells<'_>],
    row: usize,
    options: &WriteOptions,
    to: &mut Vec<u8>,
) -> Result<()> {
    to.push(b'{');
    let mut first = true;
    for field in fields {
        if options.skip_nulls && field.cells.is_null(row) {
            continue;
        }
        if !first {
            to.push(b',');
        }
        first = false;
        to.extend_from_slice(&field.key);
        field.cells.write(row, options, to)?;
    }
    to.push(b'}');
    Ok(())
}

fn write_list(
    list: &ListArray,
    items: &Cells<'_>,
    row: usize,
    options: &WriteOptions,
    to: &mut Vec<u8>,
) -> Result<()> {
    let offsets = list.value_offsets();
    to.push(b'[');
    for (k, item) in (offsets[row] as usize..offsets[row + 1] as usize).enumerate() {
        if k > 0 {
            to.push(b',');
        }
        items.write(item, options, to)?;
    }
    to.push(b']');
    Ok(())
}

fn write_map(
    keys: &StringArray,
    values: &Cells<'_>,
    entries: std::ops::Range<usize>,
    options: &WriteOptions,
    to: &mut Vec<u8>,
) -> Result<()> {
    to.push(b'{');
    let mut first = true;
    for entry in entries {
        let key = match &options.null_key {
            _ if keys.is_valid(entry) => keys.value(entry),
            NullKey::Literal(text) => text,
            NullKey::Drop => continue,
            NullKey::Fail => {
                return Err(Error::data(
                    "a MAP has a NULL key, which JSON cannot carry: set json.map-null-key.mode to \
                     DROP or LITERAL",
                ));
            }
        };
        if !first {
            to.push(b',');
        }
        first = false;
        write_string(key.as_bytes(), true, to);
        to.push(b':');
        values.write(entry, options, to)?;
    }
    to.push(b'}');
    Ok(())
}

fn write_integer(v: impl itoa::Integer, to: &mut Vec<u8>) {
    to.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
}

/// NaN and the infinities are written as strings.
fn write_float(finite: bool, to: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if finite { write(to) } else { in_quotes(to, write) }
}

fn in_quotes(to: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    to.push(b'"');
    write(to);
    to.push(b'"');
}

/// Appends a string in quotes. Jackson writes characters beyond U+FFFF as two `\u` escapes
/// (`pairs`) in output, but not where it prints a tree as text.
pub(crate) fn write_string(text: &[u8], pairs: bool, to: &mut Vec<u8>) {
    to.push(b'"');
    let mut plain = 0;
    let mut i = 0;
    while i < text.len() {
        let byte = text[i];
        let special = byte < b' ' || byte == b'"' || byte == b'\\' || (pairs && byte >= 0xf0);
        if !special {
            i += 1;
            continue;
        }
        to.extend_from_slice(&text[plain..i]);
        i += write_escape(&text[i..], to);
        plain = i;
    }
    to.extend_from_slice(&text[plain..]);
    to.push(b'"');
}

/// Appends the escape of the first character: how many bytes it had.
fn write_escape(text: &[u8], to: &mut Vec<u8>) -> usize {
    let short = match text[0] {
        b'"' | b'\\' => text[0],
        8 => b'b',
        9 => b't',
        10 => b'n',
        12 => b'f',
        13 => b'r',
        control if control < b' ' => {
            write_unit(u16::from(control), to);
            return 1;
        }
        _ => {
            let char = text.get(..4).and_then(|four| std::str::from_utf8(four).ok());
            let char = char.and_then(|c| c.chars().next()).unwrap_or('\u{fffd}');
            for unit in char.encode_utf16(&mut [0; 2]) {
                write_unit(*unit, to);
            }
            return 4.min(text.len());
        }
    };
    to.extend_from_slice(&[b'\\', short]);
    1
}

fn write_unit(unit: u16, to: &mut Vec<u8>) {
    to.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        to.push(b"0123456789ABCDEF"[usize::from(unit >> shift & 15)]);
    }
}
