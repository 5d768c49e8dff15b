//! A batch as script calls: chunks small enough that Redis answers readers in between.

use crate::{Batch, End, Entry, Outcome, Partition, Start};
use redis::{Cmd, Pipeline};

/// The script that applies a chunk.
pub(super) const SCRIPT: &str = include_str!("apply.lua");

/// Bounds of one script call: what a reader may have to wait for.
const CHUNK_KEYS: usize = 128;
const CHUNK_BYTES: usize = 64 << 10;
/// Bound of one pipeline: what is in memory a second time, under one timeout, and encoded without a pause.
const PIPELINE_BYTES: usize = 512 << 10;

/// What the script returns: a status and the commit begun.
pub(super) type Reply = (u8, Option<u64>);

/// The outcome of chunks: that of the first one that was not applied.
pub(super) fn outcome(replies: &[Reply]) -> Outcome {
    match replies.iter().find(|(status, _)| *status != 0) {
        None => Outcome::Applied,
        Some((1, Some(begun))) => Outcome::Stale { begun: *begun },
        Some((_, begun)) => Outcome::Unexpected { begun: *begun },
    }
}

/// The script calls of `batch`, in pipelines to send one after the other.
pub(super) fn pipelines(partition: &Partition, batch: &Batch, script: &str) -> impl Iterator<Item = Pipeline> {
    let mut rest = batch.entries.as_slice();
    let mut first = true;
    std::iter::from_fn(move || {
        let mut pipeline = Pipeline::new();
        let mut bytes = 0;
        while bytes < PIPELINE_BYTES && (first || !rest.is_empty()) {
            let (chunk, after) = rest.split_at(chunk_len(rest));
            rest = after;
            let start = if first { batch.start } else { Start::After(batch.commit) };
            let end = if rest.is_empty() { batch.end } else { End::More };
            pipeline.add_command(call(partition, batch.commit, start, end, chunk, script));
            bytes += chunk.iter().map(size).sum::<usize>();
            first = false;
        }
        (!pipeline.is_empty()).then_some(pipeline)
    })
}

/// How many of `entries` the next chunk takes.
fn chunk_len(entries: &[Entry]) -> usize {
    let mut bytes = 0;
    let fits = |entry: &&Entry| {
        bytes += size(entry);
        bytes <= CHUNK_BYTES
    };
    // a state larger than a chunk goes alone
    entries.iter().take(CHUNK_KEYS).take_while(fits).count().max(1).min(entries.len())
}

fn size((key, state): &Entry) -> usize {
    key.len() + state.len()
}

fn call(partition: &Partition, commit: u64, start: Start, end: End, chunk: &[Entry], script: &str) -> Cmd {
    let mut cmd = redis::cmd("EVALSHA");
    cmd.arg(script).arg(3 + chunk.len());
    cmd.arg(partition.begun_key()).arg(partition.watermark_key()).arg(partition.ready_key());
    for (key, _) in chunk {
        cmd.arg(partition.state_key(key));
    }
    cmd.arg(commit);
    match start {
        Start::Afresh { serve } => cmd.arg("").arg(u8::from(!serve)),
        Start::After(after) => cmd.arg(after).arg(0),
    };
    cmd.arg(match end {
        End::More => "more",
        End::Complete => "complete",
        End::Ready => "ready",
    });
    for (_, state) in chunk {
        cmd.arg(state.as_slice());
    }
    cmd
}
