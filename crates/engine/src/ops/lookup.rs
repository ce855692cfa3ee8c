//! Lookup: each row with the rows of another table that have its key at this moment.
//!
//! The keys of all shards are asked for together, each once; what the cache holds is not asked
//! for. Rows that may be taken back keep their answer, so that what is taken back is what was
//! given, whatever the table says by then.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Schema, SchemaRef};

use brooklet_core::lookup::Answers;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Result, Weights};
use brooklet_plan::node::{LookupSpec, Node};

use super::exprs::Prepared;
use super::filter::passing;
use super::map::batch;
use super::rows::{any_null, columns_at, fields_at};
use super::{BadRows, StepOutput};
use crate::table::Table;

mod answers;
mod cache;
mod given;
mod keys;

use answers::{AnswerCodec, Found};
pub use cache::CACHE;
use cache::Cache;
use given::Given;
use keys::Keys;

/// Asks for the rows of keys: outside, or from the record.
pub type Ask<'a> = &'a mut dyn FnMut(&RecordBatch) -> Result<Answers>;

pub struct Lookup {
    /// Input columns that hold the key.
    on: Vec<usize>,
    keys: Keys,
    codec: AnswerCodec,
    outer: bool,
    filter: Option<Prepared>,
    sets_bad_aside: bool,
    /// Of the output: input ++ table.
    schema: SchemaRef,
    cache: Option<Cache>,
    /// None when the input only adds rows.
    given: Option<Given>,
}

/// Rows of one shard, each with the number of its answer.
struct Part {
    shard: usize,
    rows: Delta,
    /// None: a part of the key is NULL, which nothing equals.
    answers: Vec<Option<u32>>,
}

impl Lookup {
    pub fn new(spec: &LookupSpec, node: &Node, input: &Node) -> Result<Self> {
        let fields = input.schema.fields().iter().chain(spec.columns.fields());
        let both: SchemaRef = Schema::new(fields.cloned().collect::<Vec<_>>()).into();
        let prepare = |f| Prepared::new(std::slice::from_ref(f), &both, &node.label);
        let cached = |cache| Cache::new(cache, fields_at(&input.schema, &spec.keys));
        let given = (!input.append_only).then(|| Given::new(&input.schema));
        Ok(Lookup {
            on: spec.keys.clone(),
            keys: Keys::new(&spec.key_columns)?,
            codec: AnswerCodec::new(spec.columns.clone())?,
            outer: spec.outer,
            filter: spec.filter.as_ref().map(prepare).transpose()?,
            sets_bad_aside: false,
            schema: node.schema.clone(),
            cache: spec.cache.map(cached).transpose()?,
            given: given.transpose()?,
        })
    }

    /// Pairs that the filter fails on do not match and are set aside.
    pub fn setting_bad_rows_aside(self, sets_bad_aside: bool) -> Self {
        Lookup { sets_bad_aside, ..self }
    }

    /// Once per epoch, with the rows of every shard; gives each shard its own.
    pub fn step(
        &mut self,
        now: Millis,
        shards: Vec<Vec<Delta>>,
        ask: Ask<'_>,
    ) -> Result<Vec<StepOutput>> {
        let mut outputs: Vec<StepOutput> = shards.iter().map(|_| StepOutput::default()).collect();
        let mut parts = Vec::new();
        for (shard, deltas) in shards.into_iter().enumerate() {
            for rows in deltas.into_iter().filter(|rows| !rows.is_empty()) {
                outputs[shard].counts.rows_in += rows.len() as u64;
                let answers = self.questions(&rows)?;
                parts.push(Part { shard, rows, answers });
            }
        }
        let mut found = self.answers(now, ask)?;
        if let Some(given) = &mut self.given {
            given.settle(&mut parts, &mut found, &self.codec)?;
        }
        let (rows, ranges) = found.finish()?;
        for part in parts {
            let output = &mut outputs[part.shard];
            let (joined, bad) = self.joined(&part, &rows, &ranges)?;
            output.counts.rows_out += joined.len() as u64;
            output.counts.bad += bad.as_ref().map_or(0, |b| b.rows.len() as u64);
            output.rows.push(joined);
            output.bad.extend(bad);
        }
        if let Some(cache) = &mut self.cache {
            cache.trim(now);
        }
        Ok(outputs)
    }

