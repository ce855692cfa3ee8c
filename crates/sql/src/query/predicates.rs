//! What means another expression: SIMILAR TO, OVERLAPS, intervals of several units or of weeks.

use sqlparser::ast::{BinaryOperator, DateTimeField, Expr, Interval, UnaryOperator, Value};

use super::calls::call;
use crate::parse::interval::{INTERVAL, millis};

/// What a predicate stands for, if not for itself.
pub fn rewritten(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::SimilarTo { negated, expr, pattern, escape_char: None } => {
            let test = call("__similar", vec![(**expr).clone(), (**pattern).clone()]);
            Some(match negated {
                true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(test) },
                false => test,
            })
        }
        Expr::BinaryOp { left, op: BinaryOperator::Overlaps, right } => overlaps(left, right),
        _ => None,
    }
}

/// `(a, b) OVERLAPS (c, d)`: the spans have a moment in common, their ends included.
fn overlaps(left: &Expr, right: &Expr) -> Option<Expr> {
    let ((a, b), (c, d)) = (span(left)?, span(right)?);
    let before = |from: [&Expr; 2], to: [&Expr; 2]| {
        let both = |name, of: [&Expr; 2]| Box::new(call(name, of.map(Expr::clone).to_vec()));
        let (left, right) = (both("least", from), both("greatest", to));
        Box::new(Expr::BinaryOp { left, op: BinaryOperator::LtEq, right })
    };
    let (left, right) = (before([&a, &b], [&c, &d]), before([&c, &d], [&a, &b]));
    let both = Expr::BinaryOp { left, op: BinaryOperator::And, right };
    Some(Expr::Nested(Box::new(both)))
}

/// Start and end; an interval stands for the end that it leads to.
fn span(expr: &Expr) -> Option<(Expr, Expr)> {
    let Expr::Tuple(both) = expr else { return None };
    let [start, end] = both.as_slice() else { return None };
    let end = match end {
        Expr::Interval(_) => Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(start.clone()),
            op: BinaryOperator::Plus,
            right: Box::new(end.clone()),
        })),
        other => other.clone(),
    };
    Some((start.clone(), end))
}

/// `INTERVAL '1 02:03' DAY TO MINUTE`, `INTERVAL '1-2' YEAR TO MONTH`, `INTERVAL '1' WEEK` as
/// milliseconds or months; None for those that DataFusion reads as they stand.
pub fn range(interval: &Interval) -> Option<Expr> {
    let text = |value: &str| Expr::value(Value::SingleQuotedString(value.to_string()));
    let number = |n: i64| Expr::value(Value::Number(n.to_string(), true));
    let plain = interval.last_field.is_none()
        && interval.leading_precision.is_none()
        && interval.fractional_seconds_precision.is_none();
    let of_others = match (&interval.leading_field, &interval.last_field) {
        (Some(DateTimeField::Week(_)), None) => Some(("SECOND", 7 * 86_400_000)),
        (Some(DateTimeField::Quarter), None) => Some(("MONTH", 3)),
        (Some(DateTimeField::Year), None) if !plain => Some(("MONTH", 12)),
        (Some(DateTimeField::Month), None) if !plain => Some(("MONTH", 1)),
        _ => None,
    };
    if let Some((unit, each)) = of_others {
        let Expr::Value(value) = interval.value.as_ref() else { return None };
        let Value::SingleQuotedString(count) = &value.value else { return None };
        let all = count.trim().parse::<i64>().ok()?.checked_mul(each)?;
        return Some(call("__interval", vec![text(unit), number(all)]));
    }
    if plain {
        return None;
    }
    if interval.leading_field == Some(DateTimeField::Year) {
        let Expr::Value(value) = interval.value.as_ref() else { return None };
        let Value::SingleQuotedString(written) = &value.value else { return None };
        let (sign, written) = match written.trim().strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, written.trim()),
        };
        let (years, months) = written.split_once('-')?;
        let all = years.parse::<i64>().ok()? * 12 + months.parse::<i64>().ok()?;
        return Some(call(INTERVAL, vec![text("MONTH"), number(sign * all)]));
    }
    let millis = millis(&Expr::Interval(interval.clone()))?;
    Some(call(INTERVAL, vec![text("SECOND"), number(millis)]))
}
