//! One line of progress, in place on a terminal, a line every ten seconds elsewhere.
#![allow(clippy::disallowed_methods, reason = "showing progress decides nothing")]

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use brooklet_pipeline::{Progress, Status};

/// Shows progress until dropped.
pub struct Line(tokio::task::JoinHandle<()>);

impl Line {
    /// `plain`: never in place.
    pub fn start(status: Status, plain: bool) -> Line {
        let in_place = !plain && std::io::stderr().is_terminal();
        Line(tokio::spawn(show(status, in_place)))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn show(status: Status, in_place: bool) {
    let every = Duration::from_secs(if in_place { 1 } else { 10 });
    let mut last = (Instant::now(), 0u64, 0u64);
    loop {
        tokio::time::sleep(every).await;
        let progress = status.read();
        let read: u64 = progress.read.values().map(|c| c.read).sum();
        let seconds = last.0.elapsed().as_secs_f64();
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds) as u64;
        let text = line(&progress, rate(read, last.1), rate(progress.rows_out, last.2));
        last = (Instant::now(), read, progress.rows_out);
        if in_place {
            // A terminal that is gone is no reason to stop a pipeline.
            let _ = write!(std::io::stderr(), "\r\x1b[K{text}");
            let _ = std::io::stderr().flush();
        } else {
            tracing::info!("{text}");
        }
    }
}

/// The line: what is going on, and why nothing is when nothing comes out.
pub fn line(p: &Progress, in_per_second: u64, out_per_second: u64) -> String {
    let mut text = format!(
        "in {in_per_second}/s  out {out_per_second}/s  epoch {} (committed {})",
        p.computed, p.committed
    );
    if let Some(watermark) = p.watermark {
        text.push_str(&format!("  watermark {}", time(watermark)));
    }
    text.push_str(&format!("  state {}", bytes(p.state_bytes)));
    if p.late > 0 {
        text.push_str(&format!("  late {}", p.late));
    }
    if p.dead > 0 {
        text.push_str(&format!("  dead letters {}", p.dead));
    }
    if let Some(outage) = &p.outage {
        text.push_str(&format!("  waiting: {outage}"));
    }
    text
}

fn time(ms: i64) -> String {
    if ms == i64::MAX {
        return "end".to_string();
    }
    chrono::DateTime::from_timestamp_millis(ms)
        .map_or_else(|| ms.to_string(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string())
}

fn bytes(n: u64) -> String {
    match n {
        0..=1_023 => format!("{n} B"),
        1_024..=1_048_575 => format!("{} kB", n >> 10),
        _ => format!("{} MB", n >> 20),
    }
}
