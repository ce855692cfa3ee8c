//! Dates and times of day as text, the way Java's formatters behind Flink's formats read and
//! write them.

use arrow::datatypes::TimeUnit;

/// Which text a timestamp has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standard {
    /// `2024-01-15 10:30:00.123`; TIMESTAMP_LTZ ends in `Z`.
    Sql,
    /// `2024-01-15T10:30:00.123`; TIMESTAMP_LTZ ends in `Z`.
    Iso,
}

pub(crate) const DAY_MS: i64 = 86_400_000;

/// Days since 1970-01-01 of a date in the proleptic Gregorian calendar (Howard Hinnant's
/// algorithm, public domain).
pub(crate) fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = i64::from((153 * ((month + 9) % 12) + 2) / 5 + day - 1);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The inverse: year, month, day.
pub(crate) fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days - era * 146_097;
    let years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * shifted + 2) / 5 + 1) as u32;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 } as u32;
    (years + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A cursor over ASCII text.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn take(&mut self, byte: u8) -> Option<()> {
        (*self.0.first()? == byte).then(|| self.0 = &self.0[1..])
    }
    /// Exactly `n` digits.
    fn number(&mut self, n: usize) -> Option<u32> {
        let digits = self.0.get(..n)?;
        self.0 = &self.0[n..];
        digits
            .iter()
            .try_fold(0u32, |v, d| d.is_ascii_digit().then(|| v * 10 + u32::from(d - b'0')))
    }
    /// ISO_LOCAL_DATE: four digits of year, or a sign and up to ten. A day the month does not
    /// have is an error when `strict`, else the month's last.
    fn date(&mut self, strict: bool) -> Option<i64> {
        let year = self.year()?;
        self.take(b'-')?;
        let month = self.number(2)?;
        self.take(b'-')?;
        let day = self.number(2)?;
        if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return None;
        }
        let last = days_in_month(year, month);
        if strict && day > last {
            return None;
        }
        Some(days_from_civil(year, month, day.min(last)))
    }
    fn year(&mut self) -> Option<i64> {
        let sign = match self.0.first()? {
            b'-' => -1,
            b'+' => 1,
            _ => 0,
        };
        if sign != 0 {
            self.0 = &self.0[1..];
        }
        let digits = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        // Java: a plus sign exactly where the year has more than four digits.
        let fits = match sign {
            0 => digits == 4,
            1 => (5..=9).contains(&digits),
            _ => (4..=9).contains(&digits),
        };
        let year = i64::from(fits.then(|| self.number(digits))??);
        Some(if sign < 0 { -year } else { year })
    }
    /// Nanoseconds of the day; 24:00:00 gives a whole day unless `strict`.
    fn time(&mut self, strict: bool, seconds_optional: bool) -> Option<i64> {
        let hour = self.number(2)?;
        self.take(b':')?;
        let minute = self.number(2)?;
        let (mut second, mut nanos) = (0, 0);
        if !(seconds_optional && self.0.first() != Some(&b':')) {
            self.take(b':')?;
            second = self.number(2)?;
            nanos = self.fraction();
        }
        let midnight = !strict && hour == 24 && minute == 0 && second == 0 && nanos == 0;
        if (hour > 23 && !midnight) || minute > 59 || second > 59 {
            return None;
        }
        Some(i64::from(hour * 3600 + minute * 60 + second) * 1_000_000_000 + nanos)
    }
    /// A point and up to nine digits.
    fn fraction(&mut self) -> i64 {
        if self.take(b'.').is_none() {
            return 0;
        }
        let (mut nanos, mut unit) = (0, 100_000_000);
        while let Some(digit) = self.0.first().filter(|b| b.is_ascii_digit() && unit > 0) {
            nanos += i64::from(digit - b'0') * unit;
            unit /= 10;
            self.0 = &self.0[1..];
        }
        nanos
    }
}

/// Days since 1970-01-01 of a DATE.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let mut cursor = Cursor(text);
    let days = cursor.date(true)?;
    cursor.0.is_empty().then_some(days)?.try_into().ok()
}

/// Milliseconds of the day of a TIME; digits beyond are cut.
pub(crate) fn parse_time(text: &[u8]) -> Option<i32> {
    let mut cursor = Cursor(text);
    let nanos = cursor.time(false, false)?;
    let ms = nanos / 1_000_000 % DAY_MS;
    cursor.0.is_empty().then_some(ms as i32)
}

/// Milliseconds of the day of an ISO time, whose seconds may be missing; digits beyond are cut.
pub(crate) fn parse_iso_time(text: &[u8]) -> Option<i32> {
    let mut cursor = Cursor(text);
    let nanos = cursor.time(true, true)?;
    cursor.0.is_empty().then_some((nanos / 1_000_000) as i32)
}

