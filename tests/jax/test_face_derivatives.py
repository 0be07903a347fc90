"""Derivatives and transformations of the losses under JAX, each against NumPy's face or against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import xent
from xent.backends.jax import fused, portably, primitive

sigmoid, softmax = xent.sigmoid_cross_entropy, xent.softmax_cross_entropy


@pytest.fixture
def batch(rng):
    """Logits, soft targets, class ids, row weights."""
    z, t = rng.normal(0, 2, (6, 4)).astype("f4"), rng.random((6, 4)).astype("f4")
    return tuple(map(jnp.asarray, (z, t, rng.integers(0, 4, 6).astype("i4"), rng.random(6).astype("f4"))))


def close(found, wanted, rtol=2e-5, atol=2e-6):
    np.testing.assert_allclose(np.asarray(found), np.asarray(wanted), rtol=rtol, atol=atol)


def slope(f, x, direction, step=1e-6):
    """Central difference of the float64 NumPy face."""
    x, d = np.asarray(x, np.float64), np.asarray(direction, np.float64)
    return (f(x + step * d) - f(x - step * d)) / (2 * step)


def directions(x, rng):
    return rng.normal(0, 1, x.shape).astype(np.float32)


SMOOTH = {
    "logits": (0, lambda z, t, i, w: sigmoid(z, t, pos_weight=3.0, label_smoothing=0.1, reduction="sum")),
    "soft targets": (1, lambda z, t, i, w: sigmoid(z, t, gamma=2.0)),
    "rows of soft targets": (1, lambda z, t, i, w: softmax(z, t, z_loss=0.1)),
    "row weights and their mean": (3, lambda z, t, i, w: softmax(z, i, sample_weight=w)),
    "pos_weight": (3, lambda z, t, i, w: sigmoid(z, t, pos_weight=w[:4])),
    "class_weight": (3, lambda z, t, i, w: softmax(z, i, class_weight=w[:4], label_smoothing=0.2)),
    "bias": (3, lambda z, t, i, w: softmax(z, i, bias=w[:4])),
    "alpha": (3, lambda z, t, i, w: sigmoid(z, t, alpha=w[:4])),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("compile", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_first_derivatives_in_everything(name, compile, batch, rng):
    at, f = SMOOTH[name]
    double = [np.asarray(x, np.float64 if x.dtype == jnp.float32 else None) for x in batch]
    direction = directions(batch[at], rng)
    wanted = slope(lambda x: f(*double[:at], x, *double[at + 1 :]), double[at], direction)
    gradient = compile(jax.grad(f, argnums=at))(*batch)
    close((gradient * direction).sum(), wanted)
    moved = compile(lambda x, d: jax.jvp(lambda x: f(*batch[:at], x, *batch[at + 1 :]), (x,), (d,)))(
        batch[at], direction
    )
    close(moved[0], f(*batch), rtol=1e-6)
    close(moved[1], wanted)


def test_logits_and_targets_at_once(batch):
    """The logits' gradient is the fused one to the last digit, whatever else moves."""
    z, t, _, _ = batch
    both = jax.jit(jax.grad(sigmoid, argnums=(0, 1)))(z, t)
    assert (both[0] == jax.jit(jax.grad(sigmoid))(z, t)).all()
    close(both[1], jax.grad(sigmoid, argnums=1)(z, t), rtol=1e-6)


def test_integers_have_no_derivative_and_need_none(batch):
    z, _, ids, _ = batch
    assert jax.grad(softmax, argnums=1, allow_int=True)(z, ids).dtype == jax.dtypes.float0
    value, pull = jax.vjp(softmax, z, ids)
    assert pull(jnp.ones_like(value))[1].dtype == jax.dtypes.float0


@pytest.mark.parametrize("kind", [xent.SigmoidCrossEntropy, xent.SoftmaxCrossEntropy])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_second_derivatives(kind, reduction, batch):
    """hessian, hvp and the derivative of the fused gradient are the same matrix; third derivatives agree too."""
    z, t, ids, _ = batch
    z, t = z[:2], (t if kind is xent.SigmoidCrossEntropy else ids)[:2]
    loss = kind(gamma=2.0, reduction=reduction)

    @jax.jit
    def every(z, v):
        hessian = jax.hessian(lambda z: loss(z, t).sum())(z)
        products = (
            jnp.tensordot(hessian, v, 2),
            jax.jvp(lambda z: loss.value_and_grad(z, t)[1], (z,), (v,))[1],
            jax.grad(lambda z: (loss.value_and_grad(z, t)[1] * v).sum())(z),
            jax.grad(lambda z: (loss.grad_and_hess(z, t)[0] * v).sum())(z),
        )
        third = jax.grad(lambda z: (loss.hvp(z, t, v) * v).sum())(z)
        return hessian, products, third

    double, other = np.asarray(z, np.float64), np.asarray(t)
    for v in (z, jnp.ones_like(z)):
        hessian, products, third = every(z, v)
        along = np.asarray(v, np.float64)
        for product in products:
            close(product, loss.hvp(double, other, along))
        close(hessian.reshape(z.size, z.size).diagonal().reshape(z.shape), loss.grad_and_hess(z, t)[1])
        step = 1e-5 * along
        bend = (loss.hvp(double + step, other, along) - loss.hvp(double - step, other, along)) / 2e-5
        close(third, bend, rtol=1e-4)


