//! What is stored of a pipeline's state, as text.

use std::sync::Arc;

use arrow::temporal_conversions::timestamp_ms_to_datetime;
use brooklet_core::{Epoch, Error, Result};
use brooklet_engine::checkpoint::manifest::Manifest;
use brooklet_engine::checkpoint::snapshot;
use brooklet_engine::checkpoint::store::Store;

use crate::compile::Compiled;
use crate::start::{location, open_store};

/// The snapshots of the newest instance.
pub struct Stored {
    store: Arc<dyn Store>,
    root: String,
    epochs: Vec<Epoch>,
}

impl Stored {
    pub async fn open(compiled: &Compiled) -> Result<Stored> {
        let location = location(&compiled.settings, &compiled.name, &compiled.base);
        let store = open_store(&location, &crate::world::real()).await?;
        let instances = store.list("instances/").await?;
        let root = instances.last().and_then(|n| n.rsplit('/').next()).map(str::to_string);
        let root = root.ok_or_else(|| Error::config(format!("there is no state in {location}")))?;
        let epochs = snapshot::list(store.as_ref(), &root).await?;
        Ok(Stored { store, root, epochs })
    }

    /// One line per snapshot, oldest first.
    pub async fn list(&self) -> Result<String> {
        let mut text = String::from("epoch\ttaken_at\tbytes\ttables\tshards\tfinished\n");
        for epoch in &self.epochs {
            let line = match snapshot::read_manifest(self.store.as_ref(), &self.root, *epoch).await
            {
                Ok(m) => format!(
                    "{}\t{}\t{}\t{}\t{}\t{}\n",
                    m.epoch,
                    moment(m.taken_at),
                    m.bytes(),
                    m.tables.len(),
                    m.shards,
                    m.finished
                ),
                Err(e) => format!("{epoch}\t{e}\n"),
            };
            text.push_str(&line);
        }
        Ok(text)
    }

    /// Positions and state of a snapshot; of the newest without an epoch.
    pub async fn show(&self, epoch: Option<Epoch>) -> Result<String> {
        let epoch = epoch.or(self.epochs.last().copied());
        let epoch = epoch.ok_or_else(|| Error::config("there is no snapshot yet"))?;
        Ok(show(&snapshot::read_manifest(self.store.as_ref(), &self.root, epoch).await?))
    }
}

/// `2024-01-15T10:30:05.250Z`.
pub(crate) fn moment(ms: i64) -> String {
    timestamp_ms_to_datetime(ms)
        .map_or_else(|| ms.to_string(), |t| format!("{}Z", t.format("%Y-%m-%dT%H:%M:%S%.3f")))
}

fn show(manifest: &Manifest) -> String {
    let mut text = format!("epoch {}, {} bytes\n", manifest.epoch, manifest.bytes());
    for (table, scan) in &manifest.ingest.scans {
        let node = manifest.nodes.iter().find(|n| n.kind == "Scan" && n.label == *table);
        let above = node.map(|n| n.counts).unwrap_or_default();
        text.push_str(&format!(
            "source {table}: {} records read, {} dead letters, {} rows late\n",
            scan.counts.read,
            scan.counts.dead + above.bad,
            above.late
        ));
        for (split, state) in &scan.splits {
            text.push_str(&format!("  {split} at {}\n", state.position));
        }
    }
    for node in &manifest.nodes {
        let of_node = manifest.tables.iter().filter(|(id, _)| id.fingerprint == node.fingerprint);
        let refs = of_node.flat_map(|(_, refs)| refs);
        let bytes: u64 = refs.map(|r| r.length).sum();
        if bytes > 0 {
            text.push_str(&format!("{} {}: {bytes} bytes\n", node.kind, node.label));
        }
    }
    text
}
