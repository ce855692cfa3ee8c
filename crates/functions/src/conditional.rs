//! Functions that choose among their arguments.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray};
use arrow::compute::kernels::cmp::{gt, lt};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{is_not_null, or_kleene};
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use crate::column::Call;
use crate::function::Kind::{Boolean, Common as C};
use crate::function::{Function, Output, Typing};
use crate::types::common_type;

/// `IF(condition, then, else)`: `then` where the condition is TRUE, else `else`.
///
/// ```sql
/// IF(1 > 2, 'a', 'bb') = 'bb'
/// IF(CAST(NULL AS BOOLEAN), 'a', 'b') = 'b'
/// ```
const IF: Function = Function::new("if", &[Boolean, C, C], Output::By(last_type), |call| {
    let condition = call.array(0)?;
    let condition = arrow::array::AsArray::as_boolean(&condition);
    // NULL chooses like FALSE.
    let condition = BooleanArray::from_iter(condition.iter().map(|c| Some(c == Some(true))));
    Ok(zip(&condition, &call.array(1)?, &call.array(2)?)?)
})
.nullable();

/// `IFNULL(value, other)`: the value, or the other where it is NULL.
///
/// ```sql
/// IFNULL(CAST(NULL AS STRING), 'x') = 'x'
/// ```
const IFNULL: Function = Function::new("ifnull", &[C, C], Output::By(last_type), |call| {
    let value = call.array(0)?;
    Ok(zip(&is_not_null(&value)?, &value, &call.array(1)?)?)
})
.last_nulls();

/// `GREATEST(value, ...)`: the largest value; NULL if one is NULL.
///
/// ```sql
/// GREATEST(1, 3, 2) = 3
/// GREATEST(1, CAST(NULL AS INT)) IS NULL
/// ```
const GREATEST: Function =
    Function::new("greatest", &[C], Output::By(last_type), |call| extreme(call, true)).variadic();

/// `LEAST(value, ...)`: the smallest value; NULL if one is NULL.
///
/// ```sql
/// LEAST('b', 'a') = 'a'
/// ```
const LEAST: Function =
    Function::new("least", &[C], Output::By(last_type), |call| extreme(call, false)).variadic();

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[IF, IFNULL, GREATEST, LEAST];

/// The type that the chosen values have in common; a condition is none of them.
fn last_type(typing: &Typing) -> Result<SqlType> {
    let skipped = usize::from(typing.name == "if");
    match common_type(&typing.types[skipped..]) {
        Some(common) => Ok(common),
        None => plan_err!("the arguments of {} have no type in common", typing.upper()),
    }
}

fn extreme(call: &Call, largest: bool) -> Result<ArrayRef> {
    let mut best = call.array(0)?;
    for argument in 1..call.len() {
        let other = call.array(argument)?;
        let better = if largest { gt(&other, &best)? } else { lt(&other, &best)? };
        // A NULL among the values wins, and stays.
        let null = BooleanArray::from_iter((0..other.len()).map(|row| Some(other.is_null(row))));
        let chosen = or_kleene(&better, &null)?;
        let chosen = BooleanArray::from_iter(chosen.iter().map(|c| Some(c == Some(true))));
        best = zip(&chosen, &other, &best)?;
    }
    Ok(Arc::clone(&best))
}
