//! Against a real Postgres, named by BROOKLET_TEST_POSTGRES
//! (`postgresql://user:password@host:port/database`, a user who may create roles). Each test
//! works in a schema of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;

use arrow::array::*;
use arrow::datatypes::{DataType, Int32Type, Schema};
use brooklet_core::connector::SinkSpec;
use brooklet_core::env::{CrashPoint, World};
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::sink::{EpochOutput, TableOutput};
use brooklet_core::types::{Nullable, SqlType};
use brooklet_core::{Delta, Env, Epoch, Error, ErrorKind, Instance, Result, Sink};
use tokio_postgres::NoTls;
use tokio_postgres::config::Host;

/// A world that stops at one crash point, once.
#[derive(Default)]
struct Fixed {
    crash: Mutex<Option<CrashPoint>>,
}

impl World for Fixed {
    fn now(&self) -> i64 {
        0
    }
    fn random(&self) -> u64 {
        4
    }
    fn at(&self, point: CrashPoint) -> Result<()> {
        let mut crash = self.crash.lock().unwrap();
        if *crash == Some(point) {
            *crash = None;
            return Err(Error::bug(format!("crash {}", point.name())));
        }
        Ok(())
    }
}

/// A schema of a test's own, and what is needed to look into it.
struct Bench {
    client: tokio_postgres::Client,
    schema: String,
    options: BTreeMap<String, String>,
}

impl Bench {
    async fn new(schema: &str) -> Bench {
        let url = std::env::var("BROOKLET_TEST_POSTGRES")
            .expect("not run: BROOKLET_TEST_POSTGRES is not set (make test starts a Postgres)");
        let config: tokio_postgres::Config = url.parse().unwrap();
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(async move { drop(connection.await) });
        let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema};");
        client.batch_execute(&format!("{sql} SET search_path = {schema}")).await.unwrap();
        let Host::Tcp(host) = &config.get_hosts()[0] else { panic!("a host is expected") };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let database = config.get_dbname().unwrap();
        let text = |t: &str| t.to_string();
        let options = BTreeMap::from([
            (text("connector"), text("jdbc")),
            (
                text("url"),
                format!(
                    "jdbc:postgresql://{host}:{port}/{database}?sslmode=disable\
                     &currentSchema={schema}"
                ),
            ),
            (text("username"), text(config.get_user().unwrap())),
            (
                text("password"),
                String::from_utf8(config.get_password().unwrap_or_default().to_vec()).unwrap(),
            ),
        ]);
        Bench { client, schema: text(schema), options }
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// The first column of each row, as text.
    async fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.client.query(sql, &[]).await.unwrap();
        rows.iter()
            .map(|r| r.get::<_, Option<String>>(0).unwrap_or_else(|| "NULL".into()))
            .collect()
    }

    fn table(&self, name: &str, columns: &[(&str, SqlType)], key: &[&str]) -> TableDef {
        let column = |(name, ty): &(&str, SqlType)| ColumnDef {
            name: name.to_string(),
            ty: ty.clone(),
            nullable: !key.contains(name),
            kind: ColumnKind::Physical,
            comment: None,
        };
        let mut options = self.options.clone();
        options.insert("table-name".into(), name.into());
        TableDef {
            name: name.into(),
            columns: columns.iter().map(column).collect(),
            watermark: None,
            primary_key: key.iter().map(|k| k.to_string()).collect(),
            partitioned_by: vec![],
            options: Options(options),
            comment: None,
        }
    }

    fn spec(&self, tables: Vec<TableDef>) -> SinkSpec {
        SinkSpec {
            pipeline: "p".into(),
            instance: Instance("one".into()),
            generation: 1,
            fresh: false,
            doubt: None,
            tables: tables.into_iter().map(Arc::new).collect(),
            formats: &[],
            env: Env::new(Fixed::default()),
        }
    }

    async fn sink(&self, table: TableDef) -> Result<Box<dyn Sink>> {
        (super::CONNECTOR.sink.unwrap().open)(self.spec(vec![table])).await
    }

    async fn commits(&self) -> Vec<String> {
        self.column(
            "SELECT concat_ws(' ', pipeline, instance, generation, epoch) \
             FROM brooklet_commits ORDER BY committed_at",
        )
        .await
    }
}

async fn open(spec: SinkSpec) -> Result<Box<dyn Sink>> {
    (super::CONNECTOR.sink.unwrap().open)(spec).await
}

fn with(mut table: TableDef, key: &str, value: &str) -> TableDef {
    table.options.0.insert(key.into(), value.into());
    table
}

