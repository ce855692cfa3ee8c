//! Rows of a table as Kafka records: key, value, time, headers, partition.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, BooleanArray, MapArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit, TimestampMillisecondType};
use arrow::row::{RowConverter, SortField};
use brooklet_core::connector::{Accepts, Format, find_format};
use brooklet_core::format::{EncodeSpec, Encoder, Records};
use brooklet_core::keyed::{KeyFields, key_options, value_options};
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnKind, TableDef};
use brooklet_core::{Delta, Error, Result, Weights};
use rdkafka::message::{Header, OwnedHeaders};

/// Columns of a table as one part of its records.
struct Part {
    encoder: Box<dyn Encoder>,
    columns: Vec<usize>,
    schema: std::sync::Arc<Schema>,
}

/// Which partition a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Partitioner {
    /// By the key's hash as the Java client; without a key as the client likes.
    Default,
    /// All to the first.
    Fixed,
    RoundRobin,
}

/// One table.
pub struct Writer {
    pub topic: String,
    pub partitioner: Partitioner,
    value: Part,
    key: Option<Part>,
    timestamp: Option<usize>,
    headers: Option<usize>,
    /// Rows update and delete by key.
    upserts: bool,
}

/// The records of some rows: as many keys, times and headers as records, or none.
pub struct Encoded {
    pub count: usize,
    /// One for each record that has a value.
    pub values: Records,
    /// Records that have none; empty when all have one.
    pub deletes: Vec<bool>,
    pub keys: Option<Records>,
    pub times: Option<Vec<Option<i64>>>,
    pub headers: Option<MapArray>,
}

/// What the table's format, known only by name here, can express.
pub fn accepts(table: &TableDef) -> Accepts {
    if table.is_upserts() {
        return Accepts::Upserts;
    }
    match value_format(&table.options) {
        Some("debezium-json") => Accepts::Changes,
        _ => Accepts::Inserts,
    }
}

fn value_format(options: &Options) -> Option<&str> {
    options.get("value.format").or(options.get("format"))
}

impl Writer {
    /// The writer of a table, whose schemas stand in their registry then; `Config` errors name the
    /// option that is wrong.
    pub async fn open(table: &TableDef, formats: &'static [Format]) -> Result<Writer> {
        Self::of(table, formats).await.map_err(|e| e.at(format!("table '{}'", table.name)))
    }

    async fn of(table: &TableDef, formats: &'static [Format]) -> Result<Writer> {
        let options = &table.options;
        let topic = options.get("topic").unwrap_or_default().trim();
        if topic.is_empty() || topic.contains([';', ',']) {
            return Err(Error::config(format!(
                "a sink writes to one topic: give option 'topic' one name, not '{topic}'"
            )));
        }
        let upserts = table.is_upserts();
        if upserts && options.get("brooklet.on-conflict") == Some("ignore") {
            return Err(Error::config(
                "ON CONFLICT DO NOTHING is not possible here: a record replaces the one before \
                 with its key",
            ));
        }
        let schema = table.write_schema();
        let Columns { physical, timestamp, headers } = columns(table, &schema)?;
        let fields = KeyFields::of(table)?;
        let place = |name: &String| schema.index_of(name);
        let key_columns: Vec<usize> = fields.names().iter().map(place).collect::<Result<_, _>>()?;
        let in_value = |i: &usize| fields.in_value(schema.field(*i).name());
        let value_columns: Vec<usize> = physical.into_iter().filter(in_value).collect();
        let name =
            value_format(options).ok_or_else(|| Error::config("option 'format' is missing"))?;
        let field = |i: &usize| schema.field(*i).clone();
        let fields_of_value = value_columns.iter().map(field).collect();
        let format = Writes { name, formats, subject: format!("{topic}-value") };
        let value =
            Part::open(format, value_options(options), fields_of_value, value_columns).await?;
        let key = match options.get("key.format").filter(|_| !key_columns.is_empty()) {
            None => None,
            Some(name) => {
                let inner =
                    |i: &usize| field(i).with_name(fields.inner_name(schema.field(*i).name()));
                let inner = key_columns.iter().map(inner).collect();
                let format = Writes { name, formats, subject: format!("{topic}-key") };
                Some(Part::open(format, key_options(options, name), inner, key_columns).await?)
            }
        };
        let partitioner = match options.get("sink.partitioner") {
            None | Some("default") => Partitioner::Default,
            Some("fixed") => Partitioner::Fixed,
            Some("round-robin") => Partitioner::RoundRobin,
            Some(other) => {
                return Err(Error::config(format!(
                    "option 'sink.partitioner' = '{other}' is not default, fixed or round-robin"
                )));
            }
        };
        let topic = topic.to_string();
        Ok(Writer { topic, partitioner, value, key, timestamp, headers, upserts })
    }

    /// One record for each unit of weight, in row order; of upserts one for each key that a
    /// changelog touches.
    pub fn encode(&mut self, rows: &Delta) -> Result<Encoded> {
        let rows = match self.upserts {
            true => last_of_keys(rows, self.key.as_ref().map_or(&[], |key| &key.columns))?,
            false => units(rows)?,
        };
        let count = rows.len();
        let deletes: Vec<bool> = match &rows.weights {
            Weights::Each(weights) if self.upserts => weights.iter().map(|w| *w < 0).collect(),
            _ => Vec::new(),
        };
        let values = match deletes.is_empty() {
            true => self.value.encode(&rows)?,
            false => {
                let keep = BooleanArray::from_iter(deletes.iter().map(|delete| Some(!delete)));
                self.value.encode(&Delta::inserts(rows.filter(&keep)?.rows))?
            }
        };
        if values.ends.len() != count - deletes.iter().filter(|d| **d).count() {
            return Err(Error::bug("a format gives one record for a row"));
        }
        let key = self.key.as_mut();
        let keys = key.map(|key| key.encode(&Delta::inserts(rows.rows.clone()))).transpose()?;
        let times = self.timestamp.map(|column| times(&rows.rows, column)).transpose()?;
        let headers = self.headers.map(|column| rows.rows.column(column).as_map().clone());
        Ok(Encoded { count, values, deletes, keys, times, headers })
    }
}

