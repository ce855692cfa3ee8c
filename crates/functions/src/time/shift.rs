//! Moving moments: TIMESTAMPADD, TIMESTAMPDIFF, FLOOR and CEIL to a unit.

use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use super::civil::{DAY, Date, Moment};
use super::instants::{Instants, moment_rows};
use super::unit::Unit;
use crate::column::{Call, bad_value, value_rows};
use crate::function::Kind::{Long, Moment as M, Text as T};
use crate::function::{Function, Output, SqlTypeOf, Typing};

/// `TIMESTAMPADD(unit, count, moment)`; as a plain function `timestampadd('unit', count, moment)`
///
/// The moment that many units later, or earlier for a negative count. A day that the month does
/// not have becomes its last. Units: SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR. The
/// result has the moment's type; a DATE moved by less than a day becomes a TIMESTAMP(6).
///
/// ```sql
/// TIMESTAMPADD(MINUTE, -90, TIMESTAMP '2020-01-01 01:00:00') = TIMESTAMP '2019-12-31 23:30:00'
/// TIMESTAMPADD(MONTH, 1, DATE '2020-01-31') = DATE '2020-02-29'
/// ```
pub(super) const TIMESTAMPADD: Function =
    Function::new("timestampadd", &[T, Long, M], Output::By(added), add);

/// `TIMESTAMPDIFF(unit, from, to)`; as a plain function `timestampdiff('unit', from, to)`
///
/// How many whole units lie between the moments, as INT; negative when `to` is the earlier one.
///
/// ```sql
/// TIMESTAMPDIFF(DAY, TIMESTAMP '2020-01-01 23:00:00', TIMESTAMP '2020-01-03 22:00:00') = 1
/// TIMESTAMPDIFF(MONTH, DATE '2020-01-31', DATE '2020-02-29') = 1
/// TIMESTAMPDIFF(HOUR, TIMESTAMP '2020-01-02 00:00:00', TIMESTAMP '2020-01-01 00:00:00') = -24
/// ```
pub(super) const TIMESTAMPDIFF: Function =
    Function::new("timestampdiff", &[T, M, M], Output::Is(SqlTypeOf::Int), difference);

fn added(typing: &Typing) -> Result<SqlType> {
    let moment = typing.types[2].clone();
    let unit = typing.text(0).and_then(Unit::parse);
    let whole_days =
        unit.is_none_or(|u| u.months().is_some() || matches!(u, Unit::Day | Unit::Week));
    Ok(if moment == SqlType::Date && !whole_days { SqlType::Timestamp(6) } else { moment })
}

fn add(call: &Call) -> Result<ArrayRef> {
    let unit = Unit::argument(&call.text(0)?, "TIMESTAMPADD")?;
    let (counts, moments) = (call.longs(1)?, Instants::new(call.any(2))?);
    moment_rows(call.rows, &call.result, |row| {
        let (Some(count), Some((seconds, nanos))) = (counts.get(row), moments.get(row)) else {
            return Ok(None);
        };
        match plus(unit, count, seconds, nanos) {
            Some(moment) => Ok(Some(moment)),
            None => Err(bad_value(format!("TIMESTAMPADD: {count} {unit:?} is out of range"))),
        }
    })
}

fn plus(unit: Unit, count: i64, seconds: i64, nanos: u32) -> Option<(i64, u32)> {
    if let Some(length) = unit.seconds() {
        return Some((seconds.checked_add(count.checked_mul(length)?)?, nanos));
    }
    if let Some(length) = unit.nanos() {
        let all = i128::from(count) * i128::from(length) + i128::from(nanos);
        let carry = i64::try_from(all.div_euclid(1_000_000_000)).ok()?;
        return Some((seconds.checked_add(carry)?, all.rem_euclid(1_000_000_000) as u32));
    }
    let months = count.checked_mul(unit.months()?)?;
    // Wider than any timestamp, narrow enough for the calendar's arithmetic.
    if months.abs() > 12 * 1_000_000 {
        return None;
    }
    Some((months_later(seconds, months), nanos))
}

/// The same time of day so many months later, on the month's last day if it has no such day.
pub(super) fn months_later(seconds: i64, months: i64) -> i64 {
    let day = Date::of_epoch_day(seconds.div_euclid(DAY)).plus_months(months).epoch_day();
    day * DAY + seconds.rem_euclid(DAY)
}

