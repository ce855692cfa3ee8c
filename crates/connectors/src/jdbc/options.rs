//! The options of a jdbc table, and what a JDBC url says about the server.

use std::time::Duration;

use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::schema::TableDef;
use brooklet_core::time::Millis;
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};
use tokio_postgres::Config;

pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text(
        "url",
        "jdbc:postgresql://host:port/database?parameters. Parameters that are understood: sslmode \
         (disable, prefer, require, verify-ca, verify-full), sslrootcert, currentSchema, \
         connectTimeout (seconds); others have no effect.",
    )
    .required(),
    OptionSpec::text("table-name", "The table in Postgres: `table` or `schema.table`.").required(),
    OptionSpec::text("username", "The user to log in as; default: the operating system's."),
    OptionSpec::text("password", "The user's password.").secret(),
    OptionSpec::text("driver", "A Java class; accepted so that the file runs unchanged, unused."),
    OptionSpec::text(
        "sink.buffer-flush.max-rows",
        "Accepted; rows are written once per epoch whatever it says.",
    )
    .kind(OptionKind::Int),
    OptionSpec::text(
        "sink.buffer-flush.interval",
        "Accepted; rows are written once per epoch whatever it says.",
    )
    .kind(OptionKind::Duration),
    OptionSpec::text("sink.max-retries", "Accepted; outages are retried until they end.")
        .kind(OptionKind::Int),
    OptionSpec::text("sink.parallelism", "Accepted; one session writes all tables of a database.")
        .kind(OptionKind::Int),
    OptionSpec::text("connection.max-retry-timeout", "Accepted; outages are retried.")
        .kind(OptionKind::Duration),
    OptionSpec::text(
        "scan.partition.column",
        "A column of numbers: only rows whose value lies within the bounds are read. Goes with \
         the other three options of partitions.",
    ),
    OptionSpec::text(
        "scan.partition.num",
        "Accepted; one statement reads all partitions, so that they show one moment.",
    )
    .kind(OptionKind::Int),
    OptionSpec::text("scan.partition.lower-bound", "The least value of the partition column.")
        .kind(OptionKind::Int),
    OptionSpec::text("scan.partition.upper-bound", "The greatest value of the partition column.")
        .kind(OptionKind::Int),
    OptionSpec::text("scan.fetch-size", "Accepted; rows are streamed, never held back.")
        .kind(OptionKind::Int),
    OptionSpec::text("scan.auto-commit", "Accepted; a reading is one statement.")
        .kind(OptionKind::Bool),
    OptionSpec::text(
        REFRESH,
        "How often the table is read again. Without it, or with 0, a table is read once and has \
         ended.",
    )
    .kind(OptionKind::Duration),
    OptionSpec::text(
        "lookup.cache",
        "What becomes of rows that were looked up: `NONE` asks again in every epoch, `PARTIAL` \
         keeps them, as part of the state.",
    )
    .kind(OptionKind::OneOf(&["NONE", "PARTIAL"]))
    .default("NONE"),
    OptionSpec::text(
        "lookup.partial-cache.max-rows",
        "At most so many keys are kept; those asked for least recently go first.",
    )
    .kind(OptionKind::Int),
    OptionSpec::text(
        "lookup.partial-cache.expire-after-write",
        "A key is asked for again when it was looked up so long ago.",
    )
    .kind(OptionKind::Duration),
    OptionSpec::text(
        "lookup.partial-cache.expire-after-access",
        "A key is asked for again when no row needed it for so long.",
    )
    .kind(OptionKind::Duration),
    OptionSpec::text(
        "lookup.partial-cache.cache-missing-key",
        "Whether it is also kept that a key has no row.",
    )
    .kind(OptionKind::Bool)
    .default("true"),
    OptionSpec::text(
        "lookup.cache.max-rows",
        "The older form of `lookup.partial-cache.max-rows`; turns the cache on together with \
         `lookup.cache.ttl`.",
    )
    .kind(OptionKind::Int),
    OptionSpec::text(
        "lookup.cache.ttl",
        "The older form of `lookup.partial-cache.expire-after-write`.",
    )
    .kind(OptionKind::Duration),
    OptionSpec::text(
        "lookup.cache.caching-missing-key",
        "The older form of `lookup.partial-cache.cache-missing-key`.",
    )
    .kind(OptionKind::Bool),
    OptionSpec::text(
        "lookup.max-retries",
        "Accepted; while the table cannot be reached sources are held and it is asked again.",
    )
    .kind(OptionKind::Int),
    OptionSpec::text(
        "brooklet.create-table",
        "`if-not-exists`: a missing table is created with the columns and the key of the DDL.",
    )
    .kind(OptionKind::OneOf(&["never", "if-not-exists"]))
    .default("never"),
    OptionSpec::text(
        "brooklet.on-conflict",
        "What becomes of a row whose key exists: `update` overwrites it, `ignore` leaves it, as \
         does INSERT … ON CONFLICT DO NOTHING: Postgres' own clause, for every unique constraint \
         of the table. Of several rows with a new key the first to arrive stays.",
    )
    .kind(OptionKind::OneOf(&["update", "ignore"]))
    .default("update"),
    OptionSpec::text(
        "brooklet.on-row-error",
        "What becomes of a row that Postgres refuses: `fail` stops the pipeline, `dead-letter` \
         writes it to brooklet_rejected in the same transaction.",
    )
    .kind(OptionKind::OneOf(&["fail", "dead-letter"]))
    .default("fail"),
];

