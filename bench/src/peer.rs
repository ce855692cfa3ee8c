//! Flink beside brooklet: the same SQL on a real standalone session cluster.
//!
//! Every query has a JobManager and a TaskManager of its own, started for it, and runs three times
//! on them: on all events, on a few, and on all again. What counts is what favours Flink: the CPU
//! time of the last run, when both JVMs have started and compiled what is hot, less that of the run
//! on a few, which is what any job costs and is taken from brooklet's as well; and the memory that
//! the two processes had after the first. The gateway that plans the statements is left out
//! altogether.
#![allow(clippy::disallowed_methods, reason = "measuring is what this program is for")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::usage::{Running, status};
use crate::web;

/// Between two looks at a job, which cost the JobManager next to nothing.
const LOOK: Duration = Duration::from_millis(100);
/// A start of a JVM, a statement, a run.
const PATIENCE: Duration = Duration::from_secs(240);
/// Of the distribution's own config.yaml.
const JOBMANAGER: &str = "1600m";
/// More than the 1728m that stand there: with those q9 came to no end on a million events.
const TASKMANAGER: &str = "4g";

/// What Flink needed for a query.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// CPU-seconds of both processes for the second run, less those for a run of few events.
    pub cpu_per_million: f64,
    /// The same from the start of the processes to the end of the first run.
    pub from_start_per_million: f64,
    /// Of the second run, less the time that the run of few events took.
    pub events_per_second: f64,
    /// Both processes' peaks added up, after the first run.
    pub peak_bytes: u64,
}

/// Flink's configuration and the gateway that takes statements.
pub struct Flink {
    conf: PathBuf,
    rest: u16,
    gateway: u16,
    taskmanager_memory: String,
    /// Ended with the bench.
    _gateway: Running,
}

impl Flink {
    /// Fetches Flink if it is not there, and starts the gateway. `PEER_MEMORY` is the
    /// TaskManager's, as Flink writes sizes.
    pub fn start(dir: &Path) -> Flink {
        let conf = dir.join("conf");
        std::fs::create_dir_all(&conf).expect("the bench's directory can be made");
        let installed = Command::new(script()).arg("install").status();
        assert!(installed.is_ok_and(|s| s.success()), "scripts/flink.sh install failed");
        let ports = [web::free_port(), web::free_port(), web::free_port()];
        let memory = std::env::var("PEER_MEMORY").unwrap_or(TASKMANAGER.to_string());
        std::fs::write(conf.join("config.yaml"), config(dir, ports, &memory))
            .expect("the bench's directory can be written");
        let [rest, _, gateway] = ports;
        let running = Running::start(process("gateway", &conf));
        let flink = Flink { conf, rest, gateway, taskmanager_memory: memory, _gateway: running };
        let ready = || web::get(gateway, "/v1/info").filter(|(code, _)| *code == 200);
        wait("the gateway's start", ready).unwrap_or_else(|e| panic!("{e}"));
        flink
    }

    /// What it runs with, in a line.
    pub fn settings(&self) -> String {
        format!(
            "Flink: a session cluster per query, JobManager {JOBMANAGER}, TaskManager {}, \
             parallelism 1, object reuse, hashmap state, a checkpoint every 10 s; CPU on warm \
             JVMs, net of what a job costs",
            self.taskmanager_memory
        )
    }

    /// Runs a query that reads all events twice, and between the two what reads next to none.
    pub fn measure(&self, all: &str, few: &str, events: u64) -> Result<Peer, String> {
        let cluster = Cluster::start(self)?;
        let per_million = |cpu: Duration| cpu.as_secs_f64() * 1e6 / events as f64;
        let (all, few) = (self.prepared(all)?, self.prepared(few)?);
        self.job(&all)?;
        let (from_start, peak_bytes) = (cluster.cpu(), cluster.peak_bytes());
        let least = self.job(&few)?;
        let after_few = cluster.cpu();
        let took = self.job(&all)?;
        let (few, all) = (after_few - from_start, cluster.cpu() - after_few);
        Ok(Peer {
            cpu_per_million: per_million(all.saturating_sub(few)),
            from_start_per_million: per_million(from_start),
            events_per_second: events as f64 / took.saturating_sub(least).as_secs_f64(),
            peak_bytes,
        })
    }

