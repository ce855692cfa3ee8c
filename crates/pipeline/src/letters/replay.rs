//! Asks for letters to be given to the pipeline again, each once.
//!
//! What is asked for stands in create-only slots beside the journal, where the running pipeline, or
//! the next one to start, finds it. A letter is known by where its record was read, so that asking
//! twice changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use brooklet_core::schema::ColumnKind;
use brooklet_core::{Error, Result};
use brooklet_engine::checkpoint::instance::{self, InstanceHome};
use brooklet_engine::checkpoint::manifest::Manifest;
use brooklet_engine::checkpoint::replays::{self, Again, SLOT_BYTES, SLOT_LETTERS, Slot};
use brooklet_engine::checkpoint::snapshot;
use brooklet_engine::checkpoint::store::{Created, Store};
use brooklet_plan::letters::LetterKind;
use brooklet_plan::node::ScanSpec;

use super::{Before, Letter, Places, Position, REJECTED, Wanted};
use crate::compile::Compiled;
use crate::start::{location, open_store};

/// How letters are asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Also those that were asked for before.
    pub again: bool,
    /// Nothing is written.
    pub dry_run: bool,
}

/// What became of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Letters that will be read again, by source table.
    pub replayed: BTreeMap<String, usize>,
    /// Asked for before.
    pub before: usize,
    /// Letters that stay where they are, by the reason.
    pub left: BTreeMap<String, usize>,
}

/// The state that a pipeline keeps.
struct State {
    store: Arc<dyn Store>,
    home: InstanceHome,
}

/// None when the pipeline was never started.
async fn state(compiled: &Compiled) -> Result<Option<State>> {
    let location = location(&compiled.settings, &compiled.name, &compiled.base);
    let store = open_store(&location, &crate::world::real()).await?;
    let home = instance::newest(store.as_ref()).await?;
    Ok(home.map(|home| State { store, home }))
}

/// How often each letter was asked for.
pub async fn before(compiled: &Compiled) -> Result<Before> {
    match state(compiled).await? {
        Some(state) => state.before().await,
        None => Ok(Before::new()),
    }
}

/// Asks for the letters that are wanted.
pub async fn replay(compiled: &Compiled, wanted: &Wanted, asked: Asked) -> Result<Outcome> {
    let Some(state) = state(compiled).await? else {
        return Err(Error::config("the pipeline was never started: nothing was set aside"));
    };
    let places = Places::of(compiled, wanted)?;
    let manifest = state.newest_snapshot().await?;
    let scans: BTreeMap<&str, &ScanSpec> =
        compiled.plan.scans().map(|(_, spec)| (spec.table.name.as_str(), spec)).collect();
    let mut refusals: BTreeMap<&str, String> = BTreeMap::new();
    for (table, spec) in &scans {
        let ended = manifest.as_ref().and_then(|m| m.ingest.scans.get(*table));
        let why = match ended.is_some_and(|scan| scan.ended) {
            true => Some(format!(
                "table {table} was read to its end and its windows are closed (run with --fresh)"
            )),
            false => lacking(spec),
        };
        refusals.extend(why.map(|why| (*table, why)));
    }
    let mut choice = Choice {
        wanted,
        instance: state.home.instance.to_string(),
        refusals,
        asked,
        before: state.before().await?,
        chosen: BTreeMap::new(),
        outcome: Outcome::default(),
    };
    places.each(compiled, wanted, &mut |_, letter| choice.take(letter)).await?;
    if !asked.dry_run {
        state.write(&mut choice).await?;
    }
    let Choice { chosen, mut outcome, .. } = choice;
    for (table, _, _) in chosen.keys() {
        *outcome.replayed.entry(table.clone()).or_default() += 1;
    }
    Ok(outcome)
}

/// Why records of a table cannot be made again of what a letter holds: their values and times.
fn lacking(spec: &ScanSpec) -> Option<String> {
    let table = &spec.table;
    let name = &table.name;
    let of_record = ["headers", "leader-epoch", "timestamp-type"];
    let metadata = |c: &brooklet_core::schema::ColumnDef| match &c.kind {
        ColumnKind::Metadata { key, .. } => of_record.contains(&key.as_str()).then(|| key.clone()),
        _ => None,
    };
    if table.is_upserts() || table.options.get("key.format").is_some() {
        return Some(format!("table {name} has columns of the record's key, which letters lack"));
    }
    if !table.partitioned_by.is_empty() {
        return Some(format!("table {name} has columns of the file's name, which letters lack"));
    }
    let found = table.columns.iter().find_map(metadata)?;
    Some(format!("table {name} reads the records' '{found}', which letters lack"))
}

