//! Metrics over a status made by hand, read with a strict parser of the format.

use brooklet_core::Epoch;
use brooklet_pipeline::{Counts, Phase};
use brooklet_testkit::exposition::Metrics;

use super::*;
use crate::asked::Asked;
use crate::exposition::text;

const NOW: Millis = 1_700_000_100_000;

fn counts(rows_in: u64, rows_out: u64) -> Counts {
    Counts { rows_in, rows_out, filtered: 3, late: 4, duplicates: 5, bad: 6 }
}

fn node(kind: &'static str, label: &str, counts: Counts) -> NodeProgress {
    NodeProgress { label: label.to_string(), kind, counts, state_bytes: 70 }
}

/// A pipeline with something to say on every metric.
fn busy() -> Scrape {
    let mut p = Progress { phase: Phase::Running, ..Progress::default() };
    let read =
        ReadCounts { read: 100, bytes: 2_000, decoded: 97, dead: 1, skipped: 2, replayed: 1 };
    p.read.insert("clicks".into(), read);
    p.read.insert("users".into(), ReadCounts::default());
    p.dead_of.insert("clicks".into(), 7);
    p.late_of.insert("clicks".into(), 8);
    p.lag_of.insert("clicks".into(), 1_234);
    p.watermark_of.insert("clicks".into(), 1_700_000_090_500);
    p.watermark_of.insert("users".into(), WATERMARK_MAX);
    p.nodes = vec![
        node("Scan", "clicks", Counts::default()),
        node("Map", "action = \"buy\", a\\b\n}", counts(90, 80)),
        node("Exchange", "userid", Counts::default()),
        node("Reduce", "GROUP BY userid", counts(80, 20)),
        node("Sink", "page_views", counts(20, 0)),
    ];
    p.state_bytes = 350;
    p.written.insert("page_views".into(), 20);
    p.show_computed(Epoch(9), NOW - 2_000);
    p.show_committed(Epoch(8), NOW - 1_500);
    for ms in [1, 4, 70_000] {
        p.epoch_took.observe(ms);
    }
    p.commit_took.observe(3);
    p.outage = Some("postgres: connection refused".into());
    p.snapshot = Some(LastSnapshot {
        epoch: Epoch(7),
        bytes: 4_096,
        taken_at: NOW - 8_000,
        took_ms: Some(250),
    });
    let asked = Asked::default();
    asked.count("/users/{name}", 200, 3);
    asked.count("/users/{name}", 200, 20);
    asked.count("/users/{name}", 404, 1);
    Scrape {
        progress: p,
        asked: asked.read(),
        ready: true,
        now: NOW,
        usage: Usage { cpu_seconds: 1.25, resident_bytes: Some(30 << 20) },
        pipeline: "clicks to \"pg\"".into(),
        version: "1.2.3",
        started_at: NOW - 60_000,
    }
}

