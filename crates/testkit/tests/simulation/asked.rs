//! Tables that are looked up: who asks them in a simulated process, and what they answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use brooklet_core::epoch::Answered;
use brooklet_core::lookup::{Answers, find};
use brooklet_core::{Error, ErrorKind, Lookup, Result};
use brooklet_engine::lookups::Outside;
use brooklet_engine::run::asking::recorded;
use brooklet_plan::Node;

use brooklet_testkit::dice::Dice;

use crate::tables::fails;

/// Asks at once: nothing in a simulated process waits for a thread.
pub struct Asked {
    /// By the node's fingerprint.
    pub lookups: BTreeMap<u64, Box<dyn Lookup>>,
    /// Of the epoch under way.
    pub answers: Vec<Answered>,
}

impl Asked {
    pub fn new(lookups: BTreeMap<u64, Box<dyn Lookup>>) -> Self {
        Asked { lookups, answers: Vec::new() }
    }
}

impl Outside for Asked {
    fn answer(&mut self, node: &Node, keys: &RecordBatch) -> Result<Answers> {
        let lookup = self.lookups.get_mut(&node.fingerprint);
        let lookup = lookup.ok_or_else(|| Error::bug("a Lookup was not opened"))?;
        let answers = loop {
            match futures::executor::block_on(lookup.ask(keys)) {
                // Live runs try again after a pause.
                Err(e) if e.kind == ErrorKind::Outside => {}
                answers => break answers?,
            }
        };
        self.answers.push(Answered { node: node.fingerprint, rows: recorded(&answers)? });
        Ok(answers)
    }
}

/// Answers with the rows it has; a request may fail.
pub struct SimLookup {
    pub rows: Vec<RecordBatch>,
    pub columns: SchemaRef,
    pub dice: Dice,
    pub faults: Arc<Mutex<u32>>,
}

#[async_trait]
impl Lookup for SimLookup {
    async fn ask(&mut self, keys: &RecordBatch) -> Result<Answers> {
        if fails(&mut self.dice, &self.faults) {
            return Err(Error::outside("the simulated table did not answer"));
        }
        find(&self.rows, keys, &self.columns)
    }
}
