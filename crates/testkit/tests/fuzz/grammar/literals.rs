//! Literals, most of them at the ends of their types, and odd names.

use brooklet_testkit::dice::Dice;

use super::types::Ty;

pub const NAMES: [&str; 12] =
    ["a b", "ü€", "select", "``", "x.y", "$0", "😀", "", "A", "'", "window_start", "\u{301}"];

const INTS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "7",
    "100",
    "2147483647",
    "-2147483648",
    "2147483648",
    "-9223372036854775808",
    "12e3",
    "CAST(NULL AS INT)",
    "00012",
];
const LONGS: [&str; 8] = [
    "CAST(0 AS BIGINT)",
    "CAST(-1 AS BIGINT)",
    "9223372036854775807",
    "1700000000000",
    "CAST(NULL AS BIGINT)",
    "-9223372036854775808",
    "9223372036854775808",
    "99999999999999999999999999999999999999999",
];
const DOUBLES: [&str; 10] = [
    "0e0",
    "-0e0",
    "1.5e0",
    "1e308",
    "1e-320",
    "-2.5e0",
    "CAST('NaN' AS DOUBLE)",
    "CAST('Infinity' AS DOUBLE)",
    "9.223372036854775807E18",
    "1e309",
];
const DECIMALS: [&str; 10] = [
    "0.0",
    "1.50",
    "-0.5",
    "99999999.99",
    "CAST(NULL AS DECIMAL(10, 2))",
    "99999999999999999999999999999999999999",
    "0.00000000000000000000000000000000000001",
    "123456789012345678901234567890.12345678",
    ".5",
    "1234567890123456789012345678901234567890.1",
];
const TEXTS: [&str; 40] = [
    "''",
    "' '",
    "'a'",
    "'abc'",
    "'ü€😀'",
    "'%'",
    "'_%'",
    "'\\'",
    "'it''s'",
    "'1'",
    "'-12.9'",
    "'1e999'",
    "'2020-02-30'",
    "'2020-02-29 23:59:60'",
    "'2024-03-31 02:30:00.123456789'",
    "'0001-01-01'",
    "'9999-12-31 23:59:59'",
    "'-0001-01-01'",
    "'yyyy-MM-dd HH:mm:ss'",
    "'EEEE'",
    "'''T'''",
    "'UTC'",
    "'Europe/Berlin'",
    "'GMT+14:00'",
    "'Mars/Base'",
    "'$.a'",
    "'$.a[*].b'",
    "'lax $..a[1 to 2]'",
    "'{\"a\":[1,{\"b\":null}]}'",
    "'{\"a\":'",
    "'(a*)*b'",
    "'[a-'",
    "'\\d+(x)?'",
    "'http://[::1/p?q=%zz#f'",
    "'a=1,b=2'",
    "'DAY'",
    "'utf-16'",
    "'NaN'",
    "U&'\\00fc'",
    "CAST(NULL AS STRING)",
];
const DATES: [&str; 7] = [
    "DATE '2024-02-29'",
    "DATE '1969-12-31'",
    "DATE '0001-01-01'",
    "DATE '9999-12-31'",
    "DATE '2023-02-29'",
    "DATE '20240101'",
    "CAST(NULL AS DATE)",
];
const TIMES: [&str; 5] = [
    "TIME '00:00:00'",
    "TIME '23:59:59.999'",
    "TIME '24:00:00'",
    "TIME '1:2:3'",
    "CAST(NULL AS TIME)",
];
const MOMENTS: [&str; 8] = [
    "TIMESTAMP '2024-03-31 02:30:00'",
    "TIMESTAMP '1969-12-31 23:59:59.999'",
    "TIMESTAMP '0001-01-01 00:00:00'",
    "TIMESTAMP '9999-12-31 23:59:59.999999999'",
    "TIMESTAMP '2023-02-30 00:00:00'",
    "TIMESTAMP '2024-01-01'",
    "TIMESTAMP '99999-01-01 00:00:00'",
    "CAST(NULL AS TIMESTAMP(3))",
];
const BYTES: [&str; 5] = ["X''", "x'00ff'", "X'0'", "X'zz'", "CAST(NULL AS BYTES)"];
const BOOLS: [&str; 4] = ["TRUE", "FALSE", "UNKNOWN", "CAST(NULL AS BOOLEAN)"];

