//! Which column each field of a schema belongs to.

use arrow::datatypes::{DataType, Field, Fields};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, Result};

use super::default;
use super::shape::{Declared, Meaning, Part, Shape, Shapes};

/// Gives the shapes of a schema their columns.
pub(super) struct Resolver<'a> {
    /// Types that the schema refers to by name.
    pub named: &'a [Shape],
    /// The schema is one of several: what does not fit is a fault of single records.
    pub of_others: bool,
    /// The schema that the columns follow, if it says more than they do.
    pub expected: Option<&'a Shapes>,
}

impl Resolver<'_> {
    /// The fields of a record with their columns; `expected` are those of the reader's.
    pub fn parts(
        &self,
        parts: &[Part],
        expected: Option<&[Part]>,
        columns: &Fields,
    ) -> Result<Vec<Part>> {
        let mut resolved: Vec<Part> = parts.to_vec();
        for (place, column) in columns.iter().enumerate() {
            let of_reader = expected.and_then(|e| e.iter().find(|p| p.name == *column.name()));
            let declared = of_reader.and_then(|part| part.declared.as_deref());
            let inner = of_reader.and_then(|part| self.record_in(&part.shape));
            let at = |e: Error| e.at(format!("column '{}'", column.name()));
            match written(parts, column, declared, columns) {
                Some(part) => {
                    let shape = self.shape(&parts[part].shape, inner, column).map_err(at)?;
                    resolved[part].shape = shape;
                    resolved[part].column = Some(place);
                }
                None => resolved.extend(self.unwritten(column, of_reader, place)?),
            }
        }
        Ok(resolved)
    }

    /// What stands for a column that was not written; nothing where that is NULL.
    fn unwritten(
        &self,
        column: &Field,
        of_reader: Option<&Part>,
        place: usize,
    ) -> Result<Option<Part>> {
        let default = of_reader.and_then(|part| Some((part, part.declared.as_ref()?)));
        let default = default.and_then(|(part, says)| Some((part, says.default.as_ref()?)));
        if let (Some((part, default)), Some(expected)) = (default, self.expected) {
            let bytes = default::encode(&part.shape, &expected.named, default)
                .map_err(|e| e.at(format!("default of field '{}'", part.name)))?;
            let own = Resolver { named: &expected.named, of_others: false, expected: None };
            let shape = Box::new(own.shape(&part.shape, None, column)?);
            return Ok(Some(Part {
                name: column.name().clone(),
                shape: Shape::Constant(shape, bytes.into()),
                column: Some(place),
                declared: None,
            }));
        }
        let name = column.name();
        match (of_reader, column.is_nullable()) {
            (Some(_), _) => Err(Error::config(format!(
                "the writer's schema has no field '{name}', and the reader's has no default for it"
            ))),
            (None, true) => Ok(None),
            (None, false) => Err(Error::config(format!(
                "column '{name}' is NOT NULL, but the Avro schema has no such field"
            ))),
        }
    }

    /// The shape with the columns of its records; an error when the column cannot take it.
    fn shape(&self, shape: &Shape, expected: Option<&[Part]>, column: &Field) -> Result<Shape> {
        let inner = |shape: &Shape, column: &Field| {
            Ok::<_, Error>(Box::new(self.shape(shape, expected, column)?))
        };
        let ty = column.data_type();
        Ok(match (shape, ty) {
            (Shape::Named(place), _) => self.shape(&self.named[*place], expected, column)?,
            (Shape::Union(branches), _) => self.union(branches, expected, column)?,
            (Shape::Record(parts), DataType::Struct(fields)) => {
                Shape::Record(self.parts(parts, expected, fields)?)
            }
            (Shape::Array(item), DataType::List(field)) => Shape::Array(inner(item, field)?),
            (Shape::Map(value), DataType::Map(entries, _)) => match entries.data_type() {
                DataType::Struct(entries) => Shape::Map(inner(value, &entries[1])?),
                _ => return Err(Error::bug("a map without entries")),
            },
            (shape, ty) if takes(ty, shape) => shape.clone(),
            (shape, ty) => {
                let ty = SqlType::from_arrow(ty);
                let ty = ty.map_or_else(|| column.data_type().to_string(), |ty| ty.to_string());
                return Err(Error::config(format!("{ty} cannot take Avro's {}", name(shape))));
            }
        })
    }

    fn union(
        &self,
        branches: &[Shape],
        expected: Option<&[Part]>,
        column: &Field,
    ) -> Result<Shape> {
        let mut failed = None;
        let mut fits = false;
        let mut resolved = Vec::with_capacity(branches.len());
        for branch in branches {
            let shape = match self.shape(branch, expected, column) {
                Ok(shape) => shape,
                Err(e) => {
                    failed.get_or_insert(e);
                    Shape::Unwritten
                }
            };
            fits |= !matches!(shape, Shape::Null | Shape::Unwritten);
            resolved.push(shape);
        }
        match failed {
            Some(e) if !fits || !self.of_others => Err(e),
            _ => Ok(Shape::Union(resolved)),
        }
    }

    /// The fields of the record that a type of the reader's is, or is made of.
    fn record_in<'s>(&'s self, shape: &'s Shape) -> Option<&'s [Part]> {
        match shape {
            Shape::Record(parts) => Some(parts),
            Shape::Named(place) => self.record_in(&self.expected?.named[*place]),
            Shape::Array(inner) | Shape::Map(inner) => self.record_in(inner),
            Shape::Union(branches) => branches.iter().find_map(|branch| self.record_in(branch)),
            _ => None,
        }
    }
}

