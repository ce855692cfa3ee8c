//! Queries that put rows together or number them: GROUP BY, OVER, ranks, DISTINCT.

use super::Grammar;
use super::relations::Rel;
use super::types::{Column, Ty};

impl Grammar<'_> {
    /// An aggregate over the columns in sight.
    pub(super) fn aggregate(&mut self) -> (String, Ty) {
        const ALL: &[(&str, Ty)] = &[
            ("COUNT(*)", Ty::Long),
            ("COUNT({?})", Ty::Long),
            ("COUNT(DISTINCT {S})", Ty::Long),
            ("SUM({I})", Ty::Int),
            ("SUM({L})", Ty::Long),
            ("SUM({F})", Ty::Double),
            ("SUM({N})", Ty::Decimal),
            ("AVG({I})", Ty::Int),
            ("AVG({F})", Ty::Double),
            ("MIN({S})", Ty::Text),
            ("MAX({I})", Ty::Int),
            ("MAX({M})", Ty::Moment),
            ("MIN({D})", Ty::Date),
            ("SUM(DISTINCT {I})", Ty::Int),
            ("FIRST_VALUE({S})", Ty::Text),
            ("LAST_VALUE({I})", Ty::Int),
            ("LISTAGG({S})", Ty::Text),
            ("LISTAGG({S}, ';')", Ty::Text),
            ("ARRAY_AGG({I})", Ty::Ints),
            ("CARDINALITY(COLLECT({S}))", Ty::Int),
            ("STDDEV_POP({F})", Ty::Double),
            ("VAR_SAMP({F})", Ty::Double),
            ("PERCENTILE({F}, 0.5)", Ty::Double),
            ("JSON_ARRAYAGG({S})", Ty::Text),
            ("JSON_OBJECTAGG(KEY 'k' VALUE {I})", Ty::Text),
            ("COUNT({I}) + 1", Ty::Long),
            ("MAX({F}) - MIN({F})", Ty::Double),
        ];
        let (call, ty) = *self.dice.pick(ALL);
        let text = self.filled(call, ty, 1);
        let filtered = self.filters && self.chance(0.1);
        match filtered && text.ends_with(')') && !text.starts_with("CARD") {
            true => (format!("{text} FILTER (WHERE {})", self.expr(Ty::Bool, 1)), ty),
            false => (text, ty),
        }
    }

    /// Up to three aggregates with their names; the columns are those before them and they.
    pub(super) fn aggregates(&mut self, columns: &mut Vec<Column>) -> String {
        let mut texts = Vec::new();
        for _ in 0..1 + self.dice.below(3) {
            let ((text, ty), name) = (self.aggregate(), self.name("g"));
            texts.push(format!("{text} AS {name}"));
            columns.push(Column::new(name, ty));
        }
        texts.join(", ")
    }

    /// Columns in sight that rows can be grouped by.
    pub(super) fn keys(&mut self, most: u64) -> Vec<Column> {
        let plain = |c: &&Column| c.ty.is_plain() && !c.name.ends_with(".ts");
        let plain: Vec<Column> = self.scope.iter().filter(plain).cloned().collect();
        let mut keys: Vec<Column> = Vec::new();
        for _ in 0..if plain.is_empty() { 0 } else { 1 + self.dice.below(most) } {
            let key = self.dice.pick(&plain).clone();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    pub(super) fn grouped(&mut self, depth: u32) -> Rel {
        let rel = self.relation(depth);
        let alias = self.name("x");
        self.over(rel.of(&alias), |g| {
            let (mut columns, mut items, mut by) = (Vec::new(), Vec::new(), Vec::new());
            for key in g.keys(3) {
                let name = g.name("k");
                let text = match g.chance(0.2) {
                    true => g.expr(key.ty, 1),
                    false => key.name.clone(),
                };
                items.push(format!("{text} AS {name}"));
                by.push(text);
                columns.push(Column::new(name, key.ty));
            }
            items.push(g.aggregates(&mut columns));
            let filter = g.maybe_where(depth);
            let having = match g.chance(0.2) {
                true => format!(" HAVING {} > 1", g.aggregate().0),
                false => String::new(),
            };
            let by = match by.is_empty() {
                true => String::new(),
                false => format!(" GROUP BY {}", by.join(", ")),
            };
            let items = items.join(", ");
            let text = format!("SELECT {items} FROM {} AS {alias}{filter}{by}{having}", rel.text);
            Rel { text, columns, timed: false }
        })
    }

    pub(super) fn grouping_sets(&mut self, depth: u32) -> Rel {
        let rel = self.relation(depth);
        let alias = self.name("x");
        self.over(rel.of(&alias), |g| {
            let keys = g.keys(3);
            let names: Vec<&str> = keys.iter().map(|k| k.name.as_str()).collect();
            let Some(first) = names.first() else { return g.values() };
            let all = names.join(", ");
            let by = match g.dice.below(8) {
                0 => format!("ROLLUP ({all})"),
                1 => format!("CUBE ({all})"),
                2 => format!("GROUPING SETS (({all}), ({first}), ())"),
                3 => format!("{first}, GROUPING SETS (({all}), ())"),
                4 => format!("GROUPING SETS (({all}), ({first})) HAVING COUNT(*) > 1"),
                5 => format!("ROLLUP ({first}), CUBE ({all})"),
                6 => format!("CUBE (({all}), {first})"),
                _ => format!("GROUPING SETS (ROLLUP ({all}), ({first}))"),
            };
            let call = g.pick(&["GROUPING", "GROUPING_ID"]);
            let name = g.name("c");
            let mut columns: Vec<Column> = Vec::new();
            let calls = g.aggregates(&mut columns);
            columns.insert(0, Column::new(&name, Ty::Long));
            let text = format!(
                "SELECT {call}({first}) AS {name}, {calls} FROM {} AS {alias} GROUP BY {by}",
                rel.text
            );
            Rel { text, columns, timed: false }
        })
    }

    pub(super) fn ranked(&mut self, depth: u32) -> Rel {
        let rel = self.relation(depth);
        let alias = self.name("x");
        let (by, order) = self.over(rel.columns.clone(), |g| {
            let keys = g.keys(2);
            let by = keys.iter().map(|k| k.name.clone()).collect::<Vec<_>>().join(", ");
            let order = match (rel.timed && g.chance(0.5), g.keys(1).pop()) {
                (true, _) | (_, None) => "ts".to_string(),
                (false, Some(key)) => key.name,
            };
            (by, order)
        });
        let way = self.pick(&["", " DESC", " ASC", " DESC NULLS LAST"]);
        let call = self.pick(&["ROW_NUMBER", "ROW_NUMBER", "ROW_NUMBER", "RANK", "DENSE_RANK"]);
        let by = if by.is_empty() { by } else { format!("PARTITION BY {by} ") };
        let over = format!("{call}() OVER ({by}ORDER BY {order}{way})");
        let limit = self.pick(&["= 1", "<= 3", "< 2", "BETWEEN 2 AND 3", "<= 1"]);
        let columns = rel.columns.clone();
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        let names = names.join(", ");
        let text = match self.chance(0.15) {
            true => format!("SELECT {names} FROM {} AS {alias} QUALIFY {over} {limit}", rel.text),
            false => format!(
                "SELECT {names} FROM (SELECT *, {over} AS rn FROM {}) AS {alias} WHERE rn {limit}",
                rel.text
            ),
        };
        let first = rel.timed && order == "ts" && limit == "= 1" && way.is_empty();
        Rel { text, columns, timed: first }
    }

    pub(super) fn over_rows(&mut self, depth: u32) -> Rel {
        let rel = self.timed(depth);
        let alias = self.name("x");
        let by_clock = ["t", "u"].contains(&rel.text.as_str()) && self.chance(0.1);
        let time = if by_clock { "pt" } else { "ts" };
        let (mut items, mut columns) =
            (vec!["ts".to_string()], vec![Column::new("ts", Ty::Moment)]);
        let (by, named) = (self.over(rel.columns.clone(), |g| g.keys(1)), self.chance(0.3));
        let by = by.first().map_or(String::new(), |k| format!("PARTITION BY {} ", k.name));
        let frame = self.pick(&[
            "",
            "",
            " ROWS BETWEEN 3 PRECEDING AND CURRENT ROW",
            " RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW",
            " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
            " ROWS UNBOUNDED PRECEDING",
            " RANGE INTERVAL '1' HOUR PRECEDING",
        ]);
        let window = format!("({by}ORDER BY {time}{frame})");
        for _ in 0..1 + self.dice.below(3) {
            // FILTER and OVER do not go together.
            self.filters = false;
            let (call, ty) = self.over(rel.columns.clone(), |g| g.over_call_of(frame.is_empty()));
            self.filters = true;
            let name = self.name("o");
            let over = if named { "w" } else { &window };
            items.push(format!("{call} OVER {over} AS {name}"));
            columns.push(Column::new(name, ty));
        }
        let items = items.join(", ");
        let named = if named { format!(" WINDOW w AS {window}") } else { String::new() };
        let text = format!("SELECT {items} FROM {} AS {alias}{named}", rel.text);
        Rel { text, columns, timed: true }
    }

    /// What can stand in front of OVER; some of it wants a window without a frame.
    fn over_call_of(&mut self, whole: bool) -> (String, Ty) {
        match self.dice.below(14) {
            0 if whole => (format!("LAG({})", self.expr(Ty::Int, 1)), Ty::Int),
            1 if whole => (format!("LAG({}, 2, 'x')", self.expr(Ty::Text, 1)), Ty::Text),
            2 if whole && self.chance(self.sloppy) => ("LEAD(ts)".to_string(), Ty::Moment),
            3 if whole => ("ROW_NUMBER()".to_string(), Ty::Long),
            4 if whole => (self.pick(&["RANK()", "DENSE_RANK()"]).into(), Ty::Long),
            5 if whole && self.chance(self.sloppy) => {
                (self.pick(&["PERCENT_RANK()", "CUME_DIST()", "NTILE(3)"]).into(), Ty::Double)
            }
            6 => (format!("FIRST_VALUE({})", self.expr(Ty::Text, 1)), Ty::Text),
            7 => (format!("LAST_VALUE({})", self.expr(Ty::Decimal, 1)), Ty::Decimal),
            _ => self.aggregate(),
        }
    }

    pub(super) fn distinct(&mut self, depth: u32) -> Rel {
        let rel = self.relation(depth);
        let keys = self.over(rel.columns.clone(), |g| g.keys(3));
        if keys.is_empty() {
            return self.values();
        }
        let names: Vec<&str> = keys.iter().map(|c| c.name.as_str()).collect();
        let text = format!("SELECT DISTINCT {} FROM {}", names.join(", "), rel.text);
        Rel { text, columns: keys.clone(), timed: false }
    }
}
