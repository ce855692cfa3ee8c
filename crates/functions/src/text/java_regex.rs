//! Java's regular expressions on Rust's engines.
//!
//! The pattern is rewritten where the two languages read the same text differently: `\d \w \s`
//! are ASCII, `.` stops at five line ends, `$` also stands before a last line end, `\<` is a
//! plain `<`. What needs look-around or back-references runs on `fancy-regex`, all else on `regex`,
//! whose time is linear in the text.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// How many compiled patterns a thread keeps.
const KEPT: usize = 128;

/// A compiled pattern.
pub(crate) struct Pattern {
    engine: Engine,
    /// Takes over for texts that end in a line end, where Java's `$` can match before it.
    before_line_end: Option<fancy_regex::Regex>,
    groups: usize,
}

enum Engine {
    /// With room for the places of the groups, used again for every text.
    Linear(regex::Regex, RefCell<regex::CaptureLocations>),
    Backtracking(fancy_regex::Regex),
}

thread_local! {
    static PATTERNS: RefCell<BTreeMap<String, Option<Rc<Pattern>>>> =
        const { RefCell::new(BTreeMap::new()) };
}

/// The compiled form of a Java pattern, None if it is not one. Each thread compiles it once.
pub(crate) fn compiled(java: &str) -> Option<Rc<Pattern>> {
    PATTERNS.with_borrow_mut(|kept| {
        if let Some(pattern) = kept.get(java) {
            return pattern.clone();
        }
        if kept.len() == KEPT {
            kept.clear();
        }
        let pattern = Pattern::new(java).map(Rc::new);
        kept.insert(java.to_string(), pattern.clone());
        pattern
    })
}

impl Pattern {
    fn new(java: &str) -> Option<Pattern> {
        let plain = Translation::of(java, false)?;
        let engine = match regex::Regex::new(&plain.text) {
            Ok(regex) => {
                let places = RefCell::new(regex.capture_locations());
                Engine::Linear(regex, places)
            }
            Err(_) => {
                let exact = Translation::of(java, true)?;
                Engine::Backtracking(fancy_regex::Regex::new(&exact.text).ok()?)
            }
        };
        let mut before_line_end = None;
        if plain.has_end && matches!(engine, Engine::Linear(..)) {
            let exact = Translation::of(java, true)?;
            before_line_end = Some(fancy_regex::Regex::new(&exact.text).ok()?);
        }
        let groups = match &engine {
            Engine::Linear(regex, _) => regex.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        };
        Some(Pattern { engine, before_line_end, groups })
    }

    /// How many groups there are; the whole match is group 0 and counts.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The engine for this text.
    fn backtracking(&self, text: &str) -> Option<&fancy_regex::Regex> {
        match (&self.engine, &self.before_line_end) {
            (Engine::Backtracking(regex), _) => Some(regex),
            (_, Some(regex)) if text.ends_with(LINE_ENDS) => Some(regex),
            _ => None,
        }
    }

    pub fn is_match(&self, text: &str) -> bool {
        match (self.backtracking(text), &self.engine) {
            (Some(regex), _) => regex.is_match(text).unwrap_or(false),
            (None, Engine::Linear(regex, _)) => regex.is_match(text),
            (None, Engine::Backtracking(_)) => false,
        }
    }

    /// What `group` matched in the first match at or after `from`, and where that match ends.
    /// The group's range is None when it took no part in the match.
    pub fn find_at(&self, text: &str, from: usize, group: usize) -> Option<Found> {
        match (self.backtracking(text), &self.engine) {
            (Some(regex), _) if group == 0 => {
                let found = regex.find_from_pos(text, from).ok()??;
                Some(Found::new(found.range(), Some(found.range())))
            }
            (Some(regex), _) => {
                let captures = regex.captures_from_pos(text, from).ok()??;
                let group = captures.get(group).map(|m| m.range());
                Some(Found::new(captures.get(0)?.range(), group))
            }
            (None, Engine::Linear(regex, _)) if group == 0 => {
                let range = regex.find_at(text, from)?.range();
                Some(Found::new(range.clone(), Some(range)))
            }
            (None, Engine::Linear(regex, places)) => {
                let mut places = places.borrow_mut();
                regex.captures_read_at(&mut places, text, from)?;
                let range = |(start, end)| Range { start, end };
                Some(Found::new(range(places.get(0)?), places.get(group).map(range)))
            }
            (None, Engine::Backtracking(_)) => None,
        }
    }

