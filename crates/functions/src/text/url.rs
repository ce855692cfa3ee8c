//! Functions on URLs.

use arrow::array::ArrayRef;
use datafusion::common::Result;

use crate::column::{Call, slice_rows, write_rows};
use crate::function::Function;
use crate::function::Kind::Text as T;

/// `URL_ENCODE(text)`: as in a form: letters, digits and `.-*_` stay, a space becomes `+`.
///
/// ```sql
/// URL_ENCODE('a b&c=é') = 'a+b%26c%3D%C3%A9'
/// ```
pub(super) const URL_ENCODE: Function = Function::text("url_encode", &[T], |call| {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        for byte in text.get(row)?.bytes() {
            match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'*' | b'_' => {
                    out.push(char::from(byte));
                }
                b' ' => out.push('+'),
                _ => {
                    out.push('%');
                    out.push(char::from(HEX[usize::from(byte >> 4)]));
                    out.push(char::from(HEX[usize::from(byte & 15)]));
                }
            }
        }
        Some(())
    }))
});

/// `URL_DECODE(text)`: the text that URL_ENCODE made; NULL for a `%` without two hexadecimal
/// digits.
///
/// ```sql
/// URL_DECODE('a+b%26c') = 'a b&c'
/// ```
pub(super) const URL_DECODE: Function = Function::text("url_decode", &[T], url_decode).nullable();

/// `PARSE_URL(url, part [, key])`
///
/// A part of a URL: HOST, PATH, QUERY, REF, PROTOCOL, AUTHORITY, FILE or USERINFO; with QUERY and
/// a key, the value of that parameter. NULL for a part that is missing and for text that is no
/// URL.
///
/// ```sql
/// PARSE_URL('http://h.com:80/p?x=1&y=2#f', 'QUERY', 'y') = '2'
/// PARSE_URL('http://h.com:80/p?x=1&y=2#f', 'FILE') = '/p?x=1&y=2'
/// PARSE_URL('not a url', 'HOST') IS NULL
/// ```
pub(super) const PARSE_URL: Function =
    Function::text("parse_url", &[T, T, T], parse_url).optional(1).nullable();

fn url_decode(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let mut bytes = vec![];
    Ok(write_rows(call.rows, |row, out| {
        bytes.clear();
        let mut rest = text.get(row)?.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            match first {
                b'+' => bytes.push(b' '),
                b'%' => {
                    let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
                    bytes.push((digit(0)? * 16 + digit(1)?) as u8);
                    rest = &after[2..];
                }
                other => bytes.push(*other),
            }
        }
        out.push_str(&String::from_utf8_lossy(&bytes));
        Some(())
    }))
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// The parts of a URL that java.net.URL tells apart.
struct Url<'a> {
    protocol: &'a str,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
    /// Path and query.
    file: &'a str,
    fragment: Option<&'a str>,
}

/// The protocols java.net.URL knows; others are no URL to it.
const PROTOCOLS: [&str; 6] = ["http", "https", "ftp", "file", "jar", "mailto"];

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Url<'a>> {
        let (protocol, rest) = text.trim().split_once(':')?;
        if !PROTOCOLS.iter().any(|p| p.eq_ignore_ascii_case(protocol)) {
            return None;
        }
        let (rest, fragment) = match rest.split_once('#') {
            Some((rest, fragment)) => (rest, Some(fragment)),
            None => (rest, None),
        };
        let (authority, file) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                (Some(&rest[..end]), &rest[end..])
            }
            None => (None, rest),
        };
        let (path, query) = match file.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (file, None),
        };
        let url = Url { protocol, authority, path, query, file, fragment };
        let port = url.host_and_port().and_then(|(_, port)| port).unwrap_or("");
        port.bytes().all(|c| c.is_ascii_digit()).then_some(url)
    }

    fn user(&self) -> Option<&'a str> {
        self.authority?.rsplit_once('@').map(|(user, _)| user)
    }

    fn host_and_port(&self) -> Option<(&'a str, Option<&'a str>)> {
        let authority = self.authority?;
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // An IPv6 address has colons inside its brackets.
        let from = host.find(']').unwrap_or(0);
        Some(match host[from..].find(':') {
            Some(colon) => (&host[..from + colon], Some(&host[from + colon + 1..])),
            None => (host, None),
        })
    }

    fn part(&self, name: &str) -> Option<&'a str> {
        match name {
            "HOST" => Some(self.host_and_port().map_or("", |(host, _)| host)),
            "PATH" => Some(self.path),
            "QUERY" => self.query,
            "REF" => self.fragment,
            "PROTOCOL" => PROTOCOLS.into_iter().find(|p| p.eq_ignore_ascii_case(self.protocol)),
            "FILE" => Some(self.file),
            "AUTHORITY" => self.authority,
            "USERINFO" => self.user(),
            _ => None,
        }
    }
}

fn parse_url(call: &Call) -> Result<ArrayRef> {
    let (text, parts) = (call.text(0)?, call.text(1)?);
    let keys = if call.len() > 2 { Some(call.text(2)?) } else { None };
    Ok(slice_rows(call.rows, |row| {
        let (text, part) = (text.get(row)?, parts.get(row)?);
        let key = match &keys {
            Some(keys) => Some(keys.get(row)?),
            None => None,
        };
        let value = Url::parse(text)?.part(part)?;
        let Some(key) = key else { return Some(value) };
        if part != "QUERY" {
            return None;
        }
        value.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
    }))
}
