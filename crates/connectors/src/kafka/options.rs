//! The options of Kafka tables: of `kafka`, and of `upsert-kafka`.

use brooklet_core::options::{OptionKind, OptionSpec};

/// What transactional ids start with.
pub const ID_PREFIX: &str = "brooklet-";

const TOPIC: OptionSpec = OptionSpec::text(
    "topic",
    "Topic to read or write; several to read are separated by `;`. This or `topic-pattern`.",
);
const TOPIC_PATTERN: OptionSpec = OptionSpec::text(
    "topic-pattern",
    "Source: a regular expression; every topic whose whole name it matches is read.",
);
const DISCOVERY: OptionSpec = OptionSpec::text(
    "scan.topic-partition-discovery.interval",
    "How often new topics and partitions are looked for; they are read from their beginning. \
     Never with `0 ms` and in bounded tables.",
)
.kind(OptionKind::Duration)
.default("5 min");
const SERVERS: OptionSpec =
    OptionSpec::text("properties.bootstrap.servers", "Brokers, separated by commas.").required();
const GROUP: OptionSpec = OptionSpec::text(
    "properties.group.id",
    "Consumer group whose offsets are committed after each snapshot.",
);
const JAAS: OptionSpec =
    OptionSpec::text("properties.sasl.jaas.config", "User and password of PLAIN or SCRAM.")
        .secret();
const SASL_PASSWORD: OptionSpec =
    OptionSpec::text("properties.sasl.password", "Password, in librdkafka's own words.").secret();
const KEY_PASSWORD: OptionSpec =
    OptionSpec::text("properties.ssl.key.password", "Password of the private key.").secret();
const KEYSTORE_PASSWORD: OptionSpec =
    OptionSpec::text("properties.ssl.keystore.password", "Password of the key store.").secret();
const KEYSTORE_KEY: OptionSpec =
    OptionSpec::text("properties.ssl.keystore.key", "Private key as PEM text.").secret();
const KEY_PEM: OptionSpec =
    OptionSpec::text("properties.ssl.key.pem", "Private key as PEM text.").secret();
const TRUSTSTORE_PASSWORD: OptionSpec =
    OptionSpec::text("properties.ssl.truststore.password", "Password of the trust store.").secret();
const PROPERTIES: OptionSpec =
    OptionSpec::text("properties.*", "Settings of the Kafka client, under Java's names.");
const BOUNDED: OptionSpec = OptionSpec::text("scan.bounded.mode", "Where the table ends.")
    .kind(OptionKind::OneOf(&[
        "unbounded",
        "latest-offset",
        "group-offsets",
        "timestamp",
        "specific-offsets",
    ]))
    .default("unbounded");
const BOUNDED_TIME: OptionSpec =
    OptionSpec::text("scan.bounded.timestamp-millis", "For `timestamp`: records before then.")
        .kind(OptionKind::Int);
const BOUNDED_OFFSETS: OptionSpec = OptionSpec::text(
    "scan.bounded.specific-offsets",
    "For `specific-offsets`: the first offset not read, by partition.",
);
const KEY_PREFIX: OptionSpec = OptionSpec::text(
    "key.fields-prefix",
    "What the key's columns start with in the table and not in the key; needs EXCEPT_KEY.",
)
.default("");
const VALUE_INCLUDES: OptionSpec =
    OptionSpec::text("value.fields-include", "Whether the value holds the key's columns as well.")
        .kind(OptionKind::OneOf(&["ALL", "EXCEPT_KEY"]))
        .default("ALL");
const GUARANTEE: OptionSpec = OptionSpec::text(
    "sink.delivery-guarantee",
    "Accepted as in Flink; every epoch is one transaction whatever it says.",
)
.kind(OptionKind::OneOf(&["none", "at-least-once", "exactly-once"]))
.default("exactly-once");
const TRANSACTIONAL_ID: OptionSpec = OptionSpec::text(
    "sink.transactional-id-prefix",
    "What the transactional id starts with, for brokers that allow only some.",
)
.default(ID_PREFIX);
const PARALLELISM: OptionSpec =
    OptionSpec::text("sink.parallelism", "Accepted as in Flink; one producer writes.")
        .kind(OptionKind::Int);
const DATA_LOSS: OptionSpec = OptionSpec::text(
    "brooklet.fail-on-data-loss",
    "Stop when records that were not read yet are gone; otherwise warn and go on.",
)
.kind(OptionKind::Bool)
.default("true");

/// What both connectors take.
const COMMON: &[OptionSpec] = &[
    TOPIC,
    TOPIC_PATTERN,
    DISCOVERY,
    SERVERS,
    GROUP,
    JAAS,
    SASL_PASSWORD,
    KEY_PASSWORD,
    KEYSTORE_PASSWORD,
    KEYSTORE_KEY,
    KEY_PEM,
    TRUSTSTORE_PASSWORD,
    PROPERTIES,
    BOUNDED,
    BOUNDED_TIME,
    BOUNDED_OFFSETS,
    KEY_PREFIX,
    VALUE_INCLUDES,
    GUARANTEE,
    TRANSACTIONAL_ID,
    PARALLELISM,
    DATA_LOSS,
];

pub const OPTIONS: &[OptionSpec] = &with_common::<{ COMMON.len() + KAFKA.len() }>(KAFKA);

const KAFKA: &[OptionSpec] = &[
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
    OptionSpec::text(
        "key.format",
        "Format of the record's key; its options are written `key.<format>.<option>`.",
    ),
    OptionSpec::text("key.fields", "Columns of the record's key, separated by `;`."),
    OptionSpec::text("sink.partitioner", "By the key's hash, all to one, or in turn.")
        .kind(OptionKind::OneOf(&["default", "fixed", "round-robin"]))
        .default("default"),
];

/// Keys are the primary key, the source starts at the beginning, records go where keys say.
pub const UPSERT_OPTIONS: &[OptionSpec] = &with_common::<{ COMMON.len() + UPSERT.len() }>(UPSERT);

const UPSERT: &[OptionSpec] = &[
    OptionSpec::text(
        "key.format",
        "Format of the record's key, the PRIMARY KEY; its options are written \
         `key.<format>.<option>`.",
    )
    .required(),
    OptionSpec::text(
        "value.format",
        "Format of the record's value; its options are written `value.<format>.<option>`.",
    )
    .required(),
    OptionSpec::text("sink.buffer-flush.max-rows", "Accepted as in Flink; an epoch is one flush.")
        .kind(OptionKind::Int),
    OptionSpec::text("sink.buffer-flush.interval", "Accepted as in Flink; an epoch is one flush.")
        .kind(OptionKind::Duration),
];

const fn with_common<const COUNT: usize>(own: &[OptionSpec]) -> [OptionSpec; COUNT] {
    let mut all = [TOPIC; COUNT];
    let mut i = 0;
    while i < COUNT {
        all[i] = if i < COMMON.len() { COMMON[i] } else { own[i - COMMON.len()] };
        i += 1;
    }
    all
}
