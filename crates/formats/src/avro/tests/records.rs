//! Single records.

use super::*;

#[test]
fn bytes_as_flink_writes_them() {
    let scalars = schema(&schemas::scalars());
    let records = [
        "0201020102d8040e02808080808040020000c03f0200000000000004c0020661626304c3a90204010202\
         04fb2e02c0b80202e8a8862402e8a7abfef962",
        "0000000e00000000000000000000",
    ];
    assert_eq!(
        one(&scalars, &[], records[0]).unwrap(),
        "true|-1|300|7|1099511627776|1.5|-2.5|abc|é|0102|-12.34|2024-10-04|10:30:00.500|\
         2023-11-14T22:13:20.500"
    );
    assert_eq!(
        one(&scalars, &[], records[1]).unwrap(),
        "NULL|NULL|NULL|7|NULL|NULL|NULL|NULL||NULL|NULL|NULL|NULL|NULL"
    );
    assert_eq!(there_and_back(&scalars, &[], &records), records);

    let nested = schema(&schemas::nested());
    let records =
        ["02020202020271020602020002060002020212000204026e00026b020a0000", "000200000000"];
    assert_eq!(
        one(&nested, &[], records[0]).unwrap(),
        "{x: 1, r: {y: q}}|[1, , 3]|[{z: 9}]|{n: , k: 5}|NULL"
    );
    assert_eq!(one(&nested, &[], records[1]).unwrap(), "NULL|[]|NULL|NULL|NULL");
    assert_eq!(there_and_back(&nested, &[], &records), records);
}

#[test]
fn decimals() {
    let table = schema(&[("x", SqlType::Decimal(38, 0)), ("z!", SqlType::Decimal(5, 2))]);
    let records = ["021827e41b3246bec9b16e3981150200", "020280040080"];
    assert_eq!(one(&table, &[], records[0]).unwrap(), "12345678901234567890123456789|0.00");
    assert_eq!(one(&table, &[], records[1]).unwrap(), "-128|1.28");
    assert_eq!(there_and_back(&table, &[], &records), records);
    let small = schema(&[("a", SqlType::Decimal(3, 0))]);
    // Too large: NULL. More than 16 bytes: sign bytes in front do not matter.
    assert_eq!(one(&small, &[], "02067fffff").unwrap(), "NULL");
    assert_eq!(one(&small, &[], &format!("0224{}85", "ff".repeat(17))).unwrap(), "-123");
    assert_eq!(one(&small, &[], &format!("022401{}85", "ff".repeat(16))).unwrap(), "NULL");
    assert!(one(&small, &[], "0200").is_err());
}

#[test]
fn points_in_time() {
    let of = |ty| schema(&[("x!", ty)]);
    for (ty, legacy, record, text) in [
        (SqlType::Timestamp(3), true, "f6a1abfef962", "2023-11-14T22:13:20.123"),
        (SqlType::Timestamp(0), true, "b717", "1969-12-31T23:59:58.500"),
        (SqlType::Timestamp(3), false, "f6a1abfef962", "2023-11-14T22:13:20.123"),
        (SqlType::TimestampLtz(3), false, "b717", "1969-12-31T23:59:58.500Z"),
        // Microseconds: -1_500_000.
        (SqlType::Timestamp(6), false, "bf8db701", "1969-12-31T23:59:58.500"),
        (SqlType::Time(0), true, "e8a88624", "10:30:00.500"),
    ] {
        let pairs = if legacy { vec![] } else { vec![LOCAL] };
        let table = of(ty);
        assert_eq!(one(&table, &pairs, record).unwrap(), text, "{record}");
        assert_eq!(there_and_back(&table, &pairs, &[record]), [record]);
    }
}

