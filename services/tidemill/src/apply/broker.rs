//! What a pipeline's tasks need of the broker's settings.

use crate::connect::Cluster;
use anyhow::{Context, bail};
use tidemill_events::time::{MINUTE, format_duration};
use tidemill_pipeline::{Pipeline, RESERVED_REASONS};

/// The longest that can be set.
const FOR_EVER: i64 = i32::MAX as i64;
/// Shorter than that is worth a warning, in minutes.
const A_YEAR: i64 = 365 * 24 * 60;

/// Refuses a broker on which the tasks could not commit, and warns of one that forgets what they have committed.
pub(super) fn check(cluster: &Cluster, pipeline: &Pipeline) -> anyhow::Result<()> {
    check_metadata_limit(cluster, pipeline)?;
    if let Some(warning) = forgets_after(setting(cluster, "offsets.retention.minutes")?) {
        eprintln!("warning: {warning}");
    }
    Ok(())
}

fn setting(cluster: &Cluster, name: &str) -> anyhow::Result<i64> {
    let value = cluster.block_on(cluster.admin.broker_setting(name))?;
    value.parse().with_context(|| format!("the broker's {name} is `{value}`, not a number"))
}

/// A group's offsets are what is done. Topics of which nothing expires would be done from their first record again.
fn forgets_after(minutes: i64) -> Option<String> {
    (minutes < A_YEAR).then(|| {
        let time = format_duration(minutes.saturating_mul(MINUTE));
        format!(
            "the broker forgets what a group has done {time} after its last member has gone (offsets.retention.minutes={minutes}): a \
             service that is down for longer would do everything again, from the first record on. Set it to {FOR_EVER} on the brokers"
        )
    })
}

/// Refuses a broker whose limit on offset metadata the tasks would hit: their commits would then fail for ever.
fn check_metadata_limit(cluster: &Cluster, pipeline: &Pipeline) -> anyhow::Result<()> {
    const SETTING: &str = "offset.metadata.max.bytes";
    let limit = setting(cluster, SETTING)?.unsigned_abs();
    let reasons = pipeline.expectations.iter().map(|e| e.reason.as_str()).chain(RESERVED_REASONS.iter().copied());
    let wanted = metadata_bytes(pipeline.source.partitions, reasons);
    if wanted > limit {
        bail!(
            "the pipeline's tasks may commit {wanted} bytes of offset metadata, and the broker takes {limit}: set {SETTING}={} \
             on the brokers, or lower `source.partitions`",
            wanted.next_power_of_two()
        );
    }
    Ok(())
}

/// The most offset metadata that a task may commit, in base64. All have a version byte, a commit number and
/// a few numbers of their own; a validator counts rejects by reason, a later stage notes an offset for each of
/// the `partitions` upstream tasks.
fn metadata_bytes<'a>(partitions: u32, reasons: impl Iterator<Item = &'a str>) -> u64 {
    const VARINT: u64 = 10;
    let validator: u64 = reasons.map(|reason| reason.len() as u64 + 2 * VARINT).sum();
    let later = u64::from(partitions) * VARINT;
    let bytes = 1 + 8 * VARINT + validator.max(later);
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limit_of_kafka_is_enough_for_some_hundred_partitions() {
        let bytes = |partitions| metadata_bytes(partitions, RESERVED_REASONS.iter().copied());
        assert!(bytes(4) < 1_024, "{}", bytes(4));
        assert!(bytes(250) < 4_096);
        assert!(bytes(1_000) > 4_096);
    }

    #[test]
    fn a_long_list_of_expectations_counts() {
        let reasons: Vec<String> = (0..200).map(|i| format!("{i:063}")).collect();
        assert!(metadata_bytes(4, reasons.iter().map(String::as_str)) > 20_000);
    }

    #[test]
    fn a_broker_that_forgets_within_a_year_is_warned_of() {
        let warning = forgets_after(10_080).unwrap();
        assert!(warning.contains("7d after its last member has gone (offsets.retention.minutes=10080)"), "{warning}");
        assert_eq!(forgets_after(FOR_EVER), None);
    }
}
