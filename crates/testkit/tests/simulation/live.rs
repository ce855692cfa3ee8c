//! The schedule of a real run, its four tasks on threads, killed at each point.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use brooklet_core::env::CrashPoint;
use brooklet_core::{Env, Error, ErrorKind, Result};
use brooklet_engine::run::start::{Start, start};
use brooklet_engine::run::status::Status;
use brooklet_engine::run::{RunConfig, Stopped, live};
use brooklet_testkit::dice::Dice;

use crate::driver;
use crate::points::{Setup, block_on};
use crate::queries::{Query, Window, base};
use crate::rows::Row;
use crate::store::{SimStore, TORN};
use crate::tables::{Content, Gate, SimTables};
use crate::world::{Clock, SimWorld, lock};

/// Restarts after which a run that does not end is a failure.
const STARTS: u32 = 200;

/// What the runs of one pipeline share.
struct Outside {
    clock: Clock,
    store: SimStore,
    sinks: Arc<Mutex<BTreeMap<String, Content>>>,
    dice: Dice,
    faults: Arc<Mutex<u32>>,
    config: RunConfig,
    /// Deaths still to come.
    crashes: u32,
    died: u32,
}

impl Outside {
    fn new(seed: u64) -> Outside {
        let mut dice = Dice::new(seed);
        let store = SimStore::new(dice.draw());
        store.trouble(6, 1);
        Outside {
            clock: Clock::ticking(1_700_000_000_000, 1),
            store,
            sinks: Arc::default(),
            config: driver::config(&mut dice, 5),
            faults: Arc::new(Mutex::new(6)),
            dice,
            crashes: 3,
            died: 0,
        }
    }

    /// One process, to its death or to the end.
    async fn process(&mut self, setup: &Setup, world: &SimWorld) -> Result<Stopped> {
        let env = Env::new(world.clone());
        let connections = SimTables {
            logs: setup.logs.clone(),
            sinks: self.sinks.clone(),
            dice: Arc::new(Mutex::new(Dice::new(self.dice.draw()))),
            faults: self.faults.clone(),
            gate: Gate::open(),
            env: env.clone(),
            real: None,
        };
        let status = Status::default();
        let ready = start(Start {
            plan: setup.plan.clone(),
            config: self.config.clone(),
            store: Arc::new(self.store.clone()),
            connections: Arc::new(connections),
            row_text: None,
            env: env.clone(),
            status: status.clone(),
        })
        .await?;
        let (_keep, stop) = watch::channel(false);
        live::run(ready, &self.config, &env, &status, stop).await
    }

    /// Processes one after the other until one comes to the end.
    async fn run(
        &mut self,
        setup: &Setup,
        point: CrashPoint,
        reshard: bool,
    ) -> Result<BTreeMap<String, Vec<Row>>> {
        for _ in 0..STARTS {
            let dies_at = (self.crashes > 0).then(|| (point, 1 + self.dice.below(3) as u32));
            let world = SimWorld::new(self.clock.clone(), self.dice.draw(), dies_at);
            match self.process(setup, &world).await {
                Ok(Stopped::Finished | Stopped::AlreadyFinished) => {
                    return driver::summed(&setup.plan, &lock(&self.sinks));
                }
                Ok(Stopped::Asked) => return Err(Error::bug("nobody asked it to stop")),
                Err(_) if world.dead().is_some() => {
                    self.crashes -= 1;
                    self.died += 1;
                    if reshard {
                        self.config.shards = 1 + self.config.shards % 3;
                    }
                }
                Err(e) if e.kind == ErrorKind::Outside || e.message == TORN => {}
                Err(e) => return Err(e),
            }
        }
        Err(Error::bug("the pipeline comes to no end"))
    }
}

#[test]
fn a_live_run_dies_anywhere_and_ends_as_the_batch_answer() {
    let (a, b) = (base("a"), base("b"));
    let queries = [
        Query::new("windows", vec![a.first().windowed(Window::Hop), a.filter("v > 5").keyed()]),
        Query::new(
            "joins",
            vec![a.join("LEFT", &b.last()).keyed(), a.interval("INNER", &b).rows()],
        ),
    ];
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let threads = threads.worker_threads(2).enable_time().build().unwrap();
    let mut died: BTreeMap<&str, u32> = BTreeMap::new();
    for (number, query) in queries.into_iter().enumerate() {
        let setup = block_on(Setup::new(query, number as u64, 300, 3)).unwrap();
        for (turn, point) in CrashPoint::ALL.into_iter().enumerate() {
            for reshard in [false, true] {
                let seed = turn as u64 * 2 + u64::from(reshard);
                let mut outside = Outside::new(seed);
                let rows = threads.block_on(outside.run(&setup, point, reshard));
                let rows = rows.unwrap_or_else(|e| panic!("{} (seed {seed}): {e}", point.name()));
                assert_eq!(setup.rows_differ(&rows), None, "{} (seed {seed})", point.name());
                *died.entry(point.name()).or_default() += outside.died;
            }
        }
    }
    println!("live runs died at {died:?}");
    let points = CrashPoint::ALL.into_iter().filter(|p| *p != CrashPoint::MidUpload);
    points.for_each(|point| assert!(died[point.name()] > 0, "{died:?}"));
}
