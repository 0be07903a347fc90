"""The histogram of losses and of chances against plain counting."""

import math

import numpy as np
import pytest
from batches import assert_a_monoid, fed, hostile, judged, softmax
from hypothesis import given, settings
from hypothesis import strategies as st

from xent.evaluate.state.losses import BINS, EDGES, Losses

CASES = [(kind, logits) for kind in ("binary", "multilabel", "multiclass") for logits in (False, True)]
LN2 = math.log(2.0)


def bins(nats):
    return np.searchsorted(EDGES, np.maximum(nats, 0.0) / LN2, side="right") - 1


def outcomes(problem, rows):
    """(nats, probability) of everything that could have been the truth, [rows, outcomes]."""
    if problem.kind == "multiclass":
        p = softmax(rows.x.astype(np.longdouble)) if rows.logits else rows.x / rows.x.sum(1, keepdims=True)
    else:
        z = rows.margin.reshape(len(rows.loss), -1).astype(np.longdouble)
        with np.errstate(over="ignore"):
            p = np.concatenate([1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))], 1)
    with np.errstate(divide="ignore"):
        return -np.log(p).astype(np.float64), p.astype(np.float64)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
@settings(max_examples=3)
@given(cuts=st.lists(st.integers(0, 400), max_size=4), seed=st.integers(0, 99))
def test_a_monoid(kind, logits, weighted, cuts, seed):
    assert_a_monoid(Losses, *hostile(kind, logits=logits, weighted=weighted), cuts, seed)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
def test_rows_lie_where_they_cost(kind, logits, weighted):
    rng = np.random.default_rng(1)
    width = 1 if kind == "binary" else 4
    z = rng.normal(size=(500, width)) * np.array([1.0, 20.0 if logits else 6.0])[rng.integers(0, 2, 500)][:, None]
    x = z if logits else softmax(z) if kind == "multiclass" else 1 / (1 + np.exp(-z))
    target = rng.integers(0, 4 if kind == "multiclass" else 2, (500, width) if kind == "multilabel" else 500)
    weight = 0.5 + rng.random(500) if weighted else None
    problem, rows = judged(kind, x, target, weight, logits=logits)
    found = fed(Losses, problem, rows)
    w = rows.weights
    cost, p = outcomes(problem, rows)
    if kind == "multilabel":
        loss, w_cell = np.where(target == 1, cost[:, :width], cost[:, width:]).reshape(-1), np.repeat(w, width)
    else:
        loss, w_cell = rows.loss, w
    assert (found.rows == np.bincount(bins(loss), minlength=BINS)).all() and found.infinite == 0
    assert found.weight == pytest.approx(np.bincount(bins(loss), w_cell, BINS), rel=1e-13)
    assert found.nats == pytest.approx(np.bincount(bins(loss), w_cell * loss, BINS), rel=1e-12, abs=1e-13)
    chance = np.bincount(bins(cost).reshape(-1), (p * w[:, None]).reshape(-1), BINS + 1)[:-1]  # without p = 0
    assert found.expected == pytest.approx(chance, rel=1e-9, abs=1e-12)
    assert found.expected.sum() == pytest.approx(w.sum() * (width if kind == "multilabel" else 1), rel=1e-12)


def test_a_calibrated_model_costs_what_was_expected():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20_000, 6)) * 3
    target = (z + rng.gumbel(size=z.shape)).argmax(1)
    found = fed(Losses, *judged("multiclass", z, target, logits=True))
    coarse = [
        np.add.reduceat(np.asarray(a, float), np.arange(0, 160, 16)) for a in (found.rows[:160], found.expected[:160])
    ]
    assert (np.abs(coarse[0] - coarse[1]) < 5 * np.sqrt(coarse[1] + 1)).all()


def test_ends_of_the_scale():
    p = np.array([0.0, 1.0, 5e-324, 0.5, 1 - 2.0**-53])
    found = fed(Losses, *judged("binary", p, np.ones(5), logits=False))
    assert found.infinite == 1 and found.rows.sum() == 4
    assert found.rows[[0, 16]].tolist() == [2, 1]  # one bit is the first of its bin
    assert found.rows[bins(np.log(2.0) * 1074)] == 1
    assert EDGES[-2] == 1100 and found.expected[[0, 16]].tolist() == [4, 1]
    found = fed(Losses, *judged("binary", np.array([-1e5, -1e300]), np.ones(2), logits=True))
    assert found.rows[-1] == 2 and found.infinite == 0
    assert found.nats[-1] == pytest.approx(1e5 + 2.0**100)  # what has no room is held


@given(bits=st.floats(0.0, 1099.0))
def test_edges_are_where_the_kernel_has_them(bits):
    loss = np.array([bits * LN2])
    found = fed(Losses, *judged("binary", loss, np.zeros(1), logits=True))  # z with truth no: z + log1p(e^-z)
    at = int(np.flatnonzero(found.rows)[0])
    cost = math.log1p(math.exp(-loss[0])) + loss[0]
    assert EDGES[at] * (1 - 1e-15) <= cost / LN2 <= EDGES[at + 1] * (1 + 1e-15)
