//! Who may depend on whom, and that each dependency says what it is for; which crates CI optimises.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use tidemill_integration_tests::environment::repository;

/// Crates without I/O, clock or randomness.
const PURE: [&str; 7] = [
    "tidemill-events",
    "tidemill-expr",
    "tidemill-features",
    "tidemill-model",
    "tidemill-pipeline",
    "tidemill-statistics",
    "tidemill-training-set",
];
/// What a pure crate must not name.
const IMPURE: [&str; 12] = [
    "tokio",
    "rdkafka",
    "redis",
    "reqwest",
    "axum",
    "hyper",
    "object_store",
    "lightgbm3",
    "schema_registry_converter",
    "tidemill-kafka",
    "tidemill-online-store",
    "tidemill-artefacts",
];
/// Libraries that only these crates name, so that nothing else knows them.
const BEHIND: [(&str, &[&str]); 11] = [
    ("parquet", &["tidemill-training-set", "tidemill-cli"]),
    ("rdkafka", &["tidemill-kafka"]),
    ("schema_registry_converter", &["tidemill-kafka"]),
    ("redis", &["tidemill-online-store"]),
    ("serde-saphyr", &["tidemill-pipeline"]),
    ("opentelemetry", &["tidemill-service", "tidemill-kafka"]),
    ("native-tls", &["tidemill-http-client"]),
    ("object_store", &["tidemill-artefacts"]),
    ("lightgbm3", &["tidemill-trainer"]),
    ("opentelemetry_sdk", &["tidemill-service"]),
    ("opentelemetry-otlp", &["tidemill-service"]),
];
/// A stranger to the platform: it reads topics with clients of its own.
const STRANGER: &str = "tidemill-integration-tests";
/// The one service that may run others in its process.
const COMMAND_LINE: &str = "tidemill-cli";

fn metadata() -> Metadata {
    MetadataCommand::new().manifest_path(repository().join("Cargo.toml")).no_deps().exec().unwrap()
}

/// Names of what `package` needs when it is built, not when it is tested.
fn needs(package: &Package) -> Vec<&str> {
    package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development).map(|d| d.name.as_str()).collect()
}

fn members(metadata: &Metadata, folder: &str) -> Vec<String> {
    let inside = |package: &&Package| package.manifest_path.starts_with(metadata.workspace_root.join(folder));
    metadata.packages.iter().filter(inside).map(|p| p.name.to_string()).collect()
}

#[test]
fn pure_crates_name_nothing_that_acts() {
    let metadata = metadata();
    for name in PURE {
        let package = metadata.packages.iter().find(|p| *p.name == name).unwrap_or_else(|| panic!("there is no crate {name}"));
        let wrong: Vec<&str> = needs(package).into_iter().filter(|d| IMPURE.contains(d)).collect();
        assert!(wrong.is_empty(), "{name} is pure but depends on {wrong:?}");
    }
}

#[test]
fn each_part_is_known_to_one_crate() {
    for package in metadata().packages.iter().filter(|p| *p.name != STRANGER) {
        for (library, owners) in BEHIND {
            let names_it = package.dependencies.iter().any(|d| d.name == library && d.kind == DependencyKind::Normal);
            let may = owners.contains(&package.name.as_str());
            assert!(may || !names_it, "{} names {library}, which belongs behind {owners:?}", package.name);
        }
    }
}

#[test]
fn services_meet_only_at_topics() {
    let metadata = metadata();
    let services = members(&metadata, "services");
    let shared = members(&metadata, "shared");
    assert!(services.len() >= 5 && shared.len() >= 8, "{services:?} {shared:?}");
    for package in metadata.packages.iter().filter(|p| *p.name != STRANGER && *p.name != COMMAND_LINE) {
        let wrong: Vec<&str> = needs(package).into_iter().filter(|d| services.iter().any(|s| s == d)).collect();
        assert!(wrong.is_empty(), "{} depends on the services {wrong:?}", package.name);
    }
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    for paragraph in section.split("\n\n") {
        let headed = paragraph.trim_start().starts_with('#');
        let silent: Vec<&str> = paragraph.lines().filter(|l| l.contains('=') && !headed && !l.contains(" # ")).collect();
        assert!(silent.is_empty(), "these dependencies have no comment, nor has their paragraph:\n{}", silent.join("\n"));
    }
}

#[test]
fn every_dependency_has_one_version() {
    let metadata = metadata();
    let mut own = BTreeMap::new();
    for package in &metadata.packages {
        let manifest = fs::read_to_string(&package.manifest_path).unwrap();
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            } else if section.ends_with("dependencies]") && line.contains('=') && !line.contains("workspace = true") {
                own.insert(package.name.to_string(), line.to_owned());
            }
        }
    }
    assert!(own.is_empty(), "these do not come from the workspace: {own:#?}");
}

/// The profile optimises whatever it does not name: dependencies. (`package."*"` would name macros, too.)
#[test]
fn the_ci_profile_names_every_crate_of_ours() {
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let section = manifest.split("[profile.ci.package]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let named: BTreeSet<&str> = section.lines().filter_map(|line| line.split_once('.')).map(|(name, _)| name).collect();
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(named, ours);
}
