//! Expressions that only Flink has, put into sqlparser's tree as calls with names of our own.
//!
//! | SQL | tree |
//! |---|---|
//! | `CAST(x AS t)`, `TRY_CAST` | `Expr::Cast` whose type [`types::carried`] reads |
//! | `TABLE t PARTITION BY a, b` | `__table((SELECT * FROM t), a, b)` |
//! | `TABLE (query)` | `__table((query))` |
//! | `(query) PARTITION BY a` | `__table((query), a)` |
//! | `MAP[k, v, …]` | `__map(k, v, …)` |
//! | `x IS JSON OBJECT` | `__is_json(x, 'OBJECT')`; `VALUE` without a word; NOT around it |
//! | `x BETWEEN SYMMETRIC a AND b` | `(x BETWEEN a AND b OR x BETWEEN b AND a)` |
//! | `TIMESTAMPADD(MINUTE, n, t)`, TIMESTAMPDIFF | `TIMESTAMPADD('MINUTE', n, t)` |
//! | `FLOOR(t TO HOUR)`, CEIL | `FLOOR(t, 'HOUR')` |
//! | `JSON_OBJECT(KEY k VALUE v)` | `JSON_OBJECT(k, v)` |
//!
//! The clauses of JSON functions become named arguments behind the others:
//! `RETURNING t` is `returning => 't'`, `WITH CONDITIONAL WRAPPER` is `wrapper => 'CONDITIONAL'`,
//! `NULL ON ERROR` is `on_error => 'NULL'` (as are `on_empty` and `on_null`), and
//! `DEFAULT d ON EMPTY` is `on_empty => 'DEFAULT', on_empty_default => d`.

use brooklet_core::types::{Nullable, SqlType};
use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgOperator,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Query, SetExpr, TableFactor,
    UnaryOperator, Value,
};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

use super::dialect::Flink;
use super::types::{carry, parse_cast_type, parse_type};
use super::words::{expect, is, kw, kws, peek_word};

pub const TABLE: &str = "__table";
pub const MAP: &str = "__map";
pub const IS_JSON: &str = "__is_json";

const JSON_FUNCTIONS: &[&str] = &[
    "JSON_VALUE",
    "JSON_QUERY",
    "JSON_EXISTS",
    "JSON_OBJECT",
    "JSON_OBJECTAGG",
    "JSON_ARRAY",
    "JSON_ARRAYAGG",
];

/// What may say the encoding of a text, as in _UTF8'é'.
const CHARSETS: &[&str] = &["_UTF8", "_UTF16", "_LATIN1", "_ISO_8859_1"];

type Parsed<T = Expr> = Result<T, ParserError>;

/// Our grammar at the start of an expression; None leaves it to sqlparser.
pub fn prefix(p: &mut Parser) -> Option<Parsed> {
    let next = &p.peek_nth_token_ref(1).token;
    let call = *next == Token::LParen;
    if call && (is(p, 0, "CAST") || is(p, 0, "TRY_CAST")) {
        return Some(cast(p));
    }
    if is(p, 0, "MAP") && *next == Token::LBracket {
        return Some(map(p));
    }
    if is(p, 0, "TABLE") {
        return Some(table(p));
    }
    if is(p, 0, "UNKNOWN") {
        return Some(unknown(p));
    }
    if matches!(next, Token::SingleQuotedString(_)) && CHARSETS.iter().any(|set| is(p, 0, set)) {
        // The text is Unicode whatever the words before it say.
        p.advance_token();
        return None;
    }
    if p.peek_token_ref().token == Token::LParen && (is(p, 1, "SELECT") || is(p, 1, "WITH")) {
        return Some(subquery(p));
    }
    if call && JSON_FUNCTIONS.iter().any(|name| is(p, 0, name)) {
        return Some(json(p));
    }
    if call && (is(p, 0, "FLOOR") || is(p, 0, "CEIL") || is(p, 0, "CEILING")) {
        return Some(round(p));
    }
    let unit_first = is(p, 0, "TIMESTAMPADD") || is(p, 0, "TIMESTAMPDIFF");
    if call && unit_first {
        return Some(timestamp_shift(p));
    }
    None
}

