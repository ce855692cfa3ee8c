//! Columns of dates, times and timestamps as seconds and nanoseconds, and the way back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use datafusion::common::{DataFusionError, Result};

use super::civil::DAY;
use crate::column::Column;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Date,
    Time,
    Timestamp,
}

/// A column of moments.
pub(crate) struct Instants {
    values: Int64Array,
    /// How many of the values make a second; for dates the value is a day.
    per_second: i64,
    pub clock: Clock,
    step: usize,
}

impl Instants {
    pub fn new(column: &Column<ArrayRef>) -> Result<Instants> {
        let step = usize::from(!column.is_constant());
        let array = &column.array;
        let (values, per_second, clock) = match array.data_type() {
            DataType::Date32 => (cast(array, &DataType::Int32)?, 0, Clock::Date),
            DataType::Time32(TimeUnit::Millisecond) => {
                (cast(array, &DataType::Int32)?, 1000, Clock::Time)
            }
            DataType::Timestamp(unit, _) => {
                (Arc::clone(array), per_second(*unit), Clock::Timestamp)
            }
            other => {
                return Err(DataFusionError::Internal(format!("{other} arrived as a moment")));
            }
        };
        let values = cast(&values, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
        Ok(Instants { values, per_second, clock, step })
    }

    /// Seconds since 1970-01-01 00:00:00 and nanoseconds after them.
    pub fn get(&self, row: usize) -> Option<(i64, u32)> {
        let row = row * self.step;
        if self.values.is_null(row) {
            return None;
        }
        let value = self.values.value(row);
        if self.clock == Clock::Date {
            return Some((value * DAY, 0));
        }
        let rest = value.rem_euclid(self.per_second) * (1_000_000_000 / self.per_second);
        Some((value.div_euclid(self.per_second), rest as u32))
    }
}

pub(crate) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// Seconds and nanoseconds in a timestamp's unit; None if the unit cannot hold them.
pub(crate) fn in_unit(unit: TimeUnit, seconds: i64, nanos: u32) -> Option<i64> {
    let per_second = per_second(unit);
    let rest = i64::from(nanos) / (1_000_000_000 / per_second);
    seconds.checked_mul(per_second)?.checked_add(rest)
}

/// A column of the given type from each row's seconds and nanoseconds.
pub(crate) fn moment_rows(
    rows: usize,
    ty: &DataType,
    mut moment: impl FnMut(usize) -> Result<Option<(i64, u32)>>,
) -> Result<ArrayRef> {
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        values.push(match moment(row)? {
            None => None,
            Some((seconds, nanos)) => Some(value(ty, seconds, nanos)?),
        });
    }
    Ok(match ty {
        DataType::Date32 => Arc::new(narrow::<Date32Type>(values)) as ArrayRef,
        DataType::Time32(_) => Arc::new(narrow::<Time32MillisecondType>(values)),
        DataType::Timestamp(..) => stamps(Int64Array::from(values), ty),
        other => return Err(DataFusionError::Internal(format!("{other} is no moment"))),
    })
}

/// Timestamps of the given type from values in its unit.
pub(crate) fn stamps(values: Int64Array, ty: &DataType) -> ArrayRef {
    let DataType::Timestamp(unit, zone) = ty else { return Arc::new(values) };
    let zone = zone.clone();
    match unit {
        TimeUnit::Second => {
            Arc::new(values.reinterpret_cast::<TimestampSecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Millisecond => {
            Arc::new(values.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(values.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(values.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone))
        }
    }
}

fn narrow<T: arrow::datatypes::ArrowPrimitiveType<Native = i32>>(
    values: Vec<Option<i64>>,
) -> PrimitiveArray<T> {
    values.into_iter().map(|v| v.map(|v| v as i32)).collect()
}

fn value(ty: &DataType, seconds: i64, nanos: u32) -> Result<i64> {
    let value = match ty {
        DataType::Date32 => {
            let days = seconds.div_euclid(DAY);
            i32::try_from(days).ok().map(i64::from)
        }
        DataType::Time32(_) => Some(seconds.rem_euclid(DAY) * 1000 + i64::from(nanos / 1_000_000)),
        DataType::Timestamp(unit, _) => in_unit(*unit, seconds, nanos),
        _ => None,
    };
    value.ok_or_else(|| {
        DataFusionError::Execution(format!(
            "{seconds} seconds from 1970-01-01 are outside the range of {ty}; \
             a lower precision has a wider one"
        ))
    })
}
