//! The feature-builder's binary.

fn main() -> std::process::ExitCode {
    tidemill_service::run::<tidemill_feature_builder::FeatureBuilder>()
}
