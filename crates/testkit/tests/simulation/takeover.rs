//! An older owner publishes its last snapshot and forgets what that covers, just while the next
//! owner reads what is stored: between any two of its requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use brooklet_core::{Env, Result};
use brooklet_engine::checkpoint::store::{Created, Store};
use brooklet_engine::run::RunConfig;
use brooklet_engine::run::start::{Start, start};
use brooklet_engine::run::status::Status;
use brooklet_testkit::dice::Dice;

use crate::driver;
use crate::owner::Owner;
use crate::points::{Setup, block_on};
use crate::queries::{Query, base};
use crate::store::SimStore;
use crate::tables::{Content, Gate, SimTables};
use crate::world::{Clock, SimWorld, lock};

/// Before its n-th request, the old owner goes on.
struct Between {
    store: SimStore,
    old: Mutex<Option<Owner>>,
    left: Mutex<u32>,
}

impl Between {
    async fn request(&self) {
        let left = {
            let mut left = lock(&self.left);
            *left = left.wrapping_sub(1);
            *left
        };
        let old = if left == u32::MAX { lock(&self.old).take() } else { None };
        let Some(mut old) = old else { return };
        for _ in 0..2 {
            // Uploads, then publishes and trims.
            old.snapshot().await.expect("what every sink holds may be published");
        }
    }
}

#[async_trait]
impl Store for Between {
    async fn create(&self, name: &str, content: Bytes) -> Result<Created> {
        self.request().await;
        self.store.create(name, content).await
    }
    async fn read(&self, name: &str) -> Result<Option<Bytes>> {
        self.request().await;
        self.store.read(name).await
    }
    async fn list(&self, prefix: &str) -> Result<Vec<String>> {
        self.request().await;
        self.store.list(prefix).await
    }
    async fn delete(&self, name: &str) -> Result<()> {
        self.request().await;
        self.store.delete(name).await
    }
}

/// What both owners see of the world.
struct Outside<'a> {
    setup: &'a Setup,
    sinks: Arc<Mutex<BTreeMap<String, Content>>>,
    dice: Dice,
    config: RunConfig,
}

impl Outside<'_> {
    async fn owner(&mut self, store: Arc<dyn Store>) -> Result<Owner> {
        let world = SimWorld::new(Clock::new(1_700_000_000_000), self.dice.draw(), None);
        let (env, gate) = (Env::new(world.clone()), Gate::open());
        let connections = SimTables {
            logs: self.setup.logs.clone(),
            sinks: self.sinks.clone(),
            dice: Arc::new(Mutex::new(Dice::new(self.dice.draw()))),
            faults: Arc::default(),
            gate: gate.clone(),
            env: env.clone(),
            real: None,
        };
        let ready = start(Start {
            plan: self.setup.plan.clone(),
            config: self.config.clone(),
            store,
            connections: Arc::new(connections),
            row_text: None,
            env: env.clone(),
            status: Status::default(),
        });
        Ok(Owner::new(ready.await?, world, env, gate))
    }

    async fn epochs(&mut self, owner: &mut Owner) -> Result<()> {
        for _ in 0..4 {
            owner.read().await?;
            owner.compute()?;
            owner.commit(&mut self.dice).await?;
        }
        Ok(())
    }
}

/// False when the next owner needs fewer requests than that.
async fn goes_on_between(setup: &Setup, nth: u32) -> Result<bool> {
    let mut dice = Dice::new(u64::from(nth));
    let config = RunConfig { max_rows: 12, retained: 1, ..driver::config(&mut dice, 0) };
    let mut outside = Outside { setup, sinks: Arc::default(), dice, config };
    let store = SimStore::new(1);
    let mut old = outside.owner(Arc::new(store.clone())).await?;
    outside.epochs(&mut old).await?;
    old.capture(true);
    old.snapshot().await?;
    old.snapshot().await?;
    outside.epochs(&mut old).await?;
    old.capture(true);
    let (left, old) = (Mutex::new(nth), Mutex::new(Some(old)));
    let between = Arc::new(Between { store, old, left });
    let mut next = outside.owner(between.clone()).await?;
    let went_on = lock(&between.old).is_none();
    while !next.is_done() {
        next.step(&mut outside.dice).await?;
    }
    let rows = driver::summed(&setup.plan, &lock(&outside.sinks))?;
    assert_eq!(setup.rows_differ(&rows), None, "before request {nth}");
    Ok(went_on)
}

#[test]
fn an_old_owner_may_publish_while_the_next_one_starts() {
    let query = Query::new("take over", vec![base("a").keyed(), base("b").filter("v > 5").rows()]);
    block_on(async {
        let setup = Setup::new(query, 3, 120, 2).await.unwrap();
        let mut nth = 0;
        loop {
            match goes_on_between(&setup, nth).await {
                Ok(true) => nth += 1,
                Ok(false) => break,
                Err(e) => panic!("before request {nth}: {e}"),
            }
        }
        assert!(nth > 5, "only {nth} requests");
    });
}
