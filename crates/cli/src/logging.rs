//! Logs on stderr, as text or JSON.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use brooklet_core::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
}

/// Sets up the process's logs, once.
pub fn init(level: &str, format: Format) -> Result<()> {
    let filter = EnvFilter::try_new(level)
        .map_err(|e| Error::config(format!("--log-level {level}")).caused_by(e))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        Format::Text => builder.with_target(false).try_init(),
        Format::Json => builder.json().try_init(),
    };
    set.map_err(|e| Error::bug(format!("logging was set up twice: {e}")))
}
