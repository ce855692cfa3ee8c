//! MATCH_RECOGNIZE as data: a row pattern, what its conditions and measures compute.
//!
//! A pattern is a sequence of variables, each with how many rows it takes; the rows of a match
//! follow each other without a gap. Conditions and measures are formulas over a few columns:
//! values of rows that stand at a place of a variable, and aggregates over a variable's rows.

use arrow::datatypes::SchemaRef;
use brooklet_core::time::Millis;

use crate::node::{AggCall, Expr, SortKey};

/// The names of what a formula reads beside values of rows and aggregates.
pub const MATCH_TIME: &str = "__match_time";

#[derive(Debug, Clone)]
pub struct MatchSpec {
    /// In the order of the pattern.
    pub variables: Vec<Variable>,
    /// Event time; None: rows are taken as they arrive.
    pub time: Option<usize>,
    /// The order among rows of one moment, before that of their arrival.
    pub order: Vec<SortKey>,
    pub skip: Skip,
    /// From the first row of a match to its last less than this passes.
    pub within_ms: Option<Millis>,
    pub measures: Formulas,
}

/// A name of the pattern and the rows it takes.
#[derive(Debug, Clone)]
pub struct Variable {
    pub name: String,
    pub least: u32,
    /// None: any number.
    pub most: Option<u32>,
    pub greedy: bool,
    /// One expression; None: every row.
    pub condition: Option<Formulas>,
}

/// Which runs end with a match, by the row they began with: those before the row that is skipped
/// to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    PastLastRow,
    ToNextRow,
    /// Variables by number.
    ToFirst(usize),
    ToLast(usize),
}

/// Expressions over `reads`, then `folds`, then the time of the match, then the epoch's `now`.
#[derive(Debug, Clone)]
pub struct Formulas {
    pub reads: Vec<Read>,
    pub folds: Vec<Fold>,
    pub exprs: Vec<Expr>,
    pub schema: SchemaRef,
}

/// A column of one row of a variable; None: of all variables. NULL where there is no such row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub variable: Option<usize>,
    pub from: End,
    /// How many rows from there.
    pub offset: usize,
    pub column: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    First,
    Last,
}

/// An aggregate over the rows of a variable; None: of all.
#[derive(Debug, Clone)]
pub struct Fold {
    pub variable: Option<usize>,
    pub call: AggCall,
}

impl Formulas {
    /// Whether, as the condition of this variable, only the row in question is looked at.
    pub fn is_of_one_row(&self, variable: usize) -> bool {
        let current = |r: &Read| {
            r.from == End::Last && r.offset == 0 && r.variable.is_none_or(|v| v == variable)
        };
        self.folds.is_empty() && self.reads.iter().all(current)
    }
}

impl Variable {
    /// The name with its quantifier, as written in a pattern.
    pub fn text(&self) -> String {
        let quantifier = match (self.least, self.most) {
            (1, Some(1)) => return self.name.clone(),
            (0, None) => "*".to_string(),
            (1, None) => "+".to_string(),
            (0, Some(1)) => return format!("{}?", self.name),
            (least, None) => format!("{{{least},}}"),
            (least, Some(most)) if least == most => return format!("{}{{{least}}}", self.name),
            (least, Some(most)) => format!("{{{least},{most}}}"),
        };
        format!("{}{quantifier}{}", self.name, if self.greedy { "" } else { "?" })
    }
}

impl MatchSpec {
    /// The pattern and what goes with it, without conditions and measures.
    pub fn text(&self) -> String {
        let pattern: Vec<String> = self.variables.iter().map(Variable::text).collect();
        let name = |v: usize| self.variables[v].name.as_str();
        let skip = match self.skip {
            Skip::PastLastRow => "past the last row".to_string(),
            Skip::ToNextRow => "to the next row".to_string(),
            Skip::ToFirst(v) => format!("to the first {}", name(v)),
            Skip::ToLast(v) => format!("to the last {}", name(v)),
        };
        format!("({}), then {skip}", pattern.join(" "))
    }
}
