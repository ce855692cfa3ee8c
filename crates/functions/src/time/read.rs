//! Text read as a moment: SQL's own forms, and Java patterns.

use super::civil::{DAY, Date, month_length, month_name, weekday_name};
use super::pattern::{Dialect, Field, Item, Part, Pattern};

/// Seconds since 1970-01-01 00:00:00 and nanoseconds.
pub(crate) type Stamp = (i64, u32);

/// Text at a place.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader { text: text.as_bytes(), at: 0 }
    }
    fn rest(&self) -> &'a [u8] {
        &self.text[self.at.min(self.text.len())..]
    }
    fn done(&self) -> bool {
        self.at >= self.text.len()
    }
    fn take(&mut self, c: u8) -> bool {
        let found = self.rest().first() == Some(&c);
        self.at += usize::from(found);
        found
    }
    fn digits_ahead(&self) -> usize {
        self.rest().iter().take_while(|c| c.is_ascii_digit()).count()
    }
    /// A number of exactly `width` digits.
    fn number(&mut self, width: usize) -> Option<i64> {
        if width == 0 || width > 18 || self.digits_ahead() < width {
            return None;
        }
        let digits = &self.rest()[..width];
        self.at += width;
        Some(digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    }
    /// A number of one or two digits.
    fn one_or_two(&mut self) -> Option<u32> {
        self.number(self.digits_ahead().min(2)).map(|n| n as u32)
    }
    /// Up to nine digits of a fraction, as nanoseconds.
    fn nanos(&mut self) -> Option<u32> {
        let width = self.digits_ahead();
        match width {
            0 => Some(0),
            1..=9 => Some(self.number(width)? as u32 * 10_u32.pow(9 - width as u32)),
            _ => None,
        }
    }
}

/// `yyyy-MM-dd[ HH:mm:ss[.fraction]]`, months to seconds with one digit or two. A day the month
/// does not have, up to 31, becomes its last.
pub(crate) fn timestamp(text: &str) -> Option<Stamp> {
    let mut r = Reader::new(text);
    if r.digits_ahead() != 4 {
        return None;
    }
    let year = r.number(4)?;
    let month = r.take(b'-').then(|| r.one_or_two())??;
    let day = r.take(b'-').then(|| r.one_or_two())??;
    if year == 0 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let day = day.min(month_length(year, month));
    let midnight = Date::new(year, month, day).epoch_day() * DAY;
    if r.done() {
        return Some((midnight, 0));
    }
    let hour = r.take(b' ').then(|| r.one_or_two())??;
    let minute = r.take(b':').then(|| r.one_or_two())??;
    let second = r.take(b':').then(|| r.one_or_two())??;
    let nanos = if r.take(b'.') { r.nanos()? } else { 0 };
    let end_of_day = hour == 24 && minute == 0 && second == 0 && nanos == 0;
    if !r.done() || minute > 59 || second > 59 || (hour > 23 && !end_of_day) {
        return None;
    }
    Some((midnight + i64::from(hour * 3600 + minute * 60 + second), nanos))
}

/// `yyyy[-MM[-dd]]`, anything after a space ignored; the day must exist. In epoch days.
pub(crate) fn date(text: &str) -> Option<i64> {
    let text = match text.find(' ') {
        Some(space) if space > 0 => &text[..space],
        _ => text,
    };
    let mut parts = text.splitn(3, '-').map(|part| {
        let part = part.trim();
        let number = !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        if number { part.parse::<u32>().ok() } else { None }
    });
    let year = i64::from(parts.next()??);
    let month = parts.next().unwrap_or(Some(1))?;
    let day = parts.next().unwrap_or(Some(1))?;
    let valid =
        year <= 9999 && (1..=12).contains(&month) && (1..=month_length(year, month)).contains(&day);
    valid.then(|| Date::new(year, month, day).epoch_day())
}