@pytest.mark.parametrize("kind", [xent.SigmoidCrossEntropy, xent.SoftmaxCrossEntropy])
def test_second_derivatives_of_concrete_arrays(kind, batch):
    z, t, ids, _ = batch
    loss, t = kind(), t if kind is xent.SigmoidCrossEntropy else ids
    wanted = loss.hvp(np.asarray(z, np.float64), np.asarray(t), np.ones(z.shape))
    close(jax.grad(lambda z: jax.grad(loss)(z, t).sum())(z), wanted)
    close(
        jax.jvp(jax.grad(loss), (z, t), (jnp.ones_like(z), jnp.zeros_like(t) if t.dtype == z.dtype else none(t)))[1],
        wanted,
    )


def none(ids):
    """The tangent of integers."""
    return np.zeros(ids.shape, jax.dtypes.float0)


def test_jacobians_of_all_losses(batch):
    z, t, ids, _ = batch
    for f in (lambda z: softmax(z, ids, reduction="none"), lambda z: sigmoid(z, t, reduction="none")):
        forward, backward = jax.jacfwd(f)(z), jax.jacrev(f)(z)
        close(forward, backward, rtol=1e-6)
        close(forward.sum(tuple(range(f(z).ndim))), jax.grad(lambda z, f=f: f(z).sum())(z))


@pytest.mark.parametrize("compile", [lambda f: f, jax.jit], ids=["eager", "jit"])
def test_vmap_is_a_loop(compile, batch, rng):
    """Over logits, targets, weights and tables, along any axis, of values and derivatives."""
    z, t, ids, w = batch
    weights = jnp.asarray(rng.random((6, 4)), jnp.float32)
    record = xent.SoftmaxCrossEntropy(label_smoothing=0.1)
    calls = [
        (sigmoid, (0, None), (z, t[0])),
        (lambda z, t: sigmoid(z, t, reduction="none"), (1, 1), (z, t)),
        (lambda z, i, w: softmax(z, i, sample_weight=w, reduction="sum"), (0, 0, 0), (z, ids, w)),
        (lambda z, i, c: softmax(z, i, class_weight=c, denominator="count"), (0, 0, 0), (z, ids, weights)),
        (jax.grad(softmax), (0, 0), (z, ids)),
        (record.value_and_grad, (0, 0), (z, ids)),
        (record.grad_and_hess, (0, 0), (z, ids)),
        (record.hvp, (0, 0, 0), (z, ids, weights)),
        (jax.vmap(sigmoid), (0, 0), (z[:, None], t[:, None])),
    ]
    for f, axes, arrays in calls if compile is jax.jit else calls[1:3]:
        found = compile(jax.vmap(f, axes))(*arrays)
        each = [
            f(*(x if a is None else jnp.take(x, i, a) for x, a in zip(arrays, axes, strict=True))) for i in range(4)
        ]
        wanted = jax.tree.map(lambda *x: jnp.stack(x), *each)
        jax.tree.map(lambda x, y: close(x[:4], y, rtol=1e-5, atol=1e-7), found, wanted)


