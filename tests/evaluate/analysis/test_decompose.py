"""What a yes/no score is made of: identities, known answers, and the definition by brute force."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_data import real
from scipy.optimize import isotonic_regression
from yes_no import isotonic_loss, logit, scores

from xent.evaluate.analysis.claims import Claims
from xent.evaluate.analysis.decompose import decomposition
from xent.evaluate.analysis.isotone import entropies, least

SEED = (0, 0)
ULPS = [0.3, math.nextafter(0.3, 1), math.nextafter(math.nextafter(0.3, 1), 1)]
PROBS = st.sampled_from([0.0, 5e-324, 1e-9, 0.1, *ULPS, 0.5, 0.9, 1 - 2**-53, 1.0])
ROWS = st.lists(st.tuples(PROBS, st.integers(0, 1), st.sampled_from([0.25, 1.0, 3.0, 1e6])), min_size=1, max_size=25)


def decomposed(p, y, w=None):
    return decomposition("", Claims.of(scores(logit(p), y, w, p)), None, SEED)


def parts(found):
    return found.uncertainty, found.discrimination, found.miscalibration


@settings(deadline=None, max_examples=150)
@given(ROWS)
def test_the_parts_follow_their_definition_on_any_rows(rows):
    p, y, w = (np.array(column) for column in zip(*rows, strict=True))
    found = decomposed(p, y, w)
    share = np.where(y == 1, p, 1 - p)
    infinite = share == 0
    base = np.average(y, weights=w)
    finite = -(w * np.log(np.where(infinite, 1, share))).sum() / w.sum()
    left = isotonic_loss(logit(p), y, w) / w.sum()
    uncertainty = sum(-b * math.log(b) for b in (base, 1 - base) if b)
    close = {"abs": 1e-12 * max(1.0, finite), "rel": 1e-12}
    assert found.rows == len(y) and found.weight == pytest.approx(w.sum())
    assert found.infinite_rows == infinite.sum() and found.finite_part == pytest.approx(finite, **close)
    assert found.uncertainty == pytest.approx(uncertainty, **close)
    assert found.discrimination == pytest.approx(uncertainty - left, **close) and found.discrimination >= 0
    assert found.score == (math.inf if infinite.any() else found.finite_part)
    wanted = math.inf if infinite.any() else finite - left
    assert found.miscalibration == pytest.approx(wanted, **close) and found.miscalibration >= 0
    assert sum(block.nats for block in found.blocks) == pytest.approx(found.miscalibration, **close)
    assert sum(bin_.nats for bin_ in found.bins) == pytest.approx(found.miscalibration, **close)
    rates = [block.rate for block in found.blocks]
    assert rates == sorted(set(rates)) and sum(block.rows for block in found.blocks) == len(y)
    brier = found.brier
    assert brier.score == pytest.approx((w * (p - y) ** 2).sum() / w.sum(), **close)
    assert brier.score == pytest.approx(brier.uncertainty - brier.discrimination + brier.miscalibration, **close)
    assert min(brier.discrimination, brier.miscalibration) >= 0


@settings(deadline=None, max_examples=50)
@given(ROWS)
def test_a_weight_of_two_is_the_row_twice(rows):
    p, y, _ = (np.array(column) for column in zip(*rows, strict=True))
    twice = np.arange(len(y)) % 2 == 0
    weighted = decomposed(p, y, np.where(twice, 2.0, 1.0))
    repeated = decomposed(np.append(p, p[twice]), np.append(y, y[twice]))
    assert parts(weighted) == parts(repeated) and weighted.finite_part == repeated.finite_part
    assert weighted.brier == repeated.brier
    for one, other in zip(weighted.blocks, repeated.blocks, strict=True):
        assert replace(one, rows=0) == replace(other, rows=0)


def test_the_scale_of_weights_means_nothing():
    rng = np.random.default_rng(1)
    p = rng.random(80).round(2)
    y = rng.random(80) < p
    plain, scaled = decomposed(p, y), decomposed(p, y, np.full(80, 8.0))
    assert parts(plain) == parts(scaled)
    assert (plain.expected, plain.p_value, plain.band) == (scaled.expected, scaled.p_value, scaled.band)


@pytest.mark.parametrize("size", [3, 60, 400])
def test_the_fit_is_scipys(size):
    rng = np.random.default_rng(size)
    p, w = np.sort(rng.random(size)), rng.random(size) + 0.1
    y = (rng.random(size) < p**2).astype(float)
    rate = isotonic_regression(y, weights=w).x
    found = decomposed(p, y, w)
    left = -(w * np.log(np.where(y == 1, rate, 1 - rate))).sum() / w.sum()
    assert found.uncertainty - found.discrimination == pytest.approx(left, rel=1e-12)
    squares = (w * (rate - y) ** 2).sum() / w.sum()
    assert found.brier.uncertainty - found.brier.discrimination == pytest.approx(squares, rel=1e-12)


def test_an_increasing_map_moves_miscalibration_alone():
    rng = np.random.default_rng(2)
    p = rng.random(300)
    y = rng.random(300) < p
    one, other = decomposed(p, y), decomposed(p**3, y)
    assert parts(one)[:2] == parts(other)[:2] and parts(one)[2] < parts(other)[2]
    rate = np.empty(300)
    for block in one.blocks:
        rate[(block.low <= p) & (p <= block.high)] = block.rate
    again = decomposed(rate, y)
    assert again.discrimination == pytest.approx(one.discrimination, rel=1e-12)
    assert again.miscalibration == pytest.approx(0.0, abs=1e-15)


def test_nothing_to_tell():
    constant = decomposed(np.full(8, 0.25), [0, 0, 0, 1] * 2)
    assert parts(constant)[1:] == (0.0, 0.0)
    one_class = decomposed([0.1, 0.2, 0.6], [0, 0, 0])
    assert parts(one_class)[:2] == (0.0, 0.0) and one_class.miscalibration == one_class.score
    one_row = decomposed([0.75], [1])
    assert (
        parts(one_row) == pytest.approx((0.0, 0.0, -math.log(0.75)), rel=1e-15)
        and len(one_row.blocks) == len(one_row.bins) == 1
    )
    certain = decomposed([0.0, 1.0, 1.0], [0, 1, 1])
    assert certain.score == 0.0 and certain.miscalibration == 0.0 and (certain.expected, certain.p_value) == (0.0, 1.0)


@pytest.mark.parametrize(("outcomes", "steps"), [((1, 0), 1), ((0, 1), 2)])
def test_scores_one_ulp_apart_are_two(outcomes, steps):
    assert len(decomposed(ULPS[:2], outcomes).blocks) == steps
    z = 50.0, math.nextafter(50.0, 60.0)  # where p is 1 in float64, and the loss is still finite
    found = decomposition("", Claims.of(scores(z, outcomes)), None, SEED)
    assert len(found.blocks) == steps and found.score == pytest.approx(25.0)


NIAMEY = {
    "EMOS": (0.65368, 0.04874, 0.07658, 0.23203, 0.01828, 0.03047),
    "Logistic": (0.59830, 0.05087, 0.13410, 0.20575, 0.01708, 0.05554),
    "EPC": (0.66128, 0.05756, 0.07780, 0.23428, 0.02235, 0.03228),
    "ENS": (math.inf, math.inf, 0.09983, 0.26617, 0.06607, 0.04412),
}


@pytest.mark.parametrize("name", NIAMEY)
def test_niamey(name):
    with open(real("niamey") / "precip_Niamey_2016.csv") as file:
        days = list(csv.DictReader(file))
    found = decomposed([float(day[name]) for day in days], [int(day["obs"]) for day in days])
    brier = found.brier
    got = (
        found.score, found.miscalibration, found.discrimination, brier.score, brier.miscalibration,
        brier.discrimination,
    )  # fmt: skip
    assert got == pytest.approx(NIAMEY[name], abs=5e-6)
    assert (found.uncertainty, brier.uncertainty) == pytest.approx((0.68152, 0.24421), abs=5e-6)
    lost = [block for block in found.blocks if block.nats == math.inf]
    if name == "ENS":
        assert found.infinite_rows == 6 and found.p_value == 0.0 and len(lost) == 1
        assert found.finite_part == pytest.approx(56.372523524482 / 92, rel=1e-13)
    else:
        assert found.infinite_rows == 0 and not lost
        assert found.p_value > 0.05  # 92 days cannot tell these from calibrated: MCB is what chance gives


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1), st.sampled_from([1.0, 2.5])), min_size=1, max_size=40))
def test_no_order_inside_cells_leaves_less_than_the_bound(rows):
    cell, y, w = (np.array(column) for column in zip(*rows, strict=True))
    low = least(Claims.of(scores(cell, y, w, width=1.0)))
    rng = np.random.default_rng(len(rows))
    for inside in (rng.random(len(y)), rng.integers(0, 2, len(y)) / 2):  # distinct, and with ties
        assert isotonic_loss(cell + inside, y, w) >= low - 1e-9
    assert isotonic_loss(cell + 0.5 * y, y, w) == pytest.approx(low, abs=1e-9)  # so it cannot be raised


@pytest.mark.parametrize("width", [1 / 1024, 1 / 8, 4.0])
def test_scores_in_cells_say_how_far_off_they_are(width):
    rng = np.random.default_rng(3)
    z = rng.normal(0.0, 2.0, 30_000)
    y = rng.random(30_000) < 1 / (1 + np.exp(-1.3 * z))
    exact = decomposition("", Claims.of(scores(z, y)), None, SEED)
    cells = (np.floor(z / width) + 0.5) * width
    binned = decomposition("", Claims.of(scores(cells, y, width=width)), exact.score, SEED)
    assert exact.bound == 0.0 and binned.score == exact.score and binned.bound > 0
    assert binned.discrimination <= exact.discrimination <= binned.discrimination + binned.bound
    gone = exact.miscalibration - binned.miscalibration
    assert gone == pytest.approx(exact.discrimination - binned.discrimination, abs=1e-12)
    assert binned.score == pytest.approx(sum(parts(binned) * np.array([1, -1, 1])), rel=1e-14)
    if width < 1:
        for pieces, like in ((binned.blocks, exact.blocks), (binned.bins, exact.bins)):
            assert sum(piece.nats for piece in pieces) == pytest.approx(binned.miscalibration, rel=1e-9)
            assert max(piece.nats for piece in pieces) == pytest.approx(max(piece.nats for piece in like), rel=0.5)
        assert binned.bound < 0.2 * binned.discrimination


def test_pictures_stay_small_and_keep_frequent_claims_together():
    rng = np.random.default_rng(4)
    p = np.where(rng.random(100_000) < 0.3, 0.25, rng.random(100_000))
    found = decomposed(p, rng.random(100_000) < p)
    assert len(found.bins) <= 20 and len(found.blocks) <= 200 and len(found.band) <= 60
    assert any(bin_.low == 0.25 and 29_000 < bin_.rows < 31_000 for bin_ in found.bins)
    for pieces in (found.bins, found.blocks):
        assert sum(piece.rows for piece in pieces) == 100_000
        assert sum(piece.nats for piece in pieces) == pytest.approx(found.miscalibration, rel=1e-9)
        assert all(piece.low <= piece.claimed <= piece.high for piece in pieces)
    claimed = [point.claimed for point in found.band]
    assert claimed == sorted(claimed) and all(0 <= point.low <= point.high <= 1 for point in found.band)


def test_many_steps_are_pooled_where_least_is_lost():
    claims = np.arange(1000.0) / 100
    n = np.random.default_rng(5).lognormal(5, 2, 1000)
    ones = n * (np.arange(1000) + 0.5) / 1000  # 1000 rates that rise, some of much weight
    cells = scores(claims, np.zeros(1000, int))
    cells.w[:], cells.w2[:] = 0, 0
    cells.w[0], cells.w2[0] = [n - ones, ones], [n - ones, ones]
    found = decomposition("", Claims.of(cells), None, SEED)
    rate, weight = (np.array([getattr(block, name) for block in found.blocks]) for name in ("rate", "weight"))
    assert len(rate) == 200 and (np.diff(rate) > 0).all()

    def lost(zeros, ones):
        return entropies(zeros, ones).sum() - entropies(n - cells.w[0, 1], cells.w[0, 1]).sum()

    five = [np.add.reduceat(x, np.arange(0, 1000, 5)) for x in cells.w[0]]
    assert 0 < lost(weight * (1 - rate), weight * rate) < 0.5 * lost(*five)
    assert sum(block.nats for block in found.blocks) == pytest.approx(found.miscalibration, rel=1e-9)