/// Columns k INT and v STRING.
fn kv() -> [(&'static str, SqlType); 2] {
    [("k", SqlType::Int), ("v", SqlType::STRING)]
}

fn rows(changes: &[(i32, &str, i64)]) -> Delta {
    let k: ArrayRef = Arc::new(Int32Array::from_iter_values(changes.iter().map(|c| c.0)));
    let v: ArrayRef = Arc::new(StringArray::from_iter_values(changes.iter().map(|c| c.1)));
    let weights = changes.iter().map(|c| c.2).collect();
    Delta::new(RecordBatch::try_from_iter([("k", k), ("v", v)]).unwrap(), weights)
}

fn epoch(number: u64, changes: &[(i32, &str, i64)]) -> EpochOutput {
    let table = TableOutput { changes: vec![rows(changes)], ..TableOutput::default() };
    EpochOutput { epoch: Epoch(number), tables: vec![table] }
}

fn failure(result: Result<Box<dyn Sink>>) -> Error {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(e) => e,
    }
}

#[tokio::test]
async fn appends_each_epoch_once() {
    let b = Bench::new("t_append").await;
    b.run("CREATE TABLE t (k int, v text)").await;
    let mut sink = b.sink(b.table("t", &kv(), &[])).await.unwrap();
    assert_eq!(sink.committed().await.unwrap(), None);
    sink.commit(&[epoch(1, &[(1, "a", 1), (2, "b", 2)])]).await.unwrap();
    sink.commit(&[epoch(1, &[(1, "a", 1)]), epoch(2, &[(3, "c", 1)])]).await.unwrap();
    sink.commit(&[epoch(3, &[]), epoch(4, &[])]).await.unwrap();
    let written = "SELECT k || v FROM t ORDER BY k, v";
    assert_eq!(b.column(written).await, ["1a", "2b", "2b", "3c"]);
    assert_eq!(b.commits().await, ["p one 1 2"]);
    // A restart repeats what it cannot know to be there.
    let mut sink = b.sink(b.table("t", &kv(), &[])).await.unwrap();
    sink.commit(&[epoch(1, &[(1, "a", 1)]), epoch(2, &[(3, "c", 1)]), epoch(5, &[(5, "e", 1)])])
        .await
        .unwrap();
    assert_eq!(b.column(written).await, ["1a", "2b", "2b", "3c", "5e"]);
    assert_eq!(sink.committed().await.unwrap(), Some((Instance("one".into()), Epoch(5))));
    let error = sink.commit(&[epoch(6, &[(1, "a", -1)])]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Bug);
}

#[tokio::test]
async fn upserts_and_deletes_by_key() {
    let b = Bench::new("t_upsert").await;
    b.run("CREATE TABLE t (k int PRIMARY KEY, v text, extra int DEFAULT 7)").await;
    let mut sink = b.sink(b.table("t", &kv(), &["k"])).await.unwrap();
    sink.commit(&[epoch(1, &[(1, "a", 1), (2, "b", 1), (3, "c", 1)])]).await.unwrap();
    // Within an epoch the addition wins, over epochs the last change.
    sink.commit(&[
        epoch(2, &[(1, "A", 1), (1, "a", -1), (2, "b", -1)]),
        epoch(3, &[(2, "B", 1), (3, "c", -1), (4, "d", 1)]),
        epoch(4, &[(4, "d", -1)]),
    ])
    .await
    .unwrap();
    let written = "SELECT k || v || extra FROM t ORDER BY k";
    assert_eq!(b.column(written).await, ["1A7", "2B7"]);
    assert_eq!(b.commits().await, ["p one 1 4"]);
}

#[tokio::test]
async fn ignores_rows_whose_key_exists() {
    let b = Bench::new("t_ignore").await;
    b.run("CREATE TABLE t (k int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'old')").await;
    let table = with(b.table("t", &kv(), &["k"]), "brooklet.on-conflict", "ignore");
    let mut sink = b.sink(table).await.unwrap();
    let first = epoch(1, &[(1, "new", 1), (2, "first", 1), (2, "second", 1)]);
    sink.commit(&[first, epoch(2, &[(2, "third", 1)])]).await.unwrap();
    assert_eq!(b.column("SELECT v FROM t ORDER BY k").await, ["old", "first"]);
    sink.commit(&[epoch(3, &[(2, "first", -1)]), epoch(4, &[(2, "again", 1)])]).await.unwrap();
    assert_eq!(b.column("SELECT v FROM t ORDER BY k").await, ["old", "again"]);
}

