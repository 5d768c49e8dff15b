//! From vectors and outcomes to a model that opens: dataset, split, files, fit, artefact, and again from its files.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tidemill_artefacts::ArtefactStore;
use tidemill_events::control::Span;
use tidemill_events::layout::{FeatureColumn, FeatureType};
use tidemill_events::schema::RecordSchema;
use tidemill_events::time::{DAY, MINUTE};
use tidemill_events::{Layout, Source, Stage, Value, Vector};
use tidemill_model::artefact::{Manifest, Model, OffsetRange};
use tidemill_model::{Learner, Reason};
use tidemill_pipeline::learning::Values;
use tidemill_trainer::artefact::{Made, Setup, Watch, make};
use tidemill_trainer::dataset::Dataset;
use tidemill_trainer::learner::Progress;
use tidemill_trainer::split::{Lengths, Split};
use tidemill_trainer::{Interrupted, Reproduced, reproduce};
use tidemill_training_set::Rows;

const T0: i64 = 17_000 * DAY;
const LENGTHS: Lengths = Lengths { history: 20 * DAY, validation: 4 * DAY, window: DAY };
const END: i64 = T0 + 20 * DAY;
const FEATURES: [&str; 4] = ["customer_tx_count_1d", "terminal_fraud_rate_7d", "amount", "is_night"];

fn layout() -> Layout {
    let column = |name: &str, ty| FeatureColumn { name: name.into(), ty };
    let mut features: Vec<FeatureColumn> = FEATURES.iter().map(|name| column(name, FeatureType::Double)).collect();
    features.insert(2, column("merchant", FeatureType::String));
    let event = r#"{"type": "record", "name": "E", "fields": [{"name": "id", "type": "string"}]}"#;
    Layout {
        pipeline: "pay".into(),
        event: RecordSchema::parse(event).unwrap(),
        entities: vec!["customer".into(), "terminal".into()],
        features,
        hop_features: vec![0..1, 1..2],
    }
}

/// Payments like the handbook's, 200 a day: dear ones, and those at bad terminals, are fraudulent.
fn rows(backwards: bool) -> Rows {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut uniform = || (random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    let mut set = Dataset::new(&layout(), Span { from: T0, to: END }, None);
    let mut vectors = Vec::new();
    for i in 0..20 * 200i64 {
        let event_time = T0 + i * DAY / 200 + (uniform() * MINUTE as f64) as i64;
        let (amount, rate) = (uniform() * 300.0, if uniform() < 0.1 { uniform() } else { 0.0 });
        let fraud = amount > 220.0 && uniform() < 0.8 || uniform() < rate;
        let count = if uniform() < 0.05 { Value::Null } else { Value::Double((uniform() * 9.0).floor()) };
        let night = Value::Double(f64::from(u8::from(uniform() < 0.3)));
        let (card, terminal) = ((uniform() * 50.0) as u32, (uniform() * 80.0) as u32);
        let vector = Vector {
            event_id: format!("e{i}").into(),
            event_time,
            source: Source { topic: "pay.raw".into(), partition: 0, offset: i },
            ingested_at: 0,
            from: Stage::default(),
            merge_time: event_time,
            entities: vec![format!("c{card}").into(), format!("t{terminal}").into()],
            features: vec![count, Value::Double(rate), Value::String("shop".into()), Value::Double(amount), night],
            pipeline_version: 3,
        };
        vectors.push((vector, f64::from(u8::from(fraud))));
    }
    if backwards {
        vectors.reverse();
    }
    for (vector, label) in &vectors {
        set.outcome(&vector.event_id, vector.event_time, *label, vector.event_time + 7 * DAY);
    }
    vectors.iter().for_each(|(vector, _)| set.vector(vector));
    set.finish()
}

/// Nobody looks; `until` says how many points of the search are done before it is called off.
struct Quiet {
    until: usize,
}

impl Watch for Quiet {
    fn files(&self) {}

    fn search(&self, progress: Progress) -> bool {
        progress.done < self.until
    }

    fn store(&self) {}
}

const WATCH: Quiet = Quiet { until: usize::MAX };

fn setup(learner: Learner) -> Setup {
    let search = match learner {
        Learner::Lightgbm => {
            vec![("num_leaves".to_owned(), Values::OneOf(vec![4.0, 8.0])), ("num_iterations".to_owned(), Values::AtMost(60.0))]
        }
        Learner::Logistic => vec![("lambda_l2".to_owned(), Values::OneOf(vec![0.1, 1.0]))],
    };
    let pipeline_digest = format!("sha256:{}", "ab".repeat(32));
    Setup { pipeline: "pay".into(), pipeline_version: 3, pipeline_digest, learner, search, horizon: 7 * DAY, drift_window: DAY }
}

fn sources() -> Vec<OffsetRange> {
    vec![OffsetRange { topic: "pay.features".into(), partition: 0, from: 0, to: 4_000 }]
}

fn store() -> (TempDir, ArtefactStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = ArtefactStore::open(&format!("file://{}", folder.path().display())).unwrap();
    (folder, store)
}

fn made(rows: &Rows, learner: Learner, store: &ArtefactStore) -> Made {
    let split = Split::new(rows, END, LENGTHS);
    split.check(rows).unwrap();
    make(&setup(learner), (1, rows, &split), sources(), store, &WATCH).unwrap()
}

fn open(store: &ArtefactStore, digest: &str) -> Model {
    let manifest = store.get_blob(digest.strip_prefix("sha256:").unwrap(), 1 << 20).unwrap();
    Model::open(&manifest, digest, &FEATURES, |sha256, bytes| store.get_blob(sha256, bytes)).unwrap()
}

#[test]
fn what_is_made_opens_and_scores() {
    let (_folder, store) = store();
    let rows = rows(false);
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        let made = made(&rows, learner, &store);
        let Model { manifest, scorer, references, .. } = open(&store, &made.digest);
        assert_eq!((manifest.name.as_str(), manifest.version, manifest.learner, manifest.search.len()), ("pay", 1, learner, 2));
        let dear = scorer.score(&[3.0, 0.0, 290.0, 0.0]);
        let cheap = scorer.score(&[3.0, 0.0, 20.0, 0.0]);
        assert!(dear > 0.5 && cheap < 0.2, "{learner:?}: {dear} {cheap}");
        assert!(manifest.metrics["validation_log_loss"] < 0.5);
        let references: tidemill_statistics::drift::References = serde_json::from_slice(&references).unwrap();
        let names: Vec<&str> = references.columns.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, [&FEATURES[..], &["score"]].concat());
        assert_eq!(references.usual.len(), names.len());
        assert!(references.usual.iter().all(|u| u.psi > 0.0 || u.missing > 0.0), "no window is quite the whole: {:?}", references.usual);
    }
}

