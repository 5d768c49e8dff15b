//! `tidemill demo`: 90 days of payments in two and a half minutes, watched, supervised and verified; a model is learned on the way.

mod lag;
mod latency;
mod learned;
mod live;
mod news;
mod process;
mod quality;
mod seen;
mod stream;
mod summary;
mod supervisor;
mod view;
mod watch;

use crate::connect::{self, Cluster};
use crate::generate::{Payment, Process};
use crate::inject::{Injection, Kind};
use crate::output::{Exit, count};
use crate::publish::{Destination, Ingestor, Job, Pace, Shape};
use crate::stages::stages;
use anyhow::{Context, bail};
use lag::Lag;
use learned::Wanted;
use live::Live;
use rust_decimal::Decimal;
use seen::Seen;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use stream::{Stream, bad_records};
use summary::Place;
use supervisor::Supervisor;
use tidemill_events::time::{DAY, format_date, parse_duration};
use tidemill_events::topics::PerPipeline;
use tidemill_pipeline::Pipeline;
use watch::Watch;

/// Connections that publish: as many as the example has partitions.
const CONNECTIONS: usize = 4;
const MAX_RECORDS: usize = 2_000;

/// `tidemill demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Pipeline file; its events must be payments
    #[arg(long, default_value = "examples/payments/pipeline.yaml", value_name = "FILE")]
    pipeline: PathBuf,
    /// Days of payments
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=3_650))]
    days: u32,
    /// How long publishing takes
    #[arg(long, default_value = "150s", value_name = "DURATION", value_parser = parse_duration)]
    duration: i64,
    /// Same seed, same payments
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder of pids and logs of what infra/local started
    #[arg(long, env = "TIDEMILL_HOME", default_value = ".tidemill", value_name = "DIR")]
    home: PathBuf,
    /// Folder of the scripts that start services and infrastructure
    #[arg(long, default_value = "infra/local", value_name = "DIR")]
    scripts: PathBuf,
    #[command(flatten)]
    ingestor: Ingestor,
    #[command(flatten)]
    connection: connect::Flags,
}

/// Runs another command of this program: its words, the program's name first.
pub type Run<'a> = dyn Fn(&[&str]) -> anyhow::Result<Exit> + 'a;

/// Runs the demo, with the commands that it shows done by `run`.
///
/// # Errors
/// When a step cannot be done. That a promise does not hold is a result, not an error.
pub fn run(args: &Args, run: &Run<'_>) -> anyhow::Result<Exit> {
    let program = std::env::current_exe().context("this program cannot be found")?;
    let mut payments = Process { seed: args.seed, ..Process::handbook(args.days) }.payments();
    let drift = args.drift(&mut payments);
    let payments: Arc<[Payment]> = payments.into();
    args.introduce(payments.len(), drift);
    let mut supervisor = Supervisor::new(args.home.clone(), args.scripts.clone(), profile(&program));

    args.step(run, &["apply", &args.pipeline.to_string_lossy()])?;
    let cluster = Cluster::new(&args.connection)?;
    let pipeline = args.applied(&cluster)?;
    let [raw, labels] = [PerPipeline::Raw, PerPipeline::Labels].map(|topic| topic.name(&pipeline.name, &pipeline.layout.entities));
    check_empty(&cluster, &raw)?;

    let acks = args.acks_file()?;
    let mut watch = Watch::start(&cluster, &pipeline, Seen::new(payments.clone(), pipeline.decision.above.clone(), labels.clone()))?;
    let lag = Lag::watch(&args.connection, stages(&pipeline))?;
    let wanted = Wanted::of(&pipeline, drift);
    let live = Live { cluster: &cluster, raw, labels, watch: &mut watch, supervisor: &mut supervisor, lag, wanted };
    let outcome = live.run(args.job(&pipeline, payments.clone(), &acks))?;

    let name = &pipeline.name;
    let waited = args.step(run, &["wait", name])?;
    let restarts = supervisor.restarts;
    section("What happened", &summary::happened(&outcome, &watch.seen(), restarts));
    section("Decisions against what the generator knows", &summary::judged(&watch.seen()));
    let take_overs = std::mem::take(&mut watch.seen().quality.lines);
    if !take_overs.is_empty() {
        section("Live quality of a day before and after each take-over, once its labels were in", &take_overs);
    }
    let verified = args.step(run, &["verify", name, "--acks", &acks.to_string_lossy()])?;
    if let Some(last) = payments.last() {
        let place = Place { program: &relative(&program), home: &relative(&args.home), kafka: &args.connection.kafka, pipeline: name };
        let alert = watch.seen().last_alert.clone().unwrap_or_else(|| "0".into());
        section("Try next", &summary::next(&place, &alert, last));
    }
    if !outcome.missing.is_empty() {
        section("NOT COMPLETE: the learning loop did not show what it should", &outcome.missing);
    }
    let complete = outcome.published.is_complete() && outcome.missing.is_empty() && [waited, verified] == [Exit::Ok, Exit::Ok];
    Ok(if complete { Exit::Ok } else { Exit::Failed })
}

