//! What a cluster holds of a pipeline: the last record under its key in the compacted topic
//! `brooklet_commits`, written in the same transaction as the rows.
//!
//! A reader of committed records stops at the first open transaction, of whatever pipeline. The
//! newest record is therefore only known once the topic is stable up to its end as it was when
//! one began to look.

use std::time::{Duration, Instant};

use brooklet_core::hash::hash_bytes;
use brooklet_core::{Epoch, Error, Instance, Result};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{ClientConfig, ClientContext, Message, Offset, TopicPartitionList};
use serde_json::{Value, json};

use super::properties;
use super::start::TIMEOUT;

pub const TOPIC: &str = "brooklet_commits";
/// Pipelines are dealt to them by their keys, so that few wait for each other.
const PARTITIONS: i32 = 16;
/// Looked at first: a pipeline that was running a moment ago is there.
const TAIL: i64 = 1_000;
/// Longer than a transaction may stay open after its process died.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a topic is created with: small segments, so that compaction can do its work.
const SETTINGS: [(&str, &str); 4] = [
    ("cleanup.policy", "compact"),
    ("segment.bytes", "16777216"),
    ("segment.ms", "3600000"),
    ("min.cleanable.dirty.ratio", "0.1"),
];

#[derive(Debug, Clone, PartialEq)]
pub struct Marker {
    pub instance: Instance,
    pub generation: u64,
    pub epoch: Epoch,
}

impl Marker {
    pub fn to_bytes(&self) -> Vec<u8> {
        json!([self.instance.0, self.generation, self.epoch.0]).to_string().into_bytes()
    }
    fn parse(bytes: &[u8]) -> Result<Marker> {
        let wrong = || Error::corrupt(format!("a record of topic {TOPIC} cannot be read"));
        let value: Value = serde_json::from_slice(bytes).map_err(|_| wrong())?;
        let number = |i: usize| value[i].as_u64().ok_or_else(wrong);
        Ok(Marker {
            instance: Instance(value[0].as_str().ok_or_else(wrong)?.to_string()),
            generation: number(1)?,
            epoch: Epoch(number(2)?),
        })
    }
}

/// The key of a pipeline's records for a commit domain.
pub fn key(pipeline: &str, domain: &str) -> String {
    json!([pipeline, domain]).to_string()
}

/// Where records of that key are.
pub fn partition(key: &str, count: usize) -> i32 {
    let count = i32::try_from(count).unwrap_or(PARTITIONS).clamp(1, PARTITIONS);
    (hash_bytes(key.as_bytes(), 0) % count as u64) as i32
}

/// What a topic is created for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Rows,
    /// The newest record of each key is what counts.
    Upserts,
    Markers,
}

/// A topic to create.
#[derive(Debug, Clone, Copy)]
pub struct New {
    pub purpose: Purpose,
    /// None: as many as the broker thinks right.
    pub partitions: Option<i32>,
}

/// Creates a topic; one that is there already is left as it is.
pub async fn create(config: &ClientConfig, topic: &str, new: New) -> Result<()> {
    let admin = AdminClient::from_config_and_context(config, Quiet).map_err(properties::refused)?;
    let New { purpose, partitions } = new;
    // Minus one: as many as the broker thinks right.
    let (count, settings) = match purpose {
        Purpose::Markers => (PARTITIONS, &SETTINGS[..]),
        Purpose::Upserts => (partitions.unwrap_or(-1), &SETTINGS[..1]),
        Purpose::Rows => (partitions.unwrap_or(-1), &[][..]),
    };
    let new = NewTopic::new(topic, count, TopicReplication::Fixed(-1));
    let new = settings.iter().fold(new, |new, (key, value)| new.set(key, value));
    let options =
        AdminOptions::new().operation_timeout(Some(TIMEOUT)).request_timeout(Some(TIMEOUT));
    let made = admin.create_topics([&new], &options).await;
    let made = made.map_err(|e| Error::outside("Kafka topics cannot be created").caused_by(e))?;
    match made.into_iter().next() {
        Some(Err((_, code))) if code != RDKafkaErrorCode::TopicAlreadyExists => {
            Err(not_created(topic, code))
        }
        _ => Ok(()),
    }
}

