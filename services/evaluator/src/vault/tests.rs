//! Models in a folder, whole and damaged.

use super::*;
use std::collections::BTreeMap;
use tempfile::TempDir;
use tidemill_model::artefact::{File, Files, Golden, Manifest, Span, TypedFeature};
use tidemill_model::{Learner, Scorer};
use tidemill_training_set::{Columns, Row, Rows, write};

const MODEL: &str = r#"{"format":"tidemill-logistic-1","intercept":-1.0,"features":[{"name":"x","mean":0.0,"scale":1.0,"weight":2.0}]}"#;
const FILES: [(&str, f64, &str); 3] = [
    ("training/p/t1/date=2026-11-19/part-0.parquet", -9.0, "x"),
    ("holdout/p/t1/date=2026-11-20/part-0.parquet", 1.0, "x"),
    ("holdout/p/t1/date=2026-11-21/part-0.parquet", 2.0, "x"),
];

/// A folder with one model.
struct Shelf {
    folder: TempDir,
    vault: Artefacts,
    digest: String,
}

/// Two rows: one without the feature, and one that has `value`.
fn rows(value: f64, feature: &str) -> Vec<u8> {
    let mut rows = Rows::new(Columns { entities: Vec::new(), features: vec![feature.into()] });
    for (n, features) in [[f64::NAN], [value]].iter().enumerate() {
        rows.push(&Row { event_id: &"e".into(), event_time: n as i64, label: n as f64, label_time: 9, entities: &[], features });
    }
    write(&rows, 0..2).unwrap()
}

impl Shelf {
    /// A model whose golden row has `score`, and `files` of rows: their path, a value and the column's name.
    fn new(score: Option<f64>, files: &[(&str, f64, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = ArtefactStore::open(&format!("file://{}", folder.path().display())).unwrap();
        let scorer = Scorer::read(Learner::Logistic, MODEL.as_bytes()).unwrap();
        let scores = vec![score.unwrap_or_else(|| scorer.score(&[0.25]))];
        let golden = Golden { rows: vec![vec![Some(0.25)]], scores }.to_bytes().unwrap();
        let put = |bytes: &[u8]| {
            store.put_blob(bytes.to_vec()).unwrap();
            File::of(bytes)
        };
        let artefact = Files { model: put(MODEL.as_bytes()), golden: put(&golden), references: put(b"{}") };
        let training_files = files.iter().map(|(path, value, feature)| {
            let bytes = rows(*value, feature);
            let file = TrainingFile { path: (*path).into(), sha256: sha256(&bytes), rows: 2 };
            store.put(path, bytes).unwrap();
            file
        });
        let manifest = Manifest {
            format: Manifest::FORMAT,
            pipeline: "p".into(),
            pipeline_version: 1,
            pipeline_digest: format!("sha256:{}", sha256(b"file")),
            name: "p".into(),
            version: 1,
            objective: "binary".into(),
            learner: Learner::Logistic,
            libraries: BTreeMap::new(),
            parameters: BTreeMap::new(),
            search: Vec::new(),
            seed: 1,
            features: vec![TypedFeature { name: "x".into(), kind: "double".into() }],
            train: Span { from: 0, to: 1 },
            validation: Span { from: 1, to: 2 },
            holdout: Span { from: 2, to: 3 },
            label_horizon: 1,
            sources: Vec::new(),
            training_files: training_files.collect(),
            files: artefact,
            metrics: BTreeMap::new(),
            rows: 2,
            positives: 1,
        };
        let bytes = manifest.to_bytes().unwrap();
        let digest = Manifest::digest_of(&bytes);
        store.put_blob(bytes).unwrap();
        Self { folder, vault: Artefacts(store), digest }
    }

    fn refused(&self) -> String {
        let opened = self.vault.open(&self.digest).and_then(|model| model.holdout());
        let Err(Failed::Refused(why)) = opened else { panic!("{opened:?}") };
        why
    }

    /// Flips the last bit of a file.
    fn flip(&self, path: &str) {
        let path = self.folder.path().join(path);
        let mut bytes = std::fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&path, bytes).unwrap();
    }

    fn blob(&self, sha256: &str) -> String {
        format!("blobs/sha256/{}/{sha256}", &sha256[..2])
    }
}

#[test]
fn a_model_scores_the_rows_that_were_held_back() {
    let shelf = Shelf::new(None, &FILES);
    let model = shelf.vault.open(&shelf.digest).unwrap();
    assert_eq!(model.features(), ["x"]);
    let holdout = model.holdout().unwrap();
    assert_eq!((holdout.features.as_slice(), holdout.labels.as_slice()), (&["x".to_owned()][..], &[0.0, 1.0, 0.0, 1.0][..]));
    let column = &holdout.columns[0];
    assert!(column[0].is_nan() && column[2].is_nan());
    assert_eq!((column[1], column[3]), (1.0, 2.0), "what it was trained on is not among them");
    assert_eq!(model.scores(&[0.5, 1.0]), [0.5, tidemill_model::sigmoid(1.0)]);
}

#[test]
fn whatever_is_damaged_is_refused_by_name() {
    let whole = Shelf::new(None, &FILES);
    let model = whole.blob(&sha256(MODEL.as_bytes()));
    whole.flip(&model);
    assert!(whole.refused().starts_with("not_fetched: "), "{}", whole.refused());
    std::fs::remove_file(whole.folder.path().join(model)).unwrap();
    assert!(whole.refused().contains("there is no `blobs/"), "{}", whole.refused());

    let wrong = Shelf::new(Some(0.75), &FILES);
    assert!(wrong.refused().starts_with("golden_mismatch: "), "{}", wrong.refused());
    assert!(Shelf { digest: "sha256:../x".into(), ..Shelf::new(None, &FILES) }.refused().contains("no SHA-256"));
    assert!(Shelf { digest: "md5:1".into(), ..Shelf::new(None, &FILES) }.refused().starts_with("bad_digest: "));

    let rows = Shelf::new(None, &FILES);
    rows.flip(FILES[2].0);
    assert!(rows.refused().starts_with("digest_mismatch: holdout/p/t1/date=2026-11-21"), "{}", rows.refused());
    std::fs::remove_file(rows.folder.path().join(FILES[2].0)).unwrap();
    assert!(rows.refused().contains("there is no `holdout/"), "{}", rows.refused());

    let mixed = Shelf::new(None, &[FILES[1], ("holdout/p/t1/date=2026-11-21/part-0.parquet", 1.0, "y")]);
    assert!(mixed.refused().starts_with("bad_rows: "), "{}", mixed.refused());
}
