//! `+ - * / %` where an operand is a DECIMAL: Flink's result types, halves rounded up.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray};
use arrow::compute::binary;
use arrow::datatypes::{DataType, Decimal128Type, Int8Type, Int16Type, Int32Type, Int64Type, i256};
use brooklet_core::types::SqlType;
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::ScalarUDF;

use crate::cast::decimal::{power, round_half_up};
use crate::column::{Call, bad_value};
use crate::function::Kind::Number as N;
use crate::function::{Body, Function, Output, Typing};

/// The operators of arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
}

/// The function behind an operator between a DECIMAL and a DECIMAL or an integer; a result that
/// does not fit its type is NULL, a division by zero an error.
pub fn decimal_operator(op: Arithmetic) -> Arc<ScalarUDF> {
    let function = |name, ty, body: Body| Function::new(name, &[N, N], Output::By(ty), body);
    let function = match op {
        Arithmetic::Plus => function("decimal_plus", |t| typed(t, sum), plus),
        Arithmetic::Minus => function("decimal_minus", |t| typed(t, sum), minus),
        Arithmetic::Times => function("decimal_times", |t| typed(t, product), times),
        Arithmetic::Divide => function("decimal_divide", |t| typed(t, quotient), divide),
        Arithmetic::Modulo => function("decimal_modulo", |t| typed(t, rest), modulo),
    };
    function.nullable().udf()
}

/// Precision and scale.
type Digits = (i64, i64);

fn typed(typing: &Typing, rule: fn(Digits, Digits) -> Digits) -> Result<SqlType> {
    let (Some(a), Some(b)) = (digits(&typing.types[0]), digits(&typing.types[1])) else {
        return plan_err!("decimal arithmetic needs DECIMALs and integers");
    };
    let (precision, scale) = limited(rule(a, b));
    Ok(SqlType::Decimal(precision as u8, scale as u8))
}

fn digits(ty: &SqlType) -> Option<Digits> {
    Some(match ty {
        SqlType::TinyInt => (3, 0),
        SqlType::SmallInt => (5, 0),
        SqlType::Int => (10, 0),
        SqlType::BigInt => (19, 0),
        SqlType::Decimal(p, s) => (i64::from(*p), i64::from(*s)),
        _ => return None,
    })
}

fn sum((p1, s1): Digits, (p2, s2): Digits) -> Digits {
    let scale = s1.max(s2);
    ((p1 - s1).max(p2 - s2) + scale + 1, scale)
}

fn product((p1, s1): Digits, (p2, s2): Digits) -> Digits {
    (p1 + p2 + 1, s1 + s2)
}

fn quotient((p1, s1): Digits, (p2, s2): Digits) -> Digits {
    let scale = (s1 + p2 + 1).max(6);
    (p1 - s1 + s2 + scale, scale)
}

fn rest((p1, s1): Digits, (p2, s2): Digits) -> Digits {
    let scale = s1.max(s2);
    ((p1 - s1).min(p2 - s2) + scale, scale)
}

/// At most 38 digits; digits after the point give way down to six.
fn limited((precision, scale): Digits) -> Digits {
    if precision <= 38 {
        return (precision, scale);
    }
    (38, (38 - (precision - scale)).max(scale.min(6)))
}

/// An operand as unscaled integers.
struct Operand {
    values: Decimal128Array,
    step: usize,
    precision: u32,
    scale: i64,
}

impl Operand {
    fn of(call: &Call, argument: usize) -> Result<Operand> {
        let column = call.any(argument);
        let array = &column.array;
        let (values, precision, scale) = match array.data_type() {
            DataType::Int8 => (array.as_primitive::<Int8Type>().unary(i128::from), 3, 0),
            DataType::Int16 => (array.as_primitive::<Int16Type>().unary(i128::from), 5, 0),
            DataType::Int32 => (array.as_primitive::<Int32Type>().unary(i128::from), 10, 0),
            DataType::Int64 => (array.as_primitive::<Int64Type>().unary(i128::from), 19, 0),
            DataType::Decimal128(p, s) => {
                (array.as_primitive::<Decimal128Type>().clone(), u32::from(*p), i64::from(*s))
            }
            other => {
                let message = format!("decimal arithmetic was given {other}");
                return Err(DataFusionError::Internal(message));
            }
        };
        Ok(Operand { values, step: column.at(1), precision, scale })
    }

    fn get(&self, row: usize) -> Option<i128> {
        let row = row * self.step;
        self.values.is_valid(row).then(|| self.values.value(row))
    }
}

/// Where a result goes.
struct Goal {
    precision: u8,
    scale: i64,
}

impl Goal {
    /// The value at the goal's scale, if it has not too many digits.
    fn fit(&self, value: i256, scale: i64) -> Option<i128> {
        let scaled = match self.scale - scale {
            0 => value,
            up @ 1.. => value.checked_mul(wide_power(up)?)?,
            down => halves_up(value, wide_power(-down)?)?,
        };
        self.within(scaled.to_i128()?)
    }
    fn within(&self, value: i128) -> Option<i128> {
        let limit = power(u32::from(self.precision))?;
        (value.unsigned_abs() < limit.unsigned_abs()).then_some(value)
    }
}

fn wide_power(exponent: i64) -> Option<i256> {
    i256::from_i128(10).checked_pow(u32::try_from(exponent).ok()?)
}

/// value / by, halves away from zero.
fn halves_up(value: i256, by: i256) -> Option<i256> {
    let quotient = value.checked_div(by)?;
    let negative = value.is_negative() != by.is_negative();
    let (rest, by) = (value.checked_rem(by)?.wrapping_abs(), by.wrapping_abs());
    if rest < by.wrapping_sub(rest) {
        return Some(quotient);
    }
    quotient.checked_add(if negative { i256::MINUS_ONE } else { i256::ONE })
}

