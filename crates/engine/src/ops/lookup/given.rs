//! The answers of rows that may be taken back.
//!
//! As long as a row is there its answer stands: taking the row back takes back what was given for
//! it, and the same row once more is given the same.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use brooklet_core::{Delta, Result};

use super::Part;
use super::answers::{AnswerCodec, Found};
use crate::column::ValueType;
use crate::ops::rows::fields_at;
use crate::table::Table;

const ANSWER: usize = 0;
const WEIGHT: usize = 1;

pub struct Given {
    /// Row → its answer and how often it is there.
    table: Table,
}

impl Given {
    pub fn new(input: &SchemaRef) -> Result<Self> {
        let all: Vec<usize> = (0..input.fields().len()).collect();
        let values = [ValueType::Bytes, ValueType::I64];
        Ok(Given { table: Table::new("given", fields_at(input, &all), Vec::new(), &values)? })
    }

    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Nobody is asked for rows that have an answer, nor for those that are taken back.
    pub fn leave_known(&self, rows: &Delta, wanted: &mut [bool]) -> Result<()> {
        let groups = self.table.find(rows.rows.columns(), rows.len())?;
        for (row, group) in groups.into_iter().enumerate() {
            wanted[row] &= group.is_none() && rows.weight(row) > 0;
        }
        Ok(())
    }

    /// Gives every row its answer: new ones what was found, the others what they had. A row that
    /// is taken back and was never given (its node is older than this one) is left out.
    pub fn settle(
        &mut self,
        parts: &mut [Part],
        found: &mut Found,
        codec: &AnswerCodec,
    ) -> Result<()> {
        let mut numbers: BTreeMap<u32, Option<u32>> = BTreeMap::new();
        for part in parts.iter_mut() {
            self.add(part, &mut numbers, found, codec)?;
        }
        for part in parts.iter_mut() {
            self.take_back(part, &mut numbers, found, codec)?;
        }
        let gone: Vec<u32> = numbers.into_keys().filter(|g| self.weight(*g) == 0).collect();
        for group in gone {
            self.table.set_blob(ANSWER, group, None);
            self.table.remove(group);
        }
        Ok(())
    }

    /// The rows that are added.
    fn add(
        &mut self,
        part: &mut Part,
        numbers: &mut BTreeMap<u32, Option<u32>>,
        found: &mut Found,
        codec: &AnswerCodec,
    ) -> Result<()> {
        let added = rows_where(&part.rows, |weight| weight > 0);
        let rows = part.rows.take(&added)?;
        let groups = self.table.find_or_create(rows.rows.columns(), rows.len())?;
        let mut created = groups.created.iter().copied().peekable();
        for (i, (row, group)) in added.iter().zip(&groups.groups).enumerate() {
            let answer = &mut part.answers[*row as usize];
            if created.next_if_eq(&(i as u32)).is_some() {
                let rows = match *answer {
                    Some(answer) => found.of(answer)?,
                    None => arrow::array::RecordBatch::new_empty(codec.schema().clone()),
                };
                let all = 0..rows.num_rows() as u32;
                let blob = codec.encode(&rows, std::slice::from_ref(&all))?.remove(0);
                self.table.set_blob(ANSWER, *group, Some(&blob));
                numbers.insert(*group, *answer);
            } else {
                *answer = self.answer(*group, numbers, found, codec)?;
            }
            self.change(*group, rows.weight(i));
        }
        Ok(())
    }

    fn take_back(
        &mut self,
        part: &mut Part,
        numbers: &mut BTreeMap<u32, Option<u32>>,
        found: &mut Found,
        codec: &AnswerCodec,
    ) -> Result<()> {
        let taken = rows_where(&part.rows, |weight| weight < 0);
        if taken.is_empty() {
            return Ok(());
        }
        let rows = part.rows.take(&taken)?;
        let groups = self.table.find(rows.rows.columns(), rows.len())?;
        let mut unknown = Vec::new();
        for (i, (row, group)) in taken.iter().zip(groups).enumerate() {
            let Some(group) = group else {
                unknown.push(*row);
                continue;
            };
            part.answers[*row as usize] = self.answer(group, numbers, found, codec)?;
            self.change(group, rows.weight(i));
        }
        if !unknown.is_empty() {
            let known = crate::ops::bisect::all_but(&unknown, part.rows.len());
            part.answers = known.iter().map(|row| part.answers[*row as usize]).collect();
            part.rows = part.rows.take(&known)?;
        }
        Ok(())
    }

    /// The number of a known row's answer in this epoch.
    fn answer(
        &self,
        group: u32,
        numbers: &mut BTreeMap<u32, Option<u32>>,
        found: &mut Found,
        codec: &AnswerCodec,
    ) -> Result<Option<u32>> {
        if let Some(number) = numbers.get(&group) {
            return Ok(*number);
        }
        let blob = self.table.columns[ANSWER].blobs().get(group).as_deref().unwrap_or_default();
        let number = Some(found.push(codec.decode(blob)?));
        numbers.insert(group, number);
        Ok(number)
    }

    fn weight(&self, group: u32) -> i64 {
        *self.table.columns[WEIGHT].i64().get(group)
    }

    fn change(&mut self, group: u32, by: i64) {
        *self.table.columns[WEIGHT].i64_mut().get_mut(group) += by;
        self.table.touch(group);
    }
}

fn rows_where(rows: &Delta, wanted: impl Fn(i64) -> bool) -> Vec<u32> {
    (0..rows.len()).filter(|row| wanted(rows.weight(*row))).map(|row| row as u32).collect()
}
