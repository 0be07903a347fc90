"""Bad input names the argument, states the rule, shows what came and where, and says what to do."""

import sys
import types

import numpy as np
import pytest

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy

Z = np.zeros((4, 3))
IDS = np.array([0, 1, 2, 0])
T = np.zeros((4, 3))


def with_(x, at, value, dtype=None):
    x = np.array(x, dtype or x.dtype)
    x[at] = value
    return x


SOFTMAX = {
    "id too large": ((Z, with_(IDS, 3, 12)), {}, "`targets` must hold class ids in [0, 3); got 12 at row 3."),
    "id negative": ((Z, with_(IDS, 1, -1)), {}, "`targets` must hold class ids in [0, 3); got -1 at row 1."),
    "id beside ignore_index": (
        (Z, with_(IDS, 3, 12)),
        {"ignore_index": -100},
        "`targets` must hold class ids in [0, 3) or `ignore_index`=-100; got 12 at row 3.",
    ),
    "id in a grid": (
        (np.zeros((2, 3, 4)), with_(np.zeros((2, 3), int), (1, 2), 9)),
        {},
        "`targets` must hold class ids in [0, 4); got 9 at row (1, 2).",
    ),
    "id of one row": ((Z[0], 5), {}, "`targets` must hold class ids in [0, 3); got 5."),
    "dense above 1": ((Z, with_(T, (2, 1), 1.5)), {}, "`targets` must lie in [0, 1]; got 1.5 for class 1 at row 2."),
    "dense negative": ((Z, with_(T, (2, 1), -0.5)), {}, "`targets` must lie in [0, 1]; got -0.5 for class 1 at row 2."),
    "dense NaN": ((Z, with_(T, (0, 2), np.nan)), {}, "`targets` must lie in [0, 1]; got nan for class 2 at row 0."),
    "sparse id": (
        (Z, (with_(np.zeros((4, 2), int), (1, 1), 3), np.full((4, 2), 0.5))),
        {},
        "`targets` must hold class ids in [0, 3); got 3 at row 1.",
    ),
    "sparse prob": (
        (Z, (np.zeros((4, 2), int), with_(np.full((4, 2), 0.5), (3, 1), 2.0))),
        {},
        "`targets` must lie in [0, 1]; got 2.0 for",
    ),
    "column of ids": (
        (Z, IDS[:, None]),
        {},
        "`targets` must have the shape of the logits, or one class id per row, (4, 3)",
    ),
    "too few ids": ((Z, IDS[:3]), {}, "`targets` must have one class id per row, (4,); got shape (3,)."),
    "ids that are floats": ((Z, IDS.astype(float)), {}, "are class ids and must be integers; got float64"),
    "sparse of one axis": ((Z, (IDS, IDS)), {}, "`targets` given as a tuple must be sparse"),
    "sparse of two shapes": ((Z, (IDS[:, None], T)), {}, "`targets` must have probs in the shape of the ids"),
    "float sparse ids": ((Z, (T, T)), {}, "`targets` ids must be integers; got float64"),
    "weights of the wrong shape": (
        (Z, IDS),
        {"sample_weight": np.ones((4, 1))},
        "`sample_weight` must have one entry per row, (4,)",
    ),
    "weight negative": (
        (Z, IDS),
        {"sample_weight": np.array([1, 1, -2.0, 1])},
        "`sample_weight` must be finite and >= 0; got -2.0 at index 2.",
    ),
    "weight NaN": (
        (Z, IDS),
        {"sample_weight": np.array([1, np.nan, 1, 1])},
        "`sample_weight` must be finite and >= 0; got nan at index 1.",
    ),
    "weight infinite": (
        (Z, IDS),
        {"sample_weight": np.array([np.inf, 1, 1, 1])},
        "`sample_weight` must be finite and >= 0; got inf at index 0.",
    ),
    "where of integers": ((Z, IDS), {"where": np.ones(4, int)}, "`where` must be boolean; got int64."),
    "where of the wrong shape": ((Z, IDS), {"where": np.ones(3, bool)}, "`where` must have one entry per row, (4,)"),
    "class_weight of the wrong shape": (
        (Z, IDS),
        {"class_weight": np.ones(4)},
        "`class_weight` must be a number or hold one number per class, shape (3,)",
    ),
    "class_weight tuple of the wrong length": (
        (Z, IDS),
        {"class_weight": (1.0, 2.0)},
        "`class_weight` must be a number or hold one number per class",
    ),
    "class_weight negative": (
        (Z, IDS),
        {"class_weight": np.array([1, -1, 1.0])},
        "`class_weight` must be finite and >= 0; got -1.0 at class 1.",
    ),
    "prior that does not sum to 1": (
        (Z, IDS),
        {"prior": np.ones(3)},
        "`prior` must hold one probability per class, shape (3,), and sum to 1",
    ),
    "prior tuple that does not": ((Z, IDS), {"prior": (0.5, 0.5, 0.5)}, "`prior` must hold one probability per class"),
    "axis that is not there": ((Z, IDS), {"axis": 2}, "`axis` must name one of the logits' 2 axes; got 2"),
    "no class": ((np.zeros((4, 0)), IDS), {}, "`logits` must have at least one class"),
    "no axis": ((np.float64(1.0), 0), {}, "`axis` must name one of the logits' 0 axes"),
}

