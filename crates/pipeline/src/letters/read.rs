//! Reads a table of letters to its end, as the table's own connector and format do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, new_null_array,
};
use arrow::compute::kernels::cmp::eq;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Notify;

use brooklet_core::format::Decoder;
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::source::{Budget, Payload, Reading};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};
use brooklet_engine::run::{Connections, Resume, Waker};
use brooklet_plan::node::ScanSpec;

use super::{Letter, REJECTED};
use crate::compile::Compiled;
use crate::connect::Registry;
use crate::world::real;

/// Read in one go.
const BUDGET: Budget = Budget { max_rows: 8_192, max_bytes: 16 << 20 };
/// How long a service may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Gives every letter that the table holds now.
pub async fn table(
    table: &Arc<TableDef>,
    base: &Path,
    give: &mut (dyn FnMut(Letter) + Send),
) -> Result<()> {
    all(table, base, &mut |rows| letters(rows, give)).await
}

/// Gives the pipeline's rows in a table of those that a database refused.
pub async fn rejected(
    table: &Arc<TableDef>,
    compiled: &Compiled,
    give: &mut (dyn FnMut(Letter) + Send),
) -> Result<()> {
    let own = StringArray::new_scalar(compiled.name.as_str());
    let mut take = |rows: &RecordBatch| {
        let rows = filter_record_batch(rows, &eq(rows.column(0), &own)?)?;
        let kinds: ArrayRef = Arc::new(StringArray::from(vec![REJECTED; rows.num_rows()]));
        let names = ["source", "row", "reason", "set_aside_at"];
        let columns = names.into_iter().zip(rows.columns()[1..].iter().cloned());
        letters(&RecordBatch::try_from_iter(columns.chain([("kind", kinds)]))?, give)
    };
    all(table, &compiled.base, &mut take).await
}

/// In the order in which [`rejected`] reads its columns.
pub fn rejected_table(options: Options) -> TableDef {
    let column = |name: &str, ty: SqlType| ColumnDef {
        name: name.to_string(),
        ty,
        nullable: true,
        kind: ColumnKind::Physical,
        comment: None,
    };
    let texts = ["pipeline", "table_name", "row", "reason"].map(|n| column(n, SqlType::STRING));
    let at = column("rejected_at", SqlType::TimestampLtz(3));
    TableDef {
        name: options.text("table-name", ""),
        columns: texts.into_iter().chain([at]).collect(),
        watermark: None,
        primary_key: vec![],
        partitioned_by: vec![],
        options,
        comment: None,
    }
}

