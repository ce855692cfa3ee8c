//! What Lookups ask outside tables: live epochs ask and record, repeated ones read the record.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::runtime::Handle;

use brooklet_core::epoch::Answered;
use brooklet_core::lookup::Answers;
use brooklet_core::{Delta, Env, Error, ErrorKind, Lookup, Result};
use brooklet_plan::node::{Node, NodeOp};

use super::committer::Outage;
use super::status::Status;
use crate::ipc;
use crate::lookups::Outside;
use crate::ops::map::batch;

/// The column that says which key a recorded row answers.
const OF: &str = "__of";

/// Asks tables outside. Waits for them, so it runs on the compute thread only.
pub struct Asking {
    /// By the node's fingerprint.
    lookups: BTreeMap<u64, Box<dyn Lookup>>,
    runtime: Handle,
    /// Another task has ended with an error: waiting is of no use any more.
    failed: Arc<AtomicBool>,
    env: Env,
    status: Status,
    /// For the record of the epoch under way.
    pub answers: Vec<Answered>,
}

impl Asking {
    /// For a process that runs in the current runtime.
    pub fn new(
        lookups: BTreeMap<u64, Box<dyn Lookup>>,
        failed: Arc<AtomicBool>,
        env: &Env,
        status: &Status,
    ) -> Self {
        let (env, status) = (env.clone(), status.clone());
        Asking { lookups, runtime: Handle::current(), failed, env, status, answers: Vec::new() }
    }
}

impl Outside for Asking {
    fn answer(&mut self, node: &Node, keys: &RecordBatch) -> Result<Answers> {
        let lookup = self.lookups.get_mut(&node.fingerprint);
        let lookup = lookup.ok_or_else(|| Error::bug("a Lookup was not opened"))?;
        let mut outage = Outage::new(&node.label);
        let answers = loop {
            match self.runtime.block_on(lookup.ask(keys)) {
                Err(e) if e.kind == ErrorKind::Outside && e.retry => {
                    if self.failed.load(Ordering::Acquire) {
                        return Err(e);
                    }
                    self.runtime.block_on(outage.wait(&e, &self.env, &self.status));
                }
                answers => break answers?,
            }
        };
        outage.over(&self.status);
        self.answers.push(Answered { node: node.fingerprint, rows: recorded(&answers)? });
        Ok(answers)
    }
}

/// Repeats what a record says.
pub struct Repeating<'a>(pub &'a [Answered]);

impl Outside for Repeating<'_> {
    fn answer(&mut self, node: &Node, _: &RecordBatch) -> Result<Answers> {
        let NodeOp::Lookup(spec) = &node.op else { return Err(Error::bug("no Lookup asks")) };
        let found = self.0.iter().find(|answered| answered.node == node.fingerprint);
        let found = found.ok_or_else(|| {
            Error::corrupt(format!("the journal holds no answer for {}", node.label))
        })?;
        answers(&found.rows, &spec.columns)
    }
}

/// As the record keeps them.
pub fn recorded(answers: &Answers) -> Result<Arc<str>> {
    let of: Int64Array = answers.of.iter().map(|of| i64::from(*of)).collect();
    let mut columns = answers.rows.columns().to_vec();
    columns.push(Arc::new(of));
    let rows = batch(&schema(&answers.rows.schema()), columns, answers.of.len())?;
    Ok(STANDARD.encode(ipc::write(&Delta::inserts(rows))?).into())
}

fn answers(text: &str, columns: &SchemaRef) -> Result<Answers> {
    let what = "answers in the journal";
    let broken = |e| Error::corrupt(format!("{what} cannot be read")).caused_by(e);
    let read = ipc::read(&STANDARD.decode(text).map_err(broken)?, &schema(columns), what)?;
    let rows = brooklet_core::delta::concat(&schema(columns), &read)?;
    let Some(rows) = rows.map(|rows| rows.rows) else {
        return Ok(Answers { rows: RecordBatch::new_empty(columns.clone()), of: Vec::new() });
    };
    let width = columns.fields().len();
    let of = rows.column(width).as_primitive::<Int64Type>().values();
    let of = of.iter().map(|of| u32::try_from(*of)).collect::<Result<_, _>>();
    let of = of.map_err(|e| Error::corrupt(format!("{what} cannot be read")).caused_by(e))?;
    Ok(Answers { rows: batch(columns, rows.columns()[..width].to_vec(), rows.num_rows())?, of })
}

fn schema(columns: &SchemaRef) -> SchemaRef {
    let of = Arc::new(Field::new(OF, DataType::Int64, false));
    Arc::new(Schema::new(columns.fields().iter().cloned().chain([of]).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, StringArray};

    use super::*;

    #[test]
    fn answers_come_back_from_the_record() {
        let columns: SchemaRef =
            Arc::new(Schema::new(vec![Field::new("name", DataType::Utf8, true)]));
        let names = StringArray::from(vec![Some("é"), None, Some("")]);
        let rows = RecordBatch::try_new(columns.clone(), vec![Arc::new(names)]).unwrap();
        let given = Answers { rows, of: vec![0, 0, 7] };
        let again = answers(&recorded(&given).unwrap(), &columns).unwrap();
        assert_eq!((&again.rows, &again.of), (&given.rows, &given.of));
        assert!(again.rows.column(0).is_null(1));

        let nothing = Answers { rows: given.rows.slice(0, 0), of: vec![] };
        let again = answers(&recorded(&nothing).unwrap(), &columns).unwrap();
        assert_eq!((again.rows.num_rows(), again.of.len()), (0, 0));
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let columns: SchemaRef = Arc::new(Schema::empty());
        let rows = batch(&columns, vec![], 2).unwrap();
        let again = answers(&recorded(&Answers { rows, of: vec![1, 1] }).unwrap(), &columns);
        assert_eq!(again.unwrap().of, [1, 1]);
    }

    #[test]
    fn damage_is_no_panic() {
        let columns: SchemaRef = Arc::new(Schema::empty());
        for text in ["?", "AAAA", ""] {
            let e = answers(text, &columns).unwrap_err();
            assert_eq!(e.kind, ErrorKind::Corrupt, "{text}");
        }
    }
}
