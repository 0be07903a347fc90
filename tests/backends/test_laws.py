"""The same laws in every place: NumPy, torch, JAX; eager, compiled, by the kernels and by the portable path."""

import numpy as np
import pytest
from conftest import SIGMOID, SOFTMAX
from places import PROMISED, opened, visited

from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy, reference

INF, NAN = np.inf, np.nan


def rounded(place, z):
    """The logits as the place has them, in float64."""
    return place.seen(place.logits(z))


# ---- the definition -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, name", [("ids", "plain"), ("ids", "all"), ("soft", "all")])
def test_softmax(rng, place, kind, name):
    z, t, weight = rng.normal(0, 3, (12, 4)), rng.integers(0, 4, 12), rng.random(12)
    t = t if kind == "ids" else rng.dirichlet(np.ones(4), 12)
    want = reference.softmax_cross_entropy(rounded(place, z), t, sample_weight=weight, **SOFTMAX[name])
    loss = SoftmaxCrossEntropy(**SOFTMAX[name])
    place.agree(place.outcomes(loss, z, t, sample_weight=weight), (want.value, want.gradient))


@pytest.mark.parametrize("name", ["plain", "all"])
def test_a_class_id_is_its_one_hot_row(rng, single, name):
    z, ids = rng.normal(0, 3, (12, 4)), rng.integers(0, 4, 12)
    z[5, ids[5]] = 60.0
    loss = SoftmaxCrossEntropy(**SOFTMAX[name] | {"reduction": "none"})
    want = single.outcomes(loss, z, ids)
    for t in (np.eye(4)[ids], np.eye(4, dtype=bool)[ids], (ids[:, None], np.ones((12, 1), np.float32))):
        single.agree(single.outcomes(loss, z, t), want, reduced=False)


@pytest.mark.parametrize("kind, name", [("hard", "plain"), ("soft", "all")])
def test_sigmoid(rng, place, kind, name):
    z, hard = rng.normal(0, 3, (12, 3)), rng.integers(0, 2, (12, 3))
    t, weight = hard if kind == "hard" else rng.random((12, 3)), rng.random(12)
    want = reference.sigmoid_cross_entropy(rounded(place, z), t, sample_weight=weight, **SIGMOID[name])
    loss = SigmoidCrossEntropy(**SIGMOID[name])
    place.agree(place.outcomes(loss, z, t, sample_weight=weight), (want.value, want.gradient))


# ---- the table of infinities ----------------------------------------------------------------------------------------

ROWS = [  # z, target
    ([-INF, 0, 0], 1), ([-INF, 0, 0], 0), ([-INF, -INF, 3], 2), ([-INF, -INF, 3], 0), ([-INF, -INF, -INF], 0),
    ([INF, 0, 1], 0), ([INF, 0, 1], 1), ([INF, -INF, 1], 1), ([INF, INF, 0], 0), ([INF, INF, 0], 2), ([NAN, 0, 1], 1),
    ([NAN, INF, 1], 1), ([1, 2, 3], 2),
]  # fmt: skip


def test_infinite_rows(place):
    z, ids = np.array([row for row, _ in ROWS], float), np.array([y for _, y in ROWS])
    want = reference.softmax_cross_entropy(z, ids, reduction="none")
    loss = SoftmaxCrossEntropy(reduction="none")
    for t in (ids, np.eye(3)[ids]):
        place.agree(place.outcomes(loss, z, t), (want.losses, want.gradient), reduced=False)


def test_infinite_logits(place):
    z = np.array([INF, INF, -INF, -INF, NAN, NAN, INF, -INF, 0.0])
    t = np.array([1, 0, 1, 0, 0, 1, 0.5, 0.25, 1])
    want = reference.sigmoid_cross_entropy(z, t, reduction="none")
    got = place.outcomes(SigmoidCrossEntropy(reduction="none"), z, t)
    place.agree(got, (want.losses, want.gradient), reduced=False)


def test_tails_keep_their_digits(single):
    """A true class ahead by 40: in float32 p rounds to 1, but neither loss nor gradient is 0."""
    loss, gradient = single.outcomes(SoftmaxCrossEntropy(), np.array([[40.0, 0.0]]), np.array([0]))
    e = np.exp(-40.0)
    np.testing.assert_allclose([loss, *gradient[0]], [e, -e, e], rtol=3e-7)
    loss, gradient = single.outcomes(SigmoidCrossEntropy(), np.array([40.0]), np.array([1]))
    np.testing.assert_allclose([loss, *gradient], [e, -e], rtol=3e-7)