fn difference(call: &Call) -> Result<ArrayRef> {
    let unit = Unit::argument(&call.text(0)?, "TIMESTAMPDIFF")?;
    let (from, to) = (Instants::new(call.any(1))?, Instants::new(call.any(2))?);
    if call.is_instant(1) != call.is_instant(2) {
        return plan_err!("TIMESTAMPDIFF takes two TIMESTAMPs or two TIMESTAMP_LTZs; write a CAST");
    }
    if unit.seconds().is_none() && unit.nanos().is_none() && unit.months().is_none() {
        return plan_err!("TIMESTAMPDIFF cannot count {unit:?}; write SECOND, DAY or MONTH");
    }
    Ok(value_rows::<Int32Type>(call.rows, |row| {
        let ((s0, n0), (s1, n1)) = (from.get(row)?, to.get(row)?);
        let nanos = i128::from(s1 - s0) * 1_000_000_000 + i128::from(n1) - i128::from(n0);
        let count = match (unit.months(), unit.seconds(), unit.nanos()) {
            (Some(length), ..) => i128::from(months_between((s0, n0), (s1, n1)) / length),
            (_, Some(length), _) => nanos / 1_000_000_000 / i128::from(length),
            (.., length) => nanos / i128::from(length.unwrap_or(1)),
        };
        Some(count as i32)
    }))
}

/// The most months that can be added to the earlier moment without passing the later one.
fn months_between(from: (i64, u32), to: (i64, u32)) -> i64 {
    if to < from {
        return -months_between(to, from);
    }
    let (a, b) = (Moment::of(from.0, from.1), Moment::of(to.0, to.1));
    let months =
        (b.date.year - a.date.year) * 12 + i64::from(b.date.month) - i64::from(a.date.month);
    let moved = a.date.plus_months(months).epoch_day() * DAY + from.0.rem_euclid(DAY);
    if (moved, from.1) > to { months - 1 } else { months }
}

/// The start of the unit that holds the moment, or with `up` the first start not before it, which
/// of weeks, months and more is the first that is not before the moment's day, as in Flink.
pub(crate) fn to_unit(unit: Unit, (seconds, nanos): (i64, u32), up: bool) -> Result<(i64, u32)> {
    let floor = match (unit.seconds(), unit.nanos(), unit.months()) {
        // Weeks start on Sunday; 1970-01-01 was a Thursday.
        (Some(length), ..) if unit == Unit::Week => {
            (seconds - (seconds + 4 * DAY).rem_euclid(length), 0)
        }
        (Some(length), ..) => (seconds - seconds.rem_euclid(length), 0),
        (_, Some(length), _) => (seconds, nanos - nanos % length as u32),
        (.., Some(months)) => {
            let date = Date::of_epoch_day(seconds.div_euclid(DAY));
            let month = date.year * 12 + i64::from(date.month) - 1;
            let start = match unit {
                // Centuries and millennia start in a year that ends in 1.
                Unit::Century | Unit::Millennium => (month - 12).div_euclid(months) * months + 12,
                _ => month.div_euclid(months) * months,
            };
            let first = Date::new(start.div_euclid(12), start.rem_euclid(12) as u32 + 1, 1);
            (first.epoch_day() * DAY, 0)
        }
        _ => return plan_err!("FLOOR and CEIL cannot go TO {unit:?}; write TO DAY or TO HOUR"),
    };
    let by_day = unit == Unit::Week || unit.months().is_some();
    let at = if by_day { (seconds - seconds.rem_euclid(DAY), 0) } else { (seconds, nanos) };
    if !up || floor == at {
        return Ok(floor);
    }
    plus(unit, 1, floor.0, floor.1).ok_or_else(|| bad_value("CEIL: the result is out of range"))
}

/// FLOOR and CEIL of a moment to the unit in the second argument.
pub(crate) fn rounded(call: &Call, up: bool) -> Result<ArrayRef> {
    let unit = Unit::argument(&call.text(1)?, if up { "CEIL" } else { "FLOOR" })?;
    let (moments, zone) = (Instants::new(call.any(0))?, call.zone_of(0));
    moment_rows(call.rows, &call.result, |row| {
        let Some((seconds, nanos)) = moments.get(row) else { return Ok(None) };
        // Back by the offset that the clock had at the moment, as Flink does.
        let offset = zone.offset_early(seconds);
        let (seconds, nanos) = to_unit(unit, (seconds + offset, nanos), up)?;
        Ok(Some((seconds - offset, nanos)))
    })
}
