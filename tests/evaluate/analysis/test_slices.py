"""Slices: given ones against their rows; what is planted is found and confirmed; where nothing is, nothing is."""

import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from xent.evaluate.analysis.slices import chooses, slices
from xent.evaluate.door import gather


def state_of(loss, columns, *, cluster=None, weight=None, best=None, by=()):
    """A state with a sample of all its rows."""
    rng = np.random.default_rng(11)
    n = len(loss)
    sample = SimpleNamespace(
        loss=loss, weight=weight, key=rng.integers(0, 2**64, n, dtype=np.uint64), columns=columns, seen=n,
        complete=True, best=best, bucket=rng.integers(0, 256, n).astype(np.int32) if cluster is None else cluster,
    )  # fmt: skip
    problem = SimpleNamespace(
        kind="binary" if best is None else "multiclass", classes=("cat", "dog", "owl"), sought=tuple(columns), by=by,
        cluster=None if cluster is None else "user", time=None, moments=(),
    )  # fmt: skip
    return SimpleNamespace(problem=problem, sample=sample, groups=None)


def columns_of(rng, n):
    return {
        "city": rng.choice(["Bonn", "Lima", "Oslo", "Rome"], n, p=[0.1, 0.2, 0.3, 0.4]).astype(object),
        "device": rng.choice([f"d{k}" for k in range(12)], n).astype(object),
        "age": rng.lognormal(3, 0.5, n),
        "visits": rng.integers(0, 5, n).astype(float),
    }


def found_in(state, seed=0):
    found = slices(state, 0.95, seed)
    return {s.where: s for s in found.found}, found


def test_a_slice_planted_in_one_column_is_found_confirmed_and_measured():
    rng = np.random.default_rng(0)
    columns = columns_of(rng, 20000)
    loss = rng.gamma(1.0, 0.3, 20000) * np.where(columns["city"] == "Bonn", 1.5, 1.0)
    slots, found = found_in(state_of(loss, columns))
    here = slots[(("city", "Bonn"),)]
    inside = columns["city"] == "Bonn"
    assert found.found[0] == here and len(found.found) == 1  # neither its mirror images nor its parts
    assert here.confirmed and here.q_value < 1e-6 and here.held_out_p < 1e-6
    assert here.rows == inside.sum() and here.log_loss == pytest.approx(loss[inside].mean(), rel=1e-12)
    assert here.difference == pytest.approx(loss[inside].mean() - loss.mean(), rel=1e-9)
    assert here.excess == pytest.approx((loss[inside] - loss.mean()).sum() / 20000, rel=1e-9)
    assert here.share == pytest.approx(loss[inside].sum() / loss.sum(), rel=1e-9)
    assert found.rows == 20000 and found.columns == tuple(columns) and found.tried > 100


@pytest.mark.parametrize("factor", [2.0, 0.4])
def test_a_pair_planted_is_found_and_not_its_levels(factor):
    rng = np.random.default_rng(1)
    columns = columns_of(rng, 30000)
    inside = (columns["city"] == "Rome") & (columns["visits"] == 3)
    loss = rng.gamma(1.0, 0.3, 30000) * np.where(inside, factor, 1.0)
    slots, found = found_in(state_of(loss, columns))
    pair = slots[(("city", "Rome"), ("visits", "3"))]
    assert pair.confirmed and (pair.excess > 0) == (factor > 1)
    assert set(slots) == {pair.where}, found.found


def test_two_main_effects_are_two_slices_not_their_crossing():
    rng = np.random.default_rng(2)
    columns = columns_of(rng, 30000)
    loss = rng.gamma(1.0, 0.3, 30000)
    loss += 0.2 * (columns["city"] == "Rome") + 0.15 * (columns["visits"] == 3)
    slots, _ = found_in(state_of(loss, columns))
    assert {(("city", "Rome"),), (("visits", "3"),)} <= set(slots)
    assert all(len(where) == 1 for where in slots)


def test_a_column_and_its_copy_are_one():
    rng = np.random.default_rng(3)
    columns = columns_of(rng, 8000)
    columns["town"] = np.array([f"code {c}" for c in columns["city"]], object)
    loss = rng.gamma(1.0, 0.3, 8000) * np.where(columns["city"] == "Bonn", 2.0, 1.0)
    slots, _ = found_in(state_of(loss, columns))
    assert set(slots) == {(("city", "Bonn"),)}


