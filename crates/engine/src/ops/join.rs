//! Join: dL ⋈ R, then L ⋈ dR with dL already in L.
//!
//! Each side keeps its rows in a table (row → weight) with an index by join key derived from it;
//! for `a = b OR c = d` one of each, and a condition without equalities meets every row.
//! Outer, semi and anti joins keep per row how many rows of the other side match it and pad (or
//! show, or hide) the row when that count leaves or reaches zero.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{SchemaRef, TimestampMillisecondType};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Result};
use brooklet_plan::node::{JoinKind, JoinSpec, JoinTime, Node, Retain};

use super::exprs::Prepared;
use super::filter::passing;
use super::map::{batch, millis};
use super::rows::{fields_at, in_turn, one_by_one};
use super::ttl::Ttl;
use super::{BadRows, Counts, Operator, StepCtx, StepOutput};
use crate::column::ValueType;
use crate::table::Table;

mod index;
mod interval;

use index::{Index, Keys};
use interval::Interval;

const WEIGHT: usize = 0;
const MATCHES: usize = 1;
const TOUCHED: usize = 2;
/// Pairs that are tried at a time where each row meets all of the other side.
const MAX_PAIRS: usize = 1 << 20;

pub struct Join {
    kind: JoinKind,
    filter: Option<Prepared>,
    sides: [Side; 2],
    schema: SchemaRef,
    /// Left ++ right, for the filter.
    both: SchemaRef,
    append_only: bool,
    /// Set for interval joins.
    interval: Option<Interval>,
    sets_bad_aside: bool,
    /// Pairs of this step that the filter failed on.
    bad: Vec<BadRows>,
}

/// One input's rows.
struct Side {
    schema: SchemaRef,
    retain: Retain,
    table: Table,
    /// Rows meet when they have the key of one of them in common.
    indexes: Vec<Index>,
    /// Rows by the time they may be forgotten; only where `retain` names one.
    expiry: BTreeMap<Millis, Vec<u32>>,
    /// Set with `Retain::Idle`.
    ttl: Ttl,
}

/// Pairs of a changed row and a stored row of the other side, with the product of the weights.
#[derive(Default)]
struct Pairs {
    changed: Vec<u32>,
    stored: Vec<u32>,
}

impl Join {
    /// `dealt_by`: columns of each side that decide the shard.
    pub fn new(
        spec: &JoinSpec,
        node: &Node,
        inputs: [&Node; 2],
        dealt_by: [Vec<usize>; 2],
    ) -> Result<Self> {
        let on = |side: fn(&(usize, usize)) -> usize| -> Vec<Vec<usize>> {
            match spec.either.is_empty() {
                true => vec![spec.on.iter().map(side).collect()],
                false => spec.either.iter().map(|pair| vec![side(pair)]).collect(),
            }
        };
        let (on_left, on_right) = (on(|(l, _)| *l), on(|(_, r)| *r));
        let [dealt_left, dealt_right] = dealt_by;
        let fields: Vec<_> =
            inputs.iter().flat_map(|n| n.schema.fields().iter().cloned()).collect();
        let both = std::sync::Arc::new(arrow::datatypes::Schema::new(fields));
        let prepare = |f| Prepared::new(std::slice::from_ref(f), &both, &node.label);
        let indexes = |side: usize, on: Vec<Vec<usize>>| -> Result<Vec<Index>> {
            let schema = &inputs[side].schema;
            on.into_iter().map(|on| Index::new(schema, on, spec.nulls_match)).collect()
        };
        Ok(Join {
            kind: spec.kind,
            filter: spec.filter.as_ref().map(prepare).transpose()?,
            sides: [
                Side::new("left", inputs[0], indexes(0, on_left)?, dealt_left, spec.retain[0])?,
                Side::new("right", inputs[1], indexes(1, on_right)?, dealt_right, spec.retain[1])?,
            ],
            schema: node.schema.clone(),
            both,
            append_only: node.append_only,
            interval: match &spec.time {
                JoinTime::Interval { late, lag_ms } => {
                    Some(Interval::new(*late, *lag_ms, spec.retain, node, inputs))
                }
                _ => None,
            },
            sets_bad_aside: false,
            bad: Vec::new(),
        })
    }

    /// Pairs that the filter fails on do not match and are set aside, instead of failing the
    /// pipeline.
    pub fn setting_bad_rows_aside(self, sets_bad_aside: bool) -> Self {
        Join { sets_bad_aside, ..self }
    }

