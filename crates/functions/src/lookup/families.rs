//! The first of many expressions that fits a text. Hundreds of them cost no more than the few whose
//! literals the text holds: one automaton finds those.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use regex::{Captures, Regex};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde::Deserialize;

/// The file of uap-core, in its order.
#[derive(Deserialize)]
pub struct Expressions {
    pub user_agent_parsers: Vec<Expression>,
    pub os_parsers: Vec<Expression>,
}

#[derive(Deserialize)]
pub struct Expression {
    regex: String,
    /// What is found, `$n` standing for a group; without it the first group.
    #[serde(alias = "family_replacement", alias = "os_replacement")]
    replacement: Option<String>,
}

pub struct Families {
    rules: Vec<Rule>,
    literals: AhoCorasick,
    /// By literal: the rules that need it or another one of theirs.
    of_literal: Vec<Vec<usize>>,
    /// Rules that need no literal.
    always: Vec<usize>,
}

struct Rule {
    regex: String,
    replacement: Option<String>,
    /// Compiled when a text may fit.
    compiled: OnceLock<Option<Regex>>,
}

impl Families {
    pub fn new(expressions: Vec<Expression>) -> Result<Self, String> {
        let (mut rules, mut always) = (Vec::new(), Vec::new());
        let (mut literals, mut of_literal) = (Vec::new(), Vec::<Vec<usize>>::new());
        for (rule, Expression { regex, replacement }) in expressions.into_iter().enumerate() {
            // The expressions mean ASCII, and small classes make small automata.
            let regex = regex.replace(r"\d", "[0-9]").replace(r"\w", "[A-Za-z0-9_]");
            let parsed = regex_syntax::parse(&regex).map_err(|e| e.to_string())?;
            match needed(&parsed) {
                None => always.push(rule),
                Some(needed) => {
                    for literal in needed {
                        let known = literals.iter().position(|l| *l == literal);
                        let at = known.unwrap_or_else(|| {
                            literals.push(literal);
                            of_literal.push(Vec::new());
                            literals.len() - 1
                        });
                        of_literal[at].push(rule);
                    }
                }
            }
            rules.push(Rule { regex, replacement, compiled: OnceLock::new() });
        }
        let literals = AhoCorasick::builder().ascii_case_insensitive(true).build(literals);
        let literals = literals.map_err(|e| e.to_string())?;
        Ok(Families { rules, literals, of_literal, always })
    }

    /// What the first rule that fits says of the text.
    pub fn find(&self, text: &str) -> Option<String> {
        let mut rules: BTreeSet<usize> = self.always.iter().copied().collect();
        for found in self.literals.find_overlapping_iter(text) {
            rules.extend(&self.of_literal[found.pattern()]);
        }
        rules.into_iter().find_map(|rule| self.rules[rule].family(text))
    }
}

impl Rule {
    fn family(&self, text: &str) -> Option<String> {
        let compiled = self.compiled.get_or_init(|| Regex::new(&self.regex).ok());
        let groups = compiled.as_ref()?.captures(text)?;
        Some(match &self.replacement {
            None => group(&groups, 1).to_string(),
            Some(template) => filled(template, &groups),
        })
    }
}

fn group<'t>(groups: &Captures<'t>, number: usize) -> &'t str {
    groups.get(number).map_or("", |found| found.as_str())
}

/// The template with its `$n` replaced by the groups.
fn filled(template: &str, groups: &Captures) -> String {
    let mut text = template.to_string();
    for number in 1..groups.len() {
        text = text.replace(&format!("${number}"), group(groups, number));
    }
    text.trim().to_string()
}

/// Literals, without regard to the case of ASCII letters, one of which is in every text that fits.
fn needed(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => Some(vec![String::from_utf8(literal.0.to_vec()).ok()?]),
        HirKind::Capture(capture) => needed(&capture.sub),
        HirKind::Repetition(repetition) if repetition.min > 0 => needed(&repetition.sub),
        HirKind::Alternation(all) => {
            let all: Vec<Vec<String>> = all.iter().map(needed).collect::<Option<_>>()?;
            Some(all.concat())
        }
        HirKind::Concat(parts) => longest(parts),
        HirKind::Class(class) => Some(vec![letter(class)?.to_string()]),
        _ => None,
    }
}

/// Of a sequence the part whose shortest literal is longest; neighbouring letters are one part.
fn longest(parts: &[Hir]) -> Option<Vec<String>> {
    let (mut found, mut run) = (Vec::new(), String::new());
    for part in parts {
        let continues = match part.kind() {
            HirKind::Literal(literal) => String::from_utf8(literal.0.to_vec()).ok(),
            HirKind::Class(class) => letter(class).map(String::from),
            _ => None,
        };
        match continues {
            Some(more) => run.push_str(&more),
            None => {
                found.push(vec![std::mem::take(&mut run)]);
                found.extend(needed(part));
            }
        }
    }
    found.push(vec![run]);
    let shortest = |all: &Vec<String>| all.iter().map(String::len).min().unwrap_or(0);
    found.into_iter().filter(|all| shortest(all) > 0).max_by_key(shortest)
}

/// The letter that a class stands for in both cases.
fn letter(class: &Class) -> Option<char> {
    let Class::Unicode(class) = class else { return None };
    let [upper, lower] = class.ranges() else { return None };
    let one = upper.start() == upper.end() && lower.start() == lower.end();
    let same = upper.start().to_ascii_lowercase() == lower.start();
    (one && same && lower.start().is_ascii_lowercase()).then_some(lower.start())
}
