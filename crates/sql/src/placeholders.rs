//! `${VAR}`, `${VAR:-default}` and `${VAR@interval:-2 minutes}`, replaced before parsing, and the
//! way back from the text that is parsed to the file that was written.

use sqlparser::tokenizer::{Location, Span};

use crate::fault::{Fault, Faults, Place};

/// A file before and after its placeholders were replaced.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub file: String,
    pub original: String,
    pub text: String,
    pieces: Vec<Piece>,
}

/// A value in `text` and the placeholder in `original` that it replaced, as byte ranges.
#[derive(Debug, Clone, PartialEq)]
struct Piece {
    text: (usize, usize),
    original: (usize, usize),
}

/// Replaces all placeholders of a file. `env` gives variables' values. Comments that are no
/// hints are left alone; within quotes the value's quotes are doubled, so that no value ends a
/// literal; elsewhere a value may hold neither quotes, nor `;`, nor the start of a comment.
pub fn substitute(
    sql: &str,
    file: &str,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Source, Faults> {
    let mut source = Source {
        file: file.to_string(),
        original: sql.to_string(),
        text: String::with_capacity(sql.len()),
        pieces: Vec::new(),
    };
    let mut faults = Vec::new();
    let mut rest = sql;
    let mut inside = Inside::Code;
    while let Some(c) = rest.chars().next() {
        let at = sql.len() - rest.len();
        let taken = match rest.starts_with("${") && inside.may_hold_placeholders() {
            true => match Placeholder::read(rest).and_then(|p| Ok((p.value(inside, env)?, p))) {
                Ok((value, p)) => {
                    // `x -${N}` with -5 must not become a comment.
                    let joins = source.text.ends_with(['-', '/']) && value.starts_with(['-', '*']);
                    if inside == Inside::Code && joins {
                        source.text.push(' ');
                    }
                    let from = source.text.len();
                    source.text.push_str(&value);
                    let text = (from, source.text.len());
                    source.pieces.push(Piece { text, original: (at, at + p.len) });
                    p.len
                }
                Err((message, len)) => {
                    faults.push(source.fault_at(message, at, len));
                    len
                }
            },
            false => {
                let taken = inside.step(rest, c);
                source.text.push_str(&rest[..taken]);
                taken
            }
        };
        rest = &rest[taken..];
    }
    if faults.is_empty() { Ok(source) } else { Err(Faults(faults)) }
}

/// What kind of text the scanner stands in.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inside {
    Code,
    /// Within `'`, `` ` `` or `"`.
    Quotes(char),
    LineComment,
    BlockComment,
}

impl Inside {
    fn may_hold_placeholders(self) -> bool {
        matches!(self, Inside::Code | Inside::Quotes(_))
    }

    /// Moves over the next character, or two where they belong together; returns their bytes.
    fn step(&mut self, rest: &str, c: char) -> usize {
        let two = |s: &str| rest.starts_with(s);
        let (next, taken) = match *self {
            Inside::Code if two("--") => (Inside::LineComment, 2),
            // A hint is read like what stands around it.
            Inside::Code if two("/*+") => (Inside::Code, 3),
            Inside::Code if two("/*") => (Inside::BlockComment, 2),
            Inside::Code if matches!(c, '\'' | '`' | '"') => (Inside::Quotes(c), 1),
            // A doubled quote leaves and enters again, which comes to the same.
            Inside::Quotes(quote) if c == quote => (Inside::Code, 1),
            Inside::LineComment if c == '\n' => (Inside::Code, 1),
            Inside::BlockComment if two("*/") => (Inside::Code, 2),
            same => (same, c.len_utf8()),
        };
        *self = next;
        taken
    }
}

/// `${name@interval:-default}`, borrowed from the file.
struct Placeholder<'a> {
    name: &'a str,
    interval: bool,
    default: Option<&'a str>,
    /// Bytes from `$` to `}`.
    len: usize,
}

type Wrong = (String, usize);

impl<'a> Placeholder<'a> {
    /// Reads what starts with `${`.
    fn read(rest: &'a str) -> Result<Self, Wrong> {
        let line = rest.lines().next().unwrap_or(rest);
        let Some(end) = line.find('}') else {
            return Err(("a placeholder has no closing '}' on its line".into(), 2));
        };
        let (len, body) = (end + 1, &line[2..end]);
        let (head, default) = match body.split_once(":-") {
            Some((head, default)) => (head, Some(default)),
            None => (body, None),
        };
        let (name, interval) = match head.split_once('@') {
            None => (head, false),
            Some((name, "interval")) => (name, true),
            Some((_, kind)) => {
                return Err((format!("unknown placeholder kind '@{kind}': use '@interval'"), len));
            }
        };
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(word)
        {
            let message =
                "a placeholder is ${NAME}, ${NAME:-default} or ${NAME@interval:-1 minute}";
            return Err((message.into(), len));
        }
        Ok(Placeholder { name, interval, default, len })
    }