/// The letters of one request.
struct Choice<'a> {
    wanted: &'a Wanted,
    instance: String,
    /// Tables whose letters cannot be replayed.
    refusals: BTreeMap<&'a str, String>,
    asked: Asked,
    before: Before,
    /// In the order in which they were read first.
    chosen: BTreeMap<Position, Again>,
    outcome: Outcome,
}

impl Choice<'_> {
    fn take(&mut self, letter: Letter) {
        let limit = self.wanted.limit.unwrap_or(usize::MAX);
        if let Some(why) = self.refusal(&letter) {
            *self.outcome.left.entry(why).or_default() += 1;
            return;
        }
        let (Some(position), Some(bytes)) = (letter.position(), letter.bytes) else { return };
        if self.before.contains_key(&position) && !self.asked.again {
            self.outcome.before += 1;
        } else if self.chosen.len() < limit {
            let (_, split, offset) = position.clone();
            let timestamp = letter.timestamp;
            self.chosen.insert(position, Again { split, offset, timestamp, bytes });
        }
    }

    fn refusal(&self, letter: &Letter) -> Option<String> {
        let known = letter.bytes.is_some() && letter.position().is_some();
        let why = if letter.kind == REJECTED {
            "rows that the database refused: the records they came from are not known"
        } else if letter.kind == LetterKind::Late.name() && self.wanted.kind.is_none() {
            "late records, which would be late again: ask for them with --kind late"
        } else if letter.instance.is_none() {
            "their table has no column 'instance', which tells whether they were read anew since"
        } else if letter.instance.as_ref() != Some(&self.instance) {
            "set aside before --fresh, which reads their records anew"
        } else if !known {
            "their bytes and position are not known"
        } else if !letter.replayable {
            "part of the record went on in the pipeline and would be counted twice"
        } else {
            return self.refusals.get(letter.source.as_str()).cloned();
        };
        Some(why.to_string())
    }

    /// Leaves out what somebody else has asked for since.
    fn without(&mut self, before: &Before) {
        if !self.asked.again {
            let all = self.chosen.len();
            self.chosen.retain(|position, _| !before.contains_key(position));
            self.outcome.before += all - self.chosen.len();
        }
    }

    /// Slots of what is left from a position on.
    fn slot(&self, after: Option<&Position>) -> Option<(Slot, Position)> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let mut left = self.chosen.range((from, std::ops::Bound::Unbounded)).peekable();
        let table = left.peek()?.0.0.clone();
        let (mut letters, mut bytes, mut last) = (Vec::new(), 0, None);
        for (position, letter) in left {
            let full = letters.len() == SLOT_LETTERS || bytes + letter.bytes.len() > SLOT_BYTES;
            if position.0 != table || full && !letters.is_empty() {
                break;
            }
            bytes += letter.bytes.len();
            letters.push(letter.clone());
            last = Some(position.clone());
        }
        Some((Slot { table, letters }, last?))
    }
}

impl State {
    async fn newest_snapshot(&self) -> Result<Option<Manifest>> {
        let (store, root) = (self.store.as_ref(), &self.home.root);
        match snapshot::list(store, root).await?.last() {
            Some(epoch) => snapshot::read_manifest(store, root, *epoch).await.map(Some),
            None => Ok(None),
        }
    }

    async fn before(&self) -> Result<Before> {
        let (store, root) = (self.store.as_ref(), &self.home.root);
        let mut all = Before::new();
        for number in 0..replays::count(store, root).await? {
            let Some(slot) = replays::read(store, root, number).await? else { continue };
            for letter in slot.letters {
                *all.entry((slot.table.clone(), letter.split, letter.offset)).or_default() += 1;
            }
        }
        Ok(all)
    }

    /// Slot by slot; whoever takes a slot first owns it, and what he asked for is left out.
    async fn write(&self, choice: &mut Choice<'_>) -> Result<()> {
        let (store, root) = (self.store.as_ref(), &self.home.root);
        let mut number = replays::count(store, root).await?;
        let mut written: Option<Position> = None;
        let mut mine: BTreeSet<Position> = BTreeSet::new();
        while let Some((slot, last)) = choice.slot(written.as_ref()) {
            match replays::create(store, root, number, &slot).await? {
                Created::Yes => {
                    let table = slot.table;
                    let of = |l: Again| (table.clone(), l.split, l.offset);
                    mine.extend(slot.letters.into_iter().map(of));
                    written = Some(last);
                }
                Created::Exists => {
                    let mut others = self.before().await?;
                    others.retain(|position, _| !mine.contains(position));
                    choice.without(&others);
                }
            }
            number += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
