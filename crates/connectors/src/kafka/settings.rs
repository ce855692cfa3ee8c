//! What the options of a Kafka table mean when it is read.

use std::collections::BTreeMap;
use std::time::Duration;

use brooklet_core::keyed::KeyFields;
use brooklet_core::options::Options;
use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Result};
use rdkafka::ClientConfig;
use regex::Regex;

use super::properties;

/// How often new partitions are looked for.
const DISCOVERY: Duration = Duration::from_secs(300);

/// What must hold of a table whether it is read or written.
pub fn check(table: &TableDef) -> Result<()> {
    KeyFields::of(table)?;
    topics(&table.options)?;
    properties::check(&table.options)?;
    if !table.is_upserts() {
        return Ok(());
    }
    if table.options.get("format").is_some() {
        return Err(Error::config("give 'value.format' instead of 'format', beside 'key.format'"));
    }
    for key in ["key.format", "value.format"] {
        if let Some(name @ "debezium-json") = table.options.get(key) {
            return Err(Error::config(format!(
                "option '{key}' = '{name}': records of upserts say by key and value what they \
                 change, so their formats must have insertions only"
            )));
        }
    }
    Ok(())
}

/// The options of one table, read.
pub struct Settings {
    pub topics: Topics,
    /// None: what is there at the start is all that is read.
    pub discovery: Option<Duration>,
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

/// Which topics a table reads.
#[derive(Debug, Clone)]
pub enum Topics {
    Named(Vec<String>),
    Matching(Regex),
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

/// The settings of a table that is read.
pub fn read(table: &TableDef) -> Result<Settings> {
    let options = &table.options;
    let topics = topics(options)?;
    let startup = match table.is_upserts() {
        // Anything later could miss the row that an upsert replaces.
        true => Place::Earliest,
        false => place(options, "scan.startup", "group-offsets")?
            .ok_or_else(|| Error::config("'scan.startup.mode' = 'unbounded' is not a place"))?,
    };
    let bounded = place(options, "scan.bounded", "unbounded")?;
    let specific = |place: &Place| matches!(place, Place::Specific(_));
    let single = matches!(&topics, Topics::Named(names) if names.len() == 1);
    if !single && (specific(&startup) || bounded.as_ref().is_some_and(specific)) {
        return Err(Error::config("specific-offsets can be given for a single topic only"));
    }
    let interval = options.duration("scan.topic-partition-discovery.interval")?;
    let interval = interval.unwrap_or(DISCOVERY);
    let looks = bounded.is_none() && !interval.is_zero();
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
        discovery: looks.then_some(interval),
        startup,
        bounded,
        reset,
        commit,
        fail_on_data_loss: options.bool("brooklet.fail-on-data-loss", true)?,
        client: properties::client(options)?,
    })
}

/// `topic` or `topic-pattern`, which name at least one topic.
fn topics(options: &Options) -> Result<Topics> {
    match (options.get("topic"), options.get("topic-pattern")) {
        (Some(_), Some(_)) => {
            Err(Error::config("options 'topic' and 'topic-pattern' cannot be given together"))
        }
        (None, None) => Err(Error::config("give option 'topic' or 'topic-pattern'")),
        (Some(list), None) => {
            let names = list.split([';', ',']).map(str::trim).filter(|t| !t.is_empty());
            let mut names: Vec<String> = names.map(String::from).collect();
            names.sort();
            names.dedup();
            match names.is_empty() {
                true => Err(Error::config("option 'topic' names no topic")),
                false => Ok(Topics::Named(names)),
            }
        }
        // Java's matches() wants the whole name.
        (None, Some(pattern)) => match Regex::new(&format!("^(?:{pattern})$")) {
            Ok(whole) => Ok(Topics::Matching(whole)),
            Err(e) => Err(Error::config(format!(
                "option 'topic-pattern' = '{pattern}' is no regular expression that can be used \
                 here: {e}"
            ))),
        },
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
    }

    #[test]
    fn topics_are_named_or_matched_whole() {
        let Topics::Named(names) = topics(&options(&[("topic", "b; a;b")])).unwrap() else {
            panic!("named")
        };
        assert_eq!(names, ["a", "b"]);
        let matched =
            |pattern: &str, name: &str| match topics(&options(&[("topic-pattern", pattern)])) {
                Ok(Topics::Matching(regex)) => regex.is_match(name),
                other => panic!("{other:?}"),
            };
        assert!(matched("a.*|b", "abc") && matched("a.*|b", "b"));
        assert!(!matched("a.*|b", "bc") && !matched("b", "ab"));
        for wrong in [
            &[][..],
            &[("topic", "a"), ("topic-pattern", "b")],
            &[("topic", " ; ")],
            &[("topic-pattern", "(")],
        ] {
            let error = topics(&options(wrong)).unwrap_err();
            assert!(error.message.contains("'topic"), "{error}");
        }
    }
}
