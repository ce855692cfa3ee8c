//! Small steps over sqlparser's tokens: keywords that it does not know, texts, numbers, lists.

use sqlparser::ast::Ident;
use sqlparser::parser::{IsOptional, Parser, ParserError};
use sqlparser::tokenizer::{Span, Token};

use super::types::fail;

/// Whether the token `n` ahead is this word, without quotes and in any case.
pub fn is(p: &Parser, n: usize, word: &str) -> bool {
    match &p.peek_nth_token_ref(n).token {
        Token::Word(w) => w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word),
        _ => false,
    }
}

/// Moves over the word if it stands here.
pub fn kw(p: &mut Parser, word: &str) -> bool {
    let here = is(p, 0, word);
    if here {
        p.advance_token();
    }
    here
}

/// Moves over all of these words, or over none.
pub fn kws(p: &mut Parser, words: &[&str]) -> bool {
    let here = words.iter().enumerate().all(|(n, word)| is(p, n, word));
    if here {
        words.iter().for_each(|_| p.advance_token());
    }
    here
}

pub fn expect(p: &mut Parser, word: &str) -> Result<(), ParserError> {
    if kw(p, word) { Ok(()) } else { p.expected(word, p.peek_token()) }
}

/// The unquoted word that stands here, in upper case.
pub fn peek_word(p: &Parser) -> Option<String> {
    match &p.peek_token_ref().token {
        Token::Word(w) if w.quote_style.is_none() => Some(w.value.to_uppercase()),
        _ => None,
    }
}

/// A literal in single quotes, and where it stands.
pub fn text_at(p: &mut Parser) -> Result<(String, Span), ParserError> {
    let token = p.peek_token();
    match token.token {
        Token::SingleQuotedString(text) => {
            p.advance_token();
            Ok((text, token.span))
        }
        _ => p.expected("a text in single quotes", token),
    }
}

pub fn text(p: &mut Parser) -> Result<String, ParserError> {
    text_at(p).map(|(text, _)| text)
}

/// A whole number from `min` to `max`.
pub fn number(p: &mut Parser, min: u64, max: u64) -> Result<u64, ParserError> {
    let found = match &p.peek_token_ref().token {
        Token::Number(digits, false) => digits.parse().ok(),
        _ => None,
    };
    match found.filter(|n| (min..=max).contains(n)) {
        Some(n) => {
            p.advance_token();
            Ok(n)
        }
        None => fail(p, &format!("expected a number between {min} and {max}")),
    }
}

/// `(a, b, c)`.
pub fn names(p: &mut Parser) -> Result<Vec<Ident>, ParserError> {
    p.parse_parenthesized_column_list(IsOptional::Mandatory, false)
}

/// `COMMENT 'text'` if it stands here.
pub fn comment(p: &mut Parser) -> Result<Option<String>, ParserError> {
    if kw(p, "COMMENT") { text(p).map(Some) } else { Ok(None) }
}

/// Whether nothing but `;` follows.
pub fn at_end(p: &Parser) -> bool {
    matches!(p.peek_token_ref().token, Token::EOF | Token::SemiColon)
}
