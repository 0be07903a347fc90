"""Any shape, axis, stride and buffer gives the same digits as a plain C array of rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy, reference

SOFTMAX = SoftmaxCrossEntropy(label_smoothing=0.1, class_weight=(1.0, 2.0, 0.5, 3.0))
SIGMOID = SigmoidCrossEntropy(label_smoothing=0.1, pos_weight=2.0)


def layouts(x):
    """The same numbers in memory in every way NumPy knows."""
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1]), x.dtype)
    wide[..., ::2] = x
    reversed_ = np.ascontiguousarray(x[::-1])[::-1]
    frozen = x.copy()
    frozen.flags.writeable = False
    shifted = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype) if x.nbytes else x
    unaligned = shifted.reshape(x.shape)
    unaligned[...] = x
    packed = np.zeros(x.shape, [("pad", "u1"), ("x", x.dtype)])
    packed["x"] = x
    return {
        "C": x, "Fortran": np.asfortranarray(x), "strided": wide[..., ::2], "reversed": reversed_, "read-only": frozen,
        "unaligned": unaligned, "field": packed["x"], "other byte order": x.astype(x.dtype.newbyteorder()),
    }  # fmt: skip


LAYOUTS = list(layouts(np.zeros((2, 2))))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4)])
def test_layouts(rng, layout, dtype, shape):
    z = rng.normal(0, 3, shape).astype(dtype)
    ids, soft, weight = rng.integers(0, 4, shape[:-1]), rng.random(shape).astype(dtype), rng.random(shape)
    v = rng.normal(size=shape).astype(dtype)

    def run(z, ids, soft, weight, v):
        rows = weight[..., 0]
        return (
            *SOFTMAX.value_and_grad(z, ids, sample_weight=rows), *SOFTMAX.grad_and_hess(z, soft),
            *SIGMOID.value_and_grad(z, soft, sample_weight=weight), *SIGMOID.grad_and_hess(z, soft),
            SOFTMAX.hvp(z, ids, v), xent.softmax(z), xent.logsumexp(z), xent.sigmoid(z),
        )  # fmt: skip

    given_layout = (layouts(x)[layout] for x in (z, ids, soft, weight, v))
    for got, want in zip(run(*given_layout), run(z, ids, soft, weight, v), strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.dtype.isnative


@pytest.mark.parametrize("axis", [0, 1, 2, 3, -1, -2, -3, -4])
@pytest.mark.parametrize("kind", ["ids", "dense", "sparse"])
def test_every_axis(rng, axis, kind):
    shape = (2, 3, 4, 5)
    z = np.moveaxis(rng.normal(0, 3, shape), 2, axis)  # 4 classes along `axis`
    rest = tuple(np.delete(z.shape, axis))
    ids = rng.integers(0, 4, rest)
    weight, v = rng.random(rest), rng.normal(size=z.shape)
    last = np.moveaxis(z, axis, -1).copy()
    pair = rng.integers(0, 4, (*rest, 2)), rng.random((*rest, 2)) / 2
    t_last = {"ids": ids, "dense": rng.random((*rest, 4)), "sparse": pair}[kind]
    move = lambda x: np.moveaxis(x, -1, axis)  # noqa: E731
    t = t_last if kind == "ids" else move(t_last) if kind == "dense" else tuple(move(x) for x in t_last)
    own = SoftmaxCrossEntropy(axis=axis, gamma=1.5)
    plain = SoftmaxCrossEntropy(gamma=1.5)
    value, gradient = own.value_and_grad(z, t, sample_weight=weight)
    want = plain.value_and_grad(last, t_last, sample_weight=weight)
    assert value == pytest.approx(want[0], rel=1e-14)
    np.testing.assert_allclose(np.moveaxis(gradient, axis, -1), want[1], rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(
        np.moveaxis(own.hvp(z, t, v, sample_weight=weight), axis, -1),
        plain.hvp(last, t_last, np.moveaxis(v, axis, -1), sample_weight=weight), rtol=1e-11, atol=1e-15,
    )  # fmt: skip
    losses = SoftmaxCrossEntropy(axis=axis, reduction="none")(z, t)
    assert losses.shape == rest
    np.testing.assert_allclose(losses, reference.softmax_cross_entropy(z, t, axis=axis).losses, rtol=1e-13)
    np.testing.assert_allclose(xent.softmax(z, axis=axis), reference.activation("softmax", z, axis), rtol=1e-14)
    np.testing.assert_allclose(xent.logsumexp(z, axis=axis), reference.activation("logsumexp", z, axis), rtol=1e-14)


SHAPES = st.lists(st.integers(0, 5), min_size=0, max_size=4).map(tuple)


@given(SHAPES, st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_any_shape_of_the_sigmoid_family(shape, seed, dtype):
    rng = np.random.default_rng(seed)
    z, t = rng.normal(0, 3, shape).astype(dtype), rng.random(shape)
    want = reference.sigmoid_cross_entropy(z, t, pos_weight=2.0, label_smoothing=0.1)
    value, gradient = SIGMOID.value_and_grad(z, t)
    rtol = 8 * float(np.finfo(dtype).eps)
    assert value == pytest.approx(want.value, rel=rtol) and gradient.shape == shape
    np.testing.assert_allclose(gradient, want.gradient, rtol=rtol, atol=rtol * abs(want.gradient).max(initial=0.0))
    losses = SigmoidCrossEntropy(reduction="none")(z, t)
    assert losses.shape == shape and losses.dtype == dtype
    assert xent.log_sigmoid(z).shape == shape
    if len(shape) >= 2:
        rows = rng.random(shape[:-1])
        whole = np.broadcast_to(rows[..., None], shape)
        assert SIGMOID(z, t, sample_weight=rows) == SIGMOID(z, t, sample_weight=whole)


@given(SHAPES, st.integers(1, 6), st.data(), st.integers(0, 2**32 - 1))
def test_any_shape_of_the_softmax_family(rest, classes, data, seed):
    axis = data.draw(st.integers(-len(rest) - 1, len(rest)))
    rng = np.random.default_rng(seed)
    shape = list(rest)
    shape.insert(axis if axis >= 0 else len(rest) + 1 + axis, classes)
    z, ids = rng.normal(0, 3, shape), rng.integers(0, classes, rest)
    loss = SoftmaxCrossEntropy(axis=axis, z_loss=0.1)
    want = reference.softmax_cross_entropy(z, ids, axis=axis, z_loss=0.1)
    value, gradient = loss.value_and_grad(z, ids)
    assert value == pytest.approx(want.value, rel=1e-13) and gradient.shape == z.shape
    np.testing.assert_allclose(gradient, want.gradient, rtol=1e-12, atol=1e-15)
    losses = SoftmaxCrossEntropy(axis=axis, reduction="none")(z, ids)
    assert losses.shape == rest
    assert xent.softmax(z, axis=axis).shape == z.shape and xent.logsumexp(z, axis=axis).shape == rest


def test_numbers_are_arrays_without_axes():
    for logits, target in ((2.0, 1), (np.float32(2.0), np.bool_(True)), (np.array(2.0, np.float32), np.array(1))):
        value, gradient = SigmoidCrossEntropy().value_and_grad(logits, target)
        assert value == pytest.approx(np.log1p(np.exp(-2.0)), rel=1e-6)
        assert gradient.shape == () and gradient == pytest.approx(-1 / (1 + np.exp(2.0)), rel=1e-6)
        assert SigmoidCrossEntropy(reduction="none")(logits, target).shape == ()
    value, gradient = SoftmaxCrossEntropy().value_and_grad([1.0, 2.0, 3.0], 1)
    assert value == pytest.approx(1.40760596444438, rel=1e-14) and gradient.shape == (3,)
    assert SoftmaxCrossEntropy(reduction="none")([1.0, 2.0, 3.0], 1).shape == ()
    assert isinstance(xent.sigmoid(0.0), float) and xent.sigmoid(0.0) == 0.5


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3)])
def test_no_rows_of_sparse_labels(shape):
    targets = np.zeros((*shape[:-1], 2), int), np.zeros((*shape[:-1], 2))
    value, gradient = SigmoidCrossEntropy().value_and_grad(np.zeros(shape), targets)
    assert value == 0 and gradient.shape == shape


def test_lists_are_float64():
    assert xent.softmax_cross_entropy([[1, 2, 3]], [0]).dtype == np.float64
    assert xent.sigmoid([1, 2]).dtype == np.float64


@pytest.mark.parametrize("shape", [(7,), (4, 6), (2, 3, 5)])
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_out_is_filled_and_returned(rng, shape, order):
    def buffer(shape):
        if order == "strided":
            return np.full((*shape[:-1], 2 * shape[-1]), np.nan)[..., ::2] if shape else np.array(np.nan)
        return np.full(shape, np.nan, order=order)

    z, t = rng.normal(size=shape), rng.random(shape)
    ids = rng.integers(0, shape[-1], shape[:-1])
    for kind, targets in ((SigmoidCrossEntropy, t), (SoftmaxCrossEntropy, ids), (SoftmaxCrossEntropy, t)):
        loss = kind(label_smoothing=0.1)
        grad, hess, product = (buffer(shape) for _ in range(3))
        assert loss.value_and_grad(z, targets, out=grad)[1] is grad
        np.testing.assert_array_equal(grad, loss.value_and_grad(z, targets)[1])
        grad[...] = np.nan
        got = loss.grad_and_hess(z, targets, out=(grad, hess))
        assert got[0] is grad and got[1] is hess
        for x, y in zip(got, loss.grad_and_hess(z, targets), strict=True):
            np.testing.assert_array_equal(x, y)
        assert loss.hvp(z, targets, z, out=product) is product
        np.testing.assert_array_equal(product, loss.hvp(z, targets, z))
        each = kind(label_smoothing=0.1, reduction="none")
        losses = buffer(each(z, targets).shape)
        assert each(z, targets, out=losses) is losses
        np.testing.assert_array_equal(losses, each(z, targets))
    for function in (xent.sigmoid, xent.log_sigmoid, xent.softmax, xent.log_softmax):
        grad[...] = np.nan
        assert function(z, out=grad) is grad
        np.testing.assert_array_equal(grad, function(z))


def test_a_matrix_keeps_its_order(rng):
    z, t = np.asfortranarray(rng.normal(size=(8, 5))), rng.integers(0, 5, 8)
    assert SoftmaxCrossEntropy().value_and_grad(z, t)[1].flags.f_contiguous


def test_views_are_not_copied(rng):
    """A transposed batch larger than any temporary: what is allocated is the gradient and little else."""
    import tracemalloc

    z = rng.normal(size=(64, 4000)).astype(np.float32)
    weight, t = rng.random(4000), rng.integers(0, 64, 4000)
    labels, soft = np.zeros((4000, 64), bool), np.zeros((4000, 64), np.float32) + 0.5
    for run in (
        lambda: SoftmaxCrossEntropy(axis=0).value_and_grad(z, t, sample_weight=weight),
        lambda: SoftmaxCrossEntropy().value_and_grad(z.T, t),
        lambda: SigmoidCrossEntropy().value_and_grad(z.T, labels, sample_weight=weight),
        lambda: SigmoidCrossEntropy().value_and_grad(z, soft.T),
        lambda: SigmoidCrossEntropy().value_and_grad(z, z > 9, sample_weight=soft.T),
    ):
        run()
        tracemalloc.start()
        run()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert z.nbytes <= peak < 1.3 * z.nbytes