/// A TIMESTAMP in `unit`s since 1970-01-01T00:00:00; digits beyond the unit are cut. `utc`:
/// TIMESTAMP_LTZ, whose text ends in Z.
pub(crate) fn parse_timestamp(
    text: &[u8],
    standard: Standard,
    utc: bool,
    unit: TimeUnit,
) -> Option<i64> {
    let iso = standard == Standard::Iso;
    let strict = iso && !utc;
    let mut cursor = Cursor(text);
    let days = cursor.date(strict)?;
    match (iso, cursor.0.first()?) {
        (true, b'T') | (false, b' ') => {}
        (true, b't') if strict => {}
        _ => return None,
    }
    cursor.0 = &cursor.0[1..];
    let nanos = cursor.time(strict, strict)?;
    if utc {
        cursor.take(b'Z')?;
    }
    if !cursor.0.is_empty() {
        return None;
    }
    let (per_day, part) = match unit {
        TimeUnit::Second => (86_400, nanos / 1_000_000_000),
        TimeUnit::Millisecond => (DAY_MS, nanos / 1_000_000),
        TimeUnit::Microsecond => (DAY_MS * 1000, nanos / 1000),
        TimeUnit::Nanosecond => (DAY_MS * 1_000_000, nanos),
    };
    days.checked_mul(per_day)?.checked_add(part)
}

/// Appends a DATE: `2024-01-15`.
pub(crate) fn write_date(days: i64, to: &mut Vec<u8>) {
    let (year, month, day) = civil_from_days(days);
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(year.unsigned_abs()).as_bytes();
    match year {
        0..=9999 => {}
        _ if year < 0 => to.push(b'-'),
        _ => to.push(b'+'),
    }
    to.extend(std::iter::repeat_n(b'0', 4usize.saturating_sub(digits.len())));
    to.extend_from_slice(digits);
    to.push(b'-');
    write_two(month, to);
    to.push(b'-');
    write_two(day, to);
}

/// Appends a time of day: `10:30:00.5`, without a fraction when it is zero.
pub(crate) fn write_time(nanos: i64, to: &mut Vec<u8>) {
    let seconds = (nanos / 1_000_000_000) as u32;
    write_two(seconds / 3600, to);
    to.push(b':');
    write_two(seconds / 60 % 60, to);
    to.push(b':');
    write_two(seconds % 60, to);
    let mut fraction = nanos % 1_000_000_000;
    if fraction > 0 {
        to.push(b'.');
        let mut unit = 100_000_000;
        while fraction > 0 {
            to.push(b'0' + (fraction / unit) as u8);
            fraction %= unit;
            unit /= 10;
        }
    }
}

/// Appends a TIMESTAMP or, with `utc`, a TIMESTAMP_LTZ.
pub(crate) fn write_timestamp(
    value: i64,
    unit: TimeUnit,
    standard: Standard,
    utc: bool,
    to: &mut Vec<u8>,
) {
    let (per_day, nanos) = match unit {
        TimeUnit::Second => (86_400, 1_000_000_000),
        TimeUnit::Millisecond => (DAY_MS, 1_000_000),
        TimeUnit::Microsecond => (DAY_MS * 1000, 1000),
        TimeUnit::Nanosecond => (DAY_MS * 1_000_000, 1),
    };
    write_date(value.div_euclid(per_day), to);
    to.push(if standard == Standard::Iso { b'T' } else { b' ' });
    write_time(value.rem_euclid(per_day) * nanos, to);
    if utc {
        to.push(b'Z');
    }
}

fn write_two(v: u32, to: &mut Vec<u8>) {
    to.extend_from_slice(&[b'0' + (v / 10) as u8, b'0' + (v % 10) as u8]);
}

/// Reads `yyyy-MM-dd HH:mm:ss.SSS` (or without fraction, with `T`) faster than the general way by
/// remembering the day it saw last.
#[derive(Debug, Clone, Default)]
pub(crate) struct DayCache {
    day: [u8; 10],
    start_ms: i64,
}

impl DayCache {
    /// Milliseconds, or None when the text has another form: then ask [`parse_timestamp`].
    #[inline]
    pub fn parse(&mut self, text: &[u8], separator: u8) -> Option<i64> {
        if (text.len() != 23 && text.len() != 19) || text[10] != separator {
            return None;
        }
        let clock = clock_ms(text[11..19].first_chunk::<8>()?)?;
        let fraction = if text.len() == 23 {
            let d = [text[20], text[21], text[22]].map(|b| b.wrapping_sub(b'0'));
            if text[19] != b'.' || d.iter().any(|d| *d > 9) {
                return None;
            }
            i64::from(d[0]) * 100 + i64::from(d[1]) * 10 + i64::from(d[2])
        } else {
            0
        };
        if text[..10] != self.day {
            let days = parse_date(&text[..10])?;
            self.day.copy_from_slice(&text[..10]);
            self.start_ms = i64::from(days) * DAY_MS;
        }
        Some(self.start_ms + clock + fraction)
    }
}

