//! Rows on stdout: as a table, JSON lines, CSV or a changelog.

use std::collections::BTreeMap;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use arrow::util::pretty::pretty_format_batches;
use clap::ValueEnum;

use brooklet_core::connector::find_format;
use brooklet_core::delta::concat;
use brooklet_core::format::EncodeSpec;
use brooklet_core::options::Options;
use brooklet_core::{Delta, Error, Result};
use brooklet_formats::FORMATS;

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
    let schema = first.rows.schema();
    let mut out = std::io::stdout().lock();
    let failed = |e| Error::outside("stdout").caused_by(e);
    if format == Format::Changelog {
        for delta in changes {
            for line in changelog(delta)? {
                writeln!(out, "{line}").map_err(failed)?;
            }
        }
        return Ok(());
    }
    let net = brooklet_engine::ops::rows::consolidate(&schema, changes)?;
    let net = net.map(expand).transpose()?;
    let rows: Vec<RecordBatch> = net.iter().map(|d| d.rows.clone()).collect();
    match format {
        Format::Table if !rows.is_empty() => {
            writeln!(out, "{}", pretty_format_batches(&rows)?).map_err(failed)
        }
        Format::Jsonl => {
            let spec = EncodeSpec { schema, options: Options(BTreeMap::new()) };
            let json = find_format(FORMATS, "json").and_then(|f| f.encoder);
            let mut encoder = json.ok_or_else(|| Error::bug("there is a json format"))?(&spec)?;
            for delta in &net {
                for record in encoder.encode(delta)?.iter() {
                    out.write_all(record).and_then(|()| out.write_all(b"\n")).map_err(failed)?;
                }
            }
            Ok(())
        }
        Format::Csv => {
            for batch in &rows {
                for line in csv(batch)? {
                    writeln!(out, "{line}").map_err(failed)?;
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A row of weight n as n rows; what is left below zero is a bug of the plan.
fn expand(delta: Delta) -> Result<Delta> {
    let schema = delta.rows.schema();
    let mut indices = Vec::new();
    for row in 0..delta.len() {
        let times = delta.weight(row);
        if times < 0 {
            return Err(Error::bug("a row was taken back that had not been there"));
        }
        indices.extend(std::iter::repeat_n(row as u32, times as usize));
    }
    let rows = Delta::inserts(delta.rows).take(&indices)?;
    Ok(concat(&schema, &[rows])?.unwrap_or_else(|| Delta::empty(schema)))
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
