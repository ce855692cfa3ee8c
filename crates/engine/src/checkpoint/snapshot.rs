//! Taking, keeping and loading snapshots.
//!
//! A snapshot is captured at an epoch boundary by sharing chunks, then encoded and uploaded while
//! the pipeline goes on, and published (its manifest created) only after every sink holds the
//! epoch durably (I4). It names the segments of a full one and those of later changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use brooklet_core::env::CrashPoint;
use brooklet_core::{Env, Epoch, Error, Result};

use super::capture::Captured;
use super::journal;
use super::load::ReadSegment;
use super::manifest::{Manifest, SegmentRef};
use super::segment::{self, Segment};
use super::store::{Created, Store};
use crate::compute::{Compute, TableId};

/// Increments may grow to this part of the full snapshot before a new full one is taken.
const FULL_AGAIN: u64 = 2;
/// Of encoding, as `nice` counts.
const LOWER_PRIORITY: i32 = 10;

/// Writes the snapshots of an instance.
pub struct Snapshots {
    store: Arc<dyn Store>,
    root: String,
    retained: usize,
    env: Env,
    /// Where each living table's rows are.
    chain: BTreeMap<TableId, Vec<SegmentRef>>,
    full_bytes: u64,
    increment_bytes: u64,
    /// The newest epoch published by this writer, and the one whose publishing was tried.
    published: Option<Epoch>,
    tried: Option<Epoch>,
}

/// A captured state on its way to the store.
pub struct Capture {
    pub manifest: Manifest,
    pub tables: Vec<(TableId, Captured)>,
    pub full: bool,
}

impl Snapshots {
    pub fn new(store: Arc<dyn Store>, root: &str, retained: usize, env: Env) -> Self {
        Snapshots {
            store,
            root: root.to_string(),
            retained: retained.max(1),
            env,
            chain: BTreeMap::new(),
            full_bytes: 0,
            increment_bytes: 0,
            published: None,
            tried: None,
        }
    }

    /// Whether the next capture must hold everything: nothing to add to, or too much was added.
    pub fn wants_full(&self) -> bool {
        self.chain.is_empty() || self.increment_bytes * FULL_AGAIN > self.full_bytes
    }

    /// Encodes and uploads what was captured; gives the manifest to publish.
    pub async fn upload(&mut self, capture: Capture) -> Result<Manifest> {
        let Capture { mut manifest, tables, full } = capture;
        if !full && self.chain.is_empty() && !tables.is_empty() {
            // Captured while the one before was on its way and then failed.
            return Err(Error::outside("there is nothing that the changes could be added to"));
        }
        // A start may repeat an epoch which had come no further than its segments.
        let nonce = self.env.random();
        let prefix = format!("{}/segments/{:020}-{nonce:016x}", self.root, manifest.epoch.0);
        let mut chain = std::mem::take(&mut self.chain);
        let (ids, tables): (Vec<TableId>, Vec<Captured>) = tables.into_iter().unzip();
        let living: BTreeSet<&TableId> = ids.iter().collect();
        chain.retain(|id, _| !full && living.contains(id));
        ids.iter().for_each(|id| _ = chain.entry(id.clone()).or_default());
        let mut segments = Encoding::start(tables)?;
        let mut bytes = 0;
        for number in 0.. {
            let segment = segments.next().await?;
            self.env.at(CrashPoint::MidSnapshot)?;
            let Some(Segment { content, streams }) = segment else { break };
            bytes += content.len() as u64;
            let name = format!("{prefix}-{number:04}");
            for stream in streams {
                let refs = chain.entry(ids[stream.table].clone()).or_default();
                refs.push(stream.reference(name.clone(), &content));
            }
            if self.store.create(&name, content.into()).await? == Created::Exists {
                return Err(Error::corrupt(format!("segment {name} is there already")));
            }
        }
        match full {
            true => (self.full_bytes, self.increment_bytes) = (bytes, 0),
            false => self.increment_bytes += bytes,
        }
        self.chain = chain;
        manifest.tables = self.chain.iter().map(|(id, refs)| (id.clone(), refs.clone())).collect();
        Ok(manifest)
    }

