//! Dead letters that somebody asked to be given to the pipeline again.
//!
//! `replay/<slot>` is create-only and holds letters of one source table, whole: a table's split
//! `replay` is these slots, its position the next slot's number. Slots are never deleted, so what
//! an epoch took can be read again, and what was asked for before is known.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use brooklet_core::source::SplitId;
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};

use super::store::{Created, Store};

/// Letters that one slot holds at most.
pub const SLOT_LETTERS: usize = 1_000;
/// Bytes after which a slot is closed.
pub const SLOT_BYTES: usize = 4 << 20;

const VERSION: u32 = 1;

/// Letters of one table, asked for together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slot {
    pub table: String,
    pub letters: Vec<Again>,
}

/// A record to be given again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Where it was read.
    pub split: SplitId,
    pub offset: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Millis>,
    #[serde(with = "base64_text")]
    pub bytes: Vec<u8>,
}

impl Slot {
    /// The number of a letter among all that were given again, which is its offset in the split.
    pub fn offset(slot: i64, letter: usize) -> i64 {
        slot.saturating_mul(SLOT_LETTERS as i64).saturating_add(letter as i64)
    }
}

/// First line of a slot; a letter a line follows.
#[derive(Serialize, Deserialize)]
struct Header {
    brooklet_replay: u32,
    table: String,
    crc32: u32,
}

/// How many slots there are, which is the number of the next one. `root` is the instance's folder.
pub async fn count(store: &dyn Store, root: &str) -> Result<i64> {
    let prefix = format!("{root}/replay/");
    let names = store.list(&prefix).await?;
    let number = |name: &String| name.strip_prefix(&prefix)?.parse::<i64>().ok();
    Ok(names.iter().filter_map(number).max().map_or(0, |last| last + 1))
}

/// Takes a slot; a slot that holds just this counts as taken by this call.
pub async fn create(store: &dyn Store, root: &str, number: i64, slot: &Slot) -> Result<Created> {
    let broken = |e| Error::bug("letters cannot be written").caused_by(e);
    let mut body = Vec::new();
    for letter in &slot.letters {
        serde_json::to_writer(&mut body, letter).map_err(broken)?;
        body.push(b'\n');
    }
    let header = Header {
        brooklet_replay: VERSION,
        table: slot.table.clone(),
        crc32: crc32fast::hash(&body),
    };
    let mut content = serde_json::to_vec(&header).map_err(broken)?;
    content.push(b'\n');
    content.extend(body);
    let (name, content) = (name(root, number), Bytes::from(content));
    match store.create(&name, content.clone()).await? {
        Created::Exists if store.read(&name).await? == Some(content) => Ok(Created::Yes),
        created => Ok(created),
    }
}

/// None when the slot is still free.
pub async fn read(store: &dyn Store, root: &str, number: i64) -> Result<Option<Slot>> {
    let name = name(root, number);
    let Some(content) = store.read(&name).await? else { return Ok(None) };
    parse(&content).map(Some).ok_or_else(|| {
        Error::corrupt(format!("{name}, which holds dead letters to be replayed, is damaged"))
    })
}

fn parse(content: &[u8]) -> Option<Slot> {
    let end = content.iter().position(|b| *b == b'\n')?;
    let header: Header = serde_json::from_slice(&content[..end]).ok()?;
    let body = &content[end + 1..];
    if header.brooklet_replay != VERSION || crc32fast::hash(body) != header.crc32 {
        return None;
    }
    let lines = body.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let letters = lines.map(|line| serde_json::from_slice(line).ok()).collect::<Option<_>>()?;
    Some(Slot { table: header.table, letters })
}

fn name(root: &str, number: i64) -> String {
    format!("{root}/replay/{number:012}")
}

mod base64_text {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::store::LocalStore;

    #[tokio::test]
    async fn slots_are_written_once_and_read_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::new(dir.path());
        let letter = |offset| Again {
            split: SplitId::new("t-0"),
            offset,
            timestamp: (offset > 1).then_some(7),
            bytes: vec![0xff, 10, offset as u8],
        };
        let slot = Slot { table: "events".into(), letters: vec![letter(1), letter(2)] };
        assert_eq!(count(&store, "000001").await.unwrap(), 0);
        assert_eq!(read(&store, "000001", 0).await.unwrap(), None);
        assert_eq!(create(&store, "000001", 0, &slot).await.unwrap(), Created::Yes);
        let other = Slot { table: "other".into(), letters: vec![] };
        assert_eq!(create(&store, "000001", 0, &other).await.unwrap(), Created::Exists);
        assert_eq!(create(&store, "000001", 1, &other).await.unwrap(), Created::Yes);
        assert_eq!(read(&store, "000001", 0).await.unwrap(), Some(slot));
        assert_eq!(read(&store, "000001", 1).await.unwrap(), Some(other));
        assert_eq!(count(&store, "000001").await.unwrap(), 2);
        assert_eq!(count(&store, "000002").await.unwrap(), 0);
    }

    #[tokio::test]
    async fn damage_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let store = LocalStore::new(dir.path());
        let slot = Slot { table: "events".into(), letters: vec![] };
        create(&store, "1", 0, &slot).await.unwrap();
        let file = dir.path().join("1/replay/000000000000");
        for content in ["", "{}", "{}\n{}", "\n"] {
            std::fs::write(&file, content).unwrap();
            let e = read(&store, "1", 0).await.unwrap_err();
            assert_eq!(e.kind, brooklet_core::ErrorKind::Corrupt, "{content}");
        }
    }
}
