//! Events from JSON.
