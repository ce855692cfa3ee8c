//! Reads sources into epochs: poll, ask for schemas, decide what the record must hold, decode.

use std::collections::BTreeMap;

use brooklet_core::env::CrashPoint;
use brooklet_core::epoch::SourceInput;
use brooklet_core::schemas::WriterSchema;
use brooklet_core::source::{Budget, Input, Reading, SplitId, SplitInput, SplitPosition};
use brooklet_core::time::Millis;
use brooklet_core::{Env, Epoch, EpochRecord, Error, Result, Source};
use brooklet_plan::node::NodeId;

use super::recorded;
use super::schemas::Registries;
use crate::compute::Scanned;
use crate::ingest::{Ingest, IngestCtx, IngestState};

/// One scan with its source.
pub struct ScanReader {
    pub node: NodeId,
    pub ingest: Ingest,
    pub source: Box<dyn Source>,
    registries: Registries,
    /// When each split last gave something or was not caught up, by our clock.
    busy_at: BTreeMap<SplitId, Millis>,
    idle: Vec<SplitId>,
    /// At most this many rows of an epoch.
    max_rows: Option<usize>,
    ended: bool,
}

/// Reads all scans of a pipeline.
pub struct Reader {
    scans: Vec<ScanReader>,
    state: IngestState,
    epoch: Epoch,
    shards: u32,
    budget: Budget,
    env: Env,
    /// The first epoch of a start pins the positions, even when nothing came in.
    pinned: bool,
    /// What the first sources gave to an epoch that a later one could not be read for: a source
    /// gives its rows once.
    polled: Vec<Input>,
    /// Whether there is a reason for an epoch.
    worth: bool,
    ended: bool,
}

/// An epoch that was read: its record, its rows, the reader's state after it.
pub struct Read {
    pub record: EpochRecord,
    pub scanned: Scanned,
    pub state: IngestState,
}

impl ScanReader {
    pub fn new(
        node: NodeId,
        ingest: Ingest,
        source: Box<dyn Source>,
        max_rows: Option<usize>,
    ) -> Self {
        ScanReader {
            node,
            ingest,
            source,
            registries: Registries::default(),
            busy_at: BTreeMap::new(),
            idle: Vec::new(),
            max_rows,
            ended: false,
        }
    }

    /// Asks these for the schemas that records name.
    pub fn asking(mut self, registries: Registries) -> Self {
        self.registries = registries;
        self
    }

    /// Reads what an epoch's record says again.
    async fn replay(&mut self, recorded: &SourceInput) -> Result<Input> {
        if self.ingest.reading() == Reading::Log {
            return self.source.replay(&recorded.ranges).await;
        }
        let input = recorded::input(recorded, self.ingest.source_schema())?;
        self.source.recall(&input)?;
        Ok(input)
    }

    /// Splits that were caught up and silent for the timeout.
    fn idle_splits(&mut self, now: Millis, splits: &[SplitInput]) -> Vec<SplitId> {
        let Some(timeout) = self.ingest.idle_timeout_ms() else { return Vec::new() };
        let mut idle = Vec::new();
        for split in splits.iter().filter(|split| !split.range.split.is_replay()) {
            let id = &split.range.split;
            let quiet = split.caught_up && split.range.from == split.range.to;
            let since = self.busy_at.entry(id.clone()).or_insert(now);
            if !quiet {
                *since = now;
            } else if now - *since >= timeout {
                idle.push(id.clone());
            }
        }
        idle
    }
}

impl Reader {
    pub fn new(
        mut scans: Vec<ScanReader>,
        state: IngestState,
        epoch: Epoch,
        shards: u32,
        budget: Budget,
        env: Env,
    ) -> Self {
        for scan in &mut scans {
            if let Some(state) = state.scans.get(scan.ingest.table()) {
                scan.ended = state.ended;
                scan.ingest.learn(&state.schemas);
            }
        }
        let ended = !scans.is_empty() && scans.iter().all(|s| s.ended);
        let polled = Vec::new();
        let (pinned, worth) = (false, false);
        Reader { scans, state, epoch, shards, budget, env, pinned, polled, worth, ended }
    }

    pub fn state(&self) -> &IngestState {
        &self.state
    }
    /// The last epoch read.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
    /// All sources were read to their ends.
    pub fn ended(&self) -> bool {
        self.ended
    }
    pub fn set_shards(&mut self, shards: u32) {
        self.shards = shards;
    }

    /// An error when a registry of a table that was never read does not answer. Later it may be
    /// away for as long as no unknown schema is named.
    pub async fn reach_registries(&self) -> Result<()> {
        for scan in &self.scans {
            let table = scan.ingest.table();
            if !self.state.scans.contains_key(table) {
                scan.registries.reach().await.map_err(|e| e.at(table.to_string()))?;
            }
        }
        Ok(())
    }

    /// Takes what has arrived into the next epoch. None when there is nothing new; `due` asks for
    /// an epoch all the same (a file's age).
    pub async fn poll(&mut self, due: bool) -> Result<Option<Read>> {
        let now = self.env.now();
        self.worth |= due || !self.pinned;
        let share = self.budget.max_rows.div_ceil(self.scans.len().max(1));
        for scan in &mut self.scans[self.polled.len()..] {
            if scan.ended {
                self.polled.push(Input { splits: Vec::new(), ended: true });
                continue;
            }
            let max_rows = scan.max_rows.map_or(share, |max| max.min(share));
            let budget = Budget { max_rows, ..self.budget };
            let input = scan
                .source
                .poll(budget)
                .await
                .map_err(|e| e.at(scan.ingest.table().to_string()))?;
            let idle = scan.idle_splits(now, &input.splits);
            self.worth |= !input.is_empty() || input.ended != scan.ended || idle != scan.idle;
            scan.idle = idle;
            self.polled.push(input);
        }
        if !self.worth {
            self.polled.clear();
            return Ok(None);
        }
        let learnt = self.learn().await?;
        self.worth = false;
        let inputs = std::mem::take(&mut self.polled);
        self.env.at(CrashPoint::AfterPoll)?;
        self.pinned = true;
        let record = self.record(now, &inputs, learnt)?;
        self.step(record, inputs).map(Some)
    }

