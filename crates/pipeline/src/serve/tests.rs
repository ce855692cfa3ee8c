//! Queries over tables made by hand, asked as a server asks them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use brooklet_core::{Delta, Epoch, Instance};
use brooklet_engine::ops::kept::Kept;
use brooklet_engine::views::{CommittedTables, Tables, Views};

use super::{Answer, Endpoint, Limits, Refusal, Serving, file};
use crate::compile::{Compiled, SqlFile, compile};
use crate::world::real;

const PIPELINE: &str = "
CREATE TABLE events (name STRING, town STRING, n BIGINT) WITH ('connector' = 'datagen');
CREATE TABLE people (name STRING, town STRING, n BIGINT, PRIMARY KEY (name, town) NOT ENFORCED)
WITH ('connector' = 'brooklet-table');
CREATE TABLE towns (town STRING, name STRING, n BIGINT, PRIMARY KEY (town) NOT ENFORCED)
WITH ('connector' = 'brooklet-table');
CREATE TABLE unused (town STRING, PRIMARY KEY (town) NOT ENFORCED)
WITH ('connector' = 'brooklet-table');
CREATE VIEW large AS SELECT * FROM towns WHERE n > 100;
INSERT INTO people SELECT name, town, n FROM events ON CONFLICT DO DEDUPLICATE;
INSERT INTO towns SELECT town, name, n FROM events ON CONFLICT DO DEDUPLICATE;";

type Row<'a> = (&'a str, &'a str, i64);

const PEOPLE: &[Row<'_>] = &[
    ("Ann", "Oslo", 1),
    ("Ann", "Łódź", 2),
    ("O'Hara", "Oslo", 3),
    ("Robert'); DROP TABLE people;--", "Oslo", 4),
    ("Bo", "Rome", 5),
];
const TOWNS: &[Row<'_>] = &[("Oslo", "north", 700), ("Łódź", "east", 90), ("Lima", "far", 900)];

fn compiled() -> Compiled {
    let file = SqlFile { text: PIPELINE.into(), name: "p.sql".into() };
    compile(&[file], &|_| None).unwrap_or_else(|e| panic!("{e}"))
}

fn endpoints(texts: &[&str]) -> Result<Vec<Endpoint>, String> {
    let file = |(i, text): (usize, &&str)| SqlFile {
        text: text.to_string(),
        name: format!("serve/{i}.sql"),
    };
    let files: Vec<SqlFile> = texts.iter().enumerate().map(file).collect();
    file::endpoints(&compiled(), &files, &|_| None).map_err(|e| e.to_string())
}

fn tables(people: &[Row<'_>]) -> Arc<Tables> {
    let compiled = compiled();
    let sinks = compiled.plan.sinks().flat_map(|(_, sink)| &sink.tables);
    let view = |table: &brooklet_plan::node::SinkTable| {
        let mut kept = Kept::new("rows", &table.table).unwrap();
        let rows = if table.table.name == "people" { people } else { TOWNS };
        let schema = table.table.write_schema();
        let firsts = StringArray::from_iter_values(rows.iter().map(|r| r.0));
        let seconds = StringArray::from_iter_values(rows.iter().map(|r| r.1));
        let numbers = Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2)));
        let columns: Vec<ArrayRef> = vec![Arc::new(firsts), Arc::new(seconds), numbers];
        kept.step(&[Delta::inserts(RecordBatch::try_new(schema, columns).unwrap())]).unwrap();
        (table.table.name.clone(), Arc::new(kept.view()))
    };
    Arc::new(sinks.map(view).collect())
}

const LIMITS: Limits =
    Limits { max_rows: 100, timeout: Duration::from_secs(20), max_concurrent: 4 };

fn serving(texts: &[&str], limits: Limits) -> (Arc<Serving>, Views) {
    let views = Views::default();
    let endpoints = endpoints(texts).unwrap_or_else(|e| panic!("{e}"));
    let serving = Serving::new(endpoints, limits, views.clone(), real()).unwrap();
    (Arc::new(serving), views)
}

