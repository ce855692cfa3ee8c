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
    options.extend(more);
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
