//! Rows of all tables of one database and user, and the epoch's number, in one transaction.

use brooklet_core::connector::SinkSpec;
use brooklet_core::env::CrashPoint;
use brooklet_core::sink::EpochOutput;
use brooklet_core::{Epoch, Error, Instance, Result, Sink};

use super::net::{Changes, net};
use super::options::domain;
use super::session::{Access, Session, refuses_row, sentence};
use super::target::{self, Target};
use super::write::{Stop, Writer, record_rejected};

const COMMITS: &str = "CREATE TABLE IF NOT EXISTS brooklet_commits (
  pipeline text NOT NULL,
  domain text NOT NULL,
  instance text NOT NULL,
  epoch bigint NOT NULL,
  generation bigint NOT NULL,
  committed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (pipeline, domain, instance)
)";
const REJECTED: &str = "CREATE TABLE IF NOT EXISTS brooklet_rejected (
  pipeline text NOT NULL,
  table_name text NOT NULL,
  epoch bigint NOT NULL,
  row text NOT NULL,
  reason text NOT NULL,
  rejected_at timestamptz NOT NULL DEFAULT now()
)";

pub struct PostgresSink {
    spec: SinkSpec,
    domain: String,
    access: Access,
    targets: Vec<Target>,
    /// None after a failure: the next call logs in again.
    session: Option<Session>,
    /// What Postgres is known to hold.
    held: Epoch,
}

/// What the guard of a transaction found.
enum Guard {
    /// The epochs are ours to write.
    Open,
    /// Everything up to this epoch is there already.
    Held(Epoch),
}

/// Logs in, ends older sessions, and checks every table against its DDL.
pub async fn open(spec: SinkSpec) -> Result<Box<dyn Sink>> {
    let table = spec.tables.first().ok_or_else(|| Error::bug("a jdbc sink without tables"))?;
    let access = Access::new(table, &spec.pipeline, &spec.instance, spec.generation)?;
    let domain = domain(table);
    let session = access.connect().await?;
    access.end_older(&session).await?;
    create_own(&access, &session, "brooklet_commits", COMMITS).await?;
    let mut targets = Vec::with_capacity(spec.tables.len());
    for table in &spec.tables {
        targets.push(target::open(&access, &session, table).await?);
    }
    if targets.iter().any(|t| t.dead_letter) {
        create_own(&access, &session, "brooklet_rejected", REJECTED).await?;
    }
    let session = Some(session);
    Ok(Box::new(PostgresSink { spec, domain, access, targets, session, held: Epoch(0) }))
}

/// Creates a table of ours unless it is there.
async fn create_own(access: &Access, session: &Session, name: &str, ddl: &str) -> Result<()> {
    let look = |e| access.fault(&format!("could not look for {name}"), e);
    let found = session.client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&name]).await;
    if found.map_err(look)?.get(0) {
        return Ok(());
    }
    match session.client.batch_execute(ddl).await {
        Ok(()) => Ok(()),
        // Two creators at once: the other one was faster.
        Err(e) if e.code().is_some_and(|c| c.code() == "23505") => Ok(()),
        Err(e) => {
            let mut error = access.fault(&format!("could not create the table {name}"), e);
            error.message.push_str(&format!(
                "; brooklet keeps its own record there, so as a user who may, run:\n{ddl};\n\
                 GRANT SELECT, INSERT, UPDATE ON {name} TO the pipeline's user;"
            ));
            Err(error)
        }
    }
}

#[async_trait::async_trait]
impl Sink for PostgresSink {
    async fn committed(&mut self) -> Result<Option<(Instance, Epoch)>> {
        let session = self.take_session().await?;
        let found = self.read_committed(&session).await?;
        self.session = Some(session);
        if let Some((instance, epoch)) = &found
            && *instance == self.spec.instance
        {
            self.held = *epoch;
        }
        Ok(found)
    }

