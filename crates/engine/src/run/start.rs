//! Starting a pipeline: recover what was, then be ready for live epochs.
//!
//! Recovery loads the newest snapshot and sends the journal's tail through the same read, step and
//! commit functions as live epochs; sinks skip what they have.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Notify;

use brooklet_core::connector::SinkSpec as OpenSink;
use brooklet_core::source::{Budget, Reading};
use brooklet_core::{Env, Epoch, EpochRecord, ErrorKind, Instance, Lookup, Result};
use brooklet_plan::{NodeOp, StreamPlan};

use super::asking::Repeating;
use super::committer::{Committer, Domain, Outage, Outgoing};
use super::edit;
use super::reader::{Read, Reader, ScanReader};
use super::replays::{Replaying, Replays};
use super::status::{LastSnapshot, Status};
use super::{Connections, Resume, RunConfig, Waker};
use crate::checkpoint::instance::{InstanceHome, find_or_mint};
use crate::checkpoint::journal::{Journal, Writer};
use crate::checkpoint::manifest::Manifest;
use crate::checkpoint::snapshot::{self, Snapshots};
use crate::checkpoint::store::Store;
use crate::compute::{Compute, Computed, EpochMoment};
use crate::ingest::{Ingest, IngestState};
use crate::letters::RowText;
use crate::lookups::Outside;
use crate::planted::{self, Mistake};
use crate::views::CommittedTables;

/// Epochs of the tail that are committed together.
const TAIL_GROUP: usize = 64;

/// What a pipeline is started with.
pub struct Start {
    pub plan: StreamPlan,
    pub config: RunConfig,
    pub store: Arc<dyn Store>,
    pub connections: Arc<dyn Connections>,
    /// How rows that are set aside are shown; without it they are not.
    pub row_text: Option<RowText>,
    pub env: Env,
    pub status: Status,
}

/// A recovered pipeline, ready for its next epoch.
pub struct Ready {
    pub reader: Reader,
    pub compute: Compute,
    pub committer: Committer,
    pub snapshots: Snapshots,
    /// Tables outside that are asked for rows, by the fingerprint of their Lookup.
    pub lookups: BTreeMap<u64, Box<dyn Lookup>>,
    pub home: InstanceHome,
    /// Rung by sources.
    pub arrived: Arc<Notify>,
    pub recovered: Recovered,
}

/// What a start found.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    pub snapshot: Option<Epoch>,
    /// Epochs replayed from the journal.
    pub replayed: usize,
    /// The pipeline's sources had ended before.
    pub finished: bool,
}

/// Recovers the pipeline; nothing is polled yet.
pub async fn start(start: Start) -> Result<Ready> {
    let Start { plan, config, store, connections, row_text, env, status } = start;
    let id = format!("{:016x}", env.random());
    let home = find_or_mint(store.as_ref(), &config.pipeline, config.fresh, id).await?;
    let writer = format!("{:016x}", env.random());
    let writer = Writer { nonce: writer, plan: edit::identity(&plan) };
    let journal = Journal::take_over(store.clone(), &home.root, writer).await?;
    let finding = Finding { store: &store, root: &home.root, journal: &journal, config: &config };
    let found = finding.stored(&plan, &home.instance).await?;
    let Found { manifest, tail, mut compute } = found;
    compute.set_row_text(row_text);
    if status.tables().are_wanted() {
        compute.show_tables();
    }
    status.update(|p| p.snapshot = manifest.as_ref().map(LastSnapshot::of));
    let from = manifest.as_ref().map_or(Epoch(0), |m| m.epoch);
    let shards = compute.shard_count();
    let state = manifest.as_ref().map(|m| ingest_state(compute.plan(), m)).unwrap_or_default();
    let end = tail.last().map_or(from, |r| r.epoch);
    let doubt = (end == Epoch(0) || journal.is_torn().await?).then_some(end);
    let generation = journal.generation();
    let opening = Opening { connections, config: &config, status: &status, env: &env };
    let domains =
        opening.domains(compute.plan(), &home, JournalEnd { generation, end, doubt }).await?;
    let arrived = Arc::new(Notify::new());
    let rung = arrived.clone();
    let wake: Waker = Arc::new(move || rung.notify_one());
    let replays = Replays::open(store.clone(), &home.root, wake).await?;
    let scans = opening.scans(&compute, &state, &arrived, &replays).await?;
    let lookups = opening.lookups(compute.plan()).await?;
    let budget = Budget { max_rows: config.max_rows, max_bytes: config.max_bytes };
    let reader = Reader::new(scans, state, from, shards, budget, env.clone());
    let committer = Committer::new(journal, domains, from, env.clone(), status.clone());
    let finished = manifest.as_ref().is_some_and(|m| m.finished);
    let recovered = Recovered {
        snapshot: manifest.map(|m| m.epoch),
        replayed: tail.len(),
        finished: finished || tail.last().is_some_and(|r| r.end),
    };
    let snapshots = Snapshots::new(store, &home.root, config.retained, env.clone());
    let mut ready =
        Ready { reader, compute, committer, snapshots, lookups, home, arrived, recovered };
    ready.replay(tail).await?;
    opening.patiently("schema registry", || ready.reader.reach_registries()).await?;
    ready.deal_to(config.shards)?;
    if let Some(tables) = ready.compute.shown_tables() {
        let (instance, epoch) = (ready.home.instance.clone(), ready.committer.committed());
        status.tables().open(CommittedTables { instance, epoch, tables });
    }
    Ok(ready)
}

