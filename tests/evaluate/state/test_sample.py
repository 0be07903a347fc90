"""The sample: the rows of smallest key, with all that is known of them."""

import numpy as np
import pytest
from states import judged, table

from xent.evaluate import gather
from xent.evaluate.arrow import columns
from xent.evaluate.sources import Column
from xent.evaluate.state import sample as sampling
from xent.evaluate.state.keys import buckets, cluster_hashes, row_keys
from xent.evaluate.state.sample import FIELDS, capacity
from xent.evaluate.state.values import read

pa = pytest.importorskip("pyarrow")
N = 300


@pytest.mark.parametrize("kind", ["binary", "multilabel", "logits", "soft"])
@pytest.mark.parametrize("most", [1, 40, 1000])
def test_the_rows_of_smallest_key_are_kept_whole(kind, most, monkeypatch, tmp_path):
    monkeypatch.setattr(sampling, "MOST_ROWS", most)
    data = table(kind, N)
    rows = judged(data, kind, slices=["town", "price", "flag"])
    order = np.argsort(rows.key)[:most]
    found = sampling.Sample(gather(data, kind="multilabel" if kind == "multilabel" else None).problem)
    for piece in np.array_split(np.arange(len(rows.key)), 7):
        found.add(rows.take(piece))
    assert len(found) == len(order) == min(most, len(rows.key)) and found.seen == len(rows.key)
    assert found.complete == (most >= len(rows.key))
    for name in FIELDS:
        wanted = getattr(rows, name)
        assert (wanted is None) == (getattr(found, name) is None)
        if wanted is not None:
            assert (getattr(found, name) == wanted[order]).all() and getattr(found, name).dtype == wanted.dtype
    weighty = np.flatnonzero(data.column("sample_weight").to_numpy() > 0)[order]
    for name, missing in (("town", "(none)"), ("price", np.nan)):
        wanted = [missing if v is None else v for v in np.array(data.column(name).to_pylist(), object)[weighty]]
        assert (found.columns[name].astype(str) == np.array(wanted).astype(str)).all()


def test_room_is_for_so_many_numbers():
    problem = gather(table("logits", N)).problem
    assert capacity(problem) == sampling.MOST_ROWS
    wide = type(problem)(**{**problem.__dict__, "width": 1000})
    assert capacity(wide) == (1 << 20) // 1000


def test_rows_of_one_key_are_chosen_by_what_they_hold(monkeypatch):
    monkeypatch.setattr(sampling, "MOST_ROWS", 20)
    rows = judged(table("binary", N), "binary")
    rows.key[:] = rows.key[0]
    orders = np.arange(len(rows.key)), np.random.default_rng(0).permutation(len(rows.key))
    found = []
    for order in orders:
        own = sampling.Sample(gather(table("binary", N)).problem)
        for piece in np.array_split(order, 5):
            own.add(rows.take(piece))
        found.append(own.pack()[1])
    assert all(found[0][name].tobytes() == found[1][name].tobytes() for name in found[0])


def test_keys_are_of_file_and_row_and_spread_evenly():
    keys = row_keys("a.parquet", 0, 100_000)
    assert len(set(keys.tolist())) == 100_000
    assert (row_keys("a.parquet", 500, 10) == keys[500:510]).all()
    assert not np.isin(row_keys("b.parquet", 0, 1000), keys).any()
    counts = np.bincount(buckets(keys), minlength=256)
    assert ((counts - 390.625) ** 2 / 390.625).sum() < 255 + 6 * np.sqrt(2 * 255)  # chi square, 6 sigma


def hashes(array):
    table = pa.table({"c": array})
    return cluster_hashes(table.column(0).combine_chunks(), columns(table.schema, "")["c"])


def test_a_cluster_is_its_value_however_stored():
    whole = [3, -7, 0, 2**40, None]
    kinds = [pa.int64(), pa.float64(), pa.decimal128(20, 2)]
    found = [hashes(pa.array(whole, kind)) for kind in kinds]
    assert all((f == found[0]).all() for f in found) and len(set(found[0].tolist())) == 5
    assert (hashes(pa.array([3, 0], pa.int8())) == found[0][[0, 2]]).all()
    assert hashes(pa.array([0.0]))[0] == hashes(pa.array([-0.0]))[0] != hashes(pa.array([0.5]))[0]
    assert hashes(pa.array([float("nan")]))[0] == found[0][-1]
    text = ["a", "", "a\0", "abcdefgh", "abcdefghi", "abcdefgh\0", "ä" * 100, "ä" * 100 + "b", "x" * 1000]
    plain = hashes(pa.array(text))
    assert len(set(plain.tolist())) == len(text)
    for kind in (pa.large_string(), pa.dictionary(pa.int8(), pa.string())):
        assert (hashes(pa.array(text).cast(kind)) == plain).all()
    assert (hashes(pa.array(["?", *text])[1:]) == plain).all()
    numpy_text = np.array(text[:2] + text[3:5] + text[6:])
    assert (cluster_hashes(numpy_text, Column("c", "text", "str")) == plain[[0, 1, 3, 4, 6, 7, 8]]).all()
    day = np.array(["2024-01-01", "2024-01-02"], "datetime64[D]")
    stored = [pa.array(day), pa.array(day.astype("datetime64[ns]")), pa.array(day.astype("datetime64[s]"))]
    assert all((hashes(a) == hashes(stored[0])).all() for a in stored)
    assert (cluster_hashes(day, Column("c", "other", "datetime64[D]")) == hashes(stored[0])).all()


@pytest.mark.parametrize(
    ("array", "values"),
    [
        (pa.array([1, None], pa.int32()), [1.0, np.nan]),
        (pa.array([1.5, None], pa.float16() if False else pa.float32()), [1.5, np.nan]),
        (pa.array([1, None], pa.timestamp("s")), [1e6, np.nan]),
        (pa.array([1, None], pa.timestamp("ns", "UTC")), [0.0, np.nan]),
        (pa.array([1, None], pa.date32()), [86400e6, np.nan]),
        (pa.array([1500, None], pa.duration("ms")), [1.5, np.nan]),
        (pa.array([2, None], pa.time32("s")), [2.0, np.nan]),
        (pa.array([True, None]), ["true", "(none)"]),
        (pa.array(["a", None]).dictionary_encode(), ["a", "(none)"]),
        (pa.nulls(2), ["(none)", "(none)"]),
    ],
)
def test_columns_of_every_sort_are_read(array, values):
    found = read(array, columns(pa.schema([("c", array.type)]), "")["c"])
    if isinstance(values[1], str):
        assert [found.names[i] for i in found.codes] == values
    else:
        assert found.dtype == np.float64 and np.array_equal(found, values, equal_nan=True)