    async fn commit(&mut self, epochs: &[EpochOutput]) -> Result<()> {
        loop {
            let waiting: Vec<&EpochOutput> =
                epochs.iter().filter(|e| e.epoch > self.held).collect();
            let (Some(first), Some(last)) = (waiting.first(), waiting.last()) else {
                return Ok(());
            };
            let span = (first.epoch, last.epoch);
            if waiting.iter().all(|e| e.tables.iter().all(|t| t.is_empty())) {
                // A number without rows protects nothing; it is written with the next rows.
                self.held = span.1;
                return Ok(());
            }
            self.held = self.transact(span, &waiting).await?;
        }
    }
}

impl PostgresSink {
    async fn take_session(&mut self) -> Result<Session> {
        match self.session.take().filter(|s| !s.client.is_closed()) {
            Some(session) => Ok(session),
            None => self.access.connect().await,
        }
    }

    /// Claims the instance's row for this generation and reads it; without one, what the newest
    /// other instance wrote, unless the start is fresh.
    async fn read_committed(&self, session: &Session) -> Result<Option<(Instance, Epoch)>> {
        let fault = |e| self.access.fault("could not read brooklet_commits", e);
        let (pipeline, domain) = (&self.spec.pipeline, &self.domain);
        let (instance, generation) = (&self.spec.instance.0, self.spec.generation as i64);
        let client = &session.client;
        if self.spec.fresh {
            client
                .execute(
                    "INSERT INTO brooklet_commits (pipeline, domain, instance, epoch, generation) \
                     VALUES ($1, $2, $3, 0, $4) ON CONFLICT DO NOTHING",
                    &[pipeline, domain, instance, &generation],
                )
                .await
                .map_err(fault)?;
        }
        client
            .execute(
                "UPDATE brooklet_commits SET generation = $4 \
                 WHERE pipeline = $1 AND domain = $2 AND instance = $3 AND generation < $4",
                &[pipeline, domain, instance, &generation],
            )
            .await
            .map_err(fault)?;
        let rows = client
            .query(
                "SELECT instance, epoch FROM brooklet_commits \
                 WHERE pipeline = $1 AND domain = $2 \
                 ORDER BY instance = $3 DESC, committed_at DESC LIMIT 1",
                &[pipeline, domain, instance],
            )
            .await
            .map_err(fault)?;
        Ok(rows.first().map(|r| (Instance(r.get(0)), Epoch(r.get::<_, i64>(1) as u64))))
    }

    /// One transaction; when Postgres refuses a row, once more to find it. Gives the last epoch
    /// that Postgres holds.
    async fn transact(&mut self, span: (Epoch, Epoch), waiting: &[&EpochOutput]) -> Result<Epoch> {
        let changes = self.changes(waiting, false)?;
        match self.attempt(span, &changes, false).await {
            Err(Stop::Row) => {}
            Err(Stop::Error(e)) => return Err(e),
            Ok(held) => return Ok(held),
        }
        let changes = self.changes(waiting, true)?;
        match self.attempt(span, &changes, true).await {
            Err(Stop::Row) => Err(Error::bug("a row was refused outside of its savepoint")),
            Err(Stop::Error(e)) => Err(e),
            Ok(held) => Ok(held),
        }
    }

    fn changes(&self, waiting: &[&EpochOutput], all: bool) -> Result<Vec<Option<Changes>>> {
        let targets = self.targets.iter().enumerate();
        targets.map(|(i, target)| net(target, i, waiting, all)).collect()
    }

