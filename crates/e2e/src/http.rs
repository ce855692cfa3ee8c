//! What a `brooklet run --http 127.0.0.1:0` answers.
#![allow(clippy::disallowed_methods, reason = "processes are watched in real time")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use brooklet_testkit::binary::Running;
use brooklet_testkit::exposition::Metrics;
use serde_json::Value;

use crate::pipeline::PATIENCE;

/// The arguments for a port of its own.
pub const ANY_PORT: [&str; 2] = ["--http", "127.0.0.1:0"];

/// Where a process answers.
pub struct Site(String);

impl Site {
    /// Waits for the banner, which names the port.
    pub fn of(running: &Running) -> Site {
        running.wait_for_stderr(" (/health, ", PATIENCE);
        let stderr = running.stderr();
        let url = stderr.split("answers on http://").nth(1).and_then(|rest| rest.split(' ').next());
        Site(url.unwrap_or_else(|| panic!("no address:\n{stderr}")).to_string())
    }
    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.0
    }
    /// A connection that waits for nothing for long.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.0).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
        stream
    }
    /// `GET path` with headers: the answer's head and body.
    pub fn exchange(&self, path: &str, headers: &[(&str, &str)]) -> (String, String) {
        let mut stream = self.connect();
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: e2e\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head.to_string(), body.to_string())
    }
    /// `GET path`: the status code and the body.
    pub fn get(&self, path: &str) -> (u16, String) {
        let (head, body) = self.exchange(path, &[]);
        let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        (code.unwrap_or_else(|| panic!("no status: {head}")), body)
    }
    pub fn json(&self, path: &str) -> (u16, Value) {
        let (code, body) = self.get(path);
        let json = serde_json::from_str(&body);
        (code, json.unwrap_or_else(|e| panic!("{path} is no JSON: {e}\n{body}")))
    }
    pub fn metrics(&self) -> Metrics {
        let (code, text) = self.get("/metrics");
        assert_eq!(code, 200, "{text}");
        Metrics::parse(&text)
    }
}
