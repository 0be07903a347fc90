"""The portable losses over NumPy's operations against the definition: every option, every target kind, hostile rows."""

import numpy as np
import pytest

from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy, backends, portable, reference
from xent.backends.checks import device_checks
from xent.portable.ops import NUMPY

INF, NAN = np.inf, np.nan
BOUND = {np.float64: 1e-13, np.float32: 1e-6}
LEAST = {np.float64: 5e-324, np.float32: 1.5e-45}  # what a subnormal number may be off by


def outcomes(loss, logits, targets, **arrays):
    """(value, gradient, Hessian diagonal) of the portable loss."""
    with np.errstate(all="ignore"):
        value = portable.value(NUMPY, loss, logits, targets, arrays)
        return value, *portable.grad_and_hess(NUMPY, loss, logits, targets, arrays)


def agree(got, want, dtype):
    """Relative to the largest, which is what a sum of terms can promise; half as sharp for the Hessian."""
    for x, y, slack in zip(got, (want.value, want.gradient, want.hessian), (1, 2, 4), strict=True):
        x, y, bound = np.asarray(x, float), np.asarray(y, float), slack * BOUND[dtype]
        largest = abs(y[np.isfinite(y)]).max(initial=0.0)
        np.testing.assert_allclose(x, y, rtol=bound, atol=bound * largest + 4 * LEAST[dtype])


def sigmoid_targets(rng, kind, dtype):
    hard = rng.integers(0, 2, (9, 3))
    return {
        "hard": hard,
        "bool": hard == 1,
        "soft": rng.random((9, 3)).astype(dtype),
        "sparse": (rng.integers(0, 3, (9, 2)), np.tile(np.array([0.25, 0.5], dtype), (9, 1))),
    }[kind]


def softmax_targets(rng, kind, dtype):
    ids = rng.integers(0, 4, 12)
    return {
        "ids": ids,
        "one-hot": np.eye(4)[ids],
        "soft": rng.dirichlet(np.ones(4), 12).astype(dtype),
        "sparse": (rng.integers(0, 4, (12, 2)), np.tile(np.array([0.25, 0.5], dtype), (12, 1))),
    }[kind]


def weighing(rng, how, rows, elements):
    if how == "weight":
        return {"sample_weight": rng.integers(0, 3, rows).astype(float)}
    return {"where": rng.random(elements) < 0.5} if how == "where" else {}


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("kind", ["hard", "bool", "soft", "sparse"])
@pytest.mark.parametrize("how", ["plain", "weight", "where"])
def test_sigmoid(rng, sigmoid_options, kind, how, dtype):
    z = rng.normal(0, 4, (9, 3))
    z.flat[:8] = [INF, -INF, NAN, 50, -50, 100, -100, 0]
    z[5] = [INF, -INF, 40]
    z, t = z.astype(dtype), sigmoid_targets(rng, kind, dtype)
    arrays = weighing(rng, how, 9, (9, 3))
    for options in (sigmoid_options, sigmoid_options | {"reduction": "none"}):
        want = reference.sigmoid_cross_entropy(z, t, **options, **arrays)
        agree(outcomes(SigmoidCrossEntropy(**options), z, t, **arrays), want, dtype)


@pytest.mark.parametrize("dtype", BOUND)
@pytest.mark.parametrize("kind", ["ids", "one-hot", "soft", "sparse"])
@pytest.mark.parametrize("how", ["plain", "weight", "where"])
def test_softmax(rng, softmax_options, kind, how, dtype):
    z = rng.normal(0, 4, (12, 4))
    z.flat[:8] = [INF, -INF, NAN, 50, -50, 100, -100, 0]
    z[2:7] = [INF, 0, -INF, 1], [INF, INF, 0, 0], [-INF] * 4, [50, -INF, 0, 1], [-INF, -INF, 0, -INF]
    z[7] = [NAN, INF, 0, 1]
    z, t = z.astype(dtype), softmax_targets(rng, kind, dtype)
    arrays = weighing(rng, how, 12, 12)
    for options in (softmax_options, softmax_options | {"reduction": "none"}):
        want = reference.softmax_cross_entropy(z, t, **options, **arrays)
        agree(outcomes(SoftmaxCrossEntropy(**options), z, t, **arrays), want, dtype)


@pytest.mark.parametrize("axis", [0, 1, -2])
def test_any_class_axis(rng, axis, softmax_options):
    z, ids = rng.normal(0, 3, (5, 4, 6)), rng.integers(0, 4, (5, 6))
    z, ids = (np.moveaxis(z, 1, 0), ids) if axis == 0 else (z, ids)
    want = reference.softmax_cross_entropy(z, ids, axis=axis, **softmax_options)
    agree(outcomes(SoftmaxCrossEntropy(axis=axis, **softmax_options), z, ids), want, np.float64)
    rows = np.moveaxis(np.eye(4)[ids], -1, axis)
    agree(outcomes(SoftmaxCrossEntropy(axis=axis, **softmax_options), z, rows), want, np.float64)


