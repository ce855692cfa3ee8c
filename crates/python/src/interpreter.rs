//! The processes that run a pipeline's functions: as many as ask at the same time, each started
//! once and again when it died.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use brooklet_core::{Error, Result};

use crate::worker::{Answer, Worker};

/// Python with the modules of `python.files`.
pub struct Interpreter {
    executable: PathBuf,
    files: Vec<PathBuf>,
    idle: Mutex<Vec<Worker>>,
}

/// What a function's decorator says.
#[derive(Debug)]
pub struct Declared {
    /// As Flink writes types.
    pub result_type: String,
    /// None: any.
    pub input_types: Option<Vec<String>>,
    /// How many arguments it takes; `most` None: any number.
    pub least: usize,
    pub most: Option<usize>,
}

/// How often a request is sent to a new process after one died over it.
const ATTEMPTS: usize = 3;

impl Interpreter {
    /// Nothing is started yet.
    pub fn new(executable: &Path, files: Vec<PathBuf>) -> Result<Self> {
        if let Some(missing) = files.iter().find(|f| !f.exists()) {
            let missing = missing.display();
            return Err(Error::config(format!("SET 'python.files': there is no '{missing}'")));
        }
        Ok(Interpreter { executable: executable.to_path_buf(), files, idle: Mutex::default() })
    }

    /// Imports `module.function` and reads its declaration.
    pub fn describe(&self, function: &str) -> Result<Declared> {
        let request = serde_json::json!({"op": "describe", "function": function});
        let answer = self.ask(function, request.to_string().as_bytes())?;
        if let Some(error) = answer.error {
            return Err(Error::config(format!("Python function '{function}': {error}")));
        }
        if !answer.deterministic {
            return Err(Error::config(format!(
                "Python function '{function}' is declared deterministic=False, which is not \
                 supported: after a failure the same rows must get the same answers"
            )));
        }
        let Answer { result_type, input_types, least, most, .. } = answer;
        Ok(Declared { result_type, input_types, least, most })
    }

    /// Sends a request about `function`. Errors of kind `Data` say that its process dies over it
    /// whenever it is sent.
    pub(crate) fn ask(&self, function: &str, request: &[u8]) -> Result<Answer> {
        let mut ended = String::new();
        for _ in 0..ATTEMPTS {
            let mut worker = self.take()?;
            match worker.ask(request) {
                Ok(answer) => {
                    self.idle().push(worker);
                    return Ok(answer);
                }
                Err(error) => {
                    ended = worker.ended();
                    // What ended one while it was idle may have ended all.
                    drop(std::mem::take(&mut *self.idle()));
                    tracing::warn!(%function, %ended, %error, "a Python process died");
                }
            }
        }
        Err(Error::data(format!(
            "Python function '{function}': its process died {ATTEMPTS} times over the same rows \
             ({ended}); what it said before is in the log"
        )))
    }

    fn take(&self) -> Result<Worker> {
        if let Some(worker) = self.idle().pop() {
            return Ok(worker);
        }
        Worker::start(&self.executable, &self.files).map_err(|why| {
            // No retry: a service would come back, an interpreter does not.
            Error { retry: false, ..Error::outside(format!("SET 'python.executable' = {why}")) }
        })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
