//! The trainer. So far its learner: rows and labels in, a model out; the service around it is still to come.

pub mod learner;
