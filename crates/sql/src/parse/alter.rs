//! ALTER TABLE, ALTER VIEW and ALTER DATABASE from their tokens.

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::ast::{Alter, Altered, Change, Elements, Position};
use super::table::{Body, element, options};
use super::types::fail;
use super::words::{expect, is, kw, kws, names, text_at};

/// Reads what follows ALTER.
pub fn alter(p: &mut Parser) -> Result<Alter, ParserError> {
    let what = if kw(p, "TABLE") {
        Altered::Table
    } else if kw(p, "VIEW") {
        Altered::View
    } else if kw(p, "DATABASE") {
        Altered::Database
    } else {
        return p.expected("TABLE, VIEW or DATABASE", p.peek_token());
    };
    let if_exists = kws(p, &["IF", "EXISTS"]);
    let name = p.parse_object_name(false)?;
    let change = match what {
        Altered::Table => table(p)?,
        Altered::View if kw(p, "AS") => Change::As(p.parse_query()?),
        Altered::View => {
            expect(p, "RENAME")?;
            expect(p, "TO")?;
            Change::Rename(p.parse_object_name(false)?)
        }
        Altered::Database => {
            expect(p, "SET")?;
            Change::Set(options(p)?)
        }
    };
    Ok(Alter { what, name, if_exists, change })
}

fn table(p: &mut Parser) -> Result<Change, ParserError> {
    if kws(p, &["RENAME", "TO"]) {
        return p.parse_object_name(false).map(Change::Rename);
    }
    if kw(p, "RENAME") {
        let column = p.parse_identifier()?;
        expect(p, "TO")?;
        return Ok(Change::RenameColumn(column, p.parse_identifier()?));
    }
    if kw(p, "SET") {
        return options(p).map(Change::Set);
    }
    if kw(p, "RESET") {
        return reset(p);
    }
    let what = ["PARTITION", "DISTRIBUTION"].into_iter().find(|what| is(p, 1, what));
    if let Some(what) = what {
        return fail(
            p,
            &format!("{what} is not supported: partitions are what the table's files are"),
        );
    }
    if kw(p, "ADD") {
        return elements(p).map(Change::Add);
    }
    if kw(p, "MODIFY") {
        return elements(p).map(Change::Modify);
    }
    if kw(p, "DROP") {
        return drop(p);
    }
    p.expected("ADD, MODIFY, DROP, RENAME, SET or RESET", p.peek_token())
}

/// `('key', …)`.
fn reset(p: &mut Parser) -> Result<Change, ParserError> {
    p.expect_token(&Token::LParen)?;
    if p.peek_token_ref().token == Token::RParen {
        return fail(p, "RESET names the options that go: RESET ('key')");
    }
    let keys = p.parse_comma_separated(text_at)?;
    p.expect_token(&Token::RParen)?;
    Ok(Change::Reset(keys))
}

/// One column, key or watermark, or several in parentheses.
fn elements(p: &mut Parser) -> Result<Elements, ParserError> {
    let mut body = Body::default();
    let mut positions = Vec::new();
    let several = p.consume_token(&Token::LParen);
    loop {
        let before = body.columns.len();
        element(p, &mut body)?;
        if body.columns.len() > before {
            positions.push(position(p)?);
        }
        if !(several && p.consume_token(&Token::Comma)) {
            break;
        }
    }
    if several {
        p.expect_token(&Token::RParen)?;
    }
    let Body { columns, watermark, primary_key } = body;
    Ok(Elements { columns: columns.into_iter().zip(positions).collect(), watermark, primary_key })
}

fn position(p: &mut Parser) -> Result<Option<Position>, ParserError> {
    if kw(p, "FIRST") {
        return Ok(Some(Position::First));
    }
    match kw(p, "AFTER") {
        true => Ok(Some(Position::After(p.parse_identifier()?))),
        false => Ok(None),
    }
}

fn drop(p: &mut Parser) -> Result<Change, ParserError> {
    let span = p.peek_token_ref().span;
    if kws(p, &["PRIMARY", "KEY"]) {
        return Ok(Change::DropKey(span));
    }
    if is(p, 0, "CONSTRAINT") && p.peek_nth_token_ref(1).token != Token::EOF {
        p.advance_token();
        p.parse_identifier()?;
        return Ok(Change::DropKey(span));
    }
    if kw(p, "WATERMARK") {
        return Ok(Change::DropWatermark(span));
    }
    match p.peek_token_ref().token == Token::LParen {
        true => names(p).map(Change::DropColumns),
        false => Ok(Change::DropColumns(vec![p.parse_identifier()?])),
    }
}
