//! Takes connections, as many and for as long as is sane, and lets them go at the end.

use std::io::ErrorKind as Io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use brooklet_core::{Error, Result};

/// Connections at once; further ones wait.
const CONNECTIONS: usize = 64;
/// A request's head is all that is read of it.
const HEAD_BYTES: usize = 16 << 10;
/// Between two requests, and from the first byte of a head to its last.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// A connection is closed at this age, whatever it does.
const CONNECTION_AGE: Duration = Duration::from_secs(600);
/// What is being answered at the end may take this long.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Before another try when no connection can be taken: out of file descriptors.
const BREATHER: Duration = Duration::from_millis(100);

/// A bound address that nobody is answered on yet.
pub struct Listener {
    tcp: TcpListener,
    address: SocketAddr,
}

/// A server at work. It ends with [`Http::stop`], or with the runtime.
pub struct Http {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Binds `HOST:PORT`; port 0 is any free one.
    pub async fn bind(address: &str) -> Result<Listener> {
        let bound = async {
            let tcp = TcpListener::bind(address).await?;
            let address = tcp.local_addr()?;
            Ok(Listener { tcp, address })
        };
        bound.await.map_err(|e: std::io::Error| match e.kind() {
            Io::InvalidInput => Error::config(format!(
                "'{address}' is no address to listen on: expected HOST:PORT, as in 127.0.0.1:8080"
            )),
            _ => Error::refused(format!("cannot listen on {address}")).caused_by(e),
        })
    }

    /// Answers with `router` from now on.
    pub fn serve(self, router: Router) -> Http {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(self.tcp, router, stopped));
        Http { address: self.address, stop, task }
    }
}

impl Http {
    /// With the port that was chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no further connection, closes idle ones, and gives answers under way a moment.
    pub async fn stop(self) {
        // Without a receiver it has ended by itself.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

async fn serve(tcp: TcpListener, router: Router, stopped: oneshot::Receiver<()>) {
    let open = GracefulShutdown::new();
    tokio::select! {
        () = accept(&tcp, &router, &open) => {}
        _ = stopped => {}
    }
    drop(tcp);
    within(LAST_ANSWERS, open.shutdown()).await;
}

async fn accept(tcp: &TcpListener, router: &Router, open: &GracefulShutdown) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    // A semaphore that nobody closes gives permits for ever.
    while let Ok(slot) = slots.clone().acquire_owned().await {
        let stream = match tcp.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::debug!("an HTTP connection was not taken: {e}");
                pause(BREATHER).await;
                continue;
            }
        };
        let answered = open.watch(connection(stream, router.clone()));
        tokio::spawn(async move {
            // How a client ends its connection is the client's.
            within(CONNECTION_AGE, answered).await;
            drop(slot);
        });
    }
}

type Answers = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

fn connection(stream: TcpStream, router: Router) -> Answers {
    // An answer is written at once; without it nothing would be wrong but slow.
    let _ = stream.set_nodelay(true);
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}

#[allow(clippy::disallowed_methods, reason = "clients are waited for by the clock")]
async fn within(limit: Duration, what: impl Future) {
    let _ = tokio::time::timeout(limit, what).await;
}

#[allow(clippy::disallowed_methods, reason = "no epoch depends on this wait")]
async fn pause(delay: Duration) {
    tokio::time::sleep(delay).await;
}
