//! Arrays made longer, shorter and turned round.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;
use brooklet_core::types::{Nullable, SqlType};
use datafusion::common::Result;

use super::elements::{Elements, Lists, coerced, common_array, element, fit};
use crate::cast::cast;
use crate::column::{Call, bad_value};
use crate::function::Kind::{Any, Int};
use crate::function::{Function, Output, Typing};

/// `ARRAY_APPEND(array, element)`: the array with the element behind it; NULL for a NULL array.
///
/// ```sql
/// CAST(ARRAY_APPEND(ARRAY[1, 2], 3) AS STRING) = '[1, 2, 3]'
/// ```
pub(super) const ARRAY_APPEND: Function =
    Function::new("array_append", &[Any, Any], Output::By(grown_type), |c| grown(c, 0, 1))
        .coerced(|name, types| coerced(name, types, 1))
        .first_nulls();

/// `ARRAY_PREPEND(array, element)`: the array with the element before it; NULL for a NULL array.
///
/// ```sql
/// CAST(ARRAY_PREPEND(ARRAY[1, 2], 3) AS STRING) = '[3, 1, 2]'
/// ```
pub(super) const ARRAY_PREPEND: Function =
    Function::new("array_prepend", &[Any, Any], Output::By(grown_type), |c| grown(c, 1, 0))
        .coerced(|name, types| coerced(name, types, 1))
        .first_nulls();

/// `ARRAY_CONCAT(array, ...)`: the arrays one after the other; NULL if one is NULL.
///
/// ```sql
/// CAST(ARRAY_CONCAT(ARRAY[1, 2], ARRAY[2]) AS STRING) = '[1, 2, 2]'
/// ```
pub(super) const ARRAY_CONCAT: Function = Function::new(
    "array_concat",
    &[Any],
    Output::By(|t| common_array(t, &(0..t.types.len()).collect::<Vec<_>>(), &[])),
    concat,
)
.variadic()
.coerced(|name, types| coerced(name, types, types.len()));

/// `ARRAY_REVERSE(array)`: the elements in the opposite order.
///
/// ```sql
/// CAST(ARRAY_REVERSE(ARRAY[1, 2]) AS STRING) = '[2, 1]'
/// ```
pub(super) const ARRAY_REVERSE: Function =
    Function::new("array_reverse", &[Any], Output::By(|t| common_array(t, &[0], &[])), |call| {
        let elements = Elements::of(call, &[0])?;
        let mut lists = Lists::new(call.rows);
        for row in 0..call.rows {
            match elements.places(0, row) {
                Some(places) => lists.push(places.rev()),
                None => lists.push_null(),
            }
        }
        lists.finish(call, &elements.values)
    });

/// `ARRAY_SLICE(array, start [, end])`
///
/// The elements from one place to another, both counted from 1 and included; a negative place
/// counts from the end. Without an end all that follow; none where the end comes before the start.
///
/// ```sql
/// CAST(ARRAY_SLICE(ARRAY[1, 2, 3], 2) AS STRING) = '[2, 3]'
/// CAST(ARRAY_SLICE(ARRAY[1, 2, 3], -3, -2) AS STRING) = '[1, 2]'
/// ```
pub(super) const ARRAY_SLICE: Function = Function::new(
    "array_slice",
    &[Any, Int, Int],
    Output::By(|t| common_array(t, &[0], &[])),
    slice,
)
.optional(1);

/// `ARRAY_REMOVE(array, element)`: the array without that element wherever it stands; NULL removes
/// NULLs.
///
/// ```sql
/// CAST(ARRAY_REMOVE(ARRAY[1, 2, 1], 1) AS STRING) = '[2]'
/// ```
pub(super) const ARRAY_REMOVE: Function = Function::new(
    "array_remove",
    &[Any, Any],
    Output::By(|t| common_array(t, &[0], &[])),
    |call| {
        let elements = Elements::of(call, &[0, 1])?.comparable()?;
        let mut lists = Lists::new(call.rows);
        for row in 0..call.rows {
            let gone = elements.key(elements.place(1, row));
            match elements.places(0, row) {
                Some(places) => lists.push(places.filter(|p| elements.key(*p) != gone)),
                None => lists.push_null(),
            }
        }
        lists.finish(call, &elements.values)
    },
)
.coerced(|name, types| coerced(name, types, 1))
.first_nulls();

