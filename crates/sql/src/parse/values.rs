//! VALUES whose rows stand without parentheses: `VALUES 1, 2` as `VALUES (1), (2)`, and with ROW in
//! front of them: `VALUES ROW(1, 'a')` as `VALUES (1, 'a')`.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::word;

/// What follows the rows of VALUES.
const ENDS: [&str; 9] =
    ["UNION", "INTERSECT", "EXCEPT", "MINUS", "ORDER", "LIMIT", "OFFSET", "FETCH", "ON"];
/// Words that a value can begin with.
const BEGINS: [&str; 15] = [
    "ARRAY",
    "CASE",
    "CAST",
    "DATE",
    "FALSE",
    "INTERVAL",
    "MAP",
    "NOT",
    "NULL",
    "ROW",
    "TIME",
    "TIMESTAMP",
    "TRUE",
    "TRY_CAST",
    "_UTF8",
];

/// The tokens with each row in parentheses.
pub fn in_parentheses(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut made = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((first, behind)) = rest.split_first() {
        made.push(first.clone());
        rest = behind;
        if word(first).as_deref() == Some("VALUES") && begins(behind) {
            rest = rows(behind, &mut made);
        }
    }
    made
}

/// Whether rows stand here: `values` may be a name.
fn begins(tokens: &[TokenWithSpan]) -> bool {
    let Some(first) = tokens.iter().find(|t| !is_space(t)) else { return false };
    match &first.token {
        Token::LParen
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::UnicodeStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::Minus => true,
        _ => word(first).is_some_and(|w| BEGINS.contains(&w.as_str())),
    }
}

/// Writes the rows and gives what stands behind them.
fn rows<'a>(tokens: &'a [TokenWithSpan], made: &mut Vec<TokenWithSpan>) -> &'a [TokenWithSpan] {
    let mut rest = tokens;
    loop {
        let (row, behind) = rest.split_at(row_end(rest));
        push_row(row, made);
        match behind.split_first() {
            Some((comma, behind)) if comma.token == Token::Comma => {
                made.push(comma.clone());
                rest = behind;
            }
            _ => return behind,
        }
    }
}

/// Where the row ends: at a comma, a parenthesis that it did not open, or a word that follows rows.
fn row_end(tokens: &[TokenWithSpan]) -> usize {
    let mut depth = 0_usize;
    for (at, t) in tokens.iter().enumerate() {
        let ends = match &t.token {
            Token::Comma | Token::SemiColon | Token::RParen => true,
            _ => word(t).is_some_and(|w| ENDS.contains(&w.as_str())),
        };
        if ends && depth == 0 {
            return at;
        }
        depth = match &t.token {
            Token::LParen | Token::LBracket => depth + 1,
            Token::RParen | Token::RBracket => depth.saturating_sub(1),
            _ => depth,
        };
    }
    tokens.len()
}

fn push_row(row: &[TokenWithSpan], made: &mut Vec<TokenWithSpan>) {
    let solid = |t: &TokenWithSpan| !is_space(t);
    let (Some(first), Some(last)) = (row.iter().position(solid), row.iter().rposition(solid))
    else {
        made.extend_from_slice(row);
        return;
    };
    let within = &row[first..=last];
    if is_group(within) {
        made.extend_from_slice(row);
        return;
    }
    if let Some(next) = within.iter().skip(1).position(solid)
        && word(&within[0]).as_deref() == Some("ROW")
        && is_group(&within[next + 1..])
    {
        made.extend_from_slice(&within[next + 1..]);
        return;
    }
    let around = |token: Token, t: &TokenWithSpan| TokenWithSpan { token, span: t.span };
    made.push(around(Token::LParen, &within[0]));
    made.extend_from_slice(within);
    made.push(around(Token::RParen, &within[within.len() - 1]));
}

/// Whether one pair of parentheses holds everything.
fn is_group(tokens: &[TokenWithSpan]) -> bool {
    let mut depth = 0_usize;
    for (at, t) in tokens.iter().enumerate() {
        match &t.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at > 0 && at + 1 == tokens.len();
        }
    }
    false
}

fn is_space(t: &TokenWithSpan) -> bool {
    matches!(t.token, Token::Whitespace(_))
}
