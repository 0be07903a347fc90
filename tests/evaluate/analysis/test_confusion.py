"""The table of nats: it adds up, and pools what it does not show."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from real_data import real

from xent.evaluate.analysis.confusion import confusion
from xent.evaluate.door import gather
from xent.evaluate.scores import result


def state_of(classes, seed=0, n=4000):
    rng = np.random.default_rng(seed)
    truth, best = rng.integers(0, classes, (2, n))
    loss, w = rng.lognormal(size=n), rng.uniform(0.5, 2, n)
    loss[:5] = math.inf
    on = np.isfinite(loss)
    cell, many = truth * classes + best, classes * classes

    def table(x, rows=slice(None)):
        return np.bincount(cell[rows], x, many).reshape(classes, classes)

    parts = SimpleNamespace(rows=table(None), weight=table(w), nats=table((w * loss)[on], on))
    names = tuple(f"c{k}" for k in range(classes))
    return SimpleNamespace(problem=SimpleNamespace(classes=names), confusion=parts), truth, best, loss, w


@pytest.mark.parametrize("classes", [2, 3, 26, 27, 60])
def test_cells_add_up_to_the_finite_loss(classes):
    state, _, _, loss, w = state_of(classes)
    found = confusion(state)
    size = min(classes, 26)
    assert len(found.classes) == len(found.nats) == len(found.nats[0]) == len(found.rows) == size
    finite = math.fsum((w * loss)[np.isfinite(loss)]) / math.fsum(w)
    assert math.fsum(x for row in found.nats for x in row) == pytest.approx(finite, rel=1e-12, abs=0)
    assert sum(x for row in found.rows for x in row) == len(loss)


def test_every_cell_is_its_rows():
    state, truth, best, loss, w = state_of(5)
    found = confusion(state)
    for y in range(5):
        for k in range(5):
            inside = (truth == y) & (best == k)
            assert found.rows[y][k] == inside.sum()
            here = inside & np.isfinite(loss)
            assert found.nats[y][k] == pytest.approx((w * loss)[here].sum() / w.sum(), rel=1e-12)


def test_what_costs_most_is_shown_and_the_rest_is_pooled():
    state, truth, best, loss, w = state_of(60)
    on = np.isfinite(loss)
    cost = np.array([(w * loss)[on & ((truth == k) | (best == k))].sum() for k in range(60)])
    found = confusion(state)
    assert found.classes[-1] == "others"
    dear = sorted(np.argsort(-cost)[:25].tolist())
    assert found.classes[:-1] == tuple(f"c{k}" for k in dear)
    other = ~np.isin(np.arange(60), dear)
    both = other[truth] & other[best]
    assert found.rows[-1][-1] == both.sum()
    assert found.nats[-1][-1] == pytest.approx((w * loss)[both & on].sum() / w.sum(), rel=1e-12)


def test_there_is_no_table_without_classes():
    assert confusion(SimpleNamespace(confusion=None)) is None


@pytest.mark.parametrize("name", ["netcal_cifar/densenet-bc-100-cifar-100", "netcal_cifar/lenet-5-cifar-10", "20news"])
def test_cells_of_real_predictions_add_up_to_their_score(name):
    if name == "20news":
        folder = real("label_errors")
        state = gather(
            probs=folder / "20news_test_set_pyx.npy", targets=folder / "20news_test_set_original_labels.npy",
            analyse=True,
        )  # fmt: skip
    else:
        state = gather(real(f"{name}.npz"), analyse=True)
    found, score = confusion(state), result(state)
    assert math.fsum(x for row in found.nats for x in row) == pytest.approx(score.finite_part, rel=1e-12, abs=0)
    assert sum(x for row in found.rows for x in row) == score.rows
    if len(found.classes) == score.classes:
        right = sum(found.rows[k][k] for k in range(score.classes)) / score.rows
        assert right == pytest.approx(score.accuracy, abs=1e-12)
        for own in score.by_class:
            assert sum(found.rows[found.classes.index(own.name)]) == own.rows
    assert all(type(x) is float for row in found.nats for x in row)
    assert all(type(x) is int for row in found.rows for x in row)
