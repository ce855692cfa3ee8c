//! Where tables live: one folder per connector, under Flink's names. This list is the registry.

use brooklet_core::connector::Connector;

pub mod blackhole;
pub mod brooklet_table;
#[cfg(test)]
mod contract;
pub mod datagen;
pub mod filesystem;
pub mod jdbc;
pub mod kafka;
pub mod memory;
pub mod print;
pub mod upsert_kafka;
pub mod values;

pub static CONNECTORS: &[Connector] = &[
    filesystem::CONNECTOR,
    jdbc::CONNECTOR,
    kafka::CONNECTOR,
    upsert_kafka::CONNECTOR,
    brooklet_table::CONNECTOR,
    datagen::CONNECTOR,
    print::CONNECTOR,
    blackhole::CONNECTOR,
    memory::CONNECTOR,
    values::CONNECTOR,
];

/// The connector of that name.
pub fn find_connector(name: &str) -> Option<&'static Connector> {
    CONNECTORS.iter().find(|c| c.name == name)
}
