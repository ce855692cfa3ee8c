//! A table from its upserts: each row replaces its key's, a deletion takes it away.
//!
//! The last row of each key is kept. What comes out of an epoch is the difference between the
//! table after it and before: a row that is written again as it is gives nothing, and neither does
//! the deletion of a key that has no row.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::ReduceKind;

use super::ReduceArgs;
use crate::column::{Blob, ValueType};
use crate::ops::rows::{RowCodec, by_arrival, columns_at, fields_at};
use crate::ops::ttl::Ttl;
use crate::ops::{Counts, Operator, StepCtx, StepOutput};
use crate::table::Table;

/// When the key was last written.
const TOUCHED: usize = 0;
const ROW: usize = 1;
/// Bytes of a hidden column (an Int64) in an encoded row.
const HIDDEN_BYTES: usize = 9;

pub struct Upserts {
    keys: Vec<usize>,
    ord: Vec<usize>,
    schema: SchemaRef,
    table: Table,
    codec: RowCodec,
    /// Bytes at the end of an encoded row that say when it came, not what it is.
    hidden_bytes: usize,
    ttl: Ttl,
}

/// What an epoch did to a key.
struct Change {
    before: Option<Blob>,
    /// The last row written; None when the last record deletes.
    after: Option<usize>,
}

impl Upserts {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        if !matches!(args.spec.kind, ReduceKind::Upserts) {
            return Err(Error::bug("Upserts is made for its spec"));
        }
        let schema = args.input.schema.clone();
        let keys = args.spec.keys.clone();
        let dealt = args.dealt_by.iter().filter_map(|d| keys.iter().position(|k| k == d)).collect();
        let values = [ValueType::I64, ValueType::Bytes];
        let hidden = args.input.ord.len() + usize::from(args.input.late.is_some());
        Ok(Upserts {
            table: Table::new("keys", fields_at(&schema, &keys), dealt, &values)?,
            codec: RowCodec::new(schema.clone())?,
            schema,
            keys,
            ord: args.input.ord.clone(),
            hidden_bytes: HIDDEN_BYTES * hidden,
            ttl: Ttl::new(args.spec.ttl_ms),
        })
    }

    fn is_expired(&self, group: u32, now: Millis) -> bool {
        self.ttl.has_passed(*self.table.columns[TOUCHED].i64().get(group), now)
    }

    fn sweep(&mut self, now: Millis) {
        if !self.ttl.sweep_is_due(now) {
            return;
        }
        let expired: Vec<u32> =
            self.table.groups().into_iter().filter(|g| self.is_expired(*g, now)).collect();
        expired.into_iter().for_each(|group| self.forget(group));
    }

    fn forget(&mut self, group: u32) {
        self.table.set_blob(ROW, group, None);
        self.table.remove(group);
    }

    /// What the rows, in arrival order, do to their keys.
    fn changes(&mut self, rows: &Delta, now: Millis) -> Result<BTreeMap<u32, Change>> {
        let keys: Vec<ArrayRef> = columns_at(rows, &self.keys);
        let found = self.table.find_or_create(&keys, rows.len())?;
        for row in &found.created {
            let group = found.groups[*row as usize];
            *self.table.columns[TOUCHED].i64_mut().get_mut(group) = now;
        }
        let mut changes: BTreeMap<u32, Change> = BTreeMap::new();
        for (row, group) in found.groups.iter().enumerate() {
            let after = (rows.weight(row) > 0).then_some(row);
            match changes.get_mut(group) {
                Some(change) => change.after = after,
                None => {
                    let kept = self.table.columns[ROW].blobs().get(*group).clone();
                    let before = kept.filter(|_| !self.is_expired(*group, now));
                    changes.insert(*group, Change { before, after });
                }
            }
        }
        Ok(changes)
    }

    fn is_same(&self, before: &[u8], after: &[u8]) -> bool {
        let shown = |row: &[u8]| row.len().saturating_sub(self.hidden_bytes);
        before[..shown(before)] == after[..shown(after)]
    }
}

