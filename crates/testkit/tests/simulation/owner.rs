//! One process that owns the pipeline: the same parts as a live run, one step at a time.
//!
//! The queues between the parts stand for the channels of `brooklet_engine::run::live`: reading
//! runs ahead of compute, compute ahead of the journal, snapshots behind both.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;

use brooklet_core::{Env, Epoch, Error, ErrorKind, Result};
use brooklet_engine::checkpoint::manifest::Manifest;
use brooklet_engine::checkpoint::segment;
use brooklet_engine::checkpoint::snapshot::{Capture, Snapshots};
use brooklet_engine::compute::Compute;
use brooklet_engine::ingest::IngestState;
use brooklet_engine::ops::Counts;
use brooklet_engine::run::committer::{Committer, Outgoing};
use brooklet_engine::run::live::{CaptureArgs, capture};
use brooklet_engine::run::reader::{Read, Reader};
use brooklet_engine::run::start::{self, Ready, Recovered};

use brooklet_plan::node::{Keep, NodeOp, ReduceKind, ReduceSpec};

use crate::asked::Asked;
use crate::tables::Gate;
use crate::world::SimWorld;
use brooklet_testkit::dice::Dice;

/// Epochs read and not computed, captures not uploaded.
const SHORT: usize = 2;
/// Epochs computed and not committed.
const AHEAD: usize = 8;

pub struct Owner {
    pub world: SimWorld,
    pub gate: Gate,
    pub recovered: Recovered,
    env: Env,
    reader: Reader,
    compute: Compute,
    outside: Asked,
    /// None while a commit sleeps.
    committer: Option<Committer>,
    snapshots: Snapshots,
    reads: VecDeque<Read>,
    queue: VecDeque<Outgoing>,
    captures: VecDeque<Capture>,
    uploaded: Option<Manifest>,
    /// The last epoch computed by this process, its reader's state, whether it was the end.
    last: Option<(Epoch, IngestState, bool)>,
    wants_full: bool,
    closing: bool,
}

/// A commit that waits for its sinks while its process sleeps.
pub type Asleep = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

impl Owner {
    pub fn new(ready: Ready, world: SimWorld, env: Env, gate: Gate) -> Self {
        let Ready { reader, compute, committer, snapshots, lookups, recovered, .. } = ready;
        Owner {
            world,
            gate,
            recovered,
            env,
            reader,
            compute,
            outside: Asked::new(lookups),
            committer: Some(committer),
            snapshots,
            reads: VecDeque::new(),
            queue: VecDeque::new(),
            captures: VecDeque::new(),
            uploaded: None,
            last: None,
            wants_full: true,
            closing: false,
        }
    }

    /// Everything was read, committed, and kept by a last snapshot.
    pub fn is_done(&self) -> bool {
        let idle = self.captures.is_empty() && self.uploaded.is_none();
        self.drained() && idle && (self.closing || self.last.is_none())
    }

    fn drained(&self) -> bool {
        self.reader.ended() && self.reads.is_empty() && self.queue.is_empty()
    }

    fn committed(&self) -> Epoch {
        self.committer.as_ref().map_or(Epoch(0), Committer::committed)
    }

    /// One step of one part, chosen by the dice.
    pub async fn step(&mut self, dice: &mut Dice) -> Result<()> {
        if self.drained() && !self.closing {
            self.closing = true;
            // As at the end of a live run: whatever the snapshot task is at, a last full one.
            self.capture(true);
            return Ok(());
        }
        match dice.below(10) {
            0..3 => self.read().await,
            3..6 => self.compute(),
            6..8 => self.commit(dice).await,
            8 => {
                if self.captures.len() < SHORT && dice.chance(0.6) {
                    self.capture(false);
                }
                Ok(())
            }
            _ => self.snapshot().await,
        }
    }

