//! The built `brooklet` as a process: started with an environment, watched, stopped, killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A `brooklet` command line that has not been started.
pub struct Brooklet {
    command: Command,
}

/// A started `brooklet`. Killed when dropped.
pub struct Running {
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

/// A `brooklet` that ended.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

/// `target/<profile>/brooklet` of the profile the running program was built with, or
/// `BROOKLET_BIN`.
pub fn path() -> PathBuf {
    if let Some(path) = std::env::var_os("BROOKLET_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("a running program has a path");
    // Of tests in target/<profile>/deps, and of programs that stand beside the binary.
    let profile = own.ancestors().skip(1).find(|dir| !dir.ends_with("deps"));
    let path = profile.expect("a program is in a directory").join("brooklet");
    assert!(path.exists(), "{} is missing: build the workspace first", path.display());
    path
}

impl Brooklet {
    /// `brooklet ARGS…`, run in `dir`.
    pub fn new<A: AsRef<std::ffi::OsStr>>(dir: &Path, args: impl IntoIterator<Item = A>) -> Self {
        let mut command = Command::new(path());
        command.current_dir(dir).args(args).stdin(Stdio::null());
        Brooklet { command }
    }
    pub fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }
    /// The same command line behind `sh -c SCRIPT`, which ends in `exec "$0" "$@"`: limits and
    /// ignored signals are inherited, and the process keeps its number.
    pub fn through_shell(self, script: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(self.command.get_program()).args(self.command.get_args());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(Stdio::null());
        if let Some(dir) = self.command.get_current_dir() {
            command.current_dir(dir);
        }
        Brooklet { command }
    }
    /// To be started by whoever measures it.
    pub fn into_command(self) -> Command {
        self.command
    }
    pub fn spawn(mut self) -> Running {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().expect("the binary can be run");
        let stdout = Collected::from(child.stdout.take().expect("piped"));
        let stderr = Collected::from(child.stderr.take().expect("piped"));
        Running { child, stdout, stderr }
    }
    /// Runs to the end; kills and panics with stderr after `limit`.
    pub fn run(self, limit: Duration) -> Finished {
        self.spawn().wait(limit)
    }
}

#[allow(clippy::disallowed_methods, reason = "processes are watched in real time")]
impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }
    /// SIGKILL: no handler runs.
    pub fn kill(mut self) -> Finished {
        self.child.kill().expect("the child is ours");
        let status = self.child.wait().expect("the child is ours");
        self.finished(status)
    }
    /// SIGTERM: asks for an orderly stop.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).expect("a pid is an int");
        let pid = Pid::from_raw(pid).expect("a pid is not 0");
        // It may have ended by itself a moment ago.
        let _ = kill_process(pid, Signal::TERM);
    }
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child is ours").is_some()
    }
    pub fn wait(mut self, limit: Duration) -> Finished {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the child is ours") {
                return self.finished(status);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let finished = self.kill();
        panic!("brooklet did not end within {limit:?}:\n{}", finished.stderr)
    }
    /// Waits until stderr holds `text`; panics after `limit`.
    pub fn wait_for_stderr(&self, text: &str, limit: Duration) {
        if !self.stderr.wait_for(text, limit) {
            panic!("no \"{text}\" on stderr within {limit:?}:\n{}", self.stderr.text());
        }
    }
    /// What has come so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }
    fn finished(&mut self, status: ExitStatus) -> Finished {
        Finished { status, stdout: self.stdout.end(), stderr: self.stderr.end() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails when it has ended, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }
    /// Panics with stderr unless the exit code is `code`.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), Some(code), "{}\n{}", self.status, self.stderr);
        self
    }
}

/// A pipe read to its end by a thread of its own, so that the child never blocks on it.
struct Collected {
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    text: Mutex<String>,
    grown: Condvar,
}

#[allow(clippy::disallowed_methods, reason = "processes are watched in real time")]
impl Collected {
    fn from(pipe: impl std::io::Read + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = shared.clone();
        let reader = std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let mut text = writer.text.lock().expect("no holder panics");
                text.push_str(&String::from_utf8_lossy(&line));
                line.clear();
                writer.grown.notify_all();
            }
        });
        Collected { shared, reader: Some(reader) }
    }
    fn text(&self) -> String {
        self.shared.text.lock().expect("no holder panics").clone()
    }
    fn wait_for(&self, wanted: &str, limit: Duration) -> bool {
        let text = self.shared.text.lock().expect("no holder panics");
        let missing = |text: &mut String| !text.contains(wanted);
        let waited = self.shared.grown.wait_timeout_while(text, limit, missing);
        !waited.expect("no holder panics").1.timed_out()
    }
    /// All of it; the child has ended.
    fn end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        self.text()
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::Brooklet;

    const SOON: Duration = Duration::from_secs(20);

    /// A shell in brooklet's place: these tests are about watching, not about what is watched.
    fn shell(script: &str) -> Brooklet {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        Brooklet { command }
    }

    #[test]
    fn output_and_exit_code_are_collected() {
        let done = shell("echo out; echo $WORD >&2; exit 4").env("WORD", "err").run(SOON);
        assert_eq!((done.code(), done.stdout.as_str()), (Some(4), "out\n"));
        assert_eq!(done.stderr, "err\n");
    }

    #[test]
    fn sigterm_can_be_handled_and_sigkill_cannot() {
        let script =
            "trap 'echo stopping; exit 0' TERM; echo ready >&2; while :; do sleep 0.02; done";
        let running = shell(script).spawn();
        running.wait_for_stderr("ready", SOON);
        running.terminate();
        assert_eq!(running.wait(SOON).expect_code(0).stdout, "stopping\n");

        let running = shell(script).spawn();
        running.wait_for_stderr("ready", SOON);
        let killed = running.kill();
        assert_eq!((killed.code(), killed.stdout.as_str()), (None, ""));
    }

    #[test]
    fn text_that_does_not_come_is_reported() {
        let running = shell("echo other >&2; sleep 5").spawn();
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            running.wait_for_stderr("ready", Duration::from_millis(300));
        }));
        assert!(waited.is_err());
    }
}
