//! `brooklet sql`: runs the queries of a file or of the command line and prints their rows.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use brooklet_core::{Delta, Error, Result};
use brooklet_pipeline::collect::keep_all;
use brooklet_pipeline::connect::ends;
use brooklet_pipeline::{StartOptions, start};
use brooklet_plan::StreamPlan;

use crate::files::{compile_files, compile_text};
use crate::rows;
use crate::run::{also_stopped_by, stop_signal};

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
        (file, Some(text)) => compile_text(file.as_deref(), text)?,
        (None, None) => return Err(Error::config("give statements with -e or a file with -f")),
    };
    for plan in &compiled.explained {
        let text = brooklet_plan::explain::text(plan);
        std::io::stdout()
            .write_all(text.as_bytes())
            .map_err(|e| Error::outside("stdout").caused_by(e))?;
    }
    for shown in &compiled.shown {
        rows::print_rows(args.format, std::slice::from_ref(shown))?;
    }
    let name = if compiled.name.is_empty() { "sql" } else { &compiled.name };
    let jobs = std::iter::once(&compiled.plan).chain(&compiled.selects);
    for plan in jobs.filter(|p| !p.nodes.is_empty()) {
        one(plan.clone(), &compiled.settings, name, &compiled.base, args.format).await?;
    }
    Ok(())
}

/// Final rows of sources that end; of others every change as it comes, until a signal.
async fn one(
    plan: StreamPlan,
    settings: &brooklet_plan::Settings,
    name: &str,
    base: &Path,
    format: rows::Format,
) -> Result<()> {
    if !ends(&plan) {
        return follow(plan, settings, name, base, format).await;
    }
    let (on_rows, kept) = keep_all();
    let options =
        StartOptions { on_rows: Some(on_rows), ephemeral: true, ..StartOptions::default() };
    let running = start(plan, settings, name, base, options).await?;
    let (_stop, stopped) = watch::channel(false);
    running.run(stopped).await?;
    let rows = kept.lock().unwrap_or_else(|broken| broken.into_inner());
    rows::print(format, &rows)
}

async fn follow(
    plan: StreamPlan,
    settings: &brooklet_plan::Settings,
    name: &str,
    base: &Path,
    format: rows::Format,
) -> Result<()> {
    let lines = matches!(format, rows::Format::Jsonl | rows::Format::Csv);
    let inserts_only = plan.sinks().all(|(id, _)| plan.node(id).append_only);
    if lines && !inserts_only {
        return Err(Error::config(
            "the query takes rows back as more arrive, which --format jsonl and csv cannot say; \
             use --format changelog",
        ));
    }
    let format = if lines { format } else { rows::Format::Changelog };
    let signal = stop_signal(settings.millis("brooklet.stop-timeout")?, None)?;
    let (no_reader, stop) = also_stopped_by(signal);
    let show = move |_: &str, changes: &[Delta]| {
        if rows::print(format, changes).is_err() {
            no_reader.send_replace(true);
        }
    };
    let options =
        StartOptions { on_rows: Some(Arc::new(show)), ephemeral: true, ..StartOptions::default() };
    start(plan, settings, name, base, options).await?.run(stop).await.map(drop)
}
