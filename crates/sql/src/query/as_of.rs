//! A versioned table as a node of the logical plan: `FOR SYSTEM_TIME AS OF` an event time.
//!
//! What stands over it, such as a filter that was pushed down, sees one version at a time and so
//! does not pass it. The join's condition carries a call of [`times`] with the event times of both
//! sides: it is always true and keeps both columns where the join is lowered.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Column, DFSchemaRef, Result, plan_err};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    ColumnarValue, Expr, Extension, Join, LogicalPlan, ScalarUDF, UserDefinedLogicalNodeCore,
    Volatility, create_udf,
};

use super::window_tvf::Place;

const TIMES: &str = "__as_of";

/// A table or view whose rows are versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsOf {
    /// Of the left side, as it was written.
    pub time: Column,
    pub place: Place,
    pub input: LogicalPlan,
}

impl Hash for AsOf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.time, &self.input).hash(state);
    }
}

impl PartialOrd for AsOf {
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        None
    }
}

impl AsOf {
    pub fn over(input: LogicalPlan, time: Column, place: Place) -> LogicalPlan {
        LogicalPlan::Extension(Extension { node: Arc::new(AsOf { time, place, input }) })
    }
}

impl UserDefinedLogicalNodeCore for AsOf {
    fn name(&self) -> &str {
        "AsOf"
    }
    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }
    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }
    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }
    #[allow(clippy::disallowed_types, reason = "DataFusion asks for it and looks names up")]
    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        self.input.schema().fields().iter().map(|f| f.name().clone()).collect()
    }
    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "AsOf: {}", self.time)
    }
    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else { return plan_err!("AS OF has one input") };
        Ok(AsOf { time: self.time.clone(), place: self.place, input })
    }
    fn necessary_children_exprs(&self, output: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output.to_vec()])
    }
}

/// The node behind an extension, if it is one.
pub fn as_as_of(plan: &LogicalPlan) -> Option<&AsOf> {
    match plan {
        LogicalPlan::Extension(e) => e.node.as_any().downcast_ref::<AsOf>(),
        _ => None,
    }
}

/// The node on the right side of a join, under what only filters, names and projects.
pub fn right_of(join: &Join) -> Option<&AsOf> {
    fn below(plan: &LogicalPlan) -> Option<&AsOf> {
        match plan {
            LogicalPlan::SubqueryAlias(a) => below(&a.input),
            LogicalPlan::Filter(f) => below(&f.input),
            LogicalPlan::Projection(p) => below(&p.input),
            other => as_as_of(other),
        }
    }
    below(&join.right)
}

/// The condition that names the event times of a join's sides.
pub fn times(left: Column, right: Column, types: [DataType; 2]) -> Expr {
    let never = Arc::new(|_: &[ColumnarValue]| plan_err!("the engine joins by time"));
    let boolean = DataType::Boolean;
    let udf = create_udf(TIMES, types.to_vec(), boolean, Volatility::Immutable, never);
    ScalarUDF::call(&udf, vec![Expr::Column(left), Expr::Column(right)])
}

/// The event times of a join's sides and the rest of its condition.
pub fn split_times(join: &Join) -> Option<([&Expr; 2], Vec<Expr>)> {
    let parts = split_conjunction(join.filter.as_ref()?);
    let called = |e: &Expr| matches!(e, Expr::ScalarFunction(f) if f.func.name() == TIMES);
    let rest = parts.iter().filter(|e| !called(e)).map(|e| (*e).clone()).collect();
    parts
        .into_iter()
        .find_map(|e| match e {
            Expr::ScalarFunction(f) if f.func.name() == TIMES => Some([&f.args[0], &f.args[1]]),
            _ => None,
        })
        .map(|times| (times, rest))
}
