//! Codes of characters, base 64, hexadecimal, digests, charsets, and checks of what a text holds.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, BinaryBuilder};
use arrow::datatypes::Int32Type;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};
use sha2::Digest;

use crate::column::{Call, bad_value, boolean_rows, value_rows, write_rows};
use crate::function::Kind::{Any, Bytes as B, Int, Long, Text as T};
use crate::function::{Function, Output, SqlTypeOf};

/// `ASCII(text)`: the code of the first byte, 0 for an empty text.
///
/// ```sql
/// ASCII('abc') = 97
/// ```
pub(super) const ASCII: Function =
    Function::new("ascii", &[T], Output::Is(SqlTypeOf::Int), |call| {
        let text = call.text(0)?;
        Ok(value_rows::<Int32Type>(call.rows, |row| {
            // Bytes are signed in Java.
            Some(text.get(row)?.bytes().next().map_or(0, |b| i32::from(b as i8)))
        }))
    });

/// `CHR(code)`: the character of that code modulo 256; empty for a negative one.
///
/// ```sql
/// CHR(97) = 'a'
/// ```
pub(super) const CHR: Function = Function::text("chr", &[Long], |call| {
    let codes = call.longs(0)?;
    Ok(write_rows(call.rows, |row, out| {
        if let Ok(code) = u64::try_from(codes.get(row)?) {
            out.push(char::from((code % 256) as u8));
        }
        Some(())
    }))
});

/// `TO_BASE64(text)`: the text's UTF-8 bytes in base 64.
///
/// ```sql
/// TO_BASE64('hello world') = 'aGVsbG8gd29ybGQ='
/// ```
pub(super) const TO_BASE64: Function = Function::text("to_base64", &[T], |call| {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        STANDARD.encode_string(text.get(row)?, out);
        Some(())
    }))
});

/// `FROM_BASE64(text)`: the text whose UTF-8 bytes the base 64 stands for; an error for text that
/// is none.
///
/// ```sql
/// FROM_BASE64('aGVsbG8gd29ybGQ=') = 'hello world'
/// ```
pub(super) const FROM_BASE64: Function = Function::text("from_base64", &[T], |call| {
    let text = call.text(0)?;
    let mut bytes = vec![];
    let mut wrong = None;
    let decoded = write_rows(call.rows, |row, out| {
        bytes.clear();
        if let Err(e) = LENIENT.decode_vec(text.get(row)?, &mut bytes) {
            wrong = Some(e);
        }
        out.push_str(&String::from_utf8_lossy(&bytes));
        Some(())
    });
    match wrong {
        Some(e) => Err(bad_value(format!("FROM_BASE64: the text is not base 64: {e}"))),
        None => Ok(decoded),
    }
});

/// As Java reads it: the padding may be missing, what is left of the last digit is not looked at.
static LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// `HEX(value)`: an integer, or a text's UTF-8 bytes, in upper-case hexadecimal.
///
/// ```sql
/// HEX('abc') = '616263'
/// HEX(255) = 'FF'
/// ```
pub(super) const HEX: Function = Function::text("hex", &[Any], hex);

/// `UNHEX(text)`: the bytes that pairs of hexadecimal digits stand for; NULL for text that is none.
///
/// ```sql
/// DECODE(UNHEX('616263'), 'UTF-8') = 'abc'
/// UNHEX('6x') IS NULL
/// ```
pub(super) const UNHEX: Function =
    Function::new("unhex", &[T], Output::Is(SqlTypeOf::Bytes), unhex).nullable();

/// `BIN(integer)`: the integer in binary digits.
///
/// ```sql
/// BIN(4) = '100'
/// ```
pub(super) const BIN: Function = Function::text("bin", &[Long], |call| {
    let numbers = call.longs(0)?;
    Ok(write_rows(call.rows, |row, out| {
        let _ = write!(out, "{:b}", numbers.get(row)?);
        Some(())
    }))
});