fn open(views: &Views, people: &[Row<'_>]) {
    let (instance, epoch) = (Instance("i".into()), Epoch(7));
    views.open(CommittedTables { instance, epoch, tables: tables(people) });
}

async fn ask(serving: &Arc<Serving>, values: &[(&str, &str)], known: Option<&str>) -> Answer {
    let values: BTreeMap<String, String> =
        values.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    serving.answer(&serving.endpoints()[0], values, known).await
}

/// The answer of one query over the tables above.
async fn answer(text: &str, values: &[(&str, &str)]) -> String {
    let (serving, views) = serving(&[text], LIMITS);
    open(&views, PEOPLE);
    match ask(&serving, values, None).await {
        Answer::Rows(rows) => String::from_utf8(rows.json).unwrap().trim_end().to_string(),
        Answer::Unchanged(_) => "unchanged".into(),
        Answer::Refused(refusal) => format!("{refusal:?}"),
    }
}

#[tokio::test]
async fn a_path_names_rows() {
    let by_name = "-- GET /people/{name}\nSELECT name, town, n FROM people WHERE name = :name \
                   ORDER BY town";
    let get = async |name| answer(by_name, &[("name", name)]).await;
    assert_eq!(
        get("Ann").await,
        r#"[{"name":"Ann","town":"Oslo","n":1},{"name":"Ann","town":"Łódź","n":2}]"#
    );
    assert_eq!(get("O'Hara").await, r#"[{"name":"O'Hara","town":"Oslo","n":3}]"#);
    assert_eq!(
        get("Robert'); DROP TABLE people;--").await,
        r#"[{"name":"Robert'); DROP TABLE people;--","town":"Oslo","n":4}]"#
    );
    for nobody in ["%", "' OR '1'='1", "An", "ann", ""] {
        assert_eq!(get(nobody).await, "NotFound", "{nobody}");
    }
}

#[tokio::test]
async fn queries_join_order_and_cut() {
    let all = async |text: &str| answer(&format!("-- GET /all\n{text}"), &[]).await;
    assert_eq!(
        all("SELECT p.name, t.n FROM people p JOIN towns t ON p.town = t.town AND p.n < 3 \
             ORDER BY t.n DESC")
        .await,
        r#"[{"name":"Ann","n":700},{"name":"Ann","n":90}]"#
    );
    assert_eq!(
        all("SELECT p.name, t.name FROM people p LEFT JOIN towns t ON p.town = t.town WHERE \
             p.n = 5")
        .await,
        r#"[{"name":"Bo","name0":null}]"#
    );
    assert_eq!(
        all("SELECT DISTINCT town FROM people ORDER BY town LIMIT 2").await,
        r#"[{"town":"Oslo"},{"town":"Rome"}]"#
    );
    assert_eq!(
        all("SELECT town FROM large UNION ALL SELECT name FROM people WHERE n = 5").await,
        r#"[{"town":"Oslo"},{"town":"Lima"},{"town":"Bo"}]"#
    );
    assert_eq!(
        all("SELECT name FROM people WHERE town IN (SELECT town FROM towns WHERE n < 100)").await,
        r#"[{"name":"Ann"}]"#
    );
    assert_eq!(all("SELECT name FROM people WHERE n > 1000").await, "[]");
    assert_eq!(
        all("SELECT town FROM towns WHERE LOCALTIMESTAMP < TIMESTAMP '2020-01-01 00:00:00'").await,
        "[]"
    );
}

#[tokio::test]
async fn parameters_stand_where_values_do() {
    let rows = async |text: &str, values: &[(&str, &str)]| {
        answer(&format!("-- GET /all\n{text}"), values).await
    };
    for (text, values, expected) in [
        (
            "SELECT name FROM people WHERE town IN (SELECT town FROM towns WHERE n > :least) \
             ORDER BY n LIMIT 2 OFFSET :skip",
            &[("least", "100"), ("skip", "1")][..],
            r#"[{"name":"O'Hara"},{"name":"Robert'); DROP TABLE people;--"}]"#,
        ),
        (
            "SELECT CASE WHEN n > :n THEN 'many' ELSE 'few' END AS c FROM towns ORDER BY n",
            &[("n", "500")],
            r#"[{"c":"few"},{"c":"many"},{"c":"many"}]"#,
        ),
        (
            "SELECT CAST(:label AS STRING) AS label, town FROM towns WHERE n = 900",
            &[("label", "x'y")],
            r#"[{"label":"x'y","town":"Lima"}]"#,
        ),
        (
            "SELECT town FROM towns AS t WHERE EXISTS \
             (SELECT 1 FROM people AS p WHERE p.town = t.town AND p.n = :n)",
            &[("n", "2")],
            r#"[{"town":"Łódź"}]"#,
        ),
        (
            "SELECT name FROM people WHERE n = (SELECT MAX(n) FROM people WHERE name = :name)",
            &[("name", "Ann")],
            r#"[{"name":"Ann"}]"#,
        ),
        (
            "SELECT town, COUNT(*) AS c FROM people GROUP BY town HAVING COUNT(*) > :c",
            &[("c", "1")],
            r#"[{"town":"Oslo","c":3}]"#,
        ),
        ("SELECT town FROM towns WHERE n = :n - 1", &[("n", "901")], r#"[{"town":"Lima"}]"#),
    ] {
        assert_eq!(rows(text, values).await, expected, "{text}");
    }
}

/// A fault, or an answer, or a refusal.
#[tokio::test]
async fn no_place_of_a_parameter_panics() {
    for text in [
        "WHERE :x",
        "WHERE NOT :x",
        "ORDER BY :x",
        "GROUP BY town, :x",
        "WHERE :x = :y",
        "WHERE :x IS NULL",
        "WHERE :x IN (:y, 1)",
        "WHERE n BETWEEN :x AND :x + 5",
        "WHERE town LIKE :x ESCAPE '!'",
        "WHERE town || :x = 'a'",
        "WHERE EXTRACT(DAY FROM CAST(:x AS DATE)) = 1",
        "WHERE n / :x > 1",
        "WHERE SUBSTRING(town FROM :x) = 'a'",
        "WHERE town = ANY (SELECT :x FROM people)",
        "WHERE (town, n) IN ((:x, :y))",
        "WHERE LOCALTIMESTAMP - INTERVAL '1' DAY > CAST(:x AS TIMESTAMP(3))",
        "LIMIT :x + 1",
        "LIMIT -1",
        "WHERE ROUND(n, :x) = 1",
        "WHERE CAST(:x AS ARRAY<INT>) IS NULL",
    ] {
        let text = format!("-- GET /all\nSELECT town FROM towns {text}");
        let Ok(found) = endpoints(&[&text]) else { continue };
        let names: Vec<String> =
            found[0].served.parameters.iter().map(|p| p.name.clone()).collect();
        for value in ["0", "1", "2024-01-01", "a"] {
            let values: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), value)).collect();
            let shown = answer(&text, &values).await;
            assert!(!shown.contains("panicked"), "{text}: {shown}");
        }
    }
}