const REFRESH: &str = "brooklet.refresh-interval";

/// How often a table is read again, in milliseconds; None: once. A text that is no duration is
/// found when the options are checked.
pub fn refresh_ms(options: &Options) -> Option<Millis> {
    let interval = options.duration(REFRESH).ok().flatten()?;
    i64::try_from(interval.as_millis()).ok().filter(|ms| *ms > 0)
}

/// The four options of a partitioned scan, which Flink takes together or not at all.
const PARTITION: [&str; 4] = [
    "scan.partition.column",
    "scan.partition.num",
    "scan.partition.lower-bound",
    "scan.partition.upper-bound",
];

/// What the descriptions of single options do not say.
pub fn check(table: &TableDef) -> Result<()> {
    let given = PARTITION.iter().filter(|key| table.options.get(key).is_some()).count();
    if given != 0 && given != PARTITION.len() {
        let all = PARTITION.join("', '");
        return Err(Error::config(format!("options '{all}' must be given all or none")));
    }
    let Some(column) = table.options.get("scan.partition.column") else { return Ok(()) };
    match table.column(column).map(|c| &c.ty) {
        Some(
            SqlType::TinyInt
            | SqlType::SmallInt
            | SqlType::Int
            | SqlType::BigInt
            | SqlType::Float
            | SqlType::Double
            | SqlType::Decimal(..),
        ) => Ok(()),
        _ => Err(Error::config(format!(
            "option 'scan.partition.column' = '{column}' is no column of numbers of the table"
        ))),
    }
}

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    Disable,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// A JDBC url, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Url {
    /// Tried in order.
    pub hosts: Vec<(String, u16)>,
    pub database: Option<String>,
    pub tls: Tls,
    /// A PEM file with the roots to trust instead of the system's.
    pub root_certificate: Option<String>,
    pub schema: Option<String>,
    pub connect_timeout: Duration,
}

const PREFIX: &str = "jdbc:postgresql:";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Url {
    pub fn parse(url: &str) -> Result<Url> {
        let wrong = |why: &str| {
            Error::config(format!(
                "option 'url': {why}; expected jdbc:postgresql://host:port/database"
            ))
        };
        let rest = url
            .strip_prefix(PREFIX)
            .ok_or_else(|| wrong("only Postgres is supported, and this is no url of it"))?;
        let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (hosts, database) = match place.strip_prefix("//") {
            Some(place) => place.split_once('/').unwrap_or((place, "")),
            None => ("", place),
        };
        let mut read = Url {
            hosts: Vec::new(),
            database: Some(decode(database)).filter(|d| !d.is_empty()),
            tls: Tls::Prefer,
            root_certificate: None,
            schema: None,
            connect_timeout: CONNECT_TIMEOUT,
        };
        let hosts = if hosts.is_empty() { "localhost" } else { hosts };
        for host in hosts.split(',') {
            read.hosts.push(host_and_port(host).ok_or_else(|| wrong("a port is no number"))?);
        }
        for parameter in parameters.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            read.parameter(key, &decode(value))?;
        }
        Ok(read)
    }

    fn parameter(&mut self, key: &str, value: &str) -> Result<()> {
        let wrong = |expected: &str| {
            Error::config(format!("option 'url': {key}={value} is not {expected}"))
        };
        match key {
            "sslmode" => {
                self.tls = match value {
                    "disable" => Tls::Disable,
                    "allow" | "prefer" => Tls::Prefer,
                    "require" => Tls::Require,
                    "verify-ca" => Tls::VerifyCa,
                    "verify-full" => Tls::VerifyFull,
                    _ => {
                        return Err(wrong("disable, prefer, require, verify-ca or verify-full"));
                    }
                }
            }
            "ssl" if value.is_empty() || value == "true" => self.tls = Tls::VerifyFull,
            "sslrootcert" => self.root_certificate = Some(value.to_string()),
            "currentSchema" => self.schema = Some(value.to_string()),
            "connectTimeout" => {
                let seconds = value.parse().map_err(|_| wrong("a number of seconds"))?;
                self.connect_timeout = match seconds {
                    0 => CONNECT_TIMEOUT,
                    _ => Duration::from_secs(seconds),
                };
            }
            _ => {}
        }
        Ok(())
    }

    /// `host:port/database`, for messages and as the commit domain.
    pub fn place(&self) -> String {
        let host = |(host, port): &(String, u16)| {
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        };
        let hosts: Vec<String> = self.hosts.iter().map(host).collect();
        format!("{}/{}", hosts.join(","), self.database.as_deref().unwrap_or_default())
    }

    /// How to log in; TLS is the caller's.
    pub fn config(&self, options: &Options) -> Config {
        let mut config = Config::new();
        for (host, port) in &self.hosts {
            config.host(host.as_str()).port(*port);
        }
        if let Some(database) = &self.database {
            config.dbname(database.as_str());
        }
        if let Some(user) = options.get("username") {
            config.user(user);
        }
        if let Some(password) = options.get("password") {
            config.password(password);
        }
        config.connect_timeout(self.connect_timeout);
        config.tcp_user_timeout(Duration::from_secs(30));
        config.keepalives_idle(Duration::from_secs(30));
        config
    }
}

