//! Intervals as values: of months, or of milliseconds, in one Arrow type.
//!
//! A year-month interval has months only; a day-second interval nanoseconds only, so that equal
//! lengths are equal values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit,
};
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use super::instants::{Clock, Instants, moment_rows};
use super::shift::months_later;
use super::write;
use crate::column::{Call, bad_value, write_rows};
use crate::function::Kind::Any;
use crate::function::{Function, Output, Typing};

pub(crate) const DAY_NANOS: i64 = 86_400_000_000_000;

/// `moment + interval`; as a plain function `__plus_interval(moment, interval)`
///
/// The moment that much later, in the moment's type; a DATE takes whole days only.
///
/// ```sql
/// __PLUS_INTERVAL(DATE '2020-01-31', __INTERVAL('MONTH', 1)) = DATE '2020-02-29'
/// ```
pub(super) const PLUS: Function =
    Function::new("__plus_interval", &[Any, Any], Output::Like(0), |call| moved(call, 1));

/// `moment - interval`; as a plain function `__minus_interval(moment, interval)`
///
/// The moment that much earlier, in the moment's type.
///
/// ```sql
/// __MINUS_INTERVAL(DATE '2020-03-31', __INTERVAL('MONTH', 1)) = DATE '2020-02-29'
/// ```
pub(super) const MINUS: Function =
    Function::new("__minus_interval", &[Any, Any], Output::Like(0), |call| moved(call, -1));

/// `INTERVAL 'n' MONTH` and `INTERVAL 'n' SECOND`; as a plain function `__interval(unit, n)`
///
/// An interval of so many months or milliseconds.
///
/// ```sql
/// CAST(__INTERVAL('MONTH', 14) AS STRING) = '+1-02'
/// CAST(__INTERVAL('SECOND', 90061005) AS STRING) = '+1 01:01:01.005'
/// ```
pub(super) const INTERVAL: Function = Function::new(
    "__interval",
    &[crate::function::Kind::Text, crate::function::Kind::Long],
    Output::By(interval_type),
    |call| {
        let months = call.text(0)?.constant().flatten() == Some("MONTH");
        let numbers = call.longs(1)?;
        Ok(Arc::new(
            (0..call.rows)
                .map(|row| {
                    let n = numbers.get(row)?;
                    Some(if months {
                        of_months(n as i32)
                    } else {
                        of_nanos(n.wrapping_mul(1_000_000))
                    })
                })
                .collect::<IntervalMonthDayNanoArray>(),
        ))
    },
);

/// `interval + interval`; as a plain function `__add_intervals(interval, interval)`
///
/// ```sql
/// CAST(__ADD_INTERVALS(__INTERVAL('MONTH', 1), __INTERVAL('MONTH', 12)) AS STRING) = '+1-01'
/// ```
pub(super) const ADD: Function =
    Function::new("__add_intervals", &[Any, Any], Output::Like(0), |call| {
        two(call, |a, b| IntervalMonthDayNano {
            months: a.months.wrapping_add(b.months),
            days: 0,
            nanoseconds: nanos(&a).wrapping_add(nanos(&b)),
        })
    });

/// `interval * number`; as a plain function `__times_interval(interval, number)`
///
/// ```sql
/// CAST(__TIMES_INTERVAL(__INTERVAL('MONTH', 1), -3) AS STRING) = '-0-03'
/// ```
pub(super) const TIMES: Function = Function::new(
    "__times_interval",
    &[Any, crate::function::Kind::Number],
    Output::Like(0),
    times,
);

fn interval_type(typing: &Typing) -> Result<SqlType> {
    Ok(match typing.text(0) {
        Some("MONTH") => SqlType::IntervalYearMonth,
        _ => SqlType::IntervalDaySecond,
    })
}

fn of_months(months: i32) -> IntervalMonthDayNano {
    IntervalMonthDayNano { months, days: 0, nanoseconds: 0 }
}

fn of_nanos(nanoseconds: i64) -> IntervalMonthDayNano {
    IntervalMonthDayNano { months: 0, days: 0, nanoseconds }
}

fn nanos(interval: &IntervalMonthDayNano) -> i64 {
    interval.nanoseconds.wrapping_add(i64::from(interval.days).wrapping_mul(DAY_NANOS))
}

