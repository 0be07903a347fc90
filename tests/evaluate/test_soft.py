"""Soft labels: what one-hot rows, rows split into cases, and mpmath say of them."""

import dataclasses
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xent
from xent.evaluate.door import finish, gather
from xent.evaluate.state.state import State
from xent.evaluate.tally import Rules, Tally

RULES = Rules(tolerance=1e-6)
KINDS = ["binary", "binary logits", "classes", "class logits", "labels", "label logits"]


def problem(kind, n=300, seed=0, k=4):
    """(q, x, weight): some labels whole, some entries 0, predictions from timid to all but certain."""
    rng = np.random.default_rng(seed)
    weight = rng.random(n) * (rng.random(n) > 0.1)
    if kind.startswith("binary"):
        q = np.where(rng.random(n) < 0.3, rng.integers(0, 2, n), rng.random(n))
        z = rng.normal(size=n) * 5
    else:
        q, z = rng.random((n, k)) * (rng.random((n, k)) > 0.3), rng.normal(size=(n, k)) * 5
        if kind.startswith("class"):
            q = q + 1e-9 * (q.sum(1, keepdims=True) == 0)
            q /= q.sum(1, keepdims=True)
    if "logits" in kind:
        return q, z, weight
    if kind == "classes":
        e = np.exp(z - z.max(1, keepdims=True))
        return q, e / e.sum(1, keepdims=True), weight
    return q, 1 / (1 + np.exp(-z)), weight


def options(kind, q, x, weight=None):
    several = {"classes": "multiclass", "class logits": "multiclass"}.get(kind)
    several = several or ("multilabel" if kind.startswith("label") else None)
    found = {"targets": q, "logits" if "logits" in kind else "probs": x, "soft": True, "kind": several}
    return found | ({} if weight is None else {"sample_weight": weight})


def costs(kind, x):
    """-log p of every class (binary and labels: no, yes on the last axis), by mpmath, as exact as it gets."""
    with mpmath.workdps(40):
        if kind.startswith("class"):
            rows = [[mpmath.mpf(float(v)) for v in row] for row in x]
            if "logits" in kind:
                return [[mpmath.log(sum(mpmath.exp(o) for o in row)) - v for v in row] for row in rows]
            return [[-mpmath.log(v) for v in row] for row in rows]
        rows = [[mpmath.mpf(float(v)) for v in row] for row in np.reshape(x, (len(x), -1))]
        if "logits" in kind:
            return [[(mpmath.log1p(mpmath.exp(v)), mpmath.log1p(mpmath.exp(-v))) for v in row] for row in rows]
        return [[(-mpmath.log1p(-v), -mpmath.log(v)) for v in row] for row in rows]


def by_hand(kind, q, x, weight):
    """(cross-entropy, entropy of the labels) as mpmath numbers."""
    with mpmath.workdps(40):
        loss = entropy = whole = mpmath.mpf(0)
        for row, shares, w in zip(costs(kind, x), np.reshape(q, (len(q), -1)), weight, strict=True):
            if kind.startswith("class"):
                cases = list(zip(row, [mpmath.mpf(float(s)) for s in shares], strict=True))
                own = sum(s for _, s in cases)
            else:
                both = [(c, (1 - mpmath.mpf(float(s)), mpmath.mpf(float(s)))) for c, s in zip(row, shares, strict=True)]
                cases = [case for c, s in both for case in zip(c, s, strict=True)]
                own = len(both)
            w = mpmath.mpf(float(w))
            loss += w * sum(c * s for c, s in cases if s)
            entropy -= w * sum(s * mpmath.log(s) for _, s in cases if s)
            whole += w * own
        return loss / whole, entropy / whole


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_and_its_parts_against_mpmath(kind, weighted):
    q, x, weight = problem(kind, 120)
    loss, entropy = by_hand(kind, q, x, weight if weighted else np.ones(len(x)))
    score = xent.score(**options(kind, q, x, weight if weighted else None), analyse=True)
    soft = score.analysis.soft
    assert soft.cross_entropy == score.log_loss == pytest.approx(float(loss), rel=2e-15)
    assert soft.entropy == score.label_entropy == pytest.approx(float(entropy), rel=2e-15)
    assert soft.divergence == pytest.approx(float(loss - entropy), rel=2e-14)
    assert soft.entropy + soft.divergence == pytest.approx(soft.cross_entropy, rel=2.3e-16)


