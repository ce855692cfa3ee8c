//! JSON values into SQL types, with Flink's coercions.
//!
//! The usual forms (a whole number for BIGINT, a plain string for STRING …) are read straight
//! from the record; everything else takes the general way over the value's text.

use arrow::datatypes::TimeUnit;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use brooklet_core::types::SqlType;

use super::columns::{Column, Data};
use super::compact;
use super::containers::{list, map};
use super::context::Context;
use super::scan::{self, Fault, at};
use crate::java::{self, Decimal};
use crate::time::{self, Standard};

/// Jackson demands padding and does not look at the bits it cuts.
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// (row, containers around the value).
pub(super) type Place = (usize, usize);

/// The forms a scalar's text can have.
#[derive(Clone, Copy, PartialEq)]
enum Token {
    String,
    Integer,
    Fraction,
    Word,
}

impl Column {
    /// Reads the value at `i` into `row`: the position behind it. With ignore-parse-errors a
    /// value that does not fit is NULL.
    #[inline]
    pub(super) fn value(
        &mut self,
        text: &str,
        i: usize,
        place: Place,
        context: &mut Context,
    ) -> Option<usize> {
        if at(text.as_bytes(), i) == b'n' {
            let end = scan::word(text.as_bytes(), i, b"null", &mut context.fault)?;
            if self.is_set(place.0) {
                self.cut(place.0);
            }
            return Some(end);
        }
        match self.convert(text, i, place, context) {
            Some(end) => Some(end),
            None => self.recover(text, i, place, context),
        }
    }

    /// After a failure: was it the structure, or only this value?
    #[cold]
    fn recover(
        &mut self,
        text: &str,
        i: usize,
        (row, depth): Place,
        context: &mut Context,
    ) -> Option<usize> {
        self.cut(row);
        let mut fault = Fault::default();
        match scan::value(text.as_bytes(), i, depth, &mut fault) {
            None => {
                context.broken(fault);
                None
            }
            Some(end) if context.options.ignore_errors => {
                context.forget();
                Some(end)
            }
            Some(_) => None,
        }
    }

    #[inline]
    fn convert(
        &mut self,
        text: &str,
        i: usize,
        (row, depth): Place,
        context: &mut Context,
    ) -> Option<usize> {
        let b = text.as_bytes();
        match &mut self.data {
            Data::I64(c) => {
                if let Some((v, end)) = whole_number(b, i) {
                    c.push(row, v);
                    return Some(end);
                }
            }
            Data::I32(c) => {
                if let Some((v, end)) = whole_number(b, i)
                    && let Ok(v) = i32::try_from(v)
                {
                    c.push(row, v);
                    return Some(end);
                }
            }
            Data::Utf8(c) if at(b, i) == b'"' => {
                let (end, escaped) = scan::string(b, i + 1, &mut context.fault)?;
                c.open(row);
                if escaped {
                    scan::unescape(&b[i + 1..end], &mut c.bytes);
                } else {
                    c.bytes.extend_from_slice(&b[i + 1..end]);
                }
                return c.close().map(|()| end + 1).or_else(|| too_much(i, context));
            }
            Data::Timestamp { numbers, unit: TimeUnit::Millisecond, utc: false, days }
                if at(b, i) == b'"' =>
            {
                let (end, _) = scan::string(b, i + 1, &mut context.fault)?;
                let sql = context.options.standard == Standard::Sql;
                let separator = if sql { b' ' } else { b'T' };
                if let Some(ms) = days.parse(&b[i + 1..end], separator) {
                    numbers.push(row, ms);
                    return Some(end + 1);
                }
            }
            Data::F64(c) if matches!(at(b, i), b'-' | b'0'..=b'9') => {
                let (end, _) = scan::number(b, i, &mut context.fault)?;
                if let Ok(v) = fast_float2::parse(&b[i..end]) {
                    c.push(row, v);
                    return Some(end);
                }
            }
            Data::Row(c) => {
                c.open(row);
                let end = c.node.object(text, i, (row, depth), context)?;
                c.close(row);
                return Some(end);
            }
            Data::List(c) => return list(c, text, i, (row, depth), context),
            Data::Map(c) => return map(c, text, i, (row, depth), context),
            _ => {}
        }
        self.general(text, i, (row, depth), context)
    }

    /// Any scalar into any scalar type; containers into STRING.
    fn general(
        &mut self,
        text: &str,
        i: usize,
        place: Place,
        context: &mut Context,
    ) -> Option<usize> {
        let row = place.0;
        let b = text.as_bytes();
        let fault = &mut context.fault;
        let (token, end) = match at(b, i) {
            b'"' => {
                let (end, escaped) = scan::string(b, i + 1, fault)?;
                if escaped {
                    return self.unescaped(&b[i + 1..end], (i, end + 1), row, context);
                }
                if let Err(why) = self.set(row, Token::String, &text[i + 1..end], context) {
                    return context.wrong(i, why);
                }
                return Some(end + 1);
            }
            b'-' | b'0'..=b'9' => {
                let (end, fractional) = scan::number(b, i, fault)?;
                (if fractional { Token::Fraction } else { Token::Integer }, end)
            }
            b't' => (Token::Word, scan::word(b, i, b"true", fault)?),
            b'f' => (Token::Word, scan::word(b, i, b"false", fault)?),
            b'{' | b'[' => return self.container_as_text(text, i, place, context),
            _ if i >= b.len() => return fault.set(i, "the text ends where a value is expected"),
            _ => return fault.set(i, "no JSON value starts here"),
        };
        match self.set(row, token, &text[i..end], context) {
            Ok(()) => Some(end),
            Err(why) => context.wrong(i, why),
        }
    }

