//! Text to moments and back: DATE_FORMAT, TO_TIMESTAMP, UNIX_TIMESTAMP and their kin.

use std::rc::Rc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use brooklet_core::types::SqlType;
use datafusion::common::{DataFusionError, Result, plan_err};

use super::civil::Moment;
use super::instants::{Clock, Instants, moment_rows};
use super::pattern::{Dialect, Pattern, pattern};
use super::read::{self, Stamp};
use super::write;
use super::zone::Zone;
use crate::column::{Call, Text, bad_value, value_rows, write_rows};
use crate::function::Kind::{Any, Long, MomentOrText, Text as T};
use crate::function::{Function, Output, SqlTypeOf, Typing};

const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

/// `DATE_FORMAT(moment, pattern)`
///
/// The TIMESTAMP, DATE or text (`yyyy-MM-dd HH:mm:ss`) written by a pattern of Java's
/// DateTimeFormatter. NULL for text that is no timestamp.
///
/// ```sql
/// DATE_FORMAT(TIMESTAMP '2020-01-02 15:04:05.678', 'yyyyMMdd HHmmss.SSS') = '20200102 150405.678'
/// DATE_FORMAT(TIMESTAMP '2020-01-02 15:04:05', 'EEE MMM d, hh:mm a') = 'Thu Jan 2, 03:04 PM'
/// DATE_FORMAT('2020-01-02 03:04:05', 'yyyyMMdd') = '20200102'
/// ```
pub(super) const DATE_FORMAT: Function =
    Function::text("date_format", &[MomentOrText, T], date_format).nullable();

/// `TO_TIMESTAMP(text [, pattern])`
///
/// The text as TIMESTAMP(3), read as `yyyy-MM-dd HH:mm:ss[.fraction]` or by a pattern of Java's
/// DateTimeFormatter. NULL for text that does not fit. A day the month does not have becomes its
/// last.
///
/// ```sql
/// TO_TIMESTAMP('02/01/2020 03:04', 'dd/MM/yyyy HH:mm') = TIMESTAMP '2020-01-02 03:04:00.000'
/// TO_TIMESTAMP('2020-06-31 00:00:00') = TIMESTAMP '2020-06-30 00:00:00.000'
/// TO_TIMESTAMP('bad') IS NULL
/// ```
pub(super) const TO_TIMESTAMP: Function =
    Function::new("to_timestamp", &[T, T], Output::Is(SqlTypeOf::Timestamp), to_timestamp)
        .optional(1)
        .nullable();

/// `TO_TIMESTAMP_LTZ(number [, precision])` and `TO_TIMESTAMP_LTZ(text [, pattern [, zone]])`
///
/// An instant: from a number of seconds (precision 0), milliseconds (3, the default),
/// microseconds (6) or nanoseconds (9) since 1970-01-01 UTC, or from text in a time zone (UTC).
/// NULL for text that does not fit.
///
/// ```sql
/// CAST(TO_TIMESTAMP_LTZ(1700000000, 0) AS STRING) = '2023-11-14 22:13:20.000'
/// TO_TIMESTAMP_LTZ('2020-01-02', 'yyyy-MM-dd', 'Asia/Tokyo') = '2020-01-01 15:00:00.000'
/// ```
pub(super) const TO_TIMESTAMP_LTZ: Function =
    Function::new("to_timestamp_ltz", &[Any, Any, T], Output::By(ltz_type), to_timestamp_ltz)
        .optional(2)
        .nullable();

/// `TO_DATE(text [, pattern])`
///
/// The text as DATE, read as `yyyy-MM-dd` or by a pattern of Java's SimpleDateFormat. NULL for
/// text that does not fit.
///
/// ```sql
/// TO_DATE('02.01.2020', 'dd.MM.yyyy') = DATE '2020-01-02'
/// TO_DATE('bad') IS NULL
/// ```
pub(super) const TO_DATE: Function =
    Function::new("to_date", &[T, T], Output::Is(SqlTypeOf::Date), to_date).optional(1).nullable();

/// `UNIX_TIMESTAMP(text [, pattern])`
///
/// The seconds since 1970-01-01 UTC of a text, read as `yyyy-MM-dd HH:mm:ss` or by a pattern of
/// Java's SimpleDateFormat. Text that does not fit gives -9223372036854775808.
///
/// ```sql
/// UNIX_TIMESTAMP('2020-01-02 03:04:05') = 1577934245
/// UNIX_TIMESTAMP('bad') = -9223372036854775808
/// ```
pub(super) const UNIX_TIMESTAMP: Function =
    Function::new("unix_timestamp", &[T, T], Output::Is(SqlTypeOf::Long), unix_timestamp)
        .optional(1);

