//! Which rows a bounded frame still takes, as Flink does: those whose time is above the last one
//! its key has been called at, whatever the watermark says.
//!
//! A key is called at each time that a row of it has, once the watermark reaches it: at once for
//! a row behind the watermark, when the watermark moves next. A RANGE frame is called half its
//! length later as well, to forget the key, and that counts as a call.

use std::collections::BTreeMap;

use brooklet_core::time::Millis;

/// Calls of one key.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Calls {
    /// The last time it was called at; 0 before.
    pub last: Millis,
    /// When it is forgotten; 0: no row has come.
    pub forgotten_at: Millis,
    /// How often it has been forgotten.
    pub life: i64,
    /// Calls to come, and the watermark when they were asked for.
    pub due: BTreeMap<Millis, Millis>,
}

impl Calls {
    /// Whether a row is taken that comes when the watermark is `watermark`; `range`: the length of
    /// a RANGE frame.
    pub fn take(&mut self, time: Millis, watermark: Millis, range: Option<Millis>) -> bool {
        self.reach(watermark);
        if time <= self.last {
            return false;
        }
        self.ask(time, watermark);
        if let Some(range) = range {
            let soonest = time.saturating_add(range).saturating_add(1);
            if self.forgotten_at == 0 || self.forgotten_at < soonest {
                self.forgotten_at = soonest.saturating_add(range / 2);
                self.ask(self.forgotten_at, watermark);
            }
        }
        true
    }

    fn ask(&mut self, time: Millis, watermark: Millis) {
        self.due.entry(time).or_insert(watermark);
    }

    /// Makes the calls that are due at a watermark.
    pub fn reach(&mut self, watermark: Millis) {
        let reached: Vec<Millis> = self
            .due
            .range(..=watermark)
            .filter(|(_, asked)| **asked < watermark)
            .map(|(time, _)| *time)
            .collect();
        for time in reached {
            self.due.remove(&time);
            if self.forgotten_at != 0 && self.forgotten_at <= time {
                (self.last, self.forgotten_at) = (0, 0);
                self.life += 1;
            } else {
                self.last = self.last.max(time);
            }
        }
    }

    /// The calls to come as bytes; `rows`: those that rows ask for, which say so themselves.
    pub fn to_bytes(&self, rows: &dyn Fn(Millis) -> bool) -> Vec<u8> {
        let kept = self.due.iter().filter(|(time, _)| !rows(**time));
        kept.flat_map(|(time, asked)| [time.to_le_bytes(), asked.to_le_bytes()].concat()).collect()
    }

    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let number = |b: &[u8]| Millis::from_le_bytes(b.try_into().unwrap_or_default());
        for pair in bytes.chunks_exact(16) {
            self.due.insert(number(&pair[..8]), number(&pair[8..]));
        }
    }
}