@pytest.mark.parametrize("kind", ["binary", "classes", "labels"])
def test_the_labels_themselves_are_at_no_distance(kind):
    q, _, weight = problem(kind)
    score = xent.score(**options(kind, q, q, weight), analyse=True)
    assert score.analysis.soft.divergence == 0.0 and score.log_loss == score.label_entropy > 0
    assert abs(score.gap) < 1e-15


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_whole_labels_are_hard_ones(kind, weighted):
    q, x, weight = problem(kind)
    hard = q.argmax(1) if kind.startswith("class") else (q >= 0.5).astype(int)
    one_hot = np.eye(4)[hard] if kind.startswith("class") else hard.astype(float)
    given = options(kind, one_hot, x, weight if weighted else None)
    soft, plain = xent.score(**given, floor=1e-3), xent.score(**{**given, "targets": hard, "soft": None}, floor=1e-3)
    assert soft.label_entropy == 0.0 and plain.label_entropy is None
    for name in dataclasses.asdict(plain):
        if name in ("label_entropy", "notes", "by_class", "compat", "dearest"):
            continue
        mine, theirs = getattr(soft, name), getattr(plain, name)
        assert mine == (pytest.approx(theirs, rel=1e-12, abs=1e-15) if isinstance(theirs, float) else theirs), name
    assert soft.compat == dataclasses.replace(
        plain.compat, log_loss=soft.compat.log_loss, nats_changed=soft.compat.nats_changed
    )
    assert soft.compat.log_loss == pytest.approx(plain.compat.log_loss, rel=1e-13)
    assert [row.row for row in soft.dearest] == [row.row for row in plain.dearest]
    for mine, theirs in zip(soft.by_class, plain.by_class, strict=True):
        for name in ("rows", "positive", "infinite", "name"):
            assert getattr(mine, name) == getattr(theirs, name), name
        for name in ("log_loss", "standard_error", "share", "excess", "entropy", "weight"):
            assert getattr(mine, name) == pytest.approx(getattr(theirs, name), rel=1e-12, abs=1e-15), name


@pytest.mark.parametrize("kind", ["binary", "binary logits", "classes", "class logits"])
def test_a_soft_row_is_its_cases_and_its_interval_is_of_rows(kind):
    """Each row as K hard rows of weight w q_k: everything but the error is the same; the error is that of row means."""
    q, x, weight = problem(kind)
    shares = np.stack([1 - q, q], 1) if kind.startswith("binary") else q
    soft = xent.score(**options(kind, q, x, weight))
    ids = np.tile(np.arange(shares.shape[1]), len(x))
    cases = xent.score(
        **{**options(kind, ids, np.repeat(x, shares.shape[1], 0)), "soft": None},
        sample_weight=(shares * weight[:, None]).ravel(),
    )
    for name in ("log_loss", "baseline", "entropy", "gap", "accuracy", "top1", "ranking", "explained"):
        mine, theirs = getattr(soft, name), getattr(cases, name)
        assert mine == (theirs if theirs is None else pytest.approx(theirs, rel=1e-12)), name
    for mine, theirs in zip(soft.by_class, cases.by_class, strict=True):
        assert mine.log_loss == pytest.approx(theirs.log_loss, rel=1e-13)
        assert mine.standard_error == pytest.approx(theirs.standard_error, rel=1e-10)
    loss = np.array([float(sum(c * s for c, s in zip(np.ravel(row), own, strict=True) if s)) for row, own in
                     zip(costs(kind, x), shares, strict=True)])  # fmt: skip
    mean = np.average(loss, weights=weight)
    assert soft.log_loss == pytest.approx(mean, rel=1e-13)
    error = math.sqrt(((weight * (loss - mean)) ** 2).sum()) / weight.sum()
    assert soft.standard_error == pytest.approx(error, rel=1e-12)
    assert soft.rows == (weight > 0).sum() and soft.weightless_rows == (weight == 0).sum()
    assert [row.row for row in soft.dearest] == list(np.argsort(-np.where(weight > 0, loss, -1), kind="stable")[:10])


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(size=st.integers(1, 300), seed=st.integers(0, 99))
def test_batches_and_order_never_change_a_bit(kind, size, seed):
    q, x, weight = problem(kind)
    order = np.random.default_rng(seed).permutation(len(x))
    whole = xent.score(**options(kind, q, x, weight))
    mixed = xent.score(**options(kind, q[order], x[order], weight[order]), batch_rows=size)
    unlike = ("dearest",)
    assert [repr(getattr(mixed, f.name)) for f in dataclasses.fields(whole) if f.name not in unlike] == [
        repr(getattr(whole, f.name)) for f in dataclasses.fields(whole) if f.name not in unlike
    ]


