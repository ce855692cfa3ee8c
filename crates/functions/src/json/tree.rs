//! A JSON document as a tree, and the values at a path in it. Members are in the order of the text,
//! and are written in that of their names, as Flink does; of several of one name the last wins.

use super::path::Step;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads a document; None if the text is none.
    pub fn read(text: &str) -> Option<Json> {
        super::scan::find(text, &[]).ok()?;
        let mut reader = Reader { text, at: 0 };
        Some(reader.value())
    }

    pub fn is_scalar(&self) -> bool {
        !matches!(self, Json::Array(_) | Json::Object(_))
    }

    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Number(written) => super::number(out, written),
            Json::Text(text) => super::make::quote(text, out),
            Json::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                for (i, (name, value)) in sorted.into_iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    super::make::quote(name, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// The value at the path; None if it leads nowhere. A path with several ends gives an array of
    /// what is there.
    pub fn at(&self, steps: &[Step]) -> Option<Json> {
        let Some(first) = steps.iter().position(|s| s.is_open()) else {
            return self.only(steps).cloned();
        };
        let mut found = vec![];
        let start = self.only(&steps[..first])?;
        // What leads nowhere behind a wildcard is left out, in front of it there is no value.
        if !start.all(&steps[first..], &mut found) {
            return None;
        }
        Some(Json::Array(found))
    }

    fn only(&self, steps: &[Step]) -> Option<&Json> {
        steps.iter().try_fold(self, |value, step| match (value, step) {
            (Json::Object(members), Step::Member(name)) => member(members, name),
            (Json::Array(items), Step::Index(i)) => items.get(*i),
            _ => None,
        })
    }

    fn all(&self, steps: &[Step], found: &mut Vec<Json>) -> bool {
        let [step, rest @ ..] = steps else {
            found.push(self.clone());
            return true;
        };
        match (self, step) {
            (Json::Array(items), Step::All) => {
                for item in items {
                    item.all(rest, found);
                }
            }
            (Json::Object(members), Step::All) => {
                for (_, item) in members {
                    item.all(rest, found);
                }
            }
            (_, Step::Deep) => self.deep(rest, found),
            (Json::Array(items), Step::Slice(from, to)) => {
                let count = items.len() as i64;
                let place = |n: i64| if n < 0 { count + n } else { n }.clamp(0, count) as usize;
                let (from, to) = (place(from.unwrap_or(0)), place(to.unwrap_or(count)));
                let range = items.get(from..to).unwrap_or_default();
                for item in range {
                    item.all(rest, found);
                }
            }
            (Json::Array(items), Step::Several(which)) => {
                let each = which.iter().filter_map(|i| items.get(*i));
                for item in each {
                    item.all(rest, found);
                }
            }
            (Json::Object(members), Step::Member(name)) => match member(members, name) {
                Some(value) => return value.all(rest, found),
                None => return false,
            },
            (Json::Array(items), Step::Index(i)) => match items.get(*i) {
                Some(value) => return value.all(rest, found),
                None => return false,
            },
            _ => return matches!(step, Step::All),
        }
        true
    }

    fn deep(&self, steps: &[Step], found: &mut Vec<Json>) {
        self.all(steps, found);
        match self {
            Json::Array(items) => items.iter().for_each(|item| item.deep(steps, found)),
            Json::Object(members) => members.iter().for_each(|(_, item)| item.deep(steps, found)),
            _ => {}
        }
    }
}

fn member<'a>(members: &'a [(String, Json)], name: &str) -> Option<&'a Json> {
    members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

/// Reads text that is known to be JSON.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Json {
        self.space();
        match self.peek() {
            b'{' => self.object(),
            b'[' => self.array(),
            b'"' => Json::Text(self.string()),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Json {
        let rest = &self.text[self.at..];
        let ends = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        self.at += word.len().max(1);
        match word {
            "null" => Json::Null,
            "true" => Json::Bool(true),
            "false" => Json::Bool(false),
            number => Json::Number(number.to_string()),
        }
    }

    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while self.at < self.text.len() && self.peek() != b'"' {
            self.at += if self.peek() == b'\\' { 2 } else { 1 };
        }
        self.at = (self.at + 1).min(self.text.len());
        super::scan::unescaped(&self.text[start..self.at]).unwrap_or_default()
    }

    fn array(&mut self) -> Json {
        let mut items = vec![];
        self.at += 1;
        loop {
            self.space();
            match self.peek() {
                b']' | 0 => break,
                b',' => self.at += 1,
                _ => items.push(self.value()),
            }
        }
        self.at += 1;
        Json::Array(items)
    }

    fn object(&mut self) -> Json {
        let mut members: Vec<(String, Json)> = vec![];
        self.at += 1;
        loop {
            self.space();
            match self.peek() {
                b'}' | 0 => break,
                b',' => self.at += 1,
                _ => {
                    let name = self.string();
                    self.space();
                    self.at += 1;
                    let value = self.value();
                    match members.iter_mut().find(|(before, _)| *before == name) {
                        Some((_, old)) => *old = value,
                        None => members.push((name, value)),
                    }
                }
            }
        }
        self.at += 1;
        Json::Object(members)
    }
}
