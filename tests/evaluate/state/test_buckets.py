"""Sums by bucket against sums of fractions."""

import math

import numpy as np
import pytest
from batches import assert_a_monoid, fed, hostile
from hypothesis import given, settings
from hypothesis import strategies as st

from xent.evaluate.state.buckets import Buckets

KINDS = ["binary", "multilabel", "multiclass"]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=5)
@given(cuts=st.lists(st.integers(0, 400), max_size=4), seed=st.integers(0, 99))
def test_a_monoid(kind, weighted, cuts, seed):
    assert_a_monoid(Buckets, *hostile(kind, logits=True, weighted=weighted), cuts, seed)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_sums_of_the_rows_of_a_bucket(kind, weighted):
    problem, rows = hostile(kind, logits=False, weighted=weighted)
    rows.bucket[:] %= 5
    found = fed(Buckets, problem, rows)
    w, finite = rows.weights, np.isfinite(rows.loss)
    assert finite.any() and (kind == "multiclass" or not finite.all())
    for bucket in range(6):
        on = rows.bucket == bucket
        assert (found.rows[bucket], found.infinite[bucket]) == (on.sum(), (on & ~finite).sum())
        on &= finite
        terms = {"w": w, "w2": w**2, "wl": w * rows.loss, "wh": w * rows.entropy, "w2l2": (w * rows.loss) ** 2}
        for name, values in terms.items():
            assert getattr(found, name)[bucket] == pytest.approx(math.fsum(values[on]), rel=1e-13, abs=1e-25), name
