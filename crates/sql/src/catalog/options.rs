//! WITH options and table settings against what connectors and formats describe.

use std::collections::{BTreeMap, BTreeSet};

use brooklet_core::connector::{Connector, Format, find_format};
use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_plan::letters::{LetterKind, LetterTarget};
use brooklet_plan::settings::TABLE_SETTINGS;
use sqlparser::tokenizer::Span;

use super::Registry;
use crate::fault::{Fault, closest};
use crate::parse::ast::WithOption;
use crate::placeholders::is_secret_key;

/// The prefix of a table's own settings among its options.
pub const EXTENSION: &str = "brooklet.";

/// Options that every connector takes, because the engine reads them.
const COMMON: &[OptionSpec] = &[
    OptionSpec::text("connector", "Name of the connector.").required(),
    OptionSpec::text("scan.watermark.emit.strategy", "When watermarks are judged.")
        .kind(OptionKind::OneOf(&["on-periodic", "on-event"])),
    OptionSpec::text("scan.watermark.idle-timeout", "A silent split stops holding time back.")
        .kind(OptionKind::Duration),
    OptionSpec::text("scan.parallelism", "Readers.").kind(OptionKind::Int),
    OptionSpec::text("sink.parallelism", "Writers.").kind(OptionKind::Int),
];

/// Options that name a format, and what stands before the format's own options then.
const FORMAT_KEYS: [(&str, &str); 3] =
    [("format", ""), ("value.format", "value."), ("key.format", "key.")];

/// Checks all options of a table; `at` is the table's name. Returns the connector if it is known.
pub fn check(
    options: &[WithOption],
    registry: Registry,
    at: Span,
    faults: &mut Vec<Fault>,
) -> Option<&'static Connector> {
    let mut seen = BTreeSet::new();
    for option in options {
        if !seen.insert(option.key.as_str()) {
            let message = format!("option '{}' is given twice", option.key);
            faults.push(Fault::new(message, option.key_span));
        }
    }
    let connector = connector(options, registry, at, faults)?;
    let scope = Scope { connector, formats: formats(options, registry, connector, at, faults) };
    // The options of a format that does not exist are no further faults.
    let excused = |key: &str| {
        let named = options.iter().filter(|o| FORMAT_KEYS.iter().any(|(key, _)| *key == o.key));
        let mut unknown = named.filter(|o| find_format(registry.formats, &o.value).is_none());
        unknown.any(|o| key.contains(&format!("{}.", o.value)))
    };
    for option in options.iter().filter(|o| !excused(&o.key)) {
        match scope.spec(&option.key) {
            Some(spec) => faults.extend(value_fault(spec, option)),
            None => faults.push(scope.unknown(option, registry)),
        }
    }
    scope.missing(options, at, faults);
    Some(connector)
}

fn connector(
    options: &[WithOption],
    registry: Registry,
    at: Span,
    faults: &mut Vec<Fault>,
) -> Option<&'static Connector> {
    let names = || registry.connectors.iter().map(|c| c.name);
    let Some(option) = options.iter().find(|o| o.key == "connector") else {
        let all: Vec<&str> = names().collect();
        let message = format!("the table needs option 'connector': one of {}", all.join(", "));
        faults.push(Fault::new(message, at));
        return None;
    };
    let found = registry.connectors.iter().find(|c| c.name == option.value);
    if found.is_none() {
        let message = format!("there is no connector '{}'", option.value);
        faults.push(Fault::new(message, option.value_span).suggest(&option.value, names()));
    }
    found
}

/// The formats that the options name, each with the prefix of its options.
fn formats(
    options: &[WithOption],
    registry: Registry,
    connector: &Connector,
    at: Span,
    faults: &mut Vec<Fault>,
) -> Vec<(String, &'static Format)> {
    let mut found = Vec::new();
    let mut named = false;
    for option in options {
        let Some((_, before)) = FORMAT_KEYS.iter().find(|(key, _)| *key == option.key) else {
            continue;
        };
        named |= option.key != "key.format";
        match find_format(registry.formats, &option.value) {
            Some(format) => found.push((format!("{before}{}.", format.name), format)),
            None => {
                let message = format!("there is no format '{}'", option.value);
                let names = registry.formats.iter().map(|f| f.name);
                faults.push(Fault::new(message, option.value_span).suggest(&option.value, names));
            }
        }
    }
    if connector.needs_format && !named {
        let message = format!("connector '{}' needs option 'format'", connector.name);
        faults.push(Fault::new(message, at));
    }
    found
}

/// The connector and the formats of one table.
struct Scope {
    connector: &'static Connector,
    formats: Vec<(String, &'static Format)>,
}

impl Scope {
    fn spec(&self, key: &str) -> Option<&OptionSpec> {
        let own = self.connector.options.iter().chain(COMMON).find(|spec| spec.matches(key));
        own.or_else(|| {
            if self.connector.needs_format && FORMAT_KEYS.iter().any(|(name, _)| *name == key) {
                return Some(&FORMAT);
            }
            self.formats.iter().find_map(|(prefix, format)| {
                let rest = key.strip_prefix(prefix.as_str())?;
                format.options.iter().find(|spec| is_format_option(spec, format, rest))
            })
        })
    }

