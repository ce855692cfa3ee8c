//! Decimals as integers and scales: reading, rounding half up, writing.

/// 10 to that power, None above 38.
pub(crate) fn power(exponent: u32) -> Option<i128> {
    10_i128.checked_pow(exponent)
}

/// The value at another scale, rounded half up, if it then has at most `precision` digits.
pub(crate) fn rescaled(value: i128, from: i64, to: i64, precision: u8) -> Option<i128> {
    let scaled = match to - from {
        up @ 0.. => match value {
            0 => 0,
            _ => value.checked_mul(power(u32::try_from(up).ok()?)?)?,
        },
        down => {
            let dropped = u32::try_from(-down).ok()?;
            match power(dropped) {
                Some(by) => round_half_up(value, by),
                None => 0,
            }
        }
    };
    (scaled.unsigned_abs() < power(u32::from(precision))?.unsigned_abs()).then_some(scaled)
}

/// value / by, halves away from zero.
pub(crate) fn round_half_up(value: i128, by: i128) -> i128 {
    let (quotient, rest) = (value / by, value % by);
    let carry = rest.unsigned_abs() >= by.unsigned_abs() - by.unsigned_abs() / 2;
    quotient + if carry { value.signum() } else { 0 }
}

/// Text to DECIMAL(precision, scale) as a CAST reads it. Short texts go through a scanner that
/// does not look at the one character that ends the digits (`12.5%` is 12.5) and that counts
/// leading zeros as digits; long ones and wide types must be a number all through.
pub(crate) fn parse(text: &str, precision: u8, scale: u8) -> Option<i128> {
    if precision <= 18 && text.len() <= 18 {
        return scanned(text.as_bytes(), precision, scale);
    }
    let space = |c: char| matches!(c, ' ' | '\n' | '\t');
    exact(text.trim_matches(space), precision, scale)
}

fn scanned(text: &[u8], precision: u8, scale: u8) -> Option<i128> {
    let space = |c: u8| matches!(c, b' ' | b'\n' | b'\t');
    let start = text.iter().position(|c| !space(*c))?;
    let text = &text[start..];
    let signed = matches!(text[0], b'-' | b'+');
    let negative = text[0] == b'-';
    let text = &text[usize::from(signed)..];
    if text.is_empty() {
        return None;
    }
    let (mut value, mut digits, mut point) = (0_i128, 0_i64, None);
    let mut at = 0;
    let mut last = 0;
    while at < text.len() {
        last = text[at];
        at += 1;
        match last {
            b'0'..=b'9' => {
                value = value * 10 + i128::from(last - b'0');
                digits += 1;
            }
            b'.' if point.is_some() => return None,
            b'.' => point = Some(digits),
            _ => break,
        }
    }
    let mut exponent = 0_i64;
    if matches!(last, b'e' | b'E') && at < text.len() {
        let down = text[at] == b'-';
        if matches!(text[at], b'-' | b'+') {
            at += 1;
            if at == text.len() {
                return None;
            }
        }
        while at < text.len() {
            let c = text[at];
            at += 1;
            if !c.is_ascii_digit() {
                break;
            }
            // Larger ones overflow or vanish all the same.
            if exponent < 40 {
                exponent = exponent * 10 + i64::from(c - b'0');
            }
        }
        if down {
            exponent = -exponent;
        }
    }
    if !text[at..].iter().all(|c| space(*c)) {
        return None;
    }
    let fraction = digits - point.unwrap_or(digits);
    if digits + exponent - fraction + i64::from(scale) > i64::from(precision) {
        return None;
    }
    let value = if negative { -value } else { value };
    rescaled(value, fraction - exponent, i64::from(scale), 38)
}

/// A number in Java's BigDecimal notation, `[+-]digits[.digits][e[+-]digits]`, rounded half up.
pub(crate) fn exact(text: &str, precision: u8, scale: u8) -> Option<i128> {
    let (value, from) = digits(text)?;
    rescaled(value, from, i64::from(scale), precision)
}

/// The digits of such a number as an integer, and its scale. Digits after the 38th are dropped;
/// a half in front of them still rounds the same way up to that place.
pub(crate) fn digits(text: &str) -> Option<(i128, i64)> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(e) => {
            let digits = &text[e + 1..];
            let plain = digits.strip_prefix('+').filter(|d| !d.starts_with(['+', '-']));
            (&text[..e], plain.unwrap_or(digits).parse::<i32>().ok()?)
        }
        None => (text, 0),
    };
    let unsigned = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = whole.bytes().chain(fraction.bytes());
    let mut scale = fraction.len() as i64 - i64::from(exponent);
    let (mut value, mut count) = (0_i128, 0);
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        count += 1;
        if value.unsigned_abs() >= 10_u128.pow(37) {
            scale -= 1;
            continue;
        }
        value = value * 10 + i128::from(digit - b'0');
    }
    let negative = mantissa.starts_with('-');
    (count > 0).then_some((if negative { -value } else { value }, scale))
}

/// Appends a decimal without an exponent.
pub(crate) fn write(out: &mut String, value: i128, scale: u8) {
    let digits = value.unsigned_abs().to_string();
    if value < 0 {
        out.push('-');
    }
    let scale = usize::from(scale);
    if digits.len() > scale {
        out.push_str(&digits[..digits.len() - scale]);
    } else {
        out.push('0');
    }
    if scale > 0 {
        out.push('.');
        out.extend(std::iter::repeat_n('0', scale.saturating_sub(digits.len())));
        out.push_str(&digits[digits.len().saturating_sub(scale)..]);
    }
}
