//! The server over real sockets, the pipeline's status made by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use brooklet_core::env::{CrashPoint, World};
use brooklet_core::time::Millis;
use brooklet_core::{Env, Epoch, ErrorKind, Result};
use brooklet_pipeline::{Phase, Status};
use brooklet_testkit::exposition::Metrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Http, Listener, View, routes};

/// A clock that a test sets.
#[derive(Clone, Default)]
struct Clock(Arc<AtomicI64>);

impl World for Clock {
    fn now(&self) -> Millis {
        self.0.load(Ordering::Acquire)
    }
    fn random(&self) -> u64 {
        0
    }
    fn at(&self, _: CrashPoint) -> Result<()> {
        Ok(())
    }
}

struct Served {
    http: Http,
    status: Status,
    clock: Clock,
}

async fn serve() -> Served {
    let (status, clock) = (Status::default(), Clock::default());
    let view = View {
        pipeline: "clicks".into(),
        version: "1.2.3",
        status: status.clone(),
        env: Env::new(clock.clone()),
        max_commit_age_ms: 1_000,
        started_at: 0,
        asked: crate::Asked::default(),
        serving: None,
    };
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    Served { http: listener.serve(routes::router(view)), status, clock }
}

/// Sends a head and reads to the end of the connection: the head and the body.
async fn ask(address: SocketAddr, line: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_string())
}

#[tokio::test]
async fn endpoints_answer_and_what_is_none_says_so() {
    let Served { http, .. } = serve().await;
    let (head, body) = ask(http.address(), "GET /health").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body, "{\"status\":\"ok\"}\n");

    let (_, index) = ask(http.address(), "GET /").await;
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    assert_eq!((&index["pipeline"], &index["version"]), (&"clicks".into(), &"1.2.3".into()));
    let paths: Vec<_> = index["endpoints"].as_array().unwrap().iter().map(|e| &e["path"]).collect();
    assert_eq!(paths, ["/", "/health", "/ready", "/metrics", "/openapi.json"]);
    let reserved = brooklet_pipeline::serve::RESERVED;
    assert!(paths.iter().all(|path| reserved.iter().any(|r| *path == r)));

    for (line, code) in [("GET /nothing", "404"), ("POST /ready", "405"), ("GET /ready/", "404")] {
        let (head, body) = ask(http.address(), line).await;
        assert!(head.starts_with(&format!("http/1.1 {code}")), "{line}: {head}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert!(body["error"].is_string(), "{line}: {body}");
    }
    let (head, body) = ask(http.address(), "HEAD /health").await;
    assert!(head.starts_with("http/1.1 200") && body.is_empty(), "{head}\n{body}");
    http.stop().await;
}

#[tokio::test]
async fn readiness_and_metrics_follow_the_pipeline() {
    let Served { http, status, clock } = serve().await;
    let ready = async || {
        let (head, body) = ask(http.address(), "GET /ready").await;
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        (head[9..12].to_string(), body)
    };
    let (code, body) = ready().await;
    assert_eq!((code.as_str(), &body["reason"]), ("503", &"recovering".into()));

    status.update(|p| {
        p.phase = Phase::Running;
        p.show_computed(Epoch(4), 0);
        p.show_committed(Epoch(3), 0);
    });
    clock.0.store(1_000, Ordering::Release);
    assert_eq!(ready().await.0, "200");
    clock.0.store(1_001, Ordering::Release);
    let (code, body) = ready().await;
    assert_eq!(
        (code.as_str(), &body["epoch"], &body["computed_epoch"]),
        ("503", &3.into(), &4.into())
    );
    assert_eq!(body["last_commit_age_seconds"], 1.001);

    let (head, text) = ask(http.address(), "GET /metrics").await;
    assert!(head.contains("content-type: application/openmetrics-text; version=1.0.0"), "{head}");
    let metrics = Metrics::parse(&text);
    assert_eq!(metrics.value("brooklet_epochs_committed_total"), 3.0);
    assert_eq!(metrics.value("brooklet_ready"), 0.0);
    assert!(metrics.value("process_cpu_seconds_total") > 0.0);
    http.stop().await;
}

#[tokio::test]
async fn an_address_that_cannot_be_had_says_which_and_why() {
    let Served { http, .. } = serve().await;
    let taken = http.address().to_string();
    let Err(e) = Listener::bind(&taken).await else { panic!("{taken} was given twice") };
    assert_eq!((e.kind, e.retry), (ErrorKind::Outside, false));
    assert!(e.to_string().contains(&taken) && e.to_string().contains("in use"), "{e}");
    for wrong in ["8080", "localhost", "127.0.0.1:80800", ""] {
        let Err(e) = Listener::bind(wrong).await else { panic!("'{wrong}' is no address") };
        assert_eq!(e.kind, ErrorKind::Config, "{wrong}: {e}");
    }
    http.stop().await;
}

#[tokio::test]
async fn a_stop_waits_for_no_client() {
    let Served { http, .. } = serve().await;
    let address = http.address();
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let mut half = TcpStream::connect(address).await.unwrap();
    half.write_all(b"GET /health HTT").await.unwrap();
    let silent = TcpStream::connect(address).await.unwrap();
    #[allow(clippy::disallowed_methods, reason = "a stop that hangs must fail the test")]
    let stopped = tokio::time::timeout(std::time::Duration::from_secs(20), http.stop()).await;
    assert!(stopped.is_ok());
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
    drop((idle, half, silent));
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let Served { http, .. } = serve().await;
    let mut stream = TcpStream::connect(http.address()).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(64 << 10));
    // The server may close before it is all sent.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let (head, _) = ask(http.address(), "GET /health").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    http.stop().await;
}
