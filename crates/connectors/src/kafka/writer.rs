//! Rows of a table as Kafka records: key, value, time, partition.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Schema, TimeUnit, TimestampMillisecondType};
use brooklet_core::connector::{Accepts, Format, find_format};
use brooklet_core::format::{EncodeSpec, Encoder, Records};
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnKind, TableDef};
use brooklet_core::{Delta, Error, Result, Weights};

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
}

/// The records of some rows: as many keys and times as values, or none.
pub struct Encoded {
    pub values: Records,
    pub keys: Option<Records>,
    pub times: Option<Vec<Option<i64>>>,
}

/// What the table's format, known only by name here, can express.
pub fn accepts(table: &TableDef) -> Accepts {
    match value_format(&table.options) {
        Some("debezium-json") => Accepts::Changes,
        _ => Accepts::Inserts,
    }
}

fn value_format(options: &Options) -> Option<&str> {
    options.get("value.format").or(options.get("format"))
}

impl Writer {
    /// The writer of a table; `Config` errors name the option that is wrong.
    pub fn new(table: &TableDef, formats: &'static [Format]) -> Result<Writer> {
        Self::of(table, formats).map_err(|e| e.at(format!("table '{}'", table.name)))
    }

    fn of(table: &TableDef, formats: &'static [Format]) -> Result<Writer> {
        let options = &table.options;
        let topic = options.required("topic")?.trim();
        if topic.is_empty() || topic.contains([';', ',']) {
            return Err(Error::config(format!("a sink writes to one topic, not to '{topic}'")));
        }
        let schema = table.write_schema();
        let mut physical = Vec::new();
        let mut timestamp = None;
        for (i, field) in schema.fields().iter().enumerate() {
            match table.column(field.name()).map(|c| &c.kind) {
                Some(ColumnKind::Metadata { key, .. }) if key == "timestamp" => timestamp = Some(i),
                Some(ColumnKind::Metadata { key, .. }) => {
                    return Err(Error::config(format!(
                        "metadata column '{}' cannot be written ('{key}'): declare it VIRTUAL; \
                         only 'timestamp' can",
                        field.name()
                    )));
                }
                _ => physical.push(i),
            }
        }
        let key_columns = key_columns(options, &schema, &physical)?;
        let except = options.get("value.fields-include") == Some("EXCEPT_KEY");
        let kept = |i: &usize| !(except && key_columns.contains(i));
        let value_columns: Vec<usize> = physical.iter().copied().filter(kept).collect();
        let name =
            value_format(options).ok_or_else(|| Error::config("option 'format' is missing"))?;
        let inner = promoted(options, "value.");
        let value = part(name, &inner, &schema, value_columns, "", formats)?;
        let key = match (options.get("key.format"), key_columns.is_empty()) {
            (None, true) => None,
            (Some(name), false) => {
                let prefix = options.get("key.fields-prefix").unwrap_or_default();
                let inner = promoted(options, "key.");
                Some(part(name, &inner, &schema, key_columns, prefix, formats)?)
            }
            _ => {
                return Err(Error::config(
                    "options 'key.format' and 'key.fields' are given together or not at all",
                ));
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
        Ok(Writer { topic: topic.to_string(), partitioner, value, key, timestamp })
    }

    /// One record for each unit of weight, in row order.
    pub fn encode(&mut self, rows: &Delta) -> Result<Encoded> {
        let rows = units(rows)?;
        let values = self.value.encode(&rows)?;
        let count = rows.len();
        if values.ends.len() != count {
            return Err(Error::bug("a format gives one record for a row"));
        }
        let key = self.key.as_mut();
        let keys = key.map(|key| key.encode(&Delta::inserts(rows.rows.clone()))).transpose()?;
        let times = self.timestamp.map(|column| times(&rows.rows, column)).transpose()?;
        Ok(Encoded { values, keys, times })
    }
}

impl Part {
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

fn times(rows: &RecordBatch, column: usize) -> Result<Vec<Option<i64>>> {
    let target = match rows.column(column).data_type() {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        other => return Err(Error::config(format!("a record's timestamp is no {other}"))),
    };
    let times = compute::cast(rows.column(column), &target)?;
    let times = times.as_primitive::<TimestampMillisecondType>();
    Ok((0..times.len()).map(|i| times.is_valid(i).then(|| times.value(i))).collect())
}

/// Positions of `key.fields`.
fn key_columns(options: &Options, schema: &Schema, physical: &[usize]) -> Result<Vec<usize>> {
    let names = options.get("key.fields").unwrap_or_default();
    let place = |name: &str| {
        let found = schema.index_of(name).ok().filter(|i| physical.contains(i));
        found.ok_or_else(|| {
            Error::config(format!("option 'key.fields' names '{name}', which is no column"))
        })
    };
    names.split(';').map(str::trim).filter(|n| !n.is_empty()).map(place).collect()
}

/// The options with those below `prefix` under their plain names.
fn promoted(options: &Options, prefix: &str) -> Options {
    let mut all = options.clone();
    for (key, value) in options.below(prefix) {
        all.0.insert(key.to_string(), value.to_string());
    }
    all
}

fn part(
    format: &str,
    options: &Options,
    schema: &Schema,
    columns: Vec<usize>,
    prefix: &str,
    formats: &'static [Format],
) -> Result<Part> {
    let found = find_format(formats, format);
    let found = found.ok_or_else(|| Error::config(format!("there is no format '{format}'")))?;
    let encoder = found.encoder.ok_or_else(|| {
        Error::config(format!("format '{format}' cannot be written to Kafka records"))
    })?;
    let mut fields = Vec::with_capacity(columns.len());
    for column in &columns {
        let field = schema.field(*column);
        let name = field.name().strip_prefix(prefix).ok_or_else(|| {
            Error::config(format!(
                "column '{}' of 'key.fields' does not start with 'key.fields-prefix' = '{prefix}'",
                field.name()
            ))
        })?;
        fields.push(field.clone().with_name(name));
    }
    let schema = std::sync::Arc::new(Schema::new(fields));
    let spec = EncodeSpec { schema: schema.clone(), options: options.clone() };
    Ok(Part { encoder: encoder(&spec)?, columns, schema })
}
