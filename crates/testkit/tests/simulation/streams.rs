//! `tests/streams/*.stream`: a query, its input with an explicit time axis, and what comes out.
//!
//! SQL first, its tables with 'connector' = 'memory'. Then epochs, each headed by the clock and
//! made of what arrives until then, and after `=` the net changes that it made visible:
//!
//! ```text
//! ---- 00:00:05
//! clicks/0 {"k": 1, "ts": "2024-01-01 00:00:04"}
//! =
//! counts +1 {"k":1,"n":1}
//! ```
//!
//! `clicks/0` is a split; `clicks/0 KEY => VALUE` gives a record a key, and without a VALUE it has
//! none; `clicks/0 deleted` takes the split away. Of a filesystem table a line tells of each file,
//! with its rows, and of each mark that a partition is complete. Of a table that is looked up the
//! records are its rows. The clock starts at 2024-01-01 00:00:00 UTC.
//! `---- end` closes all inputs; `---- kill` ends the process and starts another, which must not
//! show anything again.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;

use brooklet_core::connector::{SinkSpec as OpenSink, find_format};
use brooklet_core::format::{DecodeSpec, Decoder, EncodeSpec};
use brooklet_core::lookup::{Answers, find};
use brooklet_core::raw::RawBatch;
use brooklet_core::sink::{EpochOutput, RolledFile};
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::{Delta, Env, Epoch, Error, Instance, Lookup, Result, Sink, Source};
use brooklet_engine::ops::rows::consolidate;
use brooklet_engine::run::committer::Outgoing;
use brooklet_engine::run::reader::Read;
use brooklet_engine::run::start::{self, Ready, Start};
use brooklet_engine::run::status::Status;
use brooklet_engine::run::{Connections, Resume, RunConfig, Waker};
use brooklet_formats::FORMATS;
use brooklet_pipeline::compile::SqlFile;
use brooklet_plan::StreamPlan;
use brooklet_plan::node::{LookupSpec, ScanSpec, SinkSpec};

use crate::asked::Asked;
use crate::store::SimStore;
use crate::world::{Clock, SimWorld, lock};

/// 2024-01-01 00:00:00 UTC.
const BASE_MS: i64 = 1_704_067_200_000;

