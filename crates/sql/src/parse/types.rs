//! Flink's types as text: ROW<…>, MULTISET<…>, TIMESTAMP_LTZ(3) and the rest.
//!
//! sqlparser's own type grammar knows neither ROW<…> nor that `>>` closes two of them, so types
//! are read here from its tokens. A CAST carries its type as text within sqlparser's tree:
//! [`carry`] and [`carried`].

use brooklet_core::types::{MAX_LENGTH, Nullable, RowField, SqlType};
use brooklet_core::{Error, Result};
use sqlparser::ast::{DataType, Ident, ObjectName};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Location, Token, Tokenizer};

use super::dialect::Flink;
use super::words::{is, kw, kws, number, text};
use crate::fault::{DID_YOU_MEAN, Fault, closest};

/// The name under which a tree carries one of our types.
pub const CARRIED: &str = "__sql_type";

/// `ty` as a node of sqlparser's tree.
pub fn carry(ty: &Nullable) -> DataType {
    DataType::Custom(ObjectName::from(vec![Ident::new(CARRIED)]), vec![ty.to_string()])
}

/// The type that a CAST's node carries; None for types sqlparser read itself.
pub fn carried(ty: &DataType) -> Option<Nullable> {
    match ty {
        DataType::Custom(name, text) if name.to_string() == CARRIED => {
            parse_type_text(text.first()?).ok()
        }
        _ => None,
    }
}

/// Reads a type as Flink writes it, for example `ROW<a INT NOT NULL, b ARRAY<STRING>>`.
pub fn parse_type_text(text: &str) -> Result<Nullable> {
    let wrong = |e: ParserError| {
        let fault = Fault::from_parser(&e, Location::empty());
        Error::sql(format!("type '{text}': {}", fault.message))
    };
    let tokens = Tokenizer::new(&Flink, text).tokenize().map_err(|e| wrong(e.into()))?;
    let mut parser = Parser::new(&Flink).with_tokens(tokens);
    let ty = parse_type(&mut parser).map_err(wrong)?;
    match parser.peek_token_ref().token {
        Token::EOF => Ok(ty),
        _ => Err(Error::sql(format!("type '{text}' goes on after its end"))),
    }
}

/// Reads a type from a parser that stands at its first token.
pub fn parse_type(p: &mut Parser) -> Result<Nullable, ParserError> {
    TypeParser { p, open: 0, depth: 0, most_digits: 38 }.nullable()
}

/// The same for a CAST, where a DECIMAL of more digits than there are has as many as there are.
pub fn parse_cast_type(p: &mut Parser) -> Result<Nullable, ParserError> {
    TypeParser { p, open: 0, depth: 0, most_digits: u64::from(u8::MAX) }.nullable()
}

/// Deeper types are refused before they exhaust the stack.
const MAX_DEPTH: usize = 64;

struct TypeParser<'p, 'a> {
    p: &'p mut Parser<'a>,
    /// Closing brackets of a `>>` that are still to be used.
    open: usize,
    depth: usize,
    /// That a DECIMAL may be written with.
    most_digits: u64,
}

