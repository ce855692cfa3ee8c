//! Snapshots whose store fails in between.

use std::sync::{Arc, Mutex};

use arrow::array::Int64Array;
use arrow::datatypes::{DataType, Field};
use async_trait::async_trait;
use brooklet_core::env::{CrashPoint, World};
use brooklet_core::{Env, Epoch, Error, Result};
use bytes::Bytes;
use tokio::runtime::Handle;

use super::{Capture, Snapshots, Stored, list, read_manifest};
use crate::checkpoint::load::each_batch;
use crate::checkpoint::manifest::{Manifest, VERSION};
use crate::checkpoint::store::{Created, LocalStore, Store};
use crate::compute::TableId;
use crate::ingest::IngestState;
use crate::table::Table;

/// Every random number is another.
struct Still(Mutex<u64>);

impl World for Still {
    fn now(&self) -> i64 {
        0
    }
    fn random(&self) -> u64 {
        let mut next = self.0.lock().unwrap();
        *next += 1;
        *next
    }
    fn at(&self, _: CrashPoint) -> Result<()> {
        Ok(())
    }
}

/// Fails the next writes: before the effect, or after it.
struct Faulty {
    store: LocalStore,
    fail: Mutex<Option<bool>>,
}

#[async_trait]
impl Store for Faulty {
    async fn create(&self, name: &str, content: Bytes) -> Result<Created> {
        let after = self.fail.lock().unwrap().take();
        if after != Some(false) {
            let created = self.store.create(name, content).await;
            return if after.is_some() { Err(Error::outside("lost")) } else { created };
        }
        Err(Error::outside("not written"))
    }
    async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        self.store.read(name).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.store.list(prefix).await
    }
    async fn delete(&self, name: &str) -> Result<()> {
        self.store.delete(name).await
    }
}

struct Fixture {
    _directory: tempfile::TempDir,
    store: Arc<Faulty>,
    snapshots: Snapshots,
    table: Table,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let local = LocalStore::new(directory.path());
        let store = Arc::new(Faulty { store: local, fail: Mutex::new(None) });
        let env = Env::new(Still(Mutex::new(0)));
        let key = Arc::new(Field::new("k", DataType::Int64, false));
        Fixture {
            snapshots: Snapshots::new(store.clone(), "000001", 2, env),
            table: Table::new("t", vec![key], vec![0], &[]).unwrap(),
            store,
            _directory: directory,
        }
    }
    fn add(&mut self, key: i64) {
        let keys = Int64Array::from(vec![key]);
        self.table.find_or_create(&[Arc::new(keys)], 1).unwrap();
    }
    fn capture(&mut self, epoch: u64, full: bool) -> Capture {
        let id = TableId { fingerprint: 1, shard: 0, table: "t".into() };
        let manifest = Manifest {
            brooklet_snapshot: VERSION,
            epoch: Epoch(epoch),
            taken_at: 0,
            shards: 1,
            finished: false,
            ingest: IngestState::default(),
            nodes: Vec::new(),
            tables: Vec::new(),
        };
        Capture { manifest, tables: vec![(id, self.table.capture(full))], full }
    }
    fn fail(&self, after_the_effect: bool) {
        *self.store.fail.lock().unwrap() = Some(after_the_effect);
    }
    async fn take(&mut self, capture: Capture) -> Result<()> {
        let manifest = self.snapshots.upload(capture).await?;
        self.snapshots.publish(&manifest).await
    }
    /// Epoch and rows of the newest snapshot.
    async fn newest(&self) -> (u64, usize) {
        let epoch = *list(self.store.as_ref(), "000001").await.unwrap().last().unwrap();
        let manifest = read_manifest(self.store.as_ref(), "000001", epoch).await.unwrap();
        let (tables, mut rows) = (vec![manifest.tables[0].1.clone()], 0);
        let stored = Stored { store: self.store.clone(), runtime: Handle::current() };
        let count = move || {
            each_batch(&tables, &stored, |_, batch| {
                rows += batch.num_rows();
                Ok(())
            })
            .map(|()| rows)
        };
        (epoch.0, tokio::task::spawn_blocking(count).await.unwrap().unwrap())
    }
}

#[tokio::test]
async fn changes_captured_before_a_failure_was_known_are_not_added_to_a_hole() {
    let mut f = Fixture::new();
    f.add(1);
    let full = f.capture(1, true);
    f.take(full).await.unwrap();
    f.add(2);
    let second = f.capture(2, false);
    f.add(3);
    let third = f.capture(3, false);
    f.fail(false);
    assert!(f.take(second).await.is_err());
    // Key 2 is in no segment: a snapshot of epoch 3 would lack it.
    assert!(f.take(third).await.is_err());
    assert!(f.snapshots.wants_full());
    assert_eq!(f.newest().await, (1, 1));
    let again = f.capture(3, true);
    f.take(again).await.unwrap();
    assert_eq!(f.newest().await, (3, 3));
}

#[tokio::test]
async fn an_epoch_may_be_captured_again_after_a_lost_answer() {
    for uploading in [true, false] {
        let mut f = Fixture::new();
        f.add(1);
        let first = f.capture(1, true);
        if uploading {
            f.fail(true);
            assert!(f.take(first).await.is_err());
        } else {
            let manifest = f.snapshots.upload(first).await.unwrap();
            f.fail(true);
            assert!(f.snapshots.publish(&manifest).await.is_err());
        }
        let again = f.capture(1, true);
        f.take(again).await.unwrap();
        f.snapshots.prune().await.unwrap();
        assert_eq!(f.newest().await, (1, 1));
        assert!(f.snapshots.holds(Epoch(1)));
        f.add(2);
        let next = f.capture(2, f.snapshots.wants_full());
        f.take(next).await.unwrap();
        assert_eq!(f.newest().await, (2, 2));
    }
}
