//! Time zones: names, offsets, and what a local time stands for where clocks are put forward or
//! back.

use chrono::{LocalResult, NaiveDateTime, Offset, TimeZone};

/// A time zone: a name or an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zone(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Named(chrono_tz::Tz),
    /// Seconds east of UTC.
    Fixed(i64),
}

impl Zone {
    pub const UTC: Zone = Zone(Kind::Fixed(0));

    /// Reads `America/New_York`, `GMT-08:00`, `UTC+3`, `+02:00`.
    pub fn parse(name: &str) -> Option<Zone> {
        if matches!(name, "UTC" | "GMT" | "Z" | "Etc/UTC") {
            return Some(Zone::UTC);
        }
        if let Ok(zone) = name.parse::<chrono_tz::Tz>() {
            return Some(Zone(Kind::Named(zone)));
        }
        let offset = name.strip_prefix("GMT").or(name.strip_prefix("UTC")).unwrap_or(name);
        let (sign, digits) = match offset.split_at_checked(1)? {
            ("+", digits) => (1, digits),
            ("-", digits) => (-1, digits),
            _ => return None,
        };
        let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
        let (hours, minutes) = (hours.parse::<u8>().ok()?, minutes.parse::<u8>().ok()?);
        if hours > 18 || minutes > 59 {
            return None;
        }
        Some(Zone(Kind::Fixed(sign * (i64::from(hours) * 3600 + i64::from(minutes) * 60))))
    }

    /// Seconds on the wall at that instant.
    pub fn local(&self, utc: i64) -> i64 {
        utc + self.offset_at(utc)
    }

    fn offset_at(&self, utc: i64) -> i64 {
        match self.0 {
            Kind::Fixed(offset) => offset,
            Kind::Named(zone) => naive(utc).map_or(0, |t| {
                i64::from(zone.offset_from_utc_datetime(&t).fix().local_minus_utc())
            }),
        }
    }

    /// The instant at which the wall shows that; in an overlap the earlier one, in a gap the time
    /// as it would have been without it.
    pub fn instant(&self, local: i64) -> i64 {
        let zone = match self.0 {
            Kind::Fixed(offset) => return local - offset,
            Kind::Named(zone) => zone,
        };
        let Some(naive) = naive(local) else { return local };
        let offset = match zone.offset_from_local_datetime(&naive) {
            LocalResult::Single(o) | LocalResult::Ambiguous(o, _) => {
                i64::from(o.fix().local_minus_utc())
            }
            // A day before, the clocks had not been put forward.
            LocalResult::None => self.offset_at(local - 86_400),
        };
        local - offset
    }

    /// The same as java.util.TimeZone answers: in an overlap the later one.
    pub fn instant_late(&self, local: i64) -> i64 {
        let Kind::Named(zone) = self.0 else { return self.instant(local) };
        match naive(local).map(|t| zone.offset_from_local_datetime(&t)) {
            Some(LocalResult::Ambiguous(_, late)) => {
                local - i64::from(late.fix().local_minus_utc())
            }
            _ => self.instant(local),
        }
    }
}

fn naive(seconds: i64) -> Option<NaiveDateTime> {
    Some(chrono::DateTime::from_timestamp(seconds, 0)?.naive_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_and_overlaps() {
        let zone = Zone::parse("America/New_York").unwrap();
        // 2021-03-14 02:30 does not exist: 07:30 UTC, which the wall shows as 03:30.
        assert_eq!(zone.instant(1_615_689_000), 1_615_707_000);
        // 2021-11-07 01:30 is there twice.
        assert_eq!(zone.instant(1_636_248_600), 1_636_263_000);
        assert_eq!(zone.instant_late(1_636_248_600), 1_636_266_600);
        assert_eq!(Zone::parse("GMT-08:00").unwrap().local(0), -28_800);
        assert_eq!(Zone::parse("nope"), None);
    }
}
