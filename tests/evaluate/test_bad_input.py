"""Whatever cannot be scored is refused with its file, row and column, and with what to do. Nothing is dropped."""

import io
import math

import numpy as np
import pytest

import xent
from xent.evaluate import BadInput

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def refused(*said, **given):
    with pytest.raises(BadInput) as caught:
        xent.score(given.pop("data", None), **given)
    message = str(caught.value)
    for words in said:
        assert words in message, message
    return message


GOOD = {"label": [1, 0, 1, 1], "p": [0.5, 0.25, 0.75, 1.0]}


@pytest.mark.parametrize(
    ("p", "said"),
    [
        (math.nan, ("row 2", "column `p`", "NaN")),
        (None, ("row 2", "column `p`", "null")),
        (1.5, ("row 2", "column `p`", "[0, 1]", "1.5", "--logits")),
        (-0.1, ("row 2", "column `p`", "-0.1")),
        (math.inf, ("row 2", "[0, 1]")),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow", "jsonl"])
def test_bad_probabilities(tmp_path, ending, p, said):
    table = pa.table({**GOOD, "p": [0.5, 0.25, p, 1.0]})
    path = tmp_path / f"preds.{ending}"
    save(table, path)
    if ending == "csv" and p is not None and math.isnan(p):
        said = ("row 2", "column `p`")  # pyarrow reads NaN in text as missing
    if ending == "jsonl" and p is not None and not math.isfinite(p):
        said = ("preds.jsonl",)  # JSON has no such numbers
    refused("preds." + ending, *said, data=path)


def save(table, path):
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".arrow":
        with pa.ipc.new_stream(path, table.schema) as writer:
            writer.write_table(table)
    elif path.suffix == ".jsonl":
        text = "\n".join(repr(row).replace("'", '"').replace("None", "null") for row in table.to_pylist())
        path.write_text(text.replace("nan", "NaN").replace("inf", "Infinity") + "\n")
    else:
        import pyarrow.csv

        pyarrow.csv.write_csv(table, path)


def test_row_sums():
    good = [[0.5, 0.5], [0.25, 0.75]]
    refused("row 1", "sum to 1", "0.9", "tolerance", "renormalize", targets=[0, 1], probs=[good[0], [0.25, 0.65]])
    assert xent.score(targets=[0, 1], probs=[good[0], [0.25, 0.65]], tolerance=0.2).row_sum_deviation == pytest.approx(
        0.1
    )
    refused("row 0", "all 0", targets=[0, 1], probs=[[0, 0], good[1]], renormalize=True)
    float32 = np.float32([[0.1] * 10]) + np.float32(1e-8)
    assert xent.score(targets=[0], probs=float32).rows == 1
    refused("row 0", "within 2.4e-07", targets=[0], probs=[[0.5, 0.500001]])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"targets": [0, 3], "probs": [[0.5, 0.5]] * 2}, ("row 1", "label 3", "2 classes", "--classes")),
        ({"targets": [0, -1], "probs": [[0.5, 0.5]] * 2}, ("row 1", "label -1")),
        ({"targets": [1, 2], "probs": [0.5, 0.5]}, ("row 1", "0 and 1", "--positive")),
        ({"targets": [1.0, 0.5], "probs": [0.5, 0.5], "soft": False}, ("row 1", "0.5", "--soft")),
        ({"targets": [1, 0], "probs": [0.5, 0.5, 0.5]}, ("same number of rows", "2", "3")),
        ({"targets": ["a", "b"], "probs": [[0.2, 0.3, 0.5]] * 2}, ("2 labels", "3 classes", "--classes")),
        ({"targets": ["a", "b", "c"], "probs": [0.5] * 3}, ("3 labels", "two classes")),
        ({"targets": ["a", "a"], "probs": [0.5] * 2}, ("one label only", "--positive")),
        ({"targets": ["a", "z"], "probs": [[0.5, 0.5]] * 2, "classes": ["a", "b"]}, ("row 1", "'z'", "a, b")),
        ({"targets": [[1, 0], [0, 2]], "probs": [[0.5, 0.5]] * 2}, ("row 1", "0 or 1", "2")),
        ({"targets": [[1, 0], [0, 1]], "probs": [[0.5, 0.5]] * 2}, ("one-hot", "--kind")),
        ({"targets": [[1, 1], [0, 1]], "probs": [[0.5, 0.5]] * 2, "kind": "multiclass"}, ("row 0", "exactly one", "2")),
        ({"targets": [1, 0], "probs": [0.5, 0.5], "sample_weight": [1, -1]}, ("row 1", "sample_weight", "-1")),
        ({"targets": [1, 0], "probs": [0.5, 0.5], "sample_weight": [1, math.nan]}, ("row 1", "sample_weight")),
        ({"targets": [1, 0], "probs": [0.5, 0.5], "sample_weight": [0, 0]}, ("weight 0",)),
        ({"targets": [1, 0], "probs": [0.5, 0.5], "sample_weight": [1, 1e200]}, ("row 1", "1e-90 and 1e90", "1e+200")),
        ({"targets": [1, 0], "probs": [[0.5], [0.5]]}, ("`targets` ([rows])", "`probs` ([rows, 1])", "extra axis")),
        ({"targets": [[1], [0]], "probs": [0.5, 0.5]}, ("`targets` ([rows, 1])", "extra axis")),
        ({"targets": [1], "probs": [[[0.5]]]}, ("`probs`", "3 dimensions")),
        ({"targets": [1, 0], "logits": [0.5, math.nan]}, ("row 1", "`logits`", "NaN")),
        ({"targets": [1], "logits": [[math.inf, math.inf]]}, ("row 0", "+inf")),
        ({"targets": [1], "logits": [[-math.inf, -math.inf]]}, ("row 0", "-inf")),
        ({"targets": [], "probs": []}, ("no rows",)),
        ({"targets": [1, 0]}, ("`targets` with one of `probs` and `logits`",)),
        ({"targets": [1], "probs": [0.5], "logits": [0.0]}, ("one of",)),
        ({"targets": [1], "probs": [0.5], "floor": 2.0}, ("`floor`", "2.0")),
        ({"targets": [1], "probs": [0.5], "compat": "spark"}, ("`compat`", "sklearn", "spark")),
        ({"targets": [1], "probs": [0.5], "compat": "torch", "floor": 0.1}, ("`compat` and `floor`",)),
        ({"targets": [1], "probs": [0.5], "confidence": 1.0}, ("`confidence`",)),
        ({"targets": [1], "probs": [0.5], "tolerance": -1}, ("`tolerance`",)),
        ({"targets": [1], "probs": [0.5], "rows": -1}, ("`rows`",)),
        ({"targets": [1], "probs": [0.5], "batch_rows": 0}, ("`batch_rows`",)),
        ({"targets": [1], "probs": [0.5], "kind": "ordinal"}, ("`kind`", "ordinal")),
        ({"targets": [1], "probs": [0.5], "classes": ["a", "a"]}, ("`classes`", "2 different")),
        ({"targets": [1], "probs": [[["a"]]]}, ("`probs`",)),
        ({"data": 3}, ("PyCapsule", "int")),
        ({"data": GOOD, "targets": "lable"}, ("`lable`", "did you mean `label`?")),
        ({"data": GOOD, "probs": "q_*"}, ("`q_*`", "Columns: `label`, `p`")),
        ({"data": GOOD, "targets": [0, 1]}, ("column name",)),
        ({"data": {**GOOD, "prob": GOOD["p"]}}, ("could be", "`prob`", "`p`", "--probs")),
        ({"data": {**GOOD, "truth": GOOD["label"]}}, ("several columns", "`label`", "`truth`", "--target")),
        ({"data": {"yes": [1], "p": [0.5]}}, ("no column is obviously the true label", "--target")),
        ({"data": {"y": [1, 0], "a": [0.5, 0.5]}}, ("no columns are obviously", "`a`", "--probs")),
        ({"data": {"y": [1, 0], "p": ["x", "y"]}, "probs": "p"}, ("column `p`", "numbers")),
    ],
)  # fmt: skip
def test_refusals_from_python(given, said):
    refused(*said, **given)


