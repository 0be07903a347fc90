"""A state is the same, byte for byte, whatever the batches, files, merges and their order."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from states import FURTHER, KINDS, content, cuts, fed, judged, planned, table

import xent
from xent.evaluate import BadInput, finish, gather
from xent.evaluate.state import grid, sample, texts
from xent.evaluate.state.rows import FOLDS

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
N = 300
CUTS = st.lists(st.integers(1, N - 1), max_size=6, unique=True)


@pytest.fixture
def small(monkeypatch):
    """Limits that 300 rows reach: samples are not complete, grids coarsen, texts are too many."""
    monkeypatch.setattr(sample, "MOST_ROWS", 50)
    monkeypatch.setattr(grid, "MOST_CELLS", 16)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_any_partition_in_any_order_is_the_same_state(kind, weighted, small):
    data = table(kind, N, weighted=weighted)
    whole = content(fed(data, kind, [(0, N)], **FURTHER))

    @settings(max_examples=4, deadline=None)
    @given(batches=CUTS, states=CUTS, seed=st.integers(0, 99))
    def law(batches, states, seed):
        parts = []
        for low, high in cuts(N, states):
            inner = [c - low for c in batches if low < c < high]
            parts.append(fed(data, kind, [(low + a, low + b) for a, b in cuts(high - low, inner)], **FURTHER))
        shuffled = random.Random(seed)
        while len(parts) > 1:
            shuffled.shuffle(parts)
            parts.append(parts.pop().merge(parts.pop()))
        merged = parts[0]
        merged.files = []
        assert content(merged) == whole

    law()


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_do_not_know_the_order_of_rows(kind, small):
    data = table(kind, N)
    rows = judged(data, kind, **FURTHER)
    orders = np.arange(len(rows.key)), np.random.default_rng(0).permutation(len(rows.key))
    found = []
    for order in orders:
        _, _, own = planned(data, kind, **FURTHER)
        for piece in np.array_split(order, 3):
            own.add(rows.take(piece))
        found.append(content(own))
    assert found[0] == found[1]


def test_an_empty_state_changes_nothing():
    data = table("probs", N)
    state, (_, _, empty) = fed(data, "probs", [(0, N)], **FURTHER), planned(data, "probs", **FURTHER)
    assert content(state.merge(empty)) == content(state) == content(empty.merge(state))


@pytest.mark.parametrize("kind", ["binary", "probs"])
def test_files_apart_are_files_together(kind, tmp_path):
    data = table(kind, N)
    for i, (low, high) in enumerate(cuts(N, [70, 200])):
        pq.write_table(data.slice(low, high - low), tmp_path / f"{i}.parquet")
    paths = [tmp_path / f"{i}.parquet" for i in range(3)]
    options = {"tolerance": 1e-5, **FURTHER}
    whole = gather(paths, **options)
    apart = [gather(path, **options) for path in paths]
    merged = apart[2].merge(apart[0]).merge(apart[1])
    assert content(merged) == content(whole) == content(gather(paths[::-1], batch_rows=37, **options))
    assert finish(merged).to_json() == finish(whole).to_json() == xent.score(paths, **options).to_json()


def test_equal_losses_are_listed_by_file_name_and_row(tmp_path):
    data = pa.table({"label": [1] * 6, "p": [0.5] * 6})
    for name in "bca":
        pq.write_table(data, tmp_path / f"{name}.parquet")
    paths = [tmp_path / f"{name}.parquet" for name in "bca"]
    wanted = [(str(tmp_path / "a.parquet"), i) for i in range(6)] + [(str(tmp_path / "b.parquet"), 0)]
    for size in (2, 6):
        whole = gather(paths, rows=7, batch_rows=size)
        assert [(row.file, row.row) for row in whole.dearest.rows()] == wanted
    b, c, a = (gather(path, rows=7) for path in paths)
    assert b.merge(c.merge(a)).dearest == whole.dearest == a.merge(b).merge(c).dearest


def test_the_label_can_be_what_slices_go_by():
    found = gather(table("binary", N), by="label").groups.columns["label"]
    assert [g.label for g in found] == ["0", "1"]


def test_plain_scores_have_no_parts_and_no_analysis():
    data = table("binary", N)
    state = gather(data)
    assert not list(state.parts()) and finish(state).analysis is None
    assert finish(state).to_dict()["analysis"] is None
    assert xent.score(data, slices="none").analysis.slices.columns == ()


def test_rows_of_weight_zero_are_in_no_part():
    data = table("binary", N)
    weight = data.column("sample_weight").to_numpy()
    state = gather(data, **FURTHER)
    assert state.sample.seen == state.times.rows.sum() == int((weight > 0).sum()) < N
    town = state.groups.columns["town"]
    assert sum(group.rows for group in town) == state.sample.seen
    assert state.buckets.rows.sum() == state.sample.seen


def test_rows_of_a_cluster_share_bucket_and_fold():
    data = table("binary", N)
    found = gather(data, cluster="age", slices=["age"]).sample
    for age in np.unique(found.columns["age"]):
        own = found.bucket[found.columns["age"] == age]
        assert len(set(own.tolist())) == 1 and len(set((own % FOLDS).tolist())) == 1
    alone = gather(data, analyse=True).sample
    assert len(set(alone.bucket.tolist())) > 100


def test_slices_are_sought_in_the_other_columns():
    data = table("binary", N).append_column("prose", pa.array(["word " * 20] * N))
    data = data.append_column("vector", pa.array([[1.0]] * N))
    assert gather(data, analyse=True).problem.sought == ("town", "flag", "age", "price", "day")
    assert gather(data, cluster="town", by="age", time="day").problem.sought == ("flag", "price")
    assert gather(data, slices=["p*c*", "flag"]).problem.sought == ("price", "flag")
    wide = data.append_column("text", pa.array([str(i) for i in range(N)]))
    for i in range(40):
        wide = wide.append_column(f"c{i}", pa.array([0] * N))
    assert len(gather(wide, analyse=True).problem.sought) == 32


def test_too_many_texts_are_no_slices(monkeypatch):
    monkeypatch.setattr(texts, "MOST_TEXTS", 10)
    data = table("binary", N).append_column("name", pa.array([f"n{i % 20}" for i in range(N)]))
    assert "name" not in gather(data, analyse=True, batch_rows=9).sample.columns
    with pytest.raises(BadInput, match=r"column `name` has more than 10 different texts.*--cluster"):
        gather(data, by="name")
    few = gather(data.slice(0, 8), by="name"), gather(data.slice(8, 8), by="name")
    with pytest.raises(BadInput, match="more than 10"):
        few[0].merge(few[1])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"by": "twon"}, ("`by`", "did you mean `town`")),
        ({"by": 3}, ("`by` must be a column name",)),
        ({"by": []}, ("`by` must be",)),
        ({"cluster": ["town"]}, ("`cluster` must be the name of one column",)),
        ({"cluster": "*"}, ("`cluster` must name one column",)),
        ({"time": "town"}, ("column `town`", "`time` must hold times")),
        ({"time": "price"}, ("column `price`", "must be there and finite in every row", "row")),
        ({"slices": "vector"}, ("column `vector`", "holds lists of")),
        ({"seed": -1, "analyse": True}, ("`seed` must be 0 or more",)),
        ({"seed": 1.5}, ("`seed` must be a whole number",)),
    ],
)
def test_bad_options_are_said(options, said):
    data = table("binary", N).append_column("vector", pa.array([[1.0]] * N))
    with pytest.raises(BadInput) as caught:
        xent.score(data, **options)
    for words in said:
        assert words in str(caught.value), caught.value


@pytest.mark.parametrize("weight", [2.0**41, 2.0**-41])
def test_weights_beyond_the_sums_are_refused_by_the_analysis_alone(weight):
    given = {"targets": [1, 0], "probs": [0.5, 0.5], "sample_weight": [1.0, weight]}
    assert xent.score(**given).log_loss == pytest.approx(np.log(2))
    with pytest.raises(BadInput, match=r"row 1.*`sample_weight`.*Scale the weights.*--quick"):
        xent.score(**given, analyse=True)


@pytest.mark.parametrize("weight", [None, 2.0**30])
def test_losses_that_no_sum_has_room_for_are_refused_by_row(weight):
    logits, given = np.zeros(5), {} if weight is None else {"sample_weight": np.full(5, weight)}
    logits[3] = -(2.0**50) / (weight or 1.0)
    with pytest.raises(BadInput, match=r"row 3: here a finite loss.*below 2\^49.*--quick"):
        xent.score(targets=np.ones(5), logits=logits, analyse=True, **given)
    assert xent.score(targets=np.ones(5), logits=logits, **given).dearest[0].loss == -logits[3]
    logits[3] /= 4
    found = xent.score(targets=np.ones(5), logits=logits, analyse=True, **given)
    assert "NaN" not in found.to_json() and found.analysis.tail.half_rows == 1
