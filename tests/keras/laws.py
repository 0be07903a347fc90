"""What holds of xent.keras on any backend: Keras's values and reductions, exact tails, nothing leaks."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.backend import get_keras_mask, set_keras_mask

import xent.keras as losses

peer = keras.losses
RNG = np.random.default_rng(1)
LOGITS = RNG.normal(size=(5, 4)).astype("float32") * 2
SHARES = np.exp(LOGITS) / np.exp(LOGITS).sum(-1, keepdims=True)
CHANCES = 1 / (1 + np.exp(-LOGITS))
IDS = np.array([0, 3, 1, 2, 2])
HOT = np.eye(4, dtype="float32")[IDS]
SOFT = RNG.dirichlet(np.ones(4), 5).astype("float32")
WEIGHT = np.array([0.5, 0.0, 2.0, 1.0, 0.3], "float32")

BINARY = ("BinaryCrossentropy", "BinaryFocalCrossentropy")
CATEGORICAL = ("CategoricalCrossentropy", "CategoricalFocalCrossentropy")
REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None)
JAX = keras.config.backend() == "jax"

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # Keras's, of torch tensors


def array(x):
    return np.asarray(ops.convert_to_numpy(x), np.float64)


def close(ours, theirs, tolerance=3e-6):
    assert tuple(ours.shape) == tuple(theirs.shape) and ours.dtype == theirs.dtype
    np.testing.assert_allclose(array(ours), array(theirs), rtol=tolerance, atol=tolerance)


def value_and_grad(loss, z):
    """Of the summed loss, by the backend's own autodiff."""
    if JAX:
        import jax

        return [array(x) for x in jax.jit(jax.value_and_grad(lambda z: ops.sum(loss(z))))(ops.convert_to_tensor(z))]
    z = ops.convert_to_tensor(z).requires_grad_()
    value = ops.sum(loss(z))
    value.backward()
    return array(value.detach()), array(z.grad)


def predictions(name, from_logits):
    return LOGITS if from_logits else CHANCES if name in BINARY else SHARES


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("name", [*BINARY, *CATEGORICAL])
def test_values(name, from_logits):
    y_pred = predictions(name, from_logits)
    for reduction, y_true, smoothing in (
        (REDUCTIONS[0], HOT, 0.0),
        (None, SOFT, 0.1),
        ("sum", HOT.astype("int32"), 0.2),
    ):
        options = {"from_logits": from_logits, "label_smoothing": smoothing, "reduction": reduction}
        if name == "BinaryFocalCrossentropy":
            options |= {"apply_class_balancing": smoothing > 0, "alpha": 0.3, "gamma": 1.5}
        elif name == "CategoricalFocalCrossentropy":
            options |= {"alpha": [0.1, 0.2, 0.3, 0.4] if from_logits else 0.3, "gamma": 1.5}
        close(getattr(losses, name)(**options)(y_true, y_pred), getattr(peer, name)(**options)(y_true, y_pred))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_reductions_and_weights(reduction):
    for weight in (None, WEIGHT, WEIGHT[:, None], list(WEIGHT), 2.0):
        for name, y_true in (("SparseCategoricalCrossentropy", IDS), ("BinaryCrossentropy", HOT)):
            ours, theirs = (getattr(m, name)(from_logits=True, reduction=reduction) for m in (losses, peer))
            close(ours(y_true, LOGITS, sample_weight=weight), theirs(y_true, LOGITS, sample_weight=weight))