#[test]
fn values_are_those_of_the_status() {
    let metrics = Metrics::parse(&text(&busy()).unwrap());
    let expected = [
        ("brooklet_records_read_total{table=\"clicks\"}", 100.0),
        ("brooklet_records_read_total{table=\"users\"}", 0.0),
        ("brooklet_read_bytes_total{table=\"clicks\"}", 2_000.0),
        ("brooklet_records_dead_total{table=\"clicks\"}", 7.0),
        ("brooklet_records_skipped_total{table=\"clicks\"}", 2.0),
        ("brooklet_records_late_total{table=\"clicks\"}", 8.0),
        ("brooklet_source_lag_records{table=\"clicks\"}", 1_234.0),
        ("brooklet_watermark_timestamp_seconds{table=\"clicks\"}", 1_700_000_090.5),
        ("brooklet_watermark_lag_seconds{table=\"clicks\"}", 9.5),
        (
            "brooklet_node_rows_in_total{kind=\"Map\",label=\"action = \\\"buy\\\", \
             a\\\\b\\n}\",node=\"1\"}",
            90.0,
        ),
        ("brooklet_state_bytes", 350.0),
        ("brooklet_rows_written_total{table=\"page_views\"}", 20.0),
        ("brooklet_epochs_computed_total", 9.0),
        ("brooklet_epochs_committed_total", 8.0),
        ("brooklet_epoch_duration_seconds_bucket{le=\"0.001\"}", 1.0),
        ("brooklet_epoch_duration_seconds_bucket{le=\"0.002\"}", 1.0),
        ("brooklet_epoch_duration_seconds_bucket{le=\"0.005\"}", 2.0),
        ("brooklet_epoch_duration_seconds_bucket{le=\"60.0\"}", 2.0),
        ("brooklet_epoch_duration_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("brooklet_epoch_duration_seconds_sum", 70.005),
        ("brooklet_commit_duration_seconds_count", 1.0),
        ("brooklet_last_commit_age_seconds", 1.5),
        ("brooklet_ready", 1.0),
        ("brooklet_outage", 1.0),
        ("brooklet_snapshot_epoch", 7.0),
        ("brooklet_snapshot_bytes", 4_096.0),
        ("brooklet_snapshot_duration_seconds", 0.25),
        ("brooklet_snapshot_age_seconds", 8.0),
        ("brooklet_queries_total{path=\"/users/{name}\",status=\"200\"}", 2.0),
        ("brooklet_queries_total{path=\"/users/{name}\",status=\"404\"}", 1.0),
        ("brooklet_query_duration_seconds_count{path=\"/users/{name}\"}", 3.0),
        ("brooklet_query_duration_seconds_sum{path=\"/users/{name}\"}", 0.024),
        ("brooklet_build_info{version=\"1.2.3\"}", 1.0),
        ("brooklet_pipeline_info{pipeline=\"clicks to \\\"pg\\\"\"}", 1.0),
        ("process_cpu_seconds_total", 1.25),
        ("process_resident_memory_bytes", 31_457_280.0),
        ("process_start_time_seconds", 1_700_000_040.0),
    ];
    for (sample, value) in expected {
        assert_eq!(metrics.value(sample), value, "{sample}");
    }
    // The source that has ended has no watermark any more.
    assert_eq!(metrics.samples.keys().filter(|key| key.contains("_watermark_")).count(), 2);
}

#[test]
fn nodes_show_what_their_kind_counts() {
    let metrics = Metrics::parse(&text(&busy()).unwrap());
    let sums = ["in", "out", "filtered", "late", "duplicate", "failed"]
        .map(|what| metrics.sum(&format!("brooklet_node_rows_{what}_total")));
    // Map 90 → 80, Reduce 80 → 20, Sink 20.
    assert_eq!(sums, [190.0, 100.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(metrics.sum("brooklet_node_state_bytes"), 140.0);
}

#[test]
fn every_metric_has_its_labels_and_a_name_by_the_conventions() {
    let metrics = Metrics::parse(&text(&busy()).unwrap());
    assert_eq!(metrics.families.len(), METRICS.len());
    for metric in METRICS {
        let family = &metrics.families[metric.name];
        assert!(family.help.ends_with('.') && !family.help.contains(['\\', '\n', '"']));
        assert!(!metric.name.ends_with("_total") && !metric.name.ends_with("_info"));
        for Sample { labels, .. } in (metric.samples)(&busy()) {
            let names: Vec<&str> = labels.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, metric.labels, "{}", metric.name);
        }
    }
}

#[test]
fn a_pipeline_that_has_done_nothing_says_nothing_wrong() {
    let progress = Progress::default();
    let scrape = Scrape { progress, ready: false, usage: Usage::default(), ..busy() };
    let metrics = Metrics::parse(&text(&scrape).unwrap());
    assert_eq!(metrics.value("brooklet_ready"), 0.0);
    assert_eq!(metrics.value("brooklet_epoch_duration_seconds_count"), 0.0);
    let absent =
        ["brooklet_records_read", "brooklet_snapshot_epoch", "brooklet_last_commit_age_seconds"];
    assert!(absent.iter().all(|name| !metrics.families.contains_key(*name)));
}
