//! The outside of a simulated process: a clock that the driver moves, seeded chance, and the
//! moment at which the process dies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use brooklet_core::env::{CrashPoint, World};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};

use brooklet_testkit::dice::Dice;

/// Shared by all processes of a simulation.
#[derive(Clone)]
pub struct Clock {
    now: Arc<Mutex<Millis>>,
    /// Time that passes with every look at it.
    tick: Millis,
}

impl Clock {
    pub fn new(at: Millis) -> Self {
        Clock::ticking(at, 0)
    }
    pub fn ticking(at: Millis, tick: Millis) -> Self {
        Clock { now: Arc::new(Mutex::new(at)), tick }
    }
    pub fn now(&self) -> Millis {
        let mut now = lock(&self.now);
        *now += self.tick;
        *now
    }
    pub fn advance(&self, by: Millis) {
        *lock(&self.now) += by;
    }
}

/// One process; clones are the same one.
#[derive(Clone)]
pub struct SimWorld(Arc<Mutex<Process>>);

struct Process {
    clock: Clock,
    dice: Dice,
    /// Dies when it comes to this point for the n-th time.
    dies_at: Option<(CrashPoint, u32)>,
    passed: BTreeMap<CrashPoint, u32>,
    dead: Option<CrashPoint>,
}

impl SimWorld {
    pub fn new(clock: Clock, seed: u64, dies_at: Option<(CrashPoint, u32)>) -> Self {
        SimWorld(Arc::new(Mutex::new(Process {
            clock,
            dice: Dice::new(seed),
            dies_at,
            passed: BTreeMap::new(),
            dead: None,
        })))
    }
    /// Where it died, if it did.
    pub fn dead(&self) -> Option<CrashPoint> {
        lock(&self.0).dead
    }
    /// No death is due any more.
    pub fn spare(&self) {
        lock(&self.0).dies_at = None;
    }
}

impl World for SimWorld {
    fn now(&self) -> Millis {
        lock(&self.0).clock.now()
    }
    fn random(&self) -> u64 {
        lock(&self.0).dice.draw()
    }
    fn pause(&self, delay: Duration) -> Duration {
        lock(&self.0).clock.advance(delay.as_millis() as Millis);
        Duration::ZERO
    }
    fn at(&self, point: CrashPoint) -> Result<()> {
        let mut process = lock(&self.0);
        let passed = process.passed.entry(point).or_default();
        *passed += 1;
        let passed = *passed;
        if process.dead.is_none() && process.dies_at == Some((point, passed)) {
            process.dead = Some(point);
        }
        match process.dead {
            None => Ok(()),
            Some(dead) => Err(Error::bug(format!("simulated crash at {}", dead.name()))),
        }
    }
}

/// A panic elsewhere leaves plain values behind.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