fn not_created(topic: &str, code: RDKafkaErrorCode) -> Error {
    use RDKafkaErrorCode as Code;
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => {
            let hint = match topic {
                TOPIC => format!(
                    "create it once (kafka-topics.sh --create --topic {TOPIC} --partitions \
                     {PARTITIONS} --config cleanup.policy=compact) and grant READ and WRITE on it"
                ),
                _ => "create it, or grant CREATE".to_string(),
            };
            Error::refused(format!("Kafka topic '{topic}' may not be created: {hint}"))
        }
        code => Error::outside(format!("Kafka topic '{topic}' was not created: {code}")),
    }
}

/// The newest committed record of `key` in its partition; blocks.
pub fn read(config: &ClientConfig, key: &str, partition: i32) -> Result<Option<Marker>> {
    let (low, end) = edges(&consumer(config, "read_uncommitted")?, partition)?;
    if low == end {
        return Ok(None);
    }
    let committed = consumer(config, "read_committed")?;
    let started = now();
    while edges(&committed, partition)?.1 < end {
        if started.elapsed() > PATIENCE {
            return Err(Error::outside(format!(
                "a transaction of another producer keeps topic {TOPIC} open"
            )));
        }
        // Nothing is assigned: this only waits.
        drop(committed.poll(Duration::from_millis(20)));
    }
    let near = low.max(end - TAIL);
    let found = last(&committed, partition, near, key)?;
    match found {
        None if near > low => last(&committed, partition, low, key),
        found => Ok(found),
    }
}

/// Keeps to itself what is reported beside answers: the end of a partition is no error.
struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!("Kafka, topic {TOPIC}: {facility}: {message}");
    }
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!("Kafka, topic {TOPIC}: {error}: {reason}");
    }
}

impl ConsumerContext for Quiet {}

fn consumer(config: &ClientConfig, isolation: &str) -> Result<BaseConsumer<Quiet>> {
    let mut config = config.clone();
    config.set("isolation.level", isolation).set("enable.partition.eof", "true");
    // The end of the topic is told by an empty answer: it should come soon.
    config.set("fetch.wait.max.ms", "10").set("statistics.interval.ms", "0");
    BaseConsumer::from_config_and_context(&config, Quiet).map_err(properties::refused)
}

fn edges(consumer: &BaseConsumer<Quiet>, partition: i32) -> Result<(i64, i64)> {
    consumer
        .fetch_watermarks(TOPIC, partition, TIMEOUT)
        .map_err(|e| Error::outside(format!("no offsets of topic {TOPIC}")).caused_by(e))
}

/// The last record of `key` from an offset to the end of what is committed.
fn last(
    consumer: &BaseConsumer<Quiet>,
    partition: i32,
    from: i64,
    key: &str,
) -> Result<Option<Marker>> {
    let failed =
        |e: KafkaError| Error::outside(format!("topic {TOPIC} cannot be read")).caused_by(e);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(TOPIC, partition, Offset::Offset(from)).map_err(failed)?;
    consumer.assign(&list).map_err(failed)?;
    let (mut found, mut heard) = (None, now());
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                heard = now();
                if message.key() == Some(key.as_bytes())
                    && let Some(value) = message.payload()
                {
                    found = Some(Marker::parse(value)?);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            // Connections are librdkafka's to repair, within our patience.
            Some(Err(e)) if heard.elapsed() > TIMEOUT => return Err(failed(e)),
            None if heard.elapsed() > TIMEOUT => {
                return Err(Error::outside(format!("topic {TOPIC} gives no records")));
            }
            Some(Err(_)) | None => {}
        }
    }
}

/// For how long a service is waited for, never for what an epoch holds.
#[allow(clippy::disallowed_methods, reason = "no record and no state depends on this wait")]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_and_keys_are_what_they_were() {
        let marker = Marker { instance: Instance("i\"1".into()), generation: 3, epoch: Epoch(7) };
        assert_eq!(marker.to_bytes(), b"[\"i\\\"1\",3,7]");
        assert_eq!(Marker::parse(&marker.to_bytes()).unwrap(), marker);
        assert!(Marker::parse(b"{}").is_err());
        let key = key("p", "kafka b:9092");
        assert_eq!(key, "[\"p\",\"kafka b:9092\"]");
        assert_eq!(partition(&key, 1), 0);
        // Found again by later versions: this number must not change.
        assert_eq!(partition(&key, 16), partition(&key, 40));
    }
}
