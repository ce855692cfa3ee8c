//! What is said about wrong SQL, against `tests/errors/*.txt`; UPDATE_GOLDENS=1 rewrites them.

use std::path::{Path, PathBuf};

use crate::compile::{SqlFile, compile};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/errors")
}

/// `-- include FILE` as first line puts a file of that folder in front, as a file of its own.
fn files(path: &Path) -> Vec<SqlFile> {
    let text = std::fs::read_to_string(path).unwrap();
    let include = text.lines().next().and_then(|l| l.strip_prefix("-- include "));
    let mut files = include.map_or(vec![], |name| files(&folder().join(name.trim())));
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    files.push(SqlFile { text, name });
    files
}

#[test]
fn faults_are_as_written_down() {
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut all: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).collect();
    all.retain(|p| p.extension().is_some_and(|e| e == "sql"));
    all.sort();
    assert!(all.len() >= 5, "the goldens are missing");
    let mut wrong = Vec::new();
    for path in all {
        let got = match compile(&files(&path), &|_| None) {
            Ok(_) => "no fault\n".to_string(),
            Err(e) => format!("{e}\n"),
        };
        let golden = path.with_extension("txt");
        if update {
            std::fs::write(&golden, &got).unwrap();
        }
        let want = std::fs::read_to_string(&golden).unwrap_or_default();
        if got != want {
            wrong.push(format!("{}\n--- got\n{got}--- want\n{want}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
