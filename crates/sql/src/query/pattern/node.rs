//! MATCH_RECOGNIZE as a node of the logical plan.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{DFSchema, DFSchemaRef, ExprSchema, Result, plan_err};
use datafusion::logical_expr::{
    AggregateUDF, Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore,
};

use crate::query::window_tvf::Place;

/// Output: the columns of PARTITION BY, then the measures.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RowPattern {
    pub input: LogicalPlan,
    pub partition: Vec<Expr>,
    /// The first column of ORDER BY.
    pub time: Expr,
    /// The others, descending or not, NULLs first or not.
    pub order: Vec<(Expr, bool, bool)>,
    pub variables: Vec<PatternVariable>,
    pub skip: SkipTo,
    pub within_ms: Option<i64>,
    pub measures: Vec<(String, Formula)>,
    /// Where ORDER BY stands.
    pub place: Place,
    schema: DFSchemaRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PatternVariable {
    pub name: String,
    pub least: u32,
    pub most: Option<u32>,
    pub greedy: bool,
    pub condition: Option<Formula>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipTo {
    PastLastRow,
    NextRow,
    First(usize),
    Last(usize),
}

/// An expression over `$0`, `$1`, … for the reads, then the folds, then `__match_time`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Formula {
    pub reads: Vec<Navigation>,
    pub folds: Vec<Folded>,
    pub expr: Expr,
    /// Of `expr`'s columns.
    pub schema: DFSchemaRef,
    /// Of the result.
    pub field: FieldRef,
}

impl Formula {
    /// The read, if there is nothing else.
    pub fn only_read(&self) -> Option<&Navigation> {
        let Expr::Column(column) = &self.expr else { return None };
        self.reads.get(self.schema.index_of_column(column).ok()?)
    }
}

/// A column of one row: `LAST(variable.column, offset)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Navigation {
    pub variable: Option<usize>,
    pub first: bool,
    pub offset: usize,
    pub column: Expr,
}

/// An aggregate over the rows of a variable, its arguments over the input.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Folded {
    pub variable: Option<usize>,
    pub func: Arc<AggregateUDF>,
    pub args: Vec<Expr>,
    pub ty: DataType,
}

/// All but what follows from the rest.
pub struct Parts {
    pub input: LogicalPlan,
    pub partition: Vec<Expr>,
    pub time: Expr,
    pub order: Vec<(Expr, bool, bool)>,
    pub variables: Vec<PatternVariable>,
    pub skip: SkipTo,
    pub within_ms: Option<i64>,
    pub measures: Vec<(String, Formula)>,
    pub place: Place,
}

impl RowPattern {
    pub fn new(parts: Parts) -> Result<Self> {
        let Parts { input, partition, time, order, variables, skip, within_ms, measures, place } =
            parts;
        let mut fields = Vec::new();
        for key in &partition {
            let Expr::Column(column) = key else { return plan_err!("{key} is no column") };
            fields.push((None, Arc::clone(input.schema().field_from_column(column)?)));
        }
        for (name, formula) in &measures {
            let field = Field::clone(&formula.field).with_name(name).with_nullable(true);
            fields.push((None, Arc::new(field)));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(RowPattern {
            input,
            partition,
            time,
            order,
            variables,
            skip,
            within_ms,
            measures,
            place,
            schema,
        })
    }

    /// Conditions, then measures.
    pub fn formulas(&self) -> impl Iterator<Item = &Formula> {
        let conditions = self.variables.iter().filter_map(|v| v.condition.as_ref());
        conditions.chain(self.measures.iter().map(|(_, formula)| formula))
    }

    /// Every expression over the input, in the order of `expressions`.
    fn over_input(&mut self) -> Vec<&mut Expr> {
        let RowPattern { partition, time, order, variables, measures, .. } = self;
        let mut all: Vec<&mut Expr> = partition.iter_mut().collect();
        all.push(time);
        all.extend(order.iter_mut().map(|(e, ..)| e));
        let conditions = variables.iter_mut().filter_map(|v| v.condition.as_mut());
        for formula in conditions.chain(measures.iter_mut().map(|(_, formula)| formula)) {
            all.extend(formula.reads.iter_mut().map(|read| &mut read.column));
            all.extend(formula.folds.iter_mut().flat_map(|fold| &mut fold.args));
        }
        all
    }
}

impl PartialOrd for RowPattern {
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        None
    }
}

impl UserDefinedLogicalNodeCore for RowPattern {
    fn name(&self) -> &str {
        "RowPattern"
    }
    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }
    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }
    fn expressions(&self) -> Vec<Expr> {
        self.clone().over_input().into_iter().map(|e| e.clone()).collect()
    }
    #[allow(clippy::disallowed_types, reason = "DataFusion asks for it and looks names up")]
    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        self.schema.fields().iter().map(|f| f.name().clone()).collect()
    }
    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let names: Vec<&str> = self.variables.iter().map(|v| v.name.as_str()).collect();
        write!(f, "RowPattern: {} by {}", names.join(" "), self.time)
    }
    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut it = self.clone();
        let Some(input) = inputs.into_iter().next() else {
            return plan_err!("a row pattern has one input");
        };
        it.input = input;
        for (old, new) in it.over_input().into_iter().zip(exprs) {
            *old = new;
        }
        Ok(it)
    }
    fn necessary_children_exprs(&self, _: &[usize]) -> Option<Vec<Vec<usize>>> {
        let schema = self.input.schema();
        let exprs = self.expressions();
        let refs = exprs.iter().flat_map(Expr::column_refs);
        let mut needed =
            refs.map(|c| schema.index_of_column(c).ok()).collect::<Option<Vec<usize>>>()?;
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// The row pattern behind an extension node. The one place where the node is downcast.
pub fn as_pattern(extension: &Extension) -> Option<&RowPattern> {
    extension.node.as_any().downcast_ref::<RowPattern>()
}
