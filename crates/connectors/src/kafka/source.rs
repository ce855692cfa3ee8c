//! Reads partitions with positions of our own: polls, replays of recorded ranges, group commits.
//!
//! Messages go from librdkafka's one queue to a waiting list per partition and from there, within
//! the budget, into the poll's answer. A partition's `reach` is the position it would have if
//! everything waiting were taken. It moves past records, and, by the offset that comes with the
//! end of a partition, past what gives none (transaction markers, compacted tails), so that
//! recorded ranges and bounded reads always end. `rd_kafka_position` is not asked: a batch that
//! holds an end-of-partition event leaves it one too high.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use brooklet_core::connector::{Boxed, SourceSpec};
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::{Error, Result, Source};
use rdkafka::error::RDKafkaErrorCode;
use tokio::sync::Notify;

use super::discovery::Discovery;
use super::properties;
use super::queue::{Consumer, Messages, list};
use super::settings::{self, Settings};
use super::start::{self, Start};
use super::topics;

/// Messages taken from librdkafka in one call.
const CHUNK: usize = 1024;
/// What a replay lets wait beyond a partition's range before it prefers to fetch it again.
const AHEAD: usize = 16 << 20;
/// A replay that gets nothing for so long reports an outage; the caller repeats it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct KafkaSource {
    splits: Vec<Split>,
    inbox: Messages,
    consumer: Arc<Consumer>,
    settings: Arc<Settings>,
    arrived: Arc<Notify>,
    waker: Arc<dyn Fn() + Send + Sync>,
    discovery: Option<Discovery>,
    /// Some ranges were read again, and those of partitions created meanwhile were not among them.
    replayed: bool,
}

struct Split {
    id: SplitId,
    topic: String,
    partition: i32,
    /// After the last record returned.
    position: i64,
    reach: i64,
    stop: Option<i64>,
    /// The end of the partition as last told by its leader.
    end: Option<i64>,
    /// Records were dropped to save memory: assign again at `position`.
    stale: bool,
    /// The position is no longer there.
    gone: bool,
    /// A snapshot or a record tells its position, or nothing was read yet at all.
    known: bool,
    waiting: Messages,
}

pub(crate) fn open(spec: SourceSpec) -> Boxed<Box<dyn Source>> {
    Box::pin(async move {
        let source = connect(spec).await?;
        Ok(Box::new(source) as Box<dyn Source>)
    })
}

async fn connect(spec: SourceSpec) -> Result<KafkaSource> {
    let settings = Arc::new(settings::read(&spec.table)?);
    let arrived = Arc::new(Notify::new());
    let (waker, notify) = (spec.waker.clone(), arrived.clone());
    let wake = Box::new(move || {
        notify.notify_one();
        waker();
    });
    let asked = settings.clone();
    let positions = spec.positions;
    let resumes = positions.is_some();
    if !resumes {
        let created = topics::create_read(&spec.table, &settings).await;
        created.map_err(|e| e.at(format!("table {}", spec.table.name)))?;
    }
    let (consumer, starts) = blocking(move || {
        let consumer = Consumer::create(&asked.client, wake).map_err(properties::refused)?;
        let starts = start::resolve(&consumer, &asked, positions.as_deref())?;
        Ok((consumer, starts))
    })
    .await
    .map_err(|e| e.at(format!("table {}", spec.table.name)))?;
    if starts.is_empty() {
        tracing::warn!("table {}: no topic matches 'topic-pattern' yet", spec.table.name);
    }
    let known = starts.iter().map(|s| (s.topic.clone(), s.partition)).collect();
    let waker = spec.waker;
    let discovery = settings.discovery.map(|interval| {
        Discovery::start(consumer.clone(), settings.clone(), interval, known, waker.clone())
    });
    let splits = starts.into_iter().map(|s| Split { known: resumes, ..Split::new(s, &consumer) });
    let mut source = KafkaSource {
        splits: splits.collect(),
        inbox: Messages::new(&consumer),
        consumer,
        settings,
        arrived,
        waker,
        discovery,
        replayed: false,
    };
    source.assign()?;
    Ok(source)
}

/// Runs questions to the brokers where they may block.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::bug("a question to Kafka did not end").caused_by(e))?
}