    /// Changes of one side in portions that make no more pairs than memory can bear.
    fn portions(&self, side: usize, rows: Delta) -> Result<Vec<Delta>> {
        let other = &self.sides[1 - side];
        let most = (MAX_PAIRS / other.table.len().max(1)).max(1);
        if !other.meets_all() || rows.len() <= most {
            return Ok(vec![rows]);
        }
        let all: Vec<u32> = (0..rows.len() as u32).collect();
        all.chunks(most).map(|portion| rows.take(portion)).collect()
    }

    /// Joins changes of one side with what the other holds; then they become part of their side.
    fn change(
        &mut self,
        ctx: &StepCtx,
        side: usize,
        rows: &Delta,
        out: &mut Vec<Delta>,
    ) -> Result<()> {
        let keys = self.sides[side].keys(rows)?;
        let pairs = self.sides[1 - side].candidates(&keys, rows.len(), ctx.now);
        let (mut pairs, mut joined) = self.matching(side, rows, pairs)?;
        if let Some(interval) = &self.interval {
            let met = interval.met(ctx, &joined)?;
            joined = compute::take_record_batch(&joined, &UInt32Array::from(met.clone()))?;
            let pick = |v: &[u32]| met.iter().map(|i| v[*i as usize]).collect();
            pairs = Pairs { changed: pick(&pairs.changed), stored: pick(&pairs.stored) };
            joined = interval.seen(ctx, joined)?;
        }
        let stored_weight = |g: &u32| *self.sides[1 - side].table.columns[WEIGHT].i64().get(*g);
        let weights: Vec<i64> = pairs
            .changed
            .iter()
            .zip(&pairs.stored)
            .map(|(c, g)| rows.weight(*c as usize) * stored_weight(g))
            .collect();
        let mut matches = vec![0i64; rows.len()];
        for (changed, group) in pairs.changed.iter().zip(&pairs.stored) {
            matches[*changed as usize] += stored_weight(group);
        }
        if !self.is_one_sided() && joined.num_rows() > 0 {
            let columns = joined.columns().to_vec();
            out.push(Delta::new(batch(&self.schema, columns, weights.len())?, weights));
        }
        self.rematch_other(side, rows, &pairs, out)?;
        self.show_unmatched(side, rows, &matches, out)?;
        self.sides[side].insert(ctx, rows, &keys, &matches)
    }

    /// The pairs that also pass the filter, and their columns left ++ right.
    fn matching(
        &mut self,
        side: usize,
        rows: &Delta,
        pairs: Pairs,
    ) -> Result<(Pairs, RecordBatch)> {
        let take = UInt32Array::from(pairs.changed.clone());
        let changed = compute::take_record_batch(&rows.rows, &take)?.columns().to_vec();
        let stored = self.sides[1 - side].rows(&pairs.stored)?;
        let columns: Vec<ArrayRef> = match side {
            0 => changed.into_iter().chain(stored).collect(),
            _ => stored.into_iter().chain(changed).collect(),
        };
        let joined = batch(&self.both, columns, pairs.changed.len())?;
        let Some(filter) = &self.filter else { return Ok((pairs, joined)) };
        if pairs.changed.is_empty() {
            return Ok((pairs, joined));
        }
        let stored = |g: &u32| *self.sides[1 - side].table.columns[WEIGHT].i64().get(*g);
        let each = pairs.changed.iter().zip(&pairs.stored);
        let weights = each.map(|(c, g)| rows.weight(*c as usize) * stored(g)).collect();
        let joined = Delta::new(joined, weights);
        let (keep, bad) = passing(filter, &joined, self.sets_bad_aside)?;
        self.bad.extend(bad);
        let kept: Vec<u32> = (0..keep.len()).filter(|i| keep[*i]).map(|i| i as u32).collect();
        let pick = |v: &[u32]| kept.iter().map(|i| v[*i as usize]).collect();
        let passed = Pairs { changed: pick(&pairs.changed), stored: pick(&pairs.stored) };
        Ok((passed, joined.take(&kept)?.rows))
    }

    /// Only rows of the left side come out.
    fn is_one_sided(&self) -> bool {
        matches!(self.kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark)
    }

