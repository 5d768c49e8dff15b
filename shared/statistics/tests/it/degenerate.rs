//! Columns that are hardly columns: constant, two values, ties, missing, empty, one row.

use proptest::prelude::*;
use tidemill_statistics::drift::{Category, ColumnReference, Error, Number, Reference, SAMPLE_LIMIT, Values, Window, report};

fn measures(reference: &[f64], current: &[f64]) -> [Option<f64>; 4] {
    let (number, now) = (Number::new(reference), Values::new(current));
    let ks = number.ks(&now).map(|ks| ks.statistic);
    [number.psi(&now), ks, number.jensen_shannon(&now).map(|js| js.distance), number.wasserstein(&now)]
}

#[test]
fn a_constant_column() {
    assert_eq!(measures(&[7.0; 50], &[7.0; 20]), [Some(0.0); 4]);
    for other in [6.0, 8.0] {
        let [psi, rest @ ..] = measures(&[7.0; 50], &[other; 20]);
        assert!((psi.unwrap() - 18.4188).abs() < 1e-4, "{psi:?}");
        assert_eq!(rest, [Some(1.0); 3]);
    }
    assert_eq!(Number::new(&[7.0; 50]).counts(), [0, 50, 0]);
}

/// `ones` of 1000 values are 1, the others 0.
fn bits(ones: usize) -> Vec<f64> {
    (0..1000).map(|i| f64::from(u8::from(i < ones))).collect()
}

#[test]
fn a_change_of_a_rare_truth_value_shows() {
    for before in [5, 50, 300, 500, 900, 995] {
        for now in [20, 450, 800] {
            let (p, q) = (before as f64 / 1000.0, now as f64 / 1000.0);
            let naive = (q - p) * (q / p).ln() + (p - q) * ((1.0 - q) / (1.0 - p)).ln();
            let [psi, ks, ..] = measures(&bits(before), &bits(now));
            assert!((psi.unwrap() - naive).abs() < 1e-12 && (ks.unwrap() - (p - q).abs()).abs() < 1e-12, "{before} {now}: {psi:?} {naive}");
        }
    }
}

#[test]
fn a_column_of_zeros_with_a_tail() {
    let zeros = |n: usize| (0..1000).map(move |i| if i < n { 0.0 } else { i as f64 }).collect::<Vec<f64>>();
    let number = Number::new(&zeros(950));
    assert_eq!((number.edges(), number.counts()), (&[0.0, f64::from_bits(1)][..], &[0, 950, 50][..]));
    assert!(measures(&zeros(950), &zeros(500))[0].unwrap() > 1.0);
    assert_eq!(measures(&zeros(950), &zeros(950)), [Some(0.0); 4]);
}

#[test]
fn nothing_at_all() {
    for (reference, current) in [(&[][..], &[1.0][..]), (&[1.0], &[]), (&[f64::NAN; 3], &[1.0]), (&[1.0], &[f64::INFINITY, f64::NAN])] {
        assert_eq!(measures(reference, current), [None; 4]);
    }
    assert_eq!(Values::new(&[]).missing_share(), None);
    assert_eq!((Values::new(&[]).mean(), Values::new(&[1.0]).mean(), Values::new(&[1.0]).deviation()), (None, Some(1.0), None));
    assert_eq!(Values::new(&[f64::NAN, 1.0, f64::NEG_INFINITY, 2.0]).missing_share(), Some(0.5));
    let (empty, missing, some) = (Category::default(), Category::from_iter([None::<&str>]), Category::from_iter([Some("a"), None]));
    for (a, b) in [(&empty, &some), (&some, &empty), (&missing, &some)] {
        assert_eq!((a.psi(b), a.jensen_shannon(b), a.greatest_difference(b), a.chi_square(b)), (None, None, None, None));
    }
    assert_eq!((empty.missing_share(), missing.missing_share(), some.missing_share()), (None, Some(1.0), Some(0.5)));
    assert_eq!((some.psi(&some), some.chi_square(&some)), (Some(0.0), None), "one category is no test");
}

#[test]
fn one_row() {
    assert_eq!(measures(&[3.0], &[3.0]), [Some(0.0); 4]);
    let [psi, ks, js, distance] = measures(&[0.0, 1.0, 2.0, 3.0], &[3.0]);
    assert!(psi.unwrap() > 0.0 && js.unwrap() > 0.0);
    assert_eq!((ks, distance), (Some(0.75), Some(1.5)));
}

