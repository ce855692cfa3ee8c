//! One case: a query over random rows, disturbed as its seed says, to the end of its sources.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arrow::datatypes::SchemaRef;

use brooklet_core::env::CrashPoint;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Env, Error, ErrorKind, Result};
use brooklet_engine::run::edit::Agreed;
use brooklet_engine::run::start::{Start, start};
use brooklet_engine::run::status::Status;
use brooklet_engine::run::{Connections, RunConfig};
use brooklet_engine::views::Views;
use brooklet_pipeline::compile::SqlFile;
use brooklet_plan::StreamPlan;

use crate::coverage::Coverage;
use crate::kept;
use crate::owner::{Asleep, Owner};
use crate::rows::{self, Row};
use crate::store::{SimStore, TORN};
use crate::tables::{Content, Gate, Log, SimTables};
use crate::turns::{one_turn, taking_turns};
use crate::world::{Clock, SimWorld, lock};
use brooklet_testkit::dice::Dice;

/// Steps after which a case that does not end is a failure.
const STEPS: u32 = 100_000;

/// What is run.
pub struct Case {
    /// Tables with rows have 'connector' = 'memory'.
    pub plan: StreamPlan,
    pub logs: Arc<BTreeMap<String, Log>>,
    pub seed: u64,
    /// Where the first crashes come in the rotation of points.
    pub turn: u64,
    pub trouble: Trouble,
    /// Opens what is not 'memory'.
    pub real: Option<Real>,
}

/// Opens the connectors of the build, with the clock of a simulated process.
pub type Real = Arc<dyn Fn(Env) -> Arc<dyn Connections> + Send + Sync>;

/// How much goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Trouble {
    /// Deaths at named points; others come on top of them.
    pub crashes: u32,
    pub faults: u32,
    pub tears: u32,
    /// Steps of a hundred at which the process is killed or another starts beside it.
    pub takeovers: u32,
    /// Only this point, not one after the other.
    pub only: Option<CrashPoint>,
    /// Restarts have (or have not) another number of shards; None: half of them.
    pub reshard: Option<bool>,
}

impl Trouble {
    pub const NONE: Trouble =
        Trouble { crashes: 0, faults: 0, tears: 0, takeovers: 0, only: None, reshard: None };
    pub const SOME: Trouble =
        Trouble { crashes: 4, faults: 6, tears: 1, takeovers: 1, only: None, reshard: None };
}

/// What a case came to.
pub struct Outcome {
    /// By sink table.
    pub rows: BTreeMap<String, Vec<Row>>,
    /// By sink table: all changes that were made visible.
    pub changes: BTreeMap<String, Vec<Delta>>,
    pub accounts: BTreeMap<String, u64>,
    /// Rows that came too late.
    pub late: u64,
    pub journal: BTreeMap<String, bytes::Bytes>,
    /// By sink, then epoch: everything that was made visible, as text.
    pub visible: BTreeMap<String, String>,
    pub state: BTreeMap<String, Vec<u8>>,
    pub coverage: Coverage,
}

struct Simulation<'a> {
    case: &'a Case,
    plan: StreamPlan,
    dice: Dice,
    clock: Clock,
    store: SimStore,
    logs: Arc<BTreeMap<String, Log>>,
    sinks: Arc<Mutex<BTreeMap<String, Content>>>,
    source_dice: Arc<Mutex<Dice>>,
    faults: Arc<Mutex<u32>>,
    config: RunConfig,
    coverage: Coverage,
    crashes_left: u32,
    turn: u64,
    /// Older processes that do not know yet that they lost the pipeline.
    ghosts: Vec<Ghost>,
    /// Of the youngest process.
    views: Views,
}

struct Ghost {
    owner: Owner,
    asleep: Option<Asleep>,
    turns: u32,
}

/// Plans the SQL of a case.
pub fn plan(sql: &str) -> Result<StreamPlan> {
    let file = SqlFile { text: sql.to_string(), name: "sim.sql".into() };
    Ok(brooklet_pipeline::compile(&[file], &|_| None)?.plan)
}

/// Runs a case to its end. An error is a failure of the property.
pub async fn run(case: &Case) -> Result<Outcome> {
    let plan = case.plan.clone();
    let mut dice = Dice::new(case.seed);
    let store = SimStore::new(dice.draw());
    store.trouble(case.trouble.faults, case.trouble.tears);
    let config = config(&mut dice, 0);
    let mut simulation = Simulation {
        case,
        plan,
        clock: Clock::new(1_700_000_000_000),
        store,
        logs: case.logs.clone(),
        sinks: Arc::default(),
        source_dice: Arc::new(Mutex::new(Dice::new(dice.draw()))),
        faults: Arc::new(Mutex::new(case.trouble.faults)),
        config,
        coverage: Coverage::default(),
        crashes_left: case.trouble.crashes,
        turn: case.turn,
        ghosts: Vec::new(),
        views: Views::default(),
        dice,
    };
    simulation.run().await
}

