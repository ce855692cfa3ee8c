//! Answers that are asked for again: by key, forgotten by age and number.
//!
//! What is there decides what an epoch asks for, so it is state like any other: a function of the
//! records alone, never of where a group happens to stand.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;

use brooklet_core::Result;
use brooklet_core::time::Millis;
use brooklet_plan::node::LookupCache;

use crate::column::ValueType;
use crate::table::Table;

/// The table's name: losing it costs questions, nothing else.
pub const CACHE: &str = "cache";

const ANSWER: usize = 0;
const WRITTEN: usize = 1;
const TOUCHED: usize = 2;

pub struct Cache {
    limits: LookupCache,
    table: Table,
    sweep_at: Millis,
}

impl Cache {
    pub fn new(limits: LookupCache, key: Vec<Arc<Field>>) -> Result<Self> {
        let values = [ValueType::Bytes, ValueType::I64, ValueType::I64];
        let table = Table::new(CACHE, key, Vec::new(), &values)?;
        Ok(Cache { limits, table, sweep_at: Millis::MIN })
    }

    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }

    /// What is known of each key.
    pub fn get(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        now: Millis,
    ) -> Result<Vec<Option<Vec<u8>>>> {
        let groups = self.table.find(keys, rows)?;
        let mut known = Vec::with_capacity(rows);
        for group in groups {
            let Some(group) = group.filter(|group| !self.has_expired(*group, now)) else {
                known.push(None);
                continue;
            };
            *self.table.columns[TOUCHED].i64_mut().get_mut(group) = now;
            self.table.touch(group);
            let blob = self.table.columns[ANSWER].blobs().get(group).as_deref();
            known.push(Some(blob.unwrap_or_default().to_vec()));
        }
        Ok(known)
    }

    /// Keeps the answers to keys.
    pub fn put(&mut self, keys: &[ArrayRef], answers: &[Vec<u8>], now: Millis) -> Result<()> {
        let groups = self.table.find_or_create(keys, answers.len())?.groups;
        for (group, answer) in groups.into_iter().zip(answers) {
            if answer.is_empty() && !self.limits.keeps_missing {
                self.forget(group);
                continue;
            }
            self.table.set_blob(ANSWER, group, Some(answer));
            *self.table.columns[WRITTEN].i64_mut().get_mut(group) = now;
            *self.table.columns[TOUCHED].i64_mut().get_mut(group) = now;
            self.table.touch(group);
        }
        Ok(())
    }

    /// Forgets what is too much, those asked for least recently first, and what has expired.
    pub fn trim(&mut self, now: Millis) {
        let most = self.limits.max_keys.unwrap_or(u64::MAX);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        // When the last sweep was is no part of the state: what has expired must not decide
        // whether others go.
        self.sweep(now, self.table.len() > most);
        if self.table.len() <= most {
            return;
        }
        // Somewhat more than needed, so that it is not done again in every epoch.
        let leave = most - most / 8;
        let mut groups = self.table.groups();
        let touched = self.table.columns[TOUCHED].i64();
        let table = &self.table;
        let age = |group: &u32| (*touched.get(*group), table.key(*group));
        let gone = groups.len() - leave;
        groups.select_nth_unstable_by(gone - 1, |a, b| age(a).cmp(&age(b)));
        groups.truncate(gone);
        groups.into_iter().for_each(|group| self.forget(group));
    }

    fn has_expired(&self, group: u32, now: Millis) -> bool {
        let passed = |column: usize, limit: Option<Millis>| {
            limit.is_some_and(|ms| now - self.table.columns[column].i64().get(group) >= ms)
        };
        passed(WRITTEN, self.limits.expire_after_write_ms)
            || passed(TOUCHED, self.limits.expire_after_access_ms)
    }

    /// Frees the memory of what has expired, which is not found any more anyway.
    fn sweep(&mut self, now: Millis, at_once: bool) {
        let ages = [self.limits.expire_after_write_ms, self.limits.expire_after_access_ms];
        let due = at_once || now >= self.sweep_at;
        let Some(age) = ages.into_iter().flatten().min().filter(|_| due) else { return };
        self.sweep_at = now.saturating_add((age / 4).max(1_000));
        let groups = self.table.groups();
        let gone: Vec<u32> = groups.into_iter().filter(|g| self.has_expired(*g, now)).collect();
        gone.into_iter().for_each(|group| self.forget(group));
    }

    #[cfg(test)]
    pub fn sweep_now(&mut self, now: Millis) {
        self.sweep(now, true);
    }

    fn forget(&mut self, group: u32) {
        self.table.set_blob(ANSWER, group, None);
        self.table.remove(group);
    }
}
