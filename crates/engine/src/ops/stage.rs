//! Rows that wait until their file is full: the state of a sink that writes files.
//!
//! Each open file is a (partition, writer) whose rows stand in a table, one entry per epoch that
//! added some, as Arrow IPC. A file rolls in the epoch that fills it, ages it, or ends the input;
//! its name and content are a function of the journal alone, so a replay writes the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, StringArray};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef};

use brooklet_core::hash::{SLOTS, hash_rows, slot};
use brooklet_core::partition::partition_path_named;
use brooklet_core::sink::{RolledFile, TableOutput};
use brooklet_core::time::{Millis, WATERMARK_MIN};
use brooklet_core::{Delta, Epoch, Error, Instance, Result};
use brooklet_plan::node::Staging;

use super::file_name::Rolled;
use super::map::batch;
use super::partitions::Partitions;
use crate::column::ValueType;
use crate::ipc;
use crate::table::Table;

const CONTENT: usize = 0;
const ROWS: usize = 1;
const OPENED: usize = 2;

pub struct Stage {
    spec: Staging,
    /// What a file holds: the table's columns without those of the partition.
    file_schema: SchemaRef,
    file_columns: Vec<usize>,
    table_schema: SchemaRef,
    instance: Instance,
    /// (partition, writer, number of the entry) → content, rows, opened at.
    table: Table,
    open: BTreeMap<FileKey, Open>,
    partitions: Partitions,
}

/// Partition directory and writer.
type FileKey = (String, i32);

/// Derived from the table.
struct Open {
    groups: Vec<u32>,
    next: i64,
    rows: u64,
    bytes: u64,
    opened_at: Millis,
}

/// The moment files are judged by.
#[derive(Clone, Copy)]
pub struct Moment {
    pub epoch: Epoch,
    pub now: Millis,
    /// All inputs have ended: everything rolls.
    pub end: bool,
    /// After the epoch's input, and before it.
    pub watermark: Millis,
    pub watermark_before: Millis,
}

impl Moment {
    /// Without watermarks, the input going on.
    pub fn at(epoch: Epoch, now: Millis) -> Self {
        let (watermark, watermark_before) = (WATERMARK_MIN, WATERMARK_MIN);
        Moment { epoch, now, end: false, watermark, watermark_before }
    }
}

/// The directories of rows: each once, and for every row which of them is its own.
struct Partitioned {
    paths: Vec<String>,
    of_rows: Vec<u32>,
}

impl Stage {
    /// `table_schema` is the sink table's; `name` is unique among the tables of its node.
    pub fn new(
        name: &str,
        spec: Staging,
        table_schema: SchemaRef,
        instance: Instance,
    ) -> Result<Self> {
        let all = 0..table_schema.fields().len();
        let file_columns: Vec<usize> =
            all.filter(|c| !spec.partition_columns.contains(c)).collect();
        let fields: Vec<Arc<Field>> =
            file_columns.iter().map(|c| table_schema.fields()[*c].clone()).collect();
        let key = |name: &str, ty| Arc::new(Field::new(name, ty, false));
        let keys = vec![
            key("partition", DataType::Utf8),
            key("writer", DataType::Int32),
            key("entry", DataType::Int64),
        ];
        let values = [ValueType::Bytes, ValueType::I64, ValueType::I64];
        Ok(Stage {
            partitions: Partitions::new(format!("{name}.partitions"), spec.commit.clone())?,
            spec,
            file_schema: Arc::new(Schema::new(fields)),
            file_columns,
            table_schema,
            instance,
            table: Table::new(name, keys, Vec::new(), &values)?,
            open: BTreeMap::new(),
        })
    }