/// Small epochs, few shards; a snapshot every so many milliseconds of a live run.
pub fn config(dice: &mut Dice, snapshot_interval_ms: Millis) -> RunConfig {
    RunConfig {
        pipeline: "sim".into(),
        shards: 1 + dice.below(4) as u32,
        max_rows: *dice.pick(&[4, 12, 60]),
        max_bytes: 1 << 20,
        epoch_interval_ms: 0,
        snapshot_interval_ms,
        retained: *dice.pick(&[1, 1, 2, 3]),
        memory_limit_bytes: 0,
        start_timeout_ms: 0,
        fresh: false,
        agreed: Agreed::default(),
    }
}

impl Simulation<'_> {
    async fn run(&mut self) -> Result<Outcome> {
        let mut owner = self.start().await?;
        let mut steps = 0;
        while !owner.is_done() {
            steps += 1;
            if steps > STEPS {
                return Err(Error::bug("the simulated pipeline comes to no end"));
            }
            self.clock.advance(self.dice.between(0, 700));
            self.haunt().await?;
            let chance = f64::from(self.case.trouble.takeovers) / 100.0;
            let misfortune = self.crashes_left > 0 && self.dice.chance(chance);
            if misfortune {
                owner = self.misfortune(owner).await?;
                continue;
            }
            if let Err(e) = owner.step(&mut self.dice).await {
                self.mourn(e, &owner.world)?;
                drop(owner);
                owner = self.start().await?;
            }
            kept::check(&self.plan, &self.views, &lock(&self.sinks))?;
        }
        while !self.ghosts.is_empty() {
            self.haunt().await?;
        }
        self.outcome(owner).await
    }

    /// The next process, started until it lives.
    async fn start(&mut self) -> Result<Owner> {
        loop {
            let world = self.world();
            let env = Env::new(world.clone());
            let gate = Gate::open();
            let connections = SimTables {
                logs: self.logs.clone(),
                sinks: self.sinks.clone(),
                dice: self.source_dice.clone(),
                faults: self.faults.clone(),
                gate: gate.clone(),
                env: env.clone(),
                real: self.case.real.as_ref().map(|open| open(env.clone())),
            };
            let status = Status::default();
            status.tables().want();
            let views = status.tables().clone();
            let started = start(Start {
                plan: self.plan.clone(),
                config: self.config.clone(),
                store: Arc::new(self.store.clone()),
                connections: Arc::new(connections),
                row_text: None,
                env: env.clone(),
                status,
            });
            match self.beside(started).await? {
                Ok(ready) => {
                    self.views = views;
                    return Ok(Owner::new(ready, world, env, gate));
                }
                Err(e) => self.mourn(e, &world)?,
            }
        }
    }

    /// Older processes go on while the next one starts.
    async fn beside<T>(&mut self, start: impl Future<Output = T>) -> Result<T> {
        let mut ghosts = std::mem::take(&mut self.ghosts);
        let mut dice = Dice::new(self.dice.draw());
        let coverage = &mut self.coverage;
        let others = async {
            for _ in 0..dice.below(20) {
                ghosts = haunt(ghosts, &mut dice, coverage).await?;
            }
            Ok::<_, Error>(ghosts)
        };
        let (started, left) = taking_turns(start, others).await;
        self.ghosts = left?;
        Ok(started)
    }

    /// The next process's fate: it dies at the next point of the rotation.
    fn world(&mut self) -> SimWorld {
        let points: Vec<CrashPoint> = match self.case.trouble.only {
            Some(point) => vec![point],
            None => CrashPoint::ALL.into_iter().filter(|p| *p != CrashPoint::MidUpload).collect(),
        };
        let dies_at = (self.crashes_left > 0).then(|| {
            let point = points[self.turn as usize % points.len()];
            (point, 1 + self.dice.below(3) as u32)
        });
        SimWorld::new(self.clock.clone(), self.dice.draw(), dies_at)
    }

    /// A death that was meant to be leads to a restart; anything else is a failure.
    fn mourn(&mut self, e: Error, world: &SimWorld) -> Result<()> {
        let Some(point) = world.dead() else {
            // A supervisor restarts what stopped for a service's sake, and after a power cut.
            let restarts = e.kind == ErrorKind::Outside || e.message == TORN;
            return if restarts { Ok(()) } else { Err(e) };
        };
        let by_chance = self.dice.chance(0.5);
        let reshard = self.case.trouble.reshard.unwrap_or(by_chance);
        self.turn += 1;
        self.crashes_left = self.crashes_left.saturating_sub(1);
        if reshard {
            self.config.shards = 1 + (self.config.shards + self.dice.below(3) as u32) % 4;
        }
        self.coverage.crash(&self.plan, point, reshard);
        Ok(())
    }

    /// The process is killed at any moment, or another one starts beside it.
    async fn misfortune(&mut self, mut owner: Owner) -> Result<Owner> {
        match self.dice.below(3) {
            0 => drop(owner),
            kind => {
                owner.world.spare();
                let asleep = match kind {
                    1 => None,
                    _ => owner.sleep(&mut self.dice),
                };
                let turns = 1 + self.dice.below(30) as u32;
                self.ghosts.push(Ghost { owner, asleep, turns });
            }
        }
        self.start().await
    }

    async fn haunt(&mut self) -> Result<()> {
        let ghosts = std::mem::take(&mut self.ghosts);
        self.ghosts = haunt(ghosts, &mut self.dice, &mut self.coverage).await?;
        Ok(())
    }

    async fn outcome(&mut self, mut owner: Owner) -> Result<Outcome> {
        let (accounts, state) = (owner.accounts()?, owner.state()?);
        let late = owner.late();
        drop(owner);
        self.crashes_left = 0;
        self.store.trouble(0, 0);
        *lock(&self.faults) = 0;
        let again = self.start().await?;
        if !again.recovered.finished {
            return Err(Error::bug("a finished pipeline did not know that it is"));
        }
        if again.accounts()? != accounts {
            return Err(Error::bug("a restart after the end changed the accounts"));
        }
        let sinks = lock(&self.sinks);
        kept::check(&self.plan, &self.views, &sinks)?;
        let faults = self.store.seen();
        let mut coverage = self.coverage.clone();
        coverage.ran(&self.plan);
        coverage.lost_answers += faults.before + faults.after;
        coverage.torn += faults.torn;
        coverage.late += late;
        let mut visible = BTreeMap::new();
        for (domain, content) in sinks.iter() {
            coverage.repeated += content.repeated;
            visible.insert(domain.clone(), format!("{:?}", content.epochs));
        }
        let changes = given(&self.plan, &sinks)?;
        let rows = summed(&self.plan, &sinks)?;
        let journal = self.store.journal();
        Ok(Outcome { rows, changes, accounts, late, journal, visible, state, coverage })
    }
}

