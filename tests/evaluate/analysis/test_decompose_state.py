"""Decompositions of what a state has seen: real files, exact sums, labels that add up, scores beyond the room."""

import math

import numpy as np
import pytest
from real_data import real
from scipy.optimize import isotonic_regression
from yes_no import isotonic_loss

from xent.evaluate.analysis.confidence import bins
from xent.evaluate.analysis.decompose import decompositions
from xent.evaluate.door import gather
from xent.evaluate.scores import result


def analysed(*given, **named):
    """(score, decompositions, bins by confidence)"""
    state = gather(*given, analyse=True, slices="none", **named)
    return result(state), decompositions(state, 0), bins(state)


def test_niamey_with_its_six_impossible_days():
    score, (found,), by_confidence = analysed(real("niamey/precip_Niamey_2016.csv"), probs="ENS")
    assert (found.name, found.score, found.miscalibration, found.infinite_rows) == ("", math.inf, math.inf, 6)
    assert (found.finite_part, found.exact, found.p_value) == (score.finite_part, True, 0.0)
    assert (found.discrimination, found.uncertainty) == pytest.approx((0.09983, 0.68152), abs=5e-6)
    assert found.uncertainty == pytest.approx(score.baseline, rel=1e-15)
    assert by_confidence[-1].log_loss == math.inf


def test_the_favourite_of_many_classes_is_a_yes_no_problem():
    score, (found,), by_confidence = analysed(real("netcal_cifar/densenet-bc-100-cifar-100.npz"))
    assert found.name == "top-1" and found.score == score.top1 == pytest.approx(0.5868537366, abs=1e-10)
    assert score.log_loss - found.score == pytest.approx(0.6387731742, abs=1e-10)
    assert found.score == pytest.approx(found.uncertainty - found.discrimination + found.miscalibration, rel=1e-14)
    assert found.p_value == 1 / (found.resamples + 1) and found.miscalibration > 10 * found.expected_high
    right = score.accuracy
    assert found.uncertainty == pytest.approx(-right * math.log(right) - (1 - right) * math.log(1 - right), rel=1e-12)
    assert sum(bin_.z > 5 for bin_ in by_confidence) > 10


def test_a_row_that_is_infinite_among_the_rest_is_finite_for_the_favourite():
    probs = np.array([[0.5, 0.5, 0.0], [0.6, 0.2, 0.2], [0.2, 0.2, 0.6], [1.0, 0.0, 0.0], [0.1, 0.8, 0.1]])
    score, (found,), _ = analysed(targets=[2, 0, 0, 0, 1], probs=probs)
    assert score.log_loss == math.inf and score.infinite == 1
    wrong = -math.log(0.5) - math.log(0.4)
    assert found.infinite_rows == 0
    assert found.score == pytest.approx((wrong - math.log(0.6) - math.log(0.8)) / 5, rel=1e-12)
    _, (worse,), _ = analysed(targets=[2, 0, 0, 1, 1], probs=probs)
    assert (worse.infinite_rows, worse.score) == (1, math.inf)


@pytest.mark.parametrize("weighted", [False, True])
def test_labels_add_up_to_the_whole(weighted):
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (400, 3)).round(2)
    target = rng.random((400, 3)) < 1 / (1 + np.exp(-logits))
    weight = {"sample_weight": rng.random(400) + 0.5} if weighted else {}
    score, found, _ = analysed(targets=target.astype(int), logits=logits, **weight)
    assert score.kind == "multilabel" and [one.name for one in found] == [one.name for one in score.by_class]
    for i, one in enumerate(found):
        assert one.score == score.by_class[i].log_loss
        left = isotonic_loss(logits[:, i], target[:, i], weight.get("sample_weight"))
        assert one.uncertainty - one.discrimination == pytest.approx(left / one.weight, rel=1e-9)
    assert np.mean([one.score for one in found]) == pytest.approx(score.log_loss, rel=1e-14)
    assert np.mean([one.uncertainty for one in found]) == pytest.approx(score.baseline, rel=1e-12)
    assert len({one.expected for one in found}) == 3


def test_scores_beyond_the_room_keep_their_score_and_know_their_bound():
    rng = np.random.default_rng(2)
    z = rng.normal(0, 3, 90_000) + np.where(rng.random(90_000) < 1e-3, 45.0, 0.0)  # some in the wide cells beyond 32
    y = rng.random(90_000) < np.clip(1 / (1 + np.exp(-1.2 * z)), 0, 0.99)
    score, (found,), _ = analysed(targets=y.astype(int), logits=z)
    assert not found.exact and found.score == score.log_loss
    order = np.argsort(z)
    rate, outcome = isotonic_regression(y[order].astype(float)).x, y[order]
    left = -np.log(np.where(outcome, rate, 1 - rate)).mean()
    true = found.uncertainty - left
    assert 0 < found.bound < 0.01 and found.discrimination <= true <= found.discrimination + found.bound
    for pieces in (found.blocks, found.bins):
        assert sum(piece.nats for piece in pieces) == pytest.approx(found.miscalibration, rel=1e-12)
    assert found.p_value == 1 / (found.resamples + 1)


def test_soft_labels_have_no_isotonic_decomposition():
    _, found, by_confidence = analysed(targets=np.array([0.2, 0.7, 1.0]), probs=np.array([0.3, 0.6, 0.9]))
    assert found == () and by_confidence == ()
