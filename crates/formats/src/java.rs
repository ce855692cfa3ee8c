//! Numbers as Java writes and reads them: Double.toString, BigDecimal.toString, parseInt and so on.

/// Appends `Double.toString(v)`: 1.0, 1.0E10, 1.0E-5, NaN, Infinity.
pub(crate) fn write_f64(v: f64, to: &mut Vec<u8>) {
    if !v.is_finite() {
        return write_not_finite(v, to);
    }
    if v != 0.0 && v.abs() < 1e-320 {
        // Java takes the closest of the two-digit forms where one digit would do.
        return write_scientific(&format!("{v:.1e}"), to);
    }
    write_shortest(ryu::Buffer::new().format_finite(v), to);
}

/// Appends `Float.toString(v)`.
pub(crate) fn write_f32(v: f32, to: &mut Vec<u8>) {
    if !v.is_finite() {
        return write_not_finite(f64::from(v), to);
    }
    if v != 0.0 && v.abs() < 1e-43 {
        return write_scientific(&format!("{v:.1e}"), to);
    }
    write_shortest(ryu::Buffer::new().format_finite(v), to);
}

fn write_not_finite(v: f64, to: &mut Vec<u8>) {
    let text: &[u8] = match v {
        v if v.is_nan() => b"NaN",
        v if v > 0.0 => b"Infinity",
        _ => b"-Infinity",
    };
    to.extend_from_slice(text);
}

/// `d.de-n` of a tiny number to Java's `d.dE-n`.
fn write_scientific(text: &str, to: &mut Vec<u8>) {
    to.extend(text.bytes().map(|b| b.to_ascii_uppercase()));
}

