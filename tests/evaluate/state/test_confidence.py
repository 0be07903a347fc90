"""Rows by the favourite's margin against plain counting."""

import numpy as np
import pytest
from batches import assert_a_monoid, fed, hostile, judged
from hypothesis import given, settings
from hypothesis import strategies as st

from xent.evaluate.state.confidence import BINS, EDGES, Confidences

CASES = [(kind, logits) for kind in ("binary", "multiclass") for logits in (False, True)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
@settings(max_examples=3)
@given(cuts=st.lists(st.integers(0, 400), max_size=4), seed=st.integers(0, 99))
def test_a_monoid(kind, logits, weighted, cuts, seed):
    assert_a_monoid(Confidences, *hostile(kind, logits=logits, weighted=weighted), cuts, seed)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
def test_counts_and_sums(kind, logits, weighted):
    problem, rows = hostile(kind, logits=logits, weighted=weighted, seed=3)
    found = fed(Confidences, problem, rows)
    if kind == "binary":
        margin, right = np.abs(rows.margin), (rows.margin > 0) == (rows.target == 1)
    else:
        margin, right = rows.margin, rows.best == rows.target
    at = np.searchsorted(EDGES[1:-1], margin, side="right")
    assert len(EDGES) == BINS + 1
    w, finite = rows.weights, np.isfinite(rows.loss)
    with np.errstate(over="ignore"):
        claimed = 1 / (1 + np.exp(-margin))

    def by_bin(values, on=True):
        values = np.where(on, values, 0.0)
        return np.array([np.sum(values[at == b], dtype=np.longdouble) for b in range(BINS)], np.float64)

    with np.errstate(over="ignore"):
        loss = np.where(finite, np.minimum(w * np.where(finite, rows.loss, 0.0), 2.0**100), 0.0)
    assert (found.rows == np.bincount(at, minlength=BINS)).all()
    assert (found.infinite == np.bincount(at[~finite], minlength=BINS)).all()
    for name, values in {
        "w": by_bin(w), "right": by_bin(w, right), "claimed": by_bin(w * claimed), "wl": by_bin(loss),
        "wh": by_bin(w * rows.entropy, finite), "w2v": by_bin(w**2 * rows.variance, finite),
    }.items():  # fmt: skip
        assert getattr(found, name) == pytest.approx(values, rel=1e-12, abs=1e-15 if not weighted else 1e-30), name
    assert found.w_finite == pytest.approx(by_bin(w, finite), rel=1e-12, abs=1e-9 * w.max())


def test_the_ends_are_open_and_a_tie_is_no():
    problem, rows = judged("binary", np.array([0.0, 1.0, 0.5, 1e-300]), np.array([0, 0, 0, 1]), logits=False)
    found = fed(Confidences, problem, rows)
    assert found.rows[-1] == 3 and found.infinite[-1] == 1 and found.right[-1] == 1
    half = int(np.flatnonzero(EDGES == 0.0)[0])
    assert found.rows[half] == found.right[half] == 1 and found.claimed[half] == 0.5