/// `FROM_UNIXTIME(seconds [, pattern])`
///
/// Seconds since 1970-01-01 UTC as text, `yyyy-MM-dd HH:mm:ss` or by a pattern of Java's
/// SimpleDateFormat.
///
/// ```sql
/// FROM_UNIXTIME(1700000000) = '2023-11-14 22:13:20'
/// FROM_UNIXTIME(1700000000, 'yyyy/MM/dd') = '2023/11/14'
/// ```
pub(super) const FROM_UNIXTIME: Function =
    Function::text("from_unixtime", &[Long, T], from_unixtime).optional(1).nullable();

/// `CONVERT_TZ(text, from_zone, to_zone)`
///
/// A `yyyy-MM-dd HH:mm:ss` text of one time zone written in another. NULL for text that is no
/// timestamp.
///
/// ```sql
/// CONVERT_TZ('2020-01-02 03:04:05', 'UTC', 'Asia/Shanghai') = '2020-01-02 11:04:05'
/// ```
pub(super) const CONVERT_TZ: Function =
    Function::text("convert_tz", &[T, T, T], convert_tz).nullable();

type Parsed = Result<Rc<Pattern>, String>;

/// The patterns of an argument that is nearly always a constant, which is then read once.
enum Patterns {
    Constant(Option<Parsed>),
    Column(Text, Dialect),
}

impl Patterns {
    fn of(call: &Call, argument: usize, dialect: Dialect) -> Result<Patterns> {
        if call.len() <= argument {
            return Ok(Patterns::Constant(Some(pattern(DEFAULT, dialect))));
        }
        let text = call.text(argument)?;
        Ok(match text.constant() {
            Some(constant) => Patterns::Constant(constant.map(|text| pattern(text, dialect))),
            None => Patterns::Column(text, dialect),
        })
    }
    /// The row's pattern, None for NULL, an error's text for one that is wrong.
    fn get(&self, row: usize) -> Option<Parsed> {
        match self {
            Patterns::Constant(pattern) => pattern.clone(),
            Patterns::Column(text, dialect) => Some(pattern(text.get(row)?, *dialect)),
        }
    }
}

/// Writes rows by their patterns; a wrong pattern is an error.
fn write_patterned(
    call: &Call,
    patterns: &Patterns,
    mut stamp: impl FnMut(usize) -> Option<Stamp>,
) -> Result<ArrayRef> {
    let mut wrong = None;
    let written = write_rows(call.rows, |row, out| {
        let (seconds, nanos) = stamp(row)?;
        match patterns.get(row)? {
            Ok(pattern) => write::formatted(out, &pattern, &Moment::of(seconds, nanos)),
            Err(message) => wrong = Some(message),
        }
        Some(())
    });
    match wrong {
        Some(message) => Err(bad_value(message)),
        None => Ok(written),
    }
}

fn date_format(call: &Call) -> Result<ArrayRef> {
    if *call.any(0).array.data_type() == DataType::Utf8 {
        let text = call.text(0)?;
        let from = pattern(DEFAULT, Dialect::Simple).map_err(DataFusionError::Internal)?;
        let patterns = Patterns::of(call, 1, Dialect::Simple)?;
        return write_patterned(call, &patterns, |row| read::parsed(text.get(row)?, &from));
    }
    let (moments, zone) = (Instants::new(call.any(0))?, call.zone_of(0));
    if moments.clock != Clock::Timestamp {
        return plan_err!("DATE_FORMAT takes a TIMESTAMP or a STRING; write a CAST");
    }
    let patterns = Patterns::of(call, 1, Dialect::Formatter)?;
    write_patterned(call, &patterns, |row| {
        moments.get(row).map(|(seconds, nanos)| (zone.local(seconds), nanos))
    })
}

fn to_timestamp(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let patterns = Patterns::of(call, 1, Dialect::Formatter)?;
    moment_rows(call.rows, &call.result, |row| {
        Ok(text.get(row).and_then(|text| match (call.len(), patterns.get(row)?) {
            (1, _) => read::timestamp(text),
            (_, Ok(pattern)) => read::parsed(text, &pattern).or_else(|| read::jdbc(text)),
            (_, Err(_)) => None,
        }))
    })
}

fn ltz_type(typing: &Typing) -> Result<SqlType> {
    use SqlType as S;
    if !matches!(
        typing.types[0],
        S::Char(_)
            | S::Varchar(_)
            | S::TinyInt
            | S::SmallInt
            | S::Int
            | S::BigInt
            | S::Float
            | S::Double
            | S::Decimal(..)
    ) {
        return plan_err!("TO_TIMESTAMP_LTZ takes a number or a STRING, not {}", typing.types[0]);
    }
    let precision = match typing.types.get(1) {
        Some(SqlType::Varchar(_) | SqlType::Char(_)) | None => 3,
        Some(_) => typing.integer(1).unwrap_or(3),
    };
    match precision {
        0..=3 => Ok(SqlType::TimestampLtz(3)),
        4..=9 => Ok(SqlType::TimestampLtz(precision as u8)),
        _ => plan_err!("TO_TIMESTAMP_LTZ: the precision {precision} is not within 0 to 9"),
    }
}