/// Our grammar behind an expression; None leaves it to sqlparser.
pub fn infix(p: &mut Parser, left: &Expr) -> Option<Parsed> {
    let not = usize::from(is(p, 0, "NOT"));
    if is(p, not, "BETWEEN") && (is(p, not + 1, "SYMMETRIC") || is(p, not + 1, "ASYMMETRIC")) {
        return Some(between(p, left));
    }
    if is(p, 0, "IS") && (is(p, 1, "JSON") || is(p, 1, "NOT") && is(p, 2, "JSON")) {
        return Some(Ok(is_json(p, left)));
    }
    if is(p, 0, "IS") && (is(p, 1, "DISTINCT") || is(p, 1, "NOT") && is(p, 2, "DISTINCT")) {
        return Some(is_distinct(p, left));
    }
    None
}

/// `IS [NOT] DISTINCT FROM` ends before AND and OR.
fn is_distinct(p: &mut Parser, left: &Expr) -> Parsed {
    expect(p, "IS")?;
    let not = kw(p, "NOT");
    expect(p, "DISTINCT")?;
    expect(p, "FROM")?;
    let right = Box::new(p.parse_subexpr(Flink.prec_value(Precedence::Is))?);
    let left = Box::new(left.clone());
    Ok(match not {
        true => Expr::IsNotDistinctFrom(left, right),
        false => Expr::IsDistinctFrom(left, right),
    })
}

fn cast(p: &mut Parser) -> Parsed {
    let kind = if kw(p, "TRY_CAST") { CastKind::TryCast } else { CastKind::Cast };
    if kind == CastKind::Cast {
        expect(p, "CAST")?;
    }
    p.expect_token(&Token::LParen)?;
    let expr = Box::new(p.parse_expr()?);
    expect(p, "AS")?;
    let data_type = carry(&parse_cast_type(p)?);
    p.expect_token(&Token::RParen)?;
    Ok(Expr::Cast { kind, expr, data_type, array: false, format: None })
}

fn map(p: &mut Parser) -> Parsed {
    let name = p.parse_identifier()?;
    p.expect_token(&Token::LBracket)?;
    let args = match p.peek_token_ref().token {
        Token::RBracket => Vec::new(),
        _ => p.parse_comma_separated(Parser::parse_expr)?,
    };
    p.expect_token(&Token::RBracket)?;
    Ok(call(Ident { value: MAP.into(), ..name }, args.into_iter().map(arg).collect()))
}

/// UNKNOWN, the BOOLEAN that is NULL.
fn unknown(p: &mut Parser) -> Parsed {
    let span = p.peek_token_ref().span;
    p.advance_token();
    let expr = Box::new(Expr::Value(Value::Null.with_span(span)));
    let data_type = carry(&Nullable { ty: SqlType::Boolean, nullable: true });
    Ok(Expr::Cast { kind: CastKind::Cast, expr, data_type, array: false, format: None })
}

fn timestamp_shift(p: &mut Parser) -> Parsed {
    let name = p.parse_identifier()?;
    p.expect_token(&Token::LParen)?;
    let mut args = vec![arg(text(&unit(p)?))];
    while p.consume_token(&Token::Comma) {
        args.push(arg(p.parse_expr()?));
    }
    p.expect_token(&Token::RParen)?;
    Ok(call(name, args))
}

fn round(p: &mut Parser) -> Parsed {
    let mut name = p.parse_identifier()?;
    name.value = name.value.to_uppercase().replace("CEILING", "CEIL");
    p.expect_token(&Token::LParen)?;
    let mut args = vec![arg(p.parse_expr()?)];
    if kw(p, "TO") {
        args.push(arg(text(&unit(p)?)));
    }
    p.expect_token(&Token::RParen)?;
    Ok(call(name, args))
}

const UNITS: &[&str] = &[
    "MILLENNIUM",
    "CENTURY",
    "DECADE",
    "YEAR",
    "QUARTER",
    "MONTH",
    "WEEK",
    "DAY",
    "HOUR",
    "MINUTE",
    "SECOND",
    "MILLISECOND",
    "MICROSECOND",
    "NANOSECOND",
    "EPOCH",
];

