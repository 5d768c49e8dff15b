//! Why a training stopped before its end.

use crate::learner::NotFitted;

/// Why a training stopped, by what must be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Interrupted {
    /// Somebody called it off.
    #[error("it was called off")]
    Cancelled,
    /// A part that it needs is away: the same may work later.
    #[error("{0}")]
    Later(String),
    /// It would go wrong again.
    #[error("{0}")]
    Failed(String),
}

impl From<tidemill_stream::Error> for Interrupted {
    fn from(error: tidemill_stream::Error) -> Self {
        match error {
            tidemill_stream::Error::Fatal(why) => Self::Failed(why),
            other => Self::Later(other.to_string()),
        }
    }
}

impl From<tidemill_artefacts::Error> for Interrupted {
    fn from(error: tidemill_artefacts::Error) -> Self {
        if error.is_transient() { Self::Later(error.to_string()) } else { Self::Failed(error.to_string()) }
    }
}

impl From<NotFitted> for Interrupted {
    fn from(error: NotFitted) -> Self {
        if matches!(error, NotFitted::Stopped) { Self::Cancelled } else { Self::Failed(error.to_string()) }
    }
}

impl From<tidemill_model::Refused> for Interrupted {
    fn from(error: tidemill_model::Refused) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<tidemill_training_set::Error> for Interrupted {
    fn from(error: tidemill_training_set::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
