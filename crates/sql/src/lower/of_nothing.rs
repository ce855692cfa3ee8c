//! In batch mode an aggregation without GROUP BY has a result even if it has no input: beside the
//! input's rows stands one that no call counts.

use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, lit};

use super::aggregate::Grouped;
use super::needs::Need;
use super::rel::Rel;
use super::{Lowering, NodeId};

/// The column that says whether a row is the input's.
const IS_INPUT: &str = "is_input";

impl Lowering<'_> {
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
