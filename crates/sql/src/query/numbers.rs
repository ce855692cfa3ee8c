//! Literals that are out of a number's range.

use std::ops::ControlFlow;

use datafusion::common::{DataFusionError, Diagnostic, Result, Span};
use sqlparser::ast::{Expr, UnaryOperator, Value, Visit};

use super::walk::{Seen, walk};

/// Refuses numbers of more digits than a BIGINT has, with or without a point, as Flink does.
pub fn check(text: &impl Visit) -> Result<()> {
    let mut wrong = None;
    let mut negative = false;
    walk(text, &mut |seen| {
        let Seen::Expr(expr) = seen else { return ControlFlow::Continue(()) };
        if let Expr::Value(value) = expr
            && let Value::Number(text, _) = &value.value
            && out_of_range(text, negative)
        {
            wrong = Some((text.clone(), value.span));
            return ControlFlow::Break(());
        }
        negative = matches!(expr, Expr::UnaryOp { op: UnaryOperator::Minus, .. });
        ControlFlow::Continue(())
    });
    let Some((text, span)) = wrong else { return Ok(()) };
    let message = format!(
        "{text} has more digits than a BIGINT: write it as a text and CAST it to a DECIMAL"
    );
    let place = Span::try_from_sqlparser_span(span);
    let plain = DataFusionError::Plan(message.clone());
    Err(plain.with_diagnostic(Diagnostic::new_error(message, place)))
}

fn out_of_range(text: &str, negative: bool) -> bool {
    if text.contains(['e', 'E']) {
        return false;
    }
    let digits = text.replacen('.', "", 1);
    match digits.parse::<u64>() {
        Ok(number) => number > i64::MAX.unsigned_abs() + u64::from(negative),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::out_of_range;

    #[test]
    fn as_many_digits_as_a_bigint() {
        // Each seen on Flink.
        assert!(!out_of_range("9223372036854775807", false));
        assert!(out_of_range("9223372036854775808", false));
        assert!(!out_of_range("9223372036854775808", true));
        assert!(out_of_range("9223372036854775807.0", false));
        assert!(out_of_range("12345678901234567890.5", false));
        assert!(!out_of_range("1e30", false));
    }
}