@pytest.mark.parametrize("from_logits", [True, False])
@pytest.mark.parametrize("ignore_class", [None, 2, -1])
def test_class_ids(from_logits, ignore_class):
    ids = np.where(IDS == 2, -1, IDS) if ignore_class == -1 else IDS
    y_pred = predictions("", from_logits)
    options = {"from_logits": from_logits, "ignore_class": ignore_class}
    for reduction in REDUCTIONS:
        ours, theirs = (m.SparseCategoricalCrossentropy(reduction=reduction, **options) for m in (losses, peer))
        for y_true in (ids, ids[:, None], ids.astype("float32")):
            close(ours(y_true, y_pred, sample_weight=WEIGHT), theirs(y_true, y_pred, sample_weight=WEIGHT))
    one = losses.sparse_categorical_crossentropy(ids, y_pred, **options)
    close(
        one, peer.sparse_categorical_crossentropy(ops.convert_to_tensor(ids), ops.convert_to_tensor(y_pred), **options)
    )
    assert (get_keras_mask(one) is None) == (ignore_class is None)


def test_functions():
    for name, y_true, y_pred, options in (
        ("binary_crossentropy", HOT, LOGITS, {"from_logits": True, "axis": 0}),
        ("binary_focal_crossentropy", SOFT, LOGITS, {"from_logits": True, "apply_class_balancing": True}),
        ("categorical_crossentropy", SOFT.T, LOGITS.T, {"from_logits": True, "axis": 0}),
        ("categorical_focal_crossentropy", SOFT, SHARES, {"alpha": [0.1, 0.2, 0.3, 0.4]}),
        ("kl_divergence", SOFT, SHARES, {}),
    ):
        close(getattr(losses, name)(y_true, y_pred, **options), getattr(peer, name)(y_true, y_pred, **options))
    close(losses.KLDivergence()(SOFT, SHARES, WEIGHT), peer.KLDivergence()(SOFT, SHARES, WEIGHT))


def test_class_axis():
    """Any axis on any backend; Keras on JAX knows the last alone, and forgets the axis in a config."""
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, axis=1)
    z, ids = np.stack([LOGITS, -LOGITS]).swapaxes(1, 2), np.stack([IDS, IDS])
    last = losses.SparseCategoricalCrossentropy(from_logits=True)
    close(loss(ids, z), last(ids, z.swapaxes(1, 2)))
    assert type(loss).from_config(loss.get_config()).axis == 1


def test_tails():
    """Ahead by 30, value and gradient have all their digits; Keras's are 0, or lose one side."""
    wrong = [[30.0, 0.0, 0.0]]
    value, slope = value_and_grad(lambda z: losses.SparseCategoricalCrossentropy(from_logits=True)([0], z), wrong)
    np.testing.assert_allclose([value, -slope[0, 0]], 1.8715248e-13, rtol=3e-7)
    assert (
        value_and_grad(lambda z: peer.SparseCategoricalCrossentropy(from_logits=True)(np.array([0]), z), wrong)[0] == 0
    )
    for z, y in ((30.0, 1.0), (-30.0, 0.0)):
        value, slope = value_and_grad(lambda z, y=y: losses.BinaryCrossentropy(from_logits=True)([[y]], z), [[z]])
        np.testing.assert_allclose([value, abs(slope[0, 0])], 9.3576230e-14, rtol=3e-7)
    focal = losses.BinaryFocalCrossentropy(from_logits=True, gamma=2.0)
    value, slope = value_and_grad(lambda z: focal([[1.0]], z), [[10.0]])
    q = 1 / (1 + np.exp(10.0))
    np.testing.assert_allclose(value, q**2 * -np.log1p(-q), rtol=1e-6)
    np.testing.assert_allclose(slope, -(q**3) + 2 * q**2 * (1 - q) * np.log1p(-q), rtol=1e-6)


@pytest.mark.parametrize("from_logits", [True, False])
def test_saturated_focal(from_logits):
    """gamma below 1: Keras's gradient is NaN."""
    y_pred = [[200.0, -200.0]] if from_logits else [[1.0, 0.0]]
    y_true = [[1.0, 0.0]]
    for module, finite in ((losses, True), (peer, False)):
        loss = module.BinaryFocalCrossentropy(gamma=0.5, from_logits=from_logits)
        assert (
            np.isfinite(value_and_grad(lambda z, f=loss: f(np.array(y_true, "float32"), z), y_pred)[1]).all() == finite
        )


