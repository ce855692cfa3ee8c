//! Groups with their accumulators: what an unbounded aggregate has one of and a window aggregate
//! one per open window.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;

use brooklet_core::{Delta, Result, Weights};
use brooklet_plan::node::{AggCall, AggFunc, Node};

use super::ReduceArgs;
use super::accumulator::{self, Batch, CallArgs, Placed};
use crate::column::{Cell, ValueType};
use crate::table::{Groups, Table};

/// What groups are made of; shared by all windows of an aggregate.
#[derive(Clone)]
pub struct GroupLayout {
    input: Arc<Node>,
    keys: Vec<usize>,
    calls: Vec<AggCall>,
    /// Positions in `keys`.
    dealt_by: Vec<usize>,
    /// How many of the last calls give the node's ord columns.
    ord_calls: usize,
    pub retracts: bool,
    touched: bool,
}

/// The group table's columns: the number of rows in the group (under retraction), when it was last
/// touched (with a TTL), then each call's state.
pub struct GroupSet {
    layout: GroupLayout,
    pub table: Table,
    calls: Vec<Placed>,
    /// As many ones as the largest batch had rows: the weights of insertions.
    ones: Vec<i64>,
}

impl GroupLayout {
    pub fn new(args: &ReduceArgs<'_>, calls: &[AggCall], touched: bool) -> Self {
        let keys = args.spec.keys.clone();
        let dealt_by =
            args.dealt_by.iter().filter_map(|d| keys.iter().position(|k| k == d)).collect();
        let mut calls = calls.to_vec();
        let ord_calls = args.node.ord.len();
        // The ord columns of a node are those of the last row that touched the group.
        calls.extend(args.input.ord.iter().take(ord_calls).map(|ord| AggCall {
            func: AggFunc::Max,
            args: vec![*ord],
            distinct: false,
            filter: None,
            ty: args.input.schema.field(*ord).data_type().clone(),
        }));
        let retracts = !args.input.append_only;
        let input = Arc::new(args.input.clone());
        GroupLayout { input, keys, calls, dealt_by, ord_calls, retracts, touched }
    }

    fn key_fields(&self) -> Vec<Arc<Field>> {
        Table::fields(&self.input.schema, &self.keys)
    }
}

impl GroupSet {
    /// No groups yet. `name` prefixes the names of its tables.
    pub fn new(layout: &GroupLayout, name: &str) -> Result<Self> {
        let mut values = Vec::new();
        values.extend(layout.retracts.then_some(ValueType::I64));
        values.extend(layout.touched.then_some(ValueType::I64));
        let args = layout.calls.iter().enumerate().map(|(number, call)| {
            let is_ord = number >= layout.calls.len() - layout.ord_calls;
            CallArgs {
                call,
                input: &layout.input.schema,
                keys: &layout.keys,
                dealt_by: &layout.dealt_by,
                ord: &layout.input.ord,
                retracts: layout.retracts && !is_ord,
                number,
            }
        });
        let calls = accumulator::build(&args.collect::<Vec<_>>(), values.len())?;
        values.extend(calls.iter().flat_map(|(call, _)| call.columns()));
        let dealt = layout.dealt_by.clone();
        let table = Table::new(format!("{name}groups"), layout.key_fields(), dealt, &values)?;
        let mut set = GroupSet { layout: layout.clone(), table, calls, ones: Vec::new() };
        for side in set.sides() {
            side.table.rename(format!("{name}{}", side.table.name()));
        }
        Ok(set)
    }

    fn sides(&mut self) -> impl Iterator<Item = &mut super::multiset::Multiset> {
        self.calls.iter_mut().filter_map(|(call, _)| call.side())
    }

    /// The group of each row, created where missing.
    pub fn find_or_create(&mut self, rows: &Delta) -> Result<Groups> {
        let keys = self.keys_of(rows);
        self.table.find_or_create(&keys, rows.len())
    }

    fn keys_of(&self, rows: &Delta) -> Vec<ArrayRef> {
        self.layout.keys.iter().map(|k| rows.column(*k).clone()).collect()
    }

