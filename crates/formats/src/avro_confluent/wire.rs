//! What stands in front of a record's value: a byte 0 and the number of its schema.

const MAGIC: u8 = 0;

/// Bytes in front of the value.
pub(super) const FRONT: usize = 5;

/// The number of the schema and the value behind it.
#[inline]
pub(super) fn split(record: &[u8]) -> Option<(u32, &[u8])> {
    let ([magic, id @ ..], value) = record.split_first_chunk::<FRONT>()?;
    (*magic == MAGIC).then(|| (u32::from_be_bytes(*id), value))
}

/// Why [`split`] gave nothing.
pub(super) fn fault(record: &[u8]) -> String {
    match record.first() {
        Some(first) if *first != MAGIC => format!(
            "the record begins with byte 0x{first:02x}, not with 0x00 and the number of a schema: \
             it was not written with a schema registry"
        ),
        _ => format!(
            "the record has {} bytes, but {FRONT} stand in front of every value",
            record.len()
        ),
    }
}

/// What each record of a schema begins with.
pub(super) fn front(id: u32) -> Vec<u8> {
    let [a, b, c, d] = id.to_be_bytes();
    vec![MAGIC, a, b, c, d]
}
