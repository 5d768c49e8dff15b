//! A request's records on their way: prepared, compared with what was seen, and told apart again afterwards.

use crate::intake::Intake;
use crate::outcome::{Outcome, Refusal, Taken};
use crate::seen::{Print, Seen, Ticket, Verdict, print};
use crate::split::Incoming;
use compact_str::CompactString;
use std::hash::RandomState;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tidemill_events::wire;
use tidemill_kafka::append::{self, Batch};

/// What is remembered of a pipeline's events, for all requests.
pub(crate) struct Memory {
    hasher: RandomState,
    seen: Mutex<Seen>,
}

impl Memory {
    pub(crate) fn new(events: usize) -> Self {
        let seen = Seen::new(events);
        Self { hasher: seen.hasher(), seen: Mutex::new(seen) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The records of one request, in its order.
pub(crate) struct Work(Vec<Record>);

struct Record {
    event_id: Option<CompactString>,
    step: Step,
}

enum Step {
    /// It is the next of the batch, reserved under this print where there is a memory.
    Sent {
        partition: i32,
        print: Option<Print>,
    },
    /// The same id as that of an earlier record of this request, which decides.
    Follows {
        earlier: usize,
        same_body: bool,
    },
    /// It was taken before.
    Duplicate,
    Refused(Refusal),
}

impl Work {
    /// Prepares `records`; those that are to be appended are pushed to `batch`. `request` is a number that
    /// no other request has; `follow` gives the `traceparent` that an event with this id, and this sampled trace of its
    /// own if it brings one, goes on with in another trace than the batch's.
    pub(crate) fn prepare(
        intake: &Intake,
        memory: Option<&Memory>,
        request: u64,
        records: &[Incoming<'_>],
        batch: &mut Batch,
        follow: &mut dyn FnMut(&str, Option<&str>) -> Option<String>,
    ) -> Self {
        let mut payload = Vec::new();
        let read = |incoming: &Incoming<'_>, payload: &mut Vec<u8>| match incoming {
            Incoming::Plain(json) => intake.prepare(json, payload),
            Incoming::Cloud(event) => intake.prepare_or(&event.data, &event.substitutes, payload),
            Incoming::Refused(refusal) => Err(refusal.clone()),
        };
        let prepare = |(index, incoming): (usize, &Incoming<'_>)| match read(incoming, &mut payload) {
            Err(refusal) => Record { event_id: None, step: Step::Refused(refusal) },
            Ok(ready) => {
                let step = match memory {
                    None => Step::Sent { partition: ready.partition, print: None },
                    Some(memory) => {
                        // without the header: a new schema id does not make another event
                        let print = print(&memory.hasher, &ready.event_id, payload.get(wire::HEADER_LEN..).unwrap_or_default());
                        let ticket = Ticket { request, index };
                        step(memory.seen().reserve(print, ticket), print, ready.partition, request)
                    }
                };
                if let Step::Sent { partition, .. } = step {
                    batch.push(partition, ready.key.as_bytes(), &payload);
                    if let Some(traceparent) = follow(&ready.event_id, incoming.traceparent()) {
                        batch.follow(traceparent);
                    }
                }
                Record { event_id: Some(ready.event_id), step }
            }
        };
        Self(records.iter().enumerate().map(prepare).collect())
    }

    /// What became of the records, given what became of those in the batch.
    pub(crate) fn finish(self, memory: Option<&Memory>, appended: Vec<Result<i64, append::Error>>) -> Vec<Outcome> {
        let mut seen = memory.map(Memory::seen);
        let mut appended = appended.into_iter();
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(self.0.len());
        for Record { event_id, step } in self.0 {
            let result = match step {
                Step::Sent { partition, print } => {
                    let result = appended.next().unwrap_or(Err(append::Error::NotAcknowledged));
                    if let (Some(seen), Some(print)) = (&mut seen, print) {
                        seen.settle(print, result.is_ok());
                    }
                    result.map(|offset| Taken::Accepted { partition, offset }).map_err(Refusal::of_append)
                }
                Step::Follows { earlier, same_body } => match &outcomes[earlier].result {
                    Ok(_) if same_body => Ok(Taken::Duplicate),
                    Ok(_) => Err(Refusal::conflict()),
                    Err(refusal) => Err(refusal.clone()),
                },
                Step::Duplicate => Ok(Taken::Duplicate),
                Step::Refused(refusal) => Err(refusal),
            };
            outcomes.push(Outcome { event_id, result });
        }
        outcomes
    }
}

fn step(verdict: Verdict, print: Print, partition: i32, request: u64) -> Step {
    match verdict {
        Verdict::New => Step::Sent { partition, print: Some(print) },
        Verdict::Duplicate => Step::Duplicate,
        Verdict::Conflict => Step::Refused(Refusal::conflict()),
        Verdict::UnderWay { by, same_body } if by.request == request => Step::Follows { earlier: by.index, same_body },
        Verdict::UnderWay { .. } => Step::Refused(Refusal::in_flight()),
    }
}
