"""Numbers that other people, or paper and pencil, arrived at."""

import json
import math

import numpy as np
import pytest
from real_data import real

import xent

CLOSE = {"rel": 1e-14, "abs": 0}
DOORS = ["python", "command line"]


def through(door, data=None, **options):
    """The score as a dict, from `xent.score` or from `xent score --json`: the two must say the same."""
    if door == "python":
        return xent.score(data, **options).to_dict()
    pytest.importorskip("pyarrow")
    runner = pytest.importorskip("typer.testing").CliRunner()
    names = {"sample_weight": "weight", "targets": "target"}
    given = [str(data)] if data is not None else []
    for name, value in ({"analyse": False} | options).items():
        if name == "analyse":
            given += [] if value else ["--quick"]
        elif value is True:
            given.append(f"--{name}")
        else:
            given += [f"--{names.get(name, name)}", str(value)]
    from xent.cli.application import app

    done = runner.invoke(app, ["score", *given, "--json"])
    assert done.exit_code == 0, done.output
    return floats(json.loads(done.stdout))


def floats(value):
    """Infinities back from their names."""
    if isinstance(value, dict):
        return {key: floats(v) for key, v in value.items()}
    if isinstance(value, list):
        return tuple(floats(v) for v in value)
    return float(value) if value in ("Infinity", "-Infinity") else value


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_yardstick_two_classes(ending, door):
    path = real(f"yardstick/two_class_example.{ending}")
    plain = through(door, path)
    assert plain["log_loss"] == pytest.approx(0.3283096498853139, **CLOSE)
    assert plain["log_loss"] * plain["rows"] == pytest.approx(164.15482494265694, **CLOSE)
    weighted = through(door, path, sample_weight="weight")
    assert weighted["log_loss"] == pytest.approx(0.34861892245670795, **CLOSE)
    assert weighted["log_loss"] * weighted["weight"] == pytest.approx(9223.243294274782, **CLOSE)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("weight", "true", "total", "clipped", "clipped_total"),
    [
        ("none", 0.8021881671805489, 2781.186375614963, 0.8021367509155384, 2781.0081154241716),
        ("weight", 0.8003093584025057, 140156.30138210737, 0.800277836886356, 140150.78109289528),
    ],
)  # fmt: skip
def test_yardstick_four_classes_true_and_as_published(ending, weight, true, total, clipped, clipped_total, door):
    score = through(door, real(f"yardstick/hpc_cv.{ending}"), sample_weight=weight, compat="sklearn")
    assert score["log_loss"] == pytest.approx(true, **CLOSE)
    assert score["log_loss"] * score["weight"] == pytest.approx(total, **CLOSE)
    assert score["compat"]["log_loss"] == pytest.approx(clipped, **CLOSE)
    assert score["compat"]["log_loss"] * score["weight"] == pytest.approx(clipped_total, **CLOSE)
    assert score["compat"]["nats_changed"] == pytest.approx(clipped - true, rel=1e-8)
    dearest = score["dearest"][0]
    assert dearest["loss"] == pytest.approx(36.222, abs=1e-3)
    assert dearest["prob"] == pytest.approx(1.858e-16, rel=1e-3)
    assert min(dearest["loss"], -math.log(2.0**-52)) == pytest.approx(36.044, abs=1e-3)
    assert score["by_class"][0]["name"] == "VF"


@pytest.mark.parametrize(
    ("name", "loss", "error", "accuracy"),
    [
        ("lenet-5-cifar-10", 1.3698677264742765, 0.01433, 0.5308),
        ("wideresnet-16-4-cifar-10", 0.37816958639618814, 0.01463, 0.9109),
        ("densenet-bc-100-cifar-100", 1.2256269107316158, 0.02682, 0.7541),
        ("wideresnet-16-4-cifar-100", 0.956449212178645, 0.01697, 0.7543),
    ],
)
@pytest.mark.parametrize("door", DOORS)
def test_cifar(name, loss, error, accuracy, door):
    score = through(door, real(f"netcal_cifar/{name}.npz"))
    assert score["log_loss"] == pytest.approx(loss, **CLOSE)
    assert score["standard_error"] == pytest.approx(error, abs=5e-6)
    assert score["accuracy"] == pytest.approx(accuracy, abs=1e-12)
    assert score["top1"] + score["ranking"] == pytest.approx(score["log_loss"], rel=1e-15)


@pytest.mark.parametrize("door", DOORS)
def test_the_split_of_densenet(door):
    score = through(door, real("netcal_cifar/densenet-bc-100-cifar-100.npz"))
    assert score["top1"] == pytest.approx(0.5868537366, abs=1e-10)
    assert score["ranking"] == pytest.approx(0.6387731742, abs=1e-10)


@pytest.mark.parametrize(
    ("name", "loss", "options"),
    [("mnist", 0.030282361928926787, {}), ("imdb", 0.3005571481515601, {"tolerance": 3e-5})],
)
@pytest.mark.parametrize("door", DOORS)
def test_label_errors(name, loss, options, door):
    assert through(door, **label_errors(name), **options)["log_loss"] == pytest.approx(loss, rel=1e-13)


def label_errors(name):
    folder = real("label_errors")
    return {
        "probs": folder / f"{name}_test_set_pyx.npy",
        "targets": folder / f"{name}_test_set_original_labels.npy",
    }


