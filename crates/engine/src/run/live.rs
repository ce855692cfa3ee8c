//! The schedule of a live pipeline: four tasks joined by bounded channels.
//!
//! Decoding of epoch e+1, compute of e and commit of e−1 overlap; compute runs ahead of the
//! journal, sinks never do. Decoding and compute run on threads of their own, never on the I/O
//! runtime.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinError, JoinHandle};

use brooklet_core::time::{Millis, WATERMARK_MIN};
use brooklet_core::{Env, Epoch, Error, ErrorKind, Result};

use super::asking::Asking;
use super::committer::{Committer, Outage, Outgoing, pause};
use super::reader::{Read, Reader};
use super::snapshotter::Snapshotter;
use super::start::{self, Ready};
use super::status::{NodeProgress, Phase, Progress, Status};
use super::{RunConfig, Stopped};
use crate::checkpoint::manifest::{Manifest, NodeState, VERSION};
use crate::checkpoint::snapshot::Capture;
use crate::compute::Compute;
use crate::ingest::IngestState;
use crate::ops::Counts;

/// Epochs computed and waiting for the journal: they are committed as one group.
const AHEAD: usize = 16;
/// How often the size of the state and the lag are looked at for whoever shows them.
const MEASURE_MS: Millis = 500;
/// Without any news a source is looked at this often.
const LOOK: Duration = Duration::from_millis(100);

/// Runs until the sources end or `stop` turns true. On the way out everything computed is
/// committed and a snapshot is taken.
pub async fn run(
    mut ready: Ready,
    config: &RunConfig,
    env: &Env,
    status: &Status,
    stop: watch::Receiver<bool>,
) -> Result<Stopped> {
    show_recovered(&mut ready, status);
    if ready.recovered.finished && ready.recovered.replayed == 0 {
        return Ok(Stopped::AlreadyFinished);
    }
    if ready.recovered.finished {
        cover_end(ready, env).await?;
        return Ok(Stopped::Finished);
    }
    let Ready { reader, compute, committer, snapshots, lookups, arrived, recovered, .. } = ready;
    let replayed = (recovered.replayed > 0).then(|| (reader.epoch(), reader.state().clone()));
    let (read_to, read_from) = mpsc::channel::<Read>(1);
    let (out_to, out_from) = mpsc::channel::<Outgoing>(AHEAD);
    let (capture_to, captures) = mpsc::channel::<Capture>(1);
    let (release_to, release) = mpsc::channel::<IngestState>(4);
    let (committed_to, committed) = watch::channel(committer.committed());
    let wants_full = Arc::new(AtomicBool::new(true));
    let failed = Arc::new(AtomicBool::new(false));
    let next_roll = Arc::new(AtomicI64::new(compute.next_roll().unwrap_or(Millis::MAX)));

    let reading = Reading {
        reader,
        to: read_to,
        stop,
        arrived,
        next_roll: next_roll.clone(),
        release,
        interval_ms: config.epoch_interval_ms,
        failed: failed.clone(),
        env: env.clone(),
        status: status.clone(),
    };
    let computing = Computing {
        compute,
        outside: Asking::new(lookups, failed.clone(), env, status),
        from: read_from,
        to: out_to,
        captures: capture_to,
        wants_full: wants_full.clone(),
        next_roll,
        config: config.clone(),
        env: env.clone(),
        status: status.clone(),
        measured_at: Millis::MIN,
        replayed,
    };
    let snapshotter = Snapshotter {
        snapshots,
        captures,
        committed,
        release: release_to,
        wants_full,
        status: status.clone(),
        env: env.clone(),
    };
    let handle = Handle::current();
    let reading = tokio::task::spawn_blocking(move || reading.run(&handle));
    let computing = tokio::task::spawn_blocking(move || computing.run());
    let snapshotting = tokio::spawn(snapshotter.run());
    let committing = tokio::spawn(commit_all(committer, out_from, committed_to));

    let read = ended([committing, computing, snapshotting], reading, &failed).await?;
    Ok(if read { Stopped::Finished } else { Stopped::Asked })
}

/// The end of the sources came with the journal's tail: the run that read it died before its last
/// snapshot, which is taken now.
async fn cover_end(mut ready: Ready, env: &Env) -> Result<()> {
    let args = CaptureArgs { full: true, finished: true, env };
    let (epoch, state) = (ready.reader.epoch(), ready.reader.state());
    let capture = capture(&mut ready.compute, epoch, state, args);
    let manifest = ready.snapshots.upload(capture).await?;
    ready.snapshots.publish(&manifest).await?;
    ready.snapshots.prune().await
}

