//! The device pipeline as it stands in `pipelines/devices`, into Postgres and Parquet on S3 at
//! once, and its rows read back from both.

use brooklet_testkit::devices::expect::{DeviceMinute, compare, read};
use brooklet_testkit::services::{Bucket, Kafka, Postgres, Topic};

use crate::pipeline::{Pipeline, Scratch};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/devices/pipeline.sql");
const PREFIX: &str = "streaming-output";

/// A pipeline with a database and a bucket of its own.
pub struct DeviceRun {
    pub pipeline: Pipeline,
    pub postgres: Postgres,
    pub bucket: Bucket,
}

impl DeviceRun {
    /// Reads `topic` from its beginning; `settings` are statements put before the file's.
    pub fn new(scratch: &Scratch, topic: &Topic, settings: &str) -> DeviceRun {
        let postgres = Postgres::from_env().expect("Postgres is up");
        let bucket = Bucket::from_env().expect("S3 is up");
        let kafka = Kafka::from_env().expect("Kafka is up");
        let text = std::fs::read_to_string(FILE).unwrap_or_else(|e| panic!("{FILE}: {e}"));
        let pipeline = Pipeline::new(scratch, "devices", &format!("{settings}{text}"));
        let state = pipeline.state().parent().expect("below a directory").to_path_buf();
        let pipeline = pipeline
            .env("CHECKPOINT_LOCATION", state.to_string_lossy())
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.brokers())
            .env("KAFKA_TOPIC", topic.name.as_str())
            .env("KAFKA_STARTING_OFFSETS", "earliest")
            .env("KAFKA_GROUP_ID", format!("group-{}", bucket.name))
            .env("S3_BUCKET", bucket.name.as_str())
            .env("S3_PREFIX", PREFIX)
            .env("TRIGGER", "1 s")
            .env("KAFKA_MAX_OFFSETS_PER_TRIGGER", "8192")
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", postgres.port().to_string())
            .env("PGDATABASE", postgres.database())
            .env("PGUSER", postgres.user())
            .env("PGPASSWORD", postgres.password());
        DeviceRun { pipeline, postgres, bucket }
    }

    /// Runs to the end that the topic has now.
    pub fn finish(&self) {
        let command = self.pipeline.command(&[]).env("KAFKA_BOUNDED_MODE", "latest-offset");
        command.run(crate::pipeline::PATIENCE).expect_code(0);
    }

    /// Panics unless both sinks hold exactly these rows.
    pub fn check(&self, expected: &[DeviceMinute]) {
        for (sink, rows) in [("Postgres", self.in_postgres()), ("Parquet", self.in_parquet())] {
            compare(expected, &rows).unwrap_or_else(|e| panic!("{sink}: {e}"));
        }
    }

    fn in_parquet(&self) -> Vec<DeviceMinute> {
        self.bucket.parquet(PREFIX).iter().flat_map(read).collect()
    }

    fn in_postgres(&self) -> Vec<DeviceMinute> {
        let millis = |column: &str| format!("(extract(epoch FROM {column}) * 1000)::bigint");
        let rows = self.postgres.rows(&format!(
            "SELECT {}, {}, device_id, device_type, event_count, avg_duration, max_duration, \
             min_duration, avg_battery_level, min_battery_level, avg_signal_strength, \
             min_signal_strength, city, country, firmware_version, {} FROM device_minutes",
            millis("window_start"),
            millis("window_end"),
            millis("last_event_time")
        ));
        rows.into_iter().map(minute).collect()
    }
}

fn minute(cells: Vec<Option<String>>) -> DeviceMinute {
    let mut cells = cells.into_iter();
    let mut next = || cells.next().expect("sixteen columns");
    fn number<T: std::str::FromStr>(cell: Option<String>) -> T {
        let text = cell.expect("not NULL");
        text.parse().unwrap_or_else(|_| panic!("{text} is no number"))
    }
    DeviceMinute {
        window_start: number(next()),
        window_end: number(next()),
        device_id: next().expect("part of the key"),
        device_type: next().expect("part of the key"),
        event_count: number(next()),
        avg_duration: number(next()),
        max_duration: number(next()),
        min_duration: number(next()),
        avg_battery_level: number(next()),
        min_battery_level: number(next()),
        avg_signal_strength: number(next()),
        min_signal_strength: number(next()),
        city: next(),
        country: next(),
        firmware_version: next(),
        last_event_time: number(next()),
    }
}
