//! The one grammar of records and fields, as Flink's parser (Jackson) has it. Files are cut into
//! records and records into fields by the same scan.

use std::ops::Range;

use memchr::{memchr2, memchr3};

use super::options::Dialect;

/// Cuts records into fields.
pub(super) struct Scanner {
    dialect: Dialect,
    /// Those of the record scanned last.
    pub fields: Vec<Field>,
}

/// A field in the scanned bytes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// With its quotes.
    pub raw: Range<usize>,
    quoted: bool,
    /// Nothing in it is escaped.
    plain: bool,
}

/// A record in the scanned bytes.
#[derive(Debug, PartialEq)]
pub(super) struct Scanned {
    /// Without its line end; None when only comments were left.
    pub range: Option<Range<usize>>,
    /// Where the next one begins.
    pub next: usize,
    pub fault: Option<&'static str>,
}

const UNCLOSED: &str = "a quote is not closed";
const ESCAPE_AT_END: &str = "nothing follows the escape character";
const BEHIND_QUOTE: &str = "text follows a closing quote";

impl Scanner {
    pub fn new(dialect: Dialect) -> Self {
        Scanner { dialect, fields: Vec::new() }
    }

    /// The record at `from`; None when it may go on behind `b`, which cannot be when `b` is the
    /// `last` there is.
    pub fn record(&mut self, b: &[u8], from: usize, last: bool) -> Option<Scanned> {
        self.fields.clear();
        let start = if self.dialect.comments { skip_comments(b, from) } else { from };
        if start == b.len() {
            return last.then_some(Scanned { range: None, next: start, fault: None });
        }
        let mut fault = None;
        let mut at = start;
        let end = loop {
            let end = self.field(b, at, &mut fault);
            if b.get(end) != Some(&self.dialect.delimiter) || fault.is_some() {
                break end;
            }
            at = end + 1;
        };
        let next = match &b[end..] {
            [b'\r', b'\n', ..] => end + 2,
            [b'\r', _, ..] | [b'\n', ..] => end + 1,
            _ if !last => return None,
            rest => end + rest.len(),
        };
        Some(Scanned { range: Some(start..end), next, fault })
    }

    /// The field at `at`: where it ends, at a delimiter, a line end or the end.
    #[inline]
    fn field(&mut self, b: &[u8], at: usize, fault: &mut Option<&'static str>) -> usize {
        let at = if self.dialect.trim { self.behind_spaces(b, at) } else { at };
        let quoted = b.get(at).is_some_and(|byte| Some(*byte) == self.dialect.quote);
        if !quoted {
            let (end, plain) = self.unquoted(b, at, fault);
            let spaces = match self.dialect.trim && plain {
                true => b[at..end].iter().rev().take_while(|byte| **byte <= b' ').count(),
                false => 0,
            };
            self.fields.push(Field { raw: at..end - spaces, quoted, plain });
            return end;
        }
        let (close, plain) = self.closing_quote(b, at + 1, fault);
        self.fields.push(Field { raw: at..close, quoted, plain });
        let end = self.behind_spaces(b, close);
        match b.get(end) {
            Some(byte) if !self.ends_field(*byte) => {
                fault.get_or_insert(BEHIND_QUOTE);
                memchr2(b'\n', b'\r', &b[end..]).map_or(b.len(), |found| end + found)
            }
            _ => end,
        }
    }

    fn behind_spaces(&self, b: &[u8], at: usize) -> usize {
        let spaces = b[at..].iter().take_while(|byte| **byte <= b' ' && !self.ends_field(**byte));
        at + spaces.count()
    }

    fn ends_field(&self, byte: u8) -> bool {
        byte == self.dialect.delimiter || byte == b'\n' || byte == b'\r'
    }

    fn unquoted(&self, b: &[u8], at: usize, fault: &mut Option<&'static str>) -> (usize, bool) {
        let Some(escape) = self.dialect.escape else {
            let found = memchr3(self.dialect.delimiter, b'\n', b'\r', &b[at..]);
            return (found.map_or(b.len(), |found| at + found), true);
        };
        let (mut end, mut plain) = (at, true);
        while let Some(byte) = b.get(end) {
            if *byte == escape {
                plain = false;
                end += 1;
            } else if self.ends_field(*byte) {
                break;
            }
            end += 1;
        }
        if end > b.len() {
            fault.get_or_insert(ESCAPE_AT_END);
        }
        (end.min(b.len()), plain)
    }

    /// The position behind the quote that closes a field whose text begins at `at`.
    fn closing_quote(
        &self,
        b: &[u8],
        at: usize,
        fault: &mut Option<&'static str>,
    ) -> (usize, bool) {
        let quote = self.dialect.quote.unwrap_or_default();
        let (mut from, mut plain) = (at, true);
        while let Some(found) = memchr2(quote, self.dialect.escape.unwrap_or(quote), &b[from..]) {
            let found = from + found;
            if b[found] == quote && b.get(found + 1) != Some(&quote) {
                return (found + 1, plain);
            }
            plain = false;
            from = found + 2;
            if from > b.len() {
                fault.get_or_insert(ESCAPE_AT_END);
                return (b.len(), plain);
            }
        }
        fault.get_or_insert(UNCLOSED);
        (b.len(), plain)
    }

    /// The text of a field of a record without fault.
    pub fn text<'t>(&self, b: &'t [u8], field: &Field, scratch: &'t mut Vec<u8>) -> &'t [u8] {
        let cut = usize::from(field.quoted);
        let content = &b[field.raw.start + cut..field.raw.end - cut];
        if field.plain {
            return content;
        }
        scratch.clear();
        let mut bytes = content.iter();
        while let Some(byte) = bytes.next() {
            let escaped = Some(*byte) == self.dialect.escape;
            let doubled = field.quoted && Some(*byte) == self.dialect.quote;
            scratch.push(match (escaped || doubled).then(|| bytes.next()).flatten() {
                Some(next) if escaped => control(*next),
                Some(next) => *next,
                None => *byte,
            });
        }
        scratch
    }
}

/// What an escaped character stands for.
fn control(byte: u8) -> u8 {
    match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'0' => 0,
        other => other,
    }
}

/// The start of the next line that is no comment and not empty, without the spaces before it.
fn skip_comments(b: &[u8], mut at: usize) -> usize {
    while let Some(byte) = b.get(at) {
        match byte {
            b' ' | b'\n' | b'\r' => at += 1,
            b'#' => at = memchr2(b'\n', b'\r', &b[at..]).map_or(b.len(), |end| at + end),
            _ => break,
        }
    }
    at
}