    /// Adds an epoch's rows (the table's columns, in arrival order); gives the files that roll in
    /// it, and the marks of partitions that are complete with them.
    pub fn step(&mut self, moment: Moment, rows: &[Delta]) -> Result<TableOutput> {
        let mut files = Vec::new();
        let mut numbers: BTreeMap<FileKey, u32> = BTreeMap::new();
        for rows in rows.iter().filter(|d| !d.is_empty()) {
            for (key, rows) in self.deal(rows)? {
                self.partitions.note(&key.0, moment)?;
                self.add(moment, &key, rows, &mut files, &mut numbers)?;
            }
        }
        let complete = self.partitions.complete(moment);
        let due: Vec<FileKey> = self
            .open
            .iter()
            .filter(|(key, open)| {
                moment.end || complete.contains(&key.0) || self.is_due(open, moment.now)
            })
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.roll(moment, &key, &mut files, &mut numbers)?;
        }
        let marks = complete.iter().filter_map(|p| self.partitions.mark(p)).collect();
        Ok(TableOutput { files, marks, ..TableOutput::default() })
    }

    fn is_due(&self, open: &Open, now: Millis) -> bool {
        open.bytes >= self.spec.max_bytes
            || now - open.opened_at >= self.spec.max_age_ms
            || self.spec.max_records.is_some_and(|max| open.rows >= max)
    }

    /// The rows of each open file, without partition columns.
    fn deal(&self, rows: &Delta) -> Result<Vec<(FileKey, Delta)>> {
        let Partitioned { paths, of_rows } = self.partitioned(rows)?;
        let writers = self.writers(rows)?;
        let columns: Vec<ArrayRef> =
            self.file_columns.iter().map(|c| rows.column(*c).clone()).collect();
        let content = rows.with_rows(batch(&self.file_schema, columns, rows.len())?);
        let mut by_file: BTreeMap<(u32, i32), Vec<u32>> = BTreeMap::new();
        for (row, partition) in of_rows.into_iter().enumerate() {
            let writer = writers.as_ref().map_or(0, |w| w[row]);
            by_file.entry((partition, writer)).or_default().push(row as u32);
        }
        let each = by_file.into_iter().map(|((partition, writer), indices)| {
            let part = match indices.len() == rows.len() {
                true => content.clone(),
                false => content.take(&indices)?,
            };
            Ok(((paths[partition as usize].clone(), writer), part))
        });
        let mut dealt = each.collect::<Result<Vec<(FileKey, Delta)>>>()?;
        dealt.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(dealt)
    }

    /// Rows that follow each other are mostly of one partition.
    fn partitioned(&self, rows: &Delta) -> Result<Partitioned> {
        let mut texts: Vec<(&str, StringArray)> = Vec::new();
        for column in &self.spec.partition_columns {
            let text = compute::cast(rows.column(*column), &DataType::Utf8)?;
            let name = self.table_schema.field(*column).name();
            texts.push((name, text.as_string::<i32>().clone()));
        }
        let value = |a: &StringArray, row: usize| a.is_valid(row).then(|| a.value(row).to_string());
        let as_before = |row: usize| {
            let same = |a: &StringArray| {
                let text = |row: usize| a.is_valid(row).then(|| a.value(row));
                text(row) == text(row - 1)
            };
            row > 0 && texts.iter().all(|(_, a)| same(a))
        };
        let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
        let mut found = Partitioned { paths: Vec::new(), of_rows: Vec::with_capacity(rows.len()) };
        for row in 0..rows.len() {
            let number = match found.of_rows.last() {
                Some(last) if as_before(row) => *last,
                _ => {
                    let parts = texts.iter().map(|(name, a)| (*name, value(a, row)));
                    let parts: Vec<(&str, Option<String>)> = parts.collect();
                    let path = match parts.is_empty() {
                        true => String::new(),
                        false => partition_path_named(&parts, &self.spec.default_partition),
                    };
                    *numbers.entry(path).or_insert_with_key(|path| {
                        found.paths.push(path.clone());
                        found.paths.len() as u32 - 1
                    })
                }
            };
            found.of_rows.push(number);
        }
        Ok(found)
    }

    /// Fixed key-slot ranges over the whole row, independent of the number of shards.
    fn writers(&self, rows: &Delta) -> Result<Option<Vec<i32>>> {
        if self.spec.writers <= 1 {
            return Ok(None);
        }
        let hashes = hash_rows(rows.rows.columns(), rows.len())?;
        let writer = |hash: &u64| (slot(*hash) * self.spec.writers / SLOTS) as i32;
        Ok(Some(hashes.iter().map(writer).collect()))
    }

    fn add(
        &mut self,
        moment: Moment,
        key: &FileKey,
        rows: Delta,
        files: &mut Vec<RolledFile>,
        numbers: &mut BTreeMap<FileKey, u32>,
    ) -> Result<()> {
        let mut from = 0;
        while from < rows.len() {
            let held = self.open.get(key).map_or(0, |open| open.rows);
            let room =
                self.spec.max_records.map_or(u64::MAX, |max| max.saturating_sub(held).max(1));
            let take = (rows.len() - from).min(usize::try_from(room).unwrap_or(usize::MAX));
            self.put(moment, key, &slice(&rows, from, take))?;
            from += take;
            let full = |open: &Open| self.spec.max_records.is_some_and(|max| open.rows >= max);
            if self.open.get(key).is_some_and(full) {
                self.roll(moment, key, files, numbers)?;
            }
        }
        Ok(())
    }

    fn put(&mut self, moment: Moment, key: &FileKey, rows: &Delta) -> Result<()> {
        let content = ipc::write(rows)?;
        let open = self.open.entry(key.clone()).or_insert_with(|| Open {
            groups: Vec::new(),
            next: 0,
            rows: 0,
            bytes: 0,
            opened_at: moment.now,
        });
        let entry: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from(vec![key.0.as_str()])),
            Arc::new(Int32Array::from(vec![key.1])),
            Arc::new(Int64Array::from(vec![open.next])),
        ];
        let group = self.table.find_or_create(&entry, 1)?.groups[0];
        self.table.set_blob(CONTENT, group, Some(&content));
        *self.table.columns[ROWS].i64_mut().get_mut(group) = rows.len() as i64;
        *self.table.columns[OPENED].i64_mut().get_mut(group) = open.opened_at;
        self.table.touch(group);
        open.groups.push(group);
        open.next += 1;
        open.rows += rows.len() as u64;
        open.bytes += content.len() as u64;
        Ok(())
    }

    fn roll(
        &mut self,
        moment: Moment,
        key: &FileKey,
        files: &mut Vec<RolledFile>,
        numbers: &mut BTreeMap<FileKey, u32>,
    ) -> Result<()> {
        let Some(open) = self.open.remove(key) else { return Ok(()) };
        let mut rows = Vec::with_capacity(open.groups.len());
        for group in &open.groups {
            let content = self.table.columns[CONTENT].blobs().get(*group).clone();
            let content = content.ok_or_else(|| Error::corrupt("an open file lost an entry"))?;
            rows.extend(ipc::read(&content, &self.file_schema, "the rows of an open file")?);
            self.table.set_blob(CONTENT, *group, None);
            self.table.remove(*group);
        }
        let number = numbers.entry(key.clone()).or_default();
        let (partition, writer) = key;
        let rolled = Rolled {
            instance: &self.instance,
            moment,
            partition,
            writer: *writer,
            number: *number,
        };
        let name = rolled.name(&self.spec.names);
        *number += 1;
        files.push(RolledFile { name, rows });
        Ok(())
    }

    /// When the oldest open file is due by its age, or a partition by the clock; None when
    /// nothing waits for it.
    pub fn next_roll(&self) -> Option<Millis> {
        let oldest = self.open.values().map(|open| open.opened_at).min();
        let roll = oldest.map(|at| at.saturating_add(self.spec.max_age_ms));
        roll.into_iter().chain(self.partitions.next_due()).min()
    }

    pub fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table, self.partitions.table()]
    }

    /// Rebuilds the open files and partitions from the tables.
    pub fn loaded(&mut self) -> Result<()> {
        self.open.clear();
        let groups = self.table.groups();
        let keys = self.table.key_columns(&groups)?;
        let partitions = keys[0].as_string::<i32>();
        let writers = keys[1].as_primitive::<Int32Type>();
        let entries = keys[2].as_primitive::<Int64Type>();
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by_key(|i| (partitions.value(*i), writers.value(*i), entries.value(*i)));
        for i in order {
            let key = (partitions.value(i).to_string(), writers.value(i));
            let content = self.table.columns[CONTENT].blobs().get(groups[i]);
            let bytes = content.as_ref().map_or(0, |c| c.len() as u64);
            let opened_at = *self.table.columns[OPENED].i64().get(groups[i]);
            let open = self.open.entry(key).or_insert_with(|| Open {
                groups: Vec::new(),
                next: 0,
                rows: 0,
                bytes: 0,
                opened_at,
            });
            open.groups.push(groups[i]);
            open.next = entries.value(i) + 1;
            open.rows += *self.table.columns[ROWS].i64().get(groups[i]) as u64;
            open.bytes += bytes;
        }
        let open = self.open.iter().map(|((partition, _), open)| (partition, open.opened_at));
        self.partitions.loaded(open)
    }
}

fn slice(rows: &Delta, from: usize, len: usize) -> Delta {
    let weights = match &rows.weights {
        brooklet_core::Weights::Ones => brooklet_core::Weights::Ones,
        brooklet_core::Weights::Each(w) => {
            brooklet_core::Weights::Each(w[from..from + len].to_vec())
        }
    };
    Delta { rows: rows.rows.slice(from, len), weights }
}
