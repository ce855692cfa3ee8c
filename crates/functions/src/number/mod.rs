//! Functions on numbers, and the operators of DECIMALs. `MOD(a, b)` is the operator `a % b`.

use crate::function::Function;

pub(crate) mod decimal;
mod double;
mod rounding;

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[
    rounding::ABS,
    rounding::SIGN,
    rounding::ROUND,
    rounding::TRUNCATE,
    rounding::FLOOR,
    rounding::CEIL,
    double::POWER,
    double::SQRT,
    double::EXP,
    double::LN,
    double::LOG10,
    double::LOG2,
    double::LOG,
    double::PI,
    double::E,
    double::SIN,
    double::COS,
    double::TAN,
    double::COT,
    double::ASIN,
    double::ACOS,
    double::ATAN,
    double::ATAN2,
    double::SINH,
    double::COSH,
    double::TANH,
    double::DEGREES,
    double::RADIANS,
];
