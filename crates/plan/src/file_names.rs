//! How files are called: by us, by a template, or as a path says.

use brooklet_core::{Error, Result};

#[derive(Debug, Clone, PartialEq)]
pub enum FileNames {
    /// `part-<instance>-<serial>` with this extension and its dot.
    Parts {
        extension: String,
    },
    Template(Vec<NamePart>),
    /// One file, the table's path itself, replaced by each result.
    Single,
}

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub enum NamePart {
    Text(String),
    /// The time of the epoch in UTC, as strftime formats it.
    Time(String),
    /// The value of a partition column, which then makes no `key=value` directory.
    Partition(usize),
    /// `<epoch>-<writer>-<number>`: no two files have the same.
    Serial,
}

/// Letters of a template and of strftime.
const FIELDS: &[(&str, &str)] = &[
    ("yyyy", "%Y"),
    ("MM", "%m"),
    ("dd", "%d"),
    ("HH", "%H"),
    ("mm", "%M"),
    ("SSS", "%3f"),
    ("ss", "%S"),
];

impl FileNames {
    /// `{yyyy}/{MM}/{dd}/{HH-mm-ss}-clicks.json`: in braces a time in UTC by `yyyy MM dd HH mm ss
    /// SSS`, a partition column (then all of them), or `n` for the serial number, which stands
    /// before the extension if it is not written.
    pub fn template(text: &str, partition: &[String]) -> Result<FileNames> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((field, after)) = after.split_once('}') else {
                return Err(wrong(text, "a brace is not closed"));
            };
            parts.push(NamePart::Text(before.to_string()));
            parts.push(match field {
                "n" => NamePart::Serial,
                field => match partition.iter().position(|column| column == field) {
                    Some(column) => NamePart::Partition(column),
                    None => NamePart::Time(time(text, field)?),
                },
            });
            rest = after;
        }
        let named = |column: &usize| parts.contains(&NamePart::Partition(*column));
        let columns = (0..partition.len()).filter(named).count();
        if columns != 0 && columns != partition.len() {
            return Err(wrong(
                text,
                "it names some of the PARTITIONED BY columns: name all or none",
            ));
        }
        if !parts.contains(&NamePart::Serial) {
            let file = rest.rfind('/').map_or(0, |slash| slash + 1);
            let dot = rest[file..].rfind('.').map_or(rest.len(), |dot| file + dot);
            let (before, extension) = rest.split_at(dot);
            parts.push(NamePart::Text(format!("{before}-")));
            parts.push(NamePart::Serial);
            rest = extension;
        }
        parts.push(NamePart::Text(rest.to_string()));
        let hidden = |part: &str| part.is_empty() || part.starts_with(['.', '_']);
        if text.split('/').any(hidden) {
            return Err(wrong(
                text,
                "write a relative path none of whose parts is empty or starts with '.' or '_'",
            ));
        }
        Ok(FileNames::Template(parts))
    }
}

fn time(text: &str, field: &str) -> Result<String> {
    let mut format = String::new();
    let mut rest = field;
    while let Some(first) = rest.chars().next() {
        match FIELDS.iter().find(|(letters, _)| rest.starts_with(letters)) {
            Some((letters, as_strftime)) => {
                format.push_str(as_strftime);
                rest = &rest[letters.len()..];
            }
            None if first.is_ascii_alphabetic() || first == '%' => {
                let known = FIELDS.iter().map(|(letters, _)| *letters).collect::<Vec<_>>();
                let known = known.join(", ");
                return Err(wrong(text, &format!("{{{field}}} is not made of {known}, nor n")));
            }
            None => {
                format.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    Ok(format)
}

fn wrong(text: &str, why: &str) -> Error {
    Error::config(format!("path-template = '{text}': {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["", "/a", "a/../b", "{yyy}.json", "{yyyy", "a//b", "x/.y", "{%Y}"] {
            assert!(FileNames::template(text, &[]).is_err(), "{text}");
        }
        let columns = ["year".to_string(), "day".to_string()];
        assert!(FileNames::template("{year}/{day}/x", &columns).is_ok());
        assert!(FileNames::template("{year}/x", &columns).is_err());
    }

    #[test]
    fn a_serial_number_stands_before_the_extension() {
        let FileNames::Template(parts) = FileNames::template("{dd}/x.csv", &[]).unwrap() else {
            panic!("a template");
        };
        let text = |text: &str| NamePart::Text(text.into());
        let day = NamePart::Time("%d".into());
        assert_eq!(parts, [text(""), day, text("/x-"), NamePart::Serial, text(".csv")]);
    }
}
