//! HTTP clients that share one TLS set-up: OpenSSL reads all of the system's certificates for each, which takes longer than
//! everything else that a service does before it listens, and a service has four clients.

use native_tls::TlsConnector;
use std::sync::OnceLock;

static TLS: OnceLock<Option<TlsConnector>> = OnceLock::new();

/// `None` where it cannot be set up: then each client tries for itself, and says why it could not.
fn tls() -> Option<TlsConnector> {
    TLS.get_or_init(|| TlsConnector::new().ok()).clone()
}

/// A client to be, for async code.
pub fn builder() -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    match tls() {
        Some(tls) => builder.tls_backend_preconfigured(tls),
        None => builder,
    }
}

/// A client to be, for threads of their own. To be built on one: it has a runtime inside, which no other may wait for.
pub fn blocking_builder() -> reqwest::blocking::ClientBuilder {
    let builder = reqwest::blocking::Client::builder();
    match tls() {
        Some(tls) => builder.tls_backend_preconfigured(tls),
        None => builder,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// The library takes what it is given by its type: one of another version would be an error.
    #[test]
    fn clients_take_the_shared_set_up_and_are_quick_to_make() {
        blocking_builder().build().unwrap();
        let begin = Instant::now();
        (0..20).for_each(|_| drop(builder().build().unwrap()));
        let alone = Instant::now();
        (0..20).for_each(|_| drop(reqwest::Client::builder().build().unwrap()));
        let (shared, alone) = (alone - begin, alone.elapsed());
        assert!(shared < alone / 2 || alone < Duration::from_millis(20), "{shared:?} with, {alone:?} without");
    }
}
