//! What a filesystem sink left: files below a directory or in a bucket, watched while they appear
//! and read when they are complete.
#![allow(clippy::disallowed_methods, reason = "files are watched in real time")]

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::AsArray;
use brooklet_testkit::services::Bucket;
use brooklet_testkit::services::s3::batches;
use bytes::Bytes;
use serde_json::Value;

/// Where a table's `path` points.
pub enum Place<'a> {
    Directory(PathBuf),
    Bucket(&'a Bucket, String),
}

/// Contents by name, without hidden files (`.x`, `_x`), which readers skip.
pub type Files = BTreeMap<String, Bytes>;

impl Place<'_> {
    /// Names of all visible files.
    fn names(&self) -> Vec<String> {
        self.all().into_iter().filter(|name| !hidden(name)).collect()
    }

    /// Partitions that are said to be complete.
    pub fn complete(&self) -> Vec<String> {
        let names = self.all().into_iter();
        names.filter_map(|name| name.strip_suffix("/_SUCCESS").map(str::to_string)).collect()
    }

    fn all(&self) -> Vec<String> {
        match self {
            Place::Directory(root) => {
                let mut names = Vec::new();
                walk(root, "", &mut names);
                names
            }
            Place::Bucket(bucket, prefix) => {
                bucket.list(prefix).into_iter().map(|(path, _)| path).collect()
            }
        }
    }

    fn read(&self, name: &str) -> Bytes {
        match self {
            Place::Directory(root) => {
                let path = root.join(name);
                std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())).into()
            }
            Place::Bucket(bucket, _) => bucket.read(name),
        }
    }

    /// All that can be seen now.
    pub fn files(&self) -> Files {
        self.names().into_iter().map(|name| (name.clone(), self.read(&name))).collect()
    }

    /// Looks again and again until `over`: a file must be whole at first sight and may neither
    /// change nor vanish. Returns how many were seen.
    pub fn watch(&self, over: &AtomicBool) -> usize {
        let mut seen = Files::new();
        loop {
            let last = over.load(Ordering::Acquire);
            for name in self.names() {
                if let Entry::Vacant(first) = seen.entry(name) {
                    let content = self.read(first.key());
                    assert_whole(first.key(), &content);
                    first.insert(content);
                }
            }
            if last {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        for (name, content) in &seen {
            assert!(self.read(name) == *content, "{name} changed after it was visible");
        }
        seen.len()
    }
}

fn hidden(name: &str) -> bool {
    name.split('/').any(|part| part.starts_with(['.', '_']))
}

fn walk(root: &Path, below: &str, names: &mut Vec<String>) {
    // Not there before the first file.
    let Ok(entries) = std::fs::read_dir(root.join(below)) else { return };
    for entry in entries {
        let entry = entry.expect("the directory can be read");
        let own = entry.file_name().into_string().expect("names are UTF-8");
        let name = if below.is_empty() { own } else { format!("{below}/{own}") };
        // A temporary file may have been renamed since it was listed.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(root, &name, names),
            _ => names.push(name),
        }
    }
}

fn assert_whole(name: &str, content: &Bytes) {
    if name.ends_with(".parquet") {
        let rows: usize = batches(content.clone()).iter().map(|b| b.num_rows()).sum();
        assert!(rows > 0, "{name} is empty");
        return;
    }
    assert!(content.ends_with(b"\n"), "{name} ends in the middle of a line");
    json(content);
}

/// The rows of a JSON lines file.
pub fn json(content: &[u8]) -> Vec<Value> {
    let lines = content.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let row = |line: &[u8]| {
        let shown = || String::from_utf8_lossy(line).into_owned();
        serde_json::from_slice(line).unwrap_or_else(|e| panic!("{e} in {}", shown()))
    };
    lines.map(row).collect()
}

/// Values of two text columns, whether they are in the file or in its path.
pub fn pairs(files: &Files, first: &str, second: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, content) in files {
        let of_path = |column: &str| {
            let start = format!("{column}=");
            name.split('/').find_map(|part| part.strip_prefix(&start)).map(str::to_string)
        };
        if name.ends_with(".parquet") {
            for batch in batches(content.clone()) {
                let value = |column: &str, row: usize| match batch.column_by_name(column) {
                    Some(values) => values.as_string::<i32>().value(row).to_string(),
                    None => of_path(column).expect("in the file or in its path"),
                };
                all.extend(
                    (0..batch.num_rows()).map(|row| (value(first, row), value(second, row))),
                );
            }
        } else {
            let value = |row: &Value, column: &str| match row.get(column) {
                Some(value) => value.as_str().expect("text").to_string(),
                None => of_path(column).expect("in the file or in its path"),
            };
            all.extend(json(content).iter().map(|row| (value(row, first), value(row, second))));
        }
    }
    all
}