/// Waits for all tasks; the error that comes first in their order.
async fn ended(
    tasks: [JoinHandle<Result<()>>; 3],
    reading: JoinHandle<Result<bool>>,
    failed: &AtomicBool,
) -> Result<bool> {
    let [committing, computing, snapshotting] = tasks.map(|task| watched(task, failed));
    let results = tokio::join!(committing, computing, snapshotting);
    let read = joined(reading.await);
    results.0.and(results.1).and(results.2)?;
    read
}

/// What earlier runs counted, before the first epoch of this one.
fn show_recovered(ready: &mut Ready, status: &Status) {
    let state_bytes = ready.compute.state_bytes();
    let state = ready.reader.state();
    let aside = aside_of(&ready.compute, state);
    let nodes = ready.compute.plan().nodes.iter().map(|node| NodeProgress {
        label: node.label.clone(),
        kind: node.op.name(),
        ..NodeProgress::default()
    });
    let nodes = nodes.collect();
    status.update(|p| {
        p.phase = Phase::Running;
        p.computed = ready.reader.epoch();
        p.committed = ready.committer.committed();
        p.uncommitted_since = None;
        p.nodes = nodes;
        show_scans(p, state);
        show_nodes(p, ready.compute.counts(), Some(&state_bytes));
        aside.show(p);
    });
}

fn show_scans(p: &mut Progress, state: &IngestState) {
    p.read = state.scans.iter().map(|(t, s)| (t.clone(), s.counts)).collect();
    let known = state.scans.iter().filter(|(_, s)| s.watermark != WATERMARK_MIN);
    p.watermark_of = known.map(|(t, s)| (t.clone(), s.watermark)).collect();
    let lowest = state.scans.values().map(|s| s.watermark).min();
    p.watermark = lowest.filter(|w| *w != WATERMARK_MIN);
}

/// `bytes` only where the state was measured.
fn show_nodes(p: &mut Progress, counts: &[Counts], bytes: Option<&[usize]>) {
    for (node, counts) in p.nodes.iter_mut().zip(counts) {
        node.counts = *counts;
    }
    let Some(bytes) = bytes else { return };
    for (node, bytes) in p.nodes.iter_mut().zip(bytes) {
        node.state_bytes = *bytes as u64;
    }
    p.state_bytes = bytes.iter().map(|b| *b as u64).sum();
}

/// Records set aside since the pipeline's first start, by source table.
struct Aside {
    late: BTreeMap<String, u64>,
    dead: BTreeMap<String, u64>,
}

impl Aside {
    fn show(self, progress: &mut Progress) {
        progress.late = self.late.values().sum();
        progress.dead = self.dead.values().sum();
        progress.late_of = self.late;
        progress.dead_of = self.dead;
    }
}

fn aside_of(compute: &Compute, state: &IngestState) -> Aside {
    let mut aside = Aside { late: BTreeMap::new(), dead: BTreeMap::new() };
    for (id, spec) in compute.plan().scans() {
        let (table, counts) = (&spec.table.name, compute.counts()[id]);
        let undecoded = state.scans.get(table).map_or(0, |s| s.counts.dead);
        aside.late.insert(table.clone(), counts.late);
        aside.dead.insert(table.clone(), undecoded + counts.bad);
    }
    aside
}

/// Waits for a task; its failure stops the reading, which waits for nothing else when its sources
/// are silent.
async fn watched(task: JoinHandle<Result<()>>, failed: &AtomicBool) -> Result<()> {
    let result = joined(task.await);
    if result.is_err() {
        failed.store(true, Ordering::Release);
    }
    result
}

fn joined<T>(result: Result<Result<T>, JoinError>) -> Result<T> {
    result.map_err(|e| Error::bug("a task of the pipeline panicked").caused_by(e))?
}

/// The reading thread.
struct Reading {
    reader: Reader,
    to: mpsc::Sender<Read>,
    stop: watch::Receiver<bool>,
    arrived: Arc<Notify>,
    next_roll: Arc<AtomicI64>,
    release: mpsc::Receiver<IngestState>,
    interval_ms: Millis,
    /// Another task has ended with an error.
    failed: Arc<AtomicBool>,
    env: Env,
    status: Status,
}