    /// What stands in the text instead.
    fn value(&self, inside: Inside, env: &dyn Fn(&str) -> Option<String>) -> Result<String, Wrong> {
        let name = self.name;
        let wrong = |message: String| (message, self.len);
        let value = match env(name).filter(|v| !v.is_empty() || self.default.is_none()) {
            Some(value) => value,
            None => match self.default {
                Some(default) => default.to_string(),
                None => {
                    return Err(wrong(format!(
                        "environment variable {name} is not set; set it or write \
                         ${{{name}:-default}}"
                    )));
                }
            },
        };
        let value = match self.interval {
            true => interval(&value).ok_or_else(|| {
                wrong(format!("{name}: expected an interval such as '2 minutes' or '500 ms'"))
            })?,
            false => value,
        };
        match inside {
            Inside::Quotes(quote) => Ok(value.replace(quote, &format!("{quote}{quote}"))),
            _ if self.interval => Ok(value),
            _ if unsafe_in_code(&value) => Err(wrong(format!(
                "the value of {name} holds a quote, a ';', a comment or a line break; only \
                 between quotes may it stand here"
            ))),
            _ => Ok(value),
        }
    }
}

fn unsafe_in_code(value: &str) -> bool {
    value.contains(['\'', '"', '`', ';', '\n', '\r'])
        || ["--", "/*", "*/"].iter().any(|c| value.contains(c))
        || value.ends_with(['-', '/'])
}

/// `2 minutes` as `INTERVAL '2' MINUTE`.
fn interval(text: &str) -> Option<String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let unit = match unit.as_str() {
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => {
            return Some(format!("INTERVAL '{}.{:03}' SECOND", number / 1000, number % 1000));
        }
        "s" | "sec" | "secs" | "second" | "seconds" => "SECOND",
        "m" | "min" | "mins" | "minute" | "minutes" => "MINUTE",
        "h" | "hour" | "hours" => "HOUR",
        "d" | "day" | "days" => "DAY",
        _ => return None,
    };
    // Flink's default precision of the leading field is two digits.
    let digits = number.to_string().len();
    let precision = if digits > 2 { format!("({digits})") } else { String::new() };
    Some(format!("INTERVAL '{number}' {unit}{precision}"))
}

impl Source {
    fn fault_at(&self, message: String, from: usize, len: usize) -> Fault {
        let place = self.place_of_bytes(from, from + len);
        Fault { place: Some(place), ..Fault::new(message, Span::empty()) }
    }

    /// The place in the file of a span of the substituted text.
    pub fn place(&self, span: Span) -> Place {
        let from = self.byte_of(span.start);
        let to = self.byte_of(span.end);
        let (start, first_end) = self.to_original(from);
        let end = match to > from {
            true => self.to_original(self.text.floor_char_boundary(to - 1)).1,
            false => first_end,
        };
        self.place_of_bytes(start, end.max(start))
    }

    /// The byte of the substituted text at a location.
    fn byte_of(&self, at: Location) -> usize {
        let (line, column) = (at.line.max(1) as usize, at.column.max(1) as usize);
        let mut start = 0;
        for _ in 1..line {
            match self.text[start..].find('\n') {
                Some(n) => start += n + 1,
                None => return self.text.len(),
            }
        }
        let rest = &self.text[start..];
        rest.char_indices().nth(column - 1).map_or(self.text.len(), |(i, _)| start + i)
    }

    /// The byte range in the original that the byte of the text came from.
    fn to_original(&self, at: usize) -> (usize, usize) {
        let mut shift = 0isize;
        for piece in &self.pieces {
            if at < piece.text.0 {
                break;
            }
            if at < piece.text.1 {
                return piece.original;
            }
            shift = piece.original.1 as isize - piece.text.1 as isize;
        }
        let from = (at as isize + shift).max(0) as usize;
        let width = self.original[from.min(self.original.len())..].chars().next();
        (from, from + width.map_or(0, char::len_utf8))
    }

    fn place_of_bytes(&self, from: usize, to: usize) -> Place {
        let text = &self.original;
        // The end of the text is shown behind its last visible character.
        let from = if from >= text.len() { text.trim_end().len() } else { from };
        let start = text[..from].rfind('\n').map_or(0, |i| i + 1);
        let line = text[start..].lines().next().unwrap_or("");
        let column = text[start..from].chars().count() + 1;
        let to = to.clamp(from, (start + line.len()).max(from));
        Place {
            file: self.file.clone(),
            line: text[..start].matches('\n').count() + 1,
            column,
            width: text[from..to].chars().count().max(1),
            text: mask_secrets(line),
        }
    }
}

/// Option keys whose values must not be shown.
pub fn is_secret_key(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let words = ["password", "secret", "token", "jaas", "passphrase", "access-key", "access.key"];
    words.iter().chain(&["user-info", "user.info"]).any(|word| key.contains(word))
}