    /// Every match in turn, each found after the one before; `group` as in [`Pattern::find_at`].
    pub fn each(&self, text: &str, group: usize, mut visit: impl FnMut(Found)) {
        let mut from = 0;
        while from <= text.len() {
            let Some(found) = self.find_at(text, from, group) else { return };
            let Range { start, end } = found.whole.clone();
            visit(found);
            if end > start {
                from = end;
                continue;
            }
            // An empty match moves on by one UTF-16 unit, as Matcher.find does.
            from = next_char(text, end);
            if from - end == '😀'.len_utf8() {
                visit(Found { whole: end..end, group: Some(end..end), torn: true });
            }
        }
    }
}

/// One match.
pub(crate) struct Found {
    pub whole: Range<usize>,
    pub group: Option<Range<usize>>,
    /// An empty match between the halves of the character that begins there.
    pub torn: bool,
}

impl Found {
    fn new(whole: Range<usize>, group: Option<Range<usize>>) -> Found {
        Found { whole, group, torn: false }
    }
}

fn next_char(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(1, char::len_utf8)
}

const LINE_ENDS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
const ANY_BUT_LINE_END: &str = r"[^\n\r\x{85}\x{2028}\x{2029}]";
/// `$` of Java: the end, or before a line end that is last.
const END: &str = r"(?=(?:\r\n|[\n\r\x{85}\x{2028}\x{2029}])?\z)";
const SPACE: &str = r" \t\n\x0B\f\r";
const WORD: &str = "0-9A-Za-z_";
const BLANK: &str = r" \t\xA0\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}";

/// A Java pattern rewritten; `exact` writes `$` as a look-ahead, which only one engine has.
struct Translation {
    text: String,
    /// A `$` outside multi-line mode was met.
    has_end: bool,
}

struct Translator<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
    out: String,
    exact: bool,
    has_end: bool,
    /// dotall and multi-line in the open groups, innermost last.
    flags: Vec<(bool, bool)>,
}

impl Translation {
    fn of(java: &str, exact: bool) -> Option<Translation> {
        let mut t = Translator {
            chars: java.chars().peekable(),
            out: String::with_capacity(java.len() + 32),
            exact,
            has_end: false,
            flags: vec![(false, false)],
        };
        while let Some(c) = t.chars.next() {
            t.outside_class(c)?;
        }
        Some(Translation { text: t.out, has_end: t.has_end })
    }
}

