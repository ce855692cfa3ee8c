//! Epochs as transactions: rows and the marker that names their epoch, all or nothing (I3).
//!
//! One producer for all tables of a cluster; its transactional id is the instance and the
//! domain. Opening it fences the process before and ends that one's transaction, so that the
//! marker read afterwards is what the cluster holds. It is then written once more with our
//! generation: a process of an older one that wakes up finds that it is not the owner.

use std::sync::Arc;

use brooklet_core::connector::SinkSpec;
use brooklet_core::env::CrashPoint;
use brooklet_core::hash::hash_bytes;
use brooklet_core::schema::TableDef;
use brooklet_core::sink::EpochOutput;
use brooklet_core::{Env, Epoch, Error, Instance, Result, Sink};
use rdkafka::ClientConfig;

use super::marker::{self, Marker, New, Purpose};
use super::source::blocking;
use super::topics::{self, topic};
use super::transaction::{Record, Session};
use super::writer::{Encoded, Partitioner, Writer};
use super::{options, properties};

/// The cluster, as the table names it.
pub fn domain(table: &TableDef) -> String {
    let servers = table.options.get("properties.bootstrap.servers").unwrap_or_default();
    let mut each: Vec<&str> = servers.split(',').map(str::trim).collect();
    each.sort_unstable();
    format!("kafka {}", each.join(","))
}

struct KafkaSink {
    held: Option<(Instance, Epoch)>,
    /// None while a commit is under way.
    work: Option<Work>,
}

/// What a commit needs, on a thread that may block.
struct Work {
    access: Arc<Access>,
    writers: Vec<Writer>,
    /// Partitions of each table's topic.
    partitions: Vec<usize>,
    /// The next partition of tables that are written in turn.
    turns: Vec<usize>,
    session: Option<Session>,
    /// Was so once: the journal alone made us the owner at the start.
    connected: bool,
    held: Option<(Instance, Epoch)>,
}

/// Who we are to the cluster.
struct Access {
    producer: ClientConfig,
    consumer: ClientConfig,
    transactional_id: String,
    instance: Instance,
    generation: u64,
    fresh: bool,
    marker_key: String,
    marker_partition: i32,
    env: Env,
}

pub async fn open(spec: SinkSpec) -> Result<Box<dyn Sink>> {
    let first = spec.tables.first().ok_or_else(|| Error::bug("a sink without tables"))?.clone();
    let producer = properties::producer(spec.tables.iter().map(|t| &t.options))?;
    let consumer = properties::client(&first.options)?;
    let mut writers = Vec::with_capacity(spec.tables.len());
    for table in &spec.tables {
        writers.push(Writer::open(table, spec.formats).await?);
    }
    let mut partitions = Vec::with_capacity(spec.tables.len());
    for table in &spec.tables {
        let name = table.options.get("topic").unwrap_or_default().trim();
        partitions.push(topic(&consumer, &producer, name, topics::wanted(table)?).await?);
    }
    let of_markers = Some(New { purpose: Purpose::Markers, partitions: None });
    let of_markers = topic(&consumer, &producer, marker::TOPIC, of_markers).await?;
    let domain = domain(&first);
    let prefix = first.options.text("sink.transactional-id-prefix", options::ID_PREFIX);
    let marker_key = marker::key(&spec.pipeline, &domain);
    let access = Access {
        producer,
        consumer,
        transactional_id: format!(
            "{prefix}{}-{:08x}",
            spec.instance,
            hash_bytes(domain.as_bytes(), 0) >> 32
        ),
        marker_partition: marker::partition(&marker_key, of_markers),
        marker_key,
        instance: spec.instance,
        generation: spec.generation,
        fresh: spec.fresh,
        env: spec.env,
    };
    let turns = vec![0; writers.len()];
    let access = Arc::new(access);
    let mut work =
        Work { access, writers, partitions, turns, session: None, connected: false, held: None };
    let work = blocking(move || work.connect().map(|()| work)).await?;
    Ok(Box::new(KafkaSink { held: work.held.clone(), work: Some(work) }))
}

#[async_trait::async_trait]
impl Sink for KafkaSink {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        Ok(self.held.clone())
    }

    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        let work = self.work.take();
        let mut work = work.ok_or_else(|| Error::bug("a commit to Kafka was broken off"))?;
        let epochs = epochs.to_vec();
        let (work, result) = blocking(move || {
            let result = work.commit(&epochs);
            Ok((work, result))
        })
        .await?;
        self.work = Some(work);
        result
    }
}

