"""What models can be given as; what is refused, and how it is said."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import xent

pa = pytest.importorskip("pyarrow")
N = 200
RNG = np.random.default_rng(3)
Y = RNG.integers(0, 3, N)
Z = RNG.normal(size=(2, N, 3))
P = np.exp(Z[1]) / np.exp(Z[1]).sum(1, keepdims=True)
TABLE = pa.table({"label": Y, **{f"z_a_{k}": Z[0][:, k] for k in range(3)}, **{f"p_b_{k}": P[:, k] for k in range(3)}})
TRUE = xent.compare(targets=Y, models={"a": {"logits": Z[0]}, "b": P})


def same(found, pairs=TRUE.pairs):
    assert found.pairs == pairs
    return found


def test_columns_of_one_table_are_models():
    same(xent.compare(TABLE, models={"a": "logits:z_a_*", "b": "probs:p_b_*"}))
    same(xent.compare(TABLE, models={"a": "z_a_*", "b": "p_b_*"}))  # by their names
    same(xent.compare(TABLE, models={"a": {"logits": "z_a_*"}, "b": ["p_b_0", "p_b_1", "p_b_2"]}))
    wide = {"label": Y, "mine": Z[0], "other": P}
    same(xent.compare(wide, models={"a": "logits:mine", "b": "other"}))
    lists = pa.table({"label": Y, "mine": Z[0].tolist(), "other": P.tolist()})
    same(xent.compare(lists, models={"a": "logits:mine", "b": "other"}, targets="label"))


def test_one_column_each():
    y = Y % 2
    table = pa.table({"y": y, "u": P[:, 0], "v": P[:, 1], "w": Z[0][:, 0]})
    found = xent.compare(table, probs=["u", "v"], logits="w")
    assert [(p.a, p.b) for p in found.pairs] == [("u", "v"), ("u", "w"), ("v", "w")]
    assert (
        found.pairs == xent.compare(targets=y, models={"u": P[:, 0], "v": P[:, 1], "w": {"logits": Z[0][:, 0]}}).pairs
    )
    assert xent.compare(table, models=["u", "v"]).pairs == xent.compare(table, probs=["u", "v"]).pairs


def test_frames_are_models(tmp_path):
    pd = pytest.importorskip("pandas")
    a = pd.DataFrame({"label": Y, **{f"logit_{k}": Z[0][:, k] for k in range(3)}})
    b = pd.DataFrame({"label": Y, **{f"prob_{k}": P[:, k] for k in range(3)}})
    same(xent.compare({"a": a, "b": b}))
    a.to_csv(tmp_path / "a.csv", index=False)
    b.to_parquet(tmp_path / "b.parquet")
    found = same(xent.compare([tmp_path / "a.csv", tmp_path / "b.parquet"]))
    assert [h[0] for h in found.provenance.hashes] == [str(tmp_path / "a.csv"), str(tmp_path / "b.parquet")]
    same(xent.compare(str(tmp_path / "*.*")))
    assert [m.name for m in xent.compare([a, b]).models] in (["model 1", "model 2"], ["model 2", "model 1"])


def test_one_prediction_a_row_is_two_classes():
    y = Y % 2
    found = xent.compare({
        "one": {"label": y, "prob": P[:, 0]}, "two": {"label": y, "prob": np.stack([1 - P[:, 0], P[:, 0]], 1)},
    })  # fmt: skip
    assert abs(found.pairs[0].difference) < 1e-15


def test_soft_labels():
    q = RNG.dirichlet([1, 1, 1], N)
    found = xent.compare(targets=q, models={"a": {"logits": Z[0]}, "b": P})
    log = [Z[0] - np.log(np.exp(Z[0]).sum(1, keepdims=True)), np.log(P)]
    d = (q * (log[1] - log[0])).sum(1)
    pair = found.pairs[0]
    assert pair.difference == pytest.approx(d.mean(), rel=1e-12)
    assert pair.standard_error == pytest.approx(d.std(ddof=1) / N**0.5, rel=1e-9)
    two = {f"q_{k}": q[:, k] for k in range(3)}
    tables = {
        n: pa.table(two | {f"p_{k}": P[:, k] for k in order}) for n, order in (("a", (0, 1, 2)), ("b", (2, 1, 0)))
    }
    assert xent.compare(tables, targets="q_*", probs="p_*", soft=True).pairs[0].ties == 1
    moved = tables["b"].set_column(0, "q_0", pa.array(q[::-1, 0]))
    with pytest.raises(ValueError, match=r"must sum to 1|has the truth"):
        xent.compare({"a": tables["a"], "b": moved}, targets="q_*", probs="p_*", soft=True)


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((), {"targets": Y}, "give `data` .*`targets`, and `models` as a dict"),
        ((), {"targets": Y, "models": {"a": P}}, "at least two models are needed"),
        ((), {"targets": Y, "models": {"a": P, "b": {"odds": P}}}, "one key, `probs` or `logits`; got \\['odds'\\]"),
        ((), {"targets": Y, "models": {"a": P, "b": P[:, :2]}}, "same classes"),
        ((), {"targets": Y, "models": {"a": P, "b": P[:-1]}}, "same number of rows"),
        ((), {"targets": Y, "models": {"a": P, "b": P * 2}}, "must lie in \\[0, 1\\]|must sum to 1"),
        ((), {"targets": Y, "models": {"a": P, "b": P}, "by": Y}, "`by` must be a dict"),
        ((TABLE,), {}, "at least two models are needed"),
        ((TABLE,), {"models": {"a": "p_b_*", "b": "p_b_*"}}, "a and b are the same columns"),
        ((TABLE,), {"models": {"a": "p_b_*", "b": "p_c_*"}}, "`p_c_\\*`, which is not there"),
        ((TABLE,), {"models": {"a": "p_b_*", "b": P}}, "column name, several or a glob .* got ndarray"),
        ((TABLE,), {"models": ["p_b_*"], "probs": "p_b_0"}, "not both"),
        (({"a": TABLE, "b": TABLE},), {"models": ["p_b_*"]}, "here `data` has 2 of them"),
        ((TABLE,), {"models": ["p_b_*", "z_a_*"], "confidence": 1.5}, "`confidence` must lie"),
        ((TABLE,), {"models": ["p_b_*", "z_a_*"], "by": "group"}, "`by` names the column `group`, which is not there"),
        ((TABLE,), {"models": ["p_b_*", "z_a_*"], "id": 3}, "`id` must be the name"),
        ((["nowhere.parquet", "no.parquet"],), {}, "nowhere.parquet: no such file"),
    ],
)
def test_what_is_refused(arguments, options, said):
    with pytest.raises(ValueError, match=said):
        xent.compare(*arguments, **options)


def test_json_holds_every_number():
    found = json.loads(TRUE.to_json())
    assert found["pairs"][0]["difference"] == TRUE.pairs[0].difference and set(found) == set(TRUE.to_dict())
    assert found["verdict"] == TRUE.verdict and repr(TRUE).startswith("Comparison(")


def test_streams_are_read_once():
    a = TABLE.select(["label", "z_a_0", "z_a_1", "z_a_2"]).rename_columns(["label", "logit_0", "logit_1", "logit_2"])
    b = TABLE.select(["label", "p_b_0", "p_b_1", "p_b_2"]).rename_columns(["label", "prob_0", "prob_1", "prob_2"])
    same(xent.compare({"a": a.to_reader(max_chunksize=70), "b": b.to_reader(max_chunksize=33)}))
    for option in ("by", "id", "time"):
        with pytest.raises(ValueError, match=f"`{option}` needs .* read twice"):
            xent.compare({"a": a.to_reader(), "b": b.to_reader()}, **{option: "label"})


def test_memory_stays_flat_by_position(tmp_path):
    """Peak memory of ten times the rows: the sums, a few batches, no column of any file."""
    script = """
import resource, sys, numpy as np, pyarrow as pa, pyarrow.parquet as pq, xent
rng = np.random.default_rng(0)
for name in "ab":
    with pq.ParquetWriter(f"{sys.argv[1]}/{name}.parquet", pa.schema([("y", pa.int8()), ("p", pa.float32())])) as file:
        for _ in range(int(sys.argv[2])):
            y = np.tile(np.arange(2, dtype=np.int8), 50_000)
            file.write_table(pa.table({"y": y, "p": rng.random(100_000, np.float32)}))
found = xent.compare([f"{sys.argv[1]}/{name}.parquet" for name in "ab"])
print(found.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    peaks = []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    for pieces in (3, 30):
        command = [sys.executable, "-c", script, tmp_path, str(pieces)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        rows, peak = map(int, done.stdout.split())
        assert rows == pieces * 100_000
        peaks.append(peak)
    assert peaks[1] < peaks[0] + 25, peaks  # MB; the losses of 2,700,000 more rows alone would be 43 MB
