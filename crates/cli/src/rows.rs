//! Rows on stdout: as a table, JSON lines, CSV or a changelog.

use std::io::Write;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;
use clap::ValueEnum;

use brooklet_core::{Delta, Error, Result};
use brooklet_pipeline::rows::{json_lines, net};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    /// One object a row, as Flink's json format writes them.
    Jsonl,
    Csv,
    /// Every change with its kind.
    Changelog,
}

/// Writes rows; `changes` are consolidated unless the changelog is asked for.
pub fn print(format: Format, changes: &[Delta]) -> Result<()> {
    let Some(first) = changes.first() else { return Ok(()) };
    if format == Format::Changelog {
        return print_changes("", changes);
    }
    print_rows(format, &net(&first.rows.schema(), changes)?)
}

/// Writes rows in their order.
pub fn print_rows(format: Format, rows: &[RecordBatch]) -> Result<()> {
    let Some(first) = rows.first() else { return Ok(()) };
    let mut out = std::io::stdout().lock();
    let failed = |e| Error::outside("stdout").caused_by(e);
    match format {
        Format::Table => writeln!(out, "{}", pretty_format_batches(rows)?).map_err(failed),
        Format::Jsonl => out.write_all(&json_lines(&first.schema(), rows)?).map_err(failed),
        Format::Csv => {
            for batch in rows {
                for line in csv(batch)? {
                    writeln!(out, "{line}").map_err(failed)?;
                }
            }
            Ok(())
        }
        Format::Changelog => {
            drop(out);
            let changes: Vec<Delta> = rows.iter().cloned().map(Delta::inserts).collect();
            print_changes("", &changes)
        }
    }
}

/// Writes every change as a line behind `prefix`.
pub fn print_changes(prefix: &str, changes: &[Delta]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for delta in changes {
        for line in changelog(delta)? {
            let written = writeln!(out, "{prefix}{line}");
            written.map_err(|e| Error::outside("stdout").caused_by(e))?;
        }
    }
    Ok(())
}

fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = batch
        .columns()
        .iter()
        .map(|c| ArrayFormatter::try_new(c.as_ref(), &options))
        .collect::<Result<Vec<_>, _>>()?;
    let row = |i: usize| columns.iter().map(|c| c.value(i).to_string()).collect();
    Ok((0..batch.num_rows()).map(row).collect())
}

fn changelog(delta: &Delta) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (row, cells) in cells(&delta.rows)?.into_iter().enumerate() {
        let weight = delta.weight(row);
        let kind = if weight > 0 { "+I" } else { "-D" };
        let line = format!("{kind}[{}]", cells.join(", "));
        lines.extend(std::iter::repeat_n(line, weight.unsigned_abs() as usize));
    }
    Ok(lines)
}

fn csv(batch: &RecordBatch) -> Result<Vec<String>> {
    let quote = |cell: String| {
        let special = cell.contains([',', '"', '\n', '\r']);
        if special { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    };
    let line = |cells: Vec<String>| cells.into_iter().map(quote).collect::<Vec<_>>().join(",");
    Ok(cells(batch)?.into_iter().map(line).collect())
}
