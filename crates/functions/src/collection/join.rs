//! ARRAY_JOIN: the texts of an array as one.

use arrow::array::{Array, ArrayRef, AsArray};
use datafusion::common::{Result, plan_err};

use super::elements::Elements;
use crate::column::{Call, write_rows};
use crate::function::Function;
use crate::function::Kind::{Any, Text as T};

/// `ARRAY_JOIN(array, delimiter [, text for NULL])`
///
/// The texts of the array with the delimiter between them; NULLs are left out unless there is a
/// text for them.
///
/// ```sql
/// ARRAY_JOIN(ARRAY['a', 'b'], '-') = 'a-b'
/// ```
pub(super) const ARRAY_JOIN: Function =
    Function::text("array_join", &[Any, T, T], join).optional(1);

fn join(call: &Call) -> Result<ArrayRef> {
    let elements = Elements::of(call, &[0])?;
    let Some(texts) = elements.values.as_string_opt::<i32>() else {
        return plan_err!("ARRAY_JOIN takes an ARRAY of STRING");
    };
    let delimiters = call.text(1)?;
    let stands_for_null = if call.len() > 2 { Some(call.text(2)?) } else { None };
    Ok(write_rows(call.rows, |row, out| {
        let (places, delimiter) = (elements.places(0, row)?, delimiters.get(row)?);
        let null = match &stands_for_null {
            Some(texts) => Some(texts.get(row)?),
            None => None,
        };
        let mut first = true;
        for place in places {
            let at = place as usize;
            let Some(text) = texts.is_valid(at).then(|| texts.value(at)).or(null) else { continue };
            if !first {
                out.push_str(delimiter);
            }
            first = false;
            out.push_str(text);
        }
        Some(())
    }))
}