#[test]
fn bad_records_say_why() {
    let table = schema(&[("a", SqlType::Int), ("b", SqlType::STRING)]);
    for (record, row) in [
        ("0000", "NULL|NULL"),
        ("02020200", "1|"),
        // Bytes behind the record are ignored.
        ("0202000299", "1|NULL"),
    ] {
        assert_eq!(one(&table, &[], record).as_deref(), Ok(row), "{record}");
    }
    for (record, why) in [
        ("", "field 'a': the record ends too early"),
        ("00", "field 'b': the record ends too early"),
        ("0402", "field 'a': a union or enum has no such index"),
        ("0102", "field 'a': a union or enum has no such index"),
        ("0202020461", "field 'b': the record ends too early"),
        ("02020201", "field 'b': a length is negative"),
        ("02ffffffffff0f00", "field 'a': an int has too many bits"),
        ("02ffffffffffffffffff7f00", "field 'a': a number has too many bits"),
        ("020202028061", "field 'b': a string is not valid UTF-8"),
    ] {
        let reason = one(&table, &[], record).unwrap_err();
        assert!(reason.starts_with(why), "{record}: {reason}");
    }
    let single = |ty| schema(&[("a!", ty)]);
    let ints = SqlType::Array(Box::new(Nullable { ty: SqlType::Int, nullable: false }));
    for (ty, record, why) in [
        (SqlType::TinyInt, "d804", "300 is no TINYINT"),
        (SqlType::Boolean, "02", "a boolean is neither 0 nor 1"),
        (SqlType::Time(0), "ffffffff0f", "-2147483648 is no TIME"),
        (SqlType::Decimal(3, 0), "067fffff", "NOT NULL"),
        (map(SqlType::Int), "04026102020261020400", "a map has key 'a' twice"),
        (ints.clone(), "feffffffffffffff0f", "more elements than"),
    ] {
        let reason = one(&single(ty), &[], record).unwrap_err();
        assert!(reason.contains(why), "{record}: {reason}");
    }
    // Blocks may say how many bytes they have, and there may be several.
    assert_eq!(one(&single(ints), &[], "03040204020600").unwrap(), "[1, 2, 3]");
}

#[test]
fn a_bad_record_does_not_reach_its_neighbours() {
    let nested = schema(&schemas::nested());
    let good = "02020202020271020602020002060002020212000204026e00026b020a0000";
    let mut records = vec![bytes(good)];
    // Every beginning of the record, and then the record again.
    records.extend((0..good.len() / 2).map(|length| bytes(&good[..2 * length])));
    records.push(bytes(good));
    let decoded = decode(&DecodeSpec::new(nested, Options::default()), &records);
    let rows = show(&decoded.rows.rows);
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);
    assert_eq!(decoded.bad.len(), good.len() / 2);
}

#[test]
fn tombstones_weights_and_deletions() {
    let table = schema(&[("a!", SqlType::Int)]);
    let spec = DecodeSpec::new(table.clone(), Options::default());
    let batch = batch(&[b"\x02", b"\x04"]).with_nulls(&[0]);
    let decoded = super::super::decode::open(&spec).unwrap().decode(&batch, 0..2);
    assert!(decoded.bad[0].skip);
    assert_eq!(show(&decoded.rows.rows), ["2"]);
    let rows = decoded.rows.rows;
    let spec = EncodeSpec { schema: table, options: Options::default() };
    let mut encoder = super::super::encode::open(&spec).unwrap();
    let records = encoder.encode(&Delta::new(rows.clone(), vec![2])).unwrap();
    assert_eq!((records.bytes, records.ends), (vec![4, 4], vec![1, 2]));
    let error = encoder.encode(&Delta::new(rows, vec![-1])).unwrap_err();
    assert!(error.message.contains("insertions only"), "{error}");
}

#[test]
fn columns_that_are_not_read_are_passed_over() {
    let table = schema(&schemas::nested());
    let record = "02020202020271020602020002060002020212000204026e00026b020a0000";
    let inner = row(&[("r", row(&[("y", SqlType::STRING)]))]);
    for (columns, expected) in [
        (vec![("m", map(SqlType::BigInt))], "{n: , k: 5}"),
        (vec![("ms", SqlType::Multiset(Box::new(null(SqlType::STRING))))], "NULL"),
        (vec![("r", inner)], "{r: {y: q}}"),
        (vec![], ""),
    ] {
        let spec = DecodeSpec {
            schema: schema(&columns),
            options: Options::default(),
            table: table.clone(),
        };
        assert_eq!(show(&decode(&spec, &[bytes(record)]).rows.rows), [expected]);
    }
}
