//! SHOW and what it shows.

use sqlparser::ast::ObjectName;
use sqlparser::parser::{Parser, ParserError};

use super::words::{expect, kw, kws, peek_word, text};

#[derive(Debug, Clone, PartialEq)]
pub struct Show {
    pub what: ShowKind,
    /// [NOT] LIKE | ILIKE: names that match (or do not).
    pub like: Option<Like>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ShowKind {
    Tables,
    Views,
    /// Of a table or view, as DESCRIBE.
    Columns(ObjectName),
    CreateTable(ObjectName),
    CreateView(ObjectName),
    Catalogs,
    CurrentCatalog,
    Databases,
    CurrentDatabase,
    Functions,
    UserFunctions,
    Modules,
    Jars,
    /// SET alone.
    Settings,
}

/// A pattern in which `%` is any text and `_` any character.
#[derive(Debug, Clone, PartialEq)]
pub struct Like {
    pub pattern: String,
    pub not: bool,
    pub any_case: bool,
}

/// Behind the word SHOW.
pub fn show(p: &mut Parser) -> Result<Show, ParserError> {
    let what = kind(p)?;
    if matches!(what, ShowKind::Tables | ShowKind::Views) && (kw(p, "FROM") || kw(p, "IN")) {
        p.parse_object_name(false)?;
    }
    let not = kw(p, "NOT");
    let any_case = kw(p, "ILIKE");
    let like = match any_case || kw(p, "LIKE") {
        true => Some(Like { pattern: text(p)?, not, any_case }),
        false if not => return p.expected("LIKE", p.peek_token()),
        false => None,
    };
    Ok(Show { what, like })
}

fn kind(p: &mut Parser) -> Result<ShowKind, ParserError> {
    let Some(word) = peek_word(p) else { return p.expected("what to show", p.peek_token()) };
    let kind = match word.as_str() {
        "TABLES" => ShowKind::Tables,
        "VIEWS" => ShowKind::Views,
        "CATALOGS" => ShowKind::Catalogs,
        "DATABASES" => ShowKind::Databases,
        "FUNCTIONS" => ShowKind::Functions,
        "MODULES" => ShowKind::Modules,
        "JARS" => ShowKind::Jars,
        _ => return longer(p),
    };
    p.advance_token();
    Ok(kind)
}

/// Those of more than one word.
fn longer(p: &mut Parser) -> Result<ShowKind, ParserError> {
    if kws(p, &["USER", "FUNCTIONS"]) {
        return Ok(ShowKind::UserFunctions);
    }
    if kws(p, &["FULL", "MODULES"]) {
        return Ok(ShowKind::Modules);
    }
    if kws(p, &["CURRENT", "CATALOG"]) {
        return Ok(ShowKind::CurrentCatalog);
    }
    if kws(p, &["CURRENT", "DATABASE"]) {
        return Ok(ShowKind::CurrentDatabase);
    }
    if kws(p, &["CREATE", "TABLE"]) {
        return p.parse_object_name(false).map(ShowKind::CreateTable);
    }
    if kws(p, &["CREATE", "VIEW"]) {
        return p.parse_object_name(false).map(ShowKind::CreateView);
    }
    if kw(p, "COLUMNS") {
        if !kw(p, "FROM") {
            expect(p, "IN")?;
        }
        return p.parse_object_name(false).map(ShowKind::Columns);
    }
    let words = "TABLES, VIEWS, COLUMNS, CREATE TABLE, CREATE VIEW, CATALOGS, DATABASES, FUNCTIONS, \
                 MODULES, JARS or CURRENT CATALOG or DATABASE";
    p.expected(words, p.peek_token())
}