/// `HH[:mm[:ss[.fraction]]]` in milliseconds of the day.
pub(crate) fn time(text: &str) -> Option<i64> {
    let mut r = Reader::new(text.trim());
    let hour = r.one_or_two()?;
    let minute = if r.take(b':') { r.one_or_two()? } else { 0 };
    let second = if r.take(b':') { Some(r.one_or_two()?) } else { None };
    let nanos = if second.is_some() && r.take(b'.') { r.nanos()? } else { 0 };
    let second = second.unwrap_or(0);
    if !r.done() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some(seconds * 1000 + i64::from(nanos / 1_000_000))
}

/// What java.sql.Timestamp and Date read: `yyyy-[m]m-[d]d[ hh:mm:ss[.fraction]]`, days and hours
/// past the end running on.
pub(crate) fn jdbc(text: &str) -> Option<Stamp> {
    let mut r = Reader::new(text.trim());
    let year = (r.digits_ahead() == 4).then(|| r.number(4))??;
    let month = r.take(b'-').then(|| r.one_or_two())??;
    let day = r.take(b'-').then(|| r.one_or_two())??;
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let midnight = Date::new(year, month, day).epoch_day() * DAY;
    if r.done() {
        return Some((midnight, 0));
    }
    let hour = r.take(b' ').then(|| r.one_or_two())??;
    let minute = r.take(b':').then(|| r.one_or_two())??;
    let second = r.take(b':').then(|| r.one_or_two())??;
    let nanos = if r.take(b'.') { r.nanos()? } else { 0 };
    r.done().then_some((midnight + i64::from(hour * 3600 + minute * 60 + second), nanos))
}

/// The fields a pattern has read.
#[derive(Debug, Default, Clone, Copy)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    day_of_year: Option<i64>,
    hour: Option<i64>,
    half_hour: Option<i64>,
    afternoon: Option<bool>,
    minute: Option<i64>,
    second: Option<i64>,
    nanos: Option<i64>,
    /// Seconds east of UTC.
    offset: i64,
}

/// Reads the text by the pattern, missing fields being those of 1970-01-01 00:00:00.
pub(crate) fn parsed(text: &str, pattern: &Pattern) -> Option<Stamp> {
    let mut reader = Reader::new(text);
    let mut fields = Fields::default();
    items(&mut reader, &pattern.items, pattern.dialect, &mut fields)?;
    match pattern.dialect {
        Dialect::Simple => lenient(&fields),
        Dialect::Formatter if !reader.done() => None,
        Dialect::Formatter => checked(&fields),
    }
}

fn items(r: &mut Reader, all: &[Item], dialect: Dialect, fields: &mut Fields) -> Option<()> {
    let mut i = 0;
    while i < all.len() {
        match &all[i] {
            Item::Literal(text) => {
                if !r.rest().starts_with(text.as_bytes()) {
                    return None;
                }
                r.at += text.len();
            }
            Item::Field(field) => read_field(r, *field, &all[i + 1..], dialect, fields)?,
            Item::OptionalEnd => {}
            Item::OptionalStart => {
                let length = optional_length(&all[i + 1..]);
                let (at, before) = (r.at, *fields);
                if items(r, &all[i + 1..i + 1 + length], dialect, fields).is_none() {
                    r.at = at;
                    *fields = before;
                }
                i += length;
            }
        }
        i += 1;
    }
    Some(())
}

