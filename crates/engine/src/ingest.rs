//! Bytes to rows: decode, compute the declared columns, take watermarks.
//!
//! One [`Ingest`] per scan. What it keeps (positions, the largest event time per split, counters)
//! is part of the state: a copy after each epoch travels with the epoch, because reading runs
//! ahead of computing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMillisecondType};
use serde::{Deserialize, Serialize};

use brooklet_core::format::{BadRecord, Decoded, Decoder, RecordOfRow};
use brooklet_core::partition;
use brooklet_core::raw::RawBatch;
use brooklet_core::schemas::{Found, WriterSchema};
use brooklet_core::source::{Input, Payload, Reading, SplitId, SplitPosition, SplitRange};
use brooklet_core::time::{Millis, WATERMARK_MAX, WATERMARK_MIN};
use brooklet_core::{Delta, Error, ErrorKind, Result};
use brooklet_plan::letters::{LetterKind, LetterTo};
use brooklet_plan::node::{LATE, Node, ORD, ScanSpec, StreamPlan, WatermarkEmit};

use crate::letters::{Letter, Origin, Records, Refused};
use crate::metadata;
use crate::ops::bisect;
use crate::ops::exprs::{self, Prepared};
use crate::ops::map::{append, batch, millis, now_column, now_field};
use crate::workers::Workers;

/// Fewer records are decoded on one thread.
const PARALLEL_RECORDS: usize = 4_096;
/// Records decoded in one go: cuts are by count only, so that a replay cuts alike.
const CHUNK_RECORDS: usize = 8_192;

/// What the scans keep over epochs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct IngestState {
    /// By table.
    pub scans: BTreeMap<String, ScanState>,
    /// The next arrival number of the pipeline.
    pub next_ord: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanState {
    pub splits: BTreeMap<SplitId, SplitState>,
    /// Never goes back.
    pub watermark: Millis,
    pub ended: bool,
    pub counts: ReadCounts,
    /// Of writers, as registries gave them: those need not be asked again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<WriterSchema>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SplitState {
    pub position: i64,
    /// The largest event time seen.
    pub max_time: Option<Millis>,
}

/// read = decoded + dead-lettered + skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadCounts {
    pub read: u64,
    pub bytes: u64,
    pub decoded: u64,
    pub dead: u64,
    /// Dropped by the format's own ignore-parse-errors.
    pub skipped: u64,
    /// Of those read: dead letters that were given again.
    #[serde(default)]
    pub replayed: u64,
}

impl Default for ScanState {
    fn default() -> Self {
        ScanState {
            splits: BTreeMap::new(),
            watermark: WATERMARK_MIN,
            ended: false,
            counts: ReadCounts::default(),
            schemas: Vec::new(),
        }
    }
}

impl ScanState {
    /// Keeps what was found; what was not may be there the next time it is named.
    pub fn learn(&mut self, schemas: &[WriterSchema]) {
        let found = schemas.iter().filter(|s| matches!(s.found, Found::Schema(_)));
        self.schemas.extend(found.cloned());
    }

    pub fn positions(&self) -> Vec<SplitPosition> {
        let position = |(split, state): (&SplitId, &SplitState)| SplitPosition {
            split: split.clone(),
            offset: state.position,
        };
        self.splits.iter().map(position).collect()
    }
}

/// What a scan gives to an epoch.
#[derive(Debug)]
pub struct ScanOutput {
    pub rows: Vec<Delta>,
    pub watermark: Millis,
    /// The watermark before this epoch.
    pub late_before: Millis,
    /// Records that gave no row.
    pub refused: Vec<Refused>,
    /// Where the rows came from, if the pipeline asks for it.
    pub origins: Vec<Origin>,
    /// What a source gave that cannot give it again.
    pub once: Vec<Delta>,
    /// The source was read to its end.
    pub ended: bool,
}

/// Rows of one chunk and the records they were.
struct Chunk {
    rows: Delta,
    records: Option<Records>,
}

/// A chunk with its declared columns.
struct Computed {
    rows: Delta,
    columns: Vec<ArrayRef>,
    /// The rows of the chunk that are left, when some are not.
    kept: Option<Vec<u32>>,
}

/// What a split gave, decoded.
enum Given {
    Rows(Vec<Delta>),
    /// The records and their chunks.
    Records(Arc<RawBatch>, Vec<Decoded>),
}

