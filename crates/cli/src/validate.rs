//! `brooklet validate FILE…`: all faults in one go, nothing is reached.

use std::path::PathBuf;

use brooklet_core::Result;

use crate::files::{compile_files, endpoints};

#[derive(clap::Args)]
pub struct Args {
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let compiled = compile_files(&args.files)?;
    let served = endpoints(&compiled)?.len();
    let tables: usize = compiled.plan.sinks().map(|(_, s)| s.tables.len()).sum();
    eprintln!(
        "{}: valid; {} tables read, {tables} written, {} top-level queries, {served} \
         served",
        compiled.name,
        compiled.plan.scans().count(),
        compiled.selects.len()
    );
    Ok(())
}
