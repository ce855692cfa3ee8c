//! Records to rows.

use super::*;
use brooklet_core::format::RecordOfRow;

const S: SqlType = SqlType::STRING;
const I: SqlType = SqlType::Int;

/// (record, row without ignore-parse-errors, row with it); None: the record is bad or skipped.
type Case = (&'static str, Option<&'static str>, Option<&'static str>);

fn check(types: &[SqlType], pairs: &[(&str, &str)], cases: &[Case]) {
    let lenient = [pairs, &[IGNORE]].concat();
    for (record, strict, ignoring) in cases {
        let found = one(types, pairs, record);
        assert_eq!(found.as_deref().ok(), *strict, "{record:?}: {found:?}");
        let found = one(types, &lenient, record);
        assert_eq!(found.as_deref().ok(), *ignoring, "{record:?}, ignoring: {found:?}");
        let skipped = decode(&schema(types), &lenient, &[record]).bad.iter().all(|b| b.skip);
        assert!(skipped, "{record:?}");
    }
}

/// The same with and without ignore-parse-errors.
fn same(record: &'static str, row: &'static str) -> Case {
    (record, Some(row), Some(row))
}

fn bad(record: &'static str, ignoring: &'static str) -> Case {
    (record, None, Some(ignoring))
}

fn lost(record: &'static str) -> Case {
    (record, None, None)
}

#[test]
fn records_and_fields() {
    check(
        &[S, I, S],
        &[],
        &[
            same("a,1,b", "a|1|b"),
            bad("a,1", "a|1|NULL"),
            bad("a", "a|NULL|NULL"),
            lost("a,1,b,c"),
            same("a,1,b,", "a|1|b"),
            same("a,1,b, ", "a|1|b"),
            lost("a,1,b,,"),
            lost(""),
            bad("\n", "|NULL|NULL"),
            same("a,1,b\n", "a|1|b"),
            same("a,1,b\r\n", "a|1|b"),
            same("a,1,b\nc,2,d", "a|1|b"),
            same("\"a\nb\",1,\"x\"\"y\"", "a\nb|1|x\"y"),
            lost("\"a\"x,1,b"),
            same("\"a\" ,1,b", "a|1|b"),
            same(" \"a\",1,b", " \"a\"|1|b"),
            same("a\"b,1,c", "a\"b|1|c"),
            lost("\"a,1,b"),
            same("a, 7 ,b", "a|7|b"),
            bad("a,,b", "a|NULL|b"),
            bad("a,x,b", "a|NULL|b"),
            same("#c,1,b", "#c|1|b"),
            bad(",,", "|NULL|"),
            same(" a ,1, b ", " a |1| b "),
            same("a,1,\"\"", "a|1|"),
            same("a\\,1,b\\", "a\\|1|b\\"),
            same("\u{feff}a,1,b", "a|1|b"),
        ],
    );
    check(&[S], &[], &[same("\n", ""), same(",", ""), same("a,", "a"), same(" ", " "), lost("")]);
}

#[test]
fn options_change_what_characters_mean() {
    let three = [S, I, S];
    check(
        &three,
        &[("csv.allow-comments", "true")],
        &[lost("#c,1,b"), lost(" #c,1,b"), same("#c\n\na,1,b", "a|1|b"), same(" a,1,#b", "a|1|#b")],
    );
    check(
        &three,
        &[("csv.null-literal", "")],
        &[same("a,,b", "a|NULL|b"), same("\"\",1,", "NULL|1|NULL")],
    );
    check(&three, &[("csv.null-literal", "n/a")], &[same("n/a,n/a,\"n/a\"", "NULL|NULL|NULL")]);
    check(&three, &[("csv.disable-quote-character", "true")], &[same("\"a,1,b\"", "\"a|1|b\"")]);
    check(
        &three,
        &[("csv.quote-character", "'")],
        &[same("'a,b',1,'c''d'", "a,b|1|c'd"), same("\"a,1,b", "\"a|1|b")],
    );
    check(
        &three,
        &[("csv.escape-character", "\\")],
        &[
            same("a\\,b,1,c", "a,b|1|c"),
            same("\"a\\\"b\",1,c", "a\"b|1|c"),
            same("a\\nb,1,c\\\\", "a\nb|1|c\\"),
            same("a,1,\\\"q\\\"", "a|1|\"q\""),
            same("\"a\\nb\\tc\",1,x", "a\nb\tc|1|x"),
            same("a\\\nb,1,x", "a\nb|1|x"),
            same("a\\tb\\rc\\0d\\xe,1,c", "a\tb\rc\0dxe|1|c"),
            same("\"a\"\"b\",1,\"x\\\\\"", "a\"b|1|x\\"),
            lost("a,1,b\\"),
            lost("a,1,\"b\\"),
        ],
    );
    check(
        &[S, S],
        &[("csv.escape-character", "\"")],
        &[same("\"a\"\"b\",c", "a\"b|c"), same("a\"\"b,c", "a\"b|c")],
    );
    check(
        &three,
        &[("csv.field-delimiter", "|")],
        &[same("a|1|b", "a|1|b"), bad("a,1,b", "a,1,b|NULL|NULL")],
    );
    check(&three, &[("csv.field-delimiter", "\\t")], &[same("\"a\" \t1\tb", "a|1|b")]);
    check(&three, &[("csv.field-delimiter", "\\u0001")], &[same("a\u{1}1\u{1}b", "a|1|b")]);
    // What Jackson's parser makes of them with its feature TRIM_SPACES.
    check(
        &three,
        &[("csv.trim-spaces", "true"), ("csv.null-literal", "-")],
        &[
            same(" a , 1 ,\t b c \n", "a|1|b c"),
            same(" \" a \" ,1, - ", " a |1|NULL"),
            same("  ,1,\"\"", "|1|"),
            lost(" \"a\" x,1,b"),
        ],
    );
    // Behind a key of its own the format is named value.format.
    check(&three, &[("value.csv.field-delimiter", ";")], &[same("a;1;b", "a|1|b")]);
}

#[test]
fn numbers_and_booleans() {
    let null = |record| bad(record, "NULL");
    let cases = [same("+1", "1"), same(" 12 ", "12"), same("\"7\"", "7"), null("1.0"), null("1e3")];
    check(&[I], &[], &cases);
    check(&[I], &[], &[null("2147483648"), null("0x1F"), null("true"), null("null")]);
    let most = same("9223372036854775807", "9223372036854775807");
    check(&[SqlType::BigInt], &[], &[most, null("9223372036854775808")]);
    check(&[SqlType::TinyInt], &[], &[same("127", "127"), null("128"), same(" 1", "1")]);
    check(&[SqlType::SmallInt], &[], &[same("-32768", "-32768"), null("32768")]);
    for (text, value) in [("TRUE", "true"), (" true ", "true"), ("1", "false"), ("null", "false")] {
        check(&[SqlType::Boolean], &[], &[same(text, value)]);
    }
    check(
        &[SqlType::Double],
        &[],
        &[
            same(" 1.5 ", "1.5"),
            same("NaN", "NaN"),
            same("1e400", "inf"),
            same("1d", "1.0"),
            same("0x1p3", "8.0"),
            null("abc"),
            lost("1,5"),
        ],
    );
    check(&[SqlType::Float], &[], &[same("1.1", "1.1"), same("1e40", "inf")]);
    check(
        &[SqlType::Decimal(10, 2)],
        &[],
        &[
            same("1.234", "1.23"),
            same("-1.235", "-1.24"),
            same("1e3", "1000.00"),
            same("123456789", "NULL"),
            same("5.", "5.00"),
            same("+.5", "0.50"),
            null(" 1.5"),
            null("1.5 "),
            null("\"1,234.50\""),
        ],
    );
}

#[test]
fn dates_and_times() {
    let null = |record| bad(record, "NULL");
    check(
        &[SqlType::Date],
        &[],
        &[
            same("2025-1-2", "2025-01-02"),
            same("2025-02-30", "2025-03-02"),
            same("2025-02-31", "2025-03-03"),
            same("0001-01-01", "0001-01-01"),
            null("2025-13-01"),
            null("2025-01-32"),
            null(" 2025-01-02"),
            null("25-01-02"),
            null("2025-001-02"),
            null("2025--01"),
            null("-2025-01-02"),
            null("2025-01-02 10:00:00"),
        ],
    );
    for (precision, text) in [(0, "10:30:00"), (1, "10:30:00.500"), (3, "10:30:00.567")] {
        check(&[SqlType::Time(precision)], &[], &[same("10:30:00.567", text)]);
    }
    check(
        &[SqlType::Time(3)],
        &[],
        &[same("10:30", "10:30:00"), null("24:00:00"), null("1:2:3"), null(" 10:30:00")],
    );
    check(
        &[SqlType::Timestamp(3)],
        &[],
        &[
            same(" 2025-01-02 03:04:05 ", "2025-01-02T03:04:05"),
            same("2025-02-30 00:00:00", "2025-02-28T00:00:00"),
            same("2025-01-02 24:00:00", "2025-01-03T00:00:00"),
            same("2025-01-02 03:04:05.", "2025-01-02T03:04:05"),
            null("2025-01-02T03:04:05"),
            null("2025-01-02 03:04"),
            null("2025-01-02"),
            null("2025-01-02 03:04:05Z"),
        ],
    );
    let nanos = same("2025-01-02 03:04:05.123456789", "2025-01-02T03:04:05.123456789");
    check(&[SqlType::Timestamp(9)], &[], &[nanos]);
    check(
        &[SqlType::TimestampLtz(3)],
        &[],
        &[same("2025-01-02 03:04:05.5Z", "2025-01-02T03:04:05.500Z"), null("2025-01-02 03:04:05")],
    );
}

#[test]
fn bytes_and_texts() {
    let null = |record| bad(record, "NULL");
    let cases = [same("YWJj", "616263"), same("YWI=", "6162"), null("YWI"), null("!!")];
    check(&[SqlType::BYTES], &[], &cases);
    check(&[SqlType::Varchar(2)], &[], &[same("abc", "abc")]);
    let escapes = one(&[S], &[], "\u{e9}\u{1f600}").unwrap();
    assert_eq!(escapes, "\u{e9}\u{1f600}");
    let decoded = decode(&schema(&[S]), &[IGNORE], &[b"ok".as_slice(), b"\xff", b"x"]);
    assert_eq!(show(&decoded.rows.rows), ["ok", "x"]);
    assert_eq!(decoded.bad[0].reason, "the record is not valid UTF-8 (byte 0)");
    // An escape character can tear a character apart.
    let torn = one(&[S, S], &[("csv.escape-character", "\\")], "\\\u{e9},x");
    assert_eq!(torn.as_deref(), Ok("\u{e9}|x"));
}

#[test]
fn arrays_and_rows() {
    let ints = [array(I), S];
    check(
        &ints,
        &[],
        &[
            same("1; 2 ;3,x", "[1, 2, 3]|x"),
            bad("1;a;3,x", "[1, , 3]|x"),
            same(",x", "[]|x"),
            same(" ,x", "[]|x"),
            same("\"1;2\",x", "[1, 2]|x"),
            bad("1;,x", "[1, ]|x"),
        ],
    );
    check(
        &ints,
        &[("csv.null-literal", "n")],
        &[same("1;n;3,x", "[1, , 3]|x"), same("n,x", "[]|x")],
    );
    check(&ints, &[("csv.null-literal", "")], &[same("1;;3,x", "[1, , 3]|x"), same(",x", "[]|x")]);
    let texts = [array(S), S];
    check(&texts, &[], &[same("a; b ;\"c\",x", "[a,  b , \"c\"]|x"), same(";,x", "[, ]|x")]);
    check(&texts, &[("csv.array-element-delimiter", "|")], &[same("a|b;c,x", "[a, b;c]|x")]);
    let pair = [row(&[I, S]), S];
    check(
        &pair,
        &[],
        &[
            same("1;x,y", "{r0: 1, r1: x}|y"),
            bad("1,y", "{r0: 1, r1: }|y"),
            same("1;x;z,y", "{r0: 1, r1: x}|y"),
            same(",y", "NULL|y"),
            bad("a;x,y", "{r0: , r1: x}|y"),
        ],
    );
    check(&pair, &[("csv.null-literal", "n")], &[same("n;n,y", "{r0: , r1: }|y")]);
}

#[test]
fn columns_that_are_not_read_keep_their_places() {
    let table = schema(&[S, row(&[I, S, I]), I]);
    let read = Schema::new(vec![row(&[I, S, I]).field("f1", true), I.field("f2", true)]);
    let spec = DecodeSpec { schema: Arc::new(read), options: options(&[]), table: table.clone() };
    let batch = batch(&["a,1;x;2,7", "b,1;x;2,", "c,3;y;4,8"]);
    let decoded = super::super::decode::open(&spec).unwrap().decode(&batch, 0..3);
    assert_eq!(show(&decoded.rows.rows), ["{r0: 1, r1: x, r2: 2}|7", "{r0: 3, r1: y, r2: 4}|8"]);
    assert_eq!(decoded.record_of_row, RecordOfRow::Each(vec![0, 2]));
    assert_eq!(decoded.bad[0].reason, "field 'f2': '' is no INT");
    assert!(!decoded.bad[0].skip);
    // One field of a ROW, and nothing at all as for COUNT(*).
    let SqlType::Row(fields) = row(&[I, S, I]) else { panic!("a row") };
    let last = SqlType::Row(vec![fields[2].clone()]);
    for (fields, expected) in [(vec![last.field("f1", true)], "{r2: 2}"), (vec![], "")] {
        let spec = DecodeSpec {
            schema: Arc::new(Schema::new(fields)),
            options: options(&[]),
            table: table.clone(),
        };
        let decoded = super::super::decode::open(&spec).unwrap().decode(&batch, 0..1);
        assert_eq!(show(&decoded.rows.rows), [expected]);
    }
}

#[test]
fn not_null_and_tombstones() {
    let table = Arc::new(Schema::new(vec![I.field("a", false), S.field("b", true)]));
    let decoded = decode(&table, &[IGNORE], &["x,y", "1,y"]);
    assert_eq!(show(&decoded.rows.rows), ["1|y"]);
    assert_eq!(decoded.bad[0].reason, "field 'a': the column is NOT NULL but has no value");
    let spec = DecodeSpec::new(table, options(&[]));
    let batch = batch(&["1,y"]).with_nulls(&[0]);
    let decoded = super::super::decode::open(&spec).unwrap().decode(&batch, 0..1);
    assert!(decoded.rows.is_empty() && decoded.bad[0].skip);
}

#[test]
fn what_cannot_be_is_refused_at_the_start() {
    let refused = |types: &[SqlType], pairs: &[(&str, &str)]| {
        let spec = DecodeSpec::new(schema(types), options(pairs));
        super::super::decode::open(&spec).err().unwrap().message
    };
    let map = SqlType::Map(Box::new(null(S)), Box::new(null(S)));
    assert!(refused(&[map], &[]).contains("column 'f0'"));
    assert!(refused(&[array(array(I))], &[]).contains("ARRAY<ARRAY<INT>>"));
    assert!(refused(&[S], &[("csv.field-delimiter", "ab")]).contains("csv.field-delimiter"));
    assert!(refused(&[S], &[("csv.quote-character", "§")]).contains("ASCII"));
    assert!(refused(&[S], &[("csv.array-element-delimiter", "")]).contains("single character"));
    let both = [("csv.quote-character", "'"), ("csv.disable-quote-character", "true")];
    assert!(refused(&[S], &both).contains("cannot be set"));
}
