//! Fields of a date or timestamp: EXTRACT and its short forms.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType};
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use super::civil::{Moment, iso_week, weekday};
use super::instants::Instants;
use super::interval::DAY_NANOS;
use super::unit::Unit;
use crate::column::{Call, value_rows};
use crate::function::Kind::{Moment as M, Text as T};
use crate::function::{Body, Function, Output, SqlTypeOf};

/// `EXTRACT(unit FROM moment)`; as a plain function `extract('unit', moment)`
///
/// One field of a DATE, TIME, TIMESTAMP or INTERVAL as BIGINT. Units: MILLENNIUM, CENTURY, DECADE,
/// YEAR, ISOYEAR, QUARTER, MONTH, WEEK (ISO 8601), DAY, DOY, DOW (Sunday is 1), ISODOW (Monday is
/// 1), HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, NANOSECOND (of the second), EPOCH (seconds).
///
/// ```sql
/// EXTRACT(YEAR FROM TIMESTAMP '2020-01-02 15:04:05.678') = 2020
/// EXTRACT(DOW FROM DATE '2020-01-05') = 1
/// EXTRACT(WEEK FROM DATE '2020-01-05') = 1
/// EXTRACT(MILLISECOND FROM TIMESTAMP '2020-01-02 15:04:05.678') = 678
/// ```
pub(super) const EXTRACT: Function =
    Function::new("extract", &[T, M], Output::Is(SqlTypeOf::Long), extract)
        .aliases(&["date_part"])
        .coerced(operands);

/// `YEAR(moment)`: the same as `EXTRACT(YEAR FROM moment)`.
///
/// ```sql
/// YEAR(DATE '2020-01-02') = 2020
/// ```
pub(super) const YEAR: Function = field("year", |c| short(c, Unit::Year));

/// `QUARTER(moment)`: the quarter of the year, 1 to 4.
///
/// ```sql
/// QUARTER(DATE '2020-05-05') = 2
/// ```
pub(super) const QUARTER: Function = field("quarter", |c| short(c, Unit::Quarter));

/// `MONTH(moment)`: the month, 1 to 12.
///
/// ```sql
/// MONTH(DATE '2020-05-05') = 5
/// ```
pub(super) const MONTH: Function = field("month", |c| short(c, Unit::Month));

/// `WEEK(moment)`: the week of the year after ISO 8601, 1 to 53.
///
/// ```sql
/// WEEK(DATE '2020-01-05') = 1
/// ```
pub(super) const WEEK: Function = field("week", |c| short(c, Unit::Week));

/// `DAYOFYEAR(moment)`: the day of the year, 1 to 366.
///
/// ```sql
/// DAYOFYEAR(DATE '2020-02-05') = 36
/// ```
pub(super) const DAYOFYEAR: Function = field("dayofyear", |c| short(c, Unit::DayOfYear));

/// `DAYOFMONTH(moment)`: the day of the month, 1 to 31.
///
/// ```sql
/// DAYOFMONTH(DATE '2020-01-02') = 2
/// ```
pub(super) const DAYOFMONTH: Function = field("dayofmonth", |c| short(c, Unit::Day));

/// `DAYOFWEEK(moment)`: the day of the week; Sunday is 1.
///
/// ```sql
/// DAYOFWEEK(DATE '2020-01-05') = 1
/// ```
pub(super) const DAYOFWEEK: Function = field("dayofweek", |c| short(c, Unit::DayOfWeek));

/// `HOUR(moment)`: the hour, 0 to 23.
///
/// ```sql
/// HOUR(TIMESTAMP '2020-01-02 15:04:05') = 15
/// ```
pub(super) const HOUR: Function = field("hour", |c| short(c, Unit::Hour));

/// `MINUTE(moment)`: the minute, 0 to 59.
///
/// ```sql
/// MINUTE(TIMESTAMP '2020-01-02 15:04:05') = 4
/// ```
pub(super) const MINUTE: Function = field("minute", |c| short(c, Unit::Minute));

/// `SECOND(moment)`: the second, 0 to 59.
///
/// ```sql
/// SECOND(TIMESTAMP '2020-01-02 15:04:05') = 5
/// ```
pub(super) const SECOND: Function = field("second", |c| short(c, Unit::Second));

/// `UNIX_TIMESTAMP()`: the seconds of the clock since 1970-01-01 00:00:00 UTC; as a plain function
/// `__unix_timestamp(moment)`, those of any moment.
///
/// ```sql
/// __UNIX_TIMESTAMP(TO_TIMESTAMP_LTZ(1700000000, 0)) = 1700000000
/// ```
pub(super) const NOW: Function = field("__unix_timestamp", |call| {
    let moments = Instants::new(call.any(0))?;
    Ok(value_rows::<Int64Type>(call.rows, |row| Some(moments.get(row)?.0)))
});

const fn field(name: &'static str, body: Body) -> Function {
    Function::new(name, &[M], Output::Is(SqlTypeOf::Long), body)
}

fn extract(call: &Call) -> Result<ArrayRef> {
    let unit = Unit::argument(&call.text(0)?, "EXTRACT")?;
    match call.any(1).array.data_type() {
        DataType::Interval(_) => of_interval(call, unit),
        _ => fields(call, 1, unit),
    }
}