def test_inside_other_programs(batch):
    """scan, cond, while, checkpoint, linearize, and a custom rule around."""
    z, t, _, _ = batch

    def step(z, t):
        value, gradient = jax.value_and_grad(sigmoid)(z, t)
        return z - 0.5 * gradient, value

    last, values = jax.jit(lambda z, t: jax.lax.scan(step, z, t))(z[0], t)
    at = z[0]
    for row, value in zip(t, values, strict=True):
        at, wanted = step(at, row)
        close(value, wanted, rtol=1e-6)
    close(last, at, rtol=1e-6)
    close(jax.grad(lambda z: jax.lax.scan(lambda c, t: (c, sigmoid(c, t)), z, t)[1].sum())(z[0]),
          sum(jax.grad(sigmoid)(z[0], row) for row in t))  # fmt: skip
    choose = jax.jit(jax.grad(lambda z: jax.lax.cond(z[0, 0] > 9, lambda z: z.sum(), lambda z: sigmoid(z, t), z)))
    close(choose(z), jax.grad(sigmoid)(z, t), rtol=1e-6)
    close(jax.jit(jax.grad(jax.checkpoint(lambda z: sigmoid(2 * z, t))))(z), 2 * jax.grad(sigmoid)(2 * z, t), rtol=1e-6)
    value, push = jax.linearize(lambda z: sigmoid(z, t), z)
    close(push(z), (jax.grad(sigmoid)(z, t) * z).sum())
    assert value == sigmoid(z, t)
    with jax.disable_jit():
        assert jax.jit(sigmoid)(z, t) == value
    with jax.debug_nans(True):
        assert jax.value_and_grad(sigmoid)(z, t)[0] == value


def test_shapes_alone(batch):
    z, _, ids, _ = batch
    value, gradient = jax.eval_shape(xent.SoftmaxCrossEntropy().value_and_grad, z.astype(jnp.bfloat16), ids)
    assert (value.shape, value.dtype, gradient.shape, gradient.dtype) == ((), jnp.float32, (6, 4), jnp.bfloat16)
    losses = jax.eval_shape(lambda z: softmax(z, ids, reduction="none"), jax.ShapeDtypeStruct((6, 4), jnp.float16))
    assert (losses.shape, losses.dtype) == ((6,), jnp.float16)


def test_what_is_masked_leaves_no_nan(batch):
    """Rows of NaN and infinities that do not count, through first and second derivatives, in logits and weights."""
    z, _, ids, w = batch
    z = z.at[0].set(jnp.nan).at[1].set(jnp.inf).at[2].set(-jnp.inf)
    where = jnp.arange(6) > 2
    for f in (
        lambda z, w: softmax(z, ids, where=where, sample_weight=w),
        lambda z, w: softmax(z, jnp.where(where, ids, -100), ignore_index=-100, sample_weight=w),
    ):
        every = jax.jit(lambda z, w, f=f: (f(z, w), *jax.grad(f, argnums=(0, 1))(z, w), jax.hessian(f)(z, w)))
        found, wanted = every(z, w), every(z.at[:3].set(0.0), w)
        assert (found[1][:3] == 0).all() and (found[2][:3] == 0).all() and (found[3][:3] == 0).all()
        for x, y in zip(found, wanted, strict=True):
            close(x, y, rtol=1e-6, atol=0)


def test_programs_for_elsewhere_do_not_call_the_kernels(batch):
    """Exported programs and other platforms get the portable loss; this platform the kernels."""
    z, _, ids, _ = batch
    f = jax.jit(xent.SoftmaxCrossEntropy().value_and_grad)
    assert ("@xent" in f.lower(z, ids).as_text()) is fused.kernels()
    assert "@xent" not in f.trace(z, ids).lower(lowering_platforms=("cuda",)).as_text()
    exported = jax.export.export(f, platforms=("cpu", "cuda", "tpu"))(z, ids)
    assert "@xent" not in exported.mlir_module()
    value, gradient = exported.call(z, ids)
    wanted = f(z, ids)
    close(value, wanted[0], rtol=1e-6)
    close(gradient, wanted[1], rtol=1e-5, atol=1e-8)


def test_symbolic_shapes_are_refused(batch):
    shape = jax.ShapeDtypeStruct(jax.export.symbolic_shape("n, 4"), jnp.float32)
    with pytest.raises(TypeError, match=r"a shape of numbers; got \(n, 4\)"):
        jax.export.export(jax.jit(lambda z: sigmoid(z, z)))(shape)


def test_a_call_is_traced_once_and_known_again(batch):
    """Records are static: the same one finds the same program."""
    z, t, _, _ = batch
    traced = []
    f = jax.jit(lambda loss, z: traced.append(loss) or loss(z, t), static_argnums=0)
    assert f(xent.SigmoidCrossEntropy(gamma=2.0), z) == f(xent.SigmoidCrossEntropy(gamma=2), z)
    assert len(traced) == 1
    f(xent.SigmoidCrossEntropy(gamma=1.0), z)
    assert len(traced) == 2
    call = primitive.Call("loss", xent.SigmoidCrossEntropy(), ("logits", "targets"))
    assert portably.results(call) is portably.results(call.asks("loss"))
