//! `'connector' = 'upsert-kafka'`: topics as tables with a primary key.
//!
//! ```sql
//! CREATE TABLE balances (
//!   account STRING, balance DECIMAL(18, 2), PRIMARY KEY (account) NOT ENFORCED
//! ) WITH ('connector' = 'upsert-kafka', 'topic' = 'balances', 'key.format' = 'json',
//!   'value.format' = 'json', 'properties.bootstrap.servers' = 'localhost:9092');
//! ```
//!
//! The primary key stands in the record's key. A record replaces the row with its key, a record
//! without a value (a tombstone) deletes it; so the topic may be compacted. `value.fields-include`
//! = `EXCEPT_KEY` leaves the key out of the value, and `key.fields-prefix` says what its columns
//! are called there.
//!
//! **Reading** starts at the beginning of the topics always. The last row of each key is kept as
//! state, from which updates and deletions follow; `table.exec.state.ttl` limits it. A record that
//! changes nothing gives nothing.
//!
//! **Writing.** Of each epoch one record for each key it touched, with the row as it is after the
//! epoch, or a tombstone. `create-table` = `if-not-exists` makes a compacted topic. Records go
//! where the hash of their keys says, as those of the Java client do. Kafka tables of both
//! connectors that name one cluster are written in one transaction; all else is as for `kafka`,
//! also properties and metadata columns.

use brooklet_core::connector::Connector;

use crate::kafka::{self, options};

pub const CONNECTOR: Connector =
    Connector { name: "upsert-kafka", options: options::UPSERT_OPTIONS, ..kafka::CONNECTOR };
