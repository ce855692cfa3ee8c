//! Reading tables: types, projections, what changes between readings, refusals.
#![allow(clippy::disallowed_methods, reason = "a service is waited for")]

use brooklet_core::connector::SourceSpec;
use brooklet_core::source::{Budget, Input, Payload};
use brooklet_core::{Source, Weights};

use super::*;

const REFRESH: &str = "brooklet.refresh-interval";

/// As many rows as a test may want.
const BUDGET: Budget = Budget { max_rows: 1_000_000, max_bytes: 1 << 30 };

async fn source(table: &TableDef, columns: &[&str], held: Vec<Delta>) -> Result<Box<dyn Source>> {
    let schema = table.physical_schema();
    let place = |name: &&str| schema.index_of(name).unwrap();
    let schema = schema.project(&columns.iter().map(place).collect::<Vec<_>>()).unwrap();
    let spec = SourceSpec {
        table: Arc::new(table.clone()),
        schema: Arc::new(schema),
        positions: None,
        held,
        waker: Arc::new(|| {}),
        formats: &[],
        env: Env::new(Fixed::default()),
    };
    (crate::jdbc::CONNECTOR.source.unwrap().open)(spec).await
}

fn refusal(result: Result<Box<dyn Source>>) -> String {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(e) => {
            assert!(e.kind == ErrorKind::Outside && !e.retry, "{e}");
            e.to_string()
        }
    }
}

fn taken(input: Input) -> Vec<Delta> {
    match input.splits.into_iter().next().map(|split| split.payload) {
        Some(Payload::Rows(rows)) => rows,
        _ => Vec::new(),
    }
}

