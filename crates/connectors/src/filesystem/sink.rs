//! Whole files, put under names that a replay repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use brooklet_core::connector::{Accepts, Format, SinkSpec, find_format};
use brooklet_core::env::CrashPoint;
use brooklet_core::format::EncodeSpec;
use brooklet_core::partition::in_files;
use brooklet_core::schema::TableDef;
use brooklet_core::sink::{EpochOutput, RolledFile};
use brooklet_core::{Env, Epoch, Error, Instance, Result, Sink};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};

use super::options::format_name;
use super::store::{Store, blocking};

/// Requests under way at a time to an object store.
const UPLOADS: usize = 8;

/// One sink per table: files of different tables need not appear together, for a replay
/// completes them.
pub struct FileSink {
    table: Arc<TableDef>,
    format: &'static Format,
    spec: EncodeSpec,
    store: Store,
    instance: Instance,
    /// Local directories whose leftovers were removed.
    cleaned: BTreeSet<String>,
    env: Env,
}

pub async fn open(spec: SinkSpec) -> Result<Box<dyn Sink>> {
    let mut tables = spec.tables.into_iter();
    let (Some(table), None) = (tables.next(), tables.next()) else {
        return Err(Error::config(
            "two tables write to one path; give each filesystem table a path of its own",
        ));
    };
    let format = find(&table, spec.formats)?;
    if format.encoder.is_none() && format.encode_file.is_none() {
        return Err(Error::config(format!(
            "table '{}': format '{}' can only be read",
            table.name, format.name
        )));
    }
    let store = Store::open(table.options.required("path")?)?;
    if let (Some(end), false) = (spec.doubt, spec.fresh) {
        refuse_unknown(&store, &table, &spec.instance, end).await?;
    }
    let schema = in_files(&table.write_schema(), &table.partitioned_by);
    let encode = EncodeSpec { schema, options: table.options.clone() };
    Ok(Box::new(FileSink {
        format,
        spec: encode,
        store,
        instance: spec.instance,
        cleaned: BTreeSet::new(),
        env: spec.env,
        table,
    }))
}

/// Names are all that files tell of who wrote them: one of another instance where there is none of
/// ours, or one of an epoch that the journal does not know, means that the state was lost, and
/// going on would write rows a second time.
async fn refuse_unknown(
    store: &Store,
    table: &TableDef,
    instance: &Instance,
    end: Epoch,
) -> Result<()> {
    let files = store.list_written().await?;
    let written: Vec<(&str, Epoch)> = files.iter().filter_map(|f| written_by(&f.name)).collect();
    let (own, others): (Vec<_>, Vec<_>) = written.iter().partition(|(of, _)| *of == instance.0);
    let beyond = own.iter().map(|(_, epoch)| *epoch).max().filter(|epoch| *epoch > end);
    let what = match (beyond, others.first()) {
        (Some(epoch), _) => format!("a file of epoch {epoch}, but the journal ends at {end}"),
        (None, Some((of, _))) if own.is_empty() => format!("files of another instance ({of})"),
        _ => return Ok(()),
    };
    Err(Error::corrupt(format!(
        "table '{}': {} holds {what}: the state directory was lost or is not the one this \
         pipeline wrote with. Bring it back, or start with --fresh (new instance, empty state, \
         sources from scan.startup.mode; files already written stay)",
        table.name,
        table.options.required("path")?
    )))
}

/// Instance and epoch of `part-<instance>-<epoch>-<writer>-<n>`; None for other files.
fn written_by(name: &str) -> Option<(&str, Epoch)> {
    let own = name.rsplit('/').next()?.strip_prefix("part-")?;
    let parts: Vec<&str> = own.split('.').next()?.split('-').collect();
    let [instance, epoch, writer, number] = parts[..] else { return None };
    writer.parse::<u32>().ok()?;
    number.parse::<u32>().ok()?;
    Some((instance, Epoch(epoch.parse().ok()?)))
}

