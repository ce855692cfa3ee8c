//! JSON's grammar over bytes known to be UTF-8: where a value ends, or the first fault in it.
//!
//! The grammar is Jackson's as Flink sets it up: RFC 8259, and control characters may stand
//! unescaped in strings. Nothing here allocates or recurses.

/// Containers may be nested this deep (Jackson's limit).
pub(super) const MAX_DEPTH: usize = 1000;

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
const QUOTES: u64 = u64::from_ne_bytes([b'"'; 8]);
const BACKSLASHES: u64 = u64::from_ne_bytes([b'\\'; 8]);

/// What is wrong with a text, and at which byte.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Fault {
    pub at: usize,
    pub what: &'static str,
}

impl Fault {
    #[cold]
    pub fn set<T>(&mut self, at: usize, what: &'static str) -> Option<T> {
        *self = Fault { at, what };
        None
    }
}

/// The byte at `i`; 0, which starts no token, behind the end.
#[inline(always)]
pub(super) fn at(b: &[u8], i: usize) -> u8 {
    if i < b.len() { b[i] } else { 0 }
}

/// The next position that is no white space.
#[inline(always)]
pub(super) fn space(b: &[u8], mut i: usize) -> usize {
    while matches!(at(b, i), b' ' | b'\n' | b'\r' | b'\t') {
        i += 1;
    }
    i
}

/// `i` is behind the opening quote: the position of the closing one, and whether the text between
/// has escapes.
#[inline]
pub(super) fn string(b: &[u8], mut i: usize, fault: &mut Fault) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        let Some(found) = quote_or_backslash(b, i) else {
            return fault.set(b.len(), "the text ends inside a string");
        };
        if b[found] == b'"' {
            return Some((found, escaped));
        }
        escaped = true;
        i = escape(b, found, fault)?;
    }
}

#[inline(always)]
fn quote_or_backslash(b: &[u8], mut i: usize) -> Option<usize> {
    while let Some(eight) = b.get(i..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let hits = zero_bytes(word ^ QUOTES) | zero_bytes(word ^ BACKSLASHES);
        if hits != 0 {
            return Some(i + (hits.trailing_zeros() / 8) as usize);
        }
        i += 8;
    }
    while i < b.len() {
        if matches!(b[i], b'"' | b'\\') {
            return Some(i);
        }
        i += 1;
    }
    None
}

/// The lowest bit set marks the first zero byte (bits above it may be wrong).
#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGH
}

/// `i` is at a backslash: the position behind the escape.
fn escape(b: &[u8], i: usize, fault: &mut Fault) -> Option<usize> {
    match at(b, i + 1) {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(i + 2),
        b'u' => match b.get(i + 2..i + 6) {
            Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => Some(i + 6),
            _ => fault.set(i, "\\u is not followed by four hexadecimal digits"),
        },
        _ => fault.set(i, "an escape JSON does not know"),
    }
}

/// A whole word: `null`, `true`, `false`.
#[inline(always)]
pub(super) fn word(b: &[u8], i: usize, text: &'static [u8], fault: &mut Fault) -> Option<usize> {
    let end = i + text.len();
    if b.get(i..end) == Some(text) && !at(b, end).is_ascii_alphanumeric() {
        Some(end)
    } else {
        fault.set(i, "a word that is not null, true or false")
    }
}

/// `i` is at a digit or a minus: the end of the number and whether it has a fraction or exponent.
#[inline]
pub(super) fn number(b: &[u8], mut i: usize, fault: &mut Fault) -> Option<(usize, bool)> {
    if at(b, i) == b'-' {
        i += 1;
    }
    let first = i;
    i = digits(b, i);
    if i == first {
        return fault.set(i, "a number without digits");
    }
    if b[first] == b'0' && i > first + 1 {
        return fault.set(first, "a number with a leading zero");
    }
    let mut fractional = false;
    if at(b, i) == b'.' {
        let from = i + 1;
        i = digits(b, from);
        if i == from {
            return fault.set(i, "no digit behind the decimal point");
        }
        fractional = true;
    }
    if matches!(at(b, i), b'e' | b'E') {
        let from = if matches!(at(b, i + 1), b'+' | b'-') { i + 2 } else { i + 1 };
        i = digits(b, from);
        if i == from {
            return fault.set(i, "no digit in the exponent");
        }
        fractional = true;
    }
    Some((i, fractional))
}

#[inline(always)]
fn digits(b: &[u8], mut i: usize) -> usize {
    while at(b, i).is_ascii_digit() {
        i += 1;
    }
    i
}

/// `i` is at the first byte of a value standing `depth` containers deep: the position behind it.
#[inline]
pub(super) fn value(b: &[u8], i: usize, depth: usize, fault: &mut Fault) -> Option<usize> {
    match at(b, i) {
        b'{' | b'[' => container(b, i, depth, fault),
        _ => scalar(b, i, fault),
    }
}

