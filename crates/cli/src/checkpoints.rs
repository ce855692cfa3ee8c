//! `brooklet checkpoints list|show FILE`: what is stored of a pipeline's state.

use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

use brooklet_core::{Epoch, Error, Result};
use brooklet_pipeline::checkpoints::Stored;

use crate::files::compile_files;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One line per snapshot, newest last.
    List { file: PathBuf },
    /// Positions and tables of a snapshot; the newest without an epoch.
    Show { file: PathBuf, epoch: Option<u64> },
}

pub async fn run(args: Args) -> Result<()> {
    let text = match args.what {
        What::List { file } => stored(file).await?.list().await?,
        What::Show { file, epoch } => stored(file).await?.show(epoch.map(Epoch)).await?,
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| Error::outside("stdout").caused_by(e))
}

async fn stored(file: PathBuf) -> Result<Stored> {
    Stored::open(&compile_files(&[file])?).await
}
