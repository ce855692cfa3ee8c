//! The time a partition stands for, from the values of its columns (`partition.time-extractor.*`).

use std::str::FromStr;

use chrono::offset::LocalResult;
use chrono::{Days, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone};
use chrono_tz::Tz;

use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};

/// Reads a time from the values of partition columns.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionTime {
    /// Text in which `$column` stands for a column's value; None: the first column's value.
    pattern: Option<String>,
    /// How that text is read; None: `yyyy-MM-dd` with or without ` HH:mm:ss`.
    formatter: Option<Vec<Token>>,
    zone: Zone,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// A letter of Java's DateTimeFormatter, and how often it stands there.
    Field(char, usize),
    Text(String),
}

/// The zone that partition values are written in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Zone {
    Named(Tz),
    Fixed(FixedOffset),
}

impl PartitionTime {
    pub fn new(pattern: Option<&str>, formatter: Option<&str>, zone: &str) -> Result<Self> {
        Ok(PartitionTime {
            pattern: pattern.map(str::to_string),
            formatter: formatter.map(tokens).transpose()?,
            zone: Zone::parse(zone)?,
        })
    }

    /// None when the values of the partition (columns with their values) make no time.
    pub fn of(&self, values: &[(String, Option<String>)]) -> Option<Millis> {
        let mut text = match &self.pattern {
            Some(pattern) => pattern.clone(),
            None => values.first()?.1.clone()?,
        };
        for (column, value) in values.iter().filter(|_| self.pattern.is_some()) {
            text = text.replace(&format!("${column}"), value.as_deref().unwrap_or_default());
        }
        let local = match &self.formatter {
            Some(tokens) => formatted(&text, tokens)?,
            None => plain(&text)?,
        };
        self.zone.instant(local)
    }
}

impl Zone {
    fn parse(text: &str) -> Result<Zone> {
        if let Ok(zone) = Tz::from_str(text) {
            return Ok(Zone::Named(zone));
        }
        let offset = ["GMT", "UTC", "UT", ""].iter().find_map(|before| text.strip_prefix(before));
        let offset = offset.filter(|rest| *rest != "Z").map_or(Some(0), offset_seconds);
        offset.and_then(FixedOffset::east_opt).map(Zone::Fixed).ok_or_else(|| {
            Error::config(format!(
                "option 'sink.partition-commit.watermark-time-zone' = '{text}' is no time zone \
                 such as 'America/Los_Angeles' or 'GMT-08:00'"
            ))
        })
    }

    fn instant(self, local: NaiveDateTime) -> Option<Millis> {
        match self {
            Zone::Fixed(offset) => offset.from_local_datetime(&local).single(),
            Zone::Named(zone) => match zone.from_local_datetime(&local) {
                LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => Some(at.fixed_offset()),
                // A time that clocks skip is read with the offset from before, as Java does.
                LocalResult::None => {
                    let before = local.checked_sub_days(Days::new(1))?;
                    let before = zone.from_local_datetime(&before).earliest()?.fixed_offset();
                    before.checked_add_signed(TimeDelta::days(1))
                }
            },
        }
        .map(|at| at.timestamp_millis())
    }
}

/// Of `+8`, `-08:00`, `+0530`; empty is none.
fn offset_seconds(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1) {
        None => return Some(0),
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        Some(_) => return None,
    };
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => digits.split_at_checked(2)?,
        None => (digits, "0"),
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let seconds = i32::try_from(hours * 3_600 + minutes * 60).ok()?;
    (minutes < 60 && hours <= 18).then_some(sign * seconds)
}

