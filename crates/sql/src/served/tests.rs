//! Parameters and their types, and what cannot be served.

use std::collections::BTreeMap;

use brooklet_core::connector::{Connector, unchecked};
use brooklet_core::options::OptionSpec;
use brooklet_core::types::SqlType;

use super::{Served, bind};
use crate::parse::ast::StatementKind;
use crate::parse::parse;
use crate::placeholders::substitute;
use crate::session::Session;

const TABLES: &str = "
CREATE TABLE users (id BIGINT, name STRING, age INT, born DATE, seen TIMESTAMP(3),
  price DECIMAL(10, 2)) WITH ('connector' = 'any');
CREATE TABLE elsewhere (id INT) WITH ('connector' = 'any');
CREATE VIEW adults AS SELECT id, name FROM users WHERE age >= 18;";

static CONNECTORS: &[Connector] = &[Connector {
    name: "any",
    options: &[OptionSpec::text("*", "Anything.")],
    metadata: &[],
    needs_format: false,
    check: unchecked,
    source: None,
    sink: None,
    lookup: None,
}];

fn bound(sql: &str) -> Result<Served, String> {
    let mut session = Session::new(CONNECTORS, &[]);
    session.apply(TABLES, "tables.sql", &|_| None).unwrap_or_else(|e| panic!("{e}"));
    let source = substitute(sql, "get.sql", &|_| None).unwrap();
    let shown = |faults: crate::fault::Faults| faults.in_source(&source).to_string();
    let statement = parse(sql).map_err(shown)?.remove(0);
    let StatementKind::Query(query) = statement.kind else { panic!("{sql} is no query") };
    let refusal = |name: &str| (name == "elsewhere").then(|| format!("'{name}' is elsewhere"));
    bind(session.catalog(), &query, &refusal).map_err(shown)
}

/// `name type`, with a question mark for those that may be left out.
fn parameters(sql: &str) -> Vec<String> {
    let served = bound(sql).unwrap_or_else(|e| panic!("{sql}\n{e}"));
    let text =
        |p: &super::Parameter| format!("{} {}{}", p.name, p.ty, ["", "?"][usize::from(p.optional)]);
    served.parameters.iter().map(text).collect()
}

#[test]
fn parameters_take_the_type_they_are_compared_with() {
    let where_ = |text: &str| parameters(&format!("SELECT name FROM users WHERE {text}"));
    assert_eq!(where_("id = :id AND :name = name"), ["id BIGINT", "name STRING"]);
    assert_eq!(where_("age BETWEEN :low AND :high"), ["high INT", "low INT"]);
    assert_eq!(where_("born > :day OR seen <= :t"), ["day DATE", "t TIMESTAMP(3)"]);
    assert_eq!(
        where_("price IN (:a, 1.5) AND name LIKE :like"),
        ["a DECIMAL(10, 2)", "like STRING"]
    );
    assert_eq!(where_("UPPER(name) = :name"), ["name STRING"]);
    assert_eq!(where_("name = UPPER(CAST(:name AS STRING))"), ["name STRING"]);
    assert_eq!(where_("(:age IS NULL OR age = :age)"), ["age INT?"]);
    assert_eq!(where_("id = COALESCE(CAST(:id AS BIGINT), id)"), ["id BIGINT?"]);
    assert_eq!(where_("age + CAST(:more AS INT) > 18"), ["more INT"]);
    assert_eq!(
        parameters("SELECT name FROM users ORDER BY id LIMIT CAST(:n AS BIGINT)"),
        ["n BIGINT"]
    );
    assert_eq!(parameters("SELECT name FROM users ORDER BY id LIMIT :n"), ["n BIGINT"]);
    assert_eq!(
        parameters("SELECT a.name FROM adults a JOIN users u ON a.id = u.id AND u.id = :x"),
        ["x BIGINT"]
    );
}

#[test]
fn columns_have_flinks_names_and_types() {
    let served = bound("SELECT id, name AS n, price * 2, age, age FROM users").unwrap();
    let columns: Vec<String> =
        served.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
    assert_eq!(columns, ["id BIGINT", "n STRING", "EXPR$2 DECIMAL(21, 2)", "age INT", "age0 INT"]);
    assert!(!served.reads_clock);
    assert!(bound("SELECT id FROM users WHERE seen < LOCALTIMESTAMP").unwrap().reads_clock);
}

#[test]
fn faults_have_their_place() {
    let wrong = |sql| bound(sql).map(drop).unwrap_err();
    for (sql, at, says) in [
        ("SELECT nmae FROM users", "get.sql:1:8", "did you mean 'name'?"),
        ("SELECT id FROM usrs", "get.sql:1:16", "did you mean 'users'?"),
        ("SELECT id FROM elsewhere", "get.sql:1:16", "'elsewhere' is elsewhere"),
        ("SELECT :x FROM users", "get.sql:1:8", "the type of :x cannot be told"),
        ("SELECT id FROM users WHERE :y IS NULL", "get.sql:1:28", "the type of :y"),
        ("SELECT id FROM users WHERE id = ?", "get.sql:1:33", "write :name"),
        ("SELECT COUNT(DISTINCT name) FROM users", "get.sql:1:1", "COUNT(DISTINCT …)"),
        ("SELECT FIRST_VALUE(name) FROM users", "get.sql:1:1", "have no order"),
        (
            "SELECT id FROM (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS n FROM users)",
            "get.sql:1:1",
            "window functions",
        ),
    ] {
        let shown = wrong(sql);
        assert!(shown.starts_with(at) && shown.contains(says), "{sql}\n{shown}");
    }
}

#[test]
fn nobody_gives_values_to_the_parameters_of_other_queries() {
    let mut session = Session::new(CONNECTORS, &[]);
    let sql = format!("{TABLES} CREATE VIEW v AS SELECT id FROM users WHERE id = :id;");
    let error = session.apply(&sql, "tables.sql", &|_| None).unwrap_err().to_string();
    assert!(error.contains("serve/"), "{error}");
}

#[test]
fn values_are_read_by_type() {
    let value =
        |text: &str, ty: SqlType| super::parameters::value(text, &ty).map(|v| v.to_string());
    let read = |text, ty| value(text, ty).unwrap();
    assert_eq!(read("-7", SqlType::Int), "-7");
    assert_eq!(read("'; DROP TABLE users;--", SqlType::Varchar(3)), "'; DROP TABLE users;--");
    assert_eq!(read("2024-02-29", SqlType::Date), "2024-02-29");
    let moments = ["2024-02-29 10:30:00.5", "2024-02-29T10:30:00.5Z", "2024-02-29T10:30:00.500"];
    let moments: BTreeMap<String, &str> =
        moments.map(|text| (read(text, SqlType::Timestamp(3)), text)).into();
    assert_eq!(moments.keys().collect::<Vec<_>>(), ["1709202600500"]);
    assert_eq!(read("true", SqlType::Boolean), "true");
    assert_eq!(read("1.5", SqlType::Decimal(10, 2)), "1.50");
    for (text, ty) in [
        ("", SqlType::Int),
        ("12.9", SqlType::Int),
        (" 7", SqlType::BigInt),
        ("2147483648", SqlType::Int),
        ("1 OR 1=1", SqlType::BigInt),
        ("tomorrow", SqlType::Date),
        ("maybe", SqlType::Boolean),
        ("99999999999", SqlType::Decimal(10, 2)),
    ] {
        let message = value(text, ty.clone()).unwrap_err();
        assert!(message.contains(text) && message.contains(&ty.to_string()), "{message}");
    }
}