impl TypeParser<'_, '_> {
    fn nullable(&mut self) -> Result<Nullable, ParserError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return fail(self.p, "the type is nested too deeply");
        }
        let mut it = Nullable { ty: self.base()?, nullable: true };
        while self.open == 0 {
            if kws(self.p, &["NOT", "NULL"]) {
                it.nullable = false;
            } else if is(self.p, 0, "NULL") && !is(self.p, 1, "ON") {
                // `RETURNING INT NULL ON ERROR` is a clause of JSON_VALUE.
                self.p.advance_token();
                it.nullable = true;
            } else if kw(self.p, "ARRAY") {
                it = Nullable { ty: SqlType::Array(Box::new(it)), nullable: true };
            } else if kw(self.p, "MULTISET") {
                it = Nullable { ty: SqlType::Multiset(Box::new(it)), nullable: true };
            } else {
                break;
            }
        }
        self.depth -= 1;
        Ok(it)
    }

    fn base(&mut self) -> Result<SqlType, ParserError> {
        let name = match &self.p.peek_token_ref().token {
            Token::Word(w) if w.quote_style.is_none() => w.value.to_uppercase(),
            _ => return self.p.expected("a type", self.p.peek_token()),
        };
        Ok(match name.as_str() {
            "ARRAY" => SqlType::Array(Box::new(self.one_inner()?)),
            "MULTISET" => SqlType::Multiset(Box::new(self.one_inner()?)),
            "MAP" => {
                self.p.advance_token();
                self.p.expect_token(&Token::Lt)?;
                let key = self.nullable()?;
                self.p.expect_token(&Token::Comma)?;
                let value = self.nullable()?;
                self.close()?;
                SqlType::Map(Box::new(key), Box::new(value))
            }
            "ROW" => self.row()?,
            "INTERVAL" => interval_type(self.p)?,
            "DECIMAL" | "DEC" | "NUMERIC" => decimal(self.p, self.most_digits)?,
            _ => atomic(self.p, &name)?,
        })
    }

    fn one_inner(&mut self) -> Result<Nullable, ParserError> {
        self.p.advance_token();
        self.p.expect_token(&Token::Lt)?;
        let inner = self.nullable()?;
        self.close()?;
        Ok(inner)
    }

    fn row(&mut self) -> Result<SqlType, ParserError> {
        self.p.advance_token();
        let parens = self.p.consume_token(&Token::LParen);
        if !parens {
            self.p.expect_token(&Token::Lt)?;
        }
        let mut fields: Vec<RowField> = Vec::new();
        loop {
            let name = self.p.parse_identifier()?.value;
            if fields.iter().any(|f| f.name == name) {
                return fail(self.p, &format!("ROW has two fields '{name}'"));
            }
            fields.push(RowField { name, ty: self.nullable()? });
            let comment = matches!(self.p.peek_token_ref().token, Token::SingleQuotedString(_));
            if self.open == 0 && comment {
                text(self.p)?;
            }
            if self.open > 0 || !self.p.consume_token(&Token::Comma) {
                break;
            }
        }
        match parens {
            true => self.p.expect_token(&Token::RParen).map(drop)?,
            false => self.close()?,
        }
        Ok(SqlType::Row(fields))
    }

    fn close(&mut self) -> Result<(), ParserError> {
        if self.open > 0 {
            self.open -= 1;
            return Ok(());
        }
        match self.p.peek_token_ref().token {
            Token::Gt => self.p.advance_token(),
            Token::ShiftRight => {
                self.p.advance_token();
                self.open = 1;
            }
            _ => return self.p.expected(">", self.p.peek_token()),
        }
        Ok(())
    }
}

/// Names of all types, for suggestions.
const NAMES: &[&str] = &[
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "INTEGER",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "NUMERIC",
    "CHAR",
    "VARCHAR",
    "STRING",
    "BINARY",
    "VARBINARY",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "INTERVAL",
    "ARRAY",
    "MULTISET",
    "MAP",
    "ROW",
];

fn atomic(p: &mut Parser, name: &str) -> Result<SqlType, ParserError> {
    let at = p.peek_token_ref().span.start;
    p.advance_token();
    Ok(match name {
        "BOOLEAN" => SqlType::Boolean,
        "TINYINT" => SqlType::TinyInt,
        "SMALLINT" => SqlType::SmallInt,
        "INT" | "INTEGER" => SqlType::Int,
        "BIGINT" => SqlType::BigInt,
        "FLOAT" | "REAL" => SqlType::Float,
        "DOUBLE" => {
            kw(p, "PRECISION");
            SqlType::Double
        }
        "CHAR" | "CHARACTER" => match kw(p, "VARYING") {
            true => SqlType::Varchar(length(p)?),
            false => SqlType::Char(length(p)?),
        },
        "VARCHAR" => SqlType::Varchar(length(p)?),
        "STRING" => SqlType::STRING,
        "BINARY" => match kw(p, "VARYING") {
            true => SqlType::Varbinary(length(p)?),
            false => SqlType::Binary(length(p)?),
        },
        "VARBINARY" => SqlType::Varbinary(length(p)?),
        "BYTES" => SqlType::BYTES,
        "DATE" => SqlType::Date,
        "TIME" => {
            let precision = precision(p, 0)?;
            kws(p, &["WITHOUT", "TIME", "ZONE"]);
            SqlType::Time(precision)
        }
        "TIMESTAMP_LTZ" => SqlType::TimestampLtz(precision(p, 6)?),
        "TIMESTAMP" => {
            let precision = precision(p, 6)?;
            if kws(p, &["WITH", "LOCAL", "TIME", "ZONE"]) {
                return Ok(SqlType::TimestampLtz(precision));
            }
            if kws(p, &["WITH", "TIME", "ZONE"]) {
                return fail(p, "TIMESTAMP WITH TIME ZONE is not supported: use TIMESTAMP_LTZ");
            }
            kws(p, &["WITHOUT", "TIME", "ZONE"]);
            SqlType::Timestamp(precision)
        }
        _ => {
            let meant = closest(name, NAMES.iter().copied());
            let meant = meant.map(|m| format!("{DID_YOU_MEAN}{m}")).unwrap_or_default();
            let message = format!("unknown type '{name}'{meant}{at}");
            return Err(ParserError::ParserError(message));
        }
    })
}

