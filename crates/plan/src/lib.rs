//! The streaming plan: pure data between the SQL front end that writes it and the engine that
//! runs it.
//!
//! [`node`] the kinds of nodes and their specs, [`settings`] the pipeline's SET keys,
//! [`explain`] the plan as text, [`letters`] what happens to records that are set aside,
//! [`partition_time`] what time a partition of files stands for, [`pattern`] row patterns.

mod calls;
pub mod explain;
mod file_names;
pub mod letters;
pub mod node;
pub mod partition_time;
pub mod pattern;
pub mod settings;

pub use node::{Node, NodeId, NodeOp, StreamPlan};
pub use settings::Settings;
