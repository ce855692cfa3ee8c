//! TUMBLE, HOP, CUMULATE: a window assignment in a Map.

use arrow::datatypes::DataType;
use brooklet_plan::node::WindowAssign;
use datafusion::common::Result;

use super::facts::{self, TimeKind};
use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, error};
use crate::query::window_tvf::{WINDOW_COLUMNS, WindowTvf, time_name};

impl Lowering<'_> {
    pub(super) fn window(&mut self, tvf: &WindowTvf, need: Need) -> Result<Rel> {
        let index = tvf
            .time_index()
            .ok_or_else(|| error("DESCRIPTOR names a column of the table", tvf.place.0))?;
        let facts = facts::columns(&tvf.input, self.provider.names());
        match facts[index].time {
            Some(TimeKind::Rowtime) => {}
            Some(TimeKind::Proctime) => {
                let message = "windows over processing time are not supported yet: use a rowtime";
                return Err(error(message, tvf.place.0));
            }
            None => {
                let name = time_name(tvf);
                let message = format!(
                    "'{name}' is not a time attribute: declare WATERMARK FOR {name} in its table \
                     and pass the column on unchanged"
                );
                return Err(error(message, tvf.place.0));
            }
        }
        let instant = tvf.input.schema().field(index).data_type().clone();
        if matches!(instant, DataType::Timestamp(_, Some(_)))
            && self.provider.zone() != brooklet_functions::Zone::UTC
        {
            let name = time_name(tvf);
            let message = format!(
                "windows over '{name}', a TIMESTAMP_LTZ, need SET 'table.local-time-zone' = 'UTC': \
                 in another zone declare the watermark for a TIMESTAMP"
            );
            return Err(error(message, tvf.place.0));
        }
        let rel = self.lower(&tvf.input, need)?;
        let bare = rel::position(&rel.exprs[index]).is_some();
        let mut rel = match rel.window.is_some() || !bare {
            true => self.settle(rel, need)?,
            false => rel,
        };
        let time = rel::position(&rel.exprs[index])
            .ok_or_else(|| error("the time column of a window is a plain column", tvf.place.0))?;
        rel.window = Some(WindowAssign { time, kind: tvf.kind });
        rel.exprs.extend((0..WINDOW_COLUMNS.len()).map(rel::window_column));
        rel.names.extend(WINDOW_COLUMNS.map(String::from));
        Ok(rel)
    }
}
