//! All payments over HTTP as fast as they are taken, until the last prediction was read; then the same with their labels,
//! until the last outcome was.

use crate::spent::Spent;
use crate::table::{count, median, table};
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};
use tidemill_integration_tests::committed::Committed;
use tidemill_integration_tests::process::{Process, Usage};
use tidemill_integration_tests::services::Slot;
use tidemill_integration_tests::{Pipeline, Service, Stack, payments};

/// The line is stuck when nothing was predicted for this long.
const STUCK: Duration = Duration::from_secs(60);
/// How often processes are looked at: what publishes must be seen before it ends.
const LOOK: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(20);

/// One run.
pub(crate) struct Run {
    events: u64,
    /// From the start of `tidemill publish` until the last prediction (and the last outcome, with labels) was read.
    elapsed: Duration,
    spent: Spent,
    /// Resident bytes of all services at the end.
    resident: u64,
}

impl Run {
    fn rate(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }
}

/// What is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// Events alone: the line from a raw event to its prediction, without what learns.
    Events,
    /// Events, and the label of each seven days of event time later: all services.
    Labelled,
}

/// Publishes all payments to a fresh pipeline and fresh services.
pub(crate) fn run(stack: &mut Stack, load: Load, number: u32, limit: Option<u64>) -> Result<Run> {
    let pipeline = stack.apply("payments")?;
    stack.services.start(&Service::LINE.map(|s| Slot(s, 1)))?;
    let learning: Vec<Slot> = Service::ALL.iter().filter(|s| !Service::LINE.contains(s)).map(|s| Slot(*s, 1)).collect();
    if load == Load::Labelled {
        stack.services.start(&learning)?;
    }
    stack.services.await_ready()?;
    let file = payments::shared(&stack.environment).map_or_else(|| generate(stack, &pipeline), Ok)?;
    let reader = |topic| Committed::new(&stack.environment, &pipeline.topic(topic));
    let (mut predictions, mut outcomes) = (reader("predictions")?, reader("outcomes")?);
    let before = Spent::until_now(stack)?;

    let begin = Instant::now();
    let log = pipeline.folder().join("publish.json");
    let file = file.to_string_lossy().into_owned();
    let limit = limit.map(|n| n.to_string());
    let mut args = vec!["publish", &pipeline.name, "--events", &file, "--speed", "max", "--output", "json"];
    args.extend(limit.iter().flat_map(|n| ["--limit", n]));
    if load == Load::Labelled {
        args.extend(["--labels-delay", "7d"]);
    }
    let mut publisher = stack.tidemill().start(&args, &log)?;
    let mut meter = Meter { stack, publisher: &mut publisher, last: Instant::now(), published: None, acknowledged: None };
    let events = read_to_the_end(&mut predictions, &mut meter)?;
    if load == Load::Labelled {
        ensure!(read_to_the_end(&mut outcomes, &mut meter)? == events, "not every label became an outcome");
    }
    let elapsed = begin.elapsed();
    let published = meter.published;
    let mut spent = Spent::until_now(stack)?.since(&before);
    if let Some(usage) = published {
        spent.add("tidemill publish", usage);
    }
    let resident = stack.services.usage()?.iter().map(|(_, usage)| usage.resident).sum();
    let run = Run { events, elapsed, spent, resident };
    eprintln!("run {number}: {} events in {:.1} s, {} events/s", count(events), elapsed.as_secs_f64(), count(run.rate() as u64));
    if load == Load::Events {
        stack.services.start(&learning)?;
    }
    stack.tidemill().succeed(&["wait", &pipeline.name])?;
    let verified = stack.tidemill().succeed(&["verify", &pipeline.name])?;
    eprintln!("{}", verified.out.trim_end());
    stack.services.stop_all()?;
    Ok(run)
}

fn generate(stack: &Stack, pipeline: &Pipeline) -> Result<std::path::PathBuf> {
    let out = pipeline.folder().join("payments.csv");
    stack.tidemill().succeed(&["generate", "payments", "--days", "183", "--out", &out.to_string_lossy()])?;
    Ok(out)
}

/// Looks at the publisher while the predictions are read.
struct Meter<'a> {
    stack: &'a Stack,
    publisher: &'a mut Process,
    last: Instant,
    published: Option<Usage>,
    /// Events that were acknowledged, once the publisher has ended.
    acknowledged: Option<u64>,
}

impl Meter<'_> {
    /// How many events were acknowledged, once all were.
    fn look(&mut self) -> Result<Option<u64>> {
        if self.acknowledged.is_some() || self.last.elapsed() < LOOK {
            return Ok(self.acknowledged);
        }
        self.last = Instant::now();
        if let Ok(usage) = self.publisher.usage() {
            self.published = Some(usage);
        }
        let Some(status) = self.publisher.ended()? else { return Ok(None) };
        let log = self.publisher.log();
        ensure!(status.success(), "tidemill publish: {status}\n{log}");
        let report = log.find('{').map(|at| &log[at..]).context("tidemill publish printed no report")?;
        let report: serde_json::Value = serde_json::Deserializer::from_str(report).into_iter().next().context("an empty report")??;
        self.acknowledged = Some(report["acknowledged"].as_u64().context("the report tells no count")?);
        Ok(self.acknowledged)
    }
}

/// Reads predictions, or outcomes, until there is one for every event that was acknowledged.
fn read_to_the_end(reader: &mut Committed, meter: &mut Meter<'_>) -> Result<u64> {
    let (mut seen, mut wanted) = (0, None);
    let mut progress = Instant::now();
    while wanted.is_none_or(|wanted| seen < wanted) {
        if reader.poll(POLL)?.is_some() {
            seen += 1;
            progress = Instant::now();
        }
        if let Some(acknowledged) = meter.look()? {
            wanted = Some(acknowledged);
        }
        if progress.elapsed() > STUCK {
            let logs: String = meter.stack.services.running().map(|(_, process)| process.log_end()).collect();
            bail!("nothing came for {STUCK:?} after {seen} records\n{logs}");
        }
    }
    ensure!(wanted == Some(seen), "{seen} records for {wanted:?} events");
    Ok(seen)
}

/// The median run's figures, and where its time went.
pub(crate) fn report(load: Load, mut runs: Vec<Run>) -> String {
    runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let all: Vec<String> = runs.iter().map(|run| count(run.rate() as u64)).collect();
    let order: Vec<usize> = (0..runs.len()).collect();
    let Some(run) = median(&order).and_then(|at| runs.get(at)) else { return String::new() };
    let (what, least, aim) = match load {
        Load::Events => ("raw event over HTTP batches → read_committed prediction", "25,000", "65,000"),
        Load::Labelled => ("the same with labels → read_committed outcome", "20,000", "50,000"),
    };
    let mib = run.resident as f64 / f64::from(1 << 20);
    let figures = table(
        &["what", "measured", "at least", "aim"],
        &[
            vec![
                format!("{what}, {} payments, 4 partitions (runs: {})", count(run.events), all.join(", ")),
                format!("**{} events/s**", count(run.rate() as u64)),
                least.into(),
                aim.into(),
            ],
            vec!["memory of all services at the end".into(), format!("**{mib:.0} MiB**"), "1 GiB".into(), "300 MiB".into()],
        ],
    );
    format!("{figures}\n{}", run.spent.report(run.elapsed, run.events))
}