def test_options_that_come_as_arrays_are_those_of_the_record(rng, sigmoid_options, softmax_options):
    z, t, ids = rng.normal(0, 3, (6, 4)), rng.integers(0, 2, (6, 3)), rng.integers(0, 4, 6)
    for kind, options, logits, targets in (
        (SigmoidCrossEntropy, sigmoid_options, z[:, :3], t),
        (SoftmaxCrossEntropy, softmax_options, z, ids),
    ):
        arrays = {name: np.array(options[name]) for name in kind.tables if name in options}
        numbers = {name: value for name, value in options.items() if name not in arrays}
        got, want = outcomes(kind(**numbers), logits, targets, **arrays), outcomes(kind(**options), logits, targets)
        for x, y in zip(got, want, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-14, atol=1e-17)


# ---- tails: loss and gradient with hard targets keep their digits ---------------------------------------------------


def off(got, want):
    """Units in the last place of float32."""
    got, want = np.asarray(got, float), np.asarray(want, float)
    return (abs(got - want) / np.spacing(abs(want).astype(np.float32))).max()


@pytest.mark.parametrize("target", [0, 1])
def test_sigmoid_tails(target):
    z = np.concatenate([np.linspace(-103, 103, 20001), np.geomspace(1e-7, 9, 999), -np.geomspace(1e-7, 9, 999)])
    z, t = z.astype(np.float32), np.full(len(z), target)
    losses, gradient, _ = outcomes(SigmoidCrossEntropy(reduction="none"), z, t)
    want = reference.sigmoid_cross_entropy(z, t, reduction="none")
    assert off(losses, want.losses) <= 3 and off(gradient, want.gradient) <= 3


@pytest.mark.parametrize("shift", [0, 1000, -37.3])
def test_softmax_tails(rng, shift):
    z, y = rng.normal(0, 1, (4000, 10)), rng.integers(0, 10, 4000)
    z[np.arange(4000), y] += rng.uniform(-100, 100, 4000)
    z = (z + shift).astype(np.float32)
    losses, gradient, _ = outcomes(SoftmaxCrossEntropy(reduction="none"), z, y)
    want = reference.softmax_cross_entropy(z, y, reduction="none")
    assert off(losses, want.losses) <= 4 and off(gradient, want.gradient) <= 5


# ---- what cannot be raised becomes NaN ------------------------------------------------------------------------------

SOFT = np.array([[0.2, 0.8], [0.5, 0.5], [1.0, 0.0]])


def spoiled(rows):
    bad = SOFT.copy()
    bad[1] = rows
    return bad


BAD_SOFTMAX = {
    "id": ([0, 2, 1], {}),
    "negative id": ([0, -1, 1], {}),
    "unsigned id": (np.array([0, 2**64 - 1, 1], np.uint64), {}),
    "above 1": (spoiled([0.5, 1.5]), {}),
    "below 0": (spoiled([0.5, -0.5]), {}),
    "nan": (spoiled([0.5, NAN]), {}),
    "sparse id": ((np.array([[0], [2], [1]]), np.ones((3, 1))), {}),
    "sparse prob": ((np.array([[0], [1], [1]]), np.array([[1.0], [1.5], [1.0]])), {}),
    "weight": ([0, 1, 1], {"sample_weight": np.array([1.0, -1.0, 1.0])}),
    "nan weight": ([0, 1, 1], {"sample_weight": np.array([1.0, NAN, 1.0])}),
    "infinite weight": ([0, 1, 1], {"sample_weight": np.array([1.0, INF, 1.0])}),
    "class weight": ([0, 1, 0], {"class_weight": np.array([1.0, -1.0])}),
}


@pytest.mark.parametrize("name", BAD_SOFTMAX)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "z_loss": 0.1}, {"gamma": 2.0}], ids=str)
def test_bad_values_spoil_their_own_row(name, options):
    targets, arrays = BAD_SOFTMAX[name]
    targets = targets if isinstance(targets, tuple) else np.asarray(targets)
    loss = SoftmaxCrossEntropy(reduction="none", **options)
    losses, gradient, hessian = outcomes(loss, np.zeros((3, 2)), targets, **arrays)
    for x in (losses, gradient, hessian):
        assert np.isnan(x[1]).all()
        if not (name == "class weight" and options.get("label_smoothing")):  # there it is everybody's
            assert np.isfinite(x[[0, 2]]).all()
    for denominator in ("weight", "count", "elements", 2.0):
        for empty in ("zero", "nan"):
            mean = SoftmaxCrossEntropy(denominator=denominator, empty=empty, **options)
            assert np.isnan(outcomes(mean, np.zeros((3, 2)), targets, **arrays)[0])
            with device_checks(), pytest.raises(ValueError, match=r"`(targets|sample_weight|class_weight)` must"):
                outcomes(mean, np.zeros((3, 2)), targets, **arrays)