impl Split {
    fn new(start: Start, consumer: &Arc<Consumer>) -> Self {
        Split {
            id: start::split_id(&start.topic, start.partition),
            topic: start.topic,
            partition: start.partition,
            position: start.offset,
            reach: start.offset,
            stop: start.stop,
            end: None,
            stale: false,
            gone: false,
            known: false,
            waiting: Messages::new(consumer),
        }
    }
    fn finished(&self) -> bool {
        self.stop.is_some_and(|stop| self.position >= stop)
    }
    fn advance(&mut self, to: i64) {
        let to = self.stop.map_or(to, |stop| to.min(stop));
        self.reach = self.reach.max(to);
    }
    /// Moves waiting records below `until` to a batch while `room` lasts; None when there is none.
    fn take(&mut self, until: i64, room: &mut Room, consumer: &Arc<Consumer>) -> Payload {
        let all = self.waiting.last().is_some_and(|last| last.offset < until);
        if all && room.admits_all(self.waiting.len(), self.waiting.bytes()) {
            self.position = self.waiting.last().map_or(self.position, |last| last.offset + 1);
            self.position = self.position.max(self.reach.min(until));
            return Payload::Raw(self.waiting.take_all().into_batch());
        }
        let mut taken = Messages::new(consumer);
        while let Some(next) = self.waiting.first() {
            if next.offset >= until || !room.admits(next.bytes()) {
                break;
            }
            self.position = next.offset + 1;
            self.waiting.shift(&mut taken);
        }
        if self.waiting.is_empty() {
            self.position = self.position.max(self.reach.min(until));
        }
        if taken.is_empty() { Payload::None } else { Payload::Raw(taken.into_batch()) }
    }
}

/// What is left of a budget. A record larger than all of it is admitted alone.
struct Room {
    rows: usize,
    bytes: usize,
    used: bool,
}

impl Room {
    fn new(budget: Budget) -> Self {
        Room { rows: budget.max_rows, bytes: budget.max_bytes, used: false }
    }
    fn admits(&mut self, bytes: usize) -> bool {
        let fits = self.rows > 0 && (bytes <= self.bytes || !self.used);
        if fits {
            self.rows -= 1;
            self.bytes = self.bytes.saturating_sub(bytes);
            self.used = true;
        }
        fits
    }
    fn admits_all(&mut self, rows: usize, bytes: usize) -> bool {
        let fits = rows > 0 && rows <= self.rows && bytes <= self.bytes;
        if fits {
            self.rows -= rows;
            self.bytes -= bytes;
            self.used = true;
        }
        fits
    }
}

impl KafkaSource {
    /// Reads every unfinished partition from its position on and forgets what was waiting.
    fn assign(&mut self) -> Result<()> {
        self.inbox.clear();
        for split in &mut self.splits {
            split.waiting.clear();
            split.reach = split.position;
            (split.end, split.stale, split.gone) = (None, false, false);
        }
        let open = self.splits.iter().filter(|s| !s.finished());
        let list = list(open.map(|s| (s.topic.as_str(), s.partition, s.position)))?;
        self.consumer
            .assign(&list)
            .map_err(|code| Error::outside(format!("Kafka partitions were not assigned: {code}")))
    }

    /// Partitions that were created since the epochs before are read from their beginning,
    /// whether they were found while running or by a start: also one that had no snapshot and
    /// looked them up by the table's startup mode.
    async fn adopt(&mut self) -> Result<()> {
        let mut changed = false;
        for split in self.splits.iter_mut().filter(|s| self.replayed && !s.known) {
            let (consumer, topic, partition) =
                (self.consumer.clone(), split.topic.clone(), split.partition);
            let ask = move || start::watermarks(&consumer, &topic, partition);
            split.position = blocking(ask).await?.0;
            split.known = true;
            changed = true;
        }
        self.replayed = false;
        for found in self.discovery.iter().flat_map(Discovery::take) {
            let split = Split { known: true, ..Split::new(found, &self.consumer) };
            if !self.splits.iter().any(|s| s.id == split.id) {
                tracing::info!("{} is new and is read from offset {}", split.id, split.position);
                self.splits.push(split);
                changed = true;
            }
        }
        self.splits.sort_by(|a, b| a.id.cmp(&b.id));
        if changed { self.assign() } else { Ok(()) }
    }

    /// Deals out what has arrived until so much waits; true when nothing is left to deal.
    fn pull(&mut self, budget: Budget) -> Result<bool> {
        self.consumer.serve();
        if let Some((code, text)) = self.consumer.client().fatal_error() {
            return Err(Error::refused(format!("Kafka's client has failed: {text} ({code})")));
        }
        loop {
            let rows: usize = self.splits.iter().map(|s| s.waiting.len()).sum();
            let bytes: usize = self.splits.iter().map(|s| s.waiting.bytes()).sum();
            if rows >= budget.max_rows || bytes >= budget.max_bytes {
                return Ok(false);
            }
            if !self.pull_chunk()? {
                return Ok(true);
            }
        }
    }

