//! What is wrong with the SQL text, shown at the place where it stands.

use std::fmt;

use brooklet_core::Error;
use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Span};

use crate::placeholders::Source;

/// One mistake. Until [`Faults::in_source`] gave it a place, `span` counts lines and columns of
/// the text after placeholders were substituted.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub message: String,
    pub span: Span,
    /// The name that was probably meant.
    pub suggestion: Option<String>,
    pub place: Option<Place>,
}

/// Where a fault stands in the file as its author sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters to underline, all on that line.
    pub width: usize,
    /// The line, values of secret options masked.
    pub text: String,
}

/// All mistakes of a file, in the order of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults(pub Vec<Fault>);

impl Fault {
    pub fn new(message: impl Into<String>, span: Span) -> Self {
        Fault { message: message.into(), span, suggestion: None, place: None }
    }
    /// A fault of a text's first line.
    pub fn of_first_line(message: impl Into<String>, text: &str) -> Self {
        let width = text.lines().next().unwrap_or_default().chars().count() as u64;
        let at = |column| Location { line: 1, column };
        Self::new(message, Span::new(at(1), at(1 + width)))
    }
    /// Suggests the candidate most like `name`, if one is like enough.
    pub fn suggest<'a>(mut self, name: &str, among: impl IntoIterator<Item = &'a str>) -> Self {
        self.suggestion = closest(name, among);
        self
    }
    /// A parser's error; its message ends in the place. `end` stands for the end of the text.
    pub fn from_parser(error: &ParserError, end: Location) -> Self {
        let text = match error {
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => text.as_str(),
            ParserError::RecursionLimitExceeded => "the statement is nested too deeply",
        };
        let (text, at) = split_location(text);
        let at = at.unwrap_or(end);
        let (text, suggestion) = match text.split_once(DID_YOU_MEAN) {
            Some((text, name)) => (text, Some(name.to_string())),
            None => (text, None),
        };
        let span = Span::new(at, at);
        Fault { suggestion, ..Fault::new(plain(text), span) }
    }
}

/// Joins a suggestion to a parser's message, which has no field for it.
pub(crate) const DID_YOU_MEAN: &str = "\u{1}";

/// sqlparser's `Expected: X, found: Y` in words; texts, which may be secrets, are not repeated.
fn plain(message: &str) -> String {
    let Some((expected, found)) =
        message.strip_prefix("Expected: ").and_then(|m| m.split_once(", found: "))
    else {
        return message.to_string();
    };
    let found = match found {
        "EOF" => "the end of the statement".to_string(),
        text if text.starts_with('\'') => "a text literal".to_string(),
        other => format!("'{other}'"),
    };
    match expected.chars().any(char::is_alphanumeric) {
        true => format!("expected {expected}, found {found}"),
        false => format!("expected '{expected}', found {found}"),
    }
}

fn split_location(message: &str) -> (&str, Option<Location>) {
    let none = (message, None);
    let Some((text, place)) = message.rsplit_once(" at Line: ") else { return none };
    let Some((line, column)) = place.split_once(", Column: ") else { return none };
    match (line.parse(), column.parse()) {
        (Ok(line), Ok(column)) => (text, Some(Location { line, column })),
        _ => none,
    }
}

/// The candidate most like `name`: at most a third of its letters differ, case aside.
pub fn closest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let lower = name.to_lowercase();
    let distance = |c: &str| strsim::damerau_levenshtein(&lower, &c.to_lowercase());
    among
        .into_iter()
        .map(|c| (distance(c), c))
        .filter(|(d, c)| *d * 3 <= name.chars().count().max(c.chars().count()))
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c.to_string())
}

impl Faults {
    /// Gives a place to every fault that has none yet, and sorts them by it.
    pub fn in_source(mut self, source: &Source) -> Self {
        for fault in self.0.iter_mut().filter(|f| f.place.is_none()) {
            fault.place = Some(source.place(fault.span));
        }
        self.0.sort_by_key(|f| f.place.as_ref().map(|p| (p.line, p.column)));
        self.0.dedup();
        self
    }
}

impl From<Fault> for Faults {
    fn from(fault: Fault) -> Self {
        Faults(vec![fault])
    }
}

impl From<Faults> for Error {
    fn from(faults: Faults) -> Self {
        Error::sql(faults.to_string())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(p) = &self.place {
            write!(f, "{}:{}:{}: ", p.file, p.line, p.column)?;
        }
        f.write_str(&self.message)?;
        if let Some(p) = &self.place {
            // Tabs stay tabs so that the caret stands under its character in any terminal.
            let indent: String = p
                .text
                .chars()
                .take(p.column - 1)
                .map(|c| if c == '\t' { '\t' } else { ' ' })
                .collect();
            let gutter = p.line.to_string();
            let blank = " ".repeat(gutter.len());
            write!(f, "\n{gutter} | {}\n{blank} | {indent}{}", p.text, "^".repeat(p.width))?;
        }
        if let Some(name) = &self.suggestion {
            write!(f, "\nhelp: did you mean '{name}'?")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placeholders::substitute;

    fn span(line: u64, from: u64, to: u64) -> Span {
        Span::new(Location { line, column: from }, Location { line, column: to })
    }

    #[test]
    fn a_fault_shows_file_line_caret_and_help() {
        let source = substitute("SELECT\n  nmae\nFROM t", "file.sql", &|_| None).unwrap();
        let fault = Fault::new("no column 'nmae' in table 't'", span(2, 3, 7))
            .suggest("nmae", ["id", "name"]);
        let shown = Faults::from(fault).in_source(&source).to_string();
        assert_eq!(
            shown,
            "file.sql:2:3: no column 'nmae' in table 't'\n\
             2 |   nmae\n\
             \x20 |   ^^^^\n\
             help: did you mean 'name'?"
        );
    }

    #[test]
    fn secrets_on_the_line_are_masked() {
        let sql = "WITH ('password' = 'hunter2', 'urll' = 'x')";
        let source = substitute(sql, "f.sql", &|_| None).unwrap();
        let fault = Fault::new("unknown option 'urll'", span(1, 31, 37));
        let shown = Faults::from(fault).in_source(&source).to_string();
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("'password' = '*******', 'urll'"), "{shown}");
    }

    #[test]
    fn logins_of_a_registry_are_masked() {
        let sql = "WITH ('f.basic-auth.user-info' = 'me:hunter2', 'f.url' = 'http://me:hunter2@h/', \
                   'urll' = 'http://h/@x')";
        let source = substitute(sql, "f.sql", &|_| None).unwrap();
        let fault = Fault::new("unknown option 'urll'", span(1, 88, 93));
        let shown = Faults::from(fault).in_source(&source).to_string();
        assert!(!shown.contains("hunter2") && shown.contains("'http://h/@x'"), "{shown}");
    }

    #[test]
    fn only_likely_names_are_suggested() {
        assert_eq!(closest("COUTN", ["COUNT", "SUM"]), Some("COUNT".into()));
        assert_eq!(closest("xyz", ["COUNT", "SUM"]), None);
        assert_eq!(
            closest("scan.startup.mod", ["scan.startup.mode"]).unwrap(),
            "scan.startup.mode"
        );
    }
}
