//! Hints: `/*+ NAME('key' = 'value'), NAME(name) */`, and how sqlparser carries them.
//!
//! | SQL | tokens |
//! |---|---|
//! | `SELECT /*+ … */` | the comment, with its place in front of its text |
//! | `t /*+ … */` | ``t.`/*+ … */` ``: the last part of a name |

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart, OptimizerHint, Select};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Whitespace, Word};

use super::ast::WithOption;
use super::dialect::Flink;
use super::words::text_at;
use super::{span_of, underline, word};
use crate::fault::Fault;

/// One hint of a comment.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// In upper case.
    pub name: String,
    pub span: Span,
    pub arguments: Arguments,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Arguments {
    None,
    /// Names, texts or numbers.
    Words(Vec<Ident>),
    Pairs(Vec<WithOption>),
}

const OPENS: &str = "/*+";
pub const MISPLACED: &str = "a hint stands behind SELECT or behind the name of a table";

/// The tokens that mean something, hints among them.
pub fn kept(tokens: Vec<TokenWithSpan>, faults: &mut Vec<Fault>) -> Vec<TokenWithSpan> {
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    for t in tokens {
        let text = match &t.token {
            Token::Whitespace(Whitespace::MultiLineComment(text)) => text.strip_prefix('+'),
            Token::Whitespace(_) | Token::EOF => None,
            _ => {
                out.push(t);
                continue;
            }
        };
        let Some(text) = text else { continue };
        let behind_select = out.last().and_then(word).as_deref() == Some("SELECT");
        let behind_word = out.last().is_some_and(|t| matches!(t.token, Token::Word(_)));
        match (behind_select, behind_word) {
            (true, _) => {
                let Location { line, column } = t.span.start;
                let placed = Whitespace::MultiLineComment(format!("+{line}:{column} {text}"));
                out.push(TokenWithSpan { token: Token::Whitespace(placed), span: t.span });
            }
            (false, true) => {
                let value = format!("{OPENS}{text}");
                let part = Word { value, quote_style: Some('`'), keyword: Keyword::NoKeyword };
                out.push(TokenWithSpan { token: Token::Period, span: t.span });
                out.push(TokenWithSpan { token: Token::Word(part), span: t.span });
            }
            (false, false) => faults.push(Fault::new(MISPLACED, t.span)),
        }
    }
    out
}

/// Takes the hint off a table's name.
pub fn take(name: &mut ObjectName) -> Option<Ident> {
    let ObjectNamePart::Identifier(last) = name.0.last()? else { return None };
    if !is_hint(last) {
        return None;
    }
    match name.0.pop() {
        Some(ObjectNamePart::Identifier(hint)) => Some(hint),
        _ => None,
    }
}

/// Whether a name's part is a hint.
pub fn is_hint(part: &Ident) -> bool {
    part.value.starts_with(OPENS)
}

/// The hints of a table's name.
pub fn of_table(hint: &Ident) -> Result<Vec<Hint>, Fault> {
    read(hint.value.strip_prefix(OPENS).unwrap_or_default(), hint.span.start)
}

/// The hints behind SELECT.
pub fn of_select(select: &Select) -> Result<Vec<Hint>, Fault> {
    let mut all = Vec::new();
    for OptimizerHint { text, .. } in &select.optimizer_hints {
        let (place, text) = text.split_once(' ').unwrap_or(("", text.as_str()));
        let number = |text: &str| text.parse().unwrap_or(1);
        let (line, column) = place.split_once(':').unwrap_or_default();
        all.extend(read(text, Location { line: number(line), column: number(column) })?);
    }
    Ok(all)
}

/// What stands between `/*+`, which is at that place, and `*/`.
fn read(text: &str, at: Location) -> Result<Vec<Hint>, Fault> {
    let moved = |l: Location| match l.line {
        1 => Location { line: at.line, column: at.column + OPENS.len() as u64 + l.column - 1 },
        line => Location { line: at.line + line - 1, column: l.column },
    };
    let mut tokens = Vec::new();
    if let Err(e) = Tokenizer::new(&Flink, text).tokenize_with_location_into_buf(&mut tokens) {
        let place = moved(e.location);
        return Err(Fault::new(e.message, Span::new(place, place)));
    }
    tokens.retain(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF));
    for t in &mut tokens {
        t.span = Span::new(moved(t.span.start), moved(t.span.end));
    }
    let end = if tokens.is_empty() { at } else { span_of(&tokens).end };
    let mut parser = Parser::new(&Flink).with_tokens_with_locations(tokens.clone());
    hints(&mut parser).map_err(|e| underline(Fault::from_parser(&e, end), &tokens))
}

fn hints(p: &mut Parser) -> Result<Vec<Hint>, ParserError> {
    let mut all = Vec::new();
    loop {
        let name = p.parse_identifier()?;
        let arguments = match p.consume_token(&Token::LParen) {
            true => arguments(p)?,
            false => Arguments::None,
        };
        all.push(Hint { name: name.value.to_uppercase(), span: name.span, arguments });
        if p.peek_token_ref().token == Token::EOF {
            return Ok(all);
        }
        p.expect_token(&Token::Comma)?;
    }
}

/// Behind the opening parenthesis, to the closing one.
fn arguments(p: &mut Parser) -> Result<Arguments, ParserError> {
    if p.consume_token(&Token::RParen) {
        return Ok(Arguments::Pairs(Vec::new()));
    }
    let (mut words, mut pairs) = (Vec::new(), Vec::new());
    loop {
        let token = p.peek_token();
        let (key, key_span) = match token.token {
            Token::SingleQuotedString(text) | Token::Number(text, _) => {
                p.advance_token();
                (text, token.span)
            }
            _ => {
                let name = p.parse_identifier()?;
                (name.value, name.span)
            }
        };
        if words.is_empty() && p.peek_token_ref().token == Token::Eq {
            p.advance_token();
            let (value, value_span) = text_at(p)?;
            pairs.push(WithOption { key, value, key_span, value_span });
        } else if pairs.is_empty() {
            words.push(Ident::with_span(key_span, key));
        } else {
            p.expect_token(&Token::Eq)?;
        }
        if !p.consume_token(&Token::Comma) {
            break;
        }
    }
    p.expect_token(&Token::RParen)?;
    Ok(if words.is_empty() { Arguments::Pairs(pairs) } else { Arguments::Words(words) })
}