/// Without a key in the DDL, and by another constraint than the key: Postgres decides.
#[tokio::test]
async fn ignores_whatever_unique_constraint_a_row_meets() {
    for (bench, key) in [("t_ignore_none", &[][..]), ("t_ignore_any", &["k"])] {
        let b = Bench::new(bench).await;
        b.run("CREATE TABLE t (k int UNIQUE, v text UNIQUE); INSERT INTO t VALUES (1, 'old')")
            .await;
        let table = with(b.table("t", &kv(), key), "brooklet.on-conflict", "ignore");
        let mut sink = b.sink(table).await.unwrap();
        let rows = [(1, "new", 1), (2, "old", 1), (3, "first", 1), (4, "first", 1), (3, "x", 1)];
        sink.commit(&[epoch(1, &rows)]).await.unwrap();
        assert_eq!(b.column("SELECT k || v FROM t ORDER BY k").await, ["1old", "3first"]);
    }
}

/// The first row that Postgres takes is the key's, whether one before it was refused in the same
/// transaction or in an earlier one.
#[tokio::test]
async fn a_refused_row_does_not_stand_in_for_its_key() {
    let b = Bench::new("t_ignore_refused").await;
    b.run("CREATE TABLE t (k int PRIMARY KEY, v text CHECK (v <> 'bad'))").await;
    let table = with(b.table("t", &kv(), &["k"]), "brooklet.on-conflict", "ignore");
    let table = with(table, "brooklet.on-row-error", "dead-letter");
    let mut sink = b.sink(table).await.unwrap();
    sink.commit(&[epoch(1, &[(1, "bad", 1), (1, "good", 1), (1, "x", 1), (2, "bad", 1)])])
        .await
        .unwrap();
    sink.commit(&[epoch(2, &[(2, "good", 1), (2, "x", 1)])]).await.unwrap();
    assert_eq!(b.column("SELECT k || v FROM t ORDER BY k").await, ["1good", "2good"]);
    assert_eq!(b.column("SELECT row FROM brooklet_rejected ORDER BY row").await.len(), 2);
}

/// One row of NULLs and one of values for each type.
fn every_type() -> (Vec<(&'static str, SqlType)>, RecordBatch) {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let mut texts = ListBuilder::new(StringBuilder::new());
    texts.append_value([Some("a\"b\\,{"), None, Some("")]);
    texts.append_null();
    let of = |ty: SqlType| Nullable { ty, nullable: true };
    let decimal = |v: i128, p, s| -> ArrayRef {
        let array = Decimal128Array::from(vec![Some(v), None]);
        Arc::new(array.with_precision_and_scale(p, s).unwrap())
    };
    let text = |v: &str| -> ArrayRef { Arc::new(StringArray::from(vec![Some(v), None])) };
    let millis = |v: i64| TimestampMillisecondArray::from(vec![Some(v), None]);
    let columns: Vec<(&str, SqlType, ArrayRef)> = vec![
        ("bool", SqlType::Boolean, Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("tiny", SqlType::TinyInt, Arc::new(Int8Array::from(vec![Some(-8), None]))),
        ("small", SqlType::SmallInt, Arc::new(Int16Array::from(vec![Some(-16), None]))),
        ("i", SqlType::Int, Arc::new(Int32Array::from(vec![Some(-32), None]))),
        ("big", SqlType::BigInt, Arc::new(Int64Array::from(vec![Some(i64::MIN), None]))),
        ("narrow", SqlType::BigInt, Arc::new(Int64Array::from(vec![Some(64), None]))),
        ("f", SqlType::Float, Arc::new(Float32Array::from(vec![Some(1.5), None]))),
        ("d", SqlType::Double, Arc::new(Float64Array::from(vec![Some(-0.1), None]))),
        ("dec", SqlType::Decimal(10, 2), decimal(-1205, 10, 2)),
        ("wide", SqlType::Decimal(38, 18), decimal(10i128.pow(38) - 1, 38, 18)),
        ("t", SqlType::STRING, text("ü'\"\\")),
        ("vc", SqlType::STRING, text("abc")),
        ("ch", SqlType::STRING, text("ab")),
        ("bin", SqlType::BYTES, Arc::new(BinaryArray::from(vec![Some(&b"\x00\xff"[..]), None]))),
        ("day", SqlType::Date, Arc::new(Date32Array::from(vec![Some(-1), None]))),
        (
            "tm",
            SqlType::Time(0),
            Arc::new(Time32MillisecondArray::from(vec![Some(3_661_001), None])),
        ),
        ("ts3", SqlType::Timestamp(3), Arc::new(millis(-1))),
        (
            "ts6",
            SqlType::Timestamp(6),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(1_700_000_000_123_456), None])),
        ),
        (
            "ts9",
            SqlType::Timestamp(9),
            Arc::new(TimestampNanosecondArray::from(vec![Some(1_700_000_000_123_456_789), None])),
        ),
        ("tz", SqlType::Timestamp(3), Arc::new(millis(0))),
        ("ltz", SqlType::TimestampLtz(3), Arc::new(millis(0).with_timezone("UTC"))),
        ("js", SqlType::STRING, text("{\"a\": [1, 2]}")),
        ("id", SqlType::STRING, text("0123e567-e89b-12d3-a456-426614174000")),
        ("mood", SqlType::STRING, text("sad")),
        ("list", SqlType::Array(Box::new(of(SqlType::Int))), Arc::new(list)),
        ("texts", SqlType::Array(Box::new(of(SqlType::STRING))), Arc::new(texts.finish())),
    ];
    let named: Vec<_> = columns.iter().map(|(n, t, _)| (*n, t.clone())).collect();
    let fields: Vec<_> = columns
        .iter()
        .map(|(n, _, a)| arrow::datatypes::Field::new(*n, a.data_type().clone(), true))
        .collect();
    let arrays = columns.into_iter().map(|(_, _, a)| a).collect();
    (named, RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap())
}

