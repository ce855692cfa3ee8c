//! Scripts against made-up connectors: what they give, and every fault with its place.

use brooklet_core::Error;
use brooklet_core::connector::{Connector, Format, MetadataColumn};
use brooklet_core::options::{OptionKind, OptionSpec};
use brooklet_core::schema::{ColumnKind, TableDef};
use brooklet_core::types::SqlType;

use super::*;

const CONNECTORS: &[Connector] = &[
    Connector {
        name: "kafka",
        options: &[
            OptionSpec::text("topic", "").required(),
            OptionSpec::text("properties.*", ""),
            OptionSpec::text("scan.startup.mode", "")
                .kind(OptionKind::OneOf(&["earliest-offset", "latest-offset"])),
        ],
        metadata: &[
            MetadataColumn { key: "partition", ty: || SqlType::Int },
            MetadataColumn { key: "timestamp", ty: || SqlType::TimestampLtz(3) },
        ],
        needs_format: true,
        check: brooklet_core::connector::unchecked,
        source: None,
        sink: None,
        lookup: None,
    },
    Connector {
        name: "jdbc",
        options: &[
            OptionSpec::text("url", "").required(),
            OptionSpec::text("password", "").secret(),
            OptionSpec::text("sink.buffer-flush.max-rows", "").kind(OptionKind::Int),
            OptionSpec::text("sink.buffer-flush.interval", "").kind(OptionKind::Duration),
        ],
        metadata: &[],
        needs_format: false,
        check: brooklet_core::connector::unchecked,
        source: None,
        sink: None,
        lookup: None,
    },
];

const FORMATS: &[Format] = &[
    format("json", &[OptionSpec::text("json.ignore-parse-errors", "").kind(OptionKind::Bool)]),
    // This one describes its options without its name.
    format("csv", &[OptionSpec::text("null-literal", "")]),
];

const fn format(name: &'static str, options: &'static [OptionSpec]) -> Format {
    Format {
        name,
        options,
        decoder: None,
        encoder: None,
        decode_file: None,
        encode_file: None,
        registry: None,
        framing: None,
        changelog: false,
        extension: "",
    }
}

const CLICKS: &str = "CREATE TABLE clicks (
  id BIGINT,
  name STRING,
  part INT METADATA FROM 'partition' VIRTUAL,
  ts TIMESTAMP(3),
  pt AS PROCTIME(),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector'='kafka', 'topic'='clicks', 'format'='json');\n";

fn session() -> Session {
    Session::new(CONNECTORS, FORMATS)
}

fn run(sql: &str) -> Script {
    match session().apply(sql, "f.sql", &|_| None) {
        Ok(script) => script,
        Err(faults) => panic!("{sql}\n{faults}"),
    }
}

fn faults(sql: &str) -> String {
    match session().apply(sql, "f.sql", &|_| None) {
        Ok(_) => panic!("no fault: {sql}"),
        Err(faults) => faults.to_string(),
    }
}

fn table(script: &Script, name: &str) -> Arc<TableDef> {
    Arc::clone(&script.catalog.table(name).expect("created").def)
}

/// The table `t` with these elements, and `topic`, `json`, and these options.
fn ddl(elements: &str, options: &str) -> String {
    format!(
        "CREATE TABLE t ({elements}) WITH \
         ('connector'='kafka', 'topic'='t', 'format'='json'{options});"
    )
}

#[test]
fn a_table_as_declared() {
    let script = run(CLICKS);
    let def = table(&script, "clicks");
    let columns: Vec<String> =
        def.columns.iter().map(|c| format!("{} {} {:?}", c.name, c.ty, c.kind)).collect();
    assert_eq!(
        columns,
        [
            "id BIGINT Physical",
            "name STRING Physical",
            "part INT Metadata { key: \"partition\", read_only: true }",
            "ts TIMESTAMP(3) Physical",
            "pt TIMESTAMP_LTZ(3) Computed { expr: \"PROCTIME()\" }",
        ]
    );
    let watermark = def.watermark.as_ref().unwrap();
    assert_eq!((watermark.column.as_str(), watermark.delay_ms), ("ts", 5_000));
    assert_eq!(def.options.get("topic"), Some("clicks"));
    let table = script.catalog.table("clicks").unwrap();
    assert_eq!(table.computed["pt"].to_string(), "PROCTIME()");
    assert_eq!(table.watermark.as_ref().unwrap().to_string(), "ts - INTERVAL '5' SECOND");
}