/// A value that is an address with a name and password in it.
fn has_login(value: &str) -> bool {
    let host = value.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default());
    host.is_some_and(|host| host.contains('@'))
}

/// Stars instead of the text of `'…password…' = 'text'`, so that columns stay where they are.
fn mask_secrets(line: &str) -> String {
    let parts: Vec<&str> = line.split('\'').collect();
    let masked = |i: usize| {
        // Odd parts are literals; a key is two parts before its value with '=' between them.
        let value = i % 2 == 1 && i >= 3 && parts[i - 1].trim() == "=";
        value && (is_secret_key(parts[i - 2]) || has_login(parts[i]))
    };
    let shown: Vec<String> = parts
        .iter()
        .enumerate()
        .map(|(i, part)| match masked(i) {
            true => "*".repeat(part.chars().count()),
            false => part.to_string(),
        })
        .collect();
    shown.join("'")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        Some(match name {
            "TOPIC" => "clicks".into(),
            "N" => "5".into(),
            "NEG" => "-5".into(),
            "EVIL" => "x'; DROP TABLE t; --".into(),
            "DELAY" => "90 seconds".into(),
            "LONG" => "300 s".into(),
            "MS" => "1500 ms".into(),
            "EMPTY" => String::new(),
            _ => return None,
        })
    }

    fn text(sql: &str) -> String {
        substitute(sql, "f.sql", &env).unwrap().text
    }
    fn fault(sql: &str) -> String {
        substitute(sql, "f.sql", &env).unwrap_err().to_string()
    }

    #[test]
    fn values_and_defaults() {
        assert_eq!(text("'${TOPIC}' ${N} '${NO:-d e}' ${NO:-7}"), "'clicks' 5 'd e' 7");
        assert_eq!(text("'${NO:-}' '${EMPTY:-d}' '${EMPTY}'"), "'' 'd' ''");
        assert_eq!(text("$x {y} 'a$b'"), "$x {y} 'a$b'");
        assert_eq!(text("1 -${NEG}"), "1 - -5");
    }

    #[test]
    fn intervals() {
        assert_eq!(text("${DELAY@interval:-1 minute}"), "INTERVAL '90' SECOND");
        assert_eq!(text("${NO@interval:-2 minutes}"), "INTERVAL '2' MINUTE");
        assert_eq!(text("${LONG@interval}"), "INTERVAL '300' SECOND(3)");
        assert_eq!(text("${MS@interval}"), "INTERVAL '1.500' SECOND");
        assert!(fault("${TOPIC@interval}").contains("expected an interval such as"));
    }

    #[test]
    fn a_value_never_ends_its_literal() {
        assert_eq!(text("'${EVIL}'"), "'x''; DROP TABLE t; --'");
        assert_eq!(text("'it''s ${EVIL}'"), "'it''s x''; DROP TABLE t; --'");
        assert!(fault("SELECT ${EVIL}").contains("only between quotes"));
    }

    #[test]
    fn comments_are_left_alone() {
        assert_eq!(text("-- ${NO}\n1 /* ${NO} ' */ ${N}"), "-- ${NO}\n1 /* ${NO} ' */ 5");
        assert_eq!(text("'-- ${N}'"), "'-- 5'");
    }

    #[test]
    fn an_unset_variable_is_named_with_its_line() {
        assert_eq!(
            fault("SELECT 1;\nSELECT '${A}', ${B}"),
            "f.sql:2:9: environment variable A is not set; set it or write ${A:-default}\n\
             2 | SELECT '${A}', ${B}\n\
             \x20 |         ^^^^\n\n\
             f.sql:2:16: environment variable B is not set; set it or write ${B:-default}\n\
             2 | SELECT '${A}', ${B}\n\
             \x20 |                ^^^^"
        );
        assert!(fault("'${A").contains("no closing '}'"));
        assert!(fault("${A@time}").contains("unknown placeholder kind '@time'"));
    }

    #[test]
    fn places_lead_back_to_the_file() {
        let source = substitute("'${TOPIC}' bad ${N} worse", "f.sql", &env).unwrap();
        assert_eq!(source.text, "'clicks' bad 5 worse");
        let place = |from, to| {
            let at = |column| Location { line: 1, column };
            let p = source.place(Span::new(at(from), at(to)));
            (p.column, p.width)
        };
        assert_eq!(place(10, 13), (12, 3), "bad");
        assert_eq!(place(14, 15), (16, 4), "${{N}}");
        assert_eq!(place(16, 21), (21, 5), "worse");
        assert_eq!(place(3, 5), (2, 8), "within a value");
        assert_eq!(place(99, 99), (26, 1), "the end");
        let source = substitute("é \u{1F4A5} ${N}", "f.sql", &env).unwrap();
        let span = Span::new(Location { line: 1, column: 3 }, Location { line: 1, column: 4 });
        assert_eq!((source.place(span).column, source.place(span).width), (3, 1));
    }
}
