"""Log loss of probabilities: exact, unclipped, never renormalised, and never guessing."""

import numpy as np
import pytest

import xent
from xent import LogLoss, log_loss
from xent.probabilities import sum_tolerance

P = np.array([[0.1, 0.9], [0.9, 0.1], [0.8, 0.2], [0.35, 0.65]])


def test_by_hand():
    assert log_loss([0.9, 0.3], [1, 0]) == pytest.approx(-(np.log(0.9) + np.log(0.7)) / 2, rel=1e-15)
    assert log_loss(P, [1, 0, 0, 1]) == pytest.approx(0.21616, abs=5e-6)
    assert log_loss(0.25, 1) == pytest.approx(np.log(4), rel=1e-15)


def test_readings_agree(rng):
    """Binary, two classes, one-hot and multi-label say the same thing in four ways."""
    p, t = rng.random(30), rng.integers(0, 2, 30)
    two = np.stack([1 - p, p], 1)
    want = log_loss(p, t)
    assert log_loss(two, t) == pytest.approx(want, rel=1e-14)
    assert log_loss(two, np.eye(2)[t], multilabel=False) == pytest.approx(want, rel=1e-14)
    assert log_loss(p[:, None], t[:, None], multilabel=True) == want
    assert log_loss(two.T, t, axis=0) == pytest.approx(want, rel=1e-14)
    assert log_loss(p, t.astype(bool)) == want


def test_from_logits_and_from_probabilities(rng):
    z, ids = rng.normal(size=(20, 5)), rng.integers(0, 5, 20)
    weights, sample = (1.0, 2.0, 0.5, 0.0, 3.0), rng.random(20)
    for options in ({}, {"class_weight": weights}, {"denominator": "count"}, {"reduction": "sum"}, {"ignore_index": 2}):
        want = xent.softmax_cross_entropy(z, ids, sample_weight=sample, **options)
        got = log_loss(xent.softmax(z), ids, sample_weight=sample, **options)
        assert got == pytest.approx(want, rel=1e-13)
    t = rng.random((20, 5))
    for options in ({}, {"class_weight": weights}, {"denominator": "positives"}, {"reduction": "sum"}):
        want = xent.sigmoid_cross_entropy(z, t, **options)
        assert log_loss(xent.sigmoid(z), t, multilabel=True, **options) == pytest.approx(want, rel=1e-12)


def test_zero_on_the_truth_is_infinite():
    losses = log_loss([[1.0, 0.0], [1.0, 0.0], [0.5, 0.5]], [0, 1, 1], reduction="none")
    assert losses[0] == 0 and not np.signbit(losses[0]) and losses[1] == np.inf and np.isfinite(losses[2])
    assert log_loss([[1.0, 0.0]], [1]) == np.inf
    np.testing.assert_array_equal(
        log_loss([1.0, 0.0, 1.0, 0.0], [1, 0, 0, 1], reduction="none"), [0, 0, np.inf, np.inf]
    )


def test_tiny_probabilities_are_not_clipped():
    assert log_loss([1e-300], [1]) == pytest.approx(300 * np.log(10), rel=1e-15)
    assert log_loss([1e-300], [0]) == pytest.approx(1e-300, rel=1e-15, abs=0)
    assert log_loss([[1e-30, 1.0]], [0]) == pytest.approx(30 * np.log(10), rel=1e-15)
    assert log_loss(np.array([1e-30], np.float32), [1]) == pytest.approx(30 * np.log(10), rel=1e-6)


@pytest.mark.parametrize(
    "shape, form, options",
    [((20,), "binary", {}), ((20,), "soft", {}), ((6, 3), "binary", {"multilabel": True}), ((20, 4), "ids", {}),
     ((20, 4), "dense", {"multilabel": False}), ((4, 20), "ids", {"axis": 0}),
     ((20, 4), "ids", {"class_weight": (1.0, 2.0, 0.0, 1.0)})],
)  # fmt: skip
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gradient_is_the_slope(rng, shape, form, options, reduction):
    axis = options.get("axis", -1)
    p = rng.uniform(0.1, 0.9, shape)
    classes = form in ("ids", "dense")
    p = p / p.sum(axis, keepdims=True) if classes else p
    rest = tuple(np.delete(shape, axis))
    t = {"binary": rng.integers(0, 2, shape), "soft": rng.random(shape), "dense": rng.random(shape),
         "ids": rng.integers(0, shape[axis], rest)}[form]  # fmt: skip
    weight = rng.random(rest if classes else shape)
    loss = LogLoss(**options, reduction=reduction)
    value, gradient = loss.value_and_grad(p, t, sample_weight=weight)
    np.testing.assert_array_equal(value, loss(p, t, sample_weight=weight))
    assert gradient.shape == p.shape
    step = 5e-8  # small enough for rows to sum to 1 within tolerance
    for at in np.ndindex(shape):
        up, down = p.copy(), p.copy()
        up[at] += step
        down[at] -= step
        slope = (np.sum(loss(up, t, sample_weight=weight)) - np.sum(loss(down, t, sample_weight=weight))) / (2 * step)
        assert gradient[at] == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_what_does_not_count_may_hold_anything():
    p = np.array([[0.5, 0.5], [np.nan, 7.0], [0.25, 0.75]])
    want = log_loss(p[[0, 2]], [0, 1])
    assert log_loss(p, [0, -100, 1], ignore_index=-100) == want
    assert log_loss(p, [0, 99, 1], where=np.array([True, False, True])) == want
    gradient = LogLoss(ignore_index=-100).value_and_grad(p, [0, -100, 1])[1]
    assert (gradient[1] == 0).all()
    t = np.array([[1.0, 0], [-1, -1], [0, 1]])
    assert log_loss(p, t, multilabel=False, ignore_index=-1) == want
    assert log_loss([0.5, np.nan], [1, -1], ignore_index=-1) == pytest.approx(np.log(2))


