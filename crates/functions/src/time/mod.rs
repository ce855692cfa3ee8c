//! Functions on dates and timestamps, and the calendar and the patterns they stand on.

use crate::function::Function;

pub(crate) mod civil;
mod convert;
mod fields;
pub(crate) mod instants;
pub(crate) mod interval;
mod pattern;
pub(crate) mod read;
pub(crate) mod shift;
mod unit;
pub(crate) mod write;
pub(crate) mod zone {
    pub use brooklet_core::zone::Zone;
}

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[
    convert::DATE_FORMAT,
    convert::TO_TIMESTAMP,
    convert::TO_TIMESTAMP_LTZ,
    convert::TO_DATE,
    convert::UNIX_TIMESTAMP,
    convert::FROM_UNIXTIME,
    convert::CONVERT_TZ,
    fields::EXTRACT,
    fields::NOW,
    fields::YEAR,
    fields::QUARTER,
    fields::MONTH,
    fields::WEEK,
    fields::DAYOFYEAR,
    fields::DAYOFMONTH,
    fields::DAYOFWEEK,
    fields::HOUR,
    fields::MINUTE,
    fields::SECOND,
    shift::TIMESTAMPADD,
    shift::TIMESTAMPDIFF,
    interval::INTERVAL,
    interval::PLUS,
    interval::MINUS,
    interval::ADD,
    interval::TIMES,
];
