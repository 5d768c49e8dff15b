//! The file of acknowledged event ids: what `tidemill verify` holds the topics against.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How long an acknowledgement may wait in memory.
const FLUSH: Duration = Duration::from_secs(1);

/// Notes acknowledged ids; cheap to clone.
#[derive(Clone)]
pub(super) struct Acks(Sender<Vec<u8>>);

/// The writer behind [`Acks`]: ends, with the file flushed, when the last of them is dropped.
pub(super) type Writer = JoinHandle<io::Result<()>>;

impl Acks {
    /// Appends to the file at `path`.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Writer)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let (sender, lines) = channel(64);
        Ok((Self(sender), tokio::spawn(write(file, lines))))
    }

    /// Notes that these event ids, as JSON, were acknowledged; an event without an id has no line.
    pub(super) async fn note<'a>(&self, ids: impl Iterator<Item = &'a [u8]>) {
        let mut lines = Vec::new();
        for id in ids.filter(|id| !id.is_empty()) {
            let quote: &[u8] = if id.starts_with(b"\"") { b"" } else { b"\"" };
            for part in [b"{\"event_id\":", quote, id, quote, b"}\n"] {
                lines.extend_from_slice(part);
            }
        }
        // the writer only ends early when it cannot write, which `publish` hears from it
        let _ = self.0.send(lines).await;
    }
}

async fn write(file: File, mut lines: Receiver<Vec<u8>>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 16, file);
    let mut tick = interval(FLUSH);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            some = lines.recv() => match some {
                Some(lines) => file.write_all(&lines)?,
                None => return file.flush(),
            },
            _ = tick.tick() => file.flush()?,
        }
    }
}