/// The shortest digits, in whatever form they come, in Java's form.
fn write_shortest(text: &str, to: &mut Vec<u8>) {
    let (text, negative) = match text.strip_prefix('-') {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    if negative {
        to.push(b'-');
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let mut all = [0u8; 24];
    let mut count = 0;
    let mut point = None;
    for byte in mantissa.bytes() {
        if byte == b'.' {
            point = Some(count);
        } else {
            all[count] = byte;
            count += 1;
        }
    }
    // The value is 0.DIGITS × 10^scale.
    let mut scale = point.unwrap_or(count) as i32 + exponent;
    let leading = all[..count].iter().take_while(|d| **d == b'0').count();
    let end = count - all[leading..count].iter().rev().take_while(|d| **d == b'0').count();
    if leading >= end {
        return to.extend_from_slice(b"0.0");
    }
    scale -= leading as i32;
    write_java_digits(&all[leading..end], scale, to);
}

fn write_java_digits(digits: &[u8], scale: i32, to: &mut Vec<u8>) {
    let rest_or_zero = |rest: &[u8], to: &mut Vec<u8>| {
        to.push(b'.');
        to.extend_from_slice(if rest.is_empty() { b"0" } else { rest });
    };
    match scale {
        -2..=0 => {
            to.extend_from_slice(b"0.");
            to.extend(std::iter::repeat_n(b'0', -scale as usize));
            to.extend_from_slice(digits);
        }
        1..=7 => {
            let whole = scale as usize;
            let split = whole.min(digits.len());
            to.extend_from_slice(&digits[..split]);
            to.extend(std::iter::repeat_n(b'0', whole - split));
            rest_or_zero(&digits[split..], to);
        }
        _ => {
            to.push(digits[0]);
            rest_or_zero(&digits[1..], to);
            to.push(b'E');
            to.extend_from_slice(itoa::Buffer::new().format(scale - 1).as_bytes());
        }
    }
}

/// Appends an unscaled value with its scale in plain notation, all digits kept.
pub(crate) fn write_plain_decimal(unscaled: i128, scale: u32, to: &mut Vec<u8>) {
    if unscaled < 0 {
        to.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    let scale = scale as usize;
    if scale == 0 {
        return to.extend_from_slice(digits);
    }
    if digits.len() > scale {
        let split = digits.len() - scale;
        to.extend_from_slice(&digits[..split]);
        to.push(b'.');
        to.extend_from_slice(&digits[split..]);
    } else {
        to.extend_from_slice(b"0.");
        to.extend(std::iter::repeat_n(b'0', scale - digits.len()));
        to.extend_from_slice(digits);
    }
}

/// Appends `BigDecimal.stripTrailingZeros().toString()` of a number.
pub(crate) fn write_stripped_decimal(unscaled: i128, scale: u32, to: &mut Vec<u8>) {
    if unscaled < 0 {
        to.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    write_stripped_digits(digits, i64::from(scale), to);
}

/// The same for digits without a sign; `scale` counts those behind the point and may be negative.
pub(crate) fn write_stripped_digits(digits: &[u8], scale: i64, to: &mut Vec<u8>) {
    let leading = digits.iter().take_while(|d| **d == b'0').count();
    let trailing = digits.iter().rev().take_while(|d| **d == b'0').count();
    if leading == digits.len() {
        return to.push(b'0');
    }
    let digits = &digits[leading..digits.len() - trailing];
    let scale = scale - trailing as i64;
    let count = digits.len() as i64;
    let adjusted = count - 1 - scale;
    if scale == 0 {
        to.extend_from_slice(digits);
    } else if scale > 0 && adjusted >= -6 {
        if count > scale {
            let split = (count - scale) as usize;
            to.extend_from_slice(&digits[..split]);
            to.push(b'.');
            to.extend_from_slice(&digits[split..]);
        } else {
            to.extend_from_slice(b"0.");
            to.extend(std::iter::repeat_n(b'0', (scale - count) as usize));
            to.extend_from_slice(digits);
        }
    } else {
        to.push(digits[0]);
        if count > 1 {
            to.push(b'.');
            to.extend_from_slice(&digits[1..]);
        }
        to.push(b'E');
        to.push(if adjusted < 0 { b'-' } else { b'+' });
        to.extend_from_slice(itoa::Buffer::new().format(adjusted.unsigned_abs()).as_bytes());
    }
}

/// `String.trim()`: everything up to the space is cut.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

/// `Long.parseLong`: a sign, then decimal digits of any script.
pub(crate) fn parse_i64(text: &str) -> Option<i64> {
    let (digits, negative) = match text.as_bytes().first()? {
        b'-' => (&text[1..], true),
        b'+' => (&text[1..], false),
        _ => (text, false),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: i64 = 0;
    for c in digits.chars() {
        let digit = i64::from(digit(c)?);
        value = value.checked_mul(10)?.checked_sub(digit)?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// `Character.digit(c, 10)` for the characters of the basic plane.
fn digit(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    let c = c as u32;
    let next = ZEROS.partition_point(|zero| *zero <= c);
    let value = c - ZEROS.get(next.checked_sub(1)?)?;
    (value < 10).then_some(value)
}

/// The zeros of Unicode's decimal digits (general category Nd) up to U+FFFF.
const ZEROS: [u32; 36] = [
    0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90,
    0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10,
];

/// `Double.parseDouble`: also NaN, Infinity, a trailing d or f, and hexadecimal floats.
pub(crate) fn parse_f64(text: &str) -> Option<f64> {
    match float_form(text)? {
        FloatForm::Special(v) => Some(v),
        FloatForm::Decimal(text) => fast_float2::parse(text).ok(),
        FloatForm::Hex { mantissa, exponent, negative } => {
            let v = scale_by_two(mantissa, exponent);
            Some(if negative { -v } else { v })
        }
    }
}

/// `Float.parseFloat`.
pub(crate) fn parse_f32(text: &str) -> Option<f32> {
    match float_form(text)? {
        FloatForm::Decimal(text) => fast_float2::parse(text).ok(),
        _ => parse_f64(text).map(|v| v as f32),
    }
}

enum FloatForm<'a> {
    Special(f64),
    Decimal(&'a str),
    Hex { mantissa: u64, exponent: i64, negative: bool },
}

fn float_form(text: &str) -> Option<FloatForm<'_>> {
    let text = trim(text);
    let (body, negative) = match text.as_bytes().first()? {
        b'-' => (&text[1..], true),
        b'+' => (&text[1..], false),
        _ => (text, false),
    };
    let signed = |v: f64| Some(FloatForm::Special(if negative { -v } else { v }));
    match body {
        "NaN" => return signed(f64::NAN),
        "Infinity" => return signed(f64::INFINITY),
        _ => {}
    }
    if let Some(hex) = body.strip_prefix("0x").or_else(|| body.strip_prefix("0X")) {
        let (mantissa, exponent) = hex_float(hex)?;
        return Some(FloatForm::Hex { mantissa, exponent, negative });
    }
    let body = body.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(body);
    is_decimal_float(body).then(|| {
        let from = text.len() - text.trim_start_matches('+').len();
        let end = text.len() - usize::from(text.ends_with(['d', 'D', 'f', 'F']));
        FloatForm::Decimal(&text[from..end])
    })
}

/// Digits with at most one point among them, then an optional exponent.
fn is_decimal_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = whole.len() + fraction.len() > 0 && all_digits(whole) && all_digits(fraction);
    let exponent_ok = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && all_digits(e)
    });
    digits && exponent_ok
}

/// `H.Hp±D` to a mantissa and a power of two; digits beyond 60 bits only leave a sticky bit.
fn hex_float(text: &str) -> Option<(u64, i64)> {
    let text =
        text.strip_suffix(['d', 'D', 'f', 'F']).filter(|t| t.contains(['p', 'P'])).unwrap_or(text);
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let mut exponent = parse_i64(exponent)?.clamp(-1 << 40, 1 << 40);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for (i, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = u64::from(c.to_digit(16)?);
        if value >> 60 == 0 {
            value = value << 4 | digit;
            if i >= whole.len() {
                exponent -= 4;
            }
        } else {
            value |= u64::from(digit != 0);
            if i < whole.len() {
                exponent += 4;
            }
        }
    }
    Some((value, exponent))
}

/// `mantissa × 2^exponent`, rounded once.
fn scale_by_two(mantissa: u64, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = 63 - i64::from(mantissa.leading_zeros()) + exponent;
    if top > 1023 {
        return f64::INFINITY;
    }
    if top < -1075 {
        return 0.0;
    }
    // The lowest bit a result of this size can have.
    let lowest = (top - 52).max(-1074);
    let shift = lowest - exponent;
    let (kept, lowest) = if shift <= 0 {
        (mantissa, exponent)
    } else if shift > 63 {
        (u64::from(shift == 64 && mantissa > 1 << 63), lowest)
    } else {
        let half = 1u64 << (shift - 1);
        let (low, high) = (mantissa & ((1 << shift) - 1), mantissa >> shift);
        (high + u64::from(low > half || (low == half && high & 1 == 1)), lowest)
    };
    // Two steps, each exact: the first factor stays normal.
    let first = lowest.max(-1000);
    kept as f64 * 2f64.powi(first as i32) * 2f64.powi((lowest - first) as i32)
}

/// What a number's text gave for a DECIMAL(p, s).
pub(crate) enum Decimal {
    Value(i128),
    /// More digits before the point than fit: NULL, as Flink has it.
    Overflow,
}

/// `new BigDecimal(text)` set to the scale, half up; None when the text is no number.
pub(crate) fn parse_decimal(text: &[u8], precision: u8, scale: u8) -> Option<Decimal> {
    let (body, negative) = match text.first()? {
        b'-' => (&text[1..], true),
        b'+' => (&text[1..], false),
        _ => (text, false),
    };
    let split = body.iter().position(|b| matches!(b, b'e' | b'E')).unwrap_or(body.len());
    let (mantissa, exponent) = (&body[..split], body.get(split + 1..));
    let exponent = match exponent {
        None => 0,
        Some(e) => parse_i64(std::str::from_utf8(e).ok()?)?.clamp(-1 << 40, 1 << 40),
    };
    let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
    let whole = &mantissa[..point];
    let fraction = mantissa.get(point + 1..).unwrap_or_default();
    let mut digits = whole.iter().chain(fraction);
    if whole.len() + fraction.len() == 0 || !digits.clone().all(u8::is_ascii_digit) {
        return None;
    }
    // How many of the digits stand before the end of the wanted scale.
    let keep = whole.len() as i64 + exponent + i64::from(scale);
    let mut value: i128 = 0;
    let limit = 10i128.pow(u32::from(precision.min(38)));
    let mut taken = 0;
    while taken < keep {
        let Some(digit) = digits.next() else { break };
        if value >= limit / 10 {
            return Some(Decimal::Overflow);
        }
        value = value * 10 + i128::from(digit - b'0');
        taken += 1;
    }
    if value != 0 {
        for _ in taken..keep {
            if value >= limit / 10 {
                return Some(Decimal::Overflow);
            }
            value *= 10;
        }
    }
    if keep >= 0 && digits.next().is_some_and(|d| *d >= b'5') {
        value += 1;
    }
    if value >= limit {
        return Some(Decimal::Overflow);
    }
    Some(Decimal::Value(if negative { -value } else { value }))
}

#[cfg(test)]
mod tests;
