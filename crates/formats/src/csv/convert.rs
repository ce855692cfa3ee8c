//! Fields into SQL types, with Flink's coercions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use base64::Engine;
use brooklet_core::types::{SQL_TYPE, SqlType};
use brooklet_core::{Error, Result};

use super::options::CsvOptions;
use crate::java::{self, Decimal};
use crate::json::{BASE64, Column, Data, quoted, type_name};
use crate::rows::not_null;
use crate::time::{self, Standard};

/// What a column's Arrow type does not say.
pub(super) struct Shape {
    /// A TIME is cut to a multiple of it.
    step_ms: i32,
    /// The element of an ARRAY; the fields of a ROW that are read, each with its position.
    parts: Vec<(usize, Shape)>,
    /// The number of fields a ROW is declared with.
    width: usize,
}

const TOO_MUCH: &str = "one column of a batch would exceed 2 GiB; read smaller batches";

/// Refuses types that CSV cannot carry: MAPs, and containers in containers.
pub(super) fn check(fields: &Fields) -> Result<()> {
    let scalar = |field: &Arc<Field>| {
        use DataType::{Interval, List, Map, Struct};
        !matches!(field.data_type(), Struct(_) | List(_) | Map(_, _) | Interval(_))
    };
    for field in fields {
        let fits = match field.data_type() {
            DataType::List(item) => scalar(item),
            DataType::Struct(parts) => parts.iter().all(scalar),
            _ => scalar(field),
        };
        if !fits {
            let ty = SqlType::from_arrow(field.data_type());
            let ty = ty.map_or_else(|| field.data_type().to_string(), |ty| ty.to_string());
            return Err(Error::config(format!(
                "column '{}': csv carries scalars and ARRAYs and ROWs of scalars, not {ty}",
                field.name()
            )));
        }
    }
    Ok(())
}

impl Shape {
    /// Of a column that is read, which has some of the fields of the `declared` one.
    pub fn new(read: &Field, declared: &Field) -> Shape {
        let step_ms = match read.metadata().get(SQL_TYPE).map(String::as_str) {
            _ if !matches!(read.data_type(), DataType::Time32(_)) => 1,
            Some("TIME(3)") => 1,
            Some("TIME(2)") => 10,
            Some("TIME(1)") => 100,
            None => 1000,
            Some(_) => 1,
        };
        let mut shape = Shape { step_ms, parts: Vec::new(), width: 0 };
        match (read.data_type(), declared.data_type()) {
            (DataType::List(item), DataType::List(of)) => {
                shape.parts = vec![(0, Shape::new(item, of))]
            }
            (DataType::Struct(fields), DataType::Struct(all)) => {
                shape.width = all.len();
                let part = |field: &Arc<Field>| {
                    let (place, of) = all.find(field.name())?;
                    Some((place, Shape::new(field, of)))
                };
                shape.parts = fields.iter().filter_map(part).collect();
            }
            _ => {}
        }
        shape
    }
}

/// Reads a field into `row`. With ignore-parse-errors what does not fit is NULL.
pub(super) fn set(
    column: &mut Column,
    shape: &Shape,
    row: usize,
    text: &str,
    options: &CsvOptions,
) -> Result<(), String> {
    let empty = || java::trim(text).is_empty();
    match &mut column.data {
        Data::List(list) => {
            let mut at = list.open(row);
            if !empty() {
                for part in text.split(options.element) {
                    scalar(&mut list.items, &shape.parts[0].1, at, part, options)?;
                    at += 1;
                }
            }
            list.close(at).ok_or(TOO_MUCH)?;
        }
        Data::Row(_) if empty() => column.cut(row),
        Data::Row(fields) => {
            let count = text.split(options.element).count();
            if count < shape.width && !options.ignore_errors {
                return Err(format!("{count} elements, but the ROW has {} fields", shape.width));
            }
            fields.open(row);
            for ((place, shape), column) in shape.parts.iter().zip(&mut fields.node.columns) {
                match text.split(options.element).nth(*place) {
                    Some(part) => scalar(column, shape, row, part, options)?,
                    None => not_null(column, row)?,
                }
            }
            fields.close(row);
        }
        _ => scalar(column, shape, row, text, options)?,
    }
    Ok(())
}

fn scalar(
    column: &mut Column,
    shape: &Shape,
    row: usize,
    text: &str,
    options: &CsvOptions,
) -> Result<(), String> {
    if options.null.as_deref() == Some(text) {
        column.cut(row);
    } else if convert(&mut column.data, shape, row, text).is_none() {
        column.cut(row);
        if !options.ignore_errors {
            return Err(format!("{} is no {}", quoted(text), type_name(column)));
        }
    }
    not_null(column, row)
}

/// None when the text is none of the type. A DECIMAL that is too large stays unwritten.
fn convert(data: &mut Data, shape: &Shape, row: usize, text: &str) -> Option<()> {
    match data {
        Data::Bool(c) => c.push(row, java::trim(text).eq_ignore_ascii_case("true")),
        Data::I8(c) => c.push(row, whole(text)?),
        Data::I16(c) => c.push(row, whole(text)?),
        Data::I32(c) => c.push(row, whole(text)?),
        Data::I64(c) => c.push(row, whole(text)?),
        Data::F32(c) => c.push(row, java::parse_f32(text)?),
        Data::F64(c) => c.push(row, java::parse_f64(text)?),
        Data::Decimal { numbers, precision, scale } => {
            match java::parse_decimal(text.as_bytes(), *precision, *scale)? {
                Decimal::Value(v) => numbers.push(row, v),
                Decimal::Overflow => {}
            }
        }
        Data::Date(c) => c.push(row, date(text)?),
        Data::Time(c) => {
            let ms = time::parse_iso_time(text.as_bytes())?;
            c.push(row, ms - ms % shape.step_ms);
        }
        Data::Timestamp { numbers, unit, utc, days } => {
            let text = java::trim(text).as_bytes();
            let usual = *unit == TimeUnit::Millisecond && !*utc;
            let value = match usual.then(|| days.parse(text, b' ')).flatten() {
                Some(ms) => ms,
                None => time::parse_timestamp(text, Standard::Sql, *utc, *unit)?,
            };
            numbers.push(row, value);
        }
        Data::Utf8(c) => {
            c.open(row);
            c.bytes.extend_from_slice(text.as_bytes());
            c.close()?;
        }
        Data::Binary(c) => {
            c.open(row);
            BASE64.decode_vec(text, &mut c.bytes).ok()?;
            c.close()?;
        }
        Data::Row(_) | Data::List(_) | Data::Map(_) => return None,
    }
    Some(())
}

fn whole<T: TryFrom<i64>>(text: &str) -> Option<T> {
    T::try_from(java::parse_i64(java::trim(text))?).ok()
}

/// `java.sql.Date.valueOf`: days beyond the month's end run on into the next month.
fn date(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let mut number = |lengths: std::ops::RangeInclusive<usize>| -> Option<u32> {
        let part = parts.next()?;
        let digits = part.bytes().all(|b| b.is_ascii_digit());
        part.parse().ok().filter(|_| digits && lengths.contains(&part.len()))
    };
    let (year, month, day) = (number(4..=4)?, number(1..=2)?, number(1..=2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = time::days_from_civil(i64::from(year), month, 1) + i64::from(day) - 1;
    i32::try_from(days).ok()
}
