//! Files that roll: each row in one whole file, and at the end every partition is complete,
//! wherever the process died.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use brooklet_core::Env;
use brooklet_core::env::CrashPoint;
use brooklet_engine::run::Connections;
use brooklet_pipeline::connect::Registry;
use brooklet_testkit::dice::Dice;

use crate::data::{self, ON_TIME, Wanted};
use crate::driver::{self, Case, Real, Trouble};
use crate::points::block_on;
use crate::queries::{Query, base};
use crate::tables::Log;

/// A file table beside a table in memory.
fn sql(directory: &Path) -> String {
    let query = Query::new("files", vec![base("a").keyed()]);
    format!(
        "{}CREATE TABLE files (id BIGINT, v BIGINT, k INT) PARTITIONED BY (k) WITH \
         ('connector' = 'filesystem', 'path' = '{}', 'format' = 'json', \
         'sink.partition-commit.policy.kind' = 'success-file');\n\
         SET 'brooklet.table.files.rolling.records' = '7';\n\
         INSERT INTO files SELECT id, v, k FROM a WHERE k > 2;\n",
        query.sql(),
        directory.display()
    )
}

/// The connectors of the build.
pub fn real() -> Real {
    Arc::new(|env: Env| -> Arc<dyn Connections> {
        Arc::new(Registry {
            env,
            base: Path::new("/").to_path_buf(),
            on_rows: None,
            on_print: None,
            preview: false,
            on_row_error: "fail".into(),
        })
    })
}

/// The ids in all files, sorted.
fn ids(directory: &Path) -> Vec<i64> {
    let mut ids = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else { return ids };
    for entry in entries {
        let entry = entry.expect("nobody else is in the directory");
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            ids.extend(self::ids(&path));
        } else if !name.starts_with(['.', '_']) {
            let text = std::fs::read_to_string(&path).expect("files are whole");
            let row =
                |line| serde_json::from_str::<serde_json::Value>(line).expect("rows are whole");
            ids.extend(text.lines().map(row).filter_map(|row| row["id"].as_i64()));
        }
    }
    ids.sort_unstable();
    ids
}

/// Whether every partition says that it is complete.
fn all_complete(directory: &Path) -> bool {
    let partitions = std::fs::read_dir(directory).expect("files were written");
    let mut partitions = partitions.map(|entry| entry.expect("nobody else is there").path());
    partitions.all(|partition| partition.join("_SUCCESS").is_file())
}

/// The ids that belong into files.
fn expected(log: &Log) -> Vec<i64> {
    let mut ids = Vec::new();
    for rows in log.values() {
        let id = rows.column_by_name("id").expect("tables have ids").as_primitive::<Int64Type>();
        let k = rows.column_by_name("k").expect("tables have keys");
        let k = k.as_primitive::<arrow::datatypes::Int32Type>();
        ids.extend(id.iter().zip(k).filter(|(_, k)| k.is_some_and(|k| k > 2)).flat_map(|p| p.0));
    }
    ids.sort_unstable();
    ids
}

#[test]
fn every_row_is_in_one_file_after_any_crash() {
    let mut dice = Dice::new(1);
    let wanted = Wanted { rows: 120, splits: 3, jitter: ON_TIME };
    let logs = ["a", "b"].map(|t| (t.to_string(), data::log(&mut dice, 0, wanted).unwrap()));
    let logs: Arc<BTreeMap<String, Log>> = Arc::new(logs.into());
    let expected = expected(&logs["a"]);
    let mut crashes: BTreeMap<&str, u32> = BTreeMap::new();
    for (turn, point) in CrashPoint::ALL.into_iter().enumerate() {
        for reshard in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let case = Case {
                plan: driver::plan(&sql(directory.path())).unwrap(),
                logs: logs.clone(),
                seed: turn as u64 * 2 + u64::from(reshard),
                turn: 0,
                trouble: Trouble { only: Some(point), reshard: Some(reshard), ..Trouble::SOME },
                real: Some(real()),
            };
            let what = format!("{} (seed {})", point.name(), case.seed);
            let outcome = block_on(driver::run(&case)).unwrap_or_else(|e| panic!("{what}: {e}"));
            assert_eq!(ids(directory.path()), expected, "{what}");
            assert!(all_complete(directory.path()), "{what}");
            *crashes.entry(point.name()).or_default() += outcome.coverage.crashes_at(point);
        }
    }
    println!("crashes with files: {crashes:?}");
    assert!(crashes.values().all(|count| *count > 0), "{crashes:?}");
}
