//! The entries of a map of texts in the order of Java's hash table.

use std::collections::BTreeMap;

/// Keys and values, each with the number of its key among all that came.
pub(super) type Entries<'a> = BTreeMap<&'a str, (usize, Option<&'a str>)>;

/// As they stand in a table that is made for `expected` entries.
pub(super) fn sorted<'a>(entries: Entries<'a>, expected: usize) -> Vec<(&'a str, Option<&'a str>)> {
    let slots = (expected * 4).div_ceil(3).next_power_of_two() as u32;
    let mut all: Vec<_> = entries.into_iter().collect();
    all.sort_by_key(|(_, (came, _))| *came);
    let mut all: Vec<_> = all.into_iter().map(|(k, (_, v))| (hash(k), (k, v))).collect();
    all.sort_by_key(|(hash, _)| (hash ^ (hash >> 16)) & (slots - 1));
    all.into_iter().map(|(_, entry)| entry).collect()
}

/// Of a String.
fn hash(text: &str) -> u32 {
    text.encode_utf16().fold(0, |hash: u32, unit| hash.wrapping_mul(31).wrapping_add(unit.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Flink shows them.
    #[test]
    fn words() {
        let order = |text: &'static str| {
            let words = text.split(',').enumerate().map(|(i, word)| (word, (i, None)));
            let entries: Entries = words.collect();
            let count = entries.len();
            sorted(entries, count).into_iter().map(|(k, _)| k).collect::<Vec<_>>().join(",")
        };
        assert_eq!(order("k1,k2,k3"), "k3,k1,k2");
        assert_eq!(order("q,w,e,r,t,y"), "q,y,r,t,e,w");
        assert_eq!(
            order(
                "one,two,three,four,five,six,seven,eight,nine,ten,eleven,twelve,thirteen,fourteen"
            ),
            "nine,six,one,seven,two,three,thirteen,eight,fourteen,four,twelve,eleven,ten,five"
        );
    }
}
