//! stderr: logs as text or JSON, notes for people, and the one line that is overwritten in place.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use brooklet_core::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    /// One JSON object a line.
    Json,
}

/// How to talk on stderr.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    pub format: Format,
    /// A person looks on: colours, and a line that is overwritten.
    pub terminal: bool,
}

/// Whether a line without an end stands on the terminal, which the next write must clear.
static OPEN_LINE: AtomicBool = AtomicBool::new(false);
const CLEAR_LINE: &str = "\r\x1b[K";

/// Sets up the process's logs, once.
pub fn init(level: &str, format: Format) -> Result<Console> {
    let filter = EnvFilter::try_new(level)
        .map_err(|e| Error::config(format!("--log-level {level}")).caused_by(e))?;
    let terminal = format == Format::Text && std::io::stderr().is_terminal();
    let colours = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Stderr);
    let set = match format {
        Format::Text => builder.with_target(false).with_ansi(colours).try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
    set.map_err(|e| Error::bug(format!("logging was set up twice: {e}")))?;
    Ok(Console { format, terminal })
}

impl Console {
    /// A note: a plain line, or a log entry where logs are JSON. Silent above level info.
    pub fn say(&self, text: &str) {
        match self.format {
            Format::Json => tracing::info!("{text}"),
            Format::Text if tracing::enabled!(tracing::Level::INFO) => {
                // A stderr that is gone is no reason to stop a pipeline.
                let _ = writeln!(Stderr, "{text}");
            }
            Format::Text => {}
        }
    }

    /// Overwrites the line in place.
    pub fn overwrite(&self, text: &str) {
        let mut out = std::io::stderr().lock();
        let _ = write!(out, "{CLEAR_LINE}{text}");
        let _ = out.flush();
        OPEN_LINE.store(true, Ordering::Release);
    }
}

/// stderr, with the line in place cleared first.
struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut out = std::io::stderr().lock();
        if OPEN_LINE.swap(false, Ordering::AcqRel) {
            out.write_all(CLEAR_LINE.as_bytes())?;
        }
        out.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// Writes an error as the last word.
pub fn fail(error: &Error, format: Format) {
    match format {
        Format::Json => tracing::error!(kind = ?error.kind, "{error}"),
        Format::Text => {
            let _ = writeln!(Stderr, "error: {error}");
        }
    }
}
