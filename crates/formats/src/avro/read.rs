//! Avro's values into columns, and over those that no column wants.

use arrow::datatypes::{DataType, Field, Fields};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};

use super::cursor::Cursor;
use super::number;
use super::shape::{Meaning, Part, Shape, Shapes};
use crate::json::{Column, Data};
use crate::rows::not_null;

/// Types that contain themselves are followed so far.
const MAX_DEPTH: usize = 64;
const TOO_MUCH: &str = "one column of a batch would exceed 2 GiB; read smaller batches";
const NOT_UTF8: &str = "a string is not valid UTF-8";

/// How records of a schema become rows of some columns.
pub(super) struct Reader {
    parts: Vec<Part>,
    named: Vec<Shape>,
}

impl Reader {
    /// Finds the columns' fields by name; an error when one cannot take what its field holds.
    pub fn new(shapes: Shapes, columns: &Fields) -> Result<Reader> {
        let parts = resolve_parts(&shapes.root, &shapes.named, columns)?;
        Ok(Reader { parts, named: shapes.named })
    }

    /// Writes the row of the record at the cursor; on failure it may be half-written.
    pub fn record(
        &self,
        cursor: &mut Cursor<'_>,
        columns: &mut [Column],
        row: usize,
    ) -> Result<(), String> {
        self.parts(&self.parts, cursor, columns, row)
    }

    fn parts(
        &self,
        parts: &[Part],
        cursor: &mut Cursor<'_>,
        columns: &mut [Column],
        row: usize,
    ) -> Result<(), String> {
        for part in parts {
            let done = match part.column {
                Some(column) => self.value(&part.shape, cursor, &mut columns[column], row),
                None => self.skip(&part.shape, cursor, 0),
            };
            done.map_err(|why| format!("field '{}': {why}", part.name))?;
        }
        Ok(())
    }

    fn value(
        &self,
        shape: &Shape,
        cursor: &mut Cursor<'_>,
        column: &mut Column,
        row: usize,
    ) -> Result<(), String> {
        self.write(shape, cursor, column, row)?;
        not_null(column, row)
    }

    /// NULL leaves the column as it is: shorter than the row.
    fn write(
        &self,
        shape: &Shape,
        cursor: &mut Cursor<'_>,
        column: &mut Column,
        row: usize,
    ) -> Result<(), String> {
        match (shape, &mut column.data) {
            (Shape::Null, _) => {}
            (Shape::Union(branches), _) => {
                let branch = cursor.index(branches.len())?;
                self.write(&branches[branch], cursor, column, row)?;
            }
            (Shape::Boolean, Data::Bool(c)) => c.push(row, cursor.bool()?),
            (Shape::Int(meaning), data) => integer(cursor.int()?.into(), *meaning, data, row)?,
            (Shape::Long(meaning), data) => integer(cursor.long()?, *meaning, data, row)?,
            (Shape::Float, Data::F32(c)) => c.push(row, f32::from_le_bytes(cursor.array()?)),
            (Shape::Float, Data::F64(c)) => c.push(row, f32::from_le_bytes(cursor.array()?).into()),
            (Shape::Double, Data::F64(c)) => c.push(row, f64::from_le_bytes(cursor.array()?)),
            (Shape::Bytes(scale), data) => bytes(cursor.bytes()?, *scale, data, row)?,
            (Shape::Text, data) => bytes(cursor.bytes()?, None, data, row)?,
            (Shape::Fixed(size, scale), data) => bytes(cursor.take(*size)?, *scale, data, row)?,
            (Shape::Uuid, Data::Utf8(c)) => {
                c.open(row);
                write_uuid(cursor.array()?, &mut c.bytes);
                c.close().ok_or(TOO_MUCH)?;
            }
            (Shape::Uuid, data) => bytes(cursor.take(16)?, None, data, row)?,
            (Shape::Enum(symbols), data) => {
                let symbol = &symbols[cursor.index(symbols.len())?];
                bytes(symbol.as_bytes(), None, data, row)?;
            }
            (Shape::Record(parts), Data::Row(c)) => {
                c.open(row);
                self.parts(parts, cursor, &mut c.node.columns, row)?;
                c.close(row);
            }
            (Shape::Array(item), Data::List(c)) => {
                let first = c.open(row);
                let end =
                    each(cursor, first, |cursor, at| self.value(item, cursor, &mut c.items, at))?;
                c.close(end).ok_or(TOO_MUCH)?;
            }
            (Shape::Map(value), Data::Map(c)) => {
                let first = c.open(row);
                let end = each(cursor, first, |cursor, at| {
                    bytes(cursor.bytes()?, None, &mut c.keys.data, at)?;
                    self.value(value, cursor, &mut c.values, at)
                })?;
                check_distinct(&c.keys, first..end)?;
                c.close(end).ok_or(TOO_MUCH)?;
            }
            _ => return Err("the column cannot take this type".to_string()),
        }
        Ok(())
    }

