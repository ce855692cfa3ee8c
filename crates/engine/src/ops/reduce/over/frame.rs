//! Frames: which rows of its key each row's result is computed from.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int32Type, Int64Type};

use brooklet_core::{Error, Result};
use brooklet_plan::over::{Distance, Edge, Frame, FrameUnit};

/// Where the rows of one key stand among all that are computed, in their order.
#[derive(Debug, Clone)]
pub struct Part {
    /// All rows at hand.
    pub rows: Range<usize>,
    /// The first that wants a result; those before it are only looked back to.
    pub from: usize,
}

/// The values of the order's one column, as distances are measured in them.
pub enum Places {
    Exact(Vec<Option<i128>>),
    Float(Vec<Option<f64>>),
    /// No distances: only rows with equal values are known.
    None,
}

/// Places and peers of all rows.
pub struct Order {
    pub places: Places,
    pub descending: bool,
    /// For each row the first row that is its equal, and the first behind those.
    pub peers: Vec<(usize, usize)>,
}

impl Places {
    pub fn of(column: &ArrayRef) -> Result<Places> {
        let ty = column.data_type();
        if matches!(ty, DataType::Float32 | DataType::Float64) {
            let floats = compute::cast(column, &DataType::Float64)?;
            return Ok(Places::Float(floats.as_primitive::<Float64Type>().iter().collect()));
        }
        if matches!(ty, DataType::Decimal128(..)) {
            return Ok(Places::Exact(column.as_primitive::<Decimal128Type>().iter().collect()));
        }
        let whole = match ty {
            DataType::Date32 | DataType::Time32(_) => {
                let days = compute::cast(column, &DataType::Int32)?;
                days.as_primitive::<Int32Type>().iter().map(|v| v.map(i128::from)).collect()
            }
            DataType::Timestamp(..) => {
                let units = compute::cast(column, &DataType::Int64)?;
                units.as_primitive::<Int64Type>().iter().map(|v| v.map(i128::from)).collect()
            }
            _ if ty.is_integer() => {
                let whole = compute::cast(column, &DataType::Int64)?;
                whole.as_primitive::<Int64Type>().iter().map(|v| v.map(i128::from)).collect()
            }
            _ => return Ok(Places::None),
        };
        Ok(Places::Exact(whole))
    }
}

/// The frame of each row of `part` that wants a result; both ends only ever grow.
pub fn frames(frame: &Frame, order: &Order, part: &Part) -> Result<Vec<Range<usize>>> {
    let Range { start, end } = part.rows.clone();
    let wanted = part.from..end;
    if frame.unit == FrameUnit::Rows {
        let at = |row: usize, edge: Edge, unbounded: usize, behind: i64| match edge.exact() {
            None => unbounded,
            Some(n) => (row as i64 + n + behind).clamp(start as i64, end as i64) as usize,
        };
        let of = |row| at(row, frame.start, start, 0)..at(row, frame.end, end, 1);
        return Ok(wanted.map(of).map(proper).collect());
    }
    let (mut found, mut low, mut high) = (Vec::with_capacity(wanted.len()), start, start);
    for row in wanted {
        let peers = order.peers[row];
        let first = match frame.start {
            Edge::Unbounded => start,
            Edge::CURRENT => peers.0,
            edge => {
                while low < end && before(order, low, row, edge, false)? {
                    low += 1;
                }
                low
            }
        };
        let last = match frame.end {
            Edge::Unbounded => end,
            Edge::CURRENT => peers.1,
            edge => {
                while high < end && before(order, high, row, edge, true)? {
                    high += 1;
                }
                high
            }
        };
        found.push(proper(first..last));
    }
    Ok(found)
}

/// Frames may end before they start: such are empty.
fn proper(range: Range<usize>) -> Range<usize> {
    range.start..range.end.max(range.start)
}

/// Whether `other` stands before the edge of `row`'s frame; `or_on`: or on it. NULLs are at the
/// distance 0 of each other and at none of others.
fn before(order: &Order, other: usize, row: usize, edge: Edge, or_on: bool) -> Result<bool> {
    fn judged<T: PartialOrd>(a: T, b: T, descending: bool, or_on: bool) -> bool {
        let (a, b) = if descending { (b, a) } else { (a, b) };
        a < b || or_on && a <= b
    }
    let by_peers = || match or_on {
        true => other < order.peers[row].1,
        false => other < order.peers[row].0,
    };
    let sign = if order.descending { -1.0 } else { 1.0 };
    Ok(match (&order.places, edge) {
        (Places::Exact(places), Edge::Offset(Distance::Exact(by))) => {
            match (places[other], places[row]) {
                (Some(a), Some(b)) => {
                    let edge = b + i128::from(by) * sign as i128;
                    judged(a, edge, order.descending, or_on)
                }
                (None, Some(_)) => other < order.peers[row].0,
                _ => by_peers(),
            }
        }
        (Places::Float(places), Edge::Offset(by)) => match (places[other], places[row]) {
            (Some(a), Some(b)) => {
                let by = match by {
                    Distance::Exact(n) => n as f64,
                    Distance::Float(x) => x,
                };
                judged(a, b + by * sign, order.descending, or_on)
            }
            (None, Some(_)) => other < order.peers[row].0,
            _ => by_peers(),
        },
        _ => {
            return Err(Error::config(
                "RANGE with a distance needs a number or a time to order by",
            ));
        }
    })
}