@pytest.mark.parametrize("name", ["sparse", "binary", "weighted", "sparse of probabilities"])
def test_what_is_left_out_may_hold_anything(name):
    z = LOGITS.copy() if "prob" not in name else SHARES.copy()
    z[1] = np.nan
    keep = np.array([True, False, True, True, True])
    if name == "weighted":
        loss = losses.CategoricalCrossentropy(from_logits=True)
        value, slope = value_and_grad(lambda z: loss(HOT, z, sample_weight=keep.astype("float32")), z)
    elif "sparse" in name:
        loss = losses.SparseCategoricalCrossentropy(from_logits="prob" not in name, ignore_class=3)
        value, slope = value_and_grad(lambda z: loss(IDS, z), z)
    else:
        loss = losses.BinaryCrossentropy(from_logits=True)
        value, slope = value_and_grad(lambda z: loss(HOT, masked(z, keep)), z)
    assert np.isfinite(value) and (slope[1] == 0).all() and (slope[0] != 0).any() and np.isfinite(slope).all()


def masked(z, keep):
    z = ops.convert_to_tensor(z) * 1.0
    set_keras_mask(z, ops.convert_to_tensor(keep))
    return z


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_masks(reduction):
    z, y = np.stack([LOGITS, -LOGITS]), np.stack([HOT, SOFT])
    keep = np.array([[1, 0, 1, 1, 0], [1, 1, 1, 0, 0]], bool)
    column = np.array([[0.5], [2.0]], "float32")
    full = np.broadcast_to(column, (2, 5)).copy()
    for name in ("CategoricalCrossentropy", "BinaryCrossentropy"):
        ours, theirs = (getattr(m, name)(from_logits=True, reduction=reduction) for m in (losses, peer))
        close(ours(y, masked(z, keep)), theirs(y, masked(z, keep)))
        close(ours(y, masked(z, keep), sample_weight=full), theirs(y, masked(z, keep), sample_weight=full))
        own = ops.convert_to_tensor(column) * 1.0
        close(ours(y, masked(z, keep), sample_weight=own), ours(y, masked(z, keep), sample_weight=full))
        np.testing.assert_array_equal(array(own), column)  # not written


def test_weights_are_of_the_batch():
    """One weight per example, as many examples as steps: Keras weighs the steps."""
    z, y, weight = np.ones((2, 2, 4), "float32"), np.zeros((2, 2), "int32"), np.array([1.0, 0.0], "float32")
    ours, theirs = (m.SparseCategoricalCrossentropy(from_logits=True, reduction="none") for m in (losses, peer))
    np.testing.assert_array_equal(array(ours(y, z, sample_weight=weight)) > 0, [[True, True], [False, False]])
    np.testing.assert_array_equal(array(theirs(y, z, sample_weight=weight)) > 0, [[True, False], [True, False]])


def test_ids_survive_narrow_dtypes():
    """Class 301 of 600 in bfloat16, which has no 301."""
    z = np.zeros((1, 600), "float32")
    z[0, 301] = 8.0
    ours, theirs = (m.SparseCategoricalCrossentropy(from_logits=True, dtype="bfloat16") for m in (losses, peer))
    assert (
        array(ops.cast(ours(np.array([301]), z), "float32"))
        < 1
        < array(ops.cast(theirs(np.array([301]), z), "float32"))
    )


def test_half_precision_probabilities():
    """1 - 1e-7 is 1 in float16: Keras takes log 0."""
    p = np.array([[1.0]], "float16")
    for y, loss in ((p, 1.1920929e-07), (0 * p, 15.9453125)):
        ours, theirs = (array(m.BinaryCrossentropy(dtype="float16")(y, p)) for m in (losses, peer))
        assert ours == np.float16(loss) and np.isfinite(theirs) == (not JAX)


