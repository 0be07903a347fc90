"""Sums by value against plain Python, whatever the sort of the column, and what groups are called."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from states import judged, table

from xent.evaluate import gather
from xent.evaluate.state import grid
from xent.evaluate.state.cells import SUMS, Cells
from xent.evaluate.state.grid import Grid, keys_of, numbers_of
from xent.evaluate.state.labels import bin_labels, value_labels

pa = pytest.importorskip("pyarrow")
N = 300
DAY = 86_400_000_000


def brute(rows, on):
    """The sums over some rows, each correctly rounded."""
    w, loss, h = rows.weights[on], rows.loss[on], rows.entropy[on]
    w, loss, h = w[~np.isinf(loss)], loss[~np.isinf(loss)], h[~np.isinf(loss)]
    terms = [w, w * w, w * loss, w * (w * loss), (w * loss) * (w * loss), w * h]
    return [math.fsum(x) for x in terms], int(on.sum()), int(np.isinf(rows.loss[on]).sum())


@pytest.mark.parametrize("column", ["town", "flag", "age"])
def test_groups_are_the_sums_by_value(column):
    data = table("binary", N)
    rows = judged(data, "binary", by=column)
    given_values = data.column(column).to_pylist()
    weighty = data.column("sample_weight").to_numpy() > 0
    names = {True: "true", False: "false", None: "(none)"}
    said = np.array([names.get(v, str(v)) if not isinstance(v, int) or isinstance(v, bool) else str(v)
                     for v in given_values], object)[weighty]  # fmt: skip
    found = gather(data, by=column).groups.columns[column]
    assert sorted(g.label for g in found) == sorted(set(said))
    for group in found:
        sums, count, infinite = brute(rows, said == group.label)
        assert [getattr(group, name) for name in SUMS] == pytest.approx(sums, rel=1e-14)
        assert (group.rows, group.infinite) == (count, infinite)


def test_fractions_are_bins_of_about_as_many_rows_that_hold_what_they_say():
    data = table("binary", 3000, weighted=False)
    found = gather(data, by="price").groups.columns["price"]
    price = np.array([np.nan if v is None else v for v in data.column("price").to_pylist()])
    assert [g.rows for g in found][-1] == np.isnan(price).sum() and found[-1].label == "(none)"
    counts = [g.rows for g in found[:-1]]
    assert len(counts) == 8 and max(counts) - min(counts) <= 2
    edges = np.quantile(price[~np.isnan(price)], np.arange(1, 8) / 8)
    low = [float(g.label.split(" to ")[0]) for g in found[1:-2]]
    assert low == pytest.approx(edges[:-1], abs=1.0)  # labels have three digits, values a few per row
    assert found[0].label.startswith("below ") and found[-2].label.endswith(" or more")


def test_few_fractions_and_all_whole_numbers_are_values():
    data = table("binary", N, weighted=False)
    halves = pa.array(np.arange(N) % 8 / 4.0)
    ids = pa.array(np.arange(N) % 97 - 5)
    found = gather(data.append_column("half", halves).append_column("id", ids), by=["half", "id"]).groups.columns
    assert [g.label for g in found["half"]] == ["0", "0.25", "0.5", "0.75", "1", "1.25", "1.5", "1.75"]
    assert [g.label for g in found["id"]] == [str(i) for i in range(-5, 92)]


def test_ints_floats_and_dictionaries_of_the_same_values_are_the_same_groups():
    data = table("binary", N, weighted=False)
    ages, towns = data.column("age").combine_chunks(), data.column("town").combine_chunks()
    stored = {
        "age": [ages, ages.cast(pa.int8()), ages.cast(pa.float64()), ages.cast(pa.float32()), ages.dictionary_encode()],
        "town": [towns, towns.cast(pa.large_string()), towns.dictionary_encode()],
    }
    for name, kinds in stored.items():
        found = [gather(data.drop_columns(name).append_column(name, a), by=name).groups.columns for a in kinds]
        assert all(f == found[0] for f in found)
    arrays = {name: data.column(name).to_numpy() for name in ("label", "prob", "age", "flag", "day")}
    tables = gather(data, by=["age", "flag", "day"]).groups.columns
    assert gather(arrays, by=["age", "flag", "day"]).groups.columns == tables


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(allow_nan=False), min_size=1, max_size=60),
    cut=st.integers(0, 60),
    most=st.integers(2, 12),
)
def test_a_grid_is_the_finest_that_has_few_cells(values, cut, most):
    values = np.array(values)
    keys = keys_of(values)
    level = next(k for k in range(64) if len({int(v) >> k for v in keys}) <= most)
    rows = judged(table("binary", len(values), weighted=False), "binary")
    whole, *halves = (Grid.empty() for _ in range(3))
    old, grid.MOST_CELLS = grid.MOST_CELLS, most
    try:
        whole.add(rows, keys)
        for part, on in zip(halves, (slice(0, cut), slice(cut, None)), strict=True):
            if len(values[on]):
                part.add(rows.take(np.arange(len(values))[on]), keys[on])
        merged = halves[1].merge(halves[0])
    finally:
        grid.MOST_CELLS = old
    assert (whole.level, merged.level) == (level, level)
    assert whole.keys.tolist() == merged.keys.tolist() == sorted({int(v) >> level for v in keys})
    assert (whole.cells.sums == merged.cells.sums).all() and (whole.cells.counts == merged.cells.counts).all()
    for at, key in enumerate(whole.keys):
        own = (keys >> level) == key
        assert whole.cells.counts[at, 0] == own.sum()
        assert (values[own] >= numbers_of(whole.lows)[at]).all()


@given(st.lists(st.floats(allow_nan=False), min_size=2))
def test_keys_are_in_the_order_of_numbers_and_give_them_back(values):
    values = np.array(values)
    keys = keys_of(values)
    assert (numbers_of(keys) == values).all()
    assert ((keys[1:] < keys[:-1]) == (values[1:] < values[:-1])).all()
    assert ((keys[1:] == keys[:-1]) == (values[1:] == values[:-1])).all()


@given(seed=st.integers(0, 9), size=st.integers(1, 50))
@settings(deadline=None, max_examples=20)
def test_pooled_cells_are_the_cells_of_pooled_rows(seed, size):
    rng = np.random.default_rng(seed)
    rows = judged(table("binary", N, seed), "binary")
    n = len(rows.key)
    index = rng.integers(0, size, n).astype(np.int32)
    to = np.sort(rng.integers(0, 5, size))
    starts = np.flatnonzero(np.r_[True, to[1:] != to[:-1]])
    pooled = Cells.of(rows, index, size).pooled(np.arange(size), starts)
    names = {value: i for i, value in enumerate(to[starts].tolist())}
    direct = Cells.of(rows, np.array([names[v] for v in to[index].tolist()], np.int32), len(starts))
    assert (pooled.sums == direct.sums).all() and (pooled.counts == direct.counts).all()


@pytest.mark.parametrize(
    ("edges", "moment", "said"),
    [
        ([], False, ["all"]),
        ([30.0], False, ["below 30", "30 or more"]),
        ([30.0, 45.0, 1234.0], False, ["below 30", "30 to 45", "45 to 1234", "1234 or more"]),
        ([122624.0, 249600.0], False, ["below 123000", "123000 to 250000", "250000 or more"]),
        ([1.00001, 1.00002], False, ["below 1.00001", "1.00001 to 1.00002", "1.00002 or more"]),
        ([-math.inf, 1e300], False, ["below -inf", "-inf to 1e+300", "1e+300 or more"]),
        ([19_723.0 * DAY, 19_724.0 * DAY], True, ["below 2024-01-01", "2024-01-01 to 2024-01-02",
                                                  "2024-01-02 or more"]),
        ([19_723.0 * DAY, 19_723.5 * DAY], True, ["below 2024-01-01 00:00", "2024-01-01 00:00 to 2024-01-01 12:00",
                                                  "2024-01-01 12:00 or more"]),
    ],
)  # fmt: skip
def test_bins_are_called_by_their_edges_as_short_as_tells_them_apart(edges, moment, said):
    assert bin_labels(edges, moment) == said


def test_values_that_differ_are_called_differently():
    values = (
        np.nextafter(1.0, 2.0, dtype=float) * np.array([1.0, 2.0, 0.5]),
        np.array([0.1, 0.1 + 2**-55, 0.30000000000000004]),
    )
    for some in values:
        assert len(set(value_labels(some.tolist()))) == len(some)
    assert value_labels([-2e11 * DAY], moment=True)[0].endswith(" s")
