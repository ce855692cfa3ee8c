//! One split whose offset is the row's number. Its name carries the moment of the first start, so
//! that a row's time is the same in every replay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use brooklet_core::connector::{Boxed, SourceSpec};
use brooklet_core::source::{
    Budget, Input, Payload, SplitId, SplitInput, SplitPosition, SplitRange,
};
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Env, Error, Result, Source};

use super::options::{self, Settings};
use super::rows::columns_of;

struct DatagenSource {
    settings: Settings,
    schema: SchemaRef,
    /// When row 0 was due, in the world of the first start.
    base: Millis,
    position: i64,
    /// Pacing: at that moment that row was next.
    since: Option<(Millis, i64)>,
    waker: Arc<dyn Fn() + Send + Sync>,
    /// A wake-up is on its way: one at a time, however often we are polled.
    armed: Arc<AtomicBool>,
    env: Env,
}

pub(super) fn open(spec: SourceSpec) -> Boxed<Box<dyn Source>> {
    Box::pin(async move {
        let settings = options::read(&spec.table)?;
        let known = spec.positions.as_ref().and_then(|p| p.first());
        let mut source = DatagenSource {
            settings,
            schema: spec.schema,
            base: spec.env.now(),
            position: 0,
            since: None,
            waker: spec.waker,
            armed: Arc::default(),
            env: spec.env,
        };
        if let Some(at) = known {
            source.base = base_of(&at.split)?;
            source.position = at.offset;
        }
        Ok(Box::new(source) as Box<dyn Source>)
    })
}

fn base_of(split: &SplitId) -> Result<Millis> {
    let base = split.0.strip_prefix("datagen-0@").and_then(|base| base.parse().ok());
    base.ok_or_else(|| Error::corrupt(format!("'{split}' is not a split of a datagen table")))
}

impl DatagenSource {
    fn due(&self, row: i64) -> Millis {
        let wait = i128::from(row) * 1000 / i128::from(self.settings.rows_per_second);
        self.base.saturating_add(wait as i64)
    }

    fn input(&mut self, from: i64, to: i64) -> Result<Input> {
        let payload =
            if to > from { Payload::Rows(vec![self.rows(from, to)?]) } else { Payload::None };
        self.position = to;
        let ended = self.settings.rows.is_some_and(|rows| to >= rows);
        let split = SplitId::new(format!("datagen-0@{}", self.base));
        let range = SplitRange { split, from, to };
        Ok(Input { splits: vec![SplitInput { range, payload, caught_up: true }], ended })
    }

    fn rows(&self, from: i64, to: i64) -> Result<Delta> {
        let due = |row| self.due(row);
        let columns = columns_of(&self.settings.columns, self.schema.fields(), (from, to), &due)?;
        let count = RecordBatchOptions::new().with_row_count(Some((to - from) as usize));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &count)?;
        Ok(Delta::inserts(rows))
    }

    /// Calls the waker when the next row is due.
    fn wake_in(&self, millis: i64) {
        // Only when to look again: what a poll gives depends on `Env` alone.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if self.armed.swap(true, Ordering::AcqRel) {
            return;
        }
        let (waker, armed) = (self.waker.clone(), self.armed.clone());
        runtime.spawn(async move {
            #[allow(clippy::disallowed_methods, reason = "decides no row")]
            tokio::time::sleep(Duration::from_millis(millis.max(1) as u64)).await;
            armed.store(false, Ordering::Release);
            waker();
        });
    }
}

#[async_trait]
impl Source for DatagenSource {
    async fn poll(&mut self, budget: Budget) -> Result<Input> {
        let now = self.env.now();
        let from = self.position;
        let (since, first) = *self.since.get_or_insert((now, from));
        let pace = i128::from(self.settings.rows_per_second);
        let passed = i128::from(now.saturating_sub(since).max(0));
        let allowed = i128::from(first) + 1 + passed * pace / 1000;
        let allowed = i64::try_from(allowed).unwrap_or(i64::MAX);
        let last = self.settings.rows.unwrap_or(i64::MAX);
        let room = i64::try_from(budget.max_rows).unwrap_or(i64::MAX);
        let to = allowed.min(last).min(from.saturating_add(room)).max(from);
        let input = self.input(from, to)?;
        if !input.ended {
            let next = i128::from(to - first) * 1000 / pace - passed;
            self.wake_in(next.clamp(1, 1_000) as i64);
        }
        Ok(input)
    }

    async fn replay(&mut self, ranges: &[SplitRange]) -> Result<Input> {
        let Some(range) = ranges.first() else {
            return Ok(Input::default());
        };
        self.base = base_of(&range.split)?;
        self.input(range.from, range.to)
    }

    async fn release(&mut self, _: &[SplitPosition]) -> Result<()> {
        Ok(())
    }
}
