//! The shop pipeline as it stands in `pipelines/shop`, and the star schema it left in Postgres.

pub mod expect;
pub mod visits;

use std::collections::BTreeMap;
use std::path::Path;

use brooklet_testkit::binary::Finished;
use brooklet_testkit::services::{Kafka, Postgres, Topic};

use crate::pipeline::{PATIENCE, Pipeline, Scratch};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/shop");

/// Rows of a table as Postgres writes them; None is NULL.
pub type Rows = Vec<Vec<Option<String>>>;

/// Tables by name, rows sorted.
pub type Star = BTreeMap<&'static str, Rows>;

/// The tables, dimensions first.
pub const TABLES: [&str; 8] =
    ["store", "referrer", "location", "time", "os", "browser", "product", "fact_event"];

/// A pipeline with a database of its own.
pub struct ShopRun {
    pub pipeline: Pipeline,
    pub postgres: Postgres,
}

impl ShopRun {
    /// Reads `topic` from its beginning; `settings` are statements put behind the file's own.
    pub fn new(scratch: &Scratch, topic: &Topic, settings: &str) -> ShopRun {
        let postgres = Postgres::from_env().expect("Postgres is up");
        let kafka = Kafka::from_env().expect("Kafka is up");
        let file = Path::new(FOLDER).join("pipeline.sql");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file:?}: {e}"));
        let pipeline = Pipeline::new(scratch, "shop", &format!("{text}{settings}"));
        let state = pipeline.state().parent().expect("below a directory").to_path_buf();
        let pipeline = pipeline
            .env("CHECKPOINT_LOCATION", state.to_string_lossy())
            .env("TRIGGER", "5 ms")
            .env("IP2LOCATION_DB", format!("{FOLDER}/sample_places.bin"))
            .env("UDF_FILE", format!("{FOLDER}/udf/shop_udfs.py"))
            .env("KAFKA_SUBSCRIBE", topic.name.as_str())
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.brokers())
            .env("KAFKA_SECURITY_PROTOCOL", "PLAINTEXT")
            .env("KAFKA_SASL_JAAS_CONFIG", "")
            .env("PG_URL", postgres.jdbc_url())
            .env("PG_USER", postgres.user())
            .env("PG_PASS", postgres.password());
        ShopRun { pipeline, postgres }
    }

    /// A variable of every process from now on.
    pub fn env(self, name: &str, value: impl Into<String>) -> ShopRun {
        ShopRun { pipeline: self.pipeline.env(name, value), ..self }
    }

    /// Runs to the end that the topic has now.
    pub fn finish(&self) -> Finished {
        let command = self.pipeline.command(&[]).env("KAFKA_BOUNDED_MODE", "latest-offset");
        command.run(PATIENCE).expect_code(0)
    }

    pub fn star(&self) -> Star {
        let rows = |table: &str| sorted(self.postgres.rows(&format!("SELECT * FROM {table}")));
        TABLES.iter().map(|table| (*table, rows(table))).collect()
    }

    /// Facts that a reader sees now without all of their dimensions; None while a table is missing.
    pub fn orphans(&self) -> Option<i64> {
        let lacks = |table: &str, key: &str| {
            format!("NOT EXISTS (SELECT FROM {table} d WHERE d.{key} = f.{key})")
        };
        let keys = ["referrer", "location", "time", "os", "browser"];
        let keys = keys.map(|table| lacks(table, &format!("{table}_id")));
        let sql = format!(
            "SELECT count(*) FROM fact_event f WHERE {} \
             OR store_id IS NOT NULL AND {} OR product_id <> 'Unknown' AND {}",
            keys.join(" OR "),
            lacks("store", "store_id"),
            lacks("product", "product_id"),
        );
        let rows = self.postgres.try_rows(&sql).ok()?;
        rows[0][0].as_ref().map(|count| count.parse().expect("a number"))
    }
}

pub fn sorted(mut rows: Rows) -> Rows {
    rows.sort();
    rows
}

/// Panics with some of the rows that only one side has.
pub fn same(expected: &Star, found: &Star) {
    for table in TABLES {
        let (expected, found) = (&expected[table], &found[table]);
        let only = |a: &Rows, b: &Rows| {
            let missing = a.iter().filter(|row| b.binary_search(row).is_err());
            missing.take(5).map(|row| format!("\n  {row:?}")).collect::<String>()
        };
        assert!(
            expected == found,
            "{table}: {} rows expected, {} found; missing:{}\nnot expected:{}",
            expected.len(),
            found.len(),
            only(expected, found),
            only(found, expected)
        );
    }
}
