//! The whole result of a query: a sink that is given it instead of changes.
//!
//! Rows are kept with how often they stand in the result. They are handed over at the end of the
//! input or, where the result goes on, when the oldest change not handed over has the wanted age.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Field, SchemaRef};

use brooklet_core::sink::TableOutput;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Epoch, Error, Result};
use brooklet_plan::node::WholeResult;

use super::map::batch;
use super::reduce::multiset::Multiset;
use super::rows::one_by_one;
use super::sinks::SinkTable;
use super::stage::Moment;
use crate::column::ValueType;
use crate::table::Table;

const CHANGED_AT: usize = 0;

pub struct Whole {
    spec: WholeResult,
    schema: SchemaRef,
    rows: Multiset,
    /// One row, the time of the first change that was not handed over; none without such.
    waiting: Table,
    /// What becomes of the rows that are handed over.
    then: SinkTable,
}

impl Whole {
    /// `number` is the table's place in its Sink.
    pub fn new(
        number: usize,
        spec: WholeResult,
        schema: SchemaRef,
        then: SinkTable,
    ) -> Result<Self> {
        let name = format!("whole{number}");
        let rows = Multiset::new(name.clone(), &[], schema.fields(), Vec::new(), false)?;
        let key = vec![Arc::new(Field::new("one", DataType::Int32, false))];
        let waiting = Table::new(format!("{name}.waiting"), key, Vec::new(), &[ValueType::I64])?;
        Ok(Whole { spec, schema, rows, waiting, then })
    }

    /// Takes an epoch's changes; gives what the Sink hears of it.
    pub fn step(&mut self, moment: Moment, changes: Vec<Delta>) -> Result<TableOutput> {
        if self.spec.in_order {
            let output = self.then.step(moment, changes)?;
            return Ok(TableOutput { replaces: self.spec.replaces && moment.end, ..output });
        }
        for rows in changes.iter().filter(|d| !d.is_empty()) {
            self.rows.add(rows.rows.columns(), rows.weight_array().values())?;
            self.note(moment.now)?;
        }
        if !self.is_due(moment) {
            return Ok(TableOutput::default());
        }
        self.waiting.groups().into_iter().for_each(|group| self.waiting.remove(group));
        let rows = self.result(moment.epoch)?;
        let output = self.then.step(Moment { end: true, ..moment }, rows)?;
        Ok(TableOutput { replaces: self.spec.replaces, ..output })
    }

    fn note(&mut self, now: Millis) -> Result<()> {
        if self.waiting.is_empty() {
            let one: ArrayRef = Arc::new(Int32Array::from(vec![0]));
            let group = self.waiting.find_or_create(&[one], 1)?.groups[0];
            *self.waiting.columns[CHANGED_AT].i64_mut().get_mut(group) = now;
            self.waiting.touch(group);
        }
        Ok(())
    }

    /// The end of the input hands over also a result that is empty: it may replace another one.
    fn is_due(&self, moment: Moment) -> bool {
        match self.spec.every_ms {
            None => moment.end,
            Some(_) if moment.end => !self.waiting.is_empty(),
            Some(_) => self.next_due().is_some_and(|due| due <= moment.now),
        }
    }

    /// When the result is handed over, unless the input ends before; None when nothing waits.
    pub fn next_due(&self) -> Option<Millis> {
        let group = self.waiting.groups().first().copied()?;
        let changed_at = *self.waiting.columns[CHANGED_AT].i64().get(group);
        Some(changed_at.saturating_add(self.spec.every_ms?))
    }

    /// All rows, in the order of their values: however they came, the bytes are the same.
    fn result(&self, epoch: Epoch) -> Result<Vec<Delta>> {
        let table = &self.rows.table;
        let mut groups = table.groups();
        groups.sort_by(|a, b| -> Ordering { table.key(*a).cmp(table.key(*b)) });
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let counts: Vec<i64> = groups.iter().map(|g| *table.columns[0].i64().get(*g)).collect();
        if counts.iter().any(|count| *count < 0) {
            return Err(Error::bug("a row was taken back that was never given"));
        }
        let mut columns = table.key_columns(&groups)?;
        if let Some(column) = self.spec.epoch_column {
            let numbers: ArrayRef = Arc::new(Int64Array::from(vec![epoch.0 as i64; groups.len()]));
            columns[column] = compute::cast(&numbers, self.schema.field(column).data_type())?;
        }
        let rows: RecordBatch = batch(&self.schema, columns, groups.len())?;
        Ok(vec![one_by_one(Delta::new(rows, counts))?])
    }

    pub fn tables(&mut self) -> Vec<&mut Table> {
        let mut tables = vec![&mut self.rows.table, &mut self.waiting];
        tables.extend(self.then.tables());
        tables
    }

    /// The tables were loaded: rebuild what is derived from them.
    pub fn loaded(&mut self) -> Result<()> {
        self.then.loaded()
    }
}

#[cfg(test)]
mod tests;
