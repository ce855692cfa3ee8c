//! Paths into JSON: `$.a.b[0]['a name']`, after an optional `lax` or `strict`.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Index(usize),
    /// `.*`, `[*]`
    All,
    /// `..`
    Deep,
    /// `[from:to]`
    Slice(Option<i64>, Option<i64>),
    /// `[0,2]`
    Several(Vec<usize>),
}

impl Step {
    /// Whether it can lead to several values.
    pub fn is_open(&self) -> bool {
        !matches!(self, Step::Member(_) | Step::Index(_))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// A path that leads nowhere is no error.
    pub lax: bool,
    pub steps: Vec<Step>,
}

impl Path {
    /// Reads a path, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Path, String> {
        let trimmed = text.trim();
        let (lax, rest) = match trimmed.split_once(char::is_whitespace) {
            Some(("strict", rest)) => (false, rest.trim_start()),
            Some(("lax", rest)) => (true, rest.trim_start()),
            _ => (false, trimmed),
        };
        let wrong = || {
            format!(
                "'{text}' is no JSON path that can be read here; one looks like $.a.b[0]['a name']"
            )
        };
        let mut rest = rest.strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = vec![];
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(wrong)?;
            steps.push(step);
            rest = after;
        }
        Ok(Path { lax, steps })
    }
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix("..") {
        // What follows the two points is a step with one.
        return Some((Step::Deep, &text[if rest.starts_with('[') { 2 } else { 1 }..]));
    }
    if let Some(rest) = text.strip_prefix('.') {
        if let Some(rest) = rest.strip_prefix('*') {
            return Some((Step::All, rest));
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        let call = matches!(name, "length()" | "size()");
        let plain = call || !name.is_empty() && !name.contains(['*', '(', ')', '?', '@', '\'']);
        return plain.then(|| (Step::Member(name.to_string()), &rest[end..]));
    }
    let rest = text.strip_prefix('[')?.trim_start();
    if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let rest = &rest[1..];
        let end = rest.find(quote)?;
        let after = rest[end + 1..].trim_start().strip_prefix(']')?;
        return Some((Step::Member(rest[..end].to_string()), after));
    }
    let end = rest.find(']')?;
    let (inside, after) = (rest[..end].trim(), &rest[end + 1..]);
    if inside == "*" {
        return Some((Step::All, after));
    }
    if let Some((from, to)) = inside.split_once(':') {
        let bound = |t: &str| match t.trim() {
            "" => Some(None),
            number => number.parse().ok().map(Some),
        };
        return Some((Step::Slice(bound(from)?, bound(to)?), after));
    }
    if inside.contains(',') {
        let each = inside.split(',').map(|n| n.trim().parse().ok());
        return Some((Step::Several(each.collect::<Option<_>>()?), after));
    }
    Some((Step::Index(inside.parse().ok()?), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_members_and_indexes() {
        let path = Path::parse("strict $.a[1]['b c']").unwrap();
        let member = |name: &str| Step::Member(name.to_string());
        assert_eq!(
            path,
            Path { lax: false, steps: vec![member("a"), Step::Index(1), member("b c")] }
        );
        for bad in ["", "a.b", "$[", "$.a[?(@.x)]"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
