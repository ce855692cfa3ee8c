//! RAND, RAND_INTEGER and UUID. What they give follows from a seed: a constant of the query, or the
//! epoch's time and the row, so that an epoch that is run again gives the same.

use arrow::datatypes::{Float64Type, Int32Type};
use datafusion::common::{Result, plan_err};

use crate::column::{Call, value_rows, write_rows};
use crate::function::Kind::{Any, Int};
use crate::function::{Function, Output, SqlTypeOf};
use crate::time::instants::Instants;

/// `RAND([seed])`
///
/// A number from 0 up to, not including 1. With a seed the numbers of java.util.Random, one after
/// the other for the rows of a batch; without one they differ from epoch to epoch.
///
/// ```sql
/// FLOOR(RAND(42)) = CAST(0 AS DOUBLE)
/// ```
const RAND: Function = Function::new("rand", &[Any, Any], Output::Is(SqlTypeOf::Double), |call| {
    let mut chance = Java::of(call, 0)?;
    Ok(value_rows::<Float64Type>(call.rows, |_| Some(chance.double())))
})
.optional(2)
.volatile()
.never_null();

/// `RAND_INTEGER([seed,] bound)`: a whole number from 0 up to, not including the bound; NULL for
/// NULL. The seed is that of RAND.
///
/// ```sql
/// RAND_INTEGER(42, 1) = 0
/// ```
const RAND_INTEGER: Function =
    Function::new("rand_integer", &[Any, Int, Any], Output::Is(SqlTypeOf::Int), |call| {
        // One argument is the bound alone, which the planner gives a seed.
        if call.len() < 2 {
            return plan_err!("RAND_INTEGER needs a seed here");
        }
        let bounds = call.ints(1)?;
        let mut chance = Java::of(call, 0)?;
        Ok(value_rows::<Int32Type>(call.rows, |row| {
            bounds.get(row).filter(|b| *b > 0).map(|bound| chance.below(bound))
        }))
    })
    .optional(2)
    .volatile()
    .nullable();

/// `UUID()`: a random identifier of version 4.
///
/// ```sql
/// CHAR_LENGTH(UUID()) = 36
/// ```
const UUID: Function = Function::text("uuid", &[Any, Any], |call| {
    let mut chance = Java::of(call, 0)?;
    Ok(write_rows(call.rows, |_, out| {
        let halves = [chance.long(), chance.long()];
        let bits = (u128::from(halves[0] as u64) << 64) | u128::from(halves[1] as u64);
        let bits = bits & !(0xf << 76) | (4 << 76);
        let bits = bits & !(0x3 << 62) | (2 << 62);
        let hex = format!("{bits:032x}");
        out.push_str(&[&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"));
        Some(())
    }))
})
.optional(2)
.volatile()
.never_null();

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[RAND, RAND_INTEGER, UUID];

/// java.util.Random.
struct Java(i64);

impl Java {
    /// A seed is a number, or a moment and the number of the call.
    fn of(call: &Call, argument: usize) -> Result<Java> {
        if call.len() <= argument {
            return Ok(Java::new(0));
        }
        let array = call.array(argument)?;
        if array.data_type().is_integer() {
            return Ok(Java::new(call.numbers(argument)?.unwrap_or(0)));
        }
        let (seconds, nanos) = Instants::new(call.any(argument))?.get(0).unwrap_or((0, 0));
        let which = match call.len() - 1 {
            0 => 0,
            last => call.numbers(last)?.unwrap_or(0),
        };
        let millis = seconds.wrapping_mul(1_000).wrapping_add(i64::from(nanos / 1_000_000));
        Ok(Java::new(millis.wrapping_mul(31).wrapping_add(which).wrapping_mul(0x9E37_79B9)))
    }

    fn new(seed: i64) -> Java {
        Java((seed ^ 0x5DEE_CE66D) & ((1 << 48) - 1))
    }

    fn bits(&mut self, count: u32) -> i32 {
        self.0 = self.0.wrapping_mul(0x5DEE_CE66D).wrapping_add(0xB) & ((1 << 48) - 1);
        (self.0 >> (48 - count)) as i32
    }

    fn double(&mut self) -> f64 {
        let high = i64::from(self.bits(26)) << 27;
        (high + i64::from(self.bits(27))) as f64 / (1_i64 << 53) as f64
    }

    fn long(&mut self) -> i64 {
        let high = i64::from(self.bits(32)) << 32;
        high.wrapping_add(i64::from(self.bits(32)))
    }

    fn below(&mut self, bound: i32) -> i32 {
        let mut bits = self.bits(31);
        let mask = bound.wrapping_sub(1);
        if bound & mask == 0 {
            return ((i64::from(bound) * i64::from(bits)) >> 31) as i32;
        }
        loop {
            let value = bits % bound;
            if bits.wrapping_sub(value).wrapping_add(mask) >= 0 {
                return value;
            }
            bits = self.bits(31);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Java;

    #[test]
    fn numbers_are_those_of_java() {
        // Seen on Flink: RAND(42) and RAND_INTEGER(42, 1000) of one row, RAND(7) likewise.
        assert_eq!(Java::new(42).double(), 0.7275636800328681);
        assert_eq!(Java::new(42).below(1000), 130);
        assert_eq!(Java::new(7).double(), 0.7306990420600421);
    }
}
