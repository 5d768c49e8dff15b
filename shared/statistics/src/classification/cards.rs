//! Card precision at k: how many of the k entities that can be looked into in a day are worth it.

use std::collections::{BTreeMap, BTreeSet};

/// Card precision at k by day, and its mean.
#[derive(Debug, Clone, PartialEq)]
pub struct CardPrecision {
    /// Precision of each day that has rows, 0 to 1, in the order of the days.
    pub by_day: Vec<f64>,
    /// Mean over those days.
    pub mean: f64,
}

/// Card precision at `k` of the Fraud Detection Handbook (Le Borgne and others, chapter 4.4).
///
/// `days` holds the rows of each day, in the order of the days: (entity, score, label). In a day an entity
/// has the highest of its scores and the highest of its labels. The `k` entities of the highest scores are
/// looked into; the precision is the number of positive ones over `k`, also where there are fewer than `k`
/// entities. An entity that was found positive takes no part in the days after. Entities known before are
/// for the caller to leave out.
///
/// Of equal scores the lesser entity comes first, so that it is always the same one that is found. A day
/// without rows is no day, as in the book. `None` for k = 0 and without days.
#[must_use]
pub fn card_precision_at<E: Ord>(k: usize, days: &[Vec<(E, f64, f64)>]) -> Option<CardPrecision> {
    let mut found: BTreeSet<&E> = BTreeSet::new();
    let mut by_day = Vec::with_capacity(days.len());
    for day in days {
        let rows: Vec<_> = day.iter().filter(|(_, score, label)| score.is_finite() && label.is_finite()).collect();
        if rows.is_empty() {
            continue;
        }
        let mut entities: BTreeMap<&E, (f64, f64)> = BTreeMap::new();
        for (entity, score, label) in rows {
            if !found.contains(entity) {
                // adding 0.0 makes -0.0 positive: they tie
                let highest = entities.entry(entity).or_insert((*score + 0.0, *label));
                *highest = (highest.0.max(*score + 0.0), highest.1.max(*label));
            }
        }
        // a stable sort keeps the entities' order among equal scores
        let mut ranked: Vec<_> = entities.into_iter().collect();
        ranked.sort_by(|(_, a), (_, b)| b.0.total_cmp(&a.0));
        let hits: Vec<&E> = ranked.into_iter().take(k).filter(|(_, (_, label))| *label >= 0.5).map(|(entity, _)| entity).collect();
        by_day.push(hits.len() as f64 / k as f64);
        found.extend(hits);
    }
    let mean = by_day.iter().sum::<f64>() / by_day.len() as f64;
    (k > 0 && !by_day.is_empty()).then_some(CardPrecision { by_day, mean })
}
