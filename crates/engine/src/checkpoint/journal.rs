//! The journal: the records of epochs, durable before any sink hears of them (I2).
//!
//! `journal/<generation>/<slot>` is create-only and holds the records of all epochs computed since
//! the last append. A starting process *seals* the newest generation by taking its next slot and
//! opens the one after; the old owner finds its slot taken and stops with `Fenced`.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use brooklet_core::{Epoch, EpochRecord, Error, Result};

use super::store::{Created, Store};

const VERSION: u32 = 1;

/// The writing end of one generation.
pub struct Journal {
    store: Arc<dyn Store>,
    root: String,
    generation: u64,
    next_slot: u64,
    writer: Writer,
}

/// Who writes.
#[derive(Debug, Clone)]
pub struct Writer {
    /// Tells our own writes from another's after an unclear answer.
    pub nonce: String,
    /// Identity of the plan whose epochs are recorded.
    pub plan: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
enum Kind {
    Open,
    Records,
    Seal,
}

/// First line of a slot; the body follows.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Header {
    brooklet_journal: u32,
    kind: Kind,
    writer: String,
    plan: u64,
    /// The last epoch of the body; 0 without records.
    last: Epoch,
    crc32: u32,
}

impl Journal {
    /// Seals what there is and opens the next generation. `root` is the instance's folder.
    pub async fn take_over(store: Arc<dyn Store>, root: &str, writer: Writer) -> Result<Journal> {
        let mut journal =
            Journal { store, root: root.to_string(), generation: 0, next_slot: 0, writer };
        let slots = journal.slots().await?;
        if let Some((generation, slot)) = slots.last().copied() {
            journal.generation = generation;
            journal.seal(slot).await?;
        }
        journal.generation += 1;
        journal.next_slot = 0;
        match journal.put(Kind::Open, Epoch(0), Vec::new()).await? {
            Created::Yes => Ok(journal),
            Created::Exists => Err(journal.fenced()),
        }
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Makes records durable, in one slot.
    pub async fn append(&mut self, records: &[EpochRecord]) -> Result<()> {
        let Some(last) = records.last() else { return Ok(()) };
        let mut body = Vec::new();
        for record in records {
            serde_json::to_writer(&mut body, record)
                .map_err(|e| Error::bug("a record cannot be written").caused_by(e))?;
            body.push(b'\n');
        }
        match self.put(Kind::Records, last.epoch, body).await? {
            Created::Yes => Ok(()),
            Created::Exists => Err(self.fenced()),
        }
    }

    /// The records after an epoch, over all generations. A torn slot is passed over with a
    /// warning: nobody was told that it was written, and the epochs after it go on without it. If
    /// they do not, it was damaged later; should a sink hold its epoch, the start stops (I5).
    pub async fn tail(&self, after: Epoch) -> Result<Vec<EpochRecord>> {
        let mut slots: Vec<Vec<EpochRecord>> = Vec::new();
        let mut torn = String::new();
        // Epochs grow from slot to slot: the rest is older still.
        for (generation, slot) in self.slots().await?.into_iter().rev() {
            let name = self.name(generation, slot);
            let Some(content) = self.store.read(&name).await? else { continue };
            let Some((header, body)) = parse(&name, &content)? else {
                tracing::warn!("journal slot {name} is torn and passed over");
                torn = format!("; slot {name} is damaged");
                continue;
            };
            if header.kind != Kind::Records {
                continue;
            }
            if header.last <= after {
                break;
            }
            if header.plan != self.writer.plan {
                return Err(Error::config(
                    "the file has changed since its process died, and epochs after the last \
                     snapshot are still to be repeated: run the file as it was until it stops in \
                     order, or start with --fresh",
                ));
            }
            slots.push(records(&name, body)?);
        }
        let mut tail: Vec<EpochRecord> = slots.into_iter().rev().flatten().collect();
        tail.retain(|record| record.epoch > after);
        let mut expected = after.next();
        for record in &tail {
            if record.epoch != expected {
                return Err(Error::corrupt(format!(
                    "the journal goes from epoch {} to {}: records are missing{torn}",
                    expected.0 - 1,
                    record.epoch
                )));
            }
            expected = expected.next();
        }
        Ok(tail)
    }

    /// Whether records may be missing at the end: the newest slot that is no mark of an owner is
    /// damaged.
    pub async fn is_torn(&self) -> Result<bool> {
        for (generation, slot) in self.slots().await?.into_iter().rev() {
            let name = self.name(generation, slot);
            let Some(content) = self.store.read(&name).await? else { continue };
            match parse(&name, &content)? {
                None => return Ok(true),
                Some((header, _)) if header.kind == Kind::Records => return Ok(false),
                Some(_) => {}
            }
        }
        Ok(false)
    }

    async fn seal(&mut self, last_slot: u64) -> Result<()> {
        if self.is_sealed_by(last_slot).await? {
            return Ok(());
        }
        self.next_slot = last_slot + 1;
        // The old owner may be writing still: each try races for the slot after its newest.
        for _ in 0..10_000 {
            if self.put(Kind::Seal, Epoch(0), Vec::new()).await? == Created::Yes {
                return Ok(());
            }
            if self.is_sealed_by(self.next_slot).await? {
                return Ok(());
            }
            self.next_slot += 1;
        }
        Err(Error::fenced("the owner of the pipeline writes faster than it can be sealed"))
    }

    async fn is_sealed_by(&self, slot: u64) -> Result<bool> {
        let name = self.name(self.generation, slot);
        let content = self.store.read(&name).await?.unwrap_or_default();
        Ok(parse(&name, &content)?.is_some_and(|(header, _)| header.kind == Kind::Seal))
    }

    /// Takes the next slot. A slot that holds our own writing counts as taken by this call: the
    /// answer to an earlier try was lost.
    async fn put(&mut self, kind: Kind, last: Epoch, body: Vec<u8>) -> Result<Created> {
        let name = self.name(self.generation, self.next_slot);
        let header = Header {
            brooklet_journal: VERSION,
            kind,
            writer: self.writer.nonce.clone(),
            plan: self.writer.plan,
            last,
            crc32: crc32fast::hash(&body),
        };
        let mut content = serde_json::to_vec(&header)
            .map_err(|e| Error::bug("a journal header cannot be written").caused_by(e))?;
        content.push(b'\n');
        content.extend(body);
        let content = Bytes::from(content);
        let mut created = self.store.create(&name, content.clone()).await?;
        if created == Created::Exists && self.store.read(&name).await? == Some(content) {
            created = Created::Yes;
        }
        if created == Created::Yes {
            self.next_slot += 1;
        }
        Ok(created)
    }

    fn name(&self, generation: u64, slot: u64) -> String {
        name(&self.root, generation, slot)
    }
    async fn slots(&self) -> Result<Vec<(u64, u64)>> {
        slots(self.store.as_ref(), &self.root).await
    }

    fn fenced(&self) -> Error {
        Error::fenced(
            "another process has taken over this pipeline; this one wrote nothing more and stops",
        )
        .at(format!("journal generation {}", self.generation))
    }
}

/// The records of a slot's body.
fn records(name: &str, body: &[u8]) -> Result<Vec<EpochRecord>> {
    let lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let damaged = |e| Error::corrupt(format!("journal slot {name}")).caused_by(e);
    lines.map(|line| serde_json::from_slice(line).map_err(damaged)).collect()
}

/// Deletes slots that hold only epochs up to `upto`. Seals and the newest slot stay: otherwise
/// a sleeping owner could find its slot free again, or a new one seal a slot that is behind.
pub async fn trim(store: &dyn Store, root: &str, upto: Epoch) -> Result<()> {
    let mut slots = slots(store, root).await?;
    slots.pop();
    for (generation, slot) in slots {
        let name = name(root, generation, slot);
        let Some(content) = store.read(&name).await? else { continue };
        let Some((header, _)) = parse(&name, &content)? else { continue };
        if header.kind == Kind::Records && header.last > upto {
            break;
        }
        if header.kind == Kind::Records {
            store.delete(&name).await?;
        }
    }
    Ok(())
}

/// Every slot, oldest first.
async fn slots(store: &dyn Store, root: &str) -> Result<Vec<(u64, u64)>> {
    let prefix = format!("{root}/journal/");
    let names = store.list(&prefix).await?;
    let parse = |name: &String| {
        let (generation, slot) = name.strip_prefix(&prefix)?.split_once('/')?;
        Some((generation.parse().ok()?, slot.parse().ok()?))
    };
    let mut slots: Vec<(u64, u64)> = names.iter().filter_map(parse).collect();
    slots.sort_unstable();
    Ok(slots)
}

fn name(root: &str, generation: u64, slot: u64) -> String {
    format!("{root}/journal/{generation:08}/{slot:012}")
}

/// A slot's header and body; None for a torn one.
fn parse<'a>(name: &str, content: &'a [u8]) -> Result<Option<(Header, &'a [u8])>> {
    let Some(end) = content.iter().position(|b| *b == b'\n') else { return Ok(None) };
    let Ok(header) = serde_json::from_slice::<Header>(&content[..end]) else { return Ok(None) };
    let body = &content[end + 1..];
    if header.brooklet_journal != VERSION {
        return Err(Error::corrupt(format!(
            "journal slot {name} has version {}, this brooklet reads {VERSION}",
            header.brooklet_journal
        )));
    }
    let whole = crc32fast::hash(body) == header.crc32;
    Ok(whole.then_some((header, body)))
}

#[cfg(test)]
mod tests;
