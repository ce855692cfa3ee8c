//! Rows by key: every type of key, many rows a key, what is no text, a session that is gone.

use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use brooklet_core::Lookup;
use brooklet_core::connector::LookupSide;
use brooklet_core::lookup::LookupSpec;

use super::*;

async fn lookup(
    table: &TableDef,
    keys: &[&str],
    columns: &[&str],
) -> Result<(Box<dyn Lookup>, SchemaRef)> {
    let schema = table.physical_schema();
    let project = |names: &[&str]| {
        let places: Vec<usize> = names.iter().map(|n| schema.index_of(n).unwrap()).collect();
        Arc::new(schema.project(&places).unwrap())
    };
    let keys = project(keys);
    let spec = LookupSpec {
        table: Arc::new(table.clone()),
        keys: keys.clone(),
        columns: project(columns),
        env: Env::new(Fixed::default()),
    };
    let Some(LookupSide::Ask(open)) = crate::jdbc::CONNECTOR.lookup else { panic!("it asks") };
    Ok((open(spec).await?, keys))
}

/// `key number: values` of each answer, sorted.
async fn ask(lookup: &mut dyn Lookup, schema: &SchemaRef, keys: Vec<ArrayRef>) -> Vec<String> {
    let keys = RecordBatch::try_new(schema.clone(), keys).unwrap();
    let answers = lookup.ask(&keys).await.unwrap();
    let options = FormatOptions::new().with_null("NULL");
    let columns = answers.rows.columns().iter();
    let columns: Vec<_> = columns.map(|c| ArrayFormatter::try_new(c, &options).unwrap()).collect();
    let text = |(row, of): (usize, &u32)| {
        let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
        format!("{of}: {}", values.join(", "))
    };
    let mut texts: Vec<String> = answers.of.iter().enumerate().map(text).collect();
    assert!(answers.of.is_sorted());
    texts.sort();
    texts
}

#[tokio::test]
async fn every_type_of_key_finds_its_rows() {
    let bench = Bench::new("lookup_types").await;
    bench
        .run(
            "CREATE TYPE mood AS ENUM ('calm', 'wild');
             CREATE TABLE t (n int, i2 int2, i8 int8, dec numeric(10,2), f float8, s varchar(9),
               c char(4), u uuid, m mood, b bool, d date, ts timestamp, tz timestamptz, ti time,
               x bytea);
             INSERT INTO t VALUES (1, 1, 10, 1.50, 0.5, 'ä''; --', 'ab',
               '00000000-0000-0000-0000-000000000001', 'calm', true, '1969-12-31',
               '2024-02-29 01:02:03.004', '2024-02-29 01:02:03.004+00', '23:59:59', '\\x00ff'),
             (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
               NULL)",
        )
        .await;
    let time = 1_709_168_523_004;
    let cases: Vec<(&str, SqlType, ArrayRef)> = vec![
        ("i2", SqlType::BigInt, Arc::new(Int64Array::from(vec![1, 100_000]))),
        ("i8", SqlType::Int, Arc::new(Int32Array::from(vec![10, 1]))),
        ("i8", SqlType::TinyInt, Arc::new(Int8Array::from(vec![10, 1]))),
        (
            "dec",
            SqlType::Decimal(10, 1),
            Arc::new(Decimal128Array::from(vec![15, 16]).with_precision_and_scale(10, 1).unwrap()),
        ),
        ("dec", SqlType::Double, Arc::new(Float64Array::from(vec![1.5, f64::NAN]))),
        ("f", SqlType::Float, Arc::new(Float32Array::from(vec![0.5, 2.0]))),
        ("s", SqlType::STRING, Arc::new(StringArray::from(vec!["ä'; --", "' OR '1'='1"]))),
        ("c", SqlType::STRING, Arc::new(StringArray::from(vec!["ab", "b"]))),
        (
            "u",
            SqlType::STRING,
            Arc::new(StringArray::from(vec!["00000000-0000-0000-0000-000000000001", "no uuid"])),
        ),
        ("m", SqlType::STRING, Arc::new(StringArray::from(vec!["calm", "no mood"]))),
        ("b", SqlType::Boolean, Arc::new(BooleanArray::from(vec![true, false]))),
        ("d", SqlType::Date, Arc::new(Date32Array::from(vec![-1, 0]))),
        ("ts", SqlType::Timestamp(3), Arc::new(TimestampMillisecondArray::from(vec![time, 0]))),
        (
            "tz",
            SqlType::TimestampLtz(3),
            Arc::new(TimestampMillisecondArray::from(vec![time, 0]).with_timezone("UTC")),
        ),
        ("ti", SqlType::Time(0), Arc::new(Time32MillisecondArray::from(vec![86_399_000, 0]))),
        ("x", SqlType::BYTES, Arc::new(BinaryArray::from(vec![&[0_u8, 255][..], b"no"]))),
    ];
    for (column, ty, keys) in cases {
        let table = bench.table("t", &[("n", SqlType::Int), (column, ty.clone())], &[]);
        let (mut lookup, schema) = lookup(&table, &[column], &["n"]).await.unwrap();
        let keys = arrow::compute::cast(&keys, schema.field(0).data_type()).unwrap();
        assert_eq!(ask(lookup.as_mut(), &schema, vec![keys]).await, ["0: 1"], "{column} as {ty}");
    }
}