def test_weight_zero_rows_are_not_looked_at_and_are_counted():
    score = xent.score(targets=[1, 0, 1], probs=[0.5, math.nan, 7.0], sample_weight=[1, 0, 0])
    assert (score.rows, score.weightless_rows) == (1, 2)
    assert score.log_loss == math.log(2)
    rows = xent.score(targets=[1, 0], probs=[[0.5, 0.5], [math.nan, 3.0]], sample_weight=[2, 0])
    assert (rows.rows, rows.weightless_rows, len(rows.dearest)) == (1, 1, 1)


def test_files_that_are_not_there_or_are_damaged(tmp_path):
    refused("nowhere.csv", "no such file", data=tmp_path / "nowhere.csv")
    refused("no file matches", data=str(tmp_path / "*.csv"))
    refused("no prediction files", data=tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    refused("notes.txt", "unknown format", data=tmp_path / "notes.txt")
    for ending in ("csv", "parquet", "arrow", "jsonl", "npy", "npz"):
        empty = tmp_path / f"empty.{ending}"
        empty.write_bytes(b"")
        refused(f"empty.{ending}", "empty", data=empty)
        noise = tmp_path / f"noise.{ending}"
        noise.write_bytes(bytes(range(256)) * 8)
        refused(f"noise.{ending}", data=noise)


@pytest.mark.parametrize("ending", ["parquet", "arrow", "npz", "npy", "csv.gz"])
def test_truncated_files(tmp_path, ending):
    n = 20000
    columns = {"label": np.arange(n) % 2, "p": np.random.default_rng(0).random(n)}
    path = tmp_path / f"cut.{ending}"
    if ending == "npz":
        np.savez(path, labels=columns["label"], predictions=columns["p"])
    elif ending == "npy":
        np.save(path, np.rec.fromarrays(list(columns.values()), names="label,p").view(np.ndarray))
    elif ending == "csv.gz":
        import gzip

        import pyarrow.csv

        text = io.BytesIO()
        pyarrow.csv.write_csv(pa.table(columns), text)
        path.write_bytes(gzip.compress(text.getvalue()))
    else:
        save(pa.table(columns), path)
    assert xent.score(path).rows == n
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    refused(f"cut.{ending}", data=path)


def test_text_that_changes_its_mind(tmp_path):
    path = tmp_path / "preds.csv"
    path.write_text("label,p\n" + "1,0.5\n" * 1_000_000 + "cat,0.5\n")
    refused("preds.csv", "cat", data=path)
    path.write_text("label,p\n1,0.5\n0,0.5,7\n")
    refused("preds.csv", data=path)
    path.write_text("label,p\n")
    refused("preds.csv", "no rows", data=path)


def test_files_must_agree(tmp_path):
    save(pa.table(GOOD), tmp_path / "a.parquet")
    save(pa.table({"label": GOOD["label"], "p": pa.array(GOOD["p"], pa.float32())}), tmp_path / "b.parquet")
    refused("one type in all files", "float64", "a.parquet", "float32", "b.parquet", data=tmp_path)
    save(pa.table({"label": ["1", "0", "1", "1"], "p": GOOD["p"]}), tmp_path / "b.parquet")
    refused("one type in all files", "`label`", "b.parquet", data=tmp_path)
    save(pa.table({"label": GOOD["label"]}), tmp_path / "b.parquet")
    refused("b.parquet", "`p`", "not there", data=tmp_path)


def test_nulls_and_unseen_labels_in_text(tmp_path):
    table = pa.table({"label": ["cat", None, "dog"], "prob_cat": [0.5] * 3, "prob_dog": [0.5] * 3})
    save(table, tmp_path / "a.parquet")
    refused("a.parquet", "row 1", "column `label`", "null", data=tmp_path / "a.parquet")
    save(table.set_column(0, "label", pa.array(["cat", "dog", "cow"])), tmp_path / "b.parquet")
    refused("b.parquet", "row 2", "column `label`", "'cow'", "cat, dog", data=tmp_path / "b.parquet")


def test_lists_of_different_lengths():
    table = pa.table({"label": [0, 1], "probs": [[0.5, 0.5], [1.0]]})
    refused("row 1", "column `probs`", "same length", data=table)


def test_pickled_arrays_are_never_loaded(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused("a.npy", "pickled", data=tmp_path / "a.npy")


def test_two_columns_of_one_name():
    table = pa.Table.from_arrays([pa.array([1]), pa.array([0.5]), pa.array([0.5])], names=["label", "p", "p"])
    refused("`p`", "two columns", data=table)


def test_a_stream_is_read_once():
    reader = pa.table({"label": ["a", "b"], "p": [0.5, 0.5]}).to_reader()
    refused("only once", data=reader)
    reader = pa.table({"label": ["a", "b"], "p": [0.5, 0.5]}).to_reader()
    assert xent.score(reader, classes=["a", "b"]).rows == 2
