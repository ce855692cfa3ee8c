//! Rows of one epoch against the kept row and against each other.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, TimestampMillisecondArray};
use brooklet_core::{Delta, Epoch};
use brooklet_plan::node::{Emit, ExchangeSpec, Keep, Node, NodeOp, ReduceKind, ReduceSpec};

use super::build;
use crate::ops::reduce::ReduceArgs;
use crate::ops::{Operator, StepCtx};

/// Rows (key, time, arrival).
fn rows(rows: &[(i64, i64, i64)]) -> Delta {
    let ints = |f: fn(&(i64, i64, i64)) -> i64| rows.iter().map(f).collect::<Vec<_>>();
    let batch = RecordBatch::try_from_iter([
        ("k", Arc::new(Int64Array::from(ints(|r| r.0))) as _),
        ("ts", Arc::new(TimestampMillisecondArray::from(ints(|r| r.1))) as _),
        ("__ord", Arc::new(Int64Array::from(ints(|r| r.2))) as _),
    ]);
    Delta::inserts(batch.unwrap())
}

fn operator(keep: Keep) -> Box<dyn Operator> {
    let input = Node {
        op: NodeOp::Exchange(ExchangeSpec { keys: vec![0] }),
        inputs: vec![],
        schema: rows(&[]).rows.schema(),
        append_only: true,
        key: None,
        ord: vec![2],
        late: None,
        fingerprint: 0,
        label: String::new(),
    };
    let kind = ReduceKind::Dedup { keep, time: Some(1) };
    let spec = ReduceSpec { keys: vec![0], kind, emit: Emit::EveryEpoch, ttl_ms: None };
    build(ReduceArgs { spec: &spec, node: &input, input: &input, dealt_by: vec![0] }).unwrap()
}

/// (time, weight) of what came out.
fn step(operator: &mut dyn Operator, input: &[(i64, i64, i64)]) -> Vec<(i64, i64)> {
    let ctx = StepCtx { epoch: Epoch(1), now: 0, watermark: 0, late_before: 0 };
    let out = operator.step(&ctx, &[vec![rows(input)]]).unwrap();
    let time = |d: &Delta, row: usize| {
        let column = d.rows.column(1).as_any().downcast_ref::<TimestampMillisecondArray>();
        column.unwrap().value(row)
    };
    out.rows.iter().flat_map(|d| (0..d.len()).map(|r| (time(d, r), d.weight(r)))).collect()
}

#[test]
fn keep_last_takes_the_old_row_back_once() {
    let mut last = operator(Keep::Last);
    assert_eq!(step(&mut *last, &[(1, 50, 0)]), [(50, 1)]);
    // The first loses against the kept row, the second wins.
    assert_eq!(step(&mut *last, &[(1, 40, 1), (1, 60, 2)]), [(50, -1), (60, 1)]);
    assert_eq!(step(&mut *last, &[(1, 55, 3), (1, 58, 4)]), []);
}

/// Rows (key, time, arrival, watermark before it), judged each by its own watermark.
type Judged = (i64, i64, i64, i64);

fn judged(rows: &[Judged]) -> Delta {
    let ints = |f: fn(&Judged) -> i64| rows.iter().map(f).collect::<Vec<_>>();
    let batch = RecordBatch::try_from_iter([
        ("k", Arc::new(Int64Array::from(ints(|r| r.0))) as _),
        ("ts", Arc::new(TimestampMillisecondArray::from(ints(|r| r.1))) as _),
        ("__ord", Arc::new(Int64Array::from(ints(|r| r.2))) as _),
        ("__late", Arc::new(Int64Array::from(ints(|r| r.3))) as _),
    ]);
    Delta::inserts(batch.unwrap())
}

const AFTER: i64 = 40;

fn within(by_time: bool) -> Box<dyn Operator> {
    let input = Node {
        op: NodeOp::Exchange(ExchangeSpec { keys: vec![0] }),
        inputs: vec![],
        schema: judged(&[]).rows.schema(),
        append_only: true,
        key: None,
        ord: vec![2],
        late: Some(3),
        fingerprint: 0,
        label: String::new(),
    };
    let kind = ReduceKind::FirstWithin { time: 1, by_time, after_ms: AFTER };
    let spec = ReduceSpec { keys: vec![0], kind, emit: Emit::EveryEpoch, ttl_ms: Some(1) };
    build(ReduceArgs { spec: &spec, node: &input, input: &input, dealt_by: vec![0] }).unwrap()
}

/// Rows of some keys in disorder, their watermark AFTER behind the newest.
fn feed(seed: i64) -> Vec<Judged> {
    let (mut state, mut newest) = (seed, 1_000);
    let mut rows = Vec::new();
    for ord in 0..300 {
        state = (state * 1_103_515_245 + 12_345) % (1 << 31);
        let draw = state >> 8;
        let time = newest + draw % 80 - 60;
        rows.push((draw / 80 % 5, time, ord, newest - AFTER));
        newest = newest.max(time);
    }
    rows
}

/// The arrivals of the rows that are given, as the words of the setting say it.
fn model(rows: &[Judged], by_time: bool) -> Vec<i64> {
    let mut given = Vec::new();
    for key in 0..5 {
        let mut kept: Option<Judged> = None;
        for row in rows.iter().filter(|r| r.0 == key && r.1 >= r.3) {
            match kept {
                Some(first) if row.3 <= first.1 + AFTER => {
                    let better = by_time && row.1 < first.1 && row.3 < first.1;
                    kept = Some(if better { *row } else { first });
                }
                other => {
                    given.extend(other.map(|r| r.2));
                    kept = Some(*row);
                }
            }
        }
        given.extend(kept.map(|r| r.2));
    }
    given.sort_unstable();
    given
}

#[test]
fn within_the_watermark_the_cuts_do_not_matter() {
    for (seed, by_time) in (1..40).flat_map(|seed| [(seed, false), (seed, true)]) {
        let rows = feed(seed);
        let wanted = model(&rows, by_time);
        assert!(wanted.len() > 10 && wanted.len() < 200, "{}", wanted.len());
        for cut in [1, 2, 7, 300] {
            let mut operator = within(by_time);
            let (mut given, mut late_before) = (Vec::new(), i64::MIN);
            let ends = rows.chunks(cut).map(|rows| (rows, rows[rows.len() - 1]));
            let last: (&[Judged], Judged) = (&[], (0, i64::MAX / 2, 0, 0));
            for (rows, last) in ends.chain([last]) {
                // Of this row and those before it.
                let watermark = last.3.max(last.1 - AFTER);
                let ctx = StepCtx { epoch: Epoch(1), now: 0, watermark, late_before };
                let out = operator.step(&ctx, &[vec![judged(rows)]]).unwrap();
                for rows in &out.rows {
                    let ord = rows.column(2).as_any().downcast_ref::<Int64Array>().unwrap();
                    given.extend(ord.values().iter().copied());
                }
                late_before = watermark;
            }
            given.sort_unstable();
            assert_eq!(given, wanted, "seed {seed}, epochs of {cut}, by time {by_time}");
        }
    }
}
