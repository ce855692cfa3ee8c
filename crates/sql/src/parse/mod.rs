//! SQL text to statements.
//!
//! sqlparser cuts the text into tokens and reads queries and expressions; [`statement`] and
//! [`table`] and [`alter`] read Flink's statements, [`types`] its types, [`expr`] its own
//! expressions, [`hints`] its hints, [`pattern`] MATCH_RECOGNIZE and [`values`] rows of VALUES.

pub mod alter;
pub mod ast;
pub mod dialect;
pub mod expr;
pub mod hints;
pub mod interval;
pub mod pattern;
pub mod show;
pub mod statement;
pub mod table;
pub mod types;
mod values;
mod words;

use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer};

use self::ast::{Explain, Statement, StatementKind};
use self::dialect::Flink;
use crate::fault::{Fault, Faults};

#[cfg(test)]
mod tests;

/// All statements of a text whose placeholders are replaced, or all faults: one broken statement
/// does not hide the faults of the others.
pub fn parse(text: &str) -> Result<Vec<Statement>, Faults> {
    let (statements, faults) = parse_all(text);
    if faults.is_empty() { Ok(statements) } else { Err(Faults(faults)) }
}

/// The statements that can be read, and the faults of the others.
pub fn parse_all(text: &str) -> (Vec<Statement>, Vec<Fault>) {
    let mut faults = Vec::new();
    let mut tokens = Vec::new();
    if let Err(e) = Tokenizer::new(&Flink, text).tokenize_with_location_into_buf(&mut tokens) {
        faults.push(Fault::new(e.message, Span::new(e.location, e.location)));
    }
    let mut tokens = hints::kept(tokens, &mut faults);
    drop_lateral(&mut tokens);
    let tokens = values::in_parentheses(tokens);
    let chunks = tokens.split(|t| t.token == Token::SemiColon).filter(|chunk| !chunk.is_empty());
    let mut reader = Reader { statements: Vec::new(), faults, set: None };
    chunks.for_each(|chunk| reader.chunk(chunk));
    reader.end()
}

/// Takes the pieces between semicolons and puts statement sets together again.
struct Reader {
    statements: Vec<Statement>,
    faults: Vec<Fault>,
    set: Option<OpenSet>,
}

/// A statement set whose END is still to come.
struct OpenSet {
    statements: Vec<Statement>,
    span: Span,
    /// Details of the EXPLAIN in front of it.
    explain: Option<Vec<String>>,
}

impl Reader {
    fn chunk(&mut self, chunk: &[TokenWithSpan]) {
        let span = span_of(chunk);
        if self.set.is_some() && chunk.len() == 1 && word(&chunk[0]).as_deref() == Some("END") {
            if let Some(set) = self.set.take() {
                let statement = set.close(span);
                self.statements.push(statement);
            }
            return;
        }
        let chunk = match begin_of_set(chunk) {
            None => chunk,
            Some((explain, inner)) => {
                if let Some(open) = &self.set {
                    let message = "a statement set cannot stand within another: END; is missing";
                    self.faults.push(Fault::new(message, open.span));
                }
                self.set = Some(OpenSet { statements: Vec::new(), span, explain });
                inner
            }
        };
        if chunk.is_empty() {
            return;
        }
        match statement_of(chunk) {
            Err(fault) => self.faults.push(fault),
            Ok(kind) => {
                let statement = Statement { kind, span: span_of(chunk) };
                match &mut self.set {
                    None => self.statements.push(statement),
                    Some(set) if matches!(statement.kind, StatementKind::Insert(_)) => {
                        set.statements.push(statement);
                    }
                    Some(_) => {
                        let message = "only INSERT can stand in a statement set";
                        self.faults.push(Fault::new(message, statement.span));
                    }
                }
            }
        }
    }

    fn end(mut self) -> (Vec<Statement>, Vec<Fault>) {
        if let Some(set) = self.set {
            self.faults
                .push(Fault::new("the statement set is not closed: END; is missing", set.span));
        }
        (self.statements, self.faults)
    }
}

impl OpenSet {
    fn close(self, end: Span) -> Statement {
        let span = self.span.union(&end);
        let set = Statement { kind: StatementKind::StatementSet(self.statements), span };
        match self.explain {
            None => set,
            Some(details) => {
                let explain = Explain { details, inner: Box::new(set) };
                Statement { kind: StatementKind::Explain(explain), span }
            }
        }
    }
}

type SetStart<'a> = (Option<Vec<String>>, &'a [TokenWithSpan]);

/// `[EXPLAIN …] [EXECUTE] STATEMENT SET BEGIN` or `BEGIN STATEMENT SET`, and what follows it.
fn begin_of_set(chunk: &[TokenWithSpan]) -> Option<SetStart<'_>> {
    let words: Vec<String> = chunk.iter().map_while(word).take(12).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if words.starts_with(&["BEGIN", "STATEMENT", "SET"]) {
        return Some((None, &chunk[3..]));
    }
    let mut at = 0;
    let mut explain = None;
    if words.first() == Some(&"EXPLAIN") {
        let rest = &words[1..];
        let details = rest.iter().take_while(|w| **w != "EXECUTE" && **w != "STATEMENT");
        let details: Vec<String> = details.map(|w| w.to_string()).collect();
        at = 1 + details.len();
        explain = Some(details.into_iter().filter(|w| w != "PLAN" && w != "FOR").collect());
    }
    if words.get(at) == Some(&"EXECUTE") {
        at += 1;
    }
    words[at..].starts_with(&["STATEMENT", "SET", "BEGIN"]).then(|| (explain, &chunk[at + 3..]))
}

