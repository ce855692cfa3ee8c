//! The statements of one transaction, and the search for the row that Postgres refuses.

use arrow::array::Array;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use brooklet_core::{Epoch, Error, Result};
use tokio_postgres::types::{ToSql, Type};

use super::net::{Changes, chunks};
use super::session::{Access, Session, refuses_row, sentence};
use super::target::Target;
use super::values::{ColumnParam, Wire};

/// Why a transaction could not be completed.
pub enum Stop {
    /// Postgres refuses one of the rows; which one is found by writing carefully.
    Row,
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Error(error)
    }
}

/// A row that Postgres refused and its table's policy lets pass.
#[derive(Debug)]
pub struct Rejected {
    pub table: String,
    pub epoch: Epoch,
    /// The row as a JSON object.
    pub row: String,
    pub reason: String,
}

/// Writes the changes of one table into the open transaction.
pub struct Writer<'a> {
    pub access: &'a Access,
    pub session: &'a mut Session,
    /// Guard every statement with a savepoint and halve it until the refused row stands alone.
    pub careful: bool,
    pub rejected: &'a mut Vec<Rejected>,
}

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Delete,
    Insert,
}

impl Writer<'_> {
    pub async fn write(&mut self, target: &Target, changes: &Changes) -> Result<(), Stop> {
        if changes.replaces {
            // Not TRUNCATE: readers see the old rows until the commit.
            let emptied = format!("DELETE FROM {}", target.name);
            self.session.simple(self.access, &emptied).await?;
        }
        for (act, rows) in [(Act::Delete, &changes.delete), (Act::Insert, &changes.insert)] {
            for chunk in chunks(&changes.columns, rows) {
                if self.careful {
                    self.write_carefully(target, changes, act, &rows[chunk]).await?;
                } else {
                    self.statement(target, changes, act, &rows[chunk]).await.map_err(|e| {
                        match refuses_row(&e) {
                            true => Stop::Row,
                            false => Stop::Error(self.fault(target, e)),
                        }
                    })?;
                }
            }
        }
        Ok(())
    }

    async fn write_carefully(
        &mut self,
        target: &Target,
        changes: &Changes,
        act: Act,
        rows: &[u32],
    ) -> Result<(), Stop> {
        let mut open = vec![rows];
        while let Some(rows) = open.pop() {
            self.session.simple(self.access, "SAVEPOINT brooklet").await?;
            let Err(error) = self.statement(target, changes, act, rows).await else {
                self.session.simple(self.access, "RELEASE SAVEPOINT brooklet").await?;
                continue;
            };
            if !refuses_row(&error) {
                return Err(Stop::Error(self.fault(target, error)));
            }
            let back = "ROLLBACK TO SAVEPOINT brooklet; RELEASE SAVEPOINT brooklet";
            self.session.simple(self.access, back).await?;
            match rows {
                [row] => self.refused(target, changes, *row, &error)?,
                _ => {
                    let (front, back) = rows.split_at(rows.len() / 2);
                    open.extend([back, front]);
                }
            }
        }
        Ok(())
    }

    fn refused(
        &mut self,
        target: &Target,
        changes: &Changes,
        row: u32,
        error: &tokio_postgres::Error,
    ) -> Result<()> {
        let reason = error.as_db_error().map_or_else(|| error.to_string(), sentence);
        let row_at = row as usize;
        if target.dead_letter {
            self.rejected.push(Rejected {
                table: target.table.clone(),
                epoch: changes.epochs[row_at],
                row: json(target, changes, row_at, 0..target.columns.len())?,
                reason,
            });
            return Ok(());
        }
        let key = target.key.iter().copied();
        let shown = if target.key.is_empty() {
            json(target, changes, row_at, 0..target.columns.len())?
        } else {
            json(target, changes, row_at, key)?
        };
        Err(Error::data(format!(
            "table '{}': Postgres refused the row {} in epoch {}: {reason}; with SET \
             'brooklet.on-row-error' = 'dead-letter' such rows go to brooklet_rejected",
            target.table,
            shown.chars().take(500).collect::<String>(),
            changes.epochs[row_at]
        )))
    }

    async fn statement(
        &mut self,
        target: &Target,
        changes: &Changes,
        act: Act,
        rows: &[u32],
    ) -> Result<(), tokio_postgres::Error> {
        let all: Vec<usize> = (0..target.columns.len()).collect();
        let (text, used) = match act {
            Act::Delete => (delete(target), &target.key),
            Act::Insert => (insert(target), &all),
        };
        let types: Vec<Type> = used.iter().map(|c| target.columns[*c].wire.array()).collect();
        let statement = self.session.prepare(&text, &types).await?;
        let param = |c: &usize| ColumnParam {
            column: &changes.columns[*c],
            rows,
            wire: target.columns[*c].wire,
        };
        let params: Vec<ColumnParam<'_>> = used.iter().map(param).collect();
        let params: Vec<&(dyn ToSql + Sync)> =
            params.iter().map(|p| p as &(dyn ToSql + Sync)).collect();
        self.session.client.execute(&statement, &params).await.map(drop)
    }

    fn fault(&self, target: &Target, error: tokio_postgres::Error) -> Error {
        self.access.fault(&format!("could not write to {}", target.name), error)
    }
}

