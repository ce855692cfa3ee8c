//! What every `Source` and every exactly-once `Sink` must do, as test bodies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use brooklet_core::connector::{Boxed, SinkSpec, SourceSpec};
use brooklet_core::env::{CrashPoint, World};
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::sink::{EpochOutput, TableOutput};
use brooklet_core::source::{Budget, Input, Payload, SplitPosition, SplitRange};
use brooklet_core::types::SqlType;
use brooklet_core::{Delta, Env, Epoch, Instance, Result, Sink, Source};

/// A world that stands still at one moment.
pub struct Still(pub i64);

impl World for Still {
    fn now(&self) -> i64 {
        self.0
    }
    fn random(&self) -> u64 {
        7
    }
    fn at(&self, _: CrashPoint) -> Result<()> {
        Ok(())
    }
}

/// A table with the columns given and options.
pub fn table(name: &str, columns: &[(&str, SqlType)], options: &[(&str, &str)]) -> Arc<TableDef> {
    let column = |(name, ty): &(&str, SqlType)| ColumnDef {
        name: name.to_string(),
        ty: ty.clone(),
        nullable: true,
        kind: ColumnKind::Physical,
        comment: None,
    };
    Arc::new(TableDef {
        name: name.to_string(),
        columns: columns.iter().map(column).collect(),
        watermark: None,
        primary_key: vec![],
        partitioned_by: vec![],
        options: Options(options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()),
        comment: None,
    })
}

pub fn source_spec(
    table: &Arc<TableDef>,
    positions: Option<Vec<SplitPosition>>,
    now: i64,
) -> SourceSpec {
    SourceSpec {
        table: table.clone(),
        schema: table.physical_schema(),
        positions,
        held: Vec::new(),
        waker: Arc::new(|| ()),
        formats: &[],
        env: Env::new(Still(now)),
    }
}

pub fn sink_spec(table: &Arc<TableDef>, instance: &str) -> SinkSpec {
    SinkSpec {
        pipeline: "p".into(),
        instance: Instance(instance.into()),
        generation: 1,
        fresh: false,
        doubt: None,
        tables: vec![table.clone()],
        formats: &[],
        env: Env::new(Still(0)),
    }
}

/// Two columns, `id` and `name`, one row an id.
pub fn rows(ids: std::ops::Range<i64>) -> Delta {
    let names: Vec<String> = ids.clone().map(|i| format!("n{i}")).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(Int64Array::from_iter_values(ids)) as _, true),
        ("name", Arc::new(StringArray::from(names)) as _, true),
    ]);
    Delta::inserts(batch.unwrap())
}

/// Records of each split as text, in order.
pub fn records(input: &Input) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for split in &input.splits {
        let list: Vec<String> = match &split.payload {
            Payload::None => vec![],
            Payload::Raw(batch) => (0..batch.len())
                .map(|i| {
                    let text =
                        |b: Option<&[u8]>| b.map(|b| String::from_utf8_lossy(b).into_owned());
                    let (key, value) = (text(batch.key(i)), text(batch.value(i)));
                    format!("{} {} {key:?} {value:?}", batch.offset(i), batch.timestamp(i))
                })
                .collect(),
            Payload::Rows(deltas) => deltas
                .iter()
                .flat_map(|d| {
                    (0..d.len()).map(|i| format!("{} {:?}", d.weight(i), d.rows.slice(i, 1)))
                })
                .collect(),
        };
        all.insert(split.range.split.to_string(), list);
    }
    all
}

fn ranges(input: &Input) -> Vec<SplitRange> {
    input.splits.iter().map(|s| s.range.clone()).collect()
}

/// Polls within `max_rows` until `expected` rows came (and the source ended, if it is to), then
/// replays all of it in a second source; returns all records.
pub async fn source(
    open: impl Fn(Option<Vec<SplitPosition>>) -> Boxed<Box<dyn Source>>,
    max_rows: usize,
    expected: usize,
    ends: bool,
) -> BTreeMap<String, Vec<String>> {
    let mut source = open(None).await.unwrap();
    let mut inputs: Vec<Input> = Vec::new();
    let mut count = 0;
    for _ in 0..2_000 {
        let input = source.poll(Budget { max_rows, max_bytes: 1 << 20 }).await.unwrap();
        let taken: usize = records(&input).values().map(Vec::len).sum();
        assert!(taken <= max_rows, "{taken} rows in a budget of {max_rows}");
        let names: Vec<_> = input.splits.iter().map(|s| s.range.split.clone()).collect();
        assert!(names.is_sorted(), "splits are sorted: {names:?}");
        if let Some(before) = inputs.last() {
            for (was, is) in ranges(before).iter().zip(ranges(&input)) {
                assert_eq!((&was.split, was.to), (&is.split, is.from), "every split, no gap");
            }
        }
        count += taken;
        let done = count >= expected && (input.ended || !ends);
        assert!(!input.ended || count >= expected, "ended after {count} of {expected}");
        inputs.push(input);
        if done {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "a service is waited for")]
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(count, expected);
    let start = ranges(&inputs[0]).into_iter();
    let start = start.map(|r| SplitPosition { split: r.split, offset: r.from }).collect();
    let mut again = open(Some(start)).await.unwrap();
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for input in &inputs {
        let repeated = again.replay(&ranges(input)).await.unwrap();
        assert_eq!(records(&repeated), records(input), "a replay gives the same records");
        assert_eq!(ranges(&repeated), ranges(input));
        for (split, list) in records(input) {
            all.entry(split).or_default().extend(list);
        }
    }
    let next = again.poll(Budget { max_rows, max_bytes: 1 << 20 }).await.unwrap();
    for (last, next) in ranges(inputs.last().unwrap()).iter().zip(ranges(&next)) {
        assert_eq!(last.to, next.from, "a poll goes on where the replay ended");
    }
    again.release(&[]).await.unwrap();
    all
}

fn output(epoch: u64, delta: Delta) -> EpochOutput {
    let table = TableOutput { changes: vec![delta], ..TableOutput::default() };
    EpochOutput { epoch: Epoch(epoch), tables: vec![table] }
}

/// Repeats are ignored, epochs come together under the last number, a reopened sink knows it.
/// `held` counts the rows that are visible outside.
pub async fn sink(
    open: impl Fn() -> Boxed<Box<dyn Sink>>,
    instance: &str,
    held: impl Fn() -> usize,
) {
    let mut sink = open().await.unwrap();
    assert_eq!(sink.committed().await.unwrap(), None);
    let (first, second) = (output(1, rows(0..2)), output(2, rows(2..5)));
    sink.commit(&[first.clone(), second.clone()]).await.unwrap();
    assert_eq!(held(), 5);
    sink.commit(&[first, second.clone()]).await.unwrap();
    assert_eq!(held(), 5, "epochs that are held are ignored");
    let mut sink = open().await.unwrap();
    let number = Some((Instance(instance.into()), Epoch(2)));
    assert_eq!(sink.committed().await.unwrap(), number);
    sink.commit(&[second, output(3, rows(5..6))]).await.unwrap();
    assert_eq!(held(), 6, "only the new epoch of a batch is applied");
}
