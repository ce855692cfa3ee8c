//! Moments written as text: by a Java pattern, or as SQL shows them.

use super::civil::{Date, Moment, month_name, us_week, weekday, weekday_name};
use super::pattern::{Dialect, Field, Item, Part, Pattern};

/// Appends a number with at least `width` digits.
pub(crate) fn number(out: &mut String, value: i64, width: usize) {
    if value < 0 {
        out.push('-');
    }
    if let (2, 0..=99) = (width, value) {
        out.push(char::from(b'0' + (value / 10) as u8));
        out.push(char::from(b'0' + (value % 10) as u8));
        return;
    }
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    let mut rest = value.unsigned_abs();
    while rest > 0 || digits.len() - at < width.clamp(1, 20) {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    out.extend(digits[at..].iter().map(|d| char::from(*d)));
}

/// `yyyy-MM-dd`
pub(crate) fn date(out: &mut String, date: Date) {
    number(out, date.year, 4);
    out.push('-');
    number(out, i64::from(date.month), 2);
    out.push('-');
    number(out, i64::from(date.day), 2);
}

/// `HH:mm:ss` and `precision` digits of the second's fraction.
pub(crate) fn time(out: &mut String, moment: &Moment, precision: usize) {
    number(out, i64::from(moment.hour), 2);
    out.push(':');
    number(out, i64::from(moment.minute), 2);
    out.push(':');
    number(out, i64::from(moment.second), 2);
    if precision > 0 {
        out.push('.');
        fraction(out, moment.nanos, precision);
    }
}

/// `HH:mm:ss` and behind a point as much of the fraction as there is: `precision` digits at most,
/// one at least.
pub(crate) fn time_of_day(out: &mut String, moment: &Moment, precision: usize) {
    time(out, moment, 0);
    let mut rest = moment.nanos / 1_000_000;
    for place in 0..precision {
        if place == 0 {
            out.push('.');
        } else if rest == 0 {
            break;
        }
        number(out, i64::from(rest / 100), 1);
        rest = rest % 100 * 10;
    }
}

/// `yyyy-MM-dd HH:mm:ss` and `precision` digits of the second's fraction.
pub(crate) fn timestamp(out: &mut String, moment: &Moment, precision: usize) {
    date(out, moment.date);
    out.push(' ');
    time(out, moment, precision);
}

fn fraction(out: &mut String, nanos: u32, digits: usize) {
    let kept = digits.min(9);
    number(out, i64::from(nanos) / 10_i64.pow(9 - kept as u32), kept);
    out.extend(std::iter::repeat_n('0', digits - kept));
}

/// Writes the moment as the pattern says; the optional parts are always written.
pub(crate) fn formatted(out: &mut String, pattern: &Pattern, moment: &Moment) {
    for item in &pattern.items {
        match item {
            Item::Literal(text) => out.push_str(text),
            Item::Field(field) => write_field(out, *field, moment, pattern.dialect),
            Item::OptionalStart | Item::OptionalEnd => {}
        }
    }
}

fn write_field(out: &mut String, field: Field, m: &Moment, dialect: Dialect) {
    let count = field.count;
    let second_of_day = i64::from(m.hour * 3600 + m.minute * 60 + m.second);
    let hour = i64::from(m.hour);
    let value = match field.part {
        Part::Era => return out.push_str(if m.date.year > 0 { "AD" } else { "BC" }),
        Part::Year => return year(out, m.date.year, count),
        Part::WeekYear => return year(out, us_week(m.epoch_day).0, count),
        Part::Month if count > 2 => return name(out, month_name(m.date.month), count, dialect),
        Part::WeekdayName => {
            return name(out, weekday_name(weekday(m.epoch_day)), count, dialect);
        }
        Part::Weekday if count > 2 => {
            return name(out, weekday_name(weekday(m.epoch_day)), count, dialect);
        }
        Part::AmPm => return out.push_str(if m.hour < 12 { "AM" } else { "PM" }),
        Part::Fraction => return fraction(out, m.nanos, count),
        Part::Quarter => return quarter(out, m.date.month.div_ceil(3), count),
        Part::ZoneName if count > 3 => return out.push_str("Coordinated Universal Time"),
        Part::ZoneName => return out.push_str("UTC"),
        Part::ZoneOffset => return out.push_str("+0000"),
        Part::ZoneIso => return out.push('Z'),
        Part::Month => i64::from(m.date.month),
        Part::WeekOfYear => us_week(m.epoch_day).1,
        Part::WeekOfMonth => {
            let first = weekday(m.epoch_day - i64::from(m.date.day) + 1);
            (i64::from(m.date.day) + first - 1) / 7 + 1
        }
        Part::DayOfYear => m.date.day_of_year(),
        Part::Day => i64::from(m.date.day),
        Part::WeekInMonth => (i64::from(m.date.day) - 1) / 7 + 1,
        Part::IsoWeekday => (m.epoch_day + 3).rem_euclid(7) + 1,
        Part::Weekday => weekday(m.epoch_day) + 1,
        Part::Hour => hour,
        Part::Hour24 => (hour + 23) % 24 + 1,
        Part::HourOfHalf => hour % 12,
        Part::Hour12 => (hour + 11) % 12 + 1,
        Part::Minute => i64::from(m.minute),
        Part::Second => i64::from(m.second),
        Part::Millisecond => i64::from(m.nanos / 1_000_000),
        Part::MilliOfDay => second_of_day * 1_000 + i64::from(m.nanos / 1_000_000),
        Part::NanoOfSecond => i64::from(m.nanos),
        Part::NanoOfDay => second_of_day * 1_000_000_000 + i64::from(m.nanos),
    };
    number(out, value, count);
}

fn year(out: &mut String, year: i64, count: usize) {
    match count {
        2 => number(out, year.rem_euclid(100), 2),
        _ => number(out, year, count),
    }
}

/// A name in full, its first letter (DateTimeFormatter's five letters), or its first three.
fn name(out: &mut String, name: &str, count: usize, dialect: Dialect) {
    let length = match (count, dialect) {
        (5, Dialect::Formatter) => 1,
        (4.., _) => name.len(),
        _ => 3,
    };
    out.push_str(&name[..length]);
}

fn quarter(out: &mut String, quarter: u32, count: usize) {
    let ordinal = ["1st", "2nd", "3rd", "4th"][(quarter.clamp(1, 4) - 1) as usize];
    match count {
        3 => out.push('Q'),
        4 => return out.push_str(&[ordinal, " quarter"].concat()),
        _ => {}
    }
    number(out, i64::from(quarter), if count == 2 { 2 } else { 1 });
}
