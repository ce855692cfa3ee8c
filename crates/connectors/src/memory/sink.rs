//! Commits into a store.

use async_trait::async_trait;
use brooklet_core::connector::{Boxed, SinkSpec};
use brooklet_core::sink::EpochOutput;
use brooklet_core::{Epoch, Error, Instance, Result, Sink};

use super::Store;

struct MemorySink {
    store: Store,
    instance: Instance,
    tables: Vec<String>,
    fresh: bool,
}

pub(super) fn open(spec: SinkSpec) -> Boxed<Box<dyn Sink>> {
    Box::pin(async move {
        let first = spec.tables.first().ok_or_else(|| Error::bug("a sink without tables"))?;
        Ok(Box::new(MemorySink {
            store: Store::named(first.options.required("name")?),
            fresh: spec.fresh,
            instance: spec.instance,
            tables: spec.tables.iter().map(|t| t.name.clone()).collect(),
        }) as Box<dyn Sink>)
    })
}

#[async_trait]
impl Sink for MemorySink {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        let held = self.store.committed();
        Ok(held.filter(|(of, _)| !self.fresh || *of == self.instance))
    }
    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        self.store.state().commit(&self.instance, &self.tables, epochs)
    }
}
