//! `'connector' = 'print'`: every change as a line, as Flink's print connector writes it.
//!
//! `+I[2024-01-15T10:27, dev_6, 2.668]` for a row that appears, `-D[…]` for one that goes away;
//! an update is a `-D` and a `+I`, because changes are netted per epoch. `print-identifier` is
//! put in front as `identifier> `; `standard-error` writes to stderr. At least once: after a crash
//! the lines of the last epochs may come again.

use brooklet_core::connector::{Accepts, Connector, Guarantee, SinkSide};
use brooklet_core::options::{OptionKind, OptionSpec};

mod sink;
#[cfg(test)]
mod tests;
mod text;

pub use sink::PrintSink;

pub const CONNECTOR: Connector = Connector {
    name: "print",
    options: &[
        OptionSpec::text("print-identifier", "Text in front of each line."),
        OptionSpec::text("standard-error", "Write to stderr instead of stdout.")
            .kind(OptionKind::Bool)
            .default("false"),
    ],
    metadata: &[],
    needs_format: false,
    check: brooklet_core::connector::unchecked,
    source: None,
    sink: Some(SinkSide {
        open: sink::open,
        domain: |table| format!("print {}", table.name),
        guarantee: Guarantee::AtLeastOnce,
        stages: false,
        keeps: false,
        replaces: false,
        accepts: |_| Accepts::Changes,
    }),
    lookup: None,
};