#[test]
fn watermarks() {
    let delay = |expr: &str| {
        let script = run(&ddl(&format!("ts TIMESTAMP(3), WATERMARK FOR ts AS {expr}"), ""));
        table(&script, "t").watermark.as_ref().unwrap().delay_ms
    };
    assert_eq!(delay("ts"), 0);
    assert_eq!(delay("`ts` - INTERVAL '0.001' SECOND"), 1);
    assert_eq!(delay("(ts - INTERVAL '1:30' MINUTE TO SECOND)"), 90_000);
    let computed = "x STRING, ts AS CAST(x AS TIMESTAMP(3)), WATERMARK FOR ts AS ts";
    assert_eq!(table(&run(&ddl(computed, "")), "t").watermark.as_ref().unwrap().column, "ts");
    for (elements, fault) in [
        ("ts TIMESTAMP(3), WATERMARK FOR tz AS tz", "WATERMARK FOR names no column: 'tz'"),
        ("ts STRING, WATERMARK FOR ts AS ts", "'ts' is STRING: it must be TIMESTAMP(3)"),
        ("ts TIMESTAMP(6), WATERMARK FOR ts AS ts", "'ts' is TIMESTAMP(6)"),
        ("ts TIMESTAMP(3), WATERMARK FOR ts AS ts + INTERVAL '1' SECOND", "write WATERMARK FOR ts"),
        ("ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' MONTH", "write WATERMARK FOR ts"),
        ("r ROW<ts TIMESTAMP(3)>, WATERMARK FOR r.ts AS r.ts", "must stand at the top"),
    ] {
        let shown = faults(&ddl(elements, ""));
        assert!(shown.contains(fault), "{elements}\n{shown}");
    }
}

#[test]
fn keys_are_columns_and_never_null() {
    let script = run(&ddl("id BIGINT, v INT, PRIMARY KEY (id) NOT ENFORCED", ""));
    let def = table(&script, "t");
    assert_eq!(def.primary_key, ["id"]);
    assert!(!def.columns[0].nullable && def.columns[1].nullable);
    let shown = faults(&ddl("ident BIGINT, PRIMARY KEY (idnt) NOT ENFORCED", ""));
    assert!(shown.contains("PRIMARY KEY names no column: 'idnt'\n"), "{shown}");
    assert!(shown.contains("did you mean 'ident'?"), "{shown}");
    let shown = faults(&ddl("a INT, p AS PROCTIME(), PRIMARY KEY (p) NOT ENFORCED", ""));
    assert!(shown.contains("cannot hold the computed column"), "{shown}");
    let shown =
        faults("CREATE TABLE t (a INT) PARTITIONED BY (b) WITH ('connector'='jdbc','url'='u')");
    assert!(shown.contains("PARTITIONED BY names no column: 'b'"), "{shown}");
    assert!(faults(&ddl("a INT, a INT", "")).contains("f.sql:1:24: column 'a' is declared twice"));
    let shown = faults(&ddl("p INT METADATA FROM 'partitoin'", ""));
    assert!(shown.contains("connector 'kafka' has no metadata 'partitoin'"), "{shown}");
    assert!(shown.contains("did you mean 'partition'?"), "{shown}");
    let shown = faults(&ddl("a INT, c AS b + 1", ""));
    assert!(shown.contains("no column 'b'"), "{shown}");
}

#[test]
fn a_misspelt_option_is_shown_where_it_stands() {
    assert_eq!(
        faults(
            "CREATE TABLE t (a INT) WITH (\n  'connector' = 'kafka',\n  'topci' = 't',\n  \
             'format' = 'json'\n)"
        ),
        "f.sql:1:14: connector 'kafka' needs option 'topic'\n\
         1 | CREATE TABLE t (a INT) WITH (\n\
         \x20 |              ^\n\n\
         f.sql:3:3: connector 'kafka' has no option 'topci'\n\
         3 |   'topci' = 't',\n\
         \x20 |   ^^^^^^^\n\
         help: did you mean 'topic'?"
    );
}