#[test]
fn the_manifest_names_every_row_once_and_where_it_is() {
    let (_folder, store) = store();
    let rows = rows(false);
    let manifest = open(&store, &made(&rows, Learner::Logistic, &store).digest).manifest;
    let of = |folder: &str| manifest.training_files.iter().filter(|f| f.path.starts_with(folder)).map(|f| f.rows).sum::<u64>();
    assert_eq!(of("training/pay/") + of("holdout/pay/"), rows.len() as u64);
    assert_eq!(of("training/pay/"), manifest.rows);
    assert!(manifest.training_files.iter().all(|f| f.path.ends_with("/part-0.parquet") && f.path.contains("/date=2016-0")));
    assert_eq!((manifest.train.from, manifest.train.to), (T0, manifest.validation.from));
    assert_eq!((manifest.validation.to, manifest.holdout.to), (manifest.holdout.from, END));
    assert!(manifest.positives > 50 && manifest.positives < manifest.rows / 2);
}

#[test]
fn the_same_rows_give_the_same_bytes_whatever_their_order() {
    let (folder, first) = store();
    let (other_folder, second) = store();
    let one = made(&rows(false), Learner::Lightgbm, &first);
    assert_eq!(one, made(&rows(true), Learner::Lightgbm, &second));
    assert_eq!(files(folder.path()), files(other_folder.path()));
    // made again after a crash, it changes nothing
    let before = files(folder.path());
    assert_eq!(one, made(&rows(false), Learner::Lightgbm, &first));
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_model_is_reproduced_from_its_files_alone() {
    let (folder, store) = store();
    for learner in [Learner::Lightgbm, Learner::Logistic] {
        let manifest = open(&store, &made(&rows(false), learner, &store).digest).manifest;
        let same = Reproduced { sha256: manifest.files.model.sha256.clone(), rows: manifest.rows as usize, other_libraries: Vec::new() };
        assert_eq!(reproduce(&manifest, &store).unwrap(), same);
        let other = Manifest {
            parameters: [("lambda_l2".to_owned(), 50.0)].into(),
            libraries: [("tidemill-model".to_owned(), "0.0.9".to_owned())].into(),
            ..manifest.clone()
        };
        let made = reproduce(&other, &store).unwrap();
        assert_ne!(made.sha256, same.sha256);
        assert!(made.other_libraries[0].ends_with("the manifest has 0.0.9"), "{:?}", made.other_libraries);
    }
    let manifest = open(&store, &made(&rows(false), Learner::Logistic, &store).digest).manifest;
    let path = folder.path().join(&manifest.training_files[3].path);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = reproduce(&manifest, &store).unwrap_err();
    assert!(matches!(&error, Interrupted::Failed(why) if why.contains("is not the file that was trained on")), "{error}");
}

#[test]
fn what_is_called_off_names_no_model() {
    let (folder, store) = store();
    let rows = rows(false);
    let split = Split::new(&rows, END, LENGTHS);
    let ended = make(&setup(Learner::Lightgbm), (1, &rows, &split), sources(), &store, &Quiet { until: 1 });
    assert_eq!(ended, Err(Interrupted::Cancelled));
    assert!(!folder.path().join("blobs").exists(), "only the training set is there");
}

#[test]
fn golden_rows_are_of_every_kind_and_catch_another_model() {
    let (_folder, store) = store();
    let rows = rows(false);
    let manifest = open(&store, &made(&rows, Learner::Lightgbm, &store).digest).manifest;
    let golden = store.get_blob(&manifest.files.golden.sha256, 1 << 20).unwrap();
    let golden = tidemill_model::artefact::Golden::read(&golden).unwrap();
    assert!(golden.rows.len() <= 64 && golden.rows.iter().any(|row| row.contains(&None)));
    let other = open(&store, &made(&rows, Learner::Logistic, &store).digest);
    assert_eq!(golden.check(&other.scorer).unwrap_err().reason, Reason::GoldenMismatch);
}

/// All files below `folder` with their bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path).into_iter().map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)));
        } else {
            all.push((PathBuf::from(path.file_name().unwrap()), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}