    fn counts_matches(&self, side: usize) -> bool {
        match self.kind {
            JoinKind::Inner => false,
            JoinKind::Left | JoinKind::Semi | JoinKind::Anti | JoinKind::Mark => side == 0,
            JoinKind::Right => side == 1,
            JoinKind::Full => true,
        }
    }

    /// Rows of the other side whose number of matches left or reached zero.
    fn rematch_other(
        &mut self,
        side: usize,
        rows: &Delta,
        pairs: &Pairs,
        out: &mut Vec<Delta>,
    ) -> Result<()> {
        let other = 1 - side;
        if !self.counts_matches(other) {
            return Ok(());
        }
        let mut before: BTreeMap<u32, i64> = BTreeMap::new();
        for (changed, group) in pairs.changed.iter().zip(&pairs.stored) {
            let table = &mut self.sides[other].table;
            let matches = table.columns[MATCHES].i64_mut().get_mut(*group);
            before.entry(*group).or_insert(*matches);
            *matches += rows.weight(*changed as usize);
            table.touch(*group);
        }
        if self.interval.is_some() {
            return Ok(());
        }
        let table = &self.sides[other].table;
        let (mut groups, mut weights) = (Vec::new(), Vec::new());
        for (group, before) in before {
            let after = *table.columns[MATCHES].i64().get(group);
            let turned = i64::from(after > 0) - i64::from(before > 0);
            if turned != 0 {
                let shown = if self.kind == JoinKind::Semi { turned } else { -turned };
                groups.push(group);
                weights.push(shown * *table.columns[WEIGHT].i64().get(group));
            }
        }
        if groups.is_empty() {
            return Ok(());
        }
        let columns = self.sides[other].rows(&groups)?;
        if self.kind == JoinKind::Mark {
            let marks: Vec<bool> = weights.iter().map(|turned| *turned < 0).collect();
            let unmarked = marks.iter().map(|mark| !mark).collect();
            let each = groups.iter().map(|g| *table.columns[WEIGHT].i64().get(*g));
            let (added, taken) = each.map(|weight| (weight, -weight)).unzip();
            out.push(Delta::new(self.marked(columns.clone(), unmarked)?, taken));
            out.push(Delta::new(self.marked(columns, marks)?, added));
            return Ok(());
        }
        out.push(Delta::new(self.padded(other, columns, groups.len())?, weights));
        Ok(())
    }

    /// Changed rows that have no match (or, for Semi, that have one).
    fn show_unmatched(
        &self,
        side: usize,
        rows: &Delta,
        matches: &[i64],
        out: &mut Vec<Delta>,
    ) -> Result<()> {
        if !self.counts_matches(side) || self.interval.is_some() {
            return Ok(());
        }
        if self.kind == JoinKind::Mark {
            let marks = matches.iter().map(|m| *m > 0).collect();
            let columns = rows.rows.columns().to_vec();
            out.push(rows.with_rows(self.marked(columns, marks)?));
            return Ok(());
        }
        let wanted = |m: i64| if self.kind == JoinKind::Semi { m > 0 } else { m == 0 };
        let shown: Vec<u32> =
            (0..rows.len() as u32).filter(|row| wanted(matches[*row as usize])).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let shown = rows.take(&shown)?;
        let columns = shown.rows.columns().to_vec();
        out.push(shown.with_rows(self.padded(side, columns, shown.len())?));
        Ok(())
    }

    /// Left rows with whether they have a match.
    fn marked(&self, mut columns: Vec<ArrayRef>, marks: Vec<bool>) -> Result<RecordBatch> {
        let rows = marks.len();
        columns.push(std::sync::Arc::new(BooleanArray::from(marks)));
        batch(&self.schema, columns, rows)
    }

    /// A row of one side with NULLs for the other; the row alone for Semi and Anti.
    fn padded(&self, side: usize, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
        if self.is_one_sided() {
            return batch(&self.schema, columns, rows);
        }
        let other = &self.sides[1 - side].schema;
        let nulls =
            other.fields().iter().map(|f| arrow::array::new_null_array(f.data_type(), rows));
        let columns = match side {
            0 => columns.into_iter().chain(nulls).collect(),
            _ => nulls.chain(columns).collect(),
        };
        batch(&self.schema, columns, rows)
    }
}

