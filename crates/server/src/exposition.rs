//! Metrics as text: OpenMetrics, which Prometheus and those who read its format understand.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use brooklet_core::{Error, Result};
use brooklet_pipeline::{BOUNDS_MS, Histogram};

use crate::metrics::{Kind, METRICS, Metric, Sample, Scrape, Value};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics with their values of this moment.
pub fn text(scrape: &Scrape) -> Result<String> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(scrape.clone()));
    let mut out = String::with_capacity(16 << 10);
    text::encode(&mut out, &registry)
        .map_err(|e| Error::bug("metrics cannot be written").caused_by(e))?;
    Ok(out)
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for metric in METRICS {
            let samples = (metric.samples)(self);
            if !samples.is_empty() {
                write(&mut encoder, metric, &samples)?;
            }
        }
        Ok(())
    }
}

fn write(encoder: &mut DescriptorEncoder, metric: &Metric, samples: &[Sample]) -> fmt::Result {
    let kind = match metric.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    };
    let mut encoder = encoder.encode_descriptor(metric.name, metric.help, None, kind)?;
    for Sample { labels, value } in samples {
        match (value, labels.is_empty()) {
            (Value::Info, _) => encoder.encode_info(labels)?,
            (value, true) => write_value(&mut encoder, metric.kind, value)?,
            (value, false) => {
                write_value(&mut encoder.encode_family(labels)?, metric.kind, value)?;
            }
        }
    }
    Ok(())
}

fn write_value(encoder: &mut MetricEncoder, kind: Kind, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Whole(n)) => encoder.encode_counter::<NoLabelSet, _, f64>(n, None),
        (Kind::Counter, Value::Real(n)) => encoder.encode_counter::<NoLabelSet, _, f64>(n, None),
        (_, Value::Whole(n)) => encoder.encode_gauge(n),
        (_, Value::Real(n)) => encoder.encode_gauge(n),
        (_, Value::Took(took)) => {
            let sum = took.sum_ms as f64 / 1_000.0;
            encoder.encode_histogram::<NoLabelSet>(sum, took.count(), &buckets(took), None)
        }
        (_, Value::Info) => Err(fmt::Error),
    }
}

/// Bounds in seconds, each with what falls between it and the one before.
fn buckets(took: &Histogram) -> Vec<(f64, u64)> {
    let bounds = BOUNDS_MS.iter().map(|ms| *ms as f64 / 1_000.0).chain([f64::INFINITY]);
    bounds.zip(took.counts).collect()
}