@pytest.mark.parametrize("case", ["skewed", "calibrated", "weighted", "clustered"])
def test_where_nothing_is_nothing_is_confirmed(case):
    """The false discovery rate bounds how often anything is found (0.05), the held-out half how often it is confirmed
    (one side of 0.05, of those): 0.00125 of these data sets."""
    sets = 150
    found = confirmed = 0
    for seed in range(sets):
        rng = np.random.default_rng(seed)
        n = 2500
        columns, weight, cluster = columns_of(rng, n), None, None
        loss = rng.lognormal(-1.5, 1.2, n)
        if case == "calibrated":
            p = rng.uniform(0.5, 0.99, n)
            loss = np.where(rng.uniform(size=n) < p, -np.log(p), -np.log1p(-p))
        if case == "weighted":
            weight = rng.uniform(0.1, 4.0, n)
        if case == "clustered":  # two columns belong to the cluster, as does much of the loss
            group = rng.integers(0, 150, n)
            cluster = rng.integers(0, 256, 150)[group].astype(np.int32)
            loss = rng.gamma(1.0, 0.3, n) + rng.gamma(1.0, 0.5, 150)[group]
            columns["city"] = rng.choice(["Bonn", "Lima", "Oslo"], 150)[group].astype(object)
            columns["age"] = rng.lognormal(size=150)[group]
        result = slices(state_of(loss, columns, cluster=cluster, weight=weight), 0.95, seed)
        assert result.tried > 20
        found += bool(result.found)
        confirmed += any(s.confirmed for s in result.found)
    assert found <= 0.05 * sets + 4 * math.sqrt(0.05 * 0.95 * sets)
    assert confirmed <= 2  # 2 or fewer of 150 at 0.00125: 0.999


def test_clusters_that_are_not_told_of_would_be_taken_for_slices():
    """The same data as independent rows: the test above can fail."""
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 60, 3000)
        columns = {"city": rng.choice(["Bonn", "Lima", "Oslo"], 60)[group].astype(object)}
        loss = rng.gamma(1.0, 0.3, 3000) + rng.gamma(1.0, 0.5, 60)[group]
        found += any(s.confirmed for s in slices(state_of(loss, columns), 0.95, 0).found)
    assert found > 10


def test_what_is_found_with_clusters_holds_for_new_clusters():
    rng = np.random.default_rng(4)
    group = rng.integers(0, 400, 20000)
    cluster = rng.integers(0, 256, 400)[group].astype(np.int32)
    columns = columns_of(rng, 20000)
    loss = rng.gamma(1.0, 0.3, 20000) + rng.gamma(1.0, 0.1, 400)[group] + 0.2 * (columns["city"] == "Bonn")
    slots, _ = found_in(state_of(loss, columns, cluster=cluster))
    assert slots[(("city", "Bonn"),)].confirmed


def test_halves_take_whole_clusters_and_follow_the_seed():
    rng = np.random.default_rng(5)
    key, cluster = rng.integers(0, 2**64, 5000, dtype=np.uint64), rng.integers(0, 256, 5000).astype(np.int32)
    every = np.ones(5000, bool)
    rows = chooses(key, None, every, 0)
    assert abs(rows.mean() - 0.5) < 0.03 and (rows != chooses(key, None, every, 1)).mean() > 0.4
    whole = chooses(key, cluster, every, 0)
    assert all(len(set(whole[cluster == b])) == 1 for b in range(256))
    assert len(np.unique(cluster[whole])) == 128
    assert (chooses(key[::-1], cluster[::-1], every, 0) == whole[::-1]).all()


def test_the_favourite_class_is_sought_in_and_infinite_rows_are_counted():
    rng = np.random.default_rng(6)
    columns, best = columns_of(rng, 10000), rng.integers(0, 3, 10000)
    loss = rng.gamma(1.0, 0.3, 10000) * np.where(best == 2, 2.0, 1.0)
    lost = rng.permutation(np.flatnonzero(best == 2))[:7]
    loss[lost] = math.inf
    slots, _ = found_in(state_of(loss, columns, best=best))
    here = slots[(("favourite", "owl"),)]
    on = np.isfinite(loss)
    assert here.infinite == 7 and here.log_loss == math.inf and here.rows == (best == 2).sum()
    assert here.difference == pytest.approx(loss[on & (best == 2)].mean() - loss[on].mean(), rel=1e-9)