impl Args {
    fn introduce(&self, payments: usize, drift: Option<i64>) {
        let bad = bad_records(payments);
        let seconds = self.duration / 1_000_000;
        println!("The demo applies {} and publishes {} days of card payments over HTTP in about", self.pipeline.display(), self.days);
        println!(
            "{seconds} s: {} payments by the process of the Fraud Detection Handbook, seed {}, and {} bad",
            count(payments as u64),
            self.seed,
            count(bad as u64)
        );
        println!("records on purpose (negative amounts, an hour late, an amount that is no number).");
        println!("The label of each payment, fraud or not, follows seven days of its time later. With three weeks of them");
        println!("there is enough for the first model: it is trained, judged against the rule that decides until then,");
        println!("and deployed if every gate of the file lets it.");
        if let Some(from) = drift {
            println!(
                "From {} on all amounts are half as high again: the drift is to be found, and answered by a training.",
                format_date(from)
            );
        }
        println!("Then it waits until every stage is done, and verifies that nothing was lost, doubled or computed wrong.");
        println!("Kill any process meanwhile: it is started again. For example: kill -9 $(cat {}/pids/validator.pid)", self.home.display());
    }

    /// Lets the amounts drift for the last third of a demo that is long enough to have a model by then; when that begins.
    fn drift(&self, payments: &mut [Payment]) -> Option<i64> {
        let first = payments.first()?.event_time;
        let from = first - first.rem_euclid(DAY) + i64::from(self.days * 2 / 3) * DAY;
        if self.days < 60 {
            return None;
        }
        let kind = Kind::Drift { column: "amount".into(), factor: Decimal::new(15, 1) };
        Injection { kind, from, seed: self.seed }.payments(payments);
        Some(from)
    }

    /// Runs another command of this program, as one would type it.
    fn step(&self, run: &Run<'_>, command: &[&str]) -> anyhow::Result<Exit> {
        println!("\n$ tidemill {}", command.join(" "));
        let connection = ["--kafka", &self.connection.kafka, "--registry", &self.connection.registry];
        run(&["tidemill"].iter().chain(command).chain(&connection).copied().collect::<Vec<_>>())
    }

    fn applied(&self, cluster: &Cluster) -> anyhow::Result<Pipeline> {
        let Ok((file, _)) = tidemill_pipeline::load(&self.pipeline) else {
            bail!("{} was not applied", self.pipeline.display());
        };
        let (_, pipeline) = cluster.pipeline(&file.name)?;
        if pipeline.digest != file.digest {
            bail!("{} was not applied", self.pipeline.display());
        }
        Ok(pipeline)
    }

    fn acks_file(&self) -> anyhow::Result<PathBuf> {
        let folder = self.home.join("demo");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = folder.join("acks.ndjson");
        match fs::remove_file(&file) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e).with_context(|| format!("cannot empty {}", file.display())),
            _ => Ok(file),
        }
    }

    fn job(&self, pipeline: &Pipeline, payments: Arc<[Payment]>, acks: &Path) -> Job {
        let records = payments.len() + bad_records(payments.len());
        let shape = Shape::of(pipeline);
        Job {
            source: Box::new(Stream::new(payments, &shape.schema)),
            shape,
            labels_delay: pipeline.learning.labels.as_ref().map(|labels| labels.horizon),
            destination: Destination::Http(self.ingestor.endpoint(&pipeline.name)),
            pace: Pace::Rate(records as f64 / (self.duration.max(1) as f64 / 1e6)),
            connections: CONNECTIONS,
            max_records: MAX_RECORDS,
            limit: u64::MAX,
            acks: Some(acks.to_owned()),
            give_up_after: Duration::from_secs(120),
            stop: Arc::default(),
        }
    }
}

/// The numbers at the end are about one run.
fn check_empty(cluster: &Cluster, raw: &str) -> anyhow::Result<()> {
    let records: i64 = cluster.admin.ends(raw)?.iter().map(|ends| ends.high - ends.start).sum();
    if records > 0 {
        bail!(
            "{raw} has {} records already, and every event counts once: `make demo` starts on empty topics",
            count(records.unsigned_abs())
        );
    }
    Ok(())
}

fn section(title: &str, lines: &[String]) {
    println!("\n{title}");
    lines.iter().for_each(|line| println!("  {line}"));
}

/// The cargo profile that `program` was built with: its folder's name.
fn profile(program: &Path) -> String {
    match program.parent().and_then(Path::file_name).and_then(|name| name.to_str()) {
        None | Some("debug") => "dev".into(),
        Some(folder) => folder.into(),
    }
}

/// `path` as one would type it here.
fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().ok();
    here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path).to_owned()
}
