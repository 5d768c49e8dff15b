//! The learner: deterministic, read back exactly as LightGBM scores, and its search finds the best.

mod fitting;
mod sample;
mod searching;