/// The commit domain of a table: where it is and who writes. A url that cannot be read stands
/// for itself; opening the sink will say what is wrong with it.
pub fn domain(table: &TableDef) -> String {
    let url = table.options.get("url").unwrap_or_default();
    let place = Url::parse(url).map_or_else(|_| url.to_string(), |u| u.place());
    format!("postgresql://{}@{place}", table.options.get("username").unwrap_or_default())
}

fn host_and_port(text: &str) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Some((host.to_string(), port.map_or(Some(5432), |p| p.parse().ok())?))
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let hex = bytes.get(i + 1..i + 3).filter(|_| bytes[i] == b'%');
        let byte = hex
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        out.push(byte.unwrap_or(bytes[i]));
        i += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use brooklet_core::schema::{ColumnDef, ColumnKind};

    use super::*;

    #[test]
    fn urls_as_the_java_driver_reads_them() {
        let url = |text: &str| Url::parse(text).unwrap();
        assert_eq!(url("jdbc:postgresql://db.example:6432/shop").place(), "db.example:6432/shop");
        assert_eq!(url("jdbc:postgresql://db/shop").place(), "db:5432/shop");
        assert_eq!(url("jdbc:postgresql:shop").place(), "localhost:5432/shop");
        assert_eq!(url("jdbc:postgresql://[::1]:5433/a%20b").place(), "[::1]:5433/a b");
        assert_eq!(url("jdbc:postgresql://a,b:5433/x").place(), "a:5432,b:5433/x");
        let full = url("jdbc:postgresql://h/d?sslmode=verify-full&currentSchema=s%2Ct&x=y");
        assert_eq!((full.tls, full.schema.as_deref()), (Tls::VerifyFull, Some("s,t")));
        assert_eq!(url("jdbc:postgresql://h/d").tls, Tls::Prefer);
    }

    #[test]
    fn partitions_are_described_whole() {
        let columns = [("id", SqlType::BigInt), ("name", SqlType::STRING)];
        let column = |(name, ty): &(&str, SqlType)| ColumnDef {
            name: name.to_string(),
            ty: ty.clone(),
            nullable: true,
            kind: ColumnKind::Physical,
            comment: None,
        };
        let said = |options: &[(&str, &str)]| {
            let options =
                options.iter().map(|(k, v)| (format!("scan.partition.{k}"), v.to_string()));
            let table = TableDef {
                name: "t".into(),
                columns: columns.iter().map(column).collect(),
                watermark: None,
                primary_key: vec![],
                partitioned_by: vec![],
                options: Options(options.collect()),
                comment: None,
            };
            check(&table).map_or_else(|e| e.to_string(), |()| String::new())
        };
        let rest = [("num", "2"), ("lower-bound", "0"), ("upper-bound", "9")];
        assert_eq!(said(&[]), "");
        assert_eq!(said(&[&[("column", "id")], &rest[..]].concat()), "");
        assert!(said(&rest).contains("all or none"));
        for wrong in ["name", "nothing"] {
            let said = said(&[&[("column", wrong)], &rest[..]].concat());
            assert!(said.contains(&format!("'{wrong}' is no column of numbers")), "{said}");
        }
    }

    #[test]
    fn a_table_is_read_again_only_when_it_says_so() {
        let ms = |text: &str| refresh_ms(&Options([(REFRESH.into(), text.into())].into()));
        assert_eq!(refresh_ms(&Options::default()), None);
        assert_eq!([ms("0 s"), ms("2 min"), ms("250 ms")], [None, Some(120_000), Some(250)]);
    }

    #[test]
    fn wrong_urls_say_what_is_expected() {
        let message = |text: &str| Url::parse(text).unwrap_err().to_string();
        assert!(message("jdbc:mysql://h/d").contains("only Postgres"));
        assert!(message("jdbc:postgresql://h:x/d").contains("port"));
        assert!(message("jdbc:postgresql://h/d?sslmode=maybe").contains("sslmode=maybe"));
    }
}