/// The first argument's type where it holds texts, else that of both.
fn grown_type(typing: &Typing) -> Result<SqlType> {
    let both = common_array(typing, &[0], &[1])?;
    let text = |ty: &SqlType| matches!(ty, SqlType::Char(_) | SqlType::Varchar(_));
    match (element(&typing.types[0]), element(&both)) {
        (Some(item), Some(grown)) if text(&item.ty) && text(&grown.ty) => {
            let ty = item.ty.clone();
            Ok(SqlType::Array(Box::new(Nullable { ty, nullable: grown.nullable })))
        }
        _ => Ok(both),
    }
}

/// The arguments one after the other in the given order.
fn grown(call: &Call, first: usize, second: usize) -> Result<ArrayRef> {
    let elements = Elements::of(call, &[0, 1])?;
    let mut lists = Lists::new(call.rows);
    for row in 0..call.rows {
        match elements.places(first, row).zip(elements.places(second, row)) {
            Some((a, b)) => lists.push(a.chain(b)),
            None => lists.push_null(),
        }
    }
    cut(lists.finish(call, &elements.values)?, call)
}

/// What came to an array of texts of some length has that length.
fn cut(array: ArrayRef, call: &Call) -> Result<ArrayRef> {
    let ty = SqlType::from_arrow(&call.result).unwrap_or(SqlType::STRING);
    let SqlType::Array(item) = &ty else { return Ok(array) };
    let longer = match item.ty {
        SqlType::Char(_) | SqlType::Varchar(_) if item.ty != SqlType::STRING => SqlType::STRING,
        _ => return Ok(array),
    };
    let from = SqlType::Array(Box::new(Nullable { ty: longer, nullable: item.nullable }));
    let array = cast(&array, &from, &ty, false).map_err(|e| bad_value(e.message))?;
    let result = Arc::new(Field::new("array", call.result.clone(), true));
    fit(array, &result)
}

fn concat(call: &Call) -> Result<ArrayRef> {
    let arguments: Vec<usize> = (0..call.len()).collect();
    let elements = Elements::of(call, &arguments)?;
    let mut lists = Lists::new(call.rows);
    for row in 0..call.rows {
        let all = arguments.iter().map(|a| elements.places(*a, row)).collect::<Option<Vec<_>>>();
        match all {
            Some(all) => lists.push(all.into_iter().flatten()),
            None => lists.push_null(),
        }
    }
    lists.finish(call, &elements.values)
}

fn slice(call: &Call) -> Result<ArrayRef> {
    let elements = Elements::of(call, &[0])?;
    let starts = call.ints(1)?;
    let ends = if call.len() > 2 { Some(call.ints(2)?) } else { None };
    let mut lists = Lists::new(call.rows);
    for row in 0..call.rows {
        let end = match &ends {
            Some(ends) => ends.get(row),
            None => Some(i32::MAX),
        };
        let Some(((places, start), end)) = elements.places(0, row).zip(starts.get(row)).zip(end)
        else {
            lists.push_null();
            continue;
        };
        let length = i64::from(places.end - places.start);
        let counted = |n: i32| match n {
            0.. => i64::from(n),
            _ => length + i64::from(n) + 1,
        };
        let (start, end) = (counted(start).max(1), counted(end).min(length));
        let kept = if start > length || end < start { 0..0 } else { start - 1..end };
        lists.push(kept.map(|at| places.start + at as u32));
    }
    lists.finish(call, &elements.values)
}
