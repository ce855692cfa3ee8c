//! SQL text to a running pipeline: the one crate that sees both the SQL front end and the engine.
//!
//! [`compile`] text to a plan, [`connect`] the plan's tables to connectors and formats, [`start`]
//! the whole life of a run, [`collect`] rows for a terminal, [`world`] the real clock.

pub mod collect;
pub mod compile;
pub mod connect;
pub mod start;
pub mod world;

pub use brooklet_engine::run::Stopped;
pub use brooklet_engine::run::status::{Progress, Status};
pub use compile::{Compiled, compile};
pub use start::{Running, StartOptions, start};
