//! Queries and what can stand behind FROM.

use super::types::{Column, Ty};
use super::{Grammar, literals};

/// Tables of all types: `t` and `u` have event time and a processing time, `keyed` has versions,
/// `looked` can be looked up, `changed` takes rows back.
pub const TABLES: &str = "\
CREATE TABLE t (i INT, b BIGINT, y TINYINT, f FLOAT, d DOUBLE, n DECIMAL(10, 2), m DECIMAL(38, 18), \
s STRING, c CHAR(3), vc VARCHAR(5), o BOOLEAN, dt DATE, tm TIME(0), ts TIMESTAMP(3), z TIMESTAMP_LTZ(3), \
x BYTES, a ARRAY<INT>, sa ARRAY<STRING>, mp MAP<STRING, INT>, r ROW<p INT, q STRING>, \
ra ARRAY<ROW<p INT, q STRING>>, pt AS PROCTIME(), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) \
WITH ('connector' = 'memory', 'name' = 't');
CREATE TABLE u (i INT NOT NULL, s STRING, d DOUBLE, n DECIMAL(10, 2), b BIGINT, ts TIMESTAMP(3), \
pt AS PROCTIME(), WATERMARK FOR ts AS ts) WITH ('connector' = 'memory', 'name' = 'u');
CREATE TABLE keyed (i INT, s STRING, n DECIMAL(10, 2), ts TIMESTAMP(3), WATERMARK FOR ts AS ts, \
PRIMARY KEY (i) NOT ENFORCED) WITH ('connector' = 'upsert-kafka', 'topic' = 'k', \
'properties.bootstrap.servers' = 'k:9092', 'key.format' = 'json', 'value.format' = 'json');
CREATE TABLE looked (i INT, s STRING, b BIGINT) WITH ('connector' = 'memory', 'name' = 'looked');
CREATE TABLE changed (i INT, s STRING, d DOUBLE, ts TIMESTAMP(3), PRIMARY KEY (i) NOT ENFORCED) \
WITH ('connector' = 'kafka', 'topic' = 'c', 'properties.bootstrap.servers' = 'k:9092', \
'format' = 'debezium-json');
";

const T: &[(&str, Ty)] = &[
    ("i", Ty::Int),
    ("b", Ty::Long),
    ("y", Ty::Int),
    ("f", Ty::Double),
    ("d", Ty::Double),
    ("n", Ty::Decimal),
    ("m", Ty::Decimal),
    ("s", Ty::Text),
    ("c", Ty::Text),
    ("vc", Ty::Text),
    ("o", Ty::Bool),
    ("dt", Ty::Date),
    ("tm", Ty::Time),
    ("ts", Ty::Moment),
    ("z", Ty::Zoned),
    ("x", Ty::Bytes),
    ("a", Ty::Ints),
    ("sa", Ty::Texts),
    ("mp", Ty::Map),
    ("r", Ty::Row),
    ("ra", Ty::Rows),
];
const U: &[(&str, Ty)] = &[
    ("i", Ty::Int),
    ("s", Ty::Text),
    ("d", Ty::Double),
    ("n", Ty::Decimal),
    ("b", Ty::Long),
    ("ts", Ty::Moment),
];
const CHANGED: &[(&str, Ty)] =
    &[("i", Ty::Int), ("s", Ty::Text), ("d", Ty::Double), ("ts", Ty::Moment)];

/// A query, or what stands behind FROM.
#[derive(Clone)]
pub struct Rel {
    pub text: String,
    pub columns: Vec<Column>,
    /// Rows are only added, and `ts` carries their watermark.
    pub timed: bool,
}

/// A table as it is.
pub fn base(name: &str) -> Rel {
    let columns = match name {
        "t" => T,
        "u" => U,
        _ => CHANGED,
    };
    let columns = columns.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
    Rel { text: name.to_string(), columns, timed: name != "changed" }
}

