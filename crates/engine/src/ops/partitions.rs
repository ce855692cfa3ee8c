//! Partitions of files that are not complete: which got rows, and when no more are expected.
//!
//! A partition waits from its first row until its trigger says that it is complete
//! (`sink.partition-commit.*`); rows that come later let it wait anew, as in Flink. Trigger and
//! rows come from the epochs' records alone, so a replay completes the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::datatypes::{DataType, Field};

use brooklet_core::Result;
use brooklet_core::partition::partition_values;
use brooklet_core::time::Millis;
use brooklet_plan::node::{CommitTrigger, PartitionCommit};

use super::stage::Moment;
use crate::column::ValueType;
use crate::table::Table;

const SINCE: usize = 0;
const LATE: usize = 1;

pub struct Partitions {
    /// None: nobody wants to know, and nothing is kept.
    commit: Option<PartitionCommit>,
    /// Directory → time of the first row that waits, whether it came to a complete partition.
    table: Table,
    /// The same; derived from the table.
    waiting: BTreeMap<String, Waiting>,
}

struct Waiting {
    group: u32,
    since: Millis,
    late: bool,
    /// None: the partition's values make no time.
    time: Option<Millis>,
}

impl Partitions {
    pub fn new(name: String, commit: Option<PartitionCommit>) -> Result<Self> {
        let key = vec![Arc::new(Field::new("partition", DataType::Utf8, false))];
        let table = Table::new(name, key, Vec::new(), &[ValueType::I64, ValueType::I64])?;
        Ok(Partitions { commit, table, waiting: BTreeMap::new() })
    }

    /// The partition got rows in this epoch.
    pub fn note(&mut self, partition: &str, moment: Moment) -> Result<()> {
        let Some(commit) = &self.commit else { return Ok(()) };
        if self.waiting.contains_key(partition) {
            return Ok(());
        }
        let time = time_of(commit, partition);
        if time.is_none() && matches!(commit.trigger, CommitTrigger::PartitionTime(_)) {
            tracing::warn!(
                "partition '{partition}' stands for no time (partition.time-extractor.*): it is \
                 not complete before the input ends"
            );
        }
        let late = has_passed(commit, time, moment.watermark_before);
        self.wait(partition, moment.now, late)
    }

    fn wait(&mut self, partition: &str, since: Millis, late: bool) -> Result<()> {
        let Some(commit) = &self.commit else { return Ok(()) };
        let time = time_of(commit, partition);
        let key: ArrayRef = Arc::new(StringArray::from(vec![partition]));
        let group = self.table.find_or_create(&[key], 1)?.groups[0];
        *self.table.columns[SINCE].i64_mut().get_mut(group) = since;
        *self.table.columns[LATE].i64_mut().get_mut(group) = late.into();
        self.table.touch(group);
        self.waiting.insert(partition.into(), Waiting { group, since, late, time });
        Ok(())
    }

    /// Partitions that are complete with this epoch: they no longer wait.
    pub fn complete(&mut self, moment: Moment) -> BTreeSet<String> {
        let Some(commit) = &self.commit else { return BTreeSet::new() };
        let is_complete = |waiting: &Waiting| {
            let by_clock = due(commit, waiting).is_none_or(|due| due <= moment.now);
            moment.end || (by_clock && has_passed(commit, waiting.time, moment.watermark))
        };
        let complete = self.waiting.extract_if(.., |_, waiting| is_complete(waiting));
        let complete: Vec<(String, Waiting)> = complete.collect();
        complete.iter().for_each(|(_, waiting)| self.table.remove(waiting.group));
        complete.into_iter().map(|(partition, _)| partition).collect()
    }

    /// The name of the file that says that a partition is complete.
    pub fn mark(&self, partition: &str) -> Option<String> {
        let commit = self.commit.as_ref()?;
        Some(format!("{partition}/{}", commit.success_file))
    }

