//! Type coercion and the optimizer rules that are valid on streams.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::common_subexpr_eliminate::CommonSubexprEliminate;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::filter_null_join_keys::FilterNullJoinKeys;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::push_down_filter::PushDownFilter;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::optimizer::{Analyzer, Optimizer, OptimizerContext, OptimizerRule};

use super::{frames, lateral, subqueries};

/// Types made alike where Flink does so by itself.
pub fn coerce(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
    let plan = frames::without_distances(plan)?;
    let analyzer = Analyzer::with_rules(vec![Arc::new(TypeCoercion::new())]);
    analyzer.execute_and_check(plan, options, |_, _| {})
}

/// Coerces types, then rewrites with rules that need neither statistics nor an end of the input.
/// Not among them: limits, DISTINCT aggregates as two GROUP BYs, constant GROUP BY keys (they
/// carry windows), empty relations (a table must still be read for its watermark).
pub fn optimize(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
    let plan = coerce(plan, options)?;
    let plan = lateral::joined(plan)?;
    let plan = subqueries::rewritten(plan)?;
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> = vec![
        Arc::new(OptimizeUnions::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(FilterNullJoinKeys::default()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownFilter::new()),
        Arc::new(CommonSubexprEliminate::new()),
        Arc::new(OptimizeProjections::new()),
    ];
    let mut options = options.clone();
    options.optimizer.filter_null_join_keys = true;
    let context = OptimizerContext::new_with_config_options(Arc::new(options))
        .without_query_execution_start_time();
    let plan = Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})?;
    subqueries::check(&plan)?;
    Ok(plan)
}

/// Coerces types and folds constants, nothing else.
pub fn simplify(plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
    let plan = coerce(plan, options)?;
    let context = OptimizerContext::new_with_config_options(Arc::new(options.clone()))
        .without_query_execution_start_time();
    let rules: Vec<Arc<dyn OptimizerRule + Send + Sync>> =
        vec![Arc::new(SimplifyExpressions::new())];
    Optimizer::with_rules(rules).optimize(plan, &context, |_, _| {})
}