    /// Adds rows to their groups.
    pub fn update(&mut self, rows: &Delta, groups: &[u32]) -> Result<()> {
        let keys = self.keys_of(rows);
        let weights: &[i64] = match &rows.weights {
            Weights::Each(weights) => weights,
            Weights::Ones => {
                if self.ones.len() < rows.len() {
                    self.ones.resize(rows.len(), 1);
                }
                &self.ones[..rows.len()]
            }
        };
        let columns = rows.rows.columns();
        let batch = Batch { groups, keys: &keys, columns, weights };
        if self.layout.retracts {
            let counts = self.table.columns[0].i64_mut();
            for (group, weight) in groups.iter().zip(weights) {
                *counts.get_mut(*group) += weight;
            }
        }
        for (call, place) in &mut self.calls {
            call.update(&batch, &mut self.table, place.start)?;
        }
        groups.iter().for_each(|g| self.table.touch(*g));
        Ok(())
    }

    /// Whether the group holds rows; only asked under retraction.
    pub fn is_filled(&self, group: u32) -> bool {
        !self.layout.retracts || *self.table.columns[0].i64().get(group) > 0
    }

    fn touched_column(&self) -> usize {
        usize::from(self.layout.retracts)
    }
    /// When the group was last touched; with a TTL only.
    pub fn last_touched(&self, group: u32) -> i64 {
        *self.table.columns[self.touched_column()].i64().get(group)
    }
    pub fn set_touched(&mut self, group: u32, now: i64) {
        let column = self.touched_column();
        *self.table.columns[column].i64_mut().get_mut(group) = now;
    }

    /// Forgets what the group holds and keeps the group.
    pub fn reset(&mut self, group: u32) {
        let key = self.table.key(group).to_vec();
        self.sides().for_each(|side| side.forget(&key));
        for column in &mut self.table.columns {
            column.reset(group);
        }
        self.table.touch(group);
    }

    /// Adds what another group of this set, or of one laid out like it, holds. `cells` are that
    /// group's columns.
    pub fn merge(&mut self, group: u32, cells: &[Cell]) -> Result<()> {
        if let (true, Cell::I64(count)) = (self.layout.retracts, &cells[0]) {
            *self.table.columns[0].i64_mut().get_mut(group) += count;
        }
        for (call, place) in &self.calls {
            call.merge(&mut self.table, place.start, group, &cells[place.clone()])?;
        }
        self.table.touch(group);
        Ok(())
    }

    /// Adds all groups of another set that is laid out like this one.
    pub fn absorb(&mut self, other: &GroupSet) -> Result<()> {
        let mut cells = Vec::new();
        for group in other.table.groups() {
            let into = self.table.find_or_create_encoded(other.table.key(group));
            other.cells(group, &mut cells);
            self.merge(into, &cells)?;
        }
        Ok(())
    }

    /// The columns of a group.
    pub fn cells(&self, group: u32, cells: &mut Vec<Cell>) {
        cells.clear();
        cells.extend(self.table.columns.iter().map(|column| column.cell(group)));
    }

    /// Removes a group whose values were all taken back.
    pub fn remove_empty(&mut self, group: u32) {
        self.table.remove(group);
    }

    /// Removes a group.
    pub fn remove(&mut self, group: u32) {
        let key = self.table.key(group).to_vec();
        self.sides().for_each(|side| side.forget(&key));
        self.table.remove(group);
    }

    /// Keys, results, then ord columns of these groups.
    pub fn rows(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.table.key_columns(groups)?;
        for (call, place) in &self.calls {
            columns.push(call.evaluate(&self.table, place.start, groups)?);
        }
        Ok(columns)
    }

    /// Results alone of these groups.
    pub fn results(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        let evaluate = |(call, place): &Placed| call.evaluate(&self.table, place.start, groups);
        self.calls.iter().map(evaluate).collect()
    }

    pub fn tables(&mut self) -> Vec<&mut Table> {
        let sides = self.calls.iter_mut().filter_map(|(call, _)| call.side());
        std::iter::once(&mut self.table).chain(sides.map(|s| &mut s.table)).collect()
    }

    pub fn loaded(&mut self) {
        self.sides().for_each(super::multiset::Multiset::loaded);
    }
}
