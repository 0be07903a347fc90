"""How nats are spread over rows, against sorting the rows."""

import math
from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from xent.evaluate.analysis.tail import tail
from xent.evaluate.door import gather

EDGES = np.concatenate([np.arange(0, 64 * 16 + 1) / 16, np.arange(72, 1105, 8.0)])


def state_of(loss, weight=None, *, kept=10, expected=None):
    """A state with the sums that one has, by the plainest means."""
    w = np.ones(len(loss)) if weight is None else weight
    on = np.isfinite(loss)
    cell = np.searchsorted(EDGES, loss[on] / math.log(2), side="right") - 1

    def sums(x=None):
        return np.bincount(cell, x, len(EDGES) - 1)

    losses = SimpleNamespace(
        edges=EDGES, rows=sums(), weight=sums(w[on]), nats=sums(w[on] * loss[on]), infinite=int((~on).sum()),
        expected=np.zeros(len(EDGES) - 1) if expected is None else expected,
    )  # fmt: skip
    powers = {"w": w, "wl": w * loss, "w2": w**2, "w2l": w**2 * loss, "w2l2": (w * loss) ** 2}
    totals = {name: sum((Fraction(float(v)) for v in x[on]), Fraction(0)) for name, x in powers.items()}
    counts = {"rows": len(loss), "infinite": int((~on).sum())}
    order = np.argsort(-loss, kind="stable")[:kept]
    return SimpleNamespace(
        losses=losses, problem=SimpleNamespace(kind="binary"),
        tally=SimpleNamespace(
            rows=slice(None), total=lambda name, _: totals[name], count=lambda name, _: counts[name]
        ),
        dearest=SimpleNamespace(
            rows=lambda: tuple(SimpleNamespace(loss=float(loss[i]), weight=float(w[i])) for i in order)
        ),
    )  # fmt: skip


def rows_of(seed, n=5000, weighted=False):
    rng = np.random.default_rng(seed)
    loss = rng.lognormal(-2, 2, n)
    return loss, rng.uniform(0.2, 3, n) if weighted else np.ones(n)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kept", [0, 10, 300])
def test_the_tail_is_that_of_sorted_rows(weighted, kept):
    loss, w = rows_of(1, weighted=weighted)
    found = tail(state_of(loss, w, kept=kept))
    order = np.argsort(-loss)
    nats, weight = np.cumsum((w * loss)[order]), np.cumsum(w[order])
    half = int(np.searchsorted(nats, nats[-1] / 2)) + 1
    inside = 1 if kept >= half else int((np.abs(loss - loss[order[half - 1]]) < 0.05 * loss[order[half - 1]]).sum()) + 2
    assert abs(found.half_rows - half) < inside
    assert found.half_share == pytest.approx(weight[half - 1] / weight[-1], rel=0.05)
    share = np.interp(0.01, np.append(0, weight) / weight[-1], np.append(0, nats) / nats[-1])
    assert found.top_percent == pytest.approx(share, rel=0.01 if kept < 100 else 1e-9)


@pytest.mark.parametrize("kept", [0, 10, 300])
def test_every_point_of_the_curve_is_a_number_of_dearest_rows(kept):
    loss, w = rows_of(2, weighted=True)
    found = tail(state_of(loss, w, kept=kept))
    order = np.argsort(-loss)
    nats, weight = np.append(0, np.cumsum((w * loss)[order])), np.append(0, np.cumsum(w[order]))
    assert 60 < len(found.lorenz) <= 101
    assert found.lorenz[0] == (0.0, 0.0) and found.lorenz[-1] == pytest.approx((1.0, 1.0))
    for x, y in found.lorenz:
        k = int(np.argmin(np.abs(weight / weight[-1] - x)))
        assert x == pytest.approx(weight[k] / weight[-1], abs=1e-12)
        assert y == pytest.approx(nats[k] / nats[-1], abs=1e-12)
    slopes = np.diff(np.array(found.lorenz), axis=0)
    assert (slopes >= 0).all()
    assert (np.diff(slopes[:, 1] / slopes[:, 0]) < 1e-9).all()  # dearest first: concave


def test_rows_kept_one_by_one_are_points_one_by_one():
    loss = np.append(np.full(1000, 0.01), [50.0, 30.0, 20.0])
    found = tail(state_of(loss))
    assert [round(y * loss.sum(), 9) for _, y in found.lorenz[1:4]] == [50.0, 80.0, 100.0]
    assert found.half_rows == 2


