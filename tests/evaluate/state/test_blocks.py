"""Rows by score: exact while there is room, a grid beyond, and the same bytes either way round."""

from collections import Counter

import numpy as np
import pytest
from batches import assert_a_monoid, content, fed, hostile, judged
from hypothesis import given, settings
from hypothesis import strategies as st

from xent.evaluate.state import blocks
from xent.evaluate.state.blocks import Blocks, room_of
from xent.evaluate.state.rows import FOLDS

CASES = [(kind, logits) for kind in ("binary", "multilabel", "multiclass") for logits in (False, True)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
@pytest.mark.parametrize("room", [16, 128, 1 << 16])
@settings(max_examples=3)
@given(cuts=st.lists(st.integers(0, 400), max_size=6), seed=st.integers(0, 99))
def test_a_monoid_on_both_sides_of_the_switch(kind, logits, weighted, room, cuts, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROOM", room)
        patch.setattr(blocks, "LEAST_ROOM", min(room, 64))
        assert_a_monoid(Blocks, *hostile(kind, logits=logits, weighted=weighted), cuts, seed)


@settings(max_examples=20)
@given(distinct=st.integers(1, 40), cuts=st.lists(st.integers(0, 200), max_size=5), seed=st.integers(0, 99))
def test_the_switch_comes_with_one_score_too_many(distinct, cuts, seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([np.arange(distinct), rng.integers(0, distinct, 200 - distinct)]) / 64
    problem, rows = judged("binary", x, rng.integers(0, 2, 200), logits=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "ROOM", 16)
        patch.setattr(blocks, "LEAST_ROOM", 16)
        found = assert_a_monoid(Blocks, problem, rows, cuts, seed)
    assert found.scores(0).exact == (distinct <= 16)
    assert found.scores(0).n.sum() == 200


def counted(score, rows, yes):
    keys = zip((rows.bucket % FOLDS).tolist(), yes.tolist(), (score + 0.0).tolist(), strict=True)
    return Counter(keys)


def problems(problem, rows):
    """(score, outcome) of every yes/no problem."""
    if problem.kind == "multiclass":
        return [(rows.margin, (rows.best == rows.target).astype(int))]
    target = rows.target.reshape(len(rows.loss), -1)
    return [(rows.x[:, j].astype(np.float64), target[:, j]) for j in range(rows.x.shape[1])]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("kind", "logits"), CASES)
def test_exact_scores_are_counted_one_by_one(kind, logits, weighted):
    problem, rows = hostile(kind, logits=logits, weighted=weighted)
    found = fed(Blocks, problem, rows)
    assert found.problems == (3 if kind == "multilabel" else 1)
    for i, (score, yes) in enumerate(problems(problem, rows)):
        scores = found.scores(i)
        assert scores.exact and (np.diff(scores.z) >= 0).all() and (np.diff(scores.p) >= 0).all()
        own = scores.z if kind == "multiclass" or logits else scores.p
        assert own.tolist() == sorted(set((score + 0.0).tolist()))  # one ulp apart is two scores, -0 is 0
        assert (scores.low == scores.z).all() and (scores.high == scores.z).all()
        counts = counted(score, rows, yes)
        for (fold, outcome, value), count in counts.items():
            assert scores.n[fold, outcome, np.searchsorted(own, value)] == count
        assert scores.n.sum() == len(score)
        if not weighted:
            assert (scores.w == scores.n).all() and (scores.w2 == scores.n).all()
            continue
        at = np.searchsorted(own, score)
        for name, terms in (("w", rows.weight), ("w2", rows.weight**2)):
            sums = np.zeros(scores.n.shape, np.longdouble)
            np.add.at(sums, (rows.bucket % FOLDS, yes, at), terms.astype(np.longdouble))
            assert getattr(scores, name) == pytest.approx(sums.astype(np.float64), rel=1e-14, abs=1e-35)


@pytest.mark.parametrize(("kind", "logits"), CASES)
def test_cells_of_the_grid_hold_their_scores(kind, logits, monkeypatch):
    monkeypatch.setattr(blocks, "ROOM", 64)
    problem, rows = hostile(kind, logits=logits)
    found = fed(Blocks, problem, rows)
    for i, (_, yes) in enumerate(problems(problem, rows)):
        scores = found.scores(i)
        margin = rows.margin if rows.margin.ndim == 1 else rows.margin[:, i]
        assert not scores.exact and scores.n.sum() == len(margin)
        inner = (np.abs(scores.low) <= 32) & (np.abs(scores.high) <= 32)
        assert scores.high[inner] - scores.low[inner] == pytest.approx(1.0)
        assert (scores.low <= scores.z).all() and (scores.z <= scores.high).all()
        assert (scores.high[:-1] <= scores.low[1:]).all() and (np.diff(scores.p) >= 0).all()
        for cell, (low, high) in enumerate(zip(scores.low, scores.high, strict=True)):
            on = (margin == low) if low == high else (margin >= low) & (margin < high) & np.isfinite(margin)
            for outcome in (0, 1):
                counts = np.bincount(rows.bucket[on & (yes == outcome)] % FOLDS, minlength=FOLDS)
                assert (scores.n[:, outcome, cell] == counts).all()
        assert (scores.p[np.isposinf(scores.z)] == 1).all() and (scores.p[np.isneginf(scores.z)] == 0).all()


def test_a_grid_is_as_fine_as_said():
    rng = np.random.default_rng(0)
    p = rng.random(100_000)
    found = fed(Blocks, *judged("binary", p, rng.integers(0, 2, len(p)), logits=False)).scores(0)
    assert not found.exact and found.n.sum() == len(p)
    assert found.high - found.low == pytest.approx(1 / 1024)
    logit = np.log(p) - np.log1p(-p)
    assert np.repeat(found.z, found.n.sum((0, 1))) == pytest.approx(np.sort(logit), abs=1 / 2048 + 1e-12)


def test_stored_probabilities_are_claimed_as_they_are():
    p = np.array([0.1, 0.7, 1 / 3], np.float32)
    found = fed(Blocks, *judged("binary", p, np.ones(3), logits=False)).scores(0)
    assert found.p.tolist() == sorted(p.astype(np.float64).tolist())


def test_many_labels_share_the_room():
    assert [room_of(labels) for labels in (1, 16, 17, 80, 1024, 16384)] == [65536, 65536, 32768, 8192, 1024, 64]
    rng = np.random.default_rng(0)
    problem, rows = judged("multilabel", rng.random((300, 600)), rng.integers(0, 2, (300, 600)), logits=False)
    found = fed(Blocks, problem, rows)
    assert found.problems == 600 and all(found.scores(i).exact for i in (0, 599))
    assert content(found) == content(fed(Blocks, problem, rows.take(np.arange(300)[::-1])))
