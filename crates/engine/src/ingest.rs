//! Bytes to rows: decode, compute the declared columns, take watermarks.
//!
//! One [`Ingest`] per scan. What it keeps (positions, the largest event time per split, counters)
//! is part of the state: a copy after each epoch travels with the epoch, because reading runs
//! ahead of computing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, TimestampMillisecondArray};
use arrow::compute;
use arrow::datatypes::TimestampMillisecondType;
use serde::{Deserialize, Serialize};

use brooklet_core::format::{BadRecord, Decoded, Decoder, RecordOfRow};
use brooklet_core::raw::RawBatch;
use brooklet_core::source::{Input, Payload, SplitId, SplitInput, SplitPosition};
use brooklet_core::time::{Millis, WATERMARK_MAX, WATERMARK_MIN};
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::{LATE, Node, ORD, ScanSpec, WatermarkEmit};

use crate::ops::map::{append, batch, evaluate, millis, with_now};

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
}

impl Default for ScanState {
    fn default() -> Self {
        ScanState {
            splits: BTreeMap::new(),
            watermark: WATERMARK_MIN,
            ended: false,
            counts: ReadCounts::default(),
        }
    }
}

impl ScanState {
    pub fn positions(&self) -> Vec<SplitPosition> {
        let position = |(split, state): (&SplitId, &SplitState)| SplitPosition {
            split: split.clone(),
            offset: state.position,
        };
        self.splits.iter().map(position).collect()
    }
}

/// A record that could not be decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    pub table: String,
    pub split: SplitId,
    pub offset: i64,
    pub bytes: Vec<u8>,
    pub reason: String,
}

/// What a scan gives to an epoch.
#[derive(Debug)]
pub struct ScanOutput {
    pub rows: Vec<Delta>,
    pub watermark: Millis,
    /// The watermark before this epoch.
    pub late_before: Millis,
    pub dead: Vec<DeadLetter>,
}

/// One scan.
pub struct Ingest {
    spec: ScanSpec,
    node: Node,
    /// Share the chunks of a batch between them.
    decoders: Vec<Box<dyn Decoder>>,
}

/// What of the epoch's record matters to a scan.
pub struct IngestCtx<'a> {
    pub now: Millis,
    pub idle: &'a [SplitId],
}

impl Ingest {
    /// `decoders` is empty for sources that give rows.
    pub fn new(spec: ScanSpec, node: Node, decoders: Vec<Box<dyn Decoder>>) -> Self {
        Ingest { spec, node, decoders }
    }

    pub fn table(&self) -> &str {
        &self.spec.table.name
    }
    pub fn idle_timeout_ms(&self) -> Option<Millis> {
        self.spec.watermark.as_ref().and_then(|w| w.idle_timeout_ms)
    }

    /// Decodes an epoch's input and moves `state` past it.
    pub fn step(
        &mut self,
        ctx: &IngestCtx<'_>,
        input: Input,
        state: &mut ScanState,
        next_ord: &mut i64,
    ) -> Result<ScanOutput> {
        let before = state.clone();
        let mut out = ScanOutput {
            rows: Vec::new(),
            watermark: state.watermark,
            late_before: state.watermark,
            dead: Vec::new(),
        };
        for split in input.splits {
            state.splits.entry(split.range.split.clone()).or_default();
            self.split(ctx, split, &before, state, next_ord, &mut out)?;
        }
        state.ended |= input.ended;
        state.watermark = self.watermark(ctx, state).max(state.watermark);
        out.watermark = state.watermark;
        Ok(out)
    }

    fn split(
        &mut self,
        ctx: &IngestCtx<'_>,
        input: SplitInput,
        before: &ScanState,
        state: &mut ScanState,
        next_ord: &mut i64,
        out: &mut ScanOutput,
    ) -> Result<()> {
        let split = input.range.split;
        let batches: Vec<Delta> = match input.payload {
            Payload::None => Vec::new(),
            Payload::Rows(rows) => {
                let count: u64 = rows.iter().map(|d| d.len() as u64).sum();
                state.counts.read += count;
                state.counts.decoded += count;
                rows
            }
            Payload::Raw(raw) => {
                state.counts.read += raw.len() as u64;
                state.counts.bytes += raw.bytes() as u64;
                let decoded = self.decode(&raw)?;
                self.collect(&split, &raw, decoded, state, out)?
            }
        };
        let others = self.others_watermark(ctx, &split, before);
        let entry = state.splits.entry(split).or_default();
        entry.position = input.range.to;
        for rows in batches.into_iter().filter(|d| !d.is_empty()) {
            let rows = self.compute(ctx, rows, entry, others, next_ord)?;
            out.rows.push(rows);
        }
        Ok(())
    }

