//! One epoch through the plan: all shards in step, stage by stage.
//!
//! The plan is cut at its exchanges into stages; within a stage the shards run without touching
//! each other. Sinks gather from all shards at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::FieldRef;

use brooklet_core::sink::EpochOutput;
use brooklet_core::time::{Millis, WATERMARK_MIN};
use brooklet_core::{Delta, Epoch, Error, Instance, Result};
use brooklet_plan::node::{LookupSpec, Node, NodeId, NodeOp, StreamPlan};

use crate::build;
use crate::checkpoint::capture::Captured;
use crate::checkpoint::load::{self, ReadSegment};
use crate::checkpoint::manifest::SegmentRef;
use crate::exchange;
use crate::ingest::ScanOutput;
use crate::letters::{Letter, Letters, RowText, SetAside};
use crate::lookups::{self, Answering, Outside};
use crate::ops::held::Held;
use crate::ops::kept::Kept;
use crate::ops::lookup::Lookup;
use crate::ops::rows::{by_arrival, consolidate};
use crate::ops::sinks::{self, SinkTable};
use crate::ops::stage::Moment;
use crate::ops::{BadRows, Counts, Operator, StepCtx};
use crate::table::Table;
use crate::views::Tables;
use crate::workers::Workers;

/// Epochs below this many rows run on one thread.
const PARALLEL_ROWS: usize = 4_096;

/// The operators of a plan with their state.
pub struct Compute {
    shape: Arc<Shape>,
    shards: Vec<Shard>,
    sinks: Vec<SinkTables>,
    held: Vec<Held>,
    lookups: BTreeMap<NodeId, Lookup>,
    /// Per node, after the last epoch.
    watermarks: Vec<Millis>,
    counts: Vec<Counts>,
    letters: Letters,
    /// The built-in tables for readers; None when there are none.
    shown: Option<Arc<Tables>>,
    workers: Workers,
}

/// The plan and what follows from it alone.
struct Shape {
    plan: StreamPlan,
    /// The stage each node runs in.
    stages: Vec<usize>,
    /// The last node that reads each node's rows, which are handed over to it; None for those
    /// that Sinks read.
    last_readers: Vec<Option<NodeId>>,
}

impl Shape {
    fn of(plan: StreamPlan) -> Self {
        let stages = build::stage_of(&plan);
        // Sinks read when everything has run; Exchanges at the end of the stage below theirs, then
        // Lookups.
        let turn = |reader: NodeId| match plan.node(reader).op {
            NodeOp::Sink(_) => (usize::MAX, 0, reader),
            NodeOp::Exchange(_) => (stages[reader] - 1, 1, reader),
            NodeOp::Lookup(_) => (stages[reader] - 1, 2, reader),
            _ => (stages[reader], 0, reader),
        };
        let last = |id: NodeId| {
            let readers = (0..plan.nodes.len()).filter(|r| plan.node(*r).inputs.contains(&id));
            let last = readers.max_by_key(|reader| turn(*reader));
            last.filter(|reader| !matches!(plan.node(*reader).op, NodeOp::Sink(_)))
        };
        let last_readers = (0..plan.nodes.len()).map(last).collect();
        Shape { stages, last_readers, plan }
    }

    /// Whether a node's tables are kept by the shards, and not once for all of them.
    fn on_shards(&self, node: NodeId) -> bool {
        !matches!(self.plan.node(node).op, NodeOp::Sink(_) | NodeOp::Scan(_) | NodeOp::Lookup(_))
    }

    /// What the inputs of a node gave; nothing is kept for longer than it is needed.
    fn inputs(&self, out: &mut [Vec<Delta>], reader: NodeId) -> Vec<Vec<Delta>> {
        let inputs = &self.plan.node(reader).inputs;
        let mut read = |(place, input): (usize, &NodeId)| {
            let last = self.last_readers[*input] == Some(reader);
            // A self-join reads its input twice.
            match last && !inputs[place + 1..].contains(input) {
                true => std::mem::take(&mut out[*input]),
                false => out[*input].clone(),
            }
        };
        inputs.iter().enumerate().map(&mut read).collect()
    }
}

/// A stage of one epoch.
struct StageRun {
    shape: Arc<Shape>,
    stage: usize,
    contexts: Arc<[StepCtx]>,
    shards: u32,
}

