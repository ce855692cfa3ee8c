//! Letters as rows for a terminal: one by one, or counted by what was wrong.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use brooklet_core::Result;
use brooklet_core::time::Millis;

use super::{Before, Letter};
use crate::checkpoints::moment;

/// Letters by source table, kind, reason and place.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<[String; 4], Group>);

#[derive(Debug, Default)]
struct Group {
    letters: i64,
    replayed: i64,
    first: Option<Millis>,
    last: Option<Millis>,
}

impl Groups {
    pub fn add(&mut self, place: &str, letter: &Letter, before: &Before) {
        let key = [&letter.source, &letter.kind, &shape(&letter.reason), place].map(String::from);
        let group = self.0.entry(key).or_default();
        group.letters += 1;
        let asked = letter.position().is_some_and(|position| before.contains_key(&position));
        group.replayed += i64::from(asked);
        let at = letter.set_aside_at.or(letter.timestamp);
        group.first = [group.first, at].into_iter().flatten().min();
        group.last = [group.last, at].into_iter().flatten().max();
    }

    /// One row a group; None when there is none.
    pub fn rows(&self) -> Result<Option<RecordBatch>> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = |i: usize| texts(self.0.keys().map(|key| Some(key[i].clone())));
        let number = |of: fn(&Group) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(self.0.values().map(of)))
        };
        let time =
            |of: fn(&Group) -> Option<Millis>| texts(self.0.values().map(|g| of(g).map(moment)));
        let columns = [
            ("source", key(0)),
            ("kind", key(1)),
            ("letters", number(|g| g.letters)),
            ("replayed", number(|g| g.replayed)),
            ("first", time(|g| g.first)),
            ("last", time(|g| g.last)),
            ("reason", key(2)),
            ("in", key(3)),
        ];
        Ok(Some(RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true)))?))
    }
}

/// One row a letter; None when there is none.
pub fn letters(letters: &[Letter]) -> Result<Option<RecordBatch>> {
    if letters.is_empty() {
        return Ok(None);
    }
    let text = |of: &dyn Fn(&Letter) -> Option<String>| texts(letters.iter().map(of));
    let columns = [
        ("kind", text(&|l| Some(l.kind.clone()))),
        ("source", text(&|l| Some(l.source.clone()))),
        ("partition", text(&|l| l.partition.clone())),
        ("offset", Arc::new(letters.iter().map(|l| l.offset).collect::<Int64Array>()) as ArrayRef),
        ("timestamp", text(&|l| l.timestamp.map(moment))),
        ("set_aside_at", text(&|l| l.set_aside_at.map(moment))),
        ("node", text(&|l| l.node.clone())),
        ("reason", text(&|l| Some(l.reason.clone()))),
        ("replayable", text(&|l| Some(l.replayable.to_string()))),
        ("row", text(&|l| l.row.clone())),
        ("bytes", text(&|l| l.bytes.as_deref().map(content))),
    ];
    Ok(Some(RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true)))?))
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// Text as it is, anything else as `0x…`.
fn content(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_string(),
        Err(_) => {
            let digits = bytes.iter().map(|b| format!("{b:02x}"));
            std::iter::once("0x".to_string()).chain(digits).collect()
        }
    }
}

/// A reason without what differs from record to record: numbers, times and quoted values are `…`;
/// the names of fields and columns stay.
fn shape(reason: &str) -> String {
    let (mut out, mut chars) = (String::new(), reason.chars().peekable());
    while let Some(c) = chars.next() {
        let quotes_value =
            c == '\'' && !out.ends_with("field ") && !out.ends_with("column ") && starts_word(&out);
        if quotes_value {
            // A value may hold quotes: the one before a space, a mark or the end closes it.
            while let Some(next) = chars.next() {
                if next == '\'' && chars.peek().is_none_or(|n| ends_quote(*n)) {
                    break;
                }
            }
            out.push_str("'…'");
        } else if c == '\'' {
            out.push(c);
            for next in chars.by_ref() {
                out.push(next);
                if next == '\'' {
                    break;
                }
            }
        } else if c.is_ascii_digit() && starts_word(&out) {
            while chars.next_if(|n| n.is_ascii_digit() || matches!(n, '-' | ':' | '.')).is_some() {}
            out.push('…');
        } else {
            out.push(c);
        }
    }
    out.replace("… …", "…")
}

/// Not within a word such as `UTF-8`.
fn starts_word(before: &str) -> bool {
    let mut back = before.chars().rev();
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    match back.next() {
        Some('-') => !in_word(back.next()),
        last => !in_word(last),
    }
}

fn ends_quote(next: char) -> bool {
    matches!(next, ' ' | ',' | ';' | ')' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_values_are_one() {
        for (reason, wanted) in [
            ("field 'a.b2': 'x y' is no INT (byte 17)", "field 'a.b2': '…' is no INT (byte …)"),
            ("'it's 5' is no INT", "'…' is no INT"),
            ("the record is not valid UTF-8 (byte 3)", "the record is not valid UTF-8 (byte …)"),
            (
                "its window ended at 2024-01-15 10:31:00, the watermark was 2024-01-15 10:40:05.5",
                "its window ended at …, the watermark was …",
            ),
            ("column 'n': '", "column 'n': '…'"),
            ("", ""),
        ] {
            assert_eq!(shape(reason), wanted);
        }
    }

    #[test]
    fn letters_are_counted_by_what_was_wrong() {
        let letter = |offset, reason: &str, at| Letter {
            source: "t".into(),
            kind: "dead".into(),
            reason: reason.into(),
            partition: Some("t-0".into()),
            offset: Some(offset),
            set_aside_at: at,
            ..Letter::default()
        };
        let before = Before::from([(letter(2, "", None).position().unwrap(), 1)]);
        let mut groups = Groups::default();
        assert!(groups.rows().unwrap().is_none());
        for letter in [
            letter(1, "byte 7", Some(2_000)),
            letter(2, "byte 12", Some(1_000)),
            letter(3, "other", None),
        ] {
            groups.add("topic:x", &letter, &before);
        }
        let rows = groups.rows().unwrap().unwrap();
        let shown = arrow::util::display::array_value_to_string;
        let line = |row| {
            let cells = rows.columns().iter().map(|c| shown(c, row).unwrap());
            cells.collect::<Vec<_>>().join("|")
        };
        let at = |s| format!("1970-01-01T00:00:0{s}.000Z");
        let first = format!("t|dead|2|1|{}|{}|byte …|topic:x", at(1), at(2));
        assert_eq!([line(0), line(1)], [first, "t|dead|1|0|||other|topic:x".to_string()]);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_in_hex() {
        assert_eq!([content(b"a\n"), content(b"\xff\x00")], ["a\n", "0xff00"]);
    }
}
