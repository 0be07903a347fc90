"""xent.jax agrees with optax wherever optax is right: values, shapes, dtypes, derivatives."""

import inspect
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax.losses as peer
import pytest

import xent
import xent.jax as losses


def normal(*shape, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape) * 3, dtype)


def shares(*shape, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(7 + sum(shape)).random(shape), dtype)


def derived(module, name, arrays, moving, options):
    """(losses, gradients in the first `moving` arrays that are floating), in one compilation."""
    loss = getattr(module, name)
    some = tuple(i for i, x in enumerate(arrays[:moving]) if jnp.issubdtype(x.dtype, jnp.floating))

    @jax.jit
    def run(*xs):
        values, pull = jax.vjp(lambda *free: loss(*free, *xs[len(some) :], **options), *(xs[i] for i in some))
        return values, pull(jnp.ones_like(values))

    return run(*arrays)


def agree(name, *arrays, tolerance=5e-6, moving=2, **options):
    """Values, shape, dtype and gradients are optax's."""
    (ours, d_ours), (theirs, d_theirs) = (derived(m, name, arrays, moving, options) for m in (losses, peer))
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    for one, other in zip(d_ours, d_theirs, strict=True):
        assert one.dtype == other.dtype and np.isfinite(one).all()
        other = np.where(np.isnan(other), one, other)  # optax: 0 times -inf at what `where` leaves out
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", losses.__all__)
def test_signatures(name):
    """optax's parameters come first, under its names, kinds and defaults."""
    ours = list(inspect.signature(getattr(losses, name)).parameters.values())
    theirs = list(inspect.signature(getattr(peer, name)).parameters.values())
    for mine, its in zip(ours, theirs, strict=False):
        assert (mine.name, mine.kind, mine.default) == (its.name, its.kind, its.default)
    for extra in ours[len(theirs) :]:
        assert extra.kind in (extra.KEYWORD_ONLY, extra.VAR_KEYWORD)


@pytest.mark.parametrize(
    "z, t", [((3, 4), (3, 4)), ((3, 4), (4,)), ((3, 4), (3, 1)), ((4,), (3, 4)), ((2, 3, 4), (3, 4)), ((), ())]
)
def test_sigmoid(z, t):
    agree("sigmoid_binary_cross_entropy", normal(*z), shares(*t))
    assert losses.sigmoid_binary_cross_entropy(normal(*z), shares(*t)).shape == jnp.broadcast_shapes(z, t)


@pytest.mark.parametrize("alpha, gamma", [(None, 0), (0.25, 0.5), (1, 2.0), (0.25, 3.3)])
def test_focal(alpha, gamma):
    """Soft labels blend the probability, as in optax; hard labels may come in any dtype."""
    z, hard = normal(5, 4), shares(5, 4) < 0.5
    agree("sigmoid_focal_loss", z, shares(5, 4), alpha=alpha, gamma=gamma, tolerance=2e-5)
    agree("sigmoid_focal_loss", z, hard.astype(jnp.float32), alpha=alpha, gamma=gamma, moving=1, tolerance=2e-5)
    fused = losses.sigmoid_focal_loss(z, hard, alpha=alpha, gamma=gamma)
    blended = losses.sigmoid_focal_loss(z, hard.astype(jnp.float32), alpha=alpha, gamma=gamma)
    np.testing.assert_allclose(fused, blended, rtol=3e-6)
    own = xent.sigmoid_cross_entropy(z, hard, alpha=alpha, gamma=gamma, reduction="none")
    np.testing.assert_array_equal(fused, own)


def test_focal_takes_traced_and_broadcast_numbers():
    z, t = normal(5, 4), shares(5, 4)
    alpha, gamma = shares(4), 3 * shares(5, 1)
    for module in (losses, peer):
        loss = jax.jit(lambda z, t, a, g, m=module: m.sigmoid_focal_loss(z, t, alpha=a, gamma=g))
        found = jax.value_and_grad(lambda *xs, loss=loss: loss(*xs).sum(), (0, 2, 3))(z, t, alpha, gamma)
        if module is losses:
            ours = found
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), ours, found)


CLASSES = [((4, 5, 3), 1), ((2, 3, 2, 4), (-1, -3)), ((3, 4), None)]


@pytest.mark.parametrize("shape, axis", CLASSES)
@pytest.mark.parametrize("mask", [False, True])
def test_softmax(shape, axis, mask):
    where = (shares(*shape) < 0.7) if mask else None
    agree("softmax_cross_entropy", normal(*shape), shares(*shape), axis=axis, where=where)


@pytest.mark.parametrize("axis", [0, None])
def test_the_other_distributions(axis):
    z, t = normal(3, 4), shares(3, 4)
    where = t < 0.7
    agree("poly_loss_cross_entropy", z, t, axis=axis, where=where)
    agree("kl_divergence", jax.nn.log_softmax(z), t, axis=axis, where=where)
    agree("kl_divergence_with_log_targets", jax.nn.log_softmax(z), jnp.log(t), axis=axis, where=where)
    np.testing.assert_array_equal(*(m.smooth_labels(t, 0.1, axis=axis) for m in (losses, peer)))