@pytest.mark.parametrize(
    ("name", "errors", "candidates", "found"),
    [("mnist", 15, 100, {100: 15}), ("20news", 82, 93, {50: 25, 200: 66, 1000: 82})],
)
@pytest.mark.parametrize("door", DOORS)
def test_label_errors_that_people_confirmed_are_among_the_dearest_rows(name, errors, candidates, found, door):
    judged = json.loads((real("label_errors") / f"{name}_mturk.json").read_text("utf-8"))
    wrong = {int(row["id"]) for row in judged if row["mturk"]["given"] < 3}  # of 5 workers
    assert (len(wrong), len(judged)) == (errors, candidates)
    rows = [row["row"] for row in through(door, **label_errors(name), rows=max(found))["dearest"]]
    assert {most: len(wrong & set(rows[:most])) for most in found} == found


def test_imdb_is_refused_until_its_row_sums_are_accepted():
    files = label_errors("imdb")
    with pytest.raises(ValueError, match=r"row 13.*tolerance"):
        xent.score(**files)
    renormalized = xent.score(**files, renormalize=True)
    plain = xent.score(**files, tolerance=3e-5)
    assert renormalized.renormalized == pytest.approx(renormalized.log_loss - plain.log_loss, abs=1e-12)
    assert renormalized.renormalized != 0


@pytest.mark.parametrize("door", DOORS)
def test_twenty_newsgroups_is_infinite(door):
    score = through(door, **label_errors("20news"), floor=1e-15, rows=61)
    assert score["log_loss"] == math.inf and score["infinite"] == 61
    assert score["finite_mean"] == pytest.approx(0.4308729912262828, **CLOSE)
    assert all(row["loss"] == math.inf for row in score["dearest"]) and len(score["dearest"]) == 61
    assert score["compat"]["rows_changed"] >= 61
    assert score["compat"]["log_loss"] == pytest.approx(score["finite_part"] + 61 / 7532 * math.log(1e15), rel=1e-3)


@pytest.mark.parametrize(
    ("forecaster", "log", "brier"),
    [
        ("EMOS", (0.65368, 0.04874, 0.07658), (0.23203, 0.01828, 0.03047)),
        ("Logistic", (0.59830, 0.05087, 0.13410), (0.20575, 0.01708, 0.05554)),
        ("EPC", (0.66128, 0.05756, 0.07780), (0.23428, 0.02235, 0.03228)),
        ("ENS", (math.inf, math.inf, 0.09983), (0.26617, 0.06607, 0.04412)),
    ],
)
@pytest.mark.parametrize("door", DOORS)
def test_niamey(forecaster, log, brier, door):
    """Scores, miscalibration, discrimination and uncertainty: log score, and Brier score as published."""
    score = through(door, real("niamey/precip_Niamey_2016.csv"), probs=forecaster, analyse=True)
    (found,) = score["analysis"]["decompositions"]
    for mine, (whole, miscalibration, discrimination), uncertainty in (
        (found, log, 0.68152), (found["brier"], brier, 0.24421),
    ):  # fmt: skip
        assert mine["score"] == pytest.approx(whole, abs=5.1e-6)
        assert mine["miscalibration"] == pytest.approx(miscalibration, abs=5.1e-6)
        assert mine["discrimination"] == pytest.approx(discrimination, abs=5.1e-6)
        assert mine["uncertainty"] == pytest.approx(uncertainty, abs=5.1e-6)
    assert score["log_loss"] == found["score"] and score["baseline"] == pytest.approx(0.68152, abs=5.1e-6)


@pytest.mark.parametrize("door", DOORS)
def test_niamey_ensemble_is_infinite_on_six_days(door):
    score = through(door, real("niamey/precip_Niamey_2016.csv"), probs="ENS", analyse=True)
    assert (score["log_loss"], score["infinite"], score["rows"]) == (math.inf, 6, 92)
    assert score["finite_part"] == pytest.approx(56.372523524482 / 92, rel=1e-13)
    assert [row["row"] for row in score["dearest"][:6]] == [11, 24, 34, 41, 55, 75]
    (found,) = score["analysis"]["decompositions"]
    assert found["infinite_rows"] == 6 and found["finite_part"] == pytest.approx(56.372523524482 / 92, rel=1e-13)


@pytest.mark.parametrize("door", DOORS)
def test_scikit_learns_docstring(door, tmp_path):
    probs = [[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]]
    score = through(door, **saved(tmp_path, door, targets=["spam", "ham", "ham", "spam"], probs=probs))
    assert score["log_loss"] == pytest.approx(0.21616, abs=5e-6)


@pytest.mark.parametrize("door", DOORS)
def test_by_hand(door, tmp_path):
    score = through(door, **saved(tmp_path, door, targets=[1, 0], probs=[0.9, 0.3]))
    assert score["log_loss"] == pytest.approx(0.2310, abs=5e-5)
    labels = through(door, **saved(tmp_path, door, targets=[[1, 0, 1]], logits=[[2.0, -1.0, 0.5]]))
    assert [c["log_loss"] for c in labels["by_class"]] == pytest.approx([0.126928, 0.313262, 0.474077], abs=5e-7)
    assert labels["log_loss"] == pytest.approx(0.304756, abs=5e-7)


def saved(folder, door, **arrays):
    """The arrays, for the command line as .npy files."""
    if door == "python":
        return arrays
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.array(array))
    return {name: folder / f"{name}.npy" for name in arrays}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_compat_sklearn_is_scikit_learn(dtype):
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(5)
    probs = np.concatenate([rng.random(200), [0.0, 1.0, 1e-9, 1 - 1e-9]]).astype(dtype)
    targets = np.concatenate([rng.integers(0, 2, 200), [1, 0, 1, 0]])
    theirs = metrics.log_loss(targets, np.stack([1 - probs, probs], 1).astype(dtype))
    ours = xent.score(targets=targets, probs=probs, compat="sklearn")
    assert ours.compat.log_loss == pytest.approx(
        theirs, rel={"float16": 3e-3, "float32": 3e-6, "float64": 1e-13}[dtype]
    )
    assert ours.log_loss == math.inf
