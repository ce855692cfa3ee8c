//! Deduplication: one row per key, the first or the last, by arrival or by event time.
//!
//! Keep-first by arrival stores keys only and stays append-only; [`within`] is the one that forgets
//! keys by the watermark. The others keep the row.

use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{Keep, ReduceKind};

use self::within::OnTime;
use super::ReduceArgs;
use crate::column::ValueType;
use crate::ops::map::millis;
use crate::ops::rows::{RowCodec, by_arrival, columns_at, fields_at};
use crate::ops::ttl::Ttl;
use crate::ops::{Counts, Operator, StepCtx, StepOutput};
use crate::table::Table;

mod within;

/// When a key was last touched: the first column of every table here.
const TOUCHED: usize = 0;
const ROW: usize = 1;
const TIME: usize = 2;
const EMITTED: usize = 3;

/// The operator for a Dedup spec over append-only input.
pub fn build(args: ReduceArgs<'_>) -> Result<Box<dyn Operator>> {
    let (keep, time, within) = match args.spec.kind {
        ReduceKind::Dedup { keep, time } => (keep, time, None),
        ReduceKind::FirstWithin { time, by_time, after_ms } => {
            (Keep::First, by_time.then_some(time), Some((time, after_ms)))
        }
        _ => return Err(Error::bug("a Dedup is made for a dedup spec")),
    };
    if !args.input.append_only {
        return Err(Error::config(
            "deduplication over an updating input: order by a column with ROW_NUMBER() instead",
        )
        .at(args.node.label.clone()));
    }
    let values: &[ValueType] = match (keep, time) {
        (Keep::First, None) => &[ValueType::I64],
        (Keep::First, Some(_)) => {
            &[ValueType::I64, ValueType::Bytes, ValueType::I64, ValueType::I64]
        }
        (Keep::Last, _) => &[ValueType::I64, ValueType::Bytes, ValueType::I64],
    };
    let schema = args.input.schema.clone();
    let keys = args.spec.keys.clone();
    let dealt = args.dealt_by.iter().filter_map(|d| keys.iter().position(|k| k == d)).collect();
    let base = Base {
        table: Table::new("keys", fields_at(&schema, &keys), dealt, values)?,
        codec: RowCodec::new(schema.clone())?,
        schema,
        keys,
        ord: args.input.ord.clone(),
        late: args.input.late,
        ttl: Ttl::new(within.map_or(args.spec.ttl_ms, |(_, after_ms)| Some(after_ms))),
    };
    Ok(match (keep, time) {
        (Keep::First, None) => match within {
            None => Box::new(KeepFirst(base)),
            Some((time, _)) => Box::new(within::FirstWithin { base, time }),
        },
        (Keep::First, Some(time)) => {
            let by_watermark = within.is_some();
            Box::new(FirstByTime { base, time, by_watermark, pending: BTreeSet::new() })
        }
        (Keep::Last, time) => Box::new(KeepLast { base, time }),
    })
}

/// What all three have.
struct Base {
    table: Table,
    codec: RowCodec,
    schema: SchemaRef,
    keys: Vec<usize>,
    ord: Vec<usize>,
    late: Option<usize>,
    ttl: Ttl,
}

impl Base {
    /// The epoch's rows in arrival order.
    fn rows(&self, inputs: &[Vec<Delta>]) -> Result<Option<Delta>> {
        let Some(rows) = delta::concat(&self.schema, &inputs[0])? else { return Ok(None) };
        by_arrival(rows, &self.ord).map(Some)
    }

    fn touched(&self, group: u32) -> Millis {
        *self.table.columns[TOUCHED].i64().get(group)
    }
    fn touch(&mut self, group: u32, now: Millis) {
        *self.table.columns[TOUCHED].i64_mut().get_mut(group) = now;
        self.table.touch(group);
    }
    fn is_expired(&self, group: u32, now: Millis) -> bool {
        self.ttl.has_passed(self.touched(group), now)
    }

    fn sweep(&mut self, now: Millis) {
        if !self.ttl.sweep_is_due(now) {
            return;
        }
        let expired: Vec<u32> =
            self.table.groups().into_iter().filter(|g| self.is_expired(*g, now)).collect();
        expired.into_iter().for_each(|group| self.table.remove(group));
    }

