//! docs/metrics.md is written from the list of metrics and the list of endpoints.
//!
//! `UPDATE_REFERENCE=1 cargo test` writes the page anew; without it a difference fails.

use std::fmt::Write;
use std::path::Path;

use super::{Kind, METRICS, Metric};
use crate::routes::ENDPOINTS;

const INTRODUCTION: &str = "\
# Health and metrics

`brooklet run` answers on http://127.0.0.1:8080. `--http ADDR` names another address (port 0 is any
free one, the banner says which), `--no-http` leaves it out. When the default address is taken, as
by a second pipeline, `run` warns and goes on without; an address given with `--http` that cannot be
listened on is an error. There is no authentication and no TLS: whoever reaches the address can read
it. Values of options never show up; names of tables, nodes and services do, and so do the messages
of services that are out.

This page is written from the code's own lists: `UPDATE_REFERENCE=1 cargo test --workspace metrics`
does it anew.
";

const READY: &str = "
`/ready` answers 503 while the pipeline recovers or stops, and when a commit or a service has been
waited for longer than `SET 'brooklet.ready.max-commit-age'` (60 s). A pipeline that has nothing to
commit is ready. Errors have a JSON body too: `{\"error\": \"…\"}`.

```text
$ curl -s localhost:8080/ready
{\"ready\":true,\"reason\":null,\"epoch\":412,\"computed_epoch\":412,\"last_commit_age_seconds\":0.021,\"outage\":null}
```

## Metrics

Counters of records and rows are part of snapshots: they go on over restarts, and `--fresh` starts
them anew. Those that say \"by this process\" start at 0. A node is named by its place in the plan
(`brooklet explain --format json` shows it), its kind and its label. All values are read at the
scrape, from numbers that the pipeline writes down once per epoch.

";

const QUERIES: &str = "
## Worth a look

| PromQL | |
|---|---|
| `brooklet_ready == 0` | recovering for long, or work waits that is not committed |
| `increase(brooklet_records_dead_total[10m]) > 0` | records are set aside |
| `brooklet_watermark_lag_seconds > 300` | event time stands still, or comes late |
| `deriv(brooklet_source_lag_records[10m]) > 0` | more comes in than goes out |
| `histogram_quantile(0.99, rate(brooklet_epoch_duration_seconds_bucket[5m]))` | how old a row is when its sink shows it |
";

#[test]
fn the_page_lists_what_there_is() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&file, page()).unwrap();
    }
    let held = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(held, page(), "docs/metrics.md is not up to date, set UPDATE_REFERENCE=1");
}

fn page() -> String {
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n| endpoint | |\n|---|---|\n");
    for endpoint in ENDPOINTS {
        let _ = writeln!(out, "| `GET {}` | {} |", endpoint.path, endpoint.doc);
    }
    out.push_str(READY);
    out.push_str("| metric | kind | labels | |\n|---|---|---|---|\n");
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
        let (name, kind) = shown(metric);
        let _ = writeln!(out, "| `{name}` | {kind} | {} | {} |", labels.join(", "), metric.help);
    }
    out.push_str(QUERIES);
    out
}

/// A metric's name in the text, and the word for its kind.
fn shown(metric: &Metric) -> (String, &'static str) {
    let name = metric.name;
    match metric.kind {
        Kind::Counter => (format!("{name}_total"), "counter"),
        Kind::Gauge => (name.to_string(), "gauge"),
        Kind::Histogram => (name.to_string(), "histogram"),
        Kind::Info => (format!("{name}_info"), "info"),
    }
}
