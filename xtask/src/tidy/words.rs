//! Words that must not stand somewhere, and files that nothing includes.

use std::path::Path;

use super::limits::{DOWNCAST, PRINT, UNSAFE};
use super::{Fault, File};

/// Not allowed in code, with what to do instead. Split, so that this file may name them.
const BANNED: &[(&str, &str)] = &[
    (concat!("to", "do!("), "finish it or leave it out"),
    (concat!("unimple", "mented!("), "finish it or leave it out"),
    (concat!("db", "g!("), "use tracing, or take it out"),
];

/// Not allowed in comments either.
const NOTES: &[&str] = &[concat!("FIX", "ME"), concat!("XX", "X"), concat!("TO", "DO")];

const PRINTS: &[&str] = &["println!(", "print!(", "eprintln!(", "eprint!("];

pub fn check(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    let may_print = PRINT.contains(&file.crate_name());
    let may_downcast = DOWNCAST.contains(&file.path.as_str());
    let may_be_unsafe = UNSAFE.iter().any(|(path, _)| *path == file.path);
    for (i, code) in file.code.code.iter().enumerate() {
        let mut fault = |message: String| faults.push(file.fault(i + 1, message));
        for (word, instead) in BANNED {
            if code.contains(word) {
                fault(format!("{word}…): {instead}"));
            }
        }
        for note in NOTES {
            if has_word(&file.code.lines[i], note) {
                fault(format!("{note}: do it, or write an issue"));
            }
        }
        if has_word(code, "unsafe") && !may_be_unsafe {
            fault("unsafe wants a decision note and a place in limits.rs".into());
        }
        if file.is_test() || file.code.test[i] {
            continue;
        }
        if (code.contains("dyn Any") || starts_word(code, "downcast")) && !may_downcast {
            fault("say it with a type or an enum instead of looking behind a dyn".into());
        }
        if code.starts_with("macro_rules!") {
            fault("write a function or a table instead of a macro".into());
        }
        if !may_print && PRINTS.iter().any(|print| starts_word(code, print)) {
            fault("stdout carries rows and stderr belongs to the command line: use tracing".into());
        }
    }
    faults
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn has_word(line: &str, word: &str) -> bool {
    let found = line.match_indices(word);
    found.into_iter().any(|(at, _)| {
        !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
    })
}

fn starts_word(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| !line[..at].ends_with(is_word))
}

/// Decision notes that the lists promise and the repository does not have.
pub fn missing_notes(root: &Path) -> Vec<Fault> {
    let missing = UNSAFE.iter().filter(|(_, note)| !root.join(note).exists());
    let fault = |(path, note): &(&str, &str)| Fault {
        path: path.to_string(),
        line: 0,
        message: format!("its decision note {note} is missing"),
    };
    missing.map(fault).collect()
}

/// Files that no `mod` names: the compiler never sees them.
pub fn unreachable(files: &[File]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|f| f.path.contains("/src/")) {
        let (folder, name) = file.path.rsplit_once('/').expect("contains /src/");
        let name = name.trim_end_matches(".rs");
        if folder.ends_with("/src/bin") || (folder.ends_with("/src") && is_root(name)) {
            continue;
        }
        let (folder, name) = match name {
            "mod" => folder.rsplit_once('/').expect("contains /src/"),
            _ => (folder, name),
        };
        let parents = [
            format!("{folder}/mod.rs"),
            format!("{folder}/lib.rs"),
            format!("{folder}/main.rs"),
            format!("{folder}.rs"),
        ];
        let declares = |parent: &File| {
            parents.contains(&parent.path)
                && parent.code.code.iter().any(|l| has_word(l, &format!("mod {name};")))
        };
        if !files.iter().any(declares) {
            faults.push(file.fault(0, "no mod names this file: it is never compiled"));
        }
    }
    faults
}

fn is_root(name: &str) -> bool {
    name == "lib" || name == "main"
}
