//! Every number and list of the rules, so that loosening one is a visible change.

use super::{Fault, File};

pub const FILE_LINES: usize = 800;
pub const FUNCTION_LINES: usize = 70;
pub const COLUMNS: usize = 100;
pub const TRAIT_METHODS: usize = 5;
/// A line may be longer when at least so much of it is a literal, which cannot be wrapped well.
pub const LONG_LITERAL: usize = 40;

/// Files with `unsafe`, and the decision note that says why.
pub const UNSAFE: &[(&str, &str)] = &[
    ("crates/core/src/raw.rs", "docs/decisions/0002-borrowed-fetch-buffers.md"),
    ("crates/connectors/src/kafka/queue.rs", "docs/decisions/0003-librdkafka-batch-queue.md"),
];

/// Files that look behind a `dyn`: a buffer's opaque owner, and DataFusion's plan and expression
/// nodes, which are handed out as trait objects.
pub const DOWNCAST: &[&str] = &[
    "crates/core/src/raw.rs",
    "crates/engine/src/build.rs",
    "crates/engine/src/ops/exprs.rs",
    "crates/plan/src/calls.rs",
    "crates/plan/src/explain.rs",
    "crates/sql/src/lower/rel.rs",
    "crates/sql/src/lower/shared.rs",
    "crates/sql/src/lower/structs.rs",
    "crates/sql/src/query/as_of.rs",
    "crates/sql/src/query/pattern/node.rs",
    "crates/sql/src/query/window_tvf.rs",
];

/// Crates that may write to the terminal.
pub const PRINT: &[&str] = &["cli", "testkit", "e2e", "xtask", "bench"];

/// Which of our crates a crate may use, tests aside: arrows point down only.
pub const LAYERS: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("plan", &["core"]),
    ("functions", &["core"]),
    ("python", &["core"]),
    ("formats", &["core"]),
    ("connectors", &["core", "formats"]),
    ("engine", &["core", "plan"]),
    ("sql", &["core", "plan", "functions"]),
    (
        "pipeline",
        &["core", "plan", "functions", "sql", "engine", "formats", "connectors", "python"],
    ),
    ("server", &["core", "plan", "pipeline"]),
    ("cli", &["core", "plan", "pipeline", "server"]),
    ("testkit", &[]),
    ("e2e", &["testkit"]),
    ("bench", &["core", "formats", "connectors", "pipeline", "testkit", "e2e"]),
    ("xtask", &[]),
];

/// All that the lowest crate may use of others.
pub const CORE_USES: &[&str] =
    &["arrow", "async-trait", "bytes", "chrono", "chrono-tz", "serde", "serde_json"];

/// Third-party crates that a crate must not know, and what that would break.
pub const UNKNOWN_TO: &[(&str, &[&str], &str)] = &[
    ("sql", &["tokio", "rdkafka", "object_store", "tokio-postgres"], "sql does no I/O"),
    ("functions", &["tokio", "rdkafka", "object_store"], "functions do no I/O"),
    ("plan", &["tokio", "rdkafka", "object_store", "sqlparser"], "plan is data"),
    ("formats", &["tokio", "rdkafka", "datafusion", "object_store"], "formats see bytes only"),
    ("connectors", &["datafusion", "sqlparser"], "connectors know no operators"),
    ("engine", &["sqlparser", "rdkafka", "tokio-postgres"], "engine knows no connector"),
];

/// Entries of the lists above that nothing needs any more.
pub fn unused(files: &[File]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let listed = UNSAFE.iter().map(|(path, _)| path).chain(DOWNCAST);
    for path in listed.filter(|path| !files.iter().any(|f| f.path == **path)) {
        let message = "is gone: take it from the lists in limits.rs".to_string();
        faults.push(Fault { path: path.to_string(), line: 0, message });
    }
    faults
}
