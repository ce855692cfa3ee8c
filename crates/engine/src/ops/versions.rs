//! Temporal join in event time: each left row meets its key's version at its time.
//!
//! The left side's rows come through a Gate, when the watermark has reached them; the right side's
//! come as they arrive and are kept by key and time. Of the versions below the watermark only the
//! newest is kept. A left row sees the versions that had arrived when it was due, wherever the
//! input was cut into epochs.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray, Int64Array, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Field, Int64Type, Schema, SchemaRef, TimestampMillisecondType};
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;
use std::sync::Arc;

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{JoinKind, JoinSpec, Node, Retain, VersionSpec};

use super::exprs::Prepared;
use super::filter::passing;
use super::map::{batch, millis};
use super::rows::{RowCodec, any_null, by_arrival, columns_at, fields_at};
use super::ttl::Ttl;
use super::{BadRows, Counts, Operator, StepCtx, StepOutput};
use crate::column::{Blob, ValueType};
use crate::table::Table;

const ROW: usize = 0;
/// Whether the key has a row from then on.
const ALIVE: usize = 1;
const TOUCHED: usize = 2;

pub struct TemporalJoin {
    outer: bool,
    keys: [Vec<usize>; 2],
    spec: VersionSpec,
    filter: Option<Prepared>,
    sides: [SchemaRef; 2],
    ords: [Vec<usize>; 2],
    schema: SchemaRef,
    both: SchemaRef,
    codec: RowCodec,
    key_codec: RowConverter,
    ttl: Ttl,
    /// Key and time → row.
    table: Table,
    /// By key, then by time; derived.
    versions: HashMap<Box<[u8]>, BTreeMap<Millis, u32>, foldhash::fast::FixedState>,
    /// Keys by the times of versions that the watermark has not passed; derived.
    ahead: BTreeMap<Millis, Vec<Box<[u8]>>>,
    sets_bad_aside: bool,
}

/// Rows of one side with what is judged of them.
struct Rows {
    rows: Delta,
    keys: Vec<Option<Box<[u8]>>>,
    times: Vec<Option<Millis>>,
    /// The watermark that each row saw.
    seen: Vec<Millis>,
}

impl TemporalJoin {
    /// `dealt_by`: columns of the right side that decide the shard.
    pub fn new(
        spec: &JoinSpec,
        versions: &VersionSpec,
        node: &Node,
        inputs: [&Node; 2],
        dealt_by: Vec<usize>,
    ) -> Result<Self> {
        let keys: [Vec<usize>; 2] =
            [spec.on.iter().map(|(l, _)| *l).collect(), spec.on.iter().map(|(_, r)| *r).collect()];
        let [left, right] = [&inputs[0].schema, &inputs[1].schema];
        let both: Vec<Arc<Field>> = left.fields().iter().chain(right.fields()).cloned().collect();
        let both: SchemaRef = Arc::new(Schema::new(both));
        let prepare = |f| Prepared::new(std::slice::from_ref(f), &both, &node.label);
        let sort = |c: &usize| SortField::new(right.field(*c).data_type().clone());
        let dealt = dealt_by.iter().filter_map(|d| keys[1].iter().position(|k| k == d)).collect();
        let mut fields = fields_at(right, &keys[1]);
        fields.push(Arc::new(Field::new("version", arrow::datatypes::DataType::Int64, false)));
        let values = [ValueType::Bytes, ValueType::I64, ValueType::I64];
        Ok(TemporalJoin {
            outer: spec.kind == JoinKind::Left,
            spec: versions.clone(),
            filter: spec.filter.as_ref().map(prepare).transpose()?,
            sides: [left.clone(), right.clone()],
            ords: inputs.map(|input| input.ord.clone()),
            schema: node.schema.clone(),
            codec: RowCodec::new(right.clone())?,
            key_codec: RowConverter::new(keys[1].iter().map(sort).collect())?,
            ttl: Ttl::new(match spec.retain[1] {
                Retain::Idle { ms } => Some(ms),
                _ => None,
            }),
            table: Table::new("versions", fields, dealt, &values)?,
            keys,
            both,
            versions: HashMap::default(),
            ahead: BTreeMap::new(),
            sets_bad_aside: false,
        })
    }

    /// Pairs that the condition fails on do not match and are set aside.
    pub fn setting_bad_rows_aside(self, sets_bad_aside: bool) -> Self {
        TemporalJoin { sets_bad_aside, ..self }
    }

    fn rows(&self, side: usize, ctx: &StepCtx, deltas: &[Delta]) -> Result<Option<Rows>> {
        let Some(rows) = delta::concat(&self.sides[side], deltas)? else { return Ok(None) };
        let rows = by_arrival(rows, &self.ords[side])?;
        let columns = columns_at(&rows, &self.keys[side]);
        let nulls = any_null(&columns, rows.len());
        let encoded = self.key_codec.convert_columns(&columns)?;
        let key = |row: usize| (!nulls[row]).then(|| Box::from(encoded.row(row).data()));
        let times = millis(rows.column(self.spec.times[side]))?;
        let times = times.as_primitive::<TimestampMillisecondType>().iter().collect();
        let seen = match self.spec.late[side] {
            Some(c) => rows.column(c).as_primitive::<Int64Type>().values().to_vec(),
            None => vec![ctx.late_before; rows.len()],
        };
        Ok(Some(Rows { keys: (0..rows.len()).map(key).collect(), times, seen, rows }))
    }

