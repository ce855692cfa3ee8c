//! Makes epochs durable, then visible: journal first (I2), then every sink (I3).

use std::sync::Arc;
use std::time::Duration;

use brooklet_core::env::CrashPoint;
use brooklet_core::sink::EpochOutput;
use brooklet_core::time::Millis;
use brooklet_core::{Env, Epoch, EpochRecord, Error, ErrorKind, Instance, Result, Sink};

use super::status::{Progress, Status};
use crate::checkpoint::journal::Journal;
use crate::letters::Letter;
use crate::planted::{self, Mistake};
use crate::views::Tables;

/// A computed epoch on its way out.
pub struct Outgoing {
    pub record: EpochRecord,
    /// In the order of the plan's sinks.
    pub outputs: Vec<EpochOutput>,
    /// Records set aside that go to the log.
    pub logged: Vec<Letter>,
    /// The built-in tables after it, if it changed them and they are read.
    pub tables: Option<Arc<Tables>>,
}

/// A commit domain and what it holds.
pub struct Domain {
    pub name: String,
    /// Names, as the sink was opened with them.
    pub tables: Vec<String>,
    pub sink: Box<dyn Sink>,
    pub held: Epoch,
}

pub struct Committer {
    journal: Journal,
    domains: Vec<Domain>,
    committed: Epoch,
    env: Env,
    status: Status,
}

impl Domain {
    /// Asks a sink what it holds; refuses another instance's number and one beyond the journal's
    /// end (I5).
    pub async fn open(
        name: String,
        tables: Vec<String>,
        mut sink: Box<dyn Sink>,
        instance: &Instance,
        journal_end: Epoch,
    ) -> Result<Domain> {
        let held = match sink.committed().await? {
            None => Epoch(0),
            Some((of, epoch)) if of == *instance && epoch <= journal_end => epoch,
            Some((of, epoch)) => {
                let what = match of == *instance {
                    true => format!("epoch {epoch}, but the journal ends at {journal_end}"),
                    false => format!("epoch {epoch} of another instance ({of})"),
                };
                return Err(Error::corrupt(format!(
                    "{name} holds {what}: the state directory was lost or is not the one this \
                     pipeline wrote with. Bring it back, or start with --fresh (new instance, \
                     empty state, sources from scan.startup.mode; rows already written stay)"
                )));
            }
        };
        Ok(Domain { name, tables, sink, held })
    }
}

impl Committer {
    pub fn new(
        journal: Journal,
        domains: Vec<Domain>,
        committed: Epoch,
        env: Env,
        status: Status,
    ) -> Self {
        let tables = domains.iter().flat_map(|d| &d.tables);
        let written = tables.map(|table| (table.clone(), 0)).collect();
        status.update(|p| p.written = written);
        Committer { journal, domains, committed, env, status }
    }

    pub fn committed(&self) -> Epoch {
        self.committed
    }
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Records epochs, then commits them to every sink; durable on return.
    pub async fn commit(&mut self, epochs: Vec<Outgoing>) -> Result<()> {
        let polled_at: Vec<Millis> = epochs.iter().map(|e| e.record.now).collect();
        let started_at = self.env.now();
        self.commit_group(epochs).await?;
        let now = self.env.now();
        self.status.update(|p| {
            p.commit_took.observe(now - started_at);
            polled_at.iter().for_each(|polled_at| p.epoch_took.observe(now - polled_at));
        });
        Ok(())
    }

    async fn commit_group(&mut self, epochs: Vec<Outgoing>) -> Result<()> {
        self.env.at(CrashPoint::AfterOperators)?;
        let records: Vec<EpochRecord> = epochs.iter().map(|e| e.record.clone()).collect();
        if planted::has(Mistake::RecordAfterSinks) {
            self.publish(epochs).await?;
            self.env.at(CrashPoint::AfterJournal)?;
            return self.record(&records).await;
        }
        self.record(&records).await?;
        self.env.at(CrashPoint::AfterJournal)?;
        self.publish(epochs).await
    }

