//! `'connector' = 'datagen'`: generated rows, as Flink's datagen makes them.
//!
//! `rows-per-second` paces them, `number-of-rows` (or a field of kind `sequence`) makes the table
//! end. Per column: `fields.<name>.kind` = `random` (default) or `sequence`, `min` and `max`,
//! `start` and `end`, `length`, `null-rate`. Rows are a function of the table's name, the column's
//! name and the row's number: the same table always gives the same rows, also after a crash.
//! DATE, TIME and TIMESTAMP columns show the moment the row is due, minus up to `max-past`. The
//! fields of a ROW are named `<column>.<field>`.
//!
//! `SET 'brooklet.table.<table>.values.<column>' = 'a, b, c'` draws texts from a list instead.

use brooklet_core::connector::{Connector, SourceSide, of_log};

mod options;
mod rows;
mod source;
#[cfg(test)]
mod tests;

pub const CONNECTOR: Connector = Connector {
    name: "datagen",
    options: options::OPTIONS,
    metadata: &[],
    needs_format: false,
    check: brooklet_core::connector::unchecked,
    source: Some(SourceSide { open: source::open, bounded: options::bounded, reading: of_log }),
    sink: None,
    lookup: None,
};
