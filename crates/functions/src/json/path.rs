//! Paths into JSON: `$.a.b[0]['a name']`, after an optional `lax` or `strict`.

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Member(String),
    Index(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// A path that leads nowhere is an error.
    pub strict: bool,
    pub steps: Vec<Step>,
}

impl Path {
    /// Reads a path, or says what is wrong with it.
    pub fn parse(text: &str) -> Result<Path, String> {
        let trimmed = text.trim();
        let (strict, rest) = match trimmed.split_once(char::is_whitespace) {
            Some(("strict", rest)) => (true, rest.trim_start()),
            Some(("lax", rest)) => (false, rest.trim_start()),
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
        Ok(Path { strict, steps })
    }
}

fn step(text: &str) -> Option<(Step, &str)> {
    if let Some(rest) = text.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let name = rest[..end].trim();
        let plain = !name.is_empty() && !name.contains(['*', '(', ')', '?', '@']);
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
    Some((Step::Index(rest[..end].trim().parse().ok()?), &rest[end + 1..]))
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
            Path { strict: true, steps: vec![member("a"), Step::Index(1), member("b c")] }
        );
        for bad in ["", "a.b", "$..a", "$.a[*]", "$[", "$.a[?(@.x)]"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
    }
}
