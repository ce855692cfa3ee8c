//! The fence and the tail, where a power cut or a trim came in between.

use std::sync::Arc;

use brooklet_core::{Epoch, EpochRecord, ErrorKind};
use bytes::Bytes;

use super::{Journal, Writer, trim};
use crate::checkpoint::store::{LocalStore, Store};

fn record(epoch: u64) -> EpochRecord {
    let (epoch, inputs) = (Epoch(epoch), Vec::new());
    EpochRecord { epoch, now: 0, seed: 0, shards: 1, inputs, end: false, answers: vec![] }
}

struct Place {
    _directory: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Place {
    fn new() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalStore::new(directory.path()));
        Place { _directory: directory, store }
    }
    async fn owner(&self, writer: &str) -> Journal {
        let writer = Writer { nonce: writer.to_string(), plan: 1 };
        Journal::take_over(self.store.clone(), "000001", writer).await.unwrap()
    }
}

fn epochs(tail: &[EpochRecord]) -> Vec<u64> {
    tail.iter().map(|r| r.epoch.0).collect()
}

#[tokio::test]
async fn an_old_owner_is_fenced_though_its_records_were_trimmed() {
    let place = Place::new();
    let mut old = place.owner("old").await;
    for epoch in 1..=3 {
        old.append(&[record(epoch)]).await.unwrap();
    }
    trim(place.store.as_ref(), "000001", Epoch(3)).await.unwrap();
    let mut new = place.owner("new").await;
    let fenced = old.append(&[record(4)]).await.unwrap_err();
    assert_eq!(fenced.kind, ErrorKind::Fenced);
    new.append(&[record(4)]).await.unwrap();
    assert_eq!(epochs(&new.tail(Epoch(3)).await.unwrap()), [4]);
}

#[tokio::test]
async fn a_torn_slot_is_passed_over_also_when_epochs_follow() {
    let place = Place::new();
    let mut first = place.owner("first").await;
    first.append(&[record(1)]).await.unwrap();
    // The power went while epoch 2 was written for the first time.
    let torn = "000001/journal/00000001/000000000002";
    place.store.create(torn, Bytes::from_static(b"{\"brooklet_jou")).await.unwrap();
    for (epoch, name) in [(2, "second"), (3, "third")] {
        let mut owner = place.owner(name).await;
        let held = owner.tail(Epoch(0)).await.unwrap();
        assert_eq!(epochs(&held), (1..epoch).collect::<Vec<_>>());
        owner.append(&[record(epoch)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_damaged_slot_whose_epochs_are_missing_stops_the_start() {
    let place = Place::new();
    let mut owner = place.owner("one").await;
    for epoch in 1..=2 {
        owner.append(&[record(epoch)]).await.unwrap();
    }
    let first = "000001/journal/00000001/000000000001";
    place.store.delete(first).await.unwrap();
    place.store.create(first, Bytes::from_static(b"{}")).await.unwrap();
    let error = owner.tail(Epoch(0)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt);
    assert!(error.to_string().contains("000000000001 is damaged"), "{error}");
}

#[tokio::test]
async fn a_tail_is_repeated_only_by_the_plan_that_wrote_it() {
    let place = Place::new();
    let mut owner = place.owner("old").await;
    owner.append(&[record(1)]).await.unwrap();
    let writer = Writer { nonce: "new".into(), plan: 2 };
    let edited = Journal::take_over(place.store.clone(), "000001", writer).await.unwrap();
    assert_eq!(edited.tail(Epoch(0)).await.unwrap_err().kind, ErrorKind::Config);
    assert!(edited.tail(Epoch(1)).await.unwrap().is_empty());
}
