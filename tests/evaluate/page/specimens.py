"""Records of every shape that a page must stand: made up, but of numbers as they come."""

import itertools
import math

import numpy as np

from xent.evaluate.analysis.records import (
    Analysis,
    Band,
    Bin,
    Block,
    Brier,
    ConfidenceBin,
    Confusion,
    Decomposition,
    Ladder,
    LossBin,
    Provenance,
    Rung,
    Slice,
    Slices,
    SoftLabels,
    Spread,
    Step,
    Suspects,
    Tail,
    Threshold,
)  # fmt: skip
from xent.evaluate.compare.records import Comparison, InfiniteRow, Model, Pair, PairSlice
from xent.evaluate.dearest import DearRow
from xent.evaluate.scores import ClassScore, Compat, Score

HOSTILE = '</script><script>alert("x")</script>\u2028<img src=x onerror=alert(1)>&amp;{{ 7*7 }}\ud800"\'\u202e\x00'
LONG = "a class whose name nobody would ever read to its end " * 40


def decomposition(rng, name="", rows=5000, steps=40, infinite=0, sharp=1.4):
    """Claims that are too sure by `sharp`, in `steps` blocks."""
    claimed = np.sort(1 / (1 + np.exp(-rng.normal(0, 2.2, steps))))
    rate = np.maximum.accumulate(1 / (1 + np.exp(-np.log(claimed / (1 - claimed)) / sharp)))
    rate[0], rate[-1] = 0.0, 1.0
    share = rng.dirichlet(np.ones(steps))
    kl = _kl(rate, claimed)
    below = np.concatenate([claimed[:1], claimed[:-1] + 0.4 * np.diff(claimed)])
    blocks = tuple(
        Block(float(a), float(p), float(p), float(r), int(rows * s), float(rows * s), float(s * k))
        for a, p, r, s, k in zip(below, claimed, rate, share, kl, strict=True)
    )
    edges = np.linspace(0, 1, 21)
    bins = []
    for low, high in itertools.pairwise(edges):
        here = (claimed >= low) & (claimed < high)
        s = share[here].sum()
        if s:
            c, r = float((share * claimed)[here].sum() / s), float((share * rate)[here].sum() / s)
            bins.append(
                Bin(float(low), float(high), int(rows * s), float(rows * s), c, r, float((share * kl)[here].sum()))
            )
    mcb = math.inf if infinite else float((share * kl).sum())
    half = [0.12 * math.sqrt(p * (1 - p)) for p in np.linspace(0.01, 0.99, 50)]
    band = tuple(
        Band(float(p), max(0.0, float(p) - h), min(1.0, float(p) + h))
        for p, h in zip(np.linspace(0.01, 0.99, 50), half, strict=True)
    )
    finite = 0.68 - 0.31 + float((share * kl).sum())
    return Decomposition(
        name, rows, float(rows), 0.68 - 0.31 + mcb, finite, infinite, 0.68, 0.31, mcb, 0.0031, 0.0044, 0.000999, 1000,
        True, 0.0, Brier(0.12, 0.2442, 0.1305, 0.0063), blocks, tuple(bins), band,
    )  # fmt: skip


def _kl(q, p):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(q > 0, q * np.log(q / p), 0.0) + np.where(q < 1, (1 - q) * np.log((1 - q) / (1 - p)), 0.0)


def tail(rng, rows=5000):
    edges = np.linspace(0, 20, 41)
    counts = np.floor(rows * np.exp(-edges[:-1] / 1.6) / 3.7).astype(int)
    expected = rows * np.exp(-edges[:-1] / 1.2) / 2.9
    histogram = tuple(
        LossBin(float(a), float(b), int(n), float(n * (a + b) / 2 * math.log(2)), float(e))
        for a, b, n, e in zip(edges[:-1], edges[1:], counts, expected, strict=True)
    )
    x = np.linspace(0, 1, 101)
    lorenz = tuple(zip(x.tolist(), (1 - (1 - x) ** 4).tolist(), strict=True))
    return Tail(796, 0.1591, 0.0394, 0.021, lorenz, histogram)


