//! What a reading of a table changes about the rows that were given before.

use arrow::array::{BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use brooklet_core::{Delta, Error, Result};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Compares readings with what was given.
pub struct Difference {
    schema: SchemaRef,
    converter: RowConverter,
    /// By the rows' encodings.
    held: HashMap<Box<[u8]>, Count, FixedState>,
    /// The number of the reading under way.
    round: u64,
}

/// How often a row is there.
#[derive(Default)]
struct Count {
    given: i64,
    /// Of those, how many were met in a round.
    met: i64,
    round: u64,
}

impl Count {
    fn met_in(&self, round: u64) -> i64 {
        if self.round == round { self.met } else { 0 }
    }

    fn meet(&mut self, times: i64, round: u64) {
        self.met = self.met_in(round) + times;
        self.round = round;
    }
}

impl Difference {
    pub fn new(schema: SchemaRef) -> Result<Self> {
        let fields = schema.fields().iter().map(|f| SortField::new(f.data_type().clone()));
        let converter = RowConverter::new(fields.collect())
            .map_err(|e| Error::config("a column of this type cannot be read").caused_by(e))?;
        Ok(Difference { schema, converter, held: HashMap::default(), round: 0 })
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Nothing is compared any more.
    pub fn clear(&mut self) {
        self.held = HashMap::default();
    }

    /// A reading begins.
    pub fn begin(&mut self) {
        self.round += 1;
    }

    /// The rows among those read that were not given before.
    pub fn fresh(&mut self, read: &RecordBatch) -> Result<Delta> {
        if self.held.is_empty() {
            return Ok(Delta::inserts(read.clone()));
        }
        let round = self.round;
        let is_fresh = |key: Box<[u8]>| match self.held.get_mut(&key) {
            Some(count) if count.met_in(round) < count.given => {
                count.meet(1, round);
                false
            }
            _ => true,
        };
        let keys = Self::keys(&self.converter, read)?;
        let fresh: BooleanArray = keys.into_iter().map(is_fresh).map(Some).collect();
        Ok(Delta::inserts(compute::filter_record_batch(read, &fresh)?))
    }

    /// The reading has ended: the rows given before that it did not meet, with negative weights.
    pub fn gone(&mut self) -> Result<Option<Delta>> {
        let unmet = |(key, count): (_, &Count)| (key, count.met_in(self.round) - count.given);
        let mut unmet: Vec<(&Box<[u8]>, i64)> = self.held.iter().map(unmet).collect();
        unmet.retain(|(_, weight)| *weight != 0);
        if unmet.is_empty() {
            return Ok(None);
        }
        unmet.sort_unstable();
        let parser = self.converter.parser();
        let columns =
            self.converter.convert_rows(unmet.iter().map(|(key, _)| parser.parse(key)))?;
        let count = RecordBatchOptions::new().with_row_count(Some(unmet.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &count)?;
        Ok(Some(Delta::new(rows, unmet.into_iter().map(|(_, weight)| weight).collect())))
    }

    /// These rows were given; while a reading is under way, as found by it.
    pub fn give(&mut self, rows: &Delta) -> Result<()> {
        for (row, key) in Self::keys(&self.converter, &rows.rows)?.into_iter().enumerate() {
            let mut entry = match self.held.entry(key) {
                Entry::Occupied(entry) => entry,
                Entry::Vacant(new) => new.insert_entry(Count::default()),
            };
            let count = entry.get_mut();
            count.given += rows.weight(row);
            count.meet(rows.weight(row), self.round);
            if count.given == 0 {
                entry.remove();
            }
        }
        Ok(())
    }

    /// Rows without columns are all alike.
    fn keys(converter: &RowConverter, rows: &RecordBatch) -> Result<Vec<Box<[u8]>>> {
        if rows.num_columns() == 0 {
            return Ok(vec![Box::default(); rows.num_rows()]);
        }
        let encoded = converter.convert_columns(rows.columns())?;
        Ok(encoded.iter().map(|row| Box::from(row.data())).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    fn rows(values: &[Option<i64>]) -> RecordBatch {
        let schema = Schema::new(vec![Field::new("a", DataType::Int64, true)]);
        let column = Int64Array::from(values.to_vec());
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(column)]).unwrap()
    }

    fn shown(delta: &Delta) -> Vec<(Option<i64>, i64)> {
        let values = delta.rows.column(0).as_primitive::<Int64Type>();
        values.iter().enumerate().map(|(i, v)| (v, delta.weight(i))).collect()
    }

    /// A whole reading: what is new and what is gone, both given.
    fn reading(of: &mut Difference, batches: &[&[Option<i64>]]) -> Vec<(Option<i64>, i64)> {
        of.begin();
        let mut deltas: Vec<Delta> =
            batches.iter().map(|batch| of.fresh(&rows(batch)).unwrap()).collect();
        deltas.extend(of.gone().unwrap());
        deltas.iter().for_each(|delta| of.give(delta).unwrap());
        deltas.iter().flat_map(shown).collect()
    }

    #[test]
    fn readings_give_what_changed() {
        let mut of = Difference::new(rows(&[]).schema()).unwrap();
        let (one, two) = ((Some(1), 1), (Some(2), 1));
        assert_eq!(reading(&mut of, &[&[Some(1)], &[Some(2)]]), [one, two]);
        assert_eq!(reading(&mut of, &[&[Some(2), Some(1)]]), []);
        // Equal rows are counted, NULL is a value.
        assert_eq!(reading(&mut of, &[&[Some(2), Some(2), None]]), [two, (None, 1), (Some(1), -1)]);
        assert_eq!(reading(&mut of, &[&[Some(2), None]]), [(Some(2), -1)]);
        assert_eq!(reading(&mut of, &[]), [(None, -1), (Some(2), -1)]);
        assert!(of.is_empty());
    }

    #[test]
    fn what_is_given_while_it_is_read_is_not_gone() {
        let mut of = Difference::new(rows(&[]).schema()).unwrap();
        of.begin();
        for batch in [[Some(1), Some(2)], [Some(2), None]] {
            let fresh = of.fresh(&rows(&batch)).unwrap();
            assert_eq!(fresh.len(), 2);
            of.give(&fresh).unwrap();
        }
        assert!(of.gone().unwrap().is_none());
        // The next reading stands on all of it.
        assert_eq!(reading(&mut of, &[&[Some(2), Some(2), None, Some(1), None]]), [(None, 1)]);
    }

    #[test]
    fn a_reading_that_broke_off_changes_nothing() {
        let mut of = Difference::new(rows(&[]).schema()).unwrap();
        reading(&mut of, &[&[Some(1), Some(2)]]);
        of.begin();
        of.fresh(&rows(&[Some(2), Some(3)])).unwrap();
        assert_eq!(reading(&mut of, &[&[Some(1), Some(3)]]), [(Some(3), 1), (Some(2), -1)]);
    }
}
