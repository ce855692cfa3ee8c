//! The words every other crate speaks, and nothing that acts: no I/O, no threads, no SQL.
//!
//! In the order a row meets them: [`schema`] a table as its DDL declares it, [`keyed`] which of
//! its columns stand in a record's key, [`types`] Flink's types and their Arrow form, [`options`]
//! WITH options checked against a description, [`connector`] what a connector or a format offers,
//! [`source`] and [`raw`] bytes coming in, [`lookup`] rows asked for by key, [`format`] bytes to
//! rows and back, [`schemas`] what records of some formats need for that, [`delta`] rows with
//! weights, [`epoch`] one bounded gulp of input and its record, [`sink`] rows going out, [`env`]
//! clock, randomness and crash points, [`error`] what went wrong and what to do about it, [`hash`]
//! which shard a key belongs to, [`zone`] time zones, [`partition`] how the values of partition
//! columns become directory names.

pub mod connector;
pub mod delta;
pub mod env;
pub mod epoch;
pub mod error;
pub mod format;
pub mod hash;
pub mod keyed;
pub mod lookup;
pub mod options;
pub mod partition;
pub mod raw;
pub mod schema;
pub mod schemas;
pub mod sink;
pub mod source;
pub mod time;
pub mod types;
pub mod zone;

pub use delta::{Delta, Weights};
pub use env::Env;
pub use epoch::{Epoch, EpochRecord, Instance};
pub use error::{Error, ErrorKind, Result};
pub use lookup::Lookup;
pub use sink::Sink;
pub use source::Source;
