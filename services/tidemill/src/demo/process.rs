//! Background processes as infra/local knows them: a pid file each, under the home's `pids`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A process that was started in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Background {
    /// Its name: a service's, a second instance's (`validator-2`) or an infrastructure part's.
    pub(super) name: String,
    pid_file: PathBuf,
}

impl Background {
    /// Every one that was started under `home` and not stopped, in the order of their names.
    pub(super) fn all(home: &Path) -> Vec<Self> {
        let files = fs::read_dir(home.join("pids")).into_iter().flatten().flatten();
        let mut all: Vec<Self> = files.filter_map(|file| Self::of(file.path())).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    fn of(pid_file: PathBuf) -> Option<Self> {
        let name = pid_file.file_name()?.to_str()?.strip_suffix(".pid")?.to_owned();
        Some(Self { name, pid_file })
    }

    /// Its process id, as it was written down.
    pub(super) fn pid(&self) -> Option<u32> {
        fs::read_to_string(&self.pid_file).ok()?.trim().parse().ok()
    }

    /// Whether the process runs. One that was killed counts as running until it has let go of its files and ports.
    pub(super) fn is_alive(&self) -> bool {
        self.pid().is_some_and(|pid| look(pid).is_some())
    }

    /// Resident memory of the process in bytes; `None` when it does not run.
    pub(super) fn memory(&self) -> Option<u64> {
        look(self.pid()?)?
    }
}

/// `None` when the process does not run, else its memory, which one that is ending has none of.
fn look(pid: u32) -> Option<Option<u64>> {
    if Path::new("/proc/self").exists() { of_proc(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?) } else { of_ps(pid) }
}

fn of_proc(status: &str) -> Option<Option<u64>> {
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    if field("State:")?.starts_with(['Z', 'X']) {
        return None;
    }
    Some(field("VmRSS:").and_then(|rss| rss.strip_suffix("kB")?.trim().parse().ok()).map(|kib: u64| kib << 10))
}

fn of_ps(pid: u32) -> Option<Option<u64>> {
    let output = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output().ok()?;
    let kib: u64 = String::from_utf8(output.stdout).ok()?.trim().parse().ok()?;
    Some((kib > 0).then_some(kib << 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    #[test]
    fn a_process_has_memory_until_it_is_killed() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Background::all(home.path()), []);
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        fs::create_dir(home.path().join("pids")).unwrap();
        fs::write(home.path().join("pids/validator-2.pid"), format!("{}\n", child.id())).unwrap();
        fs::write(home.path().join("pids/kafka.pid.new"), "1").unwrap();
        let all = Background::all(home.path());
        assert_eq!(all.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["validator-2"]);
        assert!(all[0].is_alive());
        while all[0].memory().is_none_or(|bytes| bytes < 100_000) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        while all[0].is_alive() {
            std::thread::yield_now();
        }
        assert_eq!(all[0].memory(), None);
        child.wait().unwrap();
        assert!(!all[0].is_alive());
    }
}
