//! Text to printed statements, for every construct, and the places of faults.

use super::ast::{Column, ColumnKind, CreateTable, Insert, Statement, StatementKind};
use super::*;
use crate::fault::Faults;
use crate::parse::types::carried;
use crate::placeholders::substitute;

fn joined<T: ToString>(parts: &[T]) -> String {
    parts.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}

fn print(s: &Statement) -> String {
    match &s.kind {
        StatementKind::CreateTable(t) => print_table(t),
        StatementKind::CreateView(v) => {
            format!("VIEW {} [{}] {:?} AS {}", v.name, joined(&v.columns), v.comment, v.query)
        }
        StatementKind::CreateFunction(f) => {
            format!("FUNCTION {} {} {:?}", f.name, f.class, f.language)
        }
        StatementKind::Insert(i) => print_insert(i),
        StatementKind::StatementSet(all) => {
            format!("SET OF\n{}", all.iter().map(print).collect::<Vec<_>>().join("\n"))
        }
        StatementKind::Explain(e) => format!("EXPLAIN {:?} {}", e.details, print(&e.inner)),
        StatementKind::Query(q) => q.to_string(),
        StatementKind::Set(s) => match &s.pair {
            Some(pair) => format!("SET {} = {}", pair.key, pair.value),
            None => "SET".into(),
        },
        other => format!("{other:?}"),
    }
}

fn print_insert(i: &Insert) -> String {
    let word = if i.overwrite { "OVERWRITE" } else { "INTO" };
    let partition: Vec<String> = i.partition.iter().map(|(c, v)| format!("{c}={v}")).collect();
    format!(
        "INSERT {word} {} [{}] [{}] {} {:?}",
        i.table,
        partition.join(", "),
        joined(&i.columns),
        i.query,
        i.on_conflict
    )
}

fn print_table(t: &CreateTable) -> String {
    let mut out = format!("TABLE {}", t.name);
    for Column { name, kind, comment } in &t.columns {
        let kind = match kind {
            ColumnKind::Physical(ty) => ty.to_string(),
            ColumnKind::Metadata { ty, key, read_only } => {
                format!("{ty} METADATA {key:?} {}", if *read_only { "VIRTUAL" } else { "" })
            }
            ColumnKind::Computed(expr) => format!("AS {expr}"),
        };
        out += &format!("\n  {name} {kind}");
        if let Some(comment) = comment {
            out += &format!(" '{comment}'");
        }
    }
    if let Some(w) = &t.watermark {
        out += &format!("\n  WATERMARK {} AS {}", w.column, w.expr);
    }
    out += &format!("\n  KEY [{}] BY [{}]", joined(&t.primary_key), joined(&t.partitioned_by));
    for o in &t.options {
        out += &format!("\n  {} = {}", o.key, o.value);
    }
    if let Some(like) = &t.like {
        out += &format!("\n  LIKE {} {:?}", like.table, like.rules);
    }
    out
}

fn one(sql: &str) -> String {
    match parse(sql) {
        Ok(all) => all.iter().map(print).collect::<Vec<_>>().join("\n---\n"),
        Err(faults) => panic!("{sql}\n{faults}"),
    }
}

fn faults(sql: &str) -> String {
    let source = substitute(sql, "f.sql", &|_| None).unwrap();
    let faults: Faults = parse(sql).unwrap_err();
    faults.in_source(&source).to_string()
}

#[test]
fn create_table_with_everything() {
    let sql = "CREATE TEMPORARY TABLE IF NOT EXISTS t (
      `_id` BIGINT NOT NULL COMMENT 'key', -- a comment; with a semicolon
      bid ROW<auction BIGINT, extra ROW<channel STRING, tags ARRAY<STRING>>>,
      m MAP<STRING, ROW<a INT>>,
      part INT METADATA FROM 'partition' VIRTUAL,
      `timestamp` TIMESTAMP_LTZ(3) METADATA,
      ts AS TO_TIMESTAMP(bid.extra.channel),
      pt AS PROCTIME() COMMENT 'now',
      WATERMARK FOR ts AS ts - INTERVAL '4' SECOND,
      CONSTRAINT k PRIMARY KEY (`_id`, part) NOT ENFORCED
    ) COMMENT 'all' PARTITIONED BY (part) WITH ('connector' = 'kafka', 'it''s' = 'so')";
    assert_eq!(
        one(sql),
        "TABLE t
  `_id` BIGINT NOT NULL 'key'
  bid ROW<`auction` BIGINT, `extra` ROW<`channel` STRING, `tags` ARRAY<STRING>>>
  m MAP<STRING, ROW<`a` INT>>
  part INT METADATA Some(\"partition\") VIRTUAL
  `timestamp` TIMESTAMP_LTZ(3) METADATA None 
  ts AS TO_TIMESTAMP(bid.extra.channel)
  pt AS PROCTIME() 'now'
  WATERMARK ts AS ts - INTERVAL '4' SECOND
  KEY [`_id`, part] BY [part]
  connector = kafka
  it's = so"
    );
}

