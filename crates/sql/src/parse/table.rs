//! CREATE TABLE from its tokens.

use sqlparser::ast::Ident;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::ast::{Column, ColumnKind, CreateTable, Like, Watermark, WithOption};
use super::statement::option;
use super::types::{fail, parse_type};
use super::words::{comment, expect, is, kw, kws, names, text};

/// What stands between the parentheses.
#[derive(Default)]
pub(super) struct Body {
    pub columns: Vec<Column>,
    pub watermark: Option<Watermark>,
    pub primary_key: Vec<Ident>,
}

/// Reads what follows CREATE TABLE.
pub fn create_table(p: &mut Parser, temporary: bool) -> Result<CreateTable, ParserError> {
    let if_not_exists = kws(p, &["IF", "NOT", "EXISTS"]);
    let name = p.parse_object_name(false)?;
    let mut body = Body::default();
    if p.consume_token(&Token::LParen) {
        while !p.consume_token(&Token::RParen) {
            element(p, &mut body)?;
            if !p.consume_token(&Token::Comma) {
                p.expect_token(&Token::RParen)?;
                break;
            }
        }
    }
    let comment = comment(p)?;
    if is(p, 0, "DISTRIBUTED") {
        return fail(p, "DISTRIBUTED is not supported");
    }
    let partitioned_by = if kws(p, &["PARTITIONED", "BY"]) { names(p)? } else { Vec::new() };
    let options = if kw(p, "WITH") { options(p)? } else { Vec::new() };
    let like = if kw(p, "LIKE") { Some(like(p)?) } else { None };
    if is(p, 0, "AS") {
        return fail(p, "CREATE TABLE … AS is not supported: write CREATE TABLE and INSERT INTO");
    }
    let Body { columns, watermark, primary_key } = body;
    Ok(CreateTable {
        name,
        temporary,
        if_not_exists,
        columns,
        watermark,
        primary_key,
        partitioned_by,
        options,
        comment,
        like,
    })
}

pub(super) fn element(p: &mut Parser, body: &mut Body) -> Result<(), ParserError> {
    if is(p, 0, "WATERMARK") && is(p, 1, "FOR") {
        if body.watermark.is_some() {
            return fail(p, "a table has one watermark");
        }
        kws(p, &["WATERMARK", "FOR"]);
        let column = p.parse_object_name(false)?;
        expect(p, "AS")?;
        body.watermark = Some(Watermark { column, expr: p.parse_expr()? });
        return Ok(());
    }
    let constraint = is(p, 0, "CONSTRAINT") && is(p, 2, "PRIMARY");
    if constraint || is(p, 0, "PRIMARY") && is(p, 1, "KEY") {
        if constraint {
            p.advance_token();
            p.parse_identifier()?;
        }
        one_key(p, body)?;
        kws(p, &["PRIMARY", "KEY"]);
        body.primary_key = names(p)?;
        return not_enforced(p);
    }
    if is(p, 0, "UNIQUE") && p.peek_nth_token_ref(1).token == Token::LParen {
        return fail(p, "UNIQUE is not supported: use PRIMARY KEY (…) NOT ENFORCED");
    }
    column(p, body)
}

fn column(p: &mut Parser, body: &mut Body) -> Result<(), ParserError> {
    let name = p.parse_identifier()?;
    let kind = if kw(p, "AS") {
        ColumnKind::Computed(Box::new(p.parse_expr()?))
    } else {
        let ty = parse_type(p)?;
        if kw(p, "METADATA") {
            let key = if kw(p, "FROM") { Some(text(p)?) } else { None };
            ColumnKind::Metadata { ty, key, read_only: kw(p, "VIRTUAL") }
        } else {
            if is(p, 0, "PRIMARY") || is(p, 0, "CONSTRAINT") && is(p, 2, "PRIMARY") {
                one_key(p, body)?;
                if kw(p, "CONSTRAINT") {
                    p.parse_identifier()?;
                }
                expect(p, "PRIMARY")?;
                expect(p, "KEY")?;
                not_enforced(p)?;
                body.primary_key = vec![name.clone()];
            }
            ColumnKind::Physical(ty)
        }
    };
    let comment = comment(p)?;
    body.columns.push(Column { name, kind, comment });
    Ok(())
}

fn one_key(p: &Parser, body: &Body) -> Result<(), ParserError> {
    if body.primary_key.is_empty() { Ok(()) } else { fail(p, "a table has one PRIMARY KEY") }
}

fn not_enforced(p: &mut Parser) -> Result<(), ParserError> {
    if kws(p, &["NOT", "ENFORCED"]) {
        return Ok(());
    }
    fail(p, "write PRIMARY KEY … NOT ENFORCED: keys are declared, not checked")
}

/// `('key' = 'value', …)`.
pub(super) fn options(p: &mut Parser) -> Result<Vec<WithOption>, ParserError> {
    p.expect_token(&Token::LParen)?;
    if p.consume_token(&Token::RParen) {
        return Ok(Vec::new());
    }
    let all = p.parse_comma_separated(option)?;
    p.expect_token(&Token::RParen)?;
    Ok(all)
}

fn like(p: &mut Parser) -> Result<Like, ParserError> {
    let table = p.parse_object_name(false)?;
    let mut rules = Vec::new();
    if p.consume_token(&Token::LParen) {
        while !p.consume_token(&Token::RParen) {
            match p.next_token().token {
                Token::Word(w) => rules.push(w.value.to_uppercase()),
                Token::Comma => {}
                _ => return p.expected("INCLUDING, EXCLUDING or OVERWRITING", p.peek_token()),
            }
        }
    }
    Ok(Like { table, rules })
}