    /// A session that knows a file's tables; its INSERT comes last.
    fn prepared<'a>(&self, sql: &'a str) -> Result<Prepared<'a>, String> {
        let session = self.open()?;
        let mut statements = statements(sql);
        let insert = statements.pop().ok_or("the file has no statement")?;
        for statement in statements {
            self.execute(&session, statement)?;
        }
        Ok(Prepared { session, insert })
    }

    /// A session of the gateway's, which knows no tables yet.
    fn open(&self) -> Result<String, String> {
        let answer = web::post(self.gateway, "/v1/sessions", "{}");
        let (_, text) = answer.ok_or("the gateway does not answer")?;
        field(&text, "/sessionHandle")
    }

    /// Runs a statement to its result.
    fn execute(&self, session: &str, statement: &str) -> Result<Value, String> {
        let path = format!("/v1/sessions/{session}");
        let asked = json!({ "statement": statement }).to_string();
        let answer = web::post(self.gateway, &format!("{path}/statements"), &asked);
        let (_, text) = answer.ok_or("the gateway does not answer")?;
        let path = format!("{path}/operations/{}", field(&text, "/operationHandle")?);
        wait(statement, || {
            let (_, text) = web::get(self.gateway, &format!("{path}/status"))?;
            field(&text, "/status").ok().filter(|s| s != "RUNNING" && s != "PENDING")
        })?;
        let answer = web::get(self.gateway, &format!("{path}/result/0"));
        let (code, text) = answer.ok_or("the gateway does not answer")?;
        let result: Value = serde_json::from_str(&text).map_err(|e| format!("{e}: {text}"))?;
        if code == 200 { Ok(result) } else { Err(cause(&result)) }
    }

    /// Runs an INSERT to its job's end; the time that the job took.
    fn job(&self, Prepared { session, insert }: &Prepared) -> Result<Duration, String> {
        let result = self.execute(session, insert)?;
        let job = result["jobID"].as_str().ok_or(format!("no job in {result}"))?;
        let ended = wait(insert, || {
            let (_, text) = web::get(self.rest, &format!("/v1/jobs/{job}"))?;
            let job: Value = serde_json::from_str(&text).ok()?;
            (job["end-time"].as_i64()? > 0).then_some(job)
        })?;
        if ended["state"] != "FINISHED" {
            let found = web::get(self.rest, &format!("/v1/jobs/{job}/exceptions"));
            let text = found.map(|(_, text)| text).unwrap_or_default();
            return Err(field(&text, "/root-exception").map_or(text, |t| last_cause(&t)));
        }
        Ok(Duration::from_millis(ended["duration"].as_u64().unwrap_or(0)))
    }
}

/// An INSERT and the session that knows its tables.
struct Prepared<'a> {
    session: String,
    insert: &'a str,
}

/// The two processes that run a job.
struct Cluster {
    jobmanager: Running,
    taskmanager: Running,
}

impl Cluster {
    /// Starts them; returns when the TaskManager has offered its slot.
    fn start(flink: &Flink) -> Result<Cluster, String> {
        let jobmanager = Running::start(process("jobmanager", &flink.conf));
        let taskmanager = Running::start(process("taskmanager", &flink.conf));
        wait("the cluster's start", || {
            let (_, text) = web::get(flink.rest, "/v1/overview")?;
            let overview: Value = serde_json::from_str(&text).ok()?;
            (overview["slots-available"].as_u64()? > 0).then_some(())
        })?;
        Ok(Cluster { jobmanager, taskmanager })
    }

    fn cpu(&self) -> Duration {
        self.jobmanager.cpu() + self.taskmanager.cpu()
    }

    fn peak_bytes(&self) -> u64 {
        let peak = |running: &Running| status(running.child.id(), "VmHWM:");
        peak(&self.jobmanager) + peak(&self.taskmanager)
    }
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/flink.sh")
}

/// One of Flink's processes with its messages in a file beside the configuration.
fn process(name: &str, conf: &Path) -> Command {
    let log = File::create(conf.with_file_name(format!("{name}.log")));
    let log = log.expect("the bench's directory can be written");
    let mut command = Command::new(script());
    command
        .arg(name)
        .arg(conf)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("an open file has another handle"))
        .stderr(log);
    command
}

