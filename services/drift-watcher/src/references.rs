//! The references that are stored with a model: fetched by its digest on a thread of their own, kept for the models in use.

use crate::measure::Known;
use compact_str::CompactString;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;
use tidemill_statistics::drift::References;

/// Models whose references are kept.
const KEPT: usize = 4;
/// Between two attempts while the store is away.
const PAUSE: Duration = Duration::from_secs(1);

/// What a store has under a digest.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// References.
    Found(Box<References>),
    /// None that can be read, and why: asking again does not help.
    Nothing(String),
    /// The store is away: ask again.
    Away(String),
}

/// Fetches the references of the model with a digest; may block.
pub type Fetch = dyn Fn(&str) -> Fetched + Send;

/// The answer to a question for a model's references.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// They are on their way.
    Wait,
    /// The model has none.
    Nothing,
    /// Here they are.
    Known(Arc<Known>),
}

/// Where a fold gets references from.
pub trait Library: Send {
    /// The references of the model with this digest.
    fn get(&mut self, digest: &str) -> Answer;
}

/// A library that fetches on a thread of its own.
pub struct Fetching {
    names: Vec<CompactString>,
    known: VecDeque<(String, Answer)>,
    asked: Option<String>,
    ask: Sender<String>,
    answers: Receiver<(String, Fetched)>,
}

impl Fetching {
    /// Starts the thread, which ends when this is dropped. `names` are the numbers of a vector.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(names: Vec<CompactString>, fetch: Box<Fetch>) -> std::io::Result<Self> {
        let (ask, asked) = channel::<String>();
        let (answer, answers) = channel();
        thread::Builder::new().name("references".into()).spawn(move || {
            while let Ok(digest) = asked.recv() {
                let fetched = fetch(&digest);
                let away = matches!(fetched, Fetched::Away(_));
                if answer.send((digest, fetched)).is_err() {
                    return;
                }
                if away {
                    thread::sleep(PAUSE);
                }
            }
        })?;
        Ok(Self { names, known: VecDeque::new(), asked: None, ask, answers })
    }

    fn take(&mut self, digest: String, fetched: Fetched) {
        self.asked = None;
        let answer = match fetched {
            Fetched::Away(why) => {
                tracing::warn!(digest, %why, "the references of a model cannot be fetched yet");
                return;
            }
            Fetched::Nothing(why) => {
                tracing::warn!(digest, %why, "a model without references: its windows are not measured");
                Answer::Nothing
            }
            Fetched::Found(references) => Answer::Known(Arc::new(Known::new(*references, &self.names))),
        };
        self.known.push_back((digest, answer));
        if self.known.len() > KEPT {
            self.known.pop_front();
        }
    }
}

impl Library for Fetching {
    fn get(&mut self, digest: &str) -> Answer {
        match self.answers.try_recv() {
            Ok((digest, fetched)) => self.take(digest, fetched),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        if let Some((_, answer)) = self.known.iter().find(|(known, _)| known == digest) {
            return answer.clone();
        }
        if self.asked.is_none() && self.ask.send(digest.to_owned()).is_ok() {
            self.asked = Some(digest.to_owned());
        }
        Answer::Wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use tidemill_statistics::drift::{ColumnReference, Number, Reference};

    fn answer(library: &mut Fetching, digest: &str) -> Answer {
        loop {
            let answer = library.get(digest);
            if answer != Answer::Wait {
                return answer;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn asks_until_the_store_is_back_and_then_never_again() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = asked.clone();
        let column = ColumnReference { name: "a".into(), reference: Reference::Number(Number::new(&[1.0, 2.0])) };
        let references = References { columns: vec![column], usual: Vec::new() };
        let stored = references.clone();
        let fetch = move |digest: &str| match (digest, counted.fetch_add(1, SeqCst)) {
            (_, 0) => Fetched::Away("no".into()),
            ("there", _) => Fetched::Found(Box::new(stored.clone())),
            _ => Fetched::Nothing("no such file".into()),
        };
        let mut library = Fetching::start(vec!["a".into()], Box::new(fetch)).unwrap();
        assert_eq!(library.get("there"), Answer::Wait);
        let known = Answer::Known(Arc::new(Known::new(references, &["a".into()])));
        assert_eq!(answer(&mut library, "there"), known);
        assert_eq!(answer(&mut library, "gone"), Answer::Nothing);
        assert_eq!((library.get("there"), library.get("gone")), (known, Answer::Nothing));
        assert_eq!(asked.load(SeqCst), 3);
    }
}
