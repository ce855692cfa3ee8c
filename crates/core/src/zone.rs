//! Time zones: names, offsets, and what a local time stands for where clocks are put forward or
//! back.

use std::cmp::Ordering;

use chrono::{LocalResult, NaiveDateTime, Offset, TimeZone};
use chrono_tz::OffsetComponents;

use crate::time::{Millis, WATERMARK_MAX, WATERMARK_MIN};

/// A time zone: a name or an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

    /// The same as java.util.TimeZone answers, which has today's standard time before 1900.
    pub fn offset_early(&self, utc: i64) -> i64 {
        match self.0 {
            Kind::Named(zone) if utc < YEAR_1900 => naive(YEAR_2037)
                .map_or(0, |t| zone.offset_from_utc_datetime(&t).base_utc_offset().num_seconds()),
            _ => self.offset_at(utc),
        }
    }

    /// What the wall has shown for good when the clock shows that instant: it will not show an
    /// earlier time again.
    pub fn wall(&self, watermark: Millis) -> Millis {
        if *self == Zone::UTC || matches!(watermark, WATERMARK_MAX | WATERMARK_MIN) {
            return watermark;
        }
        let seconds = watermark.div_euclid(1000);
        let offset = self.offset_at(seconds);
        let shown = watermark.saturating_add(offset * 1000);
        match self.put_back(seconds, offset) {
            Some(at) => shown.min((at + self.offset_at(at)) * 1000 - 1),
            None => shown,
        }
    }

    /// When within the next hours the clocks are put back.
    fn put_back(&self, from: i64, offset: i64) -> Option<i64> {
        let (mut before, mut after) = (from, from + LONGEST_FOLD);
        if self.offset_at(after) >= offset {
            return None;
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            match self.offset_at(middle) < offset {
                true => after = middle,
                false => before = middle,
            }
        }
        Some(after)
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
        let early = local - self.offset_early(i64::MIN);
        if early < YEAR_1900 {
            return early;
        }
        match naive(local).map(|t| zone.offset_from_local_datetime(&t)) {
            Some(LocalResult::Ambiguous(_, late)) => {
                local - i64::from(late.fix().local_minus_utc())
            }
            _ => self.instant(local),
        }
    }
}

const YEAR_1900: i64 = -2_208_988_800;
const YEAR_2037: i64 = 2_114_380_800;
/// More than clocks are ever put back.
const LONGEST_FOLD: i64 = 3 * 3_600;

impl Ord for Zone {
    fn cmp(&self, other: &Zone) -> Ordering {
        let of = |zone: &Zone| match zone.0 {
            Kind::Named(zone) => (zone.name(), 0),
            Kind::Fixed(offset) => ("", offset),
        };
        of(self).cmp(&of(other))
    }
}

impl PartialOrd for Zone {
    fn partial_cmp(&self, other: &Zone) -> Option<Ordering> {
        Some(self.cmp(other))
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

    #[test]
    fn what_the_wall_has_shown_for_good() {
        let zone = Zone::parse("America/New_York").unwrap();
        let shown = |utc: &str| {
            let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap();
            let wall = zone.wall(time(utc).timestamp_millis());
            chrono::DateTime::from_timestamp_millis(wall).unwrap().naive_utc().to_string()
        };
        assert_eq!(shown("2021-07-01T12:00:00Z"), "2021-07-01 08:00:00");
        // From 02:00 back to 01:00 at 06:00 UTC: the hour from 01:00 on comes again.
        assert_eq!(shown("2021-11-07T04:59:00Z"), "2021-11-07 00:59:00");
        assert_eq!(shown("2021-11-07T05:00:00Z"), "2021-11-07 00:59:59.999");
        assert_eq!(shown("2021-11-07T05:59:59Z"), "2021-11-07 00:59:59.999");
        assert_eq!(shown("2021-11-07T06:00:00Z"), "2021-11-07 01:00:00");
        assert_eq!(shown("2021-11-07T07:30:00Z"), "2021-11-07 02:30:00");
        // From 02:00 on to 03:00 at 07:00 UTC.
        assert_eq!(shown("2021-03-14T06:59:59.999Z"), "2021-03-14 01:59:59.999");
        assert_eq!(shown("2021-03-14T07:00:00Z"), "2021-03-14 03:00:00");
        assert_eq!(zone.wall(WATERMARK_MAX), WATERMARK_MAX);
    }
}
