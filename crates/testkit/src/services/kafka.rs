//! Topics of the test broker: made, filled fast, read to their end.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::unique;

const PATIENCE: Duration = Duration::from_secs(60);

/// The broker of `BROOKLET_TEST_KAFKA`.
#[derive(Debug, Clone)]
pub struct Kafka {
    brokers: String,
}

/// A topic of its own for one test.
#[derive(Debug, Clone)]
pub struct Topic {
    kafka: Kafka,
    pub name: String,
    pub partitions: i32,
}

/// What is written to or was read from a topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    pub partition: i32,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    /// Milliseconds since 1970; the broker's or producer's time when None.
    pub timestamp: Option<i64>,
    pub headers: Vec<(String, Vec<u8>)>,
}

/// A producer that stays.
pub struct Feed {
    producer: ThreadedProducer<DefaultProducerContext>,
    topic: String,
}

impl Feed {
    /// Appends records in their order; returns when the broker has them all.
    pub fn produce(&self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            send(&self.producer, &self.topic, &record);
        }
        self.producer.flush(PATIENCE).expect("the broker takes the records");
        assert_eq!(self.producer.in_flight_count(), 0, "all records are acknowledged");
    }
}

impl Kafka {
    pub fn from_env() -> Option<Self> {
        std::env::var("BROOKLET_TEST_KAFKA").ok().map(Kafka::at)
    }
    pub fn at(brokers: impl Into<String>) -> Self {
        Kafka { brokers: brokers.into() }
    }
    /// For `properties.bootstrap.servers`.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }
    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn admin(&self) -> (AdminClient<DefaultClientContext>, AdminOptions) {
        let admin = self.config().create().expect("the client's options are right");
        (admin, AdminOptions::new().operation_timeout(Some(PATIENCE)))
    }

    /// A topic that somebody else creates; its name starts with `stem`.
    pub fn topic_to_be(&self, stem: &str, partitions: i32) -> Topic {
        Topic { kafka: self.clone(), name: unique(stem), partitions }
    }
    /// A new topic; its name starts with `stem`.
    pub fn topic(&self, stem: &str, partitions: i32) -> Topic {
        self.topic_with(stem, partitions, &[])
    }
    /// The same with settings of the broker's for this topic, such as `max.message.bytes`.
    pub fn topic_with(&self, stem: &str, partitions: i32, settings: &[(&str, &str)]) -> Topic {
        let name = unique(stem);
        let new = NewTopic::new(&name, partitions, TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
        let (admin, options) = self.admin();
        let made = futures::executor::block_on(admin.create_topics([&new], &options));
        made.expect("the broker answers").remove(0).expect("the topic can be created");
        Topic { kafka: self.clone(), name, partitions }
    }
}

impl Topic {
    /// For topics that would fill a disk.
    pub fn delete(&self) {
        let (admin, options) = self.kafka.admin();
        let gone = futures::executor::block_on(admin.delete_topics(&[&self.name], &options));
        gone.expect("the broker answers").remove(0).expect("the topic is there");
    }
    /// Gives the topic more partitions, so many in all.
    pub fn grow(&mut self, partitions: i32) {
        let count = usize::try_from(partitions).expect("a number of partitions");
        let more = NewPartitions::new(&self.name, count);
        let (admin, options) = self.kafka.admin();
        let made = futures::executor::block_on(admin.create_partitions([&more], &options));
        made.expect("the broker answers").remove(0).expect("partitions can be added");
        self.partitions = partitions;
    }
    /// Appends records in their order; returns when the broker has them all.
    pub fn produce(&self, records: impl IntoIterator<Item = Record>) {
        self.feed().produce(records);
    }
    /// The same in batches of that compression.
    pub fn produce_compressed(&self, codec: &str, records: impl IntoIterator<Item = Record>) {
        let producer = self.producer(&[("compression.type", codec)]);
        Feed { producer, topic: self.name.clone() }.produce(records);
    }
    /// For many small portions: logging in takes longer than sending one.
    pub fn feed(&self) -> Feed {
        Feed { producer: self.producer(&[]), topic: self.name.clone() }
    }
    fn producer(&self, more: &[(&str, &str)]) -> ThreadedProducer<DefaultProducerContext> {
        let mut config = self.kafka.config();
        for (key, value) in more {
            config.set(*key, *value);
        }
        // In order and without duplicates over retries: expectations count on both.
        config.set("enable.idempotence", "true").set("linger.ms", "5");
        config.set("batch.num.messages", "10000").set("queue.buffering.max.messages", "500000");
        // Whether a message is too large is the topic's to say.
        config.set("message.max.bytes", "100000000");
        config.create().expect("the client's options are right")
    }

