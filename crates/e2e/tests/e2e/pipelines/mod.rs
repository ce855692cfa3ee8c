//! The pipelines of `pipelines/`, each with a folder of its own there.

pub mod clicks;
pub mod complaints;
pub mod shop;
pub mod users;