    /// The chunks of a batch, decoded on all decoders, in order.
    fn decode(&mut self, raw: &RawBatch) -> Result<Vec<Decoded>> {
        let chunks: Vec<Range<usize>> = (0..raw.len())
            .step_by(CHUNK_RECORDS)
            .map(|from| from..raw.len().min(from + CHUNK_RECORDS))
            .collect();
        let workers = self.decoders.len().min(chunks.len());
        if workers == 0 {
            return match chunks.is_empty() {
                true => Ok(Vec::new()),
                false => Err(Error::bug(format!("table {} has no decoder", self.table()))),
            };
        }
        if workers == 1 {
            let decoder = &mut self.decoders[0];
            return Ok(chunks.into_iter().map(|chunk| decoder.decode(raw, chunk)).collect());
        }
        let share = chunks.len().div_ceil(workers);
        let mut parts: Vec<Vec<Decoded>> = chunks.chunks(share).map(|_| Vec::new()).collect();
        rayon::scope(|scope| {
            let work = self.decoders.iter_mut().zip(chunks.chunks(share)).zip(&mut parts);
            for ((decoder, chunks), part) in work {
                scope.spawn(move |_| {
                    part.extend(chunks.iter().map(|c| decoder.decode(raw, c.clone())));
                });
            }
        });
        Ok(parts.into_iter().flatten().collect())
    }

    /// Good rows with their metadata columns; bad records are counted and kept.
    fn collect(
        &self,
        split: &SplitId,
        raw: &RawBatch,
        decoded: Vec<Decoded>,
        state: &mut ScanState,
        out: &mut ScanOutput,
    ) -> Result<Vec<Delta>> {
        let mut rows = Vec::with_capacity(decoded.len());
        let mut first = 0;
        for part in decoded {
            for BadRecord { record, reason, skip } in part.bad {
                if skip {
                    state.counts.skipped += 1;
                    continue;
                }
                state.counts.dead += 1;
                out.dead.push(DeadLetter {
                    table: self.table().to_string(),
                    split: split.clone(),
                    offset: raw.offset(record),
                    bytes: raw.value(record).unwrap_or_default().to_vec(),
                    reason,
                });
            }
            let with_metadata =
                self.metadata(split, raw, &part.rows, &part.record_of_row, first)?;
            first += CHUNK_RECORDS;
            rows.push(with_metadata);
        }
        state.counts.decoded = state.counts.read - state.counts.dead - state.counts.skipped;
        Ok(rows)
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
        let record = |row: usize| match records {
            RecordOfRow::Same => first + row,
            RecordOfRow::Each(each) => each[row] as usize,
        };
        let all = 0..rows.len();
        let mut added: Vec<(&str, ArrayRef)> = Vec::new();
        for (key, ty) in &self.spec.metadata {
            let column: ArrayRef = match key.as_str() {
                "offset" => Arc::new(Int64Array::from_iter_values(
                    all.clone().map(|row| raw.offset(record(row))),
                )),
                "timestamp" => {
                    let times = all.clone().map(|row| raw.timestamp(record(row)));
                    let utc = brooklet_core::types::UTC;
                    Arc::new(TimestampMillisecondArray::from_iter_values(times).with_timezone(utc))
                }
                "partition" => {
                    let number = split.0.rsplit('-').next().and_then(|n| n.parse().ok());
                    Arc::new(Int64Array::from(vec![number; rows.len()]))
                }
                "topic" => {
                    let topic = split.0.rsplit_once('-').map_or(&*split.0, |(topic, _)| topic);
                    Arc::new(StringArray::from(vec![topic; rows.len()]))
                }
                "key" => {
                    let keys = all.clone().map(|row| raw.key(record(row)));
                    Arc::new(arrow::array::BinaryArray::from_iter(keys))
                }
                other => {
                    return Err(Error::config(format!("metadata column '{other}' is unknown"))
                        .at(format!("table {}", self.table())));
                }
            };
            added.push((key, compute::cast(&column, ty)?));
        }
        Ok(rows.with_rows(append(&rows.rows, added)?))
    }

    /// The declared columns, then `__ord` and `__late` where the plan asks for them.
    fn compute(
        &self,
        ctx: &IngestCtx<'_>,
        rows: Delta,
        split: &mut SplitState,
        others: Millis,
        next_ord: &mut i64,
    ) -> Result<Delta> {
        let input = with_now(&rows.rows, ctx.now)?;
        let mut columns = self
            .spec
            .exprs
            .iter()
            .map(|e| evaluate(e, &input, &self.node.label))
            .collect::<Result<Vec<_>>>()?;
        let late = self.take_watermark(ctx, &columns, split, others)?;
        if !self.node.ord.is_empty() {
            let from = *next_ord;
            let to = from + rows.len() as i64;
            columns.push(Arc::new(Int64Array::from_iter_values(from..to)));
            debug_assert_eq!(self.node.schema.field(columns.len() - 1).name(), ORD);
        }
        *next_ord += rows.len() as i64;
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
        let others = before.splits.iter().filter(|(id, _)| *id != split && !ctx.idle.contains(id));
        others.map(|(_, s)| self.split_watermark(s)).min().unwrap_or(WATERMARK_MAX)
    }

    /// The minimum over the splits that are not idle; if all are, it stands.
    fn watermark(&self, ctx: &IngestCtx<'_>, state: &ScanState) -> Millis {
        if state.ended {
            return WATERMARK_MAX;
        }
        if self.spec.watermark.is_none() {
            return WATERMARK_MIN;
        }
        let busy = state.splits.iter().filter(|(id, _)| !ctx.idle.contains(id));
        busy.map(|(_, s)| self.split_watermark(s)).min().unwrap_or(state.watermark)
    }
}
