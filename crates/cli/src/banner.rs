//! What a start says: guarantees, where state is kept, what was restored.

use std::path::Path;

use brooklet_core::connector::Guarantee;
use brooklet_pipeline::Running;
use brooklet_pipeline::serve::Endpoint;
use brooklet_plan::node::{SinkSpec, SinkTable};
use brooklet_plan::{Settings, StreamPlan};

use crate::http::Place;
use crate::logging::{Console, Format};
use crate::text::duration;

/// What was started.
pub struct Start<'a> {
    pub name: &'a str,
    pub plan: &'a StreamPlan,
    pub settings: &'a Settings,
    pub http: Place,
    /// A line for each query that is answered over HTTP.
    pub served: Vec<String>,
}

/// Says it: lines for people, one entry with fields where logs are JSON.
pub fn show(console: &Console, start: &Start, running: &Running, preview: bool) {
    let Start { name, plan, settings, http, served } = start;
    let served = if matches!(http, Place::At(_)) { served.as_slice() } else { &[] };
    let sources: Vec<String> =
        plan.scans().map(|(_, s)| format!("{} ({})", s.table.name, s.table.connector())).collect();
    let sinks: Vec<String> = plan
        .sinks()
        .flat_map(|(_, sink)| sink.tables.iter().map(|table| sink_line(sink, table)))
        .collect();
    let restored = restored(running);
    let state = place(&running.location);
    if preview {
        console.say(&format!(
            "brooklet {}: preview of pipeline {name}: rows are printed, nothing is written, no \
             state is kept",
            env!("CARGO_PKG_VERSION")
        ));
        console.say(&format!("  {}", http.line()));
        served.iter().for_each(|line| console.say(&format!("  {line}")));
        return;
    }
    if console.format == Format::Json {
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pipeline = name,
            shards = running.shards(),
            sources = sources.join("; "),
            sinks = sinks.join("; "),
            state,
            instance = running.instance(),
            restored,
            http = %http,
            served = served.join("; "),
            "started"
        );
        return;
    }
    let snapshots = settings.millis("brooklet.checkpoint.interval").unwrap_or_default();
    console.say(&format!(
        "brooklet {}: pipeline {name}, {} shards",
        env!("CARGO_PKG_VERSION"),
        running.shards()
    ));
    console.say(&format!("  reads {}", sources.join(", ")));
    sinks.iter().for_each(|line| console.say(&format!("  writes {line}")));
    console.say(&format!(
        "  state in {state} (instance {}), a snapshot every {}",
        running.instance(),
        duration(snapshots)
    ));
    console.say(&format!("  {restored}"));
    console.say(&format!("  {}", http.line()));
    served.iter().for_each(|line| console.say(&format!("  {line}")));
}

/// `serves GET /users/{id} (users.sql)`.
pub fn served_line(endpoint: &Endpoint) -> String {
    let file = Path::new(&endpoint.file).file_name().unwrap_or_default().to_string_lossy();
    format!("serves GET {} ({file})", endpoint.path)
}

/// A local directory with its whole path: a restart may come from another one.
fn place(location: &str) -> String {
    match location.contains("://") {
        true => location.to_string(),
        false => std::path::absolute(location)
            .map_or_else(|_| location.to_string(), |path| path.to_string_lossy().into_owned()),
    }
}

/// `table → place: exactly once, upsert by (a, b)`.
fn sink_line(sink: &SinkSpec, table: &SinkTable) -> String {
    let guarantee = match sink.guarantee {
        Guarantee::ExactlyOnce => "exactly once",
        Guarantee::AtLeastOnce => "at least once",
    };
    let mut line = format!("{} → {}: {guarantee}", table.table.name, sink.domain);
    if let Some(whole) = &table.whole {
        let when =
            whole.every_ms.map_or("at the end".into(), |ms| format!("within {}", duration(ms)));
        line.push_str(&format!(", the whole result {when}"));
    } else if let Some(staging) = &table.staging {
        line.push_str(&format!(", a file within {}", duration(staging.max_age_ms)));
    } else if !table.table.primary_key.is_empty() {
        line.push_str(&format!(", by key ({})", table.table.primary_key.join(", ")));
    }
    line
}

fn restored(running: &Running) -> String {
    let recovered = running.recovered();
    match (recovered.snapshot, recovered.replayed) {
        (None, 0) => "first start: nothing to restore".to_string(),
        (None, n) => format!("restored {n} epochs of the journal"),
        (Some(epoch), 0) => format!("restored the snapshot of epoch {epoch}"),
        (Some(epoch), n) => {
            format!("restored the snapshot of epoch {epoch} and {n} epochs of the journal")
        }
    }
}
