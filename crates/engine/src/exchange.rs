//! Exchange: one hash pass, one `take` per destination.

use brooklet_core::hash::{hash_rows, shard, slot};
use brooklet_core::{Delta, Result};

use crate::ops::rows::columns_at;
use crate::planted::{self, Mistake};

/// Deals rows to shards by the hash of their keys; without keys all go to one shard.
pub fn deal(rows: Vec<Delta>, keys: &[usize], shards: u32) -> Result<Vec<Vec<Delta>>> {
    if shards == 1 {
        return Ok(vec![rows]);
    }
    let mut dealt: Vec<Vec<Delta>> = vec![Vec::new(); shards as usize];
    for rows in rows.into_iter().filter(|d| !d.is_empty()) {
        let hashes = hash_rows(&columns_at(&rows, keys), rows.len())?;
        let room = rows.len() / shards as usize * 3 / 2;
        let mut indices: Vec<Vec<u32>> = vec![Vec::with_capacity(room); shards as usize];
        for (row, hash) in hashes.iter().enumerate() {
            indices[owner(*hash, shards) as usize].push(row as u32);
        }
        if planted::has(Mistake::Misdealt) {
            indices.rotate_left(1);
        }
        for (to, indices) in indices.iter().enumerate() {
            if indices.len() == rows.len() {
                dealt[to].push(rows.clone());
            } else if !indices.is_empty() {
                dealt[to].push(rows.take(indices)?);
            }
        }
    }
    Ok(dealt)
}

/// The shard that owns a key's hash.
pub fn owner(hash: u64, shards: u32) -> u32 {
    shard(slot(hash), shards)
}
