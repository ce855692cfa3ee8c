//! Finds the value at a path in JSON text without building a tree: the document is checked as a
//! whole, and the value is handed out as the text it is written in, so numbers keep their digits.

use super::path::Step;

/// Documents nested deeper are refused.
const DEEPEST: usize = 1_000;

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The text is no JSON.
    Malformed,
    /// The document has nothing at the path.
    Absent,
}

/// The value at the path, as it stands in the text. Of several members of one name the last wins.
pub(super) fn find<'a>(text: &'a str, path: &[Step]) -> Result<&'a str, Missing> {
    let mut scanner = Scanner { text, at: 0 };
    let found = scanner.value(Some(path), 0).ok_or(Missing::Malformed)?;
    scanner.space();
    if scanner.at < text.len() {
        return Err(Missing::Malformed);
    }
    found.ok_or(Missing::Absent)
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// The text found, if any.
type Found<'a> = Option<&'a str>;

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Reads a value; what stands at the path below it is the result. None for malformed text.
    fn value(&mut self, path: Option<&[Step]>, depth: usize) -> Option<Found<'a>> {
        self.space();
        let start = self.at;
        let inner = match self.peek()? {
            b'{' if depth < DEEPEST => self.object(path, depth)?,
            b'[' if depth < DEEPEST => self.array(path, depth)?,
            b'"' => {
                self.string()?;
                None
            }
            b'-' | b'0'..=b'9' => {
                self.number()?;
                None
            }
            _ => {
                let rest = &self.text[start..];
                let word = ["true", "false", "null"].into_iter().find(|w| rest.starts_with(w))?;
                self.at += word.len();
                None
            }
        };
        Some(match path {
            Some([]) => Some(&self.text[start..self.at]),
            _ => inner,
        })
    }

    fn object(&mut self, path: Option<&[Step]>, depth: usize) -> Option<Found<'a>> {
        self.at += 1;
        let mut found = None;
        self.space();
        if self.take(b'}') {
            return Some(None);
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            if !self.take(b':') {
                return None;
            }
            let below = match path {
                Some([Step::Member(wanted), rest @ ..]) if is_name(name, wanted) => Some(rest),
                _ => None,
            };
            let value = self.value(below, depth + 1)?;
            if below.is_some() {
                found = value;
            }
            self.space();
            if self.take(b'}') {
                return Some(found);
            }
            if !self.take(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, path: Option<&[Step]>, depth: usize) -> Option<Found<'a>> {
        self.at += 1;
        let mut found = None;
        self.space();
        if self.take(b']') {
            return Some(None);
        }
        for index in 0.. {
            let below = match path {
                Some([Step::Index(wanted), rest @ ..]) if *wanted == index => Some(rest),
                _ => None,
            };
            let value = self.value(below, depth + 1)?;
            if below.is_some() {
                found = value;
            }
            self.space();
            if self.take(b']') {
                return Some(found);
            }
            if !self.take(b',') {
                return None;
            }
        }
        None
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        if !self.take(b'"') {
            return None;
        }
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(&self.text[start..self.at]);
                }
                b'\\' => {
                    let escaped = *self.text.as_bytes().get(self.at + 1)?;
                    let length = match escaped {
                        b'u' => {
                            let hex = self.text.as_bytes().get(self.at + 2..self.at + 6)?;
                            hex.iter().all(u8::is_ascii_hexdigit).then_some(6)?
                        }
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        _ => return None,
                    };
                    self.at += length;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Some(())
    }
}

/// Whether a name as it is written is the wanted one.
fn is_name(written: &str, wanted: &str) -> bool {
    let inner = &written[1..written.len() - 1];
    match inner.contains('\\') {
        true => unescaped(written).as_deref() == Some(wanted),
        false => inner == wanted,
    }
}

/// What a string with its quotes stands for.
pub(super) fn unescaped(written: &str) -> Option<String> {
    serde_json::from_str(written).ok()
}
