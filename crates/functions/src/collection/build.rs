//! ARRAY[…], MAP[…] and ROW(…): values put together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StructArray, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::DataType;
use brooklet_core::types::{Nullable, RowField, SqlType};
use datafusion::common::{Result, plan_err};

use super::elements::{Elements, Lists, coerced, common_array, fit};
use crate::column::Call;
use crate::function::Kind::Any;
use crate::function::{Function, Output, Typing};
use crate::types::{NULL, common_type};

/// `ARRAY[value, ...]`; as a plain function `__array(value, ...)`
///
/// The array of the values, which are made one type.
///
/// ```sql
/// CAST(__ARRAY(1, 2.5) AS STRING) = '[1.0, 2.5]'
/// ```
pub(super) const ARRAY: Function =
    Function::new("__array", &[Any], Output::By(array_type), |call| {
        let all: Vec<usize> = (0..call.len()).collect();
        let elements = Elements::of_ones(call, &all)?;
        let mut lists = Lists::new(call.rows);
        for row in 0..call.rows {
            lists.push(all.iter().map(|a| elements.place(*a, row)));
        }
        lists.finish(call, &elements.values)
    })
    .variadic()
    .coerced(|name, types| coerced(name, types, 0))
    .never_null();

/// `MAP[key, value, ...]`; as a plain function `__map(key, value, ...)`
///
/// The map of the pairs; of equal keys the last wins.
///
/// ```sql
/// CAST(__MAP('a', 1, 'b', 2) AS STRING) = '{a=1, b=2}'
/// ```
pub(super) const MAP: Function = Function::new("__map", &[Any, Any], Output::By(map_type), map)
    .variadic()
    .coerced(alternating)
    .never_null();

/// `ROW(value, ...)`, `(value, value, ...)`; as a plain function `__row(value, ...)`
///
/// The row of the values; its fields are called EXPR$0, EXPR$1 and so on.
///
/// ```sql
/// CAST(__ROW(1, 'a') AS STRING) = '(1, a)'
/// ```
pub(super) const ROW: Function = Function::new("__row", &[Any], Output::By(row_type), |call| {
    let DataType::Struct(fields) = &call.result else { return plan_err!("no ROW") };
    let columns = fields.iter().enumerate().map(|(i, f)| fit(call.array(i)?, f));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, None, call.rows)?))
})
.variadic()
.never_null();

fn array_type(typing: &Typing) -> Result<SqlType> {
    common_array(typing, &[], &(0..typing.types.len()).collect::<Vec<_>>())
}

fn row_type(typing: &Typing) -> Result<SqlType> {
    let field = |(i, ty): (usize, &SqlType)| {
        let ty = Nullable { ty: ty.clone(), nullable: typing.nullable(i) };
        RowField { name: format!("EXPR${i}"), ty }
    };
    Ok(SqlType::Row(typing.types.iter().enumerate().map(field).collect()))
}

fn map_type(typing: &Typing) -> Result<SqlType> {
    let part = |first: usize| {
        let places = (first..typing.types.len()).step_by(2);
        let types: Vec<SqlType> = places.clone().map(|i| typing.types[i].clone()).collect();
        let nullable = places.into_iter().any(|i| typing.nullable(i));
        Some(Box::new(Nullable { ty: common_type(&types)?, nullable }))
    };
    match part(0).zip(part(1)) {
        Some((key, value)) => Ok(SqlType::Map(key, value)),
        None => plan_err!("the keys or the values of MAP have no type in common; write a CAST"),
    }
}

/// Keys made one type, and values.
fn alternating(_: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    if !types.len().is_multiple_of(2) {
        return plan_err!("MAP takes pairs of a key and a value");
    }
    let common = |first: usize| {
        let sql = |t: &DataType| SqlType::from_arrow(t).unwrap_or(NULL);
        common_type(&types.iter().skip(first).step_by(2).map(sql).collect::<Vec<_>>())
    };
    let Some((key, value)) = common(0).zip(common(1)) else {
        return plan_err!("the keys or the values of MAP have no type in common; write a CAST");
    };
    let of = |(i, ty): (usize, &DataType)| {
        let to = if i % 2 == 0 { &key } else { &value };
        let same = SqlType::from_arrow(ty).is_some_and(|t| t.arrow() == to.arrow());
        if same { ty.clone() } else { to.arrow() }
    };
    Ok(types.iter().enumerate().map(of).collect())
}

fn map(call: &Call) -> Result<ArrayRef> {
    let pairs = call.len() / 2;
    let part = |first: usize| -> Result<ArrayRef> {
        let columns = (0..pairs).map(|i| call.array(2 * i + first)).collect::<Result<Vec<_>>>()?;
        Ok(concat(&columns.iter().map(|c| c.as_ref()).collect::<Vec<_>>())?)
    };
    let (keys, values) = (part(0)?, part(1)?);
    let sort = arrow::row::SortField::new(keys.data_type().clone());
    let compared =
        arrow::row::RowConverter::new(vec![sort])?.convert_columns(std::slice::from_ref(&keys))?;
    let mut lists = Lists::new(call.rows);
    for row in 0..call.rows {
        let mut places: Vec<u32> = vec![];
        for pair in 0..pairs {
            let at = (pair * call.rows + row) as u32;
            let same = |p: &u32| compared.row(*p as usize) == compared.row(at as usize);
            match places.iter().position(same) {
                Some(old) => places[old] = at,
                None => places.push(at),
            }
        }
        lists.push(places);
    }
    let taken = UInt32Array::from_iter_values(0..keys.len() as u32);
    lists.finish_map(call, &take(&keys, &taken, None)?, &values)
}
