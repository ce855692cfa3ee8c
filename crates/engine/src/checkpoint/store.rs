//! Create-only objects: a local directory or an object store.
//!
//! Nothing is ever overwritten, so whoever creates a name first owns it: that is the fence.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use brooklet_core::{Error, Result};

/// What became of a `create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    Yes,
    /// The name was taken; what stands there is untouched.
    Exists,
}

/// Names are relative, with `/`.
#[async_trait]
pub trait Store: Send + Sync {
    /// Durable when it returns `Yes`. After an `Outside` error the object may be there or not.
    async fn create(&self, name: &str, content: Bytes) -> Result<Created>;
    /// None when there is no such object.
    async fn read(&self, name: &str) -> Result<Option<Bytes>>;
    /// The names below a prefix that ends in `/`, sorted.
    async fn list(&self, prefix: &str) -> Result<Vec<String>>;
    /// Deleting what is not there is no error.
    async fn delete(&self, name: &str) -> Result<()>;
}

/// A directory. Files appear whole: written aside, synced, then hard-linked to their name.
pub struct LocalStore {
    root: PathBuf,
}

impl LocalStore {
    pub fn new(root: impl Into<PathBuf>) -> Self {
        LocalStore { root: root.into() }
    }
    pub fn root(&self) -> &Path {
        &self.root
    }
    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

#[async_trait]
impl Store for LocalStore {
    async fn create(&self, name: &str, content: Bytes) -> Result<Created> {
        let path = self.path(name);
        blocking(move || create_file(&path, &content)).await
    }
    async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        let path = self.path(name);
        blocking(move || match std::fs::read(&path) {
            Ok(content) => Ok(Some(Bytes::from(content))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failed("read", &path, e)),
        })
        .await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let (root, prefix) = (self.root.clone(), prefix.to_string());
        blocking(move || {
            let mut names = Vec::new();
            walk(&root.join(&prefix), &prefix, &mut names)?;
            names.sort();
            Ok(names)
        })
        .await
    }
    async fn delete(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        blocking(move || match std::fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed("delete", &path, e)),
            _ => Ok(()),
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::bug("a file operation panicked").caused_by(e))?
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Error {
    Error::outside(format!("cannot {what} {}", path.display())).caused_by(error)
}

/// A large segment synced at once would hold up every other sync of the disk, the journal's first.
const SYNC_EVERY_BYTES: usize = 1 << 20;

/// A large file is written in pieces, and as much of the disk's time is left to others.
#[allow(clippy::disallowed_methods, reason = "no record and no state depends on this wait")]
fn write_synced(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = std::fs::File::create(path)?;
    let mut pieces = content.chunks(SYNC_EVERY_BYTES);
    let last = pieces.next_back().unwrap_or_default();
    for piece in pieces {
        file.write_all(piece)?;
        let started = Instant::now();
        file.sync_data()?;
        std::thread::sleep(started.elapsed());
    }
    file.write_all(last)?;
    file.sync_data()
}

fn create_file(path: &Path, content: &[u8]) -> Result<Created> {
    let directory = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory).map_err(|e| failed("create", directory, e))?;
    if path.exists() {
        return Ok(Created::Exists);
    }
    // The process id keeps two owners' unfinished files apart.
    let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("object");
    let aside = directory.join(format!(".{name}.{}", std::process::id()));
    write_synced(&aside, content).map_err(|e| failed("write", path, e))?;
    let linked = std::fs::hard_link(&aside, path);
    let removed = std::fs::remove_file(&aside);
    let created = match linked {
        Ok(()) => Created::Yes,
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Created::Exists,
        Err(e) => return Err(failed("link", path, e)),
    };
    removed.map_err(|e| failed("remove", &aside, e))?;
    let synced = std::fs::File::open(directory).and_then(|d| d.sync_all());
    synced.map_err(|e| failed("sync", directory, e))?;
    Ok(created)
}

fn walk(directory: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(failed("list", directory, e)),
    };
    for entry in entries {
        let entry = entry.map_err(|e| failed("list", directory, e))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if name.starts_with('.') {
            continue;
        }
        let kind = entry.file_type().map_err(|e| failed("list", directory, e))?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{prefix}{name}/"), names)?;
        } else {
            names.push(format!("{prefix}{name}"));
        }
    }
    Ok(())
}

/// An object store with put-if-absent.
pub struct RemoteStore {
    store: Arc<dyn ObjectStore>,
    prefix: String,
}

impl RemoteStore {
    /// `prefix` is the path of the pipeline in the bucket.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: impl Into<String>) -> Self {
        RemoteStore { store, prefix: prefix.into() }
    }
    fn path(&self, name: &str) -> ObjectPath {
        ObjectPath::from(format!("{}/{name}", self.prefix))
    }

    /// Refuses a store that lets a second writer replace an object: without that nothing fences.
    pub async fn probe(&self, nonce: &str) -> Result<()> {
        let name = format!("probe/{nonce}");
        let first = self.create(&name, Bytes::from_static(b"1")).await?;
        let second = self.create(&name, Bytes::from_static(b"2")).await?;
        self.delete(&name).await?;
        if (first, second) != (Created::Yes, Created::Exists) {
            return Err(Error::config(
                "this object store overwrites objects that exist (no conditional put): state \
                 kept here could be written by two processes at once",
            ));
        }
        Ok(())
    }
}

fn remote(what: &str, error: object_store::Error) -> Error {
    Error::outside(format!("cannot {what} the state in the object store")).caused_by(error)
}

#[async_trait]
impl Store for RemoteStore {
    async fn create(&self, name: &str, content: Bytes) -> Result<Created> {
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&self.path(name), content.into(), options).await {
            Ok(_) => Ok(Created::Yes),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(Created::Exists),
            Err(e) => Err(remote("write", e)),
        }
    }
    async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        match self.store.get(&self.path(name)).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(|e| remote("read", e))?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(remote("read", e)),
        }
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        let path = self.path(prefix.trim_end_matches('/'));
        let objects: Vec<_> =
            self.store.list(Some(&path)).try_collect().await.map_err(|e| remote("list", e))?;
        let root = ObjectPath::from(self.prefix.as_str()).to_string();
        let name = |o: &object_store::ObjectMeta| {
            let full = o.location.to_string();
            full.strip_prefix(&root).map(|n| n.trim_start_matches('/').to_string())
        };
        let mut names: Vec<String> = objects.iter().filter_map(name).collect();
        names.sort();
        Ok(names)
    }
    async fn delete(&self, name: &str) -> Result<()> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(remote("delete", e)),
        }
    }
}