/// One scan.
pub struct Ingest {
    spec: ScanSpec,
    node: Node,
    exprs: Prepared,
    /// Where expressions see `__now`.
    now: usize,
    /// Share the chunks of a batch between them.
    decoders: Vec<Box<dyn Decoder>>,
    workers: Workers,
    /// Records stay at hand until the epoch is computed.
    keeps_origins: bool,
    /// Rows that a computed column fails on are dead letters.
    sets_bad_aside: bool,
}

/// What of the epoch's record matters to a scan.
pub struct IngestCtx<'a> {
    pub now: Millis,
    pub idle: &'a [SplitId],
}

impl Ingest {
    /// `decoders` is empty for sources that give rows.
    pub fn new(spec: ScanSpec, node: Node, decoders: Vec<Box<dyn Decoder>>) -> Result<Self> {
        let mut fields = spec.decode.fields().to_vec();
        let metadata = |(key, ty): &(String, DataType)| Arc::new(Field::new(key, ty.clone(), true));
        fields.extend(spec.metadata.iter().map(metadata));
        let now = fields.len();
        fields.push(Arc::new(now_field()));
        let exprs = Prepared::new(&spec.exprs, &Arc::new(Schema::new(fields)), &node.label)?;
        let workers = Workers::new("decode", decoders.len())?;
        Ok(Ingest {
            spec,
            node,
            exprs,
            now,
            decoders,
            workers,
            keeps_origins: false,
            sets_bad_aside: false,
        })
    }

    /// Does what the plan asks for with records that are set aside.
    pub fn setting_aside(mut self, plan: &StreamPlan) -> Self {
        let late = plan.route(self.table(), LetterKind::Late) != LetterTo::Drop;
        self.keeps_origins = late || plan.sets_bad_rows_aside;
        self.sets_bad_aside = plan.sets_bad_rows_aside;
        self
    }

    pub fn reading(&self) -> Reading {
        self.spec.reading
    }
    /// The columns that the source gives.
    pub fn source_schema(&self) -> &SchemaRef {
        &self.spec.decode
    }
    pub fn table(&self) -> &str {
        &self.spec.table.name
    }
    pub fn idle_timeout_ms(&self) -> Option<Millis> {
        self.spec.watermark.as_ref().and_then(|w| w.idle_timeout_ms)
    }

    /// What records name from now on.
    pub fn learn(&mut self, schemas: &[WriterSchema]) {
        if !schemas.is_empty() {
            self.decoders.iter_mut().for_each(|decoder| decoder.learn(schemas));
        }
    }

    /// Decodes an epoch's input and moves `state` past it.
    pub fn step(
        &mut self,
        ctx: &IngestCtx<'_>,
        input: Input,
        state: &mut ScanState,
        next_ord: &mut i64,
    ) -> Result<ScanOutput> {
        let mut before = state.clone();
        let mut out = ScanOutput {
            rows: Vec::new(),
            watermark: state.watermark,
            late_before: state.watermark,
            refused: Vec::new(),
            origins: Vec::new(),
            once: Vec::new(),
            ended: input.ended,
        };
        let (ranges, payloads): (Vec<SplitRange>, Vec<Payload>) =
            input.splits.into_iter().map(|split| (split.range, split.payload)).unzip();
        // A split that is not there any more (a topic that was deleted) holds nothing back.
        let there: Vec<SplitId> = ranges.iter().map(|range| range.split.clone()).collect();
        before.splits.retain(|id, _| there.binary_search(id).is_ok());
        for (range, given) in ranges.into_iter().zip(self.decoded(payloads)?) {
            let SplitRange { split: id, from, to } = range;
            // Known from here on, also when it gives no row.
            state.splits.entry(id.clone()).or_default();
            let chunks = self.rows(&id, from..to, given, state, &mut out)?;
            let others = self.others_watermark(ctx, &id, &before);
            state.splits.entry(id.clone()).or_default().position = to;
            for Chunk { rows, records } in chunks.into_iter().filter(|c| !c.rows.is_empty()) {
                let (first_ord, count) = (*next_ord, rows.len());
                let origin =
                    |records| Origin { first_ord, rows: count, split: id.clone(), records };
                let origin = records.map(origin);
                let computed = match self.declared(ctx, &rows) {
                    Err(e) if self.sets_bad_aside && e.kind == ErrorKind::Data => {
                        self.without_bad(ctx, &rows, origin.as_ref(), &mut state.counts, &mut out)?
                    }
                    columns => Computed { rows, columns: columns?, kept: None },
                };
                let finished = match id.is_replay() {
                    // Letters given again neither move the watermark nor are before it.
                    true => {
                        let late = vec![before.watermark; computed.rows.len()];
                        self.finish(computed, late, first_ord)?
                    }
                    false => {
                        let entry = state.splits.entry(id.clone()).or_default();
                        let late = self.take_watermark(ctx, &computed.columns, entry, others)?;
                        self.finish(computed, late, first_ord)?
                    }
                };
                out.rows.push(finished);
                *next_ord = first_ord + count as i64;
                out.origins.extend(origin);
            }
        }
        state.ended |= input.ended;
        state.watermark = self.watermark(ctx, state, &there).max(state.watermark);
        out.watermark = state.watermark;
        Ok(out)
    }

