//! Schemas that records name by a number and that stand elsewhere: in a schema registry.
//!
//! Decoding asks nobody (I1). So between poll and decode the reader looks which numbers an input
//! names, asks for those it does not know, and keeps the answers in the epoch's record.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::raw::RawBatch;

/// The schema that some records were written with, or that the registry has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterSchema {
    pub id: u32,
    #[serde(default, skip_serializing_if = "Part::is_value")]
    pub part: Part,
    #[serde(flatten)]
    pub found: Found,
}

/// Which part of its records names the schema: the two may have registries of their own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Key,
    #[default]
    Value,
}

/// A registry's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The schema's text.
    Schema(Arc<str>),
    /// Why its records cannot be read, for a person.
    Missing(Arc<str>),
}

/// The registry of a table's format.
#[async_trait]
pub trait Schemas: Send + Sync {
    /// An error when the registry does not answer, or not to us.
    async fn reach(&self) -> Result<()>;
    /// Adds the numbers that values of the batch name. Cheap: it looks at every record.
    fn named(&self, batch: &RawBatch, to: &mut BTreeSet<u32>);
    /// Asks for one. That there is none is an answer; an `Outside` error is worth another try.
    async fn fetch(&self, id: u32) -> Result<Found>;
}

impl Part {
    pub fn is_value(&self) -> bool {
        *self == Part::Value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_holds_what_was_answered_and_no_more() {
        let of = |id, part, found| WriterSchema { id, part, found };
        let known = of(7, Part::Value, Found::Schema("\"int\"".into()));
        let none = of(8, Part::Key, Found::Missing("there is none".into()));
        let text = serde_json::to_string(&[&known, &none]).unwrap();
        let said =
            r#"[{"id":7,"schema":"\"int\""},{"id":8,"part":"key","missing":"there is none"}]"#;
        assert_eq!(text, said);
        assert_eq!(serde_json::from_str::<Vec<WriterSchema>>(&text).unwrap(), [known, none]);
    }
}
