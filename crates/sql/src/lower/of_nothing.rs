//! An aggregation without GROUP BY that has a result even if it has no input: beside the input's
//! rows stands one that no call counts. In batch mode there always is one; on a stream only where
//! the query itself says that no row comes, as in `WHERE FALSE`.

use brooklet_plan::node::{AggCall, AggFunc};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, lit};

use super::aggregate::Grouped;
use super::needs::Need;
use super::rel::Rel;
use super::{Lowering, NodeId};

/// The column that says whether a row is the input's.
const IS_INPUT: &str = "is_input";

impl Lowering<'_> {
    /// Whether there is a result without rows.
    pub(super) fn counts_nothing(&self, input: &LogicalPlan, calls: &[AggCall]) -> bool {
        use AggFunc::{Count, Max, Min, Sum, Sum0};
        let known = |call: &AggCall| matches!(call.func, Count | Sum | Sum0 | Min | Max);
        self.settings.is_batch() || (calls.iter().all(known) && is_empty(input))
    }

    /// The rows of `map` and the one beside them, which `grouped`'s calls are told to leave out.
    pub(super) fn beside_nothing(
        &mut self,
        mut map: Rel,
        grouped: &mut Grouped,
        need: Need,
    ) -> Result<NodeId> {
        let is_input = map.exprs.len();
        let mut one = self.rows(1)?;
        for field in map.fields(&self.plan)? {
            let null = ScalarValue::try_from(field.data_type())?;
            one.exprs.push(Expr::Literal(null, None));
        }
        for (rel, counts) in [(&mut map, true), (&mut one, false)] {
            rel.exprs.push(lit(counts));
        }
        map.names.push(IS_INPUT.into());
        one.names = map.names.clone();
        for call in &mut grouped.calls {
            // A condition of the call's own is NULL in that row.
            call.filter = call.filter.or(Some(is_input));
        }
        let inputs = vec![self.emit(&map, need)?, self.emit(&one, need)?];
        let label = format!("{} or nothing", map.label);
        let all = self.union_of(inputs, &map.names, label, need)?;
        Ok(self.exchange(all, &[], false))
    }
}

fn is_empty(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::EmptyRelation(e) => !e.produce_one_row,
        LogicalPlan::Projection(_) | LogicalPlan::SubqueryAlias(_) | LogicalPlan::Filter(_) => {
            plan.inputs().into_iter().all(is_empty)
        }
        _ => false,
    }
}
