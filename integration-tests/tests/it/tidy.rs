//! The repository keeps the rules it gives itself: who may depend on whom, how files look, that documents
//! point at what is there.

mod dependencies;
mod documents;
mod files;