@pytest.mark.parametrize("shape, axis", CLASSES[:-1])
@pytest.mark.parametrize("mask", [False, True])
def test_softmax_ids(shape, axis, mask):
    axes = [a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))]
    batch = [n for i, n in enumerate(shape) if i not in axes]
    classes = int(np.prod([shape[a] for a in axes]))
    ids = jnp.asarray(np.random.default_rng(3).integers(0, classes, batch), np.int16)
    where = (shares(*batch) < 0.5) if mask else None
    agree("softmax_cross_entropy_with_integer_labels", normal(*shape), ids, axis=axis, where=where)
    eager = losses.softmax_cross_entropy_with_integer_labels(normal(*shape), ids, axis=axis, where=where)
    assert eager.shape == tuple(batch)
    if mask:
        assert (eager[~where] == 0).all()


@pytest.mark.parametrize("z, t", [((3, 4), (4,)), ((4,), (3, 4)), ((3, 4), (1, 4))])
def test_labels_broadcast_over_leading_axes(z, t):
    for name in ("safe_softmax_cross_entropy", "kl_divergence"):
        agree(name, normal(*z), shares(*t))
    agree("softmax_cross_entropy_with_integer_labels", normal(1, 4), jnp.array([3, 1, 0]))


@pytest.mark.parametrize("epsilon", [-1, jnp.float32(1.5), jnp.array([0.5, 1.0, 2.0])])
def test_poly(epsilon):
    agree("poly_loss_cross_entropy", normal(3, 4), shares(3, 4), epsilon=epsilon)


def test_poly_slope_in_epsilon():
    slope = [
        jax.grad(lambda e, m=m: m.poly_loss_cross_entropy(normal(3, 4), shares(3, 4), epsilon=e).sum())(0.7)
        for m in (losses, peer)
    ]
    np.testing.assert_allclose(*slope, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_half_precision(dtype):
    """One rounding of the float32 result; optax rounds at every step."""
    z, t, wide = normal(5, 4, dtype=dtype), shares(5, 4, dtype=dtype), jnp.float32
    hot = jnp.eye(4, dtype=dtype)[jnp.array([0, 3, 1, 2, 2])]
    for name, second in (
        ("sigmoid_binary_cross_entropy", t), ("sigmoid_focal_loss", t), ("softmax_cross_entropy", hot),
        ("poly_loss_cross_entropy", hot), ("kl_divergence", t),
    ):  # fmt: skip
        loss = jax.jit(getattr(losses, name))
        found = loss(z, second)
        assert found.dtype == jax.eval_shape(getattr(peer, name), z, second).dtype == dtype
        np.testing.assert_array_equal(found, loss(z.astype(wide), second.astype(wide)).astype(dtype))


def test_transformations():
    """jit, vmap, hessian and scan agree with the loss itself."""
    z, ids, hot = normal(3, 4), jnp.array([0, 3, 1]), jnp.eye(4)[jnp.array([0, 3, 1])]
    plain = losses.softmax_cross_entropy_with_integer_labels
    np.testing.assert_allclose(jax.jit(plain)(z, ids), plain(z, ids), rtol=1e-6)
    np.testing.assert_allclose(jax.vmap(plain)(z, ids), plain(z, ids), rtol=1e-6)
    curve = [jax.jit(jax.hessian(lambda z, m=m: m.softmax_cross_entropy(z, hot).sum()))(z) for m in (losses, peer)]
    np.testing.assert_allclose(*curve, rtol=1e-5, atol=1e-7)
    total = jax.lax.scan(lambda sum, row: (sum + plain(*row), None), 0.0, (z, ids))[0]
    np.testing.assert_allclose(total, plain(z, ids).sum(), rtol=1e-6)


def test_options_of_xent_are_keywords():
    z, ids = normal(3, 4), jnp.array([0, 3, 1])
    mine = losses.softmax_cross_entropy_with_integer_labels(
        z, ids, label_smoothing=0.1, class_weight=jnp.array([1.0, 2.0, 0.5, 1.0]), reduction="mean"
    )
    own = xent.softmax_cross_entropy(z, ids, label_smoothing=0.1, class_weight=(1.0, 2.0, 0.5, 1.0))
    assert mine.shape == () and mine == own
    smooth = losses.softmax_cross_entropy(z, losses.smooth_labels(jnp.eye(4)[ids], 0.1))
    np.testing.assert_allclose(
        losses.softmax_cross_entropy_with_integer_labels(z, ids, label_smoothing=0.1), smooth, rtol=1e-6
    )
    weighed = losses.sigmoid_focal_loss(z, jnp.eye(4)[ids], sample_weight=jnp.array([[1.0], [0.0], [2.0]]))
    np.testing.assert_allclose(weighed, losses.sigmoid_focal_loss(z, jnp.eye(4)[ids]) * np.array([[1], [0], [2]]))


def test_without_jax():
    code = "import sys; sys.modules['jax'] = None; import xent; print(xent.__version__); import xent.jax"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == xent.__version__
    assert 'pip install "xent[jax]"' in done.stderr.splitlines()[-1]