/// Gives the table's rows, batch by batch.
async fn all(
    table: &Arc<TableDef>,
    base: &Path,
    give: &mut (dyn FnMut(&RecordBatch) -> Result<()> + Send),
) -> Result<()> {
    let scan = scan(table);
    let registry = Registry {
        env: real(),
        base: base.to_path_buf(),
        on_rows: None,
        on_print: None,
        preview: false,
        on_row_error: String::new(),
    };
    if is_missing_directory(table, base) {
        return Ok(());
    }
    let arrived = Arc::new(Notify::new());
    let rung = arrived.clone();
    let waker: Waker = Arc::new(move || rung.notify_one());
    let mut source = registry.source(&scan, Resume::default(), waker).await?;
    let mut decoders = registry.decoders(&scan, 1)?;
    loop {
        let input = source.poll(BUDGET).await?;
        let nothing = input.is_empty();
        for split in input.splits {
            match split.payload {
                Payload::None => {}
                Payload::Rows(rows) => {
                    rows.iter().try_for_each(|rows| give(&rows.rows))?;
                }
                Payload::Raw(raw) => {
                    let decoder = decoders.first_mut();
                    let decoder: &mut Box<dyn Decoder> =
                        decoder.ok_or_else(|| Error::bug("records without a decoder"))?;
                    give(&decoder.decode(&raw, 0..raw.len()).rows.rows)?;
                }
            }
        }
        if input.ended {
            return Ok(());
        }
        if nothing {
            wait(&arrived).await?;
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "a service is waited for, outside any epoch")]
async fn wait(arrived: &Notify) -> Result<()> {
    let silent = |_| Error::outside(format!("nothing came for {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, arrived.notified()).await.map_err(silent)
}

/// Nothing was written yet.
fn is_missing_directory(table: &TableDef, base: &Path) -> bool {
    let path = table.options.get("path").unwrap_or_default();
    let path = path.strip_prefix("file://").unwrap_or(path);
    table.connector() == "filesystem" && !path.contains("://") && !base.join(path).exists()
}

/// The whole table as it is now, and no uncommitted record.
fn scan(table: &TableDef) -> ScanSpec {
    let mut table = table.clone();
    let options = &mut table.options.0;
    if options.get("connector").is_some_and(|c| c == "kafka") {
        options.retain(|key, _| !key.starts_with("scan."));
        options.remove("properties.group.id");
        for (key, value) in [
            ("scan.startup.mode", "earliest-offset"),
            ("scan.bounded.mode", "latest-offset"),
            ("properties.isolation.level", "read_committed"),
        ] {
            options.insert(key.into(), value.into());
        }
    }
    options.remove("source.monitor-interval");
    options.remove("brooklet.refresh-interval");
    let decode = table.write_schema();
    ScanSpec {
        table: Arc::new(table),
        decode,
        metadata: Vec::new(),
        exprs: Vec::new(),
        watermark: None,
        reading: Reading::Log,
    }
}

/// Rows as letters.
fn letters(rows: &RecordBatch, give: &mut (dyn FnMut(Letter) + Send)) -> Result<()> {
    let texts = |name: &str| column(rows, name, &DataType::Utf8);
    let moment = DataType::Timestamp(TimeUnit::Millisecond, None);
    let moments = |name: &str| -> Result<Int64Array> {
        let times = column(rows, name, &moment)?;
        Ok(cast(&times, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    };
    let [kind, source, partition, reason] =
        [texts("kind")?, texts("source")?, texts("partition")?, texts("reason")?];
    let [node, bytes, encoding, row] =
        [texts("node")?, texts("bytes")?, texts("encoding")?, texts("row")?];
    let (instance, offset) = (texts("instance")?, column(rows, "offset", &DataType::Int64)?);
    let replayable = column(rows, "replayable", &DataType::Boolean)?;
    let (timestamp, set_aside_at) = (moments("timestamp")?, moments("set_aside_at")?);
    let flags: &BooleanArray = replayable.as_boolean();
    let offsets = offset.as_primitive::<Int64Type>();
    let text = |of: &dyn Array, i: usize| {
        let of: &StringArray = of.as_string();
        of.is_valid(i).then(|| of.value(i).to_string())
    };
    let number = |of: &Int64Array, i: usize| of.is_valid(i).then(|| of.value(i));
    for i in 0..rows.num_rows() {
        let content = match (text(&bytes, i), text(&encoding, i).as_deref()) {
            (Some(content), Some("base64")) => STANDARD.decode(content).ok(),
            (content, _) => content.map(String::into_bytes),
        };
        give(Letter {
            kind: text(&kind, i).unwrap_or_default(),
            source: text(&source, i).unwrap_or_default(),
            partition: text(&partition, i),
            offset: number(offsets, i),
            timestamp: number(&timestamp, i),
            reason: text(&reason, i).unwrap_or_default(),
            node: text(&node, i),
            bytes: content,
            row: text(&row, i),
            replayable: flags.is_valid(i) && flags.value(i),
            set_aside_at: number(&set_aside_at, i),
            instance: text(&instance, i),
        });
    }
    Ok(())
}

/// NULL in every row where the table has no such column.
fn column(rows: &RecordBatch, name: &str, ty: &DataType) -> Result<ArrayRef> {
    match rows.column_by_name(name) {
        Some(column) => Ok(cast(column, ty)?),
        None => Ok(new_null_array(ty, rows.num_rows())),
    }
}
