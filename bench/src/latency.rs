//! How fast: process start to first row, Kafka to Postgres while a gigabyte of state is
//! snapshotted, the start after a SIGKILL with that state, and a sink that is held.
#![allow(clippy::disallowed_methods, reason = "measuring is what this program is for")]

use std::io::Read;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use brooklet_testkit::services::{Kafka, Postgres, Topic};

use crate::Bench;
use crate::keyed::{self, PARTITIONS, record};
use crate::usage::{self, Running, status};

/// Keys of the large state and the bytes that each holds.
const KEYS: u64 = 1_000_000;
const NOTE: usize = 1_000;
/// Events per second and how long they are measured.
const RATE: u64 = 10_000;
const WARM: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(30);
/// Stretches that are measured, one after the other: the disk is shared with all that the machine
/// does beside, and a single stretch may meet that.
const STRETCHES: u32 = 3;
/// Between two looks at Postgres, and between two bursts of events: measuring shares the cores with
/// what is measured.
const LOOK: Duration = Duration::from_millis(2);
const BURST: Duration = Duration::from_millis(1);
const HELD: Duration = Duration::from_secs(60);

/// Process start to the first row printed.
pub fn start(bench: &Bench) {
    let topic = Kafka::at(&bench.brokers).topic("start", PARTITIONS);
    topic.produce((0..1000).map(|n| record(n, n, "")));
    let sql = keyed::source(bench, &topic, false)
        + "CREATE TABLE result (k BIGINT, v BIGINT) WITH ('connector' = 'print');
INSERT INTO result SELECT k, v FROM t;\n";
    let mut times: Vec<Duration> = (0..7).map(|_| first_row(bench, &sql)).collect();
    topic.delete();
    times.sort_unstable();
    println!(
        "Process start to first row from Kafka: median {} ms, best {} ms (target 150)",
        times[times.len() / 2].as_millis(),
        times[0].as_millis()
    );
}

fn first_row(bench: &Bench, sql: &str) -> Duration {
    let mut command = usage::run_file(&bench.file("start", sql));
    command.stdout(Stdio::piped());
    let mut running = Running::start(command);
    let mut out = running.child.stdout.take().expect("piped");
    out.read_exact(&mut [0]).expect("a row comes");
    let took = running.started.elapsed();
    running.kill();
    took
}

/// Kafka to Postgres, then the start after a SIGKILL, both with a gigabyte of state.
pub fn postgres(bench: &Bench) {
    let topic = Kafka::at(&bench.brokers).topic("latency", PARTITIONS);
    let postgres = Postgres::at(&bench.postgres);
    let note = "x".repeat(NOTE);
    let sql = keyed::source(bench, &topic, false)
        + &sink(&postgres)
        + "CREATE TABLE notes (k BIGINT, note STRING) WITH ('connector' = 'blackhole');
EXECUTE STATEMENT SET BEGIN
INSERT INTO result SELECT MOD(v, 4), v FROM t WHERE v >= 1000000;
INSERT INTO notes SELECT k, LAST_VALUE(note) FROM t GROUP BY k;
END;\n";
    postgres.run("CREATE TABLE result (p BIGINT, v BIGINT, PRIMARY KEY (p, v))");
    let file = bench.file("latency", &sql);
    let mut running = Running::start(usage::run_file(&file));
    topic.produce((0..KEYS).map(|n| record(n, n, &note)));
    // What the broker has only in the page cache would be written while others wait for the disk.
    rustix::fs::sync();
    // A first stretch lets the backlog go and the producer connect; it is not measured.
    let measured = KEYS + RATE * WARM.as_secs();
    let sent = feed(&topic, KEYS, RATE * (WARM + MEASURED * STRETCHES).as_secs(), RATE, &note);
    let mut waits =
        watch(&postgres, KEYS, sent, &mut running).split_off((measured - KEYS) as usize);
    println!(
        "Kafka to Postgres at {RATE} events/s, {} MB of state held (peak memory {} MB)",
        (KEYS * NOTE as u64) >> 20,
        status(running.child.id(), "VmHWM:") >> 20,
    );
    let mut tails = Vec::new();
    for stretch in waits.chunks_mut((RATE * MEASURED.as_secs()) as usize) {
        stretch.sort_unstable();
        let at = |share: f64| stretch[((stretch.len() - 1) as f64 * share) as usize];
        let [p50, p99, max] = [0.5, 0.99, 1.0].map(|share| at(share).as_secs_f64() * 1e3);
        println!("  {MEASURED:?}: p50 {p50:.1} ms, p99 {p99:.1} ms, max {max:.1} ms");
        tails.push(p99);
    }
    tails.sort_unstable_by(f64::total_cmp);
    println!("  the middle p99: {:.1} ms (target 50)", tails[tails.len() / 2]);
    running.kill();
    let next = measured + RATE * (MEASURED * STRETCHES).as_secs();
    topic.produce((0..PARTITIONS as u64).map(|p| record(p, next + p, "")));
    let mut again = Running::start(usage::run_file(&file));
    while newest(&postgres).iter().any(|v| *v < next) {
        assert!(!again.look(), "brooklet has ended: see {}", file.display());
        std::thread::sleep(Duration::from_millis(2));
    }
    println!(
        "Start after SIGKILL with that state, to new rows in Postgres: {:.2} s (target 3)",
        again.started.elapsed().as_secs_f64()
    );
    again.kill();
    topic.delete();
}