/// A table whose rows cannot be read again is read anew by a node that has never seen them.
fn ingest_state(plan: &StreamPlan, manifest: &Manifest) -> IngestState {
    let mut state = manifest.ingest.clone();
    for (id, spec) in plan.scans() {
        let fingerprint = plan.node(id).fingerprint;
        let known = manifest.nodes.iter().any(|n| n.fingerprint == fingerprint);
        if spec.reading != Reading::Log && !known {
            state.scans.remove(&spec.table.name);
        }
    }
    state
}

impl Ready {
    async fn replay(&mut self, tail: Vec<EpochRecord>) -> Result<()> {
        let mut outgoing = Vec::new();
        for record in tail {
            self.deal_to(record.shards)?;
            let read = self.reader.replay(record).await?;
            let answers = read.record.answers.clone();
            let mut outside = Repeating(&answers);
            outgoing.push(compute(&mut self.compute, read, &mut outside)?.0);
            if outgoing.len() == TAIL_GROUP {
                self.committer.publish(std::mem::take(&mut outgoing)).await?;
            }
        }
        self.committer.publish(outgoing).await
    }

    /// Deals the state anew when the number of shards changes.
    fn deal_to(&mut self, shards: u32) -> Result<()> {
        if self.compute.shard_count() == shards.max(1) {
            return Ok(());
        }
        let plan = self.compute.plan().clone();
        let mut dealt = Compute::new(plan, shards, &self.home.instance)?;
        dealt.set_row_text(self.compute.row_text());
        snapshot::reshard(&mut self.compute, &mut dealt)?;
        if self.compute.shown_tables().is_some() {
            dealt.show_tables();
        }
        self.compute = dealt;
        self.reader.set_shards(shards);
        Ok(())
    }
}

/// Runs an epoch that was read; gives what goes out and the reader's state after it.
pub fn compute(
    compute: &mut Compute,
    read: Read,
    outside: &mut dyn Outside,
) -> Result<(Outgoing, IngestState)> {
    let Read { record, scanned, state } = read;
    let moment = EpochMoment { epoch: record.epoch, now: record.now, end: record.end };
    let computed = compute.step(moment, scanned, outside)?;
    let Computed { outputs, logged, tables } = computed;
    Ok((Outgoing { record, outputs, logged, tables }, state))
}

/// What an instance has stored.
struct Finding<'a> {
    store: &'a Arc<dyn Store>,
    root: &'a str,
    journal: &'a Journal,
    config: &'a RunConfig,
}

/// The newest snapshot that can be read, in the operators, and the records after it.
struct Found {
    manifest: Option<Manifest>,
    tail: Vec<EpochRecord>,
    compute: Compute,
}

impl Finding<'_> {
    /// An older owner, though sealed, may still publish what it has committed and forget what that
    /// covers; then all is read again.
    async fn stored(&self, plan: &StreamPlan, instance: &Instance) -> Result<Found> {
        loop {
            let before = snapshot::list(self.store.as_ref(), self.root).await?;
            let found = self.newest(&before, plan, instance).await;
            if snapshot::list(self.store.as_ref(), self.root).await? == before {
                return found;
            }
        }
    }

    /// A damaged snapshot is passed over with a warning, unless there is no other.
    async fn newest(
        &self,
        epochs: &[Epoch],
        plan: &StreamPlan,
        instance: &Instance,
    ) -> Result<Found> {
        let mut damage = None;
        for epoch in epochs.iter().rev() {
            let manifest = snapshot::read_manifest(self.store.as_ref(), self.root, *epoch).await;
            let found = match manifest {
                Ok(manifest) => {
                    edit::check(plan, &manifest, self.config.agreed)?;
                    // Damage of the journal is no reason to try an older snapshot.
                    let tail = self.tail(*epoch).await?;
                    self.loaded(manifest, tail, plan, instance).await
                }
                Err(e) => Err(e),
            };
            match found {
                Err(e) if e.kind == ErrorKind::Corrupt => {
                    tracing::warn!("snapshot {epoch}: {e}; the one before is used");
                    damage = Some(e);
                }
                found => return found,
            }
        }
        if let Some(damage) = damage {
            return Err(damage);
        }
        let tail = self.tail(Epoch(0)).await?;
        let compute = Compute::new(plan.clone(), self.shards(&tail, None), instance)?;
        Ok(Found { manifest: None, tail, compute })
    }

    async fn loaded(
        &self,
        manifest: Manifest,
        tail: Vec<EpochRecord>,
        plan: &StreamPlan,
        instance: &Instance,
    ) -> Result<Found> {
        let compute = Compute::new(plan.clone(), self.shards(&tail, Some(&manifest)), instance)?;
        let compute = snapshot::load(self.store.clone(), &manifest, compute).await?;
        Ok(Found { manifest: Some(manifest), tail, compute })
    }

    async fn tail(&self, after: Epoch) -> Result<Vec<EpochRecord>> {
        let mut tail = self.journal.tail(after).await?;
        if planted::has(Mistake::SkippedRecord) {
            tail.pop();
        }
        Ok(tail)
    }

    fn shards(&self, tail: &[EpochRecord], manifest: Option<&Manifest>) -> u32 {
        let recorded = tail.first().map(|r| r.shards).or(manifest.map(|m| m.shards));
        recorded.unwrap_or(self.config.shards).max(1)
    }
}