#[test]
fn options_are_checked() {
    for good in [
        ", 'properties.any.thing'='1', 'json.ignore-parse-errors'='TRUE'",
        ", 'scan.startup.mode'='latest-offset', 'scan.watermark.emit.strategy'='on-event'",
    ] {
        run(&ddl("a INT", good));
    }
    run("CREATE TABLE t (a INT) WITH ('connector'='kafka','topic'='t','value.format'='csv',
         'value.csv.null-literal'='-')");
    for (options, fault) in [
        (", 'json.ignore-parse-errors'='yes'", "is not true or false"),
        (", 'json.ignore-parse-error'='true'", "format 'json' has no option"),
        (", 'csv.null-literal'='n'", "belongs to format 'csv', the table's format is 'json'"),
        (", 'topic'='u'", "option 'topic' is given twice"),
        (", 'scan.startup.mode'='earliest'", "is not one of earliest-offset, latest-offset"),
    ] {
        let shown = faults(&ddl("a INT", options));
        assert!(shown.contains(fault), "{options}\n{shown}");
    }
    for (with, fault) in [
        ("'connector'='kafak'", "there is no connector 'kafak'"),
        ("'topic'='t'", "needs option 'connector': one of kafka, jdbc"),
        ("'connector'='kafka','topic'='t'", "connector 'kafka' needs option 'format'"),
        ("'connector'='kafka','topic'='t','format'='jsno'", "there is no format 'jsno'"),
        ("'connector'='jdbc','url'='u','format'='json'", "has no option 'format'"),
        ("'connector'='jdbc','url'='u','sink.buffer-flush.interval'='1 x'", "is not a duration"),
        ("'connector'='jdbc','url'='u','sink.buffer-flush.max-rows'='x'", "a whole number"),
    ] {
        let shown = faults(&format!("CREATE TABLE t (a INT) WITH ({with})"));
        assert!(shown.contains(fault), "{with}\n{shown}");
    }
}

#[test]
fn like_copies_a_declaration() {
    let script = run(&format!(
        "{CLICKS} CREATE TABLE t (extra INT) WITH ('topic'='other') LIKE clicks;
         CREATE TABLE u WITH ('connector'='jdbc','url'='u')
           LIKE clicks (EXCLUDING ALL INCLUDING GENERATED)"
    ));
    let t = table(&script, "t");
    let names: Vec<&str> = t.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "part", "ts", "pt", "extra"]);
    assert_eq!(t.options.get("topic"), Some("other"));
    assert_eq!(t.options.get("format"), Some("json"));
    assert!(t.watermark.is_some());
    let u = table(&script, "u");
    let names: Vec<&str> = u.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["id", "name", "ts", "pt"]);
    assert!(u.watermark.is_none() && u.options.get("topic").is_none());
    assert!(matches!(u.columns[3].kind, ColumnKind::Computed { .. }));
    let clash = format!("{CLICKS} CREATE TABLE t (id INT) LIKE clicks");
    assert!(faults(&clash).contains("both tables declare a column 'id'"));
    assert!(faults("CREATE TABLE t (id INT) LIKE clikcs").contains("there is no table 'clikcs'"));
}

