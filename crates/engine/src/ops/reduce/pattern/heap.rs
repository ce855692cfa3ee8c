//! A binary heap of runs by the row they began with.
//!
//! Runs that began with the same row have no order of their own, and which of their matches comes
//! first decides what is skipped: this heap moves its elements as `java.util.PriorityQueue` does,
//! which Flink keeps runs in.

use super::runs::Run;

#[derive(Debug, Clone, Default)]
pub struct Heap(Vec<Run>);

impl Heap {
    /// From the order in which [`Heap::iter`] gave them.
    pub fn from_saved(runs: Vec<Run>) -> Self {
        Heap(runs)
    }
    pub fn peek(&self) -> Option<&Run> {
        self.0.first()
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// As they stand in the heap.
    pub fn iter(&self) -> std::slice::Iter<'_, Run> {
        self.0.iter()
    }

    pub fn push(&mut self, run: Run) {
        self.0.push(run);
        let mut at = self.0.len() - 1;
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.0[at].began() >= self.0[parent].began() {
                break;
            }
            self.0.swap(at, parent);
            at = parent;
        }
    }

    pub fn pop(&mut self) -> Option<Run> {
        if self.0.is_empty() {
            return None;
        }
        let first = self.0.swap_remove(0);
        self.sink(0);
        Some(first)
    }

    /// Removes the others, then orders what is left from the bottom.
    pub fn retain(&mut self, keep: impl Fn(&Run) -> bool) {
        let before = self.0.len();
        self.0.retain(keep);
        if self.0.len() < before {
            (0..self.0.len() / 2).rev().for_each(|at| self.sink(at));
        }
    }

    fn sink(&mut self, from: usize) {
        let (mut at, half) = (from, self.0.len() / 2);
        while at < half {
            let mut child = 2 * at + 1;
            if child + 1 < self.0.len() && self.0[child].began() > self.0[child + 1].began() {
                child += 1;
            }
            if self.0[at].began() <= self.0[child].began() {
                break;
            }
            self.0.swap(at, child);
            at = child;
        }
    }
}
