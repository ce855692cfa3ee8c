//! Runs a streaming plan: epochs, state, exactly-once.
//!
//! In the order of an epoch's life: [`ingest`] decodes what a source gave, [`compute`] runs the
//! plan's operators ([`ops`], [`exchange`]) over their [`table`]s, [`letters`] finds the records
//! that were set aside on the way, [`checkpoint`] makes the
//! epoch's record durable and saves the state, [`views`] show readers the tables kept, [`run`] is
//! the loop that ties them.

pub mod build;
pub mod checkpoint;
pub mod column;
pub mod compute;
pub mod exchange;
pub mod ingest;
mod ipc;
mod key;
pub mod letters;
pub mod lookups;
mod metadata;
pub mod ops;
pub mod planted;
pub mod run;
pub mod table;
pub mod views;
mod workers;