#[test]
fn settings_and_table_settings() {
    let set = "SET 'brooklet.table.clicks.dead-letters' = 'topic:bad';
               SET 'pipeline.name' = 'p'; SET 'execution.any.thing' = 'x';\n";
    for sql in [format!("{set}{CLICKS}"), format!("{CLICKS}{set}")] {
        let script = run(&sql);
        assert_eq!(
            table(&script, "clicks").options.get("brooklet.dead-letters"),
            Some("topic:bad")
        );
        assert_eq!(script.settings.text("pipeline.name"), "p");
        assert!(script.settings.0.get("brooklet.table.clicks.dead-letters").is_none());
    }
    assert!(
        !run("SET 'pipeline.name' = 'p'; RESET 'pipeline.name'").settings.is_set("pipeline.name")
    );
    for (sql, fault) in [
        ("SET 'brooklet.memory.limt' = '1 gb'", "did you mean 'brooklet.memory.limit'?"),
        ("SET 'brooklet.memory.limit' = 'much'", "f.sql:1:31: option 'brooklet.memory.limit'"),
        ("SET 'execution.runtime-mode' = 'batsh'", "expected one of streaming"),
        ("SET 'brooklet.table.t.dead-letter' = 'log'", "did you mean 'dead-letters'?"),
        ("SET 'brooklet.table.t.on-conflict' = 'no'", "is not one of update, ignore"),
        ("SET 'brooklet.table.click.dead-letters' = 'log'", "there is no table 'click'"),
        ("SET 'brooklet.table.click' = 'log'", "write SET 'brooklet.table.<table>.<setting>'"),
    ] {
        let shown = faults(sql);
        assert!(shown.contains(fault), "{sql}\n{shown}");
    }
}

#[test]
fn jobs_in_order() {
    let script = run(&format!(
        "{CLICKS}
         CREATE VIEW v AS SELECT id FROM clicks;
         INSERT INTO clicks (id) SELECT 1;
         EXECUTE STATEMENT SET BEGIN INSERT INTO clicks SELECT 2; INSERT INTO clicks SELECT 3; END;
         SELECT 4; EXPLAIN INSERT INTO clicks SELECT 5; DESCRIBE v; SHOW TABLES;"
    ));
    let kinds: Vec<String> = script
        .jobs
        .iter()
        .map(|job| match &job.kind {
            JobKind::Insert(i) => format!("{} into {}", i.query, i.table),
            JobKind::Query(q) => q.to_string(),
            JobKind::Explain { jobs, .. } => format!("explain {}", jobs.len()),
            JobKind::Shown(shown) => {
                format!("{} rows of {}", shown.num_rows(), shown.schema().field(0).name())
            }
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "SELECT 1 into clicks",
            "SELECT 2 into clicks",
            "SELECT 3 into clicks",
            "SELECT 4",
            "explain 1",
            "1 rows of name",
            "2 rows of table name"
        ]
    );
    assert_eq!(script.source.place(script.jobs[0].span).line, 11);
    assert_eq!(script.catalog.view("v").unwrap().query.to_string(), "SELECT id FROM clicks");
}

#[test]
fn names_of_inserts() {
    for (sql, fault) in [
        ("INSERT INTO click SELECT 1", "there is no table 'click'"),
        ("INSERT INTO clicks (idd) SELECT 1", "did you mean 'id'?"),
        ("INSERT INTO clicks (pt) SELECT 1", "has no column 'pt' to write"),
        ("INSERT INTO clicks (id, id) SELECT 1, 2", "column 'id' is given twice"),
        ("INSERT INTO clicks PARTITION (id = 1) SELECT 1", "not partitioned by 'id'"),
        ("INSERT INTO cat.db.clicks SELECT 1", "there is one catalog, 'default_catalog'"),
        ("CREATE VIEW clicks AS SELECT 1", "there is already a 'clicks'"),
        ("CREATE VIEW v AS SELECT 1; INSERT INTO v SELECT 1", "'v' is a view"),
        ("DROP TABLE nothing", "there is no table 'nothing'"),
        ("CREATE FUNCTION nosuch AS 'm.f' LANGUAGE PYTHON", "'nosuch' is not built in"),
        ("USE other", "there is one catalog"),
    ] {
        let shown = faults(&format!("{CLICKS}{sql}"));
        assert!(shown.contains(fault), "{sql}\n{shown}");
    }
    run(&format!("{CLICKS} INSERT INTO default_catalog.default_database.clicks SELECT 1"));
    run(&format!(
        "{CLICKS} USE default_catalog; DROP TABLE clicks; DROP VIEW IF EXISTS x; {CLICKS}"
    ));
}