    /// The groups of rows, and whether each row is the first of a new key.
    fn found(&mut self, rows: &Delta) -> Result<(Vec<u32>, Vec<bool>)> {
        let keys: Vec<ArrayRef> = columns_at(rows, &self.keys);
        let found = self.table.find_or_create(&keys, rows.len())?;
        let mut fresh = vec![false; rows.len()];
        found.created.iter().for_each(|row| fresh[*row as usize] = true);
        Ok((found.groups, fresh))
    }

    /// The same; the first row of an expired key is new as well.
    fn groups(&mut self, rows: &Delta, now: Millis) -> Result<(Vec<u32>, Vec<bool>)> {
        let (groups, mut fresh) = self.found(rows)?;
        for (row, group) in groups.iter().enumerate() {
            if fresh[row] {
                self.touch(*group, now);
            } else if self.ttl.is_set() && self.is_expired(*group, now) {
                fresh[row] = true;
                self.touch(*group, now);
            }
        }
        Ok((groups, fresh))
    }
}

/// The first arrival of each key.
struct KeepFirst(Base);

impl Operator for KeepFirst {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.0.sweep(ctx.now);
        let Some(rows) = self.0.rows(inputs)? else { return Ok(StepOutput::default()) };
        let (_, fresh) = self.0.groups(&rows, ctx.now)?;
        let first: Vec<u32> = (0..rows.len() as u32).filter(|row| fresh[*row as usize]).collect();
        let counts = Counts {
            rows_in: rows.len() as u64,
            rows_out: first.len() as u64,
            duplicates: (rows.len() - first.len()) as u64,
            ..Counts::default()
        };
        let out = match first.len() {
            0 => Vec::new(),
            n if n == rows.len() => vec![rows],
            _ => vec![rows.take(&first)?],
        };
        let rows = out.into_iter().map(|d| Delta::inserts(d.rows)).collect();
        Ok(StepOutput { rows, counts, ..StepOutput::default() })
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.0.table]
    }
}

/// The last arrival of each key, or the one with the largest event time (the later of equals).
struct KeepLast {
    base: Base,
    time: Option<usize>,
}

impl Operator for KeepLast {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.base.sweep(ctx.now);
        let Some(rows) = self.base.rows(inputs)? else { return Ok(StepOutput::default()) };
        let times = self.time.map(|c| millis(rows.column(c))).transpose()?;
        let times = times.as_ref().map(|t| t.as_primitive::<TimestampMillisecondType>());
        let time = |row: u32| match times {
            Some(times) if times.is_null(row as usize) => Millis::MIN,
            Some(times) => times.value(row as usize),
            None => 0,
        };
        let (groups, fresh) = self.base.groups(&rows, ctx.now)?;
        let mut by_group: Vec<(u32, u32)> = groups.into_iter().zip(0..).collect();
        by_group.sort_unstable();
        let mut replaced = Vec::new();
        for of_group in by_group.chunk_by(|a, b| a.0 == b.0) {
            let (group, first) = of_group[0];
            let is_new = fresh[first as usize];
            let stored = *self.base.table.columns[TIME].i64().get(group);
            let mut kept = (!is_new).then_some(stored);
            let mut best = None;
            for (_, row) in of_group {
                if kept.is_none_or(|kept| time(*row) >= kept) {
                    kept = Some(time(*row));
                    best = kept.map(|time| (*row, time));
                }
            }
            replaced.extend(best.map(|(row, time)| Replaced { group, is_new, row, time }));
        }
        self.replace(ctx, &rows, &replaced)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.base.table]
    }
}

/// A row of the epoch that is now its key's.
struct Replaced {
    group: u32,
    /// No row was kept before.
    is_new: bool,
    row: u32,
    time: Millis,
}