struct Shard {
    operators: Vec<Option<Box<dyn Operator>>>,
    /// Output of each node in this epoch.
    out: Vec<Vec<Delta>>,
    late: Vec<(NodeId, Delta)>,
    bad: Vec<(NodeId, BadRows)>,
    counts: Vec<Counts>,
    /// What the shard's exchanges deal: (exchange, destination, rows).
    dealt: Vec<(NodeId, usize, Vec<Delta>)>,
}

struct SinkTables {
    node: NodeId,
    tables: Vec<SinkTable>,
}

/// What a scan gave, by node.
pub type Scanned = BTreeMap<NodeId, ScanOutput>;

/// The moment of an epoch, from its record.
#[derive(Debug, Clone, Copy)]
pub struct EpochMoment {
    pub epoch: Epoch,
    pub now: Millis,
    pub end: bool,
}

/// What an epoch gave.
pub struct Computed {
    /// In the order of the plan's sinks.
    pub outputs: Vec<EpochOutput>,
    /// Records set aside that go to the log.
    pub logged: Vec<Letter>,
    /// The built-in tables, if they changed and somebody reads them.
    pub tables: Option<Arc<Tables>>,
}

/// Identifies a table of the state over restarts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct TableId {
    pub fingerprint: u64,
    pub shard: u32,
    pub table: String,
}

impl Compute {
    pub fn new(plan: StreamPlan, shards: u32, instance: &Instance) -> Result<Self> {
        let nodes = plan.nodes.len();
        let shard = || {
            let operators = (0..nodes).map(|id| build::operator(&plan, id));
            Ok(Shard {
                operators: operators.collect::<Result<_>>()?,
                out: vec![Vec::new(); nodes],
                late: Vec::new(),
                bad: Vec::new(),
                counts: vec![Counts::default(); nodes],
                dealt: Vec::new(),
            })
        };
        let each = (0..shards.max(1)).map(|_| shard()).collect::<Result<Vec<_>>>()?;
        let sinks = plan.sinks().map(|(id, _)| {
            let tables = sinks::tables(plan.node(id), instance)?;
            Ok(SinkTables { node: id, tables })
        });
        let sinks = sinks.collect::<Result<_>>()?;
        Ok(Compute {
            letters: Letters::new(&plan, instance.clone()),
            watermarks: vec![WATERMARK_MIN; nodes],
            counts: vec![Counts::default(); nodes],
            shards: each,
            sinks,
            shown: None,
            held: Held::of(&plan)?,
            lookups: lookups::of(&plan)?,
            workers: Workers::new("shard", shards as usize)?,
            shape: Arc::new(Shape::of(plan)),
        })
    }

    /// How rows that are set aside are shown.
    pub fn set_row_text(&mut self, row_text: Option<RowText>) {
        self.letters.set_row_text(row_text);
    }
    pub fn row_text(&self) -> Option<RowText> {
        self.letters.row_text()
    }
    pub fn plan(&self) -> &StreamPlan {
        &self.shape.plan
    }
    pub fn shard_count(&self) -> u32 {
        self.shards.len() as u32
    }

    /// Runs an epoch. On an error the state is undefined and the pipeline must stop.
    pub fn step(
        &mut self,
        moment: EpochMoment,
        mut scanned: Scanned,
        outside: &mut dyn Outside,
    ) -> Result<Computed> {
        let mut aside = SetAside::of_scans(&mut scanned);
        let contexts: Arc<[StepCtx]> = self.contexts(moment, &scanned).into();
        let rows: usize = scanned.values().flat_map(|s| &s.rows).map(Delta::len).sum();
        for held in &mut self.held {
            if let Some(scan) = scanned.get(&held.node) {
                held.step(&scan.once, scan.ended)?;
            }
        }
        self.hand_out(scanned);
        let last = self.shape.stages.iter().copied().max().unwrap_or(0);
        for stage in 0..=last {
            self.run_stage(stage, &contexts, rows)?;
            self.exchange();
            self.look_up(stage + 1, &contexts, outside)?;
        }
        for shard in &mut self.shards {
            aside.late.append(&mut shard.late);
            aside.bad.append(&mut shard.bad);
        }
        let logged = self.set_aside(aside, moment.now)?;
        self.watermarks = contexts.iter().map(|c| c.watermark).collect();
        let outputs = self.gather(moment, &contexts)?;
        for shard in &mut self.shards {
            shard.out.iter_mut().for_each(Vec::clear);
            for (total, counts) in self.counts.iter_mut().zip(&mut shard.counts) {
                total.add(std::mem::take(counts));
            }
        }
        Ok(Computed { outputs, logged, tables: self.show_changed() })
    }

