"""Files in, files out: all columns, predictions replaced in the form and type they had; a saved map does the same."""

import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prediction_files import binary, classes, load, save, sigmoid, softmax, wide

from xent.calibrate import from_json
from xent.evaluate.faults import BadInput
from xent.evaluate.repair import writers
from xent.evaluate.repair.door import apply, calibrate

SUFFIXES = (".parquet", ".csv", ".arrow", ".npz")


def many(n=600, form="prob", dtype=np.float32):
    """A table of four classes with further columns, and what it predicts."""
    z, t = classes(n=n)
    x = (softmax(z) if form == "prob" else z).astype(dtype)
    return wide(x, form, dtype, label=t, row=np.arange(n), share=np.arange(n) / 7.0), x


@pytest.mark.parametrize("after", SUFFIXES)
@pytest.mark.parametrize("before", SUFFIXES)
def test_applying_the_saved_map_makes_the_same_file(tmp_path, before, after):
    table, _ = many()
    source, first, second = save(tmp_path / f"in{before}", table), tmp_path / f"a{after}", tmp_path / f"b{after}"
    found = calibrate(str(source), method="vector", output=first, save=tmp_path / "map.json")
    assert found.wrote and found.rows == 600 and found.method == "vector" and found.form == "probs"
    again = apply(str(source), tmp_path / "map.json", second)
    assert again.rows == 600 and again.columns == found.columns == ("prob_a", "prob_b", "prob_c", "prob_d")
    one, two = load(first), load(second)
    kept = from_json((tmp_path / "map.json").read_text())
    stored = np.stack([load(source)[n] for n in found.columns], 1)
    wanted = kept.probabilities(stored.astype(np.float64))
    for i, (name, column) in enumerate(table.items()):
        assert np.array_equal(one[name], two[name]) and list(one) == list(table)
        if name in found.columns:
            assert one[name] == pytest.approx(wanted[:, i], abs=1e-7)
            assert one[name].dtype == (np.float64 if ".csv" in (before, after) else np.float32)
        else:
            assert one[name] == pytest.approx(column, rel=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        lambda z: pa.array(z.tolist(), pa.list_(pa.float32())),
        lambda z: pa.array(z.tolist(), pa.large_list(pa.float64())),
        lambda z: pa.array(z.tolist(), pa.list_(pa.float64(), 4)),
    ],
    ids=["list of float32", "large list", "list of fixed size"],
)
def test_lists_stay_lists_of_their_type(tmp_path, make):
    z, t = classes(n=500)
    pq.write_table(pa.table({"logits": make(z), "label": t}), tmp_path / "in.parquet")
    calibrate(tmp_path / "in.parquet", method="temperature", output=tmp_path / "out.parquet")
    before, after = (pq.read_table(tmp_path / f"{n}.parquet") for n in ("in", "out"))
    assert after.schema.equals(before.schema)
    ratio = np.array(after["logits"].to_pylist()) / np.array(before["logits"].to_pylist())
    assert ratio == pytest.approx(ratio[0, 0], rel=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_arrays_keep_their_dtype_and_shape(tmp_path, dtype):
    z, t = binary(n=800)
    np.savez(tmp_path / "in.npz", logits=z.astype(dtype)[:, None], labels=t[:, None])
    calibrate(tmp_path / "in.npz", method="platt", output=tmp_path / "out.npz", kind="multilabel")
    with np.load(tmp_path / "out.npz") as found:
        assert found["logits"].dtype == dtype and found["logits"].shape == (800, 1)
        assert np.array_equal(found["labels"], t[:, None])


def test_the_form_can_be_changed(tmp_path):
    z, t = binary()
    source = save(tmp_path / "in.parquet", {"y": t, "logit": z})
    calibrate(source, method="platt", output=tmp_path / "z.parquet")
    calibrate(source, method="platt", output=tmp_path / "p.parquet", output_form="probs")
    assert sigmoid(load(tmp_path / "z.parquet")["logit"]) == pytest.approx(
        load(tmp_path / "p.parquet")["logit"], abs=1e-15
    )


def test_text_keeps_every_letter(tmp_path):
    """Leading zeros, digits, quotes, new lines and empty cells of a CSV are not the command's to change."""
    z, t = binary(n=400)
    odd = ['007', 'a,b', 'say "hi"', '', 'NA', '1.10', ' x']  # fmt: skip
    quoted = [f'"{c.replace(chr(34), 2 * chr(34))}"' if set(c) & set(',"') else c for c in odd]
    lines = [f"{quoted[i % 7]},{p},{y}" for i, (p, y) in enumerate(zip(sigmoid(z), t, strict=True))]
    (tmp_path / "in.csv").write_text("id,prob,y\n" + "\n".join(lines) + "\n")
    calibrate(tmp_path / "in.csv", method="platt", output=tmp_path / "out.csv")
    after = (tmp_path / "out.csv").read_text().splitlines()
    assert after[0] == "id,prob,y"
    for old, new in zip(lines, after[1:], strict=True):
        (left, _, y), (new_left, p, new_y) = old.rsplit(",", 2), new.rsplit(",", 2)
        assert (left, y) == (new_left, new_y) and 0 < float(p) < 1


def test_several_files_become_one(tmp_path):
    table, _ = many(900)
    whole = save(tmp_path / "whole.parquet", table)
    (tmp_path / "parts").mkdir()
    for i in range(3):
        save(tmp_path / "parts" / f"{i}.parquet", {n: c[300 * i : 300 * i + 300] for n, c in table.items()})
    calibrate(whole, method="temperature", output=tmp_path / "a.parquet", save=tmp_path / "map.json")
    apply(tmp_path / "parts", tmp_path / "map.json", tmp_path / "b.parquet")
    one, two = load(tmp_path / "a.parquet"), load(tmp_path / "b.parquet")
    assert all(np.array_equal(one[n], two[n]) for n in table)
    save(tmp_path / "parts" / "3.parquet", {n: c for n, c in table.items() if n != "share"})
    with pytest.raises(BadInput, match=r"the same columns; `share` is float64 in .* and not there in"):
        apply(tmp_path / "parts", tmp_path / "map.json", tmp_path / "c.parquet")


def test_rows_without_labels_and_columns_in_another_order(tmp_path):
    table, _ = many()
    source = save(tmp_path / "in.parquet", table)
    calibrate(source, method="vector", output=tmp_path / "a.parquet", save=tmp_path / "map.json")
    turned = {n: table[n] for n in ("row", "prob_c", "prob_a", "prob_d", "prob_b")}
    apply(save(tmp_path / "new.parquet", turned), tmp_path / "map.json", tmp_path / "b.parquet")
    one, two = load(tmp_path / "a.parquet"), load(tmp_path / "b.parquet")
    assert list(two) == list(turned) and all(np.array_equal(one[n], two[n]) for n in turned)


def test_a_map_that_does_not_fit(tmp_path):
    table, x = many()
    calibrate(save(tmp_path / "in.parquet", table), method="vector", save=tmp_path / "map.json")
    out = tmp_path / "out.parquet"
    few = save(tmp_path / "few.parquet", {n: c for n, c in table.items() if n != "prob_d"})
    with pytest.raises(BadInput, match=r"takes 4 predictions a row; .* give 3"):
        apply(few, tmp_path / "map.json", out)
    other = save(tmp_path / "other.parquet", {n.replace("prob_d", "prob_z"): c for n, c in table.items()})
    with pytest.raises(BadInput, match="knows the classes `a`, `b`, `c`, `d`, the columns are for `a`, `b`, `c`, `z`"):
        apply(other, tmp_path / "map.json", out)
    lost = x.copy()
    lost[17, 2] = np.nan
    with pytest.raises(BadInput, match=r"row 17, column `prob_c`: .*NaN"):
        apply(save(tmp_path / "nan.parquet", wide(lost, "prob", np.float32)), tmp_path / "map.json", out)
    short = x.copy()
    short[3] *= 0.9
    with pytest.raises(BadInput, match="row 3: the 4 probabilities of a row must sum to 1"):
        apply(save(tmp_path / "sum.parquet", wide(short, "prob", np.float32)), tmp_path / "map.json", out)
    for text in ("{}", "[]", "no", json.dumps({"xent": "calibration", "kind": "labels", "version": 1, "maps": []})):
        (tmp_path / "bad.json").write_text(text)
        with pytest.raises(BadInput, match=r"bad.json: is not a map that `xent calibrate --save` wrote"):
            apply(few, tmp_path / "bad.json", out)
    with pytest.raises(BadInput, match=r"absent.json: cannot be read: No such file"):
        apply(few, tmp_path / "absent.json", out)
    assert not out.exists()


def test_labels_have_a_map_each(tmp_path):
    z, t = (np.stack(x, 1) for x in zip(*(binary(n=900, seed=s, slope=0.2 + 0.3 * s) for s in range(3)), strict=True))
    table = wide(z, "logit") | {f"y_{c}": t[:, i] for i, c in enumerate("abc")}
    source = save(tmp_path / "in.parquet", table)
    found = calibrate(
        source, method="platt", output=tmp_path / "a.parquet", save=tmp_path / "map.json", kind="multilabel"
    )
    apply(source, tmp_path / "map.json", tmp_path / "b.parquet")
    one, two = load(tmp_path / "a.parquet"), load(tmp_path / "b.parquet")
    told = json.loads((tmp_path / "map.json").read_text())
    assert told["about"]["classes"] == ["a", "b", "c"] and [m["kind"] for m in told["maps"]] == ["platt"] * 3
    for i, name in enumerate(found.columns):
        assert np.array_equal(one[name], two[name])
        m = told["maps"][i]
        assert one[name] == pytest.approx(m["slope"] * table[name] + m["intercept"], abs=1e-12)


def test_interrupted_work_leaves_nothing(tmp_path, monkeypatch):
    table, _ = many()
    source = save(tmp_path / "in.parquet", table)
    (tmp_path / "out.csv").write_text("as it was")

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(writers, "_lines", stop)
    with pytest.raises(KeyboardInterrupt):
        calibrate(source, method="vector", output=tmp_path / "out.csv", save=tmp_path / "map.json")
    assert sorted(os.listdir(tmp_path)) == ["in.parquet", "out.csv"]
    assert (tmp_path / "out.csv").read_text() == "as it was"


@pytest.mark.parametrize("fails", [writers, os])
def test_table_and_map_come_together_or_not_at_all(tmp_path, monkeypatch, fails):
    """Where no table can be written there is no map either, and no table without its map."""
    table, _ = many()
    source = save(tmp_path / "in.parquet", table)

    def full(*arguments, **more):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((writers, "_parquet", full) if fails is writers else (type(tmp_path), "write_text", full)))
    with pytest.raises(BadInput, match=r"cannot be written: No space left on device"):
        calibrate(source, method="vector", output=tmp_path / "out.parquet", save=tmp_path / "map.json")
    assert os.listdir(tmp_path) == ["in.parquet"]


def test_weightless_rows_are_written_but_not_looked_at(tmp_path):
    z, t = binary()
    w = np.ones(len(t))
    w[5] = 0.0
    z[5] = np.nan
    source = save(tmp_path / "in.npz", {"y": t, "logits": z, "sample_weight": w})
    calibrate(source, method="platt", output=tmp_path / "out.npz")
    after = load(tmp_path / "out.npz")["logits"]
    assert np.isnan(after[5]) and np.isnan(after).sum() == 1
