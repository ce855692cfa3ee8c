//! SQL text to a running pipeline: the one crate that sees both the SQL front end and the engine.
//!
//! [`compile`] text to a plan, [`functions`] what it needs of Python, [`connect`] the plan's tables
//! to connectors, [`decode`] to formats, [`start`] the whole life of a run, [`checkpoints`] what is
//! stored of it, [`letters`] records that were set aside, [`serve`] queries of its built-in tables,
//! [`collect`] and [`rows`] rows for a terminal, [`world`] the real clock.

pub mod checkpoints;
pub mod collect;
pub mod compile;
pub mod connect;
pub mod decode;
#[cfg(test)]
mod faults;
mod functions;
#[cfg(test)]
mod functions_page;
pub mod letters;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod reference;
pub mod rows;
pub mod serve;
pub mod start;
pub mod wall;
pub mod world;

pub use brooklet_engine::ingest::ReadCounts;
pub use brooklet_engine::ops::Counts;
pub use brooklet_engine::run::Stopped;
pub use brooklet_engine::run::edit::Agreed;
pub use brooklet_engine::run::histogram::{BOUNDS_MS, Histogram};
pub use brooklet_engine::run::status::{LastSnapshot, NodeProgress, Phase, Progress, Status};
pub use compile::{Compiled, compile};
pub use start::{Running, StartOptions, start};