/// `MD5(text)`: the MD5 digest in lower-case hexadecimal.
///
/// ```sql
/// MD5('abc') = '900150983cd24fb0d6963f7d28e17f72'
/// ```
pub(super) const MD5: Function = digest("md5", 32, hashed::<md5::Md5>);

/// `SHA1(text)`: the SHA-1 digest in lower-case hexadecimal.
///
/// ```sql
/// SHA1('abc') = 'a9993e364706816aba3e25717850c26c9cd0d89d'
/// ```
pub(super) const SHA1: Function = digest("sha1", 40, hashed::<sha1::Sha1>);

/// `SHA224(text)`: the SHA-224 digest in lower-case hexadecimal.
///
/// ```sql
/// SHA224('abc') = '23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7'
/// ```
pub(super) const SHA224: Function = digest("sha224", 56, hashed::<sha2::Sha224>);

/// `SHA256(text)`: the SHA-256 digest in lower-case hexadecimal.
///
/// ```sql
/// SHA256('abc') = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
/// ```
pub(super) const SHA256: Function = digest("sha256", 64, hashed::<sha2::Sha256>);

/// `SHA384(text)`: the SHA-384 digest in lower-case hexadecimal.
///
/// ```sql
/// LEFT(SHA384('abc'), 16) = 'cb00753f45a35e8b'
/// ```
pub(super) const SHA384: Function = digest("sha384", 96, hashed::<sha2::Sha384>);

/// `SHA512(text)`: the SHA-512 digest in lower-case hexadecimal.
///
/// ```sql
/// LEFT(SHA512('abc'), 16) = 'ddaf35a193617aba'
/// ```
pub(super) const SHA512: Function = digest("sha512", 128, hashed::<sha2::Sha512>);

/// `SHA2(text, bits)`: the SHA-2 digest of 224, 256, 384 or 512 bits in lower-case hexadecimal; an
/// error for other numbers.
///
/// ```sql
/// SHA2('abc', 256) = SHA256('abc')
/// ```
pub(super) const SHA2: Function =
    Function::new("sha2", &[T, Int], Output::By(|_| Ok(SqlType::Varchar(128))), sha2);

/// `ENCODE(text, charset)`: the text's bytes in UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE or
/// UTF-16LE.
///
/// ```sql
/// DECODE(ENCODE('é', 'UTF-16LE'), 'UTF-16LE') = 'é'
/// ```
pub(super) const ENCODE: Function =
    Function::new("encode", &[T, T], Output::Is(SqlTypeOf::Bytes), encode);

/// `DECODE(bytes, charset)`: the text that the bytes stand for in one of ENCODE's charsets.
///
/// ```sql
/// DECODE(ENCODE('abc', 'UTF-8'), 'UTF-8') = 'abc'
/// ```
pub(super) const DECODE: Function = Function::text("decode", &[B, T], decode);

/// `IS_ALPHA(text)`: whether the text is made of letters only; FALSE for an empty one and NULL.
///
/// ```sql
/// IS_ALPHA('abc') = TRUE
/// ```
pub(super) const IS_ALPHA: Function = check("is_alpha", |call| {
    checked(call, |text| !text.is_empty() && text.chars().all(char::is_alphabetic))
});

/// `IS_DIGIT(text)`: whether the text is made of digits only; FALSE for an empty one and NULL.
///
/// ```sql
/// IS_DIGIT('12a') = FALSE
/// ```
pub(super) const IS_DIGIT: Function = check("is_digit", |call| {
    checked(call, |text| !text.is_empty() && text.chars().all(char::is_numeric))
});

/// `IS_DECIMAL(text)`: whether the text is a decimal number; FALSE for an empty one and NULL.
///
/// ```sql
/// IS_DECIMAL('-1.5') = TRUE
/// IS_DECIMAL('1e') = FALSE
/// ```
pub(super) const IS_DECIMAL: Function = check("is_decimal", |call| checked(call, is_decimal));