impl Rel {
    /// Its columns under an alias.
    pub fn of(&self, alias: &str) -> Vec<Column> {
        self.columns.iter().map(|c| Column::new(format!("{alias}.{}", c.name), c.ty)).collect()
    }
}

impl Grammar<'_> {
    /// A whole query.
    pub(super) fn query(&mut self) -> String {
        let rel = self.select(2);
        let text = rel.text;
        match self.dice.below(12) {
            0 if rel.timed => format!("{text} ORDER BY ts"),
            1 => format!("{text} LIMIT {}", self.dice.below(5)),
            2 => format!("{text} ORDER BY {} DESC LIMIT 3", 1 + self.dice.below(2)),
            3 => format!("{text} FETCH FIRST 2 ROWS ONLY"),
            4 => format!("{text} ORDER BY 1 OFFSET 1 ROWS FETCH NEXT 5 ROWS ONLY"),
            5 => format!("({text})"),
            _ => text,
        }
    }

    /// A SELECT of any kind.
    pub(super) fn select(&mut self, depth: u32) -> Rel {
        match self.dice.below(18) {
            0 | 1 => self.mapped(depth),
            2 | 3 => self.grouped(depth),
            4 => self.grouping_sets(depth),
            5 => self.ranked(depth),
            6 => self.over_rows(depth),
            7 => self.sets(depth),
            8 | 9 => self.joined(depth),
            10 => self.unnested(depth),
            11 => self.common(depth),
            12 => self.values(),
            13 => self.distinct(depth),
            _ => self.windows(depth),
        }
    }

    /// What stands behind FROM: a table, or a query in parentheses.
    pub(super) fn relation(&mut self, depth: u32) -> Rel {
        if depth == 0 || self.chance(0.4) {
            let name = self.pick(&["t", "t", "t", "u", "u", "changed"]);
            return base(name);
        }
        let rel = self.select(depth - 1);
        match self.chance(0.15) {
            true => {
                let name = self.name("v");
                self.views.push(format!("CREATE VIEW {name} AS {};\n", rel.text));
                Rel { text: name, ..rel }
            }
            false => Rel { text: format!("({})", rel.text), ..rel },
        }
    }

    /// One that keeps its event time.
    pub(super) fn timed(&mut self, depth: u32) -> Rel {
        let rel = self.relation(depth);
        if rel.timed { rel } else { base(self.pick(&["t", "u"])) }
    }

    /// Items of SELECT: some of the columns in sight, some expressions over them.
    pub(super) fn items(&mut self) -> (String, Vec<Column>) {
        let (mut texts, mut columns): (Vec<String>, Vec<Column>) = Default::default();
        for column in self.scope.clone() {
            let plain = column.name.rsplit('.').next().unwrap_or_default().to_string();
            let taken = columns.iter().any(|c| c.name == plain);
            if !taken && self.chance(if plain == "ts" { 0.85 } else { 0.3 }) {
                texts.push(column.name.clone());
                columns.push(Column::new(plain, column.ty));
            }
        }
        let least = u64::from(texts.is_empty());
        for _ in 0..least + self.dice.below(3) {
            let ty = self.any_type();
            let name = self.name("c");
            texts.push(format!("{} AS {name}", self.expr(ty, 2)));
            columns.push(Column::new(name, ty));
        }
        (texts.join(", "), columns)
    }

    /// A condition over the columns in sight; it may ask another query.
    pub(super) fn condition(&mut self, depth: u32) -> String {
        if depth == 0 || self.chance(0.8) {
            return self.expr(Ty::Bool, 2);
        }
        let rel = self.relation(depth - 1);
        let alias = self.name("q");
        let (ty, mine) = (Ty::Int, self.expr(Ty::Int, 0));
        let inside = self.over(rel.of(&alias), |g| (g.expr(ty, 0), g.expr(Ty::Bool, 1)));
        let (theirs, filter) = inside;
        let from = format!("FROM {} AS {alias}", rel.text);
        match self.dice.below(6) {
            0 => format!("{mine} IN (SELECT {theirs} {from} WHERE {filter})"),
            1 => format!("EXISTS (SELECT 1 {from} WHERE {theirs} = {mine} AND {filter})"),
            2 => format!("NOT EXISTS (SELECT {theirs} {from} WHERE {theirs} = {mine})"),
            3 => format!("{mine} NOT IN (SELECT {theirs} {from})"),
            4 => format!("{mine} > (SELECT MAX({theirs}) {from})"),
            _ => format!("{mine} = (SELECT MIN({theirs}) {from} WHERE {theirs} = {mine})"),
        }
    }

    pub(super) fn maybe_where(&mut self, depth: u32) -> String {
        match self.chance(0.4) {
            true => format!(" WHERE {}", self.condition(depth)),
            false => String::new(),
        }
    }

    fn hint(&mut self) -> &'static str {
        if self.chance(0.95) {
            return "";
        }
        self.pick(&[
            "/*+ BROADCAST(t) */ ",
            "/*+ LOOKUP('table'='looked') */ ",
            "/*+ STATE_TTL('t'='1d') */ ",
            "/*+ */ ",
            "/*+ NO_RULE( */ ",
        ])
    }

    fn mapped(&mut self, depth: u32) -> Rel {
        let rel = self.relation(depth);
        let alias = self.name("x");
        let (hint, (items, columns), filter) = self.over(rel.of(&alias), |g| {
            let filter = g.maybe_where(depth);
            (g.hint(), g.items(), filter)
        });
        if self.chance(0.1) {
            let Rel { columns, timed, .. } = rel.clone();
            return Rel {
                text: format!("SELECT * FROM {} AS {alias}{filter}", rel.text),
                columns,
                timed,
            };
        }
        let timed = rel.timed && columns.iter().any(|c| c.name == "ts");
        let text = format!("SELECT {hint}{items} FROM {} AS {alias}{filter}", rel.text);
        Rel { text, columns, timed }
    }

    fn sets(&mut self, depth: u32) -> Rel {
        let word =
            self.pick(&["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT ALL"]);
        let rels: Vec<Rel> = (0..2 + self.dice.below(2)).map(|_| self.timed(depth)).collect();
        let arms: Vec<String> = rels
            .iter()
            .map(|rel| {
                let alias = self.name("x");
                let (i, s) =
                    self.over(rel.of(&alias), |g| (g.expr(Ty::Int, 1), g.expr(Ty::Text, 1)));
                format!("SELECT {alias}.ts, {i} AS i, {s} AS s FROM {} AS {alias}", rel.text)
            })
            .collect();
        let columns = [("ts", Ty::Moment), ("i", Ty::Int), ("s", Ty::Text)];
        let columns = columns.map(|(name, ty)| Column::new(name, ty)).to_vec();
        Rel { text: arms.join(&format!(" {word} ")), columns, timed: word == "UNION ALL" }
    }

    fn joined(&mut self, depth: u32) -> Rel {
        let (l, r) = (self.relation(depth), self.relation(depth));
        let (a, b) = (self.name("l"), self.name("r"));
        let key = |rel: &Rel, alias: &str, ty: Ty| {
            let column = rel.columns.iter().find(|c| c.ty == ty);
            column.map(|c| format!("{alias}.{}", c.name))
        };
        let types = [Ty::Int, Ty::Text, Ty::Long];
        let equal = types.iter().find_map(|ty| Some((key(&l, &a, *ty)?, key(&r, &b, *ty)?)));
        let (x, y) = equal.unwrap_or_else(|| ("1".into(), "1".into()));
        let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN", "INNER JOIN"]);
        let columns = [l.of(&a), r.of(&b)].concat();
        let both = l.timed && r.timed;
        self.over(columns, |g| {
            let on = match g.dice.below(6) {
                0 => format!("{x} = {y} AND {}", g.expr(Ty::Bool, 1)),
                1 => g.expr(Ty::Bool, 2),
                2 | 3 if both => format!(
                    "{x} = {y} AND {a}.ts BETWEEN {b}.ts - INTERVAL '1' MINUTE AND {b}.ts + INTERVAL \
                     '5' SECOND"
                ),
                _ => format!("{x} = {y}"),
            };
            let filter = g.maybe_where(0);
            let (items, columns) = g.items();
            let join = match g.dice.below(12) {
                0 => format!("{} AS {a} CROSS JOIN {} AS {b}{filter}", l.text, r.text),
                1 => format!("{} AS {a}, {} AS {b} WHERE {on}", l.text, r.text),
                _ => format!("{} AS {a} {kind} {} AS {b} ON {on}{filter}", l.text, r.text),
            };
            Rel { text: format!("SELECT {items} FROM {join}"), columns, timed: false }
        })
    }

    fn unnested(&mut self, depth: u32) -> Rel {
        let of = self.pick(&["a", "sa", "mp", "ra"]);
        let (alias, e) = (self.name("x"), self.name("e"));
        let names: &[(&str, Ty)] = match of {
            "a" => &[("v", Ty::Int)],
            "sa" => &[("v", Ty::Text)],
            "mp" => &[("v", Ty::Text), ("w", Ty::Int)],
            _ => &[("v", Ty::Int), ("w", Ty::Text)],
        };
        let mut columns: Vec<Column> =
            names.iter().map(|(n, ty)| Column::new(format!("{e}.{n}"), *ty)).collect();
        let mut named: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
        let (mut ordinality, mut on) = ("", "");
        if self.chance(0.3) {
            ordinality = " WITH ORDINALITY";
            named.push("nth");
            columns.push(Column::new(format!("{e}.nth"), Ty::Int));
        }
        let join = self.pick(&["CROSS JOIN", "LEFT JOIN", "INNER JOIN"]);
        if join != "CROSS JOIN" {
            on = " ON TRUE";
        }
        columns.extend(base("t").of(&alias));
        let named = named.join(", ");
        self.over(columns, |g| {
            let filter = g.maybe_where(depth);
            let (items, columns) = g.items();
            let text = format!(
                "SELECT {items} FROM t AS {alias} {join} UNNEST({alias}.{of}){ordinality} AS {e} \
                 ({named}){on}{filter}"
            );
            let timed = columns.iter().any(|c| c.name == "ts");
            Rel { text, columns, timed }
        })
    }

    fn common(&mut self, depth: u32) -> Rel {
        let (one, name) = (self.select(depth.saturating_sub(1)), self.name("w"));
        let other = self.over(one.columns.clone(), |g| g.items());
        let twice = match self.chance(0.2) {
            true => format!(" UNION ALL SELECT {} FROM {name}", other.0),
            false => String::new(),
        };
        let text = format!("WITH {name} AS ({}) SELECT {} FROM {name}{twice}", one.text, other.0);
        Rel { text, columns: other.1, timed: false }
    }

    pub(super) fn values(&mut self) -> Rel {
        let types: Vec<Ty> = (0..1 + self.dice.below(3)).map(|_| self.any_type()).collect();
        let rows: Vec<String> = (0..1 + self.dice.below(3))
            .map(|_| {
                let row: Vec<String> =
                    types.iter().map(|ty| literals::of(self.dice, *ty)).collect();
                format!("({})", row.join(", "))
            })
            .collect();
        let columns: Vec<Column> =
            types.iter().map(|ty| Column::new(self.name("c"), *ty)).collect();
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let (rows, names) = (rows.join(", "), names.join(", "));
        let text = format!("SELECT * FROM (VALUES {rows}) AS v ({names})");
        Rel { text, columns, timed: false }
    }
}
