//! The bytes of a file that records are looked for in: as they are stored, or inflated.

use brooklet_core::{Error, Result};
use bytes::Bytes;

use super::inflate::Inflate;
use super::store::{File, Store};

/// Compressed bytes read at a time.
const STORED: u64 = 4 << 20;
/// Compressed bytes inflated at a time: they may grow a thousand times.
const PUSHED: usize = 64 << 10;

/// The content of one file, which is read from its beginning to its end.
pub enum Content {
    Plain(u64),
    Compressed(Box<Inflated>),
}

pub struct Inflated {
    inflate: Inflate,
    /// How much of the stored file was read.
    read: u64,
    /// Of that, what is still to be inflated.
    rest: Bytes,
    /// The content from byte `from` on.
    held: Vec<u8>,
    from: u64,
    /// Its length, once it is known.
    end: Option<u64>,
}

impl Content {
    /// `named`: the file's name with its extension.
    pub fn new(file: &File, named: &str) -> Result<Content> {
        let inflated = |inflate| Inflated {
            inflate,
            read: 0,
            rest: Bytes::new(),
            held: Vec::new(),
            from: 0,
            end: None,
        };
        Ok(match Inflate::of(named)? {
            None => Content::Plain(file.size),
            Some(inflate) => Content::Compressed(Box::new(inflated(inflate))),
        })
    }

    /// Where the content ends, as far as that is known.
    pub fn end(&self) -> Option<u64> {
        match self {
            Content::Plain(size) => Some(*size),
            Content::Compressed(inflated) => inflated.end,
        }
    }

    /// So many bytes from `from` on, fewer at the end; never from before an earlier `from`.
    pub async fn read(
        &mut self,
        store: &Store,
        file: &File,
        from: u64,
        length: u64,
    ) -> Result<Bytes> {
        let size = match self {
            Content::Plain(size) => *size,
            Content::Compressed(inflated) => {
                return inflated.read(store, file, from, length).await;
            }
        };
        stored(store, file, from..size.min(from + length)).await
    }
}

impl Inflated {
    async fn read(&mut self, store: &Store, file: &File, from: u64, length: u64) -> Result<Bytes> {
        self.held.drain(..(from - self.from) as usize);
        self.from = from;
        while (self.held.len() as u64) < length && self.end.is_none() {
            self.more(store, file).await?;
        }
        let length = self.held.len().min(length as usize);
        Ok(Bytes::copy_from_slice(&self.held[..length]))
    }

    /// Inflates a piece.
    async fn more(&mut self, store: &Store, file: &File) -> Result<()> {
        if self.rest.is_empty() && self.read < file.size {
            let to = file.size.min(self.read + STORED);
            self.rest = stored(store, file, self.read..to).await?;
            self.read = to;
        }
        let piece = self.rest.split_to(self.rest.len().min(PUSHED));
        let inflated = match piece.is_empty() {
            false => self.inflate.push(&piece, &mut self.held),
            true => self.inflate.finish(&mut self.held),
        };
        if piece.is_empty() {
            self.end = Some(self.from + self.held.len() as u64);
        }
        inflated.map_err(|why| {
            Error::data(format!("the file '{}' cannot be decompressed: {why}", file.name))
        })
    }
}

async fn stored(store: &Store, file: &File, range: std::ops::Range<u64>) -> Result<Bytes> {
    let wanted = range.end - range.start;
    let bytes = store.read(&file.name, range.start, range.end).await?;
    if (bytes.len() as u64) < wanted {
        return Err(Error::corrupt(format!(
            "the file '{}' became shorter while it was read",
            file.name
        )));
    }
    Ok(bytes)
}
