//! How far the values of a window are from those of a training: by column, against a [`Reference`] that
//! is computed once and stored with the model.
//!
//! A value that is not finite (NaN or an infinity) is missing. Missing values take part in no measure but
//! the missing share. -0.0 counts as 0.0.
//!
//! | | answer |
//! |---|---|
//! | no rows | every measure `None`, the missing share too |
//! | one side has missing values only | missing share, else `None` |
//! | one row | a distribution with all its mass at one value |
//! | a constant column, the same one | PSI, KS, Jensen-Shannon and Wasserstein 0 |
//! | a constant column, another constant | KS 1, Jensen-Shannon 1, PSI at its greatest (about 18.4) |
//! | 0/1 and other columns with heavy ties | such a value has a PSI bin of its own (see [`Number`]) |

mod category;
mod chi_square;
mod exact;
mod kolmogorov;
mod measures;
mod number;
mod report;
mod usual;
mod values;

pub use category::Category;
pub use chi_square::ChiSquare;
pub use measures::{HISTOGRAM_BINS, JensenShannon, Ks, PSI_FLOOR, jensen_shannon, ks, psi, wasserstein};
pub use number::{Number, PSI_BINS, SAMPLE_LIMIT};
pub use report::{ColumnDrift, ColumnReference, Error, Reference, Window, report};
pub use usual::{References, Usual};
pub use values::Values;
