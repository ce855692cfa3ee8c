//! Wiring against librdkafka's mock cluster: produce, poll, replay, bounds, gaps, errors.

use std::time::Duration;

use brooklet_core::source::{Budget, SplitPosition};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, ErrorKind, Source};
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};

use super::{CONNECTOR, start};
use crate::contract::{self, source_spec, table};

type Cluster = MockCluster<'static, DefaultProducerContext>;

fn cluster(topic: &str, partitions: i32) -> Cluster {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(topic, partitions, 1).unwrap();
    cluster
}

fn produce(cluster: &Cluster, topic: &str, partition: i32, ids: std::ops::Range<i32>) {
    let mut config = ClientConfig::new();
    let producer: BaseProducer =
        config.set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for i in ids {
        let (key, value) = (format!("k{i}"), format!("v{i}"));
        let record = BaseRecord::to(topic).partition(partition).key(&key).timestamp(1_000);
        // A NULL value now and then.
        let record = if i % 10 == 9 { record } else { record.payload(&value) };
        producer.send(record).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
}

async fn open(
    cluster: &Cluster,
    topic: &str,
    more: &[(&str, &str)],
    positions: Option<Vec<SplitPosition>>,
) -> Result<Box<dyn Source>, Error> {
    let servers = cluster.bootstrap_servers();
    let mut options = vec![
        ("connector", "kafka"),
        ("topic", topic),
        ("properties.bootstrap.servers", servers.as_str()),
    ];
    options.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
    options.extend(more.iter().filter(|(_, value)| !value.is_empty()));
    let t = table("t", &[("v", SqlType::STRING)], &options);
    (CONNECTOR.source.unwrap().open)(source_spec(&t, positions, 0)).await
}

const EARLIEST: (&str, &str) = ("scan.startup.mode", "earliest-offset");

#[tokio::test(flavor = "multi_thread")]
async fn keeps_the_contract_and_ends_at_its_bound() {
    let cluster = cluster("in", 2);
    produce(&cluster, "in", 0, 0..50);
    produce(&cluster, "in", 1, 100..130);
    let servers = cluster.bootstrap_servers();
    let t = table(
        "t",
        &[("v", SqlType::STRING)],
        &[
            ("topic", "in"),
            ("properties.bootstrap.servers", &servers),
            EARLIEST,
            ("scan.bounded.mode", "latest-offset"),
        ],
    );
    let side = CONNECTOR.source.unwrap();
    let opener = |positions| (side.open)(source_spec(&t, positions, 0));
    let all = contract::source(opener, 16, 80, true).await;
    assert_eq!(all["in-00000"].len(), 50);
    assert_eq!(all["in-00000"][0], "0 1000 Some(\"k0\") Some(\"v0\")");
    assert_eq!(all["in-00000"][9], "9 1000 Some(\"k9\") None");
    assert_eq!(all["in-00001"][29], "29 1000 Some(\"k129\") None");
}

/// Polls until something came or `caught_up` is as wanted everywhere.
async fn poll_until(source: &mut Box<dyn Source>, caught_up: bool) -> Vec<String> {
    let mut all = Vec::new();
    for _ in 0..1_000 {
        let input = source.poll(Budget { max_rows: 100, max_bytes: 1 << 20 }).await.unwrap();
        all.extend(contract::records(&input).into_values().flatten());
        if input.splits.iter().all(|s| s.caught_up == caught_up) {
            return all;
        }
        #[allow(clippy::disallowed_methods, reason = "a service is waited for")]
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never caught up; {} records came", all.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn new_records_come_after_the_end_was_seen() {
    let cluster = cluster("in", 1);
    produce(&cluster, "in", 0, 0..3);
    let mut source =
        open(&cluster, "in", &[("scan.startup.mode", "latest-offset")], None).await.unwrap();
    assert!(poll_until(&mut source, true).await.is_empty());
    produce(&cluster, "in", 0, 3..5);
    let mut came = Vec::new();
    while came.len() < 2 {
        came.extend(poll_until(&mut source, true).await);
    }
    assert_eq!(came[0], "3 1000 Some(\"k3\") Some(\"v3\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_position_and_a_second_replay() {
    let cluster = cluster("in", 1);
    produce(&cluster, "in", 0, 0..20);
    let mut source = open(&cluster, "in", &[EARLIEST], None).await.unwrap();
    let range =
        |from, to| brooklet_core::source::SplitRange { split: start::split_id("in", 0), from, to };
    // Replays need not begin where the source was opened.
    let input = source.replay(&[range(5, 8)]).await.unwrap();
    assert_eq!(contract::records(&input)["in-00000"].len(), 3);
    let input = source.replay(&[range(8, 20)]).await.unwrap();
    assert_eq!(contract::records(&input)["in-00000"].len(), 12);
    let error = source.replay(&[range(20, 30)]).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
    let gone = [SplitPosition { split: start::split_id("in", 0), offset: 99 }];
    let error = open(&cluster, "in", &[EARLIEST], Some(gone.to_vec())).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::Corrupt, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn startup_modes() {
    let cluster = cluster("in", 2);
    produce(&cluster, "in", 0, 0..20);
    let specific = [
        ("scan.startup.mode", "specific-offsets"),
        ("scan.startup.specific-offsets", "partition:0,offset:17;partition:1,offset:0"),
    ];
    let mut source = open(&cluster, "in", &specific, None).await.unwrap();
    assert_eq!(poll_until(&mut source, true).await.len(), 3);
    let group = [("properties.group.id", "g"), ("properties.auto.offset.reset", "earliest")];
    let mut source = open(&cluster, "in", &group, None).await.unwrap();
    assert_eq!(poll_until(&mut source, true).await.len(), 20);
    let upto = [SplitPosition { split: start::split_id("in", 0), offset: 15 }];
    source.release(&upto).await.unwrap();
    for _ in 0..200 {
        let mut again = open(&cluster, "in", &group, None).await.unwrap();
        if poll_until(&mut again, true).await.len() == 5 {
            return;
        }
    }
    panic!("the group's offset was not committed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_not_there() {
    let options = [
        ("topic", "in"),
        ("properties.bootstrap.servers", "127.0.0.1:1"),
        ("properties.group.id", "g"),
    ];
    let t = table("t", &[("v", SqlType::STRING)], &options);
    let error = (CONNECTOR.source.unwrap().open)(source_spec(&t, None, 0)).await.err().unwrap();
    assert_eq!((error.kind, error.retry), (ErrorKind::Outside, true), "{error}");
}

const MATCHING: [(&str, &str); 3] = [
    ("topic", ""),
    ("topic-pattern", "in-.*"),
    ("scan.topic-partition-discovery.interval", "50 ms"),
];

async fn open_matching(
    cluster: &Cluster,
    mode: &str,
    positions: Option<Vec<SplitPosition>>,
) -> Box<dyn Source> {
    let mut more = MATCHING.to_vec();
    more.push(("scan.startup.mode", mode));
    open(cluster, "", &more, positions).await.unwrap()
}

async fn poll(source: &mut Box<dyn Source>) -> brooklet_core::source::Input {
    #[allow(clippy::disallowed_methods, reason = "a service is waited for")]
    tokio::time::sleep(Duration::from_millis(5)).await;
    source.poll(Budget { max_rows: 100, max_bytes: 1 << 20 }).await.unwrap()
}

fn names(input: &brooklet_core::source::Input) -> Vec<&str> {
    input.splits.iter().map(|s| &*s.range.split.0).collect()
}

/// New topics are read from their beginning whatever the startup mode says of those that are
/// there, and a replay gives the splits that an epoch knew and no other.
#[tokio::test(flavor = "multi_thread")]
async fn topics_that_are_created_later_are_found() {
    let cluster = cluster("in-b", 1);
    cluster.create_topic("out-a", 1, 1).unwrap();
    produce(&cluster, "in-b", 0, 0..3);
    let mut source = open_matching(&cluster, "latest-offset", None).await;
    let first = poll(&mut source).await;
    assert_eq!(names(&first), ["in-b-00000"]);
    assert!(!first.ended);
    cluster.create_topic("in-a", 2, 1).unwrap();
    produce(&cluster, "in-a", 1, 5..9);
    produce(&cluster, "in-b", 0, 3..4);
    let mut came: Vec<brooklet_core::source::SplitRange> = Vec::new();
    for _ in 0..2_000 {
        let input = poll(&mut source).await;
        if names(&input).len() > 1 {
            assert_eq!(names(&input), ["in-a-00000", "in-a-00001", "in-b-00000"]);
        }
        came.extend(input.splits.iter().map(|s| s.range.clone()).filter(|r| r.from < r.to));
        if came.iter().map(|r| r.to - r.from).sum::<i64>() == 5 {
            break;
        }
    }
    let range = |split: &str, from, to| brooklet_core::source::SplitRange {
        split: brooklet_core::source::SplitId::new(split),
        from,
        to,
    };
    came.sort_by(|a, b| a.split.cmp(&b.split));
    assert_eq!(came, [range("in-a-00001", 0, 4), range("in-b-00000", 3, 4)]);
    // Without a snapshot the mode says `latest` of partitions that the journal does not know.
    let mut again = open_matching(&cluster, "latest-offset", None).await;
    let input = again.replay(&[range("in-b-00000", 2, 4)]).await.unwrap();
    assert_eq!(names(&input), ["in-b-00000"]);
    assert_eq!(contract::records(&input)["in-b-00000"].len(), 2);
    let rest = poll_until(&mut again, true).await;
    assert_eq!(rest.len(), 4, "{rest:?}");
    assert_eq!(rest[0], "0 1000 Some(\"k5\") Some(\"v5\")");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_may_match_nothing_yet() {
    let cluster = cluster("out", 1);
    let mut source = open_matching(&cluster, "earliest-offset", None).await;
    let input = poll(&mut source).await;
    assert!(input.splits.is_empty() && !input.ended);
    cluster.create_topic("in-late", 1, 1).unwrap();
    produce(&cluster, "in-late", 0, 0..2);
    let mut came = Vec::new();
    for _ in 0..2_000 {
        came.extend(contract::records(&poll(&mut source).await).into_values().flatten());
        if came.len() == 2 {
            return;
        }
    }
    panic!("{came:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_and_the_kind_of_time() {
    use arrow::array::{Array, AsArray};
    use brooklet_core::raw::{HeadersBuilder, TimestampType};
    use rdkafka::message::{Header, OwnedHeaders};
    let cluster = cluster("in", 1);
    let mut config = ClientConfig::new();
    let producer: BaseProducer =
        config.set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    let header = |key, value| Header { key, value };
    let all = OwnedHeaders::new()
        .insert(header("a", Some("1")))
        .insert(header("b", None))
        .insert(header("a", Some("2")));
    for headers in [None, Some(all)] {
        let mut record: BaseRecord<'_, str, str> = BaseRecord::to("in").payload("v").partition(0);
        record.headers = headers;
        producer.send(record).map_err(|(e, _)| e).unwrap();
    }
    producer.flush(Duration::from_secs(10)).unwrap();
    let mut source = open(&cluster, "in", &[EARLIEST], None).await.unwrap();
    let mut found = 0;
    while found < 2 {
        for split in poll(&mut source).await.splits {
            let brooklet_core::source::Payload::Raw(batch) = split.payload else { continue };
            for i in 0..batch.len() {
                let mut builder = HeadersBuilder::new(None, Default::default(), Default::default());
                batch.rarely().headers(&[i as u32], &mut builder);
                let map = builder.finish();
                let keys: Vec<&str> = map.keys().as_string::<i32>().iter().flatten().collect();
                let values = map.values().as_binary::<i32>();
                match batch.offset(i) {
                    0 => assert!(keys.is_empty()),
                    _ => {
                        assert_eq!(keys, ["b", "a"]);
                        assert!(values.is_null(0) && values.value(1) == b"2");
                    }
                }
                assert_eq!(batch.rarely().timestamp_types(&[i as u32]), [TimestampType::Producer]);
                found += 1;
            }
        }
    }
}

#[test]
fn tables_are_checked_before_anything_is_asked() {
    let wrong = |connector: &brooklet_core::connector::Connector,
                 options: &[(&str, &str)],
                 key: &[&str]| {
        let mut t = table("t", &[("k", SqlType::STRING)], options).as_ref().clone();
        t.primary_key = key.iter().map(|k| k.to_string()).collect();
        (connector.check)(&t).err().map(|e| e.message).unwrap_or_default()
    };
    let upserts = &crate::upsert_kafka::CONNECTOR;
    let base = [("connector", "upsert-kafka"), ("topic", "t"), ("key.format", "json")];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    assert_eq!(wrong(upserts, &with(&[("value.format", "json")]), &["k"]), "");
    assert!(wrong(upserts, &with(&[]), &[]).contains("PRIMARY KEY"));
    assert!(wrong(upserts, &with(&[("format", "json")]), &["k"]).contains("value.format"));
    let changes = with(&[("value.format", "debezium-json")]);
    assert!(wrong(upserts, &changes, &["k"]).contains("debezium-json"));
    assert!(wrong(&CONNECTOR, &[("connector", "kafka")], &[]).contains("topic-pattern"));
}