/// `STARTSWITH(text, start)`: whether the text starts so.
///
/// ```sql
/// STARTSWITH('abc', 'ab') = TRUE
/// ```
pub(super) const STARTSWITH: Function =
    Function::new("startswith", &[T, T], Output::Is(SqlTypeOf::Boolean), |call| {
        let (text, part) = (call.text(0)?, call.text(1)?);
        Ok(boolean_rows(call.rows, |row| Some(text.get(row)?.starts_with(part.get(row)?))))
    });

/// `ENDSWITH(text, end)`: whether the text ends so.
///
/// ```sql
/// ENDSWITH('abc', 'bc') = TRUE
/// ```
pub(super) const ENDSWITH: Function =
    Function::new("endswith", &[T, T], Output::Is(SqlTypeOf::Boolean), |call| {
        let (text, part) = (call.text(0)?, call.text(1)?);
        Ok(boolean_rows(call.rows, |row| Some(text.get(row)?.ends_with(part.get(row)?))))
    });

const fn digest(name: &'static str, length: u32, body: crate::function::Body) -> Function {
    Function::new(name, &[T], Output::Is(SqlTypeOf::Char(length)), body)
}

const fn check(name: &'static str, body: crate::function::Body) -> Function {
    Function::new(name, &[T], Output::Is(SqlTypeOf::Boolean), body).never_null()
}

fn checked(call: &Call, is: fn(&str) -> bool) -> Result<ArrayRef> {
    let text = call.text(0)?;
    Ok(boolean_rows(call.rows, |row| Some(text.get(row).is_some_and(is))))
}

fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(e) => (&unsigned[..e], Some(&unsigned[e + 1..])),
        None => (unsigned, None),
    };
    let digits = |t: &str| t.bytes().all(|c| c.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.map(|e| e.strip_prefix(['+', '-']).unwrap_or(e));
    digits(whole)
        && digits(fraction)
        && whole.len() + fraction.len() > 0
        && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

fn hex(call: &Call) -> Result<ArrayRef> {
    use arrow::datatypes::DataType;
    let column = call.any(0);
    if column.array.data_type().is_integer() {
        let values = arrow::compute::cast(&column.array, &DataType::Int64)?;
        let values = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&values);
        return Ok(write_rows(call.rows, |row, out| {
            let at = column.at(row);
            let value = arrow::array::Array::is_valid(values, at).then(|| values.value(at))?;
            // Writing to a String cannot fail.
            let _ = write!(out, "{value:X}");
            Some(())
        }));
    }
    if *column.array.data_type() != DataType::Utf8 {
        return plan_err!("HEX takes an integer or a STRING, not {}", column.array.data_type());
    }
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        for byte in text.get(row)?.bytes() {
            let _ = write!(out, "{byte:02X}");
        }
        Some(())
    }))
}

/// An odd number of digits begins with a byte of 0 in place of the first.
fn unhex(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let bytes = |row: usize| -> Option<Vec<u8>> {
        let digits = text.get(row)?.as_bytes();
        let value = |digit: u8| Some(char::from(digit).to_digit(16)? as u8);
        let odd = digits.len() % 2;
        // A digit alone counts for nothing, but for a byte.
        let first = digits[..odd].iter().map(|d| value(*d).map(|_| 0));
        let pairs = digits[odd..].chunks_exact(2);
        first.chain(pairs.map(|p| Some(value(p[0])? << 4 | value(p[1])?))).collect()
    };
    let mut builder = BinaryBuilder::new();
    for row in 0..call.rows {
        builder.append_option(bytes(row));
    }
    Ok(Arc::new(builder.finish()))
}

fn hashed<D: Digest>(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        push_hash::<D>(text.get(row)?, out);
        Some(())
    }))
}

fn push_hash<D: Digest>(text: &str, out: &mut String) {
    for byte in D::digest(text.as_bytes()).iter() {
        out.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        out.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
    }
}

