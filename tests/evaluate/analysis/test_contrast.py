"""A slice against the whole it is part of, against formulas written out row by row."""

import math

import numpy as np
import pytest

from xent.evaluate.analysis.contrast import adjusted
from xent.evaluate.analysis.half import Half
from xent.evaluate.analysis.levels import levels


def brute(loss, w, inside, cluster=None):
    """D, its linearised error, and the error under no difference, from every row's influence."""
    m, own = np.average(loss, weights=w), np.average(loss[inside], weights=w[inside])
    psi = inside * w * (loss - own) / w[inside].sum() - w * (loss - m) / w.sum()
    r = w * (loss - m)
    alike = w * (inside / w[inside].sum() - 1 / w.sum())
    null = math.sqrt((alike**2).sum() * (r**2).sum() / (w**2).sum())
    if cluster is not None:
        sums = np.bincount(cluster, psi)
        many = len(np.unique(cluster))
        return own - m, math.sqrt(many / (many - 1) * (sums**2).sum()), null
    k = min(inside.sum(), (~inside).sum())
    return own - m, math.sqrt(k / (k - 1) * (psi**2).sum()), null


def rows_of(seed, weighted, n=3000):
    rng = np.random.default_rng(seed)
    return rng, rng.lognormal(size=n), rng.uniform(0.2, 3, n) if weighted else np.ones(n)


@pytest.mark.parametrize("weighted", [False, True])
def test_error_and_difference_are_those_of_every_rows_influence(weighted):
    rng, loss, w = rows_of(0, weighted)
    code = rng.choice(5, len(loss), p=[0.6, 0.3, 0.09, 0.0, 0.01])
    half = Half.of(loss, w, (code,), None)
    found = half.contrast(code, half.sums(code, 5), np.ones(5, bool))
    for k in (0, 1, 2, 4):
        d, error, null = brute(loss, w, code == k)
        assert found.difference[k] == pytest.approx(d, rel=1e-9)
        assert found.error[k] == pytest.approx(error, rel=1e-9)
        assert found.under_null[k] == pytest.approx(null, rel=1e-9)
    assert math.isinf(found.error[3]) and found.p_value[3] == 1.0


@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_are_judged_by_their_sums(weighted):
    rng, loss, w = rows_of(1, weighted)
    cluster = rng.integers(0, 40, len(loss))
    loss = loss + 3.0 * rng.uniform(size=40)[cluster]  # alike within clusters
    code = (cluster % 3 + rng.integers(0, 2, len(loss))) % 4
    half = Half.of(loss, w, (code,), cluster)
    found = half.by_cluster(code, half.contrast(code, half.sums(code, 4), np.ones(4, bool)), np.ones(4, bool))
    for k in range(4):
        _, error, _ = brute(loss, w, code == k, cluster)
        _, alone, _ = brute(loss, w, code == k)
        assert found.error[k] == pytest.approx(max(error, alone), rel=1e-9)
        assert found.freedom[k] == len(np.unique(cluster[code == k])) - 1


def test_the_error_is_that_of_many_samples():
    """The slice is part of the whole, and how many rows it has is chance, too."""
    rng = np.random.default_rng(3)
    seen = []
    for _ in range(3000):
        inside = rng.uniform(size=400) < 0.4
        loss = rng.gamma(1.0, np.where(inside, 2.0, 1.0))
        half = Half.of(loss, np.ones(400), (), None)
        found = half.of_mask(inside)
        seen.append((found.difference[0], found.error[0]))
    d, error = np.array(seen).T
    assert error.mean() == pytest.approx(d.std(), rel=0.05)  # 4 errors of a standard deviation from 3000


def test_a_cheap_slice_without_dear_rows_is_no_more_certain_than_chance():
    """p-values of slices of skewed losses, chosen by chance: no more small ones than there may be."""
    rng = np.random.default_rng(4)
    small = 0
    for _ in range(300):
        loss = rng.lognormal(0, 1.5, 2000)
        code = rng.integers(0, 30, 2000)
        half = Half.of(loss, np.ones(2000), (code,), None)
        small += int((half.contrast(code, half.sums(code, 30), np.ones(30, bool)).p_value < 0.001).sum())
    assert small <= 0.001 * 9000 + 4 * math.sqrt(9)


