//! The sink against a real broker, named by BROOKLET_TEST_KAFKA: mock clusters know no
//! read_committed. Each test has topics and a pipeline of its own.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use brooklet_core::connector::SinkSpec;
use brooklet_core::env::{CrashPoint, World};
use brooklet_core::schema::TableDef;
use brooklet_core::sink::{EpochOutput, TableOutput};
use brooklet_core::types::SqlType;
use brooklet_core::{Delta, Env, Epoch, Error, ErrorKind, Instance, Result, Sink};
use brooklet_formats::FORMATS;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

use super::{CONNECTOR, marker};
use crate::contract::{self, rows, table};

const COLUMNS: [(&str, SqlType); 2] = [("id", SqlType::BigInt), ("name", SqlType::STRING)];

fn brokers() -> String {
    std::env::var("BROOKLET_TEST_KAFKA")
        .expect("not run: BROOKLET_TEST_KAFKA is not set (make test starts a broker)")
}

/// A name that no other run of a test has used.
pub fn unique(stem: &str) -> String {
    let mut own = [0; 8];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut own).unwrap();
    format!("{stem}-{:016x}", u64::from_ne_bytes(own))
}

/// A JSON table over a topic that `open` creates.
fn json(topic: &str, more: &[(&str, &str)]) -> Arc<TableDef> {
    let servers = brokers();
    let mut options = vec![
        ("connector", "kafka"),
        ("topic", topic),
        ("properties.bootstrap.servers", servers.as_str()),
        ("format", "json"),
        ("brooklet.create-table", "if-not-exists"),
    ];
    options.retain(|(k, _)| more.iter().all(|(other, _)| other != k));
    options.extend(more.iter().filter(|(_, v)| !v.is_empty()));
    table(topic, &COLUMNS, &options)
}

fn spec(tables: Vec<Arc<TableDef>>, pipeline: &str, generation: u64) -> SinkSpec {
    // Transactional ids are made of the instance: each test's is its own.
    let base = contract::sink_spec(&tables[0], pipeline);
    SinkSpec { pipeline: pipeline.into(), generation, tables, formats: FORMATS, ..base }
}

async fn open(spec: SinkSpec) -> Result<Box<dyn Sink>> {
    (CONNECTOR.sink.unwrap().open)(spec).await
}

fn epoch(number: u64, tables: Vec<Vec<Delta>>) -> EpochOutput {
    let output = |changes| TableOutput { changes, ..TableOutput::default() };
    EpochOutput { epoch: Epoch(number), tables: tables.into_iter().map(output).collect() }
}

type Seen = (i32, Option<String>, String, Option<i64>);

/// Partition, key, value and time of what readers of committed records see, by partition.
fn committed(topic: &str) -> Vec<Seen> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers())
        .set("group.id", "test")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create().unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
    let partitions = metadata.topics()[0].partitions().len() as i32;
    let mut seen = Vec::new();
    for partition in 0..partitions {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        loop {
            match consumer.poll(Duration::from_secs(20)).expect("the broker answers") {
                Ok(m) => {
                    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
                    let value = m.payload().map_or("(none)".to_string(), text);
                    let key = m.key().map(text);
                    seen.push((partition, key, value, m.timestamp().to_millis()));
                }
                Err(KafkaError::PartitionEOF(_)) => break,
                Err(e) => panic!("{e}"),
            }
        }
    }
    seen
}

fn values(topic: &str) -> Vec<String> {
    committed(topic).into_iter().map(|(_, _, value, _)| value).collect()
}

fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::block_in_place(work)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sink_keeps_the_contract() {
    let (topic, pipeline) = (unique("contract"), unique("p"));
    let t = json(&topic, &[]);
    let open = || Box::pin(open(spec(vec![t.clone()], &pipeline, 1))) as _;
    let held = {
        let topic = topic.clone();
        move || {
            let topic = topic.clone();
            blocking(move || values(&topic).len())
        }
    };
    contract::sink(open, &pipeline, held).await;
    let all = values(&topic);
    assert_eq!(all[0], r#"{"id":0,"name":"n0"}"#);
    assert_eq!(all.len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tables_become_visible_together_and_nothing_of_a_dead_owner() {
    let (one, two, pipeline) = (unique("one"), unique("two"), unique("p"));
    let tables = vec![json(&one, &[]), json(&two, &[])];
    let world = Stops::default();
    let env = Env::new(world.clone());
    let mut first = open(SinkSpec { env, ..spec(tables.clone(), &pipeline, 1) }).await.unwrap();
    first.commit(&[epoch(1, vec![vec![rows(0..2)], vec![rows(10..13)]])]).await.unwrap();
    // Dies with everything sent and nothing committed.
    world.at(CrashPoint::BeforeSinkCommit);
    let next = [epoch(2, vec![vec![rows(2..4)], vec![rows(13..14)]])];
    assert_eq!(first.commit(&next).await.unwrap_err().kind, ErrorKind::Bug);
    assert_eq!((values(&one).len(), values(&two).len()), (2, 3));
    let env = Env::new(world.clone());
    let mut second = open(SinkSpec { env, ..spec(tables.clone(), &pipeline, 2) }).await.unwrap();
    assert_eq!(second.committed().await.unwrap(), Some((Instance(pipeline.clone()), Epoch(1))));
    // Dies with everything committed and nobody told.
    world.at(CrashPoint::AfterSinkCommit);
    assert_eq!(second.commit(&next).await.unwrap_err().kind, ErrorKind::Bug);
    let mut third = open(spec(tables, &pipeline, 3)).await.unwrap();
    assert_eq!(third.committed().await.unwrap(), Some((Instance(pipeline.clone()), Epoch(2))));
    third.commit(&next).await.unwrap();
    assert_eq!((values(&one).len(), values(&two).len()), (4, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_before_is_fenced_for_good() {
    let (topic, pipeline) = (unique("fenced"), unique("p"));
    let t = vec![json(&topic, &[])];
    let mut old = open(spec(t.clone(), &pipeline, 1)).await.unwrap();
    old.commit(&[epoch(1, vec![vec![rows(0..1)]])]).await.unwrap();
    let mut new = open(spec(t.clone(), &pipeline, 2)).await.unwrap();
    let second = [epoch(2, vec![vec![rows(1..2)]])];
    // The client only knows that it was fenced; asked again, the sink finds out by whom.
    let mut error = old.commit(&second).await.unwrap_err();
    for _ in 0..3 {
        if error.kind == ErrorKind::Outside && error.retry {
            error = old.commit(&second).await.unwrap_err();
        }
    }
    assert_eq!(error.kind, ErrorKind::Fenced, "{error}");
    new.commit(&second).await.unwrap();
    new.commit(&[epoch(3, vec![vec![rows(2..3)]])]).await.unwrap();
    assert_eq!(values(&topic).len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_instance_is_reported_unless_the_start_is_fresh() {
    let (topic, pipeline) = (unique("fresh"), unique("p"));
    let t = vec![json(&topic, &[])];
    let mut old = open(spec(t.clone(), &pipeline, 1)).await.unwrap();
    old.commit(&[epoch(5, vec![vec![rows(0..1)]])]).await.unwrap();
    let other = |fresh| {
        let base = spec(t.clone(), &pipeline, 1);
        SinkSpec { instance: Instance(format!("{pipeline}-j")), fresh, ..base }
    };
    let mut asked = open(other(false)).await.unwrap();
    assert_eq!(asked.committed().await.unwrap(), Some((Instance(pipeline.clone()), Epoch(5))));
    let mut fresh = open(other(true)).await.unwrap();
    assert_eq!(fresh.committed().await.unwrap(), None);
    fresh.commit(&[epoch(1, vec![vec![rows(1..3)]])]).await.unwrap();
    assert_eq!(values(&topic).len(), 3);
    let mut again = open(other(false)).await.unwrap();
    assert_eq!(
        again.committed().await.unwrap(),
        Some((Instance(format!("{pipeline}-j")), Epoch(1)))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_partitions_and_changelogs() {
    let (keyed, changes, pipeline) = (unique("keyed"), unique("changes"), unique("p"));
    let more = [
        ("key.format", "json"),
        ("key.fields", "id"),
        ("value.fields-include", "EXCEPT_KEY"),
        ("sink.partitioner", "fixed"),
    ];
    let tables = vec![json(&keyed, &more), json(&changes, &[("format", "debezium-json")])];
    let mut sink = open(spec(tables, &pipeline, 1)).await.unwrap();
    let twice = Delta { weights: brooklet_core::Weights::Each(vec![2, 1]), ..rows(0..2) };
    let updates = Delta::new(rows(0..2).rows, vec![-1, 2]);
    sink.commit(&[epoch(1, vec![vec![twice], vec![updates]])]).await.unwrap();
    let seen: Vec<(i32, Option<String>, String)> =
        committed(&keyed).into_iter().map(|(p, key, value, _)| (p, key, value)).collect();
    let record = |i: i32| (0, Some(format!("{{\"id\":{i}}}")), format!("{{\"name\":\"n{i}\"}}"));
    assert_eq!(seen, [record(0), record(0), record(1)]);
    let ops: Vec<String> =
        values(&changes).iter().map(|v| v[v.len() - 2..v.len() - 1].to_string()).collect();
    assert_eq!(ops, ["\"", "\"", "\""].map(String::from));
    let deletions = values(&changes).iter().filter(|v| v.contains("\"op\":\"d\"")).count();
    assert_eq!(deletions, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_epoch_passes_a_small_buffer() {
    let (topic, pipeline) = (unique("large"), unique("p"));
    let more = [("properties.buffer.memory", "1048576"), ("properties.compression.type", "zstd")];
    let t = json(&topic, &more);
    let mut sink = open(spec(vec![t], &pipeline, 1)).await.unwrap();
    let names = StringArray::from(vec!["x".repeat(1_000); 20_000]);
    let ids = Int64Array::from_iter_values(0..20_000);
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("name", Arc::new(names))];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true)));
    let rows = Delta::inserts(batch.unwrap());
    sink.commit(&[epoch(1, vec![vec![rows]])]).await.unwrap();
    assert_eq!(values(&topic).len(), 20_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_an_error_that_says_so() {
    let (topic, pipeline) = (unique("too-large"), unique("p"));
    let mut sink = open(spec(vec![json(&topic, &[])], &pipeline, 1)).await.unwrap();
    let name: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(3 << 20)]));
    let id: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let batch = RecordBatch::try_from_iter_with_nullable([("id", id, true), ("name", name, true)]);
    let rows_ = Delta::inserts(batch.unwrap());
    let error = sink.commit(&[epoch(1, vec![vec![rows(0..1)], vec![]])]).await;
    error.unwrap();
    let error = sink.commit(&[epoch(2, vec![vec![rows_]])]).await.unwrap_err();
    assert!(!error.retry && error.message.contains("max.request.size"), "{error}");
    assert_eq!(values(&topic).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_is_refused_at_the_start() {
    let topic = unique("refused");
    let refused = |more: Vec<(&'static str, &'static str)>| {
        let t = json(&topic, &more);
        async move { open(spec(vec![t], "refused", 1)).await.err().expect("refused").to_string() }
    };
    let missing = refused(vec![("brooklet.create-table", "")]).await;
    assert!(missing.contains("does not exist") && missing.contains("create-table"), "{missing}");
    let key = refused(vec![("key.format", "json")]).await;
    assert!(key.contains("key.fields"), "{key}");
    let field = refused(vec![("key.format", "json"), ("key.fields", "nope")]).await;
    assert!(field.contains("nope"), "{field}");
    let format = refused(vec![("format", "parquet")]).await;
    assert!(format.contains("parquet"), "{format}");
}

#[tokio::test(flavor = "multi_thread")]
async fn markers_are_found_behind_many_others() {
    let (topic, pipeline) = (unique("markers"), unique("p"));
    let t = vec![json(&topic, &[])];
    let mut sink = open(spec(t.clone(), &pipeline, 1)).await.unwrap();
    sink.commit(&[epoch(1, vec![vec![rows(0..1)]])]).await.unwrap();
    // Two thousand commits of another pipeline in the same partition.
    let key = marker::key(&pipeline, &super::sink::domain(&t[0]));
    let partition = marker::partition(&key, 16);
    let mut config = ClientConfig::new();
    let producer: rdkafka::producer::BaseProducer =
        config.set("bootstrap.servers", brokers()).create().unwrap();
    for _ in 0..2_000 {
        let record = rdkafka::producer::BaseRecord::to(marker::TOPIC).partition(partition);
        producer.send(record.key("[\"other\"]").payload("[]")).map_err(|(e, _)| e).unwrap();
    }
    rdkafka::producer::Producer::flush(&producer, Duration::from_secs(20)).unwrap();
    let mut again = open(spec(t, &pipeline, 2)).await.unwrap();
    assert_eq!(again.committed().await.unwrap(), Some((Instance(pipeline.clone()), Epoch(1))));
}

/// A world that stops once at a point.
#[derive(Clone, Default)]
struct Stops(Arc<std::sync::Mutex<Option<CrashPoint>>>);

impl Stops {
    fn at(&self, point: CrashPoint) {
        *self.0.lock().unwrap() = Some(point);
    }
}

impl World for Stops {
    fn now(&self) -> i64 {
        0
    }
    fn random(&self) -> u64 {
        1
    }
    fn at(&self, point: CrashPoint) -> Result<()> {
        let mut stops = self.0.lock().unwrap();
        if *stops == Some(point) {
            *stops = None;
            return Err(Error::bug("stopped"));
        }
        Ok(())
    }
}

/// A table of upserts by `id` over a topic that `open` creates.
fn upserts(topic: &str, more: &[(&str, &str)]) -> Arc<TableDef> {
    let own = [
        ("connector", "upsert-kafka"),
        ("format", ""),
        ("key.format", "json"),
        ("value.format", "json"),
    ];
    let mut table = json(topic, &[&own[..], more].concat()).as_ref().clone();
    table.primary_key = vec!["id".into()];
    table.options.0.retain(|_, value| !value.is_empty());
    Arc::new(table)
}

/// Keys and values of a topic, in order.
fn records(topic: &str) -> Vec<String> {
    let shown = |(_, key, value, _): Seen| format!("{} {value}", key.unwrap_or_default());
    committed(topic).into_iter().map(shown).collect()
}

fn named(changes: &[(i64, &str, i64)]) -> Delta {
    let ids = Int64Array::from_iter_values(changes.iter().map(|c| c.0));
    let names = StringArray::from_iter_values(changes.iter().map(|c| c.1));
    let columns: [(&str, ArrayRef); 2] = [("id", Arc::new(ids)), ("name", Arc::new(names))];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(n, c)| (n, c, true)));
    Delta::new(batch.unwrap(), changes.iter().map(|c| c.2).collect())
}

/// In one transaction with a table of the other connector.
#[tokio::test(flavor = "multi_thread")]
async fn upserts_are_one_record_a_key_and_tombstones() {
    let (topic, other, pipeline) = (unique("upserts"), unique("beside"), unique("p"));
    let tables = vec![upserts(&topic, &[]), json(&other, &[])];
    assert_eq!(super::sink::domain(&tables[0]), super::sink::domain(&tables[1]));
    let world = Stops::default();
    let env = Env::new(world.clone());
    let mut sink = open(SinkSpec { env, ..spec(tables.clone(), &pipeline, 1) }).await.unwrap();
    sink.commit(&[epoch(1, vec![vec![rows(0..3)], vec![rows(0..1)]])]).await.unwrap();
    let record = |i: i64, name: &str| format!("{{\"id\":{i}}} {{\"id\":{i},\"name\":\"{name}\"}}");
    let mut wanted: Vec<String> = (0..3).map(|i| record(i, &format!("n{i}"))).collect();
    assert_eq!(records(&topic), wanted);
    // 0 is updated, 1 deleted, 2 as it was, 3 new; of two rows with one key the last stays.
    let changes = [(0, "n0", -1), (1, "n1", -1), (0, "x", 1), (3, "old", 1), (3, "new", 1)];
    let second = [epoch(2, vec![vec![named(&changes)], vec![rows(1..2)]])];
    world.at(CrashPoint::BeforeSinkCommit);
    sink.commit(&second).await.unwrap_err();
    assert_eq!((records(&topic), values(&other).len()), (wanted.clone(), 1));
    let mut sink = open(spec(tables, &pipeline, 2)).await.unwrap();
    sink.commit(&second).await.unwrap();
    sink.commit(&second).await.unwrap();
    wanted.extend(["{\"id\":1} (none)".to_string(), record(0, "x"), record(3, "new")]);
    assert_eq!((records(&topic), values(&other).len()), (wanted, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_has_its_own_format_options_and_names() {
    let (topic, pipeline) = (unique("own-names"), unique("p"));
    let more = [
        ("key.fields-prefix", "i"),
        ("value.fields-include", "EXCEPT_KEY"),
        ("key.format", "raw"),
        ("value.json.encode.ignore-null-fields", "true"),
    ];
    let mut t = upserts(&topic, &more).as_ref().clone();
    t.columns[0].ty = SqlType::STRING;
    let ids: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let names: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
    let columns = [("id", ids, true), ("name", names, true)];
    let rows = Delta::inserts(RecordBatch::try_from_iter_with_nullable(columns).unwrap());
    let mut sink = open(spec(vec![Arc::new(t)], &pipeline, 1)).await.unwrap();
    sink.commit(&[epoch(1, vec![vec![rows]])]).await.unwrap();
    assert_eq!(records(&topic), ["a {\"name\":\"x\"}", "b {}"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_written() {
    use arrow::array::{BinaryBuilder, MapBuilder, StringBuilder};
    use brooklet_core::schema::{ColumnDef, ColumnKind};
    let (topic, pipeline) = (unique("headers"), unique("p"));
    let mut t = json(&topic, &[]).as_ref().clone();
    let headers = super::METADATA.iter().find(|m| m.key == "headers").unwrap();
    t.columns[1] = ColumnDef {
        name: "h".into(),
        ty: (headers.ty)(),
        nullable: true,
        kind: ColumnKind::Metadata { key: "headers".into(), read_only: false },
        comment: None,
    };
    let mut maps = MapBuilder::new(None, StringBuilder::new(), BinaryBuilder::new());
    maps.keys().append_value("trace");
    maps.values().append_value(b"x1");
    maps.append(true).unwrap();
    maps.append(false).unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let columns = [("id", ids, true), ("h", Arc::new(maps.finish()) as ArrayRef, true)];
    let rows = Delta::inserts(RecordBatch::try_from_iter_with_nullable(columns).unwrap());
    let mut sink = open(spec(vec![Arc::new(t)], &pipeline, 1)).await.unwrap();
    sink.commit(&[epoch(1, vec![vec![rows]])]).await.unwrap();
    assert_eq!(values(&topic), ["{\"id\":1}", "{\"id\":2}"]);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers()).set("group.id", "test");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        use rdkafka::message::Headers;
        let message = consumer.poll(Duration::from_secs(20)).expect("the broker answers").unwrap();
        let shown = |h: rdkafka::message::Header<'_, &[u8]>| format!("{}={:?}", h.key, h.value);
        seen.push(message.headers().map(|all| all.iter().map(shown).collect::<Vec<_>>()));
    }
    assert_eq!(seen, [Some(vec![format!("trace={:?}", Some(b"x1"))]), None]);
}