fn intervals(call: &Call, argument: usize) -> Result<IntervalMonthDayNanoArray> {
    let array = call.array(argument)?;
    match array.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            Ok(array.as_primitive::<IntervalMonthDayNanoType>().clone())
        }
        other => plan_err!("an INTERVAL is needed, not {other}"),
    }
}

fn two(
    call: &Call,
    value: impl Fn(IntervalMonthDayNano, IntervalMonthDayNano) -> IntervalMonthDayNano,
) -> Result<ArrayRef> {
    let (a, b) = (intervals(call, 0)?, intervals(call, 1)?);
    let of = |row: usize| {
        (a.is_valid(row) && b.is_valid(row)).then(|| value(a.value(row), b.value(row)))
    };
    Ok(Arc::new((0..call.rows).map(of).collect::<IntervalMonthDayNanoArray>()))
}

fn times(call: &Call) -> Result<ArrayRef> {
    let values = intervals(call, 0)?;
    let by = call.array(1)?;
    if by.data_type().is_integer() {
        let by = arrow::compute::cast(&by, &DataType::Int64)?;
        let by = by.as_primitive::<Int64Type>();
        let of = |row: usize| {
            (values.is_valid(row) && by.is_valid(row)).then(|| {
                let (value, n) = (values.value(row), by.value(row));
                IntervalMonthDayNano {
                    months: value.months.wrapping_mul(n as i32),
                    days: 0,
                    nanoseconds: nanos(&value).wrapping_mul(n),
                }
            })
        };
        return Ok(Arc::new((0..call.rows).map(of).collect::<IntervalMonthDayNanoArray>()));
    }
    let by = arrow::compute::cast(&by, &DataType::Float64)?;
    let by = by.as_primitive::<Float64Type>();
    let of = |row: usize| {
        (values.is_valid(row) && by.is_valid(row)).then(|| {
            let (value, n) = (values.value(row), by.value(row));
            let millis = (nanos(&value) / 1_000_000) as f64 * n;
            IntervalMonthDayNano {
                months: (f64::from(value.months) * n) as i32,
                days: 0,
                nanoseconds: (millis as i64).wrapping_mul(1_000_000),
            }
        })
    };
    Ok(Arc::new((0..call.rows).map(of).collect::<IntervalMonthDayNanoArray>()))
}

fn moved(call: &Call, sign: i64) -> Result<ArrayRef> {
    let moments = Instants::new(call.any(0))?;
    let by = intervals(call, 1)?;
    moment_rows(call.rows, &call.result, |row| {
        let Some((seconds, rest)) = moments.get(row).filter(|_| by.is_valid(row)) else {
            return Ok(None);
        };
        let by = by.value(row);
        if by.months != 0 {
            return Ok(Some((months_later(seconds, sign * i64::from(by.months)), rest)));
        }
        let mut by = sign * nanos(&by);
        if moments.clock == Clock::Date {
            by -= by % DAY_NANOS;
        }
        let all = i128::from(rest) + i128::from(by);
        let carry = all.div_euclid(1_000_000_000) as i64;
        match seconds.checked_add(carry) {
            Some(seconds) => Ok(Some((seconds, all.rem_euclid(1_000_000_000) as u32))),
            None => Err(bad_value("a moment and an interval are out of range")),
        }
    })
}

/// Intervals as SQL shows them: `+1-02`, `-1 02:03:04.005`.
pub(crate) fn texts(column: &ArrayRef, months: bool) -> Option<ArrayRef> {
    let values = column.as_primitive_opt::<IntervalMonthDayNanoType>()?;
    Some(write_rows(values.len(), |row, out| {
        let value = values.is_valid(row).then(|| values.value(row))?;
        if months {
            let all = value.months.unsigned_abs();
            out.push(if value.months < 0 { '-' } else { '+' });
            out.push_str(&format!("{}-{:02}", all / 12, all % 12));
            return Some(());
        }
        let nanos = nanos(&value);
        let millis = nanos.unsigned_abs() / 1_000_000;
        out.push(if nanos < 0 { '-' } else { '+' });
        write::number(out, (millis / 86_400_000) as i64, 1);
        let rest = millis % 86_400_000;
        let (hours, minutes) = (rest / 3_600_000, rest / 60_000 % 60);
        let (seconds, fraction) = (rest / 1_000 % 60, rest % 1_000);
        out.push_str(&format!(" {hours:02}:{minutes:02}:{seconds:02}.{fraction:03}"));
        Some(())
    }))
}
