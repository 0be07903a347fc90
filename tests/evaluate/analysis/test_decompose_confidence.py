"""Claimed against suffered loss by confidence: sums kept, enough rows in a bin, z standard normal when calibrated."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit

from xent.evaluate.analysis.confidence import BINS, ENOUGH, bins

EDGES = np.concatenate([[-np.inf], np.linspace(-4, 30, 700), [np.inf]])


def state(margin, right, weight=None):
    """The sums of a yes/no forecaster in fine bins of its favourite's margin, by the definition."""
    w = np.ones(len(margin)) if weight is None else weight
    c, q = expit(margin), expit(-margin)
    lost = (q == 0) & ~right
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.where(right, -np.log(c), -np.log(q))
        entropy = -c * np.log(c) - np.where(q > 0, q * np.log(q), 0.0)
        variance = np.where(q > 0, c * q * margin**2, 0.0)
    size = len(EDGES) - 1
    at = np.minimum(np.searchsorted(EDGES, margin, side="right") - 1, size - 1)
    held = {"rows": np.bincount(at, minlength=size), "infinite": np.bincount(at, lost, size).astype(int)}
    for name, x in {"w": 1.0, "w_finite": ~lost, "right": right, "claimed": c}.items():
        held[name] = np.bincount(at, w * x, size)
    for name, x in {"wl": w * loss, "wh": w * entropy, "w2v": w * w * variance}.items():
        held[name] = np.bincount(at, np.where(lost, 0.0, x), size)
    return SimpleNamespace(confidences=SimpleNamespace(edges=EDGES, **held))


@pytest.mark.parametrize("rows", [1, 20, 100, 3000, 200_000])
def test_bins_hold_all_rows_and_enough_of_them_each(rows):
    rng = np.random.default_rng(rows)
    margin = np.abs(rng.normal(0, 6, rows))  # most rows are nearly certain
    right = rng.random(rows) < 1 / (1 + np.exp(-margin))
    weight = rng.choice([0.5, 2.0], rows)
    found = bins(state(margin, right, weight))
    assert 1 <= len(found) <= BINS and sum(bin_.rows for bin_ in found) == rows
    assert min(bin_.rows for bin_ in found) >= min(ENOUGH, rows)
    assert len(found) > 8 or rows < 3000
    loss = sum(bin_.log_loss * bin_.weight for bin_ in found) / weight.sum()
    assert loss == pytest.approx(np.average(np.logaddexp(0, np.where(right, -margin, margin)), weights=weight))
    assert sum(bin_.accuracy * bin_.weight for bin_ in found) == pytest.approx((weight * right).sum())
    for bin_, after in pairwise(found):
        assert bin_.high == after.low
    assert all(bin_.low <= bin_.confidence <= bin_.high for bin_ in found)


def test_rows_and_claimed_nats_both_have_their_bins():
    margin = np.concatenate([np.linspace(8, 20, 190_000), np.linspace(0, 3, 10_000)])
    found = bins(state(margin, np.ones(len(margin), bool)))
    assert sum(bin_.low > expit(7.0) for bin_ in found) > 5 and sum(bin_.high < expit(4.0) for bin_ in found) > 5


def test_z_is_standard_normal_where_the_claims_are_right_and_large_where_not():
    rng = np.random.default_rng(1)
    found, over = [], []
    for _ in range(60):
        margin = np.abs(rng.normal(0, 2, 4000))
        right = rng.random(4000) < 1 / (1 + np.exp(-margin))
        found += [bin_.z for bin_ in bins(state(margin, right))]
        over += [bin_.z for bin_ in bins(state(2 * margin, right))]
    z = np.array(found)
    assert len(z) > 500
    assert abs(z.mean()) < 4 / math.sqrt(len(z)) and abs(z.std() - 1) < 4 / math.sqrt(2 * len(z))
    assert np.mean(np.array(over) > 2) > 0.5


def test_an_infinite_row_makes_its_bin_infinite_and_no_other():
    margin, right = np.append(np.linspace(0.1, 3.0, 200), np.full(50, np.inf)), np.ones(250, bool)
    right[-1] = False
    found = bins(state(margin, right))
    assert [bin_.log_loss == math.inf for bin_ in found] == [bin_.z == math.inf for bin_ in found]
    assert [bin_.log_loss == math.inf for bin_ in found].index(True) == len(found) - 1


def test_nothing_to_bin():
    assert bins(SimpleNamespace(confidences=None)) == ()
    assert bins(state(np.zeros(0), np.zeros(0, bool))) == ()
    certain = bins(state(np.full(3, np.inf), np.ones(3, bool)))
    assert len(certain) == 1 and certain[0].z is None and certain[0].log_loss == 0.0
