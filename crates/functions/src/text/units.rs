//! Java's strings: UTF-16 units. Half of a pair becomes `?` where Java writes UTF-8.

/// Appends units that may be torn out of a text.
pub(super) fn push(out: &mut String, units: impl IntoIterator<Item = u16>) {
    out.extend(char::decode_utf16(units).map(|c| c.unwrap_or('?')));
}

/// Appends every unit by itself with `by` before each and after the last.
pub(super) fn push_between(out: &mut String, text: &str, by: &str) {
    out.push_str(by);
    for c in text.chars() {
        match c.len_utf16() {
            2 if !by.is_empty() => {
                out.push('?');
                out.push_str(by);
                out.push('?');
            }
            _ => out.push(c),
        }
        out.push_str(by);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn torn_pairs_are_question_marks() {
        let mut out = String::new();
        super::push(&mut out, "a😀b".encode_utf16().skip(2));
        super::push_between(&mut out, "x😀", "-");
        super::push_between(&mut out, "😀", "");
        assert_eq!(out, "?b-x-?-?-😀");
    }
}
