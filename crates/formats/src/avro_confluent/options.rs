//! The options of the format, and what they say about the registry and its schema.

use std::time::Duration;

use brooklet_core::options::{OptionKind, OptionSpec, Options};
use brooklet_core::{Error, Result};
use reqwest::{Certificate, Client, Identity, Url};

pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text(
        "avro-confluent.url",
        "Where the schema registry answers; several are separated by commas and tried in turn.",
    )
    .required(),
    OptionSpec::text(
        "avro-confluent.subject",
        "Sink: the subject of the schema. By default the topic's name and `-value` or `-key`.",
    ),
    OptionSpec::text(
        "avro-confluent.schema",
        "The reader's or writer's schema as JSON, instead of the one that follows from the columns.",
    ),
    OptionSpec::text(
        "avro-confluent.auto.register.schemas",
        "Sink: register the schema when it is missing; otherwise that is an error.",
    )
    .kind(OptionKind::Bool)
    .default("true"),
    OptionSpec::text(
        "avro-confluent.basic-auth.credentials-source",
        "Where name and password are.",
    )
    .kind(OptionKind::OneOf(&["USER_INFO", "URL"])),
    OptionSpec::text("avro-confluent.basic-auth.user-info", "Name and password: `name:password`.")
        .secret(),
    OptionSpec::text("avro-confluent.bearer-auth.credentials-source", "Where the token is.")
        .kind(OptionKind::OneOf(&["STATIC_TOKEN"])),
    OptionSpec::text("avro-confluent.bearer-auth.token", "The token.").secret(),
    OptionSpec::text(
        "avro-confluent.ssl.truststore.location",
        "PEM file of certificates to trust beside the system's.",
    ),
    OptionSpec::text(
        "avro-confluent.ssl.keystore.location",
        "PEM file of our certificate and its key, which has no password.",
    ),
    OptionSpec::text("avro-confluent.ssl.truststore.password", "Accepted; PEM files have none.")
        .secret(),
    OptionSpec::text("avro-confluent.ssl.keystore.password", "Accepted; PEM files have none.")
        .secret(),
    OptionSpec::text(
        "avro-confluent.properties.*",
        "The same and time-outs under the registry client's names.",
    ),
];

const PREFIX: &str = "avro-confluent.";

/// Our options by the names that the registry's Java client has for them.
const PROPERTIES: [(&str, &str); 8] = [
    ("basic-auth.credentials-source", "basic.auth.credentials.source"),
    ("basic-auth.user-info", "basic.auth.user.info"),
    ("bearer-auth.credentials-source", "bearer.auth.credentials.source"),
    ("bearer-auth.token", "bearer.auth.token"),
    ("ssl.truststore.location", "schema.registry.ssl.truststore.location"),
    ("ssl.truststore.password", "schema.registry.ssl.truststore.password"),
    ("ssl.keystore.location", "schema.registry.ssl.keystore.location"),
    ("ssl.keystore.password", "schema.registry.ssl.keystore.password"),
];
const CONNECT_TIMEOUT: &str = "http.connect.timeout.ms";
const READ_TIMEOUT: &str = "http.read.timeout.ms";
/// A registry that does not answer within these is away.
const CONNECT_MS: u64 = 5_000;
const READ_MS: u64 = 10_000;

/// Who we are to the registry.
#[derive(Clone, PartialEq)]
pub(super) enum Login {
    None,
    Basic { name: String, password: String },
    Bearer(String),
}

/// How the registry is reached.
pub(super) struct Access {
    pub client: Client,
    /// Each ends in `/`, without name and password.
    pub urls: Vec<Url>,
    pub login: Login,
}

/// Reads and checks the options; errors name the option, never what is secret in it.
pub(super) fn access(options: &Options) -> Result<Access> {
    check_properties(options)?;
    let (urls, of_url) = urls(options)?;
    let login = login(options, of_url)?;
    Ok(Access { client: client(options)?, urls, login })
}

/// The text of `avro-confluent.schema`.
pub(super) fn schema(options: &Options) -> Option<&str> {
    options.get("avro-confluent.schema")
}

pub(super) fn subject(options: &Options, default: String) -> String {
    options.text("avro-confluent.subject", &default)
}

pub(super) fn registers(options: &Options) -> Result<bool> {
    options.bool("avro-confluent.auto.register.schemas", true)
}

/// An option by its own name, or by the client's.
fn get<'a>(options: &'a Options, name: &str) -> Option<&'a str> {
    let client = PROPERTIES.iter().find(|(own, _)| *own == name).map_or(name, |(_, client)| client);
    let own = options.get(&format!("{PREFIX}{name}"));
    own.or_else(|| options.get(&format!("{PREFIX}properties.{client}")))
}

fn check_properties(options: &Options) -> Result<()> {
    let known =
        || PROPERTIES.iter().map(|(_, client)| *client).chain([CONNECT_TIMEOUT, READ_TIMEOUT]);
    let mut given = options.below("avro-confluent.properties.").map(|(key, _)| key);
    match given.find(|key| !known().any(|name| name == *key)) {
        None => Ok(()),
        Some(key) => {
            let known: Vec<&str> = known().collect();
            Err(Error::config(format!(
                "option 'avro-confluent.properties.{key}' is not known; known are {}",
                known.join(", ")
            )))
        }
    }
}

