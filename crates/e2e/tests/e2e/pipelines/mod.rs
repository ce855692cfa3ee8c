//! The pipelines of `pipelines/`, each as it stands there.

pub mod shop;
