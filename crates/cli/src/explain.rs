//! `brooklet explain FILE…`: the streaming plan.

use std::io::Write;
use std::path::PathBuf;

use brooklet_core::{Error, Result};

use crate::files::compile_files;

#[derive(clap::Args)]
pub struct Args {
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let compiled = compile_files(&args.files)?;
    let plans = std::iter::once(&compiled.plan).chain(&compiled.selects);
    let text: String = plans
        .filter(|p| !p.nodes.is_empty())
        .map(brooklet_plan::explain::text)
        .collect::<Vec<_>>()
        .join("\n");
    std::io::stdout().write_all(text.as_bytes()).map_err(|e| Error::outside("stdout").caused_by(e))
}
