//! What a Sink keeps of its tables in the engine: rows that wait for their file, rows for readers.

use brooklet_core::sink::TableOutput;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Instance, Result};
use brooklet_plan::node::{Node, NodeOp};

use super::kept::Kept;
use super::stage::{Moment, Stage};
use super::whole::Whole;
use crate::table::Table;

/// One table of a Sink.
pub enum SinkTable {
    /// Nothing is kept.
    Passing,
    Staged(Box<Stage>),
    Kept(Box<Kept>),
    /// The whole result is handed over, now and then.
    Whole(Box<Whole>),
}

/// The tables of a Sink node, in its order; none for other nodes.
pub fn tables(node: &Node, instance: &Instance) -> Result<Vec<SinkTable>> {
    let NodeOp::Sink(spec) = &node.op else { return Ok(Vec::new()) };
    let table = |(i, table): (usize, &brooklet_plan::node::SinkTable)| {
        if table.kept {
            return Ok(SinkTable::Kept(Box::new(Kept::new(&format!("rows{i}"), &table.table)?)));
        }
        let schema = table.table.write_schema();
        let then = match &table.staging {
            None => SinkTable::Passing,
            Some(staging) => {
                let (name, instance) = (format!("files{i}"), instance.clone());
                let stage = Stage::new(&name, staging.clone(), schema.clone(), instance)?;
                SinkTable::Staged(Box::new(stage))
            }
        };
        Ok(match &table.whole {
            None => then,
            Some(whole) => SinkTable::Whole(Box::new(Whole::new(i, whole.clone(), schema, then)?)),
        })
    };
    spec.tables.iter().enumerate().map(table).collect()
}

impl SinkTable {
    /// Takes an epoch's rows; gives what the Sink hears of it.
    pub fn step(&mut self, moment: Moment, changes: Vec<Delta>) -> Result<TableOutput> {
        match self {
            SinkTable::Passing => Ok(TableOutput { changes, ..TableOutput::default() }),
            SinkTable::Staged(stage) => stage.step(moment, &changes),
            SinkTable::Kept(kept) => {
                kept.step(&changes)?;
                Ok(TableOutput { changes, ..TableOutput::default() })
            }
            SinkTable::Whole(whole) => whole.step(moment, changes),
        }
    }

    pub fn tables(&mut self) -> Vec<&mut Table> {
        match self {
            SinkTable::Passing => Vec::new(),
            SinkTable::Staged(stage) => stage.tables(),
            SinkTable::Kept(kept) => vec![kept.table()],
            SinkTable::Whole(whole) => whole.tables(),
        }
    }

    pub fn kept(&mut self) -> Option<&mut Kept> {
        match self {
            SinkTable::Kept(kept) => Some(kept),
            _ => None,
        }
    }

    /// When the oldest open file, or the result, is due by its age.
    pub fn next_roll(&self) -> Option<Millis> {
        match self {
            SinkTable::Staged(stage) => stage.next_roll(),
            SinkTable::Whole(whole) => whole.next_due(),
            _ => None,
        }
    }

    /// The table was loaded: rebuild what is derived from it.
    pub fn loaded(&mut self) -> Result<()> {
        match self {
            SinkTable::Staged(stage) => stage.loaded(),
            SinkTable::Whole(whole) => whole.loaded(),
            _ => Ok(()),
        }
    }
}
