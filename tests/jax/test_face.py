"""Losses of JAX arrays: the digits of the NumPy face, eager and compiled, and its errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import xent
from xent import backends
from xent.backends import jax as backend

# of the conftest above, which importlib mode does not let tests import
SIGMOID = {
    "plain": {},
    "none": {"reduction": "none"},
    "sum, focal, ignored": {"reduction": "sum", "gamma": (0.5, 3.0), "ignore_index": 0},
    "all": {
        "gamma": 2.0, "alpha": (0.25, 0.5, 0.1), "pos_weight": (3.0, 0.5, 1.0), "label_smoothing": 0.2,
        "class_weight": ((3.0, 0.5), (1.0, 0.0), (1.0, 2.0)), "bias": (0.7, 0.0, -3.0), "softcap": 30.0,
        "temperature": 0.5, "denominator": "positives",
    },
}  # fmt: skip
SOFTMAX = {
    "plain": {},
    "none": {"reduction": "none"},
    "sum, focal, ignored": {"reduction": "sum", "gamma": 0.5, "ignore_index": 1},
    "all": {
        "poly": 1.5, "alpha": (0.25, 0.5, 1.0), "label_smoothing": 0.2, "prior": (0.5, 0.25, 0.25),
        "class_weight": (3.0, 0.5, 0.1), "bias": (0.7, 0.0, -3.0), "z_loss": 0.01, "denominator": "count",
    },
}  # fmt: skip
CASES = [(xent.SigmoidCrossEntropy, name, x) for name, x in SIGMOID.items()] + [
    (xent.SoftmaxCrossEntropy, name, x) for name, x in SOFTMAX.items()
]
DTYPES = ("float16", "bfloat16", "float32", "float64")


def everything(loss, z, t, v, **arrays):
    """All that a record answers."""
    return (
        loss(z, t, **arrays),
        *loss.value_and_grad(z, t, **arrays),
        *loss.grad_and_hess(z, t, **arrays),
        loss.hvp(z, t, v, **arrays),
    )


def same(found, wanted):
    """The same numbers in the same places, zeros of the same sign; NaN is NaN."""
    assert isinstance(found, jax.Array) and found.dtype == wanted.dtype and found.shape == wanted.shape
    x, y = np.asarray(found).astype(np.float64), np.asarray(wanted).astype(np.float64)
    np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(np.signbit(x), np.signbit(y))


def hostile(rng, dtype):
    """Logits of every size: tails, denormal gradients, infinities, and a NaN in the last row."""
    z = rng.normal(0, 4, (12, 3))
    z[:8] = [
        [95, 0, -9],
        [-103, 9, 0],
        [60, 60, 59],
        [0, -np.inf, 2],
        [np.inf, 0, 1],
        [700, -700, 0],
        [88, 0, 0],
        [0, 0, 0],
    ]
    z[-1, 1] = np.nan
    return z.astype(jnp.dtype(dtype))


def targets_of(kind, rng):
    return rng.integers(0, 3, 12) if kind is xent.SoftmaxCrossEntropy else rng.integers(0, 2, (12, 3)).astype("f4")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind, name, options", CASES, ids=lambda x: x if isinstance(x, str) else "")
def test_the_same_digits_as_numpy_s(kind, name, options, dtype, rng):
    loss, z, t = kind(**options), hostile(rng, dtype), targets_of(kind, rng)
    v = rng.normal(0, 1, z.shape).astype(z.dtype)
    wanted = everything(loss, z, t, v)
    with jax.enable_x64(dtype == "float64"):
        arrays = jnp.asarray(z), jnp.asarray(t), jnp.asarray(v)
        eager = everything(loss, *arrays)
        compiled = jax.jit(lambda *x: everything(loss, *x))(*arrays)
        derived = jax.value_and_grad(lambda z: loss(z, arrays[1]).sum())
        for found in (eager, compiled):
            for x, y in zip(wanted, found, strict=True):
                same(y, x)
        if loss.reduction != "none":
            value, gradient = jax.jit(derived)(arrays[0])
            same(value, wanted[1])
            same(gradient, wanted[2])
            value, gradient = derived(arrays[0])  # uncompiled, XLA multiplies by 1, and flushes denormals as it does
            same(value, wanted[1])
            least = jnp.finfo("float64" if dtype == "float64" else "float32").tiny
            same(gradient, wanted[2] * (abs(wanted[2]) >= least))


@pytest.mark.parametrize("compile", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_every_array_of_a_call(compile, rng):
    """Weights, masks and tables as JAX arrays, and sparse targets, of dtypes that travel differently."""
    z = rng.normal(0, 4, (6, 3)).astype(np.float32)
    ids = rng.integers(0, 3, 6)
    arrays = {
        "sample_weight": rng.random(6).astype(jnp.bfloat16), "where": rng.random(6) < 0.7,
        "class_weight": rng.random(3).astype(np.float16), "bias": rng.normal(0, 1, 3).astype(np.float32),
        "prior": np.array([0.5, 0.25, 0.25], np.float32),
    }  # fmt: skip
    loss = xent.SoftmaxCrossEntropy(label_smoothing=0.25)
    sparse = np.stack([ids, (ids + 1) % 3], 1).astype(np.int8), np.full((6, 2), 0.5, np.float32)
    for targets in (ids.astype(np.uint8), ids.astype(np.int16), np.eye(3, dtype=bool)[ids], np.eye(3)[ids], sparse):
        wanted = loss.value_and_grad(z, targets, **arrays)
        moved = jax.tree.map(jnp.asarray, (z, targets, arrays))
        found = compile(lambda z, t, a: loss.value_and_grad(z, t, **a))(*moved)
        for x, y in zip(wanted, found, strict=True):
            same(y, x)
    sparse = np.array([[0, 2], [1, 1]]), np.array([[1.0, 0.5], [0.25, 0.5]], np.float32)
    wanted = xent.sigmoid_cross_entropy(z[:2], sparse, pos_weight=np.array([1.0, 2.0, 3.0]))
    moved = jax.tree.map(jnp.asarray, (z[:2], sparse, np.array([1.0, 2.0, 3.0])))
    found = compile(lambda z, t, p: xent.sigmoid_cross_entropy(z, t, pos_weight=p))(*moved)
    np.testing.assert_array_equal(np.asarray(found), wanted)


def test_lists_and_numpy_arrays_beside_jax_logits():
    z = jnp.asarray([[2.0, 0.0, 0.0]])
    for t in ([0], np.array([0]), np.array([0], np.uint64), jnp.array([0])):
        assert float(xent.softmax_cross_entropy(z, t)) == np.float32(0.23954476)
        assert float(jax.jit(lambda z, t=t: xent.softmax_cross_entropy(z, t))(z)) == np.float32(0.23954476)
    assert float(xent.sigmoid_cross_entropy(jnp.float32(2.0), 1)) == np.float32(0.126928)
    assert float(xent.sigmoid_cross_entropy(z, [[1, 0, 0]], sample_weight=[0.5])) > 0


@pytest.mark.parametrize("compile", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_single_and_empty_arrays(compile):
    value, gradient = compile(xent.SigmoidCrossEntropy().value_and_grad)(jnp.float32(2.0), jnp.int8(1))
    assert value.shape == gradient.shape == () and float(gradient) == np.float32(-0.11920292)
    value, gradient = compile(xent.SoftmaxCrossEntropy().value_and_grad)(jnp.zeros((0, 3)), jnp.zeros(0, jnp.int32))
    assert float(value) == 0.0 and gradient.shape == (0, 3)
    assert np.isnan(compile(lambda z: xent.sigmoid_cross_entropy(z, z, empty="nan"))(jnp.zeros((0,))))
    assert compile(lambda z: xent.softmax_cross_entropy(z, [], axis=0, reduction="none"))(jnp.zeros((3, 0))).shape == (
        0,
    )


def test_the_functions_themselves_compile():
    z, t = jnp.asarray([[2.0, 0.0], [0.5, -1.0]]), jnp.asarray([0, 1])
    assert jax.jit(xent.softmax_cross_entropy)(z, t) == xent.softmax_cross_entropy(z, t)
    focal = jax.value_and_grad(lambda z: xent.sigmoid_cross_entropy(z, jnp.eye(2), gamma=2.0))
    value, gradient = focal(z)
    assert (jax.jit(focal)(z)[1] == gradient).all() and value > 0
    assert jax.jit(xent.softmax_cross_entropy, static_argnames=("gamma", "reduction"))(z, t, gamma=2.0, reduction="sum")
    loss = xent.SoftmaxCrossEntropy(gamma=2.0)
    assert jax.jit(lambda loss, z: loss(z, t), static_argnums=0)(loss, z) == loss(z, t)


def test_one_call_gives_value_and_gradient():
    """Nothing but the kernels' call in the program: no second pass over memory."""
    for f in (jax.value_and_grad(xent.sigmoid_cross_entropy), xent.SigmoidCrossEntropy().value_and_grad):
        entry = jax.jit(f).lower(jnp.zeros(64), jnp.zeros(64)).compile().as_text().split("ENTRY")[1]
        assert entry.count("custom-call(") == 1 and "fusion(" not in entry and "multiply(" not in entry


