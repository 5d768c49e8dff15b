//! An artefact opens only if every byte of it is the one that was trained.

use crate::naive::{self, Tree};
use std::collections::BTreeMap;
use tidemill_model::artefact::{
    File, Files, Golden, Manifest, Model, OffsetRange, OpenError, Span, TrainingFile, Trial, TypedFeature, sha256,
};
use tidemill_model::{Learner, Scorer};

const FEATURES: [&str; 2] = ["f0", "f1"];

/// A small artefact: its manifest and files.
#[derive(Clone)]
struct Artefact {
    manifest: Manifest,
    files: BTreeMap<String, Vec<u8>>,
}

fn model_text() -> String {
    let leaf = |value, count| Tree::Leaf { value, count };
    let split =
        Tree::Split { feature: 1, threshold: 1.5, missing: 2, default_left: true, children: Box::new([leaf(0.5, 30), leaf(-0.25, 20)]) };
    naive::text(2, &[split, leaf(0.125, 50)])
}

fn golden() -> Golden {
    let scorer = Scorer::read(Learner::Lightgbm, model_text().as_bytes()).unwrap();
    let rows = vec![vec![Some(0.1), Some(1.0)], vec![None, Some(2.0)], vec![Some(3.0), None]];
    let score = |row: &Vec<Option<f64>>| scorer.score(&row.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<_>>());
    Golden { scores: rows.iter().map(score).collect(), rows }
}

fn artefact(model: &[u8], golden: &[u8], references: &[u8]) -> Artefact {
    let map = |pairs: &[(&str, f64)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), *v)).collect::<BTreeMap<_, _>>();
    let span = |from, to| Span { from, to };
    let manifest = Manifest {
        format: Manifest::FORMAT,
        pipeline: "payments".to_owned(),
        pipeline_version: 3,
        pipeline_digest: format!("sha256:{}", sha256(b"pipeline")),
        name: "payments".to_owned(),
        version: 7,
        objective: "binary".to_owned(),
        learner: Learner::Lightgbm,
        libraries: [("lightgbm".to_owned(), "4.5.0".to_owned())].into(),
        parameters: map(&[("num_leaves", 31.0), ("learning_rate", 0.1)]),
        search: vec![Trial { parameters: map(&[("num_leaves", 31.0)]), metric: 0.123_456_789_012_345_68 }],
        seed: 1,
        features: FEATURES.map(|name| TypedFeature { name: name.to_owned(), kind: "double".to_owned() }).to_vec(),
        train: span(0, 100),
        validation: span(100, 120),
        holdout: span(120, 140),
        label_horizon: 10,
        sources: vec![OffsetRange { topic: "payments.features".to_owned(), partition: 0, from: 0, to: 200 }],
        training_files: vec![TrainingFile { path: "training/a.parquet".to_owned(), sha256: sha256(b"rows"), rows: 100 }],
        files: Files { model: File::of(model), golden: File::of(golden), references: File::of(references) },
        metrics: map(&[("average_precision", 0.7)]),
        rows: 100,
        positives: 3,
    };
    let files = [model, golden, references].iter().map(|bytes| (sha256(bytes), bytes.to_vec())).collect();
    Artefact { manifest, files }
}

fn good() -> Artefact {
    artefact(model_text().as_bytes(), &golden().to_bytes().unwrap(), b"references")
}

impl Artefact {
    fn open(&self) -> Result<Model, OpenError<String>> {
        self.open_bytes(&self.manifest.to_bytes().unwrap(), &self.manifest.digest().unwrap())
    }

    fn open_bytes(&self, manifest: &[u8], digest: &str) -> Result<Model, OpenError<String>> {
        Model::open(manifest, digest, &FEATURES, |sha256, _| self.files.get(sha256).cloned().ok_or_else(|| "not there".to_owned()))
    }

    fn reason(&self) -> &'static str {
        self.open().expect_err("this should be refused").reason()
    }
}

#[test]
fn what_was_trained_opens_and_scores() {
    let artefact = good();
    let model = artefact.open().unwrap();
    assert_eq!((&model.manifest, model.references.as_slice()), (&artefact.manifest, &b"references"[..]));
    assert_eq!(model.digest, artefact.manifest.digest().unwrap());
    assert_eq!(model.scorer.raw_score(&[0.0, 1.0]), 0.625);
}

#[test]
fn the_same_manifest_gives_the_same_bytes_and_comes_back() {
    let manifest = good().manifest;
    let bytes = manifest.to_bytes().unwrap();
    assert_eq!(bytes, good().manifest.to_bytes().unwrap());
    assert_eq!(Manifest::read(&bytes).unwrap(), manifest);
    assert_eq!(manifest.digest().unwrap(), format!("sha256:{}", sha256(&bytes)));
    let mut other = manifest.clone();
    other.seed = 2;
    assert_ne!(other.digest().unwrap(), manifest.digest().unwrap());
}

