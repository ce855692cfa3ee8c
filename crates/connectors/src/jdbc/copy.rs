//! One reading of a table: what `COPY … TO STDOUT (FORMAT binary)` streams, as batches of rows.
//!
//! A statement sees one moment of the table, whatever is written meanwhile.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use brooklet_core::{Error, Result};
use bytes::{Buf, BytesMut};
use futures::{StreamExt, pin_mut};
use tokio::sync::mpsc::Sender;

use super::read::Values;
use super::select::Select;
use super::session::Access;

/// A batch has this many rows, or about this many bytes.
const BATCH_ROWS: usize = 8_192;
const BATCH_BYTES: usize = 8 << 20;

const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Flags and the length of what an extension may add.
const HEADER: usize = SIGNATURE.len() + 8;

/// What a reading says.
pub enum Said {
    Rows(RecordBatch),
    /// There are no more.
    End,
    Failed(Error),
}

/// Sends all rows, then how it ended. `news` is called for each.
pub async fn read(
    access: Arc<Access>,
    select: Arc<Select>,
    to: Sender<Said>,
    news: Arc<dyn Fn() + Send + Sync>,
) {
    let ended = match stream(&access, &select, &to, &news).await {
        Ok(()) => Said::End,
        Err(e) => Said::Failed(e),
    };
    // Nobody waits for it when the pipeline has stopped.
    let _ = to.send(ended).await;
    news();
}

async fn stream(
    access: &Access,
    select: &Select,
    to: &Sender<Said>,
    news: &Arc<dyn Fn() + Send + Sync>,
) -> Result<()> {
    let fault = |e| access.fault(&format!("could not read table '{}'", select.table), e);
    let session = access.connect().await?;
    let text = format!("COPY ({}) TO STDOUT (FORMAT binary)", select.text);
    let stream = session.client.copy_out(&text).await.map_err(fault)?;
    pin_mut!(stream);
    let mut rows = Rows::new(select)?;
    while let Some(chunk) = stream.next().await {
        rows.take(&chunk.map_err(fault)?)?;
        if rows.count == BATCH_ROWS || rows.bytes >= BATCH_BYTES {
            if to.send(Said::Rows(rows.finish()?)).await.is_err() {
                return Ok(());
            }
            news();
        }
    }
    if !rows.ended {
        let table = &select.table;
        return Err(Error::outside(format!("the rows of table '{table}' ended too early")));
    }
    if rows.count > 0 {
        let _ = to.send(Said::Rows(rows.finish()?)).await;
    }
    Ok(())
}

/// Rows of a batch under construction.
struct Rows<'a> {
    select: &'a Select,
    columns: Vec<Values>,
    count: usize,
    bytes: usize,
    /// Arrived, but no whole row yet.
    buffer: BytesMut,
    started: bool,
    ended: bool,
}

impl<'a> Rows<'a> {
    fn new(select: &'a Select) -> Result<Self> {
        let columns = select.schema.fields().iter().map(|f| Values::of(f.data_type()));
        Ok(Rows {
            select,
            columns: columns.collect::<Result<_>>()?,
            count: 0,
            bytes: 0,
            buffer: BytesMut::new(),
            started: false,
            ended: false,
        })
    }

    fn take(&mut self, chunk: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(chunk);
        if !self.started {
            if self.buffer.len() < HEADER {
                return Ok(());
            }
            if !self.buffer.starts_with(SIGNATURE) {
                return Err(Error::outside("Postgres sent something else than rows"));
            }
            self.buffer.advance(HEADER);
            self.started = true;
        }
        while let Some(length) = self.row_length() {
            let row = self.buffer.split_to(length);
            match row[..2] == [0xFF, 0xFF] {
                true => self.ended = true,
                false => self.row(&row[2..])?,
            }
        }
        Ok(())
    }

    /// The bytes of the row at the front, when all of it is there.
    fn row_length(&self) -> Option<usize> {
        let mut at = 2;
        let fields = i16::from_be_bytes(self.buffer.get(..2)?.try_into().ok()?);
        for _ in 0..fields {
            let length = i32::from_be_bytes(self.buffer.get(at..at + 4)?.try_into().ok()?);
            at += 4 + usize::try_from(length).unwrap_or(0);
        }
        (self.buffer.len() >= at).then_some(at)
    }

    fn row(&mut self, mut fields: &[u8]) -> Result<()> {
        self.bytes += fields.len();
        for (i, column) in self.columns.iter_mut().enumerate() {
            let value = match usize::try_from(fields.get_i32()) {
                Ok(length) => {
                    let (value, rest) = fields.split_at(length);
                    fields = rest;
                    Some(value)
                }
                Err(_) => None,
            };
            column.push(value).map_err(|wrong| {
                let name = self.select.schema.field(i).name();
                Error::data(format!("column '{name}' of table '{}': {wrong}", self.select.table))
            })?;
        }
        self.count += 1;
        Ok(())
    }

    fn finish(&mut self) -> Result<RecordBatch> {
        let columns = self.columns.iter_mut().map(Values::finish).collect::<Result<_>>()?;
        let count = RecordBatchOptions::new().with_row_count(Some(self.count));
        (self.count, self.bytes) = (0, 0);
        Ok(RecordBatch::try_new_with_options(self.select.schema.clone(), columns, &count)?)
    }
}