def test_small_gradients_of_float16_outlive_a_loss_scale():
    z, t = jnp.full(4096, -3.0, jnp.float16), jnp.zeros(4096)
    plain = jax.grad(xent.sigmoid_cross_entropy)(z, t)
    scaled = jax.jit(jax.grad(lambda z: xent.sigmoid_cross_entropy(z, t) * 1024))(z)
    exact = 1024 / 4096 / (1 + np.exp(3.0))
    assert scaled.dtype == jnp.float16 and abs(float(scaled[0]) / exact - 1) < 2.0**-11
    assert abs(float(plain[0]) * 1024 / exact - 1) > 2.0**-11  # what is lost without


@pytest.mark.parametrize("compile", [lambda f: f, jax.jit], ids=["eager", "jit"])
@pytest.mark.parametrize(
    "ask, kind, message",
    [
        (lambda z: xent.softmax_cross_entropy(z, jnp.zeros((4, 1), int)), ValueError, "`targets` must have"),
        (lambda z: xent.softmax_cross_entropy(z, jnp.zeros(4)), TypeError, "must be integers"),
        (lambda z: xent.sigmoid_cross_entropy(z, jnp.zeros(4)), ValueError, "the shape of the logits"),
        (lambda z: xent.sigmoid_cross_entropy(z.astype(int), z), TypeError, "`logits` must hold floating-point"),
        (lambda z: xent.softmax_cross_entropy(z, z, axis=2), ValueError, "`axis` must name"),
        (lambda z: xent.softmax_cross_entropy(z, z, sample_weight=jnp.ones(3)), ValueError, "`sample_weight` must"),
        (lambda z: xent.softmax_cross_entropy(z, z, where=jnp.ones(4)), TypeError, "`where` must be boolean"),
        (lambda z: xent.softmax_cross_entropy(z, z, class_weight=jnp.ones(4)), ValueError, "one number per class"),
        (lambda z: xent.sigmoid_cross_entropy(z, z > 0, out=np.zeros(())), TypeError, "JAX arrays never change"),
        (lambda z: xent.SigmoidCrossEntropy()(z, z > 0, gamma=2.0), TypeError, "does not travel with a call"),
        (lambda z: xent.SigmoidCrossEntropy().hvp(z, z > 0, z[0]), ValueError, "`v` must have the shape"),
        (lambda z: xent.sigmoid_cross_entropy(jax.random.split(jax.random.key(0), 4), z), TypeError, "JAX keys"),
        (lambda z: xent.sigmoid_cross_entropy(z, z > 0, gamma=z[0, 0]), TypeError, "`gamma` must be"),
        (lambda z: xent.sigmoid_cross_entropy(z, (z[:, :1] > 0, z)), ValueError, "probs in the shape of the ids"),
        (lambda z: xent.softmax_cross_entropy(z, (0, 1, 2, 0)), ValueError, "given as a tuple must be sparse"),
        (lambda z: xent.sigmoid_cross_entropy(np.zeros((4, 3)), z), TypeError, "jax"),
    ],
)  # fmt: skip
def test_errors_that_shapes_and_dtypes_decide(ask, kind, message, compile):
    with pytest.raises(kind, match=message):
        compile(ask)(jnp.zeros((4, 3)))


