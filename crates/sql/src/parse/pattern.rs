//! MATCH_RECOGNIZE as sqlparser reads it: clauses that it does not know are moved to where it does.
//!
//! | SQL | tokens |
//! |---|---|
//! | `WITHIN INTERVAL …` behind the pattern | ``, `__within` AS INTERVAL …`` behind DEFINE |
//! | `SUBSET u = (a, b)` | ``, `__subset u` AS TRUE`` behind DEFINE |
//! | `SKIP TO v` | `SKIP TO LAST v` |
//! | `FINAL e` in MEASURES | `e`: what a match is made of is final |
//! | `(query) MATCH_RECOGNIZE` | `__derived((query)) MATCH_RECOGNIZE` |
//! | `TABLE(call) MATCH_RECOGNIZE` | `__derived((SELECT * FROM TABLE(call))) MATCH_RECOGNIZE` |
//! | `^` and `$` at the ends of the pattern | nothing: Flink passes over them |
//!
//! A reluctant quantifier such as `+?` comes out as two quantifiers.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::word;

pub const WITHIN: &str = "__within";
pub const SUBSET: &str = "__subset ";
pub const DERIVED: &str = "__derived";

/// The tokens of a statement, each MATCH_RECOGNIZE rewritten.
pub fn rewritten(tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut rest = tokens;
    while let Some((first, behind)) = rest.split_first() {
        let opens = behind.first().is_some_and(|t| t.token == Token::LParen);
        let found = is(first, "MATCH_RECOGNIZE") && opens;
        if found {
            name_derived(&mut out);
        }
        out.push(first.clone());
        rest = behind;
        if found {
            let body = body(behind);
            clauses(body, &mut out);
            rest = &behind[body.len()..];
        }
    }
    out
}

/// Makes a query in parentheses at the end, with or without an alias, the argument of a table's
/// name.
fn name_derived(out: &mut Vec<TokenWithSpan>) {
    let closes = |at: usize| out.get(at).is_some_and(|t| t.token == Token::RParen);
    let last = out.len().wrapping_sub(1);
    let before_alias = match out.get(last.wrapping_sub(1)) {
        Some(t) if is(t, "AS") => last.wrapping_sub(2),
        _ => last.wrapping_sub(1),
    };
    let close = match (closes(last), closes(before_alias)) {
        (true, _) => last,
        (false, true) if name(&out[last]).is_some() => before_alias,
        _ => return,
    };
    let mut depth = 0_usize;
    let open = (0..=close).rev().find(|at| {
        match out[*at].token {
            Token::RParen => depth += 1,
            Token::LParen => depth -= 1,
            _ => {}
        }
        depth == 0
    });
    let Some(open) = open else { return };
    let before = open.checked_sub(1).map(|at| &out[at]);
    let is_call = before.is_some_and(|t| is(t, "TABLE"));
    let is_query = before.is_some_and(|t| {
        t.token == Token::Comma || t.token == Token::LParen || is(t, "FROM") || is(t, "JOIN")
    });
    if !is_call && !is_query {
        return;
    }
    let at = out[open].clone();
    let token = |token: Token| TokenWithSpan { token, span: at.span };
    let plain =
        |text: &str| Word { value: text.into(), quote_style: None, keyword: Keyword::NoKeyword };
    let (mut front, mut back) = (vec![token(Token::Word(plain(DERIVED))), token(Token::LParen)], 1);
    if is_call {
        front.extend([token(Token::LParen), made(&at, "SELECT"), token(Token::Mul)]);
        front.push(made(&at, "FROM"));
        back += 1;
    }
    out.splice(close + 1..close + 1, std::iter::repeat_n(token(Token::RParen), back));
    let from = if is_call { open - 1 } else { open };
    out.splice(from..from, front);
}