/// Digits only.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// `yyyy-[M]M-[d]d`, then nothing or ` [H]H:[m]m:[s]s[.fraction]`. Values beyond their range count
/// on, as in Flink: hour 24 is the next day.
fn plain(text: &str) -> Option<NaiveDateTime> {
    let (date, time) = text.split_once(' ').map_or((text, None), |(d, t)| (d, Some(t)));
    let [year, month, day] = three(date, '-')?;
    let months = i64::from(year) * 12 + i64::from(month) - 1;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) as u32 + 1);
    let first = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, 1)?;
    let start = first.and_time(NaiveTime::MIN);
    let mut after = TimeDelta::days(i64::from(day) - 1);
    if let Some(time) = time {
        let (time, fraction) = time.split_once('.').map_or((time, None), |(t, f)| (t, Some(f)));
        let [hour, minute, second] = three(time, ':')?;
        after += TimeDelta::hours(i64::from(hour)) + TimeDelta::minutes(i64::from(minute));
        after += TimeDelta::seconds(i64::from(second));
        after += TimeDelta::nanoseconds(fraction.map_or(Some(0), nanos)?);
    }
    start.checked_add_signed(after)
}

fn three(text: &str, separator: char) -> Option<[u32; 3]> {
    let parts: Vec<u32> = text.split(separator).map(number).collect::<Option<_>>()?;
    parts.try_into().ok()
}

fn nanos(fraction: &str) -> Option<i64> {
    let digits = number(fraction).filter(|_| fraction.len() <= 9)?;
    Some(i64::from(digits) * 10_i64.pow(9 - fraction.len() as u32))
}