    /// Gives what was set aside to the nodes that feed its Sinks; returns what goes to the log.
    /// The watermarks are still those before the epoch.
    fn set_aside(&mut self, aside: SetAside, now: Millis) -> Result<Vec<Letter>> {
        let dealt = self.letters.deal(&self.shape.plan, aside, &self.watermarks, now)?;
        for (scan, rows) in dealt.late_of {
            self.counts[scan].late += rows;
        }
        for (scan, rows) in dealt.bad_of {
            self.counts[scan].bad += rows;
        }
        for (node, rows) in dealt.fed {
            self.shards[0].out[node].push(rows);
        }
        Ok(dealt.logged)
    }

    /// Watermarks are static in the plan: the minimum over the scans below a node.
    fn contexts(&self, moment: EpochMoment, scanned: &Scanned) -> Vec<StepCtx> {
        let mut contexts: Vec<StepCtx> = Vec::with_capacity(self.shape.plan.nodes.len());
        for (id, node) in self.shape.plan.nodes.iter().enumerate() {
            let watermark = match scanned.get(&id) {
                Some(scan) => scan.watermark,
                None if node.inputs.is_empty() => self.watermarks[id],
                None => {
                    let inputs = node.inputs.iter();
                    let of =
                        |i: &NodeId| self.shape.plan.node(*i).op.lagged(contexts[*i].watermark);
                    inputs.map(of).min().unwrap_or(0)
                }
            };
            contexts.push(StepCtx {
                epoch: moment.epoch,
                now: moment.now,
                watermark,
                late_before: self.watermarks[id],
            });
        }
        contexts
    }

    /// Batches of a scan go to the shards in turn: below the first exchange any dealing will do.
    fn hand_out(&mut self, scanned: Scanned) {
        let shards = self.shards.len();
        for (id, scan) in scanned {
            for (i, rows) in scan.rows.into_iter().enumerate() {
                self.shards[i % shards].out[id].push(rows);
            }
        }
    }

    fn run_stage(&mut self, stage: usize, contexts: &Arc<[StepCtx]>, rows: usize) -> Result<()> {
        let shards = self.shards.len() as u32;
        let (shape, contexts) = (self.shape.clone(), contexts.clone());
        let run = StageRun { shape, stage, contexts, shards };
        if shards == 1 || rows < PARALLEL_ROWS {
            return self.shards.iter_mut().try_for_each(|shard| shard.run(&run));
        }
        let shards = std::mem::take(&mut self.shards);
        let done = self.workers.each(shards, move |mut shard| {
            let result = shard.run(&run);
            (shard, result)
        });
        let (shards, results): (Vec<Shard>, Vec<Result<()>>) = done.into_iter().unzip();
        self.shards = shards;
        results.into_iter().collect()
    }

    /// Takes what the shards dealt to its destinations, in the order of the senders.
    fn exchange(&mut self) {
        let dealt: Vec<_> =
            self.shards.iter_mut().flat_map(|shard| std::mem::take(&mut shard.dealt)).collect();
        for (node, to, rows) in dealt {
            self.shards[to].out[node].extend(rows);
        }
    }

    /// Runs the Lookups of a stage, for all shards together.
    fn look_up(
        &mut self,
        stage: usize,
        contexts: &[StepCtx],
        outside: &mut dyn Outside,
    ) -> Result<()> {
        let shape = self.shape.clone();
        for (id, lookup) in self.lookups.iter_mut().filter(|(id, _)| shape.stages[**id] == stage) {
            let node = shape.plan.node(*id);
            let each = self.shards.iter_mut();
            let rows = each.map(|shard| shape.inputs(&mut shard.out, *id).concat()).collect();
            let NodeOp::Lookup(spec) = &node.op else { continue };
            let mut answering = match kept_of(&mut self.sinks, spec)? {
                Some(kept) => Answering::Kept(kept, spec),
                None => Answering::Outside(outside),
            };
            let outputs = lookup
                .step(contexts[*id].now, rows, &mut |keys| answering.answer(node, keys))
                .map_err(|e| if e.place.is_none() { e.at(node.label.clone()) } else { e })?;
            for (shard, output) in self.shards.iter_mut().zip(outputs) {
                shard.counts[*id].add(output.counts);
                shard.bad.extend(output.bad.into_iter().map(|rows| (*id, rows)));
                shard.out[*id] = output.rows;
            }
        }
        Ok(())
    }