impl Encoded {
    /// The headers of a record, if the table gives some.
    pub fn headers_of(&self, row: usize) -> Option<OwnedHeaders> {
        let map = self.headers.as_ref().filter(|map| map.is_valid(row))?;
        let entries = map.value(row);
        let names = entries.column(0).as_string::<i32>();
        let values = entries.column(1).as_binary::<i32>();
        let add = |all: OwnedHeaders, i: usize| {
            let value = values.is_valid(i).then(|| values.value(i));
            all.insert(Header { key: names.value(i), value })
        };
        Some((0..entries.len()).fold(OwnedHeaders::new(), add))
    }
}

/// Columns of a table by what they are to its records.
struct Columns {
    physical: Vec<usize>,
    timestamp: Option<usize>,
    headers: Option<usize>,
}

fn columns(table: &TableDef, schema: &Schema) -> Result<Columns> {
    let mut found = Columns { physical: Vec::new(), timestamp: None, headers: None };
    for (i, field) in schema.fields().iter().enumerate() {
        let kind = table.column(field.name()).map(|c| &c.kind);
        let Some(ColumnKind::Metadata { key, .. }) = kind else {
            found.physical.push(i);
            continue;
        };
        match key.as_str() {
            "timestamp" => found.timestamp = Some(i),
            "headers" => found.headers = Some(i),
            // A sink of one topic writes to that one whatever the row says, as in Flink.
            "topic" => {}
            _ => {
                return Err(Error::config(format!(
                    "metadata column '{}' cannot be written ('{key}'): declare it VIRTUAL; \
                     only 'timestamp', 'headers' and 'topic' can",
                    field.name()
                )));
            }
        }
    }
    Ok(found)
}

/// The format of a part, and the subject of its schema, if it has one in a registry.
struct Writes<'a> {
    name: &'a str,
    formats: &'static [Format],
    subject: String,
}

impl Part {
    async fn open(
        format: Writes<'_>,
        options: Options,
        fields: Vec<Field>,
        columns: Vec<usize>,
    ) -> Result<Part> {
        let name = format.name;
        let found = find_format(format.formats, name);
        let found = found.ok_or_else(|| Error::config(format!("there is no format '{name}'")))?;
        let schema = std::sync::Arc::new(Schema::new(fields));
        let spec = EncodeSpec { schema: schema.clone(), options };
        let encoder = match (found.registry, found.encoder) {
            (Some(registry), _) => (registry.encoder)(spec, format.subject).await?,
            (None, Some(encoder)) => encoder(&spec)?,
            (None, None) => {
                return Err(Error::config(format!(
                    "format '{name}' cannot be written to Kafka records"
                )));
            }
        };
        Ok(Part { encoder, columns, schema })
    }

    fn encode(&mut self, rows: &Delta) -> Result<Records> {
        let columns = self.columns.iter().map(|i| rows.column(*i).clone()).collect();
        let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        self.encoder.encode(&rows.with_rows(batch))
    }
}

/// Each row as often as its weight says, with weights of one.
fn units(rows: &Delta) -> Result<Delta> {
    let Weights::Each(weights) = &rows.weights else { return Ok(rows.clone()) };
    if weights.iter().all(|w| w.abs() == 1) {
        return Ok(rows.clone());
    }
    let mut indices = Vec::new();
    for (row, weight) in weights.iter().enumerate() {
        indices.extend((0..weight.unsigned_abs()).map(|_| row as u32));
    }
    let mut taken = rows.take(&indices)?;
    if let Weights::Each(weights) = &mut taken.weights {
        weights.iter_mut().for_each(|w| *w = w.signum());
    }
    Ok(taken)
}

/// Of a changelog one row for each key, as it is afterwards: the last that was added, or, with
/// weight −1, one that was taken away without another in its place.
fn last_of_keys(rows: &Delta, keys: &[usize]) -> Result<Delta> {
    if rows.is_append_only() {
        return Ok(Delta::inserts(rows.rows.clone()));
    }
    let columns: Vec<_> = keys.iter().map(|k| rows.column(*k).clone()).collect();
    let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
    let encoded = RowConverter::new(fields)?.convert_columns(&columns)?;
    let mut last: BTreeMap<&[u8], (u32, i64)> = BTreeMap::new();
    for row in (0..rows.len()).filter(|row| rows.weight(*row) != 0) {
        let kept = last.entry(encoded.row(row).data()).or_insert((row as u32, -1));
        if rows.weight(row) > 0 {
            *kept = (row as u32, 1);
        }
    }
    let mut chosen: Vec<(u32, i64)> = last.into_values().collect();
    chosen.sort_unstable();
    let (indices, weights): (Vec<u32>, Vec<i64>) = chosen.into_iter().unzip();
    Ok(Delta::new(rows.take(&indices)?.rows, weights))
}

fn times(rows: &RecordBatch, column: usize) -> Result<Vec<Option<i64>>> {
    let target = match rows.column(column).data_type() {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        other => return Err(Error::config(format!("a record's timestamp is no {other}"))),
    };
    let times = compute::cast(rows.column(column), &target)?;
    let times = times.as_primitive::<TimestampMillisecondType>();
    Ok((0..times.len()).map(|i| times.is_valid(i).then(|| times.value(i))).collect())
}