/// The results by hand, the types Flink's: AVG of whole numbers is whole, of DECIMALs has six
/// digits, rounded half up.
#[tokio::test]
async fn aggregates_are_flinks() {
    let all = async |text: &str| answer(&format!("-- GET /all\n{text}"), &[]).await;
    assert_eq!(
        all("SELECT town, COUNT(*) AS c, SUM(n) AS s, AVG(n) AS a, MIN(name) AS lo, \
             MAX(n) AS hi FROM people GROUP BY town HAVING COUNT(*) > 1 ORDER BY town")
        .await,
        r#"[{"town":"Oslo","c":3,"s":8,"a":2,"lo":"Ann","hi":4}]"#
    );
    assert_eq!(
        all("SELECT AVG(CAST(n AS DECIMAL(10, 2))) AS d, SUM(CAST(n AS DECIMAL(10, 2))) AS s, \
             AVG(CAST(n AS DOUBLE)) AS f, SUM(CAST(n AS INT) * 1000000000) AS w, \
             COUNT(NULLIF(n, 1)) FILTER (WHERE n < 5) AS c FROM (SELECT n FROM people WHERE n > 2 \
             UNION ALL SELECT n FROM towns WHERE n < 100)")
        .await,
        // 3, 4, 5 and 90; 102 thousand millions modulo 2 to the 32.
        r#"[{"d":25.5,"s":102,"f":25.5,"w":-1079215104,"c":2}]"#
    );
    assert_eq!(
        all("SELECT AVG(CAST(n AS DECIMAL(10, 0))) AS d FROM towns WHERE n > 1 AND n <> 90").await,
        r#"[{"d":8E+2}]"#
    );
    assert_eq!(
        all("SELECT COUNT(*) AS c, SUM(n) AS s FROM people WHERE n > 99").await,
        r#"[{"c":0,"s":null}]"#
    );
}

