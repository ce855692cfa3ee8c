//! One line of progress: in place on a terminal, a line every ten seconds elsewhere.
#![allow(clippy::disallowed_methods, reason = "showing progress decides nothing")]

use std::time::{Duration, Instant};

use brooklet_pipeline::{Progress, Status};

use crate::logging::{Console, Format};
use crate::text::{bytes, count, moment};

const IN_PLACE: Duration = Duration::from_secs(1);
const LINES: Duration = Duration::from_secs(10);

/// Shows progress until dropped.
pub struct Line(tokio::task::JoinHandle<()>);

impl Line {
    pub fn start(status: Status, console: Console) -> Line {
        Line(tokio::spawn(show(status, console)))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Rows a second since the last look.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    rows_in: u64,
    rows_out: u64,
}

async fn show(status: Status, console: Console) {
    let mut last = (Instant::now(), read_of(&status.read()), status.read().rows_out);
    loop {
        tokio::time::sleep(if console.terminal { IN_PLACE } else { LINES }).await;
        let progress = status.read();
        let read = read_of(&progress);
        let seconds = last.0.elapsed().as_secs_f64();
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds).round() as u64;
        let rates =
            Rates { rows_in: rate(read, last.1), rows_out: rate(progress.rows_out, last.2) };
        last = (Instant::now(), read, progress.rows_out);
        match console.format {
            Format::Json => log(&progress, rates),
            Format::Text if console.terminal => console.overwrite(&line(&progress, rates)),
            Format::Text => tracing::info!("{}", line(&progress, rates)),
        }
    }
}

/// Records taken from all sources since the pipeline's first start.
pub fn read_of(progress: &Progress) -> u64 {
    progress.read.values().map(|c| c.read).sum()
}

/// The line: what is going on, and why nothing is when nothing comes out.
fn line(p: &Progress, rates: Rates) -> String {
    let mut text = format!(
        "in {}/s  out {}/s  epoch {}",
        count(rates.rows_in),
        count(rates.rows_out),
        p.committed
    );
    if p.computed > p.committed {
        text.push_str(&format!(" (+{} on their way)", p.computed.0 - p.committed.0));
    }
    if let Some(lag) = p.lag {
        text.push_str(&format!("  lag {}", count(lag)));
    }
    match p.watermark {
        Some(watermark) => text.push_str(&format!("  watermark {}", moment(watermark))),
        None => text.push_str("  no watermark yet"),
    }
    text.push_str(&format!("  state {}", bytes(p.state_bytes)));
    text.push_str(&format!("  late {}  dead letters {}", count(p.late), count(p.dead)));
    if let Some(outage) = &p.outage {
        let first: String = outage.lines().next().unwrap_or_default().chars().take(160).collect();
        text.push_str(&format!("  waiting: {first}"));
    }
    text
}

fn log(p: &Progress, rates: Rates) {
    tracing::info!(
        rows_in_per_second = rates.rows_in,
        rows_out_per_second = rates.rows_out,
        rows_in = read_of(p),
        rows_out = p.rows_out,
        epoch = p.committed.0,
        epochs_waiting = p.computed.0.saturating_sub(p.committed.0),
        lag = p.lag,
        watermark = p.watermark.map(moment),
        state_bytes = p.state_bytes,
        late = p.late,
        dead_letters = p.dead,
        outage = p.outage,
        "progress"
    );
}

#[cfg(test)]
mod tests {
    use brooklet_core::Epoch;

    use super::*;

    #[test]
    fn the_line_says_why_nothing_comes_out() {
        let mut p = Progress { computed: Epoch(9), committed: Epoch(7), ..Progress::default() };
        p.watermark = Some(1_705_314_605_000);
        p.lag = Some(1_234);
        p.outage = Some("sink: connection refused".into());
        let rates = Rates { rows_in: 12_000, rows_out: 0 };
        assert_eq!(
            line(&p, rates),
            "in 12,000/s  out 0/s  epoch 7 (+2 on their way)  lag 1,234  watermark 2024-01-15 10:30:05  \
             state 0 B  late 0  dead letters 0  waiting: sink: connection refused"
        );
    }
}
