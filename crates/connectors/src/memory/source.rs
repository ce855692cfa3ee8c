//! Reads a store's splits; an offset is the number of rows before it.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use brooklet_core::connector::{Boxed, SourceSpec};
use brooklet_core::options::Options;
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::{Delta, Error, Result, Source, Weights};

use super::Store;

struct MemorySource {
    store: Store,
    schema: SchemaRef,
    positions: BTreeMap<String, i64>,
}

pub(super) fn open(spec: SourceSpec) -> Boxed<Box<dyn Source>> {
    Box::pin(async move {
        let store = Store::named(spec.table.options.required("name")?);
        store.state().wakers.push(spec.waker);
        let known = spec.positions.unwrap_or_default().into_iter();
        let positions = known.map(|p| (p.split.to_string(), p.offset)).collect();
        Ok(Box::new(MemorySource { store, schema: spec.schema, positions }) as Box<dyn Source>)
    })
}

/// A store that has ended at the time of asking.
pub(super) fn bounded(options: &Options) -> bool {
    options.get("name").is_some_and(|name| Store::named(name).state().ended)
}

impl MemorySource {
    /// Rows `from..to` of a split with the columns asked for.
    fn rows(&self, log: &[Delta], from: i64, to: i64) -> Result<Payload> {
        let mut rows = Vec::new();
        let mut at = 0;
        for delta in log {
            let next = at + delta.len() as i64;
            let (start, end) = (from.max(at), to.min(next));
            if start < end {
                rows.push(project(
                    &slice(delta, (start - at) as usize, (end - at) as usize),
                    &self.schema,
                )?);
            }
            at = next;
        }
        Ok(if rows.is_empty() { Payload::None } else { Payload::Rows(rows) })
    }
}

fn slice(delta: &Delta, from: usize, to: usize) -> Delta {
    let weights = match &delta.weights {
        Weights::Ones => Weights::Ones,
        Weights::Each(w) => Weights::Each(w[from..to].to_vec()),
    };
    Delta { rows: delta.rows.slice(from, to - from), weights }
}

fn project(delta: &Delta, schema: &SchemaRef) -> Result<Delta> {
    let own = delta.rows.schema();
    let index = |f: &std::sync::Arc<arrow::datatypes::Field>| own.index_of(f.name());
    let columns = schema.fields().iter().map(index).collect::<Result<Vec<_>, _>>()?;
    Ok(delta.with_rows(delta.rows.project(&columns)?))
}

/// Rows from `from` on that a budget admits.
fn admitted(log: &[Delta], from: i64, budget: &mut Budget) -> i64 {
    let (mut at, mut to) = (0, from);
    for delta in log {
        let next = at + delta.len() as i64;
        if next > to {
            let each = (delta.bytes() / delta.len().max(1)).max(1);
            let fits = budget.max_rows.min(budget.max_bytes / each) as i64;
            let taken = fits.min(next - to);
            to += taken;
            budget.max_rows -= taken as usize;
            budget.max_bytes -= taken as usize * each;
            if to < next {
                break;
            }
        }
        at = next;
    }
    to
}

#[async_trait]
impl Source for MemorySource {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        let mut left = budget;
        let mut splits = Vec::new();
        let store = self.store.clone();
        let state = store.state();
        let mut ended = state.ended;
        for (split, log) in &state.splits {
            let end: i64 = log.iter().map(|d| d.len() as i64).sum();
            let from = self.positions.get(split).copied().unwrap_or(0);
            let mut to = admitted(log, from, &mut left);
            if to == from && from < end && left.max_rows == budget.max_rows {
                // One row is always admitted, or a large one would stand for ever.
                (to, left) = (from + 1, Budget { max_rows: 0, max_bytes: 0 });
            }
            let payload = self.rows(log, from, to)?;
            self.positions.insert(split.clone(), to);
            ended &= to == end;
            let range = SplitRange { split: SplitId::new(split), from, to };
            splits.push(SplitInput { range, payload, caught_up: to == end });
        }
        Ok(Input { splits, ended })
    }

    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        let store = self.store.clone();
        let state = store.state();
        let mut splits = Vec::new();
        for range in ranges {
            let log = state.splits.get(&*range.split.0).map(Vec::as_slice).unwrap_or_default();
            let end: i64 = log.iter().map(|d| d.len() as i64).sum();
            if range.to > end {
                return Err(Error::corrupt(format!(
                    "{} was read up to {} and holds {end} rows only",
                    range.split, range.to
                )));
            }
            let payload = self.rows(log, range.from, range.to)?;
            self.positions.insert(range.split.to_string(), range.to);
            splits.push(SplitInput { range: range.clone(), payload, caught_up: range.to == end });
        }
        Ok(Input { splits, ended: false })
    }

    async fn release(&mut self, upto: &[SplitPosition]) -> Result<()> {
        let mut state = self.store.state();
        upto.iter().for_each(|p| state.release(&p.split.0, p.offset));
        Ok(())
    }
}