    /// One batch from librdkafka to the waiting lists; false when there was nothing.
    fn pull_chunk(&mut self) -> Result<bool> {
        self.inbox.fill(CHUNK);
        if self.inbox.is_empty() {
            return Ok(false);
        }
        // Messages of a partition come in runs: looked up once per run.
        let mut last: Option<((usize, i32), usize)> = None;
        while let Some(next) = self.inbox.front() {
            let key = (next.topic_key, next.partition);
            let found = match last {
                Some((same, split)) if same == key => Some(split),
                _ => {
                    let of =
                        |s: &Split| s.partition == key.1 && Some(s.topic.as_str()) == next.topic();
                    self.splits.iter().position(of)
                }
            };
            let Some(index) = found else {
                if next.error.is_some() {
                    tracing::warn!("Kafka: {}", next.text());
                }
                self.inbox.skip();
                continue;
            };
            last = Some((key, index));
            let split = &mut self.splits[index];
            let (offset, error) = (next.offset, next.error);
            if let Some(code) = error {
                let text = next.text();
                self.inbox.skip();
                self.event(index, code, offset, &text)?;
            } else if split.stale || offset < split.reach || split.stop.is_some_and(|s| offset >= s)
            {
                split.advance(offset);
                self.inbox.skip();
            } else {
                split.advance(offset + 1);
                self.inbox.shift(&mut split.waiting);
            }
        }
        Ok(true)
    }

    /// Something other than a record in a partition's queue.
    fn event(
        &mut self,
        split: usize,
        code: RDKafkaErrorCode,
        offset: i64,
        text: &str,
    ) -> Result<()> {
        use RDKafkaErrorCode as Code;
        let split = &mut self.splits[split];
        match code {
            Code::PartitionEOF => {
                split.end = Some(offset);
                if !split.stale {
                    split.advance(offset);
                }
            }
            Code::AutoOffsetReset | Code::OffsetOutOfRange => split.gone = true,
            Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed => {
                return Err(start::topic_error(&split.topic, code));
            }
            // Connections are librdkafka's to repair; the partition meanwhile gives nothing.
            _ => tracing::debug!("Kafka, {}: {text}", split.id),
        }
        Ok(())
    }

    /// Goes on where records still are, or stops, when positions have been deleted.
    async fn recover_lost(&mut self, replay: bool) -> Result<()> {
        let mut lost = false;
        for i in 0..self.splits.len() {
            let split = &self.splits[i];
            if !split.gone || !split.waiting.is_empty() {
                continue;
            }
            let (consumer, topic, partition) =
                (self.consumer.clone(), split.topic.clone(), split.partition);
            let (low, high) =
                blocking(move || start::watermarks(&consumer, &topic, partition)).await?;
            let split = &mut self.splits[i];
            let error = start::data_loss(&split.id, split.reach, low, high);
            if replay || self.settings.fail_on_data_loss {
                return Err(error);
            }
            tracing::warn!("{error}");
            split.position = if split.reach < low { low } else { high };
            lost = true;
        }
        if lost { self.assign() } else { Ok(()) }
    }

    /// No records wait beyond memory's measure while other partitions catch up.
    fn drop_ahead(&mut self, ends: &[Option<i64>]) {
        for (split, end) in self.splits.iter_mut().zip(ends) {
            if split.waiting.bytes() <= AHEAD || end.is_some_and(|end| split.reach < end) {
                continue;
            }
            let keep = end.unwrap_or(split.position);
            while split.waiting.last().is_some_and(|m| m.offset >= keep) {
                split.waiting.drop_back();
                split.stale = true;
            }
        }
    }

    /// Fetches until every range is waiting in full.
    async fn fetch_until(&mut self, ends: &[Option<i64>]) -> Result<()> {
        loop {
            self.consumer.serve();
            let came = self.pull_chunk()?;
            if !came {
                self.recover_lost(true).await?;
            }
            self.drop_ahead(ends);
            let missing = self.splits.iter().zip(ends);
            let missing = missing.filter_map(|(s, end)| Some((s, (*end)?)));
            let Some((split, end)) = missing.clone().find(|(s, end)| s.reach < *end) else {
                return Ok(());
            };
            if came {
                continue;
            }
            for (s, end) in missing {
                if let Some(have) = s.end.filter(|have| *have < end) {
                    return Err(Error::corrupt(format!(
                        "{} was read up to offset {end}, but now ends at {have}: the topic was \
                         created anew or has lost records. Start with --fresh",
                        s.id
                    )));
                }
            }
            #[allow(clippy::disallowed_methods, reason = "a service is waited for")]
            let arrived = tokio::time::timeout(PATIENCE, self.arrived.notified()).await;
            if arrived.is_err() {
                return Err(Error::outside(format!(
                    "Kafka gives no records of {} from offset {} on ({end} is to be reached)",
                    split.id, split.reach
                )));
            }
        }
    }
}

