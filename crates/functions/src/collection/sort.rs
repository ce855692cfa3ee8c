//! Arrays in order, and their extremes.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use super::elements::{Elements, Lists, common_array, element};
use crate::column::Call;
use crate::function::Kind::{Any, Boolean};
use crate::function::{Function, Output, Typing};

/// `ARRAY_SORT(array [, ascending [, nulls first]])`
///
/// The elements in ascending order, NULLs first, or in descending order, NULLs last, unless the
/// third argument says where they go.
///
/// ```sql
/// CAST(ARRAY_SORT(ARRAY[2, 3, 1]) AS STRING) = '[1, 2, 3]'
/// CAST(ARRAY_SORT(ARRAY[2, 3, 1], FALSE) AS STRING) = '[3, 2, 1]'
/// ```
pub(super) const ARRAY_SORT: Function = Function::new(
    "array_sort",
    &[Any, Boolean, Boolean],
    Output::By(|t| common_array(t, &[0], &[])),
    sort,
)
.optional(2);

/// `ARRAY_MAX(array)`: the largest element; NULL if there is none.
///
/// ```sql
/// ARRAY_MAX(ARRAY[2, 3, 1]) = 3
/// ```
pub(super) const ARRAY_MAX: Function =
    Function::new("array_max", &[Any], Output::By(element_type), |call| extreme(call, true))
        .nullable();

/// `ARRAY_MIN(array)`: the smallest element; NULL if there is none.
///
/// ```sql
/// ARRAY_MIN(ARRAY[2, 3, 1]) = 1
/// ```
pub(super) const ARRAY_MIN: Function =
    Function::new("array_min", &[Any], Output::By(element_type), |call| extreme(call, false))
        .nullable();

pub(super) fn element_type(typing: &Typing) -> Result<SqlType> {
    match element(&typing.types[0]) {
        Some(item) => Ok(item.ty.clone()),
        None => plan_err!("{} takes an ARRAY, not {}", typing.upper(), typing.types[0]),
    }
}

fn sort(call: &Call) -> Result<ArrayRef> {
    let elements = Elements::of(call, &[0])?.comparable()?;
    let flag = |argument: usize| match call.len() > argument {
        true => call.booleans(argument).map(Some),
        false => Ok(None),
    };
    let (ascending, nulls_first) = (flag(1)?, flag(2)?);
    let mut lists = Lists::new(call.rows);
    for row in 0..call.rows {
        let ascending = ascending.as_ref().map_or(Some(true), |flags| flags.get(row));
        let first = nulls_first.as_ref().map_or(ascending, |flags| flags.get(row));
        let Some(((places, ascending), first)) = elements.places(0, row).zip(ascending).zip(first)
        else {
            lists.push_null();
            continue;
        };
        let (nulls, mut values): (Vec<u32>, Vec<u32>) = places.partition(|p| elements.is_null(*p));
        values.sort_by(|a, b| {
            let order = elements.key(*a).cmp(elements.key(*b));
            if ascending { order } else { order.reverse() }
        });
        match first {
            true => lists.push(nulls.into_iter().chain(values)),
            false => lists.push(values.into_iter().chain(nulls)),
        }
    }
    lists.finish(call, &elements.values)
}

fn extreme(call: &Call, largest: bool) -> Result<ArrayRef> {
    let elements = Elements::of(call, &[0])?.comparable()?;
    let best = |row: usize| {
        let places = elements.places(0, row)?.filter(|p| !elements.is_null(*p));
        match largest {
            true => places.max_by_key(|p| elements.key(*p)),
            false => places.min_by_key(|p| elements.key(*p)),
        }
    };
    let places: UInt32Array = (0..call.rows).map(best).collect();
    Ok(take(&elements.values, &places, None)?)
}
