//! Queries within expressions, and those that stand to the right of what they read.

use super::Grammar;
use super::relations::{Rel, base};
use super::types::{Column, Ty};

/// What UNNEST can take apart, with the types of what comes out.
const ARRAYS: &[(&str, &[Ty])] = &[
    ("{A}", &[Ty::Int]),
    ("{C}", &[Ty::Text]),
    ("{P}", &[Ty::Text, Ty::Int]),
    ("{Q}", &[Ty::Int, Ty::Text]),
    ("ARRAY[{L}, {L}]", &[Ty::Long]),
    ("ARRAY[ROW({I}, {S}), ROW({I}, {S})]", &[Ty::Int, Ty::Text]),
];

impl Grammar<'_> {
    /// A condition over the columns in sight; it may ask another query.
    pub(super) fn condition(&mut self, depth: u32) -> String {
        match depth == 0 || self.chance(0.8) {
            true => self.expr(Ty::Bool, 2),
            false => self.asks(depth),
        }
    }

    /// A condition on the rows of another query.
    pub(super) fn asks(&mut self, depth: u32) -> String {
        let (rel, alias) = (self.relation(depth - 1), self.name("q"));
        let (mine, also) = (self.expr(Ty::Int, 0), self.expr(Ty::Text, 0));
        let (theirs, text, filter) = self.over(rel.of(&alias), |g| {
            (g.expr(Ty::Int, 0), g.expr(Ty::Text, 0), g.expr(Ty::Bool, 1))
        });
        let from = format!("FROM {} AS {alias}", rel.text);
        match self.dice.below(11) {
            0 => format!("{mine} IN (SELECT {theirs} {from} WHERE {filter})"),
            1 => format!("EXISTS (SELECT 1 {from} WHERE {theirs} = {mine} AND {filter})"),
            2 => format!("NOT EXISTS (SELECT {theirs} {from} WHERE {theirs} = {mine})"),
            3 => format!("{mine} NOT IN (SELECT {theirs} {from} WHERE {theirs} IS NOT NULL)"),
            4 => format!("{mine} > (SELECT MAX({theirs}) {from})"),
            5 => format!("{mine} = (SELECT MIN({theirs}) {from} WHERE {text} = {also})"),
            6 => format!("({mine}, {also}) IN (SELECT {theirs}, {text} {from})"),
            7 => format!("{mine} {} (SELECT {theirs} {from})", self.quantified()),
            8 => format!("EXISTS (SELECT {text} {from} WHERE {theirs} < {mine})"),
            9 => format!("{mine} IN (SELECT {theirs} {from} WHERE {text} = {also}) OR {mine} = 1"),
            _ => format!("NOT ({mine} IN (SELECT COUNT(*) {from} GROUP BY {text}))"),
        }
    }

    fn quantified(&mut self) -> &'static str {
        self.pick(&["= ANY", "<> ALL", "> ALL", "<= SOME", "< ANY", "= ALL"])
    }

    /// A value that another query gives.
    pub(super) fn asked(&mut self, depth: u32) -> (String, Ty) {
        let (rel, alias) = (self.relation(depth.saturating_sub(1)), self.name("q"));
        let (mine, ty) = (self.expr(Ty::Int, 0), self.plain_type());
        let (theirs, filter, value) =
            self.over(rel.of(&alias), |g| (g.expr(Ty::Int, 0), g.expr(Ty::Bool, 1), g.expr(ty, 1)));
        let from = format!("FROM {} AS {alias}", rel.text);
        match self.dice.below(9) {
            0 => (format!("(SELECT MAX({value}) {from})"), ty),
            1 => (format!("(SELECT COUNT(*) {from} WHERE {theirs} = {mine})"), Ty::Long),
            2 => (format!("(SELECT MIN({value}) {from} WHERE {theirs} = {mine} AND {filter})"), ty),
            3 => (format!("(SELECT {value} {from} ORDER BY {theirs} LIMIT 1)"), ty),
            4 => (format!("(SELECT {value} {from} WHERE {theirs} = {mine} LIMIT 1)"), ty),
            5 => (format!("EXISTS (SELECT 1 {from} WHERE {theirs} = {mine})"), Ty::Bool),
            6 => (format!("{mine} IN (SELECT {theirs} {from})"), Ty::Bool),
            7 => (
                format!("COALESCE((SELECT SUM({theirs}) {from} WHERE {theirs} = {mine}), 0) + 1"),
                Ty::Int,
            ),
            _ => (format!("CASE WHEN {mine} = (SELECT AVG({theirs}) {from}) THEN 1 END"), Ty::Int),
        }
    }

    /// A query that is read for each row of the table to its left.
    pub(super) fn lateral(&mut self, depth: u32) -> Rel {
        let (left, right) = (self.relation(depth), self.relation(depth.saturating_sub(1)));
        let (a, b, c) = (self.name("l"), self.name("r"), self.name("y"));
        let mine = self.over(left.of(&a), |g| (g.expr(Ty::Int, 0), g.expr(Ty::Text, 0)));
        let (inside, given) = self.over(right.of(&b), |g| {
            let (key, text) = (g.expr(Ty::Int, 0), g.expr(Ty::Text, 0));
            let on = match g.dice.below(4) {
                0 => format!("{key} = {} AND {text} = {}", mine.0, mine.1),
                1 => format!("{key} = {} AND {}", mine.0, g.expr(Ty::Bool, 1)),
                _ => format!("{key} = {}", mine.0),
            };
            let from = format!("FROM {} AS {b} WHERE {on}", right.text);
            match g.dice.below(7) {
                0 => (format!("SELECT COUNT(*) AS v {from}"), Ty::Long),
                1 => (format!("SELECT MAX({text}) AS v {from}"), Ty::Text),
                2 => (format!("SELECT {text} AS v {from} ORDER BY {key} DESC LIMIT 2"), Ty::Text),
                3 => (format!("SELECT DISTINCT {key} AS v {from}"), Ty::Int),
                4 => (format!("SELECT {key} AS v, COUNT(*) AS n {from} GROUP BY {key}"), Ty::Int),
                5 => (format!("SELECT {} + 1 AS v", mine.0), Ty::Int),
                _ => (format!("SELECT {key} AS v {from}"), Ty::Int),
            }
        });
        let columns = [left.of(&a), vec![Column::new(format!("{c}.v"), given)]].concat();
        let join = self.pick(&[", LATERAL", " CROSS JOIN LATERAL", " LEFT JOIN LATERAL"]);
        let on = if join.starts_with(" LEFT") { " ON TRUE" } else { "" };
        self.over(columns, |g| {
            let (items, columns) = g.items();
            let from = format!("{} AS {a}{join} ({inside}) AS {c}{on}", left.text);
            Rel { text: format!("SELECT {items} FROM {from}"), columns, timed: false }
        })
    }

    /// The elements of arrays and maps as rows.
    pub(super) fn unnested(&mut self, depth: u32) -> Rel {
        let (of, types) = *self.dice.pick(ARRAYS);
        let (alias, e) = (self.name("x"), self.name("e"));
        let array = self.over(base("t").of(&alias), |g| match g.chance(0.7) {
            true => g.filled(of, Ty::Int, 0),
            false => g.filled(of, Ty::Int, 1),
        });
        let mut columns: Vec<Column> = types
            .iter()
            .zip(["v", "w"])
            .map(|(ty, n)| Column::new(format!("{e}.{n}"), *ty))
            .collect();
        let mut names = ["v", "w"][..types.len()].to_vec();
        let mut ordinality = "";
        if self.chance(0.3) {
            ordinality = " WITH ORDINALITY";
            names.push("nth");
            columns.push(Column::new(format!("{e}.nth"), Ty::Int));
        }
        let unnest = format!("UNNEST({array}){ordinality} AS {e} ({})", names.join(", "));
        let (join, on) = match self.dice.below(5) {
            0 => ("LEFT JOIN", " ON TRUE"),
            1 => ("INNER JOIN", " ON TRUE"),
            2 => (",", ""),
            _ => ("CROSS JOIN", ""),
        };
        columns.extend(base("t").of(&alias));
        self.over(columns, |g| {
            let filter = g.maybe_where(depth);
            let (items, columns) = g.items();
            let text = format!("SELECT {items} FROM t AS {alias} {join} {unnest}{on}{filter}");
            let timed = columns.iter().any(|c| c.name == "ts");
            Rel { text, columns, timed }
        })
    }
}
