//! Addresses of IPv4 as numbers and back.

use arrow::datatypes::Int64Type;

use crate::column::{value_rows, write_rows};
use crate::function::Kind::{Long, Text as T};
use crate::function::{Function, Output, SqlTypeOf};

/// `INET_ATON(text)`
///
/// The number of an IPv4 address, as in MySQL: `a.b` is a.0.0.b and `a.b.c` is a.b.0.c. NULL for
/// text that is none.
///
/// ```sql
/// INET_ATON('1.2.3.4') = 16909060
/// INET_ATON('1.2') = 16777218
/// INET_ATON('256.1.1.1') IS NULL
/// ```
pub(super) const INET_ATON: Function =
    Function::new("inet_aton", &[T], Output::Is(SqlTypeOf::Long), |call| {
        let text = call.text(0)?;
        Ok(value_rows::<Int64Type>(call.rows, |row| number(text.get(row)?)))
    })
    .nullable();

/// `INET_NTOA(number)`: the IPv4 address of a number; NULL for a number that has none.
///
/// ```sql
/// INET_NTOA(16909060) = '1.2.3.4'
/// ```
pub(super) const INET_NTOA: Function = Function::text("inet_ntoa", &[Long], |call| {
    let numbers = call.longs(0)?;
    Ok(write_rows(call.rows, |row, out| {
        let number = u32::try_from(numbers.get(row)?).ok()?;
        out.push_str(&std::net::Ipv4Addr::from(number).to_string());
        Some(())
    }))
})
.nullable();

fn number(text: &str) -> Option<i64> {
    let parts = text.split('.').map(|part| {
        let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<u8>().ok()).flatten().map(i64::from)
    });
    match parts.collect::<Option<Vec<_>>>()?.as_slice() {
        [d] => Some(*d),
        [a, d] => Some((a << 24) + d),
        [a, b, d] => Some((a << 24) + (b << 16) + d),
        [a, b, c, d] => Some((a << 24) + (b << 16) + (c << 8) + d),
        _ => None,
    }
}
