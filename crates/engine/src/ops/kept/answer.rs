//! Rows of a built-in table by key: what a Lookup of the same pipeline asks.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use brooklet_core::lookup::Answers;
use brooklet_core::{Error, Result};
use brooklet_plan::node::LookupSpec;

use super::{Kept, REST, converter};

/// Rows that are looked at together where the key is not the table's own.
const ROWS: usize = 8_192;

impl Kept {
    /// The rows of each key as they are now. Keys other than the primary key look through the
    /// whole table, once for all of them.
    pub fn answer(&self, spec: &LookupSpec, keys: &RecordBatch) -> Result<Answers> {
        let places = spec.key_columns.fields().iter().map(|f| self.shape.schema.index_of(f.name()));
        let places: Vec<usize> = places.collect::<Result<_, _>>()?;
        let (rows, of) = match places == self.shape.key {
            true => self.by_key(keys)?,
            false => self.by_others(&places, keys)?,
        };
        let wanted = spec.columns.fields().iter().map(|f| self.shape.schema.index_of(f.name()));
        let rows = rows.project(&wanted.collect::<Result<Vec<_>, _>>()?)?;
        let rows = super::batch(&spec.columns, rows.columns().to_vec(), rows.num_rows())?;
        Ok(Answers { rows, of })
    }

    fn by_key(&self, keys: &RecordBatch) -> Result<(RecordBatch, Vec<u32>)> {
        let found = self.table.find(keys.columns(), keys.num_rows())?;
        let (mut groups, mut of) = (Vec::new(), Vec::new());
        for (key, group) in found.into_iter().enumerate() {
            if let Some(group) = group {
                groups.push(group);
                of.push(key as u32);
            }
        }
        Ok((self.rows(&groups)?, of))
    }

    fn by_others(&self, places: &[usize], keys: &RecordBatch) -> Result<(RecordBatch, Vec<u32>)> {
        let fields: Vec<_> = keys.schema().fields().iter().cloned().collect();
        let codec = converter(&fields)?;
        let encoded = codec.convert_columns(keys.columns())?;
        let asked: BTreeMap<&[u8], u32> =
            (0..keys.num_rows()).map(|i| (encoded.row(i).data(), i as u32)).collect();
        let mut found: Vec<(u32, u32)> = Vec::new();
        for groups in self.table.groups().chunks(ROWS) {
            let rows = self.rows(groups)?;
            let columns: Vec<_> = places.iter().map(|place| rows.column(*place).clone()).collect();
            let encoded = codec.convert_columns(&columns)?;
            let nulls = crate::ops::rows::any_null(&columns, groups.len());
            for (i, group) in groups.iter().enumerate().filter(|(i, _)| !nulls[*i]) {
                let key = encoded.row(i);
                found.extend(asked.get(key.data()).map(|key| (*key, *group)));
            }
        }
        // Where a group stands differs from one start to the next; its key does not.
        found.sort_unstable_by(|a, b| (a.0, self.table.key(a.1)).cmp(&(b.0, self.table.key(b.1))));
        let (of, groups): (Vec<u32>, Vec<u32>) = found.into_iter().unzip();
        Ok((self.rows(&groups)?, of))
    }

    fn rows(&self, groups: &[u32]) -> Result<RecordBatch> {
        let blobs = self.table.columns[REST].blobs();
        let row = |group: &u32| {
            let rest = blobs.get(*group).as_deref();
            Ok((self.table.key(*group), rest.ok_or_else(|| Error::bug("a key without its row"))?))
        };
        let rows: Vec<(&[u8], &[u8])> = groups.iter().map(row).collect::<Result<_>>()?;
        self.shape.decode(&rows)
    }
}
