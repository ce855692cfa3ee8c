//! `jdbc`: tables in Postgres, exactly once.
//!
//! ```sql
//! CREATE TABLE page_views (action STRING, cnt BIGINT, PRIMARY KEY (action) NOT ENFORCED) WITH (
//!   'connector' = 'jdbc', 'url' = 'jdbc:postgresql://localhost:5432/shop',
//!   'table-name' = 'public.page_views', 'username' = 'etl', 'password' = '${PGPASSWORD}');
//! ```
//!
//! With a PRIMARY KEY rows are inserted, updated and deleted by key; the table in Postgres needs
//! a primary key or unique constraint on the same columns. Without one rows are only appended.
//! All tables of one database and user are written in one transaction per commit, together with
//! the number of the epoch in `brooklet_commits`; a restart finds it there and repeats nothing.
//!
//! Extensions (`SET 'brooklet.table.<table>.<key>'`): `create-table` = `if-not-exists` (a missing
//! schema is created as well), `on-conflict` = `ignore` (rows whose key exists stay as they are),
//! and `on-row-error` = `dead-letter` (a row that Postgres refuses goes to `brooklet_rejected` in
//! the same transaction instead of stopping the pipeline).
//!
//! A query reads the table or view once, or, with `refresh-interval`, again and again: then only
//! what has changed goes through the pipeline, rows that are gone are taken back. A reading is one
//! statement and sees one moment of the table; what it gave is recorded and never asked for again.
//! Such tables are held in memory: they are for looking things up, not for a warehouse.
//!
//! `JOIN t FOR SYSTEM_TIME AS OF o.proc_time ON …` asks for rows by key while rows pass, all keys
//! of an epoch in one statement. What was answered is recorded: a restart repeats it and does not
//! ask again. `lookup.cache` = `PARTIAL` keeps answers as part of the state. More in
//! [Looking rows up](lookups.md).
//!
//! TIMESTAMP values are written as they are; into TIMESTAMPTZ columns they count as UTC. STRING
//! also fits json, jsonb, uuid, enums and network addresses; ARRAYs of scalars fit arrays.

mod copy;
mod difference;
mod lookup;
mod net;
mod options;
mod read;
mod select;
mod session;
mod sink;
mod source;
mod target;
mod tls;
mod values;
mod write;

#[cfg(test)]
mod tests;

use brooklet_core::connector::{Accepts, Connector, Guarantee, LookupSide, SinkSide, SourceSide};
use brooklet_core::schema::TableDef;
use brooklet_core::source::Reading;

pub const CONNECTOR: Connector = Connector {
    name: "jdbc",
    options: options::OPTIONS,
    metadata: &[],
    needs_format: false,
    check: options::check,
    source: Some(SourceSide {
        open: |spec| Box::pin(source::open(spec)),
        bounded: |options| options::refresh_ms(options).is_none(),
        reading: |options| match options::refresh_ms(options) {
            Some(_) => Reading::Refreshed,
            None => Reading::Once,
        },
    }),
    sink: Some(SinkSide {
        open: |spec| Box::pin(sink::open(spec)),
        domain: options::domain,
        guarantee: Guarantee::ExactlyOnce,
        stages: false,
        keeps: false,
        replaces: true,
        accepts,
    }),
    lookup: Some(LookupSide::Ask(|spec| Box::pin(lookup::open(spec)))),
};

fn accepts(table: &TableDef) -> Accepts {
    if table.primary_key.is_empty() { Accepts::Inserts } else { Accepts::Upserts }
}
