//! Which columns of a table stand in a record's key and which in its value: `key.fields` and its
//! like, the same for reading and writing.

use crate::options::Options;
use crate::schema::{ColumnKind, TableDef};
use crate::{Error, Result};

/// The columns of a record's key; none when records have no key of the table's.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeyFields {
    /// In the order in which the key has them.
    names: Vec<String>,
    prefix: String,
    /// `value.fields-include` = EXCEPT_KEY.
    except_key: bool,
}

impl KeyFields {
    /// Reads and checks the options; errors name the option that is wrong.
    pub fn of(table: &TableDef) -> Result<KeyFields> {
        let options = &table.options;
        let prefix = options.text("key.fields-prefix", "");
        let except_key = match options.get("value.fields-include") {
            None | Some("ALL") => false,
            Some("EXCEPT_KEY") => true,
            Some(other) => {
                return Err(Error::config(format!(
                    "option 'value.fields-include' = '{other}' is not ALL or EXCEPT_KEY"
                )));
            }
        };
        let names = names(table)?;
        if names.is_empty() {
            return Ok(KeyFields::default());
        }
        if !prefix.is_empty() && !except_key {
            return Err(Error::config(
                "option 'key.fields-prefix' needs 'value.fields-include' = 'EXCEPT_KEY': the \
                 value would hold the key's columns under their other names",
            ));
        }
        for name in &names {
            if !table.columns.iter().any(|c| c.name == *name && c.kind == ColumnKind::Physical) {
                let by = if table.is_upserts() { "PRIMARY KEY" } else { "option 'key.fields'" };
                return Err(Error::config(format!(
                    "{by} names '{name}' for the records' key, which is no physical column"
                )));
            }
            if !name.starts_with(&prefix) {
                return Err(Error::config(format!(
                    "column '{name}' of the record's key does not start with \
                     'key.fields-prefix' = '{prefix}'"
                )));
            }
        }
        Ok(KeyFields { names, prefix, except_key })
    }

    /// The table's columns that make the key.
    pub fn names(&self) -> &[String] {
        &self.names
    }
    pub fn contains(&self, column: &str) -> bool {
        self.names.iter().any(|name| name == column)
    }
    pub fn in_value(&self, column: &str) -> bool {
        !(self.except_key && self.contains(column))
    }
    /// What a column of the key is called there.
    pub fn inner_name<'a>(&self, column: &'a str) -> &'a str {
        column.strip_prefix(self.prefix.as_str()).unwrap_or(column)
    }
}

fn names(table: &TableDef) -> Result<Vec<String>> {
    let options = &table.options;
    if table.is_upserts() {
        return match table.primary_key.as_slice() {
            [] => Err(Error::config(
                "a table of upserts needs PRIMARY KEY (…) NOT ENFORCED: its columns are the \
                 records' keys and say which row a record updates or deletes",
            )),
            key => Ok(key.to_vec()),
        };
    }
    let given = options.get("key.fields").unwrap_or_default();
    let names: Vec<String> =
        given.split(';').map(str::trim).filter(|n| !n.is_empty()).map(String::from).collect();
    match (options.get("key.format"), names.is_empty()) {
        (None, false) => {
            Err(Error::config("option 'key.fields' needs 'key.format': how the key is written"))
        }
        (Some(_), true) => Err(Error::config(
            "option 'key.format' needs 'key.fields': which columns stand in the key",
        )),
        _ => Ok(names),
    }
}

/// The options that the format of a record's key sees: its own under plain names, and none that
/// were written for the value's.
pub fn key_options(options: &Options, format: &str) -> Options {
    let of_value = |key: &str| key.starts_with("value.") || key.starts_with(&format!("{format}."));
    let mut all = options.clone();
    all.0.retain(|key, _| !of_value(key));
    all.0.extend(options.below("key.").map(|(key, value)| (key.to_string(), value.to_string())));
    all
}

/// The options that the format of a record's value sees.
pub fn value_options(options: &Options) -> Options {
    let mut all = options.clone();
    all.0.extend(options.below("value.").map(|(key, value)| (key.to_string(), value.to_string())));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ColumnDef;
    use crate::types::SqlType;

    fn table(options: &[(&str, &str)], primary_key: &[&str]) -> TableDef {
        let column = |name: &str| ColumnDef {
            name: name.into(),
            ty: SqlType::BigInt,
            nullable: true,
            kind: ColumnKind::Physical,
            comment: None,
        };
        let pair = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        TableDef {
            name: "t".into(),
            columns: ["k_a", "k_b", "c"].map(column).into(),
            watermark: None,
            primary_key: primary_key.iter().map(|k| k.to_string()).collect(),
            partitioned_by: vec![],
            options: Options(options.iter().map(pair).collect()),
            comment: None,
        }
    }

    #[test]
    fn the_key_has_its_order_and_its_names() {
        let options = [
            ("key.format", "json"),
            ("key.fields", "k_b; k_a"),
            ("key.fields-prefix", "k_"),
            ("value.fields-include", "EXCEPT_KEY"),
        ];
        let fields = KeyFields::of(&table(&options, &[])).unwrap();
        assert_eq!(fields.names(), ["k_b", "k_a"]);
        assert_eq!(fields.inner_name("k_b"), "b");
        assert!(fields.in_value("c") && !fields.in_value("k_a"));
        assert_eq!(KeyFields::of(&table(&[], &["c"])).unwrap(), KeyFields::default());
        let upserts = [("connector", "upsert-kafka"), ("key.format", "json")];
        let fields = KeyFields::of(&table(&upserts, &["k_a"])).unwrap();
        assert!(fields.contains("k_a") && fields.in_value("k_a"));
    }

    #[test]
    fn wrong_options_are_named() {
        let json = ("key.format", "json");
        for (options, named) in [
            (vec![json], "key.fields"),
            (vec![("key.fields", "c")], "key.format"),
            (vec![json, ("key.fields", "nope")], "nope"),
            (vec![json, ("key.fields", "c"), ("key.fields-prefix", "c")], "EXCEPT_KEY"),
            (
                vec![
                    json,
                    ("key.fields", "c"),
                    ("key.fields-prefix", "k_"),
                    ("value.fields-include", "EXCEPT_KEY"),
                ],
                "key.fields-prefix",
            ),
            (vec![("connector", "upsert-kafka"), json], "PRIMARY KEY"),
        ] {
            let error = KeyFields::of(&table(&options, &[])).unwrap_err();
            assert!(error.message.contains(named), "{options:?}: {error}");
        }
    }

    #[test]
    fn the_keys_format_sees_its_own_options_only() {
        let t = table(
            &[("json.a", "1"), ("key.json.b", "2"), ("value.json.c", "3"), ("topic", "t")],
            &[],
        );
        let key = key_options(&t.options, "json");
        let seen = |o: &Options, k: &str| o.get(k).map(String::from);
        assert_eq!(seen(&key, "json.b"), Some("2".into()));
        assert_eq!((seen(&key, "json.a"), seen(&key, "value.json.c")), (None, None));
        let value = value_options(&t.options);
        assert_eq!((seen(&value, "json.c"), seen(&value, "json.b")), (Some("3".into()), None));
    }
}
