//! What Redis costs: `TIDEMILL_REDIS=host:port cargo run --release -p tidemill-online-store --example store_bench`.
//!
//! Writes 15,000 states of 500 bytes as one batch, then reads two keys a request over eight tasks, without
//! and with such writes going on. Leaves 15 MB behind: use a Redis that may be emptied. Leaves 15 MB behind: use a Redis that may be emptied.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tidemill_online_store::{Batch, End, Entry, Error, FeatureStore, Lookup, Partition, RedisStore, Start};

const KEYS: usize = 15_000;
const READS: usize = 5_000;

fn partition(entity: &str) -> Partition {
    Partition::new("store-bench", entity, 0)
}

fn batch(commit: u64) -> Batch {
    let state = |i: usize| (format!("{i}").into(), i.to_le_bytes().repeat(500 / 8));
    let entries: Vec<Entry> = (0..KEYS).map(state).collect();
    Batch { commit, start: Start::Afresh { serve: true }, end: End::Ready, entries }
}

async fn writes(store: &RedisStore, entity: &str, from: u64) -> Result<Vec<Duration>, Error> {
    let mut took = Vec::new();
    for commit in from..from + 20 {
        let batch = batch(commit);
        let started = Instant::now();
        store.write(&partition(entity), &batch).await?;
        took.push(started.elapsed());
    }
    Ok(took)
}

async fn reads(address: String) -> Result<Vec<Duration>, Error> {
    let store = Arc::new(RedisStore::new(&address, Duration::from_secs(1))?);
    let one = |task: usize| {
        let store = store.clone();
        async move {
            let (customer, terminal) = (partition("customer"), partition("terminal"));
            let mut took = Vec::with_capacity(READS);
            for i in 0..READS {
                let key = format!("{}", (task * 7_919 + i * 104_729) % KEYS);
                let lookups = [Lookup { partition: &customer, key: &key }, Lookup { partition: &terminal, key: &key }];
                let started = Instant::now();
                store.read(&lookups).await?;
                took.push(started.elapsed());
            }
            Ok::<_, Error>(took)
        }
    };
    let tasks: Vec<_> = (0..8).map(|task| tokio::spawn(one(task))).collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap_or_else(|e| std::panic::resume_unwind(e.into_panic()))?);
    }
    Ok(all)
}

fn show(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100];
    println!("{what:<44} p50 {:>10.2?}   p99 {:>10.2?}   max {:>10.2?}", at(50), at(99), at(100));
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::var("TIDEMILL_REDIS")?;
    let store = RedisStore::new(&address, Duration::from_secs(5))?;
    for entity in ["customer", "terminal"] {
        let begun = store.mark(&partition(entity)).await?.begun.unwrap_or(0);
        show(&format!("write {KEYS} states of 500 bytes"), writes(&store, entity, begun + 1).await?);
    }
    show("read two keys, 8 at a time", reads(address.clone()).await?);

    let stop = Arc::new(AtomicBool::new(false));
    let writing = {
        let (stop, begun) = (stop.clone(), store.mark(&partition("customer")).await?.begun.unwrap_or(0));
        tokio::spawn(async move {
            let mut commit = begun;
            while !stop.load(Relaxed) {
                commit += 1;
                store.write(&partition("customer"), &batch(commit)).await?;
            }
            Ok::<_, Error>(())
        })
    };
    show("the same while such batches are written", reads(address).await?);
    stop.store(true, Relaxed);
    writing.await??;
    Ok(())
}
