//! Writes an epoch's lines in one piece.

use std::io::Write;

use async_trait::async_trait;
use brooklet_core::connector::{Boxed, SinkSpec};
use brooklet_core::sink::EpochOutput;
use brooklet_core::{Delta, Epoch, Error, Instance, Result, Sink};

use super::text::write_value;

/// Lines go to any writer; each commit writes once and flushes.
pub struct PrintSink<W> {
    out: W,
    /// One prefix a table, `identifier> ` or empty.
    prefixes: Vec<String>,
}

pub(super) fn open(spec: SinkSpec) -> Boxed<Box<dyn Sink>> {
    Box::pin(async move {
        let to_stderr = match spec.tables.first() {
            Some(table) => table.options.bool("standard-error", false)?,
            None => false,
        };
        let identifier = |t: &std::sync::Arc<brooklet_core::schema::TableDef>| {
            t.options.get("print-identifier").unwrap_or_default().to_string()
        };
        let identifiers: Vec<String> = spec.tables.iter().map(identifier).collect();
        Ok(if to_stderr {
            Box::new(PrintSink::new(std::io::stderr(), &identifiers)) as Box<dyn Sink>
        } else {
            Box::new(PrintSink::new(std::io::stdout(), &identifiers))
        })
    })
}

impl<W: Write + Send> PrintSink<W> {
    /// `identifiers` holds one `print-identifier` a table, empty for none.
    pub fn new(out: W, identifiers: &[String]) -> Self {
        let prefix = |i: &String| if i.is_empty() { String::new() } else { format!("{i}> ") };
        PrintSink { out, prefixes: identifiers.iter().map(prefix).collect() }
    }
}

#[async_trait]
impl<W: Write + Send> Sink for PrintSink<W> {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        Ok(None)
    }
    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        let mut lines = String::new();
        for epoch in epochs {
            for (table, prefix) in epoch.tables.iter().zip(&self.prefixes) {
                for delta in &table.changes {
                    write_lines(&mut lines, prefix, delta);
                }
            }
        }
        let written = self.out.write_all(lines.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(|e| Error::refused("the output of a print table is closed").caused_by(e))
    }
}

fn write_lines(out: &mut String, prefix: &str, delta: &Delta) {
    for row in 0..delta.len() {
        let weight = delta.weight(row);
        let start = out.len();
        out.push_str(prefix);
        out.push_str(if weight > 0 { "+I[" } else { "-D[" });
        for (i, column) in delta.rows.columns().iter().enumerate() {
            if i > 0 {
                out.push_str(", ");
            }
            write_value(out, column, row);
        }
        out.push_str("]\n");
        match weight.unsigned_abs() {
            0 => out.truncate(start),
            times => {
                let line = out[start..].to_string();
                (1..times).for_each(|_| out.push_str(&line));
            }
        }
    }
}
