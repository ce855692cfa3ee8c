//! Rows as plain values, compared as multisets; doubles at 1e-9.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, SchemaRef, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use brooklet_core::{Delta, Error, Result};
use brooklet_engine::ops::rows::consolidate;

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Text(String),
    Float(f64),
}

pub type Row = Vec<Cell>;

/// The cells of a batch, row by row; timestamps are milliseconds.
pub fn cells(batch: &RecordBatch) -> Result<Vec<Row>> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    for column in batch.columns() {
        let plain = plain(column)?;
        for (row, cells) in rows.iter_mut().enumerate() {
            cells.push(cell(&plain, row));
        }
    }
    Ok(rows)
}

fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Timestamp(_, _) => {
            let millis = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, None))?;
            cast(&millis, &DataType::Int64)?
        }
        DataType::Float32 | DataType::Float64 => cast(column, &DataType::Float64)?,
        ty if ty.is_integer() || *ty == DataType::Boolean => cast(column, &DataType::Int64)?,
        ty if ty.is_nested() => Arc::new(shown(column)?),
        _ => cast(column, &DataType::Utf8)?,
    })
}

fn shown(column: &ArrayRef) -> Result<StringArray> {
    let format = ArrayFormatter::try_new(column, &FormatOptions::default())?;
    let text = |row| column.is_valid(row).then(|| format.value(row).to_string());
    Ok((0..column.len()).map(text).collect())
}

fn cell(column: &ArrayRef, row: usize) -> Cell {
    if column.is_null(row) {
        return Cell::Null;
    }
    match column.data_type() {
        DataType::Int64 => Cell::Int(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Cell::Float(column.as_primitive::<Float64Type>().value(row)),
        _ => Cell::Text(column.as_string::<i32>().value(row).to_string()),
    }
}

/// Changes netted, each row with its weight as the first cell.
pub fn weighted(schema: &SchemaRef, changes: &[Delta]) -> Result<Vec<Row>> {
    let Some(net) = consolidate(schema, changes)? else { return Ok(Vec::new()) };
    let rows = cells(&net.rows)?.into_iter().enumerate();
    Ok(rows
        .map(|(i, row)| std::iter::once(Cell::Int(net.weight(i))).chain(row).collect())
        .collect())
}

/// What is left of all changes, a row of weight n as n rows.
pub fn sum(schema: &SchemaRef, changes: &[Delta]) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for mut row in weighted(schema, changes)? {
        let weight = row.remove(0);
        match weight {
            Cell::Int(n) if n > 0 => rows.extend(std::iter::repeat_n(row, n as usize)),
            _ => {
                let message = format!("row {row:?} is left with weight {weight:?}");
                return Err(Error::data(message));
            }
        }
    }
    Ok(rows)
}

/// The first difference between two multisets of rows.
pub fn differ(a: &[Row], b: &[Row]) -> Option<String> {
    let (mut a, mut b) = (a.to_vec(), b.to_vec());
    // Doubles last: two that differ in the last digits must not change the places of their rows.
    let order = |x: &Row, y: &Row| exact(x).cmp(&exact(y)).then_with(|| floats(x, y));
    a.sort_by(order);
    b.sort_by(order);
    for i in 0..a.len().max(b.len()) {
        match (a.get(i), b.get(i)) {
            (Some(x), Some(y)) if close(x, y) => {}
            (x, y) => {
                let count = format!("{} rows against {}", a.len(), b.len());
                return Some(format!("{count}; number {i} is {x:?} against {y:?}"));
            }
        }
    }
    None
}

fn exact(row: &Row) -> Vec<String> {
    row.iter().filter(|c| !matches!(c, Cell::Float(_))).map(|c| format!("{c:?}")).collect()
}

fn floats(a: &Row, b: &Row) -> Ordering {
    let of = |row: &Row| -> Vec<f64> {
        row.iter().filter_map(|c| if let Cell::Float(f) = c { Some(*f) } else { None }).collect()
    };
    let pairs = of(a).into_iter().zip(of(b)).map(|(x, y)| x.total_cmp(&y));
    pairs.into_iter().find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

fn close(a: &Row, b: &Row) -> bool {
    a.len() == b.len()
        && a.iter().zip(b).all(|(x, y)| match (x, y) {
            (Cell::Float(x), Cell::Float(y)) => {
                x == y
                    || x.is_nan() && y.is_nan()
                    || (x - y).abs() <= 1e-9 * x.abs().max(y.abs()).max(1.0)
            }
            (x, y) => x == y,
        })
}
