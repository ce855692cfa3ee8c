//! `'connector' = 'brooklet-table'`: a keyed table that brooklet itself keeps, for REST and lookup
//! joins.
//!
//! ```sql
//! CREATE TABLE users_now (
//!   email STRING, name STRING, PRIMARY KEY (email) NOT ENFORCED
//! ) WITH ('connector' = 'brooklet-table');
//! ```
//!
//! Rows are inserted, updated and deleted by the primary key, which a table must have. They are
//! part of the pipeline's state: held in memory, in its snapshots, back after a restart. Readers
//! see the table as of one committed epoch, the same for all tables of the pipeline.
//! [Serving](serving.md) says how it is read over HTTP; queries of the same file
//! [look rows up](lookups.md) in it, as it was after the epoch before.

use async_trait::async_trait;
use brooklet_core::connector::{
    Accepts, Boxed, Connector, Guarantee, LookupSide, SinkSide, SinkSpec,
};
use brooklet_core::schema::TableDef;
use brooklet_core::sink::EpochOutput;
use brooklet_core::{Epoch, Error, Instance, Result, Sink};

#[cfg(test)]
mod tests;

pub const CONNECTOR: Connector = Connector {
    name: "brooklet-table",
    options: &[],
    metadata: &[],
    needs_format: false,
    check,
    source: None,
    sink: Some(SinkSide {
        open,
        // One each, so that a table's state does not hang on which others there are.
        domain: |table| format!("built-in table {}", table.name),
        guarantee: Guarantee::ExactlyOnce,
        stages: false,
        keeps: true,
        replaces: false,
        accepts: |_| Accepts::Upserts,
    }),
    lookup: Some(LookupSide::Kept),
};

fn check(table: &TableDef) -> Result<()> {
    match table.primary_key.is_empty() {
        true => Err(Error::config(
            "a built-in table needs PRIMARY KEY (…) NOT ENFORCED: its rows are found, updated and \
             deleted by it",
        )),
        false => Ok(()),
    }
}

/// The engine keeps the rows; nothing is outside.
struct Kept;

fn open(_: SinkSpec) -> Boxed<Box<dyn Sink>> {
    Box::pin(async { Ok(Box::new(Kept) as Box<dyn Sink>) })
}

#[async_trait]
impl Sink for Kept {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        Ok(None)
    }
    async fn commit(&mut self, _: &[EpochOutput]) -> Result<()> {
        Ok(())
    }
}
