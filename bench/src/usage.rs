//! Child processes with what the kernel counted for them: CPU time, peak memory, wall time.
//!
//! The figures are read from /proc: CPU time, to 10 ms, from the ended process before it is
//! reaped; peak memory from samples while it runs, of a counter that only grows.
#![allow(clippy::disallowed_methods, reason = "measuring is what this program is for")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// The kernel's tick in /proc, on every Linux there is.
const TICK: Duration = Duration::from_millis(10);
/// Between two looks at a running process.
pub const LOOK: Duration = Duration::from_millis(10);
/// Without work for so long a process waits for more.
const SETTLED: Duration = Duration::from_millis(1_500);

/// What a process used from its start to its end.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu: Duration,
    pub wall: Duration,
    pub peak_bytes: u64,
    pub success: bool,
}

impl Usage {
    /// CPU-seconds per million of `events`.
    pub fn cpu_per_million(&self, events: u64) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / events as f64
    }
}

/// The `brooklet` beside this program, or `BROOKLET_BIN`.
pub fn brooklet() -> PathBuf {
    if let Some(path) = std::env::var_os("BROOKLET_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().expect("a running program has a path");
    own.with_file_name("brooklet")
}

/// `brooklet run FILE` with its messages in `FILE.log` and its rows in `FILE.out`.
pub fn run_file(file: &Path) -> Command {
    run_with(file, &["--no-http"])
}

/// The same with those options.
pub fn run_with(file: &Path, options: &[&str]) -> Command {
    let mut command = Command::new(brooklet());
    let log = |ending: &str| {
        let path = file.with_extension(ending);
        std::fs::File::create(path).expect("the bench's directory can be written")
    };
    command
        .arg("run")
        .args(options)
        .arg(file)
        .stdin(Stdio::null())
        .stderr(log("log"))
        .stdout(log("out"));
    command
}

/// Runs to the end; a failure ends the bench with the last lines of the log beside `file`.
pub fn finish(file: &Path) -> Usage {
    let usage = Running::start(run_file(file)).wait();
    if !usage.success {
        let log = std::fs::read_to_string(file.with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(20)..];
        panic!("{} failed:\n{}", file.display(), last.join("\n"));
    }
    usage
}

/// A started process; killed when it is dropped before its end.
pub struct Running {
    pub child: Child,
    pub started: Instant,
    peak_bytes: u64,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let started = Instant::now();
        let child = command.spawn().expect("the program can be run: build the workspace first");
        Running { child, started, peak_bytes: 0 }
    }

    /// Looks at the process; true when it has ended.
    pub fn look(&mut self) -> bool {
        self.peak_bytes = self.peak_bytes.max(status(self.child.id(), "VmHWM:"));
        let pid = Pid::from_child(&self.child);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        waitid(WaitId::Pid(pid), options).expect("the child is ours").is_some()
    }

    /// CPU time so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("the child was not reaped");
        // The command, in parentheses, may hold spaces; user and system time follow as 12 and 13.
        let (_, behind) = stat.rsplit_once(')').expect("the format of /proc");
        let ticks = |n: usize| {
            let field = behind.split_whitespace().nth(n).and_then(|f| f.parse().ok());
            field.unwrap_or(0)
        };
        TICK * (ticks(11) + ticks(12))
    }

    /// Waits until the process has nothing to do.
    pub fn settle(&mut self) {
        let mut last = (self.cpu(), Instant::now());
        while last.1.elapsed() < SETTLED {
            assert!(!self.look(), "the process has ended: see its log");
            std::thread::sleep(LOOK);
            let cpu = self.cpu();
            // A tick now and then is no work.
            if cpu > last.0 + TICK * 2 {
                last = (cpu, Instant::now());
            }
        }
    }

    /// Stands still, or goes on.
    pub fn pause(&self, still: bool) {
        let signal = if still { Signal::STOP } else { Signal::CONT };
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }

    /// SIGKILL.
    pub fn kill(self) {
        drop(self);
    }

    /// SIGTERM: asks for an orderly stop.
    pub fn terminate(&self) {
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
    }

    /// The exit code, once it has ended.
    pub fn code(&mut self) -> Option<i32> {
        self.child.wait().expect("the child is ours").code()
    }

    pub fn wait(mut self) -> Usage {
        while !self.look() {
            std::thread::sleep(LOOK);
        }
        let wall = self.started.elapsed();
        let cpu = self.cpu();
        let status = self.child.wait().expect("the child is ours");
        Usage { cpu, wall, peak_bytes: self.peak_bytes, success: status.success() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A size from /proc/PID/status; 0 when the process has ended.
pub fn status(pid: u32, name: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|l| l.split_whitespace().next()).and_then(|n| n.parse().ok());
    number.map_or(0, |kib: u64| kib * 1024)
}

/// CPU time of this thread so far.
pub fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    let nanos = text.split_whitespace().next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanos.expect("the format of /proc"))
}