/// The distribution's memory, all on this machine; the ports are those of the REST interface, of
/// the JobManager and of the gateway. A job at its end does not wait for the time of the next
/// checkpoint.
fn config(dir: &Path, [rest, rpc, gateway]: [u16; 3], taskmanager_memory: &str) -> String {
    let dir = dir.display();
    format!(
        "jobmanager.rpc.address: 127.0.0.1
jobmanager.rpc.port: {rpc}
jobmanager.bind-host: 127.0.0.1
jobmanager.memory.process.size: {JOBMANAGER}
taskmanager.host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.memory.process.size: {taskmanager_memory}
taskmanager.numberOfTaskSlots: 1
rest.address: 127.0.0.1
rest.bind-address: 127.0.0.1
rest.port: {rest}
sql-gateway.endpoint.rest.address: 127.0.0.1
sql-gateway.endpoint.rest.bind-address: 127.0.0.1
sql-gateway.endpoint.rest.port: {gateway}
execution.target: remote
execution.checkpointing.interval: 10 s
execution.checkpointing.mode: EXACTLY_ONCE
execution.checkpointing.dir: file://{dir}/checkpoints
execution.checkpointing.checkpoints-after-tasks-finish.enabled: false
io.tmp.dirs: {dir}
parallelism.default: 1
pipeline.object-reuse: true
table.local-time-zone: UTC
"
    )
}

/// The statements of a file, without their semicolons; one ends where a line does.
fn statements(sql: &str) -> Vec<&str> {
    sql.split(";\n").map(str::trim).filter(|s| !s.is_empty()).collect()
}

/// What `ready` gives once it gives something.
fn wait<T>(what: &str, ready: impl Fn() -> Option<T>) -> Result<T, String> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = ready() {
            return Ok(found);
        }
        std::thread::sleep(LOOK);
    }
    Err(format!("no end within {} s; its logs say why: {what}", PATIENCE.as_secs()))
}

/// A text in an answer.
fn field(json: &str, pointer: &str) -> Result<String, String> {
    let value: Value = serde_json::from_str(json).map_err(|e| format!("{e}: {json}"))?;
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.map(str::to_string).ok_or_else(|| cause(&value))
}

/// Why a statement was refused: the innermost cause that a refusal names.
fn cause(refusal: &Value) -> String {
    let errors = refusal["errors"].as_array().into_iter().flatten();
    let texts: Vec<&str> = errors.filter_map(Value::as_str).collect();
    if texts.is_empty() { refusal.to_string() } else { last_cause(&texts.join("\n")) }
}

fn last_cause(trace: &str) -> String {
    let mut causes = trace.lines().filter_map(|line| line.trim().strip_prefix("Caused by: "));
    causes.next_back().or(trace.lines().next()).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{cause, field, last_cause, statements};

    #[test]
    fn statements_end_with_lines() {
        let sql = "SET 'a' = 'b;c';\n-- A note; it goes on.\nCREATE TABLE t (a INT);\nINSERT INTO t\n\
                   SELECT ';' FROM u;\n";
        let expected = [
            "SET 'a' = 'b;c'",
            "-- A note; it goes on.\nCREATE TABLE t (a INT)",
            "INSERT INTO t\nSELECT ';' FROM u",
        ];
        assert_eq!(statements(sql), expected);
    }

    #[test]
    fn a_refusal_is_told_by_its_innermost_cause() {
        let trace = "SqlGatewayException: failed\n\tat a.b(C.java:1)\nCaused by: planner\n\
                     \tat d\nCaused by: Object 'x' not found\n\tat e";
        let refusal = json!({"errors": ["Internal server error.", trace]});
        assert_eq!(cause(&refusal), "Object 'x' not found");
        assert_eq!(
            last_cause("java.lang.OutOfMemoryError: Java heap space\n\tat f"),
            "java.lang.OutOfMemoryError: Java heap space"
        );
        assert_eq!(field(&refusal.to_string(), "/status"), Err("Object 'x' not found".into()));
        assert_eq!(field(r#"{"status":"FINISHED"}"#, "/status"), Ok("FINISHED".into()));
    }
}