/// Records the rejected rows in the open transaction.
pub async fn record_rejected(
    access: &Access,
    session: &Session,
    pipeline: &str,
    rejected: &[Rejected],
) -> Result<()> {
    for row in rejected {
        tracing::warn!(table = %row.table, epoch = row.epoch.0, reason = %row.reason,
            "a row that Postgres refused went to brooklet_rejected");
        let reason = row.reason.replace('\0', "\\0");
        let epoch = row.epoch.0 as i64;
        let insert = "INSERT INTO brooklet_rejected (pipeline, table_name, epoch, row, reason) \
                      VALUES ($1, $2, $3, $4, $5)";
        session
            .client
            .execute(insert, &[&pipeline, &row.table, &epoch, &row.row, &reason])
            .await
            .map_err(|e| access.fault("could not write to brooklet_rejected", e))?;
    }
    Ok(())
}

/// `INSERT … SELECT … FROM unnest(…)`: one array a column, however many rows.
fn insert(target: &Target) -> String {
    let names: Vec<&str> = target.columns.iter().map(|c| c.name.as_str()).collect();
    let values: Vec<String> =
        target.columns.iter().enumerate().map(|(i, c)| format!("u.c{i}{}", c.cast)).collect();
    let mut text = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        target.name,
        names.join(", "),
        values.join(", "),
        unnest(names.len())
    );
    if target.ignore {
        // Whatever unique constraint a row meets, as Postgres means it.
        text.push_str(" ON CONFLICT DO NOTHING");
        return text;
    }
    if target.key.is_empty() {
        return text;
    }
    let key: Vec<&str> = target.key.iter().map(|k| names[*k]).collect();
    let others = (0..names.len()).filter(|c| !target.key.contains(c));
    let set: Vec<String> = others.map(|c| format!("{0} = EXCLUDED.{0}", names[c])).collect();
    text.push_str(&format!(" ON CONFLICT ({}) DO ", key.join(", ")));
    match set.is_empty() {
        true => text.push_str("NOTHING"),
        false => text.push_str(&format!("UPDATE SET {}", set.join(", "))),
    }
    text
}

fn delete(target: &Target) -> String {
    let equal: Vec<String> = target
        .key
        .iter()
        .enumerate()
        .map(|(i, k)| {
            let column = &target.columns[*k];
            format!("t.{} = u.c{i}{}", column.name, column.cast)
        })
        .collect();
    let source = unnest(target.key.len());
    format!("DELETE FROM {} AS t USING {source} WHERE {}", target.name, equal.join(" AND "))
}

fn unnest(columns: usize) -> String {
    let list = |prefix: &str, from: usize| {
        let names: Vec<String> = (from..from + columns).map(|i| format!("{prefix}{i}")).collect();
        names.join(", ")
    };
    format!("unnest({}) AS u({})", list("$", 1), list("c", 0))
}

/// Some columns of a row as a JSON object: numbers and booleans bare, the rest as text.
fn json(
    target: &Target,
    changes: &Changes,
    row: usize,
    which: impl IntoIterator<Item = usize>,
) -> Result<String> {
    let options = FormatOptions::new();
    let mut object = serde_json::Map::new();
    for c in which {
        let (column, place) = (&changes.columns[c], &target.columns[c]);
        let value = if column.is_null(row) {
            serde_json::Value::Null
        } else {
            let text = ArrayFormatter::try_new(column.as_ref(), &options)?.value(row).to_string();
            let bare = matches!(
                place.wire,
                Wire::Bool | Wire::Int2 | Wire::Int4 | Wire::Int8 | Wire::Float4 | Wire::Float8
            );
            let parsed = bare.then(|| serde_json::from_str(&text).ok()).flatten();
            parsed.unwrap_or(serde_json::Value::String(text))
        };
        object.insert(place.label.clone(), value);
    }
    Ok(serde_json::Value::Object(object).to_string())
}
