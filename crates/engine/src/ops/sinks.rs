//! What a Sink keeps of its tables in the engine: rows that wait for their file, rows for readers.

use brooklet_core::sink::TableOutput;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Instance, Result};
use brooklet_plan::node::{Node, NodeOp};

use super::kept::Kept;
use super::stage::{Moment, Stage};
use crate::table::Table;

/// One table of a Sink.
pub enum SinkTable {
    /// Nothing is kept.
    Passing,
    Staged(Box<Stage>),
    Kept(Box<Kept>),
}

/// The tables of a Sink node, in its order; none for other nodes.
pub fn tables(node: &Node, instance: &Instance) -> Result<Vec<SinkTable>> {
    let NodeOp::Sink(spec) = &node.op else { return Ok(Vec::new()) };
    let table = |(i, table): (usize, &brooklet_plan::node::SinkTable)| {
        if table.kept {
            return Ok(SinkTable::Kept(Box::new(Kept::new(&format!("rows{i}"), &table.table)?)));
        }
        let Some(staging) = &table.staging else { return Ok(SinkTable::Passing) };
        let schema = table.table.write_schema();
        let stage = Stage::new(&format!("files{i}"), staging.clone(), schema, instance.clone())?;
        Ok(SinkTable::Staged(Box::new(stage)))
    };
    spec.tables.iter().enumerate().map(table).collect()
}

impl SinkTable {
    /// Takes an epoch's rows; gives what the Sink hears of it.
    pub fn step(&mut self, moment: Moment, changes: Vec<Delta>) -> Result<TableOutput> {
        match self {
            SinkTable::Passing => Ok(TableOutput { changes, files: Vec::new() }),
            SinkTable::Staged(stage) => {
                Ok(TableOutput { changes: Vec::new(), files: stage.step(moment, &changes)? })
            }
            SinkTable::Kept(kept) => {
                kept.step(&changes)?;
                Ok(TableOutput { changes, files: Vec::new() })
            }
        }
    }

    pub fn table(&mut self) -> Option<&mut Table> {
        match self {
            SinkTable::Passing => None,
            SinkTable::Staged(stage) => Some(stage.table()),
            SinkTable::Kept(kept) => Some(kept.table()),
        }
    }

    pub fn kept(&mut self) -> Option<&mut Kept> {
        match self {
            SinkTable::Kept(kept) => Some(kept),
            _ => None,
        }
    }

    /// When the oldest open file is due by its age.
    pub fn next_roll(&self) -> Option<Millis> {
        match self {
            SinkTable::Staged(stage) => stage.next_roll(),
            _ => None,
        }
    }

    /// The table was loaded: rebuild what is derived from it.
    pub fn loaded(&mut self) -> Result<()> {
        match self {
            SinkTable::Staged(stage) => stage.loaded(),
            _ => Ok(()),
        }
    }
}
