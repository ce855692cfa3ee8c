//! What is made of measured numbers: medians, means, ratios, and numbers read from texts.

/// The middle one.
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// The mean of ratios; None without any.
pub fn geometric_mean(of: &[f64]) -> Option<f64> {
    let logarithms: f64 = of.iter().map(|ratio| ratio.ln()).sum();
    (!of.is_empty()).then(|| (logarithms / of.len() as f64).exp())
}

/// A value without labels in the text of `/metrics`.
pub fn metric(text: &str, name: &str) -> Option<u64> {
    let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    values.next()?.parse().ok()
}

/// Rows that a run's last words say were given to sinks.
pub fn written(log: &str) -> Option<u64> {
    let (_, behind) = log.rsplit_once("; written ")?;
    let digits = behind.chars().take_while(|c| *c != ' ').filter(char::is_ascii_digit);
    digits.collect::<String>().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted() {
        assert_eq!(median(vec![9.0, 1.0, 4.0]), 4.0);
    }

    #[test]
    fn a_geometric_mean_weighs_ratios_and_their_inverses_alike() {
        assert_eq!(geometric_mean(&[]), None);
        let mean = geometric_mean(&[2.0, 8.0, 4.0]).expect("there are ratios");
        assert!((mean - 4.0).abs() < 1e-12, "{mean}");
        let none = geometric_mean(&[5.0, 0.2]).expect("there are ratios");
        assert!((none - 1.0).abs() < 1e-12, "{none}");
    }

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP brooklet_state_bytes State of all nodes.\n\
                    # TYPE brooklet_state_bytes gauge\n\
                    brooklet_state_bytes_more 9\n\
                    brooklet_state_bytes 1048576\n# EOF\n";
        assert_eq!(metric(text, "brooklet_state_bytes"), Some(1_048_576));
        assert_eq!(metric(text, "brooklet_state"), None);
    }

    #[test]
    fn rows_are_read_from_the_last_account() {
        let log = "read 9: 0 skipped; written 7, committed epoch 1\n\
                   read 1,000,000: 0 skipped, 80,000 filtered, 0 dead letters; \
                   written 1,920,500, committed epoch 16\nfinished: every source was read\n";
        assert_eq!(written(log), Some(1_920_500));
        assert_eq!(written("killed"), None);
    }
}
