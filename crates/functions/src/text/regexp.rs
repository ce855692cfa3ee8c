//! Functions on regular expressions, which are Java's.

use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use arrow::datatypes::Int32Type;
use datafusion::common::Result;

use super::java_regex::{Pattern, compiled};
use super::split::texts;
use crate::column::{Call, Text, boolean_rows, slice_rows, value_rows, write_rows};
use crate::function::Kind::{Int, Text as T};
use crate::function::{Function, Output, SqlTypeOf};

/// `REGEXP_EXTRACT(text, pattern [, group])`
///
/// What the pattern's group matched in its first match in the text; group 0, the default, is the
/// whole match. NULL without a match, for a group that does not exist or took no part, and for a
/// pattern that is not valid.
///
/// ```sql
/// REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2) = 'bar'
/// REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)') = 'foothebar'
/// REGEXP_EXTRACT('abc', 'z(.)', 1) IS NULL
/// ```
pub(super) const REGEXP_EXTRACT: Function =
    Function::text("regexp_extract", &[T, T, Int], extract).optional(1).nullable();

/// `REGEXP_REPLACE(text, pattern, replacement)`
///
/// The text with every match replaced. The replacement is taken literally: `$1` stays `$1`. NULL
/// for a pattern that is not valid.
///
/// ```sql
/// REGEXP_REPLACE('a1b22', '[0-9]+', '#') = 'a#b#'
/// REGEXP_REPLACE('abc', '(b)', '[$1]') = 'a[$1]c'
/// ```
pub(super) const REGEXP_REPLACE: Function = Function::text("regexp_replace", &[T, T, T], replace);

/// `REGEXP(text, pattern)`
///
/// Whether the pattern matches somewhere in the text; FALSE for an empty or invalid pattern.
///
/// ```sql
/// REGEXP('abc', 'b.') = TRUE
/// REGEXP('abc', '') = FALSE
/// ```
pub(super) const REGEXP: Function =
    Function::new("regexp", &[T, T], Output::Is(SqlTypeOf::Boolean), regexp);

/// `REGEXP_COUNT(text, pattern)`
///
/// How many times the pattern matches; NULL for an invalid pattern.
///
/// ```sql
/// REGEXP_COUNT('abcabc', 'b') = 2
/// ```
pub(super) const REGEXP_COUNT: Function =
    Function::new("regexp_count", &[T, T], Output::Is(SqlTypeOf::Int), count).nullable();

/// `REGEXP_SUBSTR(text, pattern)`
///
/// The first match; NULL without one.
///
/// ```sql
/// REGEXP_SUBSTR('abc', 'b.') = 'bc'
/// ```
pub(super) const REGEXP_SUBSTR: Function =
    Function::text("regexp_substr", &[T, T], extract).nullable();

/// `REGEXP_INSTR(text, pattern)`
///
/// The position of the first match, the first character being 1; 0 without one.
///
/// ```sql
/// REGEXP_INSTR('abc', 'c') = 3
/// REGEXP_INSTR('abc', 'z') = 0
/// ```
pub(super) const REGEXP_INSTR: Function =
    Function::new("regexp_instr", &[T, T], Output::Is(SqlTypeOf::Int), instr).nullable();

/// `REGEXP_EXTRACT_ALL(text, pattern [, group])`
///
/// What the pattern's group, the first unless another is named, matched in each match; group 0 is
/// the whole match. NULL for a group that does not exist and for a pattern that is not valid.
///
/// ```sql
/// REGEXP_EXTRACT_ALL('a1b2', '[0-9]', 0) = '[1, 2]'
/// REGEXP_EXTRACT_ALL('a1b2', '([a-z])[0-9]') = '[a, b]'
/// ```
pub(super) const REGEXP_EXTRACT_ALL: Function =
    Function::new("regexp_extract_all", &[T, T, Int], Output::By(texts), extract_all)
        .optional(1)
        .nullable();