# ---- what does not count --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["ignore_index", "where", "sample_weight"])
def test_what_does_not_count_cannot_leak(single, how):
    z, y = np.array([[1.0, 2.0, 0.0], [NAN, INF, -INF], [0.0, 1.0, 3.0]]), np.array([0, 2, 1])
    keep = np.array([True, False, True])
    options = {"ignore_index": 2} if how == "ignore_index" else {}
    arrays = {"where": keep} if how == "where" else {"sample_weight": keep * 1.0} if how == "sample_weight" else {}
    for more in ({}, {"label_smoothing": 0.1, "z_loss": 0.1, "gamma": 2.0}):
        loss = SoftmaxCrossEntropy(**options, **more)
        value, gradient = single.outcomes(loss, z, y, **arrays)
        assert (gradient[1] == 0).all()
        want = reference.softmax_cross_entropy(z[[0, 2]], y[[0, 2]], **more)
        single.agree((value, gradient[[0, 2]]), (want.value, want.gradient))
    t = np.eye(3)[y]
    value, gradient = single.outcomes(SigmoidCrossEntropy(gamma=0.5), z, t, where=keep)
    assert (gradient[1] == 0).all()
    want = reference.sigmoid_cross_entropy(z[[0, 2]], t[[0, 2]], gamma=0.5)
    single.agree((value, gradient[[0, 2]]), (want.value, want.gradient))


@pytest.mark.parametrize("denominator", ["weight", "count", "elements", 5.0])
def test_nothing_left(single, denominator):
    z, y, none = np.ones((3, 2)), np.array([0, 1, 0]), np.zeros(3, bool)
    for empty, value in (("zero", 0.0), ("nan", NAN)):
        loss = SoftmaxCrossEntropy(denominator=denominator, empty=empty)
        got = single.outcomes(loss, z, y, where=none)
        np.testing.assert_array_equal(got[0], value)
        assert (got[1] == 0).all()
    with pytest.raises((ValueError, RuntimeError), match=r"nothing is left to average|`empty`='raise'"):
        single.outcomes(SoftmaxCrossEntropy(denominator=denominator, empty="raise"), z, y, where=none)


# ---- weights and denominators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_weight_2_is_the_row_twice(rng, single, family):
    z, ids = rng.normal(0, 3, (5, 3)), rng.integers(0, 3, 5)
    t = ids if family is SoftmaxCrossEntropy else np.eye(3)[ids]
    weight = np.array([1.0, 2.0, 1.0, 2.0, 1.0])
    twice = [0, 1, 1, 2, 3, 3, 4]
    value, gradient = single.outcomes(family(gamma=2.0), z, t, sample_weight=weight)
    value2, gradient2 = single.outcomes(family(gamma=2.0), z[twice], t[twice])
    single.agree((value, gradient), (value2, gradient2[[0, 1, 3, 4, 6]] * weight[:, None]))


@pytest.mark.parametrize("denominator", ["weight", "count", "elements", "positives", 7.0])
def test_denominators(rng, single, denominator):
    z, t, weight = rng.normal(0, 3, (5, 3)), rng.integers(0, 2, (5, 3)), np.array([1.0, 0.0, 0.5, 2.0, 3.0])
    options = {"denominator": denominator, "class_weight": (3.0, 0.5, 0.0)}
    want = reference.sigmoid_cross_entropy(rounded(single, z), t, sample_weight=weight, **options)
    got = single.outcomes(SigmoidCrossEntropy(**options), z, t, sample_weight=weight)
    single.agree(got, (want.value, want.gradient))


# ---- one family is the other, and what changes nothing -------------------------------------------------------------


def test_two_classes_are_a_sigmoid(rng, single):
    z, t = np.concatenate([rng.normal(0, 3, 6), [80.0, -80.0]]), rng.integers(0, 2, 8)
    options = {"gamma": 0.5, "label_smoothing": 0.1}
    value, gradient = single.outcomes(SoftmaxCrossEntropy(**options), np.stack([np.zeros(8), z], 1), t)
    single.agree((value, gradient[:, 1]), single.outcomes(SigmoidCrossEntropy(**options), z, t))


@pytest.mark.parametrize("shift", [-64.0, 1024.0])
def test_a_shift_changes_nothing(rng, single, shift):
    """In steps that float32 adds exactly."""
    z, ids = np.round(rng.normal(0, 3, (6, 4)) * 64) / 64, rng.integers(0, 4, 6)
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    single.agree(single.outcomes(loss, z + shift, ids), single.outcomes(loss, z, ids))


@pytest.mark.parametrize("options", [{"gamma": 1e-30}, {"poly": 1e-30}, {"gce": 1e-30}, {"softcap": 1e30}], ids=str)
def test_options_near_rest_change_nothing(rng, single, options):
    z, ids = rng.normal(0, 3, (6, 4)), rng.integers(0, 4, 6)
    single.agree(
        single.outcomes(SoftmaxCrossEntropy(**options), z, ids), single.outcomes(SoftmaxCrossEntropy(), z, ids)
    )


