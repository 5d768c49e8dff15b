//! Starts again what dies while the demo runs, and says so.

use super::process::Background;
use std::path::PathBuf;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What infra/local calls the services; everything else is a part of the infrastructure.
const SERVICES: [&str; 4] = ["ingestor", "validator", "feature-builder", "predictor"];

/// Whether `name` is a service or one more instance of it.
pub(super) fn is_service(name: &str) -> bool {
    SERVICES.iter().any(|service| {
        let rest = name.strip_prefix(service);
        rest.is_some_and(|rest| rest.is_empty() || rest.strip_prefix('-').is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit())))
    })
}

/// Watches the processes that ran when the demo began.
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
    /// The pid that could not be restarted: one try is enough.
    lost: bool,
}

impl Supervisor {
    /// Watches what runs under `home` now.
    pub(super) fn new(home: PathBuf, scripts: PathBuf, profile: String) -> Self {
        let running = Background::all(&home).into_iter().filter(|p| p.memory().is_some());
        let watched = running.map(|process| Watched { process, restart: None, lost: false }).collect();
        Self { home, scripts, profile, watched, recovering: Vec::new(), restarts: 0 }
    }

    /// The services among the watched.
    pub(super) fn services(&self) -> impl Iterator<Item = &Background> {
        self.watched.iter().map(|w| &w.process).filter(|p| is_service(&p.name))
    }

    /// Looks after everything once: what is gone is started again in the background. Returns what there is to say.
    pub(super) fn look(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        let Self { home, scripts, profile, watched, recovering, restarts } = self;
        for Watched { process, restart, lost } in watched {
            let name = &process.name;
            if let Some(ended) = restart.take_if(|r| r.is_finished()) {
                match ended.join().unwrap_or_else(|_| Err("the restart panicked".into())) {
                    Ok(took) => {
                        said.push(format!("{name} is back after {:.1} s", took.as_secs_f64()));
                        recovering.push((name.clone(), Instant::now()));
                        *restarts += 1;
                    }
                    Err(why) => {
                        said.push(format!("{name} could not be started again: {why}"));
                        *lost = true;
                    }
                }
            }
            if restart.is_none() && !*lost && process.memory().is_none() {
                let pid = process.pid().map_or_else(String::new, |pid| format!(" (process {pid})"));
                said.push(format!("{name}{pid} is gone: starting it again"));
                let command = start_command(name, home, scripts, profile);
                *restart = Some(thread::spawn(move || run(command)));
            }
        }
        said
    }

    /// What was restarted has caught up: says how long that took.
    pub(super) fn caught_up(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for (name, since) in self.recovering.drain(..) {
            said.push(format!("{name}: what waited for it was done {:.1} s after it was back", since.elapsed().as_secs_f64()));
        }
        said
    }
}

fn start_command(name: &str, home: &std::path::Path, scripts: &std::path::Path, profile: &str) -> Command {
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
    use std::path::Path;
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
        assert_eq!(supervisor.look(), [] as [String; 0], "one failed restart is not tried for ever");
    }

    #[test]
    fn instances_are_services_and_parts_are_not() {
        assert!(is_service("validator") && is_service("feature-builder-2"));
        assert!(!is_service("kafka") && !is_service("validator-x") && !is_service("validators"));
    }
}
