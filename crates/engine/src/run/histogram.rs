//! How long things took, counted in fixed buckets.

use brooklet_core::time::Millis;

/// Upper bounds of the buckets, inclusive; one more bucket holds what took longer.
pub const BOUNDS_MS: [u64; 15] =
    [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// Counts by bucket, and the sum of what was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Histogram {
    pub counts: [u64; BOUNDS_MS.len() + 1],
    pub sum_ms: u64,
}

impl Histogram {
    /// Counts one duration; less than nothing (the clock was set back) is nothing.
    pub fn observe(&mut self, took: Millis) {
        let took = took.max(0) as u64;
        self.counts[BOUNDS_MS.partition_point(|bound| *bound < took)] += 1;
        self.sum_ms += took;
    }
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut h = Histogram::default();
        for ms in [-5, 0, 1, 2, 3, 5, 60_000, 60_001] {
            h.observe(ms);
        }
        assert_eq!(h.counts[..4], [3, 1, 2, 0]);
        assert_eq!(h.counts[14..], [1, 1]);
        assert_eq!((h.count(), h.sum_ms), (8, 120_012));
    }
}
