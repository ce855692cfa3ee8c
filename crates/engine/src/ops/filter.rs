//! Which pairs of rows pass a condition; those it fails on are set aside or fail the pipeline.

use arrow::array::{Array, AsArray};

use brooklet_core::{Delta, Error, ErrorKind, Result};

use super::exprs::{self, Prepared};
use super::{BadRows, bisect};

/// Whether each row passes; NULL does not. With `sets_bad_aside` a row that the condition fails on
/// does not pass either and is returned.
pub fn passing(
    filter: &Prepared,
    rows: &Delta,
    sets_bad_aside: bool,
) -> Result<(Vec<bool>, Option<BadRows>)> {
    match filter.over(&rows.rows) {
        Err(e) if sets_bad_aside && e.kind == ErrorKind::Data => {
            let (keep, bad) = without_bad(filter, rows)?;
            Ok((keep, Some(bad)))
        }
        values => Ok((truths(&values?.remove(0))?, None)),
    }
}

/// After the condition has failed over all rows.
fn without_bad(filter: &Prepared, rows: &Delta) -> Result<(Vec<bool>, BadRows)> {
    let found = bisect::failing(rows, |part| filter.over(&part.rows).map(drop))?;
    let (bad, reasons): (Vec<u32>, Vec<String>) =
        found.iter().map(|(row, e)| (*row, exprs::reason(e))).unzip();
    let good = bisect::all_but(&bad, rows.len());
    let passed = truths(&filter.over(&rows.take(&good)?.rows)?.remove(0))?;
    let mut keep = vec![false; rows.len()];
    for (row, passed) in good.iter().zip(passed) {
        keep[*row as usize] = passed;
    }
    Ok((keep, BadRows { rows: rows.take(&bad)?, reasons }))
}

fn truths(values: &dyn Array) -> Result<Vec<bool>> {
    let values = values.as_boolean_opt().ok_or_else(|| Error::bug("a filter is BOOLEAN"))?;
    Ok(values.iter().map(|value| value == Some(true)).collect())
}