#[test]
fn one_mistake_gives_one_fault() {
    let broken = CLICKS.replace("'topic'='clicks'", "'topci'='x', 'topic'='clicks'");
    let shown = faults(&format!(
        "{broken} INSERT INTO clicks SELECT 1; SET 'brooklet.table.clicks.dead-letters'='log'"
    ));
    assert_eq!(shown.matches("f.sql:").count(), 1, "{shown}");
    let computed = "a INT, ts AS b, PRIMARY KEY (ts) NOT ENFORCED, WATERMARK FOR ts AS ts";
    let shown = faults(&ddl(computed, ""));
    assert_eq!(shown.matches("f.sql:").count(), 1, "{shown}");
    let avro = CLICKS.replace("'json'", "'avro', 'avro.encoding'='x'");
    assert_eq!(faults(&avro).matches("f.sql:").count(), 1);
    let unreadable = CLICKS.replace("BIGINT", "BIGINTT");
    let shown = faults(&format!("{unreadable} INSERT INTO clicks SELECT 1"));
    assert_eq!(shown.matches("f.sql:").count(), 1, "{shown}");
}

#[test]
fn a_session_keeps_what_worked_and_nothing_of_what_did_not() {
    let mut session = session();
    session.apply(CLICKS, "a.sql", &|_| None).unwrap();
    let half = "SET 'pipeline.name' = 'x'; CREATE VIEW v AS SELECT 1; DROP TABLE nothing";
    session.apply(half, "b.sql", &|_| None).unwrap_err();
    assert!(session.catalog().view("v").is_none());
    let script = session.apply("INSERT INTO clicks SELECT 1", "c.sql", &|_| None).unwrap();
    assert!(!script.settings.is_set("pipeline.name"));
    assert_eq!(script.jobs.len(), 1);
}

#[test]
fn faults_become_one_error_of_kind_sql() {
    let faults = session().apply("SELEC 1", "f.sql", &|_| None).unwrap_err();
    let error = Error::from(faults);
    assert_eq!((error.kind, error.exit_code()), (brooklet_core::ErrorKind::Sql, 2));
    assert!(error.message.starts_with("f.sql:1:1: "), "{}", error.message);
}

#[test]
fn placeholders_lead_to_the_file_as_written() {
    let env = |name: &str| (name == "TOPIC").then(|| "a-much-longer-name".to_string());
    let sql = "CREATE TABLE t (a INT) WITH ('connector'='kafka', \
               'topic'='${TOPIC}', 'foo'='x', 'format'='json')";
    let shown = session().apply(sql, "f.sql", &env).unwrap_err().to_string();
    assert!(shown.starts_with("f.sql:1:71: connector 'kafka' has no option 'foo'"), "{shown}");
}

#[test]
fn dead_letters_in_the_words_of_safe_kafka() {
    let set = |handler: &str| {
        format!("{CLICKS} SET 'brooklet.table.clicks.scan.deser-failure.handler' = '{handler}';")
    };
    let topic = "SET 'brooklet.table.clicks.scan.deser-failure.topic' = 'bad';";
    for (sql, wanted) in [
        (set("none"), "fail"),
        (set("log"), "log"),
        (set("kafka") + topic, "topic:bad"),
        (set("log") + "SET 'brooklet.table.clicks.dead-letters' = 'log';", "log"),
    ] {
        let script = run(&sql);
        let options = &table(&script, "clicks").options;
        assert_eq!(options.get("brooklet.dead-letters"), Some(wanted), "{sql}");
        assert_eq!(options.get("brooklet.scan.deser-failure.handler"), None);
    }
    for (sql, fault) in [
        (set("kafka"), "needs 'scan.deser-failure.topic' as well"),
        (format!("{CLICKS} {topic}"), "is for 'scan.deser-failure.handler' = 'kafka' only"),
        (set("maybe"), "is not one of none, log, kafka"),
        (
            set("none") + "SET 'brooklet.table.clicks.dead-letters' = 'topic:other';",
            "f.sql:9:6: 'scan.deser-failure.handler' means 'dead-letters' = 'fail', but that is \
             set to 'topic:other': leave one of them out",
        ),
    ] {
        let shown = faults(&sql);
        assert!(shown.contains(fault), "{sql}\n{shown}");
    }
}
