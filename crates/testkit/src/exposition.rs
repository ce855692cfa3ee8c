//! Reads metrics in the OpenMetrics text format, strictly: what the format does not allow panics
//! with the line.

use std::collections::{BTreeMap, BTreeSet};

/// The metrics of one scrape.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By the family's name.
    pub families: BTreeMap<String, Family>,
    /// By name and labels, as `name{label="value",…}` with the labels sorted.
    pub samples: BTreeMap<String, f64>,
}

#[derive(Debug, Default)]
pub struct Family {
    pub kind: String,
    pub help: String,
}

/// A sample's name, its labels with their escapes resolved, and what stands behind them.
type Line<'a> = (&'a str, BTreeMap<String, String>, &'a str);

impl Metrics {
    /// Every sample belongs to the family that was announced last, with a suffix that its kind
    /// allows; none comes twice; nothing follows `# EOF`.
    pub fn parse(text: &str) -> Metrics {
        let mut metrics = Metrics::default();
        let mut current = String::new();
        let body = text.strip_suffix("# EOF\n").expect("the text ends in # EOF");
        for line in body.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                let family = Family { help: help.to_string(), ..Family::default() };
                let known = metrics.families.insert(name.to_string(), family);
                assert!(known.is_none(), "announced twice: {line}");
                current = name.to_string();
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap_or_else(|| panic!("{line}"));
                assert_eq!(name, current, "TYPE follows HELP: {line}");
                metrics.families.entry(current.clone()).or_default().kind = kind.to_string();
            } else {
                metrics.sample(&current, line);
            }
        }
        metrics.check_histograms();
        metrics
    }

    /// The value of `name{label="value",…}`; panics with all samples when there is none.
    pub fn value(&self, sample: &str) -> f64 {
        let value = self.samples.get(sample);
        *value.unwrap_or_else(|| panic!("no {sample} in {:#?}", self.samples))
    }

    /// All samples of a name, added up.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = |key: &&String| {
            key.strip_prefix(name).is_some_and(|r| r.is_empty() || r.starts_with('{'))
        };
        self.samples.iter().filter(|(key, _)| of_name(key)).map(|(_, value)| value).sum()
    }

    fn sample(&mut self, family: &str, line: &str) {
        let (name, labels, value) = split(line);
        let kind = self.families.get(family).map_or("", |f| f.kind.as_str());
        let suffixes: &[&str] = match kind {
            "counter" => &["_total"],
            "gauge" => &[""],
            "info" => &["_info"],
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => panic!("a sample of no known kind: {line}"),
        };
        let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("not of {family}: {line}"));
        assert!(suffixes.contains(&suffix), "a {kind} has no {suffix}: {line}");
        let number: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert!(kind == "gauge" || number >= 0.0, "below nothing: {line}");
        assert!(kind != "info" || number == 1.0, "an info is 1: {line}");
        let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        let key = match labels.is_empty() {
            true => name.to_string(),
            false => format!("{name}{{{}}}", labels.join(",")),
        };
        assert!(self.samples.insert(key, number).is_none(), "comes twice: {line}");
    }

    /// Buckets never shrink, and the last is the count, for each set of other labels.
    fn check_histograms(&self) {
        let histograms = self.families.iter().filter(|(_, family)| family.kind == "histogram");
        for (name, _) in histograms {
            let mut series: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
            for (key, count) in &self.samples {
                let Some(labels) = key.strip_prefix(&format!("{name}_bucket{{le=\"")) else {
                    continue;
                };
                let (bound, others) = labels.split_once('"').unwrap_or_else(|| panic!("{key}"));
                let bound = bound.replace("+Inf", "inf").parse();
                let bound = bound.unwrap_or_else(|_| panic!("no bound: {key}"));
                let others = others
                    .trim_start_matches(',')
                    .strip_suffix('}')
                    .unwrap_or_default()
                    .to_string();
                series.entry(others).or_default().push((bound, *count));
            }
            assert!(!series.is_empty(), "{name} has no buckets");
            for (labels, mut buckets) in series {
                buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
                assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name} shrinks: {buckets:?}");
                let count = match labels.is_empty() {
                    true => format!("{name}_count"),
                    false => format!("{name}_count{{{labels}}}"),
                };
                let all = (f64::INFINITY, self.value(&count));
                assert_eq!(buckets.last(), Some(&all), "{name}");
            }
        }
    }
}