    /// A split's input as rows, counted.
    fn rows(
        &mut self,
        split: &SplitId,
        offsets: Range<i64>,
        given: Given,
        state: &mut ScanState,
        out: &mut ScanOutput,
    ) -> Result<Vec<Chunk>> {
        match given {
            Given::Rows(rows) => {
                let count: u64 = rows.iter().map(|d| d.len() as u64).sum();
                if self.spec.reading != Reading::Log {
                    out.once.extend(rows.iter().cloned());
                }
                state.counts.read += count;
                state.counts.decoded += count;
                let mut from =
                    (offsets.end - offsets.start == count as i64).then_some(offsets.start);
                let chunk = |rows: Delta| {
                    let records = self.keeps_origins.then_some(Records::Rows { from });
                    from = from.map(|from| from + rows.len() as i64);
                    Chunk { rows, records }
                };
                Ok(rows.into_iter().map(chunk).collect())
            }
            Given::Records(raw, decoded) => {
                state.counts.read += raw.len() as u64;
                state.counts.bytes += raw.bytes() as u64;
                if split.is_replay() {
                    state.counts.replayed += raw.len() as u64;
                }
                let parts = self.collect(split, &raw, decoded, state, out)?;
                let raw = self.keeps_origins.then_some(raw);
                let chunk = |(first, (rows, of_row))| {
                    let first = first * CHUNK_RECORDS;
                    let records = raw.clone().map(|batch| Records::Raw { batch, of_row, first });
                    Chunk { rows, records }
                };
                Ok(parts.into_iter().enumerate().map(chunk).collect())
            }
        }
    }

    /// Decodes what all splits gave, on all decoders.
    fn decoded(&mut self, payloads: Vec<Payload>) -> Result<Vec<Given>> {
        let mut work: Vec<(usize, Arc<RawBatch>, Range<usize>)> = Vec::new();
        let mut given: Vec<Given> = Vec::with_capacity(payloads.len());
        for payload in payloads {
            given.push(match payload {
                Payload::None => Given::Rows(Vec::new()),
                Payload::Rows(rows) => Given::Rows(rows),
                Payload::Raw(raw) => {
                    let raw = Arc::new(raw);
                    work.extend((0..raw.len()).step_by(CHUNK_RECORDS).map(|from| {
                        let to = raw.len().min(from + CHUNK_RECORDS);
                        (given.len(), raw.clone(), from..to)
                    }));
                    Given::Records(raw, Vec::new())
                }
            });
        }
        for (split, decoded) in self.decode(work)? {
            if let Given::Records(_, parts) = &mut given[split] {
                parts.push(decoded);
            }
        }
        Ok(given)
    }

    /// Decodes chunks; the results are in the chunks' order.
    fn decode(
        &mut self,
        chunks: Vec<(usize, Arc<RawBatch>, Range<usize>)>,
    ) -> Result<Vec<(usize, Decoded)>> {
        let records: usize = chunks.iter().map(|(_, _, range)| range.len()).sum();
        let shares = match records >= PARALLEL_RECORDS {
            true => self.decoders.len().min(chunks.len()),
            false => self.decoders.len().min(1),
        };
        if shares == 0 {
            return match chunks.is_empty() {
                true => Ok(Vec::new()),
                false => Err(Error::bug(format!("table {} has no decoder", self.table()))),
            };
        }
        let mut jobs: Vec<(Box<dyn Decoder>, Vec<_>)> =
            self.decoders.drain(..shares).map(|decoder| (decoder, Vec::new())).collect();
        let mut before = 0;
        for chunk in chunks {
            let share = before * shares / records.max(1);
            before += chunk.2.len();
            jobs[share].1.push(chunk);
        }
        let done = self.workers.each(jobs, |(mut decoder, chunks)| {
            let decode = |(split, raw, range): (usize, Arc<RawBatch>, Range<usize>)| {
                (split, decoder.decode(&raw, range))
            };
            let decoded: Vec<(usize, Decoded)> = chunks.into_iter().map(decode).collect();
            (decoder, decoded)
        });
        let (decoders, decoded): (Vec<_>, Vec<_>) = done.into_iter().unzip();
        self.decoders.extend(decoders);
        Ok(decoded.into_iter().flatten().collect())
    }

