//! Topics that are created when they are missing: `create-table` = `if-not-exists`.

use brooklet_core::options::Options;
use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Result};
use rdkafka::ClientConfig;

use super::marker::{self, New, Purpose};
use super::queue::Consumer;
use super::settings::{Settings, Topics};
use super::source::blocking;
use super::{properties, start};

/// How a table's topics are created; None when they are not.
pub fn wanted(table: &TableDef) -> Result<Option<New>> {
    let options = &table.options;
    let partitions = partitions(options)?;
    if options.get("brooklet.create-table") != Some("if-not-exists") {
        return Ok(None);
    }
    let purpose = if table.is_upserts() { Purpose::Upserts } else { Purpose::Rows };
    Ok(Some(New { purpose, partitions }))
}

fn partitions(options: &Options) -> Result<Option<i32>> {
    let key = "create-table.partitions";
    let Some(count) = options.int(&format!("brooklet.{key}"))? else { return Ok(None) };
    match i32::try_from(count).ok().filter(|count| *count > 0) {
        Some(count) => Ok(Some(count)),
        None => Err(Error::config(format!("'{key}' = '{count}' must be a number above 0"))),
    }
}

/// Creates what is missing of the topics that a table reads.
pub async fn create_read(table: &TableDef, settings: &Settings) -> Result<()> {
    let (Some(new), Topics::Named(names)) = (wanted(table)?, &settings.topics) else {
        return Ok(());
    };
    for name in names {
        topic(&settings.client, &settings.client, name, Some(new)).await?;
    }
    Ok(())
}

/// How many partitions a topic has; it is created when it is missing and may be.
pub async fn topic(
    config: &ClientConfig,
    admin: &ClientConfig,
    name: &str,
    create: Option<New>,
) -> Result<usize> {
    let (ask, topic) = (config.clone(), name.to_string());
    let count = move || {
        let consumer = Consumer::create(&ask, Box::new(|| ())).map_err(properties::refused)?;
        start::partition_count(&consumer, &topic)
    };
    match blocking(count.clone()).await? {
        Some(partitions) => return Ok(partitions),
        None => {
            let new = create.ok_or_else(|| {
                Error::refused(format!(
                    "Kafka topic '{name}' does not exist: create it, or SET \
                     'brooklet.table.<table>.create-table' = 'if-not-exists'"
                ))
            })?;
            marker::create(admin, name, new).await?;
        }
    }
    for _ in 0..50 {
        if let Some(partitions) = blocking(count.clone()).await? {
            return Ok(partitions);
        }
        pause().await;
    }
    Err(Error::outside(format!("Kafka topic '{name}' was created and is not there yet")))
}

/// Between two looks for a topic that was just created.
#[allow(clippy::disallowed_methods, reason = "a service is waited for before anything runs")]
async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use brooklet_core::types::SqlType;
    use rdkafka::consumer::{BaseConsumer, Consumer};

    use super::super::CONNECTOR;
    use super::super::sink_tests::unique;
    use crate::contract::{source_spec, table};

    fn partitions(servers: &str, topic: &str) -> usize {
        let mut config = rdkafka::ClientConfig::new();
        let consumer: BaseConsumer = config.set("bootstrap.servers", servers).create().unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        metadata.topics()[0].partitions().len()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn topics_that_are_read_are_created_when_missing() {
        let Ok(servers) = std::env::var("BROOKLET_TEST_KAFKA") else { return };
        let (a, b) = (unique("made-a"), unique("made-b"));
        let topics = format!("{a};{b}");
        let open = |more: &[(&str, &str)]| {
            let mut options = vec![
                ("connector", "kafka"),
                ("topic", topics.as_str()),
                ("scan.startup.mode", "earliest-offset"),
                ("properties.bootstrap.servers", servers.as_str()),
            ];
            options.extend(more);
            let t = table("t", &[("v", SqlType::STRING)], &options);
            (CONNECTOR.source.unwrap().open)(source_spec(&t, None, 0))
        };
        let create = ("brooklet.create-table", "if-not-exists");
        let missing = open(&[]).await.err().unwrap();
        assert!(missing.message.contains(&a), "{missing}");
        let none = open(&[create, ("brooklet.create-table.partitions", "0")]).await.err().unwrap();
        assert!(none.message.contains("above 0"), "{none}");
        drop(open(&[create, ("brooklet.create-table.partitions", "3")]).await.unwrap());
        assert_eq!((partitions(&servers, &a), partitions(&servers, &b)), (3, 3));
        // They are there now and stay as they are.
        drop(open(&[create, ("brooklet.create-table.partitions", "5")]).await.unwrap());
        drop(open(&[]).await.unwrap());
        assert_eq!(partitions(&servers, &a), 3);
    }
}
