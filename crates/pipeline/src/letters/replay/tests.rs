//! Requests by hand, also two at once.

use std::sync::atomic::{AtomicBool, Ordering};

use brooklet_core::Instance;
use brooklet_core::source::SplitId;
use brooklet_engine::checkpoint::store::LocalStore;

use super::*;

const ROOT: &str = "000001";

fn state(store: Arc<dyn Store>) -> State {
    let home = InstanceHome { instance: Instance("mine".into()), root: ROOT.into(), is_new: false };
    State { store, home }
}

fn letter(source: &str, offset: i64) -> Letter {
    Letter {
        kind: "dead".into(),
        source: source.into(),
        partition: Some("t-0".into()),
        offset: Some(offset),
        bytes: Some(vec![b'x'; 3]),
        replayable: true,
        instance: Some("mine".into()),
        ..Letter::default()
    }
}

fn choice<'a>(wanted: &'a Wanted, before: Before, again: bool) -> Choice<'a> {
    Choice {
        wanted,
        instance: "mine".into(),
        refusals: BTreeMap::from([("closed", "closed".to_string())]),
        asked: Asked { again, dry_run: false },
        before,
        chosen: BTreeMap::new(),
        outcome: Outcome::default(),
    }
}

/// Offsets by slot.
async fn slots(store: &dyn Store) -> Vec<(String, Vec<i64>)> {
    let mut all = Vec::new();
    for number in 0..replays::count(store, ROOT).await.unwrap() {
        let slot = replays::read(store, ROOT, number).await.unwrap().unwrap();
        all.push((slot.table, slot.letters.iter().map(|l| l.offset).collect()));
    }
    all
}

#[tokio::test]
async fn slots_are_of_one_table_and_not_too_long() {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(LocalStore::new(dir.path()));
    let wanted = Wanted::default();
    let mut asked = choice(&wanted, Before::new(), false);
    (0..2_500).rev().for_each(|offset| asked.take(letter("t", offset)));
    asked.take(letter("u", 1));
    let mut large = letter("u", 2);
    large.bytes = Some(vec![b'x'; SLOT_BYTES]);
    asked.take(large);
    state(store.clone()).write(&mut asked).await.unwrap();
    let found = slots(store.as_ref()).await;
    let lengths: Vec<(&str, usize)> = found.iter().map(|(t, o)| (t.as_str(), o.len())).collect();
    assert_eq!(lengths, [("t", 1_000), ("t", 1_000), ("t", 500), ("u", 1), ("u", 1)]);
    assert_eq!(found[1].1, (1_000..2_000).collect::<Vec<_>>());
    let before = state(store).before().await.unwrap();
    let mut repeated = choice(&wanted, before, false);
    (0..2_500).for_each(|offset| repeated.take(letter("t", offset)));
    assert_eq!((repeated.chosen.len(), repeated.outcome.before), (0, 2_500));
}

#[test]
fn letters_that_would_count_twice_or_cannot_be_read_are_left() {
    let wanted = Wanted::default();
    let mut asked = choice(&wanted, Before::new(), true);
    let with = |change: &dyn Fn(&mut Letter)| {
        let mut letter = letter("t", 1);
        change(&mut letter);
        letter
    };
    for (given, why) in [
        (with(&|l| l.replayable = false), "counted twice"),
        (with(&|l| l.instance = Some("other".into())), "--fresh"),
        (with(&|l| l.instance = None), "no column 'instance'"),
        (with(&|l| l.bytes = None), "not known"),
        (with(&|l| l.partition = None), "not known"),
        (with(&|l| l.kind = "late".into()), "--kind late"),
        (with(&|l| l.kind = REJECTED.into()), "refused"),
        (with(&|l| l.source = "closed".into()), "closed"),
    ] {
        asked.outcome.left.clear();
        asked.take(given);
        let left: Vec<(&String, &usize)> = asked.outcome.left.iter().collect();
        assert!(left.len() == 1 && left[0].0.contains(why), "{why}: {left:?}");
    }
    assert!(asked.chosen.is_empty());
    let late = Wanted { kind: Some("late".into()), limit: Some(1), ..Wanted::default() };
    let mut asked = choice(&late, Before::new(), false);
    for offset in [3, 4] {
        asked.take(Letter { kind: "late".into(), ..letter("t", offset) });
    }
    assert_eq!(asked.chosen.len(), 1, "the limit");
}

/// Somebody else takes a slot just before ours.
struct Raced {
    store: LocalStore,
    over: AtomicBool,
    other: Slot,
}

#[async_trait::async_trait]
impl Store for Raced {
    async fn create(&self, name: &str, content: bytes::Bytes) -> Result<Created> {
        if !self.over.swap(true, Ordering::SeqCst) {
            replays::create(&self.store, ROOT, 0, &self.other).await?;
        }
        self.store.create(name, content).await
    }
    async fn read(&self, name: &str) -> Result<Option<bytes::Bytes>> {
        self.store.read(name).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.store.list(prefix).await
    }
    async fn delete(&self, name: &str) -> Result<()> {
        self.store.delete(name).await
    }
}

#[tokio::test]
async fn of_two_commands_at_once_one_asks_for_each_letter() {
    let again = |offset| Again {
        split: SplitId::new("t-0"),
        offset,
        timestamp: None,
        bytes: b"xxx".to_vec(),
    };
    for (others, asks_again, wanted_slots) in [
        (vec![2, 3], false, vec![vec![2, 3], vec![1]]),
        (vec![2, 3], true, vec![vec![2, 3], vec![1, 2, 3]]),
        // The same request twice: the loser takes the winner's slot for its own.
        (vec![1, 2, 3], false, vec![vec![1, 2, 3]]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let letters = others.into_iter().map(again).collect();
        let store: Arc<dyn Store> = Arc::new(Raced {
            store: LocalStore::new(dir.path()),
            over: AtomicBool::new(false),
            other: Slot { table: "t".into(), letters },
        });
        let wanted = Wanted::default();
        let mut asked = choice(&wanted, Before::new(), asks_again);
        (1..=3).for_each(|offset| asked.take(letter("t", offset)));
        state(store.clone()).write(&mut asked).await.unwrap();
        let found: Vec<Vec<i64>> =
            slots(store.as_ref()).await.into_iter().map(|(_, offsets)| offsets).collect();
        assert_eq!(found, wanted_slots);
    }
}