@pytest.mark.parametrize("weighted", [False, True])
def test_ten_rows_of_the_variance(weighted):
    loss, w = rows_of(3, weighted=weighted)
    squares = (w * (loss - np.average(loss, weights=w))) ** 2
    ten = np.argsort(-loss)[:10]
    assert tail(state_of(loss, w)).variance_top10 == pytest.approx(squares[ten].sum() / squares.sum(), rel=1e-9)
    assert tail(state_of(loss, w, kept=9)).variance_top10 is None
    assert tail(state_of(np.full(50, 0.1))).variance_top10 is None


def test_the_histogram_is_a_histogram():
    loss, w = rows_of(4, weighted=True)
    expected = np.random.default_rng(0).uniform(size=len(EDGES) - 1)
    bins = tail(state_of(loss, w, expected=expected)).histogram
    bits = loss / math.log(2)
    assert len(bins) <= 80
    assert sum(b.rows for b in bins) == len(loss)
    assert math.fsum(b.nats for b in bins) == pytest.approx(float(w @ loss), rel=1e-12)
    for b, c in pairwise(bins):
        assert b.high == c.low
    for b in bins:
        inside = (bits >= b.low) & (bits < b.high)
        assert b.rows == inside.sum()
        whole = expected[(EDGES[:-1] >= b.low) & (EDGES[1:] <= b.high)].sum()
        mean = w[inside].mean() if b.rows else w.mean()
        assert b.expected == pytest.approx(whole / mean)  # rows: weight is in the same ratio


def test_infinite_rows_are_left_out():
    loss, _ = rows_of(5)
    lost = np.append(loss, [math.inf] * 3)
    with_them, without = tail(state_of(lost, kept=13)), tail(state_of(loss))
    assert with_them == without


def test_rows_that_cost_nothing_have_no_tail():
    found = tail(state_of(np.zeros(200)))
    assert (found.half_rows, found.half_share, found.top_percent, found.variance_top10) == (None, None, None, None)
    assert all(x == y for x, y in found.lorenz)
    everything_lost = tail(state_of(np.full(5, math.inf)))
    assert everything_lost.lorenz == () and everything_lost.histogram == ()


@pytest.mark.parametrize("n", [1, 2, 99])
def test_few_rows(n):
    found = tail(state_of(np.arange(1.0, n + 1)))
    assert found.top_percent is None
    assert found.half_rows >= 1 and found.lorenz[-1] == pytest.approx((1.0, 1.0))


def test_the_tail_of_predictions_is_that_of_their_losses():
    rng = np.random.default_rng(6)
    p = rng.beta(0.5, 0.5, 20000)
    y = (rng.uniform(size=20000) < p).astype(int)
    p[0], y[0] = 0.0, 1
    with np.errstate(divide="ignore"):
        loss = -np.where(y == 1, np.log(p), np.log1p(-p))
    state = gather(targets=y, probs=p, analyse=True, rows=30)
    found, plain = tail(state), tail(state_of(loss, kept=30))
    assert found.half_rows == plain.half_rows and found.half_share == pytest.approx(plain.half_share, rel=1e-9)
    assert found.top_percent == pytest.approx(plain.top_percent, rel=1e-6)
    assert found.variance_top10 == pytest.approx(plain.variance_top10, rel=1e-9)
    assert np.array(found.lorenz) == pytest.approx(np.array(plain.lorenz), rel=1e-6)
    for b in found.histogram:  # outcomes were drawn from the claims
        assert abs(b.rows - b.expected) < 5 * math.sqrt(b.expected) + 1
    for b in found.histogram:
        assert [type(x) for x in vars(b).values()] == [float, float, int, float, float]


def test_labels_are_cells():
    rng = np.random.default_rng(7)
    p = rng.beta(0.5, 0.5, (4000, 3))
    y = (rng.uniform(size=p.shape) < p).astype(int)
    loss = -np.where(y == 1, np.log(p), np.log1p(-p))
    found = tail(gather(targets=y, probs=p, analyse=True))
    cells, rows = np.sort(loss.ravel())[::-1], loss.mean(axis=1)
    half = int(np.searchsorted(np.cumsum(cells), cells.sum() / 2)) + 1
    assert found.half_rows == pytest.approx(half, rel=0.01)
    assert found.half_share == pytest.approx(half / cells.size, rel=0.01)
    squares = np.sort((rows - rows.mean()) ** 2 * (rows > rows.mean()))[::-1]
    assert found.variance_top10 == pytest.approx(squares[:10].sum() / ((rows - rows.mean()) ** 2).sum(), rel=1e-9)
