//! Rules that neither rustfmt nor clippy know; STYLE.md gives the reasons.
//!
//! [`code`] tells code from comments and literals, [`shape`] measures files, functions and
//! traits, [`words`] looks for what must not stand where, [`layers`] checks who depends on whom,
//! [`limits`] holds every list and number.

mod code;
mod layers;
mod limits;
mod shape;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use code::Code;

/// A source file and the place it has in the repository.
pub struct File {
    /// Relative to the root, with `/`.
    pub path: String,
    pub code: Code,
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub path: String,
    /// From 1; 0 is the file as a whole.
    pub line: usize,
    pub message: String,
}

impl File {
    pub fn new(path: impl Into<String>, text: &str) -> Self {
        File { path: path.into(), code: Code::new(text) }
    }
    /// A whole file of tests.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
    /// The folder below `crates`, or the first folder.
    pub fn crate_name(&self) -> &str {
        let mut parts = self.path.split('/');
        match parts.next() {
            Some("crates") => parts.next().unwrap_or_default(),
            first => first.unwrap_or_default(),
        }
    }
    pub fn fault(&self, line: usize, message: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line, message: message.into() }
    }
}

/// Checks the repository and prints one line a fault.
pub fn run(root: &Path) -> ExitCode {
    let mut files = Vec::new();
    for folder in ["crates", "xtask", "bench", "tests"] {
        read(root, &root.join(folder), &mut files);
    }
    let mut faults = check(&files);
    faults.extend(words::missing_notes(root));
    faults.extend(layers::check(root));
    faults.sort();
    for Fault { path, line, message } in &faults {
        eprintln!("{path}:{line}: {message}");
    }
    eprintln!("tidy: {} files, {} faults", files.len(), faults.len());
    if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn check(files: &[File]) -> Vec<Fault> {
    let mut faults = words::unreachable(files);
    for file in files {
        faults.extend(shape::check(file));
        faults.extend(words::check(file));
    }
    faults.extend(limits::unused(files));
    faults
}

fn read(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            read(root, &path, files);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
            let relative = path.strip_prefix(root).expect("below the root");
            files.push(File::new(relative.to_string_lossy().replace('\\', "/"), &text));
        }
    }
}
