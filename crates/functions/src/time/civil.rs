//! Days and the calendar: the proleptic Gregorian one, days counted from 1970-01-01.

pub(crate) const DAY: i64 = 86_400;
const NAMES: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A date of the calendar; months and days count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date {
    pub year: i64,
    pub month: u32,
    pub day: u32,
}

/// A date and a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    pub date: Date,
    /// Days since 1970-01-01.
    pub epoch_day: i64,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
    pub nanos: u32,
}

impl Date {
    pub fn new(year: i64, month: u32, day: u32) -> Date {
        Date { year, month, day }
    }

    /// The date that many days after 1970-01-01.
    pub fn of_epoch_day(days: i64) -> Date {
        // Years counted from March, so that the leap day is the last of its year.
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let leap = day_of_era / 1_460 + day_of_era / 146_096 - day_of_era / 36_524;
        let year_of_era = (day_of_era - leap) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
        Date { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// Days since 1970-01-01. Days past the month's end run on into the next month.
    pub fn epoch_day(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = (i64::from(self.month) + 9) % 12;
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The same day that many months later, or that month's last day.
    pub fn plus_months(self, months: i64) -> Date {
        let all = self.year * 12 + i64::from(self.month) - 1 + months;
        let (year, month) = (all.div_euclid(12), all.rem_euclid(12) as u32 + 1);
        Date { year, month, day: self.day.min(month_length(year, month)) }
    }

    pub fn day_of_year(self) -> i64 {
        self.epoch_day() - Date::new(self.year, 1, 1).epoch_day() + 1
    }
}

impl Moment {
    /// The moment that many seconds and nanoseconds after 1970-01-01 00:00:00.
    pub fn of(seconds: i64, nanos: u32) -> Moment {
        let epoch_day = seconds.div_euclid(DAY);
        let second = seconds.rem_euclid(DAY) as u32;
        Moment {
            date: Date::of_epoch_day(epoch_day),
            epoch_day,
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
            nanos,
        }
    }
}

pub(crate) fn month_name(month: u32) -> &'static str {
    NAMES[(month.clamp(1, 12) - 1) as usize]
}

/// The day's place in the week, Sunday being 0.
pub(crate) fn weekday(epoch_day: i64) -> i64 {
    (epoch_day + 4).rem_euclid(7)
}

pub(crate) fn weekday_name(weekday: i64) -> &'static str {
    DAYS[weekday.rem_euclid(7) as usize]
}

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn month_length(year: i64, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The year and week of ISO 8601, whose weeks start on Monday.
pub(crate) fn iso_week(epoch_day: i64) -> (i64, i64) {
    // A week belongs to the year of its Thursday.
    let thursday = epoch_day - (epoch_day + 3).rem_euclid(7) + 3;
    let date = Date::of_epoch_day(thursday);
    (date.year, (date.day_of_year() - 1) / 7 + 1)
}

/// The year and week as counted in the US: weeks start on Sunday, week 1 holds January 1.
pub(crate) fn us_week(epoch_day: i64) -> (i64, i64) {
    let saturday = epoch_day - weekday(epoch_day) + 6;
    let date = Date::of_epoch_day(saturday);
    (date.year, (date.day_of_year() - 1) / 7 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_agree() {
        for days in (-800_000..800_000).step_by(37) {
            assert_eq!(Date::of_epoch_day(days).epoch_day(), days);
        }
        assert_eq!(Date::of_epoch_day(18_321), Date::new(2020, 2, 29));
        assert_eq!(weekday(Date::new(2020, 1, 5).epoch_day()), 0);
    }

    #[test]
    fn weeks_at_the_turn_of_the_year() {
        let week = |y, m, d| iso_week(Date::new(y, m, d).epoch_day());
        assert_eq!(week(2020, 12, 31), (2020, 53));
        assert_eq!(week(2021, 1, 3), (2020, 53));
        assert_eq!(week(2018, 12, 31), (2019, 1));
        let week = |y, m, d| us_week(Date::new(y, m, d).epoch_day());
        assert_eq!(week(2020, 1, 2), (2020, 1));
        assert_eq!(week(2019, 12, 29), (2020, 1));
        assert_eq!(week(2019, 12, 28), (2019, 52));
    }
}