BAD = [
    (lambda z, x: xent.softmax_cross_entropy(z, x), np.array([0, 3]), r"class ids in \[0, 3\); got 3 at row 1"),
    (lambda z, x: xent.softmax_cross_entropy(z, x), np.array([0, -1]), r"class ids in \[0, 3\); got -1 at row 1"),
    (lambda z, x: xent.sigmoid_cross_entropy(z, x), np.full((2, 3), 1.5), r"lie in \[0, 1\]; got 1.5 at index"),
    (lambda z, x: xent.softmax_cross_entropy(z, [0, 1], sample_weight=x), np.array([1.0, -1.0]), "finite and >= 0"),
    (lambda z, x: xent.sigmoid_cross_entropy(z, z > 0, pos_weight=x), np.array([1.0, np.nan, 1.0]), "finite and >= 0"),
    (lambda z, x: xent.softmax_cross_entropy(z, [0, 1], where=x, empty="raise"), np.zeros(2, bool), "nothing is left"),
]


@pytest.mark.parametrize("ask, bad, message", BAD)
def test_errors_that_values_decide(ask, bad, message):
    z, bad = jnp.zeros((2, 3)), jnp.asarray(bad)
    with pytest.raises(ValueError, match=message):
        ask(z, bad)
    with pytest.raises(ValueError, match=message):
        jax.grad(ask)(z, bad)
    if backend.kernels():  # the message travels through XLA, under whichever of the two names the runtime gives it
        with pytest.raises((ValueError, jax.errors.JaxRuntimeError), match=message):
            jax.block_until_ready(jax.jit(ask)(z, bad))