    /// The groups of all rows' keys and times.
    fn groups(&mut self, right: &Rows) -> Result<Vec<u32>> {
        let mut columns = columns_at(&right.rows, &self.keys[1]);
        let times = right.times.iter().map(|time| time.unwrap_or(Millis::MIN));
        columns.push(Arc::new(Int64Array::from_iter_values(times)));
        Ok(self.table.find_or_create(&columns, right.rows.len())?.groups)
    }

    /// Makes a row its key's version from its time on.
    fn add(&mut self, ctx: &StepCtx, right: &Rows, row: usize, encoded: &[u8], group: u32) {
        let (Some(key), Some(time)) = (&right.keys[row], right.times[row]) else { return };
        let of_key = self.versions.entry(key.clone()).or_default();
        if of_key.insert(time, group).is_none() {
            self.ahead.entry(time).or_default().push(key.clone());
        }
        let alive = i64::from(right.rows.weight(row) > 0);
        *self.table.columns[ALIVE].i64_mut().get_mut(group) = alive;
        *self.table.columns[TOUCHED].i64_mut().get_mut(group) = ctx.now;
        self.table.set_blob(ROW, group, Some(encoded));
        self.table.touch(group);
    }

    /// Whether the row says only what the next one replaces: the first half of an update.
    fn is_replaced(&self, right: &Rows, row: usize) -> bool {
        let next = row + 1;
        let [first, ..] = self.ords[1].as_slice() else { return false };
        let ord = |row: usize| right.rows.column(*first).as_primitive::<Int64Type>().value(row);
        right.rows.weight(row) < 0
            && next < right.rows.len()
            && right.rows.weight(next) > 0
            && right.keys[row] == right.keys[next]
            && ord(next) <= ord(row) + 1
    }

    /// Whether a version comes after a newer one of its key.
    fn is_old(&self, right: &Rows, row: usize) -> bool {
        let newest = right.keys[row].as_ref().and_then(|key| self.versions.get(key));
        let newest = newest.and_then(|of_key| of_key.last_key_value());
        self.spec.newest_only && newest.is_some_and(|(time, _)| right.times[row] < Some(*time))
    }

    /// The version that a left row meets. A row that came behind the watermark does not meet one
    /// that a newer one below the watermark had replaced.
    fn met(&mut self, ctx: &StepCtx, left: &Rows, row: usize) -> Option<Blob> {
        let (key, time) = (left.keys[row].as_ref()?, left.times[row]?);
        let of_key = self.versions.get(key)?;
        if self.ttl.is_set() {
            let touched = |g: &u32| *self.table.columns[TOUCHED].i64().get(*g);
            if of_key.values().all(|g| self.ttl.has_passed(touched(g), ctx.now)) {
                return None;
            }
            for group in of_key.values() {
                *self.table.columns[TOUCHED].i64_mut().get_mut(*group) = ctx.now;
                self.table.touch(*group);
            }
        }
        let (found, group) = of_key.range(..=time).next_back()?;
        let replaced = of_key.range(found + 1..).next();
        if replaced.is_some_and(|(newer, _)| *newer <= left.seen[row]) {
            return None;
        }
        let alive = *self.table.columns[ALIVE].i64().get(*group) == 1;
        alive.then(|| self.table.columns[ROW].blobs().get(*group).clone()).flatten()
    }

    /// Both sides in the order in which the watermark let them: what each left row meets.
    fn meet(
        &mut self,
        ctx: &StepCtx,
        left: Option<&Rows>,
        right: Option<&Rows>,
    ) -> Result<Vec<(u32, Option<Blob>)>> {
        let due = |row: &usize| {
            left.map_or(Millis::MAX, |left| {
                let seen = left.seen[*row];
                left.times[*row].map_or(Millis::MAX, |time| time.max(seen.saturating_add(1)))
            })
        };
        let mut waiting: Vec<usize> = (0..left.map_or(0, |left| left.rows.len())).collect();
        waiting.sort_by_key(due);
        let mut waiting = waiting.into_iter().peekable();
        let mut met = Vec::new();
        if let Some(right) = right {
            let encoded = self.codec.encode(&right.rows.rows)?;
            let groups = self.groups(right)?;
            for (row, group) in groups.iter().enumerate() {
                while let (Some(next), Some(left)) =
                    (waiting.next_if(|next| due(next) <= right.seen[row]), left)
                {
                    met.push((next as u32, self.met(ctx, left, next)));
                }
                if self.is_replaced(right, row) || self.is_old(right, row) {
                    continue;
                }
                self.add(ctx, right, row, encoded.row(row).data(), *group);
            }
            // Of rows that gave no version.
            for group in groups {
                if self.table.columns[ROW].blobs().get(group).is_none() {
                    self.table.remove(group);
                }
            }
        }
        if let Some(left) = left {
            met.extend(waiting.map(|next| (next as u32, self.met(ctx, left, next))));
        }
        Ok(met)
    }