impl KeepLast {
    fn replace(&mut self, ctx: &StepCtx, rows: &Delta, all: &[Replaced]) -> Result<StepOutput> {
        let mut counts = Counts {
            rows_in: rows.len() as u64,
            duplicates: (rows.len() - all.len()) as u64,
            ..Counts::default()
        };
        if all.is_empty() {
            return Ok(StepOutput { counts, ..StepOutput::default() });
        }
        let blobs = self.base.table.columns[ROW].blobs();
        let before = all.iter().filter(|r| !r.is_new).filter_map(|r| blobs.get(r.group).as_deref());
        let before = self.base.codec.decode(before)?;
        let new = UInt32Array::from_iter_values(all.iter().map(|r| r.row));
        let new = compute::take_record_batch(&rows.rows, &new)?;
        let encoded = self.base.codec.encode(&new)?;
        let (mut places, mut weights) = (Vec::new(), Vec::new());
        let mut taken_back = 0;
        for (n, Replaced { group, is_new, time, .. }) in all.iter().enumerate() {
            if !is_new {
                places.push((0, taken_back));
                weights.push(-1);
                taken_back += 1;
            }
            places.push((1, n));
            weights.push(1);
            self.base.table.set_blob(ROW, *group, Some(encoded.row(n).data()));
            *self.base.table.columns[TIME].i64_mut().get_mut(*group) = *time;
            self.base.touch(*group, ctx.now);
        }
        counts.rows_out = places.len() as u64;
        let changes = match taken_back {
            0 => Delta::inserts(new),
            _ => Delta::new(compute::interleave_record_batch(&[&before, &new], &places)?, weights),
        };
        Ok(StepOutput { rows: vec![changes], counts, ..StepOutput::default() })
    }
}

/// The row with the smallest event time of each key, emitted once when the watermark passes it.
/// Rows before the watermark are late and dropped.
struct FirstByTime {
    base: Base,
    time: usize,
    /// Keys are forgotten by the watermark, not by the clock.
    by_watermark: bool,
    /// (time, group) of rows not emitted; derived from the table.
    pending: BTreeSet<(Millis, u32)>,
}

impl Operator for FirstByTime {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        if self.by_watermark {
            self.base.sweep(ctx.late_before);
        }
        if let Some(rows) = self.base.rows(inputs)? {
            self.hold(ctx, &rows, &mut out)?;
        }
        let mut due: Vec<u32> = Vec::new();
        while let Some((time, group)) = self.pending.first().copied() {
            if time > ctx.watermark {
                break;
            }
            self.pending.pop_first();
            due.push(group);
        }
        self.emit(due, &mut out)?;
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.base.table]
    }
    fn loaded(&mut self) -> Result<()> {
        self.pending.clear();
        for group in self.base.table.groups() {
            if *self.base.table.columns[EMITTED].i64().get(group) == 0 {
                let time = *self.base.table.columns[TIME].i64().get(group);
                self.pending.insert((time, group));
            }
        }
        Ok(())
    }
}

impl FirstByTime {
    fn hold(&mut self, ctx: &StepCtx, rows: &Delta, out: &mut StepOutput) -> Result<()> {
        let OnTime { rows, times, limits } = self.base.on_time(ctx, rows, self.time, out)?;
        let encoded = self.base.codec.encode(&rows.rows)?;
        let (groups, mut fresh) = match self.by_watermark {
            true => self.base.found(&rows)?,
            false => self.base.groups(&rows, ctx.now)?,
        };
        for (row, time) in times.iter().copied().enumerate() {
            let group = groups[row];
            let kept = *self.base.table.columns[TIME].i64().get(group);
            let emitted = *self.base.table.columns[EMITTED].i64().get(group) == 1;
            if self.by_watermark && !fresh[row] && self.base.ttl.has_passed(kept, limits[row]) {
                fresh[row] = true;
                if self.pending.remove(&(kept, group)) {
                    self.emit(vec![group], out)?;
                }
            }
            if !fresh[row] && (emitted || kept <= time) {
                out.counts.duplicates += 1;
                continue;
            }
            if !fresh[row] {
                self.pending.remove(&(kept, group));
                out.counts.duplicates += 1;
            }
            self.pending.insert((time, group));
            *self.base.table.columns[TIME].i64_mut().get_mut(group) = time;
            *self.base.table.columns[EMITTED].i64_mut().get_mut(group) = 0;
            self.base.table.set_blob(ROW, group, Some(encoded.row(row).data()));
            self.base.touch(group, if self.by_watermark { time } else { ctx.now });
        }
        Ok(())
    }

    /// Gives the rows of groups, which only their keys stay of.
    fn emit(&mut self, due: Vec<u32>, out: &mut StepOutput) -> Result<()> {
        if due.is_empty() {
            return Ok(());
        }
        let blobs = self.base.table.columns[ROW].blobs();
        let rows = due.iter().filter_map(|g| blobs.get(*g).as_deref());
        out.rows.push(Delta::inserts(self.base.codec.decode(rows)?));
        for group in due {
            *self.base.table.columns[EMITTED].i64_mut().get_mut(group) = 1;
            self.base.table.set_blob(ROW, group, None);
            self.base.table.touch(group);
            out.counts.rows_out += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
