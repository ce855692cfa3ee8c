//! An object or array as text for a STRING column: what Jackson's tree prints, without white
//! space, numbers in Java's form, the last of equal keys at the place of the first.

use std::collections::BTreeMap;
use std::ops::Range;

use super::encode::write_string;
use super::scan::{self, Fault, at, space};
use crate::java;

/// Appends the value at `i`, which the scanner has accepted; the position behind it. `exact`:
/// fractions stay decimals instead of becoming doubles.
pub(super) fn write(b: &[u8], i: usize, exact: bool, to: &mut Vec<u8>) -> usize {
    let mut fault = Fault::default();
    match at(b, i) {
        b'{' => object(b, i, exact, to),
        b'[' => {
            to.push(b'[');
            let mut i = space(b, i + 1);
            while i < b.len() && b[i] != b']' {
                i = space(b, write(b, i, exact, to));
                if at(b, i) == b',' {
                    to.push(b',');
                    i = space(b, i + 1);
                }
            }
            to.push(b']');
            i + 1
        }
        b'"' => {
            let end = scan::string(b, i + 1, &mut fault).map_or(b.len(), |(end, _)| end);
            text(&b[i + 1..end], to);
            end + 1
        }
        b'-' | b'0'..=b'9' => {
            let (end, fractional) = scan::number(b, i, &mut fault).unwrap_or((b.len(), false));
            number(&b[i..end], fractional, exact, to);
            end
        }
        _ => {
            let end = scan::value(b, i, 0, &mut fault).unwrap_or(b.len());
            to.extend_from_slice(&b[i..end]);
            end
        }
    }
}

fn object(b: &[u8], i: usize, exact: bool, to: &mut Vec<u8>) -> usize {
    let mut fault = Fault::default();
    let mut places: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut values: Vec<Range<usize>> = Vec::new();
    to.push(b'{');
    let mut i = space(b, i + 1);
    while at(b, i) == b'"' {
        let end = scan::string(b, i + 1, &mut fault).map_or(b.len(), |(end, _)| end);
        let value = scan::colon(b, end + 1, &mut fault).unwrap_or(b.len());
        let mut name = Vec::new();
        scan::unescape(&b[i + 1..end], &mut name);
        let earlier = places.get(&name).copied();
        if earlier.is_none() {
            if !values.is_empty() {
                to.push(b',');
            }
            write_string(&name, false, to);
            to.push(b':');
            places.insert(name, values.len());
        }
        let start = to.len();
        i = space(b, write(b, value, exact, to));
        match earlier {
            None => values.push(start..to.len()),
            Some(place) => replace(&mut values, place, start, to),
        }
        if at(b, i) == b',' {
            i = space(b, i + 1);
        }
    }
    to.push(b'}');
    i + 1
}

/// Moves the value written at `start` to the place of an earlier one.
fn replace(values: &mut [Range<usize>], place: usize, start: usize, to: &mut Vec<u8>) {
    let value = to.split_off(start);
    let (old, len) = (values[place].clone(), value.len());
    to.splice(old.clone(), value);
    values[place] = old.start..old.start + len;
    for later in &mut values[place + 1..] {
        let moved = later.start - old.len() + len;
        *later = moved..moved + later.len();
    }
}

fn text(content: &[u8], to: &mut Vec<u8>) {
    let mut plain = Vec::new();
    scan::unescape(content, &mut plain);
    write_string(&plain, false, to);
}

fn number(text: &[u8], fractional: bool, exact: bool, to: &mut Vec<u8>) {
    if !fractional {
        to.extend_from_slice(if text == b"-0" { b"0" } else { text });
    } else if exact {
        exact_number(text, to);
    } else {
        let v: f64 = fast_float2::parse(text).unwrap_or(f64::NAN);
        if v.is_finite() {
            java::write_f64(v, to);
        } else {
            to.push(b'"');
            java::write_f64(v, to);
            to.push(b'"');
        }
    }
}

fn exact_number(text: &[u8], to: &mut Vec<u8>) {
    let split = text.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(text.len());
    let exponent = text.get(split + 1..).and_then(|e| std::str::from_utf8(e).ok());
    let exponent = exponent.and_then(java::parse_i64).unwrap_or(0).clamp(-1 << 40, 1 << 40);
    let fraction = text[..split].iter().position(|b| *b == b'.').map_or(0, |p| split - p - 1);
    let digits: Vec<u8> = text[..split].iter().copied().filter(u8::is_ascii_digit).collect();
    if text[0] == b'-' && digits.iter().any(|d| *d != b'0') {
        to.push(b'-');
    }
    java::write_stripped_digits(&digits, fraction as i64 - exponent, to);
}