    fn gather(&mut self, moment: EpochMoment, contexts: &[StepCtx]) -> Result<Vec<EpochOutput>> {
        let mut outputs = Vec::with_capacity(self.sinks.len());
        for sink in &mut self.sinks {
            let node = self.shape.plan.node(sink.node);
            let mut tables = Vec::with_capacity(node.inputs.len());
            for (i, input) in node.inputs.iter().enumerate() {
                let of_shards = self.shards.iter_mut().map(|s| s.out[*input].clone());
                let rows: Vec<Delta> = of_shards.flatten().collect();
                let changes = sink_rows(self.shape.plan.node(*input), node, i, rows)?;
                self.counts[sink.node].rows_in +=
                    changes.iter().map(|d| d.len() as u64).sum::<u64>();
                let lagged = |watermark| self.shape.plan.node(*input).op.lagged(watermark);
                let file_moment = Moment {
                    epoch: moment.epoch,
                    now: moment.now,
                    end: moment.end,
                    watermark: lagged(contexts[*input].watermark),
                    watermark_before: lagged(contexts[*input].late_before),
                };
                tables.push(sink.tables[i].step(file_moment, changes)?);
            }
            outputs.push(EpochOutput { epoch: moment.epoch, tables });
        }
        Ok(outputs)
    }

    /// Shows readers the built-in tables from now on.
    pub fn show_tables(&mut self) {
        let kept = self.sinks.iter_mut().flat_map(|s| &mut s.tables).filter_map(SinkTable::kept);
        let shown = kept.map(|kept| (kept.name().to_string(), Arc::new(kept.view())));
        self.shown = Some(Arc::new(shown.collect()));
    }
    /// The built-in tables after the last epoch, if they are shown.
    pub fn shown_tables(&self) -> Option<Arc<Tables>> {
        self.shown.clone()
    }

    /// The same, if one of them changed in the epoch.
    fn show_changed(&mut self) -> Option<Arc<Tables>> {
        let shown = self.shown.as_mut()?;
        let mut changed = false;
        let kept = self.sinks.iter_mut().flat_map(|s| &mut s.tables).filter_map(SinkTable::kept);
        for kept in kept {
            let Some(view) = kept.new_view() else { continue };
            Arc::make_mut(shown).insert(kept.name().to_string(), Arc::new(view));
            changed = true;
        }
        changed.then(|| shown.clone())
    }

    /// The rows that the source of a scan has given and cannot give again.
    pub fn held(&self, scan: NodeId) -> Result<Vec<Delta>> {
        self.held.iter().filter(|held| held.node == scan).map(Held::rows).collect()
    }

    /// When the next open file is due by its age, or a window by the clock.
    pub fn next_roll(&self) -> Option<Millis> {
        let files = self.sinks.iter().flat_map(|s| &s.tables).filter_map(SinkTable::next_roll);
        let operators = self.shards.iter().flat_map(|shard| shard.operators.iter().flatten());
        files.chain(operators.filter_map(|operator| operator.next_due())).min()
    }

    /// Per node, since the pipeline's first start.
    pub fn counts(&self) -> &[Counts] {
        &self.counts
    }
    pub fn watermarks(&self) -> &[Millis] {
        &self.watermarks
    }

    /// Bytes of state per node.
    pub fn state_bytes(&mut self) -> Vec<usize> {
        let mut bytes = vec![0; self.shape.plan.nodes.len()];
        self.each_table(|id, _, table| bytes[id] += table.bytes());
        bytes
    }

    fn each_table(&mut self, mut each: impl FnMut(NodeId, u32, &mut Table)) {
        for (shard, of) in self.shards.iter_mut().enumerate() {
            for (id, operator) in of.operators.iter_mut().enumerate() {
                let tables = operator.iter_mut().flat_map(|o| o.tables());
                tables.for_each(|table| each(id, shard as u32, table));
            }
        }
        for sink in &mut self.sinks {
            let node = sink.node;
            sink.tables.iter_mut().flat_map(SinkTable::tables).for_each(|t| each(node, 0, t));
        }
        for held in &mut self.held {
            each(held.node, 0, held.table());
        }
        for (node, lookup) in &mut self.lookups {
            lookup.tables().into_iter().for_each(|table| each(*node, 0, table));
        }
    }