    /// Left rows beside what they met, and those of an outer join that met nothing.
    fn joined(
        &self,
        left: &Rows,
        met: Vec<(u32, Option<Blob>)>,
        bad: &mut Vec<BadRows>,
    ) -> Result<Vec<Delta>> {
        let (mut rows, mut blobs, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for (row, blob) in met {
            match blob {
                Some(blob) => {
                    rows.push(row);
                    blobs.push(blob);
                }
                None => alone.push(row),
            }
        }
        let mut out = Vec::new();
        if !rows.is_empty() {
            let right = self.codec.decode(blobs.iter().map(|blob| &**blob))?;
            let taken =
                compute::take_record_batch(&left.rows.rows, &UInt32Array::from(rows.clone()))?;
            let columns = taken.columns().iter().chain(right.columns()).cloned().collect();
            let mut pairs = Delta::inserts(batch(&self.both, columns, rows.len())?);
            if let Some(filter) = &self.filter {
                let (keep, failed) = passing(filter, &pairs, self.sets_bad_aside)?;
                bad.extend(failed);
                let kept: Vec<u32> = (0..rows.len() as u32).filter(|i| keep[*i as usize]).collect();
                alone.extend((0..rows.len()).filter(|i| !keep[*i]).map(|i| rows[i]));
                pairs = pairs.take(&kept)?;
            }
            if !pairs.is_empty() {
                let columns = pairs.rows.columns().to_vec();
                out.push(Delta::inserts(batch(&self.schema, columns, pairs.len())?));
            }
        }
        if self.outer && !alone.is_empty() {
            alone.sort_unstable();
            let len = alone.len();
            let taken = compute::take_record_batch(&left.rows.rows, &UInt32Array::from(alone))?;
            let null = |f: &Arc<Field>| arrow::array::new_null_array(f.data_type(), len);
            let nulls = self.sides[1].fields().iter().map(null);
            let columns: Vec<ArrayRef> = taken.columns().iter().cloned().chain(nulls).collect();
            out.push(Delta::inserts(batch(&self.schema, columns, len)?));
        }
        Ok(out)
    }

    /// Forgets the versions that a newer one below the watermark has replaced.
    fn forget(&mut self, watermark: Millis) {
        while let Some(entry) = self.ahead.first_entry() {
            if *entry.key() > watermark {
                break;
            }
            for key in entry.remove() {
                let Some(of_key) = self.versions.get_mut(&key) else { continue };
                let passed: Vec<Millis> = of_key.range(..=watermark).map(|(t, _)| *t).collect();
                for time in passed.iter().rev().skip(1) {
                    let group = of_key.remove(time);
                    group.into_iter().for_each(|group| self.table.remove(group));
                }
            }
        }
    }

    /// Forgets keys that nothing touched for the TTL.
    fn sweep(&mut self, now: Millis) {
        if !self.ttl.sweep_is_due(now) {
            return;
        }
        let (table, ttl) = (&mut self.table, &self.ttl);
        self.versions.retain(|_, of_key| {
            let touched = |g: &u32| *table.columns[TOUCHED].i64().get(*g);
            let idle = of_key.values().all(|g| ttl.has_passed(touched(g), now));
            if idle {
                of_key.values().for_each(|group| table.remove(*group));
            }
            !idle
        });
    }
}

impl Operator for TemporalJoin {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let left = self.rows(0, ctx, &inputs[0])?;
        let right = self.rows(1, ctx, &inputs[1])?;
        let mut out = StepOutput::default();
        let met = self.meet(ctx, left.as_ref(), right.as_ref())?;
        if let Some(left) = &left {
            out.rows = self.joined(left, met, &mut out.bad)?;
        }
        self.forget(ctx.watermark);
        self.sweep(ctx.now);
        let count = |rows: &Option<Rows>| rows.as_ref().map_or(0, |r| r.rows.len() as u64);
        out.counts = Counts {
            rows_in: count(&left) + count(&right),
            rows_out: out.rows.iter().map(|d| d.len() as u64).sum(),
            bad: out.bad.iter().map(|b| b.rows.len() as u64).sum(),
            ..Counts::default()
        };
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table]
    }
    fn loaded(&mut self) -> Result<()> {
        self.versions.clear();
        self.ahead.clear();
        let groups = self.table.groups();
        let mut columns = self.table.key_columns(&groups)?;
        let times = columns.pop().ok_or_else(|| Error::bug("a version has a time"))?;
        let times = times.as_primitive::<Int64Type>();
        let encoded = self.key_codec.convert_columns(&columns)?;
        for (row, group) in groups.into_iter().enumerate() {
            let key: Box<[u8]> = encoded.row(row).data().into();
            let time = times.value(row);
            self.versions.entry(key.clone()).or_default().insert(time, group);
            self.ahead.entry(time).or_default().push(key);
        }
        Ok(())
    }
}
