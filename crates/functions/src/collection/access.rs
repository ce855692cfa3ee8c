//! One element of an array, one value of a map, one field of a row.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use super::elements::Elements;
use super::sort::element_type;
use crate::column::{Call, bad_value};
use crate::function::Kind::Any;
use crate::function::{Function, Output, Typing};
use crate::types::common_type;

/// `ELEMENT(array)`: the only element; NULL if there is none, an error if there are several.
///
/// ```sql
/// ELEMENT(ARRAY[7]) = 7
/// ```
pub(super) const ELEMENT: Function =
    Function::new("element", &[Any], Output::By(element_type), |call| {
        let elements = Elements::of(call, &[0])?;
        let mut places = Vec::with_capacity(call.rows);
        for row in 0..call.rows {
            let range = elements.places(0, row);
            if range.as_ref().is_some_and(|r| r.len() > 1) {
                return Err(bad_value("ELEMENT: the array has more than one element"));
            }
            places.push(range.and_then(|mut r| r.next()));
        }
        Ok(take(&elements.values, &UInt32Array::from(places), None)?)
    })
    .nullable();

/// `array[index]`, `map[key]`; as a plain function `__item(array or map, index or key)`
///
/// The element at an index, counted from 1, or the value of a key; NULL if there is none.
///
/// ```sql
/// __ITEM(ARRAY['a', 'b'], 2) = 'b'
/// __ITEM(STR_TO_MAP('a=1'), 'a') = '1'
/// ```
pub(super) const ITEM: Function =
    Function::new("__item", &[Any, Any], Output::By(item_type), item).nullable().coerced(keyed);

fn item_type(typing: &Typing) -> Result<SqlType> {
    match &typing.types[0] {
        SqlType::Array(item) => {
            if typing.integer(1).is_some_and(|index| index <= 0) {
                return plan_err!(
                    "arrays are counted from 1, there is no element {}",
                    typing.integer(1).unwrap_or_default()
                );
            }
            Ok(item.ty.clone())
        }
        SqlType::Map(_, value) => Ok(value.ty.clone()),
        other => plan_err!("an element is asked of {other}, which is no ARRAY and no MAP"),
    }
}

/// An index is an INT, a key of the map's type.
fn keyed(_: &str, types: &[DataType]) -> Result<Vec<DataType>> {
    let [of, by] = types else { return plan_err!("an element takes an index or a key") };
    match of {
        DataType::List(_) if by.is_integer() => Ok(vec![of.clone(), DataType::Int64]),
        DataType::List(_) => plan_err!("the index of an ARRAY is an integer"),
        DataType::Map(entries, _) => {
            let DataType::Struct(pair) = entries.data_type() else { return plan_err!("no MAP") };
            let key = SqlType::of_field(&pair[0]);
            let given = SqlType::from_arrow(by);
            match key.zip(given).and_then(|(k, g)| common_type(&[k.clone(), g]).map(|_| k)) {
                Some(key) => Ok(vec![of.clone(), key.arrow()]),
                None => plan_err!("the key is not of the type of the MAP's keys; write a CAST"),
            }
        }
        _ => Ok(types.to_vec()),
    }
}

fn item(call: &Call) -> Result<ArrayRef> {
    let array = call.any(0);
    if let Some(map) = array.array.as_map_opt() {
        let keys = arrow::compute::concat(&[map.keys().as_ref(), call.array(1)?.as_ref()])?;
        let sort = arrow::row::SortField::new(keys.data_type().clone());
        let compared = arrow::row::RowConverter::new(vec![sort])?.convert_columns(&[keys])?;
        let wanted = call.array(1)?;
        let of = |row: usize| {
            let at = array.at(row);
            if map.is_null(at) || wanted.is_null(row) {
                return None;
            }
            let offsets = map.value_offsets();
            let key = compared.row(map.keys().len() + row);
            let mut places = (offsets[at] as u32..offsets[at + 1] as u32).rev();
            places.find(|p| compared.row(*p as usize) == key)
        };
        let places: UInt32Array = (0..call.rows).map(of).collect();
        return Ok(take(map.values(), &places, None)?);
    }
    let elements = Elements::of(call, &[0])?;
    let indexes = call.longs(1)?;
    let of = |row: usize| {
        let (places, index) = (elements.places(0, row)?, indexes.get(row)?);
        let at = u32::try_from(index).ok()?.checked_sub(1)?;
        (at < places.end - places.start).then(|| places.start + at)
    };
    let places: UInt32Array = (0..call.rows).map(of).collect();
    Ok(take(&elements.values, &places, None)?)
}