impl Side {
    fn new(
        name: &str,
        input: &Node,
        indexes: Vec<Index>,
        dealt_by: Vec<usize>,
        retain: Retain,
    ) -> Result<Self> {
        let schema = &input.schema;
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let values = [ValueType::I64, ValueType::I64, ValueType::I64];
        Ok(Side {
            table: Table::new(name, fields_at(schema, &all), dealt_by, &values)?,
            schema: schema.clone(),
            retain,
            indexes,
            expiry: BTreeMap::new(),
            ttl: Ttl::new(match retain {
                Retain::Idle { ms } => Some(ms),
                _ => None,
            }),
        })
    }

    /// The keys of the rows, for each index.
    fn keys(&self, rows: &Delta) -> Result<Vec<Keys>> {
        self.indexes.iter().map(|index| index.keys(rows)).collect()
    }

    /// Every stored row with an equal key, for each row of the other side.
    fn candidates(&self, keys: &[Keys], rows: usize, now: Millis) -> Pairs {
        let mut pairs = Pairs::default();
        let mut met: Vec<u32> = Vec::new();
        for row in 0..rows {
            met.clear();
            for (index, keys) in self.indexes.iter().zip(keys) {
                met.extend(index.get(keys.get(row)));
            }
            if self.indexes.len() > 1 {
                met.sort_unstable();
                met.dedup();
            }
            for group in met.iter().filter(|group| !self.is_expired(**group, now)) {
                pairs.changed.push(row as u32);
                pairs.stored.push(*group);
            }
        }
        pairs
    }

    /// Every stored row is a candidate for every other.
    fn meets_all(&self) -> bool {
        self.indexes.iter().any(Index::is_of_all)
    }

    fn is_expired(&self, group: u32, now: Millis) -> bool {
        self.ttl.has_passed(*self.table.columns[TOUCHED].i64().get(group), now)
    }

    fn rows(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        self.table.key_columns(groups)
    }

    fn insert(
        &mut self,
        ctx: &StepCtx,
        rows: &Delta,
        keys: &[Keys],
        matches: &[i64],
    ) -> Result<()> {
        let found = self.table.find_or_create(rows.rows.columns(), rows.len())?;
        let expiry = self.expiry_of(rows)?;
        let mut fresh = vec![false; rows.len()];
        found.created.iter().for_each(|row| fresh[*row as usize] = true);
        for (row, group) in found.groups.iter().enumerate() {
            if !fresh[row] && self.is_expired(*group, ctx.now) {
                self.unlink(*group, keys, row);
                *self.table.columns[WEIGHT].i64_mut().get_mut(*group) = 0;
                fresh[row] = true;
            }
            // What is taken back was forgotten before.
            if fresh[row] && rows.weight(row) < 0 && self.ttl.is_set() {
                self.table.remove(*group);
                continue;
            }
            let weight = self.table.columns[WEIGHT].i64_mut().get_mut(*group);
            let was = *weight;
            *weight += rows.weight(row);
            let is = *weight;
            *self.table.columns[MATCHES].i64_mut().get_mut(*group) = matches[row];
            *self.table.columns[TOUCHED].i64_mut().get_mut(*group) = ctx.now;
            self.table.touch(*group);
            if was == 0 && is != 0 {
                self.link(*group, keys, row);
                if let Some(expiry) = &expiry {
                    self.expiry.entry(expiry[row]).or_default().push(*group);
                }
            } else if is == 0 {
                self.unlink(*group, keys, row);
                self.table.remove(*group);
            }
        }
        Ok(())
    }

    fn link(&mut self, group: u32, keys: &[Keys], row: usize) {
        for (index, keys) in self.indexes.iter_mut().zip(keys) {
            index.link(group, keys.get(row));
        }
    }

    fn unlink(&mut self, group: u32, keys: &[Keys], row: usize) {
        for (index, keys) in self.indexes.iter_mut().zip(keys) {
            index.unlink(group, keys.get(row));
        }
    }

    /// When each row may be forgotten.
    fn expiry_of(&self, rows: &Delta) -> Result<Option<Vec<Millis>>> {
        let (column, after_ms) = match self.retain {
            Retain::UntilWatermark { column, after_ms } => (column, after_ms),
            Retain::UntilClock { column, after_ms } => (column, after_ms),
            Retain::Forever | Retain::Idle { .. } => return Ok(None),
        };
        let times = millis(rows.column(column))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let at = |row| if times.is_null(row) { 0 } else { times.value(row) };
        Ok(Some((0..rows.len()).map(|row| at(row).saturating_add(after_ms)).collect()))
    }

