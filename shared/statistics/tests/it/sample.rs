//! The sample is the same whatever the order, bounded, and fair.

use proptest::prelude::*;
use tidemill_statistics::sample::Sample;

fn sample(k: usize, ids: impl IntoIterator<Item = String>) -> Sample<String> {
    let mut sample = Sample::new(k);
    ids.into_iter().for_each(|id| sample.offer(&id, || format!("row of {id}")));
    sample
}

#[test]
fn the_hash_is_what_it_says() {
    // computed apart, in Python: FNV-1a, then SplitMix64's finaliser; in the order of the hash
    let ids: Vec<String> = sample(8, (0..8).map(|i| format!("event-{i}"))).iter().map(|(id, _)| id.to_owned()).collect();
    assert_eq!(ids, ORDER);
}

const ORDER: [&str; 8] = ["event-6", "event-2", "event-4", "event-0", "event-5", "event-1", "event-3", "event-7"];

#[test]
fn every_id_has_the_same_chance() {
    let (k, n) = (2_000, 20_000);
    let sample = sample(k, (0..n).map(|i| format!("event-{i:08}")));
    assert_eq!((sample.len(), sample.offered()), (k, n));
    // of each tenth of the ids about a tenth of the sample: 200, deviation 13
    let mut tenths = [0; 10];
    sample.iter().for_each(|(id, _)| tenths[id["event-".len()..].parse::<usize>().unwrap() / 2_000] += 1);
    assert!(tenths.iter().all(|n| (140..260).contains(n)), "{tenths:?}");
}

#[test]
fn a_row_is_made_only_if_it_is_taken() {
    let mut made = 0;
    let mut sample = Sample::new(10);
    (0..10_000).for_each(|i| sample.offer(&i.to_string(), || made += 1));
    // the i-th id is taken with the chance 10 / i: 10 + 10 ln(1000) = 79 in all
    assert!((10..200).contains(&made), "{made}");
    let mut none = Sample::new(0);
    none.offer("a", || panic!("a sample of nothing takes nothing"));
    assert!(none.is_empty() && none.offered() == 1);
}

proptest! {
    #[test]
    fn no_order_matters(ids in prop::collection::vec("[a-c]{0,4}", 0..60), k in 0..20usize, turn in 0..60usize) {
        let mut turned = ids.clone();
        turned.rotate_left(turn % ids.len().max(1));
        turned.reverse();
        let (one, other) = (sample(k, ids.clone()), sample(k, turned));
        prop_assert_eq!(&one, &other);
        let mut distinct = ids.clone();
        distinct.sort();
        distinct.dedup();
        prop_assert_eq!((one.len(), one.offered()), (k.min(distinct.len()), ids.len() as u64));
        let own = one.iter().all(|(id, row)| *row == format!("row of {id}"));
        prop_assert!(own);
        // what is kept of fewer ids is kept of all, or pushed out by what is kept instead
        let whole = sample(usize::MAX, ids);
        prop_assert!(one.iter().eq(whole.iter().take(k)));
    }
}
