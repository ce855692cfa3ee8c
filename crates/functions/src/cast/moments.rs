//! Casts among DATE, TIME, TIMESTAMP and TIMESTAMP_LTZ, which are the same wall time in the
//! session's zone.

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use brooklet_core::types::SqlType;

use super::{CastError, Target};
use crate::column::Column;
use crate::time::civil::DAY;
use crate::time::instants::{Clock, Instants, moment_rows};

pub(super) fn cast(column: &ArrayRef, target: Target) -> Result<ArrayRef, CastError> {
    let failed =
        |e: datafusion::common::DataFusionError| CastError { row: 0, message: e.strip_backtrace() };
    let moments = Instants::new(&Column::of(column.clone())).map_err(failed)?;
    let dropped = match target.to {
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => 10_u32.pow(9 - u32::from(*p).min(9)),
        _ => 1,
    };
    let time = moments.clock == Clock::Time;
    let instant = |ty: &DataType| matches!(ty, DataType::Timestamp(_, Some(_)));
    let (from, to) = (instant(column.data_type()), instant(&target.to.arrow()));
    let stays = from == to;
    let zone = target.zone;
    moment_rows(column.len(), &target.to.arrow(), |row| {
        Ok(moments.get(row).map(|(seconds, nanos)| {
            // A TIME stands on the first day.
            let seconds = if time { seconds.rem_euclid(DAY) } else { seconds };
            let seconds = match from {
                _ if stays => seconds,
                true => zone.local(seconds),
                false => zone.instant(seconds),
            };
            (seconds, nanos - nanos % dropped)
        }))
    })
    .map_err(failed)
}