/// A unit, and a moment or an interval.
fn operands(_: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [_, of] = types else {
        return plan_err!("EXTRACT takes 2 arguments; {} were given", types.len());
    };
    let of = match of {
        DataType::Null => SqlType::Timestamp(3).arrow(),
        DataType::Date32
        | DataType::Time32(_)
        | DataType::Timestamp(..)
        | DataType::Interval(_) => of.clone(),
        other => {
            let got = SqlType::from_arrow(other).map_or(other.to_string(), |t| t.to_string());
            return plan_err!(
                "argument 2 of EXTRACT must be a DATE, TIME or TIMESTAMP, not {got}; write a CAST"
            );
        }
    };
    Ok(vec![DataType::Utf8, of])
}

/// One field of an interval, without what larger units hold.
fn of_interval(call: &Call, unit: Unit) -> Result<ArrayRef> {
    let column = call.any(1);
    let intervals = column.array.as_primitive::<IntervalMonthDayNanoType>();
    let of: fn(IntervalMonthDayNano) -> i64 = match unit {
        Unit::Year => |v| i64::from(v.months / 12),
        Unit::Month => |v| i64::from(v.months % 12),
        Unit::Day => |v| i64::from(v.days) + v.nanoseconds / DAY_NANOS,
        Unit::Hour => |v| v.nanoseconds % DAY_NANOS / 3_600_000_000_000,
        Unit::Minute => |v| v.nanoseconds % 3_600_000_000_000 / 60_000_000_000,
        Unit::Second => |v| v.nanoseconds % 60_000_000_000 / 1_000_000_000,
        Unit::Millisecond => |v| v.nanoseconds % 1_000_000_000 / 1_000_000,
        _ => return plan_err!("an INTERVAL has no {unit:?}"),
    };
    Ok(value_rows::<Int64Type>(call.rows, |row| {
        let at = column.at(row);
        intervals.is_valid(at).then(|| of(intervals.value(at)))
    }))
}

fn short(call: &Call, unit: Unit) -> Result<ArrayRef> {
    fields(call, 0, unit)
}

fn fields(call: &Call, argument: usize, unit: Unit) -> Result<ArrayRef> {
    let moments = Instants::new(call.any(argument))?;
    let of: fn(i64, u32) -> i64 = match unit {
        Unit::Epoch => |s, _| s,
        Unit::Hour => |s, _| s.rem_euclid(86_400) / 3_600,
        Unit::Minute => |s, _| s.rem_euclid(3_600) / 60,
        Unit::Second => |s, _| s.rem_euclid(60),
        Unit::Millisecond => |_, n| i64::from(n / 1_000_000),
        Unit::Microsecond => |_, n| i64::from(n / 1_000),
        Unit::Nanosecond => |_, n| i64::from(n),
        Unit::Year => |s, n| Moment::of(s, n).date.year,
        Unit::Quarter => |s, n| (i64::from(Moment::of(s, n).date.month) + 2) / 3,
        Unit::Month => |s, n| i64::from(Moment::of(s, n).date.month),
        Unit::Day => |s, n| i64::from(Moment::of(s, n).date.day),
        Unit::DayOfYear => |s, n| Moment::of(s, n).date.day_of_year(),
        Unit::DayOfWeek => |s, _| weekday(s.div_euclid(86_400)) + 1,
        Unit::IsoDayOfWeek => |s, _| (s.div_euclid(86_400) + 3).rem_euclid(7) + 1,
        Unit::Week => |s, _| iso_week(s.div_euclid(86_400)).1,
        Unit::IsoYear => |s, _| iso_week(s.div_euclid(86_400)).0,
        Unit::Decade => |s, n| Moment::of(s, n).date.year / 10,
        Unit::Century => |s, n| counted(Moment::of(s, n).date.year, 100),
        Unit::Millennium => |s, n| counted(Moment::of(s, n).date.year, 1_000),
    };
    let time_of_day = moments.clock == super::instants::Clock::Time;
    if call.rows > 0 && time_of_day && unit.seconds().is_none() && unit.nanos().is_none() {
        return plan_err!("a TIME has no {unit:?}");
    }
    // All are of what the wall shows, also EPOCH.
    let zone = call.zone_of(argument);
    let before = moments.clock == super::instants::Clock::Timestamp;
    Ok(value_rows::<Int64Type>(call.rows, |row| {
        let (seconds, nanos) = moments.get(row)?;
        let seconds = seconds + zone.offset_early(seconds);
        if before && seconds < 0 {
            return Some(before_1970(unit, seconds, nanos, of));
        }
        Some(of(seconds, nanos))
    }))
}

/// Flink divides milliseconds before 1970 towards zero: the day is the next one unless it is
/// midnight, the time of day counts backwards.
fn before_1970(unit: Unit, seconds: i64, nanos: u32, of: fn(i64, u32) -> i64) -> i64 {
    let millis = seconds.saturating_mul(1_000).saturating_add(i64::from(nanos / 1_000_000));
    let below = i64::from(nanos % 1_000_000);
    match unit {
        Unit::Epoch => millis / 1_000,
        Unit::Hour => millis % 86_400_000 / 3_600_000,
        Unit::Minute => millis % 3_600_000 / 60_000,
        Unit::Second => millis % 60_000 / 1_000,
        Unit::Millisecond => millis % 1_000,
        Unit::Microsecond => millis % 1_000 * 1_000 + below / 1_000,
        Unit::Nanosecond => millis % 1_000 * 1_000_000 + below,
        _ => of(millis / 86_400_000 * 86_400, 0),
    }
}

/// Centuries and millennia, whose first year ends in 1.
fn counted(year: i64, length: i64) -> i64 {
    if year > 0 { (year + length - 1) / length } else { (year - length + 1) / length }
}
