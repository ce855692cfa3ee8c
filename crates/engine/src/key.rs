//! An encoded key as a table keeps it: in place while it is short, so that comparing it costs one
//! look at memory.

use std::sync::Arc;

/// Bytes that stand in place; a window's bounds and a number need 27.
const SHORT: usize = 30;

/// The key of a group, or its absence.
#[derive(Debug, Clone, Default)]
pub enum Key {
    #[default]
    Absent,
    Short(u8, [u8; SHORT]),
    /// Shared for the same reason as [`crate::column::Blob`].
    Long(Arc<[u8]>),
}

impl Key {
    pub fn new(bytes: &[u8]) -> Key {
        if bytes.len() > SHORT {
            return Key::Long(bytes.into());
        }
        let mut short = [0; SHORT];
        short[..bytes.len()].copy_from_slice(bytes);
        Key::Short(bytes.len() as u8, short)
    }
    #[inline]
    pub fn get(&self) -> Option<&[u8]> {
        match self {
            Key::Absent => None,
            Key::Short(len, bytes) => Some(&bytes[..usize::from(*len)]),
            Key::Long(bytes) => Some(bytes),
        }
    }
    #[inline]
    pub fn is(&self, other: &[u8]) -> bool {
        self.get() == Some(other)
    }
    pub fn is_present(&self) -> bool {
        !matches!(self, Key::Absent)
    }
    /// Bytes held elsewhere.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Key::Long(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Key;

    #[test]
    fn keys_of_any_length_come_back() {
        assert_eq!(size_of::<Key>(), 32);
        for len in [0, 1, 29, 30, 31, 1000] {
            let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
            let key = Key::new(&bytes);
            assert_eq!(key.get(), Some(bytes.as_slice()));
            assert!(key.is(&bytes) && key.is_present() && !key.is(b"other"));
            assert_eq!(key.heap_bytes(), if len > 30 { len } else { 0 });
        }
        assert!(!Key::Absent.is_present());
    }
}