def test_q_values_are_those_of_benjamini_and_hochberg():
    rng = np.random.default_rng(5)
    p = np.append(rng.uniform(size=90), rng.uniform(size=10) * 1e-3)
    for tried in (100, 250):
        everything = np.append(p, np.ones(tried - 100))
        q = adjusted(p, tried)
        for level in (0.01, 0.05, 0.2):
            ranked = np.sort(everything)
            passed = np.flatnonzero(ranked <= level * np.arange(1, tried + 1) / tried)
            found = 0 if not len(passed) else passed[-1] + 1
            assert (q <= level).sum() == found
    assert len(adjusted(np.zeros(0), 5)) == 0


def test_levels_of_text_keep_the_fifty_most_frequent():
    rng = np.random.default_rng(6)
    many = np.array([f"v{int(k)}" for k in rng.exponential(20, 5000)], object)
    found = levels("c", many)
    assert len(found.labels) == 51 and found.labels[-1] == "(other)"
    _, counts = np.unique(many, return_counts=True)
    kept = [np.count_nonzero(found.codes == k) for k in range(50)]
    assert min(kept) >= np.sort(counts)[-50]
    for k in range(50):
        assert set(many[found.codes == k]) == {found.labels[k]}


@pytest.mark.parametrize("name", ["lognormal", "zeros", "top", "few", "near"])
def test_levels_of_numbers_are_eighths_without_splitting_a_value(name):
    rng = np.random.default_rng(7)
    x = {
        "lognormal": rng.lognormal(size=4000), "zeros": rng.lognormal(size=4000) * (rng.uniform(size=4000) < 0.3),
        "top": np.minimum(rng.lognormal(size=4000), 0.2), "few": rng.integers(0, 9, 4000).astype(float),
        "near": 1e6 + rng.uniform(size=4000) * 1e-3,
    }[name]  # fmt: skip
    x[:100] = np.nan
    found = levels("c", x)
    assert len(set(found.labels)) == len(found.labels) and found.labels[-1] == "(none)"
    assert (found.codes[:100] == len(found.labels) - 1).all() and (found.codes[100:] < len(found.labels) - 1).all()
    order = np.argsort(x[100:], kind="stable")
    assert (np.diff(found.codes[100:][order]) >= 0).all()
    values, at = np.unique(x[100:], return_inverse=True)
    assert all(len(np.unique(found.codes[100:][at == k])) == 1 for k in range(0, len(values), 97))
    sizes = np.bincount(found.codes[100:])
    assert (sizes > 0).all()
    if name in ("lognormal", "near"):
        assert len(sizes) == 8 and sizes.max() - sizes.min() <= 2
    if name == "zeros":
        assert sizes[0] == np.count_nonzero(x[100:] == 0)


def test_columns_that_tell_nothing_apart_are_none():
    assert levels("c", np.full(10, 3.0)) is None
    assert levels("c", np.array(["a"] * 10, object)) is None
    assert levels("c", np.full(10, np.nan)) is None


def test_moments_are_named_as_such():
    day = 86_400_000_000.0
    found = levels("c", np.array([0.0, 365 * day, 0.0, np.nan]), moment=True)
    assert found.labels == ("1970-01-01", "1971-01-01", "(none)")


def test_a_half_in_parts_is_the_rows_taken_alone():
    rng, loss, w = rows_of(8, True)
    half = Half.of(loss, w, (), rng.integers(0, 9, len(loss)))
    some = rng.uniform(size=len(loss)) < 0.5
    part = half.part(some)
    assert part.mean == pytest.approx(np.average(loss[some], weights=w[some]))
    assert part.whole.n == some.sum() and len(part.every.w) == 9
