"""Every example runs, and what it says holds."""

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
from real_data import DATA, real

HOME = Path(__file__).parent.parent
EXAMPLES = HOME / "examples"
PAGE = (HOME / "docs" / "training.md").read_text()

for framework in ("torch", "matplotlib", "sklearn"):
    pytest.importorskip(framework)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs an example in its quick form, or as the options say; the figures that it keeps."""
    out = tmp_path_factory.mktemp("examples")

    @cache
    def figures(name, *options):
        command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--out", str(out), *(options or ("--quick",))]
        limit = 300 if "--quick" in command else 1800
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment)
        assert done.returncode == 0, done.stderr
        picture = out / f"{name}.png"
        assert picture.stat().st_size > 10_000 and str(picture) in done.stdout
        return json.loads((out / f"{name}.json").read_text())

    return figures


def by(rows, *keys):
    return {tuple(row[key] for key in keys) if len(keys) > 1 else row[keys[0]]: row for row in rows}


def test_the_list_is_complete():
    names = {path.stem for path in EXAMPLES.glob("*.py")} - {"workbench"}
    assert names == {"digits", "yeast", "mammography", "margins", "collapse", "grokking", "accumulation", "three_ways"}
    assert all(f"examples/{name}.py" in PAGE for name in names)


def test_digits_take_the_same_course(run):
    said = run("digits")
    rows = by(said["rows"][:2], "loss")
    assert said["largest difference"] < 1e-5
    assert len(set(said["runs"]["torch"]["curve"])) > 50
    assert (
        rows["xent"]["test acc"] == pytest.approx(rows["torch"]["test acc"], abs=0.005)
        and rows["xent"]["test acc"] > 0.9
    )
    if not math.isnan(rows["xent"]["memory beyond the logits, × logits"]):
        assert rows["xent"]["memory beyond the logits, × logits"] < 1.2  # the gradient alone
        assert rows["torch"]["memory beyond the logits, × logits"] > 1.8


def test_yeast_takes_the_same_course_with_labels_missing_too(run):
    real("mulan/yeast-train.arff")
    rows = by(run("yeast", "--quick", "--data", str(DATA))["rows"], "labels known", "loss")
    for (_, name), row in rows.items():
        assert row["largest relative difference to torch"] < (1e-4 if name == "xent" else 1e-12)
        assert row["test loss"] < 0.55
    assert rows["all", "xent"]["test loss"] == pytest.approx(rows["all", "torch"]["test loss"], rel=1e-4)
    assert rows["all", "xent"]["test loss"] != pytest.approx(rows["70 %", "xent"]["test loss"], rel=1e-4)


def test_mammography_takes_the_same_course_where_torch_is_right(run):
    real("tabular/mammography.csv")
    said = run("mammography", "--quick", "--data", str(DATA))
    rows = by(said["rows"], "kind", "loss")
    for kind in ("plain", "pos_weight", "focal"):
        assert rows[kind, "xent"]["largest relative difference to torch"] < 1e-4
    assert rows["pos_weight", "xent"]["recall at 1/2"] > rows["plain", "xent"]["recall at 1/2"] + 0.2
    for row in said["confident"]:
        assert row["xent"] == pytest.approx(row["truth"], rel=2e-6)
    wrong = [row["torch"] for row in said["confident"] if row["logit"] >= 17]
    assert sum(map(math.isnan, wrong)) == 2 and wrong.count(0.0) == 2


def test_data_that_is_not_there_is_named(tmp_path):
    load = importlib.util.spec_from_file_location("workbench", EXAMPLES / "workbench.py")
    workbench = importlib.util.module_from_spec(load)
    load.loader.exec_module(workbench)
    for data, name in (("yeast", "mulan/yeast-train.arff"), ("mammography", "tabular/mammography.csv")):
        with pytest.raises(SystemExit, match=f"{re.escape(str(tmp_path / name))} is not there.*--data"):
            getattr(workbench, data)(tmp_path)


def test_margins_of_one_sample(run):
    said = run("margins")
    for row in said["one sample"]:
        if float(row["margin"]) <= 87:
            assert row["xent float32"] == pytest.approx(row["truth"], rel=1e-6)
            assert row["xent float64"] == pytest.approx(row["truth"], rel=1e-14)
            assert row["xent bfloat16"] == pytest.approx(row["truth"], rel=2**-8)
        assert (row["torch float32"] == 0) == (float(row["margin"]) >= 17)
        assert (row["torch float64"] == 0) == (float(row["margin"]) >= 37)
    dies = by(said["deaths"], "loss", "of")
    for family in ("softmax", "sigmoid"):
        peer, ours = dies[family, "torch"], dies[family, "xent"]
        assert float(peer["bfloat16"]) <= 9 and float(peer["float32"]) <= 17.5 and float(peer["float64"]) <= 37.5
        assert float(ours["bfloat16"]) >= 90 and float(ours["float32"]) >= 103 and float(ours["float64"]) >= 744
    for row in said["errors"]:
        assert row["xent float32"] < 5e-7 and row["xent float64"] < 2e-14
        if float(row["margin"]) >= 12:
            assert row["torch float32"] > 1e-3


def test_collapse_on_separable_data(run):
    rows = by(run("collapse")["descent"], "loss", "of")
    for family in ("softmax", "sigmoid"):
        assert rows[family, "torch float32"]["min margin"] < 18
        assert rows[family, "xent float32"]["min margin"] > 36
    assert rows["sigmoid", "torch float64"]["min margin"] < 38 and rows["sigmoid", "xent float32"]["min margin"] > 95
    torch, xent = rows["sigmoid", "torch float32"], rows["sigmoid", "xent float32"]
    assert xent["final test acc"] > torch["final test acc"] + 0.1
    assert abs(xent["best on the way"] - torch["best on the way"]) < 0.01  # early stopping would have hidden it


def test_grokking_keeps_the_gradient(run):
    rows = by(run("grokking")["rows"], "loss")
    assert rows["torch"]["train acc"] == rows["xent"]["train acc"] == 1.0
    assert rows["torch"]["collapsed, most"] > 0.3 and rows["torch"]["lowest cosine"] < 0.5
    assert rows["xent"]["collapsed, most"] == 0 and rows["xent"]["lowest cosine"] > 0.999
    assert rows["xent"]["log10 true loss"] < rows["torch"]["log10 true loss"] - 1


@pytest.mark.slow
def test_grokking_gains_where_the_data_allow_it(run):
    rows = by(run("grokking", "--steps", "5000")["rows"], "loss")
    assert rows["xent"]["collapsed, most"] == 0 and rows["xent"]["log10 true loss"] < -12
    assert rows["xent"]["test acc"] > rows["torch"]["test acc"] + 0.1


def test_accumulation_gives_the_update_of_the_whole_batch(run):
    rows = by(run("accumulation")["rows"], "gradient")
    for name in ("1 process, 4 micro-batches", "2 processes, summed", "2 processes, DDP"):
        assert rows[name]["first gradient off by"] < 1e-6 and rows[name]["weights off by"] < 1e-5
    assert rows["mean of micro-batch means"]["first gradient off by"] > 0.1
    assert rows["mean of micro-batch means"]["test loss a token"] > rows["whole batch"]["test loss a token"]


def test_three_ways_end_alike(run):
    rows = by(run("three_ways")["rows"], "with")
    losses = [row["last loss"] for row in rows.values()]
    assert max(losses) / min(losses) - 1 < 1e-4 and rows["torch"]["first loss"] > 2 * losses[0]
    pytest.importorskip("jax")
    assert set(rows) == {"torch", "torch + xent", "JAX + xent"}


def words(table):
    return re.sub(r" +", " ", table)


def test_the_page_shows_what_is_printed(run):
    """The deterministic table's own columns; torch's digits belong to its version and processor."""
    for row in run("margins")["deaths"]:
        if row["of"] == "xent":
            assert "| " + " | ".join(row.values()) + " |" in words(PAGE)