#[tokio::test]
async fn many_keys_find_many_rows_or_none() {
    let bench = Bench::new("lookup_many").await;
    bench
        .run(
            "CREATE TABLE \"Odd \"\"name\" (\"K 1\" int, k2 text, v float8);
             INSERT INTO \"Odd \"\"name\" SELECT g % 10, 'x' || g % 3, g FROM
               generate_series(0, 59) g",
        )
        .await;
    let columns = [("K 1", SqlType::Int), ("k2", SqlType::STRING), ("v", SqlType::Double)];
    let mut table = bench.table("Odd \"name", &columns, &[]);
    table.options.0.insert("table-name".into(), "\"Odd \"\"name\"".into());
    let (mut lookup, schema) = lookup(&table, &["K 1", "k2"], &["v"]).await.unwrap();
    let keys = |k1: Vec<i32>, k2: Vec<&str>| -> Vec<ArrayRef> {
        vec![Arc::new(Int32Array::from(k1)), Arc::new(StringArray::from(k2))]
    };
    let found =
        ask(lookup.as_mut(), &schema, keys(vec![0, 3, 77, 3], vec!["x0", "x0", "x0", "y"])).await;
    assert_eq!(found, ["0: 0.0", "0: 30.0", "1: 3.0", "1: 33.0"]);
    assert!(ask(lookup.as_mut(), &schema, keys(vec![5], vec!["x"])).await.is_empty());
}

#[tokio::test]
async fn only_that_a_row_is_there() {
    let bench = Bench::new("lookup_bare").await;
    bench.run("CREATE TABLE t (k int); INSERT INTO t VALUES (1), (1), (2), (NULL)").await;
    let table = bench.table("t", &[("k", SqlType::Int)], &[]);
    let (mut lookup, schema) = lookup(&table, &["k"], &[]).await.unwrap();
    let keys: Vec<ArrayRef> = vec![Arc::new(Int32Array::from(vec![3, 1]))];
    assert_eq!(ask(lookup.as_mut(), &schema, keys).await, ["1: ", "1: "]);
}

#[tokio::test]
async fn a_session_that_is_gone_is_replaced() {
    let bench = Bench::new("lookup_gone").await;
    bench.run("CREATE TABLE gone_t (k int); INSERT INTO gone_t VALUES (1)").await;
    let table = bench.table("gone_t", &[("k", SqlType::Int)], &[]);
    let (mut lookup, schema) = lookup(&table, &["k"], &["k"]).await.unwrap();
    let keys = || -> Vec<ArrayRef> { vec![Arc::new(Int32Array::from(vec![1]))] };
    assert_eq!(ask(lookup.as_mut(), &schema, keys()).await, ["0: 1"]);
    let end = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
               WHERE application_name = 'brooklet reads gone_t' AND datname = current_database()";
    assert_eq!(bench.column(end).await, ["true"]);
    let batch = RecordBatch::try_new(schema.clone(), keys()).unwrap();
    let error = lookup.ask(&batch).await.unwrap_err();
    assert!(error.kind == ErrorKind::Outside && error.retry, "{error}");
    assert_eq!(ask(lookup.as_mut(), &schema, keys()).await, ["0: 1"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let bench = Bench::new("lookup_refused").await;
    bench.run("CREATE TABLE t (k int, j jsonb)").await;
    let cases = [
        (("k", SqlType::STRING), ""),
        (("k", SqlType::Date), "column 'k' is integer and not DATE"),
        (("nothing", SqlType::Int), "it has no column 'nothing'"),
        (
            ("k", SqlType::Array(Box::new(Nullable { ty: SqlType::Int, nullable: true }))),
            "is no key",
        ),
    ];
    for ((column, ty), said) in cases {
        let table = bench.table("t", &[(column, ty)], &[]);
        match lookup(&table, &[column], &[]).await {
            Ok(_) => assert_eq!(said, "", "{column} was expected to be refused"),
            Err(e) => {
                assert!(!said.is_empty() && e.to_string().contains(said), "{e}");
                assert!(e.kind == ErrorKind::Outside && !e.retry, "{e}");
            }
        }
    }
}
