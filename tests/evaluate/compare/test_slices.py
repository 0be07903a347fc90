"""Where the difference lies: parts that add up to it, with the errors of the slices alone."""

import math

import numpy as np
import pytest

import xent
from xent.evaluate.compare.ranges import Ranges

scipy_stats = pytest.importorskip("scipy.stats")
N = 2000
RNG = np.random.default_rng(11)
Z = RNG.normal(size=N) * 2
Y = (RNG.random(N) < 1 / (1 + np.exp(-Z))).astype(int)
A, B = (1 / (1 + np.exp(-Z * s)) for s in (0.6, 1.4))
LA, LB = (-np.log(np.where(Y == 1, p, 1 - p)) for p in (A, B))
BY = {
    "text": np.array(["x", "y", "z"])[RNG.integers(0, 3, N)],
    "few": RNG.integers(0, 5, N) / 2,
    "many": RNG.normal(size=N) ** 3,
    "flag": Z > 0,
}


def compared(**options):
    return xent.compare(targets=Y, models={"a": A, "b": B}, by=BY, **options)


FOUND = compared()


def columns(found):
    return {c: [s for s in found.slices if s.column == c] for c in dict.fromkeys(s.column for s in found.slices)}


@pytest.mark.parametrize("options", [{}, {"cluster": np.arange(N) // 10}, {"time": np.arange(N)}])
def test_parts_of_every_column_add_up_to_the_difference(options):
    found = compared(**options)
    said = columns(found)
    assert set(said) == {*BY, "(truth)", "(confidence)"}
    for own in said.values():
        assert math.fsum(s.part for s in own) == pytest.approx(found.pairs[0].difference, rel=1e-12)
        assert sum(s.rows for s in own) == N and all(s.part == pytest.approx(s.difference * s.rows / N) for s in own)


@pytest.mark.parametrize("column", ["text", "few", "flag", "(truth)"])
def test_a_slice_is_the_pair_of_its_rows_alone(column):
    values = BY.get(column, Y)
    for s in columns(FOUND)[column]:
        mine = values.astype(str) == s.value if values.dtype.kind == "U" else values == (
            s.value == "true" if values.dtype.kind == "b" else float(s.value)
        )  # fmt: skip
        test = scipy_stats.ttest_rel(LA[mine], LB[mine])
        assert (s.rows, s.difference) == (mine.sum(), pytest.approx((LA - LB)[mine].mean(), rel=1e-11))
        assert s.p_value == pytest.approx(test.pvalue, rel=1e-7)


def test_slices_of_clusters_have_clustered_errors():
    cluster = np.arange(N) // 100
    found = columns(compared(cluster=cluster))["flag"]
    for s in found:
        mine = (s.value == "true") == BY["flag"]
        alone = xent.compare(targets=Y[mine], models={"a": A[mine], "b": B[mine]}, cluster=cluster[mine]).pairs[0]
        assert (s.difference, s.standard_error, s.p_value) == pytest.approx(
            (alone.difference, alone.standard_error, alone.p_value), rel=1e-9
        )  # fmt: skip


def test_q_values_are_benjamini_hochberg_over_all_slices_of_a_pair():
    p = [s.p_value for s in FOUND.slices if s.p_value is not None]
    assert all((s.p_value is None) == (s.q_value is None) == (s.rows < 2) for s in FOUND.slices)
    assert [s.q_value for s in FOUND.slices if s.q_value is not None] == pytest.approx(
        scipy_stats.false_discovery_control(p), rel=1e-9
    )


def test_numbers_of_many_values_fall_into_ranges_of_about_equally_many_rows():
    own = columns(FOUND)["many"]
    assert len(own) == 8 and all(abs(s.rows - N / 8) < 0.02 * N for s in own)
    edges = [float(s.value.split()[0]) for s in own[1:]]
    assert edges == sorted(edges) and own[0].value == f"below {own[1].value.split()[0]}"
    counts = np.diff(np.searchsorted(np.sort(BY["many"]), [-np.inf, *edges, np.inf]))
    assert counts.tolist() == pytest.approx([s.rows for s in own], abs=9)  # the edges are shown in few digits


@pytest.mark.parametrize("offset, scale", [(0.0, 1.0), (1.7e15, 1e9), (-1.7e15, 1e9), (20240000.0, 300.0)])
def test_ranges_do_not_know_where_zero_is(offset, scale):
    values = np.round(offset + scale * RNG.random(50000), 6)
    ranges = Ranges()
    for batch in np.array_split(values, 7):
        ranges.add(batch)
    shares = np.diff(np.searchsorted(np.sort(values), [-np.inf, *ranges.edges(), np.inf])) / len(values)
    assert len(shares) == 8 and abs(shares - 1 / 8).max() < 0.001


@pytest.mark.parametrize("first", [False, True])
def test_a_number_that_most_rows_have_is_a_range_of_its_own(first):
    values = np.concatenate([np.zeros(4000), RNG.random(1000) if first else RNG.normal(size=1000)])
    ranges = Ranges()
    ranges.add(np.concatenate([values, [np.nan]]))
    place = np.searchsorted(ranges.edges(), values, side="right")
    alone = np.flatnonzero(place == place[0])
    assert len(alone) == 4000 and len(ranges.edges()) + first >= 2 and ranges.missing == 1


def test_moments_are_said_as_dates():
    when = np.datetime64("2024-01-01") + np.arange(N).astype("timedelta64[m]")
    for by in (when, when.astype("datetime64[D]")):
        own = columns(xent.compare(targets=Y, models={"a": A, "b": B}, by={"when": by}))["when"]
        assert len(own) == len(np.unique(by)[:8]) and all("2024-01-0" in s.value for s in own)


def test_missing_values_are_a_slice_of_their_own():
    pa = pytest.importorskip("pyarrow")
    gap = [None if i % 7 == 0 else float(v) for i, v in enumerate(BY["many"])]
    text = [None if i % 7 == 0 else str(v) for i, v in enumerate(BY["text"])]
    found = xent.compare(pa.table({"y": Y, "p_a": A, "p_b": B, "gap": gap, "text": text}), models=["p_a", "p_b"],
                         by=["gap", "text"])  # fmt: skip
    for column in ("gap", "text"):
        assert [s.rows for s in columns(found)[column] if s.value == "(none)"] == [math.ceil(N / 7)]


def test_confidence_takes_no_side():
    """Rows fall into a slice by how sure both are: the models swapped, the slices are the same, the signs turned."""
    other = xent.compare(targets=Y, models={"b": B, "a": A})
    mine, theirs = columns(FOUND)["(confidence)"], columns(other)["(confidence)"]
    assert [(s.value, s.rows, s.difference) for s in mine] == [(s.value, s.rows, -s.difference) for s in theirs]
    sure = abs((np.log(A / (1 - A)) + np.log(B / (1 - B))) / 2)
    assert mine[0].value == "< 0.6" and mine[0].rows == (sure < math.log(0.6 / 0.4)).sum()


def test_labels_add_up_too():
    y = RNG.integers(0, 2, (300, 3))
    p, q = RNG.random((2, 300, 3)) * 0.9 + 0.05
    found = xent.compare(targets=y, models={"a": p, "b": q}, kind="multilabel")
    own = columns(found)
    assert set(own) == {"(label)"} and [s.value for s in own["(label)"]] == ["0", "1", "2"]
    assert math.fsum(s.part for s in own["(label)"]) == pytest.approx(found.pairs[0].difference, rel=1e-12)
    d = (np.log(np.where(y, q, 1 - q)) - np.log(np.where(y, p, 1 - p))).mean(1)
    assert found.pairs[0].standard_error == pytest.approx(d.std(ddof=1) / math.sqrt(300), rel=1e-9)


def test_infinite_rows_are_left_out_of_the_parts():
    b = B.copy()
    b[:3] = np.where(Y[:3] == 1, 0.0, 1.0)
    found = xent.compare(targets=Y, models={"a": A, "b": b}, by=BY)
    for own in columns(found).values():
        assert math.fsum(s.part for s in own) == pytest.approx(found.pairs[0].finite_difference, rel=1e-12)
        assert sum(s.rows for s in own) == N - 3


def test_a_key_is_not_a_slice():
    with pytest.raises(ValueError, match="column `id`: more than 4096 values; is this a key"):
        xent.compare(targets=np.tile(Y, 3), models={"a": np.tile(A, 3), "b": np.tile(B, 3)},
                     by={"id": np.arange(3 * N).astype(str)})  # fmt: skip
    with pytest.raises(ValueError, match="`cluster` and `time` are two ways"):
        compared(cluster=np.arange(N), time=np.arange(N))
