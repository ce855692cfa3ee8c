//! The options of a Kafka table, and what they mean.

use std::collections::BTreeMap;

use brooklet_core::keyed::KeyFields;
use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Result};
use rdkafka::ClientConfig;

use super::properties;

/// What transactional ids start with.
pub const ID_PREFIX: &str = "brooklet-";

pub const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text("topic", "Topic to read; several are separated by `;`.").required(),
    OptionSpec::text("properties.bootstrap.servers", "Brokers, separated by commas.").required(),
    OptionSpec::text(
        "properties.group.id",
        "Consumer group whose offsets are committed after each snapshot.",
    ),
    OptionSpec::text("properties.sasl.jaas.config", "User and password of PLAIN or SCRAM.")
        .secret(),
    OptionSpec::text("properties.sasl.password", "Password, in librdkafka's own words.").secret(),
    OptionSpec::text("properties.ssl.key.password", "Password of the private key.").secret(),
    OptionSpec::text("properties.ssl.keystore.password", "Password of the key store.").secret(),
    OptionSpec::text("properties.ssl.keystore.key", "Private key as PEM text.").secret(),
    OptionSpec::text("properties.ssl.key.pem", "Private key as PEM text.").secret(),
    OptionSpec::text("properties.ssl.truststore.password", "Password of the trust store.").secret(),
    OptionSpec::text("properties.*", "Settings of the Kafka client, under Java's names."),
    OptionSpec::text("scan.startup.mode", "Where to start when there is no snapshot.")
        .kind(OptionKind::OneOf(&[
            "earliest-offset",
            "latest-offset",
            "group-offsets",
            "timestamp",
            "specific-offsets",
        ]))
        .default("group-offsets"),
    OptionSpec::text("scan.startup.timestamp-millis", "For `timestamp`: records from then on.")
        .kind(OptionKind::Int),
    OptionSpec::text(
        "scan.startup.specific-offsets",
        "For `specific-offsets`: `partition:0,offset:42;partition:1,offset:300`.",
    ),
    OptionSpec::text("scan.bounded.mode", "Where the table ends.")
        .kind(OptionKind::OneOf(&[
            "unbounded",
            "latest-offset",
            "group-offsets",
            "timestamp",
            "specific-offsets",
        ]))
        .default("unbounded"),
    OptionSpec::text("scan.bounded.timestamp-millis", "For `timestamp`: records before then.")
        .kind(OptionKind::Int),
    OptionSpec::text(
        "scan.bounded.specific-offsets",
        "For `specific-offsets`: the first offset not read, by partition.",
    ),
    OptionSpec::text("key.fields", "Sink: columns of the record's key, separated by `;`."),
    OptionSpec::text("key.fields-prefix", "Sink: what the key's columns start with in the table.")
        .default(""),
    OptionSpec::text("value.fields-include", "Sink: whether the value holds the key's columns.")
        .kind(OptionKind::OneOf(&["ALL", "EXCEPT_KEY"]))
        .default("ALL"),
    OptionSpec::text("sink.partitioner", "By the key's hash, all to one, or in turn.")
        .kind(OptionKind::OneOf(&["default", "fixed", "round-robin"]))
        .default("default"),
    OptionSpec::text(
        "sink.delivery-guarantee",
        "Accepted as in Flink; every epoch is one transaction whatever it says.",
    )
    .kind(OptionKind::OneOf(&["none", "at-least-once", "exactly-once"]))
    .default("exactly-once"),
    OptionSpec::text(
        "sink.transactional-id-prefix",
        "What the transactional id starts with, for brokers that allow only some.",
    )
    .default(ID_PREFIX),
    OptionSpec::text("sink.parallelism", "Accepted as in Flink; one producer writes.")
        .kind(OptionKind::Int),
    OptionSpec::text(
        "brooklet.fail-on-data-loss",
        "Stop when records that were not read yet are gone; otherwise warn and go on.",
    )
    .kind(OptionKind::Bool)
    .default("true"),
];

/// What must hold of a table whether it is read or written.
pub fn check(table: &TableDef) -> Result<()> {
    KeyFields::of(table).map(drop)
}

/// The options of one table, read.
pub struct Settings {
    pub topics: Vec<String>,
    pub startup: Place,
    /// None when the table never ends.
    pub bounded: Option<Place>,
    /// `properties.auto.offset.reset`: where a group without offsets starts.
    pub reset: Reset,
    /// False without a group of the user's: nothing is committed.
    pub commit: bool,
    pub fail_on_data_loss: bool,
    pub client: ClientConfig,
}

