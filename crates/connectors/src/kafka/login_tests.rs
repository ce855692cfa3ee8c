//! TLS and logins against a real broker, whose listener for them BROOKLET_TEST_KAFKA_LOGIN names.

use std::time::Duration;

use brooklet_core::connector::SinkSpec;
use brooklet_core::sink::{EpochOutput, TableOutput};
use brooklet_core::source::Budget;
use brooklet_core::types::SqlType;
use brooklet_core::{Epoch, Error, ErrorKind, Instance, Result};
use brooklet_formats::FORMATS;

use super::CONNECTOR;
use crate::contract::{self, rows, sink_spec, source_spec, table};

const COLUMNS: [(&str, SqlType); 2] = [("id", SqlType::BigInt), ("name", SqlType::STRING)];

/// Options as Flink's users write them.
fn options(topic: &str, mechanism: &str, password: &str) -> Option<Vec<(String, String)>> {
    let servers = std::env::var("BROOKLET_TEST_KAFKA_LOGIN").ok()?;
    let ca = std::env::var("BROOKLET_TEST_KAFKA_CA").ok()?;
    let module = match mechanism {
        "PLAIN" => "plain.PlainLoginModule",
        _ => "scram.ScramLoginModule",
    };
    let jaas = format!(
        "org.apache.kafka.common.security.{module} required username=\"brooklet\" \
         password=\"{password}\";"
    );
    let all = [
        ("connector", "kafka"),
        ("topic", topic),
        ("format", "json"),
        ("brooklet.create-table", "if-not-exists"),
        ("scan.startup.mode", "earliest-offset"),
        ("properties.bootstrap.servers", &servers),
        ("properties.security.protocol", "SASL_SSL"),
        ("properties.sasl.mechanism", mechanism),
        ("properties.sasl.jaas.config", &jaas),
        ("properties.ssl.truststore.type", "PEM"),
        ("properties.ssl.truststore.location", &ca),
    ];
    Some(all.map(|(k, v)| (k.to_string(), v.to_string())).to_vec())
}

/// Writes one row and reads it again.
async fn there_and_back(topic: &str, options: &[(String, String)]) -> Result<Vec<String>> {
    let pairs: Vec<(&str, &str)> = options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let t = table("t", &COLUMNS, &pairs);
    let base = sink_spec(&t, topic);
    let spec = SinkSpec { pipeline: topic.into(), formats: FORMATS, ..base };
    let spec = SinkSpec { instance: Instance(topic.into()), ..spec };
    let mut sink = (CONNECTOR.sink.unwrap().open)(spec).await?;
    let output = TableOutput { changes: vec![rows(0..1)], ..TableOutput::default() };
    sink.commit(&[EpochOutput { epoch: Epoch(1), tables: vec![output] }]).await?;
    let mut source = (CONNECTOR.source.unwrap().open)(source_spec(&t, None, 0)).await?;
    for _ in 0..2_000 {
        let input = source.poll(Budget { max_rows: 10, max_bytes: 1 << 20 }).await?;
        let came: Vec<String> = contract::records(&input).into_values().flatten().collect();
        if !came.is_empty() {
            return Ok(came);
        }
        #[allow(clippy::disallowed_methods, reason = "a service is waited for")]
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Err(Error::bug("nothing came"))
}

fn unique(stem: &str) -> String {
    let mut own = [0; 8];
    std::io::Read::read_exact(&mut std::fs::File::open("/dev/urandom").unwrap(), &mut own).unwrap();
    format!("{stem}-{:016x}", u64::from_ne_bytes(own))
}

#[tokio::test(flavor = "multi_thread")]
async fn java_logins_work_over_tls() {
    let Ok(password) = std::env::var("BROOKLET_TEST_KAFKA_PASSWORD") else { return };
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let topic = unique("login");
        let Some(options) = options(&topic, mechanism, &password) else { return };
        let came = there_and_back(&topic, &options).await.unwrap();
        assert!(came[0].contains("n0"), "{mechanism}: {came:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_told_and_not_repeated() {
    for mechanism in ["PLAIN", "SCRAM-SHA-512"] {
        let Some(options) = options("nowhere", mechanism, "hunter2") else { return };
        let pairs: Vec<(&str, &str)> =
            options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let t = table("t", &COLUMNS, &pairs);
        let error = (CONNECTOR.source.unwrap().open)(source_spec(&t, None, 0)).await.err().unwrap();
        assert_eq!((error.kind, error.retry), (ErrorKind::Outside, false), "{error}");
        assert!(error.message.contains("user or password"), "{error}");
        let sink = SinkSpec { formats: FORMATS, ..sink_spec(&t, "nowhere") };
        let error = (CONNECTOR.sink.unwrap().open)(sink).await.err().unwrap();
        assert!(!error.retry && !error.to_string().contains("hunter2"), "{error}");
    }
}
