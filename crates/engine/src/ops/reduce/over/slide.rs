//! Moves frames over rows: what enters is added to the accumulators of the row's key, what leaves
//! is taken back, and the results are read off. All keys take a step at a time, so that calls are
//! made for many rows.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Schema};

use brooklet_core::{Delta, Result, Weights};
use brooklet_plan::node::{AggCall, Node, ReduceSpec};

use super::super::ReduceArgs;
use super::super::group::{GroupLayout, GroupSet};
use super::frame::Part;
use crate::ops::map::batch;

/// Aggregates that have one frame.
pub struct Slide {
    layout: GroupLayout,
    /// Rows never leave the frame: what came out before is in the accumulators.
    grows: bool,
    /// Columns of the input that are read: keys, then arguments and filters.
    columns: Vec<usize>,
    schema: Arc<Schema>,
}

impl Slide {
    pub fn new(args: &ReduceArgs<'_>, calls: &[AggCall], grows: bool) -> Result<Self> {
        let mut columns = args.spec.keys.clone();
        let mut place = |column: usize| match columns.iter().position(|c| *c == column) {
            Some(at) => at,
            None => {
                columns.push(column);
                columns.len() - 1
            }
        };
        let mut calls = calls.to_vec();
        for call in &mut calls {
            call.args.iter_mut().for_each(|a| *a = place(*a));
            call.filter = call.filter.map(&mut place);
        }
        let keys: Vec<usize> = (0..args.spec.keys.len()).collect();
        let find = |c: &usize| args.spec.keys.iter().position(|k| k == c);
        let dealt_by = args.dealt_by.iter().filter_map(find).collect();
        let mut fields = crate::ops::rows::fields_at(&args.input.schema, &columns);
        // The order in the key: what FIRST_VALUE and LAST_VALUE go by.
        fields.push(Arc::new(Field::new("__place", DataType::Int64, false)));
        let schema = Arc::new(Schema::new(fields));
        let input = Node {
            schema: schema.clone(),
            ord: vec![columns.len()],
            late: None,
            append_only: grows,
            ..args.input.clone()
        };
        let node = Node { ord: vec![], ..args.node.clone() };
        let spec = ReduceSpec { keys, ..args.spec.clone() };
        let args = ReduceArgs { spec: &spec, node: &node, input: &input, dealt_by };
        let layout = GroupLayout::new(&args, &calls, false);
        Ok(Slide { layout, grows, columns, schema })
    }

    /// No rows in any frame yet.
    pub fn set(&self, name: &str) -> Result<GroupSet> {
        GroupSet::new(&self.layout, name)
    }

    /// One result column a call, for the rows of all parts that want results, part by part.
    /// `frames`: one a row that wants results, or one for all if they are equal; `first`: the
    /// number of each part's first row in its key.
    pub fn run(
        &self,
        set: &mut GroupSet,
        rows: &RecordBatch,
        parts: &[Part],
        frames: &[Vec<Range<usize>>],
        first: &[i64],
    ) -> Result<Vec<ArrayRef>> {
        let rows = self.narrowed(rows, parts, first)?;
        let heads: Vec<u32> = parts.iter().map(|p| p.rows.start as u32).collect();
        let groups = set.find_or_create(&rows.take(&heads)?)?.groups;
        let before = |(part, frames): (&Part, &Vec<Range<usize>>)| {
            let start = frames.first().map_or(part.from, |f| f.start);
            // Of a growing frame what came out before has been added.
            if self.grows { start..part.from.max(start) } else { start..start }
        };
        let mut inside: Vec<Range<usize>> = parts.iter().zip(frames).map(before).collect();
        let steps: Vec<Vec<(Range<usize>, usize)>> =
            frames.iter().map(|frames| distinct(frames)).collect();
        let rounds = steps.iter().map(Vec::len).max().unwrap_or(0);
        let mut results: Vec<Vec<ArrayRef>> = Vec::with_capacity(rounds);
        let mut offsets: Vec<Vec<u32>> = vec![Vec::new(); parts.len()];
        let mut done = 0_u32;
        for round in 0..rounds {
            let mut step = Step::default();
            for (part, steps) in steps.iter().enumerate() {
                let Some((frame, repeats)) = steps.get(round) else { continue };
                step.shift(&mut inside[part], frame, groups[part]);
                step.ends.push(groups[part]);
                offsets[part].extend(std::iter::repeat_n(done, *repeats));
                done += 1;
            }
            if !step.rows.is_empty() {
                let mut moved = rows.take(&step.rows)?;
                moved.weights = Weights::Each(step.weights);
                set.update(&moved, &step.groups)?;
            }
            results.push(set.results(&step.ends)?);
        }
        in_order(&results, &offsets.concat())
    }

    /// The columns that are read, and the place of each row in its key.
    fn narrowed(&self, rows: &RecordBatch, parts: &[Part], first: &[i64]) -> Result<Delta> {
        let mut columns: Vec<ArrayRef> =
            self.columns.iter().map(|c| rows.column(*c).clone()).collect();
        let mut places = vec![0; rows.num_rows()];
        for (part, first) in parts.iter().zip(first) {
            for row in part.rows.clone() {
                places[row] = first + (row - part.rows.start) as i64;
            }
        }
        columns.push(Arc::new(Int64Array::from(places)));
        Ok(Delta::inserts(batch(&self.schema, columns, rows.num_rows())?))
    }
}

/// What all keys do in one step.
#[derive(Default)]
struct Step {
    rows: Vec<u32>,
    weights: Vec<i64>,
    groups: Vec<u32>,
    /// The group of each key whose result is read.
    ends: Vec<u32>,
}

impl Step {
    /// From the rows inside to those of the frame.
    fn shift(&mut self, inside: &mut Range<usize>, frame: &Range<usize>, group: u32) {
        if inside.start >= inside.end {
            *inside = frame.start..frame.start;
        }
        let leaving = inside.start..frame.start.min(inside.end);
        // What was jumped over is never inside.
        let entering = inside.end.max(frame.start)..frame.end;
        for (range, weight) in [(leaving, -1), (entering, 1)] {
            for row in range {
                self.rows.push(row as u32);
                self.weights.push(weight);
                self.groups.push(group);
            }
        }
        *inside = frame.clone();
    }
}

/// Neighbours with the same frame have the same result: each frame with how many have it.
fn distinct(frames: &[Range<usize>]) -> Vec<(Range<usize>, usize)> {
    let mut found: Vec<(Range<usize>, usize)> = Vec::with_capacity(frames.len());
    for frame in frames {
        match found.last_mut() {
            Some((last, repeats)) if last == frame => *repeats += 1,
            _ => found.push((frame.clone(), 1)),
        }
    }
    found
}

/// The results of all rounds, picked for each row.
fn in_order(rounds: &[Vec<ArrayRef>], picks: &[u32]) -> Result<Vec<ArrayRef>> {
    let calls = rounds.first().map_or(0, Vec::len);
    let picks = arrow::array::UInt32Array::from(picks.to_vec());
    (0..calls)
        .map(|call| {
            let all: Vec<&dyn arrow::array::Array> =
                rounds.iter().map(|round| round[call].as_ref()).collect();
            Ok(compute::take(&compute::concat(&all)?, &picks, None)?)
        })
        .collect()
}
