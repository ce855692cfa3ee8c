//! Files of a sink: when they are finished, and when a partition of them is complete.

use brooklet_core::connector::{Format, find_format};
use brooklet_core::partition::DEFAULT_NAME;
use brooklet_core::schema::TableDef;
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::Settings;
use brooklet_plan::node::{CommitTrigger, FileNames, NamePart, PartitionCommit, Staging};
use brooklet_plan::partition_time::PartitionTime;

use super::sink::stages;
use super::whole::file_names;
use super::{Lowering, error};

/// What Flink and we take without the option.
const FILE_SIZE: u64 = 128 << 20;
const FILE_AGE_MS: Millis = 30 * 60_000;

impl Lowering<'_> {
    /// None for tables whose rows do not wait for a file.
    pub(super) fn staging(&self, table: &TableDef) -> datafusion::common::Result<Option<Staging>> {
        if !stages(table, self.offers) {
            return Ok(None);
        }
        let name = table.options.get("format").unwrap_or_default();
        let format = find_format(self.offers.formats, name);
        let staging = staging(table, format, self.settings);
        let wrong = |e: Error| error(format!("table '{}': {e}", table.name), None);
        staging.map(Some).map_err(wrong)
    }
}

fn staging(table: &TableDef, format: Option<&Format>, settings: &Settings) -> Result<Staging> {
    let options = &table.options;
    let write = table.write_schema();
    let place = |name: &String| write.index_of(name).ok();
    let interval_ms = settings.millis("execution.checkpointing.interval")?;
    let age = options.duration("sink.rolling-policy.rollover-interval")?;
    let max_age_ms = age.map_or(FILE_AGE_MS, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    let max_bytes = options.bytes("sink.rolling-policy.file-size")?.unwrap_or(FILE_SIZE);
    let writers = options.int("sink.parallelism")?.and_then(|w| u32::try_from(w).ok());
    let records = options.int("brooklet.rolling.records")?;
    let bulk = format.is_some_and(|f| f.encode_file.is_some());
    let names = file_names(table, format.map(|f| f.extension).unwrap_or_default(), settings)?;
    let staging = Staging {
        partition_columns: table.partitioned_by.iter().filter_map(place).collect(),
        max_bytes,
        max_age_ms: if bulk { interval_ms } else { max_age_ms },
        max_records: records.and_then(|r| u64::try_from(r).ok()),
        writers: writers.unwrap_or(1).max(1),
        default_partition: options.text("partition.default-name", DEFAULT_NAME),
        commit: commit(table, &names, interval_ms)?,
        names,
    };
    match options.bool("auto-compaction", false)? {
        false => Ok(staging),
        // The rows have not been written yet: to merge the writers is to have one.
        true => Ok(Staging {
            writers: 1,
            max_bytes: options.bytes("compaction.file-size")?.unwrap_or(max_bytes),
            max_age_ms: staging.max_age_ms.min(interval_ms),
            ..staging
        }),
    }
}

fn commit(
    table: &TableDef,
    names: &FileNames,
    interval_ms: Millis,
) -> Result<Option<PartitionCommit>> {
    let options = &table.options;
    if options.get("sink.partition-commit.policy.kind").is_none() {
        return Ok(None);
    }
    let in_name = |part: &NamePart| matches!(part, NamePart::Partition(_));
    if matches!(names, FileNames::Template(parts) if parts.iter().any(in_name)) {
        return Err(Error::config(
            "sink.partition-commit.policy.kind needs a directory of each partition, but \
             path-template names the PARTITIONED BY columns: leave one of them out",
        ));
    }
    let delay = options.duration("sink.partition-commit.delay")?.unwrap_or_default();
    let trigger = match options.get("sink.partition-commit.trigger") {
        Some("partition-time") => CommitTrigger::PartitionTime(PartitionTime::new(
            options.get("partition.time-extractor.timestamp-pattern"),
            options.get("partition.time-extractor.timestamp-formatter"),
            &options.text("sink.partition-commit.watermark-time-zone", "UTC"),
        )?),
        _ => CommitTrigger::ProcessTime,
    };
    Ok(Some(PartitionCommit {
        success_file: options.text("sink.partition-commit.success-file.name", "_SUCCESS"),
        trigger,
        delay_ms: i64::try_from(delay.as_millis()).unwrap_or(i64::MAX),
        interval_ms,
    }))
}
