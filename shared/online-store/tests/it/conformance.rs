//! The promises of `FeatureStore`, the same for every store.

use crate::redis_server::Redis;
use compact_str::format_compact;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use std::time::{Duration, Instant};
use tidemill_online_store::{
    Batch, End, Entry, Error, FeatureStore, Lookup, Mark, MemoryStore, Outcome, Partition, Read, RedisStore, Start,
};

fn entries(states: &[(&str, &str)]) -> Vec<Entry> {
    states.iter().map(|(key, state)| ((*key).into(), state.as_bytes().to_vec())).collect()
}

fn batch(commit: u64, start: Start, end: End, states: &[(&str, &str)]) -> Batch {
    Batch { commit, start, end, entries: entries(states) }
}

async fn read_one(store: &impl FeatureStore, partition: &Partition, key: &str) -> Read {
    store.read(&[Lookup { partition, key }]).await.unwrap().remove(0)
}

/// A rebuild in two parts, an update, and what readers see on the way.
async fn writes_are_seen_once_complete(store: &impl FeatureStore, partition: &Partition) {
    assert_eq!(store.mark(partition).await.unwrap(), Mark::default());
    assert_eq!(read_one(store, partition, "a").await, Read::default());

    let first = batch(4, Start::Afresh { serve: false }, End::More, &[("a", "a4"), ("b", "b4")]);
    assert_eq!(store.write(partition, &first).await.unwrap(), Outcome::Applied);
    assert_eq!(store.mark(partition).await.unwrap(), Mark { begun: Some(4), complete: None, ready: false });
    assert!(!read_one(store, partition, "a").await.ready, "half a rebuild is not served");

    let last = batch(5, Start::After(4), End::Ready, &[("c", "c5")]);
    assert_eq!(store.write(partition, &last).await.unwrap(), Outcome::Applied);
    assert_eq!(read_one(store, partition, "a").await, Read { state: Some(b"a4".to_vec()), ready: true, commit: Some(5) });
    assert_eq!(read_one(store, partition, "no such key").await, Read { state: None, ready: true, commit: Some(5) });

    let update = batch(6, Start::After(5), End::Complete, &[("a", "a6")]);
    for _ in 0..2 {
        assert_eq!(store.write(partition, &update).await.unwrap(), Outcome::Applied, "writing again does no harm");
    }
    assert_eq!(read_one(store, partition, "a").await, Read { state: Some(b"a6".to_vec()), ready: true, commit: Some(6) });
}

/// An owner that is behind cannot write, not even between the parts of the owner that took over.
async fn a_lower_commit_is_refused(store: &impl FeatureStore, partition: &Partition) {
    let rebuild = batch(10, Start::Afresh { serve: false }, End::Ready, &[("a", "a10")]);
    store.write(partition, &rebuild).await.unwrap();
    let part = batch(12, Start::After(10), End::More, &[("a", "a12")]);
    assert_eq!(store.write(partition, &part).await.unwrap(), Outcome::Applied);
    for start in [Start::After(10), Start::Afresh { serve: false }, Start::Afresh { serve: true }] {
        let late = batch(11, start, End::Ready, &[("a", "a11"), ("b", "b11")]);
        assert_eq!(store.write(partition, &late).await.unwrap(), Outcome::Stale { begun: 12 });
    }
    assert_eq!(store.mark(partition).await.unwrap(), Mark { begun: Some(12), complete: Some(10), ready: true });
    assert_eq!(read_one(store, partition, "a").await.state, Some(b"a12".to_vec()));
    assert_eq!(read_one(store, partition, "b").await.state, None);
}

/// An update on top of something else than what the owner left behind is refused.
async fn a_gap_is_noticed(store: &impl FeatureStore, partition: &Partition) {
    let update = batch(9, Start::After(8), End::Complete, &[("a", "a9")]);
    assert_eq!(store.write(partition, &update).await.unwrap(), Outcome::Unexpected { begun: None });
    store.write(partition, &batch(7, Start::Afresh { serve: false }, End::Ready, &[])).await.unwrap();
    assert_eq!(store.write(partition, &update).await.unwrap(), Outcome::Unexpected { begun: Some(7) });
    assert_eq!(store.mark(partition).await.unwrap(), Mark { begun: Some(7), complete: Some(7), ready: true });
    assert_eq!(read_one(store, partition, "a").await.state, None);
}