    fn skip(&self, shape: &Shape, cursor: &mut Cursor<'_>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("values are more than {MAX_DEPTH} levels deep"));
        }
        match shape {
            Shape::Null | Shape::Unwritten => {}
            Shape::Boolean => drop(cursor.bool()?),
            Shape::Int(_) => drop(cursor.int()?),
            Shape::Long(_) => drop(cursor.long()?),
            Shape::Float => drop(cursor.take(4)?),
            Shape::Double => drop(cursor.take(8)?),
            Shape::Uuid => drop(cursor.take(16)?),
            Shape::Bytes(_) | Shape::Text => drop(cursor.bytes()?),
            Shape::Fixed(size, _) => drop(cursor.take(*size)?),
            Shape::Enum(symbols) => drop(cursor.index(symbols.len())?),
            Shape::Named(place) => self.skip(&self.named[*place], cursor, depth)?,
            Shape::Union(branches) => {
                let branch = cursor.index(branches.len())?;
                self.skip(&branches[branch], cursor, depth + 1)?;
            }
            Shape::Record(parts) => {
                for part in parts {
                    self.skip(&part.shape, cursor, depth + 1)?;
                }
            }
            Shape::Array(item) | Shape::Map(item) => {
                let keys = matches!(shape, Shape::Map(_));
                each(cursor, 0, |cursor, _| {
                    if keys {
                        cursor.bytes()?;
                    }
                    self.skip(item, cursor, depth + 1)
                })?;
            }
        }
        Ok(())
    }
}

/// Reads the elements of an array or map, numbered from `at`: the number behind the last.
fn each(
    cursor: &mut Cursor<'_>,
    mut at: usize,
    mut read: impl FnMut(&mut Cursor<'_>, usize) -> Result<(), String>,
) -> Result<usize, String> {
    loop {
        let count = cursor.block()?;
        for _ in 0..count {
            read(cursor, at)?;
            at += 1;
        }
        if count == 0 {
            return Ok(at);
        }
    }
}

/// A map has each key once.
fn check_distinct(keys: &Column, range: std::ops::Range<usize>) -> Result<(), String> {
    let Data::Utf8(keys) = &keys.data else { return Ok(()) };
    if range.len() < 2 {
        return Ok(());
    }
    let mut texts: Vec<&[u8]> = range.map(|at| keys.value(at)).collect();
    texts.sort_unstable();
    match texts.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("a map has key '{}' twice", String::from_utf8_lossy(pair[0]))),
        None => Ok(()),
    }
}

fn integer(value: i64, meaning: Meaning, data: &mut Data, row: usize) -> Result<(), String> {
    let beyond = |ty: &str| format!("{value} is no {ty}");
    match data {
        Data::I8(c) => c.push(row, i8::try_from(value).map_err(|_| beyond("TINYINT"))?),
        Data::I16(c) => c.push(row, i16::try_from(value).map_err(|_| beyond("SMALLINT"))?),
        Data::I32(c) => c.push(row, i32::try_from(value).map_err(|_| beyond("INT"))?),
        Data::I64(c) => c.push(row, value),
        Data::F32(c) => c.push(row, value as f32),
        Data::F64(c) => c.push(row, value as f64),
        Data::Date(c) => c.push(row, i32::try_from(value).map_err(|_| beyond("DATE"))?),
        Data::Time(c) => {
            let ms = if meaning == Meaning::TimeMicros { value / 1000 } else { value };
            let in_day = (0..crate::time::DAY_MS).contains(&ms);
            c.push(row, i32::try_from(ms).ok().filter(|_| in_day).ok_or_else(|| beyond("TIME"))?);
        }
        Data::Timestamp { numbers, unit, .. } => {
            let from = if let Meaning::Timestamp(from) = meaning { from } else { *unit };
            let value = number::in_unit(value, from, *unit).ok_or_else(|| beyond("TIMESTAMP"))?;
            numbers.push(row, value);
        }
        _ => return Err("the column cannot take a number".to_string()),
    }
    Ok(())
}

fn bytes(value: &[u8], scale: Option<u32>, data: &mut Data, row: usize) -> Result<(), String> {
    match data {
        Data::Utf8(c) => {
            simdutf8::basic::from_utf8(value).map_err(|_| NOT_UTF8)?;
            c.open(row);
            c.bytes.extend_from_slice(value);
            c.close().ok_or(TOO_MUCH)?;
        }
        Data::Binary(c) => {
            c.open(row);
            c.bytes.extend_from_slice(value);
            c.close().ok_or(TOO_MUCH)?;
        }
        Data::Decimal { numbers, precision, scale: to } => {
            if value.is_empty() {
                return Err("a decimal has no bytes".to_string());
            }
            let to = u32::from(*to);
            let number = number::from_bytes(value)
                .and_then(|v| number::rescale(v, scale.unwrap_or(to), to, *precision));
            // What is too large is NULL, as in Flink.
            if let Some(number) = number {
                numbers.push(row, number);
            }
        }
        _ => return Err("the column cannot take bytes".to_string()),
    }
    Ok(())
}

