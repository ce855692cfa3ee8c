//! How values lie in the bytes, and which column each belongs to.

use std::collections::BTreeMap;
use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};
use arrow::datatypes::TimeUnit;
use brooklet_core::{Error, Result};

/// An Avro type. That of a whole schema is a record.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Null,
    Boolean,
    Int(Meaning),
    Long(Meaning),
    Float,
    Double,
    /// With the scale of a decimal.
    Bytes(Option<u32>),
    Text,
    Fixed(usize, Option<u32>),
    /// 16 bytes.
    Uuid,
    Enum(Vec<String>),
    Array(Box<Shape>),
    Map(Box<Shape>),
    Union(Vec<Shape>),
    Record(Vec<Part>),
    /// A named type, by its place in [`Shapes::named`].
    Named(usize),
    /// The branch of a union that is never written, or that no column takes.
    Unwritten,
    /// Stands in no record: always this, encoded.
    Constant(Box<Shape>, Arc<[u8]>),
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Meaning {
    Number,
    Date,
    TimeMillis,
    TimeMicros,
    Timestamp(TimeUnit),
}

/// A field of a record.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub name: String,
    pub shape: Shape,
    /// The column that holds it.
    pub column: Option<usize>,
    /// What only matters when records have another schema.
    pub declared: Option<Box<Declared>>,
}

/// What a reader's schema says of a field that the writer may not have under that name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Declared {
    pub aliases: Vec<String>,
    pub default: Option<serde_json::Value>,
}

/// A schema: its record, and the types it refers to by name.
#[derive(Debug)]
pub(crate) struct Shapes {
    pub root: Vec<Part>,
    pub named: Vec<Shape>,
}

impl Shapes {
    /// The schema of that JSON text.
    pub fn parse(text: &str) -> Result<Shapes> {
        let schema = Schema::parse_str(text)
            .map_err(|e| Error::config("the text is no Avro schema").caused_by(e))?;
        let mut names = Names { places: BTreeMap::new(), shapes: Vec::new() };
        let root = names.shape(&schema, None)?;
        let mut named = Vec::new();
        for shape in names.shapes {
            named.push(shape.ok_or_else(|| Error::bug("an Avro type without its end"))?);
        }
        let root = match root {
            Shape::Named(place) => named[place].clone(),
            other => other,
        };
        match root {
            Shape::Record(root) => Ok(Shapes { root, named }),
            _ => Err(Error::config("the Avro schema is no record")),
        }
    }
}

struct Names {
    places: BTreeMap<String, usize>,
    /// None while the type is being read, which may refer to itself.
    shapes: Vec<Option<Shape>>,
}

impl Names {
    fn shape(&mut self, schema: &Schema, space: Option<&str>) -> Result<Shape> {
        let timestamp = |unit| Shape::Long(Meaning::Timestamp(unit));
        Ok(match schema {
            Schema::Null => Shape::Null,
            Schema::Boolean => Shape::Boolean,
            Schema::Int => Shape::Int(Meaning::Number),
            Schema::Long => Shape::Long(Meaning::Number),
            Schema::Float => Shape::Float,
            Schema::Double => Shape::Double,
            Schema::Bytes | Schema::BigDecimal => Shape::Bytes(None),
            Schema::String | Schema::Uuid(UuidSchema::String) => Shape::Text,
            Schema::Date => Shape::Int(Meaning::Date),
            Schema::TimeMillis => Shape::Int(Meaning::TimeMillis),
            Schema::TimeMicros => Shape::Long(Meaning::TimeMicros),
            Schema::TimestampMillis | Schema::LocalTimestampMillis => {
                timestamp(TimeUnit::Millisecond)
            }
            Schema::TimestampMicros | Schema::LocalTimestampMicros => {
                timestamp(TimeUnit::Microsecond)
            }
            Schema::TimestampNanos | Schema::LocalTimestampNanos => timestamp(TimeUnit::Nanosecond),
            Schema::Array(array) => Shape::Array(Box::new(self.shape(&array.items, space)?)),
            Schema::Map(map) => Shape::Map(Box::new(self.shape(&map.types, space)?)),
            Schema::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.shape(branch, space));
                Shape::Union(branches.collect::<Result<_>>()?)
            }
            Schema::Uuid(UuidSchema::Bytes) => Shape::Bytes(None),
            Schema::Uuid(UuidSchema::Fixed(fixed)) => self.named(&fixed.name, space, Shape::Uuid),
            Schema::Fixed(fixed) | Schema::Duration(fixed) => {
                self.named(&fixed.name, space, Shape::Fixed(fixed.size, None))
            }
            Schema::Decimal(decimal) => {
                let scale = Some(decimal.scale as u32);
                match &decimal.inner {
                    InnerDecimalSchema::Bytes => Shape::Bytes(scale),
                    InnerDecimalSchema::Fixed(fixed) => {
                        self.named(&fixed.name, space, Shape::Fixed(fixed.size, scale))
                    }
                }
            }
            Schema::Enum(symbols) => {
                self.named(&symbols.name, space, Shape::Enum(symbols.symbols.clone()))
            }
            Schema::Record(record) => {
                let place = self.place(&record.name, space);
                let inner = record.name.namespace().or(space);
                let parts = record.fields.iter().map(|field| {
                    let shape = self.shape(&field.schema, inner)?;
                    let says = !field.aliases.is_empty() || field.default.is_some();
                    let declared = says.then(|| Declared {
                        aliases: field.aliases.clone(),
                        default: field.default.clone(),
                    });
                    let declared = declared.map(Box::new);
                    Ok(Part { name: field.name.clone(), shape, column: None, declared })
                });
                let parts = parts.collect::<Result<_>>()?;
                self.shapes[place] = Some(Shape::Record(parts));
                Shape::Named(place)
            }
            Schema::Ref { name } => {
                let full = name.fullname(space);
                let place = self.places.get(&full);
                let unknown = || Error::config(format!("the Avro schema has no type '{full}'"));
                Shape::Named(*place.ok_or_else(unknown)?)
            }
        })
    }

    fn place(&mut self, name: &Name, space: Option<&str>) -> usize {
        self.places.insert(name.fullname(space), self.shapes.len());
        self.shapes.push(None);
        self.shapes.len() - 1
    }

    fn named(&mut self, name: &Name, space: Option<&str>, shape: Shape) -> Shape {
        let place = self.place(name, space);
        self.shapes[place] = Some(shape);
        Shape::Named(place)
    }
}