/// The table's format.
pub fn find(table: &TableDef, formats: &'static [Format]) -> Result<&'static Format> {
    let name = format_name(table)?;
    let format = find_format(formats, name).ok_or_else(|| {
        Error::config(format!("table '{}': there is no format '{name}'", table.name))
    })?;
    match format.registry {
        None => Ok(format),
        Some(_) => Err(Error::config(format!(
            "table '{}': format '{name}' is for records of Kafka, not for files",
            table.name
        ))),
    }
}

/// What the table's format, known only by name here, can express.
pub fn accepts(table: &TableDef) -> Accepts {
    match table.options.get("format") {
        Some("debezium-json") => Accepts::Changes,
        _ => Accepts::Inserts,
    }
}

#[async_trait::async_trait]
impl Sink for FileSink {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        Ok(None)
    }

    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        let tables = epochs.iter().flat_map(|e| &e.tables);
        if tables.clone().any(|t| t.changes.iter().any(|d| !d.is_empty())) {
            return Err(Error::bug(format!(
                "table '{}' takes whole files and was given single changes",
                self.table.name
            )));
        }
        let mut puts = Vec::new();
        for file in tables.clone().flat_map(|t| &t.files) {
            puts.push((file.clone(), self.is_new_directory(&file.name)));
        }
        // Local files go one by one: removing leftovers must not meet a file being written.
        let at_once = if matches!(self.store, Store::Local(_)) { 1 } else { UPLOADS };
        let this = &*self;
        let each = puts.into_iter().map(|(file, clean)| this.put(file, clean));
        stream::iter(each).buffer_unordered(at_once).try_collect::<()>().await?;
        self.clear(epochs).await?;
        // Whoever sees a mark finds all files.
        let marks: BTreeSet<&String> = tables.flat_map(|t| &t.marks).collect();
        for name in marks {
            self.env.at(CrashPoint::MidUpload)?;
            let own = name.rsplit_once('/').map_or(name.as_str(), |(_, own)| own);
            self.store.put(name, Bytes::new(), Some(own), &self.env).await?;
        }
        Ok(())
    }
}

impl FileSink {
    /// Deletes what results have replaced: the whole table, or the partitions that were written.
    /// Files cannot be exchanged at once: for a moment readers see both.
    async fn clear(&self, epochs: &[EpochOutput]) -> Result<()> {
        let replaced = replaced(epochs, self.table.partitioned_by.len());
        if replaced.is_empty() {
            return Ok(());
        }
        for file in self.store.list_written().await? {
            let place = partition_of(&file.name, self.table.partitioned_by.len());
            if replaced.get(place).is_some_and(|kept| !kept.contains(file.name.as_str())) {
                self.store.delete(&file.name).await?;
            }
        }
        Ok(())
    }

    fn is_new_directory(&mut self, name: &str) -> bool {
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        !self.cleaned.contains(directory) && self.cleaned.insert(directory.to_string())
    }

    async fn put(&self, file: RolledFile, clean: bool) -> Result<()> {
        self.env.at(CrashPoint::MidUpload)?;
        let (format, spec, name) = (self.format, self.spec.clone(), file.name.clone());
        // Encoding is work for the processor, which the I/O runtime's threads must not do.
        let content = blocking(move || encode(format, &spec, &file)).await?;
        let clean = clean.then_some(self.instance.0.as_str());
        self.store.put(&name, content, clean, &self.env).await
    }
}

/// Partitions whose content was replaced, each with the files that hold it now.
fn replaced(epochs: &[EpochOutput], depth: usize) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut replaced: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for table in epochs.iter().flat_map(|e| &e.tables) {
        if table.replaces {
            let written = table.files.iter().map(|file| partition_of(&file.name, depth));
            let all = (depth == 0).then_some("");
            written.chain(all).for_each(|place| _ = replaced.insert(place, BTreeSet::new()));
        }
        for file in &table.files {
            if let Some(kept) = replaced.get_mut(partition_of(&file.name, depth)) {
                kept.insert(&file.name);
            }
        }
    }
    replaced
}

/// The directory of a file's partition: as many components as there are partition columns.
fn partition_of(name: &str, depth: usize) -> &str {
    let end = name.match_indices('/').nth(depth.wrapping_sub(1)).map_or(0, |(at, _)| at);
    &name[..end]
}

/// The bytes of a file.
fn encode(format: &Format, spec: &EncodeSpec, file: &RolledFile) -> Result<Bytes> {
    if let Some(encode_file) = format.encode_file {
        return encode_file(spec, &file.rows);
    }
    let new = format.encoder.ok_or_else(|| Error::bug("a format that writes nothing"))?;
    let mut encoder = new(spec)?;
    let mut content = Vec::new();
    for rows in &file.rows {
        let records = encoder.encode(rows)?;
        content.reserve(records.bytes.len() + records.ends.len());
        for record in records.iter() {
            content.extend_from_slice(record);
            content.push(b'\n');
        }
    }
    Ok(content.into())
}