    /// When the clock completes the next partition; None when none waits for it.
    pub fn next_due(&self) -> Option<Millis> {
        let commit = self.commit.as_ref()?;
        self.waiting.values().filter_map(|waiting| due(commit, waiting)).min()
    }

    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// Rebuilds what is derived from the table. `open` are the partitions of open files, each with
    /// the time of its first row: all of them wait, also those from before somebody asked.
    pub fn loaded<'a>(&mut self, open: impl Iterator<Item = (&'a String, Millis)>) -> Result<()> {
        self.waiting.clear();
        let groups = self.table.groups();
        let Some(commit) = &self.commit else {
            groups.into_iter().for_each(|group| self.table.remove(group));
            return Ok(());
        };
        let names = self.table.key_columns(&groups)?;
        let names = names[0].as_string::<i32>();
        for (i, group) in groups.into_iter().enumerate() {
            let since = *self.table.columns[SINCE].i64().get(group);
            let late = *self.table.columns[LATE].i64().get(group) == 1;
            let time = time_of(commit, names.value(i));
            self.waiting.insert(names.value(i).into(), Waiting { group, since, late, time });
        }
        for (partition, opened_at) in open {
            if !self.waiting.contains_key(partition) {
                self.wait(partition, opened_at, false)?;
            }
        }
        Ok(())
    }
}

fn time_of(commit: &PartitionCommit, partition: &str) -> Option<Millis> {
    let CommitTrigger::PartitionTime(time) = &commit.trigger else { return None };
    time.of(&partition_values(&format!("{partition}/"), ""))
}

/// Whether the watermark says that nothing more will come; always where it is not asked.
fn has_passed(commit: &PartitionCommit, time: Option<Millis>, watermark: Millis) -> bool {
    match commit.trigger {
        CommitTrigger::ProcessTime => true,
        CommitTrigger::PartitionTime(_) => {
            time.is_some_and(|time| watermark > time.saturating_add(commit.delay_ms))
        }
    }
}

/// When the clock may complete the partition; None: it has no say. Rows that come to a partition
/// that is complete wait for more of their kind.
fn due(commit: &PartitionCommit, waiting: &Waiting) -> Option<Millis> {
    let wait = match commit.trigger {
        CommitTrigger::ProcessTime => commit.delay_ms.max(commit.interval_ms),
        CommitTrigger::PartitionTime(_) if waiting.late => commit.interval_ms,
        CommitTrigger::PartitionTime(_) => return None,
    };
    Some(waiting.since.saturating_add(wait))
}

#[cfg(test)]
mod tests {
    use super::*;
    use brooklet_core::Epoch;

    fn new(wanted: bool) -> Partitions {
        let commit = PartitionCommit {
            success_file: "DONE".into(),
            trigger: CommitTrigger::ProcessTime,
            delay_ms: 0,
            interval_ms: 100,
        };
        Partitions::new("p".into(), wanted.then_some(commit)).unwrap()
    }

    /// As a restart does it with a changed SQL file.
    fn restarted(mut old: Partitions, wanted: bool, open: &[(String, Millis)]) -> Partitions {
        let mut restarted = new(wanted);
        std::mem::swap(&mut restarted.table, old.table());
        restarted.loaded(open.iter().map(|(p, at)| (p, *at))).unwrap();
        restarted
    }

    #[test]
    fn who_asks_later_is_told_of_open_files() {
        let mut without = new(false);
        without.note("k=1", Moment::at(Epoch(1), 0)).unwrap();
        assert_eq!(without.next_due(), None);
        let mut with = restarted(without, true, &[("k=1".into(), 10)]);
        assert_eq!(with.next_due(), Some(110));
        with.note("k=2", Moment::at(Epoch(2), 20)).unwrap();
        let mut with = restarted(with, true, &[("k=1".into(), 10)]);
        assert_eq!(with.complete(Moment::at(Epoch(3), 109)), [].into());
        assert_eq!(with.complete(Moment::at(Epoch(4), 110)), ["k=1".to_string()].into());
        assert_eq!(with.mark("k=1").unwrap(), "k=1/DONE");
        assert_eq!(with.next_due(), Some(120));
        let mut without = restarted(with, false, &[]);
        assert!(without.next_due().is_none() && without.table().is_empty());
    }
}