def test_focal_of_the_worst_mistakes():
    """Wrong by 20: Keras's gradients are 0, for it goes through probabilities that it clips."""
    for name, y, z, slope in (
        ("BinaryFocalCrossentropy", [[1.0]], [[-20.0]], -1.0),
        ("CategoricalFocalCrossentropy", [[1.0, 0.0]], [[-20.0, 0.0]], -0.25),
    ):
        for module, exact in ((losses, slope), (peer, 0.0)):
            loss = getattr(module, name)(from_logits=True)
            found = value_and_grad(lambda z, f=loss, y=y: f(np.array(y, "float32"), z), z)[1]
            np.testing.assert_allclose(found[0, 0], exact, atol=1e-6)


def test_probabilities_as_they_are():
    """epsilon=0: no clip; 0 log 0 = 0, and 0 on the truth is +inf."""
    p = np.array([[0.0, 1.0, 0.0], [0.5, 0.5, 0.0]], "float32")
    for loss, y_true in (
        (losses.CategoricalCrossentropy(epsilon=0.0, reduction="none"), np.eye(3, dtype="float32")[[1, 0]]),
        (losses.SparseCategoricalCrossentropy(epsilon=0.0, reduction="none"), np.array([1, 0])),
        (losses.KLDivergence(epsilon=0.0, reduction="none"), np.eye(3, dtype="float32")[[1, 0]]),
    ):
        np.testing.assert_allclose(array(loss(y_true, p)), [0.0, np.log(2)], rtol=1e-6)
        assert np.isfinite(value_and_grad(lambda p, f=loss, y=y_true: f(y, p), p)[1]).all()
        assert array(loss(y_true[::-1].copy(), p))[1] == np.log(np.float32(2)).astype("float32")
        assert array(loss(y_true[::-1].copy(), p))[0] == np.inf
    binary = losses.BinaryCrossentropy(epsilon=0.0, reduction="none")
    value, slope = value_and_grad(lambda p: binary([[0.0, 1.0]], p), [[0.0, 1.0]])
    assert value == 0 and np.isfinite(slope).all()
    assert array(binary([[1.0]], [[0.0]])) == np.inf
    tiny = losses.BinaryCrossentropy(epsilon=0.0)([[1.0]], [[1e-30]])
    np.testing.assert_allclose(array(tiny), -np.log(1e-30), rtol=1e-6)


OBJECTS = [
    losses.BinaryCrossentropy(True, 0.1, pos_weight=[1.0, 2.0, 3.0, 4.0]),
    losses.BinaryFocalCrossentropy(True, 0.3, 1.0),
    losses.CategoricalCrossentropy(True, class_weight=(1.0, 2.0, 0.5, 1.0), reduction="sum"),
    losses.CategoricalFocalCrossentropy(alpha=np.array([0.1, 0.2, 0.3, 0.4]), from_logits=True),
    losses.SparseCategoricalCrossentropy(True, 2, z_loss=0.01, label_smoothing=0.1),
    losses.KLDivergence(epsilon=1e-5),
]


@pytest.mark.parametrize("loss", OBJECTS, ids=lambda loss: loss.name)
def test_configs(loss):
    """A loss comes back from its config, and through Keras's serialisation, with the same value."""
    y_true = IDS if "sparse" in loss.name else SOFT
    y_pred = SHARES if "kl" in loss.name else LOGITS
    text = keras.saving.serialize_keras_object(loss)
    assert text["registered_name"] == f"xent>{type(loss).__name__}"
    for again in (type(loss).from_config(loss.get_config()), keras.saving.deserialize_keras_object(text)):
        assert type(again) is type(loss) and again.get_config() == loss.get_config()
        assert array(again(y_true, y_pred)) == pytest.approx(array(loss(y_true, y_pred)), rel=1e-6)


