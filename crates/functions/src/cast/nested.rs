//! Casts of arrays, maps and rows, part by part.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, ListArray, MapArray, StructArray, new_null_array,
};
use arrow::compute::nullif;
use arrow::datatypes::{DataType, Field};
use brooklet_core::types::{Nullable, RowField, SqlType};

use super::{CastError, Target, arrow_failed, cast_in};

pub(super) fn array(
    column: &ArrayRef,
    from: &Nullable,
    to: &Nullable,
    target: Target,
) -> Result<ArrayRef, CastError> {
    let list = column.as_list::<i32>();
    let items = part(list.values(), &from.ty, &to.ty, target)?;
    let field = Arc::new(to.ty.field("item", true));
    let array = ListArray::try_new(field, list.offsets().clone(), items, list.nulls().cloned());
    let array: ArrayRef = Arc::new(array.map_err(arrow_failed)?);
    let offsets = list.value_offsets();
    let failed = |row: usize| {
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        lost(list.values(), array.as_list::<i32>().values(), range)
    };
    without(&array, target, failed)
}

pub(super) fn map(
    column: &ArrayRef,
    from: &SqlType,
    target: Target,
) -> Result<ArrayRef, CastError> {
    let (SqlType::Map(k, v), SqlType::Map(to_k, to_v)) = (from, target.to) else {
        return Err(target.unsupported(from));
    };
    let map = column.as_map();
    let keys = part(map.keys(), &k.ty, &to_k.ty, target)?;
    let values = part(map.values(), &v.ty, &to_v.ty, target)?;
    let DataType::Map(entries, _) = target.to.arrow() else {
        return Err(target.unsupported(from));
    };
    let DataType::Struct(fields) = entries.data_type() else {
        return Err(target.unsupported(from));
    };
    let kept = (Arc::clone(map.values()), Arc::clone(&values));
    let loosely: Vec<Field> =
        fields.iter().enumerate().map(|(i, f)| f.as_ref().clone().with_nullable(i == 1)).collect();
    let pairs = StructArray::try_new(loosely.clone().into(), vec![keys, values], None);
    let field = Arc::new(Field::new(entries.name(), DataType::Struct(loosely.into()), false));
    let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
    let array = MapArray::try_new(field, offsets, pairs.map_err(arrow_failed)?, nulls, false);
    let array: ArrayRef = Arc::new(array.map_err(arrow_failed)?);
    let offsets = map.value_offsets();
    without(&array, target, |row| {
        lost(&kept.0, &kept.1, offsets[row] as usize..offsets[row + 1] as usize)
    })
}

pub(super) fn row(
    column: &ArrayRef,
    from: &[RowField],
    target: Target,
) -> Result<ArrayRef, CastError> {
    let SqlType::Row(to) = target.to else { return Ok(Arc::clone(column)) };
    let rows = column.as_struct();
    let mut columns = vec![];
    let mut fields: Vec<Field> = vec![];
    for ((a, b), values) in from.iter().zip(to).zip(rows.columns()) {
        columns.push(part(values, &a.ty.ty, &b.ty.ty, target)?);
        fields.push(b.ty.ty.field(&b.name, true));
    }
    let cast = columns.clone();
    let array = StructArray::try_new(fields.into(), columns, rows.nulls().cloned());
    let array: ArrayRef = Arc::new(array.map_err(arrow_failed)?);
    without(&array, target, |row| {
        rows.columns().iter().zip(&cast).any(|(a, b)| lost(a, b, row..row + 1))
    })
}

fn part(
    values: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    target: Target,
) -> Result<ArrayRef, CastError> {
    if *values.data_type() == DataType::Null {
        return Ok(new_null_array(&to.arrow(), values.len()));
    }
    cast_in(values, from, to, target.try_cast, target.zone)
}

/// Whether a value became NULL.
fn lost(before: &ArrayRef, after: &ArrayRef, mut range: std::ops::Range<usize>) -> bool {
    after.null_count() > before.null_count()
        && range.any(|at| before.is_valid(at) && after.is_null(at))
}

/// With TRY_CAST the whole value is NULL where a part could not be cast.
fn without(
    array: &ArrayRef,
    target: Target,
    failed: impl Fn(usize) -> bool,
) -> Result<ArrayRef, CastError> {
    if !target.try_cast {
        return Ok(Arc::clone(array));
    }
    let gone: BooleanArray = (0..array.len()).map(|row| Some(failed(row))).collect();
    match gone.true_count() {
        0 => Ok(Arc::clone(array)),
        _ => nullif(array, &gone).map_err(arrow_failed),
    }
}