    /// Good rows with their metadata columns; bad records are counted and kept.
    fn collect(
        &self,
        split: &SplitId,
        raw: &RawBatch,
        decoded: Vec<Decoded>,
        state: &mut ScanState,
        out: &mut ScanOutput,
    ) -> Result<Vec<(Delta, RecordOfRow)>> {
        let mut rows = Vec::with_capacity(decoded.len());
        let mut letters = Vec::new();
        let mut first = 0;
        for part in decoded {
            for BadRecord { record, reason, skip } in part.bad {
                if skip {
                    state.counts.skipped += 1;
                    continue;
                }
                state.counts.dead += 1;
                letters.push(Letter {
                    split: Some(split.clone()),
                    offset: Some(raw.offset(record)),
                    timestamp: Some(raw.timestamp(record)).filter(|t| *t >= 0),
                    bytes: raw.value(record).map(<[u8]>::to_vec),
                    replayable: raw.value(record).is_some(),
                    ..Letter::new(LetterKind::Dead, self.table(), self.node.label.clone(), reason)
                });
            }
            let whole = self.with_partition(raw, part.rows)?;
            let with_metadata = self.metadata(split, raw, &whole, &part.record_of_row, first)?;
            first += CHUNK_RECORDS;
            rows.push((with_metadata, part.record_of_row));
        }
        if !letters.is_empty() {
            out.refused.push(Refused { letters, rows: None });
        }
        state.counts.decoded = state.counts.read - state.counts.dead - state.counts.skipped;
        Ok(rows)
    }

    fn with_partition(&self, raw: &RawBatch, rows: Delta) -> Result<Delta> {
        let values = raw.rarely().partition();
        if values.is_empty() {
            return Ok(rows);
        }
        let (schema, by) = (&self.spec.decode, &self.spec.table.partitioned_by);
        Ok(rows.with_rows(partition::with_partition(schema, by, values, &rows.rows)?))
    }

    fn metadata(
        &self,
        split: &SplitId,
        raw: &RawBatch,
        rows: &Delta,
        records: &RecordOfRow,
        first: usize,
    ) -> Result<Delta> {
        if self.spec.metadata.is_empty() {
            return Ok(rows.clone());
        }
        let records: Vec<u32> = match records {
            RecordOfRow::Same => (first..first + rows.len()).map(|record| record as u32).collect(),
            RecordOfRow::Each(each) => each.clone(),
        };
        let mut added: Vec<(&str, ArrayRef)> = Vec::new();
        for (key, ty) in &self.spec.metadata {
            let column = metadata::column(key, split, raw, &records);
            let column = column.and_then(|column| metadata::as_declared(column, ty));
            added.push((key, column.map_err(|e| e.at(format!("table {}", self.table())))?));
        }
        Ok(rows.with_rows(append(&rows.rows, added)?))
    }

    /// The declared columns.
    fn declared(&self, ctx: &IngestCtx<'_>, rows: &Delta) -> Result<Vec<ArrayRef>> {
        let mut read = self.exprs.gather(&rows.rows)?;
        self.exprs.fill(&mut read, self.now, || now_column(ctx.now, rows.len()));
        self.exprs.evaluate(read, rows.len())
    }

