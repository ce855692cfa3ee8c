//! What outlives a simulated process on both ends: a source's log and a sink's content.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use tokio::sync::watch;

use brooklet_core::connector::SinkSpec as OpenSink;
use brooklet_core::env::CrashPoint;
use brooklet_core::format::Decoder;
use brooklet_core::sink::EpochOutput;
use brooklet_core::source::{
    Budget, Input, Payload, Reading, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::{Delta, Env, Epoch, Error, Instance, Lookup, Result, Sink, Source};
use brooklet_engine::run::{Connections, Resume, Waker};
use brooklet_plan::node::{LookupSpec, ScanSpec, SinkSpec};

use crate::asked::SimLookup;
use crate::rows;
use crate::world::lock;
use brooklet_testkit::dice::Dice;

/// A table's rows by split, all there from the start; an offset is the number of rows before it.
pub type Log = BTreeMap<SplitId, RecordBatch>;

/// What one commit domain holds.
#[derive(Default)]
pub struct Content {
    pub held: Option<(Instance, Epoch)>,
    /// By epoch, then by table: what was made visible.
    pub epochs: BTreeMap<Epoch, Vec<Vec<Delta>>>,
    /// An epoch came again with other rows.
    pub fault: Option<String>,
    /// Epochs that came again and were ignored.
    pub repeated: u32,
}

/// The outside world of a pipeline, seen from one process.
pub struct SimTables {
    pub logs: Arc<BTreeMap<String, Log>>,
    pub sinks: Arc<Mutex<BTreeMap<String, Content>>>,
    pub dice: Arc<Mutex<Dice>>,
    pub faults: Arc<Mutex<u32>>,
    pub gate: Gate,
    pub env: Env,
    /// Tables of other connectors are opened here.
    pub real: Option<Arc<dyn Connections>>,
}

/// Sinks of a process wait here before their effect while it is closed: the process sleeps.
#[derive(Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    pub fn open() -> Self {
        Gate(Arc::new(watch::Sender::new(true)))
    }
    pub fn set(&self, open: bool) {
        self.0.send_replace(open);
    }
    async fn pass(&self) {
        // The sender lives as long as this handle.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl SimTables {
    fn draw(&self) -> Dice {
        Dice::new(lock(&self.dice).draw())
    }
}

#[async_trait]
impl Connections for SimTables {
    async fn source(&self, scan: &ScanSpec, at: Resume, waker: Waker) -> Result<Box<dyn Source>> {
        if let (Some(real), true) = (&self.real, scan.table.connector() != "memory") {
            return real.source(scan, at, waker).await;
        }
        let log = self.logs.get(&scan.table.name).cloned();
        let log = log.ok_or_else(|| Error::bug("a table without a log"))?;
        let known = at.positions.unwrap_or_default().into_iter().map(|p| (p.split, p.offset));
        let positions: BTreeMap<SplitId, i64> = known.collect();
        let once = scan.reading != Reading::Log;
        let held: i64 = at.held.iter().flat_map(|d| (0..d.len()).map(|row| d.weight(row))).sum();
        let given: i64 = positions.values().sum();
        let all: i64 = log.values().map(rows_of).sum();
        if once && held != given && given != all {
            return Err(Error::bug(format!("{given} rows were given, the state holds {held}")));
        }
        let (schema, dice, faults) = (scan.decode.clone(), self.draw(), self.faults.clone());
        Ok(Box::new(SimSource { log, schema, positions, once, dice, faults, waker }))
    }

    async fn sink(&self, spec: &SinkSpec, open: OpenSink) -> Result<Box<dyn Sink>> {
        if let (Some(real), true) = (&self.real, spec.connector != "memory") {
            return real.sink(spec, open).await;
        }
        Ok(Box::new(SimSink {
            domain: spec.domain.clone(),
            schemas: open.tables.iter().map(|t| t.write_schema()).collect(),
            instance: open.instance,
            sinks: self.sinks.clone(),
            dice: self.draw(),
            faults: self.faults.clone(),
            gate: self.gate.clone(),
            env: self.env.clone(),
        }))
    }

    async fn lookup(&self, spec: &LookupSpec) -> Result<Box<dyn Lookup>> {
        let log = self.logs.get("c").ok_or_else(|| Error::bug("a table without rows"))?;
        Ok(Box::new(SimLookup {
            rows: log.values().cloned().collect(),
            columns: spec.columns.clone(),
            dice: self.draw(),
            faults: self.faults.clone(),
        }))
    }

    fn decoders(&self, scan: &ScanSpec, count: usize) -> Result<Vec<Box<dyn Decoder>>> {
        match &self.real {
            Some(real) if scan.table.connector() != "memory" => real.decoders(scan, count),
            _ => Ok(Vec::new()),
        }
    }
}

fn rows_of(rows: &RecordBatch) -> i64 {
    rows.num_rows() as i64
}

/// One request in sixteen fails while faults are left.
pub fn fails(dice: &mut Dice, faults: &Mutex<u32>) -> bool {
    let mut left = lock(faults);
    let fails = *left > 0 && dice.chance(1.0 / 16.0);
    *left -= u32::from(fails);
    fails
}

/// Gives random cuts of each split, and exactly the recorded rows again.
struct SimSource {
    log: Log,
    schema: SchemaRef,
    positions: BTreeMap<SplitId, i64>,
    /// Rows cannot be read again.
    once: bool,
    dice: Dice,
    faults: Arc<Mutex<u32>>,
    waker: Waker,
}

