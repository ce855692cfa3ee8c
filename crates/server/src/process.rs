//! What the kernel says of this process.

use rustix::time::{ClockId, clock_gettime};

/// What this process used so far, and holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu_seconds: f64,
    /// None where the kernel does not show it as a file.
    pub resident_bytes: Option<u64>,
}

impl Usage {
    pub fn now() -> Usage {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let cpu_seconds = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        Usage { cpu_seconds, resident_bytes: resident_bytes() }
    }
}

/// The second number of `statm`, in pages.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_used_and_memory_is_held() {
        let before = Usage::now();
        // Pages count once they are written.
        let held = vec![1u8; 32 << 20];
        let after = Usage::now();
        assert!(held.iter().step_by(4_096).all(|b| *b == 1));
        assert!(after.cpu_seconds > before.cpu_seconds && after.cpu_seconds < 3_600.0);
        let grown = after.resident_bytes.unwrap() - before.resident_bytes.unwrap();
        assert!((24 << 20..512 << 20).contains(&grown), "{grown}");
    }
}
