"""Files and arguments as they come in the wild: the right answer, or one message with the place and what to do."""

import datetime
import decimal
import gzip
import math

import numpy as np
import pytest

import xent
from xent.evaluate import BadInput

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
INTS = "label,p\n" + "1,0.5\n" * 300_000
OBJECTS = '{"label":1,"p":0.5}\n'
EARLY = '{"label":1,"probs":[0,1]}\n'


def message(data=None, **given):
    with pytest.raises(BadInput) as caught:
        xent.score(data, **given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "label;p\n1;0,5\n", ("row 0", "column `p`", "'0,5'")),
        ("a.csv", "label,p\n1,0.5\n0,abc\n", ("row 1", "column `p`", "'abc'")),
        ("a.csv", "label,p\n1,0.5\n0\n", ("row 1", "number of cells 1, in the header 2")),
        ("a.csv", INTS + "0.5,0.5\n", ("row 300000", "column `label`", "whole number", "'0.5'")),
        ("a.csv", "label,p", ("no rows",)),
        ("a.csv", "\n", ("no rows",)),
        ("a.csv", "label,p\n1e20,0.5\n", ("row 0", "1e+20", "--positive")),
        ("a.csv", "label,p,sample_weight\n1,0.5,a\n", ("column `sample_weight`", "one number a row", "string")),
        ("a.csv", "label,t,p\n1," + "x" * 3_000_000 + ",0.5\n", ("longer than 1048576 bytes", "Parquet")),
        ("a.csv", "label,p\n2020-01-01,0.5\n", ("column `label`", "date32")),
        ("a.csv", "label,prob_caf\xe9,prob_x\nx,0.5,0.5\n".encode("latin-1"), ("not UTF-8",)),
        ("a.csv.gz", gzip.compress(b""), ("no rows",)),
        ("a.jsonl", OBJECTS * 100_000 + '{"label":"x","p":0.5}\n', ("row 100000", "`label`", "text after numbers")),
        ("a.jsonl", OBJECTS + '{"label":0,"p":\n' + OBJECTS, ("row 1", "one object a line")),
        ("a.json", '[{"label":1,"p":0.5}]', ("JSON array", "JSON lines")),
        ("a.json", '{"label":{"0":1},"p":{"0":0.5}}', ("column `p`", "struct")),
    ],
)  # fmt: skip
def test_text_files_name_the_place(tmp_path, name, content, said):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    answer = message(path)
    assert str(path) in answer and len(answer) < 500
    for words in said:
        assert words in answer, answer


@pytest.mark.parametrize(
    ("name", "content", "loss"),
    [
        ("a.csv", "\ufefflabel,p\r\n1,0.5\r\n0,0.5\r\n", math.log(2)),
        ("a.csv", '"label","p"\n"1","0.5"\n', math.log(2)),
        ("a.json.gz", gzip.compress(OBJECTS.encode()), math.log(2)),
        ("a.jsonl", EARLY * 50_000 + '{"label":1,"probs":[0.5,0.5]}\n', math.log(2) / 50_001),
    ],
)
def test_text_files_that_are_read(tmp_path, name, content, loss):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert xent.score(path, probs="p*").log_loss == pytest.approx(loss, rel=1e-15)