/// `HH:mm:ss` with every part in its range.
#[inline]
fn clock_ms(text: &[u8; 8]) -> Option<i64> {
    let word = u64::from_le_bytes(*text) ^ u64::from_le_bytes(*b"00:00:00");
    // A digit is now 0 to 9 and a colon 0: adding must not reach the high bit.
    let limits = u64::from_le_bytes([0x76, 0x76, 0x7f, 0x76, 0x76, 0x7f, 0x76, 0x76]);
    let high = u64::from_le_bytes([0x80; 8]);
    if (word | (word & !high).wrapping_add(limits)) & high != 0 {
        return None;
    }
    let d = word.to_le_bytes().map(i64::from);
    let (h, m, s) = (d[0] * 10 + d[1], d[3] * 10 + d[4], d[6] * 10 + d[7]);
    (h < 24 && m < 60 && s < 60).then_some(((h * 60 + m) * 60 + s) * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: TimeUnit = TimeUnit::Millisecond;

    fn ms(text: &str, standard: Standard, utc: bool) -> Option<i64> {
        parse_timestamp(text.as_bytes(), standard, utc, MS)
    }

    #[test]
    fn days_there_and_back() {
        for days in (-1_000_000..1_000_000).step_by(37) {
            let (y, m, d) = civil_from_days(days);
            assert_eq!(days_from_civil(y, m, d), days);
        }
        assert_eq!(days_from_civil(1970, 1, 1), 0);
        assert_eq!(days_from_civil(2000, 3, 1), 11_017);
    }

    #[test]
    fn sql_timestamps_take_the_last_day_of_a_month() {
        let day = |y, m, d| days_from_civil(y, m, d) * DAY_MS;
        assert_eq!(ms("2020-02-30 00:00:00", Standard::Sql, false), Some(day(2020, 2, 29)));
        assert_eq!(ms("2020-06-31 00:00:00", Standard::Sql, false), Some(day(2020, 6, 30)));
        assert_eq!(ms("2020-02-30T00:00:00", Standard::Iso, false), None);
        assert_eq!(ms("2020-01-01 24:00:00", Standard::Sql, false), Some(day(2020, 1, 2)));
        assert_eq!(ms("2020-01-01 24:00:01", Standard::Sql, false), None);
        assert_eq!(parse_date(b"2020-02-30"), None);
    }

    #[test]
    fn each_standard_takes_its_own_separator_and_zone() {
        let at = Some(1_577_934_245_500);
        assert_eq!(ms("2020-01-02 03:04:05.5", Standard::Sql, false), at);
        assert_eq!(ms("2020-01-02T03:04:05.5", Standard::Iso, false), at);
        assert_eq!(ms("2020-01-02T03:04:05.500Z", Standard::Iso, true), at);
        assert_eq!(ms("2020-01-02 03:04:05.5Z", Standard::Sql, true), at);
        assert_eq!(ms("2020-01-02T03:04", Standard::Iso, false), Some(1_577_934_240_000));
        for bad in ["2020-01-02T03:04:05", "2020-01-02 03:04:05Z", "2020-01-02 03:04", "", "2020"] {
            assert_eq!(ms(bad, Standard::Sql, false), None, "{bad}");
        }
        assert_eq!(ms("2020-01-02 03:04:05", Standard::Sql, true), None);
        assert_eq!(ms("2020-01-02T03:04:05Z", Standard::Iso, false), None);
    }

    #[test]
    fn the_cache_agrees_with_the_general_way() {
        let mut cache = DayCache::default();
        for text in [
            "2015-07-15 00:00:00.000",
            "2015-07-15 23:59:59.999",
            "2015-07-16 12:34:56",
            "2015-07-15 12:34:5x",
            "2015-07-15 24:00:00.000",
            "2015-07-15 12:60:00.000",
            "2015-02-30 12:00:00.000",
            "2015-07-15 12:34:56.12a",
            "2015-07-15 12:34-56.123",
            "2015-07-15 \u{b1}2:34:56.123",
            "+201-07-15 12:34:56.123",
        ] {
            let general = ms(text, Standard::Sql, false);
            let fast = cache.parse(text.as_bytes(), b' ');
            assert!(fast.is_none() || fast == general, "{text}: {fast:?} {general:?}");
        }
        assert!(cache.parse(b"2015-07-15 01:02:03.004", b' ').is_some());
    }

    #[test]
    fn texts_without_trailing_zeros() {
        let text = |v, standard, utc| {
            let mut to = Vec::new();
            write_timestamp(v, MS, standard, utc, &mut to);
            String::from_utf8(to).unwrap()
        };
        assert_eq!(text(1_577_934_245_500, Standard::Sql, false), "2020-01-02 03:04:05.5");
        assert_eq!(text(1_577_934_245_000, Standard::Iso, true), "2020-01-02T03:04:05Z");
        assert_eq!(text(-1, Standard::Sql, false), "1969-12-31 23:59:59.999");
        let mut to = Vec::new();
        write_date(days_from_civil(12345, 1, 2), &mut to);
        write_date(days_from_civil(-1, 1, 2), &mut to);
        assert_eq!(to, b"+12345-01-02-0001-01-02");
    }
}
