//! A pipeline of a test's own: a copy of an example under another name, taken back when the test ends.

use crate::admin::delete_topics;
use crate::command::Tidemill;
use crate::environment::{Environment, repository};
use crate::producer::{Outgoing, Producer};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::panicking;
use tempfile::TempDir;
use tidemill_events::topics::{Control, group};

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// A pipeline file of this test's own.
#[derive(Debug)]
pub struct Pipeline {
    /// Its name.
    pub name: String,
    brokers: String,
    folder: TempDir,
    applied: bool,
}

impl Pipeline {
    /// Copies `examples/<example>` and gives the pipeline in it the name `<test>-<process>-<number>`; nothing is applied.
    ///
    /// # Errors
    /// When the example is not there, or names no pipeline.
    pub fn copy(environment: &Environment, example: &str, test: &str) -> Result<Self> {
        let name = format!("{test}-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let folder = tempfile::tempdir().context("cannot make a folder")?;
        let from = repository().join("examples").join(example);
        for entry in fs::read_dir(&from).with_context(|| format!("no example {}", from.display()))? {
            let path = entry?.path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap_or_default()))?;
        }
        let pipeline = Self { name, brokers: environment.kafka.clone(), folder, applied: false };
        let renamed = pipeline.text()?.lines().map(|line| pipeline.renamed(line)).collect::<String>();
        fs::write(pipeline.file(), renamed)?;
        Ok(pipeline)
    }

    fn renamed(&self, line: &str) -> String {
        if line.starts_with("pipeline:") { format!("pipeline: {}\n", self.name) } else { format!("{line}\n") }
    }

    /// [`Pipeline::copy`], applied.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply(environment: &Environment, tidemill: &Tidemill, example: &str, test: &str) -> Result<Self> {
        let mut pipeline = Self::copy(environment, example, test)?;
        pipeline.apply_again(tidemill)?;
        Ok(pipeline)
    }

    /// Puts `to` in the place of `from` in the file; nothing is applied.
    ///
    /// # Errors
    /// When `from` is not there: the example has changed.
    pub fn edit(&self, from: &str, to: &str) -> Result<()> {
        let text = self.text()?;
        ensure!(text.contains(from), "the example no longer has `{from}`");
        fs::write(self.file(), text.replace(from, to)).context("cannot write the pipeline file")
    }

    /// Applies the file as it is now.
    ///
    /// # Errors
    /// When it is refused.
    pub fn apply_again(&mut self, tidemill: &Tidemill) -> Result<()> {
        // also where it fails half-way
        self.applied = true;
        tidemill.succeed(&["apply", &self.file().to_string_lossy()]).map(|_| ())
    }

    /// The pipeline file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("pipeline.yaml")
    }

    /// Its folder, for files of the test's own.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The pipeline file's text.
    ///
    /// # Errors
    /// When it is not there.
    pub fn text(&self) -> Result<String> {
        let file = self.file();
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
    }

    /// The topic `<p>.<suffix>`.
    #[must_use]
    pub fn topic(&self, suffix: &str) -> String {
        format!("{}.{suffix}", self.name)
    }

    /// The consumer group of `service`.
    #[must_use]
    pub fn group(&self, service: &str) -> String {
        group(service, &self.name)
    }
}

impl Pipeline {
    fn take_back(&self) -> Result<()> {
        let tombstone = Outgoing { key: Some(self.name.clone().into_bytes()), ..Outgoing::default() };
        Producer::new(&self.brokers)?.write(Control::Pipelines.name(), &[tombstone])?;
        // a test that failed leaves them to be looked at
        if panicking() { Ok(()) } else { delete_topics(&self.brokers, &self.topic("")) }
    }
}

impl Drop for Pipeline {
    /// Takes it back with a tombstone and deletes its topics, which no command does: services of later tests would run it
    /// too, and a broker that is killed looks through every topic it has before it answers again.
    fn drop(&mut self) {
        if self.applied
            && let Err(error) = self.take_back()
        {
            eprintln!("pipeline {} stays applied: {error:#}", self.name);
        }
    }
}
