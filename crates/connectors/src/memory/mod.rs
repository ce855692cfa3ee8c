//! `'connector' = 'memory'`: tables inside the process, for tests and simulations.
//!
//! A source reads what [`Store::push`] has put in; a sink keeps I3 to the letter and can be told
//! to fail. The option `name` says which store; stores live as long as the process.

use brooklet_core::connector::{
    Accepts, Connector, Guarantee, LookupSide, SinkSide, SourceSide, of_log,
};
use brooklet_core::options::OptionSpec;

mod lookup;
mod sink;
mod source;
mod store;
#[cfg(test)]
mod tests;

pub use store::Store;

pub const CONNECTOR: Connector = Connector {
    name: "memory",
    options: &[
        OptionSpec::text("name", "Which store of the process.").required(),
        OptionSpec::text("lookup.cache", "As for jdbc."),
        OptionSpec::text("lookup.partial-cache.max-rows", "As for jdbc."),
        OptionSpec::text("lookup.partial-cache.expire-after-write", "As for jdbc."),
    ],
    metadata: &[],
    needs_format: false,
    check: brooklet_core::connector::unchecked,
    source: Some(SourceSide { open: source::open, bounded: source::bounded, reading: of_log }),
    sink: Some(SinkSide {
        open: sink::open,
        domain: |table| format!("memory {}", table.options.text("name", "")),
        guarantee: Guarantee::ExactlyOnce,
        stages: false,
        keeps: false,
        replaces: false,
        accepts: |_| Accepts::Changes,
    }),
    lookup: Some(LookupSide::Ask(lookup::open)),
};
