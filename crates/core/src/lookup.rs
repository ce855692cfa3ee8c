//! Which rows of an outside table have a key, at the moment of asking, and what is kept of the
//! answers.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute;
use arrow::datatypes::{FieldRef, SchemaRef};
use arrow::row::{RowConverter, SortField};
use async_trait::async_trait;

use crate::options::Options;
use crate::schema::TableDef;
use crate::time::Millis;
use crate::{Env, Result};

/// What a lookup is opened with.
pub struct LookupSpec {
    pub table: Arc<TableDef>,
    /// Columns of the table that rows are found by, in the types of the keys that are asked for.
    pub keys: SchemaRef,
    /// Columns wanted of the rows that are found.
    pub columns: SchemaRef,
    pub env: Env,
}

/// Rows found for keys.
#[derive(Debug, Clone)]
pub struct Answers {
    /// The columns asked for at open.
    pub rows: RecordBatch,
    /// Which key each row answers, ascending; a key may have none or many.
    pub of: Vec<u32>,
}

/// A table outside that is asked for rows by their keys. The answers are recorded: no key of an
/// epoch is asked for again. Retry with backoff after `Outside` errors is the caller's; an
/// implementation must be able to go on after having returned one.
#[async_trait]
pub trait Lookup: Send {
    /// The rows of each key, as they are now. `keys` has the columns given at open; no key comes
    /// twice and none holds a NULL.
    async fn ask(&mut self, keys: &RecordBatch) -> Result<Answers>;
}

/// The answers that rows at hand give, which must have the columns of both the keys and the
/// answers: for tables in memory.
pub fn find(rows: &[RecordBatch], keys: &RecordBatch, columns: &SchemaRef) -> Result<Answers> {
    let sort = keys.schema_ref().fields().iter().map(|f| SortField::new(f.data_type().clone()));
    let converter = RowConverter::new(sort.collect())?;
    let asked = converter.convert_columns(keys.columns())?;
    let mut found: Vec<(u32, RecordBatch)> = Vec::new();
    for rows in rows {
        let of = |f: &FieldRef| Ok(rows.column(rows.schema_ref().index_of(f.name())?).clone());
        let theirs = keys.schema_ref().fields().iter().map(of).collect::<Result<Vec<_>>>()?;
        let theirs = converter.convert_columns(&theirs)?;
        let given = columns.fields().iter().map(of).collect::<Result<Vec<_>>>()?;
        let count = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let given = RecordBatch::try_new_with_options(columns.clone(), given, &count)?;
        for (i, row) in theirs.iter().enumerate() {
            let key = asked.iter().position(|key| key == row);
            found.extend(key.map(|key| (key as u32, given.slice(i, 1))));
        }
    }
    found.sort_by_key(|(key, _)| *key);
    let rows = compute::concat_batches(columns, found.iter().map(|(_, row)| row))?;
    Ok(Answers { rows, of: found.into_iter().map(|(key, _)| key).collect() })
}

/// What is kept of answers; ages are judged by the epoch's `now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookupCache {
    pub max_keys: Option<u64>,
    pub expire_after_write_ms: Option<Millis>,
    pub expire_after_access_ms: Option<Millis>,
    /// Also that nothing was found.
    pub keeps_missing: bool,
}

impl LookupCache {
    /// None: nothing is kept.
    pub fn of(options: &Options) -> Result<Option<LookupCache>> {
        let old_rows = options.int("lookup.cache.max-rows")?;
        let old_ttl = options.duration("lookup.cache.ttl")?;
        let is_on = match options.get("lookup.cache") {
            Some(kind) => kind.eq_ignore_ascii_case("PARTIAL"),
            None => old_rows.is_some() && old_ttl.is_some(),
        };
        if !is_on {
            return Ok(None);
        }
        let rows = options.int("lookup.partial-cache.max-rows")?.or(old_rows);
        let write = options.duration("lookup.partial-cache.expire-after-write")?.or(old_ttl);
        let access = options.duration("lookup.partial-cache.expire-after-access")?;
        let missing = options
            .get("lookup.partial-cache.cache-missing-key")
            .or(options.get("lookup.cache.caching-missing-key"));
        Ok(Some(LookupCache {
            max_keys: rows.and_then(|rows| u64::try_from(rows).ok()),
            expire_after_write_ms: write.map(millis),
            expire_after_access_ms: access.map(millis),
            keeps_missing: missing.is_none_or(|text| !text.eq_ignore_ascii_case("false")),
        }))
    }
}

fn millis(duration: Duration) -> Millis {
    i64::try_from(duration.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(options: &[(&str, &str)]) -> Option<LookupCache> {
        let options = options.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        LookupCache::of(&Options(options.collect())).unwrap()
    }

    #[test]
    fn names_of_now_and_of_before() {
        assert_eq!(cache(&[]), None);
        assert_eq!(cache(&[("lookup.partial-cache.max-rows", "5")]), None);
        let all = LookupCache {
            max_keys: None,
            expire_after_write_ms: None,
            expire_after_access_ms: None,
            keeps_missing: true,
        };
        assert_eq!(cache(&[("lookup.cache", "partial")]), Some(all));
        let now = [
            ("lookup.cache", "PARTIAL"),
            ("lookup.partial-cache.max-rows", "5"),
            ("lookup.partial-cache.expire-after-write", "10 min"),
            ("lookup.partial-cache.cache-missing-key", "false"),
        ];
        let limited = LookupCache {
            max_keys: Some(5),
            expire_after_write_ms: Some(600_000),
            expire_after_access_ms: None,
            keeps_missing: false,
        };
        assert_eq!(cache(&now), Some(limited));
        let before = [
            ("lookup.cache.max-rows", "5"),
            ("lookup.cache.ttl", "10 min"),
            ("lookup.cache.caching-missing-key", "false"),
        ];
        assert_eq!(cache(&before), Some(limited));
        assert_eq!(cache(&before[..1]), None);
    }
}
