//! Whose state it is: the instance minted at the first start, and the lock of its owner.

use std::fs::File;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use brooklet_core::{Error, Instance, Result};

use super::store::{Created, Store};

/// An instance and the folder of its journal and snapshots.
#[derive(Debug, Clone)]
pub struct InstanceHome {
    pub instance: Instance,
    /// `000001`: grows with every `--fresh`.
    pub root: String,
    /// Minted by this start.
    pub is_new: bool,
}

#[derive(Serialize, Deserialize)]
struct Minted {
    brooklet_instance: u32,
    instance: Instance,
    pipeline: String,
}

/// The newest instance, if there is one.
pub async fn newest(store: &dyn Store) -> Result<Option<InstanceHome>> {
    match store.list("instances/").await?.last() {
        Some(name) => read(store, name).await.map(Some),
        None => Ok(None),
    }
}

/// The newest instance, or a new one with this id if there is none or `fresh` asks for it.
pub async fn find_or_mint(
    store: &dyn Store,
    pipeline: &str,
    fresh: bool,
    id: String,
) -> Result<InstanceHome> {
    let names = store.list("instances/").await?;
    let newest = names.last();
    if let (Some(name), false) = (newest, fresh) {
        return read(store, name).await;
    }
    let number: u64 = newest.and_then(|n| n.rsplit('/').next()?.parse().ok()).unwrap_or(0) + 1;
    let root = format!("{number:06}");
    let instance = Instance(id);
    let minted =
        Minted { brooklet_instance: 1, instance: instance.clone(), pipeline: pipeline.to_string() };
    let content = serde_json::to_vec(&minted)
        .map_err(|e| Error::bug("an instance cannot be written").caused_by(e))?;
    match store.create(&format!("instances/{root}"), content.into()).await? {
        Created::Yes => Ok(InstanceHome { instance, root, is_new: true }),
        Created::Exists => Err(Error::fenced("another process has just started this pipeline")),
    }
}

async fn read(store: &dyn Store, name: &str) -> Result<InstanceHome> {
    let content = store.read(name).await?.unwrap_or_default();
    let minted: Minted = serde_json::from_slice(&content)
        .map_err(|e| Error::corrupt(format!("{name} is damaged")).caused_by(e))?;
    let root = name.trim_start_matches("instances/").to_string();
    Ok(InstanceHome { instance: minted.instance, root, is_new: false })
}

/// Held while a process owns a local state directory.
pub struct OwnerLock(#[allow(dead_code, reason = "the lock lives as long as the file")] File);

/// Locks a local state directory; `Fenced` when a living process holds it.
pub fn lock(directory: &Path) -> Result<OwnerLock> {
    let path = directory.join("owner.lock");
    let open = || {
        std::fs::create_dir_all(directory)?;
        File::options().create(true).truncate(false).write(true).open(&path)
    };
    let file = open().map_err(|e| {
        Error::config(format!("the state directory {} cannot be written", directory.display()))
            .caused_by(e)
    })?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(OwnerLock(file)),
        Err(_) => Err(Error::fenced(format!(
            "another process runs this pipeline (state in {}); stop it, or start with --take-over",
            directory.display()
        ))),
    }
}