/// Older processes go on; sleepers wake late. Returns those that still do not know.
async fn haunt(ghosts: Vec<Ghost>, dice: &mut Dice, coverage: &mut Coverage) -> Result<Vec<Ghost>> {
    let mut left = Vec::new();
    for mut ghost in ghosts {
        ghost.turns = ghost.turns.saturating_sub(1);
        let result = match ghost.asleep.take() {
            None => ghost.owner.step(dice).await,
            Some(mut asleep) if ghost.turns > 0 => {
                let ended = one_turn(&mut asleep).await;
                ghost.asleep = ended.is_none().then_some(asleep);
                ended.unwrap_or(Ok(()))
            }
            Some(asleep) => {
                ghost.owner.gate.set(true);
                coverage.sleepers += 1;
                asleep.await
            }
        };
        match result {
            Ok(()) if ghost.turns > 0 => left.push(ghost),
            Ok(()) => {}
            Err(e) if e.kind == ErrorKind::Fenced => coverage.fenced += 1,
            Err(e) if e.kind == ErrorKind::Outside || e.message == TORN => {}
            Err(e) => return Err(e.at("an older owner")),
        }
    }
    Ok(left)
}

/// What the changes given to each sink table come to.
pub fn summed(
    plan: &StreamPlan,
    sinks: &BTreeMap<String, Content>,
) -> Result<BTreeMap<String, Vec<Row>>> {
    let mut rows = BTreeMap::new();
    let given = given(plan, sinks)?;
    for table in plan.sinks().flat_map(|(_, spec)| &spec.tables) {
        let schema: SchemaRef = table.table.write_schema();
        if let Some(changes) = given.get(&table.table.name) {
            rows.insert(table.table.name.clone(), rows::sum(&schema, changes)?);
        }
    }
    Ok(rows)
}

/// The changes that each sink table was given.
fn given(
    plan: &StreamPlan,
    sinks: &BTreeMap<String, Content>,
) -> Result<BTreeMap<String, Vec<Delta>>> {
    let mut given = BTreeMap::new();
    for (_, spec) in plan.sinks() {
        let Some(content) = sinks.get(&spec.domain) else { continue };
        if let Some(fault) = &content.fault {
            return Err(Error::bug(fault.clone()));
        }
        for (number, table) in spec.tables.iter().enumerate() {
            let epochs = content.epochs.values();
            let changes: Vec<Delta> = epochs.flat_map(|tables| tables[number].clone()).collect();
            given.insert(table.table.name.clone(), changes);
        }
    }
    Ok(given)
}