    /// The session is put back only when its transaction has ended; dropping it rolls back.
    async fn attempt(
        &mut self,
        (first, last): (Epoch, Epoch),
        changes: &[Option<Changes>],
        careful: bool,
    ) -> Result<Epoch, Stop> {
        let mut session = self.take_session().await?;
        // Deferred constraints must speak at the row they are about.
        let begin = if careful { "BEGIN; SET CONSTRAINTS ALL IMMEDIATE" } else { "BEGIN" };
        session.simple(&self.access, begin).await?;
        if let Guard::Held(epoch) = self.guard(&session, first, last).await? {
            session.simple(&self.access, "ROLLBACK").await?;
            self.session = Some(session);
            return Ok(epoch);
        }
        let mut rejected = Vec::new();
        let mut writer = Writer {
            access: &self.access,
            session: &mut session,
            careful,
            rejected: &mut rejected,
        };
        for (target, changes) in self.targets.iter().zip(changes) {
            let Some(changes) = changes else { continue };
            if let Err(stop) = writer.write(target, changes).await {
                if session.simple(&self.access, "ROLLBACK").await.is_ok() {
                    self.session = Some(session);
                }
                return Err(stop);
            }
        }
        record_rejected(&self.access, &session, &self.spec.pipeline, &rejected).await?;
        self.spec.env.at(CrashPoint::BeforeSinkCommit)?;
        match session.client.batch_execute("COMMIT").await {
            Ok(()) => {}
            // A deferred constraint: the transaction is gone, the session is not.
            Err(e) if refuses_row(&e) => {
                self.session = Some(session);
                return Err(if careful { self.refused_commit(&e).into() } else { Stop::Row });
            }
            Err(e) => return Err(self.access.fault("could not commit", e).into()),
        }
        self.spec.env.at(CrashPoint::AfterSinkCommit)?;
        self.session = Some(session);
        Ok(last)
    }

    /// A check that Postgres can make only at the end, so no row can be named.
    fn refused_commit(&self, error: &tokio_postgres::Error) -> Error {
        let said = error.as_db_error().map_or_else(|| error.to_string(), sentence);
        Error::data(format!("Postgres at {} refused to commit: {said}", self.access.place()))
    }

    /// The first statement of a transaction: takes the row of (pipeline, domain, instance) to
    /// the last epoch, unless the first one is there already. This also decides what became of
    /// a COMMIT whose answer was lost.
    async fn guard(&self, session: &Session, first: Epoch, last: Epoch) -> Result<Guard> {
        let fault = |e| self.access.fault("could not write to brooklet_commits", e);
        let (pipeline, domain) = (&self.spec.pipeline, &self.domain);
        let (instance, generation) = (&self.spec.instance.0, self.spec.generation as i64);
        let (first, last) = (first.0 as i64, last.0 as i64);
        let client = &session.client;
        let touched = client
            .execute(
                "UPDATE brooklet_commits SET epoch = $4, generation = $5, committed_at = now() \
                 WHERE pipeline = $1 AND domain = $2 AND instance = $3 AND epoch < $6 \
                 AND generation <= $5",
                &[pipeline, domain, instance, &last, &generation, &first],
            )
            .await
            .map_err(fault)?;
        if touched == 1 {
            return Ok(Guard::Open);
        }
        let row = client
            .query_opt(
                "SELECT epoch, generation FROM brooklet_commits \
                 WHERE pipeline = $1 AND domain = $2 AND instance = $3",
                &[pipeline, domain, instance],
            )
            .await
            .map_err(fault)?;
        if let Some(row) = row {
            let (epoch, owner): (i64, i64) = (row.get(0), row.get(1));
            if owner > generation {
                return Err(Error::fenced(format!(
                    "Postgres at {}: a newer start of pipeline '{pipeline}' owns the commits",
                    self.access.place()
                )));
            }
            return Ok(Guard::Held(Epoch(epoch as u64)));
        }
        let inserted = client
            .execute(
                "INSERT INTO brooklet_commits (pipeline, domain, instance, epoch, generation) \
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                &[pipeline, domain, instance, &last, &generation],
            )
            .await
            .map_err(fault)?;
        match inserted {
            1 => Ok(Guard::Open),
            _ => Err(Error::outside("another session wrote the first epoch at the same moment")),
        }
    }
}