def confidence(rng, infinite=False):
    edges = [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0]
    bins = []
    for low, high in itertools.pairwise(edges):
        c = (low + high) / 2
        a = c - 0.2 * (c - 0.1)
        h = -c * math.log(c) - (1 - c) * math.log((1 - c) / 9)
        loss = -a * math.log(c) - (1 - a) * math.log((1 - c) / 9)
        bins.append(ConfidenceBin(low, high, int(rng.integers(200, 900)), 500.0, c, a, loss, h, 4.2))
    if infinite:
        bins[3] = ConfidenceBin(*[*[getattr(bins[3], f) for f in ("low", "high", "rows", "weight", "confidence")], 0.6,
                                  math.inf, bins[3].entropy, None])  # fmt: skip
    return tuple(bins)


def ladder(best="temperature", gain=0.1490):
    rungs = (
        Rung("temperature", "T = 2.40", gain, 0.0098, gain - 0.0192, gain + 0.0192, gain + 0.001, True, 5000, None),
        Rung("vector", "scales and biases", gain + 0.002, 0.0099, gain - 0.018, gain + 0.021, 0.153, True, 5000, None),
        Rung("matrix", "", None, None, None, None, None, False, 0, "the optimum is not finite: the classes separate"),
    )  # fmt: skip
    command = None if best is None else "xent calibrate preds.parquet --method temperature -o calibrated.parquet"
    return Ladder(rungs, best, gain if best else 0.0, 5, command)


def waterfall(infinite=False):
    steps = [
        Step("baseline", "start", 2.3026, None, 2.3026), Step("explained", "down", -2.0933, None, 0.2093),
        Step("after repair", "total", 0.2093, None, 0.2093), Step("temperature", "up", 0.149, 0.0098, 0.3583),
    ]  # fmt: skip
    if infinite:
        steps.append(Step("infinite rows", "up", math.inf, None, math.inf))
    return (*steps, Step("log loss", "total", steps[-1].after, None, steps[-1].after))


def slice_(rng, *where):
    d, se = float(rng.normal(0.1, 0.1)), float(rng.uniform(0.01, 0.05))
    rows = int(rng.integers(50, 2000))
    return Slice(where, rows, 100.0, 0.36 + d, 0.11, d * 0.1, d, se, 0.0002, 0.004, d * 0.8, 0.01, True, 0)


def provenance(files=1):
    return Provenance(
        "0.1.0", (("target", "target"), ("by", HOSTILE)),
        tuple((f"preds-{i}.parquet", 123456, "9f" * 16) for i in range(files)), 0,
    )  # fmt: skip


def analysis(rng, **changes):
    found = {
        "spreads": (Spread("iid", None, 0.0169, 0.3267, 0.3929, 10000, None, None),
                    Spread("cluster", "user", 0.0311, 0.2971, 0.4195, 256, None, 3.39)),
        "decompositions": (decomposition(rng, "top-1"),), "waterfall": waterfall(), "ladder": ladder(),
        "tail": tail(rng),
        "suspects": Suspects(tuple(Threshold(10.0**-k, 90 - 12 * k, 3.2 / k, 1e-9) for k in range(1, 7)), 0.001, 52.9),
        "confidence": confidence(rng), "confusion": None,
        "slices": Slices((slice_(rng, ("site", "north")), slice_(rng, ("site", "south"))),
                         (slice_(rng, ("site", "north"), ("hour", "[2, 5)")), slice_(rng, ("age", "18–25"))),
                         312, 10000, ("site", "hour", "age"), ("Column `id` differs in every row: left out.",)),
        "soft": None, "provenance": provenance(), "alerts": (), "notes": (),
    }  # fmt: skip
    return Analysis(**(found | changes))


