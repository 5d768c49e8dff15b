"""Makes classification.json, statistics.json and detectors.json from scikit-learn, scipy and river.

pip install numpy==2.4.6 scipy==1.17.1 scikit-learn river==0.26.1; python make.py (reads the files beside it)
"""

import json
import pathlib

import numpy as np
import river
import scipy
import sklearn
from river import drift
from scipy import stats
from sklearn import calibration, metrics

HERE = pathlib.Path(__file__).parent


def calibration_error(labels, scores):
    share, mean = calibration.calibration_curve(labels, scores, n_bins=10)
    bins = np.searchsorted(np.linspace(0, 1, 11)[1:-1], scores)
    weights = np.unique(bins, return_counts=True)[1] / len(scores)
    return float((weights * np.abs(share - mean)).sum())


def precision_at(labels, scores, k, rng):
    """The expected value under random order of ties, as the exact mean over the tie at the border."""
    border = np.sort(scores)[::-1][k - 1]
    above, tied = scores > border, scores == border
    return float((labels[above].sum() + (k - above.sum()) * labels[tied].mean()) / k)


def case(rng, rows, rate, decimals, threshold, k):
    labels = (rng.random(rows) < rate).astype(float)
    scores = 1 / (1 + np.exp(-(rng.normal(0, 1.2, rows) + 2 * labels - 1.5)))
    scores = np.round(scores, decimals)
    if decimals == 2:  # both ends, on the wrong side too
        scores[:4], labels[:4] = [0, 0, 1, 1], [0, 1, 0, 1]
    tn, fp, fn, tp = metrics.confusion_matrix(labels, scores >= threshold).ravel()
    return {
        "threshold": threshold, "k": k, "scores": scores.tolist(), "labels": labels.tolist(),
        "named": {
            "auc": metrics.roc_auc_score(labels, scores),
            "average_precision": metrics.average_precision_score(labels, scores),
            "precision_at_k": precision_at(labels, scores, k, rng),
            "log_loss": metrics.log_loss(labels, scores),
            "brier": metrics.brier_score_loss(labels, scores),
            "calibration_error": calibration_error(labels, scores),
            "precision": metrics.precision_score(labels, scores >= threshold),
            "recall": metrics.recall_score(labels, scores >= threshold),
            "f1": metrics.f1_score(labels, scores >= threshold),
            "false_positive_rate": fp / (fp + tn), "false_negative_rate": fn / (fn + tp),
            "true_positives": int(tp), "false_positives": int(fp),
            "true_negatives": int(tn), "false_negatives": int(fn),
            "base_rate": float(labels.mean()), "rows": rows, "positives": int(labels.sum()),
        },
    }


def cards(rng, days, rows, customers, k):
    """Card precision as the handbook defines it, in plain Python; the scores have no ties."""
    table = [[(int(c), round(float(s), 6), int(s > 0.6 and rng.random() < 0.5))
              for c, s in zip(rng.integers(0, customers, rows), rng.random(rows))] for _ in range(days)]
    found, by_day = set(), []
    for day in table:
        left = [row for row in day if row[0] not in found]
        best = {c: max(s for d, s, _ in left if d == c) for c in {row[0] for row in left}}
        bad = {c for c, _, label in left if label}
        hits = [c for c in sorted(best, key=best.get, reverse=True)[:k] if c in bad]
        by_day.append(len(hits) / k)
        found.update(hits)
    return {"k": k, "days": table, "by_day": by_day, "mean": float(np.mean(by_day))}


def column(name):
    return np.loadtxt(HERE / name, skiprows=1)


def ks_tails():
    cases = [(1, .7), (1, .3), (5, .15), (5, .3), (20, .04), (20, .12), (20, .3), (20, .6), (140, .05), (140, .169), (140, .2),
             (141, .03), (141, .06), (141, .1249), (141, .1255), (1000, .02), (1000, .0125), (1000, .5), (9091, .004), (9091, .01),
             (9091, .0156), (9091, .05), (200000, .0003), (200000, .001), (200000, .004)]
    return [[n, d, float(stats.kstwo.sf(d, n))] for n, d in cases]


def ks_limits():
    return [[x, float(stats.kstwobign.sf(x))] for x in (.05, .2, .5, .79, .81, 1, 1.5, 3, 10)]


def chi_squares():
    tables = [([5, 9], [7, 2]), ([10, 0, 3], [12, 5, 3]), ([100, 200, 300, 5], [110, 190, 310, 4]), (list(range(1, 60)), list(range(60, 1, -1)))]
    answers = [stats.chi2_contingency(t, correction=False) for t in tables]
    return [{"tables": t, "statistic": a.statistic, "degrees": a.dof, "p": a.pvalue} for t, a in zip(tables, answers)]


def alarms(detector, stream):
    out = []
    for i, x in enumerate(stream):
        detector.update(float(x))
        if detector.drift_detected:
            out.append(i)
    return out


def detectors():
    ref, cur = column("ref.csv"), column("cur.csv")
    streams = {"ref+cur": np.concatenate([ref, cur]), "ref+3cur+ref": np.concatenate([ref[:3000], 3 * cur[:3000], ref[3000:6000]]),
               "cur-falling": np.concatenate([cur[:4000], cur[4000:] - 1])}
    adwins = [dict(), dict(delta=.1), dict(delta=.05, clock=1), dict(max_buckets=2, min_window_length=1, grace_period=0, clock=7, delta=.3),
              dict(max_buckets=9, min_window_length=30, delta=.01, clock=16)]
    hinkleys = [dict(), dict(threshold=10), dict(threshold=15, mode="up"), dict(threshold=15, mode="down"),
                dict(min_instances=5, delta=.2, threshold=20, alpha=.99)]
    out = []
    for name, stream in streams.items():
        for settings in adwins:
            detector = drift.ADWIN(**settings)
            positions = alarms(detector, stream)
            out.append({"stream": name, "adwin": settings, "alarms": positions, "width": int(detector.width), "mean": detector.estimation})
        out += [{"stream": name, "page_hinkley": s, "alarms": alarms(drift.PageHinkley(**s), stream)} for s in hinkleys]
    return out


def write(name, value):
    versions = {"numpy": np.__version__, "scipy": scipy.__version__, "sklearn": sklearn.__version__, "river": river.__version__}
    (HERE / name).write_text(json.dumps({"versions": versions, **value}, separators=(",", ":")) + "\n")


rng = np.random.default_rng(11)
cases = [case(rng, 300, .2, 2, .5, 20), case(rng, 200, .3, 6, .37, 50), case(rng, 60, .5, 1, .3, 7)]
write("classification.json", {"cases": cases, "cards": cards(rng, 8, 40, 25, 5)})
write("statistics.json", {"ks_tails": ks_tails(), "ks_limits": ks_limits(), "chi_squares": chi_squares()})
write("detectors.json", {"runs": detectors()})