/// A unit of time, also under its old name SQL_TSI_….
fn unit(p: &mut Parser) -> Parsed<String> {
    let word = peek_word(p).unwrap_or_default();
    let unit = word.strip_prefix("SQL_TSI_").unwrap_or(&word);
    if !UNITS.contains(&unit) {
        return p.expected("a unit such as MINUTE", p.peek_token());
    }
    p.advance_token();
    Ok(unit.to_string())
}

fn table(p: &mut Parser) -> Parsed {
    let word = p.parse_identifier()?;
    let query = if p.consume_token(&Token::LParen) {
        let query = p.parse_query()?;
        p.expect_token(&Token::RParen)?;
        query
    } else {
        select_all(p.parse_object_name(false)?)?
    };
    partitioned(p, word, query)
}

/// A query in parentheses, also one that a table function partitions.
fn subquery(p: &mut Parser) -> Parsed {
    let place = p.peek_token_ref().span;
    p.expect_token(&Token::LParen)?;
    let query = p.parse_query()?;
    p.expect_token(&Token::RParen)?;
    match is(p, 0, "PARTITION") && is(p, 1, "BY") {
        true => partitioned(p, Ident::with_span(place, TABLE), query),
        false => Ok(Expr::Subquery(query)),
    }
}

/// A query as an argument of a table function, with its PARTITION BY if one follows.
fn partitioned(p: &mut Parser, word: Ident, query: Box<Query>) -> Parsed {
    let mut args = vec![arg(Expr::Subquery(query))];
    if kws(p, &["PARTITION", "BY"]) {
        let parens = p.consume_token(&Token::LParen);
        args.push(arg(p.parse_expr()?));
        while p.peek_token_ref().token == Token::Comma && (parens || !argument_follows(p)) {
            p.advance_token();
            args.push(arg(p.parse_expr()?));
        }
        if parens {
            p.expect_token(&Token::RParen)?;
        }
    }
    Ok(call(Ident { value: TABLE.into(), ..word }, args))
}

/// Whether the comma ends PARTITION BY: what follows is the function's next argument.
fn argument_follows(p: &Parser) -> bool {
    ["DESCRIPTOR", "INTERVAL", "TABLE"].iter().any(|word| is(p, 1, word))
        || p.peek_nth_token_ref(2).token == Token::RArrow
}

/// `SELECT * FROM name`, keeping the name's place in the text.
fn select_all(name: ObjectName) -> Parsed<Box<Query>> {
    let mut query = Parser::new(&Flink).try_with_sql("SELECT * FROM t")?.parse_query()?;
    if let SetExpr::Select(select) = query.body.as_mut() {
        for from in &mut select.from {
            if let TableFactor::Table { name: at, .. } = &mut from.relation {
                *at = name.clone();
            }
        }
    }
    Ok(query)
}

fn between(p: &mut Parser, left: &Expr) -> Parsed {
    let negated = kw(p, "NOT");
    expect(p, "BETWEEN")?;
    let symmetric = kw(p, "SYMMETRIC");
    if !symmetric {
        expect(p, "ASYMMETRIC")?;
    }
    let precedence = Flink.prec_value(Precedence::Between);
    let low = p.parse_subexpr(precedence)?;
    expect(p, "AND")?;
    let high = p.parse_subexpr(precedence)?;
    let between = |low: &Expr, high: &Expr, negated| Expr::Between {
        expr: Box::new(left.clone()),
        negated,
        low: Box::new(low.clone()),
        high: Box::new(high.clone()),
    };
    if !symmetric {
        return Ok(between(&low, &high, negated));
    }
    let either = Expr::Nested(Box::new(Expr::BinaryOp {
        left: Box::new(between(&low, &high, false)),
        op: BinaryOperator::Or,
        right: Box::new(between(&high, &low, false)),
    }));
    Ok(if negated { not(either) } else { either })
}

fn is_json(p: &mut Parser, left: &Expr) -> Expr {
    let word = p.peek_token().span;
    kw(p, "IS");
    let negated = kw(p, "NOT");
    kw(p, "JSON");
    let kinds = ["VALUE", "OBJECT", "ARRAY", "SCALAR"];
    let kind = kinds.into_iter().find(|kind| kw(p, kind)).unwrap_or("VALUE");
    let test = call(Ident::with_span(word, IS_JSON), vec![arg(left.clone()), arg(text(kind))]);
    if negated { not(test) } else { test }
}