    fn unescaped(
        &mut self,
        content: &[u8],
        (from, to): (usize, usize),
        row: usize,
        context: &mut Context,
    ) -> Option<usize> {
        let mut plain = std::mem::take(&mut context.scratch);
        plain.clear();
        scan::unescape(content, &mut plain);
        let set = match std::str::from_utf8(&plain) {
            Ok(text) => self.set(row, Token::String, text, context),
            Err(_) => Err("a string that is no Unicode text".to_string()),
        };
        context.scratch = plain;
        match set {
            Ok(()) => Some(to),
            Err(why) => context.wrong(from, why),
        }
    }

    fn container_as_text(
        &mut self,
        text: &str,
        i: usize,
        (row, depth): Place,
        context: &mut Context,
    ) -> Option<usize> {
        let Data::Utf8(c) = &mut self.data else {
            let ty = type_name(self);
            return context.wrong(i, format!("an object or array is no {ty}"));
        };
        let end = scan::value(text.as_bytes(), i, depth, &mut context.fault)?;
        c.open(row);
        compact::write(text.as_bytes(), i, context.exact_numbers, &mut c.bytes);
        c.close().map(|()| end).or_else(|| too_much(i, context))
    }

    /// Flink's conversion of a scalar's text.
    fn set(
        &mut self,
        row: usize,
        token: Token,
        text: &str,
        context: &Context,
    ) -> Result<(), String> {
        let standard = context.options.standard;
        let done = match &mut self.data {
            Data::Bool(c) => {
                c.push(row, java::trim(text).eq_ignore_ascii_case("true"));
                Some(())
            }
            Data::I8(c) => small(token, text).map(|v| c.push(row, v)),
            Data::I16(c) => small(token, text).map(|v| c.push(row, v)),
            Data::I32(c) => whole(token, text, f64::from(i32::MIN), f64::from(i32::MAX))
                .and_then(|v| i32::try_from(v).ok())
                .map(|v| c.push(row, v)),
            Data::I64(c) => {
                whole(token, text, i64::MIN as f64, i64::MAX as f64).map(|v| c.push(row, v))
            }
            Data::F32(c) => java::parse_f32(text).map(|v| c.push(row, v)),
            Data::F64(c) => java::parse_f64(text).map(|v| c.push(row, v)),
            Data::Decimal { numbers, precision, scale } if token != Token::Word => {
                match java::parse_decimal(java::trim(text).as_bytes(), *precision, *scale) {
                    Some(Decimal::Value(v)) => {
                        numbers.push(row, v);
                        Some(())
                    }
                    // NULL: the row is left unwritten.
                    Some(Decimal::Overflow) => {
                        self.cut(row);
                        Some(())
                    }
                    None => None,
                }
            }
            Data::Date(c) => time::parse_date(text.as_bytes()).map(|v| c.push(row, v)),
            Data::Time(c) => time::parse_time(text.as_bytes()).map(|v| c.push(row, v)),
            Data::Timestamp { numbers, unit, utc, .. } => {
                time::parse_timestamp(text.as_bytes(), standard, *utc, *unit)
                    .map(|v| numbers.push(row, v))
            }
            Data::Utf8(c) => {
                c.open(row);
                c.bytes.extend_from_slice(text.as_bytes());
                c.close()
            }
            Data::Binary(c) if token == Token::String => {
                c.open(row);
                let plain: Vec<u8> = text.bytes().filter(|b| *b > b' ').collect();
                match BASE64.decode_vec(plain, &mut c.bytes) {
                    Ok(()) => c.close(),
                    Err(_) => None,
                }
            }
            _ => None,
        };
        done.ok_or_else(|| format!("{} is no {}", quoted(text), type_name(self)))
    }
}

/// A run of at most 18 digits that ends where a value ends.
#[inline(always)]
fn whole_number(b: &[u8], i: usize) -> Option<(i64, usize)> {
    let negative = at(b, i) == b'-';
    let from = i + usize::from(negative);
    let mut end = from;
    let mut value: i64 = 0;
    loop {
        let digit = at(b, end).wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if end - from == 18 {
            return None;
        }
        value = value * 10 + i64::from(digit);
        end += 1;
    }
    let leading_zero = end > from + 1 && b[from] == b'0';
    if end == from || leading_zero || matches!(at(b, end), b'.' | b'e' | b'E') {
        return None;
    }
    Some((if negative { -value } else { value }, end))
}

/// TINYINT and SMALLINT: numbers with a fraction are refused.
fn small<T: TryFrom<i64>>(token: Token, text: &str) -> Option<T> {
    let text = if token == Token::String { java::trim(text) } else { text };
    T::try_from(java::parse_i64(text)?).ok()
}

/// INT and BIGINT: a number with a fraction is cut if it is within the type's limits.
fn whole(token: Token, text: &str, min: f64, max: f64) -> Option<i64> {
    if token != Token::Fraction {
        return java::parse_i64(if token == Token::String { java::trim(text) } else { text });
    }
    let v: f64 = fast_float2::parse(text).ok()?;
    (min <= v && v <= max).then_some(v as i64)
}

/// The column's type as SQL names it.
pub(crate) fn type_name(column: &Column) -> String {
    match column.field.metadata().get(brooklet_core::types::SQL_TYPE) {
        Some(name) => name.clone(),
        None => match SqlType::from_arrow(column.field.data_type()) {
            Some(ty) => ty.to_string(),
            None => column.field.data_type().to_string(),
        },
    }
}

/// The text in quotes, cut when it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("'{}…'", &text[..end]),
        None => format!("'{text}'"),
    }
}

/// A batch's text beyond what 32-bit offsets can address.
#[cold]
pub(super) fn too_much<T>(at: usize, context: &mut Context) -> Option<T> {
    context.wrong(at, "one column of a batch would exceed 2 GiB; read smaller batches")
}
