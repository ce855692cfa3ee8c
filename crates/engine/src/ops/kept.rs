//! A built-in table: rows by primary key, the state of a sink that readers of this process see.
//!
//! The key's columns are the table's key, the others stand beside it as one encoded row. A view
//! shares the chunks of both, so it costs little and stays as it is whatever is written later.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};

use brooklet_core::schema::TableDef;
use brooklet_core::{Delta, Error, Result};

use super::map::batch;
use super::rows::columns_at;
use crate::column::ValueType;
use crate::table::{SharedChunk, Table};

mod answer;

const REST: usize = 0;

pub struct Kept {
    name: String,
    shape: Arc<Shape>,
    table: Table,
    /// ON CONFLICT DO NOTHING: the first row of a key stays until it is deleted.
    first_stays: bool,
    /// Since the last view.
    changed: bool,
}

/// How rows are taken apart and put together again.
struct Shape {
    schema: SchemaRef,
    /// Places of the key's columns, in the key's order, and of the others.
    key: Vec<usize>,
    rest: Vec<usize>,
    keys: RowConverter,
    rests: RowConverter,
}

/// A table as of one epoch.
pub struct TableView {
    shape: Arc<Shape>,
    chunks: Vec<SharedChunk>,
}

impl Kept {
    /// `name` is unique among the tables of its node.
    pub fn new(name: &str, def: &TableDef) -> Result<Self> {
        let schema = def.write_schema();
        let key: Vec<usize> =
            def.primary_key.iter().filter_map(|k| schema.index_of(k).ok()).collect();
        let rest: Vec<usize> =
            (0..schema.fields().len()).filter(|column| !key.contains(column)).collect();
        let fields = Table::fields(&schema, &key);
        let shape = Shape {
            keys: converter(&fields)?,
            rests: converter(&Table::fields(&schema, &rest))?,
            schema,
            key,
            rest,
        };
        Ok(Kept {
            name: def.name.clone(),
            shape: Arc::new(shape),
            table: Table::new(name, fields, Vec::new(), &[ValueType::Bytes])?,
            first_stays: def.options.get("brooklet.on-conflict") == Some("ignore"),
            changed: false,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }
    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// An epoch's consolidated changes: a row that is added replaces its key's, a row that is only
    /// taken away deletes it.
    pub fn step(&mut self, changes: &[Delta]) -> Result<()> {
        for rows in changes.iter().filter(|d| !d.is_empty()) {
            self.change(rows)?;
            self.changed = true;
        }
        Ok(())
    }

    fn change(&mut self, rows: &Delta) -> Result<()> {
        let rests = self.shape.encode_rest(rows)?;
        let groups = self.table.find_or_create(&columns_at(rows, &self.shape.key), rows.len())?;
        let groups = groups.groups;
        let mut added: Vec<u32> = Vec::with_capacity(rows.len());
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| rows.weight(*row) > 0) {
            added.push(*group);
            let taken = self.table.columns[REST].blobs().get(*group).is_some();
            if !(self.first_stays && taken) {
                let rest = rests.as_ref().map_or(&[][..], |rests| rests.row(row).data());
                self.table.set_blob(REST, *group, Some(rest));
                self.table.touch(*group);
            }
        }
        added.sort_unstable();
        for (row, group) in groups.iter().enumerate() {
            if rows.weight(row) < 0 && added.binary_search(group).is_err() {
                self.table.set_blob(REST, *group, None);
                self.table.remove(*group);
            }
        }
        Ok(())
    }

    /// The table as it is now, if it changed since the last view.
    pub fn new_view(&mut self) -> Option<TableView> {
        std::mem::take(&mut self.changed).then(|| self.view())
    }

    /// The table as it is now.
    pub fn view(&mut self) -> TableView {
        TableView { shape: self.shape.clone(), chunks: self.table.share(REST) }
    }
}

fn converter(fields: &[Arc<Field>]) -> Result<RowConverter> {
    let sort = fields.iter().map(|f| SortField::new(f.data_type().clone()));
    RowConverter::new(sort.collect())
        .map_err(|e| Error::config("rows with a column of this type cannot be kept").caused_by(e))
}

impl Shape {
    /// None when all columns are the key's.
    fn encode_rest(&self, rows: &Delta) -> Result<Option<Rows>> {
        match self.rest.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.rests.convert_columns(&columns_at(rows, &self.rest))?)),
        }
    }

    fn decode(&self, rows: &[(&[u8], &[u8])]) -> Result<RecordBatch> {
        let parser = self.keys.parser();
        let keys = self.keys.convert_rows(rows.iter().map(|(key, _)| parser.parse(key)))?;
        let parser = self.rests.parser();
        let rests = match self.rest.is_empty() {
            true => Vec::new(),
            false => self.rests.convert_rows(rows.iter().map(|(_, rest)| parser.parse(rest)))?,
        };
        let mut columns: Vec<Option<ArrayRef>> = vec![None; self.schema.fields().len()];
        let places = self.key.iter().chain(&self.rest);
        places.zip(keys.into_iter().chain(rests)).for_each(|(at, c)| columns[*at] = Some(c));
        batch(&self.schema, columns.into_iter().flatten().collect(), rows.len())
    }
}

impl TableView {
    pub fn schema(&self) -> &SchemaRef {
        &self.shape.schema
    }
    /// Places of the primary key's columns in the schema, in the key's order.
    pub fn key(&self) -> &[usize] {
        &self.shape.key
    }
    /// Pieces that [`TableView::read`] gives.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// The rows of a piece, in no order; with a `prefix` those whose key starts with it.
    pub fn read(&self, chunk: usize, prefix: Option<&KeyPrefix>) -> Result<RecordBatch> {
        let wanted = |key: &[u8]| prefix.is_none_or(|prefix| key.starts_with(&prefix.0));
        let rows: Vec<(&[u8], &[u8])> =
            self.chunks[chunk].rows().filter(|(key, _)| wanted(key)).collect();
        self.shape.decode(&rows)
    }

    /// The first columns of a key, each as an array of one value; None when there are none.
    pub fn key_prefix(&self, values: &[ArrayRef]) -> Result<Option<KeyPrefix>> {
        if values.is_empty() {
            return Ok(None);
        }
        // A key is encoded column by column.
        let fields = Table::fields(&self.shape.schema, &self.shape.key[..values.len()]);
        let encoded = converter(&fields)?.convert_columns(values)?;
        Ok(Some(KeyPrefix(encoded.row(0).data().to_vec())))
    }
}

/// How the keys start that a reader looks for.
#[derive(Debug, Clone)]
pub struct KeyPrefix(Vec<u8>);

#[cfg(test)]
mod tests;