BAD_SIGMOID = {
    "above 1": ([0, 2, 1], {}),
    "nan": ([0, NAN, 1], {}),
    "weight": ([0, 1, 1], {"sample_weight": np.array([1.0, -1.0, 1.0])}),
    "nan weight": ([0, 0, 1], {"sample_weight": np.array([1.0, NAN, 1.0])}),
}


@pytest.mark.parametrize("name", BAD_SIGMOID)
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.1, "alpha": 0.25}, {"gamma": 2.0}], ids=str)
def test_bad_values_spoil_their_own_element(name, options):
    targets, arrays = BAD_SIGMOID[name]
    got = outcomes(SigmoidCrossEntropy(reduction="none", **options), np.zeros(3), np.array(targets), **arrays)
    for x in got:
        assert np.isnan(x[1]) and np.isfinite(x[[0, 2]]).all()
    for denominator in ("weight", "count", "elements", "positives", 2.0):
        loss = SigmoidCrossEntropy(denominator=denominator, **options)
        assert np.isnan(outcomes(loss, np.zeros(3), np.array(targets), **arrays)[0])


def test_bad_values_that_do_not_count_are_not_seen():
    z, keep = np.full((3, 2), NAN), np.zeros(3, bool)
    for targets in ([0, 7, -1], np.full((3, 2), NAN), (np.full((3, 1), 9), np.full((3, 1), NAN))):
        targets = targets if isinstance(targets, tuple) else np.array(targets)
        for options in ({}, {"label_smoothing": 0.1, "z_loss": 0.1}):
            for x in outcomes(SoftmaxCrossEntropy(**options), z, targets, where=keep):
                assert (x == 0).all()
    for x in outcomes(SigmoidCrossEntropy(), z, np.full((3, 2), 5.0), sample_weight=np.zeros(3)):
        assert (x == 0).all()


# ---- static errors are those of the NumPy face ----------------------------------------------------------------------

MISTAKES = {
    "ids (N, 1)": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros((2,), int), {}),
    "float ids": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3), {}),
    "complex": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros((3, 2), complex), {}),
    "dense": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros((3, 1)), {}),
    "axis": (SoftmaxCrossEntropy(axis=2), np.zeros((3, 2)), np.zeros(3, int), {}),
    "no class": (SoftmaxCrossEntropy(), np.zeros((3, 0)), np.zeros(3, int), {}),
    "integers": (SoftmaxCrossEntropy(), np.zeros((3, 2), int), np.zeros(3, int), {}),
    "weights": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3, int), {"sample_weight": np.ones((3, 1))}),
    "where": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3, int), {"where": np.ones(3)}),
    "class_weight": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3, int), {"class_weight": np.ones(3)}),
    "record's": (SoftmaxCrossEntropy(class_weight=(1, 2, 3)), np.zeros((3, 2)), np.zeros(3, int), {}),
    "twice": (SoftmaxCrossEntropy(bias=1.0), np.zeros((3, 2)), np.zeros(3, int), {"bias": np.ones(2)}),
    "unknown": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3, int), {"pos_weight": np.ones(2)}),
    "sparse": (SoftmaxCrossEntropy(), np.zeros((3, 2)), (np.zeros(3, int), np.ones(3)), {}),
    "sparse ids": (SoftmaxCrossEntropy(), np.zeros((3, 2)), (np.zeros((3, 1)), np.ones((3, 1))), {}),
    "sparse rows": (SoftmaxCrossEntropy(), np.zeros((3, 2)), (np.zeros((2, 1), int), np.ones((2, 1))), {}),
    "prior": (SoftmaxCrossEntropy(label_smoothing=0.1), np.zeros((3, 2)), np.zeros(3, int), {"prior": np.ones(3)}),
    "labels": (SigmoidCrossEntropy(), np.zeros((3, 2)), np.zeros(3), {}),
    "rows": (SigmoidCrossEntropy(), np.zeros((3, 2)), np.zeros((3, 2)), {"sample_weight": np.ones(2)}),
    "single": (SigmoidCrossEntropy(), np.zeros(3), np.zeros(3), {"class_weight": np.ones(3)}),
    "pairs": (SigmoidCrossEntropy(), np.zeros((3, 2)), np.zeros((3, 2)), {"class_weight": np.ones((2, 3))}),
    "scalar sparse": (SigmoidCrossEntropy(), np.array(0.0), (np.array(0), np.array(1.0)), {}),
    "nothing": (SigmoidCrossEntropy(empty="raise"), np.zeros(2), np.zeros(2), {"where": np.zeros(2, bool)}),
    "empty": (SoftmaxCrossEntropy(empty="raise"), np.zeros((0, 2)), np.zeros(0, int), {}),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_same_errors(name):
    loss, logits, targets, arrays = MISTAKES[name]
    with pytest.raises((ValueError, TypeError)) as want:
        loss(logits, targets, **arrays)
    with pytest.raises(want.type) as got:
        portable.value(NUMPY, loss, logits, targets, arrays)
    words = len("`targets` must")
    assert str(got.value)[:words] == str(want.value)[:words]