impl Work {
    /// Opens the producer and reads what the cluster holds.
    fn connect(&mut self) -> Result<()> {
        let access = self.access.clone();
        if self.connected {
            // Opening a producer fences the owner: not before we know that we are it.
            access.check_owner(access.read()?.as_ref())?;
        }
        let session = Session::open(&access.producer, &access.transactional_id)?;
        let marker = access.read()?;
        access.check_owner(marker.as_ref())?;
        let ours = marker.as_ref().is_some_and(|m| m.instance == access.instance);
        let held = marker.filter(|_| ours || !access.fresh).map(|m| (m.instance, m.epoch));
        if ours || held.is_none() {
            let epoch = held.as_ref().map_or(Epoch(0), |(_, epoch)| *epoch);
            session.begin()?;
            access.mark(&session, epoch)?;
            session.commit()?;
        }
        self.held = held.filter(|(_, epoch)| *epoch > Epoch(0));
        self.session = Some(session);
        self.connected = true;
        Ok(())
    }

    fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        if self.session.is_none() {
            self.connect()?;
        }
        let held = match &self.held {
            Some((of, epoch)) if *of == self.access.instance => *epoch,
            _ => Epoch(0),
        };
        let new: Vec<&EpochOutput> = epochs.iter().filter(|e| e.epoch > held).collect();
        let Some(last) = new.last().map(|e| e.epoch) else { return Ok(()) };
        let session = self.session.take();
        let session = session.ok_or_else(|| Error::bug("a producer was just opened"))?;
        match self.transact(&session, &new, last) {
            Ok(()) => {
                self.session = Some(session);
                self.held = Some((self.access.instance.clone(), last));
                self.access.env.at(CrashPoint::AfterSinkCommit)
            }
            Err(e) => {
                session.give_up();
                Err(e)
            }
        }
    }

    fn transact(&mut self, session: &Session, epochs: &[&EpochOutput], last: Epoch) -> Result<()> {
        session.begin()?;
        for epoch in epochs {
            for (table, output) in epoch.tables.iter().enumerate() {
                for rows in output.changes.iter().filter(|d| !d.is_empty()) {
                    let encoded = self.writers[table].encode(rows)?;
                    self.send(session, table, &encoded)?;
                }
            }
        }
        self.access.mark(session, last)?;
        self.access.env.at(CrashPoint::BeforeSinkCommit)?;
        session.commit()
    }

    fn send(&mut self, session: &Session, table: usize, encoded: &Encoded) -> Result<()> {
        let writer = &self.writers[table];
        let mut keys = encoded.keys.as_ref().map(|keys| keys.iter());
        let mut values = encoded.values.iter();
        for i in 0..encoded.count {
            let deletes = encoded.deletes.get(i).copied().unwrap_or(false);
            let value = if deletes { None } else { values.next() };
            let partition = match writer.partitioner {
                Partitioner::Default => None,
                Partitioner::Fixed => Some(0),
                Partitioner::RoundRobin => {
                    let turn = self.turns[table] % self.partitions[table].max(1);
                    self.turns[table] = turn + 1;
                    Some(turn as i32)
                }
            };
            let key = keys.as_mut().and_then(Iterator::next);
            let timestamp = encoded.times.as_ref().and_then(|times| times[i]);
            let topic = &writer.topic;
            let headers = encoded.headers_of(i);
            session.send(Record { topic, partition, key, value, timestamp, headers })?;
        }
        Ok(())
    }
}

impl Access {
    fn read(&self) -> Result<Option<Marker>> {
        marker::read(&self.consumer, &self.marker_key, self.marker_partition)
    }

    /// A newer start of our instance has been here.
    fn check_owner(&self, marker: Option<&Marker>) -> Result<()> {
        let newer = |m: &&Marker| m.instance == self.instance && m.generation > self.generation;
        match marker.filter(newer) {
            None => Ok(()),
            Some(_) => Err(Error::fenced("Kafka: a newer start of this pipeline owns the commits")),
        }
    }

    fn mark(&self, session: &Session, epoch: Epoch) -> Result<()> {
        let marker = Marker { instance: self.instance.clone(), generation: self.generation, epoch };
        session.send(Record {
            topic: marker::TOPIC,
            partition: Some(self.marker_partition),
            key: Some(self.marker_key.as_bytes()),
            value: Some(&marker.to_bytes()),
            timestamp: None,
            headers: None,
        })
    }
}
