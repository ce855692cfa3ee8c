//! Texts of `tests/` and `pipelines/` with mistakes put into them.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use brooklet_testkit::dice::Dice;

use crate::grammar::literals;

/// All files with SQL, in the order of their names.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for folder in ["tests", "pipelines"] {
        collect(&root.join(folder), &mut files);
    }
    files.sort();
    assert!(files.len() > 100, "{} files", files.len());
    files.iter().map(|f| std::fs::read_to_string(f).expect("a file that can be read")).collect()
});

fn any_text(dice: &mut Dice) -> &'static str {
    dice.pick::<String>(&TEXTS)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder that can be read") {
        let path = entry.expect("an entry").path();
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
        if path.is_dir() {
            collect(&path, files);
        } else if ["sql", "inc", "stream"].contains(&extension) {
            files.push(path);
        }
    }
}

/// A statement of a file behind the definitions that stand before it, with up to four mistakes.
pub fn text(dice: &mut Dice) -> String {
    let statements: Vec<&str> = statements(any_text(dice));
    let chosen = dice.below(statements.len() as u64) as usize;
    let defines = |s: &&&str| {
        let start = s.trim_start().to_uppercase();
        start.starts_with("CREATE") || start.starts_with("SET")
    };
    let before: String = statements[..chosen].iter().filter(defines).copied().collect();
    let mut kept: Vec<String> = tokens(statements[chosen]).iter().map(|t| t.to_string()).collect();
    for _ in 0..dice.below(5) {
        mutate(dice, &mut kept);
    }
    before + &kept.concat()
}

fn mutate(dice: &mut Dice, kept: &mut Vec<String>) {
    let from = dice.below(kept.len() as u64 + 1) as usize;
    let to = (from + 1 + dice.below(4) as usize).min(kept.len());
    let from = from.min(to);
    match dice.below(10) {
        0 => drop(kept.drain(from..to)),
        1 => {
            let twice = kept[from..to].to_vec();
            let at = dice.below(kept.len() as u64 + 1) as usize;
            kept.splice(at..at, twice);
        }
        2 if kept.len() > 1 => {
            let other = dice.below(kept.len() as u64) as usize;
            let last = kept.len() - 1;
            kept.swap(from.min(last), other);
        }
        3 | 4 => {
            let other = tokens(any_text(dice));
            let at = dice.below(other.len() as u64) as usize;
            let end = (at + 1 + dice.below(12) as usize).min(other.len());
            kept.splice(from..to, other[at..end].iter().map(|t| t.to_string()));
        }
        5 if dice.chance(0.3) => kept.truncate(from),
        6 => {
            let literal = literals::any(dice);
            kept.splice(from..to, [literal]);
        }
        7 => {
            let (open, close) = *dice.pick(&[("(", ")"), ("'", "'"), ("`", "`"), ("ARRAY[", "]")]);
            kept.insert(to, close.to_string());
            kept.insert(from, open.to_string());
        }
        8 if from < to => kept[from] = scratched(dice, &kept[from]),
        _ => {
            // One word for another of the same text.
            let words: Vec<usize> = (0..kept.len()).filter(|i| is_word(&kept[*i])).collect();
            if !words.is_empty() {
                kept[*dice.pick(&words)] = kept[*dice.pick(&words)].clone();
            }
        }
    }
}

/// A character put in, taken away or changed.
fn scratched(dice: &mut Dice, token: &str) -> String {
    let mut chars: Vec<char> = token.chars().collect();
    let at = dice.below(chars.len() as u64 + 1) as usize;
    let odd =
        *dice.pick(&['\'', '`', '"', '(', ';', '\\', '\0', 'ü', '😀', '\u{301}', '.', '$', '-']);
    match dice.below(3) {
        0 if at < chars.len() => drop(chars.remove(at)),
        1 if at < chars.len() => chars[at] = odd,
        _ => chars.insert(at, odd),
    }
    chars.into_iter().collect()
}

/// Cut behind each semicolon.
fn statements(text: &str) -> Vec<&str> {
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    for token in tokens(text) {
        at += token.len();
        if token == ";" {
            found.push(&text[start..at]);
            start = at;
        }
    }
    if start < text.len() || found.is_empty() {
        found.push(&text[start..]);
    }
    found
}

/// Words, numbers, quoted texts, comments, blanks and single characters: together the whole text.
pub fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '`' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            c if c.is_alphanumeric() => end_of(rest, |c| c.is_alphanumeric() || c == '_'),
            c if c.is_whitespace() => end_of(rest, char::is_whitespace),
            c => c.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        found.push(token);
        rest = behind;
    }
    found
}

fn end_of(text: &str, is_in: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is_in(c)).unwrap_or(text.len())
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '`')
}
