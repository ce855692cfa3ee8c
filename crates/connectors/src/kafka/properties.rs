//! `properties.*`, written for the Java client, in librdkafka's words.

use std::collections::BTreeMap;

use brooklet_core::options::Options;
use brooklet_core::{Error, Result};
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaConfRes;

/// Set by us whatever the table says: offsets are the journal's, positions are explicit, and the
/// end of a partition must be told.
const OURS: &[(&str, &str)] = &[
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "error"),
    ("enable.partition.eof", "true"),
    ("allow.auto.create.topics", "false"),
    ("statistics.interval.ms", "5000"),
];

/// The defaults of a table. Small fetches into a small queue: larger ones only cost memory.
const TUNED: &[(&str, &str)] = &[
    ("fetch.min.bytes", "1"),
    ("fetch.message.max.bytes", "2097152"),
    ("queued.max.messages.kbytes", "8192"),
    ("queued.min.messages", "100000"),
    // librdkafka's own second is longer than the queue lasts.
    ("fetch.queue.backoff.ms", "10"),
    // The Java client's default; librdkafka's own is read_committed.
    ("isolation.level", "read_uncommitted"),
];

/// Means something to the Java client or to Flink only.
const JAVA_ONLY: &[&str] = &[
    "max.poll.records",
    "key.deserializer",
    "value.deserializer",
    "partition.discovery.interval.ms",
    "client.id.prefix",
    "register.consumer.metrics",
    "commit.offsets.on.checkpoint",
];

/// The defaults of a sink. Keyed records go where the Java client would put them.
const PRODUCER: &[(&str, &str)] = &[
    ("enable.idempotence", "true"),
    ("partitioner", "murmur2_random"),
    ("linger.ms", "2"),
    ("queue.buffering.max.kbytes", "65536"),
];

/// Set by us whatever the table says: every commit is a transaction of the pipeline's own id.
const PRODUCER_OURS: &[&str] = &[
    "enable.idempotence",
    "acks",
    "retries",
    "transactional.id",
    "key.serializer",
    "value.serializer",
    "max.block.ms",
];

/// Says nothing to a producer.
const CONSUMER_ONLY: &[&str] = &[
    "group.id",
    "group.instance.id",
    "auto.offset.reset",
    "enable.auto.commit",
    "auto.commit.interval.ms",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "fetch.min.bytes",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "max.partition.fetch.bytes",
    "isolation.level",
    "partition.assignment.strategy",
    "check.crcs",
    "exclude.internal.topics",
];

/// The client's configuration for a table. Unknown keys are ignored with a warning, as Flink
/// accepts any; known keys with impossible values are errors.
pub fn client(options: &Options) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Notice);
    for (key, value) in TUNED {
        config.set(*key, *value);
    }
    config.set("group.id", "brooklet");
    for (key, value) in options.below("properties.") {
        if JAVA_ONLY.contains(&key) || OURS.iter().any(|(ours, _)| *ours == key) {
            continue;
        }
        for (key, value) in translate(options, key, value)? {
            if accepted(&key, &value)? {
                config.set(key, value);
            }
        }
    }
    for (key, value) in OURS {
        config.set(*key, *value);
    }
    Ok(config)
}

/// A transactional producer's configuration for tables of one cluster. Where two tables differ
/// in a property, that is an error: they share one producer.
pub fn producer<'a>(tables: impl Iterator<Item = &'a Options>) -> Result<ClientConfig> {
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Notice);
    for (key, value) in PRODUCER {
        config.set(*key, *value);
    }
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for options in tables {
        for (key, value) in options.below("properties.") {
            let skipped =
                [JAVA_ONLY, CONSUMER_ONLY, PRODUCER_OURS].iter().any(|k| k.contains(&key));
            if skipped {
                continue;
            }
            for (key, value) in translate(options, key, value)? {
                if given.get(&key).is_some_and(|before| *before != value) {
                    return Err(Error::config(format!(
                        "two Kafka tables of one cluster differ in 'properties.{key}': they are \
                         written by one producer, give them the same value"
                    )));
                }
                if accepted(&key, &value)? {
                    config.set(&key, &value);
                    given.insert(key, value);
                }
            }
        }
    }
    Ok(config)
}

