//! SIMILAR TO: patterns of the SQL standard.

use crate::column::boolean_rows;
use crate::function::Kind::Text as T;
use crate::function::{Function, Output, SqlTypeOf};

use super::java_regex::compiled;

/// `text SIMILAR TO pattern`; as a plain function `__similar(text, pattern)`
///
/// Whether the whole text fits the pattern: `%` and `_` as in LIKE, `|`, `*`, `+`, `?`, `{n}`,
/// parentheses and classes of characters as in regular expressions.
///
/// ```sql
/// __SIMILAR('abc', '(a|b|c)+') = TRUE
/// __SIMILAR('abc', 'b%') = FALSE
/// ```
pub(super) const SIMILAR: Function =
    Function::new("__similar", &[T, T], Output::Is(SqlTypeOf::Boolean), |call| {
        let (text, patterns) = (call.text(0)?, call.text(1)?);
        let mut last = None;
        Ok(boolean_rows(call.rows, |row| {
            let (text, pattern) = (text.get(row)?, patterns.get(row)?);
            if last.as_ref().is_none_or(|(known, _)| known != pattern) {
                last = Some((pattern.to_string(), compiled(&java(pattern))));
            }
            let (_, compiled) = last.as_ref()?;
            Some(compiled.as_ref().is_some_and(|p| p.is_match(text)))
        }))
    });

/// The pattern as one of Java's that must match all of the text.
fn java(pattern: &str) -> String {
    let mut out = String::from("(?s)^(?:");
    let mut class = false;
    for c in pattern.chars() {
        match c {
            '[' => class = true,
            ']' => class = false,
            _ => {}
        }
        match c {
            '%' if !class => out.push_str(".*"),
            '_' if !class => out.push('.'),
            '.' | '$' | '^' | '\\' if !class => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out.push_str(")\\z");
    out
}
