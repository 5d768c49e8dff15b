//! Models are read, scored and refused as they should be.

mod artefact;
mod hostile;
mod logistic;
mod naive;
mod scores;
mod shapley;