impl Operator for Upserts {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.sweep(ctx.now);
        let Some(rows) = delta::concat(&self.schema, &inputs[0])? else {
            return Ok(StepOutput::default());
        };
        let rows = by_arrival(rows, &self.ord)?;
        let encoded = self.codec.encode(&rows.rows)?;
        let changes = self.changes(&rows, ctx.now)?;
        let mut out: Vec<(&[u8], i64)> = Vec::new();
        for (group, change) in &changes {
            let after = change.after.map(|row| encoded.row(row).data());
            let same = |(before, after): (&Blob, &[u8])| self.is_same(before, after);
            if !change.before.as_ref().zip(after).is_some_and(same) {
                out.extend(change.before.iter().map(|before| (&**before, -1)));
                out.extend(after.iter().map(|after| (*after, 1)));
            }
            let Some(after) = after else {
                self.forget(*group);
                continue;
            };
            self.table.set_blob(ROW, *group, Some(after));
            *self.table.columns[TOUCHED].i64_mut().get_mut(*group) = ctx.now;
            self.table.touch(*group);
        }
        let counts =
            Counts { rows_in: rows.len() as u64, rows_out: out.len() as u64, ..Counts::default() };
        if out.is_empty() {
            return Ok(StepOutput { counts, ..StepOutput::default() });
        }
        let batch = self.codec.decode(out.iter().map(|(row, _)| *row))?;
        let weights = out.iter().map(|(_, weight)| *weight).collect();
        Ok(StepOutput { rows: vec![Delta::new(batch, weights)], counts, ..StepOutput::default() })
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, RecordBatch, StringArray};
    use arrow::datatypes::Int64Type;
    use brooklet_core::Epoch;
    use brooklet_plan::node::{Emit, ExchangeSpec, Node, NodeOp, ReduceSpec};

    use super::*;

    /// (key, value, arrival); None deletes.
    type Record = (i64, Option<&'static str>, i64);

    fn rows(records: &[Record]) -> Delta {
        let ints = |f: fn(&Record) -> i64| records.iter().map(f).collect::<Vec<_>>();
        let texts: Vec<Option<&str>> = records.iter().map(|r| r.1).collect();
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("k", Arc::new(Int64Array::from(ints(|r| r.0))) as ArrayRef, true),
            ("v", Arc::new(StringArray::from(texts)) as ArrayRef, true),
            ("__ord", Arc::new(Int64Array::from(ints(|r| r.2))) as ArrayRef, true),
        ]);
        let weights = records.iter().map(|r| if r.1.is_some() { 1 } else { -1 }).collect();
        Delta::new(batch.unwrap(), weights)
    }

    fn operator(ttl_ms: Option<i64>) -> Upserts {
        let input = Node {
            op: NodeOp::Exchange(ExchangeSpec { keys: vec![0] }),
            inputs: vec![],
            schema: rows(&[]).rows.schema(),
            append_only: false,
            key: None,
            ord: vec![2],
            late: None,
            fingerprint: 0,
            label: String::new(),
        };
        let kind = ReduceKind::Upserts;
        let spec = ReduceSpec { keys: vec![0], kind, emit: Emit::EveryEpoch, ttl_ms };
        let args = ReduceArgs { spec: &spec, node: &input, input: &input, dealt_by: vec![0] };
        Upserts::new(args).unwrap()
    }

    fn step(operator: &mut Upserts, now: Millis, records: &[Record]) -> Vec<String> {
        let ctx = StepCtx { epoch: Epoch(1), now, watermark: 0, late_before: 0 };
        let out = operator.step(&ctx, &[vec![rows(records)]]).unwrap();
        let line = |d: &Delta, row: usize| {
            let key = d.column(0).as_primitive::<Int64Type>().value(row);
            format!("{:+} {key}={}", d.weight(row), d.column(1).as_string::<i32>().value(row))
        };
        let lines = |d: &Delta| (0..d.len()).map(|row| line(d, row)).collect::<Vec<_>>();
        out.rows.iter().flat_map(lines).collect()
    }

    #[test]
    fn an_epoch_gives_the_difference() {
        let mut table = operator(None);
        assert_eq!(
            step(&mut table, 0, &[(1, Some("a"), 0), (2, Some("b"), 1)]),
            ["+1 1=a", "+1 2=b"]
        );
        // Written twice, of which the last counts; written as it is; deleted without being there.
        let next = [(1, Some("x"), 2), (2, Some("b"), 3), (3, None, 4), (1, Some("c"), 5)];
        assert_eq!(step(&mut table, 0, &next), ["-1 1=a", "+1 1=c"]);
        assert_eq!(
            step(&mut table, 0, &[(1, None, 6), (2, Some("d"), 7)]),
            ["-1 1=c", "-1 2=b", "+1 2=d"]
        );
        // Deleted and written again within an epoch, and the other way round.
        assert_eq!(step(&mut table, 0, &[(1, Some("e"), 9), (1, None, 8)]), ["+1 1=e"]);
        assert_eq!(step(&mut table, 0, &[(4, Some("f"), 10), (4, None, 11)]), [""; 0]);
        assert_eq!(table.table.len(), 2);
    }

    #[test]
    fn a_key_that_was_not_written_for_long_is_new() {
        let mut table = operator(Some(1_000));
        assert_eq!(step(&mut table, 0, &[(1, Some("a"), 0)]), ["+1 1=a"]);
        assert_eq!(step(&mut table, 1_500, &[(1, Some("b"), 1)]), ["+1 1=b"]);
        assert_eq!(step(&mut table, 9_000, &[(1, None, 2)]), [""; 0]);
    }
}
