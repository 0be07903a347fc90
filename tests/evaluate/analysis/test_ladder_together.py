"""Where rows hang together, the error of a repair is that of the paired difference, summed by what is independent."""

import numpy as np
import pytest

from xent.calibrate import Isotonic, Platt
from xent.calibrate.estimator import row_losses
from xent.calibrate.gain import paired
from xent.evaluate.analysis.inflation import Together, inflation
from xent.evaluate.analysis.ladder import climbed
from xent.evaluate.door import gather
from xent.evaluate.state import sample
from xent.evaluate.state.keys import row_keys

FITS = {"platt": Platt, "isotonic": Isotonic}


def uncertain(seed=0, clusters=120, rows=40, labels=1):
    """Scores near 0, which cost about the same whatever happens; what happens is the same all over a cluster."""
    rng = np.random.default_rng(seed)
    z = rng.normal(scale=0.05, size=(clusters, rows, labels)).round(3)
    shared = rng.normal(0.3, 4.0, size=(clusters, 1, 1))
    y = (rng.logistic(size=z.shape) < 10.0 * z + shared).astype(int)
    return z.reshape(-1, labels), y.reshape(-1, labels), np.repeat(np.arange(clusters), rows)


def differences(method, z, y, fold):
    """What each cell saves, [rows, labels], by fits to rows."""
    saved = np.empty(z.shape)
    for i in range(z.shape[1]):
        before, _ = row_losses(None, z[:, i], y[:, i], None)
        for f in np.unique(fold):
            out, held = fold != f, fold == f
            found = FITS[method]().fit(z[out, i], y[out, i]).map_
            saved[held, i] = before[held] - row_losses(found, z[held, i], y[held, i], None)[0]
    return saved


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("method", list(FITS))
def test_clusters(method, labels):
    z, y, group = uncertain(labels=labels)
    table = {"y": y if labels > 1 else y[:, 0], "logit": z if labels > 1 else z[:, 0], "group": group}
    more = {"kind": "multilabel"} if labels > 1 else {}
    state = gather(table, targets="y", logits="logit", cluster="group", slices="none", **more)
    order = np.argsort(state.sample.key)
    bucket = np.empty(len(z), int)
    bucket[np.argsort(row_keys("", 0, len(z)))] = np.asarray(state.sample.bucket)[order]
    (rung,), _ = climbed(state, (method,), 0.95)
    saved = differences(method, z, y, bucket % 5).mean(1)
    gain, error, _ = paired(saved, None, bucket)
    assert rung.gain == pytest.approx(gain, abs=1e-6)
    assert rung.standard_error == pytest.approx(error, rel=2e-3)
    assert error > 1.5 * paired(saved, None, None)[1] * inflation(state)  # what the loss, which hardly varies, tells


def test_labels_of_a_row():
    """The same label three times: as sure as one."""
    z, y, _ = uncertain(clusters=3000, rows=1)
    one = gather(targets=y[:, 0], logits=z[:, 0], analyse=True, slices="none")
    three = gather(
        targets=np.repeat(y, 3, 1), logits=np.repeat(z, 3, 1), kind="multilabel", analyse=True, slices="none"
    )
    for method in FITS:
        a, b = (climbed(state, (method,), 0.95)[0][0].standard_error for state in (one, three))
        assert b == pytest.approx(a, rel=1e-3)


def test_a_sample_of_the_rows_tells_of_the_clusters(monkeypatch):
    z, y, group = uncertain(clusters=2000, rows=10)
    table = {"y": y[:, 0], "logit": z[:, 0], "group": group}
    whole = gather(table, cluster="group", slices="none")
    monkeypatch.setattr(sample, "MOST_ROWS", 8000)
    part = gather(table, cluster="group", slices="none")
    assert whole.sample.complete and not part.sample.complete
    a, b = (climbed(state, ("platt",), 0.95)[0][0].standard_error for state in (whole, part))
    assert b == pytest.approx(a, rel=0.25)


def test_independent_rows_ask_for_no_sample():
    assert Together(gather(targets=[0, 1], probs=[0.2, 0.7], analyse=True, slices="none"), None, 0.0)(None, "") == 1.0
