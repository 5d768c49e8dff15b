//! Train, score, print.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;
use tidemill_events::time::{DAY, parse_instant};
use tidemill_model::Learner;
use tidemill_statistics::classification::{card_precision_at, evaluate};
use tidemill_trainer::learner::{Dataset, Parameters, fit};
use tidemill_training_set::{Rows, read};

/// First days of the two parts, and how many days each has.
const TRAIN: &str = "2018-07-25T00:00:00Z";
const TEST: &str = "2018-08-08T00:00:00Z";
const DAYS: i64 = 7;
/// Cards that can be looked into in a day.
const CARDS: usize = 100;

pub(crate) fn run(directories: &[PathBuf], parameters: &[String], seed: u32) -> anyhow::Result<()> {
    let parameters = parameters.iter().map(|p| parameter(p)).collect::<anyhow::Result<Parameters>>()?;
    let at = |text| parse_instant(text).map_err(anyhow::Error::msg);
    let (train, test) = (at(TRAIN)?, at(TEST)?);
    let rows = load(directories, train, test + DAYS * DAY)?;
    let customers = rows.columns.entities.iter().position(|e| e == "customer").context("the training set has no entity `customer`")?;
    let customers = &rows.entities[customers];

    let trained: Vec<usize> = rows.between(train, train + DAYS * DAY).collect();
    let began = Instant::now();
    let fitted = fit(Learner::Lightgbm, &table(&rows, &trained)?, &parameters, seed)?;
    let seconds = began.elapsed().as_secs_f64();

    let fraudulent = |from: i64, days: i64| rows.between(from, from + days * DAY).filter(|row| rows.label[*row] >= 0.5);
    let mut known: BTreeSet<&str> = fraudulent(train, DAYS).map(|row| customers[row].as_str()).collect();
    let (mut pairs, mut days) = (Vec::new(), Vec::new());
    for day in 0..DAYS {
        // what became known since the day before: the frauds of a week before that
        known.extend(fraudulent(train + (DAYS + day - 1) * DAY, 1).map(|row| customers[row].as_str()));
        let of_day = rows.between(test + day * DAY, test + (day + 1) * DAY);
        let kept: Vec<usize> = of_day.filter(|row| !known.contains(customers[*row].as_str())).collect();
        let mut scores = Vec::new();
        fitted.scorer.scores(table(&rows, &kept)?.values(), &mut scores);
        let scored = kept.iter().zip(&scores);
        pairs.extend(scored.clone().map(|(row, score)| (*score, rows.label[*row])));
        days.push(scored.map(|(row, score)| (customers[*row].as_str(), *score, rows.label[*row])).collect::<Vec<_>>());
    }
    let tested = pairs.len();
    let metrics = evaluate(&mut pairs, 0.5, None);
    let cards = card_precision_at(CARDS, &days).context("there are no test days")?;
    println!("{} rows trained on in {seconds:.1} s, {tested} tested, {} of them fraudulent", trained.len(), metrics.positives);
    let figure = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), |v| format!("{v:.4}"));
    println!(
        "AUC {} · average precision {} · card precision@{CARDS} {:.4}",
        figure(metrics.auc),
        figure(metrics.average_precision),
        cards.mean
    );
    println!("at least .865 / .63 / .28, aim .879 / .65 / .29");
    Ok(())
}

fn parameter(text: &str) -> anyhow::Result<(String, f64)> {
    let (name, value) = text.split_once('=').with_context(|| format!("`{text}`: write NAME=VALUE"))?;
    Ok((name.to_owned(), value.parse().with_context(|| format!("`{text}`: {value} is no number"))?))
}

/// The rows of all files below `directories` from `from` on and before `to`, in order.
fn load(directories: &[PathBuf], from: i64, to: i64) -> anyhow::Result<Rows> {
    let mut files = Vec::new();
    directories.iter().try_for_each(|directory| find(directory, &mut files))?;
    let mut all: Option<Rows> = None;
    for file in files {
        let rows = read(Bytes::from(fs::read(&file)?)).with_context(|| file.display().to_string())?;
        let wanted: Vec<usize> = rows.between(from, to).collect();
        match &mut all {
            None => all = Some(rows.select(&wanted)),
            Some(all) => all.append(rows.select(&wanted))?,
        }
    }
    let Some(all) = all.filter(|rows| !rows.is_empty()) else { bail!("{directories:?} hold no rows of those days") };
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| (all.event_time[*a], &all.event_id[*a]).cmp(&(all.event_time[*b], &all.event_id[*b])));
    // the same event may be in two sets
    order.dedup_by(|a, b| all.event_id[*a] == all.event_id[*b]);
    Ok(all.select(&order))
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn table(rows: &Rows, at: &[usize]) -> anyhow::Result<Dataset> {
    let names = rows.columns.features.iter().map(ToString::to_string).collect();
    let values = at.iter().flat_map(|row| rows.features.iter().map(|column| column[*row])).collect();
    Ok(Dataset::new(names, values, at.iter().map(|row| rows.label[*row] >= 0.5).collect())?)
}