/// Polls until `done`, or panics.
async fn polled(source: &mut dyn Source, done: impl Fn(&Input, &[Delta]) -> bool) -> Vec<Delta> {
    let mut rows = Vec::new();
    for _ in 0..1_000 {
        let mut input = source.poll(BUDGET).await.unwrap();
        let splits = std::mem::take(&mut input.splits);
        rows.extend(taken(Input { splits, ended: false }));
        if done(&input, &rows) {
            return rows;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the rows did not come");
}

async fn all(source: &mut dyn Source) -> Vec<Delta> {
    polled(source, |input, _| input.ended).await
}

/// Rows as text, with their weights where they are not 1; sorted.
fn texts(deltas: &[Delta]) -> Vec<String> {
    let mut texts = Vec::new();
    for delta in deltas {
        let options = arrow::util::display::FormatOptions::new().with_null("NULL");
        let columns = delta.rows.columns().iter();
        let columns: Vec<_> = columns
            .map(|c| arrow::util::display::ArrayFormatter::try_new(c, &options).unwrap())
            .collect();
        for row in 0..delta.len() {
            let values: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
            let weight = match delta.weight(row) {
                1 => String::new(),
                weight => format!(" {weight:+}"),
            };
            texts.push(format!("{}{weight}", values.join("|")));
        }
    }
    texts.sort();
    texts
}

#[tokio::test]
async fn reads_every_type() {
    let b = Bench::new("t_read_types").await;
    b.run(
        "CREATE TYPE mood AS ENUM ('glad');
         CREATE TABLE t (b bool, s int2, i int4, l int8, f float4, d float8, n numeric(12,4),
           t text, c char(5), v varchar(9), u uuid, j jsonb, e mood, y bytea, dt date, tm time,
           ts timestamp, tz timestamptz, a int[], ta text[]);
         INSERT INTO t VALUES (true, -7, 7, 1::int8 << 40, 1.5, -0.25, 12345.6789,
           'é''\"', 'abc', 'x', '00000000-0000-0000-0000-00000000002a', '{\"a\": 1}', 'glad',
           '\\x00ff', '1969-12-31', '23:59:59.123456', '2024-02-29 12:34:56.789012',
           '2024-02-29 12:34:56+02', '{1,NULL,3}', '{\"a,b\",NULL}');
         INSERT INTO t VALUES (NULL);
         INSERT INTO t (a, ta) VALUES ('{}', '{}')",
    )
    .await;
    let array = |ty| SqlType::Array(Box::new(Nullable { ty, nullable: true }));
    let columns = [
        ("b", SqlType::Boolean),
        ("s", SqlType::SmallInt),
        ("i", SqlType::Int),
        ("l", SqlType::BigInt),
        ("f", SqlType::Float),
        ("d", SqlType::Double),
        ("n", SqlType::Decimal(10, 2)),
        ("t", SqlType::STRING),
        ("c", SqlType::Char(5)),
        ("v", SqlType::Varchar(9)),
        ("u", SqlType::STRING),
        ("j", SqlType::STRING),
        ("e", SqlType::STRING),
        ("y", SqlType::BYTES),
        ("dt", SqlType::Date),
        ("tm", SqlType::Time(0)),
        ("ts", SqlType::Timestamp(3)),
        ("tz", SqlType::TimestampLtz(6)),
        ("a", array(SqlType::Int)),
        ("ta", array(SqlType::STRING)),
    ];
    let table = b.table("t", &columns, &[]);
    let names = columns.each_ref().map(|(name, _)| *name);
    let rows = all(source(&table, &names, vec![]).await.unwrap().as_mut()).await;
    let nulls = vec!["NULL"; 18].join("|");
    let expected = [
        format!("{nulls}|NULL|NULL"),
        format!("{nulls}|[]|[]"),
        "true|-7|7|1099511627776|1.5|-0.25|12345.68|é'\"|abc  |x|\
         00000000-0000-0000-0000-00000000002a|{\"a\": 1}|glad|00ff|1969-12-31|23:59:59.123|\
         2024-02-29T12:34:56.789|2024-02-29T10:34:56Z|[1, NULL, 3]|[a,b, NULL]"
            .to_string(),
    ];
    assert_eq!(texts(&rows), expected);
}

#[tokio::test]
async fn reads_only_the_columns_and_rows_that_are_wanted() {
    let b = Bench::new("t_read_some").await;
    b.run(
        "CREATE TABLE \"a \"\"t\"\" b\" (\"K\" int, \"v \"\"x\" text, secret xml);
         INSERT INTO \"a \"\"t\"\" b\" SELECT g, 'v' || g FROM generate_series(1, 9) g",
    )
    .await;
    let mut table = b.table("t", &[("K", SqlType::Int), ("v \"x", SqlType::STRING)], &[]);
    table.options.0.insert("table-name".into(), format!("{}.\"a \"\"t\"\" b\"", b.schema));
    for (key, value) in [("column", "K"), ("num", "3"), ("lower-bound", "4"), ("upper-bound", "6")]
    {
        table.options.0.insert(format!("scan.partition.{key}"), value.into());
    }
    let rows = all(source(&table, &["v \"x"], vec![]).await.unwrap().as_mut()).await;
    assert_eq!(texts(&rows), ["v4", "v5", "v6"]);
    // COUNT(*) needs no column.
    let rows = all(source(&table, &[], vec![]).await.unwrap().as_mut()).await;
    assert_eq!(rows.iter().map(Delta::len).sum::<usize>(), 3);
}

#[tokio::test]
async fn a_budget_cuts_a_reading_and_a_restart_gives_the_rest() {
    let b = Bench::new("t_read_rest").await;
    b.run("CREATE TABLE t (k int, v text)").await;
    b.run("INSERT INTO t SELECT g / 2, 'v' FROM generate_series(0, 19999) g").await;
    let table = b.table("t", &kv(), &[]);
    let mut first = source(&table, &["k", "v"], vec![]).await.unwrap();
    let mut given = Vec::new();
    while given.iter().map(Delta::len).sum::<usize>() < 2_500 {
        let input = first.poll(Budget { max_rows: 1_000, ..BUDGET }).await.unwrap();
        assert!(!input.ended);
        let range = &input.splits[0].range;
        assert!(range.to - range.from <= 1_000);
        given.extend(taken(input));
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    drop(first);
    let mut second = source(&table, &["k", "v"], given.clone()).await.unwrap();
    let rest = all(second.as_mut()).await;
    assert!(rest.iter().all(|d| d.weights == Weights::Ones));
    let mut rows = texts(&given);
    rows.extend(texts(&rest));
    rows.sort();
    let mut expected: Vec<String> = (0..20_000).map(|g| format!("{}|v", g / 2)).collect();
    expected.sort();
    assert_eq!(rows, expected);
    // Rows that were given and have changed cannot be taken back.
    b.run("DELETE FROM t WHERE k < 5000").await;
    let mut third = source(&table, &["k", "v"], given).await.unwrap();
    let error = loop {
        match third.poll(BUDGET).await {
            Ok(input) => assert!(!input.ended),
            Err(e) => break e,
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert!(error.to_string().contains("--fresh"), "{error}");
}

#[tokio::test]
async fn readings_are_repeated_for_what_has_changed() {
    let b = Bench::new("t_refresh").await;
    b.run("CREATE TABLE t (k int, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (2, 'b')")
        .await;
    let table = with(b.table("t", &kv(), &[]), REFRESH, "1 ms");
    // The test's clock stands still: a source that is opened anew reads at once.
    let read = |held: Vec<Delta>, changes: usize| {
        let table = table.clone();
        async move {
            let mut source = source(&table, &["k", "v"], held).await.unwrap();
            let done =
                |_: &Input, rows: &[Delta]| rows.iter().map(Delta::len).sum::<usize>() >= changes;
            polled(source.as_mut(), done).await
        }
    };
    let mut held = read(vec![], 3).await;
    assert_eq!(texts(&held), ["1|a", "2|b", "2|b"]);
    b.run(
        "UPDATE t SET v = 'A' WHERE k = 1; DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t \
           WHERE k = 2); INSERT INTO t VALUES (3, NULL)",
    )
    .await;
    let changes = read(held.clone(), 4).await;
    assert_eq!(texts(&changes), ["1|A", "1|a -1", "2|b -1", "3|NULL"]);
    held.extend(changes);
    b.run("TRUNCATE t").await;
    assert_eq!(texts(&read(held, 3).await), ["1|A -1", "2|b -1", "3|NULL -1"]);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_the_first_row() {
    let b = Bench::new("t_read_refused").await;
    b.run("CREATE TABLE t (k text, v text, n int[])").await;
    let missing = b.table("nowhere", &kv(), &[]);
    let said = refusal(source(&missing, &["k"], vec![]).await);
    assert!(said.contains("no table 'nowhere'"), "{said}");
    let columns = [("k", SqlType::Int), ("w", SqlType::STRING), ("n", SqlType::STRING)];
    let other = b.table("t", &columns, &[]);
    let said = refusal(source(&other, &["k", "w", "n"], vec![]).await);
    for wrong in ["'k' is text and not INT", "no column 'w' (it has k, v, n)", "'n' is integer[]"] {
        assert!(said.contains(wrong), "{said}");
    }
    // Columns that nobody reads need not fit.
    assert!(source(&other, &[], vec![]).await.is_ok());
    let wrong = with(b.table("t", &kv(), &[]), "password", "wrong");
    let said = refusal(source(&wrong, &["v"], vec![]).await);
    assert!(said.contains("'password'") && !said.contains("wrong;"), "{said}");
}

#[tokio::test]
async fn a_value_that_does_not_fit_names_its_column() {
    let b = Bench::new("t_read_value").await;
    b.run("CREATE TABLE t (n numeric, l int8); INSERT INTO t VALUES ('NaN', 1::int8 << 40)").await;
    let table = b.table("t", &[("n", SqlType::Decimal(10, 2)), ("l", SqlType::Int)], &[]);
    for (column, wanted, kind) in [
        ("n", "column 'n' of table 't'", ErrorKind::Data),
        ("l", "integer out of range", ErrorKind::Outside),
    ] {
        let mut source = source(&table, &[column], vec![]).await.unwrap();
        let error = loop {
            match source.poll(BUDGET).await {
                Ok(input) => assert!(!input.ended),
                Err(e) => break e,
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        };
        assert_eq!(error.kind, kind);
        assert!(error.to_string().contains(wanted), "{error}");
    }
}
