//! SQL files from the command line.

use std::path::{Path, PathBuf};

use brooklet_core::{Error, Result};
use brooklet_pipeline::compile::{Compiled, SqlFile, compile};
use brooklet_pipeline::serve::{self, Endpoint};

/// Reads and compiles files; placeholders take their values from the environment.
pub fn compile_files(paths: &[PathBuf]) -> Result<Compiled> {
    let files = paths.iter().map(|p| read(p)).collect::<Result<Vec<_>>>()?;
    compile(&files, &|name| std::env::var(name).ok())
}

/// The queries that are answered over HTTP.
pub fn endpoints(compiled: &Compiled) -> Result<Vec<Endpoint>> {
    serve::load(compiled, &|name| std::env::var(name).ok())
}

/// Compiles a text that stands on the command line, behind a file if there is one.
pub fn compile_text(file: Option<&Path>, text: &str) -> Result<Compiled> {
    let mut files = file.map(read).transpose()?.into_iter().collect::<Vec<_>>();
    files.push(SqlFile { text: text.to_string(), name: "command line".into() });
    compile(&files, &|name| std::env::var(name).ok())
}

fn read(path: &Path) -> Result<SqlFile> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::config(format!("cannot read {}", path.display())).caused_by(e))?;
    Ok(SqlFile { text, name: path.to_string_lossy().into_owned() })
}
