"""Sums by time: steps that divide all gaps, doubled while there are too many, and what is refused."""

import numpy as np
import pytest
from states import judged, table

from xent.evaluate import BadInput, gather
from xent.evaluate.state import grid

pa = pytest.importorskip("pyarrow")
N = 300


def timed(column):
    return table("binary", N, weighted=False).append_column("at", pa.array(column))


@pytest.mark.parametrize(
    ("column", "step"),
    [
        (np.arange(N) // 3 * 7, 7.0),
        (np.arange(N) * 0.25 - 3, 0.25),
        (np.datetime64("2024-01-01") + np.arange(N) // 2, 86400.0),
        (np.datetime64("2024-01-01T00:00:00") + np.arange(N) * np.timedelta64(90, "s"), 90.0),
        (np.arange(N) * np.timedelta64(3600, "s"), 3600.0),
        (np.zeros(N), None),
    ],
)
def test_steps_divide_all_gaps_and_sums_add_up(column, step):
    data = timed(column)
    times, rows = gather(data, time="at").times, judged(data, "binary", time="at")
    unique, index = np.unique(column, return_inverse=True)
    assert times.step == step or step is None
    assert (np.diff(times.keys) > 0).all() and len(times.keys) == len(unique)
    assert times.rows.tolist() == np.bincount(index).tolist()
    finite = ~np.isinf(rows.loss)
    assert times.wl == pytest.approx(np.bincount(index[finite], rows.loss[finite], len(unique)), rel=1e-13)
    assert times.w.tolist() == np.bincount(index[finite], minlength=len(unique)).tolist()
    if step is not None and column.dtype.kind == "i":
        assert (times.keys * step == unique).all()


def test_steps_are_doubled_until_few_remain(monkeypatch):
    monkeypatch.setattr(grid, "MOST_CELLS", 16)
    data = timed(np.arange(N) * 10)
    for size in (7, N):
        times = gather(data, time="at", batch_rows=size).times
        assert 8 < len(times.keys) <= 16 and times.rows.sum() == N
        assert np.log2(times.step) == int(np.log2(times.step))
        assert (times.keys == np.unique(np.arange(N) * 10 // int(times.step))).all()


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ([2.0**43] * N, r"below 2\^42"),
        ([None] + [1.0] * (N - 1), "row 0.*there and finite"),
        ([1.0] * (N - 1) + [float("inf")], f"row {N - 1}.*there and finite"),
    ],
)
def test_times_that_are_none_are_refused(column, said):
    with pytest.raises(BadInput, match=said):
        gather(timed(column), time="at")