    /// What changed since the last capture (everything if `full`), by table; tables without
    /// changes are there too, because a snapshot names every living table.
    pub fn capture(&mut self, full: bool) -> Vec<(TableId, Captured)> {
        let fingerprints: Vec<u64> = self.shape.plan.nodes.iter().map(|n| n.fingerprint).collect();
        let mut captured = Vec::new();
        self.each_table(|id, shard, table| {
            let name = table.name().to_string();
            let id = TableId { fingerprint: fingerprints[id], shard, table: name };
            captured.push((id, table.capture(full)));
        });
        captured
    }

    /// Restores totals and watermarks of a snapshot.
    pub fn restore(&mut self, counts: &BTreeMap<u64, (Counts, Millis)>) {
        for (id, node) in self.shape.plan.nodes.iter().enumerate() {
            if let Some((total, watermark)) = counts.get(&node.fingerprint) {
                self.counts[id] = *total;
                self.watermarks[id] = *watermark;
            }
        }
    }

    /// Loads a snapshot's tables. Shards load their own side by side; tables of another number of
    /// shards (`saved_by`) are dealt anew. Waits for `from`: not for a thread of the I/O runtime.
    pub fn load(
        &mut self,
        tables: Vec<(TableId, Vec<SegmentRef>)>,
        saved_by: u32,
        from: Arc<dyn ReadSegment>,
    ) -> Result<()> {
        let shape = self.shape.clone();
        let count = self.shards.len() as u32;
        let mut own: Vec<Saved> = (0..count).map(|_| Saved::default()).collect();
        let mut off_shards = Saved::default();
        for (id, refs) in tables {
            let node = shape.plan.nodes.iter().position(|n| n.fingerprint == id.fingerprint);
            let Some(node) = node else {
                return Err(Error::corrupt(format!("the plan has no node for table {}", id.table)));
            };
            if !shape.on_shards(node) {
                off_shards.push(node, id, refs);
                continue;
            }
            match own.get_mut(id.shard as usize).filter(|_| saved_by == count) {
                Some(own) => own.push(node, id, refs),
                None => own.iter_mut().for_each(|o| o.push(node, id.clone(), refs.clone())),
            }
        }
        load::each_batch(&off_shards.refs, from.as_ref(), |table, rows| {
            let (node, id) = &off_shards.tables[table];
            self.load_off_shards(*node, id, rows)
        })?;
        let dealt = saved_by != count;
        let jobs = std::mem::take(&mut self.shards).into_iter().zip(own).enumerate().collect();
        let loaded = self.workers.each(jobs, move |(number, (mut shard, saved))| {
            let mine = |hash| exchange::owner(hash, count) == number as u32;
            let mine: Option<&dyn Fn(u64) -> bool> = if dealt { Some(&mine) } else { None };
            let result = shard.load(&saved, from.as_ref(), mine);
            (shard, result)
        });
        for (shard, result) in loaded {
            result?;
            self.shards.push(shard);
        }
        self.sinks.iter_mut().flat_map(|s| &mut s.tables).try_for_each(SinkTable::loaded)
    }

    fn load_off_shards(&mut self, node: NodeId, id: &TableId, rows: &RecordBatch) -> Result<()> {
        let sinks = self.sinks.iter_mut().filter(|s| s.node == node);
        let tables = sinks.flat_map(|s| &mut s.tables).flat_map(SinkTable::tables);
        let held = self.held.iter_mut().filter(|h| h.node == node).map(Held::table);
        let lookup = self.lookups.get_mut(&node).into_iter().flat_map(Lookup::tables);
        let mut tables = tables.chain(held).chain(lookup);
        tables.find(|t| t.name() == id.table).ok_or_else(|| no_table(id))?.load(rows)
    }
}

/// Tables of a snapshot and where their rows stand.
#[derive(Default)]
struct Saved {
    tables: Vec<(NodeId, TableId)>,
    refs: Vec<Vec<SegmentRef>>,
}

impl Saved {
    fn push(&mut self, node: NodeId, id: TableId, refs: Vec<SegmentRef>) {
        self.tables.push((node, id));
        self.refs.push(refs);
    }
}

fn no_table(id: &TableId) -> Error {
    Error::corrupt(format!("the plan has no table {}", id.table))
}