    fn sweep(&mut self, now: Millis) -> Result<()> {
        if !self.ttl.sweep_is_due(now) {
            return Ok(());
        }
        let mut idle = self.table.groups();
        idle.retain(|g| self.is_expired(*g, now));
        if idle.is_empty() {
            return Ok(());
        }
        let rows = Delta::inserts(batch(&self.schema, self.rows(&idle)?, idle.len())?);
        let keys = self.keys(&rows)?;
        for (row, group) in idle.into_iter().enumerate() {
            self.unlink(group, &keys, row);
            self.table.remove(group);
        }
        Ok(())
    }

    /// Forgets rows that no row on time can match any more; gives those that matched none.
    fn forget(&mut self, ctx: &StepCtx) -> Result<Option<Delta>> {
        let watermark = match self.retain {
            Retain::UntilClock { .. } => ctx.now,
            _ => ctx.watermark,
        };
        let mut due = Vec::new();
        while let Some(entry) = self.expiry.first_entry() {
            if *entry.key() >= watermark {
                break;
            }
            due.extend(entry.remove());
        }
        let retained = |g: &u32| *self.table.columns[WEIGHT].i64().get(*g) != 0;
        due.retain(retained);
        if due.is_empty() {
            return Ok(None);
        }
        let rows = Delta::inserts(batch(&self.schema, self.rows(&due)?, due.len())?);
        let keys = self.keys(&rows)?;
        let (mut alone, mut weights) = (Vec::new(), Vec::new());
        // A group's number may have been given to a younger row since it was scheduled.
        let expiry = self.expiry_of(&rows)?.unwrap_or_default();
        for (row, (group, at)) in due.into_iter().zip(expiry).enumerate() {
            if at >= watermark {
                continue;
            }
            if *self.table.columns[MATCHES].i64().get(group) == 0 {
                alone.push(row as u32);
                weights.push(*self.table.columns[WEIGHT].i64().get(group));
            }
            self.unlink(group, &keys, row);
            self.table.remove(group);
        }
        let alone = rows.take(&alone)?;
        Ok((!alone.is_empty()).then(|| Delta::new(alone.rows, weights)))
    }

    fn loaded(&mut self) -> Result<()> {
        self.indexes.iter_mut().for_each(Index::clear);
        self.expiry.clear();
        let groups = self.table.groups();
        let rows = Delta::inserts(batch(&self.schema, self.rows(&groups)?, groups.len())?);
        let keys = self.keys(&rows)?;
        let expiry = self.expiry_of(&rows)?;
        for (row, group) in groups.iter().enumerate() {
            self.link(*group, &keys, row);
            if let Some(expiry) = &expiry {
                self.expiry.entry(expiry[row]).or_default().push(*group);
            }
        }
        Ok(())
    }
}

impl Operator for Join {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = Vec::new();
        let mut counts = Counts::default();
        for (side, deltas) in inputs.iter().enumerate() {
            let schema = self.sides[side].schema.clone();
            for rows in in_turn(&schema, deltas)? {
                counts.rows_in += rows.len() as u64;
                for rows in self.portions(side, rows)? {
                    self.change(ctx, side, &rows, &mut out)?;
                }
            }
        }
        for side in 0..2 {
            let alone = self.sides[side].forget(ctx)?;
            self.sides[side].sweep(ctx.now)?;
            let interval = self.interval.as_ref().filter(|_| self.counts_matches(side));
            if let (Some(interval), Some(alone)) = (interval, alone) {
                let columns = alone.rows.columns().to_vec();
                let padded = self.padded(side, columns, alone.len())?;
                out.push(alone.with_rows(interval.seen_alone(side, &alone.rows, padded)?));
            }
        }
        if self.append_only {
            // Equal rows that met together or one by one: counted and passed on alike.
            out = out.into_iter().map(one_by_one).collect::<Result<_>>()?;
        }
        counts.rows_out = out.iter().map(|d| d.len() as u64).sum();
        let bad = std::mem::take(&mut self.bad);
        counts.bad = bad.iter().map(|b| b.rows.len() as u64).sum();
        Ok(StepOutput { rows: out, counts, bad, ..StepOutput::default() })
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.sides.iter_mut().map(|s| &mut s.table).collect()
    }
    fn loaded(&mut self) -> Result<()> {
        self.sides.iter_mut().try_for_each(Side::loaded)
    }
}