def test_integers_that_jax_would_wrap():
    z = jnp.zeros((2, 3))
    far = np.array([0, 2**32])  # 0 in int32
    with pytest.raises(ValueError, match=r"got 4294967296 at row 1"):
        xent.softmax_cross_entropy(z, far)
    with pytest.raises(ValueError, match=r"`targets` must hold integers .* got 4294967296"):
        jax.jit(lambda z: xent.softmax_cross_entropy(z, far))(z)
    with jax.enable_x64(True), pytest.raises((ValueError, jax.errors.JaxRuntimeError), match="got 4294967296 at row 1"):
        jax.block_until_ready(jax.jit(xent.softmax_cross_entropy)(z, jnp.asarray(far)))


def test_inputs_stay_as_they_are_and_results_are_new(rng):
    z, t = jnp.asarray(rng.normal(0, 1, (64, 3)).astype("f4")), jnp.asarray(rng.integers(0, 3, 64))
    before = np.array(z), np.array(t)
    _, gradient = xent.SoftmaxCrossEntropy().value_and_grad(z, t)
    _, again = xent.SoftmaxCrossEntropy().value_and_grad(z, t)
    assert gradient.unsafe_buffer_pointer() not in (z.unsafe_buffer_pointer(), again.unsafe_buffer_pointer())
    assert (before[0] == z).all() and (before[1] == t).all() and not gradient.committed
    _, donated = jax.jit(xent.SoftmaxCrossEntropy().value_and_grad, donate_argnums=0)(jnp.array(z), t)
    assert (donated == gradient).all()
    there = jax.device_put(z, jax.devices("cpu")[0])
    value, gradient = xent.SoftmaxCrossEntropy().value_and_grad(there, t)
    assert value.committed and gradient.committed


def test_the_gradient_is_handed_over_without_a_copy(monkeypatch):
    """The memory that the kernels filled is the array's, where it is large."""
    made, empty = [], backend.fused.empty
    monkeypatch.setattr(backend.fused, "empty", lambda *x: made.append(empty(*x)) or made[-1])
    gradient = xent.SigmoidCrossEntropy().value_and_grad(jnp.zeros(1 << 18), jnp.zeros(1 << 18))[1]
    assert gradient.unsafe_buffer_pointer() == made[1].__array_interface__["data"][0]


def close(found, wanted):
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=3e-6, atol=1e-7)


def test_without_the_kernels_the_portable_loss_serves(monkeypatch, rng):
    """What a build without jaxlib's headers does: the same values, under jit, and NaN where it cannot raise."""
    z, t = jnp.asarray(rng.normal(0, 4, (6, 3)).astype("f4")), jnp.asarray(rng.integers(0, 3, 6))
    loss, v = xent.SoftmaxCrossEntropy(label_smoothing=0.1), z[::-1]
    wanted = everything(loss, z, t, v)
    monkeypatch.setattr(backend.fused, "kernels", lambda: False)
    program = jax.jit(lambda z, t: everything(loss, z, t, v))
    assert "custom_call" not in program.lower(z, t).as_text().replace("@Sharding", "")
    close(program(z, t), wanted)
    assert np.isnan(program(z, t.at[0].set(7))[0])
    with pytest.raises(ValueError, match="cannot raise inside JAX's transformations"):
        jax.jit(lambda z: xent.softmax_cross_entropy(z, t, where=t > 5, empty="raise"))(z)


def test_the_portable_path_when_it_is_asked_for(monkeypatch, rng):
    z, t = jnp.asarray(rng.normal(0, 4, (6, 3)).astype("f4")), jnp.asarray(rng.integers(0, 3, 6))
    loss = xent.SoftmaxCrossEntropy()
    wanted = everything(loss, z, t, z)
    monkeypatch.setattr(backends, "portable", True)
    monkeypatch.setattr(backend.fused, "direct", None)
    close(everything(loss, z, t, z), wanted)
    close(jax.jit(lambda z: everything(loss, z, t, z))(z), wanted)
    close(jax.value_and_grad(loss)(z, t), wanted[1:3])
    assert np.isnan(loss(z, t - 7))


def test_a_jaxlib_that_refuses_the_handlers(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("another version of the interface")

    monkeypatch.setattr(jax.ffi, "register_ffi_target", refuse)
    assert backend.fused.kernels.__wrapped__() is False
    monkeypatch.setattr(backend.fused._kernels, "xla_handlers", lambda _: {})
    assert backend.fused.kernels.__wrapped__() is False


def test_this_build_has_the_kernels():
    """The Makefile installs jaxlib first, so that every other test here means something."""
    assert backend.kernels()
