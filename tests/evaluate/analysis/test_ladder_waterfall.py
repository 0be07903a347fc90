"""The waterfall adds up: every level is the last one and the step, from the base rate to the log loss."""

import math
from itertools import pairwise

import numpy as np
import pytest

from xent.evaluate.analysis.decompose import decompositions
from xent.evaluate.analysis.ladder import ladder, waterfall
from xent.evaluate.door import gather
from xent.evaluate.scores import result


def scores(n=3000, k=None, seed=0):
    return 2.0 * np.random.default_rng(seed).normal(size=(n,) if k is None else (n, k))


def drawn(logit, seed=1):
    return (np.random.default_rng(seed).logistic(size=logit.shape) < logit).astype(int)


def classes(truth, k=4):
    z = scores(k=k)
    return (truth * z + np.random.default_rng(1).gumbel(size=z.shape)).argmax(1), z


def cases():
    z = scores()
    yield "binary", {"targets": drawn(0.5 * z - 0.4), "logits": z}
    yield "calibrated", {"targets": drawn(z), "logits": z}
    p = 1 / (1 + np.exp(-z))
    p[:7] = 0.0
    yield "infinite", {"targets": np.append(np.ones(7, int), drawn(0.5 * z)[7:]), "probs": p}
    many = scores(k=3)
    yield "labels", {"targets": drawn(0.6 * many), "logits": many, "kind": "multilabel"}
    t, wide = classes(0.6 + 0.2 * np.arange(4))
    yield "classes", {"targets": t, "logits": wide}
    t, wide = classes(1.0)
    yield "calibrated classes", {"targets": t, "logits": wide}
    lost = wide.copy()
    lost[np.arange(5), t[:5]] = -np.inf
    yield "infinite classes", {"targets": t, "logits": lost}


@pytest.fixture(params=list(cases()), ids=lambda case: case[0])
def walked(request):
    state = gather(**request.param[1], analyse=True, slices="none")
    score, found, parts = result(state), ladder(state, 0.95, 0), decompositions(state, 0)
    return request.param[0], score, found, parts, waterfall(score, parts, found)


def test_steps_add_up(walked):
    _, score, _, _, steps = walked
    assert steps[0].kind == "start" and steps[0].nats == steps[0].after == pytest.approx(score.baseline, abs=1e-12)
    for last, step in pairwise(steps):
        if step.kind == "total":
            assert step.after == step.nats == last.after
        elif math.isinf(step.after):
            assert (step.name, step.nats, step.kind) == ("infinite rows", math.inf, "up")
        else:
            assert step.kind == ("up" if step.nats >= 0 else "down")
            assert step.after - last.after == step.nats  # the level is what was added up, to the last bit
    assert (steps[-1].name, steps[-1].kind) == ("log loss", "total") and steps[-1].after == score.log_loss
    assert len({s.name for s in steps}) == len(steps)


def test_levels_are_those_of_decomposition_and_ladder(walked):
    name, score, found, parts, steps = walked
    level = {s.name: s for s in steps}
    finite = score.finite_part
    gains = {r.method: r.gain for r in found.rungs if r.gain is not None and math.isfinite(r.gain)}
    if score.kind == "multiclass":
        if found.best:
            assert level["after repair"].after == pytest.approx(finite - max(gains.values()))
        return
    refined = np.mean([d.uncertainty - d.discrimination for d in parts])
    assert level["refined loss"].after == pytest.approx(refined, abs=1e-12)
    if name == "infinite":
        assert "temperature" not in level and level["infinite rows"].after == math.inf
        assert level["miscalibration"].after == pytest.approx(finite)
        return
    if gains["temperature"] > 0:
        assert level["temperature"].nats == pytest.approx(gains["temperature"])
        assert level["temperature"].standard_error == found.rungs[0].standard_error
    back = sum(s.nats for s in steps if s.kind in ("up", "down")) - level["discrimination"].nats
    assert back == pytest.approx(np.mean([d.miscalibration for d in parts]), abs=1e-12)


def test_without_a_ladder(walked):
    _, score, _, parts, _ = walked
    steps = waterfall(score, parts, None)
    assert steps[-1].after == score.log_loss and [s.name for s in steps if s.name == "temperature"] == []
    bare = waterfall(score, (), None)
    assert bare[0].name == "baseline" and bare[-1].after == score.log_loss