fn sha2(call: &Call) -> Result<ArrayRef> {
    let (text, bits) = (call.text(0)?, call.ints(1)?);
    let mut wrong = None;
    let digests = write_rows(call.rows, |row, out| {
        let text = text.get(row)?;
        match bits.get(row)? {
            224 => push_hash::<sha2::Sha224>(text, out),
            256 => push_hash::<sha2::Sha256>(text, out),
            384 => push_hash::<sha2::Sha384>(text, out),
            512 => push_hash::<sha2::Sha512>(text, out),
            other => wrong = Some(other),
        }
        Some(())
    });
    match wrong {
        Some(n) => Err(bad_value(format!("SHA2 of {n} bits: there are 224, 256, 384 and 512"))),
        None => Ok(digests),
    }
}

#[derive(Clone, Copy)]
enum Charset {
    Utf8,
    Ascii,
    Latin1,
    /// With a byte order mark when written.
    Utf16,
    Utf16Be,
    Utf16Le,
}

fn charset(name: &str) -> Result<Charset> {
    Ok(match name.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" => Charset::Utf8,
        "US-ASCII" | "ASCII" => Charset::Ascii,
        "ISO-8859-1" | "LATIN1" => Charset::Latin1,
        "UTF-16" => Charset::Utf16,
        "UTF-16BE" => Charset::Utf16Be,
        "UTF-16LE" => Charset::Utf16Le,
        _ => {
            return plan_err!(
                "'{name}' is no charset; there are UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE \
                 and UTF-16LE"
            );
        }
    })
}

fn encode(call: &Call) -> Result<ArrayRef> {
    let (text, names) = (call.text(0)?, call.text(1)?);
    let mut builder = BinaryBuilder::new();
    let mut bytes = vec![];
    for row in 0..call.rows {
        let (Some(text), Some(name)) = (text.get(row), names.get(row)) else {
            builder.append_null();
            continue;
        };
        bytes.clear();
        let narrow = |limit: u32| {
            move |c: char| if u32::from(c) < limit { u32::from(c) as u8 } else { b'?' }
        };
        match charset(name)? {
            Charset::Utf8 => bytes.extend_from_slice(text.as_bytes()),
            Charset::Ascii => bytes.extend(text.chars().map(narrow(128))),
            Charset::Latin1 => bytes.extend(text.chars().map(narrow(256))),
            Charset::Utf16 => {
                bytes.extend([0xFE, 0xFF]);
                bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
            }
            Charset::Utf16Be => bytes.extend(text.encode_utf16().flat_map(u16::to_be_bytes)),
            Charset::Utf16Le => bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
        }
        builder.append_value(&bytes);
    }
    let array: BinaryArray = builder.finish();
    Ok(Arc::new(array))
}

fn decode(call: &Call) -> Result<ArrayRef> {
    let (bytes, names) = (call.bytes(0)?, call.text(1)?);
    for row in 0..call.rows {
        names.get(row).map(charset).transpose()?;
    }
    let wide = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|c| unit([c[0], c[1]])).collect();
        String::from_utf16_lossy(&units)
    };
    Ok(write_rows(call.rows, |row, out| {
        let bytes = bytes.get(row)?;
        match charset(names.get(row)?).ok()? {
            Charset::Utf8 => out.push_str(&String::from_utf8_lossy(bytes)),
            Charset::Ascii => out.extend(bytes.iter().map(|b| match b {
                0..128 => char::from(*b),
                _ => char::REPLACEMENT_CHARACTER,
            })),
            Charset::Latin1 => out.extend(bytes.iter().map(|b| char::from(*b))),
            Charset::Utf16 => match bytes {
                [0xFF, 0xFE, rest @ ..] => out.push_str(&wide(rest, u16::from_le_bytes)),
                [0xFE, 0xFF, rest @ ..] => out.push_str(&wide(rest, u16::from_be_bytes)),
                _ => out.push_str(&wide(bytes, u16::from_be_bytes)),
            },
            Charset::Utf16Be => out.push_str(&wide(bytes, u16::from_be_bytes)),
            Charset::Utf16Le => out.push_str(&wide(bytes, u16::from_le_bytes)),
        }
        Some(())
    }))
}