#[test]
fn inline_keys_and_like() {
    assert_eq!(
        one("CREATE TABLE t (id INT PRIMARY KEY NOT ENFORCED, v INT) WITH ()"),
        "TABLE t\n  id INT\n  v INT\n  KEY [id] BY []"
    );
    assert_eq!(
        one("CREATE TABLE t WITH ('a'='b') LIKE s (EXCLUDING ALL INCLUDING GENERATED)"),
        "TABLE t\n  KEY [] BY []\n  a = b\n  \
         LIKE s [\"EXCLUDING\", \"ALL\", \"INCLUDING\", \"GENERATED\"]"
    );
}

#[test]
fn views_functions_and_settings() {
    assert_eq!(
        one("CREATE TEMPORARY VIEW v (a COMMENT 'x', b) COMMENT 'c' AS SELECT 1, 2"),
        "VIEW v [a, b] Some(\"c\") AS SELECT 1, 2"
    );
    assert_eq!(
        one("CREATE FUNCTION IF NOT EXISTS f AS 'mod.f' LANGUAGE PYTHON"),
        "FUNCTION f mod.f Some(\"PYTHON\")"
    );
    assert_eq!(one("SET 'a.b' = 'c'; SET; RESET 'a'; RESET;"), {
        "SET a.b = c\n---\nSET\n---\nReset(Some(\"a\"))\n---\nReset(None)"
    });
    assert!(faults("SET a.b = c").contains("write SET 'key' = 'value'"));
    let rest = one("DROP TABLE IF EXISTS t; DROP VIEW v; SHOW CREATE TABLE t; DESC t");
    assert!(rest.contains("what: Table") && rest.contains("if_exists: true"), "{rest}");
    assert!(rest.contains("what: View") && rest.contains("what: CreateTable("), "{rest}");
    assert!(rest.contains("Describe("), "{rest}");
    assert!(one("USE CATALOG default_catalog").contains("default_catalog"));
}

#[test]
fn inserts() {
    assert_eq!(
        one("INSERT INTO t (a, b) SELECT x, y FROM s ON CONFLICT DO NOTHING"),
        "INSERT INTO t [] [a, b] SELECT x, y FROM s Some(DoNothing)"
    );
    assert_eq!(
        one("INSERT INTO t SELECT * FROM a JOIN b ON a.i = b.i ON CONFLICT DO DEDUPLICATE"),
        "INSERT INTO t [] [] SELECT * FROM a JOIN b ON a.i = b.i Some(DoDeduplicate)"
    );
    assert_eq!(
        one("INSERT INTO t VALUES (1, 'a'), (2, 'b') ON CONFLICT DO ERROR"),
        "INSERT INTO t [] [] VALUES (1, 'a'), (2, 'b') Some(DoError)"
    );
    assert_eq!(
        one("INSERT OVERWRITE t PARTITION (d = '2024-01-01', h = 3) SELECT 1"),
        "INSERT OVERWRITE t [d='2024-01-01', h=3] [] SELECT 1 None"
    );
    assert_eq!(one("EXECUTE INSERT INTO t (SELECT 1)"), "INSERT INTO t [] [] (SELECT 1) None");
}

#[test]
fn statement_sets_and_explain() {
    let set = "SET OF\nINSERT INTO a [] [] SELECT 1 None\nINSERT INTO b [] [] SELECT 2 None";
    let body = "INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;";
    assert_eq!(one(&format!("EXECUTE STATEMENT SET BEGIN {body}")), set);
    assert_eq!(one(&format!("BEGIN STATEMENT SET; {body}")), set);
    assert_eq!(one(&format!("EXPLAIN STATEMENT SET BEGIN {body}")), format!("EXPLAIN [] {set}"));
    assert_eq!(
        one(
            "EXPLAIN CHANGELOG_MODE, PLAN_ADVICE SELECT 1; EXPLAIN PLAN FOR INSERT INTO t SELECT 1"
        ),
        "EXPLAIN [\"CHANGELOG_MODE\", \"PLAN_ADVICE\"] SELECT 1\n---\n\
         EXPLAIN [] INSERT INTO t [] [] SELECT 1 None"
    );
    assert!(faults("BEGIN STATEMENT SET; INSERT INTO a SELECT 1;").contains("END; is missing"));
    assert!(faults("BEGIN STATEMENT SET; SELECT 1; END;").contains("only INSERT"));
}

