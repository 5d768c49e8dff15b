//! The registry for plain OS threads, such as those that stages run on.

use super::{Error, Registry};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Handle;

/// [`Registry`] whose calls block the calling thread, which must not be one of the runtime's.
#[derive(Clone)]
pub struct Blocking {
    registry: Registry,
    handle: Handle,
}

impl Blocking {
    pub(super) fn new(registry: Registry, handle: Handle) -> Self {
        Self { registry, handle }
    }

    /// See [`Registry::register`].
    ///
    /// # Errors
    /// As there.
    pub fn register(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        self.handle.block_on(self.registry.register(subject, schema))
    }

    /// See [`Registry::lookup`].
    ///
    /// # Errors
    /// As there.
    pub fn lookup(&self, subject: &str, schema: &str) -> Result<u32, Error> {
        self.handle.block_on(self.registry.lookup(subject, schema))
    }

    /// See [`Registry::schema`].
    ///
    /// # Errors
    /// As there.
    pub fn schema(&self, id: u32) -> Result<Arc<str>, Error> {
        self.handle.block_on(self.registry.schema(id))
    }

    /// See [`Registry::ids_of`].
    ///
    /// # Errors
    /// As there.
    pub fn ids_of(&self, subject: &str) -> Result<BTreeSet<u32>, Error> {
        self.handle.block_on(self.registry.ids_of(subject))
    }

    /// See [`Registry::fetch_ids_of`].
    ///
    /// # Errors
    /// As there.
    pub fn fetch_ids_of(&self, subject: &str) -> Result<BTreeSet<u32>, Error> {
        self.handle.block_on(self.registry.fetch_ids_of(subject))
    }
}