fn statement_of(chunk: &[TokenWithSpan]) -> Result<StatementKind, Fault> {
    if let Some(quoted) = chunk.iter().find(|t| matches!(t.token, Token::DoubleQuotedString(_))) {
        let message = "double quotes mean nothing in Flink SQL: names stand in backquotes, \
                       texts in single quotes";
        return Err(Fault::new(message, quoted.span));
    }
    check_doubling(chunk)?;
    check_brackets(chunk)?;
    let mut parser = Parser::new(&Flink)
        .with_recursion_limit(200)
        .with_tokens_with_locations(pattern::rewritten(chunk));
    let end = span_of(chunk).end;
    let fault = |e| underline(Fault::from_parser(&e, end), chunk);
    let kind = statement::statement(&mut parser).map_err(fault)?;
    if parser.peek_token_ref().token != Token::EOF {
        let found = parser.peek_token();
        return parser.expected("the end of the statement", found).map_err(fault);
    }
    Ok(kind)
}

/// How deep square brackets may stand in each other: the parser tries what stands in them twice
/// where it fails.
const BRACKETS: usize = 40;

fn check_brackets(tokens: &[TokenWithSpan]) -> Result<(), Fault> {
    let mut open = 0_usize;
    for t in tokens {
        match t.token {
            Token::LBracket => open += 1,
            Token::RBracket => open = open.saturating_sub(1),
            _ => {}
        }
        if open > BRACKETS {
            let message = format!("more than {BRACKETS} ARRAYs, MAPs and ROWs stand in each other");
            return Err(Fault::new(message, t.span));
        }
    }
    Ok(())
}

/// How deep CAST and CASE may stand in each other: the type of each is asked for twice, so that
/// every further one doubles the time of planning. A COALESCE becomes a CASE that holds its values
/// twice, and counts as two.
const DOUBLING: usize = 12;

fn check_doubling(tokens: &[TokenWithSpan]) -> Result<(), Fault> {
    // What is open: a CASE or the parenthesis of a CAST, or another parenthesis, which counts
    // nothing.
    let mut open: Vec<usize> = Vec::new();
    let mut called = 0;
    for t in tokens.iter().filter(|t| !matches!(t.token, Token::Whitespace(_))) {
        let word = word(t);
        match (&t.token, word.as_deref()) {
            (Token::LParen, _) => open.push(called),
            (_, Some("CASE")) => open.push(1),
            (Token::RParen, _) | (_, Some("END")) => open.truncate(open.len().saturating_sub(1)),
            _ => {}
        }
        called = match word.as_deref() {
            Some("CAST" | "TRY_CAST") => 1,
            Some("COALESCE") => 2,
            _ => 0,
        };
        if open.iter().sum::<usize>() > DOUBLING {
            let message = format!(
                "more than {DOUBLING} CASTs and CASEs within each other; a COALESCE counts as two"
            );
            return Err(Fault::new(message, t.span));
        }
    }
    Ok(())
}

/// Widens a fault's place from a point to the token that stands there.
fn underline(mut fault: Fault, chunk: &[TokenWithSpan]) -> Fault {
    let start = fault.span.start;
    if let Some(token) = chunk.iter().find(|t| t.span.start == start) {
        fault.span = token.span;
        if token.token == Token::Period && token.span.start.column + 1 < token.span.end.column {
            fault.message = hints::MISPLACED.into();
        }
    }
    fault
}

/// UNNEST reads what stands to its left without being told so.
fn drop_lateral(tokens: &mut Vec<TokenWithSpan>) {
    let is = |t: &TokenWithSpan, text: &str| word(t).as_deref() == Some(text);
    let unneeded = |pair: &[TokenWithSpan]| is(&pair[0], "LATERAL") && is(&pair[1], "UNNEST");
    let drops: Vec<bool> = tokens.windows(2).map(unneeded).collect();
    let mut at = 0;
    tokens.retain(|_| {
        at += 1;
        !drops.get(at - 1).copied().unwrap_or(false)
    });
}

fn word(t: &TokenWithSpan) -> Option<String> {
    match &t.token {
        Token::Word(w) if w.quote_style.is_none() => Some(w.value.to_uppercase()),
        _ => None,
    }
}

/// From the first token's start to the last one's end.
fn span_of(tokens: &[TokenWithSpan]) -> Span {
    let start = tokens.first().map_or(Location { line: 1, column: 1 }, |t| t.span.start);
    let end = tokens.last().map_or(start, |t| t.span.end);
    Span::new(start, end)
}