    /// Whether this epoch's snapshot is there already: the last epoch of a run is captured again
    /// at the end.
    pub fn holds(&self, epoch: Epoch) -> bool {
        self.published == Some(epoch)
    }

    /// Publishes a snapshot whose epoch every sink holds.
    pub async fn publish(&mut self, manifest: &Manifest) -> Result<()> {
        self.env.at(CrashPoint::BeforeManifest)?;
        let name = manifest_name(&self.root, manifest.epoch);
        let tried = self.tried.replace(manifest.epoch);
        match self.store.create(&name, manifest.to_bytes()?.into()).await? {
            Created::Yes => {
                self.published = Some(manifest.epoch);
                Ok(())
            }
            Created::Exists if tried == Some(manifest.epoch) => {
                // The answer was lost. What is there names other segments than this chain.
                self.chain.clear();
                self.published = tried;
                Ok(())
            }
            Created::Exists => Err(Error::fenced(format!(
                "snapshot {} was published by another process",
                manifest.epoch
            ))),
        }
    }

    /// Deletes snapshots beyond the retained ones, segments that none names any more, and what the
    /// journal holds only for epochs before the oldest retained one.
    pub async fn prune(&self) -> Result<()> {
        self.env.at(CrashPoint::BeforeTrim)?;
        let manifests = list(self.store.as_ref(), &self.root).await?;
        let keep = manifests.len().saturating_sub(self.retained);
        let mut named: BTreeSet<String> = BTreeSet::new();
        let newest = manifests.last().copied();
        for epoch in &manifests[keep..] {
            let name = manifest_name(&self.root, *epoch);
            let Some(content) = self.store.read(&name).await? else { continue };
            // A damaged manifest keeps nothing alive; loading will fall back past it.
            if let Ok(manifest) = Manifest::parse(&name, &content) {
                let refs = manifest.tables.into_iter().flat_map(|(_, refs)| refs);
                named.extend(refs.map(|r| r.segment));
            }
        }
        for epoch in &manifests[..keep] {
            self.store.delete(&manifest_name(&self.root, *epoch)).await?;
        }
        for segment in self.store.list(&format!("{}/segments/", self.root)).await? {
            let name = segment.rsplit('/').next().unwrap_or_default();
            let epoch = name.split('-').next().and_then(|n| n.parse().ok()).map(Epoch);
            if !named.contains(&segment) && epoch <= newest {
                self.store.delete(&segment).await?;
            }
        }
        match manifests.get(keep) {
            Some(oldest) => journal::trim(self.store.as_ref(), &self.root, *oldest).await,
            None => Ok(()),
        }
    }
}