#[tokio::test]
async fn parameters_may_be_left_out_where_the_query_asks() {
    let text = "-- GET /towns\nSELECT town FROM towns WHERE (:least IS NULL OR n >= :least) \
                ORDER BY n LIMIT CAST(:most AS BIGINT)";
    let two = [("most", "2")];
    assert_eq!(answer(text, &two).await, r#"[{"town":"Łódź"},{"town":"Oslo"}]"#);
    let more = [("most", "2"), ("least", "600")];
    assert_eq!(answer(text, &more).await, r#"[{"town":"Oslo"},{"town":"Lima"}]"#);
    for (values, says) in [
        (vec![], "parameter 'most' is missing"),
        (vec![("most", "two")], "parameter 'most': 'two' is no BIGINT"),
        (vec![("most", "2"), ("least", "1 OR 1=1")], "parameter 'least'"),
        (vec![("most", "2"), ("laest", "1")], "there is no parameter 'laest'"),
    ] {
        let refused = answer(text, &values).await;
        assert!(refused.starts_with("BadParameter") && refused.contains(says), "{refused}");
    }
}

#[tokio::test]
async fn an_answer_is_tagged_with_its_epoch() {
    let text = "-- GET /towns\nSELECT town FROM towns";
    let (serving, views) = serving(&[text], LIMITS);
    assert!(matches!(ask(&serving, &[], None).await, Answer::Refused(Refusal::Starting)));
    assert!(views.are_wanted());
    open(&views, PEOPLE);
    let Answer::Rows(rows) = ask(&serving, &[], None).await else { panic!("rows") };
    let tag = rows.tag.unwrap();
    assert!(tag.starts_with("\"7-"), "{tag}");
    let known = format!("\"1-0\", W/{tag}");
    assert!(matches!(ask(&serving, &[], Some(&known)).await, Answer::Unchanged(t) if t == tag));
    views.publish(Epoch(8), tables(&[]));
    let Answer::Rows(rows) = ask(&serving, &[], Some(&known)).await else { panic!("rows") };
    assert!(rows.tag.unwrap().starts_with("\"8-"));
    // Of a query that reads the clock no answer holds for longer.
    let now = "-- GET /now\nSELECT town FROM towns WHERE LOCALTIMESTAMP IS NOT NULL";
    let (serving, views) = super::tests::serving(&[now], LIMITS);
    open(&views, PEOPLE);
    let Answer::Rows(rows) = ask(&serving, &[], None).await else { panic!("rows") };
    assert_eq!((rows.tag, rows.count), (None, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold() {
    let many: Vec<(String, i64)> = (0..20_000).map(|n| (format!("p{n}"), n)).collect();
    let many: Vec<Row<'_>> = many.iter().map(|(name, n)| (name.as_str(), "Oslo", *n)).collect();
    let all = "-- GET /all\nSELECT name FROM people";
    let (few, views) = serving(&[all], LIMITS);
    open(&views, &many);
    assert!(matches!(ask(&few, &[], None).await, Answer::Refused(Refusal::TooMany(100))));

    // 400 million pairs, of which none is an answer.
    let pairs = "-- GET /pairs\nSELECT a.name FROM people a, people b WHERE a.n * b.n < 0";
    let limits = Limits { timeout: Duration::from_millis(30), max_concurrent: 1, ..LIMITS };
    let (slow, views) = serving(&[pairs], limits);
    open(&views, &many);
    let one = async |serving: Arc<Serving>| ask(&serving, &[], None).await;
    let both = tokio::join!(one(slow.clone()), one(slow.clone()));
    assert!(matches!(both.0, Answer::Refused(Refusal::TooLong(_))));
    assert!(matches!(both.1, Answer::Refused(Refusal::Busy(1))));
}

#[test]
fn faults_name_the_file_and_the_place() {
    for (text, says) in [
        ("SELECT town FROM towns", "serve/0.sql:1:1: the first line must say"),
        ("-- towns\nSELECT town FROM towns", "serve/0.sql:1:1: the first line must say"),
        ("-- GET towns\nSELECT town FROM towns", "serve/0.sql:1:1: the first line must say"),
        ("-- GET /metrics\nSELECT town FROM towns", "/metrics is answered by brooklet itself"),
        ("-- GET /a/\nSELECT town FROM towns", "'' cannot stand in a path"),
        ("-- GET /{a}/{a}\nSELECT town FROM towns", "{a} stands twice"),
        ("-- GET /a{b}\nSELECT town FROM towns", "'a{b}' cannot stand in a path"),
        ("-- GET /t/{town}\nSELECT n FROM towns", "does not use {town}: write :town"),
        ("-- GET /a\nSELECT twon FROM towns", "serve/0.sql:2:8: no column 'twon'"),
        ("-- GET /a\nSELECT n FROM events", "serve/0.sql:2:15: table 'events' has connector"),
        ("-- GET /a\nSELECT town FROM unused", "no INSERT writes to table 'unused'"),
        ("-- GET /a\nDROP TABLE towns", "serve/0.sql:2:1: the file must hold one SELECT"),
        ("-- GET /a\nSELECT n FROM towns; SELECT n FROM towns", "one SELECT"),
        ("-- GET /a\nSELECT ${NOPE} FROM towns", "serve/0.sql:2:8: environment variable NOPE"),
        ("-- GET /a\n", "the file must hold one SELECT"),
    ] {
        let shown = endpoints(&[text]).err().unwrap_or_else(|| panic!("no fault: {text}"));
        assert!(shown.contains(says), "{text}\n{shown}");
    }
    let twice = ["-- GET /t/{a}/x\nSELECT n FROM towns WHERE town = :a"; 2];
    let shown = endpoints(&twice).err().unwrap();
    assert!(shown.contains("serve/1.sql:1:1: serve/0.sql answers /t/{a}/x already"), "{shown}");
}
