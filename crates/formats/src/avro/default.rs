//! Defaults of a schema, which are JSON, in Avro's encoding.

use brooklet_core::{Error, Result};
use serde_json::Value;

use super::cursor::{write_bytes, write_long};
use super::resolve::name;
use super::shape::Shape;

/// The bytes of a default; of a union the first branch that it fits.
pub(super) fn encode(shape: &Shape, named: &[Shape], default: &Value) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    write(shape, named, default, &mut bytes)?;
    Ok(bytes)
}

fn write(shape: &Shape, named: &[Shape], value: &Value, to: &mut Vec<u8>) -> Result<()> {
    let unfit = || Error::config(format!("{value} is no default for Avro's {}", name(shape)));
    match (shape, value) {
        (Shape::Named(place), _) => write(&named[*place], named, value, to)?,
        (Shape::Union(branches), _) => {
            let of_branch = |branch| encode(branch, named, value).ok();
            let found = branches.iter().map(of_branch).position(|bytes| bytes.is_some());
            let branch = found.ok_or_else(unfit)?;
            write_long(branch as i64, to);
            write(&branches[branch], named, value, to)?;
        }
        (Shape::Null, Value::Null) => {}
        (Shape::Boolean, Value::Bool(b)) => to.push(u8::from(*b)),
        (Shape::Int(_), Value::Number(n)) => {
            let value = n.as_i64().and_then(|n| i32::try_from(n).ok()).ok_or_else(unfit)?;
            write_long(value.into(), to);
        }
        (Shape::Long(_), Value::Number(n)) => write_long(n.as_i64().ok_or_else(unfit)?, to),
        (Shape::Float, Value::Number(n)) => {
            let value = n.as_f64().ok_or_else(unfit)?;
            to.extend_from_slice(&(value as f32).to_le_bytes());
        }
        (Shape::Double, Value::Number(n)) => {
            to.extend_from_slice(&n.as_f64().ok_or_else(unfit)?.to_le_bytes());
        }
        (Shape::Text, Value::String(text)) => write_bytes(text.as_bytes(), to),
        (Shape::Bytes(_), Value::String(text)) => {
            write_bytes(&raw(text).ok_or_else(unfit)?, to);
        }
        (Shape::Fixed(_, _) | Shape::Uuid, Value::String(text)) => {
            let size = if let Shape::Fixed(size, _) = shape { *size } else { 16 };
            let bytes = raw(text).filter(|bytes| bytes.len() == size);
            to.extend_from_slice(&bytes.ok_or_else(unfit)?);
        }
        (Shape::Enum(symbols), Value::String(symbol)) => {
            let place = symbols.iter().position(|s| s == symbol);
            write_long(place.ok_or_else(unfit)? as i64, to);
        }
        (Shape::Array(item), Value::Array(items)) => {
            write_block(items.len(), to);
            items.iter().try_for_each(|value| write(item, named, value, to))?;
            to.push(0);
        }
        (Shape::Map(of_values), Value::Object(entries)) => {
            write_block(entries.len(), to);
            for (key, value) in entries {
                write_bytes(key.as_bytes(), to);
                write(of_values, named, value, to)?;
            }
            to.push(0);
        }
        (Shape::Record(parts), Value::Object(fields)) => {
            for part in parts {
                let own = part.declared.as_ref().and_then(|says| says.default.as_ref());
                let value = fields.get(&part.name).or(own).ok_or_else(unfit)?;
                write(&part.shape, named, value, to)?;
            }
        }
        _ => return Err(unfit()),
    }
    Ok(())
}

/// What stands in front of so many elements, all in one block.
fn write_block(count: usize, to: &mut Vec<u8>) {
    if count > 0 {
        write_long(count as i64, to);
    }
}

/// Bytes stand in JSON as the characters of the same numbers.
fn raw(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}
