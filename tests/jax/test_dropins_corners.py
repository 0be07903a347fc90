"""Where xent.jax differs from optax: every row of the tables in docs/jax.md."""

import jax
import jax.numpy as jnp
import numpy as np
import optax.losses as peer
import pytest

import xent.jax as losses

INF = jnp.inf
IDS = "softmax_cross_entropy_with_integer_labels"


def value_and_grad(module, name, z, *rest, **options):
    return jax.jit(jax.value_and_grad(lambda z: getattr(module, name)(z, *rest, **options).sum()))(jnp.asarray(z))


def both(name, *arrays, **options):
    return [value_and_grad(module, name, *arrays, **options) for module in (losses, peer)]


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "safe_softmax_cross_entropy", "poly_loss_cross_entropy"])
def test_masked_classes(name):
    """-inf beside a one-hot label: the class is not there. jvp, hessian and the gradient of the labels included."""
    z, hot = jnp.array([[-INF, 0.0, 0.0]]), jnp.array([[0.0, 1.0, 0.0]])
    loss = getattr(losses, name)
    value, gradient = value_and_grad(losses, name, z, hot)
    alone, slope = value_and_grad(losses, name, z[:, 1:], hot[:, 1:])
    assert value == alone
    np.testing.assert_array_equal(gradient, [[0.0, *slope[0]]])
    assert jnp.isfinite(jax.jvp(jax.jit(lambda z: loss(z, hot)), (z,), (jnp.ones_like(z),))[1]).all()
    assert jnp.isfinite(jax.jit(jax.hessian(lambda z: loss(z, hot).sum()))(z)).all()
    assert jnp.isfinite(jax.jit(jax.grad(lambda t: loss(z, t).sum()))(hot)).all()
    theirs = getattr(peer, name)
    wrong = [theirs(z, hot)[0], jax.jvp(lambda z: theirs(z, hot), (z,), (jnp.ones_like(z),))[1][0]]
    assert jnp.isnan(jnp.array(wrong)).any()


@pytest.mark.parametrize("name", ["sigmoid_binary_cross_entropy", "sigmoid_focal_loss"])
def test_infinite_logits(name):
    (ours, slope), (theirs, _) = both("softmax_cross_entropy", [[INF, 0.0]], jnp.array([[1.0, 0.0]]))
    assert ours == 0 and jnp.isnan(theirs)
    np.testing.assert_array_equal(slope, [[0.0, 0.0]])
    loss = getattr(losses, name)
    reverse = jax.jit(jax.vmap(jax.value_and_grad(loss)))
    forward = jax.jit(jax.vmap(lambda z, t: jax.jvp(lambda z: loss(z, t), (z,), (1.0,))))
    z, t = jnp.array([INF, -INF, INF, -INF]), jnp.array([1.0, 0.0, 0.0, 1.0])
    for found in (reverse(z, t), forward(z, t)):
        np.testing.assert_array_equal(found, [[0, 0, INF, INF], [0, 0, 1, -1]])
    assert jnp.isnan(peer.sigmoid_binary_cross_entropy(jnp.array(INF), 1.0))


def test_tails():
    """The true class ahead by 30: optax's softmax loss and gradient are 0."""
    exact = 1.8715248e-13  # 2 e^-30
    (ours, slope), (theirs, dead) = both(IDS, [[30.0, 0.0, 0.0]], jnp.array([0]))
    np.testing.assert_allclose([ours, -slope[0, 0]], exact, rtol=2e-7)
    assert theirs == dead[0, 0] == 0


@pytest.mark.parametrize("gamma", [0.5, 1.5, 2, jnp.float32(0.5)])
def test_saturated_focal(gamma):
    """Finite derivatives of every order, on both sides of saturation and at infinity."""
    z = jnp.array([100.0, 200.0, INF, -INF, 30.0, 100.0, 0.0])
    t = jnp.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.9, 1.0])

    def loss(z):
        return losses.sigmoid_focal_loss(z, t, gamma=gamma).sum()

    assert all(jnp.isfinite(x).all() for x in jax.jit(lambda z: (loss(z), jax.grad(loss)(z), jax.hessian(loss)(z)))(z))
    q, found = 1 / (1 + np.exp(30.0)), losses.sigmoid_focal_loss(30.0, 1.0, gamma=gamma)
    if 1 + float(gamma) < 3:  # e^-90 is below float32
        np.testing.assert_allclose(found, q ** float(gamma) * -np.log1p(-q), rtol=3e-6)


def test_focal_without_a_factor():
    """alpha = 0: positives do not count, whatever their logits hold."""
    for z in (-INF, jnp.nan):
        for t in (1.0, 1):
            assert value_and_grad(losses, "sigmoid_focal_loss", z, jnp.asarray(t), alpha=0.0) == (0, 0)


