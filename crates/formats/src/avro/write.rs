//! Columns' values in Avro's encoding.

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};

use super::cursor::{write_bytes, write_long};
use super::number;
use super::resolve::name;
use super::shape::{Meaning, Part, Shape, Shapes};
use crate::json::{Cells, Values};

/// How rows of some columns become records of a schema.
pub(crate) struct Writer {
    parts: Vec<Part>,
}

impl Writer {
    /// Finds the columns' fields by name; an error when one cannot hold what its column may give.
    pub fn new(shapes: &Shapes, columns: &Fields) -> Result<Writer> {
        Ok(Writer { parts: resolve_parts(&shapes.root, &shapes.named, columns)? })
    }

    /// The columns of a batch, looked up once.
    pub fn columns(rows: &RecordBatch) -> Result<Vec<Cells<'_>>> {
        rows.columns().iter().map(Cells::new).collect()
    }

    /// Appends the record of a row.
    pub fn record(&self, columns: &[Cells<'_>], row: usize, to: &mut Vec<u8>) -> Result<()> {
        let cells: Vec<&Cells<'_>> = columns.iter().collect();
        write_parts(&self.parts, &cells, row, to)
    }
}

fn write_parts(parts: &[Part], columns: &[&Cells<'_>], row: usize, to: &mut Vec<u8>) -> Result<()> {
    for part in parts {
        match part.column {
            Some(column) => write(&part.shape, columns[column], row, to)
                .map_err(|e| e.at(format!("column '{}'", part.name)))?,
            None => write_null(&part.shape, to)?,
        }
    }
    Ok(())
}

fn write_null(shape: &Shape, to: &mut Vec<u8>) -> Result<()> {
    match shape {
        Shape::Null => {}
        Shape::Union(branches) => {
            let null = branches.iter().position(|b| matches!(b, Shape::Null));
            write_long(null.ok_or_else(no_null)? as i64, to);
        }
        _ => return Err(no_null()),
    }
    Ok(())
}

fn no_null() -> Error {
    Error::data(
        "a NULL cannot be written: the Avro type is no union with null; declare the column \
         without NOT NULL, or filter",
    )
}

fn write(shape: &Shape, cells: &Cells<'_>, row: usize, to: &mut Vec<u8>) -> Result<()> {
    if cells.is_null(row) {
        return write_null(shape, to);
    }
    match (shape, &cells.values) {
        (Shape::Union(branches), _) => {
            let used = |b: &Shape| !matches!(b, Shape::Null | Shape::Unwritten);
            let branch = branches.iter().position(used).unwrap_or_default();
            write_long(branch as i64, to);
            write(&branches[branch], cells, row, to)?;
        }
        (Shape::Boolean, Values::Bool(a)) => to.push(u8::from(a.value(row))),
        (Shape::Int(_) | Shape::Long(_), _) => write_long(number(shape, cells, row)?, to),
        (Shape::Float, Values::F32(a)) => to.extend_from_slice(&a.value(row).to_le_bytes()),
        (Shape::Double, Values::F32(a)) => {
            to.extend_from_slice(&f64::from(a.value(row)).to_le_bytes());
        }
        (Shape::Double, Values::F64(a)) => to.extend_from_slice(&a.value(row).to_le_bytes()),
        (Shape::Text, Values::Utf8(a)) => write_bytes(a.value(row).as_bytes(), to),
        (Shape::Bytes(None), Values::Binary(a)) => write_bytes(a.value(row), to),
        (Shape::Fixed(size, None), Values::Binary(a)) => {
            let value = a.value(row);
            if value.len() != *size {
                let found = value.len();
                return Err(Error::data(format!("{found} bytes for a fixed type of {size}")));
            }
            to.extend_from_slice(value);
        }
        (Shape::Bytes(Some(_)), Values::Decimal(a, _)) => {
            write_bytes(number::shortest(&a.value(row).to_be_bytes()), to);
        }
        (Shape::Fixed(size, Some(_)), Values::Decimal(a, _)) => {
            write_fixed_decimal(a.value(row), *size, to)?;
        }
        (Shape::Enum(symbols), Values::Utf8(a)) => {
            let value = a.value(row);
            let symbol = symbols.iter().position(|s| s == value);
            let unknown = || Error::data(format!("'{value}' is no symbol of the Avro enum"));
            write_long(symbol.ok_or_else(unknown)? as i64, to);
        }
        (Shape::Record(parts), Values::Row(fields)) => {
            let fields: Vec<&Cells<'_>> = fields.iter().map(|field| &field.cells).collect();
            write_parts(parts, &fields, row, to)?;
        }
        (Shape::Array(item), Values::List(list, items)) => {
            let offsets = list.value_offsets();
            let range = offsets[row] as usize..offsets[row + 1] as usize;
            write_block(range, to, |at, to| write(item, items, at, to))?;
        }
        (Shape::Map(value), Values::Map(map, keys, values)) => {
            let offsets = map.value_offsets();
            let range = offsets[row] as usize..offsets[row + 1] as usize;
            write_block(range, to, |at, to| {
                if keys.is_null(at) {
                    return Err(Error::data("a MAP has a NULL key, which Avro cannot carry"));
                }
                write_bytes(keys.value(at).as_bytes(), to);
                write(value, values, at, to)
            })?;
        }
        _ => return Err(Error::bug(format!("an Avro {} from another type", name(shape)))),
    }
    Ok(())
}

/// All elements in one block, and the empty one that ends an array or map.
fn write_block(
    range: std::ops::Range<usize>,
    to: &mut Vec<u8>,
    mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    if !range.is_empty() {
        write_long(range.len() as i64, to);
        for at in range {
            write(at, to)?;
        }
    }
    to.push(0);
    Ok(())
}

fn number(shape: &Shape, cells: &Cells<'_>, row: usize) -> Result<i64> {
    Ok(match (shape, &cells.values) {
        (_, Values::I8(a)) => a.value(row).into(),
        (_, Values::I16(a)) => a.value(row).into(),
        (_, Values::I32(a)) => a.value(row).into(),
        (_, Values::I64(a)) => a.value(row),
        (_, Values::Date(a)) => a.value(row).into(),
        (Shape::Long(Meaning::TimeMicros), Values::Time(a)) => i64::from(a.value(row)) * 1000,
        (_, Values::Time(a)) => a.value(row).into(),
        (Shape::Long(meaning), Values::Timestamp { values, unit, .. }) => {
            let to = if let Meaning::Timestamp(to) = meaning { *to } else { *unit };
            let value = number::in_unit(values[row], *unit, to);
            value.ok_or_else(|| Error::data("a timestamp is beyond what its Avro type holds"))?
        }
        _ => return Err(Error::bug(format!("an Avro {} from another type", name(shape)))),
    })
}

fn write_fixed_decimal(value: i128, size: usize, to: &mut Vec<u8>) -> Result<()> {
    let bytes = value.to_be_bytes();
    let shortest = number::shortest(&bytes);
    let Some(fill) = size.checked_sub(shortest.len()) else {
        return Err(Error::data(format!("a decimal does not fit into {size} bytes")));
    };
    to.extend(std::iter::repeat_n(if value < 0 { 0xff } else { 0 }, fill));
    to.extend_from_slice(shortest);
    Ok(())
}

fn resolve_parts(parts: &[Part], named: &[Shape], columns: &Fields) -> Result<Vec<Part>> {
    if let Some(lost) = columns.iter().find(|c| parts.iter().all(|p| p.name != *c.name())) {
        return Err(Error::config(format!(
            "the Avro schema has no field for column '{}'",
            lost.name()
        )));
    }
    let resolved = parts.iter().map(|part| {
        let place = columns.find(&part.name);
        let shape = match place {
            Some((_, column)) => resolve(&part.shape, named, column),
            None => write_null(&part.shape, &mut Vec::new())
                .map(|()| part.shape.clone())
                .map_err(|_| Error::config("the field is no union with null and has no column")),
        };
        let shape = shape.map_err(|e| e.at(format!("Avro field '{}'", part.name)))?;
        let column = place.map(|(place, _)| place);
        Ok(Part { name: part.name.clone(), shape, column, declared: None })
    });
    resolved.collect()
}

/// The shape with the columns of its records and one branch per union; an error when it cannot
/// hold the column.
fn resolve(shape: &Shape, named: &[Shape], column: &Field) -> Result<Shape> {
    let inner =
        |shape: &Shape, column: &Field| Ok::<_, Error>(Box::new(resolve(shape, named, column)?));
    let ty = column.data_type();
    Ok(match (shape, ty) {
        (Shape::Named(place), _) => resolve(&named[*place], named, column)?,
        (Shape::Union(branches), _) => {
            let mut failed = Error::config("the union has no type but null");
            let mut found = false;
            let mut resolved = Vec::with_capacity(branches.len());
            for branch in branches {
                resolved.push(match branch {
                    Shape::Null => Shape::Null,
                    _ if found => Shape::Unwritten,
                    branch => match resolve(branch, named, column) {
                        Ok(shape) => {
                            found = true;
                            shape
                        }
                        Err(e) => {
                            failed = e;
                            Shape::Unwritten
                        }
                    },
                });
            }
            if !found {
                return Err(failed);
            }
            Shape::Union(resolved)
        }
        (Shape::Record(parts), DataType::Struct(fields)) => {
            Shape::Record(resolve_parts(parts, named, fields)?)
        }
        (Shape::Array(item), DataType::List(field)) => Shape::Array(inner(item, field)?),
        (Shape::Map(value), DataType::Map(entries, _)) => match entries.data_type() {
            DataType::Struct(entries) => Shape::Map(inner(value, &entries[1])?),
            _ => return Err(Error::bug("a map without entries")),
        },
        (shape, ty) if holds(shape, ty) => shape.clone(),
        (shape, ty) => {
            let ty = SqlType::from_arrow(ty).map_or_else(|| ty.to_string(), |ty| ty.to_string());
            return Err(Error::config(format!("Avro's {} cannot hold {ty}", name(shape))));
        }
    })
}

/// Whether every value of a scalar column can be written.
fn holds(shape: &Shape, ty: &DataType) -> bool {
    use Meaning::{Date, Number, TimeMicros, TimeMillis, Timestamp};
    match (shape, ty) {
        (Shape::Boolean, DataType::Boolean) => true,
        (
            Shape::Int(Number) | Shape::Long(Number),
            DataType::Int8 | DataType::Int16 | DataType::Int32,
        ) => true,
        (Shape::Long(_), DataType::Int64) => true,
        (Shape::Int(Number | Date), DataType::Date32) => true,
        (Shape::Int(Number | TimeMillis), DataType::Time32(TimeUnit::Millisecond)) => true,
        (Shape::Long(TimeMicros), DataType::Time32(TimeUnit::Millisecond)) => true,
        (Shape::Long(Number | Timestamp(_)), DataType::Timestamp(_, _)) => true,
        (Shape::Float, DataType::Float32) => true,
        (Shape::Double, DataType::Float32 | DataType::Float64) => true,
        (Shape::Text | Shape::Enum(_), DataType::Utf8) => true,
        (Shape::Bytes(None) | Shape::Fixed(_, None), DataType::Binary) => true,
        (
            Shape::Bytes(Some(scale)) | Shape::Fixed(_, Some(scale)),
            DataType::Decimal128(_, of_column),
        ) => i64::from(*scale) == i64::from(*of_column),
        _ => false,
    }
}