fn sink(postgres: &Postgres) -> String {
    format!(
        "SET 'table.exec.sink.require-on-conflict' = 'false';
CREATE TABLE result (p BIGINT, v BIGINT, PRIMARY KEY (p, v) NOT ENFORCED) WITH (
  'connector' = 'jdbc', 'url' = '{}', 'table-name' = 'result', 'username' = '{}', \
         'password' = '{}');\n",
        postgres.jdbc_url() + "?sslmode=disable",
        postgres.user(),
        postgres.password()
    )
}

/// When each record was handed to Kafka, in microseconds since `start`.
struct Sent {
    start: Instant,
    at: Arc<Vec<AtomicU64>>,
    thread: JoinHandle<()>,
}

/// Sends records `from..from + count` at a rate, from a thread of its own.
fn feed(topic: &Topic, from: u64, count: u64, rate: u64, note: &str) -> Sent {
    let start = Instant::now();
    let at: Arc<Vec<AtomicU64>> = Arc::new((0..count).map(|_| AtomicU64::new(0)).collect());
    let (topic, stamps, note) = (topic.clone(), at.clone(), note.to_string());
    let thread = std::thread::spawn(move || {
        topic.produce((0..count).map(|n| {
            let due = Duration::from_micros(n * 1_000_000 / rate);
            let early = due.saturating_sub(start.elapsed());
            if early >= BURST {
                std::thread::sleep(early);
            }
            stamps[n as usize].store(start.elapsed().as_micros() as u64, Ordering::Release);
            let v = from + n;
            record(v.wrapping_mul(0x9e37_79b9_7f4a_7c15) % KEYS, v, &note)
        }));
    });
    Sent { start, at, thread }
}

/// How long each record took to be visible, about in their order.
fn watch(postgres: &Postgres, from: u64, sent: Sent, running: &mut Running) -> Vec<Duration> {
    let end = from + sent.at.len() as u64;
    let mut next: Vec<u64> = (from..from + PARTITIONS as u64).collect();
    next.sort_by_key(|v| v % PARTITIONS as u64);
    let mut waits = Vec::with_capacity(sent.at.len());
    while next.iter().any(|v| *v < end) {
        assert!(!running.look(), "brooklet has ended: see its log");
        let newest = newest(postgres);
        let now = sent.start.elapsed().as_micros() as u64;
        for (next, newest) in next.iter_mut().zip(newest) {
            while *next <= newest && *next < end {
                let at = sent.at[(*next - from) as usize].load(Ordering::Acquire);
                waits.push(Duration::from_micros(now.saturating_sub(at)));
                *next += PARTITIONS as u64;
            }
        }
        std::thread::sleep(LOOK);
    }
    sent.thread.join().expect("the feeding thread does not panic");
    waits
}

/// The newest record of each partition that is visible.
fn newest(postgres: &Postgres) -> Vec<u64> {
    let of = |p: i32| format!("(SELECT max(v) FROM result WHERE p = {p})");
    let each: Vec<String> = (0..PARTITIONS).map(of).collect();
    let row = postgres.rows(&format!("SELECT {}", each.join(", "))).remove(0);
    row.into_iter().map(|v| v.and_then(|v| v.parse().ok()).unwrap_or(0)).collect()
}

/// Memory while Postgres holds a lock for a minute.
pub fn held(bench: &Bench) {
    let topic = Kafka::at(&bench.brokers).topic("held", PARTITIONS);
    let postgres = Postgres::at(&bench.postgres);
    postgres.run("CREATE TABLE result (p BIGINT, v BIGINT, PRIMARY KEY (p, v))");
    let sql = keyed::source(bench, &topic, false)
        + &sink(&postgres)
        + "INSERT INTO result SELECT MOD(v, 4), v FROM t;\n";
    let mut running = Running::start(usage::run_file(&bench.file("held", &sql)));
    let count = RATE * (HELD.as_secs() + 10);
    let sent = feed(&topic, 0, count, RATE, &"x".repeat(NOTE));
    while newest(&postgres).contains(&0) {
        assert!(!running.look(), "brooklet has ended: see its log");
        std::thread::sleep(Duration::from_millis(10));
    }
    let locker = postgres.reconnect();
    locker.run("BEGIN; LOCK TABLE result IN ACCESS EXCLUSIVE MODE");
    let pid = running.child.id();
    let resident = || status(pid, "VmRSS:") >> 20;
    let mut after: Vec<u64> = Vec::new();
    for _ in 0..HELD.as_secs() {
        std::thread::sleep(Duration::from_secs(1));
        after.push(resident());
    }
    locker.run("COMMIT");
    let took = watch(&postgres, 0, sent, &mut running).len() as u64;
    println!(
        "Sink held for {} s at {RATE} events/s of {NOTE} bytes: {} MB after 10 s, {} MB after 30 s, \
         {} MB at the end; all {took} rows came",
        HELD.as_secs(),
        after[9],
        after[29],
        after[after.len() - 1]
    );
    running.kill();
    topic.delete();
}
