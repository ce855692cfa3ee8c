//! Definitions, settings, INSERT, EXPLAIN and what shows the catalog.

use super::types::{CASTS, Ty};
use super::{Grammar, literals};

const KEYS: [&str; 16] = [
    "table.local-time-zone",
    "execution.runtime-mode",
    "table.exec.state.ttl",
    "table.exec.sink.require-on-conflict",
    "table.exec.sink.not-null-enforcer",
    "table.exec.emit.early-fire.enabled",
    "table.exec.mini-batch.enabled",
    "table.exec.sink.upsert-materialize",
    "table.exec.emit.allow-lateness",
    "brooklet.source.idle-timeout",
    "brooklet.on-row-error",
    "brooklet.table.out1.output-mode",
    "brooklet.epoch.max-rows",
    "parallelism.default",
    "pipeline.name",
    "any.key",
];
const VALUES: [&str; 20] = [
    "UTC",
    "Europe/Berlin",
    "GMT+25:00",
    "batch",
    "streaming",
    "true",
    "false",
    "0",
    "-1",
    "1 d",
    "10 s",
    "99999999999999999999 d",
    "",
    "DROP",
    "dead-letter",
    "complete",
    "ü",
    "''",
    "1e9",
    "9223372036854775807",
];
const OPTIONS: [(&str, &[(&str, &str)]); 8] = [
    ("memory", &[("name", "m")]),
    ("blackhole", &[]),
    ("print", &[("print-identifier", "x")]),
    (
        "filesystem",
        &[("path", "/tmp/x"), ("format", "json"), ("sink.rolling-policy.file-size", "1 MB")],
    ),
    ("kafka", &[("topic", "t"), ("properties.bootstrap.servers", "k:9"), ("format", "json")]),
    ("datagen", &[("number-of-rows", "3"), ("rows-per-second", "1")]),
    ("jdbc", &[("url", "jdbc:postgresql://h:1/d"), ("table-name", "x.y")]),
    ("kafka", &[("topic", "t"), ("properties.bootstrap.servers", "k:9"), ("format", "csv")]),
];