@pytest.mark.parametrize(
    ("columns", "given", "said"),
    [
        ({"label": [1], "p": [0.5], "sample_weight": [[1.0]]}, {}, ("`sample_weight`", "lists of float64")),
        ({"label": [1.0], "p": [0.5]}, {"targets": "label", "probs": "*"}, ("`label`", "and as prediction")),
        ({"label": [1], "p": [0.5]}, {"sample_weight": "p", "probs": "p"}, ("`p`", "as weight")),
        ({"label": [0], "probs": [[1.0]]}, {}, ("extra axis",)),
        ({"label": [0], "probs": pa.array([[]], pa.list_(pa.float64()))}, {}, ("`probs`", "no number")),
        ({"label": [0], "probs": [["a"]]}, {"probs": "probs"}, ("`probs`", "numbers")),
        ({"label": [0], "probs": [[[0.5]]]}, {"probs": "probs"}, ("`probs`", "numbers")),
        ({"label": [["a", "b"]], "probs": [[0.5, 0.5]]}, {}, ("`label`", "0 and 1")),
        ({"label": [{"a": 1}], "p": [0.5]}, {}, ("`label`", "struct")),
        ({"label": [datetime.datetime(2020, 1, 1)], "p": [0.5]}, {}, ("`label`", "timestamp")),
        ({"label": [1], "p": [True]}, {}, ("`p`", "bool", "--probs 'p'")),
        ({"label": [1.0, 1e300], "p": [0.5] * 2}, {}, ("row 1", "1e+300")),
        ({"label": ["a"], "prob_a": [1.0], "prob_b": [0.0]}, {"positive": "a"}, ("`positive`", "single")),
        ({"label": [6], "prob_--5": [0.5], "prob_6": [0.5]}, {}, ("row 0", "label 6")),
        ({"label": [0, 1], "probs": [[0.5, 0.5], [1.0]]}, {"batch_rows": 1}, ("row 1", "column `probs`", "got 1")),
    ],
)  # fmt: skip
def test_tables_with_columns_that_mean_nothing(columns, given, said):
    answer = message(pa.table(columns), **given)
    for words in said:
        assert words in answer, answer


def test_decimals_are_numbers():
    half = [decimal.Decimal("0.5")]
    column = pa.array(half, pa.decimal128(5, 3))
    assert xent.score(pa.table({"label": [1], "p": column})).log_loss == math.log(2)
    lists = pa.array([half * 2], pa.list_(pa.decimal128(5, 3)))
    assert xent.score(pa.table({"label": [1], "probs": lists})).log_loss == math.log(2)


def test_true_and_false_find_classes_of_that_name():
    table = pa.table({"label": [True, False], "p_True": [0.9, 0.2], "p_False": [0.1, 0.8]})
    assert xent.score(table).log_loss == pytest.approx(-(math.log(0.9) + math.log(0.8)) / 2, rel=1e-15)


@pytest.mark.parametrize("kind", ["multilabel", "multiclass"])
@pytest.mark.parametrize("given", [{}, {"targets": "y_*", "probs": "p_*"}])
def test_yes_no_columns_meet_the_predictions_of_their_name(kind, given):
    table = pa.table({"y_a": [1, 0], "y_b": [0, 1], "p_b": [0.2, 0.7], "p_a": [0.8, 0.3]})
    score = xent.score(table, kind=kind, **given)
    assert score.log_loss == pytest.approx(-(math.log(0.8) + math.log(0.7)) / 2, rel=1e-15)
    assert any("paired by the endings" in note for note in score.notes)


def test_files_that_do_not_fit_together(tmp_path):
    pq.write_table(pa.table({"label": ["a", "b"], "p": [0.5, 0.5]}), tmp_path / "text.parquet")
    pq.write_table(pa.table({"label": [0, 1], "p": [0.5, 0.5]}), tmp_path / "whole.parquet")
    assert "one type in all files" in message([tmp_path / "text.parquet", tmp_path / "whole.parquet"])
    (tmp_path / "a.csv").write_text("label,p\n0,.5\n")
    (tmp_path / "b.csv").write_text("label,p\n1.0,.5\n")
    assert xent.score([tmp_path / "a.csv", tmp_path / "b.csv"]).log_loss == math.log(2)
    (tmp_path / "b.csv").write_text("label,p,sample_weight\n1,.5,2\n")
    assert "must have its weights" in message([tmp_path / "a.csv", tmp_path / "b.csv"])
    (tmp_path / "b.csv").write_text("truth,p\n1,.5\n")
    assert "column `label`, as in" in message([tmp_path / "a.csv", tmp_path / "b.csv"])


