//! Sinks that are given the whole result of a query: batch mode, INSERT OVERWRITE, output-mode.

use arrow::datatypes::DataType;
use brooklet_core::schema::TableDef;
use brooklet_core::time::Millis;
use brooklet_plan::Settings;
use brooklet_plan::node::{FileNames, Staging, StreamPlan, WholeResult};
use datafusion::common::Result;

use super::sink::{COLLECT, Target, side, stages};
use super::{Lowering, Offers, error};

/// Whether the table's rows are replaced by each result.
pub fn is_complete(table: &TableDef) -> bool {
    table.options.get("brooklet.output-mode") == Some("complete")
}

/// Whether the table is given results, so that a query may update rows whatever the table takes.
pub fn takes_results(target: &Target, settings: &Settings) -> bool {
    let rows_only = target.table.connector() == COLLECT;
    !rows_only && (settings.is_batch() || target.overwrite || is_complete(&target.table))
}

/// A batch job has an end.
pub fn check_ends(plan: &StreamPlan, offers: Offers, settings: &Settings) -> Result<()> {
    if !settings.is_batch() {
        return Ok(());
    }
    for (_, scan) in plan.scans() {
        let table = &scan.table;
        let connector = offers.connectors.iter().find(|c| c.name == table.connector());
        let source = connector.and_then(|c| c.source.as_ref());
        if source.is_some_and(|s| !(s.bounded)(&table.options)) {
            let message = format!(
                "SET 'execution.runtime-mode' = 'batch' needs tables that end, and table '{}' does \
                 not: give it an end (for Kafka 'scan.bounded.mode' = 'latest-offset'), or leave \
                 the mode at streaming",
                table.name
            );
            return Err(error(message, None));
        }
    }
    Ok(())
}

impl Lowering<'_> {
    /// None when the table is given changes.
    pub(super) fn whole(
        &self,
        table: &TableDef,
        overwrite: bool,
        append_only: bool,
    ) -> Result<Option<WholeResult>> {
        let replaces = overwrite || is_complete(table);
        let batch = self.settings.is_batch();
        let updates = batch && !append_only && table.connector() != COLLECT;
        if !replaces && !updates {
            return Ok(None);
        }
        let wrong = |message: String| error(format!("table '{}': {message}", table.name), None);
        let able = side(table, self.offers).is_some_and(|(_, side)| side.replaces);
        if replaces && !able {
            return Err(wrong(format!(
                "connector '{}' cannot replace what a table holds: INSERT OVERWRITE and \
                 output-mode = complete are for jdbc and filesystem",
                table.connector()
            )));
        }
        let interval = self.settings.millis("execution.checkpointing.interval");
        let interval = interval.map_err(|e| wrong(e.to_string()))?;
        Ok(Some(WholeResult {
            every_ms: (!batch).then_some(interval),
            replaces,
            epoch_column: epoch_column(table).map_err(wrong)?,
            in_order: batch && append_only && stages(table, self.offers),
        }))
    }
}

fn epoch_column(table: &TableDef) -> Result<Option<usize>, String> {
    let Some(name) = table.options.get("brooklet.epoch-column") else { return Ok(None) };
    if !is_complete(table) {
        return Err("epoch-column needs output-mode = complete".into());
    }
    let schema = table.write_schema();
    let Ok(column) = schema.index_of(name) else {
        return Err(format!("epoch-column: there is no column '{name}' to write"));
    };
    match schema.field(column).data_type() {
        DataType::Int64 | DataType::Utf8 => Ok(Some(column)),
        _ => Err(format!("epoch-column: '{name}' must be a BIGINT or a STRING")),
    }
}

/// Files of a result roll when it is handed over, not before.
pub fn without_limits(staging: Staging) -> Staging {
    Staging { max_bytes: u64::MAX, max_age_ms: Millis::MAX, ..staging }
}

/// How the table's files are called.
pub fn file_names(
    table: &TableDef,
    extension: &str,
    settings: &Settings,
) -> brooklet_core::Result<FileNames> {
    let options = &table.options;
    let template = options.get("brooklet.path-template");
    if !options.bool("brooklet.single-file", false)? {
        let dot = if extension.is_empty() { "" } else { "." };
        let parts = || Ok(FileNames::Parts { extension: format!("{dot}{extension}") });
        return template.map_or_else(parts, |t| FileNames::template(t, &table.partitioned_by));
    }
    let wrong = |why: &str| Err(brooklet_core::Error::config(format!("single-file: {why}")));
    if template.is_some() || !table.partitioned_by.is_empty() {
        return wrong(
            "there is one file, which the path names: without path-template, PARTITIONED",
        );
    }
    if !settings.is_batch() && !is_complete(table) {
        return wrong("SET 'execution.runtime-mode' = 'batch' or output-mode = complete with it");
    }
    match options.required("path")?.ends_with('/') {
        true => wrong("the path must name a file, not a directory"),
        false => Ok(FileNames::Single),
    }
}