def names_of(count):
    known = ["plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    return [*known, *map("class {}".format, range(count))][:count]


def confusion(rng, names):
    k = min(len(names), 26)
    nats = rng.dirichlet(np.full(k * k, 0.2)).reshape(k, k) * 0.3583
    rows = np.where(nats > 1e-5, np.ceil(nats * 1e4), 0).astype(int)
    shown = names if len(names) <= 26 else [*names[:25], "others"]
    return Confusion(tuple(shown), tuple(map(tuple, nats.tolist())), tuple(map(tuple, rows.tolist())))


def by_class(rng, names, labels=False):
    share = np.sort(rng.dirichlet(np.ones(len(names))))[::-1]
    return tuple(
        ClassScore(n, 1000, 1000.0, float(0.3583 * s * len(names)), 0.04, float(s),
                   float(s - 1 / len(names)) * 0.3583, 0.0439,
                   *((0.31, 13.9, 0, 400) if labels else (None, None, 0, 1000)))
        for n, s in zip(names, share, strict=True)
    )  # fmt: skip


def dear(rng, count, names):
    return tuple(
        DearRow("preds.parquet", int(rng.integers(0, 10**7)), 21.7 / (1 + i / 9), names[i % len(names)],
                math.exp(-21.7 / (1 + i / 9)), names[(i + 1) % len(names)], 0.9999999, 1.0)
        for i in range(count)
    )  # fmt: skip


def score(rng=None, classes=10, names=None, kind="multiclass", dearest=20, files=1, **changes):
    """A score as of a network on pictures: over-confident, most of it repairable by a temperature."""
    rng = rng or np.random.default_rng(7)
    names = names_of(classes) if names is None else names
    found = {
        "log_loss": 0.3583, "standard_error": 0.0169, "low": 0.3267, "high": 0.3929, "confidence": 0.95,
        "skewness": 6.2,
        "bits": 0.3583 / math.log(2), "perplexity": math.exp(0.3583), "rows": 10000, "effective_rows": 10000.0,
        "weight": 10000.0, "weightless_rows": 0, "kind": kind, "form": "logits", "dtype": "float32", "classes": classes,
        "infinite": 0, "infinite_cells": 0, "finite_part": 0.3583, "finite_mean": 0.3583, "baseline": 2.3026,
        "explained": 0.844, "entropy": 0.0439, "gap": 0.3144, "label_entropy": None, "z": 133.9,
        "p_value": 0.0, "accuracy": 0.9244,
        "top1": 0.2823, "ranking": 0.076, "row_sum_deviation": None, "renormalized": None, "compat": None,
        "by_class": by_class(rng, names, kind == "multilabel"), "dearest": dear(rng, dearest, names),
        "files": tuple((f"preds-{i}.parquet", 10000) for i in range(files)), "notes": ("No `weight` column.",),
    }  # fmt: skip
    if kind != "multiclass":
        found |= {"top1": None, "ranking": None}
    if "analysis" not in changes:
        changes["analysis"] = analysis(rng, confusion=confusion(rng, names) if kind == "multiclass" else None)
    return Score(**(found | changes))


def labels(rng, count, names=None):
    names = names or [f"label {i}" for i in range(count)]
    parts = tuple(decomposition(rng, n, steps=int(rng.integers(5, 200))) for n in names)
    return score(rng, count, names, "multilabel", analysis=analysis(rng, decompositions=parts, confidence=()))


def infinite(rng):
    """Rows of probability 0: everything that can be infinite is."""
    found = analysis(
        rng, decompositions=(decomposition(rng, infinite=6),), waterfall=waterfall(True),
        confidence=confidence(rng, True),
        alerts=("6 of 92 rows give the truth probability 0: the log loss is infinite.", f"A name: {HOSTILE}"),
        spreads=(Spread("iid", None, None, None, None, 92, None, None),),
    )  # fmt: skip
    return score(
        rng, 2, ["dry", "rain"], "binary", analysis=found, log_loss=math.inf, standard_error=None, low=None, high=None,
        bits=math.inf, perplexity=math.inf, infinite=6, infinite_cells=6, finite_part=0.6127, finite_mean=0.6555,
        explained=None, gap=math.inf, z=None, p_value=None, rows=92,
        compat=Compat("sklearn", "floor 2.2e-16", 2.96, 6, None, 36.04),
    )  # fmt: skip


def one_row(rng):
    """A single row, and predictions that are all alike: hardly a number is left."""
    part = Decomposition("", 1, 1.0, 0.1054, 0.1054, 0, 0.0, 0.0, 0.1054, None, None, None, 0, True, 0.0,
                         Brier(0.01, 0.0, 0.0, 0.01), (Block(0.9, 0.9, 0.9, 1.0, 1, 1.0, 0.1054),),
                         (Bin(0.9, 0.95, 1, 1.0, 0.9, 1.0, 0.1054),), ())  # fmt: skip
    found = Analysis(
        (Spread("iid", None, None, None, None, 1, None, None),), (part,),
        (Step("baseline", "start", 0.0, None, 0.0), Step("log loss", "total", 0.1054, None, 0.1054)), None,
        Tail(1, 1.0, 1.0, None, ((0.0, 0.0), (1.0, 1.0)), (LossBin(0.125, 0.1875, 1, 0.1054, 0.0),)), None,
        (ConfidenceBin(0.9, 0.95, 1, 1.0, 0.9, 1.0, 0.1054, 0.3251, None),), None, Slices((), (), 0, 0, (), ()), None,
        Provenance("0.1.0", (), (), 0), ("Only one class occurs.",), (),
    )  # fmt: skip
    return score(rng, 2, ["no", "yes"], "binary", dearest=1, analysis=found, standard_error=None, low=None, high=None,
                 rows=1, explained=None, baseline=0.0, z=None, p_value=None, by_class=(), files=0)  # fmt: skip


def soft(rng):
    return score(rng, analysis=analysis(rng, soft=SoftLabels(0.8714, 0.1545, 0.7169)))


def comparison(rng=None, names=("EMOS", "Logistic", "EPC", "ENS"), lost=(3,), slices=5):
    rng = rng or np.random.default_rng(3)
    models = []
    for i, name in enumerate(names):
        mcb = math.inf if i in lost else 0.0487 + 0.004 * i
        loss = 0.6815 - 0.0766 - 0.01 * (i % 3) + mcb
        gone = math.isinf(loss)
        spread = (None, None, None) if gone else (0.02, loss - 0.04, loss + 0.04)
        models.append(Model(name, f"{name}.parquet", "probs", loss, *spread, 0.6127 if gone else loss, 6 if gone else 0,
                            0.6815, 0.61, 0.64, 0.6815, 0.0766 + 0.01 * (i % 3), mcb))  # fmt: skip
    pairs = []
    for i, a in enumerate(names):
        for j, b in enumerate(names[i + 1 :], i + 1):
            d = math.inf if i in lost else -math.inf if j in lost else float(rng.normal(0, 0.03))
            sure = math.isfinite(d)
            pairs.append(Pair(a, b, 92, d, 0.01 * (j - i), 0.012 if sure else None, d - 0.024 if sure else None,
                              d + 0.024 if sure else None, 0.03 if sure else None, 0.12 if sure else None,
                              100 * d / 0.65 if sure else None, math.exp(d) if sure else None, 0.4, 0.1,
                              812 if sure else None, 6 * (i in lost), 6 * (j in lost), 0, None if sure else b,
                              "iid", 92, None, f"{a} against {b}: too close to call."))  # fmt: skip
    parts = tuple(PairSlice(names[0], names[-1], "month", f"m{i}", 18, 18.0, float(rng.normal(0, 0.05)), 0.002, 0.03,
                            0.2, 0.4) for i in range(slices))  # fmt: skip
    rows = tuple(InfiniteRow("ENS.parquet", i, None, "rain", ("ENS",)) for i in range(6 if lost else 0))
    return Comparison(
        rows=92, weight=92.0, kind="binary", classes=2, confidence=0.95, verdict="Logistic is better than EPC.",
        models=tuple(models), pairs=tuple(pairs), slices=parts, infinite=rows, joined="day", unmatched=(("ENS", 2),),
        alerts=("ENS gives 6 rows that happened probability 0.",) if lost else (), notes=("A note.",),
        provenance=provenance(),
    )  # fmt: skip


def _rng():
    return np.random.default_rng(1)


def _hostile(count):
    return [f"{HOSTILE}{i}" for i in range(count)]


ALL = {
    "pictures": score,
    "binary": lambda: score(_rng(), 2, ["no", "yes"], "binary", analysis=analysis(
        _rng(), decompositions=(decomposition(_rng()),), ladder=ladder(None))),
    "infinite": lambda: infinite(_rng()),
    "one row": lambda: one_row(_rng()),
    "soft": lambda: soft(_rng()),
    "1000 classes": lambda: score(_rng(), 1000, dearest=10000, files=1000),
    "256 labels": lambda: labels(_rng(), 256),
    "long names": lambda: score(_rng(), 100, [f"{LONG}{i}" for i in range(100)]),
    "hostile names": lambda: score(_rng(), 12, _hostile(12)),
    "hostile labels": lambda: labels(_rng(), 5, _hostile(5)),
    "models": comparison,
    "40 models": lambda: comparison(names=[f"model {i}" for i in range(40)], lost=()),
    "hostile models": lambda: comparison(names=_hostile(5)),
}  # fmt: skip
