"""`xent calibrate`: exit codes, what is printed, and what is refused."""

import json
import os

import numpy as np
import pytest
from prediction_files import binary, classes, load, save, sigmoid, wide
from real_data import real
from typer.testing import CliRunner

from xent.cli.application import app


def run(*arguments):
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)])


@pytest.fixture
def overconfident(tmp_path):
    z, t = binary()
    return save(tmp_path / "in.parquet", {"y": t, "prob": sigmoid(z)})


def test_a_repair_that_pays(tmp_path, overconfident):
    done = run(overconfident, "-o", tmp_path / "out.parquet", "--save", tmp_path / "map.json")
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert max(map(len, (line for line in lines if not line.startswith("wrote")))) <= 80
    assert any(line.startswith("> platt") for line in lines) and "slope 0." in done.output
    assert "5 folds" in done.output and "out.parquet" in done.output and "map.json" in done.output
    after = load(tmp_path / "out.parquet")
    assert not np.array_equal(after["prob"], load(overconfident)["prob"])
    assert run(tmp_path / "out.parquet", "-o", tmp_path / "twice.parquet").exit_code == 3  # nothing is left to repair
    assert not (tmp_path / "twice.parquet").exists()


def test_numbers_as_json(tmp_path, overconfident):
    done = run(overconfident, "-o", tmp_path / "out.parquet", "--json")
    told = json.loads(done.output)
    assert done.exit_code == 0 and told["method"] == "platt" and told["wrote"] and told["pays"]
    best = next(r for r in told["rungs"] if r["method"] == "platt")
    assert told["after"] == pytest.approx(told["log_loss"] - best["gain"])
    assert best["low"] > 0 and best["in_sample"] > best["gain"] and told["folds"] == 5


@pytest.mark.parametrize("method", ["auto", "platt"])
def test_a_repair_that_does_not_pay(tmp_path, method):
    z, t = binary(slope=1.0, bias=0.0)
    source = save(tmp_path / "in.csv", {"y": t, "prob": sigmoid(z)})
    done = run(source, "-o", tmp_path / "out.csv", "--save", tmp_path / "map.json", "--method", method)
    assert done.exit_code == 3 and "nothing" in done.output and "above 0" in done.output
    assert os.listdir(tmp_path) == ["in.csv"]
    if method == "platt":
        done = run(source, "-o", tmp_path / "out.csv", "--method", method, "--force")
        assert done.exit_code == 0 and "forced" in done.output and (tmp_path / "out.csv").exists()
    else:
        assert run(source, "-o", tmp_path / "out.csv", "--force").exit_code == 2


def test_only_looking(overconfident):
    done = run(overconfident)
    assert done.exit_code == 0 and "name a file with -o" in done.output


def test_apply_from_the_command_line(tmp_path, overconfident):
    run(overconfident, "-o", tmp_path / "a.parquet", "--save", tmp_path / "map.json")
    done = run(overconfident, "--apply", tmp_path / "map.json", "-o", tmp_path / "b.parquet")
    assert done.exit_code == 0 and "3 000 rows, by platt" in done.output
    assert np.array_equal(load(tmp_path / "a.parquet")["prob"], load(tmp_path / "b.parquet")["prob"])
    assert run(overconfident, "--apply", tmp_path / "map.json").exit_code == 2
    for option in (("--floor", "0.1"), ("--method", "platt"), ("--force",), ("--target", "y"), ("--renormalize",)):
        done = run(overconfident, "--apply", tmp_path / "map.json", "-o", tmp_path / "c.parquet", *option)
        assert done.exit_code == 2 and f"{option[0]} is for a fit" in done.output, done.output
    assert not (tmp_path / "c.parquet").exists()


def test_how_the_columns_were_read_is_said(tmp_path):
    z, t = binary()
    names = np.where(t, "yes", "no")
    source = save(tmp_path / "a.parquet", {"y": names, "prob": sigmoid(z), "weight": np.ones(len(t))})
    save(tmp_path / "b.parquet", {"y": names, "prob": sigmoid(z), "weight": np.ones(len(t))})
    said = " ".join(run(source).output.split())
    assert "! targets `y`, probs `prob`, no weights" in said and "taken to be for yes" in said
    assert "column `weight` is not used" in said and "same content" not in said
    said = " ".join(run(source, tmp_path / "b.parquet").output.split())
    assert "Files of the same content were counted as different rows" in said


def test_a_map_is_not_written_over(tmp_path, overconfident):
    run(overconfident, "--save", tmp_path / "map.csv")  # of a name that a table could have
    before = (tmp_path / "map.csv").read_bytes()
    done = run(overconfident, "--apply", tmp_path / "map.csv", "-o", tmp_path / "map.csv")
    assert done.exit_code == 2 and "must not be written over" in done.output
    assert (tmp_path / "map.csv").read_bytes() == before