fn json(p: &mut Parser) -> Parsed {
    let name = p.parse_identifier()?;
    let pairs =
        ["JSON_OBJECT", "JSON_OBJECTAGG"].iter().any(|pair| name.value.eq_ignore_ascii_case(pair));
    let aggregate = name.value.eq_ignore_ascii_case("JSON_ARRAYAGG");
    p.expect_token(&Token::LParen)?;
    let mut args = Vec::new();
    while p.peek_token_ref().token != Token::RParen {
        if json_clause(p, &mut args)? {
            continue;
        }
        if aggregate && kws(p, &["ORDER", "BY"]) {
            // Flink reads it and goes by arrival.
            p.parse_comma_separated(Parser::parse_order_by_expr)?;
            continue;
        }
        if !args.is_empty() {
            p.expect_token(&Token::Comma)?;
        }
        if pairs && is(p, 0, "KEY") && !is(p, 1, "VALUE") {
            p.advance_token();
        }
        if pairs {
            // The colon behind the key is not one into a JSON value.
            args.push(arg(p.parse_subexpr(Flink.prec_value(Precedence::Colon))?));
            if !p.consume_token(&Token::Colon) {
                expect(p, "VALUE")?;
            }
        }
        args.push(arg(p.parse_expr()?));
    }
    p.expect_token(&Token::RParen)?;
    Ok(call(name, args))
}

/// RETURNING, WRAPPER, ON EMPTY, ON ERROR and ON NULL; false when none stands here.
fn json_clause(p: &mut Parser, args: &mut Vec<FunctionArg>) -> Parsed<bool> {
    if kw(p, "RETURNING") {
        let ty = parse_type(p)?.to_string();
        args.push(named("returning", text(&ty)));
        return Ok(true);
    }
    if is(p, 0, "WITH") || is(p, 0, "WITHOUT") {
        let kind = match kw(p, "WITHOUT") {
            true => "WITHOUT",
            false => {
                expect(p, "WITH")?;
                let conditional = kw(p, "CONDITIONAL");
                kw(p, "UNCONDITIONAL");
                if conditional { "CONDITIONAL" } else { "UNCONDITIONAL" }
            }
        };
        kw(p, "ARRAY");
        expect(p, "WRAPPER")?;
        args.push(named("wrapper", text(kind)));
        return Ok(true);
    }
    let (behavior, default) = if is(p, 0, "DEFAULT") {
        p.advance_token();
        ("DEFAULT", Some(p.parse_expr()?))
    } else if is(p, 0, "EMPTY") && (is(p, 1, "ARRAY") || is(p, 1, "OBJECT")) {
        p.advance_token();
        (if kw(p, "ARRAY") { "EMPTY ARRAY" } else { kw_object(p) }, None)
    } else {
        let words = ["NULL", "ERROR", "TRUE", "FALSE", "UNKNOWN", "ABSENT"];
        // `NULL ON NULL` is a clause, NULL before a comma a value.
        match words.into_iter().find(|word| is(p, 0, word) && is(p, 1, "ON")) {
            Some(word) => {
                p.advance_token();
                (word, None)
            }
            None => return Ok(false),
        }
    };
    expect(p, "ON")?;
    let when = ["EMPTY", "ERROR", "NULL"].into_iter().find(|when| kw(p, when));
    let Some(when) = when else { return p.expected("EMPTY, ERROR or NULL", p.peek_token()) };
    let name = format!("on_{}", when.to_lowercase());
    args.push(named(&name, text(behavior)));
    if let Some(default) = default {
        args.push(named(&format!("{name}_default"), default));
    }
    Ok(true)
}

fn kw_object(p: &mut Parser) -> &'static str {
    kw(p, "OBJECT");
    "EMPTY OBJECT"
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(expr) }
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_string()))
}

fn arg(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

fn named(name: &str, value: Expr) -> FunctionArg {
    FunctionArg::Named {
        name: Ident::new(name),
        arg: FunctionArgExpr::Expr(value),
        operator: FunctionArgOperator::RightArrow,
    }
}

fn call(name: Ident, args: Vec<FunctionArg>) -> Expr {
    let list = FunctionArgumentList { duplicate_treatment: None, args, clauses: Vec::new() };
    Expr::Function(Function {
        name: ObjectName::from(vec![name]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(list),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