/// Keys of several partitions come back in the order they were asked for, whatever bytes they hold.
async fn reads_keep_their_order(store: &impl FeatureStore, partitions: &[Partition; 2]) {
    let odd = "{}:\u{1f980} \r\n\0";
    for partition in partitions {
        let states = vec![(odd.into(), vec![0, 255, b'\r', b'\n']), ("empty".into(), Vec::new())];
        let rebuild = Batch { commit: 1, start: Start::Afresh { serve: false }, end: End::Ready, entries: states };
        store.write(partition, &rebuild).await.unwrap();
    }
    let lookups = [(1, "empty"), (0, odd), (0, "none"), (1, odd)].map(|(p, key)| Lookup { partition: &partitions[p], key });
    let states: Vec<Option<Vec<u8>>> = store.read(&lookups).await.unwrap().into_iter().map(|r| r.state).collect();
    let odd_state = Some(vec![0, 255, b'\r', b'\n']);
    assert_eq!(states, [Some(Vec::new()), odd_state.clone(), None, odd_state]);
    assert_eq!(store.read(&[]).await.unwrap(), []);
}

/// More than a chunk, and more than a pipeline, is still one batch.
async fn large_batches_are_whole(store: &impl FeatureStore, partition: &Partition) {
    let mut states: Vec<Entry> = (0..15_000).map(|i| (format_compact!("key-{i}"), format!("{i:0500}").into_bytes())).collect();
    states.push(("hot".into(), vec![7; 3 << 20]));
    let rebuild = Batch { commit: 3, start: Start::Afresh { serve: false }, end: End::Ready, entries: states.clone() };
    assert_eq!(store.write(partition, &rebuild).await.unwrap(), Outcome::Applied);
    let lookups: Vec<Lookup<'_>> = states.iter().map(|(key, _)| Lookup { partition, key }).collect();
    let read = store.read(&lookups).await.unwrap();
    assert!(read.iter().zip(&states).all(|(read, (_, state))| read.state.as_ref() == Some(state) && read.commit == Some(3)));
}

async fn all(store: &impl FeatureStore, partition: impl Fn(i32) -> Partition) {
    writes_are_seen_once_complete(store, &partition(0)).await;
    a_lower_commit_is_refused(store, &partition(1)).await;
    a_gap_is_noticed(store, &partition(2)).await;
    reads_keep_their_order(store, &[partition(3), partition(4)]).await;
    large_batches_are_whole(store, &partition(5)).await;
}

#[tokio::test]
async fn memory_keeps_the_promises() {
    let partition = |partition| Partition::new("p", "customer", partition);
    all(&MemoryStore::new(), partition).await;
}

#[tokio::test]
async fn redis_keeps_the_promises() {
    let Some(redis) = Redis::start("promises") else { return };
    all(&redis.store(), |partition| redis.partition(partition)).await;
}

#[derive(Debug, Clone)]
enum Step {
    Write(Batch),
    Empty,
}

fn step() -> impl Strategy<Value = Step> {
    let start = prop_oneof![any::<bool>().prop_map(|serve| Start::Afresh { serve }), (0..6u64).prop_map(Start::After)];
    let end = prop_oneof![Just(End::More), Just(End::Complete), Just(End::Ready)];
    let entries = vec((0..4u8, any::<u8>()).prop_map(|(key, state)| (format_compact!("k{key}"), vec![state])), 0..4);
    let write = (0..6u64, start, end, entries).prop_map(|(commit, start, end, entries)| Step::Write(Batch { commit, start, end, entries }));
    prop_oneof![12 => write, 1 => Just(Step::Empty)]
}