@pytest.mark.parametrize("many", [False, True])
def test_a_soft_tally_is_a_monoid(many):
    q, x, weight = problem("labels" if many else "classes")

    def tally(rows):
        found = Tally.empty(4, multilabel=many, soft=True)
        found.add(*(np.ascontiguousarray(a[rows]) for a in (x, q, weight)), logits=False, rules=RULES)
        return found

    whole = tally(slice(None))
    parts = [tally(slice(a, b)) for a, b in ((0, 10), (10, 11), (11, 300))]
    left, right = parts[0].merge(parts[1]).merge(parts[2]), parts[2].merge(parts[1].merge(parts[0]))
    for merged in (left, right, whole.merge(Tally.empty(4, multilabel=many, soft=True))):
        assert (merged.sums == whole.sums).all() and (merged.counts == whole.counts).all() and merged.soft
    with pytest.raises(ValueError, match="same problem"):
        whole.merge(Tally.empty(4, multilabel=many, weighted=True))


def test_saved_states_of_parts_merge_to_the_whole(tmp_path):
    q, x, weight = problem("classes", n=90)

    def gathered(rows):
        given = options("classes", q[rows], x[rows], weight[rows])
        return gather({"targets": given.pop("targets"), "probs": given.pop("probs"), "w": given.pop("sample_weight")},
                      **given, sample_weight="w", analyse=True, slices="none", rows=0)  # fmt: skip

    gathered(slice(0, 20)).save(tmp_path / "a.xent")
    merged = gathered(slice(20, 90)).merge(State.load(tmp_path / "a.xent"))
    whole, both = finish(gathered(slice(0, 90))), finish(merged)
    assert both.analysis.soft == whole.analysis.soft is not None
    for name in ("log_loss", "standard_error", "label_entropy", "by_class", "rows", "z"):
        assert getattr(both, name) == getattr(whole, name), name


@pytest.mark.parametrize("kind", ["binary", "classes"])
def test_slices_and_the_tail_count_a_row_once(kind):
    """Whole labels given as soft ones: the group of rows in the tally and those of its cases are not added up."""
    q, x, weight = problem(kind)
    hard = np.argmax(q, axis=-1) if kind == "classes" else (q > 0.5).astype(int)
    table = {"x": x, "w": weight, "g": np.arange(len(x)) % 3}
    asked = {"probs": "x", "sample_weight": "w", "by": "g", "slices": "none", "targets": "t"}
    whole = np.eye(4)[hard] if kind == "classes" else hard.astype(float)
    a = xent.score(table | {"t": hard}, **asked).analysis
    b = xent.score(table | {"t": whole}, soft=True, kind="multiclass" if kind == "classes" else None, **asked).analysis
    assert b.tail.variance_top10 == pytest.approx(a.tail.variance_top10, rel=1e-9)
    for one, other in zip(a.slices.given, b.slices.given, strict=True):
        for name in ("rows", "weight", "share", "excess", "difference", "standard_error", "p_value"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-9), name


def test_zero_where_the_label_gives_something_is_infinite_and_nothing_elsewhere():
    x = [[0.0, 1.0, 0.0], [0.5, 0.5, 0.0], [0.2, 0.3, 0.5]]
    q = [[0.0, 1.0, 0.0], [0.5, 0.25, 0.25], [0.2, 0.3, 0.5]]
    score = xent.score(targets=q, probs=x, analyse=True)
    assert (score.log_loss, score.infinite, score.analysis.soft.divergence) == (math.inf, 1, math.inf)
    assert score.dearest[0].row == 1 and score.by_class[2].infinite == 1 and score.by_class[0].infinite == 0
    last = -sum(s * math.log(s) for s in q[2])
    assert score.finite_mean == pytest.approx(last / 2)
    assert score.finite_part == pytest.approx((last + 0.75 * math.log(2)) / 3)
    binary = xent.score(targets=[0.5, 0.0], probs=[1.0, 0.0])
    assert (binary.infinite, binary.finite_mean) == (1, 0.0)
    labels = xent.score(targets=[[0.5, 0.2]], probs=[[1.0, 0.2]], kind="multilabel")
    assert (labels.infinite, labels.infinite_cells) == (1, 1)


def test_ten_annotators_by_construction():
    """Labels as CIFAR-10H has them, shares of votes: the parts are those of the votes."""
    rng = np.random.default_rng(6)
    q = rng.multinomial(51, rng.dirichlet(np.full(10, 0.1), 500)) / 51
    p = (q + 0.05) / 1.5
    score = xent.score(targets=q, probs=p, analyse=True)
    assert score.kind == "multiclass" and any("soft" in note for note in score.notes)
    entropy = -np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0).sum(1)
    assert score.label_entropy == pytest.approx(entropy.mean(), rel=1e-13)
    assert score.log_loss == pytest.approx(-(q * np.log(p)).sum(1).mean(), rel=1e-13)
    mean = q.mean(0)
    assert score.baseline == pytest.approx(-(mean * np.log(mean)).sum(), rel=1e-12)
    assert score.analysis.decompositions == () and score.analysis.ladder is None
    divided = (q * np.log(np.where(q > 0, q, 1) / p)).sum(1)
    assert score.analysis.soft.divergence == pytest.approx(divided.mean(), rel=1e-12)
