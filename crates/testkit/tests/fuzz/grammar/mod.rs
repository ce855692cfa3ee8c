//! Statements drawn from the grammar of what brooklet takes, most of them with the right types.
//!
//! [`literals`] values at the ends of their types, [`types`] what an expression can be,
//! [`expressions`] of a type and [`calls`] by the [`signatures`] of functions, [`relations`] what
//! can stand behind FROM, [`subqueries`] and [`aggregates`] of it, [`windows`], [`patterns`] and
//! [`versions`], which need time, [`statements`] and [`alters`] everything else.

mod aggregates;
mod alters;
mod calls;
mod expressions;
pub mod literals;
mod patterns;
mod relations;
pub mod signatures;
mod statements;
mod subqueries;
mod types;
mod versions;
mod windows;

use std::sync::LazyLock;

use brooklet_testkit::dice::Dice;

use self::types::{Column, Ty};

/// Words that must be met in texts that were planned.
pub const WORDS: &[&str] = &[
    "TUMBLE",
    "HOP",
    "CUMULATE",
    "SESSION",
    "MATCH_RECOGNIZE",
    "GROUPING",
    "ROLLUP",
    "CUBE",
    "UNNEST",
    "ORDINALITY",
    "OVER",
    "SYSTEM_TIME",
    "UNION",
    "INTERSECT",
    "EXCEPT",
    "EXISTS",
    "IN",
    "FULL",
    "LEFT",
    "RIGHT",
    "CROSS",
    "DISTINCT",
    "LIMIT",
    "FETCH",
    "VALUES",
    "WITH",
    "CASE",
    "CAST",
    "TRY_CAST",
    "HAVING",
    "FILTER",
    "QUALIFY",
    "ROW_NUMBER",
    "LAG",
    "WITHIN",
    "BETWEEN",
    "LIKE",
    "SIMILAR",
    "JSON",
    "JSON_VALUE",
    "EXTRACT",
    "TIMESTAMPADD",
    "INTERVAL",
    "ARRAY",
    "MAP",
    "ROW",
    "TUMBLE_START",
    "HOP_END",
    "SESSION_ROWTIME",
    "VIEW",
    "INSERT",
    "EXPLAIN",
    "SHOW",
    "DESCRIBE",
    "SET",
    "RESET",
    "DROP",
    "WATERMARK",
    "PRIMARY",
    "METADATA",
    "PARTITIONED",
    "STATEMENT",
    "CONFLICT",
    "WINDOW",
    "LATERAL",
    "USING",
    "NATURAL",
    "ANY",
    "OFFSET",
    "ALTER",
    "MODIFY",
    "DESCRIPTOR",
    "MATCH_ROWTIME",
    "SKIP",
    "LOOKUP",
    "STATE_TTL",
    "BROADCAST",
    "RANK",
    "PERCENTILE",
    "JSON_OBJECTAGG",
    "LISTAGG",
    "COLLECT",
    "FIRST",
    "AS",
];

/// The names of all functions, as texts write them.
pub static NAMES: LazyLock<Vec<String>> =
    LazyLock::new(|| signatures::FUNCTIONS.iter().map(signatures::Function::upper).collect());

/// Definitions of the tables that the texts read.
pub fn tables() -> &'static str {
    relations::TABLES
}

/// Draws texts; what it has drawn so far stands before what is drawn next.
pub struct Grammar<'a> {
    dice: &'a mut Dice,
    /// Views that the text defines first.
    views: Vec<String>,
    /// How many names were given.
    named: usize,
    /// How often an expression has another type than is asked for.
    sloppy: f64,
    /// The columns that can be named.
    scope: Vec<Column>,
    /// Whether aggregates may have a FILTER.
    filters: bool,
}

impl<'a> Grammar<'a> {
    pub fn new(dice: &'a mut Dice) -> Self {
        let sloppy = if dice.chance(0.25) { 0.05 } else { 0.0 };
        Grammar { dice, views: Vec::new(), named: 0, sloppy, scope: Vec::new(), filters: true }
    }

    /// Tables, views and a query.
    pub fn query_text(&mut self) -> String {
        let query = self.query();
        format!("{}{}{query};\n", relations::TABLES, self.views.concat())
    }

    /// Definitions and whatever else can stand in a file.
    pub fn statements_text(&mut self) -> String {
        let count = 1 + self.dice.below(3);
        let statements: Vec<String> = (0..count).map(|_| self.statement()).collect();
        format!("{}{}{}", relations::TABLES, self.views.concat(), statements.concat())
    }

    /// A function, a cast or an operator: of columns, or of literals, which are folded.
    pub fn call_text(&mut self) -> String {
        if self.dice.chance(0.6) {
            self.scope = relations::base("t").columns;
        }
        self.sloppy = *self.dice.pick(&[0.0, 0.0, 0.0, 0.0, 0.05, 0.4]);
        let query = self.call_query();
        format!("{}{query};\n", relations::TABLES)
    }

    fn name(&mut self, prefix: &str) -> String {
        self.named += 1;
        match self.dice.chance(0.04) {
            true => format!("`{prefix}{}{}`", self.dice.pick(&literals::NAMES), self.named),
            false => format!("{prefix}{}", self.named),
        }
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.dice.chance(probability)
    }

    fn pick(&mut self, items: &[&'static str]) -> &'static str {
        items[self.dice.below(items.len() as u64) as usize]
    }

    /// Draws with other columns in sight.
    fn over<T>(&mut self, columns: Vec<Column>, draw: impl FnOnce(&mut Self) -> T) -> T {
        let outside = std::mem::replace(&mut self.scope, columns);
        let drawn = draw(self);
        self.scope = outside;
        drawn
    }

    fn column(&mut self, ty: Ty) -> Option<String> {
        let of: Vec<usize> = (0..self.scope.len()).filter(|i| self.scope[*i].ty == ty).collect();
        match of.is_empty() {
            true => None,
            false => Some(self.scope[*self.dice.pick(&of)].name.clone()),
        }
    }
}
