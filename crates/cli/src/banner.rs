//! What a start says: guarantees, where state is kept, what was restored.

use brooklet_core::connector::Guarantee;
use brooklet_pipeline::Running;
use brooklet_plan::StreamPlan;

/// Lines for stderr.
pub fn banner(name: &str, plan: &StreamPlan, running: &Running) -> Vec<String> {
    let mut lines = vec![format!(
        "brooklet {}: pipeline {name}, {} shards",
        env!("CARGO_PKG_VERSION"),
        running.shards()
    )];
    for (_, sink) in plan.sinks() {
        let guarantee = match sink.guarantee {
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::AtLeastOnce => "at least once",
        };
        let tables: Vec<&str> = sink.tables.iter().map(|t| t.table.name.as_str()).collect();
        lines.push(format!("  {} → {}: {guarantee}", tables.join(", "), sink.domain));
    }
    lines.push(format!("  state in {} (instance {})", running.location, running.instance()));
    let recovered = running.recovered();
    lines.push(match (recovered.snapshot, recovered.replayed) {
        (None, 0) => "  first start: nothing to restore".to_string(),
        (None, n) => format!("  restored {n} epochs from the journal"),
        (Some(epoch), n) => {
            format!("  restored snapshot of epoch {epoch} and {n} epochs from the journal")
        }
    });
    lines
}
