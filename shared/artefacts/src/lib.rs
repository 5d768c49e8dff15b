//! The object store: files by path, and blobs by the digest of their content.
//!
//! Only this crate names `object_store`. Its address is a URL: `file:///…` (a folder, made if it is not there),
//! and `s3://bucket/prefix` with the feature `s3`.
//!
//! **Whole or not at all.** A file appears under its name only when all of it is written and on the disk
//! (written beside it, fsync, rename, fsync of the folder). What a killed writer leaves is neither listed nor
//! served; it stays as `NAME#1` until somebody deletes it.
//!
//! **Plain threads.** Services work in threads, `object_store` is async. A store has a small runtime of its own
//! that runs on the caller's thread for as long as a call lasts, so there is no thread to stop and no waiting in
//! a queue; any number of threads may share a store. A call from inside an async task would stop that task's
//! executor, and is refused ([`Error::AsyncCaller`]): use `spawn_blocking` there.

mod blob;
mod error;
mod model;
mod path;
mod store;

pub use error::Error;
pub use model::Unopened;
pub use store::{ArtefactStore, Entry};
