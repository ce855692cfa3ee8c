//! Maps taken apart and put together.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, MapArray};
use arrow::compute::concat;
use arrow::datatypes::DataType;
use brooklet_core::types::{Nullable, RowField, SqlType};
use datafusion::common::{Result, plan_err};

use super::elements::{Elements, Lists, element, fit};
use crate::column::{Call, bad_value};
use crate::function::Kind::Any;
use crate::function::{Function, Output, Typing};
use crate::types::common_type;

/// `MAP_KEYS(map)`: the keys as an array.
///
/// ```sql
/// CAST(MAP_KEYS(STR_TO_MAP('a=1,b=2')) AS STRING) = '[a, b]'
/// ```
pub(super) const MAP_KEYS: Function =
    Function::new("map_keys", &[Any], Output::By(|t| array_of(&pair(t, 0)?.0)), |call| {
        parts(call, |map| Arc::clone(map.keys()))
    });

/// `MAP_VALUES(map)`: the values as an array.
///
/// ```sql
/// CAST(MAP_VALUES(STR_TO_MAP('a=1,b=2')) AS STRING) = '[1, 2]'
/// ```
pub(super) const MAP_VALUES: Function =
    Function::new("map_values", &[Any], Output::By(|t| array_of(&pair(t, 0)?.1)), |call| {
        parts(call, |map| Arc::clone(map.values()))
    });

/// `MAP_ENTRIES(map)`: an array of rows with the fields `key` and `value`.
///
/// ```sql
/// CAST(MAP_ENTRIES(STR_TO_MAP('a=1,b=2')) AS STRING) = '[(a, 1), (b, 2)]'
/// ```
pub(super) const MAP_ENTRIES: Function =
    Function::new("map_entries", &[Any], Output::By(entries), |call| {
        parts(call, |map| Arc::new(map.entries().clone()))
    });

/// `MAP_FROM_ARRAYS(keys, values)`: the map of both; they must have as many elements as each other.
///
/// ```sql
/// CAST(MAP_FROM_ARRAYS(ARRAY['a', 'b'], ARRAY[1, 2]) AS STRING) = '{a=1, b=2}'
/// ```
pub(super) const MAP_FROM_ARRAYS: Function =
    Function::new("map_from_arrays", &[Any, Any], Output::By(of_arrays), from_arrays);

/// `MAP_UNION(map, ...)`: the entries of all; of equal keys the last map's wins.
///
/// ```sql
/// CAST(MAP_UNION(STR_TO_MAP('a=1'), STR_TO_MAP('a=2')) AS STRING) = '{a=2}'
/// ```
pub(super) const MAP_UNION: Function =
    Function::new("map_union", &[Any], Output::By(of_maps), union).variadic();

fn pair(typing: &Typing, argument: usize) -> Result<(Nullable, Nullable)> {
    match &typing.types[argument] {
        SqlType::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
        SqlType::Multiset(item) => {
            Ok(((**item).clone(), Nullable { ty: SqlType::Int, nullable: false }))
        }
        other => plan_err!("{} takes a MAP, not {other}", typing.upper()),
    }
}

fn array_of(item: &Nullable) -> Result<SqlType> {
    Ok(SqlType::Array(Box::new(item.clone())))
}

fn entries(typing: &Typing) -> Result<SqlType> {
    let (key, value) = pair(typing, 0)?;
    let field = |name: &str, ty| RowField { name: name.to_string(), ty };
    let row = SqlType::Row(vec![field("key", key), field("value", value)]);
    array_of(&Nullable { ty: row, nullable: true })
}

fn of_arrays(typing: &Typing) -> Result<SqlType> {
    let both = element(&typing.types[0]).zip(element(&typing.types[1]));
    let Some((key, value)) = both else { return plan_err!("MAP_FROM_ARRAYS takes two ARRAYs") };
    Ok(SqlType::Map(Box::new(key.clone()), Box::new(value.clone())))
}

