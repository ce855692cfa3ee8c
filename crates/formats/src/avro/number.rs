//! Decimals and points in time between the forms of Avro and of columns.

use arrow::datatypes::TimeUnit;

/// A two's complement number, the highest byte first; None when 128 bits do not hold it.
pub(super) fn from_bytes(bytes: &[u8]) -> Option<i128> {
    let sign = if bytes.first().is_some_and(|b| *b >= 0x80) { 0xff } else { 0 };
    let (beyond, low) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut all = [sign; 16];
    all[16 - low.len()..].copy_from_slice(low);
    let value = i128::from_be_bytes(all);
    let fits = beyond.iter().all(|b| *b == sign) && (value < 0) == (sign == 0xff);
    fits.then_some(value)
}

/// The shortest two's complement form, at least one byte.
pub(super) fn shortest(bytes: &[u8; 16]) -> &[u8] {
    let repeats_sign =
        |pair: &&[u8]| (pair[0] == 0 && pair[1] < 0x80) || (pair[0] == 0xff && pair[1] >= 0x80);
    &bytes[bytes.windows(2).take_while(repeats_sign).count()..]
}

/// The number with another scale, half up; None when it has more than `precision` digits then.
pub(super) fn rescale(value: i128, from: u32, to: u32, precision: u8) -> Option<i128> {
    let power = 10i128.checked_pow(from.abs_diff(to));
    let value = match (from <= to, power) {
        (true, _) if value == 0 => 0,
        (true, power) => value.checked_mul(power?)?,
        (false, None) => 0,
        (false, Some(power)) => {
            let rest = (value % power).unsigned_abs();
            let up = i128::from(rest >= (power / 2).unsigned_abs());
            value / power + up * value.signum()
        }
    };
    let limit = 10u128.checked_pow(u32::from(precision))?;
    (value.unsigned_abs() < limit).then_some(value)
}

/// The point in time in another unit; digits beyond it are cut.
pub(super) fn in_unit(value: i64, from: TimeUnit, to: TimeUnit) -> Option<i64> {
    let (from, to) = (per_second(from), per_second(to));
    if from <= to { value.checked_mul(to / from) } else { Some(value.div_euclid(from / to)) }
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}
