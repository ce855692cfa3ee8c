//! Reading: the expected rows are those of Flink 2.3.

use arrow::array::AsArray;

use super::*;

fn seven_columns() -> SchemaRef {
    schema(&[
        ("a", SqlType::Int),
        ("b", SqlType::STRING),
        ("c", SqlType::Double),
        ("d", SqlType::Decimal(10, 2)),
        ("e", SqlType::Boolean),
        ("f", SqlType::Timestamp(3)),
        ("g", row(&[("x", SqlType::Int), ("y", SqlType::STRING)])),
    ])
}

#[test]
fn missing_fields_are_null_and_case_counts() {
    let records = [
        r#"{"a":1}"#,
        r#"{"a":null,"b":null}"#,
        r#"{"A":5,"b":"x","zzz":9}"#,
        "{}",
        r#"{"g":{"x":1}}"#,
        r#"{"g":null}"#,
    ];
    assert_eq!(
        good(&seven_columns(), &[], &records),
        [
            "1|NULL|NULL|NULL|NULL|NULL|NULL",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL",
            "NULL|x|NULL|NULL|NULL|NULL|NULL",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL",
            "NULL|NULL|NULL|NULL|NULL|NULL|{x: 1, y: }",
            "NULL|NULL|NULL|NULL|NULL|NULL|NULL",
        ]
    );
}

#[test]
fn scalars_are_coerced() {
    let records = [
        r#"{"a":"7","b":7,"c":"1.5","d":"2.345"}"#,
        r#"{"a":1,"b":{"k":1},"c":1,"d":2.999}"#,
        r#"{"a":2,"b":[1,2],"c":1e3,"d":1,"e":"true"}"#,
        r#"{"a":3,"b":true,"e":"yes"}"#,
        r#"{"a":4,"b":1.50,"e":1}"#,
        r#"{"a":55.7,"c":"5d","e":true}"#,
        r#"{"a":-1.9,"c":"0x1p3","e":" TRUE "}"#,
        r#"{"a":" +12 ","c":"NaN"}"#,
        r#"{"a":"٤٢","c":-0.0}"#,
    ];
    assert_eq!(
        good(&seven_columns(), &[], &records),
        [
            "7|7|1.5|2.35|NULL|NULL|NULL",
            r#"1|{"k":1}|1.0|3.00|NULL|NULL|NULL"#,
            "2|[1,2]|1000.0|1.00|true|NULL|NULL",
            "3|true|NULL|NULL|false|NULL|NULL",
            "4|1.50|NULL|NULL|false|NULL|NULL",
            "55|NULL|5.0|NULL|true|NULL|NULL",
            "-1|NULL|8.0|NULL|true|NULL|NULL",
            "12|NULL|NaN|NULL|NULL|NULL|NULL",
            "42|NULL|-0.0|NULL|NULL|NULL|NULL",
        ]
    );
}