/// From the opening parenthesis to before the one that closes it.
fn body(tokens: &[TokenWithSpan]) -> &[TokenWithSpan] {
    let mut depth = 0_usize;
    for (at, t) in tokens.iter().enumerate() {
        match t.token {
            Token::LParen => depth += 1,
            Token::RParen if depth == 1 => return &tokens[..at],
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    tokens
}

fn clauses(body: &[TokenWithSpan], out: &mut Vec<TokenWithSpan>) {
    let (mut depth, mut at, mut moved) = (0_usize, 0, Vec::new());
    let (mut in_measures, mut pattern) = (false, None);
    while let Some(t) = body.get(at) {
        match t.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
        pattern = pattern.filter(|inside| depth >= *inside);
        let top = depth == 1;
        let rest = &body[at..];
        at += 1;
        if top && is(t, "MEASURES") {
            in_measures = true;
        }
        if top && ["ONE", "ALL", "AFTER", "PATTERN"].iter().any(|clause| is(t, clause)) {
            in_measures = false;
        }
        if top && is(t, "PATTERN") {
            pattern = Some(2);
        }
        let is_final = in_measures && is(t, "FINAL") && rest.get(1).is_some_and(starts_value);
        let passed_over = is_final || pattern == Some(depth) && is_anchor(&t.token);
        if top && is(t, "WITHIN") {
            let taken = until(&rest[1..], &["DEFINE", "SUBSET"]);
            moved.extend(definition(t, WITHIN, taken));
            at += taken.len();
        } else if top && is(t, "SUBSET") {
            let taken = until(&rest[1..], &["DEFINE"]);
            let named = taken.windows(2).filter(|pair| pair[1].token == Token::Eq);
            for name in named.filter_map(|pair| name(&pair[0])) {
                moved.extend(definition(t, &format!("{SUBSET}{name}"), &[made(t, "TRUE")]));
            }
            at += taken.len();
        } else if passed_over {
            continue;
        } else {
            out.push(t.clone());
            let skips = top && is(t, "TO") && at > 1 && is(&body[at - 2], "SKIP");
            let to = ["NEXT", "FIRST", "LAST"];
            if skips && !rest.get(1).is_some_and(|n| to.iter().any(|word| is(n, word))) {
                out.push(made(t, "LAST"));
            }
        }
    }
    out.extend(moved);
}

/// Up to one of these words, outside of parentheses.
fn until<'a>(tokens: &'a [TokenWithSpan], words: &[&str]) -> &'a [TokenWithSpan] {
    let ends = |t: &TokenWithSpan| words.iter().any(|word| is(t, word));
    let end = tokens.iter().position(ends).unwrap_or(tokens.len());
    &tokens[..end]
}

/// `, name AS tokens`.
fn definition(at: &TokenWithSpan, name: &str, tokens: &[TokenWithSpan]) -> Vec<TokenWithSpan> {
    let quoted = Word { value: name.into(), quote_style: Some('`'), keyword: Keyword::NoKeyword };
    let token = |token: Token| TokenWithSpan { token, span: at.span };
    let mut out = vec![token(Token::Comma), token(Token::Word(quoted)), made(at, "AS")];
    out.extend(tokens.iter().cloned());
    out
}

fn made(at: &TokenWithSpan, text: &str) -> TokenWithSpan {
    TokenWithSpan { token: Token::make_keyword(text), span: at.span }
}

fn is(t: &TokenWithSpan, text: &str) -> bool {
    word(t).as_deref() == Some(text)
}

fn name(t: &TokenWithSpan) -> Option<String> {
    match &t.token {
        Token::Word(w) => Some(w.value.clone()),
        _ => None,
    }
}

/// Whether a value follows, so that the word before it is no column's name.
fn starts_value(t: &TokenWithSpan) -> bool {
    matches!(&t.token, Token::Word(_)) && !is(t, "AS")
}

fn is_anchor(token: &Token) -> bool {
    match token {
        Token::Caret => true,
        Token::Word(w) => w.quote_style.is_none() && w.value == "$",
        Token::Placeholder(text) => text == "$",
        _ => false,
    }
}
