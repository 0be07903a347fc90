"""Real data: what a fit finds against an oracle that shares no code with it, and figures that must stay."""

import csv
import math
import warnings

import numpy as np
import pytest
from real_data import real
from scipy.optimize import brentq, minimize

from xent.calibrate import Beta, Isotonic, NoFiniteOptimum, Platt, Temperature, Vector, cross_fitted_gain

CIFAR = {  # mean log loss of the file (its README), T and mean log loss after it (the oracle below)
    "lenet-5-cifar-10": (1.3698677264742765, 1.3967789872, 1.3114974370617623),
    "wideresnet-16-4-cifar-10": (0.37816958639618814, 2.0525488006, 0.27448696814214196),
    "densenet-bc-100-cifar-100": (1.2256269107316158, 2.1176094879, 0.8766138110128692),
    "wideresnet-16-4-cifar-100": (0.956449212178645, 1.1111457692, 0.9474552423588313),
}


def cifar(name):
    data = np.load(real("netcal_cifar") / f"{name}.npz")
    return data["predictions"], data["ground_truth"]


def niamey(name):
    with open(real("niamey") / "precip_Niamey_2016.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([float(r[name]) for r in rows]), np.array([int(r["obs"]) for r in rows])


@pytest.mark.parametrize("name", CIFAR)
def test_temperature_of_cifar(name):
    probs, targets = cifar(name)
    z = np.log(probs.astype(np.float64))
    row = np.arange(len(z))

    def log_loss(beta):
        x = beta * z
        top = x.max(1)
        return float(np.mean(top + np.log(np.exp(x - top[:, None]).sum(1)) - x[row, targets]))

    def slope(beta):
        p = np.exp(beta * (z - z.max(1, keepdims=True)))
        return float(np.mean((p * z).sum(1) / p.sum(1) - z[row, targets]))

    before, temperature, after = CIFAR[name]
    fitted = Temperature(probs=True).fit(probs, targets)
    beta = brentq(slope, 0.1, 3.0, xtol=1e-14, rtol=1e-14)
    assert fitted.beta_ == pytest.approx(beta, rel=1e-10)
    assert fitted.temperature_ == pytest.approx(temperature, rel=1e-9)
    assert -fitted.score(probs, targets) == pytest.approx(after, rel=1e-12)
    assert log_loss(fitted.beta_) - log_loss(beta) < 1e-12
    assert log_loss(1.0) == pytest.approx(before, rel=1e-6)  # rows of the file sum to 1 within 3e-7


def test_what_temperature_buys_out_of_sample():
    found = cross_fitted_gain("temperature", *cifar("wideresnet-16-4-cifar-10"), probs=True)
    assert found.before == pytest.approx(0.37816958639618814, rel=1e-6)
    assert found.gain == pytest.approx(0.1036, abs=2e-4) and found.pays
    assert 0.006 < found.standard_error < 0.008
    assert found.in_sample == pytest.approx(0.37816958639618814 - 0.27448696814214196, abs=1e-6)
    assert 0 < found.in_sample - found.gain < 5e-4


def test_vector_of_cifar_is_at_its_optimum():
    probs, targets = cifar("lenet-5-cifar-10")
    fitted = Vector(probs=True).fit(probs, targets)
    p = np.exp(np.log(probs.astype(np.float64)) * fitted.scale_ + fitted.bias_)
    p /= p.sum(1, keepdims=True)
    residual = p - np.eye(10)[targets]
    assert abs(residual.mean(0)).max() < 1e-9  # biases: the classes come as often as said
    assert abs((residual * np.log(probs)).mean(0)).max() < 1e-8
    assert -fitted.score(probs, targets) < CIFAR["lenet-5-cifar-10"][2] - 0.008


def test_platt_of_yardstick_against_bfgs():
    with open(real("yardstick") / "two_class_example.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    p = np.array([float(r["Class1"]) for r in rows])
    t = np.array([r["truth"] == "Class1" for r in rows])
    z = np.log(p) - np.log1p(-p)

    def loss(x):
        m = np.where(t, 1.0, -1.0) * (x[0] * z + x[1])
        return np.logaddexp(0.0, -m).mean()

    best = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-9}).fun
    fitted = Platt(probs=True).fit(p, t)
    assert loss([fitted.slope_, fitted.intercept_]) - best < 1e-12
    assert -Beta(probs=True).fit(p, t).score(p, t) <= best + 1e-12  # Platt is inside beta


@pytest.mark.parametrize(
    "name, discrimination", [("EMOS", 0.07658), ("Logistic", 0.13410), ("EPC", 0.07780), ("ENS", 0.09983)]
)
def test_isotonic_of_niamey_is_corp(name, discrimination):
    """With next to no smoothing the recalibrated log loss is uncertainty less discrimination of the log score; ENS says
    1 on 24 days, 6 of which stayed dry."""
    probs, wet = niamey(name)
    assert -Isotonic(probs=True, strength=1e-9).fit(probs, wet).score(probs, wet) == pytest.approx(
        0.68152 - discrimination, abs=1.1e-5
    )


def test_an_infinitely_wrong_forecaster():
    probs, wet = niamey("ENS")
    with pytest.raises(ValueError, match=r"got 0 in 6 of 92 rows, first at row \d+\. Give `floor`"):
        Temperature(probs=True).fit(probs, wet)
    smoothed = Isotonic(probs=True).fit(probs, wet).map_.probabilities(probs)
    assert smoothed.min() > 0.0 and smoothed.max() < 1.0
    found = cross_fitted_gain("isotonic", probs, wet, probs=True)
    assert (found.infinite_before, found.infinite_after, found.gain) == (6, 0, math.inf) and found.pays
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 < Platt(probs=True, floor=1e-3).fit(probs, wet).slope_ < 1


def test_zeros_on_the_truth_in_the_wild():
    folder = real("label_errors")
    probs = np.load(folder / "20news_test_set_pyx.npy")
    targets = np.load(folder / "20news_test_set_original_labels.npy")
    with pytest.raises(ValueError, match=f"got 0 in 61 of {len(targets)} rows"):
        Temperature(probs=True).fit(probs, targets)
    z = np.log(np.maximum(probs, 1e-6))
    row = np.arange(len(z))

    def log_loss(beta):
        return np.mean(np.log(np.exp(beta * (z - z[row, targets][:, None])).sum(1)))

    beta = Temperature(probs=True, floor=1e-6).fit(probs, targets).beta_
    assert log_loss(beta) < min(log_loss(0.999 * beta), log_loss(1.001 * beta))
    assert beta == pytest.approx(1.67129, abs=1e-5)  # these forecasts are shy, floored or not


def test_separable_mushrooms():
    """A logistic regression that tells every mushroom apart: no temperature is low enough."""
    linear = pytest.importorskip("sklearn.linear_model")
    datasets = pytest.importorskip("sklearn.datasets")
    x, t = datasets.load_svmlight_file(str(real("xgboost_agaricus") / "agaricus.txt.train"))
    z = linear.LogisticRegression(C=1e3, max_iter=1000).fit(x, t).decision_function(x)
    for method in (Temperature(), Platt(), Beta()):
        with pytest.raises(NoFiniteOptimum, match="no finite optimum"):
            method.fit(z, t.astype(int))
    shy = Platt(platt_targets=True).fit(z, t.astype(int))
    assert 0 < shy.slope_ < math.inf