# ---- mistakes -------------------------------------------------------------------------------------------------------

MISTAKES = {
    "(N, 1)": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(2, int), {}),
    "float ids": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3), {}),
    "weights": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3, int), {"sample_weight": np.ones((3, 1))}),
    "where": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3, int), {"where": np.ones(3)}),
    "class_weight": (SoftmaxCrossEntropy(), np.zeros((3, 2)), np.zeros(3, int), {"class_weight": np.ones(3)}),
    "axis": (SoftmaxCrossEntropy(axis=2), np.zeros((3, 2)), np.zeros(3, int), {}),
    "twice": (SoftmaxCrossEntropy(bias=1.0), np.zeros((3, 2)), np.zeros(3, int), {"bias": np.ones(2)}),
    "labels": (SigmoidCrossEntropy(), np.zeros((3, 2)), np.zeros(3), {}),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_same_errors(single, name):
    loss, logits, targets, arrays = MISTAKES[name]
    with pytest.raises((ValueError, TypeError)) as want:
        loss(logits, targets, **arrays)
    with pytest.raises(want.type) as got:
        single.outcomes(loss, logits, targets, **arrays)
    assert str(got.value).split("`")[1] == str(want.value).split("`")[1], "the same argument is named"


BAD = {
    "id": (SoftmaxCrossEntropy, [0, 2, 1], {}),
    "negative id": (SoftmaxCrossEntropy, [0, -1, 1], {}),
    "soft": (SoftmaxCrossEntropy, [[1, 0], [0.5, 1.5], [1, 0]], {}),
    "weight": (SoftmaxCrossEntropy, [0, 1, 1], {"sample_weight": np.array([1.0, -1.0, 1.0])}),
    "label": (SigmoidCrossEntropy, [[1, 0], [2.0, 2.0], [1, 0]], {}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_values_are_errors_or_nan_in_their_row(single, name):
    """Errors where values can be looked at; elsewhere never wrapped, never clamped, never ignored."""
    family, targets, arrays = BAD[name]
    call = lambda: single.outcomes(family(reduction="none"), np.zeros((3, 2)), np.array(targets), **arrays)  # noqa: E731
    if single.looks:
        with pytest.raises((ValueError, RuntimeError), match=r"`(targets|sample_weight)` must"):
            call()
        return
    for x in call():
        assert np.isnan(x[1]).all() and np.isfinite(x[[0, 2]]).all()


# ---- the same bits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("family", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_the_same_bits_by_the_kernels(rng, family, dtype):
    """NumPy, torch, JAX, and JAX under jit where xent was built with it."""
    from xent.backends import jax as xent_jax

    z, ids = rng.normal(0, 8, (70, 5)), rng.integers(0, 5, 70)
    t, weight = ids if family is SoftmaxCrossEntropy else np.eye(5)[ids], rng.random(70)
    loss = family(gamma=2.0, label_smoothing=0.1)
    found = {}
    for where in ("numpy", "torch", "jax", "jax jit"):
        if where == "jax jit" and not xent_jax.kernels():
            continue
        for place in opened(where, dtype):
            w = weight if dtype == "float64" else weight.astype(np.float32)
            found[where] = place.outcomes(loss, z, t.astype(np.float32) if t.ndim > 1 else t, sample_weight=w)
    for where, got in found.items():
        for x, y in zip(got, found["numpy"], strict=True):
            np.testing.assert_array_equal(x, y, err_msg=where)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("family", [SigmoidCrossEntropy, SoftmaxCrossEntropy])
def test_torch_compiled(rng, family):
    """One graph, whose loss and gradient are those of eager torch."""
    import torch

    z, ids = torch.tensor(rng.normal(0, 3, (6, 3)), dtype=torch.float32, requires_grad=True), rng.integers(0, 3, 6)
    t = torch.tensor(ids if family is SoftmaxCrossEntropy else np.eye(3, dtype=np.float32)[ids])
    loss = family(gamma=2.0, ignore_index=-100)
    compiled = torch.compile(lambda z, t: loss(z, t), backend="aot_eager", fullgraph=True)
    got, want = compiled(z, t), loss(z, t)
    assert got == want
    assert torch.equal(torch.autograd.grad(got, z)[0], torch.autograd.grad(want, z)[0])


def test_every_promise_was_kept():
    """Last in this file: each backend ran in each dtype."""
    missing = set(PROMISED) - visited
    assert not missing, f"never run: {sorted(missing)}"