    /// Commits epochs whose records are durable already: the journal's tail.
    pub async fn publish(&mut self, epochs: Vec<Outgoing>) -> Result<()> {
        let Some(last) = epochs.last().map(|e| e.record.epoch) else { return Ok(()) };
        epochs.iter().flat_map(|e| &e.logged).for_each(log_letter);
        let changed = epochs.iter().rev().find_map(|e| Some((e.record.epoch, e.tables.clone()?)));
        let mut of_domain: Vec<Vec<EpochOutput>> = vec![Vec::new(); self.domains.len()];
        for epoch in epochs {
            for (domain, output) in of_domain.iter_mut().zip(epoch.outputs) {
                domain.push(output);
            }
        }
        for (i, (domain, outputs)) in self.domains.iter_mut().zip(of_domain).enumerate() {
            if i > 0 {
                self.env.at(CrashPoint::BetweenSinks)?;
            }
            commit_domain(domain, outputs, &self.env, &self.status).await?;
        }
        self.committed = last;
        if let Some((epoch, tables)) = changed {
            self.status.tables().publish(epoch, tables);
        }
        let now = self.env.now();
        self.status.update(|p| p.show_committed(last, now));
        Ok(())
    }

    async fn record(&mut self, records: &[EpochRecord]) -> Result<()> {
        let mut outage = Outage::new("journal");
        loop {
            match self.journal.append(records).await {
                Err(e) if is_outage(&e) => outage.wait(&e, &self.env, &self.status).await,
                result => {
                    outage.over(&self.status);
                    return result;
                }
            }
        }
    }
}

/// Commits what a domain does not hold yet. An epoch that changes nothing is not worth a
/// transaction.
async fn commit_domain(
    domain: &mut Domain,
    mut outputs: Vec<EpochOutput>,
    env: &Env,
    status: &Status,
) -> Result<()> {
    let held = domain.held;
    outputs.retain(|o| o.epoch > held && o.tables.iter().any(|t| !t.is_empty()));
    let Some(last) = outputs.last().map(|o| o.epoch) else { return Ok(()) };
    let mut outage = Outage::new(&domain.name);
    loop {
        match domain.sink.commit(&outputs).await {
            Err(e) if is_outage(&e) => outage.wait(&e, env, status).await,
            Err(e) => return Err(e.at(domain.name.clone())),
            Ok(()) => {
                outage.over(status);
                domain.held = last;
                status.update(|p| show_written(p, &domain.tables, &outputs));
                return Ok(());
            }
        }
    }
}

fn show_written(p: &mut Progress, tables: &[String], outputs: &[EpochOutput]) {
    for (i, table) in tables.iter().enumerate() {
        let rows = outputs.iter().map(|o| o.tables[i].rows() as u64).sum::<u64>();
        p.rows_out += rows;
        if let Some(written) = p.written.get_mut(table) {
            *written += rows;
        }
    }
}

fn is_outage(e: &Error) -> bool {
    e.kind == ErrorKind::Outside && e.retry
}

fn log_letter(letter: &Letter) {
    let bytes = letter.bytes.as_deref().map(String::from_utf8_lossy);
    let record = bytes.as_deref().or(letter.row.as_deref()).unwrap_or_default();
    let shown: String = record.chars().take(200).collect();
    let split = letter.split.as_ref().map(ToString::to_string).unwrap_or_default();
    tracing::warn!(
        target: "set_aside",
        kind = letter.kind.name(), table = %letter.table, %split, offset = letter.offset,
        node = %letter.node, reason = %letter.reason, record = %shown,
        "record set aside"
    );
}

/// Backoff of one outage: from 100 ms to 5 s, one warning a minute.
pub struct Outage {
    what: String,
    tries: u32,
    waited: Duration,
    warned: Option<Duration>,
}

impl Outage {
    pub fn new(what: &str) -> Self {
        Outage { what: what.to_string(), tries: 0, waited: Duration::ZERO, warned: None }
    }

    pub async fn wait(&mut self, error: &Error, env: &Env, status: &Status) {
        if self.warned.is_none_or(|at| self.waited - at >= Duration::from_secs(60)) {
            tracing::warn!("{}: {error}; trying again, sources are held", self.what);
            self.warned = Some(self.waited);
        }
        let now = env.now();
        status.update(|p| {
            p.outage = Some(format!("{}: {error}", self.what));
            p.outage_since.get_or_insert(now);
        });
        let delay = Duration::from_millis(100 << self.tries.min(6)).min(Duration::from_secs(5));
        self.tries += 1;
        self.waited += delay;
        pause(env.pause(delay)).await;
    }

    pub fn over(&self, status: &Status) {
        if self.tries > 0 {
            tracing::info!("{}: back after {:?}", self.what, self.waited);
            status.update(|p| (p.outage, p.outage_since) = (None, None));
        }
    }
}

/// Waiting decides when something is tried, never what an epoch holds.
#[allow(clippy::disallowed_methods, reason = "no record and no state depends on this wait")]
pub async fn pause(delay: Duration) {
    match delay.is_zero() {
        true => tokio::task::yield_now().await,
        false => tokio::time::sleep(delay).await,
    }
}
