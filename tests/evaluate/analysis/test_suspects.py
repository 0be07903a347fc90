"""Rows all but ruled out: counted, held against labels drawn from the claims, and found where people found errors."""

import json
import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from real_data import real

from xent.evaluate.analysis.suspects import suspects
from xent.evaluate.door import gather

EDGES = np.concatenate([np.arange(0, 64 * 16 + 1) / 16, np.arange(72, 1105, 8.0)])


def state_of(p, truth, weight=None, soft=False):
    """A state with the sums that one has, by the plainest means."""
    n = len(p)
    w = np.ones(n) if weight is None else weight
    with np.errstate(divide="ignore"):
        bits = -np.log2(p)
    own = bits[np.arange(n), truth]
    on = np.isfinite(own)

    def sums(x, at):
        return np.bincount(np.searchsorted(EDGES, at, side="right") - 1, x, len(EDGES) - 1)

    losses = SimpleNamespace(
        edges=EDGES, rows=sums(None, own[on]), weight=sums(w[on], own[on]), infinite=int((~on).sum()),
        expected=sums((w[:, None] * p)[p > 0], bits[p > 0]),
    )  # fmt: skip
    totals = {"w": w[on], "w_inf": w[~on], "w2": w[on] ** 2, "w2_inf": w[~on] ** 2}
    tally = SimpleNamespace(classes=p.shape[1], total=lambda name, _: Fraction(float(totals[name].sum())))
    return SimpleNamespace(losses=losses, tally=tally, problem=SimpleNamespace(kind="multiclass", soft=soft))


def claims(seed, n=3000, classes=5, sharp=3.0):
    rng = np.random.default_rng(seed)
    z = sharp * rng.normal(size=(n, classes))
    p = np.exp(z - z.max(1, keepdims=True))
    return rng, p / p.sum(1, keepdims=True)


def drawn(rng, p):
    return np.minimum((rng.uniform(size=(len(p), 1)) > np.cumsum(p, axis=1)).sum(axis=1), p.shape[1] - 1)


def test_counts_and_expectations_are_those_of_the_rows():
    rng, p = claims(0)
    truth = rng.integers(0, 5, len(p))
    p[:7, 0], truth[:7] = 0.0, 0
    p[:7] /= p[:7].sum(1, keepdims=True)
    found = suspects(state_of(p, truth))
    own = p[np.arange(len(p)), truth]
    assert len(found.thresholds) == 6
    for k, t in enumerate(found.thresholds):
        assert t.prob == pytest.approx(10.0 ** -(k + 1), rel=0.03)
        assert t.rows == (own <= t.prob).sum()
        assert t.expected == pytest.approx(p[p <= t.prob].sum(), rel=1e-9)


def test_calibrated_claims_have_no_suspects():
    """Labels drawn from the claims: an excess is called one at most once in a hundred."""
    called = 0
    for seed in range(300):
        rng, p = claims(seed, n=400)
        called += suspects(state_of(p, drawn(rng, p))).at is not None
    assert called <= 3 + 4 * math.sqrt(3)


def test_the_p_value_is_no_smaller_than_that_of_drawing_labels():
    rng, p = claims(1, n=60, sharp=2.0)
    truth = drawn(rng, p)
    own = p[np.arange(60), truth]
    draws = np.stack([p[np.arange(60), drawn(rng, p)] for _ in range(4000)])
    for t in suspects(state_of(p, truth)).thresholds[:2]:
        share = ((draws <= t.prob).sum(1) >= (own <= t.prob).sum()).mean()
        if t.rows >= t.expected + 1:
            assert t.p_value >= share - 4 * math.sqrt(share / 4000) - 1e-3


@pytest.mark.parametrize("wrong", [30, 100])
def test_wrong_labels_are_an_excess_of_about_as_many(wrong):
    rng, p = claims(2, n=5000, sharp=12.0)
    truth = drawn(rng, p)
    flipped = rng.permutation(5000)[:wrong]
    truth[flipped] = (truth[flipped] + rng.integers(1, 5, wrong)) % 5
    found = suspects(state_of(p, truth))
    assert found.at is not None
    assert 0.3 * wrong < found.excess < 1.1 * wrong  # some wrong labels were not all but ruled out
    (at,) = [t for t in found.thresholds if t.prob == found.at]
    assert found.excess == at.rows - at.expected and at.p_value < 1e-9


def test_only_the_ratio_of_weights_counts():
    rng, p = claims(3)
    truth, w = rng.integers(0, 5, len(p)), rng.uniform(0.5, 2, len(p))
    light, heavy = suspects(state_of(p, truth, w)), suspects(state_of(p, truth, 1024 * w))
    plain, same = suspects(state_of(p, truth)), suspects(state_of(p, truth, np.full(len(p), 3.0)))
    assert light == heavy
    for a, b in zip(plain.thresholds, same.thresholds, strict=True):
        assert (a.prob, a.rows) == (b.prob, b.rows)
        assert a.expected == pytest.approx(b.expected, rel=1e-12)
        assert a.p_value == pytest.approx(b.p_value, rel=1e-9)


def test_rows_ruled_out_are_suspects_even_where_none_is_expected():
    p = np.tile([1.0, 0.0], (50, 1))
    truth = np.zeros(50, int)
    assert suspects(state_of(p, truth)).at is None
    truth[:2] = 1
    found = suspects(state_of(p, truth))
    assert found.excess == 2.0 and found.thresholds[0].p_value == 0.0


def test_truths_that_are_distributions_have_no_suspects():
    rng, p = claims(4)
    assert suspects(state_of(p, drawn(rng, p), soft=True)) is None


@pytest.mark.parametrize(
    ("name", "errors", "within"),
    [("mnist", 15, {50: 11, 100: 15}), ("20news", 82, {50: 25, 200: 66, 1000: 82})],
)
def test_labels_that_people_found_wrong_are_among_the_dearest(name, errors, within):
    """A label is wrong where fewer than 3 of 5 people chose it."""
    folder = real("label_errors")
    judged = json.loads((folder / f"{name}_mturk.json").read_text())
    wrong = {row["id"] for row in judged if row["mturk"]["given"] < 3}
    state = gather(
        probs=folder / f"{name}_test_set_pyx.npy", targets=folder / f"{name}_test_set_original_labels.npy",
        analyse=True, rows=1000,
    )  # fmt: skip
    assert len(wrong) == errors
    assert {k: len(wrong & {row.row for row in state.dearest.rows()[:k]}) for k in within} == within
    found = suspects(state)
    (at,) = [t for t in found.thresholds if t.prob == found.at]
    assert at.rows == sum(row.prob < at.prob for row in state.dearest.rows()) and at.p_value < 0.001
    assert at.expected < 0.5 * at.rows and found.excess == at.rows - at.expected
    among = sum(row.prob < at.prob and row.row in wrong for row in state.dearest.rows())
    assert among > at.rows / 3  # of all rows: 15 in 10,000 and 82 in 7,532