fn to_timestamp_ltz(call: &Call) -> Result<ArrayRef> {
    let number = call.any(0);
    match number.array.data_type() {
        DataType::Utf8 => ltz_of_text(call),
        DataType::Null => moment_rows(call.rows, &call.result, |_| Ok(None)),
        ty if ty.is_floating() => {
            let numbers = arrow::compute::cast(&number.array, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>();
            ltz_of_number(call, |row| {
                let at = number.at(row);
                numbers.is_valid(at).then(|| numbers.value(at) as i64)
            })
        }
        ty if ty.is_numeric() => {
            let numbers = arrow::compute::cast(&number.array, &DataType::Int64)?;
            let numbers = numbers.as_primitive::<Int64Type>();
            ltz_of_number(call, |row| {
                let at = number.at(row);
                numbers.is_valid(at).then(|| numbers.value(at))
            })
        }
        ty => plan_err!("TO_TIMESTAMP_LTZ takes a number or a STRING, not {ty}"),
    }
}

fn ltz_of_number(call: &Call, number: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    let precision = match call.len() {
        1 => 3,
        _ => {
            let precision = arrow::compute::cast(&call.any(1).array, &DataType::Int64)?;
            let precision = precision.as_primitive::<Int64Type>();
            if precision.is_empty() || precision.is_null(0) { 3 } else { precision.value(0) }
        }
    };
    let per_second = match u32::try_from(precision) {
        Ok(p @ 0..=9) => 10_i64.pow(p),
        _ => return plan_err!("TO_TIMESTAMP_LTZ: the precision {precision} is not within 0 to 9"),
    };
    moment_rows(call.rows, &call.result, |row| {
        Ok(number(row).map(|n| {
            let rest = n.rem_euclid(per_second) * (1_000_000_000 / per_second);
            (n.div_euclid(per_second), rest as u32)
        }))
    })
}

fn ltz_of_text(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let patterns = Patterns::of(call, 1, Dialect::Formatter)?;
    let zones = if call.len() > 2 { Some(call.text(2)?) } else { None };
    // Without a zone the text is of UTC, as in Flink, whatever the session's is.
    moment_rows(call.rows, &call.result, |row| {
        let stamp = text.get(row).and_then(|text| match (call.len(), patterns.get(row)?) {
            (1, _) => read::timestamp(text),
            (_, Ok(pattern)) => read::parsed(text, &pattern),
            (_, Err(_)) => None,
        });
        Ok(match (&zones, stamp) {
            (Some(zones), Some((seconds, nanos))) => {
                zones.get(row).and_then(Zone::parse).map(|zone| (zone.instant(seconds), nanos))
            }
            _ => stamp,
        })
    })
}

fn to_date(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let patterns = Patterns::of(call, 1, Dialect::Simple)?;
    moment_rows(call.rows, &call.result, |row| {
        Ok(text.get(row).and_then(|text| match (call.len(), patterns.get(row)?) {
            (1, _) => read::date(text).map(|days| (days * super::civil::DAY, 0)),
            (_, Ok(pattern)) => read::parsed(text, &pattern),
            (_, Err(_)) => None,
        }))
    })
}

fn unix_timestamp(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let patterns = Patterns::of(call, 1, Dialect::Simple)?;
    Ok(value_rows::<Int64Type>(call.rows, |row| {
        let text = text.get(row)?;
        let stamp = patterns.get(row)?.ok().and_then(|pattern| read::parsed(text, &pattern));
        Some(stamp.map_or(i64::MIN, |(seconds, _)| call.zone.instant_late(seconds)))
    }))
}

fn from_unixtime(call: &Call) -> Result<ArrayRef> {
    let seconds = call.longs(0)?;
    let patterns = Patterns::of(call, 1, Dialect::Simple)?;
    write_patterned(call, &patterns, |row| {
        // Further than any date can be written.
        let near = seconds.get(row).filter(|s| s.unsigned_abs() < 1 << 50);
        near.map(|s| (s + call.zone.offset_early(s), 0))
    })
}

fn convert_tz(call: &Call) -> Result<ArrayRef> {
    let (text, from, to) = (call.text(0)?, call.text(1)?, call.text(2)?);
    let default = pattern(DEFAULT, Dialect::Simple).map_err(DataFusionError::Internal)?;
    // Java takes a zone it does not know for GMT.
    // Offsets alone are among them.
    let zone = |name: &str| {
        let known = !name.starts_with(['+', '-']);
        Zone::parse(name).filter(|_| known).unwrap_or(Zone::UTC)
    };
    Ok(write_rows(call.rows, |row, out| {
        let (seconds, _) = read::parsed(text.get(row)?, &default)?;
        let utc = zone(from.get(row)?).instant_late(seconds);
        let local = utc + zone(to.get(row)?).offset_early(utc);
        write::formatted(out, &default, &Moment::of(local, 0));
        Some(())
    }))
}