#[test]
fn expressions_of_flink() {
    for (sql, tree) in [
        ("CAST(a AS ROW<x INT, y ARRAY<INT>>)", {
            "CAST(a AS __sql_type(ROW<`x` INT, `y` ARRAY<INT>>))"
        }),
        ("TRY_CAST(a AS TIMESTAMP_LTZ(3))", "TRY_CAST(a AS __sql_type(TIMESTAMP_LTZ(3)))"),
        ("MAP['k', 1, 'l', 2]", "__map('k', 1, 'l', 2)"),
        ("a BETWEEN ASYMMETRIC 1 AND 2", "a BETWEEN 1 AND 2"),
        (
            "a NOT BETWEEN SYMMETRIC 1 AND 2 AND b",
            "NOT (a BETWEEN 1 AND 2 OR a BETWEEN 2 AND 1) AND b",
        ),
        ("a IS NOT JSON OBJECT OR b", "NOT __is_json(a, 'OBJECT') OR b"),
        ("a IS JSON", "__is_json(a, 'VALUE')"),
        ("a IS NOT NULL", "a IS NOT NULL"),
        (
            "JSON_VALUE(j, '$.a' RETURNING INT DEFAULT 1 + 1 ON EMPTY NULL ON ERROR)",
            "JSON_VALUE(j, '$.a', returning => 'INT', on_empty => 'DEFAULT', \
             on_empty_default => 1 + 1, on_error => 'NULL')",
        ),
        (
            "JSON_QUERY(j, '$' WITH CONDITIONAL ARRAY WRAPPER EMPTY ARRAY ON ERROR)",
            "JSON_QUERY(j, '$', wrapper => 'CONDITIONAL', on_error => 'EMPTY ARRAY')",
        ),
        (
            "JSON_VALUE(j, '$.a' RETURNING INT NULL ON EMPTY)",
            "JSON_VALUE(j, '$.a', returning => 'INT', on_empty => 'NULL')",
        ),
        ("JSON_EXISTS(j, '$.a' FALSE ON ERROR)", "JSON_EXISTS(j, '$.a', on_error => 'FALSE')"),
        (
            "JSON_OBJECT(KEY 'a' VALUE 1, 'b' VALUE NULL ABSENT ON NULL)",
            "JSON_OBJECT('a', 1, 'b', NULL, on_null => 'ABSENT')",
        ),
        ("JSON_ARRAY(1, NULL NULL ON NULL)", "JSON_ARRAY(1, NULL, on_null => 'NULL')"),
        ("JSON_OBJECT()", "JSON_OBJECT()"),
        ("INTERVAL '1:30' HOUR TO MINUTE", "INTERVAL '1:30' HOUR TO MINUTE"),
        ("TIMESTAMP '2020-01-01 00:00:00'", "TIMESTAMP '2020-01-01 00:00:00'"),
        ("EXTRACT(QUARTER FROM ts)", "EXTRACT(QUARTER FROM ts)"),
        ("FLOOR(ts TO HOUR) + ceiling(x)", "FLOOR(ts, 'HOUR') + CEIL(x)"),
        ("TIMESTAMPADD(MINUTE, 1, ts)", "TIMESTAMPADD('MINUTE', 1, ts)"),
        ("TIMESTAMPDIFF(SQL_TSI_DAY, a, b)", "TIMESTAMPDIFF('DAY', a, b)"),
        ("COUNT(DISTINCT a) FILTER (WHERE b > 1)", "COUNT(DISTINCT a) FILTER (WHERE b > 1)"),
        ("a[1].b['k']", "a[1].b['k']"),
    ] {
        assert_eq!(one(&format!("SELECT {sql}")), format!("SELECT {tree}"), "{sql}");
    }
}

#[test]
fn casts_carry_their_type() {
    let all = parse("SELECT CAST(a AS DECIMAL(10, 2) ARRAY)").unwrap();
    let StatementKind::Query(query) = &all[0].kind else { panic!("a query") };
    let sqlparser::ast::SetExpr::Select(select) = query.body.as_ref() else { panic!() };
    let sqlparser::ast::SelectItem::UnnamedExpr(sqlparser::ast::Expr::Cast { data_type, .. }) =
        &select.projection[0]
    else {
        panic!("a cast")
    };
    assert_eq!(carried(data_type).unwrap().to_string(), "ARRAY<DECIMAL(10, 2)>");
}

