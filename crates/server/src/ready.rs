//! Whether a pipeline does its work: recovered, and not waiting for too long.

use serde_json::{Value, json};

use brooklet_core::Epoch;
use brooklet_core::time::Millis;
use brooklet_pipeline::{Phase, Progress};

/// What `/ready` says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Why it is not ready; None when it is.
    pub reason: Option<String>,
    pub committed: Epoch,
    pub computed: Epoch,
    /// Of this process's last commit.
    pub commit_age_ms: Option<Millis>,
    pub outage: Option<String>,
}

/// Not ready: while recovering or stopping, and once a commit or a service has been waited for
/// longer than `max_age_ms`. Who has nothing to commit is ready.
pub fn verdict(p: &Progress, now: Millis, max_age_ms: Millis) -> Verdict {
    let waited = p.waiting_since().map_or(0, |since| (now - since).max(0));
    let reason = match p.phase {
        Phase::Recovering => Some("recovering".to_string()),
        Phase::Stopping => Some("stopping".to_string()),
        Phase::Running if waited > max_age_ms => {
            Some(format!("nothing was committed for {} s, with work waiting", waited / 1_000))
        }
        Phase::Running => None,
    };
    Verdict {
        reason,
        committed: p.committed,
        computed: p.computed,
        commit_age_ms: p.committed_at.map(|at| (now - at).max(0)),
        outage: p.outage.clone(),
    }
}

impl Verdict {
    pub fn body(&self) -> Value {
        json!({
            "ready": self.reason.is_none(),
            "reason": self.reason,
            "epoch": self.committed.0,
            "computed_epoch": self.computed.0,
            "last_commit_age_seconds": self.commit_age_ms.map(|ms| ms as f64 / 1_000.0),
            "outage": self.outage,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Progress {
        Progress { phase: Phase::Running, ..Progress::default() }
    }
    fn reason(p: &Progress, now: Millis) -> Option<String> {
        verdict(p, now, 60_000).reason
    }

    #[test]
    fn a_pipeline_is_ready_between_its_recovery_and_its_stop() {
        assert_eq!(reason(&Progress::default(), 0).as_deref(), Some("recovering"));
        assert_eq!(reason(&running(), 0), None);
        let stopping = Progress { phase: Phase::Stopping, ..running() };
        assert_eq!(reason(&stopping, 0).as_deref(), Some("stopping"));
    }

    #[test]
    fn only_who_has_something_to_commit_can_be_late() {
        let mut p = running();
        p.show_computed(Epoch(1), 1_000);
        p.show_committed(Epoch(1), 1_010);
        assert_eq!(reason(&p, 9_000_000), None, "idle for hours");
        // The limit counts from here, not from the last commit.
        p.show_computed(Epoch(2), 9_000_000);
        assert_eq!(reason(&p, 9_060_000), None);
        let late = verdict(&p, 9_061_010, 60_000);
        assert_eq!(
            late.reason.as_deref(),
            Some("nothing was committed for 61 s, with work waiting")
        );
        assert_eq!(
            late.body().to_string(),
            "{\"ready\":false,\"reason\":\"nothing was committed for 61 s, with work waiting\",\
             \"epoch\":1,\"computed_epoch\":2,\"last_commit_age_seconds\":9060.0,\"outage\":null}"
        );
        p.show_committed(Epoch(2), 9_061_020);
        assert_eq!(reason(&p, 9_061_030), None);
    }

    #[test]
    fn a_source_that_is_out_counts_although_nothing_was_read() {
        let mut p = running();
        p.outage = Some("source: connection refused".into());
        p.outage_since = Some(5_000);
        assert_eq!(reason(&p, 65_000), None);
        let out = verdict(&p, 65_001, 60_000);
        assert!(out.reason.is_some());
        assert_eq!(out.body()["outage"], "source: connection refused");
    }
}