impl Shard {
    fn load(
        &mut self,
        saved: &Saved,
        from: &dyn ReadSegment,
        mine: Option<&dyn Fn(u64) -> bool>,
    ) -> Result<()> {
        load::each_batch(&saved.refs, from, |table, rows| {
            let (node, id) = &saved.tables[table];
            let operator = self.operators[*node].as_mut().ok_or_else(|| no_table(id))?;
            let table = operator.table(&id.table)?.ok_or_else(|| no_table(id))?;
            match mine {
                Some(mine) => table.load_dealt(rows, mine),
                None => table.load(rows),
            }
        })?;
        self.operators.iter_mut().flatten().try_for_each(|operator| operator.loaded())
    }

    fn run(&mut self, run: &StageRun) -> Result<()> {
        let StageRun { shape, stage, contexts, shards } = run;
        let Shape { plan, stages, .. } = &**shape;
        for id in (0..plan.nodes.len()).filter(|id| stages[*id] == *stage) {
            let node = plan.node(id);
            if let Some(operator) = &mut self.operators[id] {
                let inputs = shape.inputs(&mut self.out, id);
                let output = operator
                    .step(&contexts[id], &inputs)
                    .map_err(|e| if e.place.is_none() { e.at(node.label.clone()) } else { e })?;
                self.counts[id].add(output.counts);
                self.late.extend(output.late.into_iter().map(|rows| (id, rows)));
                self.bad.extend(output.bad.into_iter().map(|rows| (id, rows)));
                self.out[id] = output.rows;
            } else if matches!(node.op, NodeOp::Union) {
                self.out[id] = shape.inputs(&mut self.out, id).concat();
            }
        }
        for (id, node) in plan.nodes.iter().enumerate() {
            let NodeOp::Exchange(spec) = &node.op else { continue };
            if stages[id] == stage + 1 {
                let rows = shape.inputs(&mut self.out, id).concat();
                let dealt = exchange::deal(rows, &spec.keys, *shards)?;
                let rows = dealt.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty());
                self.dealt.extend(rows.map(|(to, rows)| (id, to, rows)));
            }
        }
        Ok(())
    }
}

/// The built-in table that a Lookup asks, if it asks one.
fn kept_of<'a>(sinks: &'a mut [SinkTables], spec: &LookupSpec) -> Result<Option<&'a Kept>> {
    if !spec.built_in {
        return Ok(None);
    }
    let mut kept = sinks.iter_mut().flat_map(|s| &mut s.tables).filter_map(SinkTable::kept);
    let found = kept.find(|kept| kept.name() == spec.table.name);
    let found = found.ok_or_else(|| Error::bug("a built-in table without a Sink is looked up"))?;
    Ok(Some(found))
}

/// The rows of a sink's table: in arrival order where that matters, consolidated where rows
/// are taken back, without hidden columns.
fn sink_rows(input: &Node, sink: &Node, table: usize, rows: Vec<Delta>) -> Result<Vec<Delta>> {
    let NodeOp::Sink(spec) = &sink.op else { return Err(Error::bug("a sink has a sink spec")) };
    let visible = spec.tables[table].table.write_schema();
    let width = visible.fields().len();
    let project = |rows: &Delta| -> Result<Delta> {
        let columns = rows.rows.columns()[..width].to_vec();
        let null = |(c, f): &(&ArrayRef, &FieldRef)| !f.is_nullable() && c.null_count() > 0;
        if let Some((_, field)) = columns.iter().zip(visible.fields()).find(null) {
            return Err(Error::data(format!(
                "column '{}' of table '{}' is NOT NULL, but the query gives NULL; SET \
                 'table.exec.sink.not-null-enforcer' = 'DROP' leaves such rows out",
                field.name(),
                spec.tables[table].table.name
            )));
        }
        Ok(rows.with_rows(crate::ops::map::batch(&visible, columns, rows.len())?))
    };
    let mut rows: Vec<Delta> = rows.into_iter().filter(|d| !d.is_empty()).collect();
    if spec.tables[table].ordered && !input.ord.is_empty() {
        let all = brooklet_core::delta::concat(&input.schema, &rows)?;
        rows = all.map(|all| by_arrival(all, &input.ord)).transpose()?.into_iter().collect();
    }
    let rows = rows.iter().map(project).collect::<Result<Vec<_>>>()?;
    if input.append_only {
        return Ok(rows);
    }
    Ok(consolidate(&visible, &rows)?.into_iter().collect())
}