impl SimSource {
    fn split(&mut self, split: &SplitId, from: i64, to: i64) -> Result<SplitInput> {
        let rows = &self.log[split];
        let end = rows.num_rows() as i64;
        if to > end {
            return Err(Error::corrupt(format!("{split} has {end} rows, {to} were recorded")));
        }
        self.positions.insert(split.clone(), to);
        let payload = match to - from {
            0 => Payload::None,
            count => {
                let own = rows.schema();
                let of = |f: &Arc<arrow::datatypes::Field>| own.index_of(f.name());
                let columns = self.schema.fields().iter().map(of).collect::<Result<Vec<_>, _>>()?;
                let rows = rows.slice(from as usize, count as usize).project(&columns)?;
                Payload::Rows(self.parts(rows).into_iter().map(Delta::inserts).collect())
            }
        };
        let range = SplitRange { split: split.clone(), from, to };
        Ok(SplitInput { range, payload, caught_up: to == end })
    }

    /// An epoch's rows of a split may come in several batches.
    fn parts(&mut self, mut rows: RecordBatch) -> Vec<RecordBatch> {
        let mut parts = Vec::new();
        while rows.num_rows() > 0 {
            let cut = 1 + self.dice.below(rows.num_rows() as u64) as usize;
            parts.push(rows.slice(0, cut));
            rows = rows.slice(cut, rows.num_rows() - cut);
        }
        parts
    }
}

#[async_trait]
impl Source for SimSource {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        if fails(&mut self.dice, &self.faults) {
            return Err(Error::outside("the simulated source did not answer"));
        }
        let mut left = budget.max_rows as i64;
        let mut input = Input { splits: Vec::new(), ended: true };
        for split in self.log.keys().cloned().collect::<Vec<_>>() {
            let from = self.positions.get(&split).copied().unwrap_or(0);
            let end = self.log[&split].num_rows() as i64;
            let most = *self.dice.pick(&[0, 1, 2, 5, 12]);
            let to = end.min(from + most.min(left));
            left -= to - from;
            input.ended &= to == end;
            input.splits.push(self.split(&split, from, to)?);
        }
        if !input.ended {
            (self.waker)();
        }
        Ok(input)
    }
    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        if self.once {
            return Err(Error::bug("rows that are there once were to be read again"));
        }
        let each = ranges.iter().map(|r| self.split(&r.split, r.from, r.to));
        Ok(Input { splits: each.collect::<Result<_>>()?, ended: false })
    }
    fn recall(&mut self, input: &Input) -> Result<()> {
        let ranges = input.splits.iter().map(|split| &split.range);
        self.positions.extend(ranges.map(|range| (range.split.clone(), range.to)));
        Ok(())
    }
    async fn release(&mut self, _: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}

/// Keeps I3 to the letter; an epoch that comes again is compared with what it was (I1).
struct SimSink {
    domain: String,
    schemas: Vec<SchemaRef>,
    instance: Instance,
    sinks: Arc<Mutex<BTreeMap<String, Content>>>,
    dice: Dice,
    faults: Arc<Mutex<u32>>,
    gate: Gate,
    env: Env,
}

#[async_trait]
impl Sink for SimSink {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        // A sink that ignores repetitions may keep silent: then the whole tail comes again.
        if self.dice.chance(0.3) {
            return Ok(None);
        }
        Ok(lock(&self.sinks).get(&self.domain).and_then(|c| c.held.clone()))
    }

    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        self.gate.pass().await;
        self.env.at(CrashPoint::BeforeSinkCommit)?;
        let lost = fails(&mut self.dice, &self.faults);
        let after = self.dice.chance(0.5);
        if lost && !after {
            return Err(Error::outside("the simulated sink did not answer"));
        }
        let mut sinks = lock(&self.sinks);
        let content = sinks.entry(self.domain.clone()).or_default();
        if content.held.as_ref().is_some_and(|(of, _)| *of != self.instance) {
            return Err(Error::bug("a commit under another instance"));
        }
        let held = content.held.as_ref().map_or(Epoch(0), |(_, epoch)| *epoch);
        for output in epochs {
            let tables: Vec<Vec<Delta>> = output.tables.iter().map(|t| t.changes.clone()).collect();
            if output.epoch > held {
                content.epochs.insert(output.epoch, tables);
                continue;
            }
            content.repeated += 1;
            let before = content.epochs.get(&output.epoch);
            let same = before.is_some_and(|before| same(&self.schemas, before, &tables));
            if !same && content.fault.is_none() {
                content.fault = Some(format!(
                    "epoch {} came again to {} with other rows: {:?} then {:?}",
                    output.epoch, self.domain, before, tables
                ));
            }
        }
        if let Some(last) = epochs.last().filter(|last| last.epoch > held) {
            content.held = Some((self.instance.clone(), last.epoch));
        }
        drop(sinks);
        self.env.at(CrashPoint::AfterSinkCommit)?;
        match lost {
            true => Err(Error::outside("the simulated sink's answer was lost")),
            false => Ok(()),
        }
    }
}

fn same(schemas: &[SchemaRef], a: &[Vec<Delta>], b: &[Vec<Delta>]) -> bool {
    schemas.iter().zip(a.iter().zip(b)).all(|(schema, (a, b))| {
        let (a, b) = (rows::weighted(schema, a), rows::weighted(schema, b));
        matches!((a, b), (Ok(a), Ok(b)) if rows::differ(&a, &b).is_none())
    })
}
