//! The deployer's binary.

fn main() -> std::process::ExitCode {
    tidemill_service::run::<tidemill_deployer::Deployer>()
}
