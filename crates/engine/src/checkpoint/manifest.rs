//! What a snapshot consists of, as one small create-only object named by its epoch.

use serde::{Deserialize, Serialize};

use brooklet_core::time::Millis;
use brooklet_core::{Epoch, Error, Result};

use crate::compute::TableId;
use crate::ingest::IngestState;
use crate::ops::Counts;

pub const VERSION: u32 = 1;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub brooklet_snapshot: u32,
    /// The state after this epoch (I4).
    pub epoch: Epoch,
    /// Taken at, milliseconds since 1970.
    pub taken_at: Millis,
    pub shards: u32,
    /// Every input had ended: the pipeline is finished.
    pub finished: bool,
    pub ingest: IngestState,
    pub nodes: Vec<NodeState>,
    pub tables: Vec<(TableId, Vec<SegmentRef>)>,
}

/// What a node keeps beside its tables.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NodeState {
    pub fingerprint: u64,
    pub label: String,
    pub kind: String,
    pub counts: Counts,
    pub watermark: Millis,
}

/// A table's rows in a segment object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SegmentRef {
    pub segment: String,
    pub offset: u64,
    pub length: u64,
    pub crc32: u32,
}

impl Manifest {
    /// One line of JSON and one with its checksum: a wrong bit may leave JSON that parses.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut content =
            serde_json::to_vec(self).map_err(|e| Error::bug("a manifest").caused_by(e))?;
        content.push(b'\n');
        let check = checksum(&content);
        content.extend(check.into_bytes());
        Ok(content)
    }
    /// A `Corrupt` error for anything this version cannot read.
    pub fn parse(name: &str, content: &[u8]) -> Result<Manifest> {
        let damaged = || Error::corrupt(format!("snapshot {name} is damaged"));
        let end = content.iter().position(|b| *b == b'\n').ok_or_else(damaged)? + 1;
        let (line, check) = content.split_at(end);
        if check != checksum(line).as_bytes() {
            return Err(damaged());
        }
        let manifest: Manifest =
            serde_json::from_slice(line).map_err(|e| damaged().caused_by(e))?;
        if manifest.brooklet_snapshot != VERSION {
            return Err(Error::corrupt(format!(
                "snapshot {name} has version {}, this brooklet reads {VERSION}",
                manifest.brooklet_snapshot
            )));
        }
        Ok(manifest)
    }
    /// Bytes of all segments it names.
    pub fn bytes(&self) -> u64 {
        self.tables.iter().flat_map(|(_, refs)| refs).map(|r| r.length).sum()
    }
}

fn checksum(line: &[u8]) -> String {
    format!("crc32 {:08x}\n", crc32fast::hash(line))
}
