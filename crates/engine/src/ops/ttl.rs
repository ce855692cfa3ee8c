//! State that is forgotten when nothing touches it (`table.exec.state.ttl`).
//!
//! What has expired is absent on read; sweeping a few times per TTL only frees memory, so it may
//! happen at other moments after a restart. The clock is the epoch's `now`, or a watermark.

use brooklet_core::time::Millis;

/// A node's time to live.
pub struct Ttl {
    ms: Option<Millis>,
    sweep_at: Millis,
}

impl Ttl {
    /// None: state lives for ever.
    pub fn new(ms: Option<Millis>) -> Self {
        Ttl { ms, sweep_at: Millis::MIN }
    }
    pub fn is_set(&self) -> bool {
        self.ms.is_some()
    }
    /// Whether what was last touched at `touched` has expired.
    pub fn has_passed(&self, touched: Millis, now: Millis) -> bool {
        self.ms.is_some_and(|ms| now.saturating_sub(touched) > ms)
    }
    /// Whether it is time to look for expired state; starts the next round if so.
    pub fn sweep_is_due(&mut self, now: Millis) -> bool {
        let Some(ms) = self.ms.filter(|_| now >= self.sweep_at) else { return false };
        self.sweep_at = now.saturating_add((ms / 4).max(1_000));
        true
    }
}
