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
