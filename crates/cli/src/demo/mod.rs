//! `brooklet demo`: generated device events through `pipelines/devices/pipeline.sql`.
//!
//! `tables.sql` stands in front of the pipeline and replaces Kafka, Postgres and S3 by a
//! generator, the terminal and a directory; everything between is the same.

mod board;
mod screen;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use brooklet_core::{Error, Result};
use brooklet_pipeline::compile::{Compiled, SqlFile, compile};
use brooklet_pipeline::{StartOptions, Stopped, start};

use crate::logging::Console;
use crate::run::stop_signal;
use crate::text::{bytes, count};
use board::Board;
use screen::Screen;

const TABLES: &str = include_str!("tables.sql");
const PIPELINE: &str = include_str!("../../../../pipelines/devices/pipeline.sql");
/// Event time between two generated events; tables.sql has it too.
const STEP_MS: u64 = 60;
/// Where the Parquet files are, below the demo's directory; tables.sql has it too.
const FILES: &str = "device_minutes";
/// Reads what the demo has written.
const READ: &str = "\
-- The rows that the demo has written, by device type: brooklet sql -f read.sql
CREATE TABLE device_minutes (
  device_id STRING, device_type STRING, window_start STRING, event_count BIGINT,
  avg_duration DOUBLE, max_duration DOUBLE, min_battery_level INT
) PARTITIONED BY (device_type) WITH (
  'connector' = 'filesystem', 'path' = 'device_minutes', 'format' = 'parquet');

SELECT device_type, COUNT(*) AS minutes, SUM(event_count) AS events,
  MAX(max_duration) AS longest, MIN(min_battery_level) AS lowest_battery
FROM device_minutes GROUP BY device_type;
";

#[derive(clap::Args)]
pub struct Args {
    /// Ends after this many generated events; without it, Ctrl-C ends the demo.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    events: Option<u64>,
    /// Events generated a second.
    #[arg(long, default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    rate: u64,
    /// Where files and state go: a new temporary directory by default. The directory of an
    /// earlier demo is continued.
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub async fn run(args: Args, console: Console) -> Result<()> {
    let dir = directory(args.dir.as_deref())?;
    let compiled = compiled(&dir, &args)?;
    let board = Arc::new(Mutex::new(Board::default()));
    let screen = Screen::new(board.clone());
    let (shown, on_print) = (board.clone(), screen.clone());
    let options = StartOptions {
        on_print: Some(Arc::new(move |_, changes| {
            let mut board = shown.lock().unwrap_or_else(|broken| broken.into_inner());
            match board.add(changes) {
                Ok(lines) => on_print.lines(&lines),
                Err(e) => tracing::error!("{e}"),
            }
        })),
        ..StartOptions::default()
    };
    // Without a word: it would stand in the middle of the table.
    let stop = stop_signal(compiled.settings.millis("brooklet.stop-timeout")?, None)?;
    for line in introduction(&args, &dir) {
        console.say(&line);
    }
    let running =
        start(compiled.plan, &compiled.settings, &compiled.name, &compiled.base, options).await?;
    let recovered = running.recovered();
    if recovered.snapshot.is_some() || recovered.replayed > 0 {
        screen.resume();
    }
    let status = running.status.clone();
    let live = screen.clone().watch(status.clone());
    let stopped = running.run(stop).await;
    live.abort();
    screen.finish(&status.read());
    let stopped = stopped?;
    for line in ending(&dir, stopped)? {
        console.say(&line);
    }
    Ok(())
}

/// The SQL with the demo's values for its placeholders; the environment is not asked.
fn compiled(dir: &Path, args: &Args) -> Result<Compiled> {
    let file = |name: &str, text: &str| SqlFile {
        text: text.to_string(),
        name: dir.join(name).to_string_lossy().into_owned(),
    };
    let files = [file("tables.sql", TABLES), file("pipeline.sql", PIPELINE)];
    let last = args.events.map_or(i64::MAX as u64, |events| events - 1);
    let value = |name: &str| match name {
        "RATE" => Some(args.rate.to_string()),
        "LAST" => Some(last.to_string()),
        // Files are finished, and keys forgotten, soon enough to be seen.
        "TRIGGER" => Some("2 s".to_string()),
        "DEDUP_TTL" => Some("1 min".to_string()),
        // Of tables that tables.sql has replaced.
        "PGPASSWORD" => Some(String::new()),
        _ => None,
    };
    compile(&files, &value)
}

/// The given directory, or a new one, with what is to be there from the start.
fn directory(wanted: Option<&Path>) -> Result<PathBuf> {
    let failed = |path: &Path| {
        let message = format!("{} cannot be written; give --dir", path.display());
        move |e| Error::config(message).caused_by(e)
    };
    let dir = match wanted {
        Some(dir) => std::path::absolute(dir).map_err(failed(dir))?,
        None => {
            let of = |n: u32| {
                let name = format!("brooklet-demo-{}-{n}", std::process::id());
                std::env::temp_dir().join(name)
            };
            // Left over from another process of the same number, perhaps.
            (0..).map(of).find(|dir| !dir.exists()).unwrap_or_else(|| of(0))
        }
    };
    std::fs::create_dir_all(dir.join(FILES)).map_err(failed(&dir))?;
    std::fs::write(dir.join("read.sql"), READ).map_err(failed(&dir))?;
    Ok(dir)
}

fn introduction(args: &Args, dir: &Path) -> Vec<String> {
    let speed = args.rate * STEP_MS / 1_000;
    let end = match args.events {
        Some(events) => format!("Ends after {} events.", count(events)),
        None => "Ctrl-C ends it.".to_string(),
    };
    vec![
        format!(
            "brooklet {} demo: generated device events, deduplicated, one row a device and minute",
            env!("CARGO_PKG_VERSION")
        ),
        format!(
            "{} events a second, {STEP_MS} ms of event time apart: their time runs {} times faster \
             than the clock.",
            count(args.rate),
            count(speed)
        ),
        "2 % of them repeat an event, 1 % are not valid, 0.3 % come 10 minutes late.".to_string(),
        format!("Exactly once into Parquet files below {}. {end}", dir.join(FILES).display()),
        String::new(),
    ]
}

fn ending(dir: &Path, stopped: Stopped) -> Result<Vec<String>> {
    let files = dir.join(FILES);
    let (number, size) = measure(&files)
        .map_err(|e| Error::outside(format!("reading {}", files.display())).caused_by(e))?;
    let dir = dir.display();
    // As it was called, for it may not be on the path.
    let me = std::env::args().next().unwrap_or_else(|| "brooklet".into());
    let mut lines = vec![
        String::new(),
        format!("{} Parquet files ({}) in {}", count(number), bytes(size), files.display()),
        format!("  query them:  {me} sql -f {dir}/read.sql"),
    ];
    match stopped {
        Stopped::Finished => {}
        Stopped::AlreadyFinished => lines.push("  this demo had ended before".to_string()),
        Stopped::Asked => {
            lines.push("  rows of the last seconds wait in the state for their file".to_string());
            lines.push(format!("  go on where it stopped:  {me} demo --dir {dir}"));
        }
    }
    Ok(lines)
}

/// Number and bytes of the files in a directory and those below it.
fn measure(dir: &Path) -> std::io::Result<(u64, u64)> {
    let (mut number, mut size) = (0, 0);
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let (n, bytes) = match entry.file_type()?.is_dir() {
            true => measure(&entry.path())?,
            false => (1, entry.metadata()?.len()),
        };
        number += n;
        size += bytes;
    }
    Ok((number, size))
}