fn write_uuid(bytes: [u8; 16], to: &mut Vec<u8>) {
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            to.push(b'-');
        }
        let digit = |d: u8| b"0123456789abcdef"[usize::from(d)];
        to.extend([digit(byte >> 4), digit(byte & 15)]);
    }
}

fn resolve_parts(parts: &[Part], named: &[Shape], columns: &Fields) -> Result<Vec<Part>> {
    for column in columns.iter().filter(|c| !c.is_nullable()) {
        if parts.iter().all(|part| part.name != *column.name()) {
            return Err(Error::config(format!(
                "column '{}' is NOT NULL, but the Avro schema has no such field",
                column.name()
            )));
        }
    }
    let resolved = parts.iter().map(|part| match columns.find(&part.name) {
        None => Ok(Part { column: None, ..part.clone() }),
        Some((place, column)) => {
            let shape = resolve(&part.shape, named, column)
                .map_err(|e| e.at(format!("column '{}'", part.name)))?;
            Ok(Part { name: part.name.clone(), shape, column: Some(place) })
        }
    });
    resolved.collect()
}

/// The shape with the columns of its records; an error when the column cannot take it.
fn resolve(shape: &Shape, named: &[Shape], column: &Field) -> Result<Shape> {
    let inner =
        |shape: &Shape, column: &Field| Ok::<_, Error>(Box::new(resolve(shape, named, column)?));
    let ty = column.data_type();
    Ok(match (shape, ty) {
        (Shape::Named(place), _) => resolve(&named[*place], named, column)?,
        (Shape::Union(branches), _) => {
            let branches = branches.iter().map(|branch| resolve(branch, named, column));
            Shape::Union(branches.collect::<Result<_>>()?)
        }
        (Shape::Record(parts), DataType::Struct(fields)) => {
            Shape::Record(resolve_parts(parts, named, fields)?)
        }
        (Shape::Array(item), DataType::List(field)) => Shape::Array(inner(item, field)?),
        (Shape::Map(value), DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(entries) => Shape::Map(inner(value, &entries[1])?),
            _ => return Err(Error::bug("a map without entries")),
        },
        (shape, ty) if takes(ty, shape) => shape.clone(),
        (shape, ty) => {
            let ty = SqlType::from_arrow(ty).map_or_else(|| ty.to_string(), |ty| ty.to_string());
            return Err(Error::config(format!("{ty} cannot take Avro's {}", name(shape))));
        }
    })
}

/// Whether a scalar column takes what that shape holds.
fn takes(ty: &DataType, shape: &Shape) -> bool {
    use DataType::{
        Binary, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Time32, Timestamp,
        Utf8,
    };
    match shape {
        Shape::Null => true,
        Shape::Boolean => *ty == DataType::Boolean,
        Shape::Int(Meaning::Number) => matches!(
            ty,
            Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Date32 | Time32(_) | Timestamp(_, _)
        ),
        Shape::Int(Meaning::Date) => matches!(ty, Int32 | Int64 | Date32),
        Shape::Int(_) => matches!(ty, Int32 | Int64 | Time32(_)),
        Shape::Long(Meaning::Number) => matches!(ty, Int64 | Float32 | Float64 | Timestamp(_, _)),
        Shape::Long(Meaning::TimeMicros) => matches!(ty, Int64 | Time32(_)),
        Shape::Long(_) => matches!(ty, Int64 | Timestamp(_, _)),
        Shape::Float => matches!(ty, Float32 | Float64),
        Shape::Double => *ty == Float64,
        Shape::Text | Shape::Uuid => matches!(ty, Utf8 | Binary),
        Shape::Enum(_) => *ty == Utf8,
        Shape::Bytes(None) => matches!(ty, Utf8 | Binary | Decimal128(_, _)),
        Shape::Bytes(_) | Shape::Fixed(_, _) => matches!(ty, Binary | Decimal128(_, _)),
        _ => false,
    }
}

/// The type's name in Avro.
pub(super) fn name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Null => "null",
        Shape::Boolean => "boolean",
        Shape::Int(Meaning::Date) => "date",
        Shape::Int(Meaning::TimeMillis) => "time-millis",
        Shape::Int(_) => "int",
        Shape::Long(Meaning::TimeMicros) => "time-micros",
        Shape::Long(Meaning::Timestamp(_)) => "timestamp",
        Shape::Long(_) => "long",
        Shape::Float => "float",
        Shape::Double => "double",
        Shape::Bytes(Some(_)) | Shape::Fixed(_, Some(_)) => "decimal",
        Shape::Bytes(None) => "bytes",
        Shape::Text => "string",
        Shape::Fixed(_, None) => "fixed",
        Shape::Uuid => "uuid",
        Shape::Enum(_) => "enum",
        Shape::Array(_) => "array",
        Shape::Map(_) => "map",
        Shape::Union(_) | Shape::Unwritten => "union",
        Shape::Record(_) | Shape::Named(_) => "record",
    }
}
