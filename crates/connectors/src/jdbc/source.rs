//! Reads a table: once, or again and again for what has changed.
//!
//! A reading runs beside the pipeline; `poll` takes what has arrived. One split, whose offset
//! counts the changes that were given. What was given is recorded and kept by the engine: after a
//! restart or an outage the table is read anew and compared with it.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use brooklet_core::connector::SourceSpec;
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Env, Error, Result, Source};
use tokio::sync::mpsc::{self, Receiver, error::TryRecvError};
use tokio::task::JoinHandle;

use super::copy::{self, Said};
use super::difference::Difference;
use super::options;
use super::select::{self, Select};
use super::session::Access;

/// Batches that wait to be taken.
const AHEAD: usize = 4;
const SPLIT: &str = "rows";

struct PostgresSource {
    access: Arc<Access>,
    select: Arc<Select>,
    difference: Difference,
    stage: Stage,
    /// To be given, in this order.
    ready: VecDeque<Delta>,
    /// What a repeated reading has found so far: given together, for it is one change.
    found: Vec<Delta>,
    position: i64,
    refresh_ms: Option<Millis>,
    waker: Arc<dyn Fn() + Send + Sync>,
    env: Env,
}

enum Stage {
    /// The next reading is due then.
    Waiting(Millis),
    Reading(Reading),
    Ended,
}

/// A reading under way; it ends with its handle.
struct Reading {
    rows: Receiver<Said>,
    task: JoinHandle<()>,
    began: Millis,
    /// Rows are given when all are there.
    together: bool,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Logs in and checks the table against its DDL.
pub async fn open(spec: SourceSpec) -> Result<Box<dyn Source>> {
    let access = Access::for_reading(&spec.table)?;
    let session = access.connect().await?;
    let select = select::open(&access, &session, &spec.table, spec.schema.clone()).await?;
    let refresh_ms = options::refresh_ms(&spec.table.options);
    let mut difference = Difference::new(spec.schema)?;
    for rows in &spec.held {
        difference.give(rows)?;
    }
    let position = spec.positions.iter().flatten().map(|p| p.offset).max().unwrap_or(0);
    Ok(Box::new(PostgresSource {
        access: Arc::new(access),
        select: Arc::new(select),
        difference,
        stage: Stage::Waiting(Millis::MIN),
        ready: VecDeque::new(),
        found: Vec::new(),
        position,
        refresh_ms,
        waker: spec.waker,
        env: spec.env,
    }))
}

impl PostgresSource {
    fn begin(&mut self, began: Millis) {
        let (to, rows) = mpsc::channel(AHEAD);
        let read = copy::read(self.access.clone(), self.select.clone(), to, self.waker.clone());
        self.difference.begin();
        self.found.clear();
        let together = self.refresh_ms.is_some() && !self.difference.is_empty();
        let task = tokio::spawn(read);
        self.stage = Stage::Reading(Reading { rows, task, began, together });
    }

    /// Takes a batch of the reading under way; false when none has arrived.
    fn advance(&mut self) -> Result<bool> {
        let Stage::Reading(reading) = &mut self.stage else { return Ok(false) };
        let together = reading.together;
        match reading.rows.try_recv() {
            Ok(Said::Rows(batch)) => {
                let fresh = self.difference.fresh(&batch)?;
                match together {
                    true => self.found.push(fresh),
                    false => self.give(fresh)?,
                }
                Ok(true)
            }
            Ok(Said::End) => {
                let began = reading.began;
                self.finish(began)?;
                Ok(true)
            }
            Ok(Said::Failed(e)) => {
                self.stage = Stage::Waiting(Millis::MIN);
                Err(e)
            }
            Err(TryRecvError::Empty) => Ok(false),
            Err(TryRecvError::Disconnected) => Err(Error::bug("a reading has vanished")),
        }
    }

    fn finish(&mut self, began: Millis) -> Result<()> {
        let gone = self.difference.gone()?;
        match (self.refresh_ms, gone) {
            (None, Some(_)) => return Err(changed(&self.select.table)),
            (None, None) => {
                self.difference.clear();
                self.stage = Stage::Ended;
            }
            (Some(interval), gone) => {
                // Rows that are replaced go before those that replace them.
                let found = std::mem::take(&mut self.found);
                gone.into_iter().chain(found).try_for_each(|rows| self.give(rows))?;
                self.stage = Stage::Waiting(began.saturating_add(interval));
            }
        }
        Ok(())
    }

    fn give(&mut self, rows: Delta) -> Result<()> {
        if !rows.is_empty() {
            self.difference.give(&rows)?;
            self.ready.push_back(rows);
        }
        Ok(())
    }

    /// What is ready, up to a budget; all of it when it is one change.
    fn taken(&mut self, budget: Budget, together: bool) -> Vec<Delta> {
        let mut taken = Vec::new();
        let mut room = if together { usize::MAX } else { budget.max_rows.max(1) };
        while let Some(rows) = self.ready.pop_front() {
            if rows.len() <= room {
                room -= rows.len();
                taken.push(rows);
            } else {
                // Only insertions are given piece by piece.
                let (now, later) = (rows.rows.slice(0, room), rows.len() - room);
                self.ready.push_front(Delta::inserts(rows.rows.slice(room, later)));
                taken.push(Delta::inserts(now));
                room = 0;
            }
            if room == 0 {
                break;
            }
        }
        taken.retain(|rows| !rows.is_empty());
        taken
    }
}

/// A restart found other rows than those of which a part was given.
fn changed(table: &str) -> Error {
    Error::refused(format!(
        "table '{table}' was read in part when the last run broke off, and rows of that part have \
         changed in Postgres since. Start with --fresh, or SET 'brooklet.table.{table}.\
         refresh-interval', with which changes are followed"
    ))
}

#[async_trait]
impl Source for PostgresSource {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        let now = self.env.now();
        if matches!(self.stage, Stage::Waiting(at) if at <= now) && self.ready.is_empty() {
            self.begin(now);
        }
        let together = matches!(&self.stage, Stage::Reading(r) if r.together);
        let room = |ready: &VecDeque<Delta>| {
            together || ready.iter().map(Delta::len).sum::<usize>() < budget.max_rows
        };
        while room(&self.ready) && self.advance()? {}
        let rows = self.taken(budget, together);
        let from = self.position;
        self.position += rows.iter().map(|d| d.len() as i64).sum::<i64>();
        let range = SplitRange { split: SplitId::new(SPLIT), from, to: self.position };
        let payload = if rows.is_empty() { Payload::None } else { Payload::Rows(rows) };
        let caught_up = matches!(self.stage, Stage::Waiting(_) | Stage::Ended);
        let ended = matches!(self.stage, Stage::Ended) && self.ready.is_empty();
        Ok(Input { splits: vec![SplitInput { range, payload, caught_up }], ended })
    }

    /// Never asked: the record keeps the rows.
    async fn replay(&mut self, _: &[SplitRange]) -> Result<Input> {
        Err(Error::bug("rows of a jdbc table are in the journal"))
    }

    fn recall(&mut self, input: &Input) -> Result<()> {
        for split in &input.splits {
            self.position = split.range.to;
            if let Payload::Rows(rows) = &split.payload {
                rows.iter().try_for_each(|rows| self.difference.give(rows))?;
            }
        }
        Ok(())
    }

    async fn release(&mut self, _: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}
