//! Functions on arrays and maps.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type};
use datafusion::common::{Result, plan_err};

use crate::column::{Call, value_rows};
use crate::function::Kind::Any;
use crate::function::{Function, Output, SqlTypeOf};

/// `CARDINALITY(array or map)`: how many elements it has.
///
/// ```sql
/// CARDINALITY(ARRAY[7, 8]) = 2
/// ```
const CARDINALITY: Function =
    Function::new("cardinality", &[Any], Output::Is(SqlTypeOf::Int), cardinality);

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[CARDINALITY];

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
