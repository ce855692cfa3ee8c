//! Rows that can be among the first n of their key: the others leave no trace where nothing is
//! ever taken back, and are not looked at again.

use std::iter::Peekable;
use std::ops::Bound;

use brooklet_core::{Delta, Result};

use super::{COUNT, Places, TopN};

/// Rows to be stored.
pub(in crate::ops::reduce) struct Entered {
    pub rows: Delta,
    /// Of each row in the index.
    pub entries: Vec<Box<[u8]>>,
    /// The encoded keys of the rows, ascending, each once.
    pub keys: Vec<Box<[u8]>>,
}

/// How many rows of a key come before one.
struct Before<I: Iterator> {
    stored: Peekable<I>,
    rows: i64,
    /// Of the rows that come: those with the place looked at, and so not before it.
    alike: i64,
}

impl TopN {
    /// The rows that may be in; all of them where what is out now may be in later.
    pub(in crate::ops::reduce) fn contenders(&self, rows: Delta) -> Result<Entered> {
        let places = self.places(&rows)?;
        let of = |row: &u32| (places.key(*row), places.order(*row));
        let mut sorted: Vec<u32> = (0..rows.len() as u32).collect();
        sorted.sort_unstable_by(|a, b| of(a).cmp(&of(b)));
        let out_for_ever = self.append_only && !self.ttl.is_set();
        let (mut kept, mut keys) = (Vec::with_capacity(rows.len()), Vec::new());
        for of_key in sorted.chunk_by(|a, b| places.key(*a) == places.key(*b)) {
            let others = kept.len();
            match out_for_ever {
                true => self.in_reach(&rows, &places, of_key, &mut kept),
                false => kept.extend(of_key),
            }
            if kept.len() > others {
                keys.push(places.key(of_key[0]).into());
            }
        }
        kept.sort_unstable();
        let entries = kept.iter().map(|row| places.entry(*row)).collect();
        let rows = if kept.len() == rows.len() { rows } else { rows.take(&kept)? };
        Ok(Entered { rows, entries, keys })
    }

