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

/// Texts of the plan and fault goldens with tokens dropped, doubled and exchanged: each gives a
/// plan or a fault, never a panic. BROOKLET_FUZZ_ROUNDS asks for more of them.
#[test]
fn no_text_panics() {
    let rounds = std::env::var("BROOKLET_FUZZ_ROUNDS").ok().and_then(|n| n.parse().ok());
    let mut dice = 42_u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) as usize % sides.max(1)
    };
    let tables = std::fs::read_to_string(folder().join("tables.inc")).unwrap();
    let texts = texts();
    let all: Vec<&str> = texts.iter().flat_map(|t| pieces(t)).collect();
    let mut panicked = Vec::new();
    for _ in 0..rounds.unwrap_or(150) {
        let mut tokens = pieces(&texts[roll(texts.len())]);
        for _ in 0..=roll(3) {
            let at = roll(tokens.len());
            match roll(4) {
                0 => drop(tokens.remove(at)),
                1 => tokens.insert(at, all[roll(all.len())]),
                2 => tokens[at] = all[roll(all.len())],
                _ => {
                    let other = roll(tokens.len());
                    tokens.swap(at, other);
                }
            }
            if tokens.is_empty() {
                break;
            }
        }
        let text = tokens.concat();
        let files = [
            SqlFile { text: tables.clone(), name: "tables".into() },
            SqlFile { text: text.clone(), name: "fuzz".into() },
        ];
        let compiled = std::panic::catch_unwind(|| drop(compile(&files, &|_| None)));
        if compiled.is_err() {
            panicked.push(text);
        }
    }
    assert!(panicked.is_empty(), "{} panics\n{}", panicked.len(), panicked.join("\n----\n"));
}

/// The statements of all goldens that stand by themselves over `tables.inc`.
fn texts() -> Vec<String> {
    let mut paths: Vec<PathBuf> = ["errors", "plans"]
        .iter()
        .flat_map(|name| std::fs::read_dir(folder().join("..").join(name)).unwrap())
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "sql"))
        .collect();
    paths.sort();
    let text = |p: &PathBuf| std::fs::read_to_string(p).unwrap();
    let statements = paths
        .iter()
        .flat_map(|p| text(p).split(";\n").map(str::trim).map(str::to_string).collect::<Vec<_>>());
    statements.filter(|s| s.len() > 10).collect()
}

/// Words, signs and the space between them.
fn pieces(text: &str) -> Vec<&str> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let mut all = Vec::new();
    let mut start = 0;
    let mut last = None;
    for (i, c) in text.char_indices() {
        if last.is_some_and(|l: char| !(word(l) && word(c))) {
            all.push(&text[start..i]);
            start = i;
        }
        last = Some(c);
    }
    all.push(&text[start..]);
    all
}