/// The two stores answer every sequence of batches alike.
#[test]
fn redis_and_memory_agree() {
    let Some(redis) = Redis::start("agree") else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let store = redis.store();
    let partition = redis.partition(0);
    let run = |steps: Vec<Step>| {
        redis.empty();
        let memory = MemoryStore::new();
        runtime.block_on(async {
            for step in &steps {
                match step {
                    Step::Write(batch) => {
                        let (a, b) = (store.write(&partition, batch).await, memory.write(&partition, batch).await);
                        prop_assert_eq!(a.unwrap(), b.unwrap());
                    }
                    Step::Empty => {
                        redis.empty();
                        memory.clear();
                    }
                }
                prop_assert_eq!(store.mark(&partition).await.unwrap(), memory.mark(&partition).await.unwrap());
                let lookups = ["k0", "k1", "k2", "k3"].map(|key| Lookup { partition: &partition, key });
                prop_assert_eq!(store.read(&lookups).await.unwrap(), memory.read(&lookups).await.unwrap());
            }
            Ok::<(), TestCaseError>(())
        })
    };
    TestRunner::new(Config { failure_persistence: None, cases: 200, ..Config::default() }).run(&vec(step(), 1..20), run).unwrap();
}

/// Emptied between two parts of one batch, however it falls: ready is only what is whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_emptied_on_its_way_is_not_taken_for_whole() {
    let Some(redis) = Redis::start("torn") else { return };
    let (store, partition) = (redis.store(), redis.partition(0));
    let entries: Vec<Entry> = (0..5_000).map(|i| (format_compact!("key-{i}"), vec![1; 500])).collect();
    let lookups: Vec<Lookup<'_>> = entries.iter().map(|(key, _)| Lookup { partition: &partition, key }).collect();
    let mut whole = Duration::ZERO;
    let mut torn = 0;
    for round in 0..20u32 {
        let rebuild = Batch { commit: u64::from(round), start: Start::Afresh { serve: false }, end: End::Ready, entries: entries.clone() };
        let started = Instant::now();
        let emptied = async {
            tokio::time::sleep(whole * round / 20).await;
            tokio::task::block_in_place(|| redis.empty());
        };
        let writing = async { (store.write(&partition, &rebuild).await.unwrap(), started.elapsed()) };
        let ((outcome, took), ()) = tokio::join!(writing, emptied);
        whole = whole.max(took);
        torn += u32::from(matches!(outcome, Outcome::Unexpected { .. }));
        if store.mark(&partition).await.unwrap().ready {
            let missing = store.read(&lookups).await.unwrap().iter().filter(|read| read.state.is_none()).count();
            assert_eq!(missing, 0, "round {round}: ready, and states are missing");
        }
    }
    assert!(torn > 0, "no round was emptied between two parts");
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_loaded_again() {
    let Some(redis) = Redis::start("noscript") else { return };
    let (store, partition) = (redis.store(), redis.partition(0));
    store.write(&partition, &batch(1, Start::Afresh { serve: false }, End::Ready, &[("a", "a1")])).await.unwrap();
    redis.command(redis::cmd("SCRIPT").arg("FLUSH"));
    let update = batch(2, Start::After(1), End::Complete, &[("a", "a2")]);
    assert_eq!(store.write(&partition, &update).await.unwrap(), Outcome::Applied);
}

#[tokio::test]
async fn a_connection_that_was_closed_is_made_again_unnoticed() {
    let Some(redis) = Redis::start_own("reconnect") else { return };
    let (store, partition) = (redis.store(), redis.partition(0));
    store.mark(&partition).await.unwrap();
    for _ in 0..3 {
        redis.command(redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal"));
        store.mark(&partition).await.unwrap();
    }
}

#[tokio::test]
async fn an_absent_redis_is_an_error_that_names_it() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let store = RedisStore::new(&format!("127.0.0.1:{port}"), Duration::from_secs(5)).unwrap();
    let partition = Partition::new("p", "customer", 0);
    let error = store.mark(&partition).await.unwrap_err();
    assert!(matches!(&error, Error::Unavailable { address, .. } if address.ends_with(&port.to_string())), "{error}");
    let error = RedisStore::new("http://127.0.0.1", Duration::from_secs(1)).map(drop).unwrap_err().to_string();
    assert!(error.contains("host:port"), "{error}");
}
