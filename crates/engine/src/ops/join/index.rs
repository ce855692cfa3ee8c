//! The rows of a join's side by their key.

use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};
use hashbrown::HashMap;

use brooklet_core::{Delta, Result};

use crate::ops::rows::{any_null, columns_at};

/// The key of each row; None where a part is NULL and matches nothing.
pub type Keys = Vec<Option<Box<[u8]>>>;

/// Derived from the side's table.
pub struct Index {
    on: Vec<usize>,
    /// A key may have NULL parts.
    nulls_match: bool,
    /// None without columns: all rows have one key.
    codec: Option<RowConverter>,
    groups: HashMap<Box<[u8]>, Vec<u32>, foldhash::fast::FixedState>,
}

impl Index {
    pub fn new(schema: &SchemaRef, on: Vec<usize>, nulls_match: bool) -> Result<Self> {
        let sort = |c: &usize| SortField::new(schema.field(*c).data_type().clone());
        let codec = match on.len() {
            0 => None,
            _ => Some(RowConverter::new(on.iter().map(sort).collect())?),
        };
        Ok(Index { on, nulls_match, codec, groups: HashMap::default() })
    }

    /// Every row has the same key.
    pub fn is_of_all(&self) -> bool {
        self.codec.is_none()
    }

    pub fn keys(&self, rows: &Delta) -> Result<Keys> {
        let columns = columns_at(rows, &self.on);
        let Some(codec) = &self.codec else {
            return Ok(vec![Some(Box::default()); rows.len()]);
        };
        let nulls = match self.nulls_match {
            true => vec![false; rows.len()],
            false => any_null(&columns, rows.len()),
        };
        let encoded = codec.convert_columns(&columns)?;
        let key = |row: usize| (!nulls[row]).then(|| Box::from(encoded.row(row).data()));
        Ok((0..rows.len()).map(key).collect())
    }

    /// The groups with that key.
    pub fn get(&self, key: &Option<Box<[u8]>>) -> &[u32] {
        let groups = key.as_ref().and_then(|key| self.groups.get(key));
        groups.map_or(&[], Vec::as_slice)
    }

    pub fn link(&mut self, group: u32, key: &Option<Box<[u8]>>) {
        if let Some(key) = key {
            self.groups.entry(key.clone()).or_default().push(group);
        }
    }

    pub fn unlink(&mut self, group: u32, key: &Option<Box<[u8]>>) {
        let Some(key) = key else { return };
        if let Some(groups) = self.groups.get_mut(key) {
            groups.retain(|g| *g != group);
            if groups.is_empty() {
                self.groups.remove(key);
            }
        }
    }

    pub fn clear(&mut self) {
        self.groups.clear();
    }
}
