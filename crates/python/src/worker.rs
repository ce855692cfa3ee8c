//! One Python process. It ends with its stdin, so none outlives this process.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;

const WORKER: &str = include_str!("worker.py");
const PYFLINK: &str = include_str!("pyflink.py");

pub struct Worker {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a worker says; which fields there are depends on the request.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// Why there is nothing else: a sentence or a traceback.
    pub error: Option<String>,
    pub values: Vec<serde_json::Value>,
    pub result_type: String,
    pub input_types: Option<Vec<String>>,
    pub deterministic: bool,
    pub least: usize,
    pub most: Option<usize>,
}

impl Worker {
    /// Starts a process that finds modules in `files`.
    pub fn start(executable: &Path, files: &[PathBuf]) -> Result<Worker, String> {
        let said = |what: String| format!("'{}': {what}", executable.display());
        let mut child = Command::new(executable)
            .args(["-u", "-c", WORKER])
            // A signal to the terminal's processes is not for it: work that is begun is finished.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| said(format!("cannot be started: {e}")))?;
        let (requests, answers) = child
            .stdin
            .take()
            .zip(child.stdout.take())
            .ok_or_else(|| said("has no stdin and stdout".to_string()))?;
        let mut worker = Worker { child, requests, answers: BufReader::new(answers) };
        let hello = serde_json::json!({"op": "hello", "files": files, "pyflink": PYFLINK});
        let answer = worker.ask(hello.to_string().as_bytes());
        let answer = answer.map_err(|e| said(format!("does not run as Python 3: {e}")))?;
        match answer.error {
            None => Ok(worker),
            Some(error) => Err(said(error)),
        }
    }

    /// Sends a request and waits for its answer. After an error the process is of no more use.
    pub fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        let length = u32::try_from(request.len()).map_err(io::Error::other)?;
        self.requests.write_all(&length.to_be_bytes())?;
        self.requests.write_all(request)?;
        self.requests.flush()?;
        let mut length = [0; 4];
        self.answers.read_exact(&mut length)?;
        let mut answer = vec![0; u32::from_be_bytes(length) as usize];
        self.answers.read_exact(&mut answer)?;
        serde_json::from_slice(&answer).map_err(io::Error::other)
    }

    /// How a process ended that no longer answers.
    pub fn ended(mut self) -> String {
        // It may still be ending; whoever only closed its pipes is ended now.
        let _ = self.child.kill();
        match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(e) => e.to_string(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