# ---- where the two faces could differ: the mean of nothing, dtypes, huge weights -------------------------------------


@pytest.mark.parametrize("loss", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
@pytest.mark.parametrize("size", [0, 3])
@pytest.mark.parametrize("denominator", ["weight", "count", "elements", 5.0])
@pytest.mark.parametrize("empty", ["zero", "nan"])
def test_nothing_left(loss, size, denominator, empty):
    z, where = np.ones((size, 2), np.float32), np.zeros(size, bool)
    t = np.zeros(size, int) if loss is SoftmaxCrossEntropy else np.zeros((size, 2))
    record = loss(denominator=denominator, empty=empty)
    value, gradient, _ = outcomes(record, z, t, where=where)
    np.testing.assert_array_equal(value, record(z, t, where=where))
    assert value.dtype == np.float32 and value.shape == () and (gradient == 0).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("loss", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_dtypes(rng, loss, dtype):
    z = rng.normal(0, 3, (5, 3)).astype(dtype)
    t = rng.integers(0, 2, (5, 3)) if loss is SigmoidCrossEntropy else rng.integers(0, 3, 5)
    for record in (loss(), loss(reduction="none")):
        got, want = outcomes(record, z, t), (*record.value_and_grad(z, t), record.grad_and_hess(z, t)[1])
        for x, y in zip(got, want, strict=True):
            assert x.dtype == y.dtype and x.shape == y.shape
            np.testing.assert_allclose(x.astype(float), y.astype(float), rtol=4 * np.finfo(x.dtype).eps, atol=1e-7)


@pytest.mark.parametrize("name", ["alpha", "pos_weight", "prior", "bias"])
@pytest.mark.parametrize("held", [np.array(0.3), np.array([0.3]), 0.3])
def test_one_logit_alone_has_no_axis(name, held):
    number = isinstance(held, float)
    loss = SigmoidCrossEntropy(label_smoothing=0.1, reduction="none", **({name: held} if number else {}))
    arrays = {} if number else {name: held}
    z, t = np.array(1.5), np.array(1)
    for x, y in zip(outcomes(loss, z, t, **arrays)[:2], loss.value_and_grad(z, t, **arrays), strict=True):
        assert x.shape == () and x == pytest.approx(y, rel=1e-14)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int64])
def test_narrow_weights_do_not_narrow_the_loss(rng, kind):
    z, t, w = rng.normal(0, 3, (20, 3)), rng.integers(0, 3, 20), rng.integers(0, 2**11, 20).astype(kind)
    loss = SoftmaxCrossEntropy(z_loss=1e-4)
    want = reference.softmax_cross_entropy(z, t, sample_weight=w, z_loss=1e-4)
    agree(outcomes(loss, z, t, sample_weight=w), want, np.float64)


@pytest.mark.parametrize("weight", [1e-300, 1e-30, 1e30, 1e300])
def test_a_mean_does_not_see_the_size_of_its_weights(rng, weight):
    z, t, w = rng.normal(0, 3, (50, 3)).astype(np.float32), rng.integers(0, 3, 50), rng.uniform(1, 2, 50)
    want = outcomes(SoftmaxCrossEntropy(), z, t, sample_weight=w)
    for x, y in zip(outcomes(SoftmaxCrossEntropy(), z, t, sample_weight=w * weight), want, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6, atol=1e-9)


def test_device_checks_is_a_function_and_a_context():
    assert not backends.checking
    with device_checks():
        with device_checks(False):
            assert not backends.checking
        assert backends.checking
    assert not backends.checking
    device_checks()
    assert backends.checking
    device_checks(False)
    assert not backends.checking
    with pytest.raises(TypeError, match="`on` must be True or False"):
        device_checks(1)
