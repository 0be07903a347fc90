"""Which rung is taken, and what is said where there is none."""

import math

import numpy as np
import pytest

from xent.evaluate.analysis.ladder import ladder
from xent.evaluate.door import gather


def of(targets, confidence=0.95, **given):
    return ladder(gather(targets=targets, analyse=True, slices="none", **given), confidence, 0)


def drawn(logit, seed=0):
    return (np.random.default_rng(seed).logistic(size=len(logit)) < logit).astype(int)


def scores(n=20_000, seed=1):
    return 2.0 * np.random.default_rng(seed).normal(size=n)


@pytest.mark.parametrize(
    ("best", "truth"),
    [
        ("temperature", lambda z: 0.6 * z),
        ("platt", lambda z: 0.6 * z + 0.5),
        ("beta", lambda z: 0.4 * np.logaddexp(0, z) - 1.5 * np.logaddexp(0, -z)),
        ("isotonic", lambda z: np.round(z)),
    ],
)
def test_the_rung_is_that_of_the_truth(best, truth):
    z = scores(60_000)
    found = of(drawn(truth(z)), logits=z)
    assert found.best == best
    assert found.repairable == next(r.gain for r in found.rungs if r.method == best)
    assert f"--method {best} " in found.command and "{files}" in found.command


def test_a_calibrated_model_is_left_alone():
    """2.5 % a rung, so at most 10 % of 40 are repaired; were it 10 %, more than 7 would come with a chance of 4 %."""
    taken = [of(drawn(scores(400, s), seed=s + 1000), logits=scores(400, s)).best for s in range(40)]
    assert sum(best is not None for best in taken) <= 7
    found = of(drawn(scores()), logits=scores())
    assert found.best is None and found.repairable == 0.0 and found.command is None


def test_temperature_alone_repairs_classes():
    rng = np.random.default_rng(0)
    z = 2.0 * rng.normal(size=(8000, 5))
    found = of((0.5 * z + rng.gumbel(size=z.shape)).argmax(1), logits=z)
    assert found.best == "temperature" and float(found.rungs[0].said.removeprefix("T = ")) == pytest.approx(
        2.0, abs=0.1
    )
    assert all(r.pays for r in found.rungs)  # the richer ones gain too, but no more


def test_a_temperature_beyond_the_table_is_fitted_to_rows():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3000, 4))
    t = (z + rng.gumbel(size=z.shape)).argmax(1)
    near, far = of(t, logits=z), of(t, logits=100.0 * z)
    assert far.rungs[0].said.startswith("T = ") and float(far.rungs[0].said[4:]) > 64
    saved = [f.rungs[0].gain for f in (near, far)]
    level = [gather(targets=t, logits=x, analyse=True).tally for x in (z, 100.0 * z)]
    loss = [float(s.total("wl", slice(None))) / len(t) for s in level]
    assert loss[0] - saved[0] == pytest.approx(loss[1] - saved[1], abs=1e-6)  # the same map in the end


def test_infinite_rows():
    p = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] * 60)
    t = (np.random.default_rng(0).random(len(p)) < np.clip(p, 0.2, 0.8)).astype(int)
    found = of(t, probs=p)
    infinite = int((t[p == 0] == 1).sum() + (t[p == 1] == 0).sum())
    parametric, isotonic = found.rungs[:3], found.rungs[3]
    for rung in parametric:
        assert math.isfinite(rung.gain) and str(infinite) in rung.trouble and "stay infinite" in rung.trouble
    assert isotonic.gain == math.inf and isotonic.pays and isotonic.low is None
    assert found.best == "isotonic" and found.repairable == math.inf


def test_gains_of_finite_rows_are_those_without_the_infinite_ones():
    z = scores(2000)
    t = drawn(0.5 * z)
    p = 1.0 / (1.0 + np.exp(-z))
    both = of(np.append(t, [1, 1]), probs=np.append(p, [0.0, 0.0]))
    alone = of(t, probs=p)
    for a, b in zip(both.rungs[:3], alone.rungs[:3], strict=True):
        assert a.gain * 2002 == pytest.approx(b.gain * 2000, rel=1e-9)
        assert a.standard_error * 2002 == pytest.approx(b.standard_error * 2000, rel=1e-9)


@pytest.mark.parametrize(
    ("targets", "said"),
    [([0, 0, 0, 1, 1, 1] * 20, "separates the classes"), ([1] * 120, "all targets are 1")],
)
def test_no_finite_optimum_is_said(targets, said):
    found = of(targets, logits=[-3.0, -2.0, -1.0, 1.0, 2.0, 3.0] * 20)
    platt = found.rungs[1]
    assert platt.gain is None and not platt.pays and said in platt.trouble
    assert "\n" not in platt.trouble and platt.rows == 0


def test_anti_informative_scores_warn():
    z = scores(4000)
    found = of(drawn(-z), logits=z)
    assert found.rungs[0].said == "T = infinite"
    assert "anti-informative" in found.rungs[1].trouble and found.rungs[1].gain > 0


def test_one_label_of_many_without_a_fit_stays_as_it_is():
    z = np.stack([scores(2000), scores(2000, 2)], 1)
    t = np.stack([drawn(0.5 * z[:, 0]), np.zeros(2000, int)], 1)
    found = of(t, logits=z, kind="multilabel")
    platt = next(r for r in found.rungs if r.method == "platt")
    alone = next(r for r in of(t[:, 0], logits=z[:, 0]).rungs if r.method == "platt")
    assert platt.trouble.startswith("1 of 2 labels stay as they are") and platt.gain == pytest.approx(alone.gain / 2)


def test_too_few_rows_and_soft_labels():
    found = of([0, 1], probs=[0.2, 0.7])
    assert found.best is None and all(r.gain is None or r.low is None or r.low <= 0 for r in found.rungs)
    assert of([0.2, 0.9, 0.4], probs=[0.3, 0.8, 0.5], soft=True) is None


def test_matrix_scaling_says_why_not():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 40))
    found = of((z + rng.gumbel(size=z.shape)).argmax(1) % 40, logits=z)
    matrix = found.rungs[2]
    assert matrix.gain is None and "32 classes" in matrix.trouble
    few = of((z[:50, :5] + rng.gumbel(size=(50, 5))).argmax(1), logits=z[:50, :5]).rungs[2]
    assert few.gain is None and few.trouble == "not tried: 50 rows for 30 numbers"
