//! Rows found for keys: while an epoch puts them together, and as bytes in the state.

use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::compute;
use arrow::datatypes::SchemaRef;

use brooklet_core::lookup::Answers;
use brooklet_core::{Error, Result};

use crate::ops::rows::RowCodec;

/// Answer after answer, with the rows of all in one batch in the end.
pub struct Found {
    schema: SchemaRef,
    parts: Vec<RecordBatch>,
    rows: u32,
    /// The rows of each answer.
    ranges: Vec<Range<u32>>,
}

impl Found {
    /// Answers to as many questions, all still empty.
    pub fn new(schema: SchemaRef, questions: usize) -> Self {
        Found { schema, parts: Vec::new(), rows: 0, ranges: vec![0..0; questions] }
    }

    /// Answers a question.
    pub fn set(&mut self, question: u32, rows: RecordBatch) {
        let from = self.rows;
        self.rows += rows.num_rows() as u32;
        self.ranges[question as usize] = from..self.rows;
        self.parts.push(rows);
    }

    /// An answer to no question; its number.
    pub fn push(&mut self, rows: RecordBatch) -> u32 {
        self.ranges.push(0..0);
        let number = self.ranges.len() as u32 - 1;
        self.set(number, rows);
        number
    }

    /// Answers questions together; the rows of each within `answers`.
    pub fn add(&mut self, answers: &Answers, questions: &[u32]) -> Result<Vec<Range<u32>>> {
        let fits = answers.of.len() == answers.rows.num_rows()
            && answers.of.is_sorted()
            && answers.of.last().is_none_or(|last| (*last as usize) < questions.len());
        if !fits {
            return Err(Error::bug("answers of a lookup do not belong to its questions"));
        }
        let mut ranges = Vec::with_capacity(questions.len());
        let mut from = 0;
        for (i, question) in questions.iter().enumerate() {
            let to = from + answers.of[from..].partition_point(|of| *of as usize <= i);
            ranges.push(from as u32..to as u32);
            self.ranges[*question as usize] = self.rows + from as u32..self.rows + to as u32;
            from = to;
        }
        self.rows += answers.rows.num_rows() as u32;
        self.parts.push(answers.rows.clone());
        Ok(ranges)
    }

    /// All rows, and those of each answer among them.
    pub fn finish(self) -> Result<(RecordBatch, Vec<Range<u32>>)> {
        Ok((compute::concat_batches(&self.schema, &self.parts)?, self.ranges))
    }

    /// The rows of one answer.
    pub fn of(&self, answer: u32) -> Result<RecordBatch> {
        let range = &self.ranges[answer as usize];
        let mut at = 0;
        for part in &self.parts {
            let rows = part.num_rows() as u32;
            // No answer stands in two parts.
            if range.start < at + rows && !range.is_empty() {
                return Ok(part.slice((range.start - at) as usize, range.len()));
            }
            at += rows;
        }
        Ok(RecordBatch::new_empty(self.schema.clone()))
    }
}

/// The rows of an answer one after the other, each with its length before it.
pub struct AnswerCodec {
    rows: RowCodec,
    schema: SchemaRef,
}

impl AnswerCodec {
    pub fn new(schema: SchemaRef) -> Result<Self> {
        Ok(AnswerCodec { rows: RowCodec::new(schema.clone())?, schema })
    }
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Each of these ranges of rows.
    pub fn encode(&self, rows: &RecordBatch, ranges: &[Range<u32>]) -> Result<Vec<Vec<u8>>> {
        if self.schema.fields().is_empty() {
            // Rows without columns: one byte each.
            return Ok(ranges.iter().map(|range| vec![0; range.len()]).collect());
        }
        let encoded = self.rows.encode(rows)?;
        let blob = |range: &Range<u32>| {
            let mut blob = Vec::new();
            for row in range.clone() {
                let row = encoded.row(row as usize);
                blob.extend_from_slice(&(row.data().len() as u32).to_le_bytes());
                blob.extend_from_slice(row.data());
            }
            blob
        };
        Ok(ranges.iter().map(blob).collect())
    }

    /// The rows of one answer.
    pub fn decode(&self, blob: &[u8]) -> Result<RecordBatch> {
        Ok(self.decode_each(&[blob])?.rows)
    }

    /// The rows of many answers in one batch.
    pub fn decode_each(&self, blobs: &[&[u8]]) -> Result<Answers> {
        let (mut rows, mut of) = (Vec::new(), Vec::new());
        for (number, blob) in blobs.iter().enumerate() {
            let before = rows.len();
            if self.schema.fields().is_empty() {
                // One byte each.
                rows.extend(blob.chunks(1));
            } else {
                split(blob, &mut rows)?;
            }
            of.extend(std::iter::repeat_n(number as u32, rows.len() - before));
        }
        let rows = match self.schema.fields().is_empty() {
            true => crate::ops::map::batch(&self.schema, vec![], rows.len())?,
            false => self.rows.decode(rows.into_iter())?,
        };
        Ok(Answers { rows, of })
    }
}

/// The encoded rows of an answer.
fn split<'a>(mut blob: &'a [u8], rows: &mut Vec<&'a [u8]>) -> Result<()> {
    while let Some((length, behind)) = blob.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let cut = behind.split_at_checked(length);
        let (row, next) = cut.ok_or_else(|| Error::corrupt("an answer in the state is cut off"))?;
        rows.push(row);
        blob = next;
    }
    Ok(())
}
