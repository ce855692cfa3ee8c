//! The units of EXTRACT, FLOOR, TIMESTAMPADD and TIMESTAMPDIFF.

use datafusion::common::{DataFusionError, Result};

use crate::column::Text;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Nanosecond,
    Microsecond,
    Millisecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    Decade,
    Century,
    Millennium,
    DayOfWeek,
    IsoDayOfWeek,
    DayOfYear,
    IsoYear,
    Epoch,
}

impl Unit {
    /// The unit of a name as SQL writes it, in any case.
    pub fn parse(name: &str) -> Option<Unit> {
        let name = name.trim().to_ascii_uppercase();
        let name = name.strip_prefix("SQL_TSI_").unwrap_or(&name);
        Some(match name {
            "NANOSECOND" | "NANOSECONDS" => Unit::Nanosecond,
            "MICROSECOND" | "MICROSECONDS" | "FRAC_SECOND" => Unit::Microsecond,
            "MILLISECOND" | "MILLISECONDS" => Unit::Millisecond,
            "SECOND" | "SECONDS" => Unit::Second,
            "MINUTE" | "MINUTES" => Unit::Minute,
            "HOUR" | "HOURS" => Unit::Hour,
            "DAY" | "DAYS" | "DAYOFMONTH" => Unit::Day,
            "WEEK" | "WEEKS" => Unit::Week,
            "MONTH" | "MONTHS" => Unit::Month,
            "QUARTER" | "QUARTERS" => Unit::Quarter,
            "YEAR" | "YEARS" => Unit::Year,
            "DECADE" | "DECADES" => Unit::Decade,
            "CENTURY" | "CENTURIES" => Unit::Century,
            "MILLENNIUM" => Unit::Millennium,
            "DOW" | "DAYOFWEEK" => Unit::DayOfWeek,
            "ISODOW" => Unit::IsoDayOfWeek,
            "DOY" | "DAYOFYEAR" => Unit::DayOfYear,
            "ISOYEAR" => Unit::IsoYear,
            "EPOCH" => Unit::Epoch,
            _ => return None,
        })
    }

    /// The unit that stands in a function's argument, which is a constant text.
    pub fn argument(text: &Text, function: &str) -> Result<Unit> {
        let name = text.constant().flatten().unwrap_or("");
        Unit::parse(name).ok_or_else(|| {
            DataFusionError::Plan(format!(
                "{function}: '{name}' is no unit of time; write YEAR, MONTH, DAY, HOUR, MINUTE \
                 or SECOND"
            ))
        })
    }

    /// How many seconds the unit has, None for months and more and for parts of a second.
    pub fn seconds(self) -> Option<i64> {
        Some(match self {
            Unit::Second => 1,
            Unit::Minute => 60,
            Unit::Hour => 3_600,
            Unit::Day => 86_400,
            Unit::Week => 604_800,
            _ => return None,
        })
    }

    /// How many nanoseconds a part of a second has.
    pub fn nanos(self) -> Option<i64> {
        Some(match self {
            Unit::Nanosecond => 1,
            Unit::Microsecond => 1_000,
            Unit::Millisecond => 1_000_000,
            _ => return None,
        })
    }

    /// How many months the unit has.
    pub fn months(self) -> Option<i64> {
        Some(match self {
            Unit::Month => 1,
            Unit::Quarter => 3,
            Unit::Year => 12,
            Unit::Decade => 120,
            Unit::Century => 1_200,
            Unit::Millennium => 12_000,
            _ => return None,
        })
    }
}
