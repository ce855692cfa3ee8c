//! `brooklet run FILE…`: every INSERT of the files as one pipeline.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use brooklet_core::{Delta, Error, Result};
use brooklet_pipeline::{StartOptions, Stopped, start};

use crate::files::compile_files;
use crate::{banner, progress, rows};

#[derive(clap::Args)]
pub struct Args {
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// A new instance: empty state, sources from their startup mode; rows written stay.
    #[arg(long)]
    fresh: bool,
    /// Start although another process seems to own the pipeline; it will be fenced.
    #[arg(long)]
    take_over: bool,
    /// Real sources, but sinks are replaced by the terminal and nothing is committed.
    #[arg(long)]
    preview: bool,
}

pub async fn run(args: Args, plain: bool) -> Result<()> {
    let compiled = compile_files(&args.files)?;
    if compiled.plan.nodes.is_empty() {
        return Err(Error::config("the files hold no INSERT; queries alone run with `sql`"));
    }
    let show = |changes: &[Delta]| {
        if let Err(e) = rows::print(rows::Format::Changelog, changes) {
            tracing::warn!("{e}");
        }
    };
    let options = StartOptions {
        fresh: args.fresh,
        take_over: args.take_over,
        preview: args.preview,
        on_rows: args.preview.then(|| Arc::new(show) as _),
        ephemeral: false,
    };
    let stop = stop_signal(compiled.settings.millis("brooklet.stop-timeout")?)?;
    let plan = compiled.plan.clone();
    let running =
        start(compiled.plan, &compiled.settings, &compiled.name, &compiled.base, options).await?;
    for line in banner::banner(&compiled.name, &plan, &running) {
        tracing::info!("{line}");
    }
    let status = running.status.clone();
    let line = progress::Line::start(status.clone(), plain);
    let stopped = running.run(stop).await;
    drop(line);
    let p = status.read();
    let read: u64 = p.read.values().map(|c| c.read).sum();
    tracing::info!(
        "read {read}, written {}, late {}, dead letters {}, committed epoch {}",
        p.rows_out,
        p.late,
        p.dead,
        p.committed
    );
    match stopped? {
        Stopped::Finished => tracing::info!("finished: every source was read to its end"),
        Stopped::AlreadyFinished => {
            tracing::info!("this pipeline has finished already; --fresh repeats it");
        }
        Stopped::Asked => tracing::info!("stopped; a restart goes on here"),
    }
    Ok(())
}

/// Turns true at the first SIGTERM or SIGINT. At the second, or when stopping takes too long, the
/// process ends at once, which the journal makes safe.
#[allow(clippy::disallowed_methods, reason = "a stop that hangs must end by the clock")]
pub fn stop_signal(timeout_ms: i64) -> Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |e| Error::outside("signals cannot be received").caused_by(e);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        tracing::info!("stopping: epochs in flight are committed; a second signal ends at once");
        stop.send_replace(true);
        let limit = std::time::Duration::from_millis(timeout_ms.max(0) as u64);
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = tokio::time::sleep(limit) => {}
        }
        tracing::warn!("ended before the stop was complete; a restart goes on from the journal");
        std::process::exit(1);
    });
    Ok(stopped)
}
