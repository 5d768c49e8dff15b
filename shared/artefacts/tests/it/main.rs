//! The store on a folder: whole files or none, by path and by digest, from any thread.
#![cfg(test)]

use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use tidemill_artefacts::{ArtefactStore, Entry, Error};

const MOST: u64 = 1 << 20;

fn store() -> (TempDir, ArtefactStore) {
    let folder = TempDir::new().unwrap();
    let store = ArtefactStore::open(&format!("file://{}", folder.path().display())).unwrap();
    (folder, store)
}

fn blob_file(folder: &TempDir, sha256: &str) -> PathBuf {
    folder.path().join("blobs/sha256").join(&sha256[..2]).join(sha256)
}

#[test]
fn a_blob_comes_back_by_its_digest() {
    let (folder, store) = store();
    let sha256 = store.put_blob(b"model".to_vec()).unwrap();
    assert_eq!(sha256, "9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4");
    assert_eq!(store.get_blob(&sha256, MOST).unwrap(), b"model");
    assert_eq!(store.put_blob(b"model".to_vec()).unwrap(), sha256);
    assert_eq!(fs::read(blob_file(&folder, &sha256)).unwrap(), b"model");
    let empty = store.put_blob(Vec::new()).unwrap();
    assert_eq!(store.get_blob(&empty, 0).unwrap(), b"");
}

#[test]
fn a_blob_that_was_changed_is_not_served_until_it_is_mended() {
    let (folder, store) = store();
    let sha256 = store.put_blob(b"model".to_vec()).unwrap();
    for damaged in [&b"modem"[..], b"mode", b""] {
        fs::write(blob_file(&folder, &sha256), damaged).unwrap();
        assert!(matches!(store.get_blob(&sha256, MOST), Err(Error::Damaged { .. })), "{damaged:?}");
    }
    store.put_blob(b"model".to_vec()).unwrap();
    assert_eq!(store.get_blob(&sha256, MOST).unwrap(), b"model");
}

#[test]
fn nothing_larger_than_the_bound_is_read() {
    let (_folder, store) = store();
    let sha256 = store.put_blob(vec![7; 100]).unwrap();
    assert!(matches!(store.get_blob(&sha256, 99), Err(Error::TooLarge { bytes: 100, most: 99, .. })));
    assert_eq!(store.get_blob(&sha256, 100).unwrap().len(), 100);
}

#[test]
fn what_is_not_there_is_said_so() {
    let (_folder, store) = store();
    assert!(matches!(store.get("a/b", MOST), Err(Error::NotFound { path }) if path == "a/b"));
    let nobody = "0".repeat(64);
    assert!(matches!(store.get_blob(&nobody, MOST), Err(Error::NotFound { .. })));
    assert_eq!(store.list("a").unwrap(), []);
}

#[test]
fn files_are_listed_below_their_folder_in_order() {
    let (_folder, store) = store();
    for path in ["b/2.json", "a/1.json", "b/10/x", "bb/y"] {
        store.put(path, path.as_bytes().to_vec()).unwrap();
    }
    let paths = |prefix| store.list(prefix).unwrap().into_iter().map(|e| e.path).collect::<Vec<_>>();
    assert_eq!(paths(""), ["a/1.json", "b/10/x", "b/2.json", "bb/y"]);
    assert_eq!(paths("b"), ["b/10/x", "b/2.json"]);
    store.put("a/1.json", b"other".to_vec()).unwrap();
    assert_eq!(store.list("a").unwrap(), [Entry { path: "a/1.json".to_owned(), bytes: 5 }]);
    assert_eq!(store.get("a/1.json", MOST).unwrap(), b"other");
}

#[test]
fn what_a_killed_writer_leaves_is_neither_listed_nor_served_nor_in_the_way() {
    let (folder, store) = store();
    let sha256 = store.put_blob(b"first".to_vec()).unwrap();
    let whole = b"the model";
    let other = tidemill_digest(whole);
    // object_store writes to NAME#1, and renames when all is there
    let rest = PathBuf::from(format!("{}#1", blob_file(&folder, &other).display()));
    fs::create_dir_all(rest.parent().unwrap()).unwrap();
    fs::write(&rest, b"the mo").unwrap();
    assert!(matches!(store.get_blob(&other, MOST), Err(Error::NotFound { .. })));
    let listed = store.list("blobs").unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].path.ends_with(&sha256));
    assert!(matches!(store.get(&format!("blobs/sha256/{}/{other}#1", &other[..2]), MOST), Err(Error::Path { .. })));
    assert_eq!(store.put_blob(whole.to_vec()).unwrap(), other);
    assert_eq!(store.get_blob(&other, MOST).unwrap(), whole);
}

fn tidemill_digest(bytes: &[u8]) -> String {
    let (_folder, other) = store();
    other.put_blob(bytes.to_vec()).unwrap()
}

#[test]
fn readers_see_whole_files_while_they_are_replaced() {
    let (_folder, store) = store();
    let versions: Vec<Vec<u8>> = (0..4u8).map(|v| vec![v; 50_000 + usize::from(v)]).collect();
    store.put("current", versions[0].clone()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for version in versions.iter().cycle().take(40) {
                    store.put("current", version.clone()).unwrap();
                }
            });
        }
        for _ in 0..2 {
            let store = store.clone();
            let versions = &versions;
            scope.spawn(move || {
                for _ in 0..100 {
                    let seen = store.get("current", MOST).unwrap();
                    assert!(versions.contains(&seen), "{} bytes", seen.len());
                }
            });
        }
    });
}

#[test]
fn paths_and_digests_that_lead_elsewhere_are_refused() {
    let (folder, store) = store();
    fs::write(folder.path().parent().unwrap().join("tidemill-outside"), b"secret").unwrap();
    for path in ["../tidemill-outside", "a/../../tidemill-outside", "/etc/passwd", "..", "%2e%2e/tidemill-outside", ""] {
        assert!(matches!(store.get(path, MOST), Err(Error::Path { .. })), "{path}");
        assert!(matches!(store.put(path, b"x".to_vec()), Err(Error::Path { .. })), "{path}");
    }
    assert!(matches!(store.list("../"), Err(Error::Path { .. })));
    for digest in ["", "..", "../../../etc/passwd", &"A".repeat(64), &"0".repeat(63), &"é".repeat(32)] {
        assert!(matches!(store.get_blob(digest, MOST), Err(Error::Path { .. })), "{digest}");
    }
    fs::remove_file(folder.path().parent().unwrap().join("tidemill-outside")).unwrap();
}

#[test]
fn addresses_that_are_none_are_refused() {
    for url in ["", "relative/folder", "http://host/path", "file:///dev/null/folder"] {
        assert!(matches!(ArtefactStore::open(url), Err(Error::Address { .. })), "{url}");
    }
}

#[test]
fn an_async_caller_is_told_instead_of_blocked() {
    let (_folder, store) = store();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    // the last clone goes inside the task, too
    let asked = runtime.block_on(async move { store.get("a", MOST) });
    assert!(matches!(asked, Err(Error::AsyncCaller)));
}
