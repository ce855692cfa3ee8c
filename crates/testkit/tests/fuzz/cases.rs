//! What a seed stands for.

use brooklet_testkit::dice::Dice;

use crate::grammar::{Grammar, NAMES, WORDS};
use crate::{mutated, nested};

/// How a text was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Queries over tables of all types.
    Query,
    /// Definitions, settings, INSERT, EXPLAIN.
    Statements,
    /// One function with any arguments.
    Call,
    /// One construct many times within or behind itself.
    Nested,
    /// A text of `tests/` or `pipelines/` with mistakes in it.
    Mutated,
}

const KINDS: [(Kind, &str, u64); 5] = [
    (Kind::Query, "query", 40),
    (Kind::Statements, "statements", 15),
    (Kind::Call, "call", 20),
    (Kind::Nested, "nested", 5),
    (Kind::Mutated, "mutated", 20),
];

impl Kind {
    pub fn word(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, word, _)| word)
    }
    pub fn of_word(word: &str) -> Option<Kind> {
        KINDS.iter().find(|(_, w, _)| *w == word).map(|(kind, ..)| *kind)
    }
}

pub struct Case {
    pub kind: Kind,
    pub text: String,
}

pub fn of_seed(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let mut left = dice.below(KINDS.iter().map(|(.., weight)| weight).sum());
    let drawn = KINDS.iter().find(|(.., weight)| match left < *weight {
        true => true,
        false => {
            left -= weight;
            false
        }
    });
    let kind = drawn.map_or(Kind::Query, |(kind, ..)| *kind);
    let text = match kind {
        Kind::Query => Grammar::new(&mut dice).query_text(),
        Kind::Statements => Grammar::new(&mut dice).statements_text(),
        Kind::Call => Grammar::new(&mut dice).call_text(),
        Kind::Nested => nested::text(&mut dice),
        Kind::Mutated => mutated::text(&mut dice),
    };
    Case { kind, text }
}

impl Case {
    /// The key words and the functions in it, each once.
    pub fn words(&self) -> String {
        let words = self.text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let known = words.filter(|w| WORDS.contains(w) || NAMES.iter().any(|name| name == w));
        known.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    }
}