#[test]
fn decimals_round_and_overflow_to_null() {
    let d = schema(&[("d", SqlType::Decimal(10, 2))]);
    let records = [r#"{"d":123456789.12}"#, r#"{"d":1.005}"#, r#"{"d":"1.115"}"#];
    assert_eq!(good(&d, &[], &records), ["NULL", "1.01", "1.12"]);
    // A value of the same row written before is taken back.
    assert_eq!(good(&d, &[], &[r#"{"d":1,"d":123456789.12}"#]), ["NULL"]);
    let wide = schema(&[("d", SqlType::Decimal(38, 18))]);
    assert_eq!(
        good(&wide, &[], &[r#"{"d":12345678901234567890.123456789012345678}"#]),
        ["12345678901234567890.123456789012345678"]
    );
}

#[test]
fn what_fails_without_ignore_parse_errors() {
    use SqlType::*;
    for (ty, value) in [
        (Int, "3000000000"),
        (Int, r#""x""#),
        (Int, r#""""#),
        (Int, "true"),
        (Int, "{}"),
        (Int, "2147483647.5"),
        (TinyInt, "128"),
        (TinyInt, "1.5"),
        (SmallInt, "40000"),
        (BigInt, "9223372036854775808"),
        (Double, r#""abc""#),
        (Double, "true"),
        (Decimal(10, 2), r#""abc""#),
        (Decimal(10, 2), "true"),
        (Timestamp(3), r#""2020-01-02T03:04:05""#),
        (Timestamp(3), "1700000000000"),
        (TimestampLtz(3), r#""2020-01-02 03:04:05""#),
        (Date, r#""2020-02-30""#),
        (Time(0), r#""25:00:00""#),
        (SqlType::BYTES, r#""abc""#),
        (SqlType::BYTES, "1"),
        (array(Int), "1"),
        (map(Int), "[1]"),
        (row(&[("x", Int)]), "1"),
    ] {
        let record = format!(r#"{{"id":1,"v":{value},"s":"keep"}}"#);
        let columns = [("id", Int), ("v", ty.clone()), ("s", SqlType::STRING)];
        let why = reason(&columns, &[], &record);
        assert!(why.starts_with("field 'v': "), "{why}");
        assert!(why.ends_with("(byte 12)"), "{why}");
        // Ignoring keeps everything but the field.
        assert_eq!(good(&schema(&columns), IGNORE, &[record]), ["1|NULL|keep"]);
    }
}

#[test]
fn reasons_name_the_path() {
    let x = row(&[("y", array(row(&[("z", SqlType::Int)])))]);
    let columns = [("x", x)];
    assert_eq!(
        reason(&columns, &[], r#"{"x":{"y":[{"z":1},{"z":"no"}]}}"#),
        "field 'x.y[1].z': 'no' is no INT (byte 24)"
    );
    assert_eq!(
        reason(&columns, &[], r#"{"x":{"y":[{"z":1},{"z":1]}}"#),
        "field 'x.y[1]': neither ',' nor '}' behind a value (byte 25)"
    );
    assert_eq!(
        reason(&columns, &[], r#"{"q":tru}"#),
        "a word that is not null, true or false (byte 5)"
    );
    assert_eq!(reason(&columns, &[], "nope"), "a word that is not null, true or false (byte 0)");
    assert_eq!(reason(&columns, &[], "42"), "the record is no JSON object (byte 0)");
    assert_eq!(reason(&columns, &[], r#"{"q":1"#), "the text ends inside an object (byte 6)");
}

#[test]
fn ignore_parse_errors_drops_what_is_no_object() {
    let columns = schema(&[
        ("a", SqlType::Int),
        ("b", SqlType::STRING),
        ("d", SqlType::Decimal(10, 2)),
        ("f", SqlType::Timestamp(3)),
    ]);
    let records = [
        r#"{"a":1}"#,
        "nope",
        r#"{"a":"x","b":"keep"}"#,
        r#"{"a":3000000000,"b":"o"}"#,
        "[1]",
        "\"s\"",
        r#"{"a":2,"f":"bad"}"#,
        r#"{"a":3,"d":123456789.12}"#,
    ];
    let decoded = decode(&columns, IGNORE, &records);
    assert_eq!(
        show(&decoded.rows.rows),
        [
            "1|NULL|NULL|NULL",
            "NULL|keep|NULL|NULL",
            "NULL|o|NULL|NULL",
            "2|NULL|NULL|NULL",
            "3|NULL|NULL|NULL",
        ]
    );
    assert_eq!(decoded.record_of_row, RecordOfRow::Each(vec![0, 2, 3, 6, 7]));
    assert_eq!(
        decoded.bad.iter().map(|b| (b.record, b.skip)).collect::<Vec<_>>(),
        [(1, true), (4, true), (5, true)]
    );
}

#[test]
fn fail_on_missing_field() {
    let fail: &[_] = &[("json.fail-on-missing-field", "true")];
    let columns = [("a", SqlType::Int), ("b", SqlType::STRING)];
    let why = reason(&columns, fail, r#"{"a":1}"#);
    assert_eq!(why, "'b' is missing and json.fail-on-missing-field is set (byte 6)");
    let both = good(&schema(&columns), fail, &[r#"{"b":null,"a":1}"#, r#"{"a":2,"b":"x"}"#]);
    assert_eq!(both, ["1|NULL", "2|x"]);
    let spec = DecodeSpec::new(schema(&columns), options(&[fail[0], IGNORE[0]]));
    let error = super::super::decode::open(&spec).err().unwrap();
    assert_eq!(error.kind, ErrorKind::Config);
}

#[test]
fn timestamps_of_both_standards() {
    let columns = schema(&[
        ("f", SqlType::Timestamp(3)),
        ("l", SqlType::TimestampLtz(3)),
        ("n", SqlType::Timestamp(9)),
    ]);
    let iso = concat!(
        r#"{"f":"2020-01-02T03:04:05.5","l":"2020-01-02T03:04:05Z","#,
        r#""n":"2020-01-02T03:04:05.123456789"}"#
    );
    assert_eq!(
        good(&columns, ISO, &[iso]),
        ["2020-01-02T03:04:05.500|2020-01-02T03:04:05Z|2020-01-02T03:04:05.123456789"]
    );
    let sql =
        r#"{"f":"2020-02-30 03:04:05","l":"2020-01-02 03:04:05.25Z","n":"2020-01-02 03:04:05"}"#;
    assert_eq!(
        good(&columns, &[], &[sql]),
        ["2020-02-29T03:04:05|2020-01-02T03:04:05.250Z|2020-01-02T03:04:05"]
    );
}

#[test]
fn dates_times_bytes_and_floats() {
    let columns = schema(&[
        ("d", SqlType::Date),
        ("t", SqlType::Time(3)),
        ("b", SqlType::BYTES),
        ("r", SqlType::Float),
        ("s", SqlType::SmallInt),
        ("y", SqlType::TinyInt),
    ]);
    let record =
        r#"{"d":"2020-02-29","t":"23:59:59.123","b":"aGk\u003d","r":0.1,"s":-32768,"y":"-128"}"#;
    assert_eq!(good(&columns, &[], &[record]), ["2020-02-29|23:59:59.123|6869|0.1|-32768|-128"]);
}

#[test]
fn the_last_of_equal_keys_wins_at_every_depth() {
    let g = row(&[("x", SqlType::Int), ("y", SqlType::STRING)]);
    let columns = schema(&[
        ("a", SqlType::Int),
        ("s", SqlType::STRING),
        ("g", g),
        ("l", array(SqlType::Int)),
        ("m", map(SqlType::Int)),
    ]);
    let records = [
        r#"{"a":1,"s":"long text","s":"b","a":2}"#,
        r#"{"a":1,"a":null,"g":{"x":1,"y":"p","x":7},"s":"x","s":null}"#,
        r#"{"g":{"x":1,"y":"q"},"g":{"x":2},"l":[1,2,3],"l":[4]}"#,
        r#"{"g":{"x":1},"g":null,"l":[1],"l":null,"m":{"a":1,"b":2,"a":3}}"#,
        r#"{"m":{"a":1},"m":{"\u0061":2,"c":null,"a":null},"a":5}"#,
    ];
    assert_eq!(
        good(&columns, &[], &records),
        [
            "2|b|NULL|NULL|NULL",
            "NULL|NULL|{x: 7, y: p}|NULL|NULL",
            "NULL|NULL|{x: 2, y: }|[4]|NULL",
            "NULL|NULL|NULL|NULL|{a: 3, b: 2}",
            "5|NULL|NULL|NULL|{a: , c: }",
        ]
    );
}

#[test]
fn a_bad_record_leaves_nothing_behind() {
    let columns = schema(&[
        ("a", SqlType::Int),
        ("s", SqlType::STRING),
        ("g", row(&[("x", SqlType::Int), ("y", SqlType::STRING)])),
        ("l", array(row(&[("z", SqlType::STRING)]))),
        ("m", map(array(SqlType::Int))),
    ]);
    let full = r#"{"a":1,"s":"one","g":{"x":1,"y":"y"},"l":[{"z":"z"},null],"m":{"k":[1,2]}}"#;
    let all = "1|one|{x: 1, y: y}|[{z: z}, ]|{k: [1, 2]}";
    // Broken at every place.
    for cut in 0..full.len() {
        let broken = &full.as_bytes()[..cut];
        let decoded = decode(&columns, &[], &[full.as_bytes(), broken, full.as_bytes()]);
        assert_eq!(show(&decoded.rows.rows), [all, all], "{cut}");
        assert_eq!(decoded.record_of_row, RecordOfRow::Each(vec![0, 2]));
        assert_eq!(decoded.bad.len(), 1);
        let ignored = decode(&columns, IGNORE, &[full.as_bytes(), broken, full.as_bytes()]);
        assert_eq!(show(&ignored.rows.rows), [all, all], "{cut}");
    }
}

#[test]
fn arrays_of_objects_become_rows() {
    let columns = schema(&[("a", SqlType::Int)]);
    let records = [r#"[{"a":1},{"a":2}]"#, r#"{"a":3}"#, "[]", r#" [ {"a":4} , {} ] "#];
    let decoded = decode(&columns, &[], &records);
    assert_eq!(show(&decoded.rows.rows), ["1", "2", "3", "4", "NULL"]);
    assert_eq!(decoded.record_of_row, RecordOfRow::Each(vec![0, 0, 1, 3, 3]));
    assert_eq!(decoded.bad.len(), 1);
    assert!(decoded.bad[0].skip && decoded.bad[0].record == 2);
    assert_eq!(
        reason(&[("a", SqlType::Int)], &[], r#"[{"a":1},{"a":[]}]"#),
        "field '[1].a': an object or array is no INT (byte 14)"
    );
}

#[test]
fn empty_records_are_skipped() {
    let spec = DecodeSpec::new(schema(&[("a", SqlType::Int)]), Options::default());
    let batch = batch(&["", r#"{"a":1}"#, " ", r#"{"a":2}"#]).with_nulls(&[3]);
    let decoded = super::super::decode::open(&spec).unwrap().decode(&batch, 0..4);
    assert_eq!(show(&decoded.rows.rows), ["1"]);
    let bad: Vec<_> = decoded.bad.iter().map(|b| (b.record, b.skip)).collect();
    assert_eq!(bad, [(0, true), (2, false), (3, true)]);
}

#[test]
fn what_jackson_lets_pass() {
    let columns = schema(&[("a", SqlType::STRING)]);
    let utf16 = |big: bool| {
        let units = r#"{"a":"é"}"#.encode_utf16();
        units.flat_map(|u| if big { u.to_be_bytes() } else { u.to_le_bytes() }).collect::<Vec<_>>()
    };
    let records: Vec<Vec<u8>> = vec![
        br#"{"a":"x"} trailing {{{"#.to_vec(),
        b"\xef\xbb\xbf{\"a\":\"bom\"}".to_vec(),
        b"{\"a\":\"tab\there\n\"}".to_vec(),
        utf16(true),
        utf16(false),
        br#"{"a":"\ud83d\ude00 \u00e9 \ud800 \"\\\/\b\f\n\r\t"}"#.to_vec(),
    ];
    assert_eq!(
        good(&columns, &[], &records),
        ["x", "bom", "tab\there\n", "é", "é", "😀 é ? \"\\/\u{8}\u{c}\n\r\t"]
    );
}

#[test]
fn broken_utf8_is_bad_wherever_it_stands() {
    let columns = schema(&[("a", SqlType::Int)]);
    for record in [
        b"{\"a\":1,\"x\":\"\xff\"}".as_slice(),
        b"{\"a\":1,\"x\":\"\xed\xa0\x80\"}",
        b"{\"a\":1} \xc3",
        b"{\"\xc0\x80\":1}",
    ] {
        let decoded = decode(&columns, &[], &[record]);
        assert!(decoded.bad[0].reason.contains("not valid UTF-8"), "{record:?}");
    }
}

#[test]
fn nesting_is_limited_not_recursed() {
    let columns = [("a", SqlType::Int)];
    let nested = |n: usize| format!(r#"{{"x":{}{},"a":1}}"#, "[".repeat(n), "]".repeat(n));
    assert_eq!(good(&schema(&columns), &[], &[nested(999)]), ["1"]);
    let why = reason(&columns, &[], &nested(1000));
    assert!(why.starts_with("containers are nested deeper than 1000"), "{why}");
    reason(&columns, &[], &nested(3_000_000));
    reason(&columns, &[], &"[".repeat(3_000_000));
    reason(&columns, &[], &r#"{"x":"#.repeat(1_000_000));
    let text = schema(&[("x", SqlType::STRING)]);
    assert_eq!(good(&text, &[], &[nested(999)])[0].len(), 2 * 999);
}

#[test]
fn a_record_of_ten_megabytes() {
    let columns = schema(&[("s", SqlType::STRING), ("l", array(SqlType::BigInt))]);
    let numbers = (0..700_000).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    let text = "ä\\n".repeat(1_500_000);
    let record = format!(r#"{{"s":"{text}","l":[{numbers}],"rest":[{numbers}]}}"#);
    assert!(record.len() > 10_000_000);
    let decoded = decode(&columns, &[], &[&record]);
    assert_eq!(decoded.bad, []);
    assert_eq!(decoded.rows.column(0).as_string::<i32>().value(0).len(), 4_500_000);
    assert_eq!(decoded.rows.column(1).as_list::<i32>().value(0).len(), 700_000);
}

#[test]
fn columns_of_other_batches_do_not_matter() {
    let spec = DecodeSpec::new(seven_columns(), Options::default());
    let mut decoder = super::super::decode::open(&spec).unwrap();
    let records = [r#"{"b":"x","g":{"y":"q"}}"#, "{", r#"{"zz":1,"b":"y","g":null,"a":4}"#];
    let batch = batch(&records);
    let whole = decoder.decode(&batch, 0..3);
    let (first, last) = (decoder.decode(&batch, 0..1), decoder.decode(&batch, 1..3));
    assert_eq!(show(&first.rows.rows)[0], show(&whole.rows.rows)[0]);
    assert_eq!(show(&last.rows.rows)[0], show(&whole.rows.rows)[1]);
    assert_eq!(first.record_of_row, RecordOfRow::Same);
    assert_eq!(last.record_of_row, RecordOfRow::Each(vec![2]));
    assert_eq!(last.bad[0].record, 1);
    assert_eq!(decoder.decode(&batch, 1..1).rows.len(), 0);
}

#[test]
fn no_columns_still_count_rows() {
    let decoded = decode(&schema(&[]), &[], &[r#"{"a":1}"#, "{", r#"{"b":[1,{}]}"#]);
    assert_eq!(decoded.rows.len(), 2);
}

#[test]
fn not_null_columns() {
    let fields = vec![SqlType::Int.field("a", false), SqlType::STRING.field("b", true)];
    let columns = Arc::new(Schema::new(fields));
    let decoded = decode(&columns, &[], &[r#"{"a":1}"#, r#"{"b":"x"}"#, r#"{"a":1,"a":null}"#]);
    assert_eq!(decoded.rows.len(), 1);
    assert_eq!(decoded.bad.len(), 2);
    assert_eq!(decoded.bad[0].reason, "'a' is NOT NULL but has no value (byte 8)");
}

#[test]
fn objects_in_string_columns_are_printed_anew() {
    let columns = schema(&[("s", SqlType::STRING)]);
    let record = concat!(
        r#"{"s": {"b" : [1.50, 1e3 , -0, true,null],"é":"\u00e9\"😀","#,
        r#""b":{ "x":1,"x":2 } , "":[ ] } }"#
    );
    assert_eq!(good(&columns, &[], &[record]), [r#"{"b":{"x":2},"é":"é\"😀","":[]}"#]);
    let floats = r#"{"s":[1.50, 1e3 , 1e-7, 1e999]}"#;
    assert_eq!(good(&columns, &[], &[floats]), [r#"[1.5,1000.0,1.0E-7,"Infinity"]"#]);
    let with_decimal = schema(&[("s", SqlType::STRING), ("d", SqlType::Decimal(10, 2))]);
    let text = good(&with_decimal, &[], &[r#"{"s":[1.50,1e3,0.0,-12.30e-9]}"#]);
    assert_eq!(text, ["[1.5,1E+3,0,-1.23E-8]|NULL"]);
}

#[test]
fn types_json_cannot_carry() {
    let map = SqlType::Map(Box::new(null(&SqlType::Int)), Box::new(null(&SqlType::Int)));
    let spec = DecodeSpec::new(schema(&[("m", map)]), Options::default());
    let error = super::super::decode::open(&spec).err().unwrap();
    assert!(error.message.contains("MAP<STRING"), "{error}");
}
