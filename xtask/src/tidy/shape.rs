//! How long files, functions, lines and traits are.

use super::code::{LITERAL, indent};
use super::limits::{COLUMNS, FILE_LINES, FUNCTION_LINES, LONG_LITERAL, TRAIT_METHODS};
use super::{Fault, File};

/// A function with a body, found by rustfmt's indentation.
pub struct Function {
    pub name: String,
    /// From 1.
    pub line: usize,
    pub lines: usize,
}

pub fn check(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    if !file.code.lines.first().is_some_and(|line| line.starts_with("//!")) {
        faults.push(file.fault(1, "say the file's one idea in a first line that starts with //!"));
    }
    let length = file.code.lines.len();
    if length > FILE_LINES {
        faults.push(file.fault(0, format!("{length} lines, at most {FILE_LINES}: split it")));
    }
    for function in functions(file) {
        if function.lines > FUNCTION_LINES {
            let Function { name, line, lines } = function;
            let message = format!("fn {name} has {lines} lines, at most {FUNCTION_LINES}");
            faults.push(file.fault(line, message));
        }
    }
    faults.extend(long_lines(file));
    faults.extend(traits(file));
    faults
}

fn long_lines(file: &File) -> impl Iterator<Item = Fault> {
    let lines = file.code.lines.iter().zip(&file.code.code).enumerate();
    lines.filter_map(|(i, (line, code))| {
        let columns = line.chars().count();
        let literal = code.chars().filter(|c| *c == LITERAL).count();
        let excused = literal >= LONG_LITERAL || line.contains("://");
        let message = || format!("{columns} columns, at most {COLUMNS}");
        (columns > COLUMNS && !excused).then(|| file.fault(i + 1, message()))
    })
}

/// The function that a line of code declares.
fn declared(code: &str) -> Option<&str> {
    let mut rest = code.trim_start();
    loop {
        if let Some(name) = rest.strip_prefix("fn ") {
            return name.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        }
        let (word, tail) = rest.split_once(' ')?;
        let prefix = word == "pub" || word.starts_with("pub(") || word.starts_with(LITERAL);
        if !prefix && !["async", "const", "unsafe", "extern"].contains(&word) {
            return None;
        }
        rest = tail;
    }
}

/// Index of the line that ends the item starting at `start`.
fn end(code: &[String], start: usize) -> usize {
    let depth = indent(&code[start]);
    let ends = |line: &str| line.trim_end().ends_with(['}', ';']);
    if ends(&code[start]) {
        return start;
    }
    let last = |line: &String| !line.trim().is_empty() && indent(line) == depth && ends(line);
    (start + 1..code.len()).find(|i| last(&code[*i])).unwrap_or(code.len() - 1)
}

pub fn functions(file: &File) -> Vec<Function> {
    let code = &file.code.code;
    let found = code.iter().enumerate().filter_map(|(i, line)| {
        let name = declared(line)?.to_string();
        Some(Function { name, line: i + 1, lines: end(code, i) - i + 1 })
    });
    found.collect()
}

/// Seams stay small, and a default never panics: a method that not all can have is not one.
fn traits(file: &File) -> Vec<Fault> {
    let code = &file.code.code;
    let mut faults = Vec::new();
    for (i, line) in code.iter().enumerate() {
        let words = line.trim_start();
        let rest = words.strip_prefix("pub ").unwrap_or(words);
        let Some(rest) = rest.strip_prefix("trait ") else { continue };
        let name = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        let name = name.unwrap_or_default();
        let body = &code[i..=end(code, i)];
        let inner = indent(line) + 4;
        let methods = body.iter().filter(|l| indent(l) == inner && declared(l).is_some()).count();
        if methods > TRAIT_METHODS {
            let message = format!("trait {name} has {methods} methods, at most {TRAIT_METHODS}");
            faults.push(file.fault(i + 1, message));
        }
        if body.iter().any(|l| l.contains("panic!(") || l.contains("unreachable!(")) {
            faults.push(file.fault(i + 1, format!("a default of trait {name} panics")));
        }
    }
    faults
}
