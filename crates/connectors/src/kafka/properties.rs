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
    check(options)?;
    let mut config = ClientConfig::new();
    config.set_log_level(RDKafkaLogLevel::Notice);
    for (key, value) in TUNED {
        config.set(*key, *value);
    }
    config.set("group.id", "brooklet");
    for (key, value) in used(options) {
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
        check(options)?;
        for (key, value) in used(options) {
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

/// What is wrong with the properties, as far as that can be told without a client.
pub fn check(options: &Options) -> Result<()> {
    for (key, value) in used(options) {
        translate(options, key, value)?;
    }
    let get = |key: &str| options.get(&format!("properties.{key}"));
    let protocol = get("security.protocol").unwrap_or("PLAINTEXT").to_ascii_uppercase();
    if !["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"].contains(&protocol.as_str()) {
        return Err(Error::config(
            "option 'properties.security.protocol' is not PLAINTEXT, SSL, SASL_PLAINTEXT or \
             SASL_SSL",
        ));
    }
    let mechanism = get("sasl.mechanism").or(get("sasl.mechanisms"));
    if !protocol.starts_with("SASL") {
        return Ok(());
    }
    let Some(mechanism) = mechanism else {
        return Err(Error::config(format!(
            "'properties.security.protocol' = '{protocol}' needs 'properties.sasl.mechanism': \
             PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512"
        )));
    };
    check_login(mechanism, get("sasl.jaas.config"), get("sasl.username").zip(get("sasl.password")))
}

/// The properties without those that the protocol has no use for: the Java client does not look
/// at them, and one file may serve clusters with and without logins.
fn used(options: &Options) -> impl Iterator<Item = (&str, &str)> {
    let protocol = options.text("properties.security.protocol", "PLAINTEXT").to_ascii_uppercase();
    let idle = move |key: &str| {
        key.starts_with("sasl.") && !protocol.starts_with("SASL")
            || key.starts_with("ssl.") && !protocol.ends_with("SSL")
    };
    options.below("properties.").filter(move |(key, _)| !idle(key))
}

/// Whether user and password are given, and for that mechanism.
fn check_login(mechanism: &str, jaas: Option<&str>, own: Option<(&str, &str)>) -> Result<()> {
    let module = match mechanism {
        "PLAIN" => "PlainLoginModule",
        "SCRAM-SHA-256" | "SCRAM-SHA-512" => "ScramLoginModule",
        _ => {
            return Err(Error::config(
                "option 'properties.sasl.mechanism' is not PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, \
                 which are those available",
            ));
        }
    };
    match jaas {
        None if own.is_none() => Err(Error::config(format!(
            "'properties.sasl.mechanism' = '{mechanism}' needs 'properties.sasl.jaas.config' = \
             '…{module} required username=\"…\" password=\"…\";'"
        ))),
        Some(text) if !text.contains(module) => Err(Error::config(format!(
            "'properties.sasl.jaas.config' names another login module than the {module} that \
             'properties.sasl.mechanism' = '{mechanism}' needs"
        ))),
        _ => Ok(()),
    }
}

/// The client could not be made. librdkafka repeats values, which may be secret: not here.
pub fn refused(error: KafkaError) -> Error {
    let reason = match error {
        KafkaError::ClientConfig(_, _, key, _) => format!("'properties.{key}' is not possible"),
        KafkaError::ClientCreation(text) => text,
        other => other.to_string(),
    };
    Error::config(format!("Kafka's client refuses the table's options: {reason}"))
}

/// What a Java property is here; usually itself.
fn translate(options: &Options, key: &str, value: &str) -> Result<Vec<(String, String)>> {
    let same = |key: &str| Ok(vec![(key.to_string(), value.to_string())]);
    let store_type = |side: &str| {
        options.text(&format!("properties.ssl.{side}.type"), "JKS").to_ascii_uppercase()
    };
    match key {
        "security.protocol" => Ok(vec![(key.into(), value.to_ascii_lowercase())]),
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
        let jaas = "org.apache.kafka.common.security.scram.ScramLoginModule required \
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

    fn secured(more: &[(&str, &str)]) -> Options {
        let mut all = vec![
            ("properties.security.protocol", "SASL_PLAINTEXT"),
            ("properties.sasl.mechanism", "PLAIN"),
        ];
        all.retain(|(key, _)| more.iter().all(|(other, _)| other != key));
        all.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        options(&all)
    }

    /// Java's own spellings of user and password, as JAAS's grammar allows them.
    #[test]
    fn jaas_texts_are_read_as_java_does() {
        for (text, user, password) in [
            ("a.PlainLoginModule required username=\"u\" password=\"p\";", "u", "p"),
            ("a.PlainLoginModule  required\n  password='p w'\n  username = u ;", "u", "p w"),
            (
                "PlainLoginModule required username=\"username=x\" password=\"\\\\\";",
                "username=x",
                "\\",
            ),
            ("PlainLoginModule required user_a=\"z\" username=\"u\" password=p;", "u", "p"),
        ] {
            let config = client(&secured(&[("properties.sasl.jaas.config", text)])).unwrap();
            assert_eq!(config.get("sasl.username"), Some(user), "{text}");
            assert_eq!(config.get("sasl.password"), Some(password), "{text}");
        }
    }

    #[test]
    fn stores_of_certificates_are_pem() {
        let pem = [
            ("properties.security.protocol", "SSL"),
            ("properties.sasl.mechanism", ""),
            ("properties.ssl.truststore.type", "PEM"),
            ("properties.ssl.truststore.location", "/ca.pem"),
            ("properties.ssl.keystore.type", "PEM"),
            ("properties.ssl.keystore.location", "/me.pem"),
            ("properties.ssl.key.password", "hunter2"),
            ("properties.ssl.endpoint.identification.algorithm", ""),
        ];
        let mut all: Vec<(&str, &str)> = pem.to_vec();
        all.retain(|(key, _)| *key != "properties.sasl.mechanism");
        let config = client(&options(&all)).unwrap();
        assert_eq!(config.get("security.protocol"), Some("ssl"));
        assert_eq!(config.get("ssl.ca.location"), Some("/ca.pem"));
        assert_eq!(config.get("ssl.certificate.location"), Some("/me.pem"));
        assert_eq!(config.get("ssl.key.location"), Some("/me.pem"));
        assert_eq!(config.get("ssl.key.password"), Some("hunter2"));
        let ssl = ("properties.security.protocol", "SSL");
        let none = [ssl, ("properties.ssl.endpoint.identification.algorithm", "")];
        let config = client(&options(&none)).unwrap();
        assert_eq!(config.get("ssl.endpoint.identification.algorithm"), Some("none"));
        let jks = [ssl, ("properties.ssl.truststore.location", "/ca.jks")];
        let error = client(&options(&jks)).unwrap_err();
        assert!(
            error.message.contains("PEM") && error.message.contains("truststore.type"),
            "{error}"
        );
    }

    #[test]
    fn logins_that_cannot_work_say_what_is_missing() {
        let scram = "ScramLoginModule required username=u password=hunter2;";
        let jaas = "properties.sasl.jaas.config";
        for (more, named) in [
            (vec![], "sasl.jaas.config"),
            (vec![(jaas, scram)], "PlainLoginModule"),
            (vec![(jaas, "PlainLoginModule required username=hunter2;")], "username=\"…\""),
            (vec![("properties.sasl.mechanism", "")], "sasl.mechanism"),
            (vec![("properties.sasl.mechanism", "GSSAPI")], "PLAIN"),
            (vec![("properties.security.protocol", "TLS")], "SASL_SSL"),
        ] {
            let error = check(&secured(&more)).unwrap_err();
            assert!(error.message.contains(named), "{more:?}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let own = [("properties.sasl.username", "u"), ("properties.sasl.password", "p")];
        check(&secured(&own)).unwrap();
        // As the Java client: what the protocol has no use for is not looked at.
        let plain = secured(&[(jaas, ""), ("properties.security.protocol", "PLAINTEXT")]);
        assert_eq!(client(&plain).unwrap().get("sasl.mechanism"), None);
    }

    #[test]
    fn what_librdkafka_says_is_told_without_values() {
        let conf = RDKafkaConfRes::RD_KAFKA_CONF_INVALID;
        let text = |s: &str| s.to_string();
        let error =
            KafkaError::ClientConfig(conf, text("bad"), text("sasl.password"), text("hunter2"));
        let error = refused(error).to_string();
        assert!(error.contains("sasl.password") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn errors_name_the_option_and_never_the_value() {
        for (protocol, key, value) in [
            ("SASL_SSL", "properties.sasl.jaas.config", "Secret required user=\"hunter2\";"),
            ("PLAINTEXT", "properties.isolation.level", "hunter2"),
            ("SSL", "properties.ssl.keystore.location", "hunter2"),
        ] {
            let all = [("properties.security.protocol", protocol), (key, value)];
            let error = client(&options(&all)).unwrap_err().to_string();
            assert!(error.contains("'properties."), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