def test_places_that_cannot_be_written(tmp_path, overconfident):
    for arguments, said in (
        (("-o", overconfident), "is read and must not be written over"),
        (("-o", tmp_path / "absent" / "out.parquet"), "there is no folder"),
        (("-o", tmp_path), "tables are written as"),
        (("-o", tmp_path / "out.xlsx"), "tables are written as .parquet, .arrow, .csv"),
        (("-o", tmp_path / "o.csv", "--save", tmp_path / "o.csv"), "need files of their own"),
        (("--save", overconfident), "is read and must not be written over"),
    ):
        done = run(overconfident, *arguments)
        assert done.exit_code == 2 and said in done.output, done.output
    assert os.listdir(tmp_path) == ["in.parquet"]


def hostile():
    z, t = binary(n=400)
    yield "separable", {"y": (z > 0).astype(int), "logit": z}, ["--method", "platt"], "separates the classes"
    yield "one class", {"y": np.ones(400, int), "logit": z}, ["--method", "beta"], "all targets are 1"
    p = sigmoid(z)
    p[0], t[0] = 0.0, 1
    yield "infinite", {"y": t, "prob": p}, ["--method", "temperature"], "1 rows give the truth probability 0"
    x, c = classes(n=400)
    yield "a class without rows", wide(x, label=c % 3), ["--method", "vector"], "no row has class 3"
    yield "wrong method", wide(x, label=c), ["--method", "platt"], "temperature, vector, matrix for several classes"
    yield "no method", wide(x, label=c), ["--method", "magic"], "`method` must be one of auto"
    yield "floor", wide(x, label=c), ["--floor", "0.7"], r"`floor` must be a number in (0, 0.5)"
    yield "soft", {"y": sigmoid(z), "prob": sigmoid(z)}, [], "soft labels are not calibrated from files"


@pytest.mark.parametrize("case", list(hostile()), ids=lambda case: case[0])
def test_what_cannot_be_fitted_is_said(tmp_path, case):
    _, table, arguments, said = case
    done = run(save(tmp_path / "in.parquet", table), "-o", tmp_path / "out.parquet", *arguments)
    assert done.exit_code == 2 and said in done.output and "Traceback" not in done.output, done.output
    assert os.listdir(tmp_path) == ["in.parquet"]


def test_anti_informative_scores(tmp_path):
    z, t = binary(slope=-1.0)
    source = save(tmp_path / "in.parquet", {"y": t, "logit": z})
    done = run(source, "-o", tmp_path / "out.parquet", "--method", "temperature")
    assert done.exit_code == 0 and "T = infinite" in done.output
    assert np.all(load(tmp_path / "out.parquet")["logit"] == 0.0)


def test_infinite_rows_of_real_forecasts(tmp_path):
    source = real("niamey") / "precip_Niamey_2016.csv"
    columns = ("--target", "obs", "--probs", "ENS")
    done = run(source, *columns, "-o", tmp_path / "out.csv", "--json")
    told = json.loads(done.output)
    assert done.exit_code == 0 and told["method"] == "isotonic" and told["infinite"] == 6
    assert next(r for r in told["rungs"] if r["method"] == "isotonic")["gain"] == "Infinity"
    done = run(source, *columns, "-o", tmp_path / "out.csv", "--method", "platt", "--floor", "1e-3")
    assert done.exit_code == 0
    p = load(tmp_path / "out.csv")["ENS"]
    assert 0 < p.min() < p.max() < 1
    assert run(source, "--target", "obs", "--probs", "EMOS", "-o", tmp_path / "no.csv").exit_code == 3


def test_a_real_network(tmp_path):
    """The numbers of docs/calibration.md, on other folds."""
    source, out = real("netcal_cifar") / "wideresnet-16-4-cifar-10.npz", tmp_path / "out.npz"
    done = run(source, "--method", "vector", "-o", out, "--json")
    told = json.loads(done.output)
    (rung,) = told["rungs"]
    assert rung["gain"] == pytest.approx(0.1381, abs=1e-3) and rung["in_sample"] == pytest.approx(0.1399, abs=1e-4)
    after, t = load(out)["predictions"], load(source)["ground_truth"]
    loss = -np.log(after[np.arange(len(t)), t.reshape(-1)].astype(np.float64)).mean()
    assert loss == pytest.approx(told["log_loss"] - rung["in_sample"], abs=1e-6)


def test_help_tells_the_exit_code():
    assert "3 when the interval of the gain includes 0" in " ".join(run("--help").output.split())
