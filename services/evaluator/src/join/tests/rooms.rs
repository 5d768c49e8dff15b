//! What the disk takes over, and what waiting costs.

use super::*;

#[test]
fn what_waits_on_disk_is_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let room = Arc::new(Room::new(1 << 20, &folder.path().join("scratch")).unwrap());
    let mut join = Join::new(i64::MAX / 4, None, room.clone());
    let name = |n: i64| CompactString::from(format!("event-{n}"));
    let count = 30_000;
    join.restored().unwrap();
    for n in 0..count {
        join.make_room().unwrap();
        assert_eq!(join.predicted(awaiting(name(n), n), Passing::default()).unwrap(), None);
        join.commit();
    }
    assert!(join.entries.has_shelf() && join.entries.in_memory().count() < count as usize / 2);
    for n in (0..count).rev() {
        let Some(Fate::Joined(prediction, _)) = join.labelled(label(name(n), n, 1.0, count)).unwrap() else { panic!("{n} is lost") };
        assert_eq!(*prediction, awaiting(name(n), n));
        join.commit();
        join.make_room().unwrap();
    }
    assert!(matches!(join.labelled(label(name(3), 0, 0.0, count)).unwrap(), Some(Fate::Refused(Refusal::Conflict, _))));
    drop(join);
    assert!(!room.is_short(usize::MAX), "what is gone takes no room");
}

/// What an entry costs; `cargo test --release -p tidemill-evaluator join_costs -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn join_costs() {
    use std::time::Instant;
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/statm").unwrap();
        status.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
    };
    let count = 4_000_000;
    let name = |n: i64| CompactString::from(format!("payment-{n:012}"));
    let model = Arc::<tidemill_events::records::ModelRef>::default();
    let prediction = |n: i64| Awaiting {
        entities: Box::new([
            CompactString::from(format!("customer-{}", n % 5000)),
            CompactString::from(format!("terminal-{}", n % 10_000)),
        ]),
        model: model.clone(),
        ..awaiting(name(n), n)
    };
    for limit in [usize::MAX, 256 << 20] {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        let mut join = Join::new(i64::MAX / 4, None, Arc::new(Room::new(limit, &scratch).unwrap()));
        join.restored().unwrap();
        let (before, begin) = (resident(), Instant::now());
        for n in 0..count {
            join.make_room().unwrap();
            join.predicted(prediction(n), Passing::default()).unwrap();
            if n % 500 == 0 {
                join.commit();
            }
        }
        let each = |begin: Instant| begin.elapsed().as_secs_f64() * 1e6 / count as f64;
        let put = each(begin);
        let memory = resident().saturating_sub(before);
        let (estimate, disk) = join.entries.costs();
        let begin = Instant::now();
        for n in 0..count {
            join.make_room().unwrap();
            // as labels come: in another order than their events, but not in any
            let n = (n / 10_000) * 10_000 + (n * 7_919) % 10_000;
            assert!(matches!(join.labelled(label(name(n), n, 1.0, count)).unwrap(), Some(Fate::Joined(..))));
            if n % 500 == 0 {
                join.commit();
            }
        }
        let per = |bytes: usize| bytes / count as usize;
        eprintln!(
            "limit {limit}: {put:.2} us a prediction, {:.2} us a label; memory {} MiB ({} bytes an event; believed {}), disk {} bytes an event",
            each(begin),
            memory >> 20,
            per(memory),
            per(estimate),
            per(disk)
        );
    }
}
