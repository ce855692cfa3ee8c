//! One statement from its tokens.

use sqlparser::ast::{Expr, Ident};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::alter::alter;
use super::ast::{
    CreateFunction, CreateView, Drop, DropKind, Explain, Insert, OnConflict, Set, Statement,
    StatementKind, WithOption,
};
use super::show;
use super::table::create_table;
use super::types::fail;
use super::words::{at_end, comment, expect, is, kw, kws, names, peek_word, text, text_at};
use crate::fault::{DID_YOU_MEAN, closest};

const STARTS: &[&str] = &[
    "CREATE", "INSERT", "SELECT", "WITH", "VALUES", "SET", "RESET", "EXPLAIN", "EXECUTE", "DROP",
    "DESCRIBE", "DESC", "SHOW", "USE", "BEGIN", "ALTER",
];

/// Reads one statement; the parser then stands behind it.
pub fn statement(p: &mut Parser) -> Result<StatementKind, ParserError> {
    if p.peek_token_ref().token == Token::LParen {
        return p.parse_query().map(StatementKind::Query);
    }
    let word = peek_word(p).unwrap_or_default();
    match word.as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" => return p.parse_query().map(StatementKind::Query),
        "CREATE" => return create(p),
        "INSERT" => return insert(p),
        _ => {}
    }
    let first = p.peek_token();
    p.advance_token();
    match word.as_str() {
        "EXECUTE" => statement(p),
        "EXPLAIN" => explain(p),
        "SET" => set(p),
        "RESET" => match at_end(p) {
            true => Ok(StatementKind::Reset(None)),
            false => text(p).map(|key| StatementKind::Reset(Some(key))),
        },
        "DROP" => drop(p),
        "DESCRIBE" | "DESC" => {
            kw(p, "EXTENDED");
            p.parse_object_name(false).map(StatementKind::Describe)
        }
        "SHOW" => show::show(p).map(StatementKind::Show),
        "USE" => {
            kw(p, "CATALOG");
            p.parse_object_name(false).map(StatementKind::Use)
        }
        "ALTER" => alter(p).map(|alter| StatementKind::Alter(Box::new(alter))),
        "UPDATE" | "DELETE" | "TRUNCATE" | "ANALYZE" | "LOAD" | "UNLOAD" | "ADD" | "REMOVE"
        | "COMPILE" | "CALL" | "STOP" => {
            let message = format!("{word} statements are not supported{}", first.span.start);
            Err(ParserError::ParserError(message))
        }
        _ => {
            let meant = closest(&word, STARTS.iter().copied());
            let meant = meant.map(|m| format!("{DID_YOU_MEAN}{m}")).unwrap_or_default();
            let message =
                format!("no statement starts with '{}'{meant}{}", first.token, first.span.start);
            Err(ParserError::ParserError(message))
        }
    }
}

fn create(p: &mut Parser) -> Result<StatementKind, ParserError> {
    expect(p, "CREATE")?;
    if kws(p, &["OR", "REPLACE"]) || kws(p, &["OR", "ALTER"]) {
        return fail(p, "CREATE OR REPLACE and OR ALTER are not supported");
    }
    let temporary = kw(p, "TEMPORARY");
    kw(p, "SYSTEM");
    if kw(p, "TABLE") {
        let table = create_table(p, temporary)?;
        return Ok(StatementKind::CreateTable(Box::new(table)));
    }
    if kw(p, "VIEW") {
        let view = create_view(p, temporary)?;
        return Ok(StatementKind::CreateView(Box::new(view)));
    }
    if kw(p, "FUNCTION") {
        return create_function(p).map(StatementKind::CreateFunction);
    }
    p.expected("TABLE, VIEW or FUNCTION", p.peek_token())
}

fn create_view(p: &mut Parser, temporary: bool) -> Result<CreateView, ParserError> {
    let if_not_exists = kws(p, &["IF", "NOT", "EXISTS"]);
    let name = p.parse_object_name(false)?;
    let mut columns = Vec::new();
    if p.consume_token(&Token::LParen) {
        loop {
            columns.push(p.parse_identifier()?);
            comment(p)?;
            if !p.consume_token(&Token::Comma) {
                break;
            }
        }
        p.expect_token(&Token::RParen)?;
    }
    let comment = comment(p)?;
    expect(p, "AS")?;
    let query = p.parse_query()?;
    Ok(CreateView { name, columns, query, temporary, if_not_exists, comment })
}

