//! Interval literals as durations.

use brooklet_core::time::Millis;
use sqlparser::ast::{
    DateTimeField, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Interval,
    UnaryOperator, Value,
};

/// The milliseconds of `INTERVAL '1:30' MINUTE TO SECOND`, `INTERVAL '0.001' SECOND`, with or
/// without a sign; None for other expressions, for months and years, and for what does not fit.
/// Below a millisecond is cut off.
pub fn millis(expr: &Expr) -> Option<Millis> {
    match expr {
        Expr::Interval(interval) => of_literal(interval),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => millis(expr)?.checked_neg(),
        Expr::Nested(inner) => millis(inner),
        Expr::Function(call) => of_call(call),
        _ => None,
    }
}

/// `__interval('SECOND', n)`, which a prepared query has in the place of a range of units.
fn of_call(call: &Function) -> Option<Millis> {
    let FunctionArguments::List(list) = &call.args else { return None };
    let value = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(v))) => Some(v.value.clone()),
        _ => None,
    };
    let values: Vec<Value> = list.args.iter().map(value).collect::<Option<_>>()?;
    match values.as_slice() {
        [Value::SingleQuotedString(unit), Value::Number(n, _)]
            if unit == "SECOND" && call.name.to_string() == INTERVAL =>
        {
            n.parse().ok()
        }
        _ => None,
    }
}

/// The function that makes an interval of a number of milliseconds or months.
pub const INTERVAL: &str = "__interval";

/// Units from days down: how many of the next one a unit has, and its milliseconds.
const UNITS: [Millis; 4] = [86_400_000, 3_600_000, 60_000, 1_000];

fn of_literal(interval: &Interval) -> Option<Millis> {
    let Expr::Value(value) = interval.value.as_ref() else { return None };
    let Value::SingleQuotedString(text) = &value.value else { return None };
    let first = rank(interval.leading_field.as_ref()?)?;
    let last = match &interval.last_field {
        Some(field) => rank(field)?,
        None => first,
    };
    let (negative, text) = match text.trim().strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.trim()),
    };
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    if last < first || parts.len() != last - first + 1 {
        return None;
    }
    let mut total: Millis = 0;
    for (unit, part) in UNITS[first..=last].iter().zip(parts) {
        let (whole, fraction) = part.split_once('.').unwrap_or((part, ""));
        if !fraction.is_empty() && *unit != 1_000 {
            return None;
        }
        total = total.checked_add(digits(whole)?.checked_mul(*unit)?)?;
        total = total.checked_add(thousandths(fraction)?)?;
    }
    Some(if negative { -total } else { total })
}

fn digits(text: &str) -> Option<Millis> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The first three digits behind the point.
fn thousandths(fraction: &str) -> Option<Millis> {
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<3}")[..3].parse().ok()
}

fn rank(field: &DateTimeField) -> Option<usize> {
    Some(match field {
        DateTimeField::Day | DateTimeField::Days => 0,
        DateTimeField::Hour | DateTimeField::Hours => 1,
        DateTimeField::Minute | DateTimeField::Minutes => 2,
        DateTimeField::Second | DateTimeField::Seconds => 3,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::dialect::Flink;
    use sqlparser::parser::Parser;

    fn of(sql: &str) -> Option<Millis> {
        millis(&Parser::new(&Flink).try_with_sql(sql).unwrap().parse_expr().unwrap())
    }

    #[test]
    fn literals() {
        assert_eq!(of("INTERVAL '10' SECOND"), Some(10_000));
        assert_eq!(of("INTERVAL '0.001' SECOND"), Some(1));
        assert_eq!(of("INTERVAL '1.5' SECOND(3)"), Some(1_500));
        assert_eq!(of("INTERVAL '2' MINUTE"), Some(120_000));
        assert_eq!(of("INTERVAL '1:30' HOUR TO MINUTE"), Some(5_400_000));
        assert_eq!(of("INTERVAL '1 02:03:04.005' DAY TO SECOND"), Some(93_784_005));
        assert_eq!(of("INTERVAL '-3' HOUR"), Some(-10_800_000));
        assert_eq!(of("-INTERVAL '1' DAY"), Some(-86_400_000));
    }

    #[test]
    fn what_is_no_fixed_duration() {
        assert_eq!(of("INTERVAL '1' MONTH"), None);
        assert_eq!(of("INTERVAL 'x' SECOND"), None);
        assert_eq!(of("INTERVAL '1.5' MINUTE"), None);
        assert_eq!(of("INTERVAL '1:2' SECOND"), None);
        assert_eq!(of("INTERVAL '99999999999999999999' DAY"), None);
    }
}