def test_nothing_left():
    where = np.zeros(4, bool)
    assert log_loss(P, [1, 0, 0, 1], where=where) == 0
    assert np.isnan(log_loss(P, [1, 0, 0, 1], where=where, empty="nan"))
    with pytest.raises(ValueError, match="nothing is left to average"):
        log_loss(P, [1, 0, 0, 1], where=where, empty="raise")
    assert log_loss(np.zeros((0, 3)), np.zeros(0, int)) == 0


ERRORS = [
    ((P, P), {}, "can be read in two ways: multilabel=True"),
    ((P, [1, 0, 0, 1]), {"multilabel": True}, "`multilabel`=True needs targets in the shape"),
    ((P, [1, 0, 0]), {}, "`targets` must have the shape of `probs`"),
    ((P[:, 1], [[1], [0], [0], [1]]), {}, "`targets` must have the shape of `probs`"),
    ((P, [1, 0, 2, 1]), {}, r"`targets` must hold class ids in \[0, 2\); got 2 at row 2"),
    ((P, [1, 0, -1, 1]), {}, r"`targets` must hold class ids in \[0, 2\); got -1 at row 2"),
    ((P, [1.0, 0.0, 0.0, 1.0]), {}, "are class ids and must be integers"),
    (
        (P + [[0, 0], [0, 0], [0.01, 0], [0, 0]], [1, 0, 0, 1]),
        {},
        "`probs` must sum to 1 within 2.4e-07 .*; got 1.01.* at row 2",
    ),
    (([[2.0, -1.0]], [0]), {}, "`probs` must lie in .0, 1. and are not logits"),
    (([0.5, 1.5], [0, 1]), {}, "`probs` must lie in .* got 1.5 at index 1"),
    (([0.5, np.nan], [0, 1]), {}, "`probs` must lie in .* got nan at index 1"),
    (([0.5, 0.5], [0, 2]), {}, r"`targets` must lie in \[0, 1\]; got 2 at index 1"),
    ((P, [1, 0, 0, 1]), {"denominator": "positives"}, "`denominator`='positives'"),
    (
        (P, [1, 0, 0, 1]),
        {"sample_weight": [1.0, -1.0, 1.0, 1.0]},
        "`sample_weight` must be finite and >= 0; got -1.0 at index 1",
    ),
    ((P, [1, 0, 0, 1]), {"sample_weight": [1.0, 1.0]}, "`sample_weight` must have one entry per loss"),
    ((P, [1, 0, 0, 1]), {"class_weight": [1.0, 1.0, 1.0]}, "`class_weight` must be a number or have shape"),
    ((P, [1, 0, 0, 1]), {"class_weight": np.array([1.0, -1.0])}, "`class_weight` must be finite and >= 0"),
    ((np.eye(2, dtype=int), [0, 1]), {}, "`probs` must hold floating-point numbers"),
]


@pytest.mark.parametrize("args, options, message", ERRORS, ids=[e[2][:40] for e in ERRORS])
def test_errors(args, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        log_loss(*args, **options)


def test_tolerance_grows_with_rounding(rng):
    """What a softmax in a dtype leaves is accepted; a thousand times that is not."""
    for dtype, classes in (
        (np.float64, 10),
        (np.float32, 10),
        (np.float32, 1000),
        (np.float16, 10),
        (np.float16, 1000),
    ):
        p = rng.dirichlet(np.ones(classes), 100).astype(dtype)
        ids = rng.integers(0, classes, 100)
        assert np.isfinite(log_loss(p, ids, reduction="sum"))
        off = p.copy()
        off[7, 0] += dtype(3 * sum_tolerance(dtype, classes))
        with pytest.raises(ValueError, match="at row 7"):
            log_loss(off, ids)
    assert sum_tolerance(np.float64, 10) == sum_tolerance(np.float32, 10) == 10 * 2**-23


def test_dtypes():
    for dtype, value_dtype in ((np.float16, np.float32), (np.float32, np.float32), (np.float64, np.float64)):
        p = np.array([[0.25, 0.75], [0.5, 0.5]], dtype)
        value, gradient = LogLoss().value_and_grad(p, [1, 0])
        assert value.dtype == value_dtype and gradient.dtype == dtype
        assert value == pytest.approx((np.log(2) - np.log(0.75)) / 2, rel=1e-6)
        np.testing.assert_allclose(gradient, [[0, -1 / 1.5], [-1, 0]], rtol=1e-3)


def test_inputs_are_never_written():
    p, t = P.copy(), np.array([1, 0, 0, 1])
    p.flags.writeable = t.flags.writeable = False
    LogLoss().value_and_grad(p, t)
    np.testing.assert_array_equal(p, P)


def test_the_record_is_a_value():
    assert LogLoss(class_weight=[1, 2]) == LogLoss(class_weight=(1.0, 2.0))
    assert hash(LogLoss(ignore_index=[1, 2])) == hash(LogLoss(ignore_index=(1, 2)))
    for options in ({"multilabel": "yes"}, {"reduction": "avg"}, {"empty": 0}, {"denominator": -1.0}):
        with pytest.raises((TypeError, ValueError), match=f"`{next(iter(options))}`"):
            LogLoss(**options)


def test_what_weighs_nothing_may_hold_anything():
    elements = xent.log_loss([0.5, np.nan], [1, 7], sample_weight=[1.0, 0.0])
    rows = xent.log_loss([[0.5, 0.5], [np.nan, 3.0]], [1, 7], sample_weight=[1.0, 0.0])
    assert elements == rows == np.log(2.0)
