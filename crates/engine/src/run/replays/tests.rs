//! Letters beside a source that is made by hand.

use std::collections::VecDeque;

use super::*;
use crate::checkpoint::replays::create;
use crate::checkpoint::store::LocalStore;

const ROOT: &str = "000001";
const MANY: Budget = Budget { max_rows: 100, max_bytes: 1 << 20 };

/// Gives empty polls of one split, the last of them as its end.
struct Quiet {
    polls: VecDeque<bool>,
    replayed: usize,
    released: Vec<SplitPosition>,
}

fn quiet(polls: &[bool]) -> Quiet {
    Quiet { polls: polls.iter().copied().collect(), replayed: 0, released: vec![] }
}

fn own(from: i64, to: i64) -> SplitRange {
    SplitRange { split: SplitId::new("a-0"), from, to }
}

#[async_trait]
impl Source for Quiet {
    async fn poll(&mut self, _: Budget) -> Result<Input> {
        let ended = self.polls.pop_front().ok_or_else(|| Error::outside("polled after its end"))?;
        let split = SplitInput { range: own(5, 5), payload: Payload::None, caught_up: true };
        Ok(Input { splits: vec![split], ended })
    }
    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        assert_eq!(ranges, [own(3, 5)]);
        self.replayed += 1;
        let split = SplitInput { range: own(3, 5), payload: Payload::None, caught_up: true };
        Ok(Input { splits: vec![split], ended: false })
    }
    async fn release(&mut self, upto: &[SplitPosition]) -> Result<()> {
        assert!(upto.iter().all(|p| !p.split.is_replay()));
        self.released.extend_from_slice(upto);
        Ok(())
    }
}

fn slot(table: &str, texts: &[&str]) -> Slot {
    let letter = |(i, text): (usize, &&str)| Again {
        split: SplitId::new("a-0"),
        offset: i as i64,
        timestamp: Some(40 + i as i64),
        bytes: text.as_bytes().to_vec(),
    };
    Slot { table: table.into(), letters: texts.iter().enumerate().map(letter).collect() }
}

struct Home {
    _dir: tempfile::TempDir,
    store: Arc<dyn Store>,
}

impl Home {
    async fn with(slots: &[Slot]) -> Home {
        let dir = tempfile::tempdir().unwrap();
        let store: Arc<dyn Store> = Arc::new(LocalStore::new(dir.path()));
        for (number, slot) in slots.iter().enumerate() {
            create(store.as_ref(), ROOT, number as i64, slot).await.unwrap();
        }
        Home { _dir: dir, store }
    }
    async fn open(&self, source: Quiet, at: i64) -> Replaying {
        let replays = Replays::open(self.store.clone(), ROOT, Arc::new(|| ())).await.unwrap();
        Replaying::new(Box::new(source), "t", replays, at)
    }
}

/// The letters of an input: offset, time and text of each; and the range of slots.
fn letters(input: &Input) -> (Vec<(i64, i64, String)>, Option<(i64, i64)>) {
    let sorted = input.splits.windows(2).all(|w| w[0].range.split < w[1].range.split);
    assert!(sorted, "arrival order is by split");
    let split = input.splits.iter().find(|s| s.range.split.is_replay());
    let Some(split) = split else { return (vec![], None) };
    let Payload::Raw(raw) = &split.payload else { panic!("records were expected") };
    let text = |i| String::from_utf8(raw.value(i).unwrap().to_vec()).unwrap();
    let each = (0..raw.len()).map(|i| (raw.offset(i), raw.timestamp(i), text(i)));
    (each.collect(), Some((split.range.from, split.range.to)))
}

#[tokio::test]
async fn letters_of_the_table_come_once() {
    let slots = [slot("t", &["x", "y"]), slot("other", &["no"]), slot("t", &["z"])];
    let home = Home::with(&slots).await;
    let mut source = home.open(quiet(&[false, false]), 0).await;
    let (found, range) = letters(&source.poll(MANY).await.unwrap());
    let wanted = [(0, 40, "x"), (1, 41, "y"), (2_000, 40, "z")];
    assert_eq!(found, wanted.map(|(o, t, text)| (o, t, text.to_string())));
    assert_eq!(range, Some((0, 3)));
    assert_eq!(letters(&source.poll(MANY).await.unwrap()).1, None);
}

#[tokio::test]
async fn an_epoch_takes_whole_slots_within_its_budget() {
    let slots = [slot("t", &["a", "b", "c"]), slot("t", &["d"]), slot("t", &["e"])];
    let home = Home::with(&slots).await;
    let mut source = home.open(quiet(&[false; 3]), 0).await;
    let budget = Budget { max_rows: 2, ..MANY };
    let mut ranges = Vec::new();
    for _ in 0..3 {
        ranges.push(letters(&source.poll(budget).await.unwrap()).1);
    }
    assert_eq!(ranges, [Some((0, 1)), Some((1, 3)), None]);
}

#[tokio::test]
async fn a_recorded_range_is_read_again_and_gone_on_behind() {
    let slots = [slot("t", &["a"]), slot("other", &["no"]), slot("t", &["b"])];
    let home = Home::with(&slots).await;
    let mut source = home.open(quiet(&[false]), 0).await;
    let range = SplitRange { split: SplitId::replay(), from: 0, to: 2 };
    let again = source.replay(&[range, own(3, 5)]).await.unwrap();
    assert_eq!(letters(&again).0, [(0, 40, "a".to_string())]);
    assert_eq!(again.splits.len(), 2);
    let (rest, range) = letters(&source.poll(MANY).await.unwrap());
    assert_eq!((rest, range), (vec![(2_000, 40, "b".to_string())], Some((2, 3))));
    let gone = SplitRange { split: SplitId::replay(), from: 3, to: 4 };
    let e = source.replay(&[gone]).await.unwrap_err();
    assert_eq!(e.kind, brooklet_core::ErrorKind::Corrupt);
}

#[tokio::test]
async fn a_source_does_not_end_before_its_letters() {
    let home = Home::with(&[slot("t", &["a", "b"]), slot("t", &["c"])]).await;
    let mut source = home.open(quiet(&[true]), 0).await;
    let budget = Budget { max_rows: 1, ..MANY };
    let first = source.poll(budget).await.unwrap();
    let second = source.poll(budget).await.unwrap();
    assert_eq!((first.ended, second.ended), (false, true));
    assert_eq!(letters(&second).0.len(), 1);
}

#[tokio::test]
async fn the_source_hears_nothing_of_letters() {
    let home = Home::with(&[]).await;
    let at = |split, offset| SplitPosition { split, offset };
    let all = vec![at(SplitId::replay(), 7), at(SplitId::new("a-0"), 3)];
    assert_eq!(Replaying::split_off(all.clone()), (vec![all[1].clone()], 7));
    let mut source = home.open(quiet(&[]), 7).await;
    source.release(&all).await.unwrap();
}

#[tokio::test]
async fn a_new_slot_wakes_the_pipeline() {
    let home = Home::with(&[]).await;
    let rung = Arc::new(tokio::sync::Notify::new());
    let bell = rung.clone();
    let waker: Waker = Arc::new(move || bell.notify_one());
    let replays = Replays::open(home.store.clone(), ROOT, waker).await.unwrap();
    let mut source = Replaying::new(Box::new(quiet(&[false; 2])), "t", replays, 0);
    assert_eq!(letters(&source.poll(MANY).await.unwrap()).1, None);
    create(home.store.as_ref(), ROOT, 0, &slot("t", &["a"])).await.unwrap();
    rung.notified().await;
    assert_eq!(letters(&source.poll(MANY).await.unwrap()).0.len(), 1);
}
