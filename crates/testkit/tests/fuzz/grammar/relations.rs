//! Queries and what can stand behind FROM.

use super::types::{Column, Ty};
use super::{Grammar, literals};

/// Tables of all types: `t` and `u` have event time and a processing time, `keyed` has versions,
/// as has `newest`, `looked` and `asked` can be looked up, `changed` takes rows back.
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
CREATE TABLE asked (i INT, s STRING, b BIGINT, PRIMARY KEY (i) NOT ENFORCED) WITH ('connector' = 'jdbc', \
'url' = 'jdbc:postgresql://h:1/d', 'table-name' = 'x');
CREATE VIEW newest AS SELECT i, s, n, ts FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY i ORDER BY ts \
DESC) AS rn FROM u) WHERE rn = 1;
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

    /// A column of a type, to join by.
    fn key(&self, alias: &str, ty: Ty) -> Option<String> {
        let column = self.columns.iter().find(|c| c.ty == ty);
        column.map(|c| format!("{alias}.{}", c.name))
    }
}

impl Grammar<'_> {
    /// A whole query.
    pub(super) fn query(&mut self) -> String {
        let rel = self.select(2);
        let text = rel.text;
        match self.dice.below(16) {
            0 if rel.timed => format!("{text} ORDER BY ts"),
            1 => format!("{text} LIMIT {}", self.dice.below(5)),
            2 => format!("{text} ORDER BY {} DESC LIMIT 3", 1 + self.dice.below(2)),
            3 => format!("{text} FETCH FIRST 2 ROWS ONLY"),
            4 => format!("{text} ORDER BY 1 OFFSET 1 ROWS FETCH NEXT 5 ROWS ONLY"),
            5 => format!("({text})"),
            6 if rel.columns.iter().any(|c| c.ty.is_plain()) => {
                let by = self.over(rel.columns, |g| g.keys(2));
                let by: Vec<&str> = by.iter().map(|c| c.name.as_str()).collect();
                format!("SELECT * FROM ({text}) ORDER BY {} NULLS LAST LIMIT 5", by.join(" DESC, "))
            }
            _ => text,
        }
    }

    /// A SELECT of any kind.
    pub(super) fn select(&mut self, depth: u32) -> Rel {
        match self.dice.below(22) {
            0 | 1 => self.mapped(depth),
            2 | 3 => self.grouped(depth),
            4 => self.grouping_sets(depth),
            5 => self.ranked(depth),
            6 | 7 => self.over_rows(depth),
            8 => self.sets(depth),
            9 | 10 => self.joined(depth),
            11 => self.unnested(depth),
            12 => self.lateral(depth),
            13 => self.common(depth),
            14 => self.values(),
            15 => self.distinct(depth),
            _ => self.windows(depth),
        }
    }

    /// What stands behind FROM: a table, or a query in parentheses.
    pub(super) fn relation(&mut self, depth: u32) -> Rel {
        if depth == 0 || self.chance(0.4) {
            let rel = base(self.pick(&["t", "t", "t", "u", "u", "changed"]));
            return match self.chance(0.02) {
                true => Rel { text: format!("{} /*+ OPTIONS('name'='o') */", rel.text), ..rel },
                false => rel,
            };
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
            let name = self.name("c");
            let (text, ty) = match self.chance(0.08) {
                true => self.asked(1),
                false => {
                    let ty = self.any_type();
                    (self.expr(ty, 2), ty)
                }
            };
            texts.push(format!("{text} AS {name}"));
            columns.push(Column::new(name, ty));
        }
        (texts.join(", "), columns)
    }

    pub(super) fn maybe_where(&mut self, depth: u32) -> String {
        match self.chance(0.4) {
            true => format!(" WHERE {}", self.condition(depth)),
            false => String::new(),
        }
    }

    /// A hint about the relations that go by these names.
    fn hint(&mut self, of: &[&str]) -> String {
        if self.chance(0.9) {
            return String::new();
        }
        let hint = self.pick(&[
            "/*+ BROADCAST({}) */ ",
            "/*+ SHUFFLE_HASH({}) */ ",
            "/*+ NEST_LOOP({}), SHUFFLE_MERGE({}) */ ",
            "/*+ STATE_TTL('{}'='1d') */ ",
            "/*+ STATE_TTL('{}' = '0s'), STATE_TTL('{}'='12 h') */ ",
            "/*+ */ ",
            "/*+ NO_RULE( */ ",
        ]);
        hint.replace("{}", of[self.dice.below(of.len() as u64) as usize])
    }

    fn mapped(&mut self, depth: u32) -> Rel {
        let rel = self.relation(depth);
        let alias = self.name("x");
        let (hint, (items, columns), filter) = self.over(rel.of(&alias), |g| {
            let filter = g.maybe_where(depth);
            (g.hint(&[&alias]), g.items(), filter)
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
        const WORDS: &[&str] = &[
            "UNION ALL",
            "UNION ALL",
            "UNION",
            "INTERSECT",
            "EXCEPT",
            "EXCEPT ALL",
            "INTERSECT ALL",
        ];
        let (word, other) = (self.pick(WORDS), self.pick(WORDS));
        let arms: Vec<String> = (0..2 + self.dice.below(2))
            .map(|_| {
                let (rel, alias) = (self.timed(depth), self.name("x"));
                let (i, s) =
                    self.over(rel.of(&alias), |g| (g.expr(Ty::Int, 1), g.expr(Ty::Text, 1)));
                format!("SELECT {alias}.ts, {i} AS i, {s} AS s FROM {} AS {alias}", rel.text)
            })
            .collect();
        let columns = [("ts", Ty::Moment), ("i", Ty::Int), ("s", Ty::Text)];
        let columns = columns.map(|(name, ty)| Column::new(name, ty)).to_vec();
        let text = match &arms[..] {
            [a, b, c] if self.chance(0.3) => format!("{a} {other} ({b} {word} {c})"),
            [a, b] if self.chance(0.2) => format!("({a}) {word} ({b})"),
            _ => arms.join(&format!(" {word} ")),
        };
        Rel { text, columns, timed: word == "UNION ALL" && other == word }
    }

    fn joined(&mut self, depth: u32) -> Rel {
        let (l, r) = (self.relation(depth), self.relation(depth));
        let (a, b) = (self.name("l"), self.name("r"));
        let types = [Ty::Int, Ty::Text, Ty::Long];
        let equal = types.iter().find_map(|ty| Some((l.key(&a, *ty)?, r.key(&b, *ty)?)));
        let (x, y) = equal.unwrap_or_else(|| ("1".into(), "1".into()));
        let kind = self.pick(&["JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN", "INNER JOIN"]);
        let columns = [l.of(&a), r.of(&b)].concat();
        let interval = l.timed && r.timed && self.chance(0.4);
        self.over(columns, |g| {
            let on = match g.dice.below(7) {
                _ if interval => format!("{x} = {y} AND {}", g.near(&a, &b)),
                0 => format!("{x} = {y} AND {}", g.expr(Ty::Bool, 1)),
                1 => g.expr(Ty::Bool, 2),
                2 => format!("{x} = {y} OR ({})", g.expr(Ty::Bool, 1)),
                3 => format!("{x} < {y}"),
                _ => format!("{x} = {y}"),
            };
            let filter = g.maybe_where(0);
            let (items, columns) = g.items();
            let hint = g.hint(&[&a, &b]);
            let join = match g.dice.below(12) {
                0 => format!("{} AS {a} CROSS JOIN {} AS {b}{filter}", l.text, r.text),
                1 => format!("{} AS {a}, {} AS {b} WHERE {on}", l.text, r.text),
                2 => format!("{} AS {a} {kind} {} AS {b} ON {on}, u AS u0{filter}", l.text, r.text),
                3 => format!(
                    "{} AS {a} {kind} {} AS {b} ON {on} LEFT JOIN u AS u0 ON {x} = u0.i{filter}",
                    l.text, r.text
                ),
                4 => format!("t AS {a} {kind} u AS {b} USING (i, s){filter}"),
                5 => format!("t AS {a} NATURAL {kind} u AS {b}"),
                _ => format!("{} AS {a} {kind} {} AS {b} ON {on}{filter}", l.text, r.text),
            };
            let timed = interval && columns.iter().any(|c| c.name == "ts");
            Rel { text: format!("SELECT {hint}{items} FROM {join}"), columns, timed }
        })
    }

    /// That the times of two rows are not far from each other.
    fn near(&mut self, a: &str, b: &str) -> String {
        let form = self.pick(&[
            "a.ts BETWEEN b.ts - INTERVAL '1' MINUTE AND b.ts + INTERVAL '5' SECOND",
            "a.ts >= b.ts AND a.ts < b.ts + INTERVAL '1' HOUR",
            "b.ts > a.ts - INTERVAL '10' SECOND AND b.ts <= a.ts + INTERVAL '0' SECOND",
            "a.ts = b.ts",
            "a.ts - INTERVAL '1' DAY < b.ts AND b.ts < a.ts",
        ]);
        form.replace("a.ts", &format!("{a}.ts")).replace("b.ts", &format!("{b}.ts"))
    }

    fn common(&mut self, depth: u32) -> Rel {
        let (mut one, name) = (self.select(depth.saturating_sub(1)), self.name("w"));
        let mut names = String::new();
        if self.chance(0.2) {
            one.columns = one.columns.iter().map(|c| Column::new(self.name("n"), c.ty)).collect();
            let given: Vec<&str> = one.columns.iter().map(|c| c.name.as_str()).collect();
            names = format!(" ({})", given.join(", "));
        }
        let (items, columns) = self.over(one.columns.clone(), |g| g.items());
        let with = format!("WITH {name}{names} AS ({})", one.text);
        let text = match self.dice.below(6) {
            0 => format!("{with} SELECT {items} FROM {name} UNION ALL SELECT {items} FROM {name}"),
            1 => {
                let next = self.name("w");
                format!("{with}, {next} AS (SELECT {items} FROM {name}) SELECT * FROM {next}")
            }
            2 => {
                let next = self.name("w");
                format!(
                    "{with} SELECT * FROM (WITH {next} AS (SELECT {items} FROM {name}) SELECT * FROM \
                     {next})"
                )
            }
            _ => format!("{with} SELECT {items} FROM {name}"),
        };
        Rel { text, columns, timed: false }
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