    /// All committed records, partition by partition in offset order.
    pub fn read(&self) -> Vec<Record> {
        self.read_at("read_committed")
    }
    /// Also those of open and aborted transactions.
    pub fn read_uncommitted(&self) -> Vec<Record> {
        self.read_at("read_uncommitted")
    }
    fn read_at(&self, isolation: &str) -> Vec<Record> {
        let mut config = self.kafka.config();
        config.set("group.id", unique("testkit")).set("enable.auto.commit", "false");
        config.set("isolation.level", isolation).set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().expect("the client's options are right");
        let mut assignment = TopicPartitionList::new();
        for partition in 0..self.partitions {
            let added = assignment.add_partition_offset(&self.name, partition, Offset::Beginning);
            added.expect("Beginning is an offset");
        }
        consumer.assign(&assignment).expect("the partitions exist");
        let mut open: BTreeSet<i32> = (0..self.partitions).collect();
        let mut records = Vec::new();
        while !open.is_empty() {
            match consumer.poll(PATIENCE) {
                Some(Ok(message)) => records.push(record(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    open.remove(&partition);
                }
                Some(Err(e)) => panic!("reading {}: {e}", self.name),
                None => panic!("{} is not read to its end within {PATIENCE:?}", self.name),
            }
        }
        // Stable: within a partition records came in offset order.
        records.sort_by_key(|r| r.partition);
        records
    }
}

/// Queues one record, waiting while the producer's queue is full.
fn send(producer: &ThreadedProducer<DefaultProducerContext>, topic: &str, record: &Record) {
    let mut base: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(record.partition);
    base.key = record.key.as_deref();
    base.payload = record.value.as_deref();
    base.timestamp = record.timestamp;
    if !record.headers.is_empty() {
        let add = |all: OwnedHeaders, (key, value): &(String, Vec<u8>)| {
            all.insert(Header { key, value: Some(value) })
        };
        base.headers = Some(record.headers.iter().fold(OwnedHeaders::new(), add));
    }
    while let Err((e, back)) = producer.send(base) {
        assert_eq!(e.rdkafka_error_code(), Some(RDKafkaErrorCode::QueueFull), "{e}");
        #[allow(clippy::disallowed_methods, reason = "the producer's thread needs a moment")]
        std::thread::sleep(Duration::from_millis(1));
        base = back;
    }
}

fn record(message: &impl Message) -> Record {
    let owned = |h: Header<'_, &[u8]>| (h.key.to_string(), h.value.unwrap_or_default().to_vec());
    Record {
        headers: message.headers().map(|all| all.iter().map(owned).collect()).unwrap_or_default(),
        partition: message.partition(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Kafka, Record};

    #[test]
    fn what_was_produced_is_read_back_partition_by_partition() {
        let Some(kafka) = Kafka::from_env() else { return };
        let topic = kafka.topic("round-trip", 3);
        let made: Vec<Record> = (0..30_000)
            .map(|i| Record {
                partition: i % 3,
                key: (i % 5 != 0).then(|| format!("k{i}").into_bytes()),
                value: (i % 7 != 0).then(|| format!("v{i}").into_bytes()),
                timestamp: Some(1_700_000_000_000 + i64::from(i)),
                headers: (i % 11 == 0)
                    .then(|| ("h".to_string(), b"x".to_vec()))
                    .into_iter()
                    .collect(),
            })
            .collect();
        topic.produce(made.clone());
        let mut expected = made;
        expected.sort_by_key(|r| r.partition);
        assert_eq!(topic.read(), expected);
        assert!(kafka.topic("round-trip", 2).read().is_empty());
    }
}