SIGMOID = {
    "above 1": ((Z, with_(T, (2, 1), 2)), {}, "`targets` must lie in [0, 1]; got 2.0 at index (2, 1)."),
    "below 0": ((Z[:, 0], np.array([0, 1, -1, 0])), {}, "`targets` must lie in [0, 1]; got -1 at index 2."),
    "NaN": ((Z, with_(T, (0, 2), np.nan)), {}, "`targets` must lie in [0, 1]; got nan at index (0, 2)."),
    "beside ignore_index": (
        (Z, with_(T, (2, 1), 2)),
        {"ignore_index": -1},
        "`targets` must lie in [0, 1] or `ignore_index`=-1; got 2.0 at index (2, 1).",
    ),
    "one": ((0.0, 2), {}, "`targets` must lie in [0, 1]; got 2."),
    "in Fortran order": ((np.asfortranarray(Z), with_(T, (2, 1), 2)), {}, "got 2.0 at index (2, 1)."),
    "column against row": (
        (Z[:, 0], IDS[:, None]),
        {},
        "`targets` must have the shape of the logits, (4,); got shape (4, 1). Nothing is broadcast: `targets.reshape",
    ),
    "ids": ((Z, IDS), {}, "`targets` must have the shape of the logits, (4, 3); got shape (4,)."),
    "weights per label": (
        (Z, T),
        {"sample_weight": np.ones(3)},
        "`sample_weight` must have one entry per row, (4,), or the logits' shape, (4, 3)",
    ),
    "pos_weight of the wrong shape": (
        (Z, T),
        {"pos_weight": np.ones(4)},
        "`pos_weight` must be a number or hold one number per label, shape (3,)",
    ),
    "pos_weight without labels": ((Z[:, 0], T[:, 0]), {"pos_weight": np.ones(4)}, "`pos_weight` must be a number"),
    "pos_weight negative": (
        (Z, T),
        {"pos_weight": np.array([1, 1, -1.0])},
        "`pos_weight` must be finite and >= 0; got -1.0 at label 2.",
    ),
    "alpha above 1": ((Z, T), {"alpha": np.array([0, 1, 1.5])}, "`alpha` must be in [0, 1]; got 1.5 at label 2."),
    "class_weight without labels": (
        (Z[:, 0], T[:, 0]),
        {"class_weight": np.ones(3)},
        "`class_weight` must be a number or hold the weights of classes 0 and 1, shape (2,)",
    ),
    "class_weight pairs": (
        (Z, T),
        {"class_weight": np.ones((2, 2))},
        "or a pair per label, shape (3, 2); got shape (2, 2)",
    ),
    "bias NaN": ((Z, T), {"bias": np.array([0, np.nan, 0])}, "`bias` must be finite; got nan at label 1."),
    "sparse label": (
        (Z, (with_(np.zeros((4, 1), int), 2, 7), np.ones((4, 1)))),
        {},
        "`targets` must hold label ids in [0, 3); got 7 at row 2.",
    ),
    "sparse mass above 1": (
        (Z, (np.zeros((4, 2), int), np.ones((4, 2)))),
        {},
        "`targets` must lie in [0, 1]; got 2.0 at index (0, 0).",
    ),
}


