//! The predictor's binary.

fn main() -> std::process::ExitCode {
    tidemill_service::run::<tidemill_predictor::Predictor>()
}