fn decimal(p: &mut Parser, most: u64) -> Result<SqlType, ParserError> {
    p.advance_token();
    if !p.consume_token(&Token::LParen) {
        return Ok(SqlType::Decimal(10, 0));
    }
    let precision = number(p, 1, most)?.min(38) as u8;
    let scale = match p.consume_token(&Token::Comma) {
        true => number(p, 0, u64::from(precision))? as u8,
        false => 0,
    };
    p.expect_token(&Token::RParen)?;
    Ok(SqlType::Decimal(precision, scale))
}

fn length(p: &mut Parser) -> Result<u32, ParserError> {
    Ok(in_parens(p, 1, u64::from(MAX_LENGTH))?.unwrap_or(1) as u32)
}

fn precision(p: &mut Parser, default: u64) -> Result<u8, ParserError> {
    Ok(in_parens(p, 0, 9)?.unwrap_or(default) as u8)
}

fn in_parens(p: &mut Parser, min: u64, max: u64) -> Result<Option<u64>, ParserError> {
    if !p.consume_token(&Token::LParen) {
        return Ok(None);
    }
    let it = number(p, min, max)?;
    p.expect_token(&Token::RParen)?;
    Ok(Some(it))
}

/// INTERVAL YEAR, INTERVAL DAY(2) TO SECOND(3) …: the fields only say which of the two it is.
fn interval_type(p: &mut Parser) -> Result<SqlType, ParserError> {
    p.advance_token();
    let mut months = false;
    loop {
        if kw(p, "YEAR") || kw(p, "MONTH") {
            months = true;
        } else if !["DAY", "HOUR", "MINUTE", "SECOND"].iter().any(|unit| kw(p, unit)) {
            return p.expected("a unit of time", p.peek_token());
        }
        in_parens(p, 0, 9)?;
        if !kw(p, "TO") {
            break;
        }
    }
    Ok(if months { SqlType::IntervalYearMonth } else { SqlType::IntervalDaySecond })
}

/// An error at the token the parser stands at.
pub(super) fn fail<T>(p: &Parser, message: &str) -> Result<T, ParserError> {
    let at = p.peek_token_ref().span.start;
    Err(ParserError::ParserError(format!("{message}{at}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        parse_type_text(text).map_or_else(|e| e.to_string(), |t| t.to_string())
    }

    #[test]
    fn every_type_in_flinks_words() {
        for same in [
            "BOOLEAN",
            "DECIMAL(10, 2)",
            "CHAR(3)",
            "VARCHAR(7) NOT NULL",
            "STRING",
            "BYTES",
            "TIME(0)",
            "TIMESTAMP(3)",
            "TIMESTAMP_LTZ(3) NOT NULL",
            "ARRAY<STRING NOT NULL>",
            "MULTISET<INT>",
            "MAP<STRING NOT NULL, ARRAY<INT>>",
            "ROW<`a` INT, `b` ROW<`c` ARRAY<ROW<`d` INT NOT NULL>> NOT NULL>>",
        ] {
            assert_eq!(shown(same), same);
        }
    }

    #[test]
    fn other_words_for_the_same_types() {
        for (text, means) in [
            ("integer", "INT"),
            ("double precision", "DOUBLE"),
            ("numeric(5)", "DECIMAL(5, 0)"),
            ("DECIMAL", "DECIMAL(10, 0)"),
            ("VARCHAR", "VARCHAR(1)"),
            ("VARCHAR(2147483647)", "STRING"),
            ("CHAR VARYING(3)", "VARCHAR(3)"),
            ("TIMESTAMP", "TIMESTAMP(6)"),
            ("INTERVAL YEAR TO MONTH", "INTERVAL MONTH"),
            ("INTERVAL DAY TO SECOND(3)", "INTERVAL SECOND(3)"),
            ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"),
            ("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)"),
            ("INT ARRAY", "ARRAY<INT>"),
            ("INT NOT NULL MULTISET", "MULTISET<INT NOT NULL>"),
            ("ROW(a INT 'comment', `b c` STRING)", "ROW<`a` INT, `b c` STRING>"),
        ] {
            assert_eq!(shown(text), means);
        }
    }

    #[test]
    fn what_is_not_a_type() {
        assert!(shown("INTT").contains("unknown type 'INTT'"));
        assert!(shown("DECIMAL(39, 2)").contains("between 1 and 38"));
        assert!(shown("DECIMAL(5, 6)").contains("between 0 and 5"));
        assert!(shown("ARRAY<INT").contains("expected '>'"));
        assert!(shown("INT INT").contains("goes on"));
        assert!(shown("ROW<a INT, a INT>").contains("two fields 'a'"));
        assert!(shown(&"ARRAY<".repeat(500)).contains("too deeply"));
    }

    #[test]
    fn a_tree_carries_the_type() {
        let ty = parse_type_text("ROW<a ARRAY<INT>> NOT NULL").unwrap();
        assert_eq!(carried(&carry(&ty)), Some(ty));
        assert_eq!(carried(&DataType::Date), None);
    }
}
