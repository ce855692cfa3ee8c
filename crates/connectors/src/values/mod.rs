//! The rows behind VALUES and queries without FROM: a counter the planner computes them from.
//!
//! Not a connector of DDL: the planner makes such a table with the number of rows it needs. Its
//! one column is BIGINT and counts from 0.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use async_trait::async_trait;

use brooklet_core::connector::{Boxed, Connector, SourceSide, SourceSpec, of_log};
use brooklet_core::options::{OptionKind, OptionSpec};
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::{Delta, Error, Result, Source};

pub const CONNECTOR: Connector = Connector {
    name: "values",
    options: &[OptionSpec::text("rows", "How many rows.").kind(OptionKind::Int).required()],
    metadata: &[],
    needs_format: false,
    check: brooklet_core::connector::unchecked,
    source: Some(SourceSide { open, bounded: |_| true, reading: of_log }),
    sink: None,
    lookup: None,
};

fn open(spec: SourceSpec) -> Boxed<Box<dyn Source>> {
    Box::pin(async move {
        let rows = spec.table.options.int("rows")?;
        let rows = rows.ok_or_else(|| Error::bug("a table of values says how many it has"))?;
        let from = spec.positions.and_then(|p| p.first().map(|p| p.offset)).unwrap_or(0);
        Ok(Box::new(Values { spec: spec.schema, rows, next: from }) as Box<dyn Source>)
    })
}

struct Values {
    spec: arrow::datatypes::SchemaRef,
    rows: i64,
    next: i64,
}

impl Values {
    fn range(&mut self, from: i64, to: i64) -> Result<Input> {
        let numbers: Int64Array = (from..to).collect();
        let rows = RecordBatch::try_new(self.spec.clone(), vec![Arc::new(numbers)])?;
        let payload = match from == to {
            true => Payload::None,
            false => Payload::Rows(vec![Delta::inserts(rows)]),
        };
        self.next = to;
        let range = SplitRange { split: SplitId::new("values"), from, to };
        let splits = vec![SplitInput { range, payload, caught_up: to == self.rows }];
        Ok(Input { splits, ended: to == self.rows })
    }
}

#[async_trait]
impl Source for Values {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        let take = i64::try_from(budget.max_rows).unwrap_or(i64::MAX);
        let to = self.next.saturating_add(take).min(self.rows);
        self.range(self.next, to)
    }
    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        let range = ranges.first().ok_or_else(|| Error::bug("a replay has a range"))?;
        self.range(range.from, range.to)
    }
    async fn release(&mut self, _upto: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}
