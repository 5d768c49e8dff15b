//! Starts again what dies while the demo runs, and says so.

use super::process::Background;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What infra/local calls the services; everything else is a part of the infrastructure.
const SERVICES: [&str; 8] = ["ingestor", "validator", "feature-builder", "predictor", "evaluator", "trainer", "deployer", "drift-watcher"];

/// Whether `name` is a service or one more instance of it.
pub(super) fn is_service(name: &str) -> bool {
    SERVICES.iter().any(|service| {
        let rest = name.strip_prefix(service);
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
    })
}

/// How often one process is started again in vain before it is given up, and how long after each time.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(2);

/// Watches the processes that were started before the demo began.
pub(super) struct Supervisor {
    home: PathBuf,
    /// The folder of services.sh and part.sh.
    scripts: PathBuf,
    /// Cargo profile of the services.
    profile: String,
    watched: Vec<Watched>,
    /// What was restarted and has not caught up.
    recovering: Vec<(String, Instant)>,
    /// Restarts so far.
    pub(super) restarts: u32,
}

struct Watched {
    process: Background,
    restart: Option<JoinHandle<Result<Duration, String>>>,
    /// Restarts in vain since it last ran, and when the last one ended.
    failed: u32,
    failed_at: Option<Instant>,
}

impl Watched {
    fn may_restart(&self) -> bool {
        let rested = self.failed_at.is_none_or(|at| at.elapsed() >= PAUSE);
        self.restart.is_none() && rested && self.failed < TRIES && !self.process.is_alive()
    }
}

impl Supervisor {
    /// Watches what was started under `home` and not stopped.
    pub(super) fn new(home: PathBuf, scripts: PathBuf, profile: String) -> Self {
        let unhurt = |process| Watched { process, restart: None, failed: 0, failed_at: None };
        let watched = Background::all(&home).into_iter().map(unhurt).collect();
        Self { home, scripts, profile, watched, recovering: Vec::new(), restarts: 0 }
    }

    /// The services among the watched.
    pub(super) fn services(&self) -> impl Iterator<Item = &Background> {
        self.watched.iter().map(|w| &w.process).filter(|p| is_service(&p.name))
    }

    /// Looks after everything once: what is gone is started again in the background. Returns what there is to say.
    pub(super) fn look(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for watched in &mut self.watched {
            let name = watched.process.name.clone();
            if let Some(ended) = watched.restart.take_if(|r| r.is_finished()) {
                match ended.join().unwrap_or_else(|_| Err("the restart panicked".into())) {
                    Ok(took) => {
                        said.push(format!("{name} is back after {:.1} s", took.as_secs_f64()));
                        self.recovering.push((name.clone(), Instant::now()));
                        self.restarts += 1;
                        watched.failed = 0;
                    }
                    Err(why) => {
                        said.push(format!("{name} could not be started again: {why}"));
                        watched.failed += 1;
                        watched.failed_at = Some(Instant::now());
                    }
                }
            }
            if watched.may_restart() {
                let pid = watched.process.pid().map_or_else(String::new, |pid| format!(" (process {pid})"));
                said.push(format!("{name}{pid} is gone: starting it again"));
                let command = start_command(&name, &self.home, &self.scripts, &self.profile);
                watched.restart = Some(thread::spawn(move || run(command)));
            }
        }
        said
    }

    /// What was restarted has caught up: says how long that took.
    pub(super) fn caught_up(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for (name, since) in self.recovering.drain(..) {
            said.push(format!("the line has caught up, {:.1} s after {name} was back", since.elapsed().as_secs_f64()));
        }
        said
    }
}

fn start_command(name: &str, home: &Path, scripts: &Path, profile: &str) -> Command {
    let mut command;
    if is_service(name) {
        command = Command::new(scripts.join("services.sh"));
        command.args(["start", "--profile", profile]);
    } else {
        command = Command::new(scripts.join("part.sh"));
        command.arg("start");
    }
    command.arg("--home").arg(home).arg(name);
    command
}

fn run(mut command: Command) -> Result<Duration, String> {
    let began = Instant::now();
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
    if output.status.success() {
        return Ok(began.elapsed());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(words.lines().find(|l| l.starts_with("error:")).unwrap_or("see the services' logs").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Stdio;

    /// A services.sh that writes a live pid and what it was called with.
    fn script(dir: &Path, body: &str) {
        let path = dir.join("services.sh");
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn look_until(supervisor: &mut Supervisor, what: &str) -> String {
        loop {
            if let Some(line) = supervisor.look().into_iter().find(|line| line.contains(what)) {
                return line;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn what_dies_is_started_again_once() {
        let dir = tempfile::tempdir().unwrap();
        let (home, pids) = (dir.path().join("home"), dir.path().join("home/pids"));
        fs::create_dir_all(&pids).unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mut second = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        fs::write(pids.join("validator.pid"), child.id().to_string()).unwrap();
        script(dir.path(), &format!("echo \"$@\" > {0}/called; echo {1} > {0}/home/pids/validator.pid", dir.path().display(), second.id()));

        let mut supervisor = Supervisor::new(home.clone(), dir.path().into(), "ci".into());
        assert_eq!(supervisor.look(), [] as [String; 0]);
        child.kill().unwrap();
        child.wait().unwrap();
        let gone = look_until(&mut supervisor, "gone");
        assert!(gone.starts_with(&format!("validator (process {})", child.id())), "{gone}");
        look_until(&mut supervisor, "validator is back after");
        assert_eq!(
            fs::read_to_string(dir.path().join("called")).unwrap().trim(),
            format!("start --profile ci --home {} validator", home.display())
        );
        assert_eq!(supervisor.look(), [] as [String; 0]);
        assert_eq!((supervisor.caught_up().len(), supervisor.caught_up().len(), supervisor.restarts), (1, 0, 1));

        script(dir.path(), "echo 'error: no port is free' >&2; exit 1");
        second.kill().unwrap();
        second.wait().unwrap();
        assert!(look_until(&mut supervisor, "could not").contains("no port is free"));
        assert_eq!(supervisor.look(), [] as [String; 0], "a failed restart is not repeated at once");
    }

    #[test]
    fn instances_are_services_and_parts_are_not() {
        assert!(is_service("validator") && is_service("feature-builder-2"));
        assert!(!is_service("kafka") && !is_service("validator-x") && !is_service("validators"));
    }
}
