"""What is fitted to rows that stream is what is fitted to rows in memory: the same loss within 1e-9 nats."""

import numpy as np
import pytest
from prediction_files import binary, classes, sigmoid, softmax

import xent.evaluate.state.blocks as blocks
import xent.evaluate.state.sample as sample
from xent.calibrate import Beta, Isotonic, Matrix, Platt, Temperature, Vector
from xent.evaluate.repair.door import calibrate
from xent.evaluate.repair.kept import kept

FITS = {"temperature": Temperature, "platt": Platt, "beta": Beta, "vector": Vector, "matrix": Matrix}


@pytest.fixture
def few(monkeypatch):
    """States that keep little: scores in coarse cells, a sample of 500 to 1000 rows."""
    monkeypatch.setattr(blocks, "ROOM", 512)
    monkeypatch.setattr(sample, "MOST_NUMBERS", 4000)


def fitted(tmp_path, method, table, **options):
    """The maps of a repair of a table."""
    found = calibrate(table, method=method, save=tmp_path / "map.json", force=True, **options)
    assert found.wrote and found.method == method
    return kept((tmp_path / "map.json").read_text(), "map.json").maps


def loss(found, x, t, w):
    p = found.probabilities(x)
    p = np.where(t, p, 1.0 - p) if p.ndim == 1 else p[np.arange(len(t)), t]
    return np.average(-np.log(p), weights=w)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", ["probs", "logits"])
@pytest.mark.parametrize("method", ["temperature", "platt", "beta"])
def test_one_score_a_row(tmp_path, few, method, form, weighted):
    z, t = binary()
    x = sigmoid(z) if form == "probs" else z
    w = np.random.default_rng(1).integers(1, 5, len(t)) / 2.0 if weighted else None
    table = {"y": t, form: x} | ({"sample_weight": w} if weighted else {})
    (streamed,) = fitted(tmp_path, method, table)
    memory = FITS[method](probs=form == "probs").fit(x, t, w).map_
    assert abs(loss(streamed, x, t, w) - loss(memory, x, t, w)) < 1e-9
    assert streamed(x) == pytest.approx(memory(x), abs=1e-4)
    assert not np.array_equal(streamed(x), memory(x))  # it did stream


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("form", ["probs", "logits"])
@pytest.mark.parametrize("method", ["temperature", "vector", "matrix"])
def test_many_classes(tmp_path, few, method, form, weighted):
    z, t = classes()
    x = softmax(z) if form == "probs" else z
    w = np.random.default_rng(1).integers(1, 5, len(t)) / 2.0 if weighted else None
    table = {"y": t, form: x} | ({"sample_weight": w} if weighted else {})
    (streamed,) = fitted(tmp_path, method, table)
    memory = FITS[method](probs=form == "probs").fit(x, t, w).map_
    assert abs(loss(streamed, x, t, w) - loss(memory, x, t, w)) < 1e-9
    assert streamed.probabilities(x) == pytest.approx(memory.probabilities(x), abs=1e-4)


@pytest.mark.parametrize("method", ["platt", "beta"])
def test_every_label_for_itself(tmp_path, monkeypatch, method):
    monkeypatch.setattr(blocks, "ROOM", 256)
    z, t = (np.stack(x, 1) for x in zip(*(binary(seed=s) for s in range(3)), strict=True))
    maps = fitted(tmp_path, method, {"y": t, "logits": z}, kind="multilabel")
    for i, streamed in enumerate(maps):
        memory = FITS[method]().fit(z[:, i], t[:, i]).map_
        assert abs(loss(streamed, z[:, i], t[:, i], None) - loss(memory, z[:, i], t[:, i], None)) < 1e-9


def test_one_temperature_for_all_labels(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "ROOM", 256)
    z, t = (np.stack(x, 1) for x in zip(*(binary(seed=s) for s in range(3)), strict=True))
    maps = fitted(tmp_path, "temperature", {"y": t, "logits": z}, kind="multilabel")
    memory = Temperature().fit(z.reshape(-1), t.reshape(-1))
    assert [m.beta for m in maps] == pytest.approx([memory.beta_] * 3, abs=1e-7)


def test_isotonic_of_scores_that_are_kept_exactly(tmp_path):
    z, t = binary()
    (found,) = fitted(tmp_path, "isotonic", {"y": t, "logits": z})
    assert found == Isotonic().fit(z, t).map_


@pytest.mark.parametrize("form", ["probs", "logits"])
def test_a_floor(tmp_path, few, form):
    """As in xent.calibrate: every p is read as at least the floor, so that infinite rows can be fitted and mended."""
    z, t = binary()
    x = sigmoid(z)
    x[:20] = np.where(t[:20] == 1, 0.0, 1.0)
    with np.errstate(divide="ignore"):
        x = np.log(x) - np.log1p(-x) if form == "logits" else x
    (streamed,) = fitted(tmp_path, "platt", {"y": t, form: x}, floor=1e-3)
    memory = Platt(probs=form == "probs", floor=1e-3).fit(x, t).map_
    assert abs(loss(streamed, x, t, None) - loss(memory, x, t, None)) < 1e-9 and streamed.floor == 1e-3
    z, t = classes()
    p = softmax(z)
    p[:20] = 0.0
    p[np.arange(20), (t[:20] + 1) % 4] = 1.0
    for method in ("temperature", "vector", "matrix"):
        (streamed,) = fitted(tmp_path, method, {"y": t, "probs": p}, floor=1e-3)
        memory = FITS[method](probs=True, floor=1e-3).fit(p, t).map_
        assert abs(loss(streamed, p, t, None) - loss(memory, p, t, None)) < 1e-9
