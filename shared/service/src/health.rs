//! Readiness: named checks that the parts of a service set themselves.

use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The checks of one service; clones share them.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<String, Option<String>>>>);

/// One check. It is not ready until [`Check::set_ready`], and gone when dropped.
#[derive(Debug)]
pub struct Check {
    name: String,
    readiness: Readiness,
}

/// What `/health/ready` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether every check is ready.
    pub ready: bool,
    /// The checks by name.
    pub checks: BTreeMap<String, CheckReport>,
}

/// One check in a [`Report`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Whether it is ready.
    pub ready: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Readiness {
    /// A new check called `name`, not ready yet. A name is taken by one check at a time.
    #[must_use]
    pub fn check(&self, name: impl Into<String>) -> Check {
        let check = Check { name: name.into(), readiness: self.clone() };
        check.set_not_ready("starting");
        check
    }

    /// All checks as they are now.
    #[must_use]
    pub fn report(&self) -> Report {
        let checks: BTreeMap<String, CheckReport> =
            self.with(|c| c.iter().map(|(n, r)| (n.clone(), CheckReport { ready: r.is_none(), reason: r.clone() })).collect());
        Report { ready: checks.values().all(|c| c.ready), checks }
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Option<String>>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Check {
    /// From now on it is ready.
    pub fn set_ready(&self) {
        self.readiness.with(|c| c.insert(self.name.clone(), None));
    }

    /// From now on it is not, because of `reason`.
    pub fn set_not_ready(&self, reason: impl Into<String>) {
        self.readiness.with(|c| c.insert(self.name.clone(), Some(reason.into())));
    }
}

impl Drop for Check {
    fn drop(&mut self) {
        self.readiness.with(|c| c.remove(&self.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_ready_when_every_check_is() {
        let readiness = Readiness::default();
        let kafka = readiness.check("kafka");
        let redis = readiness.check("redis");
        kafka.set_ready();
        let report = serde_json::to_value(readiness.report()).unwrap();
        let expected =
            serde_json::json!({"ready": false, "checks": {"kafka": {"ready": true}, "redis": {"ready": false, "reason": "starting"}}});
        assert_eq!(report, expected);
        redis.set_ready();
        assert!(readiness.report().ready);
        redis.set_not_ready("no answer");
        assert!(!readiness.report().ready);
        drop(redis);
        assert!(readiness.report().ready);
    }
}