def test_focal_gradient_of_hard_labels():
    """d/dt of BCE q^gamma, q = 1 - p_t; optax leaves the second factor's part of the absent side out."""
    z, t, gamma = np.array([3.0, -3.0, 3.0]), np.array([1.0, 0.0, 0.0]), 1.5
    p = 1 / (1 + np.exp(-z))
    q, bce = t * (1 - p) + (1 - t) * p, -t * np.log(p) - (1 - t) * np.log1p(-p)
    exact = -z * q**gamma + bce * gamma * q ** (gamma - 1) * (1 - 2 * p)
    slopes = [
        jax.jit(jax.grad(lambda t, m=m: m.sigmoid_focal_loss(jnp.asarray(z), t, gamma=gamma).sum()))(jnp.asarray(t))
        for m in (losses, peer)
    ]
    np.testing.assert_allclose(slopes[0], exact, rtol=1e-5)
    assert not np.allclose(slopes[1], exact, rtol=1e-2)


@pytest.mark.parametrize("name", ["kl_divergence", "kl_divergence_with_log_targets"])
def test_divergence_of_nothing(name):
    """0 log 0 = 0, whatever was predicted, in both derivatives too."""
    targets = jnp.array([0.0, 1.0])
    targets = jnp.log(targets) if "log_targets" in name else targets
    predicted = jnp.array([-INF, 0.0])
    assert getattr(losses, name)(predicted, targets) == 0 and jnp.isnan(getattr(peer, name)(predicted, targets))
    slopes = jax.grad(getattr(losses, name), (0, 1))(predicted, targets)
    assert all(jnp.isfinite(slope).all() for slope in slopes)
    assert getattr(losses, name)(jnp.array([-INF, 0.0]), targets[::-1]) == INF


def test_where_means_one_thing():
    """A class left out is left out: an id there costs what its one-hot row costs; optax prices it by others."""
    z, where = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([[False, True, True]])
    ids = losses.softmax_cross_entropy_with_integer_labels(z, jnp.array([0]), where=where)
    dense = losses.softmax_cross_entropy(z, jnp.array([[1.0, 0.0, 0.0]]), where=where)
    assert ids == dense == peer.softmax_cross_entropy(z, jnp.array([[1.0, 0.0, 0.0]]), where=where) == 0
    assert peer.softmax_cross_entropy_with_integer_labels(z, jnp.array([0]), where=where) > 2
    np.testing.assert_array_equal(
        losses.softmax_cross_entropy_with_integer_labels(z, jnp.array([2]), where=where),
        losses.softmax_cross_entropy_with_integer_labels(z[:, 1:], jnp.array([1])),
    )


@pytest.mark.parametrize("spoiled", [jnp.nan, INF])
def test_what_is_left_out_may_hold_anything(spoiled):
    z, where = jnp.array([[1.0, 2.0], [spoiled, 0.0]]), jnp.array([True, False])
    for name, t in (
        ("softmax_cross_entropy", jnp.eye(2)), ("softmax_cross_entropy_with_integer_labels", jnp.array([0, 1])),
        ("poly_loss_cross_entropy", jnp.eye(2)), ("sigmoid_focal_loss", jnp.eye(2)),
        ("sigmoid_binary_cross_entropy", jnp.eye(2)),
    ):  # fmt: skip
        mask = where[:, None] & jnp.ones((2, 2), bool) if "sigmoid" in name else where
        value, gradient = value_and_grad(losses, name, z, t, where=mask)
        assert jnp.isfinite(value) and (gradient[1] == 0).all() and (gradient[0] != 0).all()


def test_smoothing_of_what_is_there():
    """Only classes of `where` get a share, and a row without classes stays; optax's rows do not sum to 1."""
    t, where = jnp.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), jnp.array([[True, True, False], [False] * 3])
    found = losses.smooth_labels(t, 0.3, where=where)
    np.testing.assert_allclose(found, [[0.85, 0.15, 0.0], [0.0, 0.0, 0.0]], rtol=1e-6)
    assert peer.smooth_labels(t, 0.3, where=where)[0].sum() > 1.1


ONES = jnp.ones

BAD = [  # name, logits, labels, options, error, what the message says
    (IDS, ONES((2, 3)), jnp.array([0, -1]), {}, ValueError, r"\[0, 3\); got -1 at row 1"),
    (IDS, ONES((2, 3)), jnp.array([0, 3]), {}, ValueError, r"\[0, 3\); got 3 at row 1"),
    ("softmax_cross_entropy", ONES((2, 3)), 1.5 * ONES((2, 3)), {}, ValueError, r"lie in \[0, 1\]"),
    ("sigmoid_binary_cross_entropy", ONES(3), -ONES(3), {}, ValueError, r"lie in \[0, 1\]"),
    ("sigmoid_focal_loss", ONES(3), 2 * ONES(3), {}, ValueError, r"lie in \[0, 1\]"),
]

SHAPES = [
    ("sigmoid_binary_cross_entropy", ONES((3, 1)), ONES(3), {}, ValueError, "outer product"),
    ("softmax_cross_entropy", ONES((3, 4)), ONES((3, 1)), {}, ValueError, "one probability per class"),
    ("softmax_cross_entropy", ONES((3, 1, 4)), ONES((5, 4)), {}, ValueError, "outer product"),
    ("kl_divergence", ONES((3, 1)), ONES(3), {}, ValueError, "`targets` .* outer product"),
    ("softmax_cross_entropy", ONES((3, 4)), ONES((3, 4)), {"gamma": 2.0, "poly": 1.0}, ValueError, "law"),
]

