//! The ingestor's process.

fn main() -> std::process::ExitCode {
    tidemill_service::run::<tidemill_ingestor::Ingestor>()
}