@pytest.mark.parametrize("name", ["BinaryCrossentropy", *CATEGORICAL, "SparseCategoricalCrossentropy", "KLDivergence"])
def test_signatures(name):
    """Keras's positional arguments, in its order, with its defaults."""
    import inspect

    theirs = list(inspect.signature(getattr(peer, name)).parameters.values())
    ours = list(inspect.signature(getattr(losses, name)).parameters.values())
    assert [(p.name, p.default) for p in ours[: len(theirs)]] == [(p.name, p.default) for p in theirs]
    assert all(p.kind in (p.KEYWORD_ONLY, p.VAR_KEYWORD) for p in ours[len(theirs) :])


def trained(loss, y_true, sample_weight=None):
    """The kernel after one step, and the model."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model.compile(keras.optimizers.SGD(0.5), loss=loss)
    model.fit(INPUTS, y_true, sample_weight=sample_weight, batch_size=5, epochs=1, verbose=0)
    return array(model.layers[0].kernel), model


INPUTS = RNG.normal(size=(5, 3)).astype("float32")


@pytest.mark.parametrize("name, y_true", [("SparseCategoricalCrossentropy", IDS), ("BinaryFocalCrossentropy", HOT)])
def test_one_step_of_fit(name, y_true, tmp_path):
    """The same weights as Keras's loss gives; and the model comes back from its file."""
    ours, model = trained(getattr(losses, name)(from_logits=True), y_true, WEIGHT)
    theirs, _ = trained(getattr(peer, name)(from_logits=True), y_true, WEIGHT)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.loss) is getattr(losses, name)
    assert again.evaluate(INPUTS, y_true, verbose=0) == pytest.approx(model.evaluate(INPUTS, y_true, verbose=0))


def test_a_function_as_loss():
    ours, _ = trained(losses.kl_divergence, SOFT)
    theirs, _ = trained(peer.kl_divergence, SOFT)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


SPARSE = losses.SparseCategoricalCrossentropy(from_logits=True)
ROW = np.zeros((1, 4), "float32")

ERRORS = [
    (lambda: SPARSE([4], ROW), ValueError, r"`y_true` must hold class ids in \[0, 4\); got 4"),
    (lambda: SPARSE([-100], ROW), ValueError, "got -100"),
    (lambda: SPARSE([0.5], ROW), ValueError, "`y_true` must hold class ids"),
    (lambda: SPARSE([0, 1], ROW), ValueError, "one class id per loss"),
    (lambda: losses.BinaryCrossentropy(True)([[2.0]], [[0.0]]), ValueError, r"`y_true` must lie in \[0, 1\]"),
    (lambda: losses.BinaryCrossentropy(True)([[1.0, 0.0]], [[0.0]]), ValueError, "`y_true` must have"),
    (lambda: losses.CategoricalCrossentropy()([[1.0]], [[0.5, 0.5]]), ValueError, "Nothing is broadcast"),
    (lambda: losses.BinaryCrossentropy(pos_weight=2.0), ValueError, "needs `from_logits=True`"),
    (lambda: losses.CategoricalCrossentropy(True, denominator="count"), TypeError, "Keras's own"),
    (lambda: losses.CategoricalCrossentropy(True, gama=2.0), TypeError, "gama"),
    (lambda: losses.BinaryFocalCrossentropy(gamma=-1.0), ValueError, "`gamma`"),
    (lambda: losses.BinaryCrossentropy(epsilon=0.5), ValueError, "`epsilon` must be in"),
    (lambda: losses.BinaryCrossentropy(reduction="average"), ValueError, "reduction"),
]


@pytest.mark.parametrize("call, kind, says", ERRORS)
def test_errors(call, kind, says):
    with pytest.raises(kind, match=says):
        call()


def test_one_class_is_a_warning():
    with pytest.warns(SyntaxWarning, match="one class"):
        losses.categorical_crossentropy([[1.0]], [[0.5]], from_logits=True)


def test_nothing_lies_in_the_home():
    assert keras.config.backend() == os.environ["KERAS_BACKEND"]
    assert Path(keras.src.backend.config._KERAS_DIR) == Path(os.environ["KERAS_HOME"])