#[tokio::test]
async fn every_type_arrives() {
    let b = Bench::new("t_types").await;
    b.run(
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN tiny AS int2;
         CREATE TABLE t (bool bool, tiny tiny, small int2, i int4, big int8, narrow int4,
           f float4, d float8, \"dec\" numeric(10,2), wide numeric, t text, vc varchar(3),
           ch char(4), bin bytea, day date, tm time, ts3 timestamp, ts6 timestamp, ts9 timestamp,
           tz timestamptz, ltz timestamptz, js jsonb, id uuid, mood mood, list int[],
           texts text[])",
    )
    .await;
    let (columns, batch) = every_type();
    let mut sink = b.sink(b.table("t", &columns, &[])).await.unwrap();
    let table = TableOutput { changes: vec![Delta::inserts(batch)], ..TableOutput::default() };
    sink.commit(&[EpochOutput { epoch: Epoch(1), tables: vec![table] }]).await.unwrap();
    b.run("SET TimeZone = 'UTC'").await;
    assert_eq!(
        b.column(
            "SELECT x.value FROM (SELECT * FROM t WHERE i IS NOT NULL) r, \
             json_each_text(row_to_json(r)) x"
        )
        .await,
        [
            "true",
            "-8",
            "-16",
            "-32",
            "-9223372036854775808",
            "64",
            "1.5",
            "-0.1",
            "-12.05",
            "99999999999999999999.999999999999999999",
            "ü'\"\\",
            "abc",
            "ab  ",
            "\\x00ff",
            "1969-12-31",
            "01:01:01.001",
            "1969-12-31T23:59:59.999",
            "2023-11-14T22:13:20.123456",
            "2023-11-14T22:13:20.123456",
            "1970-01-01T00:00:00+00:00",
            "1970-01-01T00:00:00+00:00",
            "{\"a\": [1, 2]}",
            "0123e567-e89b-12d3-a456-426614174000",
            "sad",
            "[1,null]",
            "[\"a\\\"b\\\\,{\",null,\"\"]",
        ]
    );
    let nulls = "SELECT count(*)::text FROM t WHERE num_nonnulls(t.*) = 0 OR t IS NULL";
    assert_eq!(b.column(nulls).await, ["1"]);
}

#[tokio::test]
async fn every_difference_is_named_at_the_start() {
    let b = Bench::new("t_differences").await;
    b.run(
        "CREATE TABLE t (k int, v bytea, must int NOT NULL, g int GENERATED ALWAYS AS (1) STORED)",
    )
    .await;
    let mut columns = kv().to_vec();
    columns.extend([("missing", SqlType::Int), ("g", SqlType::Int)]);
    let error = failure(b.sink(b.table("t", &columns, &[])).await);
    assert_eq!((error.kind, error.retry), (ErrorKind::Outside, false));
    for part in [
        "column 'v' is STRING here and bytea there",
        "column 'missing' is missing there",
        "column 'g' is generated",
        "column 'must' there is NOT NULL without a default",
    ] {
        assert!(error.message.contains(part), "{part} is not in: {error}");
    }
    b.run("CREATE TABLE u (k int, v text, UNIQUE (k, v))").await;
    let error = failure(b.sink(b.table("u", &kv(), &["k"])).await);
    assert!(error.message.contains("unique constraint on exactly the columns (k)"), "{error}");
    let error = failure(b.sink(b.table("nowhere", &kv(), &[])).await);
    assert!(error.message.contains("has no table 'nowhere'"), "{error}");
    assert!(error.message.contains("create-table"), "{error}");
}

