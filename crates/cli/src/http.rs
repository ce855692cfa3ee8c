//! The HTTP side of `brooklet run`: where it listens, or why it does not.

use std::fmt;
use std::net::SocketAddr;

use brooklet_core::{Error, Result};
use brooklet_server::{Http, Listener, View, routes};

/// As long as nobody says otherwise.
const ADDRESS: &str = "127.0.0.1:8080";

#[derive(clap::Args)]
#[group(skip)]
pub struct Args {
    /// Where health, readiness and metrics are answered; port 0 is any free one. 127.0.0.1:8080
    /// unless that is taken.
    #[arg(long, value_name = "ADDR", help_heading = "HTTP", conflicts_with = "no_http")]
    http: Option<String>,
    /// No HTTP.
    #[arg(long, help_heading = "HTTP")]
    no_http: bool,
}

impl Args {
    /// HTTP is not wanted.
    pub fn is_off(&self) -> bool {
        self.no_http
    }
}

/// What came of it, as the banner says it.
pub enum Place {
    At(SocketAddr),
    /// As wanted.
    Off,
    Taken,
}

impl Place {
    /// As a line of the banner.
    pub fn line(&self) -> String {
        match self {
            Place::At(_) => format!("answers on {self} (/health, /ready, /metrics)"),
            Place::Off | Place::Taken => self.to_string(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::At(address) => write!(f, "http://{address}"),
            Place::Off => write!(f, "no HTTP"),
            Place::Taken => {
                write!(f, "no HTTP: {ADDRESS} cannot be had, --http ADDR names another address")
            }
        }
    }
}

/// Listens, before the pipeline starts: an address that was asked for is an error when it cannot
/// be had, the default one a warning.
pub async fn start(args: &Args, view: View) -> Result<(Place, Option<Http>)> {
    let listener = match &args.http {
        _ if args.no_http => return Ok((Place::Off, None)),
        Some(address) => Listener::bind(address).await.map_err(asked_for)?,
        None => match Listener::bind(ADDRESS).await {
            Ok(listener) => listener,
            Err(e) => {
                tracing::warn!(
                    "{e}; going on without HTTP: --http ADDR names another address, --no-http \
                     leaves it out"
                );
                return Ok((Place::Taken, None));
            }
        },
    };
    let http = listener.serve(routes::router(view));
    Ok((Place::At(http.address()), Some(http)))
}

fn asked_for(e: Error) -> Error {
    e.at("--http")
}
