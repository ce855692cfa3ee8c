//! Compressed files give the records that they would give as they were before. Small ones were made
//! by gzip, zlib and zstd themselves.

use std::io::Write;

use brooklet_core::source::Budget;
use brooklet_core::{Error, ErrorKind, Result};
use brooklet_testkit::services::Bucket;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::inflate::Inflate;
use super::lines::Lines;
use super::records::{Records, Wanted};
use super::store::Store;

const TWO: [&str; 2] = ["{\"v\":\"a\"}", "{\"v\":\"b\"}"];
const GZIP: &str = "1f8b0800000000000003ab562a53b2524a54aae5aa06b392802c0083e67d7c14000000";
const ZLIB: &str = "789cab562a53b2524a54aae5aa06b392802c00394a0538";
const ZSTD: &str = "28b52ffd0458a100007b2276223a2261227d0a7b2276223a2262227d0a148e8c26";

fn bytes(hex: &str) -> Vec<u8> {
    let pair = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

/// The lines of the only file there, at most so many at a time, from line `from` on.
async fn lines(store: &Store, named: &str, from: i64, max_rows: usize) -> Result<Vec<String>> {
    let file = store.list().await?.remove(0);
    let mut records = Records::new(file, Box::new(Lines), named)?;
    let wanted = Wanted { min_records: 1, most: Budget { max_rows, max_bytes: usize::MAX } };
    let (mut position, mut found) = (from, Vec::new());
    while let Some((batch, piece)) = records.take(store, position, wanted).await? {
        let text = |i| String::from_utf8(batch.value(i).unwrap().to_vec()).unwrap();
        found.extend((0..batch.len()).map(text));
        position = piece.to;
        if !piece.more {
            break;
        }
    }
    Ok(found)
}

/// The lines of a local file with that content.
async fn local(name: &str, content: &[u8], max_rows: usize) -> Result<Vec<String>> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join(name), content).unwrap();
    lines(&Store::open(root.path().to_str().unwrap()).unwrap(), name, 0, max_rows).await
}

#[tokio::test]
async fn what_other_programs_have_compressed() {
    let twice = [bytes(GZIP), bytes(GZIP)].concat();
    let frames = [bytes(ZSTD), bytes(ZSTD)].concat();
    for (name, content, times) in [
        ("a.gz", bytes(GZIP), 1),
        ("a.jsonl.GZIP", twice, 2),
        ("a.deflate", bytes(ZLIB), 1),
        ("a.zst", bytes(ZSTD), 1),
        ("b.zst", frames, 2),
        ("gz", TWO.join("\n").into_bytes(), 1),
        ("empty.zst", vec![], 0),
    ] {
        for max_rows in [1, 100] {
            let found = local(name, &content, max_rows).await.unwrap();
            assert_eq!(found, TWO.repeat(times), "{name}");
        }
    }
    let Some(bucket) = Bucket::from_env() else { return };
    bucket.write("in/a.gz", bytes(GZIP));
    let store = Store::open(&bucket.url("in")).unwrap();
    assert_eq!(lines(&store, "a.gz", 0, 1).await.unwrap(), TWO);
}

/// Longer than what is looked at in one go, with records across its borders.
#[tokio::test]
async fn large_files_and_positions_in_their_middle() {
    let mut plain = Vec::new();
    let mut number = 0u64;
    while plain.len() < 17 << 20 {
        writeln!(plain, "{number} {:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).unwrap();
        number += 1;
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    zlib.write_all(&plain).unwrap();
    let expected: Vec<String> =
        std::str::from_utf8(&plain).unwrap().lines().map(str::to_string).collect();
    for (name, content) in [
        ("a.gz", gzip.finish().unwrap()),
        ("a.deflate", zlib.finish().unwrap()),
        ("a.zst", zstd::bulk::compress(&plain, 1).unwrap()),
    ] {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(name), content).unwrap();
        let store = Store::open(root.path().to_str().unwrap()).unwrap();
        assert!(lines(&store, name, 0, 100_000).await.unwrap() == expected, "{name}");
        let from = expected.len() - 1_000;
        let found = lines(&store, name, from as i64, 300).await.unwrap();
        assert!(found == expected[from..], "{name}: {} lines", found.len());
    }
}

#[tokio::test]
async fn damage_is_an_error_that_names_the_file() {
    let fault = async |name: &str, content: &[u8]| -> Error {
        local(name, content, 100).await.unwrap_err()
    };
    for (name, content) in [("a.gz", GZIP), ("a.deflate", ZLIB), ("a.zst", ZSTD)] {
        let content = bytes(content);
        for cut in [1, 9, content.len() - 1] {
            let fault = fault(name, &content[..cut]).await;
            assert_eq!(fault.kind, ErrorKind::Data, "{name} {cut}: {fault}");
            assert!(fault.message.contains(name), "{cut}: {fault}");
        }
        let fault = fault(name, b"no compressed data at all").await;
        assert_eq!(fault.kind, ErrorKind::Data, "{name}: {fault}");
    }
    let mut changed = bytes(GZIP);
    changed[27] ^= 1;
    assert_eq!(fault("a.gz", &changed).await.kind, ErrorKind::Data, "the checksum");
}

#[test]
fn what_is_not_offered_says_so() {
    for name in ["a.bz2", "b/a.csv.XZ"] {
        let fault = Inflate::of(name).err().unwrap();
        assert_eq!(fault.kind, ErrorKind::Config);
        assert!(fault.message.contains(name) && fault.message.contains(".zst"), "{fault}");
    }
    for name in ["a", "a.csv", "a.gz.json"] {
        assert!(Inflate::of(name).unwrap().is_none(), "{name}");
    }
}