/// The patterns of a column; a constant is looked up once, and so are equal ones in a row.
struct Patterns {
    text: Text,
    last: Option<(String, Option<Rc<Pattern>>)>,
}

impl Patterns {
    fn new(text: Text) -> Patterns {
        Patterns { text, last: None }
    }
    /// The row's pattern: None for NULL, Some(None) for an invalid one.
    fn get(&mut self, row: usize) -> Option<Option<&Rc<Pattern>>> {
        let java = self.text.get(row)?;
        let known = self.text.is_constant() && self.last.is_some();
        if !known && self.last.as_ref().is_none_or(|(text, _)| text != java) {
            self.last = Some((java.to_string(), compiled(java)));
        }
        self.last.as_ref().map(|(_, pattern)| pattern.as_ref())
    }
}

fn extract(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut patterns = Patterns::new(call.text(1)?);
    let groups = if call.len() > 2 { Some(call.ints(2)?) } else { None };
    Ok(slice_rows(call.rows, |row| {
        let group = match &groups {
            Some(groups) => usize::try_from(groups.get(row)?).ok()?,
            None => 0,
        };
        let value = text.get(row)?;
        let pattern = patterns.get(row)??;
        if group >= pattern.groups() {
            return None;
        }
        Some(&value[pattern.find_at(value, 0, group)?.group?])
    }))
}

fn extract_all(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut patterns = Patterns::new(call.text(1)?);
    let groups = if call.len() > 2 { Some(call.ints(2)?) } else { None };
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let group = match &groups {
            Some(groups) => groups.get(row).and_then(|g| usize::try_from(g).ok()),
            None => Some(1),
        };
        let pattern = patterns.get(row).flatten();
        let known = text.get(row).zip(group).zip(pattern).filter(|((_, g), p)| *g < p.groups());
        if let Some(((value, group), pattern)) = known {
            pattern.each(value, group, |found| {
                lists.values().append_option(found.group.map(|g| &value[g]));
            });
        }
        lists.append(known.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

fn replace(call: &Call) -> Result<ArrayRef> {
    let (text, replacement) = (call.text(0)?, call.text(2)?);
    let mut patterns = Patterns::new(call.text(1)?);
    Ok(write_rows(call.rows, |row, out| {
        let (value, by) = (text.get(row)?, replacement.get(row)?);
        let mut copied = 0;
        patterns.get(row)??.each(value, 0, |found| match found.torn {
            // The halves stay together.
            true if by.is_empty() => {}
            true => {
                out.push('?');
                out.push_str(by);
                out.push('?');
                copied = found.whole.end + '😀'.len_utf8();
            }
            false => {
                out.push_str(&value[copied..found.whole.start]);
                out.push_str(by);
                copied = found.whole.end;
            }
        });
        out.push_str(&value[copied..]);
        Some(())
    }))
}

fn regexp(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut patterns = Patterns::new(call.text(1)?);
    let empty = call.text(1)?;
    Ok(boolean_rows(call.rows, |row| {
        let value = text.get(row)?;
        let pattern = patterns.get(row)?;
        let matches = pattern.is_some_and(|p| p.is_match(value));
        Some(matches && empty.get(row) != Some(""))
    }))
}

fn count(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut patterns = Patterns::new(call.text(1)?);
    Ok(value_rows::<Int32Type>(call.rows, |row| {
        let mut n = 0;
        patterns.get(row)??.each(text.get(row)?, 0, |_| n += 1);
        Some(n)
    }))
}

fn instr(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut patterns = Patterns::new(call.text(1)?);
    Ok(value_rows::<Int32Type>(call.rows, |row| {
        let value = text.get(row)?;
        let found = patterns.get(row)??.find_at(value, 0, 0);
        Some(found.map_or(0, |f| value[..f.whole.start].encode_utf16().count() as i32 + 1))
    }))
}
