//! The shop's pipelines as they stand in `pipelines/clicks`, generated clicks and orders, and a
//! plain recomputation of what must become of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use brooklet_testkit::dice::Dice;
use brooklet_testkit::services::{Bucket, Kafka, Postgres, Topic};
use chrono::{DateTime, NaiveDateTime};
use serde_json::{Value, json};

use crate::pipeline::{Pipeline, Scratch};

/// Where the SQL files and the sample stand.
pub const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipelines/clicks");
/// The day that files are processed for.
pub const DAY: &str = "2026/01/18";

const MINUTE: i64 = 60_000;
/// `WATERMARK_DELAY` of the pipeline.
const DELAY: i64 = MINUTE;

/// A database and a bucket of its own.
pub struct Shop {
    pub postgres: Postgres,
    pub bucket: Bucket,
}

impl Shop {
    pub fn new() -> Shop {
        let postgres = Postgres::from_env().expect("Postgres is up");
        Shop { postgres, bucket: Bucket::from_env().expect("S3 is up") }
    }

    /// `pipelines/clicks/<name>.sql`; `settings` are statements put before the file's.
    pub fn pipeline(&self, scratch: &Scratch, name: &str, settings: &str) -> Pipeline {
        let file = format!("{DIRECTORY}/{name}.sql");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{file}: {e}"));
        let text = text.replace("SET 'pipeline.name'", "SET 'unused.name'");
        Pipeline::new(scratch, name, &format!("{settings}{text}"))
            .env("BUCKET_NAME", self.bucket.name.as_str())
            .env("PROCESSING_DATE", DAY)
            .env("POSTGRES_HOST", "127.0.0.1")
            .env("POSTGRES_PORT", self.postgres.port().to_string())
            .env("DB_NAME", self.postgres.database())
            .env("POSTGRES_USER", self.postgres.user())
            .env("POSTGRES_PASSWORD", self.postgres.password())
    }

    /// The same, reading a topic.
    pub fn streaming(
        &self,
        scratch: &Scratch,
        name: &str,
        topic: &Topic,
        settings: &str,
    ) -> Pipeline {
        let kafka = Kafka::from_env().expect("Kafka is up");
        self.pipeline(scratch, name, settings)
            .env("KAFKA_BOOTSTRAP_SERVERS", kafka.brokers())
            .env("KAFKA_TOPIC", topic.name.as_str())
            .env("ARCHIVE_INTERVAL", "1 s")
    }

    /// Copies the CSV files of a directory to the bucket.
    pub fn upload(&self, scratch: &Scratch, from: &Path) {
        let pipeline = self.pipeline(scratch, "upload", "");
        pipeline.env("LOCAL_DATA_PATH", from.to_string_lossy()).finish();
    }

    /// Rows of a table, texts of all columns, sorted.
    pub fn rows(&self, table: &str) -> Vec<Vec<String>> {
        let rows = self.postgres.rows(&format!("SELECT * FROM {table}"));
        let text = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".into());
        let mut rows: Vec<Vec<String>> =
            rows.into_iter().map(|row| row.into_iter().map(text).collect()).collect();
        rows.sort();
        rows
    }
}

impl Default for Shop {
    fn default() -> Self {
        Shop::new()
    }
}

/// Values of the topic, one partition's: duplicates, late ones, NULLs, missing keys, broken JSON,
/// texts that are no time, names in several scripts, attempts at injection.
pub fn clicks(seed: u64, count: u64) -> Vec<Vec<u8>> {
    let mut dice = Dice::new(seed);
    let pages = ["home", "explore", "café/menü", "検索", "", "x'); DROP TABLE fact_page_views;--"];
    let actions = ["view_item", "add_to_cart", "checkout", "зум", "' OR '1'='1"];
    let mut now: i64 = 1_768_780_500_000;
    let mut values: Vec<Vec<u8>> = Vec::new();
    for n in 0..count {
        now += dice.between(0, 40);
        if dice.chance(0.02) && !values.is_empty() {
            let again = dice.below(values.len() as u64) as usize;
            values.push(values[again].clone());
            continue;
        }
        let back =
            if dice.chance(0.02) { dice.between(0, 5 * MINUTE) } else { dice.between(0, 20_000) };
        let mut click = json!({
            "eventid": format!("evt{n}"),
            "userid": format!("user{}", dice.below(100)),
            "url": *dice.pick(&pages),
            "timestamp": time_text(&mut dice, now - back),
            "action": *dice.pick(&actions),
        });
        for column in ["url", "action", "timestamp", "userid"] {
            if dice.chance(0.01) {
                click[column] = Value::Null;
            } else if dice.chance(0.01) {
                click.as_object_mut().expect("an object").remove(column);
            }
        }
        let mut text = click.to_string();
        if dice.chance(0.005) {
            text.truncate(text.floor_char_boundary(dice.below(text.len() as u64) as usize));
        }
        values.push(text.into_bytes());
    }
    values
}

fn time_text(dice: &mut Dice, millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis).expect("within the years").naive_utc();
    match dice.below(50) {
        0 => "soon".into(),
        1 => String::new(),
        2..10 => time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        10..20 => time.format("%Y-%m-%d %H:%M:%S").to_string(),
        _ => time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string(),
    }
}

