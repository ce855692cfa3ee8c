//! The command line: one file per subcommand.
//!
//! stdout carries only rows; banner, progress and logs go to stderr. Exit codes: 0 done, 1 the
//! pipeline failed, 2 the command line or the file is wrong, 3 a bug of ours, 4 fenced.

mod banner;
mod checkpoints;
mod demo;
mod dlq;
mod explain;
mod files;
mod http;
mod logging;
mod progress;
mod rows;
mod run;
mod sql;
mod text;
mod validate;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use brooklet_core::{Error, Result};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Streaming ETL in Flink SQL, exactly once, in one process.
#[derive(Parser)]
#[command(name = "brooklet", version, about)]
struct Cli {
    /// error, warn, info, debug or trace; also per target, as in `info,dead_letter=error`.
    #[arg(
        long,
        global = true,
        default_value = "info",
        value_name = "LEVEL",
        help_heading = "Logs"
    )]
    log_level: String,
    /// How logs, banner and progress are written on stderr.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        value_name = "FORMAT",
        help_heading = "Logs"
    )]
    log_format: logging::Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every INSERT of the files as one pipeline until its sources end or a signal stops it.
    Run(run::Args),
    /// Generated device events through the device pipeline, with a live table; needs no service.
    Demo(demo::Args),
    /// Runs queries and prints their rows.
    Sql(sql::Args),
    /// Parses, binds and plans; reaches no service.
    Validate(validate::Args),
    /// Prints the streaming plan.
    Explain(explain::Args),
    /// Lists and shows what is stored of a pipeline's state.
    Checkpoints(checkpoints::Args),
    /// Lists, shows and replays records that were set aside: dead letters and late records.
    Dlq(dlq::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.log_format;
    let outcome = logging::init(&cli.log_level, format).and_then(|console| match cli.command {
        Command::Run(args) => runtime()?.block_on(run::run(args, console)),
        Command::Demo(args) => runtime()?.block_on(demo::run(args, console)),
        Command::Sql(args) => runtime()?.block_on(sql::run(args)),
        Command::Validate(args) => validate::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Checkpoints(args) => runtime()?.block_on(checkpoints::run(args)),
        Command::Dlq(args) => runtime()?.block_on(dlq::run(args, console)),
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            logging::fail(&e, format);
            ExitCode::from(e.exit_code())
        }
    }
}

/// For I/O; decoding and operators run on threads of their own.
fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::outside("the runtime could not be started").caused_by(e))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Cli::command().debug_assert();
    }
}