impl Translator<'_> {
    fn outside_class(&mut self, c: char) -> Option<()> {
        let (dotall, multiline) = *self.flags.last()?;
        match c {
            '\\' => self.escape(false)?,
            '[' => self.class()?,
            '.' if dotall => self.out.push_str("(?s:.)"),
            '.' => self.out.push_str(ANY_BUT_LINE_END),
            '$' if multiline => self.out.push_str("(?m:$)"),
            '$' => self.end(),
            '^' if multiline => self.out.push_str("(?m:^)"),
            '(' => self.open()?,
            ')' => {
                self.flags.pop();
                if self.flags.is_empty() {
                    return None;
                }
                self.out.push(')');
            }
            _ => self.out.push(c),
        }
        Some(())
    }

    fn end(&mut self) {
        self.has_end = true;
        self.out.push_str(if self.exact { END } else { r"\z" });
    }

    /// A group's opening; inline flags are followed, because `.` and `$` depend on them.
    fn open(&mut self) -> Option<()> {
        let mut flags = *self.flags.last()?;
        self.out.push('(');
        if self.chars.peek() != Some(&'?') {
            self.flags.push(flags);
            return Some(());
        }
        self.chars.next();
        self.out.push('?');
        let mut on = true;
        let mut text = String::new();
        while let Some(&c) = self.chars.peek() {
            match c {
                's' => flags.0 = on,
                'm' => flags.1 = on,
                'i' | 'x' => text.push(c),
                'u' | 'U' | 'd' => {}
                '-' => {
                    on = false;
                    text.push(c);
                }
                _ => break,
            }
            self.chars.next();
        }
        let text = text.trim_end_matches('-');
        match self.chars.peek() {
            Some(')') => {
                self.chars.next();
                *self.flags.last_mut()? = flags;
                match text {
                    // Nothing is left to set, and an empty flag group is an error.
                    "" => self.out.truncate(self.out.len() - 2),
                    _ => {
                        self.out.push_str(text);
                        self.out.push(')');
                    }
                }
            }
            _ => {
                self.out.push_str(text);
                self.flags.push(flags);
            }
        }
        Some(())
    }

    fn class(&mut self) -> Option<()> {
        self.out.push('[');
        if self.chars.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        if self.chars.next_if_eq(&']').is_some() {
            self.out.push_str(r"\]");
        }
        while let Some(c) = self.chars.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return Some(());
                }
                '[' => self.class()?,
                '\\' => self.escape(true)?,
                '&' if self.chars.peek() == Some(&'&') => {
                    self.chars.next();
                    self.out.push_str("&&");
                }
                // Rust reads `--` and `~~` as set operators.
                '~' => self.out.push_str(r"\~"),
                '-' if self.chars.peek() == Some(&'-') => self.out.push_str(r"\-"),
                _ => self.out.push(c),
            }
        }
        None
    }

    fn set(&mut self, members: &str, negated: bool, in_class: bool) {
        match (negated, in_class) {
            (false, true) => self.out.push_str(members),
            (negated, _) => {
                self.out.push_str(if negated { "[^" } else { "[" });
                self.out.push_str(members);
                self.out.push(']');
            }
        }
    }

    fn escape(&mut self, in_class: bool) -> Option<()> {
        let c = self.chars.next()?;
        match c {
            'd' | 'D' => self.set("0-9", c == 'D', in_class),
            'w' | 'W' => self.set(WORD, c == 'W', in_class),
            's' | 'S' => self.set(SPACE, c == 'S', in_class),
            'h' | 'H' => self.set(BLANK, c == 'H', in_class),
            'v' | 'V' => self.set(r"\n\x0B\f\r\x{85}\x{2028}\x{2029}", c == 'V', in_class),
            'R' if !in_class => {
                self.out.push_str(r"(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])");
            }
            'p' | 'P' => self.property(c == 'P')?,
            'u' => {
                let code = self.take(4, 16)?;
                self.code(code)?;
            }
            'x' if self.chars.peek() == Some(&'{') => {
                let hex: String = self.chars.by_ref().skip(1).take_while(|c| *c != '}').collect();
                self.code(u32::from_str_radix(&hex, 16).ok()?)?;
            }
            'x' => {
                let code = self.take(2, 16)?;
                self.code(code)?;
            }
            '0' => {
                let mut code = 0;
                while let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(8)) {
                    if code * 8 + digit > 0o377 {
                        break;
                    }
                    code = code * 8 + digit;
                    self.chars.next();
                }
                self.code(code)?;
            }
            'c' => {
                let code = u32::from(self.chars.next()?) ^ 64;
                self.code(code)?;
            }
            'e' => self.out.push_str(r"\x1B"),
            'Q' => self.quoted(),
            'E' => {}
            'Z' if !in_class => self.end(),
            'b' if !in_class => self.out.push_str(if self.exact { r"\b" } else { r"(?-u:\b)" }),
            'B' if !in_class => self.out.push_str(r"\B"),
            'A' | 'z' | 'k' | '1'..='9' if !in_class => {
                self.out.push('\\');
                self.out.push(c);
            }
            't' | 'n' | 'r' | 'f' | 'a' => {
                self.out.push('\\');
                self.out.push(c);
            }
            c if c.is_ascii_alphanumeric() => return None,
            c => self.literal(c),
        }
        Some(())
    }

    /// `\p{…}`: Java's names of the POSIX classes, scripts and categories.
    fn property(&mut self, negated: bool) -> Option<()> {
        let name: String = match self.chars.next()? {
            '{' => self.chars.by_ref().take_while(|c| *c != '}').collect(),
            c => c.to_string(),
        };
        let posix = match name.as_str() {
            "Lower" | "Upper" | "ASCII" | "Alpha" | "Digit" | "Alnum" | "Punct" | "Graph"
            | "Print" | "Blank" | "Cntrl" | "XDigit" | "Space" => name.to_ascii_lowercase(),
            _ => {
                self.out.push_str(if negated { r"\P{" } else { r"\p{" });
                self.out.push_str(name.strip_prefix("Is").unwrap_or(&name));
                self.out.push('}');
                return Some(());
            }
        };
        self.out.push_str(if negated { "[[:^" } else { "[[:" });
        self.out.push_str(&posix);
        self.out.push_str(":]]");
        Some(())
    }

    fn quoted(&mut self) {
        while let Some(c) = self.chars.next() {
            if c == '\\' && self.chars.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    fn take(&mut self, digits: usize, radix: u32) -> Option<u32> {
        (0..digits).try_fold(0, |code, _| Some(code * radix + self.chars.next()?.to_digit(radix)?))
    }

    fn code(&mut self, code: u32) -> Option<()> {
        self.literal(char::from_u32(code)?);
        Some(())
    }

    fn literal(&mut self, c: char) {
        let escaped = c.is_ascii_punctuation() && !matches!(c, '<' | '>');
        if escaped || c == ' ' {
            // Spaces too: they would be skipped under (?x).
            self.out.push_str(if c == ' ' { r"\x20" } else { "\\" });
        }
        if c != ' ' {
            self.out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first<'a>(java: &str, text: &'a str, group: usize) -> Option<&'a str> {
        let found = compiled(java)?.find_at(text, 0, group)?;
        Some(&text[found.group?])
    }

    #[test]
    fn reads_patterns_as_java_does() {
        assert_eq!(first(r"(\d+)$", "a12\n", 1), Some("12"));
        assert_eq!(first(r"(\d+)$", "a12", 1), Some("12"));
        assert_eq!(first(r"\d", "٣", 0), None);
        assert_eq!(first(r"a.b", "a\rb", 0), None);
        assert_eq!(first(r"(?s)a.b", "a\rb", 0), Some("a\rb"));
        assert_eq!(first(r"\<b\>", "<b>", 0), Some("<b>"));
        assert_eq!(first(r"[\d.]+", "v1.2", 0), Some("1.2"));
        assert_eq!(first(r"[^\w]+", "ab--c", 0), Some("--"));
        assert_eq!(first(r"[\w--]+", "a-b", 0), Some("a-b"));
        assert_eq!(first(r"\Qa.b\E+", "a.bb", 0), Some("a.bb"));
        assert_eq!(first(r"\u0041\x42", "AB", 0), Some("AB"));
        assert_eq!(first(r"\p{Alpha}+\p{L}", "abé", 0), Some("abé"));
        assert_eq!(first(r"(?i)ABC", "xabc", 0), Some("abc"));
        assert_eq!(first(r"(?<y>\d{4})-(\d\d)", "on 2020-01", 2), Some("01"));
        assert_eq!(first(r"\bfoo\b", "a foo.", 0), Some("foo"));
    }

    #[test]
    fn look_around_and_back_references_work() {
        assert_eq!(first(r"a(?=b)", "acab", 0), Some("a"));
        assert_eq!(first(r"(.)\1", "abccd", 1), Some("c"));
        assert_eq!(first(r"(?<!a)b", "abcb", 0), Some("b"));
        assert_eq!(first(r"x*+y", "xxy", 0), Some("xxy"));
    }

    #[test]
    fn what_is_no_pattern_is_none() {
        for bad in ["(", "[a", ")", r"\", "a{2", r"\y"] {
            let pattern = compiled(bad);
            assert!(pattern.is_none() || bad == "a{2", "{bad}");
        }
    }

    #[test]
    fn empty_matches_move_on() {
        let mut places = vec![];
        compiled("x*").unwrap().each("axé", 0, |m| places.push((m.whole.start, m.whole.end)));
        assert_eq!(places, [(0, 0), (1, 2), (2, 2), (4, 4)]);
    }
}
