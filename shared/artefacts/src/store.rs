//! The store, for callers in plain threads.

use crate::{Error, blob, path};
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use std::future::Future;
use std::sync::Arc;
use tokio::runtime::{Builder, Handle, Runtime};
use url::Url;

/// A file of the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Its path.
    pub path: String,
    /// Its size.
    pub bytes: u64,
}

/// An object store. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct ArtefactStore {
    store: Arc<dyn ObjectStore>,
    runtime: Arc<Caller>,
}

/// The runtime that calls run on.
#[derive(Debug)]
struct Caller(Option<Runtime>);

impl Drop for Caller {
    fn drop(&mut self) {
        // A runtime that is simply dropped would panic if an async task held the last clone of the store.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl ArtefactStore {
    /// Opens the store at `url`. A folder is made if it is not there.
    ///
    /// # Errors
    /// An address of a kind that is not known, or a folder that cannot be made.
    pub fn open(url: &str) -> Result<Self, Error> {
        let address = |why: String| Error::Address { address: url.to_owned(), why };
        let parsed = Url::parse(url).map_err(|e| address(e.to_string()))?;
        let store: Arc<dyn ObjectStore> = match parsed.scheme() {
            "file" => Arc::new(folder(&parsed).map_err(address)?),
            #[cfg(feature = "s3")]
            "s3" => Arc::new(s3(&parsed).map_err(address)?),
            other => return Err(address(format!("`{other}` is not possible here"))),
        };
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| address(e.to_string()))?;
        Ok(Self { store, runtime: Arc::new(Caller(Some(runtime))) })
    }

    /// Stores `bytes` under their digest, and says it: SHA-256 in hexadecimal. Storing the same bytes again
    /// changes nothing, but mends a blob that was damaged.
    ///
    /// # Errors
    /// The store is not available.
    pub fn put_blob(&self, bytes: Vec<u8>) -> Result<String, Error> {
        let sha256 = blob::digest(&bytes);
        self.put(&blob::path(&sha256)?, bytes)?;
        Ok(sha256)
    }

    /// The bytes with this digest, checked.
    ///
    /// # Errors
    /// No such blob, more than `most` bytes, or bytes with another digest; the store is not available.
    pub fn get_blob(&self, sha256: &str, most: u64) -> Result<Vec<u8>, Error> {
        let path = blob::path(sha256)?;
        let bytes = self.get(&path, most)?;
        let found = blob::digest(&bytes);
        if found == sha256 { Ok(bytes) } else { Err(Error::Damaged { path, found }) }
    }

    /// Stores `bytes` at `path`, instead of what is there. Readers see the old file or the new one, whole.
    ///
    /// # Errors
    /// A path that is none; the store is not available.
    pub fn put(&self, path: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let location = path::checked(path)?;
        self.wait(async { self.store.put(&location, bytes.into()).await })?.map(drop).map_err(fault("write", path))
    }

    /// The bytes at `path`.
    ///
    /// # Errors
    /// A path that is none, no such file, more than `most` bytes; the store is not available.
    pub fn get(&self, path: &str, most: u64) -> Result<Vec<u8>, Error> {
        let location = path::checked(path)?;
        self.wait(async {
            let found = self.store.get(&location).await.map_err(fault("read", path))?;
            if found.meta.size > most {
                return Err(Error::TooLarge { path: path.to_owned(), bytes: found.meta.size, most });
            }
            found.bytes().await.map(Vec::from).map_err(fault("read", path))
        })?
    }

    /// The files below the folder `prefix` (all, if it is empty), ordered by path.
    ///
    /// # Errors
    /// A prefix that is no path; the store is not available.
    pub fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        let location = if prefix.is_empty() { Path::default() } else { path::checked(prefix)? };
        let listed = self.wait(async { self.store.list(Some(&location)).try_collect::<Vec<_>>().await })?;
        let mut entries: Vec<Entry> = listed
            .map_err(fault("list", prefix))?
            .into_iter()
            .map(|meta| Entry { path: meta.location.to_string(), bytes: meta.size })
            // What is not a path here was not written by us: another program's files, a killed writer's rest.
            .filter(|entry| path::checked(&entry.path).is_ok())
            .collect();
        entries.sort_unstable();
        Ok(entries)
    }

    /// Runs a call to its end on this thread.
    fn wait<F: Future>(&self, call: F) -> Result<F::Output, Error> {
        match &self.runtime.0 {
            Some(runtime) if Handle::try_current().is_err() => Ok(runtime.block_on(call)),
            _ => Err(Error::AsyncCaller),
        }
    }
}

fn folder(url: &Url) -> Result<LocalFileSystem, String> {
    let path = url.to_file_path().map_err(|()| "it has no absolute path".to_owned())?;
    std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let store = LocalFileSystem::new_with_prefix(&path).map_err(|e| e.to_string())?;
    Ok(store.with_fsync(true))
}

/// The bucket, with the credentials that the environment gives.
#[cfg(feature = "s3")]
fn s3(url: &Url) -> Result<object_store::prefix::PrefixStore<object_store::aws::AmazonS3>, String> {
    let bucket = object_store::aws::AmazonS3Builder::from_env().with_url(url.as_str()).build().map_err(|e| e.to_string())?;
    let prefix = Path::parse(url.path()).map_err(|e| e.to_string())?;
    Ok(object_store::prefix::PrefixStore::new(bucket, prefix))
}

fn fault<'a>(what: &'a str, path: &'a str) -> impl Fn(object_store::Error) -> Error + 'a {
    move |error| match error {
        object_store::Error::NotFound { .. } => Error::NotFound { path: path.to_owned() },
        other => Error::Unavailable { what: format!("{what} `{path}`"), why: other.to_string() },
    }
}
