//! Every function over odd values: an error is fine, a panic is not.

use std::panic::{AssertUnwindSafe, catch_unwind};

use brooklet_core::types::SqlType;
use datafusion::common::ScalarValue;

use super::eval::{Eval, Mode};

/// Values at the ends of their types, and texts that functions look into.
fn odd() -> Vec<(ScalarValue, SqlType)> {
    let texts = [
        "",
        " ",
        "abc",
        "ü€😀",
        "-1",
        "1e999",
        "2020-02-30 25:61:61",
        "2020-01-02 03:04:05.678",
        "9999-12-31",
        "-0001-01-01",
        "yyyy-MM-dd HH:mm:ss.SSS",
        "'",
        "[",
        "(",
        "(a*)*b",
        "\\",
        "$.a[",
        "{\"a\":",
        "{\"a\":[1,{\"b\":null}]}",
        "%",
        "http://[::1",
        "UTC",
        "Mars/Base",
        "DAY",
        "utf-16",
    ];
    let mut all: Vec<(ScalarValue, SqlType)> =
        texts.iter().map(|t| (ScalarValue::from(*t), SqlType::STRING)).collect();
    all.push((ScalarValue::Utf8(None), SqlType::STRING));
    for v in [None, Some(0), Some(-1), Some(1), Some(7), Some(i32::MIN), Some(i32::MAX)] {
        all.push((ScalarValue::Int32(v), SqlType::Int));
    }
    for v in [None, Some(0), Some(-1), Some(i64::MIN), Some(i64::MAX)] {
        all.push((ScalarValue::Int64(v), SqlType::BigInt));
        all.push((ScalarValue::TimestampMillisecond(v, None), SqlType::Timestamp(3)));
        all.push((ScalarValue::TimestampNanosecond(v, None), SqlType::Timestamp(9)));
        let utc = Some(brooklet_core::types::UTC.into());
        all.push((ScalarValue::TimestampMillisecond(v, utc), SqlType::TimestampLtz(3)));
    }
    for v in [None, Some(i32::MIN), Some(i32::MAX), Some(0)] {
        all.push((ScalarValue::Date32(v), SqlType::Date));
        all.push((ScalarValue::Time32Millisecond(v), SqlType::Time(3)));
    }
    for v in [None, Some(f64::NAN), Some(f64::INFINITY), Some(-0.0), Some(1e308), Some(-2.5)] {
        all.push((ScalarValue::Float64(v), SqlType::Double));
    }
    let most = 10_i128.pow(38) - 1;
    for v in [None, Some(0), Some(most), Some(-most)] {
        all.push((ScalarValue::Decimal128(v, 38, 18), SqlType::Decimal(38, 18)));
        all.push((
            ScalarValue::Decimal128(v.map(|v| v / 10_i128.pow(28)), 10, 0),
            SqlType::Decimal(10, 0),
        ));
    }
    all.push((ScalarValue::Boolean(Some(true)), SqlType::Boolean));
    all.push((ScalarValue::Boolean(None), SqlType::Boolean));
    all.push((ScalarValue::Binary(Some(vec![0xff, 0])), SqlType::BYTES));
    all.push((ScalarValue::Null, SqlType::STRING));
    all
}

/// A small generator: the same values every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

/// Calls a function; the text of the call if it panics.
fn panics(call: impl FnOnce(), shown: impl FnOnce() -> String) -> Option<String> {
    catch_unwind(AssertUnwindSafe(call)).is_err().then(shown)
}

#[test]
fn no_function_panics() {
    let (values, mut dice) = (odd(), Dice(7));
    let mut names: Vec<String> = crate::all().iter().map(|f| f.name().to_string()).collect();
    names.sort();
    let mut wrong = Vec::new();
    for name in &names {
        for _ in 0..150 {
            let arguments: Vec<_> =
                (0..dice.roll(5)).map(|_| values[dice.roll(values.len())].clone()).collect();
            let mode = if dice.roll(2) == 0 { Mode::Constants } else { Mode::Columns };
            let call = || drop(Eval(mode).of_values(name, &arguments));
            wrong.extend(panics(call, || format!("{name}({arguments:?}) {mode:?}")));
        }
    }
    assert!(wrong.is_empty(), "{} panics\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_cast_panics() {
    use SqlType as S;
    let targets = [
        S::Boolean,
        S::TinyInt,
        S::Int,
        S::BigInt,
        S::Float,
        S::Double,
        S::Decimal(5, 2),
        S::Decimal(38, 38),
        S::Char(3),
        S::Varchar(0),
        S::STRING,
        S::BYTES,
        S::Date,
        S::Time(0),
        S::Timestamp(0),
        S::Timestamp(3),
        S::Timestamp(9),
        S::TimestampLtz(3),
    ];
    let mut wrong = Vec::new();
    for (value, from) in odd() {
        for to in &targets {
            for try_cast in [false, true] {
                let array = value.to_array_of_size(2).unwrap();
                let call = || drop(crate::cast(&array, &from, to, try_cast));
                wrong.extend(panics(call, || format!("CAST({value:?} AS {to})")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} panics\n{}", wrong.len(), wrong.join("\n"));
}
