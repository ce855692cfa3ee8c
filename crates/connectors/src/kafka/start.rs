//! Where each partition is read from and to: startup and bounded modes turned into offsets.
//!
//! Everything here asks the brokers and blocks, each question for at most [`TIMEOUT`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use brooklet_core::source::{SplitId, SplitPosition};
use brooklet_core::{Error, Result};
use rdkafka::Offset;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::MetadataTopic;
use regex::Regex;

use super::marker;
use super::queue::{Consumer, list};
use super::settings::{Place, Reset, Settings, Topics};

/// For one question; the caller of `open` repeats it for `brooklet.start-timeout`.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Never meant by a pattern: Kafka's own topics, and ours.
const INTERNAL: [&str; 4] =
    ["__consumer_offsets", "__transaction_state", "__share_group_state", marker::TOPIC];

/// A partition with the offsets it is read from and to.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    /// The first offset not read, in a bounded table.
    pub stop: Option<i64>,
}

/// The name of a partition as a split. Padded, so that splits sort by partition.
pub fn split_id(topic: &str, partition: i32) -> SplitId {
    SplitId::new(format!("{topic}-{partition:05}"))
}

type Partition = (String, i32);

/// Every partition of the table's topics. Partitions without a position in `positions` are new
/// since the snapshot and are read from their beginning.
pub fn resolve(
    consumer: &Consumer,
    settings: &Settings,
    positions: Option<&[SplitPosition]>,
) -> Result<Vec<Start>> {
    // Whoever reads the message has to know which brokers were asked.
    let brokers = settings.client.get("bootstrap.servers").unwrap_or_default();
    let partitions =
        partitions(consumer, &settings.topics).map_err(|e| e.at(format!("brokers {brokers}")))?;
    let offsets = match positions {
        None => offsets(consumer, settings, &settings.startup, &partitions)?,
        Some(positions) => resume(consumer, settings, positions, &partitions)?,
    };
    let stops = match &settings.bounded {
        Some(place) => Some(offsets_of_end(consumer, settings, place, &partitions)?),
        None => None,
    };
    let start = |(i, (topic, partition)): (usize, &Partition)| Start {
        topic: topic.clone(),
        partition: *partition,
        offset: offsets[i],
        stop: stops.as_ref().map(|s| s[i]),
    };
    let mut starts: Vec<Start> = partitions.iter().enumerate().map(start).collect();
    starts.sort_by_key(|s| split_id(&s.topic, s.partition));
    Ok(starts)
}

/// Partitions that `known` has not, each with its beginning: what was created meanwhile.
pub fn created(
    consumer: &Consumer,
    topics: &Topics,
    known: &BTreeSet<(String, i32)>,
) -> Result<Vec<Start>> {
    let mut new = partitions(consumer, topics)?;
    new.retain(|partition| !known.contains(partition));
    let start = |(topic, partition): Partition| {
        let (low, _) = watermarks(consumer, &topic, partition)?;
        Ok(Start { topic, partition, offset: low, stop: None })
    };
    new.into_iter().map(start).collect()
}

fn partitions(consumer: &Consumer, topics: &Topics) -> Result<Vec<Partition>> {
    match topics {
        Topics::Named(names) => named(consumer, names),
        Topics::Matching(pattern) => matching(consumer, pattern),
    }
}

fn named(consumer: &Consumer, topics: &[String]) -> Result<Vec<Partition>> {
    let mut partitions = Vec::new();
    for topic in topics {
        let answer = consumer.client().fetch_metadata(Some(topic), TIMEOUT);
        let metadata = answer.map_err(|e| failed(consumer, "the brokers cannot be reached", e))?;
        let found = metadata.topics().iter().find(|t| t.name() == topic);
        let code = match found {
            Some(t) => t.error().map(RDKafkaErrorCode::from),
            None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
        };
        match (code, found) {
            (None, Some(t)) if !t.partitions().is_empty() => {
                partitions.extend(t.partitions().iter().map(|p| (topic.clone(), p.id())));
            }
            (Some(code), _) => return Err(topic_error(topic, code)),
            _ => return Err(topic_error(topic, RDKafkaErrorCode::LeaderNotAvailable)),
        }
    }
    Ok(partitions)
}

