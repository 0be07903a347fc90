"""Formats, tables and column names: the same score through every door, and every choice said aloud."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import xent

pa = pytest.importorskip("pyarrow")
RNG = np.random.default_rng(8)
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
N = 400
Z = RNG.normal(size=(N, 3)) * 3
P = np.exp(Z) / np.exp(Z).sum(1, keepdims=True)
IDS = RNG.integers(0, 3, N)
NAMES = np.array(["cat", "cow", "dog"])


def wide(prefix="prob_"):
    return pa.table({"label": NAMES[IDS], **{f"{prefix}{name}": P[:, k] for k, name in enumerate(NAMES)}})


TRUE = xent.score(targets=IDS, probs=P)


def same(score):
    assert score.log_loss == TRUE.log_loss and score.rows == N and score.z == TRUE.z
    return score


def test_prefixes_names_and_order_of_classes():
    assert [c.name for c in same(xent.score(wide())).by_class] == ["cat", "cow", "dog"]
    same(xent.score(wide("p_")))
    same(xent.score(wide("")))  # columns named after the classes
    same(xent.score(wide().select(["prob_dog", "label", "prob_cat", "prob_cow"])))
    same(xent.score(wide("x_"), probs="x_*"))
    same(xent.score(wide("x_"), probs=["x_dog", "x_cat", "x_cow"], targets="label"))


def test_numbered_columns_go_by_number_not_by_place():
    shuffled = pa.table({"y": IDS + 8, **{f"p_{k + 8}": P[:, k] for k in (2, 0, 1)}})
    same(xent.score(shuffled))
    ids = pa.table({"y": IDS, **{f"p_{name}": P[:, k] for k, name in enumerate(NAMES)}})
    assert any("column order" in note for note in same(xent.score(ids)).notes)


def test_lists_and_matrices():
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(P.ravel()), 3)
    same(xent.score(pa.table({"target": IDS, "probs": fixed})))
    same(xent.score(pa.table({"target": IDS, "probs": P.tolist()})))
    same(xent.score(pa.table({"target": NAMES[IDS], "probs": P.tolist()})))
    same(xent.score(pa.table({"target": NAMES[IDS], "probs": P[:, [2, 1, 0]].tolist()}), classes=["dog", "cow", "cat"]))
    logits = xent.score(pa.table({"target": IDS, "logits": Z.tolist()}))
    assert logits.form == "logits" and logits.log_loss == pytest.approx(TRUE.log_loss, rel=1e-12)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("compressed", [False, True])
def test_npz_and_npy(tmp_path, order, compressed):
    p = np.asarray(P, order=order)
    (np.savez_compressed if compressed else np.savez)(tmp_path / "a.npz", ground_truth=IDS, predictions=p)
    same(xent.score(tmp_path / "a.npz"))
    np.save(tmp_path / "p.npy", p)
    np.save(tmp_path / "t.npy", NAMES[IDS])
    same(xent.score(probs=tmp_path / "p.npy", targets=str(tmp_path / "t.npy")))
    both = np.rec.fromarrays([IDS.astype(np.int8), P[:, 0].astype(np.float32)], names="label,p").view(np.ndarray)
    np.save(tmp_path / "rows.npy", both[both["label"] < 2])
    few = IDS < 2
    assert (
        xent.score(tmp_path / "rows.npy").log_loss
        == xent.score(targets=IDS[few], probs=P[few, 0].astype(np.float32)).log_loss
    )


@pytest.mark.parametrize(
    "library", ["pandas", "polars", "pyarrow", "dict", "reader", "batch", "categories", "large", "polars categories"]
)
def test_tables(library):
    table = wide()
    if library == "pandas":
        pytest.importorskip("pandas")
        table = table.to_pandas()
    elif library == "polars":
        table = pytest.importorskip("polars").from_arrow(table)
    elif library == "polars categories":
        polars = pytest.importorskip("polars")
        table = polars.from_arrow(table).with_columns(polars.col("label").cast(polars.Categorical))
    elif library == "dict":
        table = {name: table[name].to_numpy() for name in table.column_names}
    elif library == "reader":
        table = table.to_reader()
    elif library == "batch":
        table = table.combine_chunks().to_batches()[0]
    elif library == "categories":
        table = table.set_column(0, "label", table["label"].dictionary_encode())
    elif library == "large":
        table = table.set_column(0, "label", table["label"].cast(pa.large_string()))
    same(xent.score(table))


def test_half_precision_columns_have_their_own_tolerance():
    half = P.astype(np.float16)
    score = xent.score(targets=IDS, probs=half)
    assert score.dtype == "float16" and 1e-6 < score.row_sum_deviation < 4e-3
    ml_dtypes = pytest.importorskip("ml_dtypes")
    assert xent.score(targets=IDS, probs=P.astype(ml_dtypes.bfloat16)).dtype == "bfloat16"


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.uint16, np.int32, np.uint64, np.float32, bool])
def test_binary_labels_of_any_type(dtype):
    t = IDS > 0
    p = P[:, 0]
    truth = xent.score(targets=t.astype(int), probs=p).log_loss
    assert xent.score({"y": t.astype(dtype), "p": p}).log_loss == truth
    assert xent.score(pa.table({"y": t.astype(dtype), "p": p})).log_loss == truth


def test_which_label_is_positive():
    t = IDS > 0
    p = P[:, 0]
    truth = xent.score(targets=t, probs=p)
    named = np.where(t, "yes", "no")
    said = xent.score({"y": named, "p": p})
    assert said.log_loss == truth.log_loss and any("yes" in note and "sorted" in note for note in said.notes)
    assert xent.score({"y": named, "p": 1 - p}, positive="no").log_loss == pytest.approx(truth.log_loss, rel=1e-13)
    assert xent.score({"y": np.where(t, 1, -1), "p": p}, positive=1).log_loss == truth.log_loss
    assert xent.score({"y": named, "p": p}, classes=["no", "yes"]).log_loss == truth.log_loss


def test_multilabel_columns_pair_by_their_endings():
    t = RNG.integers(0, 2, (N, 3))
    p = RNG.random((N, 3))
    truth = xent.score(targets=t, probs=p)
    cells = -np.log(np.where(t == 1, p, 1 - p))
    assert truth.log_loss == pytest.approx(cells.mean(), rel=1e-14)
    assert truth.standard_error == pytest.approx(cells.mean(1).std() / np.sqrt(N), rel=1e-12)
    rate = t.mean(0)
    assert truth.baseline == pytest.approx((-rate * np.log(rate) - (1 - rate) * np.log(1 - rate)).mean(), rel=1e-13)
    assert [c.positive for c in truth.by_class] == t.sum(0).tolist()
    table = pa.table(
        {
            **{f"label_{n}": t[:, k] for k, n in enumerate("abc")},
            **{f"prob_{n}": p[:, k] for k, n in reversed(list(enumerate("abc")))},
        }
    )
    found = xent.score(table)
    assert found.log_loss == truth.log_loss and [c.name for c in found.by_class] == ["a", "b", "c"]
    assert xent.score(pa.table({"label": t.tolist(), "probs": p.tolist()})).log_loss == truth.log_loss
    infinite = xent.score(targets=[[1, 0], [1, 1]], probs=[[0.0, 0.5], [0.5, 0.5]])
    assert (infinite.infinite, infinite.infinite_cells) == (1, 1)
    assert infinite.finite_part == pytest.approx(3 * np.log(2) / 4)


def test_weights_are_taken_only_by_an_unmistakable_name():
    weight = RNG.random(N)
    plain = xent.score(wide().append_column("weight", pa.array(weight)))
    assert plain.log_loss == TRUE.log_loss and any("--weight weight" in note for note in plain.notes)
    weighted = xent.score(wide().append_column("sample_weight", pa.array(weight)))
    assert weighted.log_loss == xent.score(targets=IDS, probs=P, sample_weight=weight).log_loss != TRUE.log_loss
    same(xent.score(wide().append_column("sample_weight", pa.array(weight)), sample_weight="none"))


def test_json_holds_every_number():
    score = xent.score(targets=[1, 0], probs=[0.0, 0.25], floor=1e-6)
    found = json.loads(score.to_json())
    assert found["log_loss"] == "Infinity" and float(found["log_loss"]) == score.log_loss
    assert set(found) == set(score.to_dict())
    assert found["compat"]["rows_changed"] == 1 and found["dearest"][0]["row"] == 0


def test_repr_and_report():
    score = xent.score(wide())
    assert repr(score).startswith("Score(log_loss=") and "rows=400" in repr(score)
    assert all(len(line) <= 80 for line in str(score).splitlines())
    from xent.evaluate.report import text

    assert text(score, ascii_only=True).isascii()


def test_arrays_need_numpy_only(tmp_path):
    (tmp_path / "t.csv").write_text("label,p\n1,0.5\n")
    code = (
        "import sys; sys.modules.update(pyarrow=None, rich=None, typer=None)\n"
        "import xent; print(xent.score(targets=['a', 'b'], probs=[[.5, .5], [.25, .75]]).rows)\n"
        "try: xent.score('t.csv')\nexcept ValueError as error: print(error)\n"
        "from xent.cli import main\nmain()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=ENVIRONMENT)
    assert done.stdout.splitlines()[0] == "2" and 'pip install "xent[score]"' in done.stdout
    assert done.returncode == 2 and 'pip install "xent[score]"' in done.stderr


def test_an_analysis_and_a_comparison_need_scipy_and_a_score_alone_does_not_load_it():
    given = "targets=[0, 1, 1], "
    code = (
        "import sys, xent\n"
        f"print(xent.score({given}probs=[.1, .2, .3]).rows, 'scipy' in sys.modules)\nsys.modules['scipy'] = None\n"
        f"for work in (lambda: xent.score({given}probs=[.1, .2, .3], analyse=True),\n"
        f"             lambda: xent.compare({given}models={{'a': [.1, .2, .3], 'b': [.1, .3, .3]}})):\n"
        "    try: work()\n    except xent.evaluate.BadInput as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=ENVIRONMENT)
    first, *refused = done.stdout.splitlines()
    assert first == "3 False", done.stderr
    assert len(refused) == 2 and all('scipy, which is not installed; install it with: pip install "xent[score]"' in said
                                     for said in refused)  # fmt: skip


def test_import_is_numpy_only():
    code = (
        "import sys, xent; xent.score; print([m for m in ('pyarrow', 'rich', 'typer', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=ENVIRONMENT)
    assert done.stdout.strip() == "[]"