#[async_trait]
impl Source for KafkaSource {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        self.adopt().await?;
        let drained = self.pull(budget)?;
        self.recover_lost(false).await?;
        let mut room = Room::new(budget);
        let mut splits = Vec::with_capacity(self.splits.len());
        let mut finished = Vec::new();
        let health = self.consumer.health();
        for split in &mut self.splits {
            let (from, was_finished) = (split.position, split.finished());
            let payload = split.take(i64::MAX, &mut room, &self.consumer);
            let range = SplitRange { split: split.id.clone(), from, to: split.position };
            let reachable = health.unreachable.is_empty()
                || !health.unreachable.contains(&(split.topic.clone(), split.partition));
            let at_end = drained && reachable && split.end == Some(split.position);
            let caught_up = split.waiting.is_empty() && (at_end || split.finished());
            splits.push(SplitInput { range, payload, caught_up });
            if split.finished() && !was_finished {
                finished.push((split.topic.as_str(), split.partition, 0));
            }
        }
        drop(health);
        if !finished.is_empty() {
            // Only saves fetching what would be thrown away.
            let _ = self.consumer.pause(&list(finished)?);
        }
        if !drained {
            (self.waker)();
        }
        let ended = self.settings.bounded.is_some() && self.splits.iter().all(Split::finished);
        Ok(Input { splits, ended })
    }

    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        let range_of = |s: &Split| ranges.iter().find(|r| r.split == s.id);
        if let Some(lost) = ranges.iter().find(|r| !self.splits.iter().any(|s| s.id == r.split)) {
            return Err(Error::corrupt(format!(
                "{} was read before and does not exist any more: bring the topic back, or start \
                 with --fresh",
                lost.split
            )));
        }
        let ends: Vec<Option<i64>> =
            self.splits.iter().map(|s| range_of(s).map(|r| r.to)).collect();
        let mut moved = false;
        for split in &mut self.splits {
            let from =
                ranges.iter().find(|r| r.split == split.id).map_or(split.position, |r| r.from);
            moved |= split.stale || split.position != from;
            split.position = from;
            split.known |= ranges.iter().any(|r| r.split == split.id);
        }
        self.replayed = true;
        // A bound resolved anew at this start does not cut what was read before it.
        for (split, end) in self.splits.iter_mut().zip(&ends) {
            if let (Some(stop), Some(end)) = (split.stop, end)
                && stop < *end
            {
                split.stop = Some(*end);
                moved = true;
            }
        }
        if moved {
            self.assign()?;
        }
        self.fetch_until(&ends).await?;
        let mut room = Room { rows: usize::MAX, bytes: usize::MAX, used: false };
        let mut splits = Vec::with_capacity(self.splits.len());
        for (split, end) in self.splits.iter_mut().zip(&ends) {
            // The epoch knew the recorded splits only: another one would hold its watermark back.
            let (from, Some(to)) = (split.position, *end) else { continue };
            let payload = split.take(to, &mut room, &self.consumer);
            split.position = to;
            let range = SplitRange { split: split.id.clone(), from, to };
            splits.push(SplitInput { range, payload, caught_up: false });
        }
        if self.splits.iter().any(|s| s.stale) {
            self.assign()?;
        }
        (self.waker)();
        let ended = self.settings.bounded.is_some() && self.splits.iter().all(Split::finished);
        Ok(Input { splits, ended })
    }

    fn lag(&self) -> Option<u64> {
        let of = |split: &Split| {
            let end = self.consumer.known_end(&split.topic, split.partition)?;
            let end = split.stop.map_or(end, |stop| stop.min(end));
            u64::try_from(end.saturating_sub(split.position)).ok()
        };
        Some(self.splits.iter().filter_map(of).sum())
    }

    async fn release(&mut self, upto: &[SplitPosition]) -> Result<()> {
        if !self.settings.commit || upto.is_empty() {
            return Ok(());
        }
        let of = |p: &SplitPosition| {
            let split = self.splits.iter().find(|s| s.id == p.split)?;
            Some((split.topic.as_str(), split.partition, p.offset))
        };
        let list = list(upto.iter().filter_map(of))?;
        if list.count() == 0 {
            return Ok(());
        }
        // The journal is what counts: the group's offsets are for people and other programs.
        if let Err(code) = self.consumer.commit(&list) {
            tracing::warn!("offsets were not committed to the Kafka group: {code}");
        }
        Ok(())
    }
}