/// What the journal says to sinks.
#[derive(Clone, Copy)]
struct JournalEnd {
    generation: u64,
    end: Epoch,
    doubt: Option<Epoch>,
}

/// Opens connectors, waiting for services within the start timeout.
struct Opening<'a> {
    connections: Arc<dyn Connections>,
    config: &'a RunConfig,
    status: &'a Status,
    env: &'a Env,
}

impl Opening<'_> {
    async fn domains(
        &self,
        plan: &StreamPlan,
        home: &InstanceHome,
        journal: JournalEnd,
    ) -> Result<Vec<Domain>> {
        let mut domains = Vec::new();
        for (_, spec) in plan.sinks() {
            let open = || async {
                let open = OpenSink {
                    pipeline: self.config.pipeline.clone(),
                    instance: home.instance.clone(),
                    generation: journal.generation,
                    fresh: self.config.fresh,
                    doubt: journal.doubt,
                    tables: spec.tables.iter().map(|t| t.table.clone()).collect(),
                    formats: &[],
                    env: self.env.clone(),
                };
                let tables = spec.tables.iter().map(|t| t.table.name.clone()).collect();
                let sink = self.connections.sink(spec, open).await?;
                let name = spec.domain.clone();
                Domain::open(name, tables, sink, &home.instance, journal.end).await
            };
            domains.push(self.patiently(&spec.domain, open).await?);
        }
        Ok(domains)
    }

    async fn scans(
        &self,
        compute: &Compute,
        state: &IngestState,
        arrived: &Arc<Notify>,
        replays: &Arc<Replays>,
    ) -> Result<Vec<ScanReader>> {
        let plan = compute.plan();
        let mut scans = Vec::new();
        for (node, spec) in plan.scans() {
            let positions = state.scans.get(&spec.table.name).map(|s| s.positions());
            let (positions, letters) = positions.map(Replaying::split_off).unzip();
            let resume = Resume { positions, held: compute.held(node)? };
            let open = || async {
                let rung = arrived.clone();
                let waker: Waker = Arc::new(move || rung.notify_one());
                self.connections.source(spec, resume.clone(), waker).await
            };
            let source = self.patiently(&spec.table.name, open).await?;
            let workers = self.config.shards.max(1) as usize;
            let decoders = self.connections.decoders(spec, workers)?;
            let source = match decoders.is_empty() {
                true => source,
                false => {
                    let (table, at) = (&spec.table.name, letters.unwrap_or_default());
                    Box::new(Replaying::new(source, table, replays.clone(), at))
                }
            };
            let ingest = Ingest::new(spec.clone(), plan.node(node).clone(), decoders)?;
            let ingest = ingest.setting_aside(plan);
            let cap = spec.table.options.int("brooklet.max-records-per-epoch")?;
            let cap = cap.map(|c| usize::try_from(c).unwrap_or(usize::MAX).max(1));
            let registries = self.connections.registries(spec)?;
            scans.push(ScanReader::new(node, ingest, source, cap).asking(registries));
        }
        Ok(scans)
    }

    async fn lookups(&self, plan: &StreamPlan) -> Result<BTreeMap<u64, Box<dyn Lookup>>> {
        let mut lookups = BTreeMap::new();
        for node in &plan.nodes {
            let NodeOp::Lookup(spec) = &node.op else { continue };
            if !spec.built_in {
                let open = || self.connections.lookup(spec);
                let lookup = self.patiently(&spec.table.name, open).await?;
                lookups.insert(node.fingerprint, lookup);
            }
        }
        Ok(lookups)
    }

    /// A service that cannot be reached is tried again until the start timeout; a refusal is not.
    async fn patiently<T, F: Future<Output = Result<T>>>(
        &self,
        what: &str,
        mut open: impl FnMut() -> F,
    ) -> Result<T> {
        let deadline = self.env.now().saturating_add(self.config.start_timeout_ms);
        let mut outage = Outage::new(what);
        loop {
            match open().await {
                Err(e) if e.kind == ErrorKind::Outside && e.retry && self.env.now() < deadline => {
                    outage.wait(&e, self.env, self.status).await;
                }
                result => {
                    if result.is_ok() {
                        outage.over(self.status);
                    }
                    return result.map_err(|e| e.at(what.to_string()));
                }
            }
        }
    }
}
