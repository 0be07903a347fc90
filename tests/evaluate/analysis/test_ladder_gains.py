"""What the ladder says a repair saves is what fitting and judging it row by row finds, on the same folds."""

import numpy as np
import pytest

from xent.calibrate import Beta, Isotonic, Matrix, Platt, Temperature, Vector
from xent.calibrate.estimator import row_losses
from xent.calibrate.gain import paired, student
from xent.evaluate.analysis.ladder import climbed, ladder
from xent.evaluate.door import gather
from xent.evaluate.state.keys import buckets, row_keys

FITS = {"temperature": Temperature, "platt": Platt, "beta": Beta, "vector": Vector, "matrix": Matrix}
FITS["isotonic"] = Isotonic


def folds(n):
    return buckets(row_keys("", 0, n)) % 5


def brute(method, z, t, w=None, fold=None):
    """(gain, standard error, in-sample gain) by fits to rows."""
    fold = folds(len(t)) if fold is None else fold
    before, _ = row_losses(None, z, t, None)
    after = np.empty(len(t))
    for f in range(5):
        out, held = fold != f, fold == f
        fitted = FITS[method]().fit(z[out], t[out], None if w is None else w[out])
        after[held], _ = row_losses(fitted.map_, z[held], t[held], None)
    gain, error, _ = paired(before - after, w, None)
    inside, _ = row_losses(FITS[method]().fit(z, t, w).map_, z, t, None)
    return gain, error, paired(before - inside, w, None)[0]


def binary(n=3000, seed=0, slope=0.5, bias=-0.4, digits=None):
    rng = np.random.default_rng(seed)
    z = 2.0 * rng.normal(size=n)
    z = z if digits is None else z.round(digits)
    return z, (rng.logistic(size=n) < slope * z + bias).astype(int)


def classes(n=3000, k=4, seed=0):
    rng = np.random.default_rng(seed)
    z = 2.0 * rng.normal(size=(n, k))
    return z, (0.6 * z + np.linspace(-0.5, 0.5, k) + rng.gumbel(size=(n, k))).argmax(1)


def rung_of(found, method):
    return next(r for r in found.rungs if r.method == method)


@pytest.mark.parametrize("digits", [None, 1])
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_gains_are_those_of_rows(weighted, digits):
    z, t = binary(digits=digits)
    w = np.random.default_rng(1).integers(1, 5, len(t)) / 2.0 if weighted else None
    found = ladder(gather(targets=t, logits=z, sample_weight=w, analyse=True, slices="none"), 0.9, 0)
    assert [r.method for r in found.rungs] == ["temperature", "platt", "beta", "isotonic"] and found.folds == 5
    for rung in found.rungs:
        gain, error, inside = brute(rung.method, z, t, w)
        assert rung.gain == pytest.approx(gain, abs=1e-7)
        assert rung.standard_error == pytest.approx(error, rel=1e-5)
        assert rung.in_sample == pytest.approx(inside, abs=1e-9)
        reach = error * student(0.05, len(t) - 1)
        assert (rung.low, rung.high) == pytest.approx((gain - reach, gain + reach), abs=1e-7)
        assert rung.pays == (rung.low > 0) and rung.rows == len(t) and rung.trouble is None


@pytest.mark.parametrize("weighted", [False, True])
def test_gains_of_classes_are_those_of_rows(weighted):
    z, t = classes()
    w = np.random.default_rng(1).integers(1, 5, len(t)) / 2.0 if weighted else None
    found = ladder(gather(targets=t, logits=z, sample_weight=w, analyse=True, slices="none"), 0.95, 0)
    for rung in found.rungs:
        gain, error, inside = brute(rung.method, z, t, w)
        assert rung.gain == pytest.approx(gain, abs=1e-6)  # the 17 temperatures are interpolated
        assert rung.in_sample == pytest.approx(inside, abs=2e-7)
        assert rung.standard_error == pytest.approx(error, rel=0.15)  # of 256 bucket sums: 4 % by chance
    assert found.best == "vector" and found.repairable == rung_of(found, "vector").gain
    assert found.command == "xent calibrate {files} --method vector -o calibrated.parquet"


def test_the_error_of_temperature_is_that_of_bucket_sums():
    z, t = classes()
    state = gather(targets=t, logits=z, analyse=True, slices="none")
    fold, bucket = folds(len(t)), buckets(row_keys("", 0, len(t)))
    before, _ = row_losses(None, z, t, None)
    after = np.empty(len(t))
    for f in range(5):
        fitted = Temperature().fit(z[fold != f], t[fold != f])
        after[fold == f], _ = row_losses(fitted.map_, z[fold == f], t[fold == f], None)
    _, error, _ = paired(before - after, None, bucket)
    assert rung_of(ladder(state, 0.95, 0), "temperature").standard_error == pytest.approx(error, rel=1e-4)


