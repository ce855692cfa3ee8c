//! What a row pattern keeps between epochs: the runs of each key, the rows that runs have taken,
//! and rows that wait for the watermark.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef};

use brooklet_core::Result;
use brooklet_core::time::Millis;

use super::runs::{Position, Runs};
use super::saved;
use crate::column::ValueType;
use crate::ops::rows::{RowCodec, fields_at};
use crate::ops::ttl::Ttl;
use crate::table::Table;

/// Columns of the runs.
const TOUCHED: usize = 0;
/// The position of the first row that is kept, and that of the next row to come.
const BASE: usize = 1;
const NEXT: usize = 2;
/// When the oldest run has lasted too long; the largest number: never.
const DEADLINE: usize = 3;
const RUNS: usize = 4;

/// Columns of the other two.
const ROW: usize = 0;
const TIME: usize = 1;

pub struct Kept {
    keys: Vec<usize>,
    schema: SchemaRef,
    codec: RowCodec,
    /// Of the runs.
    ttl: Ttl,
    pub runs: Table,
    /// By key and position.
    rows: Table,
    /// By key and number of arrival.
    waiting: Table,
    /// Derived from the tables.
    deadlines: BTreeSet<(Millis, u32)>,
    due: BTreeMap<Millis, Vec<u32>>,
    arrivals: i64,
}

/// The runs of a key as they are kept.
pub struct Loaded {
    pub runs: Runs,
    pub base: Position,
    /// One row of the table each.
    pub rows: Vec<u32>,
}

/// What a key keeps after a step.
pub struct Saving<'a> {
    pub group: u32,
    pub runs: &'a Runs,
    pub base: Position,
    pub next: Position,
    pub deadline: Option<Millis>,
}

impl Kept {
    pub fn new(
        schema: &SchemaRef,
        keys: &[usize],
        dealt_by: &[usize],
        ttl_ms: Option<Millis>,
    ) -> Result<Self> {
        let place = |column: &usize| keys.iter().position(|key| key == column);
        let dealt: Vec<usize> = dealt_by.iter().filter_map(place).collect();
        let mut fields = fields_at(schema, keys);
        let number = ValueType::I64;
        let of_runs = [number, number, number, number, ValueType::Bytes];
        let runs = Table::new("runs", fields.clone(), dealt.clone(), &of_runs)?;
        fields.push(Arc::new(Field::new("number", DataType::Int64, false)));
        let rows = Table::new("rows", fields.clone(), dealt.clone(), &[ValueType::Bytes])?;
        let of_waiting = [ValueType::Bytes, number];
        Ok(Kept {
            keys: keys.to_vec(),
            schema: schema.clone(),
            codec: RowCodec::new(schema.clone())?,
            ttl: Ttl::new(ttl_ms),
            runs,
            rows,
            waiting: Table::new("waiting", fields, dealt, &of_waiting)?,
            deadlines: BTreeSet::new(),
            due: BTreeMap::new(),
            arrivals: 0,
        })
    }

    fn keys_of(&self, rows: &RecordBatch, numbers: Vec<i64>) -> Vec<ArrayRef> {
        let mut keys: Vec<ArrayRef> = self.keys.iter().map(|k| rows.column(*k).clone()).collect();
        keys.push(Arc::new(Int64Array::from(numbers)));
        keys
    }

    /// Keeps rows until the watermark has reached their times.
    pub fn wait(&mut self, rows: &RecordBatch, times: &[Millis]) -> Result<()> {
        let first = self.arrivals;
        self.arrivals += rows.num_rows() as i64;
        let keys = self.keys_of(rows, (first..self.arrivals).collect());
        let groups = self.waiting.find_or_create(&keys, rows.num_rows())?.groups;
        let encoded = self.codec.encode(rows)?;
        for ((row, group), time) in groups.iter().enumerate().zip(times) {
            self.waiting.set_blob(ROW, *group, Some(encoded.row(row).data()));
            *self.waiting.columns[TIME].i64_mut().get_mut(*group) = *time;
            self.waiting.touch(*group);
            self.due.entry(*time).or_default().push(*group);
        }
        Ok(())
    }

    /// Takes out the rows that the watermark has reached: by time, then as they arrived.
    pub fn take_due(&mut self, watermark: Millis) -> Result<(RecordBatch, Vec<Millis>)> {
        let (mut groups, mut times) = (Vec::new(), Vec::new());
        while let Some(entry) = self.due.first_entry().filter(|e| *e.key() <= watermark) {
            let (time, mut of_time) = entry.remove_entry();
            if of_time.len() > 1 {
                let numbers = numbers(&self.waiting, &of_time)?;
                let mut order: Vec<usize> = (0..of_time.len()).collect();
                order.sort_unstable_by_key(|at| numbers[*at]);
                of_time = order.into_iter().map(|at| of_time[at]).collect();
            }
            times.resize(times.len() + of_time.len(), time);
            groups.extend(of_time);
        }
        let blobs = self.waiting.columns[ROW].blobs();
        let rows = self.codec.decode(groups.iter().filter_map(|g| blobs.get(*g).as_deref()))?;
        groups.into_iter().for_each(|group| {
            self.waiting.set_blob(ROW, group, None);
            self.waiting.remove(group);
        });
        Ok((rows, times))
    }

