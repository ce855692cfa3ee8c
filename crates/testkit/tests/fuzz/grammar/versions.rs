//! Joins with what holds at a moment: versions of a row, and tables that are asked by key.

use super::Grammar;
use super::literals::of;
use super::relations::{Rel, base};
use super::types::{Column, Ty};

/// What can have versions: a table with a key and time, and views that keep the last row of a key.
const VERSIONED: &[&str] = &["keyed", "keyed", "newest"];

impl Grammar<'_> {
    pub(super) fn looked_up(&mut self, _: u32) -> Rel {
        let (kind, table) = (self.pick(&["JOIN", "LEFT JOIN"]), self.pick(&["t", "u"]));
        let (asked, filtered) = (self.pick(&["looked", "asked"]), self.chance(0.2));
        let hint = match self.chance(0.2) {
            true => self.pick(&[
                "/*+ LOOKUP('table'='r', 'async'='true', 'output-mode'='allow_unordered') */ ",
                "/*+ LOOKUP('table'='r', 'async'='false') */ ",
                "/*+ LOOKUP('table'='r', 'retry-predicate'='lookup_miss', 'max-attempts'='3') */ ",
            ]),
            false => "",
        };
        let looked = Rel {
            text: String::new(),
            columns: vec![Column::new("s", Ty::Text), Column::new("b", Ty::Long)],
            timed: false,
        };
        let left = base(table);
        self.over([left.of("l"), looked.of("r")].concat(), |g| {
            let on = match g.dice.below(6) {
                0 => format!("l.i = r.i AND {}", g.expr(Ty::Bool, 1)),
                1 => format!("r.s = {}", g.expr(Ty::Text, 1)),
                2 => format!("r.i = {} AND l.s = r.s", of(g.dice, Ty::Int)),
                3 => "l.i = r.i AND r.s LIKE 'a%' AND r.b > 1".to_string(),
                _ => "l.i = r.i".to_string(),
            };
            let filter = if filtered { g.maybe_where(0) } else { String::new() };
            let (items, columns) = g.items();
            let text = format!(
                "SELECT {hint}{items} FROM {table} AS l {kind} {asked} FOR SYSTEM_TIME AS OF l.pt AS r \
                 ON {on}{filter}"
            );
            Rel { text, columns, timed: false }
        })
    }

    pub(super) fn versions(&mut self, depth: u32) -> Rel {
        let (left, right) = (self.timed(depth), self.pick(VERSIONED));
        let columns = [("i", Ty::Int), ("s", Ty::Text), ("n", Ty::Decimal), ("ts", Ty::Moment)];
        let columns = columns.map(|(name, ty)| Column::new(format!("r.{name}"), ty)).to_vec();
        let kind = self.pick(&["JOIN", "LEFT JOIN", "INNER JOIN", "LEFT OUTER JOIN"]);
        let key = left.columns.iter().find(|c| c.ty == Ty::Int);
        let key = key.map_or("1".into(), |c| format!("l.{}", c.name));
        self.over([left.of("l"), columns].concat(), |g| {
            let more = match g.chance(0.3) {
                true => format!(" AND {}", g.expr(Ty::Bool, 1)),
                false => String::new(),
            };
            let filter = g.maybe_where(0);
            let (items, columns) = g.items();
            let text = format!(
                "SELECT {items} FROM {} AS l {kind} {right} FOR SYSTEM_TIME AS OF l.ts AS r ON {key} = \
                 r.i{more}{filter}",
                left.text
            );
            let timed = columns.iter().any(|c| c.name == "ts");
            Rel { text, columns, timed }
        })
    }
}