def test_labels_add_up():
    """The gain of many labels is the mean of the labels' own; one temperature is fitted to all of them."""
    parts = [binary(seed=s, slope=0.3 + 0.2 * s) for s in range(3)]
    z, t = (np.stack(x, 1) for x in zip(*parts, strict=True))
    found = ladder(gather(targets=t, logits=z, kind="multilabel", analyse=True, slices="none"), 0.95, 0)
    for method in ("platt", "isotonic"):
        own = [brute(method, *part) for part in parts]
        assert rung_of(found, method).gain == pytest.approx(np.mean([o[0] for o in own]), abs=1e-7)
        assert rung_of(found, method).in_sample == pytest.approx(np.mean([o[2] for o in own]), abs=1e-9)
        alone = np.sqrt(sum(o[1] ** 2 for o in own)) / 3
        assert alone * 0.9999 <= rung_of(found, method).standard_error <= 1.2 * alone  # labels are independent here
    gain, _, inside = brute("temperature", z.reshape(-1), t.reshape(-1), fold=np.repeat(folds(len(t)), 3))
    assert rung_of(found, "temperature").gain == pytest.approx(gain, abs=1e-8)
    assert rung_of(found, "temperature").in_sample == pytest.approx(inside, abs=1e-8)


def test_pooling_for_the_fit_moves_no_gain(monkeypatch):
    """More distinct scores than pooled cells: the same gains as with cells 16 times finer."""
    from xent.evaluate.analysis import cells

    z, t = binary(n=20_000)
    state = gather(targets=t, logits=z, analyse=True, slices="none")
    pooled, _ = climbed(state, ("temperature", "platt", "beta"), 0.95)
    monkeypatch.setattr(cells, "FINE", 1 << 11)
    monkeypatch.setattr(cells, "MOST", int((1 << 11) * cells.EDGE) + 16 * 1020)
    finer, _ = climbed(state, ("temperature", "platt", "beta"), 0.95)
    for a, b in zip(pooled, finer, strict=True):
        assert a.gain == pytest.approx(b.gain, abs=1e-7) and a.gain != b.gain


def test_clusters_of_copies_count_once():
    """Ten copies of every row in a cluster: the gain of the rows, with an error like theirs and not a third of it."""
    z, t = binary(n=2000)
    alone = ladder(gather(targets=t, logits=z, analyse=True, slices="none"), 0.95, 0)
    table = {"y": np.repeat(t, 10), "logit": np.repeat(z, 10), "group": np.repeat(np.arange(len(t)), 10)}
    copies = ladder(gather(table, cluster="group", slices="none"), 0.95, 0)
    for a, b in zip(alone.rungs, copies.rungs, strict=True):
        assert b.gain == pytest.approx(a.gain, abs=0.004)  # the folds are others
        assert b.standard_error == pytest.approx(a.standard_error, rel=0.25)
    zk, tk = classes(n=1000)
    wide = {"y": np.repeat(tk, 10), "logits": np.repeat(zk, 10, axis=0), "group": np.repeat(np.arange(1000), 10)}
    alone, copies = (
        ladder(gather(data, slices="none", **more), 0.95, 0)
        for data, more in (({"y": tk, "logits": zk}, {}), (wide, {"cluster": "group"}))
    )
    for a, b in zip(alone.rungs, copies.rungs, strict=True):
        assert b.standard_error == pytest.approx(a.standard_error, rel=0.25)


@pytest.mark.parametrize(("centre", "scale"), [(0.0, 1e-3), (-6.0, 3e-3)])
def test_scores_that_lie_close_together_are_told_apart(centre, scale):
    """A model that always says nearly the same, and means something by the rest."""
    z, t = binary(slope=1.0, bias=0.0)
    z = centre + scale * z
    found, _ = climbed(gather(targets=t, logits=z, analyse=True, slices="none"), ("platt", "beta"), 0.95)
    for rung in found:
        gain, error, inside = brute(rung.method, z, t)
        assert rung.gain == pytest.approx(gain, abs=1e-7) and rung.in_sample == pytest.approx(inside, abs=1e-7)
        assert rung.standard_error == pytest.approx(error, rel=1e-4)


def test_steps_beyond_every_finite_score_are_counted():
    certain = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    state = gather(targets=[0, 0, 1, 0, 1, 1] * 20, probs=certain * 20, analyse=True, slices="none")
    (rung,), _ = climbed(state, ("isotonic",), 0.95)
    assert rung.said == "3 steps"  # at -inf, at +inf and, where no row lies, between them
