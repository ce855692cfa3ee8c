//! Journal and snapshots in memory, with the faults of a service: answers that are lost before or
//! after the effect, and a journal slot torn by the crash that it dies in.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use brooklet_core::{Error, Result};
use brooklet_engine::checkpoint::store::{Created, Store};

use crate::turns::give_way;
use crate::world::lock;
use brooklet_testkit::dice::Dice;

/// Outlives the processes that write to it; clones share it.
#[derive(Clone)]
pub struct SimStore(Arc<Mutex<State>>);

struct State {
    objects: BTreeMap<String, Bytes>,
    /// Every slot of the journal ever written, also trimmed ones.
    journal: BTreeMap<String, Bytes>,
    dice: Dice,
    faults: u32,
    tears: u32,
    seen: Faults,
    requests: u64,
    /// The last load of segments: the requests before it, and whether it fails.
    load: (u64, bool),
}

/// How often what has happened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub before: u32,
    pub after: u32,
    pub torn: u32,
}

impl SimStore {
    pub fn new(seed: u64) -> Self {
        SimStore(Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            journal: BTreeMap::new(),
            dice: Dice::new(seed),
            faults: 0,
            tears: 0,
            seen: Faults::default(),
            requests: 0,
            load: (0, false),
        })))
    }
    /// How many requests may fail from now on, and how many journal slots be torn.
    pub fn trouble(&self, faults: u32, tears: u32) {
        let mut state = lock(&self.0);
        (state.faults, state.tears) = (faults, tears);
    }
    pub fn seen(&self) -> Faults {
        lock(&self.0).seen
    }
    /// Requests of other processes may come in between.
    async fn others_first(&self) {
        let turns = {
            let mut state = lock(&self.0);
            state.requests += 1;
            state.dice.below(3)
        };
        for _ in 0..turns {
            give_way().await;
        }
    }
    /// Every journal slot ever written, with its name.
    pub fn journal(&self) -> BTreeMap<String, Bytes> {
        lock(&self.0).journal.clone()
    }
}

impl State {
    /// One request in twelve fails while faults are left.
    fn fails(&mut self) -> bool {
        let fails = self.faults > 0 && self.dice.chance(1.0 / 12.0);
        self.faults -= u32::from(fails);
        fails
    }
    /// Threads read segments in no order: chance is asked once for all that a start reads.
    fn segment_fails(&mut self, name: &str) -> bool {
        if self.load.0 != self.requests {
            self.load = (self.requests, self.fails());
        }
        self.load.1 && name.bytes().fold(0u8, u8::wrapping_add) % 2 == 0
    }
}

fn lost() -> Error {
    Error::outside("the simulated store did not answer")
}

#[async_trait]
impl Store for SimStore {
    async fn create(&self, name: &str, content: Bytes) -> Result<Created> {
        self.others_first().await;
        let mut state = lock(&self.0);
        let fails = state.fails();
        if fails && state.dice.chance(0.5) {
            state.seen.before += 1;
            return Err(lost());
        }
        if state.objects.contains_key(name) {
            return Ok(Created::Exists);
        }
        let is_journal = name.contains("/journal/");
        if is_journal && state.tears > 0 && state.dice.chance(0.1) {
            state.tears -= 1;
            state.seen.torn += 1;
            let keep = state.dice.below(content.len() as u64) as usize;
            state.objects.insert(name.to_string(), content.slice(..keep));
            return Err(Error::bug(TORN));
        }
        if is_journal {
            state.journal.insert(name.to_string(), content.clone());
        }
        state.objects.insert(name.to_string(), content);
        if fails {
            state.seen.after += 1;
            return Err(lost());
        }
        Ok(Created::Yes)
    }
    async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        let is_segment = name.contains("/segments/");
        if !is_segment {
            self.others_first().await;
        }
        let mut state = lock(&self.0);
        let fails = if is_segment { state.segment_fails(name) } else { state.fails() };
        if fails {
            return Err(lost());
        }
        Ok(state.objects.get(name).cloned())
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.others_first().await;
        let mut state = lock(&self.0);
        if state.fails() {
            return Err(lost());
        }
        Ok(state.objects.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }
    async fn delete(&self, name: &str) -> Result<()> {
        self.others_first().await;
        let mut state = lock(&self.0);
        if state.fails() {
            return Err(lost());
        }
        state.objects.remove(name);
        Ok(())
    }
}

/// The power went while a slot was being written: the process is gone.
pub const TORN: &str = "simulated crash in a write";