#[tokio::test]
async fn names_are_found_quoted_and_folded() {
    let b = Bench::new("t_names").await;
    b.run("CREATE TABLE \"Mixed\" (\"K\" int, v text); CREATE TABLE folded (k int, v text)").await;
    let columns = [("K", SqlType::Int), ("V", SqlType::STRING)];
    for (name, read) in [("t_names.Mixed", "\"Mixed\""), ("Folded", "folded")] {
        let mut sink = b.sink(b.table(name, &columns, &[])).await.unwrap();
        let mut spec = epoch(1, &[(1, "x", 1)]);
        spec.epoch = Epoch(if name == "Folded" { 2 } else { 1 });
        sink.commit(&[spec]).await.unwrap();
        assert_eq!(b.column(&format!("SELECT v FROM {read}")).await, ["x"], "{name}");
    }
}

#[tokio::test]
async fn creates_a_schema_that_is_missing() {
    let b = Bench::new("t_create_schema").await;
    b.run("DROP SCHEMA IF EXISTS \"t New\" CASCADE").await;
    let if_missing =
        |name: &str| with(b.table(name, &kv(), &["k"]), "brooklet.create-table", "if-not-exists");
    b.sink(if_missing("t New.items")).await.unwrap();
    b.sink(if_missing("t New.others")).await.unwrap();
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 't New' ORDER BY 1";
    assert_eq!(b.column(tables).await, ["items", "others"]);
    b.run("DROP SCHEMA \"t New\" CASCADE").await;
}

#[tokio::test]
async fn creates_the_table_of_the_ddl() {
    let b = Bench::new("t_create").await;
    let columns = [
        ("k", SqlType::Int),
        ("n", SqlType::Decimal(10, 2)),
        ("c", SqlType::Varchar(5)),
        ("at", SqlType::TimestampLtz(3)),
        ("l", SqlType::Array(Box::new(Nullable { ty: SqlType::BigInt, nullable: true }))),
    ];
    let name = format!("{}.new table", b.schema);
    let table = with(b.table(&name, &columns, &["k"]), "brooklet.create-table", "if-not-exists");
    b.sink(table.clone()).await.unwrap();
    b.sink(table).await.unwrap();
    let described = b
        .column(
            "SELECT attname || ' ' || format_type(atttypid, atttypmod) FROM pg_attribute \
             WHERE attrelid = '\"new table\"'::regclass AND attnum > 0 ORDER BY attnum",
        )
        .await;
    assert_eq!(
        described,
        [
            "k integer",
            "n numeric(10,2)",
            "c character varying(5)",
            "at timestamp(3) with time zone",
            "l bigint[]"
        ]
    );
    let row = Nullable { ty: SqlType::Row(vec![]), nullable: true };
    let table = b.table("other", &[("r", row.ty)], &[]);
    let error = failure(b.sink(with(table, "brooklet.create-table", "if-not-exists")).await);
    assert!(error.message.contains("column 'r'"), "{error}");
}