@pytest.mark.parametrize("case", SOFTMAX)
def test_softmax(case):
    args, options, message = SOFTMAX[case]
    with pytest.raises((ValueError, TypeError)) as caught:
        xent.softmax_cross_entropy(*args, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("case", SIGMOID)
def test_sigmoid(case):
    args, options, message = SIGMOID[case]
    with pytest.raises((ValueError, TypeError)) as caught:
        xent.sigmoid_cross_entropy(*args, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("loss", [xent.sigmoid_cross_entropy, xent.softmax_cross_entropy])
def test_logits_that_are_none(loss):
    t = T if loss is xent.sigmoid_cross_entropy else IDS
    for bad in (
        np.zeros((4, 3), int),
        np.zeros((4, 3), bool),
        np.zeros((4, 3), complex),
        Z.astype(object),
        [["a"] * 3] * 4,
    ):
        with pytest.raises(TypeError, match=r"`logits` must hold floating-point numbers"):
            loss(bad, t)
    with pytest.raises(TypeError, match="masked array"):
        loss(np.ma.masked_array(Z, mask=T > 0), t)
    with pytest.raises(ValueError, match="`logits` must be an array"):
        loss([[1.0, 2.0], [1.0]], t)
    with pytest.raises(TypeError, match="`targets` must hold bool, integer or floating-point"):
        loss(Z, t.astype(str))


def test_the_same_array_fits_one_of_two_ranks():
    """(N, 1) logits against (N,) targets is the classic that broadcasts to (N, N) elsewhere."""
    with pytest.raises(ValueError, match=r"got shape \(4,\)\. Nothing is broadcast"):
        xent.sigmoid_cross_entropy(np.zeros((4, 1)), np.zeros(4))


@pytest.mark.parametrize("name", ["where", "sample_weight"])
def test_what_is_masked_may_hold_anything(name):
    ids, mask = with_(IDS, 1, 77), IDS != 1
    assert np.isfinite(xent.softmax_cross_entropy(Z, ids, **{name: mask if name == "where" else mask.astype(float)}))
    t = with_(T, 1, np.nan)
    assert np.isfinite(xent.sigmoid_cross_entropy(Z, t, **{name: mask if name == "where" else mask.astype(float)}))


@pytest.mark.parametrize("bad", [-1e-30, np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 65535, 65536, 199999])
def test_one_bad_weight_among_many(bad, at):
    weight = with_(np.ones(200000), at, bad)
    for x in (weight, np.repeat(weight, 2)[::2]):
        with pytest.raises(ValueError, match=rf"`sample_weight` must be finite and >= 0; got {bad} at index {at}\."):
            xent.sigmoid_cross_entropy(np.zeros(200000), np.zeros(200000), sample_weight=x)


def test_given_twice():
    for loss, name in (
        (SoftmaxCrossEntropy(class_weight=2.0), "class_weight"),
        (SigmoidCrossEntropy(pos_weight=2.0), "pos_weight"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` is given twice"):
            loss(Z, IDS if name == "class_weight" else T, **{name: np.ones(3)})


@pytest.mark.parametrize("name", ["gamma", "pos_weight", "weight", "reduction"])
def test_what_does_not_travel(name):
    with pytest.raises(TypeError, match=f"`{name}` does not travel with a call"):
        SoftmaxCrossEntropy()(Z, IDS, **{name: 1.0})


@pytest.mark.parametrize("loss, targets", [(SigmoidCrossEntropy(), T), (SoftmaxCrossEntropy(), IDS)])
def test_buffers(loss, targets):
    frozen = np.empty_like(Z)
    frozen.flags.writeable = False
    for out, message in (
        (np.empty((3, 4)), "`out` must have shape"),
        (np.empty((4, 3), np.float32), "`out` must have shape"),
        ([[0.0] * 3] * 4, "`out` must be a NumPy array"),
        (frozen, "`out` must be writable"),
        (Z, "`out` must not share memory"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            loss.value_and_grad(Z, targets, out=out)
        with pytest.raises((ValueError, TypeError), match=message):
            loss.hvp(Z, targets, Z, out=out)
        with pytest.raises((ValueError, TypeError), match=message):
            loss.grad_and_hess(Z, targets, out=(np.empty_like(Z), out))
    with pytest.raises(TypeError, match="`out` must be a pair"):
        loss.grad_and_hess(Z, targets, out=np.empty_like(Z))
    same = np.empty_like(Z)
    with pytest.raises(ValueError, match="`out` must not share memory"):
        loss.grad_and_hess(Z, targets, out=(same, same))
    with pytest.raises(ValueError, match="`out` must not share memory"):
        loss.hvp(Z, targets, same, out=same)
    with pytest.raises(ValueError, match="`out` takes the losses"):
        loss(Z, targets, out=np.empty_like(Z))
    with pytest.raises(ValueError, match="`v` must have the shape of the logits"):
        loss.hvp(Z, targets, np.zeros(3))


def test_a_bad_target_raises_from_every_method():
    bad = with_(IDS, 2, 9)
    for reduction in ("mean", "sum", "none"):
        loss = SoftmaxCrossEntropy(reduction=reduction)
        for call in (loss, loss.value_and_grad, loss.grad_and_hess, lambda z, t, loss=loss: loss.hvp(z, t, z)):
            with pytest.raises(ValueError, match="got 9 at row 2"):
                call(Z, bad)


@pytest.mark.parametrize("framework, kind", [("torch", "Tensor"), ("jax", "Array")])
def test_arrays_of_a_framework_beside_numpys(monkeypatch, framework, kind):
    """A stand-in module: what counts is that `sys.modules` is looked at, and nothing else."""
    module = types.ModuleType(framework)
    foreign = type(kind, (), {"__array__": lambda self, dtype=None, copy=None: Z})
    setattr(module, kind, foreign)
    monkeypatch.setitem(sys.modules, framework, module)
    for call in (
        lambda: xent.sigmoid_cross_entropy(Z, foreign()),
        lambda: xent.sigmoid_cross_entropy(Z, T, sample_weight=foreign()),
        lambda: xent.sigmoid_cross_entropy(Z, T, pos_weight=foreign()),
        lambda: xent.softmax_cross_entropy(Z, (foreign(), foreign())),
        lambda: SoftmaxCrossEntropy().hvp(Z, IDS, foreign()),
    ):
        with pytest.raises(TypeError, match=f"got a {framework} {kind} where NumPy's are expected"):
            call()


def test_anything_with_an_array_inside_works():
    class Table:
        def __array__(self, dtype=None, copy=None):
            return np.zeros((4, 3), np.float32)

    value, gradient = SoftmaxCrossEntropy().value_and_grad(Table(), IDS)
    assert value == np.float32(np.log(3)) and gradient.dtype == np.float32


# ---- what hostile input found ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sparse", [False, True])
def test_unsigned_ids_never_wrap_onto_an_ignored_id(sparse):
    z, ids = np.zeros((2, 3)), np.array([0, 2**64 - 1], np.uint64)
    targets = (ids[:, None], np.ones((2, 1))) if sparse else ids
    with pytest.raises(ValueError, match="got 18446744073709551615 at row 1"):
        SoftmaxCrossEntropy(ignore_index=-1)(z, targets)


@pytest.mark.parametrize("weight", [5e-324, 1.7e308])
def test_a_sum_of_weights_beyond_float64(weight):
    for loss, z in ((SigmoidCrossEntropy(), np.zeros(3)), (SoftmaxCrossEntropy(), np.zeros((3, 2)))):
        with pytest.raises(ValueError, match="sum of weights"):
            loss.value_and_grad(z, [0, 1, 0], sample_weight=np.full(3, weight))
    for probs in (np.full(3, 0.5), np.full((3, 2), 0.5)):
        with pytest.raises(ValueError, match="sum of weights"):
            xent.LogLoss().value_and_grad(probs, [0, 1, 0], sample_weight=np.full(3, weight))


def test_numbers_no_float_can_hold():
    for make in (lambda: SigmoidCrossEntropy(gamma=10**400), lambda: SigmoidCrossEntropy(ignore_index=10**400)):
        with pytest.raises(ValueError, match="an integer beyond float64"):
            make()
    with pytest.raises(ValueError, match="ignore_index"):
        SoftmaxCrossEntropy(ignore_index=2**53 + 1)
    with pytest.raises(ValueError, match="temperature"):
        SoftmaxCrossEntropy(temperature=5e-324)


def test_buffers_that_cannot_hold_the_results():
    z, ids = np.zeros((2, 3)), [0, 1]
    one = np.lib.stride_tricks.as_strided(np.zeros(1), (2, 3), (0, 0))
    with pytest.raises(ValueError, match="`out` must hold every result at a place of its own"):
        SoftmaxCrossEntropy().value_and_grad(z, ids, out=one)
    with pytest.raises(TypeError, match="`out` must be a NumPy array of the base kind"):
        SoftmaxCrossEntropy().value_and_grad(z, ids, out=np.ma.zeros((2, 3)))


def test_class_weights_with_a_mask():
    with pytest.raises(TypeError, match="`class_weight` must be an array without a mask"):
        SigmoidCrossEntropy()([1.0, 2.0], [0, 1], class_weight=np.ma.array([1.0, 2.0], mask=[0, 1]))


def test_the_axis_of_log_loss():
    for axis, error in (("x", TypeError), (0.5, TypeError), (7, ValueError)):
        with pytest.raises(error, match="`axis` must"):
            xent.log_loss(np.eye(2), np.eye(2), multilabel=False, axis=axis)


def test_log_loss_beyond_its_dtype_is_infinite_and_quiet(recwarn):
    half = np.full((1, 2), 0.5, np.float16)
    value, gradient = xent.LogLoss(reduction="none").value_and_grad(half, [0], sample_weight=[1e6])
    assert value == np.inf and gradient[0, 0] == -np.inf
    assert xent.log_loss(half.astype(np.float32), [0], sample_weight=[1e300], reduction="sum") == np.inf
    assert not recwarn.list
