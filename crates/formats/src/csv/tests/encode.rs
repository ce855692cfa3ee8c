//! Rows to records.

use super::*;
use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array,
    Int8Array, Int32Array, Int64Array, ListArray, StringArray, StructArray, Time32MillisecondArray,
    TimestampMillisecondArray,
};
use arrow::datatypes::Int32Type;

fn columns(columns: Vec<ArrayRef>) -> RecordBatch {
    let names: Vec<String> = (0..columns.len()).map(|i| format!("f{i}")).collect();
    let named = names.iter().zip(columns).map(|(name, column)| (name, column, true));
    RecordBatch::try_from_iter_with_nullable(named).unwrap()
}

fn texts(values: &[Option<&str>], pairs: &[(&str, &str)]) -> String {
    let column = |v: &Option<&str>| Arc::new(StringArray::from(vec![*v])) as ArrayRef;
    encode(columns(values.iter().map(column).collect()), pairs)
}

fn text(value: &str, pairs: &[(&str, &str)]) -> String {
    texts(&[Some(value)], pairs)
}

#[test]
fn quotes_stand_where_flink_puts_them() {
    for plain in ["a", "", "a;b", "é", "12", "-", "1.5", "a/b", "=1", "a_b", "~", "a\\b"] {
        assert_eq!(text(plain, &[]), plain);
    }
    for quoted in ["a,b", "a\nb", "a\rb", " a ", "#a", "a b", "'a'", "\t", "a%b", "a!b", "+"] {
        assert_eq!(text(quoted, &[]), format!("\"{quoted}\""));
    }
    assert_eq!(text("a\"b", &[]), "\"a\"\"b\"");
    assert_eq!(text("abcdefghijklmnopqrstuvwx", &[]), "abcdefghijklmnopqrstuvwx");
    assert_eq!(text("abcdefghijklmnopqrstuvwxy", &[]), "\"abcdefghijklmnopqrstuvwxy\"");
    assert_eq!(text(&"é".repeat(24), &[]), "é".repeat(24));
    assert_eq!(text(&"😀".repeat(13), &[]), format!("\"{}\"", "😀".repeat(13)));
    let bar = [("csv.field-delimiter", "|")];
    for (value, record) in [("abc", "\"abc\""), ("{", "\"{\""), ("~", "~"), ("}", "}")] {
        assert_eq!(text(value, &bar), record);
    }
    assert_eq!(texts(&[Some("A"), Some("{")], &[("csv.field-delimiter", "\\t")]), "A\t{");
}

#[test]
fn options_change_what_is_written() {
    assert_eq!(texts(&[None, None], &[]), ",");
    assert_eq!(texts(&[None, Some("n/a")], &[("csv.null-literal", "n/a")]), "n/a,n/a");
    assert_eq!(texts(&[None, None], &[("csv.null-literal", "a b")]), "a b,a b");
    let none = ("csv.disable-quote-character", "true");
    let escape = ("csv.escape-character", "\\");
    assert_eq!(texts(&[Some("a,b"), Some("a\"b")], &[none]), "a,b,a\"b");
    let single = [("csv.quote-character", "'")];
    assert_eq!(texts(&[Some("a,'b"), Some("a\"b")], &single), "'a,''b','a\"b'");
    assert_eq!(texts(&[Some("a,\"b"), Some("a\\b")], &[escape]), "\"a,\"\"b\",\"a\\\\b\"");
    assert_eq!(texts(&[Some("a,\"b"), Some("a\\b")], &[none, escape]), "a,\"b,a\\b");
}

fn decimal(value: i128, precision: u8, scale: i8) -> ArrayRef {
    let column = Decimal128Array::from(vec![value]);
    Arc::new(column.with_precision_and_scale(precision, scale).unwrap())
}

#[test]
fn every_scalar() {
    let rows = columns(vec![
        Arc::new(BooleanArray::from(vec![true])),
        Arc::new(Int8Array::from(vec![1])),
        Arc::new(Int32Array::from(vec![-3])),
        Arc::new(Int64Array::from(vec![3])),
        Arc::new(Float32Array::from(vec![1e-5])),
        Arc::new(Float64Array::from(vec![1e10])),
        Arc::new(Float64Array::from(vec![f64::NAN])),
        decimal(120_000, 10, 2),
        Arc::new(Date32Array::from(vec![20_000])),
        Arc::new(Time32MillisecondArray::from(vec![37_800_500])),
        Arc::new(TimestampMillisecondArray::from(vec![1_700_000_000_500])),
        Arc::new(TimestampMillisecondArray::from(vec![1_700_000_000_000]).with_timezone("UTC")),
        Arc::new(BinaryArray::from(vec![[1u8, 2, 3, 4].as_slice()])),
        Arc::new(BinaryArray::from(vec![[0xfbu8, 0xef, 0xbe].as_slice()])),
    ]);
    let times = "2024-10-04,10:30:00.5,\"2023-11-14 22:13:20.5\",\"2023-11-14 22:13:20Z\"";
    let rest = format!("{times},AQIDBA==,\"++++\"");
    let start = "true,1,-3,3,1.0E-5,1.0E10,NaN";
    assert_eq!(encode(rows.clone(), &[]), format!("{start},1.2E+3,{rest}"));
    let plain = [("csv.write-bigdecimal-in-scientific-notation", "false")];
    assert_eq!(encode(rows, &plain), format!("{start},1200.00,{rest}"));
    let decimals = || columns(vec![decimal(1000, 20, 10), decimal(0, 5, 1), decimal(-5, 5, 1)]);
    assert_eq!(encode(decimals(), &[]), "1E-7,0,-0.5");
    assert_eq!(encode(decimals(), &plain), "0.0000001000,0.0,-0.5");
}

#[test]
fn arrays_and_rows() {
    let ints = |values: Vec<Option<i32>>| -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(values)]))
    };
    let item = SqlType::STRING.field("a", true);
    let text = |v: Option<&str>| Arc::new(StringArray::from(vec![v])) as ArrayRef;
    let row = |a, b| -> ArrayRef {
        let fields = vec![item.clone(), item.clone().with_name("b")];
        Arc::new(StructArray::new(fields.into(), vec![text(a), text(b)], None))
    };
    let rows =
        || columns(vec![ints(vec![Some(1), None, Some(3)]), row(Some("1"), None), ints(vec![])]);
    assert_eq!(encode(rows(), &[]), "1;;3,1;,");
    assert_eq!(encode(rows(), &[("csv.null-literal", "n")]), "1;n;3,1;n,");
    let quoted = columns(vec![row(Some("a,b"), Some("q\"q")), row(Some("1"), Some("x y"))]);
    assert_eq!(encode(quoted, &[]), "\"a,b;q\"\"q\",\"1;x y\"");
}

#[test]
fn weights_repeat_and_deletions_are_refused() {
    let rows = columns(vec![Arc::new(Int32Array::from(vec![1, 2]))]);
    let spec = EncodeSpec { schema: rows.schema(), options: options(&[]) };
    let mut encoder = super::super::encode::open(&spec).unwrap();
    let records = encoder.encode(&Delta::new(rows.clone(), vec![2, 1])).unwrap();
    assert_eq!((records.bytes.as_slice(), records.ends), (b"112".as_slice(), vec![1, 2, 3]));
    let error = encoder.encode(&Delta::new(rows, vec![1, -1])).unwrap_err();
    assert!(error.message.contains("insertions only"), "{error}");
}