#[tokio::test]
async fn a_refused_row_stops_or_is_set_aside() {
    let b = Bench::new("t_refused").await;
    b.run("CREATE TABLE t (k int PRIMARY KEY CHECK (k < 100), v varchar(3) NOT NULL)").await;
    let many: Vec<(i32, String, i64)> = (0..50).map(|i| (i, format!("v{i}"), 1)).collect();
    let mut changes: Vec<(i32, &str, i64)> =
        many.iter().map(|(k, v, w)| (*k, v.as_str(), *w)).collect();
    changes.extend([(60, "long!", 1), (100, "x", 1), (61, "n\0l", 1), (62, "ok", 1)]);
    let mut sink = b.sink(b.table("t", &kv(), &["k"])).await.unwrap();
    let error = sink.commit(&[epoch(1, &changes)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Data);
    for part in ["table 't'", "{\"k\":60}", "value too long", "dead-letter", "epoch 1"] {
        assert!(error.message.contains(part), "{part} is not in: {error}");
    }
    assert!(b.column("SELECT v FROM t").await.is_empty());
    assert!(b.commits().await.is_empty());

    let table = with(b.table("t", &kv(), &["k"]), "brooklet.on-row-error", "dead-letter");
    let mut sink = b.sink(table).await.unwrap();
    sink.commit(&[epoch(1, &changes)]).await.unwrap();
    assert_eq!(b.column("SELECT count(*)::text FROM t").await, ["51"]);
    let rejected = "SELECT concat_ws(' ', pipeline, table_name, epoch, row) FROM brooklet_rejected \
                    ORDER BY row";
    assert_eq!(
        b.column(rejected).await,
        [
            "p t 1 {\"k\":100,\"v\":\"x\"}",
            "p t 1 {\"k\":60,\"v\":\"long!\"}",
            "p t 1 {\"k\":61,\"v\":\"n\\u0000l\"}",
        ]
    );
    assert_eq!(b.commits().await, ["p one 1 1"]);
}

#[tokio::test]
async fn deferred_constraints_find_their_row() {
    let b = Bench::new("t_deferred").await;
    b.run(
        "CREATE TABLE parent (k int PRIMARY KEY); INSERT INTO parent VALUES (1);
         CREATE TABLE t (k int REFERENCES parent DEFERRABLE INITIALLY DEFERRED, v text)",
    )
    .await;
    let mut sink = b.sink(b.table("t", &kv(), &[])).await.unwrap();
    let error = sink.commit(&[epoch(1, &[(1, "a", 1), (2, "b", 1)])]).await.unwrap_err();
    assert!(error.message.contains("{\"k\":2,\"v\":\"b\"}"), "{error}");
    sink.commit(&[epoch(1, &[(1, "a", 1)])]).await.unwrap();
    assert_eq!(b.column("SELECT v FROM t").await, ["a"]);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let b = Bench::new("t_refusals").await;
    b.run(
        "CREATE TABLE t (k int PRIMARY KEY, v text); DROP ROLE IF EXISTS brooklet_weak;
         CREATE ROLE brooklet_weak LOGIN PASSWORD 'weak'; GRANT USAGE ON SCHEMA t_refusals TO \
         brooklet_weak",
    )
    .await;
    let table = || b.table("t", &kv(), &["k"]);
    let wrong = failure(b.sink(with(table(), "password", "wrong")).await);
    assert_eq!((wrong.kind, wrong.retry), (ErrorKind::Outside, false));
    assert!(wrong.message.contains("'username' and 'password'"), "{wrong}");
    assert!(!wrong.to_string().contains("wrong"), "no password in messages: {wrong}");

    let url = b.options["url"].clone();
    let (place, parameters) = url.split_once('?').unwrap();
    let nowhere = format!("{}/no_such_db?{parameters}", place.rsplit_once('/').unwrap().0);
    let missing = failure(b.sink(with(table(), "url", &nowhere)).await);
    assert!(!missing.retry && missing.message.contains("no_such_db"), "{missing}");

    let closed = "jdbc:postgresql://127.0.0.1:1/x?sslmode=disable";
    let away = failure(b.sink(with(table(), "url", closed)).await);
    assert_eq!((away.kind, away.retry), (ErrorKind::Outside, true), "{away}");

    let weak = with(with(table(), "username", "brooklet_weak"), "password", "weak");
    let error = failure(b.sink(weak.clone()).await);
    assert!(!error.retry && error.message.contains("CREATE TABLE IF NOT EXISTS brooklet_commits"));
    b.sink(table()).await.unwrap();
    b.run("GRANT SELECT, INSERT, UPDATE ON brooklet_commits TO brooklet_weak").await;
    let error = failure(b.sink(weak).await);
    assert!(!error.retry && error.message.contains("GRANT INSERT, UPDATE, SELECT ON"), "{error}");
}

#[tokio::test]
async fn a_crash_around_commit_loses_and_repeats_nothing() {
    let b = Bench::new("t_crash").await;
    b.run("CREATE TABLE t (k int, v text)").await;
    for (number, point) in [(1, CrashPoint::BeforeSinkCommit), (2, CrashPoint::AfterSinkCommit)] {
        let mut spec = b.spec(vec![b.table("t", &kv(), &[])]);
        spec.env = Env::new(Fixed { crash: Mutex::new(Some(point)) });
        let mut sink = open(spec).await.unwrap();
        let output = [epoch(number, &[(number as i32, "x", 1)])];
        sink.commit(&output).await.unwrap_err();
        // The same sink as after a lost connection, then a new one as after a restart.
        sink.commit(&output).await.unwrap();
        b.sink(b.table("t", &kv(), &[])).await.unwrap().commit(&output).await.unwrap();
    }
    assert_eq!(b.column("SELECT k::text FROM t ORDER BY k").await, ["1", "2"]);
}

#[tokio::test]
async fn a_lost_session_is_replaced() {
    let b = Bench::new("t_lost").await;
    b.run("CREATE TABLE t (k int, v text)").await;
    let mut spec = b.spec(vec![b.table("t", &kv(), &[])]);
    spec.instance = Instance("lost".into());
    let mut sink = open(spec).await.unwrap();
    sink.commit(&[epoch(1, &[(1, "a", 1)])]).await.unwrap();
    let ended = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity \
                 WHERE application_name = 'brooklet p lost/1'";
    assert_eq!(b.column(ended).await, ["true"]);
    let second = [epoch(2, &[(2, "b", 1)])];
    // The loss may be seen before the call or in it; the call after it must succeed.
    match sink.commit(&second).await {
        Ok(()) => {}
        Err(e) => {
            assert!(e.retry, "{e}");
            sink.commit(&second).await.unwrap();
        }
    }
    assert_eq!(b.column("SELECT v FROM t ORDER BY k").await, ["a", "b"]);
}

#[tokio::test]
async fn a_newer_generation_fences_the_older() {
    let b = Bench::new("t_fence").await;
    b.run("CREATE TABLE t (k int, v text)").await;
    let spec = |generation| {
        let mut spec = b.spec(vec![b.table("t", &kv(), &[])]);
        spec.instance = Instance("fence".into());
        spec.generation = generation;
        spec
    };
    let mut old = open(spec(1)).await.unwrap();
    old.commit(&[epoch(1, &[(1, "a", 1)])]).await.unwrap();
    let mut new = open(spec(2)).await.unwrap();
    let old_sessions = "SELECT pid::text FROM pg_stat_activity \
                        WHERE application_name = 'brooklet p fence/1'";
    for _ in 0..50 {
        if b.column(old_sessions).await.is_empty() {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "a service is waited for")]
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(b.column(old_sessions).await.is_empty(), "the older session was ended");
    assert_eq!(new.committed().await.unwrap(), Some((Instance("fence".into()), Epoch(1))));
    let second = [epoch(2, &[(2, "b", 1)])];
    let mut error = old.commit(&second).await.unwrap_err();
    if error.retry {
        error = old.commit(&second).await.unwrap_err();
    }
    assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
    new.commit(&second).await.unwrap();
    assert_eq!(b.column("SELECT v FROM t ORDER BY k").await, ["a", "b"]);
}

#[tokio::test]
async fn tables_of_a_domain_appear_together() {
    let b = Bench::new("t_together").await;
    b.run("CREATE TABLE t (k int, v text); CREATE TABLE u (k int CHECK (k < 10), v text)").await;
    let tables = vec![b.table("t", &kv(), &[]), b.table("u", &kv(), &[])];
    let mut sink = open(b.spec(tables)).await.unwrap();
    let both = |number, k| {
        let mut output = epoch(number, &[(1, "a", 1)]);
        output.tables.push(epoch(number, &[(k, "b", 1)]).tables.remove(0));
        output
    };
    let error = sink.commit(&[both(1, 10)]).await.unwrap_err();
    assert!(error.message.contains("table 'u'"), "{error}");
    let counts = "SELECT (SELECT count(*) FROM t) || ' ' || (SELECT count(*) FROM u)";
    assert_eq!(b.column(counts).await, ["0 0"]);
    sink.commit(&[both(1, 9)]).await.unwrap();
    assert_eq!(b.column(counts).await, ["1 1"]);
}

#[tokio::test]
async fn another_instance_is_reported_unless_fresh() {
    let b = Bench::new("t_instance").await;
    b.run("CREATE TABLE t (k int, v text)").await;
    let mut one = b.sink(b.table("t", &kv(), &[])).await.unwrap();
    one.commit(&[epoch(7, &[(1, "a", 1)])]).await.unwrap();
    let spec = |fresh| {
        let mut spec = b.spec(vec![b.table("t", &kv(), &[])]);
        spec.instance = Instance("two".into());
        spec.fresh = fresh;
        spec
    };
    let found = open(spec(false)).await.unwrap().committed().await.unwrap();
    assert_eq!(found, Some((Instance("one".into()), Epoch(7))));
    let mut two = open(spec(true)).await.unwrap();
    assert_eq!(two.committed().await.unwrap(), Some((Instance("two".into()), Epoch(0))));
    two.commit(&[epoch(1, &[(2, "b", 1)])]).await.unwrap();
    let found = open(spec(false)).await.unwrap().committed().await.unwrap();
    assert_eq!(found, Some((Instance("two".into()), Epoch(1))));
    assert_eq!(b.column("SELECT v FROM t ORDER BY k").await, ["a", "b"]);
}

#[tokio::test]
async fn a_large_epoch_is_cut_into_statements() {
    let b = Bench::new("t_large").await;
    b.run("CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    let mut sink = b.sink(b.table("t", &kv(), &["k"])).await.unwrap();
    let changes: Vec<(i32, &str, i64)> = (0..30_000).rev().map(|k| (k, "v", 1)).collect();
    sink.commit(&[epoch(1, &changes)]).await.unwrap();
    let gone: Vec<(i32, &str, i64)> = (0..20_000).map(|k| (k, "v", -1)).collect();
    sink.commit(&[epoch(2, &gone)]).await.unwrap();
    assert_eq!(b.column("SELECT count(*) || ' ' || min(k) FROM t").await, ["10000 20000"]);
}

#[test]
fn tables_of_one_database_and_user_are_one_domain() {
    let url = |url: &str, user: &str| {
        let options = [("url", url), ("username", user)];
        let options = options.map(|(k, v)| (k.to_string(), v.to_string()));
        super::options::domain(&TableDef {
            name: "t".into(),
            columns: vec![],
            watermark: None,
            primary_key: vec![],
            partitioned_by: vec![],
            options: Options(BTreeMap::from(options)),
            comment: None,
        })
    };
    let one = url("jdbc:postgresql://h/d?sslmode=require", "u");
    assert_eq!(one, "postgresql://u@h:5432/d");
    assert_eq!(one, url("jdbc:postgresql://h:5432/d", "u"));
    assert_ne!(one, url("jdbc:postgresql://h/d", "v"));
    assert_ne!(one, url("jdbc:postgresql://h/e", "u"));
}

#[test]
fn no_type_of_ours_is_forgotten() {
    use super::values::Wire;
    for ty in [SqlType::Boolean, SqlType::TinyInt, SqlType::Time(3), SqlType::TimestampLtz(9)] {
        assert!(Wire::of(&ty.arrow()).is_some(), "{ty}");
    }
    assert_eq!(Wire::of(&SqlType::Row(vec![]).arrow()), None);
    assert_eq!(Wire::of(&DataType::Null), None);
}

/// On a server with TLS, whose certificate an authority of its own has signed for 127.0.0.1.
#[tokio::test]
async fn sslmode_means_what_it_means_elsewhere() {
    let b = Bench::new("t_tls").await;
    b.run("CREATE TABLE t (k int, v text)").await;
    let authority = std::env::var("BROOKLET_TEST_POSTGRES_CA").expect("a server with TLS");
    let sink = async |mode: &str, more: &str, host: &str| {
        let url = b.options["url"].replace("sslmode=disable", &format!("sslmode={mode}{more}"));
        let url = url.replace("127.0.0.1", host);
        let mut spec = b.spec(vec![with(b.table("t", &kv(), &[]), "url", &url)]);
        (spec.pipeline, spec.instance) = (mode.into(), Instance("tls".into()));
        open(spec).await
    };
    let trusted = format!("&sslrootcert={authority}");
    let encrypted = |mode: &str| {
        format!(
            "SELECT ssl::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = 'brooklet {mode} tls/1'"
        )
    };
    for (mode, more, host, expected) in [
        ("prefer", "", "127.0.0.1", "true"),
        ("require", "", "localhost", "true"),
        ("verify-ca", trusted.as_str(), "localhost", "true"),
        ("verify-full", trusted.as_str(), "127.0.0.1", "true"),
        ("disable", "", "127.0.0.1", "false"),
    ] {
        let mut open = sink(mode, more, host).await.unwrap_or_else(|e| panic!("{mode}: {e}"));
        open.commit(&[epoch(1, &[(1, "a", 1)])]).await.unwrap();
        assert_eq!(b.column(&encrypted(mode)).await, [expected], "{mode}");
    }
    // Another name than the certificate's; an authority that nobody named.
    let refused = [("verify-full", trusted.as_str(), "localhost"), ("verify-ca", "", "127.0.0.1")];
    for (mode, more, host) in refused {
        let refused = failure(sink(mode, more, host).await);
        assert!(!refused.retry && refused.message.contains("certificate"), "{mode}: {refused}");
    }
}

mod lookup;
mod source;