    fn unknown(&self, option: &WithOption, registry: Registry) -> Fault {
        let key = &option.key;
        let foreign = registry.formats.iter().find(|f| key.starts_with(&format!("{}.", f.name)));
        if let Some(foreign) = foreign.filter(|f| self.formats.iter().all(|x| x.1.name != f.name)) {
            let has: Vec<&str> = self.formats.iter().map(|(_, f)| f.name).collect();
            let has = if has.is_empty() { "none".into() } else { format!("'{}'", has.join(", ")) };
            let message = format!(
                "option '{key}' belongs to format '{}', the table's format is {has}",
                foreign.name
            );
            return Fault::new(message, option.key_span);
        }
        let format = self.formats.iter().find(|(prefix, _)| key.starts_with(prefix.as_str()));
        let message = match format {
            Some((_, format)) => format!("format '{}' has no option '{key}'", format.name),
            None => format!("connector '{}' has no option '{key}'", self.connector.name),
        };
        let fault = Fault::new(message, option.key_span);
        Fault { suggestion: closest(key, self.names().iter().map(String::as_str)), ..fault }
    }

    /// Every option that could be written, for suggestions.
    fn names(&self) -> Vec<String> {
        let own = self.connector.options.iter().chain(COMMON).map(|spec| spec.name.to_string());
        let of_formats = self.formats.iter().flat_map(|(prefix, format)| {
            let short = format!("{}.", format.name);
            format.options.iter().map(move |spec| {
                let rest = spec.name.strip_prefix(&short).unwrap_or(spec.name);
                format!("{prefix}{rest}")
            })
        });
        own.chain(of_formats).filter(|name| !name.ends_with('*')).collect()
    }

    fn missing(&self, options: &[WithOption], at: Span, faults: &mut Vec<Fault>) {
        let given = |key: &str| options.iter().any(|o| o.key == key);
        for spec in self.connector.options.iter().filter(|s| s.required && !given(s.name)) {
            let message =
                format!("connector '{}' needs option '{}'", self.connector.name, spec.name);
            faults.push(Fault::new(message, at));
        }
        for (prefix, format) in &self.formats {
            let short = format!("{}.", format.name);
            for spec in format.options.iter().filter(|s| s.required) {
                let rest = spec.name.strip_prefix(&short).unwrap_or(spec.name);
                let key = format!("{prefix}{rest}");
                if !given(&key) {
                    let message = format!("format '{}' needs option '{key}'", format.name);
                    faults.push(Fault::new(message, at));
                }
            }
        }
    }
}

const FORMAT: OptionSpec = OptionSpec::text("format", "Name of the format.");

/// A format may describe its options with or without its name in front.
fn is_format_option(spec: &OptionSpec, format: &Format, rest: &str) -> bool {
    spec.matches(rest) || spec.matches(&format!("{}.{rest}", format.name))
}

/// What is wrong with an option's value; secrets are not repeated.
fn value_fault(spec: &OptionSpec, option: &WithOption) -> Option<Fault> {
    let wrong = check_value(spec.kind, &option.key, &option.value)?;
    let secret = spec.secret || is_secret_key(&option.key);
    let message = match secret {
        true => format!("the value of option '{}' is not allowed", option.key),
        false => wrong,
    };
    let fault = Fault::new(message, option.value_span);
    Some(match spec.kind {
        OptionKind::OneOf(choices) if !secret => {
            fault.suggest(&option.value, choices.iter().copied())
        }
        _ => fault,
    })
}

/// Why `value` is not of that kind; None when it is.
fn check_value(kind: OptionKind, key: &str, value: &str) -> Option<String> {
    let options = Options(BTreeMap::from([(key.to_string(), value.to_string())]));
    let error = match kind {
        OptionKind::Text => None,
        OptionKind::Bool => options.bool(key, false).err(),
        OptionKind::Int => options.int(key).err(),
        OptionKind::Duration => options.duration(key).err(),
        OptionKind::Bytes => options.bytes(key).err(),
        OptionKind::OneOf(choices) => {
            return (!choices.contains(&value)).then(|| {
                format!("option '{key}' = '{value}' is not one of {}", choices.join(", "))
            });
        }
    };
    error.map(|e| e.message)
}

/// Checks `SET 'brooklet.table.<table>.<key>'`: `key` is what stands behind the table's name.
pub fn check_table_setting(key: &str, option: &WithOption) -> Result<(), Fault> {
    match TABLE_SETTINGS.iter().find(|spec| spec.matches(key)) {
        None => {
            let names = TABLE_SETTINGS.iter().map(|spec| spec.name);
            Err(Fault::new(format!("tables have no setting '{key}'"), option.key_span)
                .suggest(key, names))
        }
        Some(spec) => match value_fault(spec, option).or_else(|| letters_fault(key, option)) {
            Some(fault) => Err(fault),
            None => Ok(()),
        },
    }
}

/// What is wrong with the value of `dead-letters` or `late-records`.
fn letters_fault(key: &str, option: &WithOption) -> Option<Fault> {
    let kind = LetterKind::ALL.into_iter().find(|kind| kind.setting() == key)?;
    let error = LetterTarget::parse(kind, Some(&option.value)).err()?;
    Some(Fault::new(error.message, option.value_span))
}

/// Settings that say what becomes of dead letters in the words of other connectors.
pub const SAFE_KAFKA: [&str; 2] = ["scan.deser-failure.handler", "scan.deser-failure.topic"];

/// Replaces them by `dead-letters`, which must not say something else.
pub fn fold_safe_kafka(settings: &mut BTreeMap<String, String>) -> Result<(), String> {
    let [handler, topic] = SAFE_KAFKA.map(|key| settings.remove(key));
    let meant = LetterTarget::of_safe_kafka(handler.as_deref(), topic.as_deref());
    let Some(meant) = meant.map_err(|e| e.message)? else { return Ok(()) };
    let key = LetterKind::Dead.setting();
    match settings.insert(key.to_string(), meant.text()).filter(|said| said.trim() != meant.text())
    {
        None => Ok(()),
        Some(said) => Err(format!(
            "'scan.deser-failure.handler' means '{key}' = '{}', but that is set to '{said}': \
             leave one of them out",
            meant.text()
        )),
    }
}