/// What a Java property is here; usually itself.
fn translate(options: &Options, key: &str, value: &str) -> Result<Vec<(String, String)>> {
    let same = |key: &str| Ok(vec![(key.to_string(), value.to_string())]);
    let store_type = |side: &str| {
        options.text(&format!("properties.ssl.{side}.type"), "JKS").to_ascii_uppercase()
    };
    match key {
        "security.protocol" => Ok(vec![(key.into(), value.to_ascii_lowercase())]),
        "sasl.mechanism" | "sasl.mechanisms" if value == "GSSAPI" => Err(Error::config(
            "'properties.sasl.mechanism' = 'GSSAPI' is not available; PLAIN, SCRAM-SHA-256 and \
             SCRAM-SHA-512 are",
        )),
        "sasl.jaas.config" => {
            let (user, password) = jaas(value)?;
            Ok(vec![("sasl.username".into(), user), ("sasl.password".into(), password)])
        }
        "ssl.truststore.location" => match store_type("truststore").as_str() {
            "PEM" => same("ssl.ca.location"),
            other => Err(Error::config(format!(
                "a {other} trust store cannot be read: export its certificates as PEM and set \
                 'properties.ssl.truststore.type' = 'PEM'"
            ))),
        },
        "ssl.truststore.certificates" => same("ssl.ca.pem"),
        "ssl.keystore.location" => match store_type("keystore").as_str() {
            "PKCS12" => same("ssl.keystore.location"),
            "PEM" => Ok(vec![
                ("ssl.certificate.location".into(), value.into()),
                ("ssl.key.location".into(), value.into()),
            ]),
            other => Err(Error::config(format!(
                "a {other} key store cannot be read: convert it to PKCS12 or PEM and set \
                 'properties.ssl.keystore.type'"
            ))),
        },
        "ssl.keystore.certificate.chain" => same("ssl.certificate.pem"),
        "ssl.keystore.key" => same("ssl.key.pem"),
        "ssl.truststore.type" | "ssl.keystore.type" | "ssl.truststore.password" => Ok(vec![]),
        "ssl.endpoint.identification.algorithm" if value.is_empty() => {
            Ok(vec![(key.into(), "none".into())])
        }
        "fetch.max.wait.ms" => same("fetch.wait.max.ms"),
        "max.partition.fetch.bytes" => same("fetch.message.max.bytes"),
        "max.request.size" => same("message.max.bytes"),
        "buffer.memory" => {
            let bytes: u64 = value.trim().parse().map_err(|_| {
                Error::config("option 'properties.buffer.memory' is not a number of bytes")
            })?;
            Ok(vec![("queue.buffering.max.kbytes".into(), (bytes / 1024).max(1).to_string())])
        }
        "request.timeout.ms" => same("socket.timeout.ms"),
        "send.buffer.bytes" => same("socket.send.buffer.bytes"),
        "receive.buffer.bytes" => same("socket.receive.buffer.bytes"),
        _ => same(key),
    }
}

/// Whether librdkafka knows the key; an error when it does and the value is impossible. Values
/// are never repeated: they may be secret.
fn accepted(key: &str, value: &str) -> Result<bool> {
    let mut one = ClientConfig::new();
    one.set(key, value);
    match one.create_native_config() {
        Ok(_) => Ok(true),
        Err(KafkaError::ClientConfig(RDKafkaConfRes::RD_KAFKA_CONF_UNKNOWN, ..)) => {
            tracing::warn!("option 'properties.{key}' is not known here and is ignored");
            Ok(false)
        }
        Err(_) => Err(Error::config(format!("option 'properties.{key}' has an impossible value"))),
    }
}

/// User and password out of `…LoginModule required username="u" password="p";`.
fn jaas(text: &str) -> Result<(String, String)> {
    let wrong = || {
        Error::config(
            "option 'properties.sasl.jaas.config' must read \
             '…PlainLoginModule required username=\"…\" password=\"…\";' (or ScramLoginModule)",
        )
    };
    let user = jaas_value(text, "username").ok_or_else(wrong)?;
    let password = jaas_value(text, "password").ok_or_else(wrong)?;
    Ok((user, password))
}

/// The quoted (`\` escapes) or bare value of `key=`.
fn jaas_value(text: &str, key: &str) -> Option<String> {
    let mut rest = text;
    loop {
        let at = rest.find(key)?;
        let starts = rest[..at].chars().next_back().is_none_or(char::is_whitespace);
        rest = &rest[at + key.len()..];
        let Some(value) = rest.trim_start().strip_prefix('=').filter(|_| starts) else { continue };
        let value = value.trim_start();
        let Some(quote) = value.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
            let end = |c: char| c.is_whitespace() || c == ';';
            return value.split(end).next().map(String::from);
        };
        let mut out = String::new();
        let mut chars = value[1..].chars();
        while let Some(c) = chars.next() {
            match c {
                '\\' => out.push(chars.next()?),
                c if c == quote => return Some(out),
                c => out.push(c),
            }
        }
        return None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn java_names_become_librdkafkas() {
        let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required \
                    username=\"we\" password=\"a\\\"b;c\";";
        let config = client(&options(&[
            ("properties.bootstrap.servers", "b:9092"),
            ("properties.security.protocol", "SASL_SSL"),
            ("properties.sasl.mechanism", "SCRAM-SHA-512"),
            ("properties.sasl.jaas.config", jaas),
            ("properties.ssl.truststore.type", "PEM"),
            ("properties.ssl.truststore.location", "/ca.pem"),
            ("properties.max.poll.records", "500"),
            ("properties.fetch.max.wait.ms", "50"),
            ("properties.enable.auto.commit", "true"),
            ("properties.interceptor.classes", "com.x.Y"),
        ]))
        .unwrap();
        assert_eq!(config.get("sasl.username"), Some("we"));
        assert_eq!(config.get("sasl.password"), Some("a\"b;c"));
        assert_eq!(config.get("security.protocol"), Some("sasl_ssl"));
        assert_eq!(config.get("ssl.ca.location"), Some("/ca.pem"));
        assert_eq!(config.get("fetch.wait.max.ms"), Some("50"));
        assert_eq!(config.get("isolation.level"), Some("read_uncommitted"));
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        for gone in ["max.poll.records", "interceptor.classes", "sasl.jaas.config"] {
            assert_eq!(config.get(gone), None, "{gone}");
        }
    }

    #[test]
    fn errors_name_the_option_and_never_the_value() {
        for (key, value) in [
            ("properties.sasl.jaas.config", "Secret required user=\"hunter2\";"),
            ("properties.isolation.level", "hunter2"),
            ("properties.ssl.keystore.location", "hunter2"),
        ] {
            let error = client(&options(&[(key, value)])).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
