//! Taking, keeping and loading snapshots.
//!
//! A snapshot is captured at an epoch boundary by sharing chunks, then encoded and uploaded while
//! the pipeline goes on, and published (its manifest created) only after every sink holds the
//! epoch durably (I4). It names one full segment per table and those of later changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;

use brooklet_core::env::CrashPoint;
use brooklet_core::{Env, Epoch, Error, Result};

use super::manifest::{Manifest, SegmentRef};
use super::segment::Captured;
use super::store::{Created, Store};
use crate::compute::{Compute, TableId};

/// Increments may grow to this part of the full snapshot before a new full one is taken.
const FULL_AGAIN: u64 = 2;

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
        // A start may repeat an epoch which had come no further than its segment.
        let nonce = self.env.random();
        let segment = format!("{}/segments/{:020}-{nonce:016x}", self.root, manifest.epoch.0);
        // A large state is encoded for seconds, which the tasks of sinks must not wait for.
        let name = segment.clone();
        let encoding = tokio::task::spawn_blocking(move || {
            encode(&name, &tables).map(|(content, refs)| (content, refs, tables))
        });
        let (content, refs, tables) =
            encoding.await.map_err(|e| Error::bug("a snapshot was not encoded").caused_by(e))??;
        self.env.at(CrashPoint::MidSnapshot)?;
        let bytes = content.len() as u64;
        let chain = std::mem::take(&mut self.chain);
        if !content.is_empty() && self.store.create(&segment, content).await? == Created::Exists {
            return Err(Error::corrupt(format!("segment {segment} is there already")));
        }
        if full {
            (self.full_bytes, self.increment_bytes) = (bytes, 0);
        } else {
            self.chain = chain;
            self.increment_bytes += bytes;
        }
        let living: BTreeSet<&TableId> = tables.iter().map(|(id, _)| id).collect();
        self.chain.retain(|id, _| living.contains(id));
        for ((id, _), reference) in tables.iter().zip(refs) {
            let chain = self.chain.entry(id.clone()).or_default();
            chain.extend(reference);
        }
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

    /// Deletes snapshots beyond the retained ones and segments no longer named; returns the
    /// oldest retained epoch: the journal may be trimmed up to it.
    pub async fn prune(&self) -> Result<Option<Epoch>> {
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
        Ok(manifests.get(keep).copied())
    }
}

/// All tables' streams in one object, and where each stands; None for a table without changes.
fn encode(
    segment: &str,
    tables: &[(TableId, Captured)],
) -> Result<(Bytes, Vec<Option<SegmentRef>>)> {
    let mut content = Vec::new();
    let mut refs = Vec::with_capacity(tables.len());
    for (_, captured) in tables {
        if captured.is_empty() {
            refs.push(None);
            continue;
        }
        let stream = captured.encode()?;
        refs.push(Some(SegmentRef {
            segment: segment.to_string(),
            offset: content.len() as u64,
            length: stream.len() as u64,
            crc32: crc32fast::hash(&stream),
        }));
        match content.is_empty() {
            true => content = stream,
            false => content.extend(stream),
        }
    }
    Ok((content.into(), refs))
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

/// A snapshot's tables, whole and checked.
pub struct Loaded {
    pub manifest: Manifest,
    streams: Vec<(TableId, Vec<Bytes>)>,
}

/// The newest snapshot that can be read; a damaged one is passed over with a warning.
pub async fn newest(store: &dyn Store, root: &str) -> Result<Option<Loaded>> {
    let epochs = list(store, root).await?;
    let mut damage = None;
    for epoch in epochs.iter().rev() {
        match load(store, root, *epoch).await {
            Ok(loaded) => return Ok(Some(loaded)),
            Err(e) if e.kind == brooklet_core::ErrorKind::Corrupt => {
                tracing::warn!("snapshot {epoch}: {e}; the one before is used");
                damage = Some(e);
            }
            Err(e) => return Err(e),
        }
    }
    damage.map_or(Ok(None), Err)
}

async fn load(store: &dyn Store, root: &str, epoch: Epoch) -> Result<Loaded> {
    let manifest = read_manifest(store, root, epoch).await?;
    let mut segments: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut streams = Vec::with_capacity(manifest.tables.len());
    for (id, refs) in &manifest.tables {
        let mut of_table = Vec::with_capacity(refs.len());
        for reference in refs {
            if !segments.contains_key(&reference.segment) {
                let content = store.read(&reference.segment).await?;
                let missing = || Error::corrupt(format!("{} is missing", reference.segment));
                segments.insert(reference.segment.clone(), content.ok_or_else(missing)?);
            }
            of_table.push(part(&segments[&reference.segment], reference)?);
        }
        streams.push((id.clone(), of_table));
    }
    Ok(Loaded { manifest, streams })
}

fn part(segment: &Bytes, reference: &SegmentRef) -> Result<Bytes> {
    let damaged = || Error::corrupt(format!("{} is damaged", reference.segment));
    let end = reference.offset.checked_add(reference.length).ok_or_else(damaged)?;
    if end > segment.len() as u64 {
        return Err(damaged());
    }
    let part = segment.slice(reference.offset as usize..end as usize);
    if crc32fast::hash(&part) != reference.crc32 {
        return Err(damaged());
    }
    Ok(part)
}

impl Loaded {
    /// Puts the tables into the operators.
    pub fn into_compute(self, compute: &mut Compute) -> Result<Manifest> {
        // State that nobody has any more was agreed to be lost.
        let known =
            |id: &TableId| compute.plan().nodes.iter().any(|n| n.fingerprint == id.fingerprint);
        let kept: Vec<_> = self.streams.into_iter().filter(|(id, _)| known(id)).collect();
        compute.load(kept, self.manifest.shards)?;
        let totals = self.manifest.nodes.iter();
        let totals = totals.map(|n| (n.fingerprint, (n.counts, n.watermark))).collect();
        compute.restore(&totals);
        Ok(self.manifest)
    }
}

/// Deals the state of one set of shards to another.
pub fn reshard(from: &mut Compute, to: &mut Compute) -> Result<()> {
    let captured = from.capture(true).into_iter().filter(|(_, captured)| !captured.is_empty());
    let encode =
        |(id, captured): (TableId, Captured)| Ok((id, vec![Bytes::from(captured.encode()?)]));
    to.load(captured.map(encode).collect::<Result<_>>()?, from.shard_count())?;
    let nodes = from.plan().nodes.iter().enumerate();
    let totals =
        nodes.map(|(id, n)| (n.fingerprint, (from.counts()[id], from.watermarks()[id]))).collect();
    to.restore(&totals);
    Ok(())
}

#[cfg(test)]
mod tests;
