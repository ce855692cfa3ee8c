//! The calls of an OVER, for the rows of many keys at once.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, UInt32Array};
use arrow::compute;

use brooklet_core::Result;
use brooklet_plan::node::AggCall;
use brooklet_plan::over::{Frame, FrameUnit, OverFunc, OverSpec};

use super::super::ReduceArgs;
use super::super::group::GroupSet;
use super::frame::{Order, Part, frames};
use super::slide::Slide;

pub struct Calls {
    /// Aggregates by their frames.
    slides: Vec<(Frame, Slide)>,
    calls: Vec<Call>,
}

enum Call {
    /// Which slide, and which of its aggregates.
    Slides(usize, usize),
    Alone(OverFunc, FrameUnit),
}

impl Calls {
    pub fn new(args: &ReduceArgs<'_>, spec: &OverSpec) -> Result<Self> {
        let mut by_frame: Vec<(Frame, Vec<AggCall>)> = Vec::new();
        let mut calls = Vec::new();
        for call in &spec.calls {
            let OverFunc::Aggregate(aggregate) = &call.func else {
                calls.push(Call::Alone(call.func.clone(), call.frame.unit));
                continue;
            };
            let at = by_frame.iter().position(|(frame, _)| *frame == call.frame);
            let at = at.unwrap_or_else(|| {
                by_frame.push((call.frame, Vec::new()));
                by_frame.len() - 1
            });
            calls.push(Call::Slides(at, by_frame[at].1.len()));
            by_frame[at].1.push(aggregate.clone());
        }
        let slide = |(frame, calls): (Frame, Vec<AggCall>)| {
            Ok((frame, Slide::new(args, &calls, frame.only_grows())?))
        };
        let slides = by_frame.into_iter().map(slide).collect::<Result<_>>()?;
        Ok(Calls { slides, calls })
    }

    /// Accumulators for each frame, nothing in them.
    pub fn sets(&self) -> Result<Vec<GroupSet>> {
        let named = |(n, (_, slide)): (usize, &(Frame, Slide))| slide.set(&format!("frame{n}."));
        self.slides.iter().enumerate().map(named).collect()
    }

    /// One column a call for the rows of all parts that want results, part by part. `first`: the
    /// number of each part's first row in its key.
    pub fn run(
        &self,
        sets: &mut [GroupSet],
        rows: &RecordBatch,
        (parts, first): (&[Part], &[i64]),
        order: &Order,
    ) -> Result<Vec<ArrayRef>> {
        let mut slid = Vec::new();
        for ((frame, slide), set) in self.slides.iter().zip(sets) {
            let each: Vec<Vec<Range<usize>>> =
                parts.iter().map(|part| frames(frame, order, part)).collect::<Result<_>>()?;
            slid.push(slide.run(set, rows, parts, &each, first)?);
        }
        let column = |call: &Call| match call {
            Call::Slides(slide, nth) => Ok(slid[*slide][*nth].clone()),
            Call::Alone(OverFunc::Shifted { arg, back, default }, unit) => {
                let from = |row: usize| match unit {
                    FrameUnit::Rows => row,
                    FrameUnit::Range => order.peers[row].1 - 1,
                };
                shifted(rows, parts, (*arg, *back, *default), &from)
            }
            Call::Alone(func, _) => Ok(alone(func, parts, order)),
        };
        self.calls.iter().map(column).collect()
    }
}

/// What the places of rows alone say.
fn alone(func: &OverFunc, parts: &[Part], order: &Order) -> ArrayRef {
    let whole = |each: &dyn Fn(&Part, usize) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(wanted(parts).map(|(part, row)| each(part, row))))
    };
    let share = |each: &dyn Fn(&Part, usize) -> f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(wanted(parts).map(|(part, row)| each(part, row))))
    };
    let rank = |part: &Part, row: usize| (order.peers[row].0 - part.rows.start) as i64;
    match func {
        OverFunc::RowNumber => whole(&|part, row| (row - part.rows.start) as i64 + 1),
        OverFunc::DenseRank => dense(parts, order),
        OverFunc::Ntile(buckets) => whole(&|part, row| ntile(part, row, *buckets)),
        OverFunc::PercentRank => share(&|part, row| match part.rows.len() {
            0 | 1 => 0.0,
            all => rank(part, row) as f64 / (all - 1) as f64,
        }),
        OverFunc::CumeDist => share(&|part, row| {
            (order.peers[row].1 - part.rows.start) as f64 / part.rows.len() as f64
        }),
        _ => whole(&|part, row| rank(part, row) + 1),
    }
}

fn wanted(parts: &[Part]) -> impl Iterator<Item = (&Part, usize)> {
    parts.iter().flat_map(|part| (part.from..part.rows.end).map(move |row| (part, row)))
}

fn dense(parts: &[Part], order: &Order) -> ArrayRef {
    let mut ranks = Vec::new();
    for part in parts {
        let mut rank = 0;
        for row in part.rows.clone() {
            rank += i64::from(order.peers[row].0 == row);
            if row >= part.from {
                ranks.push(rank);
            }
        }
    }
    Arc::new(Int64Array::from(ranks))
}

/// Buckets of equal size, the first ones one larger where they cannot be.
fn ntile(part: &Part, row: usize, buckets: u64) -> i64 {
    let (all, at) = (part.rows.len() as u64, (row - part.rows.start) as u64);
    let (size, larger) = (all / buckets, all % buckets);
    let bucket = match at < larger * (size + 1) {
        true => at / (size + 1),
        false => larger + (at - larger * (size + 1)) / size.max(1),
    };
    bucket as i64 + 1
}

fn shifted(
    rows: &RecordBatch,
    parts: &[Part],
    (arg, back, default): (usize, i64, Option<usize>),
    from: &dyn Fn(usize) -> usize,
) -> Result<ArrayRef> {
    let (mut there, mut own) = (Vec::new(), Vec::new());
    for (part, row) in wanted(parts) {
        let target = from(row) as i64 - back;
        let inside = target >= part.rows.start as i64 && target < part.rows.end as i64;
        there.push(inside.then_some(target as u32));
        own.push(row as u32);
    }
    let values = compute::take(rows.column(arg), &UInt32Array::from(there.clone()), None)?;
    let Some(default) = default else { return Ok(values) };
    let defaults = compute::take(rows.column(default), &UInt32Array::from(own), None)?;
    let found = arrow::array::BooleanArray::from_iter(there.iter().map(|t| Some(t.is_some())));
    Ok(arrow::compute::kernels::zip::zip(&found, &values, &defaults)?)
}
