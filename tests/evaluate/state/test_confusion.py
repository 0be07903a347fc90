"""Pairs of true class and favourite against plain counting; together they are the finite loss."""

import numpy as np
import pytest
from batches import assert_a_monoid, fed, hostile, judged
from hypothesis import given, settings
from hypothesis import strategies as st

from xent.evaluate.state.confusion import Confusion


@pytest.mark.parametrize("weighted", [False, True])
@settings(max_examples=5)
@given(cuts=st.lists(st.integers(0, 400), max_size=4), seed=st.integers(0, 99))
def test_a_monoid(weighted, cuts, seed):
    assert_a_monoid(Confusion, *hostile("multiclass", logits=True, weighted=weighted), cuts, seed)


@pytest.mark.parametrize("weighted", [False, True])
def test_cells(weighted):
    problem, rows = hostile("multiclass", logits=False, weighted=weighted)
    found = fed(Confusion, problem, rows)
    finite = np.isfinite(rows.loss)
    assert not finite.all()
    for truth in range(5):
        for best in range(5):
            on = (rows.target == truth) & (rows.best == best)
            assert found.rows[truth, best] == on.sum()
            assert found.weight[truth, best] == pytest.approx(rows.weights[on].sum(), rel=1e-13)
            nats = (rows.weights * rows.loss)[on & finite].sum()
            assert found.nats[truth, best] == pytest.approx(nats, rel=1e-12, abs=1e-20)
    assert found.nats.sum() == pytest.approx((rows.weights * rows.loss)[finite].sum(), rel=1e-12)


def test_ties_favour_the_first_class_and_a_file_holds_only_cells_with_rows():
    problem, rows = judged("multiclass", np.zeros((3, 40)), np.array([0, 1, 39]), logits=True)
    found = fed(Confusion, problem, rows)
    assert found.rows[[0, 1, 39], 0].tolist() == [1, 1, 1] and found.rows.sum() == 3
    assert len(found.pack()[1]["at"]) == 3
