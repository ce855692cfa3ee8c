//! `brooklet run FILE…`: every INSERT of the files as one pipeline.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;

use brooklet_core::{Delta, Error, Result};
use brooklet_pipeline::serve::{Endpoint, Limits, Serving};
use brooklet_pipeline::world::real;
use brooklet_pipeline::{Agreed, Compiled, Progress, StartOptions, Status, Stopped, start};
use brooklet_server::View;

use crate::banner::Start;
use crate::files::{compile_files, endpoints};
use crate::logging::Console;
use crate::text::count;
use crate::{banner, http, progress, rows};

#[derive(clap::Args)]
pub struct Args {
    /// SQL files; later ones see the tables of earlier ones.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A new instance: empty state, sources from their startup mode; rows written stay.
    #[arg(long)]
    fresh: bool,
    /// Start although another process seems to own the pipeline; it will be fenced.
    #[arg(long)]
    take_over: bool,
    /// Let an edited query start: what is new in it begins empty, at the sources' positions.
    #[arg(long)]
    accept_new: bool,
    /// Let an edited query start: state that nothing in it uses any more is deleted.
    #[arg(long)]
    drop_state: bool,
    /// Real sources, but the rows go to the terminal and nothing is committed.
    #[arg(long)]
    preview: bool,
    #[command(flatten)]
    http: http::Args,
}

pub async fn run(args: Args, console: Console) -> Result<()> {
    let compiled = compile_files(&args.files)?;
    if compiled.plan.nodes.is_empty() {
        return Err(Error::config(
            "there is no INSERT in the files: nothing to run. `brooklet sql -f FILE` prints the \
             rows of a SELECT",
        ));
    }
    let several = compiled.plan.sinks().map(|(_, sink)| sink.tables.len()).sum::<usize>() > 1;
    let signal = stop_signal(compiled.settings.millis("brooklet.stop-timeout")?, Some(console))?;
    let (no_reader, stop) = also_stopped_by(signal);
    let show = move |table: &str, changes: &[Delta]| {
        let prefix = if several { format!("{table}> ") } else { String::new() };
        if rows::print_changes(&prefix, changes).is_err() {
            no_reader.send_replace(true);
        }
    };
    let options = StartOptions {
        fresh: args.fresh,
        take_over: args.take_over,
        agreed: Agreed { new: args.accept_new, lost: args.drop_state },
        preview: args.preview,
        on_rows: args.preview.then(|| Arc::new(show) as _),
        ..StartOptions::default()
    };
    let status = options.status.clone();
    let endpoints = endpoints(&compiled)?;
    let served: Vec<String> = endpoints.iter().map(banner::served_line).collect();
    let serving = match endpoints.is_empty() || args.http.is_off() {
        true => None,
        false => Some(serving(endpoints, &compiled, &status)?),
    };
    let (place, http) = http::start(&args.http, view(&compiled, &status, serving)?).await?;
    let plan = compiled.plan.clone();
    let running =
        start(compiled.plan, &compiled.settings, &compiled.name, &compiled.base, options).await?;
    let (name, settings) = (&compiled.name, &compiled.settings);
    banner::show(
        &console,
        &Start { name, plan: &plan, settings, http: place, served },
        &running,
        args.preview,
    );
    let line = progress::Line::start(status.clone(), console);
    let stopped = running.run(stop).await;
    drop(line);
    if let Some(http) = http {
        http.stop().await;
    }
    if !matches!(stopped, Ok(Stopped::AlreadyFinished)) {
        console.say(&account(&status.read()));
    }
    console.say(match stopped? {
        Stopped::Finished => "finished: every source was read to its end",
        Stopped::AlreadyFinished => "this pipeline has finished already; --fresh repeats it",
        Stopped::Asked => "stopped; a restart goes on here",
    });
    Ok(())
}

fn serving(endpoints: Vec<Endpoint>, compiled: &Compiled, status: &Status) -> Result<Arc<Serving>> {
    let limits = Limits::of(&compiled.settings)?;
    Ok(Arc::new(Serving::new(endpoints, limits, status.tables().clone(), real())?))
}

/// What HTTP may see of the pipeline.
fn view(compiled: &Compiled, status: &Status, serving: Option<Arc<Serving>>) -> Result<View> {
    let env = real();
    Ok(View {
        pipeline: compiled.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        status: status.clone(),
        max_commit_age_ms: compiled.settings.millis("brooklet.ready.max-commit-age")?,
        started_at: env.now(),
        asked: brooklet_server::Asked::default(),
        serving,
        env,
    })
}

/// What became of the records, since the pipeline's first start; rows out by this process.
fn account(p: &Progress) -> String {
    let gone = [
        (p.read.values().map(|c| c.skipped).sum(), "skipped"),
        (p.sum(|c| c.filtered), "filtered"),
        (p.sum(|c| c.duplicates), "duplicates"),
        (p.late, "late"),
        (p.dead, "dead letters"),
    ];
    let gone: Vec<String> =
        gone.iter().map(|(n, what): &(u64, &str)| format!("{} {what}", count(*n))).collect();
    format!(
        "read {}: {}; written {}, committed epoch {}",
        count(progress::read_of(p)),
        gone.join(", "),
        count(p.rows_out),
        p.committed
    )
}

/// A stop that comes from `signal` or from the sender: rows that nobody reads any more.
pub fn also_stopped_by(
    mut signal: watch::Receiver<bool>,
) -> (watch::Sender<bool>, watch::Receiver<bool>) {
    let (stop, stopped) = watch::channel(false);
    let from_signal = stop.clone();
    tokio::spawn(async move {
        if signal.wait_for(|stop| *stop).await.is_ok() {
            from_signal.send_replace(true);
        }
    });
    (stop, stopped)
}

/// Turns true at the first SIGTERM or SIGINT, which is said on `console`. At the second, or when
/// stopping takes too long, the process ends at once, which the journal makes safe.
#[allow(clippy::disallowed_methods, reason = "a stop that hangs must end by the clock")]
pub fn stop_signal(timeout_ms: i64, console: Option<Console>) -> Result<watch::Receiver<bool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |e| Error::outside("signals cannot be received").caused_by(e);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        if let Some(console) = console {
            console.say("stopping: epochs in flight are committed; a second signal ends at once");
        }
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