/// What the clicks of one partition come to.
#[derive(Debug, Default)]
pub struct Minutes {
    /// Rows as Postgres shows them, sorted.
    pub views: Vec<Vec<String>>,
    pub actions: Vec<Vec<String>>,
    pub malformed: usize,
    pub untimed: usize,
    pub late: usize,
}

/// In order, a click at a time: late is whose minute was over when it came.
pub fn minutes<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Minutes {
    let mut all = Minutes::default();
    let mut views: BTreeMap<(i64, String), u64> = BTreeMap::new();
    let mut actions: BTreeMap<(i64, String), u64> = BTreeMap::new();
    let mut watermark = i64::MIN;
    for value in values {
        let Ok(Value::Object(click)) = serde_json::from_slice(value) else {
            all.malformed += 1;
            continue;
        };
        let text = |column: &str| click.get(column).and_then(Value::as_str).map(str::to_string);
        let time = text("timestamp").and_then(|text| millis(&text)).unwrap_or(0);
        let before = watermark;
        watermark = watermark.max(time - DELAY);
        if time == 0 {
            all.untimed += 1;
            continue;
        }
        let start = time - time.rem_euclid(MINUTE);
        if start + MINUTE - 1 <= before {
            all.late += 1;
            continue;
        }
        for (column, counts) in [("url", &mut views), ("action", &mut actions)] {
            if let Some(value) = text(column) {
                *counts.entry((start, value)).or_default() += 1;
            }
        }
    }
    (all.views, all.actions) = (table(views), table(actions));
    all
}

fn millis(text: &str) -> Option<i64> {
    let text = text.replace('T', " ").replace('Z', "");
    let time = NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(time.and_utc().timestamp_millis())
}

fn table(counts: BTreeMap<(i64, String), u64>) -> Vec<Vec<String>> {
    let row = |((start, value), count): ((i64, String), u64)| {
        vec![moment(start), moment(start + MINUTE), value, count.to_string()]
    };
    let mut rows: Vec<Vec<String>> = counts.into_iter().map(row).collect();
    rows.sort();
    rows
}

fn moment(millis: i64) -> String {
    let time = DateTime::from_timestamp_millis(millis).expect("within the years");
    time.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Three CSV files, and the rows of `fact_orders` that they make.
pub struct Orders {
    pub users: String,
    pub products: String,
    pub orders: String,
    pub facts: Vec<Vec<String>>,
}

/// Values are missing, no numbers, quoted, unknown; an order may stand there twice.
pub fn orders(seed: u64, count: u64) -> Orders {
    let mut dice = Dice::new(seed);
    let mut all = Orders {
        users: "user id,signup_date,country\n".into(),
        // Columns are found by their names.
        products: "category,product id,price\n".into(),
        orders: "order id,user id,product id,quantity,total_amount\n".into(),
        facts: Vec::new(),
    };
    let mut users: BTreeMap<String, [String; 2]> = BTreeMap::new();
    for n in 0..2_000 {
        let (id, day) =
            (format!("user{n}"), format!("20{:02}-03-{:02} 22:18:37", n % 26, 1 + n % 28));
        let country = *dice.pick(&["Andorra", "Côte d'Ivoire", "日本", "Korea, South", ""]);
        let day = if dice.chance(0.05) { "yesterday".to_string() } else { day };
        writeln!(all.users, "{id},{day},{}", quoted(country)).expect("memory");
        if !country.is_empty() && day != "yesterday" {
            users.insert(id, [day, country.to_string()]);
        }
    }
    let mut products: BTreeMap<String, [String; 2]> = BTreeMap::new();
    for n in 0..500 {
        let (id, price) = (format!("prod{n}"), format!("{}.{:02}", 1 + n, n % 100));
        let price = if dice.chance(0.05) { "\"1,234.50\"".to_string() } else { price };
        writeln!(all.products, "{},{id},{price}", quoted("home \"goods\"")).expect("memory");
        if !price.starts_with('"') {
            products.insert(id, ["home \"goods\"".into(), price]);
        }
    }
    let mut facts: BTreeSet<Vec<String>> = BTreeSet::new();
    for n in 0..count {
        let user = format!("user{}", dice.below(2_100));
        let product = format!("prod{}", dice.below(520));
        let quantity =
            if dice.chance(0.02) { String::new() } else { dice.between(1, 50).to_string() };
        let amount = format!("{}.{:02}", dice.between(0, 9_999), dice.below(100));
        let line = format!("ord_{n},{user},{product},{quantity},{amount}\n");
        all.orders.push_str(&line);
        if dice.chance(0.01) {
            all.orders.push_str(&line);
        }
        if let (Some([day, country]), Some([category, price]), false) =
            (users.get(&user), products.get(&product), quantity.is_empty())
        {
            let order = [format!("ord_{n}"), user, product, quantity, amount];
            let rest = [day, country, category, price].map(String::clone);
            facts.insert(order.into_iter().chain(rest).collect());
        }
    }
    all.facts = facts.into_iter().collect();
    all
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

impl Orders {
    /// Writes the three files.
    pub fn write(&self, directory: &Path) {
        std::fs::create_dir_all(directory).expect("the directory can be made");
        let files =
            [("Users", &self.users), ("Products", &self.products), ("Orders", &self.orders)];
        for (name, content) in files {
            let path = directory.join(format!("{name}.csv"));
            std::fs::write(path, content).expect("the directory can be written");
        }
    }
}