impl Reading {
    /// True when the sources ended.
    fn run(mut self, runtime: &Handle) -> Result<bool> {
        let ended = self.read_on(runtime);
        self.status.update(|p| p.phase = Phase::Stopping);
        ended
    }

    fn read_on(&mut self, runtime: &Handle) -> Result<bool> {
        let mut asked_roll = Millis::MAX;
        let mut measured_at = Millis::MIN;
        let mut outage = Outage::new("source");
        while !*self.stop.borrow() && !self.failed.load(Ordering::Acquire) {
            while let Ok(covered) = self.release.try_recv() {
                if let Err(e) = runtime.block_on(self.reader.release(&covered)) {
                    tracing::warn!("offsets were not committed to the group: {e}");
                }
            }
            let started = self.env.now();
            if started.saturating_sub(measured_at) >= MEASURE_MS {
                measured_at = started;
                let lag_of = self.reader.lag();
                self.status.update(|p| {
                    p.lag = (!lag_of.is_empty()).then(|| lag_of.values().sum());
                    p.lag_of = lag_of;
                });
            }
            let roll = self.next_roll.load(Ordering::Acquire);
            let due = roll <= started && roll != asked_roll;
            match runtime.block_on(self.reader.poll(due)) {
                Ok(Some(read)) => {
                    outage.over(&self.status);
                    outage = Outage::new("source");
                    if due {
                        asked_roll = roll;
                    }
                    let ended = self.reader.ended();
                    if self.to.blocking_send(read).is_err() || ended {
                        return Ok(ended);
                    }
                    let next = started.saturating_add(self.interval_ms);
                    runtime.block_on(self.wait_until(next));
                }
                Ok(None) => runtime.block_on(self.wait_for_news()),
                Err(e) if e.kind == ErrorKind::Outside && e.retry => {
                    runtime.block_on(outage.wait(&e, &self.env, &self.status));
                }
                Err(e) => return Err(e),
            }
        }
        Ok(false)
    }

    async fn wait_until(&mut self, at: Millis) {
        let wait = at - self.env.now();
        if wait > 0 {
            let stopped = self.stop.wait_for(|stop| *stop);
            tokio::select! {
                _ = stopped => {}
                () = pause(Duration::from_millis(wait as u64)) => {}
            }
        }
    }

    async fn wait_for_news(&mut self) {
        let now = self.env.now();
        let roll = self.next_roll.load(Ordering::Acquire);
        let next = self.reader.next_look(now).unwrap_or(Millis::MAX).min(roll.max(now));
        let wait = Duration::from_millis((next - now).max(1) as u64).min(LOOK);
        let stopped = self.stop.wait_for(|stop| *stop);
        tokio::select! {
            () = self.arrived.notified() => {}
            _ = stopped => {}
            () = pause(wait) => {}
        }
    }
}

/// The compute thread.
struct Computing {
    compute: Compute,
    outside: Asking,
    from: mpsc::Receiver<Read>,
    to: mpsc::Sender<Outgoing>,
    captures: mpsc::Sender<Capture>,
    wants_full: Arc<AtomicBool>,
    next_roll: Arc<AtomicI64>,
    config: RunConfig,
    env: Env,
    status: Status,
    /// When the state's size was last looked at, for showing it.
    measured_at: Millis,
    /// The last epoch that the start repeated: no snapshot covers it yet.
    replayed: Option<(Epoch, IngestState)>,
}

impl Computing {
    fn run(mut self) -> Result<()> {
        let mut snapshot_at = self.env.now().saturating_add(self.config.snapshot_interval_ms);
        let replayed = self.replayed.take();
        let mut last = replayed.map(|(epoch, state)| (epoch, state, false));
        while let Some(read) = self.from.blocking_recv() {
            let (mut outgoing, state) = start::compute(&mut self.compute, read, &mut self.outside)?;
            outgoing.record.answers = std::mem::take(&mut self.outside.answers);
            let (epoch, end) = (outgoing.record.epoch, outgoing.record.end);
            let roll = self.compute.next_roll().unwrap_or(Millis::MAX);
            self.next_roll.store(roll, Ordering::Release);
            self.show(epoch, &state);
            if self.to.blocking_send(outgoing).is_err() {
                return Ok(());
            }
            self.check_memory(epoch)?;
            let now = self.env.now();
            if now >= snapshot_at
                && let Ok(permit) = self.captures.clone().try_reserve_owned()
            {
                let capture = self.capture(epoch, &state, end);
                permit.send(capture);
                snapshot_at = now.saturating_add(self.config.snapshot_interval_ms);
            }
            last = Some((epoch, state, end));
        }
        if let Some((epoch, state, end)) = last {
            // The snapshot task may still be busy with the one before.
            let capture = self.capture_full(epoch, &state, end);
            let _ = self.captures.blocking_send(capture);
        }
        Ok(())
    }