@pytest.mark.parametrize(
    ("path", "said"),
    [("-", "save a stream"), ("/dev/null", "save a stream"), ("s3://b/a.parquet", "download"), ("", "not be empty"),
     ("a" * 5000 + ".csv", "no such file")],
)  # fmt: skip
def test_paths_that_are_no_files(path, said):
    assert said in message(path)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"targets": [1, 0], "probs": np.ma.array([0.5, 0.5], mask=[0, 1])}, ("row 1", "masked")),
        ({"targets": ["a", None], "probs": [0.5, 0.5]}, ("row 1", "`targets`", "None")),
        ({"targets": {0, 1}, "probs": [0.5, 0.5]}, ("`targets`", "set")),
        ({"targets": [1], "probs": [0.5], "sample_weight": 1.0}, ("`sample_weight`", "array")),
        ({"targets": [1], "probs": [0.5], "sample_weight": [[1.0]]}, ("`sample_weight`", "one number")),
        ({"targets": [1], "probs": np.empty((1, 0))}, ("`probs`", "no number")),
        ({"targets": "label", "probs": "p"}, ("`targets` is 'label'", "no `data`")),
        ({"targets": [1], "probs": "p.npy"}, ("`probs` is 'p.npy'", ".npy file for each")),
        ({"targets": [1.0, math.nan], "probs": [0.5] * 2, "positive": 1}, ("row 1", "nan")),
        ({"targets": [[0], [1]], "probs": [[0.5, 0.5]] * 2}, ("extra axis",)),
        ({"targets": [[0, 1]], "probs": [[0.5, 0.5]], "kind": "binary"}, ("`kind`=binary",)),
        ({"targets": [1], "probs": [0.5], "rows": 2.5}, ("`rows`", "2.5")),
        ({"targets": [1], "probs": [0.5], "rows": None}, ("`rows`", "None")),
        ({"targets": [1], "probs": [0.5], "batch_rows": 1.5}, ("`batch_rows`", "1.5")),
        ({"targets": [1], "probs": [0.5], "confidence": "x"}, ("`confidence`", "'x'")),
        ({"targets": [1], "probs": [0.5], "seed": 2**63}, ("`seed`", str(2**63))),
        ({"targets": [1], "probs": [0.5], "floor": "x"}, ("`floor`", "'x'")),
        ({"targets": [1], "probs": [0.5], "classes": "ab"}, ("`classes`", "'ab'")),
        ({"targets": [1], "probs": [0.5], "classes": 3}, ("`classes`", "3")),
    ],
)
def test_arguments_that_mean_nothing(given, said):
    answer = message(**given)
    for words in said:
        assert words in answer, answer


def test_arguments_that_do_mean_something():
    given = {"targets": np.array([1, 0], object), "probs": np.array([0.5, 0.5], object)}
    assert xent.score(**given, sample_weight="none").log_loss == math.log(2)
    assert xent.score(targets=[1.0, 2.0], probs=[0.5, 0.25], positive=2.0).classes == 2
    assert math.isfinite(xent.score(targets=[1, 0], probs=[0.5, 0.25], confidence=1 - 1e-16).high)
    assert xent.score({0: [1, 0], "p": [0.5, 0.5]}, targets="0").rows == 2
    assert xent.score(targets=[0, 1], logits=[[-1e308, 1e308], [1.0, 2.0]]).infinite == 1


def test_arrays_in_npz_are_named(tmp_path):
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", label=np.array(["a", "b"], object), p=[0.5, 0.5])
        answer = message(tmp_path / "a.npz")
        assert "array `label`" in answer and "astype(str)" in answer
    np.savez(tmp_path / "a.npz", label=np.array(1), p=[0.5, 0.5])
    assert "column `label`" in message(tmp_path / "a.npz")


def test_pandas_with_two_columns_of_one_name():
    pd = pytest.importorskip("pandas")
    assert "Duplicate column" in message(pd.DataFrame([[1, 0.5, 0.2]], columns=["label", "p", "p"]))
