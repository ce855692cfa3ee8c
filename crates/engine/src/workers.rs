//! Threads that take whole jobs and give them back in order.
//!
//! They sleep between jobs: a pool that spins for the next one would spend, at the rhythm of
//! epochs, a tenth of the process's time on waiting.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use brooklet_core::{Error, Result};

type Job = Box<dyn FnOnce() + Send>;

/// Threads beside the caller's own.
pub struct Workers {
    jobs: Vec<Sender<Job>>,
}

impl Workers {
    /// `count` workers: the caller's thread and further ones.
    pub fn new(name: &str, count: usize) -> Result<Self> {
        let start = |number: usize| {
            let (jobs, taken) = channel::<Job>();
            let thread = std::thread::Builder::new().name(format!("{name}-{number}"));
            thread
                .spawn(move || taken.iter().for_each(|job| job()))
                .map_err(|e| Error::outside("a thread cannot be started").caused_by(e))?;
            Ok(jobs)
        };
        Ok(Workers { jobs: (1..count).map(start).collect::<Result<_>>()? })
    }

    /// Does `work` on each item at once, the first on the caller's thread; waits for all and
    /// gives the results in order. There must be no more items than workers. A panic goes on in
    /// the caller.
    pub fn each<T, R>(&self, items: Vec<T>, work: impl Fn(T) -> R + Send + Sync + 'static) -> Vec<R>
    where
        T: Send + 'static,
        R: Send + 'static,
    {
        let work = Arc::new(work);
        let mut items = items.into_iter();
        let Some(first) = items.next() else { return Vec::new() };
        let mut waiting = Vec::with_capacity(items.len());
        let mut threads = self.jobs.iter();
        for item in items {
            let (done, result) = channel();
            let job = {
                let work = work.clone();
                move || {
                    let outcome = catch_unwind(AssertUnwindSafe(|| work(item)));
                    // Nobody waits for it only when the caller has panicked.
                    let _ = done.send(outcome);
                }
            };
            let thread = threads.next().expect("no more items than workers");
            thread.send(Box::new(job)).expect("workers live as long as their pool");
            waiting.push(result);
        }
        let mut results = vec![work(first)];
        for result in waiting {
            match result.recv().expect("a worker answers, even after a panic") {
                Ok(result) => results.push(result),
                Err(panic) => resume_unwind(panic),
            }
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::Workers;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let workers = Workers::new("test", 3).unwrap();
        for _ in 0..100 {
            assert_eq!(workers.each(vec![1, 2, 3], |n| n * 10), [10, 20, 30]);
        }
        assert_eq!(workers.each(vec![7], |n| n), [7]);
        assert!(workers.each(Vec::<i32>::new(), |n| n).is_empty());
    }

    #[test]
    fn a_panic_reaches_the_caller_and_workers_live_on() {
        let workers = Workers::new("test", 2).unwrap();
        let fail = |n: i32| if n == 2 { panic!("two") } else { n };
        let call = std::panic::AssertUnwindSafe(|| workers.each(vec![1, 2], fail));
        assert!(std::panic::catch_unwind(call).is_err());
        assert_eq!(workers.each(vec![1, 3], fail), [1, 3]);
    }
}