/// The field that holds a column: of its name, or of another that the reader knows it by.
fn written(
    parts: &[Part],
    column: &Field,
    declared: Option<&Declared>,
    columns: &Fields,
) -> Option<usize> {
    let of_name = |name: &str| parts.iter().position(|part| part.name == name);
    let aliases = declared.map_or(&[][..], |declared| &declared.aliases);
    let mut others = aliases.iter().filter(|alias| columns.find(alias).is_none());
    of_name(column.name()).or_else(|| others.find_map(|alias| of_name(alias)))
}

/// Whether a scalar column takes what that shape holds.
fn takes(ty: &DataType, shape: &Shape) -> bool {
    use DataType::{
        Binary, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Time32, Timestamp,
        Utf8,
    };
    match shape {
        Shape::Null => true,
        Shape::Boolean => *ty == DataType::Boolean,
        Shape::Int(Meaning::Number) => matches!(
            ty,
            Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Date32 | Time32(_) | Timestamp(_, _)
        ),
        Shape::Int(Meaning::Date) => matches!(ty, Int32 | Int64 | Date32),
        Shape::Int(_) => matches!(ty, Int32 | Int64 | Time32(_)),
        Shape::Long(Meaning::Number) => matches!(ty, Int64 | Float32 | Float64 | Timestamp(_, _)),
        Shape::Long(Meaning::TimeMicros) => matches!(ty, Int64 | Time32(_)),
        Shape::Long(_) => matches!(ty, Int64 | Timestamp(_, _)),
        Shape::Float => matches!(ty, Float32 | Float64),
        Shape::Double => *ty == Float64,
        Shape::Text | Shape::Uuid => matches!(ty, Utf8 | Binary),
        Shape::Enum(_) => *ty == Utf8,
        Shape::Bytes(None) => matches!(ty, Utf8 | Binary | Decimal128(_, _)),
        Shape::Bytes(_) | Shape::Fixed(_, _) => matches!(ty, Binary | Decimal128(_, _)),
        _ => false,
    }
}

/// The type's name in Avro.
pub(super) fn name(shape: &Shape) -> &'static str {
    match shape {
        Shape::Null => "null",
        Shape::Boolean => "boolean",
        Shape::Int(Meaning::Date) => "date",
        Shape::Int(Meaning::TimeMillis) => "time-millis",
        Shape::Int(_) => "int",
        Shape::Long(Meaning::TimeMicros) => "time-micros",
        Shape::Long(Meaning::Timestamp(_)) => "timestamp",
        Shape::Long(_) => "long",
        Shape::Float => "float",
        Shape::Double => "double",
        Shape::Bytes(Some(_)) | Shape::Fixed(_, Some(_)) => "decimal",
        Shape::Bytes(None) => "bytes",
        Shape::Text => "string",
        Shape::Fixed(_, None) => "fixed",
        Shape::Uuid => "uuid",
        Shape::Enum(_) => "enum",
        Shape::Array(_) => "array",
        Shape::Map(_) => "map",
        Shape::Union(_) | Shape::Unwritten => "union",
        Shape::Constant(shape, _) => name(shape),
        Shape::Record(_) | Shape::Named(_) => "record",
    }
}