/// Topics that are just being created or deleted come with an error or without partitions: they
/// are found when they are there.
fn matching(consumer: &Consumer, pattern: &Regex) -> Result<Vec<Partition>> {
    let answer = consumer.client().fetch_metadata(None, TIMEOUT);
    let metadata = answer.map_err(|e| failed(consumer, "the brokers cannot be reached", e))?;
    let whole = metadata.topics().iter().filter(|t| t.error().is_none());
    let wanted = whole.filter(|t| !INTERNAL.contains(&t.name()) && pattern.is_match(t.name()));
    let of_topic = |t: &MetadataTopic| {
        let name = t.name().to_string();
        t.partitions().iter().map(|p| (name.clone(), p.id())).collect::<Vec<_>>()
    };
    Ok(wanted.flat_map(of_topic).collect())
}

/// How many partitions a topic has; None when it does not exist.
pub fn partition_count(consumer: &Consumer, topic: &str) -> Result<Option<usize>> {
    use RDKafkaErrorCode as Code;
    let answer = consumer.client().fetch_metadata(Some(topic), TIMEOUT);
    let metadata = answer.map_err(|e| failed(consumer, "the brokers cannot be reached", e))?;
    let Some(found) = metadata.topics().iter().find(|t| t.name() == topic) else { return Ok(None) };
    match found.error().map(Code::from) {
        None if found.partitions().is_empty() => Err(topic_error(topic, Code::LeaderNotAvailable)),
        None => Ok(Some(found.partitions().len())),
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
        Some(Code::TopicAuthorizationFailed) => Err(Error::refused(format!(
            "Kafka topic '{topic}' may not be used by this user: grant WRITE and DESCRIBE on it"
        ))),
        Some(code) => Err(topic_error(topic, code)),
    }
}

/// What an error of one topic asks for.
pub fn topic_error(topic: &str, code: RDKafkaErrorCode) -> Error {
    use RDKafkaErrorCode as Code;
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            Error::refused(format!(
                "Kafka topic '{topic}' does not exist: create it, or correct option 'topic'"
            ))
        }
        Code::TopicAuthorizationFailed => Error::refused(format!(
            "Kafka topic '{topic}' may not be read by this user: grant READ and DESCRIBE on it"
        )),
        code => Error::outside(format!("Kafka topic '{topic}' cannot be read: {code}")),
    }
}

/// An error of a question; a refused password explains it better than the timeout it leads to.
fn failed(consumer: &Consumer, what: &str, error: KafkaError) -> Error {
    consumer.serve();
    if let Some(reason) = &consumer.health().refused {
        return Error::refused(format!("Kafka refused the user or password: {reason}"));
    }
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::GroupAuthorizationFailed) => {
            Error::refused(format!("Kafka: {what}")).caused_by(error)
        }
        _ => Error::outside(format!("Kafka: {what}")).caused_by(error),
    }
}

/// Lowest offset held and the offset after the last record.
pub fn watermarks(consumer: &Consumer, topic: &str, partition: i32) -> Result<(i64, i64)> {
    let answer = consumer.client().fetch_watermarks(topic, partition, TIMEOUT);
    answer.map_err(|e| failed(consumer, &format!("no offsets of {topic}-{partition}"), e))
}

fn offsets(
    consumer: &Consumer,
    settings: &Settings,
    place: &Place,
    partitions: &[Partition],
) -> Result<Vec<i64>> {
    let edge = |earliest: bool, (topic, partition): &Partition| {
        let (low, high) = watermarks(consumer, topic, *partition)?;
        Ok(if earliest { low } else { high })
    };
    match place {
        Place::Earliest => partitions.iter().map(|p| edge(true, p)).collect(),
        Place::Latest => partitions.iter().map(|p| edge(false, p)).collect(),
        Place::Timestamp(millis) => {
            let found = ask(
                consumer,
                partitions,
                |_| *millis,
                |list| consumer.offsets_for_times(list, TIMEOUT),
            )?;
            // Nothing is that late: the end, whatever comes next.
            let or_end = |(p, offset): (&Partition, Option<i64>)| match offset {
                Some(offset) => Ok(offset),
                None => edge(false, p),
            };
            partitions.iter().zip(found).map(or_end).collect()
        }
        Place::Group => {
            let reset = |p: &Partition| match settings.reset {
                Reset::Earliest => edge(true, p),
                Reset::Latest => edge(false, p),
                Reset::None => Err(Error::refused(format!(
                    "the group has no offset for {}-{}: set 'properties.auto.offset.reset' to \
                     'earliest' or 'latest', or another 'scan.startup.mode'",
                    p.0, p.1
                ))),
            };
            let found = committed(consumer, partitions)?;
            partitions.iter().zip(found).map(|(p, o)| o.map_or_else(|| reset(p), Ok)).collect()
        }
        // As Flink: a partition that is not named goes on where the group is, else at its start.
        Place::Specific(given) => {
            let unnamed = partitions.iter().any(|(_, p)| !given.contains_key(p));
            let group = match unnamed && settings.commit {
                true => committed(consumer, partitions)?,
                false => vec![None; partitions.len()],
            };
            let one =
                |(p, group): (&Partition, Option<i64>)| match given.get(&p.1).or(group.as_ref()) {
                    Some(offset) => Ok(*offset),
                    None => edge(true, p),
                };
            partitions.iter().zip(group).map(one).collect()
        }
    }
}

