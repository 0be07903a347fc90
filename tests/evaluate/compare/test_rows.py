"""Which rows are the same: by position, by key, with classes in any order; and what is not the same is named."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xent

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
N = 300
RNG = np.random.default_rng(5)
NAMES = np.array(["cat", "cow", "dog"])
IDS = RNG.integers(0, 3, N)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


P = [softmax(RNG.normal(size=(N, 3)) * s) for s in (1, 2)]
GROUP = RNG.integers(0, 4, N)


def table(which, order=(0, 1, 2), rows=slice(None), key=None):
    columns = {f"prob_{NAMES[k]}": P[which][rows, k] for k in order}
    columns |= {"label": NAMES[IDS][rows], "id": np.arange(N)[rows] if key is None else key, "group": GROUP[rows]}
    return pa.table(columns)


def numbers(found):
    """What does not say where rows came from."""
    said = dataclasses.asdict(found)
    keep = ("rows", "weight", "models", "pairs", "slices")
    return {k: [{n: v for n, v in x.items() if n != "source"} for x in said[k]] if k in keep[2:] else said[k]
            for k in keep}  # fmt: skip


WHOLE = numbers(xent.compare({"a": table(0), "b": table(1)}, by="group"))


@pytest.fixture
def folder(tmp_path):
    def write(name, found):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(found, tmp_path / name, row_group_size=70)
        return str(tmp_path / name)

    write.path = tmp_path
    return write


def test_classes_are_matched_by_name_not_by_place():
    assert numbers(xent.compare({"a": table(0), "b": table(1, order=(2, 0, 1))}, by="group")) == WHOLE
    wrong = table(1).rename_columns(["prob_cat", "prob_cow", "prob_emu", "label", "id", "group"])
    with pytest.raises(ValueError, match=r"same classes: a has `cat`, `cow`, `dog` .* b has `cat`, `cow`, `emu`"):
        xent.compare({"a": table(0), "b": wrong.filter(pa.compute.not_equal(wrong["label"], "dog"))})


@settings(max_examples=8)
@given(size=st.integers(1, 400), seed=st.integers(0, 99))
def test_batches_never_change_a_bit_nor_does_the_order_of_rows(size, seed):
    rows = np.random.default_rng(seed).permutation(N)
    found = xent.compare({"a": table(0, rows=rows), "b": table(1, rows=rows)}, by="group", batch_rows=size)
    assert numbers(found) == WHOLE


def test_a_join_in_any_order_is_by_position(folder):
    rows = np.random.default_rng(1).permutation(N)
    a, b = folder("a.parquet", table(0)), folder("b.parquet", table(1, rows=rows))
    joined = xent.compare([a, b], id="id", by="group")
    assert numbers(joined) == WHOLE and joined.joined == "id" and joined.unmatched == (("a", 0), ("b", 0))
    assert numbers(xent.compare([a, b], id="id", by="group", batch_rows=37)) == WHOLE
    with pytest.raises(ValueError, match=r"same rows: .*a\.parquet, row \d+ has the truth `\w+` for a, and .*--id"):
        xent.compare([a, b])


@pytest.mark.parametrize("kind", [str, np.int32, np.float64])
def test_keys_of_any_kind(kind):
    rows = np.random.default_rng(1).permutation(N)
    key = np.arange(N)[rows].astype(kind)
    mine = np.arange(N).astype(str if kind is str else np.int64)
    assert numbers(xent.compare({"a": table(0, key=mine), "b": table(1, rows=rows, key=key)}, id="id", by="group")) == (
        WHOLE
    )


def test_rows_without_a_partner_are_counted_and_left_out():
    some = np.flatnonzero(np.arange(N) % 3 > 0)
    found = xent.compare({"a": table(0), "b": table(1, rows=some[::-1])}, id="id")
    assert found.unmatched == (("a", N - len(some)), ("b", 0)) and found.rows == len(some)
    assert any("100 of the 300 rows of a have no partner" in alert for alert in found.alerts)
    only = xent.compare({"a": table(0, rows=some), "b": table(1, rows=some)})
    assert numbers(found) == numbers(only)
    with pytest.raises(ValueError, match="no value of `id` is in all models: a has 0 and others, b has 1000"):
        xent.compare({"a": table(0), "b": table(1, key=np.arange(N) + 1000)}, id="id")


def test_a_key_that_stands_twice_is_named():
    key = np.arange(N)
    key[[7, 250]] = 3
    with pytest.raises(ValueError, match=r"row 7, column `id`: .*; 3 stands in row 3 already \(2 such rows\)"):
        xent.compare({"a": table(0), "b": table(1, key=key)}, id="id")
    with pytest.raises(ValueError, match="`id` names the column `key`, which is not there"):
        xent.compare({"a": table(0), "b": table(1)}, id="key")
    with pytest.raises(ValueError, match=r"`id`: column `id` must be of one type .* int64 in a and string in b"):
        xent.compare({"a": table(0), "b": table(1, key=np.arange(N).astype(str))}, id="id")


def test_truth_that_differs_is_named_with_both_places(folder):
    other = NAMES[IDS].copy()
    other[123] = NAMES[(IDS[123] + 1) % 3]
    wrong = table(1).set_column(3, "label", pa.array(other))
    said = f"a.parquet, row 123 has the truth `{NAMES[IDS[123]]}` for a, and .*b.parquet, row 123 has `{other[123]}`"
    a, b = folder("a.parquet", table(0)), folder("b.parquet", wrong)
    for options in ({}, {"id": "id"}):
        with pytest.raises(ValueError, match=said):
            xent.compare([a, b], **options)


def test_rows_of_different_number_are_refused():
    with pytest.raises(ValueError, match="b has 200 and a has 300"):
        xent.compare({"a": table(0), "b": table(1, rows=slice(200))})


def test_weights_must_agree():
    weight = RNG.random(N) + 0.1
    a, b = (table(i).append_column("sample_weight", pa.array(weight)) for i in (0, 1))
    assert xent.compare({"a": a, "b": b}).weight == pytest.approx(weight.sum())
    with pytest.raises(ValueError, match="a has the weights `sample_weight`, and b has none"):
        xent.compare({"a": a, "b": table(1)})
    weight = weight + (np.arange(N) == 5)
    with pytest.raises(ValueError, match=r"row 5 weighs .* for a, and b, row 5 weighs .* for b"):
        xent.compare({"a": a, "b": table(1).append_column("sample_weight", pa.array(weight))})
    assert numbers(xent.compare({"a": a, "b": b}, sample_weight="none", by="group")) == WHOLE


def test_shards_of_a_folder_are_one_model(folder):
    for i in range(3):
        folder(f"old/part{i}.parquet", table(0, rows=slice(100 * i, 100 * i + 100)))
    new = folder("new.parquet", table(1))
    found = xent.compare({"a": str(folder.path / "old"), "b": new}, by="group")
    assert numbers(found) == WHOLE and any("part0.parquet and 2 more" in m.source for m in found.models)
    globbed = xent.compare({"a": str(folder.path / "old" / "*.parquet"), "b": new}, by="group")
    assert numbers(globbed) == WHOLE


def test_files_of_one_stem_are_told_apart_by_their_folders(folder):
    paths = [folder(f"{d}/preds.parquet", table(i)) for i, d in enumerate("ab")]
    assert {m.name for m in xent.compare(paths).models} == {"a/preds", "b/preds"}


def test_infinite_rows_are_found_again_by_their_keys(folder):
    rows = np.random.default_rng(1).permutation(N)
    zero = np.zeros((N, 3))
    zero[np.arange(N), (IDS + (np.arange(N) == 42)) % 3] = 1.0  # certain, and wrong in the row of key 42
    columns = {f"prob_{n}": zero[rows, k] for k, n in enumerate(NAMES)} | {"label": NAMES[IDS][rows], "id": rows}
    path = folder("b.parquet", pa.table(columns))
    lost = xent.compare([folder("a.parquet", table(0)), path], id="id").infinite
    at = int(np.flatnonzero(rows == 42)[0])
    assert [(r.file, r.row, r.id, r.target, r.models) for r in lost] == [(path, at, "42", NAMES[IDS[42]], ("b",))]