    fn capture(&mut self, epoch: Epoch, state: &IngestState, finished: bool) -> Capture {
        let full = self.wants_full.load(Ordering::Acquire);
        let args = CaptureArgs { full, finished, env: &self.env };
        capture(&mut self.compute, epoch, state, args)
    }

    fn capture_full(&mut self, epoch: Epoch, state: &IngestState, finished: bool) -> Capture {
        let args = CaptureArgs { full: true, finished, env: &self.env };
        capture(&mut self.compute, epoch, state, args)
    }

    fn show(&mut self, epoch: Epoch, state: &IngestState) {
        let now = self.env.now();
        let due = now.saturating_sub(self.measured_at) >= MEASURE_MS;
        let bytes = due.then(|| self.compute.state_bytes());
        if due {
            self.measured_at = now;
        }
        let aside = aside_of(&self.compute, state);
        let counts = self.compute.counts();
        self.status.update(|p| {
            p.show_computed(epoch, now);
            show_scans(p, state);
            show_nodes(p, counts, bytes.as_deref());
            aside.show(p);
        });
    }

    /// Stops at a computed epoch when the state outgrows the budget, naming the largest node.
    fn check_memory(&mut self, epoch: Epoch) -> Result<()> {
        let limit = self.config.memory_limit_bytes;
        if limit == 0 {
            return Ok(());
        }
        let bytes = self.compute.state_bytes();
        let total: u64 = bytes.iter().map(|b| *b as u64).sum();
        if total <= limit {
            return Ok(());
        }
        let largest = bytes.iter().enumerate().max_by_key(|(_, b)| **b);
        let (node, held) = largest.map_or((0, 0), |(node, held)| (node, *held));
        let node = self.compute.plan().node(node);
        Err(Error::limit(format!(
            "the state needs {total} bytes, brooklet.memory.limit is {limit}; {} ({}) holds \
             {held} of them. Stopped at epoch {epoch}; a run with a higher limit goes on there",
            node.label,
            node.op.name()
        )))
    }
}

/// How a state is captured.
pub struct CaptureArgs<'a> {
    /// Everything, not only what changed since the last capture.
    pub full: bool,
    /// The epoch was the end of all inputs.
    pub finished: bool,
    pub env: &'a Env,
}

/// The state after an epoch, shared with whoever uploads it.
pub fn capture(
    compute: &mut Compute,
    epoch: Epoch,
    state: &IngestState,
    args: CaptureArgs<'_>,
) -> Capture {
    let tables = compute.capture(args.full);
    let plan = compute.plan();
    let nodes = plan.nodes.iter().enumerate().map(|(id, node)| NodeState {
        fingerprint: node.fingerprint,
        label: node.label.clone(),
        kind: node.op.name().to_string(),
        counts: compute.counts()[id],
        watermark: compute.watermarks()[id],
    });
    let manifest = Manifest {
        brooklet_snapshot: VERSION,
        epoch,
        taken_at: args.env.now(),
        shards: compute.shard_count(),
        finished: args.finished,
        ingest: state.clone(),
        nodes: nodes.collect(),
        tables: Vec::new(),
    };
    Capture { manifest, tables, full: args.full }
}

/// Commits whatever waits, as one group, until compute ends.
async fn commit_all(
    mut committer: Committer,
    mut from: mpsc::Receiver<Outgoing>,
    committed: watch::Sender<Epoch>,
) -> Result<()> {
    let mut waiting = Vec::with_capacity(AHEAD);
    while from.recv_many(&mut waiting, AHEAD).await > 0 {
        committer.commit(std::mem::take(&mut waiting)).await?;
        committed.send_replace(committer.committed());
    }
    Ok(())
}
