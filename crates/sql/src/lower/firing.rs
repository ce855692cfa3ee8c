//! `table.exec.emit.*`: windows of GROUP BY that give results before they close, or after.

use brooklet_plan::node::Emit;
use datafusion::common::Result;
use datafusion::logical_expr::LogicalPlan;

use super::{Lowering, error};
use crate::query::window_tvf::{TvfKind, WindowTvf, as_window};

const EARLY: &str = "table.exec.emit.early-fire.enabled";
const LATE: &str = "table.exec.emit.late-fire.enabled";
const LATENESS: &str = "table.exec.emit.allow-lateness";

impl Lowering<'_> {
    /// When an aggregate over windows emits, as the settings say.
    pub(super) fn firing(&self, emit: Emit, input: &LogicalPlan) -> Result<Emit> {
        let on = |key: &str| self.settings.text(key).eq_ignore_ascii_case("true");
        let (early, late) = (on(EARLY), on(LATE));
        let (Emit::OnClose { window_end, clock }, true) = (emit, early || late) else {
            return Ok(emit);
        };
        let refused = |what: &str| {
            let message = format!("'{EARLY}' and '{LATE}' are for GROUP BY TUMBLE and HOP, {what}");
            Err(error(message, None))
        };
        match function_below(input) {
            Some(tvf) if !tvf.grouped => return refused("not for TABLE(…)"),
            Some(WindowTvf { kind: TvfKind::Session { .. }, .. }) => return refused("not SESSION"),
            Some(_) => {}
            None => return Ok(emit),
        }
        let late_ms = match late {
            true => self.settings.millis(LATENESS).map_err(|e| error(e.to_string(), None))?,
            false => 0,
        };
        Ok(Emit::Firing { window_end, clock, early, late_ms })
    }
}

fn function_below(plan: &LogicalPlan) -> Option<&WindowTvf> {
    match plan {
        LogicalPlan::SubqueryAlias(a) => function_below(&a.input),
        LogicalPlan::Projection(p) => function_below(&p.input),
        LogicalPlan::Filter(f) => function_below(&f.input),
        LogicalPlan::Extension(e) => as_window(e),
        _ => None,
    }
}
