//! Uploads captured states and publishes them once their epoch is committed.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use brooklet_core::{Env, Epoch, Error, Result};

use super::status::{LastSnapshot, Status};
use crate::checkpoint::snapshot::{Capture, Snapshots};
use crate::ingest::IngestState;

/// The far end of the snapshot task.
pub struct Snapshotter {
    pub snapshots: Snapshots,
    pub captures: mpsc::Receiver<Capture>,
    /// The last epoch that every sink holds.
    pub committed: watch::Receiver<Epoch>,
    /// To the reader: what a published snapshot covers.
    pub release: mpsc::Sender<IngestState>,
    /// Whether the next capture must be full.
    pub wants_full: Arc<std::sync::atomic::AtomicBool>,
    pub status: Status,
    pub env: Env,
}

impl Snapshotter {
    /// Until the captures end. A failed snapshot is an error of the pipeline, outages excepted:
    /// they are tried again with the next capture.
    pub async fn run(mut self) -> Result<()> {
        while let Some(capture) = self.captures.recv().await {
            let epoch = capture.manifest.epoch;
            let result = self.take(capture).await;
            let wants = self.snapshots.wants_full() || result.is_err();
            self.wants_full.store(wants, std::sync::atomic::Ordering::Release);
            match result {
                Err(e) if e.kind == brooklet_core::ErrorKind::Outside => {
                    tracing::warn!("snapshot {epoch} was not taken: {e}");
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn take(&mut self, capture: Capture) -> Result<()> {
        if self.snapshots.holds(capture.manifest.epoch) {
            return Ok(());
        }
        let manifest = self.snapshots.upload(capture).await?;
        let epoch = manifest.epoch;
        let gone = self.committed.wait_for(|committed| *committed >= epoch).await.is_err();
        if gone {
            return Err(Error::outside("the pipeline stopped before the snapshot's epoch"));
        }
        self.snapshots.publish(&manifest).await?;
        let took_ms = Some((self.env.now() - manifest.taken_at).max(0));
        let last = LastSnapshot { took_ms, ..LastSnapshot::of(&manifest) };
        self.status.update(|p| p.snapshot = Some(last));
        self.snapshots.prune().await?;
        // The reader may have stopped; the group's offsets are for lag tools only.
        let _ = self.release.try_send(manifest.ingest);
        Ok(())
    }
}
