//! Java's date patterns (`yyyy-MM-dd HH:mm:ss`): read once, then used for every row.
//!
//! Flink uses two of Java's classes with slightly different letters: DateTimeFormatter for
//! TIMESTAMPs and the lenient SimpleDateFormat for text.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Dialect {
    /// java.time.format.DateTimeFormatter: strict about what it reads.
    Formatter,
    /// java.text.SimpleDateFormat: lenient, ignores text after the last field.
    Simple,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Literal(String),
    Field(Field),
    /// `[` and `]`: the part between may be missing.
    OptionalStart,
    OptionalEnd,
}

/// A run of one letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    pub part: Part,
    pub count: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Era,
    Year,
    WeekYear,
    Quarter,
    Month,
    WeekOfYear,
    WeekOfMonth,
    DayOfYear,
    Day,
    WeekInMonth,
    /// The name of the day of the week.
    WeekdayName,
    /// Its number, Monday being 1.
    IsoWeekday,
    /// Its number, Sunday being 1.
    Weekday,
    AmPm,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    Hour24,
    /// 0 to 11.
    HourOfHalf,
    /// 1 to 12.
    Hour12,
    Minute,
    Second,
    Fraction,
    Millisecond,
    MilliOfDay,
    NanoOfSecond,
    NanoOfDay,
    /// UTC, as `UTC`, `+0000` or `Z`.
    ZoneName,
    ZoneOffset,
    ZoneIso,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub items: Vec<Item>,
    pub dialect: Dialect,
}

/// How many patterns a thread keeps.
const KEPT: usize = 128;

thread_local! {
    static PATTERNS: RefCell<BTreeMap<(Dialect, String), Result<Rc<Pattern>, String>>> =
        const { RefCell::new(BTreeMap::new()) };
}

/// The pattern of a text, or what is wrong with it. Each thread reads it once.
pub(crate) fn pattern(text: &str, dialect: Dialect) -> Result<Rc<Pattern>, String> {
    PATTERNS.with_borrow_mut(|kept| {
        let key = (dialect, text.to_string());
        if let Some(pattern) = kept.get(&key) {
            return pattern.clone();
        }
        if kept.len() == KEPT {
            kept.clear();
        }
        let pattern = Pattern::parse(text, dialect).map(Rc::new);
        kept.insert(key, pattern.clone());
        pattern
    })
}

impl Pattern {
    pub fn parse(text: &str, dialect: Dialect) -> Result<Pattern, String> {
        let mut items: Vec<Item> = vec![];
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => quoted(&mut chars, &mut items, text)?,
                '[' if dialect == Dialect::Formatter => items.push(Item::OptionalStart),
                ']' if dialect == Dialect::Formatter => items.push(Item::OptionalEnd),
                '{' | '}' | '#' if dialect == Dialect::Formatter => {
                    return Err(format!("'{c}' is reserved in the date pattern '{text}'"));
                }
                c if c.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    let part = part(c, dialect).ok_or_else(|| {
                        format!("'{c}' is no field of the date pattern '{text}'; quote text: 'T'")
                    })?;
                    items.push(Item::Field(Field { part, count }));
                }
                c => push_literal(&mut items, c),
            }
        }
        Ok(Pattern { items, dialect })
    }
}

fn push_literal(items: &mut Vec<Item>, c: char) {
    match items.last_mut() {
        Some(Item::Literal(text)) => text.push(c),
        _ => items.push(Item::Literal(c.to_string())),
    }
}

fn quoted(
    chars: &mut std::iter::Peekable<std::str::Chars>,
    items: &mut Vec<Item>,
    text: &str,
) -> Result<(), String> {
    if chars.next_if_eq(&'\'').is_some() {
        push_literal(items, '\'');
        return Ok(());
    }
    while let Some(c) = chars.next() {
        match c {
            '\'' if chars.next_if_eq(&'\'').is_some() => push_literal(items, '\''),
            '\'' => return Ok(()),
            c => push_literal(items, c),
        }
    }
    Err(format!("the date pattern '{text}' has a quote without its end"))
}

fn part(letter: char, dialect: Dialect) -> Option<Part> {
    let simple = dialect == Dialect::Simple;
    Some(match letter {
        'G' => Part::Era,
        'y' => Part::Year,
        'u' if simple => Part::IsoWeekday,
        'u' => Part::Year,
        'Y' => Part::WeekYear,
        'Q' | 'q' if !simple => Part::Quarter,
        'M' | 'L' => Part::Month,
        'w' => Part::WeekOfYear,
        'W' => Part::WeekOfMonth,
        'D' => Part::DayOfYear,
        'd' => Part::Day,
        'F' => Part::WeekInMonth,
        'E' => Part::WeekdayName,
        'e' | 'c' if !simple => Part::Weekday,
        'a' => Part::AmPm,
        'H' => Part::Hour,
        'k' => Part::Hour24,
        'K' => Part::HourOfHalf,
        'h' => Part::Hour12,
        'm' => Part::Minute,
        's' => Part::Second,
        'S' if simple => Part::Millisecond,
        'S' => Part::Fraction,
        'A' if !simple => Part::MilliOfDay,
        'n' if !simple => Part::NanoOfSecond,
        'N' if !simple => Part::NanoOfDay,
        'z' if simple => Part::ZoneName,
        'Z' if simple => Part::ZoneOffset,
        'X' if simple => Part::ZoneIso,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_optional_parts() {
        let p = Pattern::parse("yyyy'T'''[.SSS]", Dialect::Formatter).unwrap();
        let field = |part, count| Item::Field(Field { part, count });
        let text = |t: &str| Item::Literal(t.to_string());
        assert_eq!(
            p.items,
            [
                field(Part::Year, 4),
                text("T'"),
                Item::OptionalStart,
                text("."),
                field(Part::Fraction, 3),
                Item::OptionalEnd
            ]
        );
        assert!(Pattern::parse("badpattern", Dialect::Formatter).is_err());
        assert!(Pattern::parse("'open", Dialect::Simple).is_err());
    }
}
