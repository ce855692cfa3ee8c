//! Avro's values into columns, and over those that no column wants.

use arrow::datatypes::Fields;
use brooklet_core::Result;

use super::cursor::Cursor;
use super::number;
use super::resolve::Resolver;
use super::shape::{Meaning, Part, Shape, Shapes};
use crate::json::{Column, Data};
use crate::rows::not_null;

/// Types that contain themselves are followed so far.
const MAX_DEPTH: usize = 64;
const TOO_MUCH: &str = "one column of a batch would exceed 2 GiB; read smaller batches";
const NOT_UTF8: &str = "a string is not valid UTF-8";

/// How records of a schema become rows of some columns.
pub(crate) struct Reader {
    parts: Vec<Part>,
    named: Vec<Shape>,
}

impl Reader {
    /// Finds the columns' fields by name; an error when one cannot take what its field holds.
    pub fn new(shapes: Shapes, columns: &Fields) -> Result<Reader> {
        let resolver = Resolver { named: &shapes.named, of_others: false, expected: None };
        let parts = resolver.parts(&shapes.root, None, columns)?;
        Ok(Reader { parts, named: shapes.named })
    }

    /// The same for records of one writer among others: a branch of a union that its column cannot
    /// take makes only records bad that use it. `expected` says what a column may be called, and
    /// what stands for it where it was not written; without it that is NULL.
    pub fn of_writer(
        shapes: Shapes,
        columns: &Fields,
        expected: Option<&Shapes>,
    ) -> Result<Reader> {
        let resolver = Resolver { named: &shapes.named, of_others: true, expected };
        let parts = resolver.parts(&shapes.root, expected.map(|e| &e.root[..]), columns)?;
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
            (Shape::Constant(shape, bytes), _) => {
                self.write(shape, &mut Cursor(bytes), column, row)?;
            }
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
            Shape::Null | Shape::Unwritten | Shape::Constant(_, _) => {}
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
