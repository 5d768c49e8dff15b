//! Faults that tests switch on to show that the suite would notice them.

/// A rule to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Produce without a transaction, then commit offsets.
    NoTransactions,
    /// Commit offsets before producing.
    CommitFirst,
}

impl Fault {
    /// The fault that `TIDEMILL_FAULT` names; always `None` unless built with `fault-injection`.
    ///
    /// # Errors
    /// Names the value that is not a fault, or says that this build has none.
    pub fn from_setting(setting: Option<&str>) -> Result<Option<Self>, String> {
        match setting {
            None | Some("") => Ok(None),
            Some(_) if !cfg!(feature = "fault-injection") => Err("TIDEMILL_FAULT is set, but this build has no fault injection".into()),
            Some("no-transactions") => Ok(Some(Self::NoTransactions)),
            Some("commit-first") => Ok(Some(Self::CommitFirst)),
            Some(other) => Err(format!("TIDEMILL_FAULT={other} is not known: no-transactions or commit-first")),
        }
    }
}
