//! The pipelines of `pipelines/`, each against what it must write.

pub mod complaints;