#[test]
fn every_flipped_bit_of_every_byte_is_refused() {
    let artefact = good();
    let (manifest, digest) = (artefact.manifest.to_bytes().unwrap(), artefact.manifest.digest().unwrap());
    let mut flipped = 0;
    for at in 0..manifest.len() {
        let mut bytes = manifest.clone();
        bytes[at] ^= 1 << (at % 8);
        assert_eq!(artefact.open_bytes(&bytes, &digest).unwrap_err().reason(), "digest_mismatch", "manifest byte {at}");
        flipped += 1;
    }
    for (name, content) in &artefact.files {
        for at in 0..content.len() {
            let mut damaged = artefact.clone();
            damaged.files.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            assert_eq!(damaged.reason(), "digest_mismatch", "file {name}, byte {at}");
            flipped += 1;
        }
    }
    assert!(flipped > 2_000, "{flipped}");
}

#[test]
fn cut_long_and_lost_files_are_refused() {
    for name in good().files.keys() {
        let mut artefact = good();
        artefact.files.get_mut(name).unwrap().pop();
        assert_eq!(artefact.reason(), "truncated");
        artefact.files.get_mut(name).unwrap().extend(b"xx");
        assert_eq!(artefact.reason(), "truncated");
        artefact.files.remove(name);
        assert_eq!(artefact.reason(), "not_fetched");
    }
}

#[test]
fn lying_content_with_right_digests_is_refused() {
    let golden = golden().to_bytes().unwrap();
    let text = model_text();
    let (cycle, other) = (text.replace("left_child=-2", "left_child=0"), text.replace("leaf_value=-0.25 0.5", "leaf_value=-0.26 0.5"));
    let cases: [(&[u8], &[u8], &str); 8] = [
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x08builtins", &golden, "unknown_format"),
        (b"PK\x03\x04model.txt", &golden, "unknown_format"),
        (b"{\"format\":\"tidemill-logistic-1\",\"intercept\":0,\"features\":[]}", &golden, "unknown_format"),
        (cycle.as_bytes(), &golden, "bad_model"),
        (other.as_bytes(), &golden, "golden_mismatch"),
        (text.as_bytes(), b"{\"rows\":[],\"scores\":[]}", "bad_golden"),
        (text.as_bytes(), b"{\"rows\":[[1.0]],\"scores\":[0.5]}", "bad_golden"),
        (text.as_bytes(), b"\x80\x04", "bad_golden"),
    ];
    for (model, golden, reason) in cases {
        assert_ne!((model, golden), (text.as_bytes(), good().files[&good().manifest.files.golden.sha256].as_slice()));
        assert_eq!(artefact(model, golden, b"").reason(), reason, "{}", String::from_utf8_lossy(model));
    }
}

#[test]
fn golden_scores_are_compared_within_a_billionth() {
    let scorer = Scorer::read(Learner::Lightgbm, model_text().as_bytes()).unwrap();
    for (by, right) in [(0.0, true), (5e-10, true), (2e-9, false), (-2e-9, false), (f64::NAN, false)] {
        let mut golden = golden();
        golden.scores[1] += by;
        assert_eq!(golden.check(&scorer).is_ok(), right, "{by}");
    }
    let mut none = golden();
    none.scores.pop();
    assert!(none.check(&scorer).is_err());
}

#[test]
fn features_must_be_those_of_the_pipeline_in_order() {
    let artefact = good();
    let (bytes, digest) = (artefact.manifest.to_bytes().unwrap(), artefact.manifest.digest().unwrap());
    for features in [&["f1", "f0"][..], &["f0"], &["f0", "f1", "f2"], &[]] {
        let opened = Model::open(&bytes, &digest, features, |sha256, _| artefact.files.get(sha256).cloned().ok_or(()));
        assert_eq!(opened.unwrap_err().reason(), "wrong_features", "{features:?}");
    }
    let mut lying = good();
    let text = model_text().replace("feature_names=f0 f1", "feature_names=f1 f0");
    lying.manifest.files.model = File::of(text.as_bytes());
    lying.files.insert(sha256(text.as_bytes()), text.into_bytes());
    assert_eq!(lying.reason(), "wrong_features");
}

#[test]
fn manifests_that_are_none_are_refused() {
    let artefact = good();
    let text = String::from_utf8(artefact.manifest.to_bytes().unwrap()).unwrap();
    for (from, to, reason) in [
        ("\"format\": 1", "\"format\": 2", "unknown_format"),
        ("\"format\": 1", "\"format\": 2, \"news\": true", "unknown_format"),
        ("\"seed\": 1", "\"seed\": 1, \"more\": 2", "bad_manifest"),
        ("\"seed\": 1,", "", "bad_manifest"),
        ("\"binary\"", "\"ranking\"", "bad_manifest"),
        ("\"lightgbm\",\n  \"lib", "\"pickle\",\n  \"lib", "bad_manifest"),
        ("\"positives\": 3", "\"positives\": 101", "bad_manifest"),
        ("\"bytes\": 10", "\"bytes\": 99999999999", "bad_manifest"),
        (&sha256(b"references"), "../../etc/passwd", "bad_manifest"),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = text.replacen(from, to, 1);
        let opened = artefact.open_bytes(changed.as_bytes(), &Manifest::digest_of(changed.as_bytes()));
        assert_eq!(opened.unwrap_err().reason(), reason, "{from} -> {to}");
    }
    assert_eq!(artefact.open_bytes(text.as_bytes(), "sha256:00").unwrap_err().reason(), "digest_mismatch");
    let mut not_a_number = artefact.manifest;
    not_a_number.metrics.insert("auc".to_owned(), f64::NAN);
    assert!(not_a_number.to_bytes().is_err());
}