impl Grammar<'_> {
    pub(super) fn statement(&mut self) -> String {
        match self.dice.below(19) {
            0..4 => self.create_table(),
            16..18 => self.altered(),
            18 => self.liked(),
            4..7 => self.insert(),
            7 => self.set(),
            8 => self.show(),
            9 => format!(
                "EXPLAIN {}{};\n",
                self.pick(&["", "PLAN FOR ", "CHANGELOG_MODE "]),
                self.query()
            ),
            10 => {
                let (name, query) = (self.name("v"), self.query());
                let columns = if self.chance(0.2) { " (a, b)" } else { "" };
                format!(
                    "CREATE TEMPORARY VIEW IF NOT EXISTS {name}{columns} AS {query};\nDESCRIBE {name};\n"
                )
            }
            11 => {
                // The tables are defined in front of the set.
                let (one, two) = (self.insert(), self.insert());
                let (tables, inserts): (Vec<&str>, Vec<&str>) =
                    one.lines().chain(two.lines()).partition(|l| l.starts_with("CREATE"));
                let (tables, inserts) = (tables.join("\n"), inserts.join("\n"));
                format!("{tables}\nEXECUTE STATEMENT SET BEGIN {inserts} END;\n")
            }
            12 => self.drop(),
            13 if self.chance(0.3) => format!(
                "CREATE FUNCTION {} AS 'a.B' LANGUAGE {};\n",
                self.name("f"),
                self.pick(&["JAVA", "SQL"])
            ),
            14 if self.chance(0.3) => self.refused(),
            _ => format!("{};\n", self.query()),
        }
    }

    pub(super) fn any_name(&mut self) -> String {
        match self.dice.below(4) {
            0 => format!("`{}`", self.dice.pick(&literals::NAMES).replace('`', "``")),
            1 => self
                .pick(&["t", "default_catalog.default_database.t", "a.b.c.d", "nope", "x.t"])
                .into(),
            _ => self.pick(&["t", "u", "keyed", "looked"]).into(),
        }
    }

    pub(super) fn sql_type(&mut self, depth: u32) -> String {
        match self.dice.below(if depth == 0 { 6 } else { 10 }) {
            0..6 => {
                let last = if self.sloppy > 0.0 { CASTS.len() } else { 10 };
                self.pick(&CASTS[..last]).into()
            }
            6 => format!("ARRAY<{}>", self.sql_type(depth - 1)),
            7 => format!("MAP<STRING, {}>", self.sql_type(depth - 1)),
            8 => format!(
                "ROW<`a b` {}, c {} NOT NULL>",
                self.sql_type(depth - 1),
                self.sql_type(depth - 1)
            ),
            _ => self.any_type().sql().into(),
        }
    }

    fn options(&mut self) -> String {
        let (connector, options) = *self.dice.pick(&OPTIONS);
        let mut all = vec![format!("'connector' = '{connector}'")];
        all.extend(options.iter().map(|(key, value)| format!("'{key}' = '{value}'")));
        if self.chance(0.03) {
            all.push(format!("'{}' = '{}'", self.dice.pick(&KEYS), self.dice.pick(&VALUES)));
        }
        format!("WITH ({})", all.join(", "))
    }

    fn create_table(&mut self) -> String {
        let name = self.name("new");
        let mut parts: Vec<String> = (0..1 + self.dice.below(4))
            .map(|n| {
                let ty = self.sql_type(2);
                let null = self.pick(&["", "", "", " NOT NULL", " NULL", " COMMENT 'it''s'"]);
                format!("a{n} {ty}{null}")
            })
            .collect();
        if self.chance(0.3) {
            parts.push("`key b` INT".into());
            parts.push("PRIMARY KEY (`key b`) NOT ENFORCED".into());
        }
        if self.chance(0.3) {
            parts.push("t9 TIMESTAMP(3)".into());
            let usual = if self.chance(0.1) { literals::INTERVALS.len() } else { 6 };
            let delay = self.pick(&literals::INTERVALS[..usual]);
            parts.push(match self.dice.below(8) {
                0 => format!("WATERMARK FOR t9 AS {}", self.expr(Ty::Moment, 1)),
                1..4 => "WATERMARK FOR t9 AS t9".to_string(),
                _ => format!("WATERMARK FOR t9 AS t9 - {delay}"),
            });
        }
        if self.chance(0.2) {
            let ty = self.any_type();
            parts.push(format!("comp AS {}", self.expr(ty, 2)));
        }
        if self.chance(0.2) {
            parts.push(
                self.pick(&[
                    "`offset` BIGINT METADATA VIRTUAL",
                    "m TIMESTAMP_LTZ(3) METADATA FROM 'timestamp'",
                    "m INT METADATA FROM 'nope' VIRTUAL",
                    "h MAP<STRING, BYTES> METADATA FROM 'headers'",
                    "pt AS PROCTIME()",
                ])
                .into(),
            );
        }
        let partitioned = if self.chance(0.1) { " PARTITIONED BY (a0)" } else { "" };
        let like = match self.chance(0.1) {
            true => format!(" LIKE {} (EXCLUDING OPTIONS INCLUDING GENERATED)", self.any_name()),
            false => String::new(),
        };
        let temporary = self.pick(&["", "", "TEMPORARY "]);
        let (parts, options) = (parts.join(", "), self.options());
        let show =
            if self.chance(0.3) { format!("SHOW CREATE TABLE {name};\n") } else { String::new() };
        format!("CREATE {temporary}TABLE {name} ({parts}){partitioned} {options}{like};\n{show}")
    }

    /// A table that fits the query, or nearly, and the INSERT.
    fn insert(&mut self) -> String {
        let rel = self.select(2);
        let name = self.name("out");
        let columns: Vec<String> = rel
            .columns
            .iter()
            .enumerate()
            .map(|(i, c)| match self.chance(self.sloppy) {
                true => format!("a{i} {}", self.sql_type(1)),
                false => format!("a{i} {}", c.ty.sql()),
            })
            .collect();
        let key = match self.chance(0.3) {
            true => ", PRIMARY KEY (a0) NOT ENFORCED",
            false => "",
        };
        let kept = if key.is_empty() { "blackhole" } else { "brooklet-table" };
        let connector = self.pick(&["blackhole", "print", "memory', 'name' = 'o", kept]);
        let list: Vec<String> = (0..columns.len()).map(|i| format!("a{i}")).collect();
        let list = if self.chance(0.2) { format!(" ({})", list.join(", ")) } else { String::new() };
        let conflict = match key.is_empty() {
            true => "",
            false => self.pick(&["", " ON CONFLICT DO DEDUPLICATE", " ON CONFLICT DO NOTHING"]),
        };
        format!(
            "CREATE TABLE {name} ({}{key}) WITH ('connector' = '{connector}');\nINSERT INTO {name}{list} \
             {}{conflict};\n",
            columns.join(", "),
            rel.text
        )
    }

    fn set(&mut self) -> String {
        let (key, value) = (self.pick(&KEYS), self.pick(&VALUES));
        match self.dice.below(5) {
            0 => format!("RESET '{key}';\n"),
            1 => "SET;\nRESET;\n".into(),
            _ => format!("SET '{key}' = '{value}';\n{};\n", self.query()),
        }
    }

    fn show(&mut self) -> String {
        let what = self.pick(&[
            "TABLES",
            "VIEWS",
            "CATALOGS",
            "DATABASES",
            "CURRENT CATALOG",
            "FUNCTIONS",
            "USER FUNCTIONS",
            "MODULES",
            "JARS",
            "TABLES FROM default_database",
            "TABLES NOT LIKE 't%'",
            "VIEWS ILIKE '_\\%'",
        ]);
        let name = self.any_name();
        match self.dice.below(5) {
            0 => format!("SHOW COLUMNS FROM {name};\n"),
            1 => format!("SHOW CREATE TABLE {name};\n"),
            2 => format!("DESCRIBE EXTENDED {name};\n"),
            _ => format!("SHOW {what};\n"),
        }
    }

    fn drop(&mut self) -> String {
        let what = self.pick(&[
            "TABLE",
            "VIEW",
            "FUNCTION",
            "TEMPORARY TABLE",
            "TEMPORARY SYSTEM FUNCTION",
        ]);
        let exists = self.pick(&["", "IF EXISTS "]);
        let name = match self.chance(0.5) {
            true => self.pick(&["t", "u", "keyed", "looked", "changed"]).to_string(),
            false => self.any_name(),
        };
        format!("DROP {what} {exists}{name};\n")
    }

    /// Statements that Flink has.
    fn refused(&mut self) -> String {
        let name = self.any_name();
        let statements = [
            "TRUNCATE TABLE {}",
            "DELETE FROM {} WHERE i = 1",
            "UPDATE {} SET i = 2",
            "ANALYZE TABLE {} COMPUTE STATISTICS",
            "CREATE CATALOG c WITH ('type' = 'x')",
            "CREATE DATABASE IF NOT EXISTS {}",
            "USE {}",
            "USE CATALOG {}",
            "LOAD MODULE m",
            "CALL p(1)",
            "CREATE TABLE x WITH ('a' = 'b') AS SELECT * FROM {}",
            "CREATE OR REPLACE TABLE {} (a INT)",
            "BEGIN STATEMENT SET",
            "END",
            "COMPILE PLAN 'x' FOR SELECT 1",
            "SELECT * FROM {} TABLESAMPLE BERNOULLI (1)",
            "SELECT * FROM LATERAL TABLE(f({}))",
            "SELECT * FROM {} PIVOT (SUM(i) FOR s IN ('a'))",
            "VALUES (1, 'a'), (2)",
            "TABLE {}",
        ];
        format!("{};\n", self.pick(&statements).replace("{}", &name))
    }
}