fn create_function(p: &mut Parser) -> Result<CreateFunction, ParserError> {
    kws(p, &["IF", "NOT", "EXISTS"]);
    let name = p.parse_object_name(false)?;
    expect(p, "AS")?;
    let class = text(p)?;
    let language = match kw(p, "LANGUAGE") {
        true => Some(p.parse_identifier()?.value.to_uppercase()),
        false => None,
    };
    if kw(p, "USING") {
        loop {
            if !kw(p, "JAR") {
                expect(p, "ARTIFACT")?;
            }
            text(p)?;
            if !p.consume_token(&Token::Comma) {
                break;
            }
        }
    }
    Ok(CreateFunction { name, class, language })
}

fn insert(p: &mut Parser) -> Result<StatementKind, ParserError> {
    expect(p, "INSERT")?;
    let overwrite = kw(p, "OVERWRITE");
    if !(kw(p, "INTO") || overwrite) {
        return p.expected("INTO or OVERWRITE", p.peek_token());
    }
    let table = p.parse_object_name(false)?;
    let partition = if kw(p, "PARTITION") { partition(p)? } else { Vec::new() };
    let query_follows = is(p, 1, "SELECT") || is(p, 1, "WITH") || is(p, 1, "VALUES");
    let list = p.peek_token_ref().token == Token::LParen && !query_follows;
    let columns =
        if list && p.peek_nth_token_ref(1).token != Token::LParen { names(p)? } else { Vec::new() };
    let query = p.parse_query()?;
    let on_conflict = if kws(p, &["ON", "CONFLICT"]) { Some(on_conflict(p)?) } else { None };
    let insert = Insert { table, overwrite, partition, columns, query, on_conflict };
    Ok(StatementKind::Insert(Box::new(insert)))
}

fn partition(p: &mut Parser) -> Result<Vec<(Ident, Expr)>, ParserError> {
    p.expect_token(&Token::LParen)?;
    let each = p.parse_comma_separated(|p| {
        let column = p.parse_identifier()?;
        p.expect_token(&Token::Eq)?;
        Ok((column, p.parse_expr()?))
    })?;
    p.expect_token(&Token::RParen)?;
    Ok(each)
}

fn on_conflict(p: &mut Parser) -> Result<OnConflict, ParserError> {
    expect(p, "DO")?;
    if kw(p, "NOTHING") {
        return Ok(OnConflict::DoNothing);
    }
    if kw(p, "ERROR") {
        return Ok(OnConflict::DoError);
    }
    expect(p, "DEDUPLICATE")?;
    Ok(OnConflict::DoDeduplicate)
}

fn explain(p: &mut Parser) -> Result<StatementKind, ParserError> {
    let mut details = Vec::new();
    if !kws(p, &["PLAN", "FOR"]) {
        const DETAILS: [&str; 4] =
            ["ESTIMATED_COST", "CHANGELOG_MODE", "JSON_EXECUTION_PLAN", "PLAN_ADVICE"];
        while let Some(detail) = DETAILS.iter().find(|d| kw(p, d)) {
            details.push(detail.to_string());
            let _ = p.consume_token(&Token::Comma);
        }
    }
    let start = p.peek_token_ref().span;
    let kind = statement(p)?;
    if !matches!(kind, StatementKind::Insert(_) | StatementKind::Query(_)) {
        let message = format!("only queries, INSERT and statement sets have a plan{}", start.start);
        return Err(ParserError::ParserError(message));
    }
    let span = start.union(&p.get_current_token().span);
    Ok(StatementKind::Explain(Explain { details, inner: Box::new(Statement { kind, span }) }))
}

fn set(p: &mut Parser) -> Result<StatementKind, ParserError> {
    let pair = match (at_end(p), &p.peek_token_ref().token) {
        (true, _) => None,
        (_, Token::SingleQuotedString(_)) => Some(option(p)?),
        _ => return fail(p, "write SET 'key' = 'value', both in single quotes"),
    };
    Ok(StatementKind::Set(Set { pair }))
}

/// `'key' = 'value'`.
pub(super) fn option(p: &mut Parser) -> Result<WithOption, ParserError> {
    let (key, key_span) = text_at(p)?;
    p.expect_token(&Token::Eq)?;
    let (value, value_span) = text_at(p)?;
    Ok(WithOption { key, value, key_span, value_span })
}

fn drop(p: &mut Parser) -> Result<StatementKind, ParserError> {
    kw(p, "TEMPORARY");
    kw(p, "SYSTEM");
    let what = if kw(p, "TABLE") {
        DropKind::Table
    } else if kw(p, "VIEW") {
        DropKind::View
    } else if kw(p, "FUNCTION") {
        DropKind::Function
    } else {
        return p.expected("TABLE, VIEW or FUNCTION", p.peek_token());
    };
    let if_exists = kws(p, &["IF", "EXISTS"]);
    let name = p.parse_object_name(false)?;
    Ok(StatementKind::Drop(Drop { what, name, if_exists }))
}