#[test]
fn the_greatest_doubles() {
    let wide = [-f64::MAX, -1.0, 0.0, 1.0, f64::MAX];
    let all = measures(&wide, &[f64::MAX; 3]);
    assert!(all.iter().all(|m| m.is_some_and(|m| !m.is_nan())), "{all:?}");
    assert_eq!(measures(&wide, &wide), [Some(0.0); 4]);
    assert!(Number::new(&wide).edges().is_sorted());
    assert_eq!(Number::new(&[f64::MAX; 4]).counts().iter().sum::<u64>(), 4);
}

#[test]
fn a_report_has_each_column_in_its_place() {
    let reference = |name: &str, reference| ColumnReference { name: name.to_owned(), reference };
    let kind = |names: &[&str]| names.iter().map(|n| Some(*n)).collect::<Category>();
    let references = [
        reference("amount", Reference::Number(Number::new(&[1.0, 2.0, 3.0, f64::NAN]))),
        reference("kind", Reference::Category(kind(&["a", "a", "b"]))),
    ];
    let (amount, kinds) = (vec![3.0, f64::NAN, 2.0, 1.0, f64::NAN], kind(&["a", "c"]));
    let found = report(&references, [Window::from(&amount), Window::from(&kinds)]).unwrap();
    assert_eq!((found[0].name.as_str(), found[0].rows, found[0].missing), ("amount", 5, Some(0.4)));
    assert_eq!((found[0].psi, found[0].ks, found[0].js), (Some(0.0), Some(0.0), Some(0.0)));
    assert_eq!((found[1].name.as_str(), found[1].rows, found[1].missing, found[1].ks), ("kind", 2, Some(0.0), None));
    assert!(found[1].psi.unwrap() > 0.0 && found[1].js.unwrap() > 0.0);
    assert_eq!(report(&references, [&amount]), Err(Error::Columns { expected: 2, found: 1 }));
    assert_eq!(report(&references, [&amount, &amount]), Err(Error::Kind("kind".to_owned())));
}

#[test]
fn a_damaged_reference_is_refused() {
    let good = serde_json::to_value(Number::new(&[1.0, 2.0, 2.0, 5.0])).unwrap();
    assert!(serde_json::from_value::<Number>(good.clone()).is_ok());
    let damages = [
        ("rows", serde_json::json!(9)),
        ("missing", serde_json::json!(u64::MAX)),
        ("edges", serde_json::json!(["2.0", "1.0"])),
        ("counts", serde_json::json!([4])),
        ("counts", serde_json::json!([u64::MAX, u64::MAX])),
        ("sample", serde_json::json!(["1.0", "NaN", "2.0", "5.0"])),
        ("sample", serde_json::json!(["5.0", "2.0", "2.0", "1.0"])),
        ("sample", serde_json::json!(["1.0"])),
        ("sample", serde_json::json!(["x"])),
        ("more", serde_json::json!(1)),
    ];
    for (field, value) in damages {
        let mut damaged = good.clone();
        damaged[field] = value.clone();
        assert!(serde_json::from_value::<Number>(damaged).is_err(), "{field}: {value}");
    }
}

#[test]
fn a_long_column_is_sampled_at_equal_ranks() {
    let values: Vec<f64> = (0..35_000).map(|i| f64::from(i * 7919 % 35_000)).collect();
    let number = Number::new(&values);
    assert_eq!((number.rows(), number.sample().len(), number.counts().iter().sum::<u64>()), (35_000, SAMPLE_LIMIT, 35_000));
    assert_eq!((number.sample()[0], number.sample()[SAMPLE_LIMIT - 1]), (0.0, 34_999.0));
    let itself = number.ks(&Values::new(&values)).unwrap().statistic;
    assert!(itself <= 1e-4 + 1e-12, "{itself}");
}

proptest! {
    #[test]
    fn a_reference_comes_back_bit_for_bit(values in prop::collection::vec(any::<f64>(), 0..200)) {
        let number = Number::new(&values);
        let text = serde_json::to_string(&number).unwrap();
        let back: Number = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&back, &number);
        let bits = |n: &Number| n.sample().iter().chain(n.edges()).map(|v| v.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&back), bits(&number));
    }
}