    pub async fn read(&mut self) -> Result<()> {
        if self.reader.ended() || self.reads.len() == SHORT {
            return Ok(());
        }
        let due = self.compute.next_roll().is_some_and(|at| at <= self.env.now());
        match self.reader.poll(due).await {
            Ok(read) => self.reads.extend(read),
            // Live runs try again after a pause.
            Err(e) if e.kind == ErrorKind::Outside => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    pub fn compute(&mut self) -> Result<()> {
        if self.queue.len() == AHEAD {
            return Ok(());
        }
        let Some(read) = self.reads.pop_front() else { return Ok(()) };
        let (mut outgoing, state) = start::compute(&mut self.compute, read, &mut self.outside)?;
        outgoing.record.answers = std::mem::take(&mut self.outside.answers);
        self.last = Some((outgoing.record.epoch, state, outgoing.record.end));
        self.queue.push_back(outgoing);
        Ok(())
    }

    fn group(&mut self, dice: &mut Dice) -> Vec<Outgoing> {
        let most = self.queue.len().min(1 + dice.below(4) as usize);
        self.queue.drain(..most).collect()
    }

    pub async fn commit(&mut self, dice: &mut Dice) -> Result<()> {
        let group = self.group(dice);
        match &mut self.committer {
            Some(committer) if !group.is_empty() => committer.commit(group).await,
            _ => Ok(()),
        }
    }

    /// Goes to sleep between its record and its sinks; None when there is nothing to commit.
    pub fn sleep(&mut self, dice: &mut Dice) -> Option<Asleep> {
        let group = self.group(dice);
        if group.is_empty() {
            return None;
        }
        let mut committer = self.committer.take()?;
        self.gate.set(false);
        Some(Box::pin(async move { committer.commit(group).await }))
    }

    pub fn capture(&mut self, last: bool) {
        let Some((epoch, state, end)) = &self.last else { return };
        let full = last || self.wants_full;
        let args = CaptureArgs { full, finished: *end, env: &self.env };
        self.captures.push_back(capture(&mut self.compute, *epoch, state, args));
    }

    pub async fn snapshot(&mut self) -> Result<()> {
        let result = self.take_snapshot().await;
        match result {
            Ok(true) => self.wants_full = self.snapshots.wants_full(),
            Ok(false) => {}
            Err(e) if e.kind == ErrorKind::Outside => {
                self.uploaded = None;
                self.wants_full = true;
            }
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// True when a snapshot was completed.
    async fn take_snapshot(&mut self) -> Result<bool> {
        let Some(manifest) = self.uploaded.take() else {
            let Some(capture) = self.captures.pop_front() else { return Ok(false) };
            if self.snapshots.holds(capture.manifest.epoch) {
                return Ok(true);
            }
            self.uploaded = Some(self.snapshots.upload(capture).await?);
            return Ok(false);
        };
        if self.committed() < manifest.epoch {
            self.uploaded = Some(manifest);
            return Ok(false);
        }
        self.snapshots.publish(&manifest).await?;
        self.snapshots.prune().await?;
        self.reader.release(&manifest.ingest).await?;
        Ok(true)
    }

    /// Rows read of each table; at each node what does not depend on how epochs are cut. An error
    /// when they do not add up.
    pub fn accounts(&self) -> Result<BTreeMap<String, u64>> {
        let scans = &self.reader.state().scans;
        let mut accounts: BTreeMap<String, u64> =
            scans.iter().map(|(table, scan)| (format!("read {table}"), scan.counts.read)).collect();
        let plan = self.compute.plan();
        for (id, node) in plan.nodes.iter().enumerate() {
            let counts = self.compute.counts()[id];
            if self.drained() && !adds_up(&node.op, &counts) {
                return Err(Error::bug(format!("{}: {counts:?} do not add up", node.label)));
            }
            let insertions = node.inputs.iter().all(|input| plan.node(*input).append_only);
            if !insertions || node.inputs.is_empty() {
                continue;
            }
            let said = format!("{id} {} {}", node.op.name(), node.label);
            accounts.insert(format!("into {said}"), counts.rows_in);
            accounts.insert(format!("filtered at {said}"), counts.filtered);
            accounts.insert(format!("late at {said}"), counts.late);
            if node.append_only {
                accounts.insert(format!("out of {said}"), counts.rows_out);
            }
        }
        Ok(accounts)
    }

    /// Rows that came too late for their window.
    pub fn late(&self) -> u64 {
        self.compute.counts().iter().map(|c| c.late).sum()
    }

    /// The whole state as bytes, by table.
    pub fn state(&mut self) -> Result<BTreeMap<String, Vec<u8>>> {
        let tables = self.compute.capture(true);
        let each = |(id, rows)| {
            let mut bytes = Vec::new();
            segment::encode(vec![rows], |segment| {
                bytes.extend(segment.content);
                Ok(())
            })?;
            Ok((format!("{id:?}"), bytes))
        };
        tables.into_iter().map(each).collect()
    }
}

/// in = passed + filtered + late + duplicates, at the end, when nothing is held any more.
fn adds_up(op: &NodeOp, counts: &Counts) -> bool {
    let first = |spec: &ReduceSpec| {
        matches!(
            spec.kind,
            ReduceKind::Dedup { keep: Keep::First, .. } | ReduceKind::FirstWithin { .. }
        )
    };
    let applies = match op {
        NodeOp::Map(map) => map.window.is_none() && map.unnest.is_none(),
        NodeOp::Reduce(spec) => first(spec),
        _ => false,
    };
    let gone = counts.filtered + counts.late + counts.duplicates + counts.bad;
    !applies || counts.rows_in == counts.rows_out + gone
}
