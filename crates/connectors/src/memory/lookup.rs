//! Rows of a store by key.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use brooklet_core::connector::Boxed;
use brooklet_core::lookup::{Answers, LookupSpec, find};
use brooklet_core::{Delta, Lookup, Result};

use super::Store;

struct MemoryLookup {
    store: Store,
    columns: SchemaRef,
}

pub fn open(spec: LookupSpec) -> Boxed<Box<dyn Lookup>> {
    Box::pin(async move {
        let store = Store::named(&spec.table.options.text("name", ""));
        Ok(Box::new(MemoryLookup { store, columns: spec.columns }) as Box<dyn Lookup>)
    })
}

#[async_trait]
impl Lookup for MemoryLookup {
    async fn ask(&mut self, keys: &RecordBatch) -> Result<Answers> {
        let rows: Vec<Delta> = self.store.state().splits.values().flatten().cloned().collect();
        let rows: Vec<RecordBatch> = rows.into_iter().map(|rows| rows.rows).collect();
        find(&rows, keys, &self.columns)
    }
}
