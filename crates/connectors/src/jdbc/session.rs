//! One session with Postgres: logging in, its settings, and what its errors mean for us.

use std::collections::BTreeMap;
use std::error::Error as _;

use brooklet_core::schema::TableDef;
use brooklet_core::{Error, Instance, Result};
use tokio_postgres::tls::NoTls;
use tokio_postgres::{Client, Config, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::options::{Tls, Url};
use super::tls;

/// A transaction of ours that lies idle this long has lost its owner; its locks must go.
const IDLE_IN_TRANSACTION: &str = "30s";
/// Postgres cuts application names at this many bytes.
const NAME_BYTES: usize = 63;

/// Where and as whom to log in.
pub struct Access {
    config: Config,
    tls: MakeRustlsConnect,
    url: Url,
    user: String,
    /// ` <instance>/`: what the application names of the instance's sessions hold.
    mark: String,
    generation: u64,
}

impl Access {
    pub fn new(
        table: &TableDef,
        pipeline: &str,
        instance: &Instance,
        generation: u64,
    ) -> Result<Access> {
        let mark = format!(" {}/", cut(&instance.0, 36));
        let tail = format!("{mark}{generation}");
        let room = NAME_BYTES - "brooklet ".len() - tail.len().min(50);
        let name = format!("brooklet {}{tail}", cut(pipeline, room));
        Access::named(table, &name, mark, generation)
    }

    /// As whom a table is read; such sessions are ended by nobody.
    pub fn for_reading(table: &TableDef) -> Result<Access> {
        let name = format!("brooklet reads {}", table.name);
        Access::named(table, cut(&name, NAME_BYTES), String::new(), 0)
    }

    fn named(table: &TableDef, name: &str, mark: String, generation: u64) -> Result<Access> {
        let url = Url::parse(table.options.required("url")?)?;
        let mut config = url.config(&table.options);
        config.ssl_mode(tls::ssl_mode(url.tls));
        config.application_name(name);
        let user = table.options.text("username", "");
        Ok(Access { config, tls: tls::connector(&url)?, url, user, mark, generation })
    }

    /// `host:port/database`, for messages.
    pub fn place(&self) -> String {
        self.url.place()
    }

    /// Logs in. Errors say whether trying again can help.
    #[allow(clippy::disallowed_methods, reason = "a call to a service")]
    pub async fn connect(&self) -> Result<Session> {
        // The driver's own limit ends with the TCP handshake; a server that accepts and then
        // says nothing must not hold us either.
        let limit = self.url.connect_timeout * 3;
        tokio::time::timeout(limit, self.log_in()).await.unwrap_or_else(|_| {
            let seconds = limit.as_secs();
            let place = self.place();
            Err(Error::outside(format!("Postgres at {place} did not answer in {seconds} s")))
        })
    }

    async fn log_in(&self) -> Result<Session> {
        let fault = |e| self.fault("could not connect", e);
        // A connection's own errors reach us as failures of the call that was waiting.
        let client = if self.url.tls == Tls::Disable {
            let (client, connection) = self.config.connect(NoTls).await.map_err(fault)?;
            tokio::spawn(async move { drop(connection.await) });
            client
        } else {
            let (client, connection) =
                self.config.connect(self.tls.clone()).await.map_err(fault)?;
            tokio::spawn(async move { drop(connection.await) });
            client
        };
        let session = Session { client, statements: BTreeMap::new() };
        session.settings(self.url.schema.as_deref()).await.map_err(fault)?;
        Ok(session)
    }

    /// Ends the sessions that older generations of this instance left behind. A session we may
    /// not end is left to its timeout.
    pub async fn end_older(&self, session: &Session) -> Result<()> {
        let fault = |e| self.fault("could not list the sessions", e);
        let sessions = session
            .client
            .query(
                "SELECT pid, application_name FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND datname = current_database() \
                 AND application_name LIKE 'brooklet %'",
                &[],
            )
            .await
            .map_err(fault)?;
        for row in sessions {
            let (pid, name): (i32, String) = (row.get(0), row.get(1));
            let generation = name.rsplit_once(&self.mark).and_then(|(_, g)| g.parse::<u64>().ok());
            if generation.is_some_and(|g| g < self.generation) {
                let ended = session.client.query("SELECT pg_terminate_backend($1)", &[&pid]).await;
                if let Err(e) = ended {
                    tracing::debug!(pid, error = %e, "an older session could not be ended");
                }
            }
        }
        Ok(())
    }

    /// An error of the driver or of the server as one of ours, with what was being done.
    pub fn fault(&self, doing: &str, error: tokio_postgres::Error) -> Error {
        let place = self.place();
        let Some(db) = error.as_db_error() else { return self.driver_fault(doing, &error) };
        let said = format!("Postgres at {place}: {doing}: {}", sentence(db));
        let (class, code) = (&db.code().code()[..2], db.code().code());
        match code {
            "28P01" | "28000" => Error::refused(format!(
                "Postgres at {place} refused user '{}': {}; check the options 'username' and \
                 'password'",
                self.user,
                db.message()
            )),
            "3D000" => Error::refused(format!(
                "Postgres at {place}: {}; create the database or correct the option 'url'",
                db.message()
            )),
            _ => match class {
                // Connection, resources, operator's intervention, conflicts, locks, read-only
                // while failing over, internal errors: the same may succeed later.
                "08" | "25" | "40" | "53" | "55" | "57" | "58" | "XX" => Error::outside(said),
                _ => Error::refused(said),
            },
        }
    }

    fn driver_fault(&self, doing: &str, error: &tokio_postgres::Error) -> Error {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        let message = format!("Postgres at {}: {doing}: {text}", self.place());
        let permanent = ["invalid configuration", "certificate", "does not support TLS"];
        match permanent.iter().any(|p| text.contains(p)) {
            true => Error::refused(message),
            false => Error::outside(message),
        }
    }
}

/// The server's message with what it adds to it.
pub fn sentence(db: &tokio_postgres::error::DbError) -> String {
    let mut text = db.message().to_string();
    for more in [db.detail(), db.hint()].into_iter().flatten() {
        text = format!("{text} ({more})");
    }
    text
}

/// Whether the server refuses a row rather than the statement: a value out of range or too
/// long, a constraint, a trigger. A statement that meets a row twice counts, for each row may
/// pass alone.
pub fn refuses_row(error: &tokio_postgres::Error) -> bool {
    let code = error.code().map(|c| c.code()).unwrap_or_default();
    ["21", "22", "23", "44", "P0"].iter().any(|class| code.starts_with(class))
}

/// A session and the statements prepared in it.
pub struct Session {
    pub client: Client,
    /// By the statement's text.
    statements: BTreeMap<String, Statement>,
}

impl Session {
    async fn settings(&self, schema: Option<&str>) -> Result<(), tokio_postgres::Error> {
        // Rows of TIMESTAMP columns mean UTC; what COMMIT confirms must be on disk.
        let settings = format!(
            "SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'; \
             SET TimeZone = 'UTC'; SET client_min_messages = warning; \
             SET default_transaction_isolation = 'read committed'; \
             SELECT set_config('synchronous_commit', 'on', false) \
             WHERE current_setting('synchronous_commit') = 'off'"
        );
        self.client.batch_execute(&settings).await?;
        if let Some(schema) = schema {
            self.client.execute("SELECT set_config('search_path', $1, false)", &[&schema]).await?;
        }
        Ok(())
    }

    /// Runs statements of a transaction that are about no row.
    pub async fn simple(&self, access: &Access, text: &str) -> Result<()> {
        let fault = |e| access.fault("the transaction failed", e);
        self.client.batch_execute(text).await.map_err(fault)
    }

    /// The prepared form of a statement whose parameters have these types.
    pub async fn prepare(
        &mut self,
        text: &str,
        types: &[tokio_postgres::types::Type],
    ) -> Result<Statement, tokio_postgres::Error> {
        if let Some(statement) = self.statements.get(text) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare_typed(text, types).await?;
        self.statements.insert(text.to_string(), statement.clone());
        Ok(statement)
    }
}

/// At most `bytes` bytes of a text.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = text.len().min(bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