/// Ends never lie beyond what is there now, or the table would wait for it.
fn offsets_of_end(
    consumer: &Consumer,
    settings: &Settings,
    place: &Place,
    partitions: &[Partition],
) -> Result<Vec<i64>> {
    let ends = offsets(consumer, settings, place, partitions)?;
    if *place == Place::Latest || matches!(place, Place::Specific(_)) {
        return Ok(ends);
    }
    let capped = |(p, end): (&Partition, i64)| Ok(end.min(watermarks(consumer, &p.0, p.1)?.1));
    partitions.iter().zip(ends).map(capped).collect()
}

/// The positions of a snapshot, checked against what the topic still holds.
fn resume(
    consumer: &Consumer,
    settings: &Settings,
    positions: &[SplitPosition],
    partitions: &[Partition],
) -> Result<Vec<i64>> {
    let known: BTreeMap<&SplitId, i64> = positions.iter().map(|p| (&p.split, p.offset)).collect();
    let one = |(topic, partition): &Partition| {
        let (low, high) = watermarks(consumer, topic, *partition)?;
        let id = split_id(topic, *partition);
        match known.get(&id) {
            None => Ok(low),
            Some(at) if (low..=high).contains(at) => Ok(*at),
            Some(at) if settings.fail_on_data_loss => Err(data_loss(&id, *at, low, high)),
            Some(at) => {
                tracing::warn!("{}", data_loss(&id, *at, low, high));
                Ok(if *at < low { low } else { high })
            }
        }
    };
    partitions.iter().map(one).collect()
}

/// Records from `at` on cannot be read any more.
pub fn data_loss(split: &SplitId, at: i64, low: i64, high: i64) -> Error {
    Error::corrupt(format!(
        "{split} is to be read from offset {at}, but the topic holds {low}..{high}: records were \
         deleted or the topic was created anew. Start with --fresh, or accept the loss with \
         SET 'brooklet.table.<table>.fail-on-data-loss' = 'false'"
    ))
}

fn committed(consumer: &Consumer, partitions: &[Partition]) -> Result<Vec<Option<i64>>> {
    /// What librdkafka calls "not known" (RD_KAFKA_OFFSET_INVALID).
    const INVALID: i64 = -1001;
    ask(consumer, partitions, |_| INVALID, |list| consumer.committed(list, TIMEOUT))
}

/// Offsets that a call fills into a list; None where it found none.
fn ask(
    consumer: &Consumer,
    partitions: &[Partition],
    offset: impl Fn(&Partition) -> i64,
    call: impl Fn(&rdkafka::TopicPartitionList) -> Result<(), RDKafkaErrorCode>,
) -> Result<Vec<Option<i64>>> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let list = list(partitions.iter().map(|p| (p.0.as_str(), p.1, offset(p))))?;
    call(&list)
        .map_err(|code| failed(consumer, "offsets cannot be asked", KafkaError::Global(code)))?;
    let mut found = BTreeMap::new();
    for element in list.elements() {
        if let Err(e) = element.error() {
            return Err(failed(consumer, "offsets cannot be asked", e));
        }
        if let Offset::Offset(offset) = element.offset() {
            found.insert((element.topic().to_string(), element.partition()), offset);
        }
    }
    Ok(partitions.iter().map(|p| found.get(p).copied()).collect())
}
