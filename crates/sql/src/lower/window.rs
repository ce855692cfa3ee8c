//! TUMBLE, HOP, CUMULATE: a window assignment in a Map.

use brooklet_core::types::SqlType;
use brooklet_functions::cast_udf_in;
use brooklet_plan::node::{WindowAssign, WindowKind};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::facts::{self, TimeKind};
use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, error};
use crate::query::window_tvf::{TvfKind, WINDOW_COLUMNS, WindowTvf, as_window, time_name};

impl Lowering<'_> {
    pub(super) fn window(&mut self, tvf: &WindowTvf, need: Need) -> Result<Rel> {
        self.time_attribute(tvf)?;
        let kind = match tvf.kind {
            TvfKind::Aligned(kind) => kind,
            TvfKind::Session { gap } => return self.session_rows(tvf, gap, need),
        };
        let (mut rel, time) = self.timed(tvf, need)?;
        rel.truncate(tvf.input.schema().fields().len());
        rel.window = Some(WindowAssign { time, kind });
        rel.exprs.extend((0..WINDOW_COLUMNS.len()).map(rel::window_column));
        if let Some(time) = rel.exprs.last_mut() {
            self.off_the_wall(tvf, time)?;
        }
        rel.names.extend(WINDOW_COLUMNS.map(String::from));
        Ok(rel)
    }

    /// Makes the last millisecond of a window that is cut in a time zone an instant.
    pub(super) fn off_the_wall(&self, tvf: &WindowTvf, time: &mut Expr) -> Result<()> {
        let rowtime = self.time_attribute(tvf)?.1 == TimeKind::Rowtime;
        if let Some(zone) = tvf.zone.filter(|_| rowtime) {
            *time = cast_udf_in(SqlType::TimestampLtz(3), false, zone).call(vec![time.clone()]);
        }
        Ok(())
    }

    /// The input of a window function, and which column of its node is the time. In a zone it is
    /// what the wall shows, and stands behind the input's columns.
    pub(super) fn timed(&mut self, tvf: &WindowTvf, need: Need) -> Result<(Rel, usize)> {
        let (index, kind) = self.time_attribute(tvf)?;
        let mut rel = self.lower(&tvf.input, need)?;
        if let (TimeKind::Rowtime, Some(zone)) = (kind, tvf.zone) {
            if rel.window.is_some() {
                rel = self.settle(rel, need)?;
            }
            let wall = cast_udf_in(SqlType::Timestamp(3), false, zone);
            rel.exprs.push(wall.call(vec![rel.exprs[index].clone()]));
            rel.names.push("$wall".into());
            let rel = self.settle(rel, need)?;
            let time = rel.exprs.len() - 1;
            return Ok((rel, time));
        }
        let bare = rel::position(&rel.exprs[index]).is_some();
        let rel = match rel.window.is_some() || !bare {
            true => self.settle(rel, need)?,
            false => rel,
        };
        let time = rel::position(&rel.exprs[index])
            .ok_or_else(|| error("the time column of a window is a plain column", tvf.place.0))?;
        Ok((rel, time))
    }

    /// Where the time stands in the input, and what kind of time it is.
    pub(super) fn time_attribute(&self, tvf: &WindowTvf) -> Result<(usize, TimeKind)> {
        let index = tvf
            .time_index()
            .ok_or_else(|| error("DESCRIPTOR names a column of the table", tvf.place.0))?;
        let facts = facts::columns(&tvf.input, self.provider.names());
        if let Some(kind) = facts[index].time {
            return Ok((index, kind));
        }
        let name = time_name(tvf);
        let message = format!(
            "'{name}' is not a time attribute: declare WATERMARK FOR {name} in its table and pass \
             the column on unchanged"
        );
        Err(error(message, tvf.place.0))
    }
}

/// Windows whose results wait for their end are made of whole slides.
pub(super) fn check_closing(plan: &LogicalPlan) -> Result<()> {
    match plan {
        LogicalPlan::SubqueryAlias(a) => check_closing(&a.input),
        LogicalPlan::Projection(p) => check_closing(&p.input),
        LogicalPlan::Filter(f) => check_closing(&f.input),
        LogicalPlan::Extension(e) => match as_window(e) {
            Some(WindowTvf {
                kind: TvfKind::Aligned(WindowKind::Hop { size, slide, .. }),
                grouped: false,
                place,
                ..
            }) if size % slide != 0 => {
                let message = "HOP: the size must be a multiple of the slide for an aggregate";
                Err(error(message, place.0))
            }
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}
