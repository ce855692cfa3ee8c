//! Strings taken apart into arrays and maps.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, MapBuilder, MapFieldNames, StringBuilder};
use brooklet_core::types::{Nullable, SqlType};
use datafusion::common::Result;

use super::java_order::{self, Entries};
use super::java_regex::{Pattern, compiled};
use super::units;
use crate::column::Call;
use crate::function::Kind::Text as T;
use crate::function::{Function, Output, Typing};

/// `SPLIT(text, delimiter)`
///
/// The parts between the delimiters, taken literally; every character with an empty delimiter; no
/// part of an empty text.
///
/// ```sql
/// SPLIT('a,b,,c', ',') = '[a, b, , c]'
/// SPLIT('', ',') = '[]'
/// ```
pub(super) const SPLIT: Function = Function::new("split", &[T, T], Output::By(texts), split);

/// `STR_TO_MAP(text [, list delimiter, pair delimiter])`
///
/// A map of the text's `key=value` pairs between commas, or other delimiters, which are patterns.
/// NULL is the value of a key alone; the last of equal keys wins.
///
/// ```sql
/// STR_TO_MAP('k1=v1,k2=v2') = '{k1=v1, k2=v2}'
/// STR_TO_MAP('k1:v1;k2:v2', ';', ':') = '{k1=v1, k2=v2}'
/// ```
pub(super) const STR_TO_MAP: Function =
    Function::new("str_to_map", &[T, T, T], Output::By(map_type), str_to_map)
        .optional(2)
        .nullable();

/// ARRAY<STRING>.
pub(super) fn texts(_: &Typing) -> Result<SqlType> {
    Ok(SqlType::Array(Box::new(Nullable { ty: SqlType::STRING, nullable: true })))
}

fn map_type(_: &Typing) -> Result<SqlType> {
    let text = || Box::new(Nullable { ty: SqlType::STRING, nullable: true });
    Ok(SqlType::Map(text(), text()))
}

fn split(call: &Call) -> Result<ArrayRef> {
    let (text, delimiter) = (call.text(0)?, call.text(1)?);
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in 0..call.rows {
        let parts = text.get(row).zip(delimiter.get(row));
        if let Some((text, delimiter)) = parts {
            let values = lists.values();
            match (text, delimiter) {
                ("", _) => {}
                (_, "") => text.encode_utf16().for_each(|unit| {
                    let mut alone = String::new();
                    units::push(&mut alone, [unit]);
                    values.append_value(alone);
                }),
                _ => text.split(delimiter).for_each(|part| values.append_value(part)),
            }
        }
        lists.append(parts.is_some());
    }
    Ok(Arc::new(lists.finish()))
}

fn str_to_map(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let delimiter = |argument: usize| match call.len() > argument {
        true => call.text(argument).map(Some),
        false => Ok(None),
    };
    let (lists, pairs) = (delimiter(1)?, delimiter(2)?);
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut maps = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in 0..call.rows {
        let of = |given: &Option<crate::column::Text>, default: &str| match given {
            Some(column) => column.get(row).and_then(compiled),
            None => compiled(default),
        };
        let parts = text.get(row).zip(of(&lists, ",").zip(of(&pairs, "=")));
        if let Some((text, (list, pair))) = parts.as_ref() {
            let mut found = Entries::new();
            let all = if text.is_empty() { vec![] } else { pieces(list, text, usize::MAX) };
            let expected = all.len();
            for (came, entry) in all.into_iter().enumerate() {
                let mut both = pieces(pair, entry, 2).into_iter();
                let entry = found.entry(both.next().unwrap_or_default()).or_insert((came, None));
                entry.1 = both.next();
            }
            for (key, value) in java_order::sorted(found, expected) {
                maps.keys().append_value(key);
                maps.values().append_option(value);
            }
        }
        maps.append(parts.is_some())?;
    }
    Ok(Arc::new(maps.finish()))
}

/// The text between the matches of a pattern, at most `most` pieces; empty ones at the end are
/// left out, as Java does.
fn pieces<'a>(pattern: &Pattern, text: &'a str, most: usize) -> Vec<&'a str> {
    let (mut all, mut from) = (Vec::new(), 0);
    pattern.each(text, 0, |found| {
        // An empty match cuts off nothing at the start.
        if all.len() + 1 < most && found.whole.end > 0 && !found.torn {
            all.push(&text[from..found.whole.start]);
            from = found.whole.end;
        }
    });
    if all.is_empty() {
        return vec![text];
    }
    all.push(&text[from..]);
    while most == usize::MAX && all.last() == Some(&"") {
        all.pop();
    }
    all
}
