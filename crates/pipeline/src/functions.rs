//! What a script's functions need of the outside: Python, and files beside the SQL file.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};
use brooklet_plan::Settings;
use brooklet_python::{Interpreter, Types, function};
use brooklet_sql::catalog::functions::Outside;
use brooklet_sql::parse::types::parse_type_text;
use datafusion::logical_expr::ScalarUDF;

/// Interpreters by executable and files; relative paths are relative to `base`.
pub struct Programs {
    base: PathBuf,
    known: Mutex<BTreeMap<(PathBuf, Vec<PathBuf>), Arc<Interpreter>>>,
}

impl Programs {
    pub fn new(base: PathBuf) -> Self {
        Programs { base, known: Mutex::default() }
    }

    fn interpreter(&self, settings: &Settings) -> Result<Arc<Interpreter>> {
        let executable = settings.text("python.executable");
        let executable = match executable.contains('/') {
            true => self.path(&executable),
            // A name that the system looks for.
            false => PathBuf::from(executable),
        };
        let files = settings.text("python.files");
        let files = files.split(',').map(str::trim).filter(|file| !file.is_empty());
        let files: Vec<PathBuf> = files.map(|file| self.path(file)).collect();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (executable, files);
        if let Some(interpreter) = known.get(&key) {
            return Ok(Arc::clone(interpreter));
        }
        let interpreter = Arc::new(Interpreter::new(&key.0, key.1.clone())?);
        known.insert(key, Arc::clone(&interpreter));
        Ok(interpreter)
    }
}

impl Outside for Programs {
    fn python(&self, name: &str, of: &str, settings: &Settings) -> Result<Arc<ScalarUDF>> {
        let interpreter = self.interpreter(settings)?;
        let declared = interpreter.describe(of)?;
        let read = |text: &str| -> Result<SqlType> {
            let wrong = |e: Error| Error::config(format!("Python function '{of}': {e}"));
            Ok(parse_type_text(text).map_err(wrong)?.ty)
        };
        let result = read(&declared.result_type)?;
        let inputs = declared.input_types.as_ref();
        let inputs = inputs.map(|all| all.iter().map(|text| read(text)).collect::<Result<_>>());
        let types = Types { result, inputs: inputs.transpose()? };
        function(name, of, declared, types, interpreter)
    }

    fn path(&self, text: &str) -> PathBuf {
        self.base.join(text.strip_prefix("file://").unwrap_or(text))
    }
}
