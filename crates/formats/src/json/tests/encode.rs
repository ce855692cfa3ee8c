//! Writing: the expected lines are those of Flink 2.3.

use arrow::array::{
    ArrayRef, BinaryArray, Decimal128Array, Float32Array, Float64Array, Int32Array, RecordBatch,
    StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};

use super::*;

fn lines(columns: Vec<(&str, ArrayRef)>, pairs: &[(&str, &str)]) -> Vec<String> {
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    encode(Delta::inserts(rows), pairs).unwrap()
}

fn encode(rows: Delta, pairs: &[(&str, &str)]) -> brooklet_core::Result<Vec<String>> {
    let spec = EncodeSpec { schema: rows.rows.schema(), options: options(pairs) };
    let records = super::super::encode::open(&spec)?.encode(&rows)?;
    Ok(records.iter().map(|r| String::from_utf8(r.to_vec()).unwrap()).collect())
}

fn decimal(unscaled: i128, precision: u8, scale: i8) -> ArrayRef {
    let array = Decimal128Array::from(vec![unscaled]);
    Arc::new(array.with_precision_and_scale(precision, scale).unwrap())
}

#[test]
fn decimals_strip_zeros_unless_plain() {
    let columns = || {
        vec![
            ("d1", decimal(120_000, 10, 2)),
            ("d2", decimal(1200, 20, 10)),
            ("n", Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef),
        ]
    };
    assert_eq!(lines(columns(), &[]), [r#"{"d1":1.2E+3,"d2":1.2E-7,"n":null}"#]);
    let plain: &[_] = &[
        ("json.encode.decimal-as-plain-number", "true"),
        ("json.encode.ignore-null-fields", "true"),
    ];
    assert_eq!(lines(columns(), plain), [r#"{"d1":1200.00,"d2":0.0000001200}"#]);
    assert_eq!(lines(vec![("v", decimal(101, 10, 2))], &[]), [r#"{"v":1.01}"#]);
}

#[test]
fn floats_as_java_writes_them() {
    let doubles: ArrayRef =
        Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, 1e10, 0.001, 123.0]));
    let floats: ArrayRef =
        Arc::new(Float32Array::from(vec![f32::NEG_INFINITY, 0.1, 1e-5, 16777216.0, -0.0]));
    assert_eq!(
        lines(vec![("a", doubles), ("b", floats)], &[]),
        [
            r#"{"a":"NaN","b":"-Infinity"}"#,
            r#"{"a":"Infinity","b":0.1}"#,
            r#"{"a":1.0E10,"b":1.0E-5}"#,
            r#"{"a":0.001,"b":1.6777216E7}"#,
            r#"{"a":123.0,"b":-0.0}"#,
        ]
    );
}

#[test]
fn times_of_both_standards() {
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            ("t", Arc::new(TimestampMillisecondArray::from(vec![1_577_934_245_500]))),
            (
                "l",
                Arc::new(
                    TimestampMicrosecondArray::from(vec![1_577_934_245_000_001])
                        .with_timezone("UTC"),
                ),
            ),
            ("d", Arc::new(arrow::array::Date32Array::from(vec![18_263]))),
            ("m", Arc::new(arrow::array::Time32MillisecondArray::from(vec![37_800_000]))),
        ]
    };
    assert_eq!(
        lines(columns(), &[]),
        [concat!(
            r#"{"t":"2020-01-02 03:04:05.5","l":"2020-01-02 03:04:05.000001Z","#,
            r#""d":"2020-01-02","m":"10:30:00"}"#
        )]
    );
    assert_eq!(
        lines(columns(), ISO),
        [concat!(
            r#"{"t":"2020-01-02T03:04:05.5","l":"2020-01-02T03:04:05.000001Z","#,
            r#""d":"2020-01-02","m":"10:30:00"}"#
        )]
    );
}

#[test]
fn strings_escape_as_jackson_does() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a\"\\/\n\u{1}\u{1f}\u{7f}é\u{2028}€😀"]));
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![b"hi".as_slice()]));
    assert_eq!(
        lines(vec![("q\"", text), ("b", bytes)], &[]),
        [concat!(
            "{\"q\\\"\":\"a\\\"\\\\/\\n\\u0001\\u001F\u{7f}é\u{2028}€",
            "\\uD83D\\uDE00\",\"b\":\"aGk=\"}"
        )]
    );
}

#[test]
fn containers_come_back_as_they_were() {
    let columns = schema(&[
        ("g", row(&[("x", SqlType::Int), ("y", array(SqlType::STRING))])),
        ("m", map(row(&[("z", SqlType::Boolean)]))),
    ]);
    let records = [
        r#"{"g":{"x":1,"y":["a",null]},"m":{"k":{"z":true},"n":null}}"#,
        r#"{"g":null,"m":{}}"#,
        r#"{"g":{"x":null,"y":[]},"m":null}"#,
    ];
    let rows = decode(&columns, &[], &records).rows;
    assert_eq!(encode(rows.clone(), &[]).unwrap(), records);
    let skip: &[_] = &[("json.encode.ignore-null-fields", "true")];
    assert_eq!(
        encode(rows, skip).unwrap(),
        [
            r#"{"g":{"x":1,"y":["a",null]},"m":{"k":{"z":true},"n":null}}"#,
            r#"{"m":{}}"#,
            r#"{"g":{"y":[]}}"#
        ]
    );
}

#[test]
fn weights_repeat_and_deletions_are_refused() {
    let batch = || {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
        RecordBatch::try_from_iter([("a", column)]).unwrap()
    };
    let twice = encode(Delta::new(batch(), vec![2, 1]), &[]).unwrap();
    assert_eq!(twice, [r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":2}"#]);
    let error = encode(Delta::new(batch(), vec![1, -1]), &[]).unwrap_err();
    assert!(error.message.contains("debezium-json"), "{error}");
}

#[test]
fn a_nexmark_bid_comes_out_as_flink_writes_it() {
    let bid = row(&[
        ("auction", SqlType::BigInt),
        ("bidder", SqlType::BigInt),
        ("price", SqlType::BigInt),
        ("dateTime", SqlType::Timestamp(3)),
        ("extra", SqlType::STRING),
    ]);
    let record = concat!(
        r#"{"event_type":2,"person":null,"auction":null,"bid":{"auction":1000,"bidder":1000,"#,
        r#""price":137428,"channel":"Apple","url":"https://www.nexmark.com/item.htm?query=1","#,
        r#""dateTime":"2015-07-15 00:00:00.300","extra":"ksiuzislf"}}"#
    );
    let rows = decode(&schema(&[("bid", bid)]), &[], &[record]).rows;
    let expected = concat!(
        r#"{"bid":{"auction":1000,"bidder":1000,"price":137428,"#,
        r#""dateTime":"2015-07-15 00:00:00.3","extra":"ksiuzislf"}}"#
    );
    assert_eq!(encode(rows, &[]).unwrap(), [expected]);
}