#[test]
fn tables_of_queries() {
    for (sql, tree) in [
        (
            "TABLE(TUMBLE(TABLE `my t`, DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
            "TABLE(TUMBLE(__table((SELECT * FROM `my t`)), DESCRIPTOR(ts), INTERVAL '1' MINUTE))",
        ),
        (
            "TABLE(SESSION(TABLE t PARTITION BY a, b, DESCRIPTOR(ts), INTERVAL '5' SECOND)) s",
            "TABLE(SESSION(__table((SELECT * FROM t), a, b), DESCRIPTOR(ts), \
             INTERVAL '5' SECOND)) s",
        ),
        (
            "TABLE(HOP(DATA => TABLE t, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '1' HOUR, \
             SIZE => INTERVAL '2' HOUR))",
            "TABLE(HOP(DATA => __table((SELECT * FROM t)), TIMECOL => DESCRIPTOR(ts), \
             SLIDE => INTERVAL '1' HOUR, SIZE => INTERVAL '2' HOUR))",
        ),
        (
            "o JOIN r FOR SYSTEM_TIME AS OF o.pt AS r ON o.k = r.k",
            "o JOIN r AS r FOR SYSTEM_TIME AS OF o.pt ON o.k = r.k",
        ),
        ("(VALUES (1, 'a')) AS t (i, s)", "(VALUES (1, 'a')) AS t (i, s)"),
        ("t CROSS JOIN UNNEST(t.xs) AS u (x)", "t CROSS JOIN UNNEST(t.xs) AS u (x)"),
        ("t, LATERAL TABLE(f(a)) AS u (x)", "t, LATERAL TABLE(f(a)) AS u (x)"),
    ] {
        let got = one(&format!("SELECT * FROM {sql}")).replace(" AS s", " s");
        assert_eq!(got, format!("SELECT * FROM {tree}"), "{sql}");
    }
}

#[test]
fn comments_and_semicolons() {
    assert_eq!(
        one("-- one; two\nSELECT 1 /* ; */; ;; SELECT ';--' -- end"),
        "SELECT 1\n---\nSELECT ';--'"
    );
    assert_eq!(one("  -- nothing\n"), "");
}

#[test]
fn all_faults_in_one_go() {
    assert_eq!(
        faults("SELEC 1;\nSELECT 1 FROM;\nSELECT 2;\nCREATE TABLE t (a INTT);"),
        "f.sql:1:1: no statement starts with 'SELEC'\n\
         1 | SELEC 1;\n\
         \x20 | ^^^^^\n\
         help: did you mean 'SELECT'?\n\n\
         f.sql:2:14: expected identifier, found the end of the statement\n\
         2 | SELECT 1 FROM;\n\
         \x20 |              ^\n\n\
         f.sql:4:19: unknown type 'INTT'\n\
         4 | CREATE TABLE t (a INTT);\n\
         \x20 |                   ^^^^\n\
         help: did you mean 'INT'?"
    );
}

#[test]
fn faults_name_the_place() {
    for (sql, shown) in [
        ("SELECT \"a\"", "f.sql:1:8: double quotes mean nothing"),
        ("SELECT 'a", "f.sql:1:8: Unterminated string literal"),
        ("SELECT TIMESTAMPADD(MINUET, 1, t)", "f.sql:1:21: expected a unit such as MINUTE"),
        ("SELECT 1 1", "f.sql:1:10: expected the end of the statement, found '1'"),
        ("CREATE TABLE t (a INT PRIMARY KEY)", "NOT ENFORCED: keys are declared"),
        (
            "ALTER TABLE t ADDD a INT",
            "f.sql:1:15: expected ADD, MODIFY, DROP, RENAME, SET or RESET",
        ),
        ("SELECT * FROM t x /*+ OPTIONS('a'='b') */", "f.sql:1:19: a hint stands behind SELECT"),
        ("SELECT (1) /*+ OPTIONS('a'='b') */", "f.sql:1:12: a hint stands behind SELECT"),
        ("CREATE TABLE t (a INT) WITH ('password' 's3cret')", "found a text literal"),
        ("INSERT t SELECT 1", "expected INTO or OVERWRITE, found 't'"),
    ] {
        let got = faults(sql);
        assert!(got.contains(shown), "{sql}\n{got}");
    }
    assert!(parse("SELECT * FROM t /*+ BROADCAST(t) */").is_ok());
    let deep = format!("SELECT {}1{}", "(".repeat(3000), ")".repeat(3000));
    assert!(faults(&deep).contains("nested too deeply"));
}

#[test]
fn statements_know_their_text() {
    let all = parse("SELECT 1;\n  SELECT\n 2 ;").unwrap();
    let at = |s: &Statement| {
        (s.span.start.line, s.span.start.column, s.span.end.line, s.span.end.column)
    };
    assert_eq!((at(&all[0]), at(&all[1])), ((1, 1, 1, 9), (2, 3, 3, 3)));
}