/// The tokens of a pattern of Java's DateTimeFormatter: numbers and text.
fn tokens(pattern: &str) -> Result<Vec<Token>> {
    let wrong = |why: String| {
        Error::config(format!(
            "option 'partition.time-extractor.timestamp-formatter' = '{pattern}': {why}"
        ))
    };
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let run = rest.len() - rest.trim_start_matches(first).len();
        match first {
            'y' | 'u' | 'M' | 'd' | 'H' | 'm' | 's' | 'S' => {
                if first == 'M' && run > 2 {
                    return Err(wrong("months are read as numbers only: M or MM".into()));
                }
                tokens.push(Token::Field(first, run));
                rest = &rest[run..];
            }
            '\'' => {
                let after = &rest[1..];
                let end = after.find('\'').ok_or_else(|| wrong("a quote is not closed".into()))?;
                let text = if end == 0 { "'" } else { &after[..end] };
                tokens.push(Token::Text(text.into()));
                rest = &after[end + 1..];
            }
            c if c.is_ascii_alphabetic() || "[]{}#".contains(c) => {
                return Err(wrong(format!("'{c}' is not one of y, u, M, d, H, m, s, S and text")));
            }
            c => {
                tokens.push(Token::Text(c.into()));
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    Ok(tokens)
}

/// None when the text does not have the form, or names no date.
fn formatted(text: &str, tokens: &[Token]) -> Option<NaiveDateTime> {
    let mut rest = text;
    let (mut date, mut time, mut nano) = ([None; 3], [0; 3], 0);
    for token in tokens {
        let (letter, width) = match token {
            Token::Text(text) => {
                rest = rest.strip_prefix(text.as_str())?;
                continue;
            }
            Token::Field(letter, width) => (*letter, *width),
        };
        let all = rest.bytes().take_while(u8::is_ascii_digit).count();
        // A single letter takes all digits there are.
        let digits = if width == 1 && letter != 'S' { all } else { width };
        let value = rest.get(..digits)?;
        rest = &rest[digits..];
        match letter {
            'y' | 'u' if width == 2 => date[0] = Some(2_000 + number(value)?),
            'y' | 'u' => date[0] = Some(number(value)?),
            'M' => date[1] = Some(number(value)?),
            'd' => date[2] = Some(number(value)?),
            'H' => time[0] = number(value)?,
            'm' => time[1] = number(value)?,
            's' => time[2] = number(value)?,
            _ => nano = u32::try_from(nanos(value)?).ok()?,
        }
    }
    let [Some(year), Some(month), Some(day)] = date else { return None };
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    let whole = rest.is_empty().then_some(date)?;
    whole.and_hms_nano_opt(time[0], time[1], time[2], nano)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        (pattern, formatter, zone): (Option<&str>, Option<&str>, &str),
        values: &[(&str, &str)],
    ) -> Option<String> {
        let time = PartitionTime::new(pattern, formatter, zone).unwrap();
        let value = |(k, v): &(&str, &str)| (k.to_string(), Some(v.to_string()));
        let values: Vec<_> = values.iter().map(value).collect();
        let at = chrono::DateTime::from_timestamp_millis(time.of(&values)?)?;
        Some(at.format("%Y-%m-%d %H:%M:%S%.3f").to_string())
    }

    /// The examples of Flink's documentation.
    #[test]
    fn patterns_of_columns() {
        let hour = [("dt", "2020-05-03"), ("hour", "07")];
        assert_eq!(of((None, None, "UTC"), &hour).unwrap(), "2020-05-03 00:00:00.000");
        let pattern = Some("$dt $hour:00:00");
        assert_eq!(of((pattern, None, "UTC"), &hour).unwrap(), "2020-05-03 07:00:00.000");
        let parts = [("year", "2020"), ("month", "5"), ("day", "3"), ("hour", "24")];
        let pattern = Some("$year-$month-$day $hour:00:00");
        assert_eq!(of((pattern, None, "UTC"), &parts).unwrap(), "2020-05-04 00:00:00.000");
        let fraction = [("t", "2020-05-03 01:02:03.5")];
        assert_eq!(of((None, None, "UTC"), &fraction).unwrap(), "2020-05-03 01:02:03.500");
        for text in ["", "today", "2020-05", "2020-05-03T01:00:00", "__DEFAULT_PARTITION__"] {
            assert_eq!(of((None, None, "UTC"), &[("dt", text)]), None, "{text}");
        }
    }

    #[test]
    fn formatters_of_java() {
        let with = |format, text| of((None, Some(format), "UTC"), &[("dt", text)]);
        assert_eq!(with("yyyyMMdd", "20200503").unwrap(), "2020-05-03 00:00:00.000");
        assert_eq!(with("yyyyMMddHH", "2020050307").unwrap(), "2020-05-03 07:00:00.000");
        assert_eq!(with("yyyy/M/d'T'H:mm", "2020/5/3T7:08").unwrap(), "2020-05-03 07:08:00.000");
        for (format, text) in [("yyyyMMdd", "2020-05-03"), ("yyyyMMdd", "20201303"), ("HH", "07")] {
            assert_eq!(with(format, text), None, "{format} {text}");
        }
        for format in ["yyyy-MMM-dd", "yyyy'T", "hh a", "yyyy[MM]"] {
            assert!(PartitionTime::new(None, Some(format), "UTC").is_err(), "{format}");
        }
    }

    #[test]
    fn zones_and_their_jumps() {
        let at = |zone, text| of((None, None, zone), &[("dt", text)]).unwrap();
        assert_eq!(at("Asia/Shanghai", "2020-05-03 08:00:00"), "2020-05-03 00:00:00.000");
        assert_eq!(at("GMT-08:00", "2020-05-03"), "2020-05-03 08:00:00.000");
        assert_eq!(at("UTC+8", "2020-05-03 08:00:00"), "2020-05-03 00:00:00.000");
        assert_eq!(at("+0530", "2020-05-03 05:30:00"), "2020-05-03 00:00:00.000");
        // Berlin's clocks skipped 02:30 on 2020-03-29 and showed it twice on 2020-10-25.
        assert_eq!(at("Europe/Berlin", "2020-03-29 02:30:00"), "2020-03-29 01:30:00.000");
        assert_eq!(at("Europe/Berlin", "2020-10-25 02:30:00"), "2020-10-25 00:30:00.000");
        for zone in ["Mars/Base", "GMT+99", "8"] {
            assert!(PartitionTime::new(None, None, zone).is_err(), "{zone}");
        }
    }
}
