//! Rows as the nodes look at them: for each feature its value, its negative, and (where a forest treats zero
//! as missing) both again with NaN instead of zero.

use super::Forest;

/// Walks that are taken at a time: the processor works on one while another waits for memory.
pub(super) const LANES: usize = 8;
/// LightGBM's `kZeroThreshold`: a float literal there, so the double nearest to the float nearest to 1e-35.
const ZERO: f64 = 1e-35_f32 as f64;

/// Which form of a feature a node compares.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) negative: bool,
    pub(super) zero_missing: bool,
}

/// Slots that a feature takes.
pub(super) fn per_feature(zero_missing: bool) -> usize {
    if zero_missing { 4 } else { 2 }
}

/// The slot of `feature` in `form`.
pub(super) fn slot(feature: usize, form: Form, per_feature: usize) -> usize {
    feature * per_feature + usize::from(form.negative) + 2 * usize::from(form.zero_missing)
}

/// The slots of several rows, eight rows side by side.
pub(super) struct Values {
    /// Slots a row.
    slots: usize,
    zero_missing: bool,
    lanes: Vec<[f64; LANES]>,
}

impl Values {
    /// Room for `rows` rows.
    pub(super) fn new(forest: &Forest, rows: usize) -> Self {
        let slots = forest.features.len() * per_feature(forest.zero_missing);
        Self { slots, zero_missing: forest.zero_missing, lanes: vec![[f64::NAN; LANES]; slots * rows.div_ceil(LANES)] }
    }

    /// Sets row `index`; what `row` lacks at its end is missing.
    pub(super) fn set(&mut self, index: usize, row: &[f64]) {
        let (group, lane) = (index / LANES, index % LANES);
        let slots = &mut self.lanes[group * self.slots..(group + 1) * self.slots];
        let values = row.iter().copied().chain(std::iter::repeat(f64::NAN));
        for (slots, value) in slots.chunks_mut(per_feature(self.zero_missing)).zip(values) {
            slots[0][lane] = value;
            slots[1][lane] = -value;
            if self.zero_missing {
                let value = if value.abs() <= ZERO { f64::NAN } else { value };
                slots[2][lane] = value;
                slots[3][lane] = -value;
            }
        }
    }

    /// The slots of rows `group * 8` to `group * 8 + 7`.
    pub(super) fn lanes(&self, group: usize) -> &[[f64; LANES]] {
        &self.lanes[group * self.slots..(group + 1) * self.slots]
    }

    /// The slots of the first row of a group, in lane 0.
    pub(super) fn row(&self, group: usize) -> &[[f64; LANES]] {
        self.lanes(group)
    }
}
