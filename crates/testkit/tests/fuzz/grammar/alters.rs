//! Tables and views that change after they were defined, and tables like others.

use super::Grammar;
use super::types::Ty;

impl Grammar<'_> {
    /// A few changes of one table or view, and what reads it then.
    pub(super) fn altered(&mut self) -> String {
        let view = self.chance(0.2);
        let name = match self.chance(0.1) {
            true => self.any_name(),
            false if view => "newest".to_string(),
            false => self.pick(&["t", "t", "u", "keyed", "looked", "changed", "asked"]).to_string(),
        };
        let count = 1 + self.dice.below(3);
        let changes: Vec<String> = (0..count)
            .map(|_| match view {
                true => format!("ALTER VIEW {name} {};\n", self.view_change()),
                false => format!("ALTER TABLE {name} {};\n", self.table_change()),
            })
            .collect();
        let last = match self.dice.below(4) {
            0 => format!("SHOW CREATE TABLE {name};\n"),
            1 => format!("DESCRIBE {name};\n"),
            2 => format!("SELECT * FROM {name};\n"),
            _ => format!("{};\n", self.query()),
        };
        changes.concat() + &last
    }

    fn view_change(&mut self) -> String {
        match self.chance(0.5) {
            true => format!("RENAME TO {}", self.name("v")),
            false => format!("AS {}", self.select(1).text),
        }
    }

    fn table_change(&mut self) -> String {
        let (ty, name) = (self.sql_type(1), self.name("z"));
        let old = self.pick(&["i", "s", "d", "n", "b", "ts", "pt", "nope"]);
        match self.dice.below(16) {
            0 => format!("ADD {name} {ty}"),
            1 => format!("ADD ({name} {ty} FIRST, {name}b INT AFTER {old})"),
            2 => format!("ADD {name} AS {old}"),
            3 => format!("ADD ({name} INT METADATA VIRTUAL)"),
            4 => "ADD WATERMARK FOR ts AS ts - INTERVAL '1' SECOND".into(),
            5 => format!("MODIFY WATERMARK FOR ts AS {}", self.expr(Ty::Moment, 1)),
            6 => format!("ADD PRIMARY KEY ({old}) NOT ENFORCED"),
            7 => format!("MODIFY {old} {ty}"),
            8 => format!("MODIFY ({old} {ty} COMMENT 'x' FIRST)"),
            9 => format!("DROP {old}"),
            10 => format!("DROP ({old}, i)"),
            11 => self.pick(&["DROP PRIMARY KEY", "DROP WATERMARK", "DROP CONSTRAINT pk"]).into(),
            12 => format!("RENAME {old} TO {name}"),
            13 => format!("RENAME TO {name}"),
            14 => "SET ('connector' = 'memory', 'name' = 'other')".into(),
            _ => self.pick(&["RESET ('name')", "RESET ()", "SET ('topic' = '')"]).into(),
        }
    }

    /// CREATE TABLE … LIKE.
    pub(super) fn liked(&mut self) -> String {
        let (name, of) = (self.name("new"), self.any_name());
        let rules = self.pick(&[
            "",
            "",
            " (INCLUDING ALL)",
            " (EXCLUDING ALL INCLUDING OPTIONS)",
            " (OVERWRITING OPTIONS OVERWRITING WATERMARKS)",
            " (EXCLUDING CONSTRAINTS EXCLUDING GENERATED)",
            " (INCLUDING METADATA EXCLUDING PARTITIONS)",
            " (INCLUDING NOTHING)",
        ]);
        let columns = self.pick(&["", "", " (more INT)", " (i INT, q AS 1)"]);
        let with =
            self.pick(&["", " WITH ('name' = 'other')", " WITH ('connector' = 'blackhole')"]);
        format!("CREATE TABLE {name}{columns}{with} LIKE {of}{rules};\nSELECT * FROM {name};\n")
    }
}
