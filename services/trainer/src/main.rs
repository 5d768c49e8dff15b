//! The trainer's binary.

fn main() -> std::process::ExitCode {
    tidemill_service::run::<tidemill_trainer::Trainer>()
}