def test_missing_values_are_a_value():
    rng = np.random.default_rng(7)
    columns = columns_of(rng, 10000)
    columns["age"][:1500] = np.nan
    loss = rng.gamma(1.0, 0.3, 10000)
    loss[:1500] *= 1.6
    slots, _ = found_in(state_of(loss, columns))
    assert slots[(("age", "(none)"),)].confirmed


def test_few_rows_and_few_clusters_are_said():
    rng = np.random.default_rng(8)
    assert "from 200 finite rows" in slices(state_of(rng.gamma(1, 1, 150), columns_of(rng, 150)), 0.95, 0).notes[0]
    state = state_of(rng.gamma(1, 1, 3000), columns_of(rng, 3000), cluster=rng.integers(0, 12, 3000).astype(np.int32))
    assert "too few clusters" in slices(state, 0.95, 0).notes[0]
    same = slices(state_of(np.full(3000, 0.3), columns_of(rng, 3000)), 0.95, 0)
    assert same.found == () and "than chance" in same.notes[0]


def table_of(rng, n=6000):
    group = rng.integers(0, 80, n)
    age = rng.lognormal(size=n)
    age[:50] = np.nan
    z = rng.normal(size=n) + rng.normal(size=80)[group]
    city = rng.choice(["Bonn", "Lima", "Oslo"], n)
    y = (rng.logistic(size=n) * np.where(city == "Bonn", 2.5, 1) + z > 0).astype(int)
    p = 1 / (1 + np.exp(-z))
    columns = {"label": y, "prob": p, "city": city, "age": age, "size": rng.integers(0, 30, n), "user": group}
    return pa.table(columns | {"w": rng.uniform(0.5, 2, n)}), -np.where(y == 1, np.log(p), np.log1p(-p))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cluster", [None, "user"])
def test_given_slices_are_those_of_their_rows(weighted, cluster):
    table, loss = table_of(np.random.default_rng(9))
    w = table["w"].to_numpy() if weighted else np.ones(len(loss))
    by = ["city", "age", "size"]
    state = gather(table, sample_weight="w" if weighted else "none", by=by, cluster=cluster, slices="none")
    given = slices(state, 0.95, 0).given
    assert [s.where[0][0] for s in given] == ["city"] * 3 + ["age"] * 9 + ["size"] * 30
    m, total = np.average(loss, weights=w), w.sum()
    for name in by:
        own = [s for s in given if s.where[0][0] == name]
        assert math.fsum(s.share for s in own) == pytest.approx(1.0) and sum(s.rows for s in own) == len(loss)
        assert math.fsum(s.excess for s in own) == pytest.approx(0.0, abs=1e-12)
        assert [s.excess for s in own] == sorted((s.excess for s in own), reverse=True)
    for s in given:
        (name, value), column = s.where[0], table[s.where[0][0]].to_numpy()
        if name == "age" and value != "(none)":
            continue
        inside = np.isnan(column) if name == "age" else column.astype(str) == value
        assert s.rows == inside.sum() and s.weight == pytest.approx(w[inside].sum())
        assert s.log_loss == pytest.approx(np.average(loss[inside], weights=w[inside]))
        assert s.difference == pytest.approx(s.log_loss - m, rel=1e-6, abs=1e-9)
        psi = w * (inside * (loss - s.log_loss) / w[inside].sum() - (loss - m) / total)
        alone = math.sqrt((psi**2).sum() * inside.sum() / (inside.sum() - 1))
        if cluster is None:
            assert s.standard_error == pytest.approx(alone, rel=1e-9)
        else:
            assert s.standard_error >= alone * (1 - 1e-9)
        assert (s.q_value, s.held_out, s.confirmed) == (None, None, None)