/// How many items stand before the end of the optional part.
fn optional_length(items: &[Item]) -> usize {
    let mut depth = 1;
    for (i, item) in items.iter().enumerate() {
        match item {
            Item::OptionalStart => depth += 1,
            Item::OptionalEnd => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    items.len()
}

/// The least and most digits of a field's number; None if it is read as text.
fn widths(field: Field, dialect: Dialect) -> Option<(usize, usize)> {
    let textual = match field.part {
        Part::Era | Part::WeekdayName | Part::AmPm => true,
        Part::ZoneName | Part::ZoneOffset | Part::ZoneIso => true,
        Part::Month | Part::Quarter | Part::Weekday => field.count > 2,
        _ => false,
    };
    if textual {
        return None;
    }
    Some(match (dialect, field.part, field.count) {
        (Dialect::Simple, ..) => (1, 18),
        (_, Part::Fraction, n) => (n, n),
        (_, Part::Year | Part::WeekYear, 2) => (2, 2),
        // More digits than four would need a sign.
        (_, Part::Year | Part::WeekYear, n @ 4..) => (n, n),
        (_, _, 1) => (1, 18),
        (_, _, n) => (n, n),
    })
}

fn read_field(
    r: &mut Reader,
    field: Field,
    after: &[Item],
    dialect: Dialect,
    fields: &mut Fields,
) -> Option<()> {
    let Some((least, most)) = widths(field, dialect) else {
        return read_text(r, field, fields);
    };
    if dialect == Dialect::Simple {
        while r.take(b' ') || r.take(b'\t') {}
    }
    let ahead = r.digits_ahead();
    // Numbers without anything between them share the digits by their counts.
    let next = after.first().and_then(|item| match item {
        Item::Field(f) => widths(*f, dialect).map(|_| *f),
        _ => None,
    });
    let width = match (dialect, next) {
        (Dialect::Simple, Some(_)) => field.count.min(ahead),
        (Dialect::Formatter, Some(_)) if most > least => {
            ahead.saturating_sub(fixed_after(after, dialect)).clamp(least, most)
        }
        _ => ahead.min(most),
    };
    if width < least {
        return None;
    }
    let value = r.number(width)?;
    store(field, value, width, dialect, fields);
    Some(())
}

/// How many digits the fixed-width numbers right after a field take.
fn fixed_after(items: &[Item], dialect: Dialect) -> usize {
    let fixed = items.iter().map_while(|item| match item {
        Item::Field(f) => widths(*f, dialect).filter(|(a, b)| a == b).map(|(a, _)| a),
        _ => None,
    });
    fixed.sum()
}

fn store(field: Field, value: i64, width: usize, dialect: Dialect, fields: &mut Fields) {
    match field.part {
        Part::Year if field.count == 2 && width == 2 => {
            // DateTimeFormatter means 2000 to 2099; SimpleDateFormat a window around today, for
            // which a fixed one stands here so that results do not depend on the clock.
            let century = if dialect == Dialect::Simple && value > 69 { 1900 } else { 2000 };
            fields.year = Some(century + value);
        }
        Part::Year => fields.year = Some(value),
        Part::Month => fields.month = Some(value),
        Part::Day => fields.day = Some(value),
        Part::DayOfYear => fields.day_of_year = Some(value),
        Part::Hour => fields.hour = Some(value),
        Part::Hour24 => fields.hour = Some(if value == 24 { 0 } else { value }),
        Part::HourOfHalf => fields.half_hour = Some(value),
        Part::Hour12 => fields.half_hour = Some(if value == 12 { 0 } else { value }),
        Part::Minute => fields.minute = Some(value),
        Part::Second => fields.second = Some(value),
        Part::Millisecond => fields.nanos = Some(value.saturating_mul(1_000_000)),
        Part::NanoOfSecond => fields.nanos = Some(value),
        Part::Fraction if width <= 9 => {
            fields.nanos = Some(value * 10_i64.pow(9 - width as u32));
        }
        _ => {}
    }
}

fn read_text(r: &mut Reader, field: Field, fields: &mut Fields) -> Option<()> {
    match field.part {
        Part::Month => {
            let (month, length) = longest(r.rest(), (1..=12).map(|m| (m, month_name(m as u32))))?;
            fields.month = Some(month);
            r.at += length;
        }
        Part::WeekdayName | Part::Weekday => {
            r.at += longest(r.rest(), (0..7).map(|d| (d, weekday_name(d))))?.1;
        }
        Part::AmPm => {
            let (half, length) = longest(r.rest(), [(0, "AM"), (1, "PM")].into_iter())?;
            fields.afternoon = Some(half == 1);
            r.at += length;
        }
        Part::Era => r.at += longest(r.rest(), [(0, "AD"), (1, "BC")].into_iter())?.1,
        Part::ZoneName | Part::ZoneOffset | Part::ZoneIso => fields.offset = offset(r)?,
        _ => return None,
    }
    Some(())
}

/// The name, in full or its first three letters, that the text starts with in any case.
fn longest(text: &[u8], names: impl Iterator<Item = (i64, &'static str)>) -> Option<(i64, usize)> {
    let starts = |name: &str| {
        text.get(..name.len()).is_some_and(|t| t.eq_ignore_ascii_case(name.as_bytes()))
    };
    let hits = names.filter_map(|(value, name)| {
        let short = &name[..name.len().min(3)];
        let length = if starts(name) { name.len() } else { short.len() };
        starts(short).then_some((value, length))
    });
    hits.max_by_key(|(_, length)| *length)
}

/// `Z`, `UTC`, `GMT` or `+hh[:]mm`.
fn offset(r: &mut Reader) -> Option<i64> {
    if r.take(b'Z') {
        return Some(0);
    }
    if matches!(r.rest().get(..3), Some(b"UTC" | b"GMT")) {
        r.at += 3;
        if !matches!(r.rest().first(), Some(b'+' | b'-')) {
            return Some(0);
        }
    }
    let sign = if r.take(b'-') { -1 } else { r.take(b'+').then_some(1)? };
    let hours = r.number(2)?;
    r.take(b':');
    let minutes = if r.digits_ahead() >= 2 { r.number(2)? } else { 0 };
    Some(sign * (hours * 3600 + minutes * 60))
}

fn hour(f: &Fields) -> i64 {
    match (f.hour, f.half_hour, f.afternoon) {
        (Some(hour), ..) => hour,
        (None, Some(half), Some(afternoon)) => half + if afternoon { 12 } else { 0 },
        _ => 0,
    }
}

/// SimpleDateFormat's way: every field may run over into the next.
fn lenient(f: &Fields) -> Option<Stamp> {
    let in_range = |v: i64| v.abs() < 1_000_000_000;
    let (year, month) = (f.year.unwrap_or(1970), f.month.unwrap_or(1));
    let (day, hour) = (f.day.unwrap_or(1), f.half_hour.filter(|_| f.afternoon.is_none()));
    let hour = hour.unwrap_or_else(|| self::hour(f));
    let (minute, second) = (f.minute.unwrap_or(0), f.second.unwrap_or(0));
    let nanos = f.nanos.unwrap_or(0);
    if ![year, month, day, hour, minute, second].into_iter().all(in_range) {
        return None;
    }
    let first = Date::new(year, 1, 1).plus_months(month - 1).epoch_day();
    let first = match f.day_of_year {
        Some(n) if f.day.is_none() && f.month.is_none() => {
            in_range(n).then(|| Date::new(year, 1, 1).epoch_day() + n - 1)?
        }
        _ => first + day - 1,
    };
    let seconds = first * DAY + hour * 3600 + minute * 60 + second - f.offset;
    Some((seconds + nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000) as u32))
}

/// DateTimeFormatter's way: fields have their ranges, but a day up to 31 is cut to the month.
fn checked(f: &Fields) -> Option<Stamp> {
    let (year, month) = (f.year.unwrap_or(1970), f.month.unwrap_or(1));
    let (hour, minute) = (hour(f), f.minute.unwrap_or(0));
    let (second, nanos) = (f.second.unwrap_or(0), f.nanos.unwrap_or(0));
    let half = f.half_hour.unwrap_or(0);
    let end_of_day = hour == 24 && minute == 0 && second == 0 && nanos == 0;
    let ranges = (0..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&f.day.unwrap_or(1))
        && (0..=11).contains(&half)
        && ((0..=23).contains(&hour) || end_of_day)
        && (0..=59).contains(&minute)
        && (0..=59).contains(&second)
        && (0..=999_999_999).contains(&nanos);
    if !ranges {
        return None;
    }
    let month = month as u32;
    let day = match f.day_of_year {
        Some(n) if f.day.is_none() && f.month.is_none() => (1..=365
            + i64::from(super::civil::is_leap(year)))
            .contains(&n)
            .then(|| Date::new(year, 1, 1).epoch_day() + n - 1)?,
        _ => {
            let day = (f.day.unwrap_or(1) as u32).min(month_length(year, month));
            Date::new(year, month, day).epoch_day()
        }
    };
    Some((day * DAY + hour * 3600 + minute * 60 + second, nanos as u32))
}

#[cfg(test)]
mod tests;