fn of_maps(typing: &Typing) -> Result<SqlType> {
    let all = (0..typing.types.len()).map(|i| pair(typing, i)).collect::<Result<Vec<_>>>()?;
    let common = |of: fn(&(Nullable, Nullable)) -> &Nullable| {
        let types: Vec<SqlType> = all.iter().map(|p| of(p).ty.clone()).collect();
        let nullable = all.iter().any(|p| of(p).nullable);
        Some(Box::new(Nullable { ty: common_type(&types)?, nullable }))
    };
    match common(|p| &p.0).zip(common(|p| &p.1)) {
        Some((key, value)) => Ok(SqlType::Map(key, value)),
        None => plan_err!("the maps of MAP_UNION have no type in common; write a CAST"),
    }
}

/// The arrays of what `part` takes from the maps.
fn parts(call: &Call, part: fn(&MapArray) -> ArrayRef) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let Some(map) = array.as_map_opt() else { return plan_err!("a MAP is needed") };
    let DataType::List(item) = &call.result else { return plan_err!("an ARRAY is needed") };
    let values = fit(part(map), item)?;
    let list =
        ListArray::try_new(Arc::clone(item), map.offsets().clone(), values, map.nulls().cloned())?;
    Ok(Arc::new(list))
}

fn from_arrays(call: &Call) -> Result<ArrayRef> {
    let (keys, values) = (Elements::of(call, &[0])?.comparable()?, Elements::of(call, &[1])?);
    let mut lists = Lists::new(call.rows);
    let mut value_places = vec![];
    for row in 0..call.rows {
        let Some((a, b)) = keys.places(0, row).zip(values.places(0, row)) else {
            lists.push_null();
            continue;
        };
        if a.len() != b.len() {
            return Err(bad_value(format!(
                "MAP_FROM_ARRAYS: {} keys, but {} values",
                a.len(),
                b.len()
            )));
        }
        value_places.extend(b);
        lists.push(a);
    }
    // Keys and values come to stand at the same places.
    let places = arrow::array::UInt32Array::from(lists.renumbered());
    let aligned = arrow::compute::take(&keys.values, &places, None)?;
    let value_places = arrow::array::UInt32Array::from(value_places);
    let of = arrow::compute::take(&values.values, &value_places, None)?;
    lists.finish_map(call, &aligned, &of)
}

fn union(call: &Call) -> Result<ArrayRef> {
    let arrays = (0..call.len()).map(|i| call.array(i)).collect::<Result<Vec<_>>>()?;
    let maps: Vec<&MapArray> = arrays.iter().filter_map(|a| a.as_map_opt()).collect();
    let DataType::Map(entry, _) = &call.result else { return plan_err!("MAP_UNION takes MAPs") };
    let DataType::Struct(fields) = entry.data_type() else { return plan_err!("no MAP") };
    if maps.len() != call.len() {
        return plan_err!("MAP_UNION takes MAPs");
    }
    let all = |of: fn(&MapArray) -> &ArrayRef, field| -> Result<ArrayRef> {
        let parts =
            maps.iter().map(|m| fit(Arc::clone(of(m)), field)).collect::<Result<Vec<_>>>()?;
        Ok(concat(&parts.iter().map(|p| p.as_ref()).collect::<Vec<_>>())?)
    };
    let (keys, values) = (all(MapArray::keys, &fields[0])?, all(MapArray::values, &fields[1])?);
    let sort = arrow::row::SortField::new(keys.data_type().clone());
    let compared =
        arrow::row::RowConverter::new(vec![sort])?.convert_columns(std::slice::from_ref(&keys))?;
    let mut lists = Lists::new(call.rows);
    for row in 0..call.rows {
        if maps.iter().any(|m| m.is_null(row)) {
            lists.push_null();
            continue;
        }
        let mut places: Vec<u32> = vec![];
        let mut base = 0;
        for map in &maps {
            let offsets = map.value_offsets();
            for at in offsets[row]..offsets[row + 1] {
                let (at, same) = (base + at as u32, |a: u32| compared.row(a as usize));
                match places.iter().position(|p| same(*p) == same(at)) {
                    Some(old) => places[old] = at,
                    None => places.push(at),
                }
            }
            base += map.keys().len() as u32;
        }
        lists.push(places);
    }
    lists.finish_map(call, &keys, &values)
}