    /// The number of each row's key among those of this epoch.
    fn questions(&mut self, rows: &Delta) -> Result<Vec<Option<u32>>> {
        let columns = columns_at(rows, &self.on);
        let mut wanted: Vec<bool> =
            any_null(&columns, rows.len()).into_iter().map(|null| !null).collect();
        if let Some(given) = &self.given {
            given.leave_known(rows, &mut wanted)?;
        }
        self.keys.number(&columns, &wanted)
    }

    /// The answer to every question, from the cache or asked for. Questions are asked in the
    /// order of their keys, which does not hang on where rows happen to stand.
    fn answers(&mut self, now: Millis, ask: Ask<'_>) -> Result<Found> {
        let asked = self.keys.take()?;
        let count = asked.len();
        let mut found = Found::new(self.codec.schema().clone(), count);
        let mut open: Vec<u32> = (0..count as u32).collect();
        if let Some(cache) = &mut self.cache {
            let known = cache.get(asked.columns(), count, now)?;
            open.retain(|i| known[*i as usize].is_none());
            let known = known.iter().enumerate().filter_map(|(i, blob)| Some((i, blob.as_ref()?)));
            let (questions, blobs): (Vec<u32>, Vec<&[u8]>) =
                known.map(|(i, blob)| (asked.question(i), blob.as_slice())).unzip();
            found.add(&self.codec.decode_each(&blobs)?, &questions)?;
        }
        if open.is_empty() {
            return Ok(found);
        }
        let keys = compute::take_record_batch(asked.batch(), &UInt32Array::from(open.clone()))?;
        let answers = ask(&keys)?;
        let questions: Vec<u32> = open.iter().map(|i| asked.question(*i as usize)).collect();
        let ranges = found.add(&answers, &questions)?;
        if let Some(cache) = &mut self.cache {
            let blobs = self.codec.encode(&answers.rows, &ranges)?;
            cache.put(keys.columns(), &blobs, now)?;
        }
        Ok(found)
    }

    /// Rows with their answers: pairs that pass the filter, then what the outer join pads.
    fn joined(
        &self,
        part: &Part,
        answers: &RecordBatch,
        ranges: &[std::ops::Range<u32>],
    ) -> Result<(Delta, Option<BadRows>)> {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (row, answer) in part.answers.iter().enumerate() {
            let Some(answer) = answer else { continue };
            for found in ranges[*answer as usize].clone() {
                left.push(row as u32);
                right.push(Some(found));
            }
        }
        let mut bad = None;
        if let Some(filter) = self.filter.as_ref().filter(|_| !left.is_empty()) {
            let pairs = self.pairs(part, answers, &left, &right)?;
            let (keep, failed) = passing(filter, &pairs, self.sets_bad_aside)?;
            bad = failed;
            let mut kept = keep.iter();
            left.retain(|_| kept.next().copied().unwrap_or(false));
            let mut kept = keep.iter();
            right.retain(|_| kept.next().copied().unwrap_or(false));
        }
        if self.outer {
            let mut matched = vec![false; part.rows.len()];
            left.iter().for_each(|row| matched[*row as usize] = true);
            let alone = (0..part.rows.len()).filter(|row| !matched[*row]).map(|row| row as u32);
            left.extend(alone);
            right.resize(left.len(), None);
        }
        Ok((self.pairs(part, answers, &left, &right)?, bad))
    }

    fn pairs(
        &self,
        part: &Part,
        answers: &RecordBatch,
        left: &[u32],
        right: &[Option<u32>],
    ) -> Result<Delta> {
        let rows = part.rows.take(left)?;
        let mut columns = rows.rows.columns().to_vec();
        let right = UInt32Array::from(right.to_vec());
        for column in answers.columns() {
            columns.push(compute::take(column.as_ref(), &right, None)?);
        }
        let rows_of_pairs = batch(&self.schema, columns, left.len())?;
        Ok(match rows.weights {
            Weights::Ones => Delta::inserts(rows_of_pairs),
            Weights::Each(weights) => Delta::new(rows_of_pairs, weights),
        })
    }

    pub fn tables(&mut self) -> Vec<&mut Table> {
        let cache = self.cache.iter_mut().map(Cache::table);
        cache.chain(self.given.iter_mut().map(Given::table)).collect()
    }
}

#[cfg(test)]
mod tests;
