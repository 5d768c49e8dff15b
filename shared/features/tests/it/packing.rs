//! Packed states come back as they were, and nothing else is taken for one.

use crate::model::{hop, hop_with, made};
use proptest::prelude::*;
use tidemill_events::time::HOUR;
use tidemill_features::{Error, Hop, HopState, KeyState};

/// States of several keys, packed.
fn packed(made: &[crate::model::Made]) -> Vec<Vec<u8>> {
    let mut state = HopState::new(hop());
    for (i, m) in made.iter().enumerate() {
        state.restore(&m.event(i));
    }
    state.pack_from(0, usize::MAX).unwrap().0.into_iter().map(|(_, bytes)| bytes).collect()
}

fn repacked(bytes: &[u8], hop: &Hop) -> Result<Vec<u8>, Error> {
    let mut again = Vec::new();
    KeyState::unpack(bytes, hop)?.pack(hop, &mut again);
    Ok(again)
}

proptest! {
    #[test]
    fn what_was_packed_comes_back(made in prop::collection::vec(made(4), 0..80)) {
        let hop = hop();
        for bytes in packed(&made) {
            prop_assert_eq!(repacked(&bytes, &hop), Ok(bytes));
        }
    }

    #[test]
    fn a_state_that_came_back_reads_the_same(made in prop::collection::vec(made(2), 1..60), ahead in 0..30 * HOUR) {
        let hop = hop();
        let mut state = HopState::new(hop.clone());
        for (i, m) in made.iter().enumerate() {
            state.restore(&m.event(i));
        }
        if let Some(one) = state.get("customer-1") {
            let mut bytes = Vec::new();
            one.pack(&hop, &mut bytes);
            let two = KeyState::unpack(&bytes, &hop).unwrap();
            let t = one.merge_time().unwrap() + ahead;
            let (mut a, mut b) = (Vec::new(), Vec::new());
            one.read(&hop, t, &mut a);
            two.read(&hop, t, &mut b);
            crate::model::assert_same(&hop, &b, &a, "unpacked");
            prop_assert_eq!(two.last_event_time(), one.last_event_time());
        }
    }

    #[test]
    fn every_truncation_is_an_error(made in prop::collection::vec(made(3), 1..20)) {
        let hop = hop();
        for bytes in packed(&made) {
            for end in 0..bytes.len() {
                prop_assert!(KeyState::unpack(&bytes[..end], &hop).is_err(), "{} of {}", end, bytes.len());
            }
        }
    }

    /// Either the damage is seen, or the bytes are those of another state: never a second form of one.
    #[test]
    fn damaged_bytes_are_refused_or_canonical(
        made in prop::collection::vec(made(3), 1..20),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let hop = hop();
        for mut bytes in packed(&made) {
            for (at, value) in &flips {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            if let Ok(again) = repacked(&bytes, &hop) {
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn noise_behind_a_valid_header_is_refused_or_canonical(noise in prop::collection::vec(any::<u8>(), 0..200)) {
        let hop = hop();
        let mut bytes = vec![1];
        bytes.extend(hop.fingerprint().to_le_bytes());
        bytes.extend(noise);
        if let Ok(again) = repacked(&bytes, &hop) {
            prop_assert_eq!(again, bytes);
        }
    }
}

#[test]
fn a_huge_count_allocates_nothing() {
    let hop = hop();
    let mut bytes = Vec::new();
    KeyState::new(&hop).pack(&hop, &mut bytes);
    bytes.truncate(9);
    // merge time 0, the same last event time, 2^63 entries
    bytes.extend([0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0, 0]);
    assert_eq!(KeyState::unpack(&bytes, &hop).unwrap_err(), Error::Truncated);
}

#[test]
fn another_horizon_or_column_is_refused() {
    let hop = hop_with(&["items"], &[(0, HOUR)]);
    let mut bytes = Vec::new();
    KeyState::new(&hop).pack(&hop, &mut bytes);
    for other in [hop_with(&["items"], &[(0, 2 * HOUR)]), hop_with(&["amount"], &[(0, HOUR)])] {
        assert!(matches!(KeyState::unpack(&bytes, &other), Err(Error::OtherSpec { .. })));
    }
    let same_shape = hop_with(&["items"], &[(0, HOUR), (HOUR / 2, HOUR / 2)]);
    assert!(KeyState::unpack(&bytes, &same_shape).is_ok(), "features over the same columns and horizon share states");
}

#[test]
fn states_are_small() {
    let hop = hop_with(&["amount"], &[(0, 24 * 30 * HOUR)]);
    let mut state = HopState::new(hop);
    let day = 24 * HOUR;
    for i in 0..60 {
        let made = crate::model::Made {
            key: 1,
            event_time: i * day / 2 + (i * 977 % 3_600) * 1_000_000,
            behind: 0,
            partition: 2,
            amount: Some(500 + i * 131),
            distance: None,
            items: 1,
        };
        state.restore(&made.event(i as usize * 5_000));
    }
    let (parts, _) = state.pack_from(0, usize::MAX).unwrap();
    assert!(parts[0].1.len() <= 60 * 9, "{} bytes for 60 entries", parts[0].1.len());
}

/// States of hops that read no labels are what they were before hops could read labels.
#[test]
fn a_state_without_labels_has_the_bytes_it_always_had() {
    let hop = hop_with(&["amount", "distance"], &[(HOUR, 6 * HOUR)]);
    let mut state = HopState::new(hop);
    for i in 0..3 {
        let (event_time, amount) = (i * HOUR, Some(100 + i).filter(|_| i != 1));
        let made = crate::model::Made { key: 1, event_time, behind: i, partition: 1, amount, distance: Some(0.5), items: 0 };
        state.restore(&made.event(i as usize));
    }
    let (parts, _) = state.pack_from(0, usize::MAX).unwrap();
    let hex: String = parts[0].1.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "017f0892e310d8436f84a0bad23504030600901c901c020204040105c801cc0100000000000000e03f000000000000e03f000000000000e03f");
}