fn two(
    call: &Call,
    value: impl Fn(&Operand, &Operand, &Goal, i128, i128) -> Result<Option<i128>>,
) -> Result<ArrayRef> {
    let (a, b) = (Operand::of(call, 0)?, Operand::of(call, 1)?);
    let DataType::Decimal128(precision, scale) = call.result else {
        return Err(DataFusionError::Internal(format!("{} is no DECIMAL", call.result)));
    };
    let goal = Goal { precision, scale: i64::from(scale) };
    let row = |row: usize| match (a.get(row), b.get(row)) {
        (Some(x), Some(y)) => value(&a, &b, &goal, x, y),
        _ => Ok(None),
    };
    let values = (0..call.rows).map(row).collect::<Result<PrimitiveArray<Decimal128Type>>>()?;
    Ok(Arc::new(values.with_data_type(call.result.clone())))
}

fn plus(call: &Call) -> Result<ArrayRef> {
    two(call, |a, b, goal, x, y| Ok(added(a, b, goal, x, y)))
}

fn minus(call: &Call) -> Result<ArrayRef> {
    two(call, |a, b, goal, x, y| Ok(added(a, b, goal, x, y.wrapping_neg())))
}

fn added(a: &Operand, b: &Operand, goal: &Goal, x: i128, y: i128) -> Option<i128> {
    if a.scale == goal.scale && b.scale == goal.scale {
        return goal.within(x.checked_add(y)?);
    }
    let scale = a.scale.max(b.scale);
    let x = i256::from_i128(x).checked_mul(wide_power(scale - a.scale)?)?;
    let y = i256::from_i128(y).checked_mul(wide_power(scale - b.scale)?)?;
    goal.fit(x.checked_add(y)?, scale)
}

fn times(call: &Call) -> Result<ArrayRef> {
    if let Some(product) = short_product(&Operand::of(call, 0)?, &Operand::of(call, 1)?)? {
        return Ok(Arc::new(product.with_data_type(call.result.clone())));
    }
    two(call, |a, b, goal, x, y| {
        let scale = a.scale + b.scale;
        let product = i256::from_i128(x).checked_mul(i256::from_i128(y));
        Ok(product.and_then(|product| goal.fit(product, scale)))
    })
}

/// The product of numbers with too few digits to overflow; their scales add up.
fn short_product(a: &Operand, b: &Operand) -> Result<Option<Decimal128Array>> {
    if a.precision + b.precision > 37 {
        return Ok(None);
    }
    Ok(Some(match (a.step, b.step) {
        (_, 0) if b.values.is_valid(0) => a.values.unary(|x| x.wrapping_mul(b.values.value(0))),
        (0, _) if a.values.is_valid(0) => b.values.unary(|y| y.wrapping_mul(a.values.value(0))),
        (0, _) | (_, 0) => return Ok(None),
        _ => binary(&a.values, &b.values, i128::wrapping_mul)?,
    }))
}

fn divide(call: &Call) -> Result<ArrayRef> {
    two(call, |a, b, goal, x, y| {
        if y == 0 {
            return Err(by_zero());
        }
        let shift = goal.scale + b.scale - a.scale;
        let small = u32::try_from(shift).ok().and_then(power).and_then(|by| x.checked_mul(by));
        if let Some(x) = small {
            return Ok(goal.within(round_half_up(x * y.signum(), y.abs())));
        }
        let shifted = wide_power(shift).and_then(|by| i256::from_i128(x).checked_mul(by));
        let value = shifted.and_then(|x| halves_up(x, i256::from_i128(y)));
        Ok(value.and_then(i256::to_i128).and_then(|value| goal.within(value)))
    })
}

fn modulo(call: &Call) -> Result<ArrayRef> {
    two(call, |a, b, goal, x, y| {
        if y == 0 {
            return Err(by_zero());
        }
        let scale = a.scale.max(b.scale);
        let rest = || {
            let x = i256::from_i128(x).checked_mul(wide_power(scale - a.scale)?)?;
            let y = i256::from_i128(y).checked_mul(wide_power(scale - b.scale)?)?;
            goal.fit(x.checked_rem(y)?, scale)
        };
        Ok(rest())
    })
}

fn by_zero() -> DataFusionError {
    bad_value("division by zero")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_flink() {
        // Each seen on Flink: d is DECIMAL(10, 2).
        let of = |rule: fn(Digits, Digits) -> Digits, a, b| limited(rule(a, b));
        assert_eq!(of(product, (10, 2), (10, 2)), (21, 4));
        assert_eq!(of(product, (10, 2), (2, 1)), (13, 3));
        assert_eq!(of(product, (10, 0), (4, 3)), (15, 3));
        assert_eq!(of(product, (19, 0), (4, 3)), (24, 3));
        assert_eq!(of(product, (38, 18), (38, 18)), (38, 6));
        assert_eq!(of(quotient, (38, 18), (38, 18)), (38, 6));
        assert_eq!(of(quotient, (10, 0), (2, 1)), (17, 6));
        assert_eq!(of(quotient, (10, 2), (10, 0)), (21, 13));
        assert_eq!(of(quotient, (10, 2), (10, 2)), (23, 13));
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let of = |value, by| halves_up(i256::from_i128(value), i256::from_i128(by)).unwrap();
        for (value, by, want) in
            [(25, 10, 3), (-25, 10, -3), (24, 10, 2), (-24, 10, -2), (1, 3, 0), (2, -4, -1)]
        {
            assert_eq!(of(value, by).to_i128(), Some(want), "{value} / {by}");
        }
    }
}
