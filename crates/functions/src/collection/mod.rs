//! Functions on arrays and maps.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, plan_err};

use crate::column::{Call, value_rows};
use crate::function::Kind::Any;
use crate::function::{Function, Output, SqlTypeOf};

mod access;
mod arrays;
mod build;
mod elements;
mod join;
mod maps;
mod search;
mod sets;
mod sort;

/// `CARDINALITY(array or map)`: how many elements it has.
///
/// ```sql
/// CARDINALITY(ARRAY[7, 8]) = 2
/// ```
const CARDINALITY: Function =
    Function::new("cardinality", &[Any], Output::Is(SqlTypeOf::Int), cardinality);

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[
    CARDINALITY,
    access::ELEMENT,
    access::ITEM,
    build::ARRAY,
    build::MAP,
    build::ROW,
    arrays::ARRAY_APPEND,
    arrays::ARRAY_PREPEND,
    arrays::ARRAY_CONCAT,
    arrays::ARRAY_REVERSE,
    arrays::ARRAY_SLICE,
    arrays::ARRAY_REMOVE,
    sets::ARRAY_DISTINCT,
    sets::ARRAY_UNION,
    sets::ARRAY_EXCEPT,
    sets::ARRAY_INTERSECT,
    sort::ARRAY_SORT,
    sort::ARRAY_MAX,
    sort::ARRAY_MIN,
    search::ARRAY_CONTAINS,
    search::ARRAY_POSITION,
    join::ARRAY_JOIN,
    maps::MAP_KEYS,
    maps::MAP_VALUES,
    maps::MAP_ENTRIES,
    maps::MAP_FROM_ARRAYS,
    maps::MAP_UNION,
];

fn cardinality(call: &Call) -> Result<ArrayRef> {
    let column = call.any(0);
    let array = &column.array;
    let length: Box<dyn Fn(usize) -> i32> = match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            Box::new(|at| list.value_length(at))
        }
        DataType::Map(..) => {
            let map = array.as_map();
            Box::new(|at| map.value_length(at))
        }
        other => return plan_err!("CARDINALITY takes an ARRAY or a MAP, not {other}"),
    };
    Ok(value_rows::<Int32Type>(call.rows, |row| {
        let at = column.at(row);
        array.is_valid(at).then(|| length(at))
    }))
}
