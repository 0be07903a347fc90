"""Numbers that other people, or paper and pencil, arrived at."""

import math

import numpy as np
import pytest
from real_data import real

import xent

CLOSE = {"rel": 1e-14, "abs": 0}


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_yardstick_two_classes(ending):
    path = real(f"yardstick/two_class_example.{ending}")
    plain = xent.score(path)
    assert plain.log_loss == pytest.approx(0.3283096498853139, **CLOSE)
    assert plain.log_loss * plain.rows == pytest.approx(164.15482494265694, **CLOSE)
    weighted = xent.score(path, sample_weight="weight")
    assert weighted.log_loss == pytest.approx(0.34861892245670795, **CLOSE)
    assert weighted.log_loss * weighted.weight == pytest.approx(9223.243294274782, **CLOSE)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("weight", "true", "clipped", "total"),
    [
        ("none", 0.8021881671805489, 0.8021367509155384, 2781.186375614963),
        ("weight", 0.8003093584025057, 0.800277836886356, 140156.30138210737),
    ],
)  # fmt: skip
def test_yardstick_four_classes_true_and_as_published(ending, weight, true, clipped, total):
    score = xent.score(real(f"yardstick/hpc_cv.{ending}"), sample_weight=weight, compat="sklearn")
    assert score.log_loss == pytest.approx(true, **CLOSE)
    assert score.log_loss * score.weight == pytest.approx(total, **CLOSE)
    assert score.compat.log_loss == pytest.approx(clipped, **CLOSE)
    assert score.compat.nats_changed == pytest.approx(clipped - true, rel=1e-8)
    assert score.dearest[0].loss == pytest.approx(36.222, abs=1e-3)
    assert score.dearest[0].prob == pytest.approx(1.858e-16, rel=1e-3)
    assert score.by_class[0].name == "VF"


@pytest.mark.parametrize(
    ("name", "loss", "error", "accuracy"),
    [
        ("lenet-5-cifar-10", 1.3698677264742765, 0.01433, 0.5308),
        ("wideresnet-16-4-cifar-10", 0.37816958639618814, 0.01463, 0.9109),
        ("densenet-bc-100-cifar-100", 1.2256269107316158, 0.02682, 0.7541),
        ("wideresnet-16-4-cifar-100", 0.956449212178645, 0.01697, 0.7543),
    ],
)
def test_cifar(name, loss, error, accuracy):
    score = xent.score(real(f"netcal_cifar/{name}.npz"))
    assert score.log_loss == pytest.approx(loss, **CLOSE)
    assert score.standard_error == pytest.approx(error, abs=5e-6)
    assert score.accuracy == pytest.approx(accuracy, abs=1e-12)
    assert score.top1 + score.ranking == pytest.approx(score.log_loss, rel=1e-15)


def test_the_split_of_densenet():
    score = xent.score(real("netcal_cifar/densenet-bc-100-cifar-100.npz"))
    assert score.top1 == pytest.approx(0.5868537366, abs=1e-10)
    assert score.ranking == pytest.approx(0.6387731742, abs=1e-10)


@pytest.mark.parametrize(
    ("name", "loss", "options"),
    [("mnist", 0.030282361928926787, {}), ("imdb", 0.3005571481515601, {"tolerance": 3e-5})],
)
def test_label_errors(name, loss, options):
    folder = real("label_errors")
    probs, targets = folder / f"{name}_test_set_pyx.npy", folder / f"{name}_test_set_original_labels.npy"
    assert xent.score(probs=probs, targets=targets, **options).log_loss == pytest.approx(loss, rel=1e-13)


def test_imdb_is_refused_until_its_row_sums_are_accepted():
    folder = real("label_errors")
    files = {"probs": folder / "imdb_test_set_pyx.npy", "targets": folder / "imdb_test_set_original_labels.npy"}
    with pytest.raises(ValueError, match=r"row 13.*tolerance"):
        xent.score(**files)
    renormalized = xent.score(**files, renormalize=True)
    plain = xent.score(**files, tolerance=3e-5)
    assert renormalized.renormalized == pytest.approx(renormalized.log_loss - plain.log_loss, abs=1e-12)
    assert renormalized.renormalized != 0


def test_twenty_newsgroups_is_infinite():
    folder = real("label_errors")
    score = xent.score(
        probs=folder / "20news_test_set_pyx.npy",
        targets=folder / "20news_test_set_original_labels.npy",
        floor=1e-15,
        rows=61,
    )
    assert score.log_loss == math.inf and score.infinite == 61
    assert score.finite_mean == pytest.approx(0.4308729912262828, **CLOSE)
    assert all(row.loss == math.inf for row in score.dearest) and len(score.dearest) == 61
    assert score.compat.rows_changed >= 61
    assert score.compat.log_loss == pytest.approx(score.finite_part + 61 / 7532 * math.log(1e15), rel=1e-3)


@pytest.mark.parametrize(
    ("forecaster", "loss"), [("EMOS", 0.65368), ("Logistic", 0.59830), ("EPC", 0.66128)]
)  # fmt: skip
def test_niamey(forecaster, loss):
    score = xent.score(real("niamey/precip_Niamey_2016.csv"), probs=forecaster)
    assert score.log_loss == pytest.approx(loss, abs=5e-6)
    assert score.baseline == pytest.approx(0.68152, abs=5e-6)


def test_niamey_ensemble_is_infinite_on_six_days():
    score = xent.score(real("niamey/precip_Niamey_2016.csv"), probs="ENS")
    assert (score.log_loss, score.infinite, score.rows) == (math.inf, 6, 92)
    assert score.finite_part == pytest.approx(56.372523524482 / 92, rel=1e-13)
    assert [row.row for row in score.dearest[:6]] == [11, 24, 34, 41, 55, 75]


def test_scikit_learns_docstring():
    probs = [[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]]
    score = xent.score(targets=["spam", "ham", "ham", "spam"], probs=probs)
    assert score.log_loss == pytest.approx(0.21616, abs=5e-6)


def test_by_hand():
    assert xent.score(targets=[1, 0], probs=[0.9, 0.3]).log_loss == pytest.approx(0.2310, abs=5e-5)
    labels = xent.score(targets=[[1, 0, 1]], logits=[[2.0, -1.0, 0.5]])
    assert [c.log_loss for c in labels.by_class] == pytest.approx([0.126928, 0.313262, 0.474077], abs=5e-7)
    assert labels.log_loss == pytest.approx(0.304756, abs=5e-7)


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