/// A place in every partition, to be turned into offsets.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    Earliest,
    Latest,
    Group,
    Timestamp(i64),
    Specific(BTreeMap<i32, i64>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reset {
    None,
    Earliest,
    Latest,
}

pub fn bounded(options: &Options) -> bool {
    options.get("scan.bounded.mode").is_some_and(|mode| mode != "unbounded")
}

pub fn read(options: &Options) -> Result<Settings> {
    let split = |c| c == ';' || c == ',';
    let topics = options.required("topic")?.split(split).map(str::trim);
    let mut topics: Vec<String> = topics.filter(|t| !t.is_empty()).map(String::from).collect();
    topics.sort();
    topics.dedup();
    if topics.is_empty() {
        return Err(Error::config("option 'topic' names no topic"));
    }
    let startup = place(options, "scan.startup", "group-offsets")?
        .ok_or_else(|| Error::config("'scan.startup.mode' = 'unbounded' is not a place"))?;
    let bounded = place(options, "scan.bounded", "unbounded")?;
    let specific = |place: &Place| matches!(place, Place::Specific(_));
    if topics.len() > 1 && (specific(&startup) || bounded.as_ref().is_some_and(specific)) {
        return Err(Error::config("specific-offsets can be given for a single topic only"));
    }
    let commit = options.get("properties.group.id").is_some();
    if !commit && (startup == Place::Group || bounded == Some(Place::Group)) {
        return Err(Error::config(
            "group-offsets needs option 'properties.group.id'; without a group, set \
             'scan.startup.mode' to 'earliest-offset' or 'latest-offset'",
        ));
    }
    let reset = match options.get("properties.auto.offset.reset") {
        None | Some("none") => Reset::None,
        Some("earliest") => Reset::Earliest,
        Some("latest") => Reset::Latest,
        Some(other) => {
            return Err(Error::config(format!(
                "option 'properties.auto.offset.reset' = '{other}' is not earliest, latest or none"
            )));
        }
    };
    Ok(Settings {
        topics,
        startup,
        bounded,
        reset,
        commit,
        fail_on_data_loss: options.bool("brooklet.fail-on-data-loss", true)?,
        client: properties::client(options)?,
    })
}

fn place(options: &Options, prefix: &str, default: &str) -> Result<Option<Place>> {
    let option = |name: &str| format!("{prefix}.{name}");
    Ok(Some(match options.text(&option("mode"), default).as_str() {
        "unbounded" => return Ok(None),
        "earliest-offset" => Place::Earliest,
        "latest-offset" => Place::Latest,
        "group-offsets" => Place::Group,
        "timestamp" => {
            let name = option("timestamp-millis");
            let missing = || Error::config(format!("'timestamp' needs option '{name}'"));
            Place::Timestamp(options.int(&name)?.ok_or_else(missing)?)
        }
        "specific-offsets" => {
            let name = option("specific-offsets");
            Place::Specific(specific_offsets(&name, options.required(&name)?)?)
        }
        other => {
            return Err(Error::config(format!("'{prefix}.mode' = '{other}' is not known")));
        }
    }))
}

/// `partition:0,offset:42;partition:1,offset:300`
fn specific_offsets(name: &str, text: &str) -> Result<BTreeMap<i32, i64>> {
    let wrong = || {
        Error::config(format!(
            "option '{name}' = '{text}' is not of the form 'partition:0,offset:42;partition:1,\
             offset:300'"
        ))
    };
    let mut offsets = BTreeMap::new();
    for pair in text.split(';').filter(|p| !p.trim().is_empty()) {
        let (partition, offset) = pair.split_once(',').ok_or_else(wrong)?;
        let partition = partition.trim().strip_prefix("partition:").ok_or_else(wrong)?;
        let offset = offset.trim().strip_prefix("offset:").ok_or_else(wrong)?;
        let partition: i32 = partition.trim().parse().map_err(|_| wrong())?;
        let offset: i64 = offset.trim().parse().map_err(|_| wrong())?;
        if partition < 0 || offset < 0 || offsets.insert(partition, offset).is_some() {
            return Err(wrong());
        }
    }
    if offsets.is_empty() { Err(wrong()) } else { Ok(offsets) }
}
