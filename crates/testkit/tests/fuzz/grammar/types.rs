//! What an expression can be.

/// A type, or a few that are used alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ty {
    Int,
    Long,
    Double,
    Decimal,
    Text,
    Bool,
    Date,
    Time,
    Moment,
    Zoned,
    Bytes,
    Ints,
    Texts,
    Map,
    Row,
    Rows,
}

/// A type with its letter in templates and its SQL name.
pub const TYPES: [(Ty, char, &str); 16] = [
    (Ty::Int, 'I', "INT"),
    (Ty::Long, 'L', "BIGINT"),
    (Ty::Double, 'F', "DOUBLE"),
    (Ty::Decimal, 'N', "DECIMAL(10, 2)"),
    (Ty::Text, 'S', "STRING"),
    (Ty::Bool, 'B', "BOOLEAN"),
    (Ty::Date, 'D', "DATE"),
    (Ty::Time, 'H', "TIME"),
    (Ty::Moment, 'M', "TIMESTAMP(3)"),
    (Ty::Zoned, 'Z', "TIMESTAMP_LTZ(3)"),
    (Ty::Bytes, 'X', "BYTES"),
    (Ty::Ints, 'A', "ARRAY<INT>"),
    (Ty::Texts, 'C', "ARRAY<STRING>"),
    (Ty::Map, 'P', "MAP<STRING, INT>"),
    (Ty::Row, 'R', "ROW<p INT, q STRING>"),
    (Ty::Rows, 'Q', "ARRAY<ROW<p INT, q STRING>>"),
];

impl Ty {
    pub fn of_letter(letter: char) -> Option<Ty> {
        TYPES.iter().find(|(_, c, _)| *c == letter).map(|(ty, ..)| *ty)
    }
    pub fn sql(self) -> &'static str {
        TYPES.iter().find(|(ty, ..)| *ty == self).map_or("", |(.., sql)| sql)
    }
    /// Rows can be grouped, ordered and compared by it.
    pub fn is_plain(self) -> bool {
        use Ty::*;
        matches!(self, Int | Long | Double | Decimal | Text | Bool | Date | Moment)
    }
}

/// Other types that casts can name, the usual ones first.
pub const CASTS: [&str; 37] = [
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "DECIMAL(38, 0)",
    "DECIMAL(5, 2)",
    "DECIMAL(38, 38)",
    "CHAR",
    "CHAR(3)",
    "VARCHAR(2147483647)",
    "VARCHAR(2)",
    "STRING",
    "STRING",
    "STRING",
    "BOOLEAN",
    "DATE",
    "TIME",
    "TIMESTAMP(0)",
    "TIMESTAMP(3)",
    "TIMESTAMP(9)",
    "TIMESTAMP_LTZ(3)",
    "TIMESTAMP_LTZ(9)",
    "DECIMAL(39, 1)",
    "DECIMAL(1, 2)",
    "CHAR(0)",
    "BINARY(3)",
    "VARBINARY(2)",
    "BYTES",
    "TIME(3)",
    "TIMESTAMP(10)",
    "ARRAY<STRING>",
    "MAP<STRING, STRING>",
    "ROW<a BIGINT, b STRING>",
    "MULTISET<INT>",
];
pub const USUAL: usize = 25;

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: Ty,
}

impl Column {
    pub fn new(name: impl Into<String>, ty: Ty) -> Column {
        Column { name: name.into(), ty }
    }
}