    /// Of a key's rows, in order, those with fewer than n before them, of those stored and those
    /// that come.
    fn in_reach(&self, rows: &Delta, places: &Places, of_key: &[u32], kept: &mut Vec<u32>) {
        let key = places.key(of_key[0]);
        let stored = self.index.range::<[u8], _>((Bound::Included(key), Bound::Unbounded));
        let stored = stored.take_while(|(entry, _)| entry.starts_with(key)).peekable();
        let mut before = Before { stored, rows: 0, alike: 0 };
        let mut last: Option<&[u8]> = None;
        for row in of_key {
            let order = places.order(*row);
            if last != Some(order) {
                before.rows += std::mem::take(&mut before.alike);
                last = Some(order);
            }
            while before.rows < self.n
                && let Some((_, group)) =
                    before.stored.next_if(|(stored, _)| &stored[key.len()..] < order)
            {
                before.rows += *self.table.columns[COUNT].i64().get(*group);
            }
            if before.rows >= self.n {
                break;
            }
            before.alike += rows.weight(*row as usize);
            kept.push(*row);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use brooklet_core::Epoch;
    use brooklet_plan::node::{Emit, ExchangeSpec, Node, NodeOp, ReduceKind, ReduceSpec, SortKey};

    use super::*;
    use crate::ops::reduce::ReduceArgs;
    use crate::ops::{Operator, StepCtx};

    const N: usize = 3;
    /// Key, value, arrival.
    type Record = (i64, i64, i64);

    fn rows(records: &[Record]) -> Delta {
        let column = |f: fn(&Record) -> i64| -> ArrayRef {
            Arc::new(records.iter().map(f).collect::<Int64Array>())
        };
        let columns = [
            ("k", column(|r| r.0), true),
            ("v", column(|r| r.1), true),
            ("o", column(|r| r.2), true),
        ];
        Delta::inserts(RecordBatch::try_from_iter_with_nullable(columns).unwrap())
    }

    /// The N largest values of each key, with ranks.
    fn operator(ttl_ms: Option<i64>) -> TopN {
        let schema = rows(&[]).rows.schema();
        let op = NodeOp::Exchange(ExchangeSpec { keys: vec![0] });
        let input = Node {
            op,
            inputs: vec![],
            schema,
            append_only: true,
            key: None,
            ord: vec![2],
            late: None,
            fingerprint: 0,
            label: String::new(),
        };
        let named = ["k", "v", "rank", "o"].map(|name| Field::new(name, DataType::Int64, true));
        let node = Node { schema: Arc::new(Schema::new(named.to_vec())), ..input.clone() };
        let order = vec![SortKey { column: 1, descending: true, nulls_first: false }];
        let kind = ReduceKind::TopN { order, n: N, rank: true };
        let spec = ReduceSpec { keys: vec![0], kind, emit: Emit::EveryEpoch, ttl_ms };
        let args = ReduceArgs { spec: &spec, node: &node, input: &input, dealt_by: vec![0] };
        TopN::new(args).unwrap()
    }

    /// Adds an epoch's changes to what was shown: (key, value, rank, arrival) → times.
    fn step(top: &mut TopN, records: &[Record], shown: &mut BTreeMap<[i64; 4], i64>) {
        let ctx = StepCtx { epoch: Epoch(1), now: 0, watermark: 0, late_before: 0 };
        for delta in top.step(&ctx, &[vec![rows(records)]]).unwrap().rows {
            for row in 0..delta.len() {
                let cell = |c: usize| delta.column(c).as_primitive::<Int64Type>().value(row);
                *shown.entry([0, 1, 2, 3].map(cell)).or_default() += delta.weight(row);
            }
        }
        shown.retain(|_, times| *times != 0);
    }

    /// Recomputed from all rows there were.
    fn expected(all: &[Record]) -> BTreeMap<[i64; 4], i64> {
        let mut sorted = all.to_vec();
        sorted.sort_by_key(|(k, v, o)| (*k, -v, *o));
        let mut expected = BTreeMap::new();
        for of_key in sorted.chunk_by(|a, b| a.0 == b.0) {
            for (rank, (k, v, o)) in of_key.iter().take(N).enumerate() {
                expected.insert([*k, *v, rank as i64 + 1, *o], 1);
            }
        }
        expected
    }

    #[test]
    fn the_first_of_each_key_are_those_of_all_rows_there_were() {
        for seed in 0..200u64 {
            let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
            let mut draw = |below: i64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (state >> 33) as i64 % below
            };
            let (mut top, mut all, mut shown) = (operator(None), Vec::new(), BTreeMap::new());
            for _ in 0..12 {
                let of_epoch = draw(9);
                let epoch: Vec<Record> =
                    (0..of_epoch).map(|n| (draw(3), draw(7), all.len() as i64 + n)).collect();
                all.extend(&epoch);
                step(&mut top, &epoch, &mut shown);
                assert_eq!(shown, expected(&all), "seed {seed}, after {all:?}");
            }
            assert!(top.table.len() <= 3 * N, "no more is kept than can be in");
        }
    }

    #[test]
    fn rows_out_of_reach_are_left_out_before_they_are_kept() {
        let mut top = operator(None);
        let mut shown = BTreeMap::new();
        step(&mut top, &[(1, 5, 0), (1, 5, 1), (1, 9, 2)], &mut shown);
        // As good as the last, but later; worse; better; of another key.
        let next = [(1, 5, 3), (1, 4, 4), (1, 6, 5), (2, 0, 6)];
        let entered = top.contenders(rows(&next)).unwrap();
        assert_eq!(entered.rows.rows, rows(&[(1, 6, 5), (2, 0, 6)]).rows);
        assert_eq!((entered.keys.len(), entered.entries.len()), (2, 2));
        // The best three of an epoch's own rows.
        let many: Vec<Record> = (0..9).map(|n| (3, n, 10 + n)).collect();
        let entered = top.contenders(rows(&many)).unwrap();
        assert_eq!(entered.rows.rows, rows(&many[6..]).rows);
    }

    #[test]
    fn what_may_be_in_once_others_are_forgotten_is_kept() {
        let top = operator(Some(1_000));
        let many: Vec<Record> = (0..9).map(|n| (3, n, n)).collect();
        assert_eq!(top.contenders(rows(&many)).unwrap().rows.len(), 9);
    }
}