/// Tables being encoded by a thread of their own, one segment ahead of the upload.
struct Encoding {
    segments: mpsc::Receiver<Segment>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Encoding {
    /// Sinks and shards go before it: a large state is encoded for seconds.
    fn start(tables: Vec<Captured>) -> Result<Encoding> {
        let (to, segments) = mpsc::channel(1);
        let encode = move || {
            // Where that is not allowed, it goes at the pace of the others.
            let _ = rustix::process::setpriority_process(None, LOWER_PRIORITY);
            segment::encode(tables, |segment| {
                let gone = |_| Error::outside("the snapshot was given up");
                to.blocking_send(segment).map_err(gone)
            })
        };
        let thread = std::thread::Builder::new().name("snapshot".into()).spawn(encode);
        let failed = |e| Error::outside("a thread cannot be started").caused_by(e);
        Ok(Encoding { segments, thread: Some(thread.map_err(failed)?) })
    }

    /// None after the last one.
    async fn next(&mut self) -> Result<Option<Segment>> {
        if let Some(segment) = self.segments.recv().await {
            return Ok(Some(segment));
        }
        let ended = self.thread.take().map_or(Ok(Ok(())), JoinHandle::join);
        ended.map_err(|_| Error::bug("a snapshot was not encoded"))??;
        Ok(None)
    }
}

fn manifest_name(root: &str, epoch: Epoch) -> String {
    format!("{root}/snapshots/{:020}", epoch.0)
}

/// The epochs of the published snapshots, oldest first.
pub async fn list(store: &dyn Store, root: &str) -> Result<Vec<Epoch>> {
    let names = store.list(&format!("{root}/snapshots/")).await?;
    let epoch = |name: &String| name.rsplit('/').next()?.parse().ok().map(Epoch);
    Ok(names.iter().filter_map(epoch).collect())
}

/// A published snapshot's manifest.
pub async fn read_manifest(store: &dyn Store, root: &str, epoch: Epoch) -> Result<Manifest> {
    let name = manifest_name(root, epoch);
    let content = store.read(&name).await?;
    let content =
        content.ok_or_else(|| Error::config(format!("there is no snapshot of epoch {epoch}")))?;
    Manifest::parse(&name, &content)
}

/// Puts a snapshot's tables into the operators. After an error `compute` is lost: `Corrupt` says
/// that an older snapshot may do.
pub async fn load(
    store: Arc<dyn Store>,
    manifest: &Manifest,
    mut compute: Compute,
) -> Result<Compute> {
    // State that nobody has any more was agreed to be lost.
    let known = |id: &TableId| compute.plan().nodes.iter().any(|n| n.fingerprint == id.fingerprint);
    let tables: Vec<_> = manifest.tables.iter().filter(|(id, _)| known(id)).cloned().collect();
    let totals = manifest.nodes.iter();
    let totals = totals.map(|n| (n.fingerprint, (n.counts, n.watermark))).collect();
    compute.restore(&totals);
    let from = Arc::new(Stored { store, runtime: Handle::current() });
    let saved_by = manifest.shards;
    let loading = move || compute.load(tables, saved_by, from).map(|()| compute);
    let loaded = tokio::task::spawn_blocking(loading).await;
    loaded.map_err(|e| Error::bug("a snapshot was not loaded").caused_by(e))?
}

/// Segments of a store, for threads that may wait.
struct Stored {
    store: Arc<dyn Store>,
    runtime: Handle,
}

impl ReadSegment for Stored {
    fn read(&self, segment: &str) -> Result<Bytes> {
        let content = self.runtime.block_on(self.store.read(segment))?;
        content.ok_or_else(|| Error::corrupt(format!("{segment} is missing")))
    }
}

/// Segments that are never stored.
#[derive(Default)]
struct InMemory(Vec<Bytes>);

impl ReadSegment for InMemory {
    fn read(&self, segment: &str) -> Result<Bytes> {
        let content = segment.parse().ok().and_then(|number: usize| self.0.get(number));
        content.cloned().ok_or_else(|| Error::bug(format!("there is no segment {segment}")))
    }
}

/// Deals the state of one set of shards to another.
pub fn reshard(from: &mut Compute, to: &mut Compute) -> Result<()> {
    let (ids, tables): (Vec<TableId>, Vec<Captured>) = from.capture(true).into_iter().unzip();
    let mut refs: Vec<Vec<SegmentRef>> = vec![Vec::new(); ids.len()];
    let mut segments = InMemory::default();
    segment::encode(tables, |Segment { content, streams }| {
        for stream in streams {
            refs[stream.table].push(stream.reference(segments.0.len().to_string(), &content));
        }
        segments.0.push(content.into());
        Ok(())
    })?;
    let tables = ids.into_iter().zip(refs).collect();
    to.load(tables, from.shard_count(), Arc::new(segments))?;
    let nodes = from.plan().nodes.iter().enumerate();
    let totals =
        nodes.map(|(id, n)| (n.fingerprint, (from.counts()[id], from.watermarks()[id]))).collect();
    to.restore(&totals);
    Ok(())
}

#[cfg(test)]
mod tests;