    /// Keys whose oldest run has lasted too long.
    pub fn overdue(&self, now: Millis) -> Vec<u32> {
        self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, group)| *group).collect()
    }

    /// The runs of keys, None for keys that have none, and the rows of all of them.
    pub fn load(
        &mut self,
        groups: &[u32],
        variables: usize,
        now: Millis,
    ) -> Result<(Vec<Option<Loaded>>, RecordBatch)> {
        let mut loaded = Vec::with_capacity(groups.len());
        let (mut of, mut positions) = (Vec::new(), Vec::new());
        for group in groups {
            if self.is_expired(*group, now) {
                self.forget_rows(*group)?;
                loaded.push(None);
                continue;
            }
            let Some(blob) = self.runs.columns[RUNS].blobs().get(*group) else {
                loaded.push(None);
                continue;
            };
            let runs = saved::decode(blob, variables)?;
            let (base, next) = (self.number(BASE, *group), self.number(NEXT, *group));
            positions.extend(base..next);
            of.resize(positions.len(), *group);
            loaded.push(Some(Loaded { runs, base: base as Position, rows: Vec::new() }));
        }
        let found = self.find_rows(&of, positions)?;
        let blobs = self.rows.columns[ROW].blobs();
        let rows = self.codec.decode(found.iter().filter_map(|g| blobs.get(*g).as_deref()))?;
        let mut rest = found.as_slice();
        for (group, loaded) in groups.iter().zip(&mut loaded) {
            let Some(loaded) = loaded else { continue };
            let count = (self.number(NEXT, *group) - self.number(BASE, *group)) as usize;
            let (mine, others) = rest.split_at(count.min(rest.len()));
            (loaded.rows, rest) = (mine.to_vec(), others);
        }
        Ok((loaded, rows))
    }

    /// Where the rows of keys at these positions are kept.
    fn find_rows(&self, of: &[u32], positions: Vec<i64>) -> Result<Vec<u32>> {
        let mut keys = self.runs.key_columns(of)?;
        keys.push(Arc::new(Int64Array::from(positions)));
        Ok(self.rows.find(&keys, of.len())?.into_iter().flatten().collect())
    }

    pub fn save(&mut self, saving: Saving<'_>, now: Millis) {
        let group = saving.group;
        let old = self.number(DEADLINE, group);
        self.deadlines.remove(&(old, group));
        let deadline = saving.deadline.unwrap_or(Millis::MAX);
        if deadline < Millis::MAX {
            self.deadlines.insert((deadline, group));
        }
        let numbers = [(TOUCHED, now), (BASE, saving.base as i64), (NEXT, saving.next as i64)];
        for (column, value) in numbers.into_iter().chain([(DEADLINE, deadline)]) {
            *self.runs.columns[column].i64_mut().get_mut(group) = value;
        }
        self.runs.set_blob(RUNS, group, Some(&saved::encode(saving.runs)));
        self.runs.touch(group);
    }

    /// Forgets a key that has no runs any more; its rows go by [`Kept::drop_rows`].
    pub fn forget(&mut self, group: u32) {
        let deadline = self.number(DEADLINE, group);
        self.deadlines.remove(&(deadline, group));
        self.runs.set_blob(RUNS, group, None);
        self.runs.remove(group);
    }

    /// Rows that runs have taken, at their positions.
    pub fn add_rows(&mut self, rows: &RecordBatch, positions: Vec<i64>) -> Result<()> {
        let keys = self.keys_of(rows, positions);
        let groups = self.rows.find_or_create(&keys, rows.num_rows())?.groups;
        let encoded = self.codec.encode(rows)?;
        for (row, group) in groups.into_iter().enumerate() {
            self.rows.set_blob(ROW, group, Some(encoded.row(row).data()));
            self.rows.touch(group);
        }
        Ok(())
    }

    pub fn drop_rows(&mut self, groups: &[u32]) {
        for group in groups {
            self.rows.set_blob(ROW, *group, None);
            self.rows.remove(*group);
        }
    }

    fn number(&self, column: usize, group: u32) -> i64 {
        *self.runs.columns[column].i64().get(group)
    }

    fn is_expired(&self, group: u32, now: Millis) -> bool {
        self.runs.columns[RUNS].blobs().get(group).is_some()
            && self.ttl.has_passed(self.number(TOUCHED, group), now)
    }

    fn forget_rows(&mut self, group: u32) -> Result<()> {
        let positions: Vec<i64> = (self.number(BASE, group)..self.number(NEXT, group)).collect();
        let found = self.find_rows(&vec![group; positions.len()], positions)?;
        self.drop_rows(&found);
        Ok(())
    }

    pub fn sweep(&mut self, now: Millis) -> Result<()> {
        if !self.ttl.sweep_is_due(now) {
            return Ok(());
        }
        for group in self.runs.groups() {
            if self.is_expired(group, now) {
                self.forget_rows(group)?;
                self.forget(group);
            }
        }
        Ok(())
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.runs, &mut self.rows, &mut self.waiting]
    }

    /// Everything that follows from the tables.
    pub fn loaded(&mut self) -> Result<()> {
        let of_runs = self.runs.groups().into_iter().map(|g| (self.number(DEADLINE, g), g));
        self.deadlines = of_runs.filter(|(at, _)| *at < Millis::MAX).collect();
        self.due.clear();
        let groups = self.waiting.groups();
        for group in &groups {
            let time = *self.waiting.columns[TIME].i64().get(*group);
            self.due.entry(time).or_default().push(*group);
        }
        let last = numbers(&self.waiting, &groups)?.into_iter().max();
        self.arrivals = last.map_or(0, |last| last + 1);
        Ok(())
    }
}

/// The last column of keys.
fn numbers(table: &Table, groups: &[u32]) -> Result<Vec<i64>> {
    let columns = table.key_columns(groups)?;
    let last = columns.last().map(|c| c.as_primitive::<Int64Type>().values().to_vec());
    Ok(last.unwrap_or_default())
}
