//! A child process that ends with its owner, and what /proc says of it.

use anyhow::{Context, Result, bail};
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);
/// Clock ticks per second in /proc: fixed by the Linux kernel's interface.
const TICKS_PER_SECOND: f64 = 100.0;
/// Lines of the log shown when a test fails, and how much of each: what failed must not drown in it.
const TAIL: usize = 15;
const WIDTH: usize = 300;

/// A running program. Dropping it kills it, and shows the end of its log if a test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

/// A signal other than SIGKILL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Asks to end.
    Terminate,
    /// Stands still until [`Signal::Continue`].
    Stop,
    /// Goes on.
    Continue,
}

/// What a process has used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Processor time, user and system, seconds.
    pub cpu: f64,
    /// Resident memory now, bytes.
    pub resident: u64,
}

impl Process {
    /// Starts `command`; both its outputs are appended to `log`.
    ///
    /// # Errors
    /// When the program is not there, or the log cannot be written.
    pub fn start(name: impl Into<String>, command: &mut Command, log: &Path) -> Result<Self> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let file = OpenOptions::new().create(true).append(true).open(log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = file.try_clone().context("cannot share the log")?;
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("cannot start {}: is it built?", program.display()))?;
        Ok(Self { name: name.into(), child, log: log.to_owned() })
    }

    /// What it was called at its start.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, once it has ended.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("cannot ask for the state of {}", self.name))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `patience`.
    pub fn wait(&mut self, patience: Duration) -> Result<ExitStatus> {
        let give_up = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() > give_up {
                bail!("{} (process {}) still runs after {patience:?}", self.name, self.id());
            }
            thread::sleep(POLL);
        }
    }

    /// SIGKILL; returns when it is gone.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("cannot kill {}", self.name))?;
        self.child.wait().map(|_| ()).with_context(|| format!("cannot wait for {}", self.name))
    }

    /// Sends `signal`.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        send(self.id(), signal).with_context(|| self.name.clone())
    }

    /// SIGTERM, and waits for its end.
    ///
    /// # Errors
    /// When it still runs after `patience`.
    pub fn terminate(&mut self, patience: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal(Signal::Terminate)?;
        self.wait(patience)
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// When it has ended, or there is no /proc.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.id()).with_context(|| format!("of {}", self.name))
    }

    /// Its log, whole.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of its log, headed by its name.
    #[must_use]
    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let short = |line: &&str| line.chars().take(WIDTH).collect::<String>();
        let end = lines[lines.len().saturating_sub(TAIL)..].iter().map(short).collect::<Vec<_>>().join("\n");
        format!("--- {}: the end of {}\n{end}\n", self.name, self.log.display())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // a process that has ended already cannot be killed, and that is fine
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("{}", self.log_end());
        }
    }
}

/// What the process `id` has used so far.
///
/// # Errors
/// When it has ended, or there is no /proc.
pub fn usage(id: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| format!("process {id} is gone"))?;
    let status = fs::read_to_string(format!("/proc/{id}/status")).with_context(|| format!("process {id} is gone"))?;
    let cpu = cpu_seconds(&stat).with_context(|| format!("cannot read the processor time of process {id}"))?;
    // a process that is just ending has no memory any more
    let resident =
        status.lines().find_map(|l| l.strip_prefix("VmRSS:")).and_then(|l| l.split_ascii_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage { cpu, resident: resident.unwrap_or(0) * 1024 })
}

/// Sends `signal` to process `id`.
///
/// # Errors
/// When it is gone.
pub fn send(id: u32, signal: Signal) -> Result<()> {
    let name = match signal {
        Signal::Terminate => "TERM",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
    };
    // the shell's own kill: std sends SIGKILL only
    let status = Command::new("sh").args(["-c", "kill -\"$1\" \"$2\"", "sh", name, &id.to_string()]).status()?;
    if !status.success() {
        bail!("cannot send SIG{name} to process {id}");
    }
    Ok(())
}

/// Fields 14 and 15 of /proc/ID/stat; field 2 is a name in brackets that may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::until::until_holds;

    struct Shell {
        process: Process,
        _folder: tempfile::TempDir,
    }

    fn shell(script: &str) -> Shell {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("shell.log");
        Shell { process: Process::start("shell", Command::new("sh").args(["-c", script]), &log).unwrap(), _folder: folder }
    }

    #[test]
    fn outputs_are_in_the_log_and_the_status_is_told() {
        let mut shell = shell("echo out; echo err >&2; exit 3");
        assert_eq!(shell.process.wait(Duration::from_secs(10)).unwrap().code(), Some(3));
        assert_eq!(shell.process.log(), "out\nerr\n");
    }

    #[test]
    fn a_process_ends_with_its_owner() {
        let shell = shell("sleep 1000");
        let id = shell.process.id();
        assert!(usage(id).unwrap().resident > 0);
        drop(shell);
        assert!(usage(id).is_err());
    }

    #[test]
    fn a_stopped_process_does_not_end_before_it_goes_on() {
        let Shell { mut process, _folder } = shell("trap 'exit 7' TERM; echo armed; while :; do sleep 0.01; done");
        until_holds("the trap is set", Duration::from_secs(10), || Ok(process.log() == "armed\n")).unwrap();
        process.signal(Signal::Stop).unwrap();
        assert!(process.terminate(Duration::from_millis(200)).is_err());
        process.signal(Signal::Continue).unwrap();
        assert_eq!(process.wait(Duration::from_secs(10)).unwrap().code(), Some(7));
    }
}