def test_clusters_widen_given_slices_by_their_own_sums():
    """All rows are in the sample, so the error is that of sums by bucket, exactly."""
    table, loss = table_of(np.random.default_rng(10))
    state = gather(table, by="city", cluster="user", slices="none")
    order = np.empty(len(loss), np.int64)
    order[np.argsort(loss)] = np.argsort(state.sample.loss)
    bucket = state.sample.bucket[order]
    for s in slices(state, 0.95, 0).given:
        inside = np.array(table["city"].to_pylist()) == s.where[0][1]
        psi = inside * (loss - loss[inside].mean()) / inside.sum() - (loss - loss.mean()) / len(loss)
        many = len(np.unique(bucket))
        together = math.sqrt(many / (many - 1) * (np.bincount(bucket, psi) ** 2).sum())
        alone = math.sqrt((psi**2).sum() * inside.sum() / (inside.sum() - 1))
        assert s.standard_error == pytest.approx(max(together, alone), rel=1e-6)


def test_slices_of_a_file_are_found_without_asking():
    table, _ = table_of(np.random.default_rng(12), n=12000)
    found = slices(gather(table, sample_weight="none", analyse=True), 0.95, 0)
    assert found.found[0].where == (("city", "Bonn"),) and found.found[0].confirmed
    assert set(found.columns) == {"city", "age", "size", "user", "w"}
    for s in found.found:
        assert all(x is None or type(x) in (tuple, bool, float, int) for x in vars(s).values())
    assert slices(gather(table, analyse=True, slices="none"), 0.95, 0).found == ()


def test_of_many_values_those_are_told_that_cost_or_save_most():
    rng = np.random.default_rng(15)
    table = pa.table(
        {"label": rng.integers(0, 2, 9000), "prob": rng.beta(2, 2, 9000), "day": rng.integers(0, 400, 9000)}
    )
    found = slices(gather(table, by="day", slices="none"), 0.95, 0)
    assert len(found.given) == 100 and "400 values" in found.notes[0]
    loss = -np.log(np.where(table["label"].to_numpy() == 1, table["prob"], 1 - table["prob"].to_numpy()))
    excess = np.bincount(table["day"], loss - loss.mean())
    largest = {str(k) for k in np.argsort(-np.abs(excess))[:100]}
    assert {s.where[0][1] for s in found.given} == largest


def test_a_thin_sample_knows_how_much_wider_clusters_make_given_slices(monkeypatch):
    import xent.evaluate.state.sample as sample

    rng = np.random.default_rng(13)
    n, users = 40000, 300
    user = rng.integers(0, users, n)
    plan = rng.choice(["free", "paid", "trial"], users)[user]
    z = rng.normal(size=n)
    y = (rng.logistic(size=n) * np.exp(1.5 * rng.normal(size=users))[user] + z > 0).astype(int)
    table = pa.table({"label": y, "prob": 1 / (1 + np.exp(-z)), "plan": plan, "user": user})
    options = {"by": "plan", "cluster": "user", "slices": "none"}
    whole = slices(gather(table, **options), 0.95, 0).given
    monkeypatch.setattr(sample, "MOST_ROWS", 8000)
    thin = gather(table, **options)
    assert not thin.sample.complete
    alone = slices(gather(table, by="plan", slices="none"), 0.95, 0).given
    for a, b, c in zip(whole, slices(thin, 0.95, 0).given, alone, strict=True):
        assert a.where == b.where == c.where and a.difference == b.difference
        assert a.standard_error > 3 * c.standard_error
        assert b.standard_error == pytest.approx(a.standard_error, rel=0.25)


def test_everything_located_is_the_same_bits_for_files_merged(tmp_path):
    """Of two files in one run, and of a state each, merged the other way round."""
    from pyarrow import parquet

    from xent.evaluate.analysis.spreads import spreads
    from xent.evaluate.analysis.suspects import suspects
    from xent.evaluate.analysis.tail import tail
    from xent.evaluate.scores import result

    table, _ = table_of(np.random.default_rng(14), 9000)
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for path, part in zip(paths, (table.slice(0, 2500), table.slice(2500)), strict=True):
        parquet.write_table(part, path)
    options = {"sample_weight": "w", "by": ["city", "age"], "cluster": "user", "time": "size", "analyse": True}
    whole = gather([str(p) for p in paths], **options)
    a, b = (gather(str(p), **options, batch_rows=777) for p in paths)

    def located(state):
        score = result(state)
        return slices(state, 0.95, 0), spreads(state, score), tail(state), suspects(state)

    assert located(b.merge(a).finish()) == located(whole)