    /// As `declared` after it has failed: the bad rows become dead letters.
    fn without_bad(
        &self,
        ctx: &IngestCtx<'_>,
        rows: &Delta,
        origin: Option<&Origin>,
        counts: &mut ReadCounts,
        out: &mut ScanOutput,
    ) -> Result<Computed> {
        let found = bisect::failing(rows, |part| self.declared(ctx, part).map(drop))?;
        let (bad, letters): (Vec<u32>, Vec<Letter>) = found
            .iter()
            .map(|(row, e)| {
                let label = self.node.label.clone();
                let mut letter =
                    Letter::new(LetterKind::Dead, self.table(), label, exprs::reason(e));
                origin.iter().for_each(|origin| origin.tell(*row as usize, &mut letter));
                (*row, letter)
            })
            .unzip();
        counts.dead += bad.len() as u64;
        counts.decoded -= bad.len() as u64;
        out.refused.push(Refused { letters, rows: Some(rows.take(&bad)?.rows) });
        let kept = bisect::all_but(&bad, rows.len());
        let rows = rows.take(&kept)?;
        let columns = self.declared(ctx, &rows)?;
        Ok(Computed { rows, columns, kept: Some(kept) })
    }

    /// Adds `__ord` and `__late` where the plan asks for them; `late` is each row's.
    fn finish(&self, computed: Computed, late: Vec<Millis>, first_ord: i64) -> Result<Delta> {
        let Computed { rows, mut columns, kept } = computed;
        if !self.node.ord.is_empty() {
            let ords = match kept {
                None => Int64Array::from_iter_values(first_ord..first_ord + rows.len() as i64),
                Some(kept) => kept.iter().map(|row| first_ord + i64::from(*row)).collect(),
            };
            columns.push(Arc::new(ords));
            debug_assert_eq!(self.node.schema.field(columns.len() - 1).name(), ORD);
        }
        if self.node.late.is_some() {
            columns.push(Arc::new(Int64Array::from(late)));
            debug_assert_eq!(self.node.schema.field(columns.len() - 1).name(), LATE);
        }
        Ok(rows.with_rows(batch(&self.node.schema, columns, rows.len())?))
    }

    /// Moves the split's largest event time over every row; gives each row's `late_before` with
    /// on-event watermarks.
    fn take_watermark(
        &self,
        ctx: &IngestCtx<'_>,
        columns: &[ArrayRef],
        split: &mut SplitState,
        others: Millis,
    ) -> Result<Vec<Millis>> {
        let Some(watermark) = &self.spec.watermark else { return Ok(Vec::new()) };
        let times = millis(&columns[watermark.column])?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let latest = watermark.max_future_ms.map_or(Millis::MAX, |f| ctx.now.saturating_add(f));
        if watermark.emit == WatermarkEmit::OnPeriodic {
            let counted = |t: &Millis| *t <= latest;
            let max = match times.null_count() {
                0 => times.values().iter().copied().filter(counted).max(),
                _ => times.iter().flatten().filter(counted).max(),
            };
            split.max_time = split.max_time.max(max);
            return Ok(Vec::new());
        }
        let mut late = Vec::with_capacity(times.len());
        let mut max = split.max_time.unwrap_or(WATERMARK_MIN);
        for (row, time) in times.values().iter().enumerate() {
            let running = max.saturating_sub(watermark.delay_ms);
            late.push(if max == WATERMARK_MIN { WATERMARK_MIN } else { running.min(others) });
            if times.is_valid(row) && *time <= latest {
                max = max.max(*time);
            }
        }
        split.max_time = (max != WATERMARK_MIN).then_some(max);
        Ok(late)
    }

    fn split_watermark(&self, split: &SplitState) -> Millis {
        let delay = self.spec.watermark.as_ref().map_or(0, |w| w.delay_ms);
        split.max_time.map_or(WATERMARK_MIN, |t| t.saturating_sub(delay))
    }

    /// The minimum over the other splits as they stood before the epoch.
    fn others_watermark(&self, ctx: &IngestCtx<'_>, split: &SplitId, before: &ScanState) -> Millis {
        let counts = |id: &SplitId| id != split && !id.is_replay() && !ctx.idle.contains(id);
        let others = before.splits.iter().filter(|(id, _)| counts(id));
        others.map(|(_, s)| self.split_watermark(s)).min().unwrap_or(WATERMARK_MAX)
    }

    /// The minimum over the splits that are not idle; if all are, it stands.
    fn watermark(&self, ctx: &IngestCtx<'_>, state: &ScanState, there: &[SplitId]) -> Millis {
        if state.ended {
            return WATERMARK_MAX;
        }
        if self.spec.watermark.is_none() {
            return WATERMARK_MIN;
        }
        let busy = there.iter().filter(|id| !id.is_replay() && !ctx.idle.contains(id));
        let busy = busy.filter_map(|id| state.splits.get(id));
        busy.map(|s| self.split_watermark(s)).min().unwrap_or(state.watermark)
    }
}
