"""What the tally tells of every row, and -log p of every class, against extended precision; bits know no batches."""

import numpy as np
import pytest
from batches import hostile, judged, softmax
from hypothesis import given
from hypothesis import strategies as st

from xent.evaluate.tally import Details, Rules, Tally

CASES = [(kind, logits) for kind in ("binary", "multilabel", "multiclass") for logits in (False, True)]
NAMES = ("entropy", "variance", "margin", "best")
RULES = Rules(1e-5)


def claims(rows):
    """-log p of all classes of every problem, longdouble [problems, rows, classes], and the logits of yes."""
    if rows.x.shape[1] > 1 and rows.best is not None:
        z = rows.x.astype(np.longdouble)
        if not rows.logits:
            with np.errstate(divide="ignore"):
                return -np.log(z)[None]
        sure = np.isposinf(z).any(1)
        z[sure] = np.where(np.isposinf(z[sure]), 0, -np.inf)
        below = z.max(1, keepdims=True) - z
        others = np.exp(-below)
        others[np.arange(len(z)), z.argmax(1)] = 0
        return (below + np.log1p(others.sum(1, keepdims=True)))[None]
    x = rows.x.T.astype(np.longdouble)
    with np.errstate(divide="ignore", over="ignore"):
        if not rows.logits:
            return np.stack([-np.log1p(-x), -np.log(x)], -1)
        return np.stack([np.logaddexp(0, x), np.logaddexp(0, -x)], -1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
def test_entropy_and_variance_of_the_loss_and_the_favourite(kind, logits, weighted):
    _, rows = hostile(kind, logits=logits, weighted=weighted)
    cost = claims(rows)
    p = np.exp(-cost)
    cost = np.where(p > 0, cost, 0)
    entropy = (p * cost).sum(-1)
    variance = (p * (cost - entropy[..., None]) ** 2).sum(-1)
    problems = len(cost)
    assert rows.entropy == pytest.approx((entropy.sum(0) / problems).astype(float), rel=1e-12, abs=1e-30)
    assert rows.variance == pytest.approx((variance.sum(0) / problems**2).astype(float), rel=1e-9, abs=1e-16)
    if kind == "multiclass":
        stored = np.where(np.isnan(rows.x), -np.inf, rows.x)
        assert (rows.best == stored.argmax(1)).all()  # the first of equals
        others = p[0].copy()
        others[np.arange(len(others)), rows.best] = 0
        with np.errstate(divide="ignore"):
            margin = -claims(rows)[0][np.arange(len(others)), rows.best] - np.log(others.sum(1))
        sharp = others.sum(1) < 1e-300  # beyond float64's normal numbers digits are lost
        assert (rows.margin[sharp] > 690).all()
        assert rows.margin[~sharp] == pytest.approx(margin[~sharp].astype(float), rel=1e-13, abs=1e-14)
        return
    assert rows.best is None
    with np.errstate(divide="ignore"):
        x = rows.x.astype(np.longdouble)
        margin = x if logits else np.log(x) - np.log1p(-x)
    assert rows.margin.reshape(x.shape) == pytest.approx(margin.astype(float), rel=1e-14, abs=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
@given(cut=st.integers(0, 400))
def test_bits_do_not_depend_on_the_batch_nor_on_being_asked(kind, logits, weighted, cut):
    problem, rows = hostile(kind, logits=logits, weighted=weighted)
    whole = Tally.empty(max(problem.width, 2), multilabel=kind == "multilabel", weighted=weighted)
    parts, silent = (Tally.empty(whole.classes, multilabel=whole.multilabel, weighted=weighted) for _ in range(2))
    silent.add(rows.x, rows.target, rows.weight, logits=logits, rules=RULES)
    found = []
    for piece in (rows.take(np.arange(cut)), rows.take(np.arange(cut, 400))):
        details = Details.room(len(piece.loss), problem.width, multilabel=kind == "multilabel")
        loss = parts.add(piece.x, piece.target, piece.weight, logits=logits, rules=RULES, details=details)
        found.append((loss, *(getattr(details, name) for name in NAMES)))
    for name, *pieces in zip(("loss", *NAMES), *found, strict=True):
        wanted = getattr(rows, name)
        assert wanted is None or np.concatenate(pieces).tobytes() == wanted.tobytes()
    assert (parts.sums == silent.sums).all() and (parts.counts == silent.counts).all()


def test_wide_rows_and_columns_of_any_layout():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(40, 700)).astype(np.float32) * 9
    target = rng.integers(0, 700, 40)
    _, straight = judged("multiclass", z, target, logits=True)
    _, turned = judged("multiclass", np.asfortranarray(z), target, logits=True)
    for name in ("loss", *NAMES):
        assert (getattr(straight, name) == getattr(turned, name)).all()
    p = softmax(z)
    favourite = p[np.arange(40), straight.best]
    assert 1 / (1 + np.exp(-straight.margin)) == pytest.approx(favourite, rel=1e-12)
