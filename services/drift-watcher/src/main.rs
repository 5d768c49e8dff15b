//! The drift-watcher's binary.

fn main() -> std::process::ExitCode {
    tidemill_service::run::<tidemill_drift_watcher::DriftWatcher>()
}
