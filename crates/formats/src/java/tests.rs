//! Texts of numbers that Java gives or takes.

use super::*;

fn f64_text(v: f64) -> String {
    let mut to = Vec::new();
    write_f64(v, &mut to);
    String::from_utf8(to).unwrap()
}

#[test]
fn doubles_as_java_writes_them() {
    let cases = [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (100.0, "100.0"),
        (1234567.0, "1234567.0"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (1.5e10, "1.5E10"),
        (0.001, "0.001"),
        (0.00123, "0.00123"),
        (0.0001, "1.0E-4"),
        (1e23, "1.0E23"),
        (2e-3, "0.002"),
        (f64::MAX, "1.7976931348623157E308"),
        (f64::from_bits(1), "4.9E-324"),
        (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
        (0.1 + 0.2, "0.30000000000000004"),
        (f64::NEG_INFINITY, "-Infinity"),
    ];
    for (v, text) in cases {
        assert_eq!(f64_text(v), text);
    }
    let mut to = Vec::new();
    write_f32(f32::from_bits(1), &mut to);
    to.push(b' ');
    write_f32(3.4028235e38, &mut to);
    to.push(b' ');
    write_f32(0.1, &mut to);
    assert_eq!(to, b"1.4E-45 3.4028235E38 0.1");
}

#[test]
fn texts_java_takes_as_doubles() {
    for (text, v) in [
        ("4.23", 4.23),
        (" 7 ", 7.0),
        ("5d", 5.0),
        ("+1.5f", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("1e3", 1000.0),
        ("0x1p3", 8.0),
        ("-0x1.8p1", -3.0),
        ("0x.8p0", 0.5),
        ("0x1p-1074", f64::from_bits(1)),
        ("0x1.fffffffffffffp1023", f64::MAX),
        ("0x1p1024", f64::INFINITY),
        ("0x1.00000000000008p0", 1.0),
        ("0x1.00000000000018p0", 1.0000000000000004),
        ("1e999", f64::INFINITY),
        ("Infinity", f64::INFINITY),
    ] {
        assert_eq!(parse_f64(text), Some(v), "{text}");
    }
    for text in ["", "x", "inf", "nan", "1e", "0x1", ".", "1_0", "+-1", "5dd", "--1"] {
        assert_eq!(parse_f64(text), None, "{text}");
    }
    assert!(parse_f64("NaN").unwrap().is_nan());
    assert_eq!(parse_f32("0.1"), Some(0.1f32));
}

#[test]
fn decimals_round_half_up_and_overflow_to_null() {
    let parse = |t: &str| match parse_decimal(t.as_bytes(), 10, 2) {
        Some(Decimal::Value(v)) => Some(v),
        Some(Decimal::Overflow) => Some(i128::MAX),
        None => None,
    };
    for (text, v) in [
        ("2.345", 235),
        ("-2.345", -235),
        ("1.005", 101),
        ("1e3", 100_000),
        ("1.5e-3", 0),
        ("5e-3", 1),
        ("4e-3", 0),
        ("0.004e1", 4),
        ("99999999.994", 9_999_999_999),
        ("99999999.995", i128::MAX),
        ("123456789.12", i128::MAX),
        ("1e999999999", i128::MAX),
        ("0e999999999", 0),
        ("1e-999999999", 0),
        (".5", 50),
        ("5.", 500),
        ("+7", 700),
    ] {
        assert_eq!(parse(text), Some(v), "{text}");
    }
    for text in ["", ".", "x", "1e", "1.2.3", "--1", "1e+-3"] {
        assert_eq!(parse(text), None, "{text}");
    }
}

#[test]
fn decimals_as_big_decimal_writes_them() {
    let stripped = |unscaled, scale| {
        let mut to = Vec::new();
        write_stripped_decimal(unscaled, scale, &mut to);
        String::from_utf8(to).unwrap()
    };
    assert_eq!(stripped(120_000, 2), "1.2E+3");
    assert_eq!(stripped(0, 2), "0");
    assert_eq!(stripped(150, 2), "1.5");
    assert_eq!(stripped(-100, 2), "-1");
    assert_eq!(stripped(1200, 10), "1.2E-7");
    assert_eq!(stripped(1, 6), "0.000001");
    assert_eq!(stripped(1_000_000, 0), "1E+6");
    let mut to = Vec::new();
    write_plain_decimal(1200, 10, &mut to);
    write_plain_decimal(-120_000, 2, &mut to);
    assert_eq!(to, b"0.0000001200-1200.00");
}

#[test]
fn integers_of_any_script() {
    assert_eq!(parse_i64("+5"), Some(5));
    assert_eq!(parse_i64("-9223372036854775808"), Some(i64::MIN));
    assert_eq!(parse_i64("9223372036854775808"), None);
    assert_eq!(parse_i64("٤٢"), Some(42));
    assert_eq!(parse_i64("４２"), Some(42));
    assert_eq!(parse_i64(""), None);
    assert_eq!(parse_i64("-"), None);
}
