//! Which characters of a source file are code, which literals and which comments.

/// A file's lines, as written and with everything but code blanked out.
pub struct Code {
    pub lines: Vec<String>,
    /// Same length in characters as `lines`; comments are spaces, literals are [`LITERAL`].
    pub code: Vec<String>,
    /// Per line: inside an item under `#[cfg(test)]`.
    pub test: Vec<bool>,
}

/// Stands for a character of a string or character literal.
pub const LITERAL: char = '\u{1}';

#[derive(Clone, Copy, PartialEq)]
enum State {
    Code,
    Line,
    Block(u32),
    Text,
    Raw(usize),
}

impl Code {
    pub fn new(text: &str) -> Self {
        let blanked = blank(&text.chars().collect::<Vec<_>>());
        let lines: Vec<String> = text.lines().map(str::to_string).collect();
        let mut code: Vec<String> = blanked.lines().map(str::to_string).collect();
        code.resize(lines.len(), String::new());
        let test = test_lines(&code);
        Code { lines, code, test }
    }
}

/// Spaces before the first other character.
pub fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn blank(text: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut state = State::Code;
    let mut i = 0;
    while i < text.len() {
        let (next, used) = step(state, &text[i..], i.checked_sub(1).map(|p| text[p]));
        for c in &text[i..i + used] {
            let inside = matches!((state, next), (State::Text | State::Raw(_), _))
                || (state == State::Code && next == State::Code && used > 1);
            out.push(match c {
                '\n' => '\n',
                _ if inside => LITERAL,
                _ if state == State::Code && matches!(next, State::Code) => *c,
                _ if state == State::Code && matches!(next, State::Text | State::Raw(_)) => LITERAL,
                _ => ' ',
            });
        }
        state = next;
        i += used;
    }
    out
}

/// The state after the next token and how many characters that has.
fn step(state: State, rest: &[char], before: Option<char>) -> (State, usize) {
    let starts = |s: &str| s.chars().zip(rest).filter(|(a, b)| a == *b).count() == s.len();
    match state {
        State::Line => (if rest[0] == '\n' { State::Code } else { State::Line }, 1),
        State::Block(1) if starts("*/") => (State::Code, 2),
        State::Block(depth) if starts("*/") => (State::Block(depth - 1), 2),
        State::Block(depth) if starts("/*") => (State::Block(depth + 1), 2),
        State::Text if rest[0] == '\\' => (State::Text, 2.min(rest.len())),
        State::Text if rest[0] == '"' => (State::Code, 1),
        State::Raw(hashes) if rest[0] == '"' && closes(&rest[1..], hashes) => {
            (State::Code, 1 + hashes)
        }
        State::Block(_) | State::Text | State::Raw(_) => (state, 1),
        State::Code if starts("//") => (State::Line, 2),
        State::Code if starts("/*") => (State::Block(1), 2),
        State::Code if rest[0] == '"' => (State::Text, 1),
        State::Code if rest[0] == '\'' => (State::Code, character(rest)),
        State::Code if rest[0] == 'r' && !before.is_some_and(is_word_but_b) => {
            let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
            match rest.get(1 + hashes) {
                Some('"') => (State::Raw(hashes), 2 + hashes),
                _ => (State::Code, 1),
            }
        }
        State::Code => (State::Code, 1),
    }
}

/// `br"…"` is a raw string, `for"…"` is not.
fn is_word_but_b(c: char) -> bool {
    (c.is_alphanumeric() || c == '_') && c != 'b'
}

fn closes(rest: &[char], hashes: usize) -> bool {
    rest.len() >= hashes && rest[..hashes].iter().all(|c| *c == '#')
}

/// Length of the character literal that starts here, or 1 when it is a lifetime.
fn character(rest: &[char]) -> usize {
    match rest {
        ['\'', '\\', ..] => {
            let end = rest.iter().skip(3).position(|c| *c == '\'');
            end.map_or(1, |at| at + 4)
        }
        ['\'', _, '\'', ..] => 3,
        _ => 1,
    }
}

/// Lines of items that follow `#[cfg(test)]`, found by rustfmt's indentation.
fn test_lines(code: &[String]) -> Vec<bool> {
    let mut test = vec![false; code.len()];
    let mut i = 0;
    while i < code.len() {
        if code[i].trim() != "#[cfg(test)]" {
            i += 1;
            continue;
        }
        let depth = indent(&code[i]);
        let closed =
            |line: &String| indent(line) == depth && (line.trim_end().ends_with(['}', ';']));
        let end = (i + 1..code.len()).find(|at| closed(&code[*at])).unwrap_or(code.len() - 1);
        test[i..=end].fill(true);
        i = end + 1;
    }
    test
}