#[inline(always)]
fn scalar(b: &[u8], i: usize, fault: &mut Fault) -> Option<usize> {
    match at(b, i) {
        b'"' => Some(string(b, i + 1, fault)?.0 + 1),
        b'n' => word(b, i, b"null", fault),
        b't' => word(b, i, b"true", fault),
        b'f' => word(b, i, b"false", fault),
        b'-' | b'0'..=b'9' => Some(number(b, i, fault)?.0),
        _ if i >= b.len() => fault.set(b.len(), "the text ends where a value is expected"),
        _ => fault.set(i, "no JSON value starts here"),
    }
}

/// One bit per open container: 1 is an object.
struct Stack {
    bits: [u64; MAX_DEPTH.div_ceil(64) + 1],
    depth: usize,
}

impl Stack {
    fn push(&mut self, object: bool) {
        let mask = 1 << (self.depth % 64);
        let word = &mut self.bits[self.depth / 64];
        *word = if object { *word | mask } else { *word & !mask };
        self.depth += 1;
    }
    fn in_object(&self) -> bool {
        let top = self.depth - 1;
        self.bits[top / 64] >> (top % 64) & 1 == 1
    }
}

fn container(b: &[u8], mut i: usize, depth: usize, fault: &mut Fault) -> Option<usize> {
    let mut stack = Stack { bits: [0; MAX_DEPTH.div_ceil(64) + 1], depth: 0 };
    loop {
        // At the first byte of a value.
        let open = at(b, i);
        if open == b'{' || open == b'[' {
            if depth + stack.depth >= MAX_DEPTH {
                return fault.set(i, "containers are nested deeper than 1000");
            }
            let object = open == b'{';
            stack.push(object);
            i = space(b, i + 1);
            if at(b, i) != (if object { b'}' } else { b']' }) {
                if object {
                    i = key(b, i, fault)?;
                }
                continue;
            }
            i += 1;
            stack.depth -= 1;
        } else {
            i = scalar(b, i, fault)?;
        }
        // Behind a value.
        loop {
            if stack.depth == 0 {
                return Some(i);
            }
            i = space(b, i);
            let object = stack.in_object();
            match at(b, i) {
                b',' => {
                    i = space(b, i + 1);
                    if object {
                        i = key(b, i, fault)?;
                    }
                    break;
                }
                b'}' if object => i += 1,
                b']' if !object => i += 1,
                _ => return fault.set(i, behind_value(b, i, object)),
            }
            stack.depth -= 1;
        }
    }
}

/// What to say where neither a comma nor the container's end stands.
#[cold]
pub(super) fn behind_value(b: &[u8], i: usize, object: bool) -> &'static str {
    match (i >= b.len(), object) {
        (true, true) => "the text ends inside an object",
        (true, false) => "the text ends inside an array",
        (false, true) => "neither ',' nor '}' behind a value",
        (false, false) => "neither ',' nor ']' behind a value",
    }
}

/// `i` is where a key is expected: the first byte of its value.
#[inline]
fn key(b: &[u8], i: usize, fault: &mut Fault) -> Option<usize> {
    if at(b, i) != b'"' {
        return fault.set(i, "a key in double quotes is expected");
    }
    let end = string(b, i + 1, fault)?.0;
    colon(b, end + 1, fault)
}

/// The first byte of the value whose key ended before `i`.
#[inline(always)]
pub(super) fn colon(b: &[u8], i: usize, fault: &mut Fault) -> Option<usize> {
    let i = space(b, i);
    if at(b, i) != b':' {
        return fault.set(i, "no ':' behind a key");
    }
    Some(space(b, i + 1))
}

/// Appends the text of a string's content. A lone half of a surrogate pair becomes `?`, as Java
/// encodes it.
pub(super) fn unescape(b: &[u8], to: &mut Vec<u8>) {
    let mut i = 0;
    while i < b.len() {
        let plain = memchr::memchr(b'\\', &b[i..]).map_or(b.len(), |n| i + n);
        to.extend_from_slice(&b[i..plain]);
        if plain == b.len() {
            return;
        }
        i = plain + 2;
        match at(b, plain + 1) {
            b'b' => to.push(8),
            b'f' => to.push(12),
            b'n' => to.push(b'\n'),
            b'r' => to.push(b'\r'),
            b't' => to.push(b'\t'),
            b'u' => {
                let high = hex4(b, i);
                i += 4;
                let mut code = high;
                if (0xd800..0xdc00).contains(&high) && b.get(i..i + 2) == Some(b"\\u") {
                    let low = hex4(b, i + 2);
                    if (0xdc00..0xe000).contains(&low) {
                        code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        i += 6;
                    }
                }
                let char = char::from_u32(code).unwrap_or('?');
                to.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => to.push(other),
        }
    }
}

/// Four hexadecimal digits that `escape` has checked.
fn hex4(b: &[u8], i: usize) -> u32 {
    let digit = |k| char::from(at(b, i + k)).to_digit(16).unwrap_or(0);
    digit(0) << 12 | digit(1) << 8 | digit(2) << 4 | digit(3)
}