#[test]
fn streams() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/streams");
    let files = std::fs::read_dir(&folder).expect("tests/streams is there");
    let mut files: Vec<PathBuf> = files.map(|f| f.expect("readable").path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a stream can be read");
        let name = file.file_name().expect("a file has a name").to_string_lossy().into_owned();
        for shards in [1, 3] {
            match runtime.block_on(run(&text, shards)) {
                Ok(found) if found == text => println!("{name} on {shards} shards: as it says"),
                Ok(found) => wrong.push(format!("{name} on {shards} shards gives\n{found}")),
                Err(e) => wrong.push(format!("{name} on {shards} shards: {e}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The file's text with what came out in place of what it expects.
async fn run(text: &str, shards: u32) -> Result<String> {
    let (sql, epochs) = text.split_once("\n---- ").unwrap_or((text, ""));
    let file = SqlFile { text: sql.to_string(), name: "test.stream".into() };
    let plan = brooklet_pipeline::compile(&[file], &|_| None)?.plan;
    let mut stream = Stream {
        plan,
        clock: Clock::new(BASE_MS),
        store: SimStore::new(1),
        tables: Tables::default(),
        shards,
    };
    let mut process = stream.start().await?;
    let mut found = format!("{sql}\n");
    for epoch in epochs.split("\n---- ").filter(|e| !e.is_empty()) {
        let mut lines = epoch.lines();
        let head = lines.next().unwrap_or_default();
        let _ = writeln!(found, "---- {head}");
        match head {
            "kill" => {
                process = stream.start().await?;
                stream.tables.show(&mut found)?;
                continue;
            }
            "end" => lock(&stream.tables.0).ended = true,
            time => stream.clock.advance(BASE_MS + millis(time)? - stream.clock.now()),
        }
        for line in lines.take_while(|line| *line != "=") {
            stream.tables.push(line)?;
            let _ = writeln!(found, "{line}");
        }
        found.push_str("=\n");
        let read = process.reader.poll(true).await?.ok_or_else(|| Error::bug("no epoch"))?;
        let outgoing = computed(&mut process, read)?;
        process.committer.commit(vec![outgoing]).await?;
        stream.tables.show(&mut found)?;
    }
    Ok(found)
}

/// What an epoch gives, with the answers to what it asks.
fn computed(process: &mut Ready, read: Read) -> Result<Outgoing> {
    let mut outside = Asked::new(std::mem::take(&mut process.lookups));
    let (mut outgoing, _) = start::compute(&mut process.compute, read, &mut outside)?;
    outgoing.record.answers = outside.answers;
    process.lookups = outside.lookups;
    Ok(outgoing)
}

/// `HH:MM:SS` or `HH:MM:SS.mmm` after the base.
fn millis(time: &str) -> Result<i64> {
    let wrong = || Error::config(format!("'{time}' is not HH:MM:SS"));
    let (whole, millis) = time.split_once('.').unwrap_or((time, "0"));
    let parts: Vec<i64> = whole.split(':').filter_map(|p| p.parse().ok()).collect();
    let [hours, minutes, seconds] = parts[..] else { return Err(wrong()) };
    let millis: i64 = millis.parse().map_err(|_| wrong())?;
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1000 + millis)
}

struct Stream {
    plan: StreamPlan,
    clock: Clock,
    store: SimStore,
    tables: Tables,
    shards: u32,
}

impl Stream {
    async fn start(&mut self) -> Result<Ready> {
        let config = RunConfig {
            pipeline: "stream".into(),
            shards: self.shards,
            max_rows: 100_000,
            max_bytes: 1 << 30,
            epoch_interval_ms: 0,
            snapshot_interval_ms: 0,
            retained: 1,
            memory_limit_bytes: 0,
            start_timeout_ms: 0,
            fresh: false,
            agreed: Default::default(),
        };
        start::start(Start {
            plan: self.plan.clone(),
            config,
            store: Arc::new(self.store.clone()),
            connections: Arc::new(self.tables.clone()),
            row_text: None,
            env: Env::new(SimWorld::new(self.clock.clone(), 1, None)),
            status: Status::default(),
        })
        .await
    }
}

/// Both ends of a pipeline.
#[derive(Default, Clone)]
struct Tables(Arc<Mutex<Content>>);

#[derive(Default)]
struct Content {
    /// Records by table and split.
    logs: BTreeMap<String, BTreeMap<SplitId, Vec<String>>>,
    ended: bool,
    /// What the last epoch of each domain was.
    held: BTreeMap<String, (Instance, Epoch)>,
    /// Lines not shown yet.
    shown: Vec<String>,
}

impl Tables {
    /// `table/split record`.
    fn push(&self, line: &str) -> Result<()> {
        let wrong = || Error::config(format!("'{line}' is not TABLE/SPLIT RECORD"));
        let (place, record) = line.split_once(' ').ok_or_else(wrong)?;
        let (table, split) = place.split_once('/').ok_or_else(wrong)?;
        let split = SplitId(format!("{table}-{split}").into());
        let mut content = lock(&self.0);
        let log = content.logs.entry(table.to_string()).or_default();
        match record {
            "deleted" => _ = log.remove(&split),
            record => log.entry(split).or_default().push(record.to_string()),
        }
        Ok(())
    }

    fn show(&self, text: &mut String) -> Result<()> {
        let mut lines = std::mem::take(&mut lock(&self.0).shown);
        lines.sort();
        lines
            .into_iter()
            .try_for_each(|line| writeln!(text, "{line}"))
            .map_err(|e| Error::bug("text can be written").caused_by(e))
    }
}

#[async_trait]
impl Connections for Tables {
    async fn source(&self, scan: &ScanSpec, at: Resume, _waker: Waker) -> Result<Box<dyn Source>> {
        let known = at.positions.unwrap_or_default().into_iter().map(|p| (p.split, p.offset));
        let table = scan.table.name.clone();
        Ok(Box::new(Reading { tables: self.clone(), table, positions: known.collect() }))
    }

    async fn sink(&self, spec: &SinkSpec, open: OpenSink) -> Result<Box<dyn Sink>> {
        let tables = open.tables.iter().map(|t| (t.name.clone(), t.write_schema())).collect();
        let (domain, instance) = (spec.domain.clone(), open.instance);
        Ok(Box::new(Writing { tables: self.clone(), domain, instance, schemas: tables }))
    }

    async fn lookup(&self, spec: &LookupSpec) -> Result<Box<dyn Lookup>> {
        Ok(Box::new(LookedUp { tables: self.clone(), spec: spec.clone() }))
    }

    fn decoders(&self, scan: &ScanSpec, count: usize) -> Result<Vec<Box<dyn Decoder>>> {
        if scan.table.options.get("key.format").is_some() {
            return brooklet_pipeline::decode::decoders(scan, count);
        }
        let spec = DecodeSpec::new(scan.decode.clone(), scan.table.options.clone());
        let json = find_format(FORMATS, "json").and_then(|f| f.decoder);
        let json = json.ok_or_else(|| Error::bug("json decodes"))?;
        (0..count.max(1)).map(|_| json(&spec)).collect()
    }
}

/// A table whose records are its rows.
struct LookedUp {
    tables: Tables,
    spec: LookupSpec,
}

#[async_trait]
impl Lookup for LookedUp {
    async fn ask(&mut self, keys: &RecordBatch) -> Result<Answers> {
        let records: Vec<String> = {
            let content = lock(&self.tables.0);
            let log = content.logs.get(&self.spec.table.name);
            log.into_iter().flat_map(|log| log.values().flatten().cloned()).collect()
        };
        let json = find_format(FORMATS, "json").and_then(|f| f.decoder);
        let json = json.ok_or_else(|| Error::bug("json decodes"))?;
        let schema = self.spec.table.read_schema();
        let mut decoder = json(&DecodeSpec::new(schema, self.spec.table.options.clone()))?;
        let decoded = decoder.decode(&batch(0, &records), 0..records.len());
        find(&[decoded.rows.rows], keys, &self.spec.columns)
    }
}

struct Reading {
    tables: Tables,
    table: String,
    positions: BTreeMap<SplitId, i64>,
}

impl Reading {
    fn range(&mut self, split: &SplitId, from: i64, to: i64) -> SplitInput {
        let content = lock(&self.tables.0);
        let records = &content.logs[&self.table][split][from as usize..to as usize];
        let payload = match records {
            [] => Payload::None,
            records => Payload::Raw(batch(from, records)),
        };
        self.positions.insert(split.clone(), to);
        let range = SplitRange { split: split.clone(), from, to };
        SplitInput { range, payload, caught_up: true }
    }
}

/// The records from an offset on.
fn batch(from: i64, records: &[String]) -> RawBatch {
    let (mut values, mut keys) = (Vec::new(), Vec::new());
    let (mut ranges, mut key_ranges, mut nulls) = (Vec::new(), Vec::new(), Vec::new());
    for (i, record) in records.iter().enumerate() {
        let (key, value) = match record.split_once(" =>") {
            Some((key, value)) => (Some(key), value.trim()),
            None => (None, record.as_str()),
        };
        ranges.push((values.len()..values.len() + value.len(), from + i as i64));
        values.extend(value.as_bytes());
        nulls.extend((key.is_some() && value.is_empty()).then_some(i));
        key_ranges.push(key.map(|key| keys.len()..keys.len() + key.len()));
        keys.extend(key.unwrap_or_default().as_bytes());
    }
    RawBatch::from_buffer(Bytes::from(values), &ranges)
        .with_nulls(&nulls)
        .with_keys(Bytes::from(keys), &key_ranges)
}

#[async_trait]
impl Source for Reading {
    async fn poll(&mut self, _: Budget) -> Result<Input> {
        let (lengths, ended) = {
            let content = lock(&self.tables.0);
            let log = content.logs.get(&self.table).cloned().unwrap_or_default();
            let lengths: Vec<_> = log.into_iter().map(|(s, r)| (s, r.len() as i64)).collect();
            (lengths, content.ended)
        };
        let mut splits = Vec::new();
        for (split, to) in lengths {
            let from = self.positions.get(&split).copied().unwrap_or(0);
            splits.push(self.range(&split, from, to));
        }
        Ok(Input { splits, ended })
    }
    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        let splits = ranges.iter().map(|r| self.range(&r.split, r.from, r.to)).collect();
        Ok(Input { splits, ended: false })
    }
    async fn release(&mut self, _: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}

struct Writing {
    tables: Tables,
    domain: String,
    instance: Instance,
    schemas: Vec<(String, arrow::datatypes::SchemaRef)>,
}

#[async_trait]
impl Sink for Writing {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        Ok(lock(&self.tables.0).held.get(&self.domain).cloned())
    }
    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        let held = self.committed().await?.map_or(Epoch(0), |(_, epoch)| epoch);
        for output in epochs.iter().filter(|e| e.epoch > held) {
            for ((name, schema), table) in self.schemas.iter().zip(&output.tables) {
                let lines = lines(name, schema, &table.changes)?;
                let files: Result<Vec<String>> =
                    table.files.iter().map(|f| file_line(name, f, &self.instance)).collect();
                let marks = table.marks.iter().map(|mark| format!("{name} mark {mark}"));
                let shown = &mut lock(&self.tables.0).shown;
                shown.extend(lines.into_iter().chain(files?).chain(marks));
            }
            let held = (self.instance.clone(), output.epoch);
            lock(&self.tables.0).held.insert(self.domain.clone(), held);
        }
        Ok(())
    }
}

/// `table file NAME: ROWS`, where the name has no instance.
fn file_line(table: &str, file: &RolledFile, instance: &Instance) -> Result<String> {
    let name = file.name.replace(&format!("{instance}-"), "");
    let mut line = format!("{table} file {name}:");
    for rows in &file.rows {
        for row in lines("", &rows.rows.schema(), std::slice::from_ref(rows))? {
            line.push_str(&row.replacen(" +1 ", " ", 1));
        }
    }
    Ok(line)
}

/// `table +1 {…}` for each net change.
fn lines(
    table: &str,
    schema: &arrow::datatypes::SchemaRef,
    changes: &[Delta],
) -> Result<Vec<String>> {
    let Some(net) = consolidate(schema, changes)? else { return Ok(Vec::new()) };
    let spec = EncodeSpec { schema: schema.clone(), options: Default::default() };
    let json = find_format(FORMATS, "json").and_then(|f| f.encoder);
    let mut json = json.ok_or_else(|| Error::bug("json encodes"))?(&spec)?;
    let records = json.encode(&Delta::inserts(net.rows.clone()))?;
    let weights = (0..net.len()).map(|row| net.weight(row));
    let line = |(record, weight): (&[u8], i64)| {
        format!("{table} {weight:+} {}", String::from_utf8_lossy(record).trim_end())
    };
    Ok(records.iter().zip(weights).map(line).collect())
}