/// The addresses, and the name and password of the first.
fn urls(options: &Options) -> Result<(Vec<Url>, Login)> {
    let mut urls = Vec::new();
    let mut login = Login::None;
    let given = options.required("avro-confluent.url")?;
    for text in given.split(',').map(str::trim).filter(|text| !text.is_empty()) {
        let parsed = Url::parse(&format!("{}/", text.trim_end_matches('/'))).ok();
        let parsed = parsed.filter(|url| matches!(url.scheme(), "http" | "https"));
        let mut url = parsed.ok_or_else(|| {
            Error::config(
                "option 'avro-confluent.url' is no address such as 'http://localhost:8081'",
            )
        })?;
        if !url.username().is_empty() && login == Login::None {
            let plain = |text: &str| percent_decoded(text);
            login = Login::Basic {
                name: plain(url.username()),
                password: plain(url.password().unwrap_or_default()),
            };
        }
        // Cannot fail: the URL has a host.
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        urls.push(url);
    }
    match urls.is_empty() {
        true => Err(Error::config("option 'avro-confluent.url' is empty")),
        false => Ok((urls, login)),
    }
}

fn percent_decoded(text: &str) -> String {
    // The first pair of a form has `+` for a blank, which user names in addresses do not.
    let form = text.replace('+', "%2B");
    let mut pairs = form_urlencoded::parse(form.as_bytes());
    pairs.next().map_or_else(String::new, |(name, _)| name.into_owned())
}

fn login(options: &Options, of_url: Login) -> Result<Login> {
    let name = |option: &str| format!("'{PREFIX}{option}'");
    let needs = |source: &str, option: &str| {
        let missing = || Error::config(format!("{} needs option {}", name(source), name(option)));
        get(options, option).ok_or_else(missing)
    };
    let (basic, bearer) = ("basic-auth.credentials-source", "bearer-auth.credentials-source");
    let basic_given = match get(options, basic) {
        None => get(options, "basic-auth.user-info"),
        Some("USER_INFO") => Some(needs(basic, "basic-auth.user-info")?),
        Some("URL") => None,
        Some(other) => return Err(unknown_source(&name(basic), other, "USER_INFO or URL")),
    };
    let token = match get(options, bearer) {
        None => get(options, "bearer-auth.token"),
        Some("STATIC_TOKEN") => Some(needs(bearer, "bearer-auth.token")?),
        Some(other) => return Err(unknown_source(&name(bearer), other, "STATIC_TOKEN")),
    };
    match (basic_given, token) {
        (Some(_), Some(_)) => Err(Error::config(format!(
            "give {} or {}, not both",
            name("basic-auth.user-info"),
            name("bearer-auth.token")
        ))),
        (None, Some(token)) => Ok(Login::Bearer(token.trim().to_string())),
        (Some(info), None) => {
            let (name, password) = info.split_once(':').ok_or_else(|| {
                Error::config(format!(
                    "option {} is not name:password",
                    name("basic-auth.user-info")
                ))
            })?;
            Ok(Login::Basic { name: name.to_string(), password: password.to_string() })
        }
        (None, None) => Ok(of_url),
    }
}

fn unknown_source(name: &str, given: &str, known: &str) -> Error {
    Error::config(format!("option {name} = '{given}' is not {known}"))
}

fn client(options: &Options) -> Result<Client> {
    let ms = |name: &str, default| match get(options, name).map(str::parse::<u64>) {
        None => Ok(default),
        Some(Ok(ms)) => Ok(ms),
        Some(Err(_)) => Err(Error::config(format!(
            "option '{PREFIX}properties.{name}' is no number of milliseconds"
        ))),
    };
    let connect = Duration::from_millis(ms(CONNECT_TIMEOUT, CONNECT_MS)?);
    let read = Duration::from_millis(ms(READ_TIMEOUT, READ_MS)?);
    let mut builder = Client::builder().connect_timeout(connect).timeout(connect + read);
    if let Some((_, bytes)) = pem(options, "ssl.truststore.location")? {
        let broken =
            |e| Error::config("the trust store of 'avro-confluent' is no PEM").caused_by(e);
        for certificate in Certificate::from_pem_bundle(&bytes).map_err(broken)? {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some((name, bytes)) = pem(options, "ssl.keystore.location")? {
        let identity = Identity::from_pem(&bytes).map_err(|_| {
            Error::config(format!(
                "option '{name}': the file has no certificate with a private key that needs no \
                 password"
            ))
        })?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|e| {
        Error::config("no client for the schema registry can be made of its options").caused_by(e)
    })
}

/// The name of an option and the PEM text of the file that it names, if it is given.
fn pem(options: &Options, option: &str) -> Result<Option<(String, Vec<u8>)>> {
    let Some(path) = get(options, option) else { return Ok(None) };
    let name = format!("{PREFIX}{option}");
    let bytes = std::fs::read(path).map_err(|e| {
        Error::config(format!("option '{name}': the file '{path}' cannot be read")).caused_by(e)
    })?;
    if !bytes.windows(10).any(|text| text == b"-----BEGIN") {
        return Err(Error::config(format!(
            "option '{name}': the file '{path}' is no PEM; convert a store of Java with keytool \
             and openssl pkcs12"
        )));
    }
    Ok(Some((name, bytes)))
}
