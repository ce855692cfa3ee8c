//! Elements found in arrays.

use arrow::array::ArrayRef;
use arrow::datatypes::Int32Type;
use datafusion::common::Result;

use super::elements::{Elements, coerced};
use crate::column::{Call, boolean_rows, value_rows};
use crate::function::Kind::Any;
use crate::function::{Function, Output, SqlTypeOf};

/// `ARRAY_CONTAINS(array, element)`: whether the element is in the array; NULL is looked for like
/// any other.
///
/// ```sql
/// ARRAY_CONTAINS(ARRAY[1, 2], 2) = TRUE
/// ```
pub(super) const ARRAY_CONTAINS: Function =
    Function::new("array_contains", &[Any, Any], Output::Is(SqlTypeOf::Boolean), |call| {
        let elements = Elements::of(call, &[0, 1])?.comparable()?;
        Ok(boolean_rows(call.rows, |row| {
            let wanted = elements.key(elements.place(1, row));
            Some(elements.places(0, row)?.any(|p| elements.key(p) == wanted))
        }))
    })
    .coerced(|name, types| coerced(name, types, 1))
    .first_nulls();

/// `ARRAY_POSITION(array, element)`: where the element first stands, counted from 1; 0 if it does
/// not.
///
/// ```sql
/// ARRAY_POSITION(ARRAY['a', 'b'], 'b') = 2
/// ```
pub(super) const ARRAY_POSITION: Function =
    Function::new("array_position", &[Any, Any], Output::Is(SqlTypeOf::Int), position)
        .coerced(|name, types| coerced(name, types, 1));

fn position(call: &Call) -> Result<ArrayRef> {
    let elements = Elements::of(call, &[0, 1])?.comparable()?;
    Ok(value_rows::<Int32Type>(call.rows, |row| {
        let wanted = elements.place(1, row);
        let mut places = elements.places(0, row).filter(|_| !elements.is_null(wanted))?;
        let found = places.position(|p| elements.key(p) == elements.key(wanted));
        Some(found.map_or(0, |at| at as i32 + 1))
    }))
}
