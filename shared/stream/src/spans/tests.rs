//! What is told, and what is not.

use super::*;
use std::sync::{Arc, Mutex};

const SAMPLED: Traceparent = [b's'; 55];
const CARRIED: Traceparent = [b'c'; 55];
const WRITTEN: Traceparent = [b'w'; 55];

/// Writes calls down; follows records with [`SAMPLED`].
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }
}

impl Spans for Told {
    fn polling(&mut self, now: i64) {
        self.note(format!("polling {now}"));
    }

    fn begin(&mut self, record: &Record<'_>, now: i64) -> Option<Traceparent> {
        self.note(format!("begin {} {now}", record.offset));
        (record.traceparent == Some(&SAMPLED)).then_some(CARRIED)
    }

    fn end(&mut self, links: &[Traceparent], error: Option<&Error>) {
        self.note(format!("end {} {}", links.len(), error.map_or(String::new(), ToString::to_string)));
    }

    fn send(&mut self, records: &[usize], outputs: &mut Outputs) {
        self.note(format!("send {records:?}"));
        outputs.replace_traceparents(|_| Some(WRITTEN));
    }

    fn sent(&mut self) {
        self.note("sent");
    }

    fn committed(&mut self) {
        self.note("committed");
    }

    fn undone(&mut self, why: &str) {
        self.note(format!("undone {why}"));
    }
}

fn copy(watch: &mut Watch, offset: i64, traceparent: Option<&[u8]>, out: &mut Outputs) {
    let record = Record { topic: 1, partition: 0, offset, timestamp: 0, key: None, payload: None, traceparent };
    let result = watch.process(&record, 5, out, |record, out| {
        out.link(&SAMPLED);
        out.link(b"no traceparent");
        out.push(0, 0, Some(b"k"), record.traceparent, |_| Ok(()))
    });
    result.unwrap();
    assert!(out.links().is_empty(), "links are of one record");
}

fn headers(out: &Outputs) -> Vec<Option<&[u8]>> {
    out.iter().map(|o| o.traceparent).collect()
}

#[test]
fn only_what_is_followed_is_told_and_carried() {
    let (told, mut out) = (Told::default(), Outputs::default());
    let mut watch = Watch::new(Some(Box::new(told.clone())), 2);
    copy(&mut watch, 0, None, &mut out);
    copy(&mut watch, 1, Some(b"forged"), &mut out);
    watch.send(&mut out);
    watch.sent();
    watch.committed();
    assert_eq!(*told.0.lock().unwrap(), ["begin 1 5"]);
    assert_eq!(headers(&out), [None, None]);

    copy(&mut watch, 2, Some(&SAMPLED), &mut out);
    copy(&mut watch, 3, None, &mut out);
    assert_eq!(headers(&out)[2..], [Some(&CARRIED[..]), None]);
    watch.send(&mut out);
    assert_eq!(headers(&out), [None, None, Some(&WRITTEN[..]), None]);
    watch.sent();
    watch.committed();
    watch.undone("nothing is open");
    assert_eq!(told.0.lock().unwrap()[1..], ["begin 2 5", "end 1 ", "send [0, 2]", "sent", "committed"]);
}

#[test]
fn a_batch_that_fails_is_undone_once_and_its_records_do_not_count_for_the_next() {
    let (told, mut out) = (Told::default(), Outputs::default());
    let mut watch = Watch::new(Some(Box::new(told.clone())), 2);
    copy(&mut watch, 0, Some(&SAMPLED), &mut out);
    watch.undone("fenced");
    watch.undone("again");
    copy(&mut watch, 0, Some(&SAMPLED), &mut out);
    watch.send(&mut out);
    let wait = |_: &Record<'_>, _: &mut Outputs| Err(Error::Unavailable("the registry is away".into()));
    let record = Record { topic: 0, partition: 0, offset: 9, timestamp: 0, key: None, payload: None, traceparent: Some(&SAMPLED) };
    assert!(watch.process(&record, 5, &mut out, wait).is_err());
    let told = told.0.lock().unwrap();
    assert_eq!(told[2..], ["undone fenced", "begin 0 5", "end 1 ", "send [0, 1]", "begin 9 5", "end 0 the registry is away"]);
}

#[test]
fn where_nobody_listens_a_header_goes_on_as_it_came() {
    let (mut watch, mut out) = (Watch::new(None, 2), Outputs::default());
    copy(&mut watch, 0, Some(b"anything"), &mut out);
    watch.send(&mut out);
    assert_eq!(headers(&out), [Some(&b"anything"[..])]);
}
