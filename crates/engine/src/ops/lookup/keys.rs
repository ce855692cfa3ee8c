//! The keys that the rows of one epoch ask for, each once.

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::row::{OwnedRow, RowConverter, SortField};
use hashbrown::HashTable;

use brooklet_core::Result;
use brooklet_core::hash::hash_bytes;

use crate::ops::map::batch;

pub struct Keys {
    schema: SchemaRef,
    converter: RowConverter,
    /// (hash, number) of each key.
    index: HashTable<(u64, u32)>,
    keys: Vec<OwnedRow>,
}

/// The keys in their order.
pub struct Asked {
    batch: RecordBatch,
    /// The number that each was given.
    questions: Vec<u32>,
}

impl Keys {
    pub fn new(schema: &SchemaRef) -> Result<Self> {
        let sort = schema.fields().iter().map(|f| SortField::new(f.data_type().clone()));
        Ok(Keys {
            converter: RowConverter::new(sort.collect())?,
            schema: schema.clone(),
            index: HashTable::new(),
            keys: Vec::new(),
        })
    }

    /// The number of each row's key, of those that are wanted.
    pub fn number(&mut self, columns: &[ArrayRef], wanted: &[bool]) -> Result<Vec<Option<u32>>> {
        let encoded = self.converter.convert_columns(columns)?;
        let mut numbers = vec![None; wanted.len()];
        for row in (0..wanted.len()).filter(|row| wanted[*row]) {
            let key = encoded.row(row);
            let hash = hash_bytes(key.data(), 0);
            let same =
                |(h, at): &(u64, u32)| *h == hash && self.keys[*at as usize].as_ref() == key.data();
            numbers[row] = Some(match self.index.find(hash, same) {
                Some((_, at)) => *at,
                None => {
                    let at = self.keys.len() as u32;
                    self.index.insert_unique(hash, (hash, at), |(h, _)| *h);
                    self.keys.push(key.owned());
                    at
                }
            });
        }
        Ok(numbers)
    }

    /// All of them; none are left.
    pub fn take(&mut self) -> Result<Asked> {
        self.index.clear();
        let keys = std::mem::take(&mut self.keys);
        let mut questions: Vec<u32> = (0..keys.len() as u32).collect();
        questions.sort_unstable_by(|a, b| keys[*a as usize].cmp(&keys[*b as usize]));
        let sorted = questions.iter().map(|q| keys[*q as usize].row());
        let columns = self.converter.convert_rows(sorted)?;
        Ok(Asked { batch: batch(&self.schema, columns, questions.len())?, questions })
    }
}

impl Asked {
    pub fn len(&self) -> usize {
        self.questions.len()
    }
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }
    pub fn columns(&self) -> &[ArrayRef] {
        self.batch.columns()
    }
    pub fn question(&self, place: usize) -> u32 {
        self.questions[place]
    }
}
