//! A way to a service that a test can close: HTTP requests are then answered with 503, other
//! connections cut.
#![allow(clippy::disallowed_methods, reason = "a proxy is threads and sockets")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Listens until the process ends.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    /// To a request that is refused; nothing where the service speaks no HTTP.
    answer: &'static str,
    failing: AtomicBool,
    refused: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

const ANSWER: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\
                      Connection: close\r\n\r\n";

impl Proxy {
    /// In front of `url`, which is `http://host:port`.
    pub fn to(url: &str) -> Proxy {
        let target = url.strip_prefix("http://").expect("test services speak plain HTTP");
        Proxy::of(target, ANSWER)
    }
    /// In front of `host:port`, whatever it speaks.
    pub fn to_tcp(target: &str) -> Proxy {
        Proxy::of(target, "")
    }

    fn of(target: &str, answer: &'static str) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it listens").port();
        let shared = Arc::new(Shared {
            target: target.to_string(),
            answer,
            failing: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let of_thread = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = of_thread.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Proxy { port, shared }
    }

    pub fn port(&self) -> u16 {
        self.port
    }
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    /// From now on every request is refused; open connections are cut.
    pub fn fail(&self, failing: bool) {
        self.shared.failing.store(failing, Ordering::Release);
        if failing {
            for stream in self.shared.open.lock().expect("no holder panics").drain(..) {
                // It may be closed already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
    /// How many requests were refused.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Acquire)
    }
}

impl Shared {
    /// One connection, to its end. Whatever breaks ends both directions, as a proxy does.
    fn serve(&self, client: TcpStream) {
        if self.failing.load(Ordering::Acquire) {
            self.refuse(client);
            return;
        }
        let Ok(server) = TcpStream::connect(&self.target) else { return };
        {
            let mut open = self.open.lock().expect("no holder panics");
            open.extend([client.try_clone(), server.try_clone()].into_iter().flatten());
            // Neither this connection nor a request on it came before the change.
            if self.failing.load(Ordering::Acquire) {
                return;
            }
        }
        let (Ok(to_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else {
            return;
        };
        let back = std::thread::spawn(move || copy(from_server, to_client));
        copy(client, server);
        let _ = back.join();
    }

    /// Reads the request first: closing with unread bytes would reset the connection before the
    /// answer is read.
    fn refuse(&self, mut client: TcpStream) {
        let _ = client.set_read_timeout(Some(Duration::from_millis(100)));
        let mut content = [0; 65_536];
        while client.read(&mut content).is_ok_and(|n| n > 0) {}
        self.refused.fetch_add(1, Ordering::AcqRel);
        let _ = client.write_all(self.answer.as_bytes());
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