/// Paths in JSON.
pub const PATHS: [&str; 8] = [
    "'$.a'",
    "'$'",
    "'lax $.a[0].b'",
    "'strict $.a[*]'",
    "'$[''a b'']'",
    "'$..a'",
    "'$.a[1 to 2]'",
    "'$.a.length()'",
];
/// Lengths of time as INTERVAL literals.
pub const INTERVALS: [&str; 22] = [
    "INTERVAL '1' SECOND",
    "INTERVAL '10' SECOND",
    "INTERVAL '1.5' SECOND(3)",
    "INTERVAL '5' MINUTE",
    "INTERVAL '1' HOUR",
    "INTERVAL '2' DAY",
    "INTERVAL '1' MONTH",
    "INTERVAL '1' YEAR",
    "INTERVAL '0' SECOND",
    "INTERVAL '-1' HOUR",
    "INTERVAL '99999999999' DAY",
    "INTERVAL '9223372036854775807' SECOND",
    "INTERVAL '9223372036854775808' YEAR",
    "INTERVAL '1 02:03:04.5' DAY TO SECOND",
    "INTERVAL '1-2' YEAR TO MONTH",
    "INTERVAL '25:61' HOUR TO MINUTE",
    "INTERVAL 'x' DAY",
    "INTERVAL '' DAY",
    "INTERVAL '1' WEEK",
    "INTERVAL '1' QUARTER",
    "INTERVAL '1'",
    "INTERVAL 1 SECOND",
];
/// Those that a window can be made of.
pub const SIZES: [&str; 8] = [
    "INTERVAL '1' SECOND",
    "INTERVAL '10' SECOND",
    "INTERVAL '30' SECOND",
    "INTERVAL '1' MINUTE",
    "INTERVAL '10' MINUTE",
    "INTERVAL '1' HOUR",
    "INTERVAL '1' DAY",
    "INTERVAL '0.5' SECOND",
];
pub const UNITS: [&str; 17] = [
    "SECOND",
    "MINUTE",
    "HOUR",
    "DAY",
    "WEEK",
    "MONTH",
    "QUARTER",
    "YEAR",
    "MILLISECOND",
    "MICROSECOND",
    "NANOSECOND",
    "DECADE",
    "CENTURY",
    "MILLENNIUM",
    "EPOCH",
    "DOW",
    "DOY",
];

/// A literal of the type.
pub fn of(dice: &mut Dice, ty: Ty) -> String {
    let odd = dice.chance(0.04);
    let of = |all: &'static [&'static str], usual: usize| match odd {
        true => all,
        false => &all[..usual],
    };
    let all: &[&str] = match ty {
        Ty::Int => of(&INTS, 7),
        Ty::Long => of(&LONGS, 5),
        Ty::Double => of(&DOUBLES, 9),
        Ty::Decimal => of(&DECIMALS, 5),
        Ty::Text => &TEXTS,
        Ty::Bool => &BOOLS,
        Ty::Date => of(&DATES, 4),
        Ty::Time => of(&TIMES, 2),
        Ty::Moment => of(&MOMENTS, 4),
        Ty::Zoned => &["TO_TIMESTAMP_LTZ(0, 3)", "TO_TIMESTAMP_LTZ(9223372036854775807, 0)"],
        Ty::Bytes => of(&BYTES, 2),
        Ty::Ints => &["ARRAY[1, 2, 3]", "ARRAY[1, CAST(NULL AS INT)]", "CAST(NULL AS ARRAY<INT>)"],
        Ty::Texts => &["ARRAY['a', '']", "ARRAY['b', CAST(NULL AS STRING)]", "ARRAY['ü']"],
        Ty::Map => &["MAP['a', 1]", "MAP['', 0, 'a', 2]", "CAST(NULL AS MAP<STRING, INT>)"],
        Ty::Row => &["CAST(ROW(1, 'a') AS ROW<p INT, q STRING>)"],
        Ty::Rows => &["ARRAY[CAST(ROW(1, 'a') AS ROW<p INT, q STRING>)]"],
    };
    dice.pick(all).to_string()
}

/// A literal of any type, or what is none.
pub fn any(dice: &mut Dice) -> String {
    let (ty, ..) = *dice.pick(&super::types::TYPES);
    match dice.below(8) {
        0 => dice.pick(&INTERVALS).to_string(),
        1 => "NULL".to_string(),
        2 => dice.pick(&INTS).to_string(),
        3 => dice.draw().to_string(),
        _ => of(dice, ty),
    }
}
