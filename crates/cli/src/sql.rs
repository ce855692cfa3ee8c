//! `brooklet sql`: runs the queries of a file or of the command line and prints their rows.

use std::io::Write;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use brooklet_core::{Error, Result};
use brooklet_pipeline::collect::keep_all;
use brooklet_pipeline::{StartOptions, start};
use brooklet_plan::StreamPlan;

use crate::files::{compile_files, compile_text};
use crate::rows;

#[derive(clap::Args)]
pub struct Args {
    /// A file with statements.
    #[arg(short = 'f', long)]
    file: Option<PathBuf>,
    /// Statements.
    #[arg(short = 'e', long)]
    execute: Option<String>,
    #[arg(long, value_enum, default_value = "table")]
    format: rows::Format,
}

pub async fn run(args: Args) -> Result<()> {
    let compiled = match (&args.file, &args.execute) {
        (Some(file), None) => compile_files(std::slice::from_ref(file))?,
        (None, Some(text)) => compile_text(text)?,
        (Some(file), Some(text)) => {
            let before = std::fs::read_to_string(file).map_err(|e| {
                Error::config(format!("cannot read {}", file.display())).caused_by(e)
            })?;
            compile_text(&format!("{before};\n{text}"))?
        }
        (None, None) => return Err(Error::config("give statements with -e or a file with -f")),
    };
    for plan in &compiled.explained {
        let text = brooklet_plan::explain::text(plan);
        std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|e| Error::outside("stdout").caused_by(e))?;
    }
    let name = if compiled.name.is_empty() { "sql" } else { &compiled.name };
    let jobs = std::iter::once(&compiled.plan).chain(&compiled.selects);
    for plan in jobs.filter(|p| !p.nodes.is_empty()) {
        one(plan.clone(), &compiled.settings, name, &compiled.base, args.format).await?;
    }
    Ok(())
}

async fn one(
    plan: StreamPlan,
    settings: &brooklet_plan::Settings,
    name: &str,
    base: &Path,
    format: rows::Format,
) -> Result<()> {
    let (on_rows, kept) = keep_all();
    let options =
        StartOptions { on_rows: Some(on_rows), ephemeral: true, ..StartOptions::default() };
    let running = start(plan, settings, name, base, options).await?;
    let (_stop, stopped) = watch::channel(false);
    running.run(stopped).await?;
    let rows = kept.lock().unwrap_or_else(|broken| broken.into_inner());
    rows::print(format, &rows)
}