fn split(line: &str) -> Line<'_> {
    let fault = || -> ! { panic!("not a sample: {line}") };
    let end = line.find(['{', ' ']).unwrap_or_else(|| fault());
    let (name, mut rest) = line.split_at(end);
    let word = |text: &str| {
        let first = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        first && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    assert!(word(name), "no name: {line}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, quoted) = rest.split_once("=\"").unwrap_or_else(|| fault());
            assert!(word(label), "no label: {line}");
            let (value, behind) = quoted_value(quoted).unwrap_or_else(|| fault());
            let known = labels.insert(label.to_string(), value);
            assert!(known.is_none(), "a label comes twice: {line}");
            rest = behind;
            match rest.strip_prefix(',') {
                Some(next) => rest = next,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| fault());
    }
    (name, labels, rest.strip_prefix(' ').unwrap_or_else(|| fault()))
}

/// Up to the closing quote, and what follows it.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let allowed: BTreeSet<char> = ['\\', '"', 'n'].into();
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => {
                let (_, escaped) = chars.next().filter(|(_, c)| allowed.contains(c))?;
                value.push(if escaped == 'n' { '\n' } else { escaped });
            }
            c => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    const GOOD: &str = "\
# HELP reads Records.
# TYPE reads counter
reads_total{table=\"a\"} 2
reads_total{table=\"b, \\\"c\\\"}\\n\"} 3
# HELP up Up.
# TYPE up gauge
up 1.5
# HELP took Took.
# TYPE took histogram
took_sum 0.3
took_count 2
took_bucket{le=\"0.1\"} 1
took_bucket{le=\"+Inf\"} 2
# EOF
";

    #[test]
    fn samples_are_found_by_name_and_labels() {
        let metrics = Metrics::parse(GOOD);
        assert_eq!(metrics.value("reads_total{table=\"a\"}"), 2.0);
        assert_eq!(metrics.value("reads_total{table=\"b, \\\"c\\\"}\\n\"}"), 3.0);
        assert_eq!((metrics.sum("reads_total"), metrics.sum("up")), (5.0, 1.5));
        assert_eq!(metrics.families["took"].kind, "histogram");
    }

    #[test]
    fn what_the_format_does_not_allow_panics() {
        let wrong = [
            ("reads_total{table=\"a\"} 2", "reads{table=\"a\"} 2"),
            ("reads_total{table=\"a\"} 2", "reads_total{table=\"a} 2"),
            ("reads_total{table=\"a\"} 2", "reads_total{table=\"\\x\"} 2"),
            ("reads_total{table=\"a\"} 2", "reads_total{ta-ble=\"a\"} 2"),
            ("reads_total{table=\"a\"} 2", "reads_total{table=\"a\",table=\"a\"} 2"),
            ("reads_total{table=\"a\"} 2", "reads_total{table=\"a\"} two"),
            ("reads_total{table=\"a\"} 2", "reads_total{table=\"a\"} -2"),
            ("up 1.5", "up 1.5\nup 1.5"),
            ("up 1.5", "down 1.5"),
            ("# TYPE up gauge\n", ""),
            ("took_count 2", "took_count 3"),
            ("{le=\"0.1\"} 1", "{le=\"0.1\"} 7"),
            ("# EOF\n", ""),
        ];
        for (from, to) in wrong {
            assert!(GOOD.contains(from), "{from}");
            let text = GOOD.replace(from, to);
            let parsed = std::panic::catch_unwind(|| Metrics::parse(&text));
            assert!(parsed.is_err(), "{to} was accepted");
        }
    }
}
