//! Models are read, scored and refused as they should be.
#![cfg(test)]

mod artefact;
mod hostile;
mod logistic;
mod naive;
mod scores;
mod shapley;