    /// What registries say about what was polled, scan by scan. Until they answer it stays polled.
    async fn learn(&self) -> Result<Vec<Vec<WriterSchema>>> {
        let mut learnt = Vec::with_capacity(self.scans.len());
        for (scan, input) in self.scans.iter().zip(&self.polled) {
            let table = scan.ingest.table();
            let known = self.state.scans.get(table).map_or(&[][..], |state| &state.schemas);
            let of_scan = scan.registries.learn(input, known).await;
            learnt.push(of_scan.map_err(|e| e.at(table.to_string()))?);
        }
        Ok(learnt)
    }

    fn record(
        &self,
        now: Millis,
        inputs: &[Input],
        learnt: Vec<Vec<WriterSchema>>,
    ) -> Result<EpochRecord> {
        let of_scan = |((scan, input), schemas): ((&ScanReader, &Input), Vec<WriterSchema>)| {
            let rows = match scan.ingest.reading() {
                Reading::Log => Vec::new(),
                Reading::Once | Reading::Refreshed => recorded::rows(input)?,
            };
            Ok(SourceInput {
                table: scan.ingest.table().to_string(),
                ranges: input.splits.iter().map(|s| s.range.clone()).collect(),
                idle: scan.idle.clone(),
                ended: input.ended,
                rows,
                schemas,
            })
        };
        let inputs: Vec<SourceInput> =
            self.scans.iter().zip(inputs).zip(learnt).map(of_scan).collect::<Result<_>>()?;
        Ok(EpochRecord {
            epoch: self.epoch.next(),
            now,
            seed: self.env.random(),
            shards: self.shards,
            end: !inputs.is_empty() && inputs.iter().all(|i| i.ended),
            inputs,
            answers: Vec::new(),
        })
    }

    /// Reads a recorded epoch again.
    pub async fn replay(&mut self, record: EpochRecord) -> Result<Read> {
        let mut inputs = Vec::with_capacity(self.scans.len());
        for (scan, recorded) in self.scans.iter_mut().zip(&record.inputs) {
            if scan.ingest.table() != recorded.table {
                return Err(Error::config(format!(
                    "the journal's tail reads table {} where the file now has {}; run the old \
                     file once more to its stop, or start with --fresh",
                    recorded.table,
                    scan.ingest.table()
                )));
            }
            scan.idle = recorded.idle.clone();
            let input = match recorded.ranges.is_empty() {
                true => Ok(Input::default()),
                false => scan.replay(recorded).await,
            };
            let input = input.map_err(|e| e.at(format!("replay of epoch {}", record.epoch)))?;
            inputs.push(Input { ended: recorded.ended, ..input });
        }
        self.pinned = true;
        self.step(record, inputs)
    }

    /// Decodes; the same for live and replayed epochs.
    fn step(&mut self, record: EpochRecord, inputs: Vec<Input>) -> Result<Read> {
        let mut scanned = Scanned::new();
        let mut next_ord = self.state.next_ord;
        for ((scan, input), recorded) in self.scans.iter_mut().zip(inputs).zip(&record.inputs) {
            scan.ended = input.ended;
            let ctx = IngestCtx { now: record.now, idle: &recorded.idle };
            let state = self.state.scans.entry(scan.ingest.table().to_string()).or_default();
            state.learn(&recorded.schemas);
            scan.ingest.learn(&recorded.schemas);
            let output = scan.ingest.step(&ctx, input, state, &mut next_ord)?;
            scanned.insert(scan.node, output);
        }
        self.state.next_ord = next_ord;
        self.epoch = record.epoch;
        self.ended = record.end;
        Ok(Read { record, scanned, state: self.state.clone() })
    }

    /// Records known to wait outside, by table, of the sources that can tell.
    pub fn lag(&self) -> BTreeMap<String, u64> {
        let known = |scan: &ScanReader| Some((scan.ingest.table().to_string(), scan.source.lag()?));
        self.scans.iter().filter_map(known).collect()
    }

    /// A snapshot covers everything before these positions.
    pub async fn release(&mut self, state: &IngestState) -> Result<()> {
        for scan in &mut self.scans {
            if let Some(covered) = state.scans.get(scan.ingest.table()) {
                let upto: Vec<SplitPosition> = covered.positions();
                scan.source.release(&upto).await?;
            }
        }
        Ok(())
    }

    /// When an idle timeout or a paced source would be worth another look, at the latest.
    pub fn next_look(&self, now: Millis) -> Option<Millis> {
        let of_scan = |scan: &ScanReader| {
            let timeout = scan.ingest.idle_timeout_ms()?;
            let pending = scan.busy_at.iter().filter(|(id, _)| !scan.idle.contains(id));
            pending.map(|(_, since)| since.saturating_add(timeout)).min()
        };
        self.scans.iter().filter_map(of_scan).min().map(|at| at.max(now))
    }
}
