//! The validator's binary.

fn main() -> std::process::ExitCode {
    tidemill_service::run::<tidemill_validator::Validator>()
}