THEIRS_TOO = [  # optax raises as well, the same kind
    ("sigmoid_binary_cross_entropy", ONES(3, int), ONES(3), {}, TypeError, "`logits` must be floating"),
    ("softmax_cross_entropy", ONES((3, 4), int), ONES((3, 4)), {}, TypeError, "`logits` must be floating"),
    (IDS, ONES((1, 4)), ONES(1), {}, TypeError, "class ids"),
    (IDS, ONES((1, 4)), ONES(1, int), {"axis": None}, ValueError, "`axis`"),
    (IDS, ONES((1, 4)), ONES(1, int), {"axis": 2}, ValueError, "`axis`"),
    ("smooth_labels", ONES(3, int), 0.1, {}, TypeError, "`labels` must be floating"),
    ("kl_divergence", ONES(3, int), ONES(3), {}, TypeError, "`log_predictions` must be floating"),
]


@pytest.mark.parametrize("name, first, second, options, kind, says", BAD + SHAPES + THEIRS_TOO)
def test_bad_input(name, first, second, options, kind, says):
    with pytest.raises(kind, match=says) as caught:
        getattr(losses, name)(first, second, **options)
    assert ("`targets`" in str(caught.value)) == (name == "kl_divergence" and kind is ValueError)


@pytest.mark.parametrize("name, first, second, options, kind, says", THEIRS_TOO)
def test_bad_input_of_optax(name, first, second, options, kind, says):
    with pytest.raises(kind):
        getattr(peer, name)(first, second, **options)


@pytest.mark.parametrize("name, first, second, options, kind, says", SHAPES + THEIRS_TOO)
def test_bad_shapes_under_jit(name, first, second, options, kind, says):
    """What shapes and dtypes decide is an error while tracing."""
    with pytest.raises(kind, match=says):
        jax.jit(lambda *arrays: getattr(losses, name)(*arrays, **options))(first, second)


def test_bad_values_on_a_device(monkeypatch):
    """Where no error can be raised the row is NaN, loss and gradient, and no other."""
    from xent import backends

    monkeypatch.setattr(backends, "portable", True)
    z, loss = jnp.array([[1.0, 2.0], [0.0, 1.0]]), losses.softmax_cross_entropy_with_integer_labels
    run = jax.jit(lambda z, ids: jax.vjp(lambda z: loss(z, ids), z)[1](jnp.ones(2)) + (loss(z, ids),))
    for bad in (-1, 2):
        slope, value = run(z, jnp.array([0, bad]))
        np.testing.assert_array_equal(jnp.isnan(value), [False, True])
        np.testing.assert_array_equal(jnp.isnan(slope), [[False, False], [True, True]])
    for name in ("sigmoid_binary_cross_entropy", "sigmoid_focal_loss"):
        soft = jax.jit(getattr(losses, name))(z[0], jnp.array([0.5, 1.5]))
        np.testing.assert_array_equal(jnp.isnan(soft), [False, True])


@pytest.mark.parametrize("options", [{"gamma": -1.0}, {"alpha": 1.5}])
def test_bad_numbers(options):
    with pytest.raises(ValueError, match=r"`(gamma|alpha)` must be"):
        losses.sigmoid_focal_loss(jnp.ones(3), jnp.ones(3), **options)
    with pytest.raises(ValueError, match="`alpha` must be in"):
        losses.smooth_labels(jnp.ones(3), 1.5)


@pytest.mark.parametrize(
    "name", ["softmax_cross_entropy", "sigmoid_binary_cross_entropy", "sigmoid_focal_loss", "kl_divergence"]
)
def test_masks_are_boolean(name):
    with pytest.raises(TypeError, match="`where` must be boolean"):
        getattr(losses, name)(jnp.ones((2, 3)), jnp.ones((2, 3)), where=jnp.ones((2, 3)))


def test_wide_ids_never_wrap():
    """2**32 + 1 is class 1 for JAX's int32; np.uint8 and its like are as good as any."""
    z, narrow = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([2], jnp.uint8)
    with pytest.raises(ValueError, match="`labels` must hold"):
        losses.softmax_cross_entropy_with_integer_labels(z, np.array([2**32 + 1]))
    np.testing.assert_allclose(losses.softmax_cross_entropy_with_integer_labels(z, narrow), 0.40760596, rtol=1e-6)


def test_another_framework():
    import torch

    with pytest.raises(TypeError, match="`labels` must be a JAX or NumPy array; got a torch Tensor"):
        losses.sigmoid_binary_cross_entropy(jnp.ones(3), torch.ones(3))


def test_negative_weights():
    z, t, weight = jnp.ones(2), jnp.ones(2), jnp.array([1.0, -1.0])
    with pytest.raises(ValueError, match="`sample_weight`"):
        losses.sigmoid_binary_cross_entropy(z, t, sample_weight=weight)
    np.testing.assert_array_equal(jnp.isnan(losses.sigmoid_focal_loss(z, t, sample_weight=weight)), [False, True])
