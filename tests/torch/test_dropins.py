"""The drop-ins are torch's functions: same arguments, means, dtypes and errors; where torch is wrong they are not."""

import inspect
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import xent
import xent.torch as X

INF, NAN = math.inf, math.nan
FUNCTIONS = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div",
    "multilabel_soft_margin_loss", "nll_loss",
)  # fmt: skip
MASKED = ("binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss")
HALF = (torch.float16, torch.bfloat16)
FLOATS = (*HALF, torch.float32, torch.float64)
INTEGERS = (
    torch.bool, torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64
)  # fmt: skip
Z = torch.tensor([[0.5, -1.0, 2.0, 0.0], [1.5, 0.25, -0.5, -2.0], [0.0, 3.0, 1.0, -1.0]])
Y = torch.tensor([0, 2, 3])
T = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]])
P = torch.softmax(torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.5, -1.0, 2.0], [3.0, 1.0, 1.0, 0.0]]), 1)
Q = P.log()


def gradient(function, *args, **kwargs):
    """(value, gradient in the first argument)."""
    first = args[0].detach().clone().requires_grad_()
    value = function(first, *args[1:], **kwargs)
    value.sum().backward()
    return value.detach(), first.grad


def peers(name):
    """An ordinary call of the function: (input, target)."""
    known = {"binary_cross_entropy": (P, T), "kl_div": (Q, P), "nll_loss": (Q, Y), "cross_entropy": (Z, Y)}
    return known.get(name, (Z, T))


# ---- signature


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_signature_is_torchs_and_more_by_keyword(name):
    ours, theirs = (inspect.signature(getattr(m, name)).parameters.values() for m in (X, F))
    shared = [p for p in ours if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [(p.name, p.default) for p in shared] == [(p.name, p.default) for p in theirs]
    assert all(
        p.kind is p.KEYWORD_ONLY for p in inspect.signature(getattr(X, name)).parameters.values() if p not in shared
    )


def test_focal_has_torchvisions_signature():
    shared = [
        p for p in inspect.signature(X.sigmoid_focal_loss).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    assert [(p.name, p.default) for p in shared] == [
        ("inputs", inspect.Parameter.empty), ("targets", inspect.Parameter.empty), ("alpha", 0.25), ("gamma", 2),
        ("reduction", "none"),
    ]  # fmt: skip


def test_everything_is_documented_by_example():
    for name in X.__all__:
        assert ">>>" in getattr(X, name).__doc__, name


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("pair", [(None, False), (False, None), (True, True), (False, True), (True, False)])
def test_the_deprecated_pair_decides(name, pair):
    with pytest.warns(UserWarning, match="size_average and reduce"):
        ours = getattr(X, name)(*peers(name), size_average=pair[0], reduce=pair[1], reduction="what")
    with pytest.warns(UserWarning, match="size_average and reduce"):
        theirs = getattr(F, name)(*peers(name), size_average=pair[0], reduce=pair[1], reduction="mean")
    torch.testing.assert_close(ours, theirs)


# ---- dtype


@pytest.mark.filterwarnings("ignore:.*reduction.*mean")
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_loss_has_the_dtype_of_torchs(name, reduction):
    """Two exceptions, in docs/torch.md: the narrower target does not narrow the loss; what torch refuses is wider."""
    tried = 0
    for first in FLOATS:
        for second in (None,) if name == "nll_loss" else FLOATS:
            a, b = peers(name)
            a, b = a.to(first), b if second is None or name == "cross_entropy" else b.to(second)
            ours = getattr(X, name)(a, b, reduction=reduction)
            try:
                theirs = getattr(F, name)(a, b, reduction=reduction)
            except RuntimeError:
                assert name == "binary_cross_entropy" and first != second
                assert ours.dtype == torch.promote_types(first, second)
                continue
            if name == "binary_cross_entropy_with_logits" and theirs.dtype != torch.promote_types(first, second):
                assert theirs.dtype == second and ours.dtype == torch.promote_types(first, second)
                continue
            assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
            torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.05)
            tried += 1
    assert tried >= 4


@pytest.mark.filterwarnings("ignore:.*reduction.*mean")
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_autocast(name, reduction):
    a, b = (x.bfloat16() if x.is_floating_point() else x for x in peers(name))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        ours, theirs = (getattr(m, name)(a, b, reduction=reduction) for m in (X, F))
    assert ours.dtype == theirs.dtype
    torch.testing.assert_close(ours, theirs, rtol=0.02, atol=0.02)


# ---- means, weights, shapes


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("signs", ["all", "some"])
@pytest.mark.parametrize("dense", [False, True])
def test_class_weights(reduction, smoothing, signs, dense):
    weight = torch.tensor([1.0, 2.0, 5.0, 0.5]) * (1.0 if signs == "all" else torch.tensor([1.0, -1.0, 1.0, 1.0]))
    target = P if dense else Y
    ours, mine = gradient(X.cross_entropy, Z, target, weight, reduction=reduction, label_smoothing=smoothing)
    theirs, other = gradient(F.cross_entropy, Z, target, weight, reduction=reduction, label_smoothing=smoothing)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("shape", [(4,), (3, 4), (3, 1), (1, 4), (1,), (), (1, 1)])
@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("name", ["weight", "pos_weight"])
def test_weights_of_any_shape_that_broadcasts(shape, reduction, name):
    given = {name: torch.rand(shape, generator=torch.Generator().manual_seed(1)) + 0.5, "reduction": reduction}
    ours, mine = gradient(X.binary_cross_entropy_with_logits, Z, P, **given)
    theirs, other = gradient(F.binary_cross_entropy_with_logits, Z, P, **given)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(mine, other)


@pytest.mark.parametrize(
    "shape", [(5,), (3, 1), (3, 5), (2, 1, 1), (2, 3, 1), (4, 2, 3, 5), (4, 1, 1, 1), (4, 1, 1, 5)]
)
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_pos_weight_of_images(shape, reduction):
    source = torch.Generator().manual_seed(2)
    z, t = torch.randn((4, 2, 3, 5), generator=source), torch.rand((4, 2, 3, 5), generator=source)
    given = {"pos_weight": torch.rand(shape, generator=source), "reduction": reduction, "weight": torch.rand((2, 1, 1))}
    ours, mine = gradient(X.binary_cross_entropy_with_logits, z, t, **given)
    theirs, other = gradient(F.binary_cross_entropy_with_logits, z, t, **given)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(mine, other)


def test_one_row_of_logits_and_a_pos_weight_of_each():
    given = {"pos_weight": torch.tensor([1.0, 2.0, 3.0, 4.0])}
    ours = X.binary_cross_entropy_with_logits(Z[0], T[0], **given)
    torch.testing.assert_close(ours, F.binary_cross_entropy_with_logits(Z[0], T[0], **given))


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 4, 3), (2, 4, 3, 2), (2, 4, 3, 2, 1)])
@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_the_class_axis_is_the_second(shape, name):
    source = torch.Generator().manual_seed(3)
    z = torch.log_softmax(torch.randn(shape, generator=source), min(1, len(shape) - 1))
    y = torch.randint(4, shape[:1] + shape[2:] if len(shape) > 1 else (), generator=source)
    for reduction in ("mean", "sum", "none"):
        ours, mine = gradient(getattr(X, name), z, y, reduction=reduction)
        theirs, other = gradient(getattr(F, name), z, y, reduction=reduction)
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(mine, other)


def test_the_class_axis_can_be_named():
    torch.testing.assert_close(X.cross_entropy(Z.T, Y, axis=0), F.cross_entropy(Z, Y))
    torch.testing.assert_close(X.cross_entropy(Z, Y, axis=-1), F.cross_entropy(Z, Y))


@pytest.mark.parametrize(
    "given", [{}, {"weight": torch.tensor([1.0, 2.0, 5.0, 0.5])}, {"label_smoothing": 0.1}], ids=str
)
def test_a_class_id_is_its_one_hot_row_where_asked(given):
    """torch's mean is another for each; `denominator` makes it one."""
    hot = F.one_hot(Y, 4).float()
    assert "weight" not in given or not torch.allclose(F.cross_entropy(Z, Y, **given), F.cross_entropy(Z, hot, **given))
    by_id, by_row = (X.cross_entropy(Z, t, denominator="weight", **given) for t in (Y, hot))
    torch.testing.assert_close(by_id, by_row)


# ---- every option is the face's


OPTIONS = {
    "gamma": 2.0, "alpha": 0.25, "poly": 1.5, "gce": 0.7, "temperature": 0.5, "softcap": 3.0, "label_smoothing": 0.1,
    "denominator": "count",
}  # fmt: skip


@pytest.mark.parametrize("name", OPTIONS)
def test_options_mean_what_they_mean_in_xent(name):
    given = {name: OPTIONS[name]}
    by_label = {"denominator": "elements"} | given
    torch.testing.assert_close(X.cross_entropy(Z, Y, **given), xent.softmax_cross_entropy(Z, Y, **given))
    ours = X.binary_cross_entropy_with_logits(Z, T, **given)
    torch.testing.assert_close(ours, xent.sigmoid_cross_entropy(Z, T, **by_label))
    torch.testing.assert_close(X.multilabel_soft_margin_loss(Z, T, **given), ours)


def test_options_with_arrays():
    row, each = torch.tensor([1.0, 0.0, 2.0]), torch.rand(3, 4)
    where = torch.tensor([True, False, True])
    bias, prior = torch.tensor([0.1, 0.2, -0.3, 0.0]), torch.tensor([0.5, 0.25, 0.25, 0.0])
    given = {"sample_weight": row, "bias": bias, "prior": prior, "label_smoothing": 0.2, "z_loss": 0.01}
    torch.testing.assert_close(X.cross_entropy(Z, Y, **given), xent.softmax_cross_entropy(Z, Y, **given))
    torch.testing.assert_close(X.cross_entropy(Z, Y, where=where), F.cross_entropy(Z[where], Y[where]))
    torch.testing.assert_close(X.cross_entropy(Z, P, where=where), F.cross_entropy(Z[where], P[where]))
    bce = X.binary_cross_entropy_with_logits
    torch.testing.assert_close(bce(Z, T, where=where), F.binary_cross_entropy_with_logits(Z[where], T[where]))
    torch.testing.assert_close(bce(Z, T, sample_weight=each), bce(Z, T, each))
    torch.testing.assert_close(bce(Z, T, sample_weight=row, denominator="weight"), bce(Z[[0, 2, 2]], T[[0, 2, 2]]))
    torch.testing.assert_close(X.nll_loss(Q, Y, where=where), F.nll_loss(Q[where], Y[where]))
    torch.testing.assert_close(X.nll_loss(Q, Y, sample_weight=row), F.nll_loss(Q[[0, 2, 2]], Y[[0, 2, 2]]))
    torch.testing.assert_close(X.binary_cross_entropy(P, T, where=where), F.binary_cross_entropy(P[where], T[where]))
    torch.testing.assert_close(X.kl_div(Q, P, reduction="sum", where=T > 0), (P * (P.log() - Q))[T > 0].sum())


@pytest.mark.parametrize("negative", [False, True])
@pytest.mark.parametrize("denominator", [None, "weight", "count", "elements", "positives", 7.0])
def test_denominators_beside_weights(denominator, negative):
    """Weights of either sign are reduced alike; `weight` is in no denominator but "weight"."""
    weight = torch.tensor([[1.0, 2.0, 0.0, 1.0]]) * (-1.0 if negative else 1.0)
    keep = T >= 0
    keep[0, 0] = False
    divisor = {
        None: 11.0, "weight": (weight.expand(3, 4) * keep).sum(), "count": 8.0, "elements": 12.0, "positives": 5.0
    }.get(denominator, denominator)  # fmt: skip
    losses = F.binary_cross_entropy_with_logits(Z, T, weight, reduction="none")
    if denominator == "positives":
        divisor = T[keep & (weight != 0)].sum()
    ours = X.binary_cross_entropy_with_logits(Z, T, weight, where=keep, denominator=denominator)
    torch.testing.assert_close(ours, losses[keep].sum() / divisor)


def test_ignored_labels_of_bce_and_ignored_rows_of_probabilities():
    t = T.clone()
    t[0, 1] = -1.0
    keep = t >= 0
    ours, grad = gradient(X.binary_cross_entropy_with_logits, Z, t, ignore_index=-1)
    torch.testing.assert_close(ours, F.binary_cross_entropy_with_logits(Z[keep], t[keep]))
    assert grad[0, 1] == 0
    torch.testing.assert_close(X.binary_cross_entropy(P, t, ignore_index=-1), F.binary_cross_entropy(P[keep], t[keep]))
    soft = P.clone()
    soft[1] = -100.0
    torch.testing.assert_close(X.cross_entropy(Z, soft), F.cross_entropy(Z[[0, 2]], soft[[0, 2]]))
    hot = F.one_hot(Y, 4).float()  # torch: an error
    torch.testing.assert_close(X.cross_entropy(Z, hot, ignore_index=2), F.cross_entropy(Z, Y, ignore_index=2))
    assert X.cross_entropy(Z, Y, ignore_index=(0, 2)) == F.cross_entropy(Z[2:], Y[2:])
    assert X.cross_entropy(Z, Y, ignore_index=None) == X.cross_entropy(Z, Y)


def test_focal_is_torchvisions():
    """Its formula, on hard targets and moderate logits."""
    p = torch.sigmoid(Z)
    right = p * T + (1 - p) * (1 - T)
    for gamma, alpha in ((2, 0.25), (0.5, 0.9), (1.5, -1)):
        losses = F.binary_cross_entropy_with_logits(Z, T, reduction="none") * (1 - right) ** gamma
        losses = losses if alpha < 0 else (alpha * T + (1 - alpha) * (1 - T)) * losses
        torch.testing.assert_close(X.sigmoid_focal_loss(Z, T, alpha, gamma), losses)
        torch.testing.assert_close(X.sigmoid_focal_loss(Z, T, alpha, gamma, "mean"), losses.mean())
        torch.testing.assert_close(X.sigmoid_focal_loss(Z, T, alpha, gamma, "sum"), losses.sum())


# ---- where torch is wrong


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("size", [20.0, 80.0])
def test_the_tails_live(sign, size):
    z, t = torch.tensor([sign * size]), torch.tensor([0.5 + 0.5 * sign])
    value, grad = gradient(X.binary_cross_entropy_with_logits, z, t)
    torch.testing.assert_close(
        value.double(), torch.tensor(math.log1p(math.exp(-size)), dtype=torch.float64), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(grad, -sign * value[None], rtol=1e-6, atol=0)
    value, grad = gradient(X.cross_entropy, torch.tensor([[size, 0.0]]), torch.tensor([0]))
    assert math.isclose(value, math.exp(-size), rel_tol=1e-6) and math.isclose(-grad[0, 0], value, rel_tol=1e-6)


def test_infinities():
    z, t = torch.tensor([INF, -INF, INF, -INF]), torch.tensor([1.0, 0.0, 0.0, 1.0])
    value, grad = gradient(X.binary_cross_entropy_with_logits, z, t, reduction="none")
    assert value.tolist() == [0.0, 0.0, INF, INF] and grad.tolist() == [0.0, 0.0, 1.0, -1.0]
    masked = torch.tensor([[0.0, -INF, 0.0]])
    for target in (torch.tensor([0]), torch.tensor([[1.0, 0.0, 0.0]])):
        value, grad = gradient(X.cross_entropy, masked, target)
        torch.testing.assert_close(value, torch.tensor(math.log(2.0)))
        torch.testing.assert_close(grad, torch.tensor([[-0.5, 0.0, 0.5]]))
    assert X.cross_entropy(masked, torch.tensor([0]), label_smoothing=0.1).isfinite()
    assert X.multilabel_soft_margin_loss(z[:2], t[:2]) == 0


@pytest.mark.parametrize("empty", ["zero", "nan", "raise"])
@pytest.mark.parametrize("name", MASKED)
def test_nothing_left(name, empty):
    given = {"empty": empty}
    if name in ("cross_entropy", "nll_loss"):
        call = (getattr(X, name), torch.full((2, 3), NAN), torch.tensor([-100, -100]))
    else:
        call, given = (getattr(X, name), torch.full((2, 3), NAN), torch.zeros(2, 3)), given | {"ignore_index": 0}
    if empty == "raise":
        with pytest.raises(ValueError, match="nothing is left to average"):
            call[0](*call[1:], **given)
        return
    value, grad = gradient(*call, **given)
    assert value == 0 if empty == "zero" else value.isnan()
    assert grad.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
def test_nan_in_an_ignored_row_stays_there(name):
    z = Q.clone()
    z[1] = NAN
    value, grad = gradient(getattr(X, name), z, torch.tensor([0, -100, 3]))
    torch.testing.assert_close(value, getattr(F, name)(Q[[0, 2]], torch.tensor([0, 3])))
    assert grad[1].tolist() == [0.0] * 4 and grad.isfinite().all()


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_targets_of_any_integer_dtype(dtype):
    y, t = torch.tensor([0, 1, 1]), T
    assert X.cross_entropy(Z, y.to(dtype)) == X.cross_entropy(Z, y)
    assert X.nll_loss(Q, y.to(dtype)) == X.nll_loss(Q, y)
    for name in ("binary_cross_entropy_with_logits", "multilabel_soft_margin_loss", "sigmoid_focal_loss"):
        assert torch.equal(getattr(X, name)(Z, t.to(dtype)), getattr(X, name)(Z, t))
    assert X.binary_cross_entropy(P, t.to(dtype)) == X.binary_cross_entropy(P, t)
    assert X.cross_entropy(Z, F.one_hot(Y, 4).to(dtype)) == X.cross_entropy(Z, F.one_hot(Y, 4).float())


def test_focal_below_one_has_a_gradient():
    value, grad = gradient(
        X.sigmoid_focal_loss, torch.tensor([30.0, -30.0]), torch.tensor([1.0, 0.0]), alpha=-1, gamma=0.5
    )
    assert value.isfinite().all() and (value > 0).all()
    assert grad.isfinite().all() and grad[0] < 0 < grad[1]


def test_bfloat16_has_the_exact_gradient():
    z, t = torch.tensor([[9.0, -9.0], [1.0, 0.0]], dtype=torch.bfloat16)
    value, grad = gradient(X.binary_cross_entropy_with_logits, z, t, reduction="sum")
    right = 1.0 / (1.0 + math.exp(9.0))
    assert value.dtype == grad.dtype == torch.bfloat16
    torch.testing.assert_close(grad.double(), torch.tensor([-right, right], dtype=torch.float64), rtol=2.0**-8, atol=0)


# ---- from probabilities


def test_probabilities_at_the_ends():
    p, t = torch.tensor([0.0, 1.0, 0.0, 1.0, 1e-30, 1e-30]), torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0, 1.0])
    value, grad = gradient(X.binary_cross_entropy, p, t, reduction="none")
    torch.testing.assert_close(value, F.binary_cross_entropy(p, t, reduction="none"))
    # torch's slopes where they are its convention; its slope at (1e-30, 0) is 1e-18, and wrong
    assert grad.tolist() == pytest.approx([1.0, -1.0, -1e12, 1e12, 1.0, -1e12])
    value, grad = gradient(X.binary_cross_entropy, p, t, reduction="none", exact=True)
    assert value[:4].tolist() == [0.0, 0.0, INF, INF] and grad[:4].tolist() == [1.0, -1.0, -INF, INF]
    assert grad[4:].tolist() == pytest.approx([1.0, -1e30])


def test_derivatives_of_probabilities_beyond_the_first():
    p = torch.tensor([0.0, 1.0, 0.3, 1e-20], dtype=torch.float64, requires_grad=True)
    t = torch.tensor([0.0, 1.0, 0.6, 0.0], dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(X.binary_cross_entropy(p, t, reduction="sum"), p, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), p)
    assert second.tolist() == pytest.approx([1.0, 1.0, 0.6 / 0.09 + 0.4 / 0.49, 1.0])
    (by_target,) = torch.autograd.grad(X.binary_cross_entropy(p, t, reduction="sum"), t)
    assert by_target.isfinite().all()


def test_divergence_with_zeros():
    q, p = torch.tensor([-INF, -1.0, -INF, -1.0]), torch.tensor([0.0, 0.0, 1.0, 0.5])
    value, grad = gradient(X.kl_div, q, p, reduction="none")
    assert value[:3].tolist() == [0.0, 0.0, INF] and grad.tolist() == [0.0, 0.0, -1.0, -0.5]
    value, grad = gradient(X.kl_div, q, p.log(), reduction="none", log_target=True)
    assert value[:3].tolist() == [0.0, 0.0, INF] and grad.tolist() == [0.0, 0.0, -1.0, -0.5]
    target = p.clone().requires_grad_()
    X.kl_div(torch.full((4,), -1.0), target, reduction="sum").backward()
    assert target.grad.isfinite().all()


def test_the_mean_of_kl_div_warns_as_torchs():
    with pytest.warns(UserWarning, match="'batchmean'"):
        ours = X.kl_div(Q, P)
    with pytest.warns(UserWarning, match="'batchmean'"):
        torch.testing.assert_close(ours, F.kl_div(Q, P))


# ---- compilers and transforms


CALLS = {name: getattr(X, name) for name in (*FUNCTIONS, "sigmoid_focal_loss")} | {
    "weighted": lambda z, y: X.cross_entropy(z, y, torch.tensor([1.0, 2.0, 0.5, 1.0])),
    "smoothed": lambda z, y: X.cross_entropy(z, y, torch.tensor([1.0, 2.0, 0.5, 1.0]), label_smoothing=0.1),
    "soft": lambda z, y: X.cross_entropy(z, torch.softmax(z.detach(), 1)),
    "weighed": lambda z, t: X.binary_cross_entropy_with_logits(
        z, t, z.detach() ** 2, pos_weight=z.new_full((3, 1), 2.0)
    ),
    "kl_div": lambda q, p: X.kl_div(q, p, reduction="batchmean"),
}
ARGUMENTS = {"weighted": (Z, Y), "smoothed": (Z, Y), "soft": (Z, Y)}


@pytest.mark.parametrize("name", CALLS)
def test_one_graph_of_compile_and_export(name):
    a, b = ARGUMENTS.get(name) or peers(name)
    torch._dynamo.reset()
    whole = torch.compile(CALLS[name], fullgraph=True, backend="aot_eager")
    for ours, theirs in zip(gradient(whole, a, b), gradient(CALLS[name], a, b), strict=True):
        torch.testing.assert_close(ours, theirs)
    module = torch.nn.Module()
    module.forward = CALLS[name]
    torch.testing.assert_close(torch.export.export(module, (a, b)).module()(a, b), CALLS[name](a, b))


@pytest.mark.parametrize("name", [name for name in CALLS if name != "weighed"])  # one pos_weight per row
def test_per_sample_gradients(name):
    a, b = ARGUMENTS.get(name) or peers(name)
    one = torch.func.grad(lambda z, y: CALLS[name](z[None], y[None]).sum())
    each = torch.stack([gradient(CALLS[name], z[None], y[None])[1][0] for z, y in zip(a, b, strict=True)])
    torch.testing.assert_close(torch.func.vmap(one)(a, b), each)


def test_no_values_no_look():
    meta = {"device": "meta"}
    z, y = torch.empty(3, 4, **meta), torch.empty(3, dtype=torch.long, **meta)
    for name, function in CALLS.items():
        assert function(z, y if name in (*ARGUMENTS, "cross_entropy", "nll_loss") else z).device.type == "meta"


# ---- bad input: docs/torch.md has the table


BAD = {
    "shapes": [
        (X.binary_cross_entropy_with_logits, (Z, T[:, :1]), {}, ValueError, r"of the input, \(3, 4\)"),
        (X.binary_cross_entropy, (P, T[:, 0]), {}, ValueError, "Nothing is broadcast"),
        (X.multilabel_soft_margin_loss, (Z, T[:1]), {}, RuntimeError, "`target` must have the shape"),
        (X.kl_div, (Q, P[:, :1]), {"reduction": "sum"}, RuntimeError, "`target` must have the shape"),
        (X.sigmoid_focal_loss, (Z, T[:, :1]), {}, RuntimeError, "`targets` must have the shape of the inputs"),
        (X.cross_entropy, (Z, Y[:, None]), {}, RuntimeError, "`target` must have the shape"),
        (X.cross_entropy, (Z, Y[:2]), {}, ValueError, "`target` must have one class id per row"),
        (X.nll_loss, (Q, Y[:, None]), {}, RuntimeError, "`target` must have one class id per row"),
        (X.cross_entropy, (Z, Y, torch.ones(3)), {}, RuntimeError, "`weight` must"),
        (X.cross_entropy, (Z, Y, -torch.ones(3)), {}, RuntimeError, "`weight` must"),
        (X.nll_loss, (Q, Y, torch.ones(3)), {}, RuntimeError, "`weight` must hold one number per class"),
        (X.binary_cross_entropy_with_logits, (Z, T, torch.ones(3)), {}, RuntimeError, "`weight` must broadcast"),
        (X.binary_cross_entropy_with_logits, (Z, T, torch.ones(2, 3, 4)), {}, RuntimeError, "`weight` must broadcast"),
        (X.binary_cross_entropy_with_logits, (Z, T), {"pos_weight": torch.ones(3)}, RuntimeError, "`pos_weight` must"),
        (X.multilabel_soft_margin_loss, (Z[0, 0], T[0, 0]), {}, IndexError, "label axis"),
        (X.cross_entropy, (Z[0, 0], Y[0]), {}, RuntimeError, "class axis"),
        (X.cross_entropy, (Z, Y), {"where": torch.tensor([True])}, ValueError, "one entry per row"),
    ],
    "ids": [
        (X.cross_entropy, (Z, torch.tensor([0, 1, 4])), {}, IndexError, r"class ids in \[0, 4\) or .*; got 4 at row 2"),
        (X.cross_entropy, (Z, torch.tensor([0, -1, 2])), {}, IndexError, "got -1 at row 1"),
        (X.nll_loss, (Q, torch.tensor([0, 1, 4])), {}, IndexError, r"class ids in \[0, 4\) or .*; got 4 at index 2"),
        (X.nll_loss, (Q, torch.tensor([0, -100, 1])), {"ignore_index": None}, IndexError, r"\[0, 4\); got -100"),
        (X.cross_entropy, (Z, Y.float()), {}, RuntimeError, "must be integers"),
        (X.nll_loss, (Q, Y.float()), {}, RuntimeError, "must be integers"),
    ],
    "values": [
        (X.binary_cross_entropy_with_logits, (Z, T + 1), {}, ValueError, r"`target` must lie in \[0, 1\]; got 2"),
        (X.cross_entropy, (Z, 2 * P), {}, ValueError, r"`target` must lie in \[0, 1\]"),
        (X.multilabel_soft_margin_loss, (Z, -T), {}, ValueError, r"`target` must lie in \[0, 1\]"),
        (X.binary_cross_entropy, (P + 1, T), {}, RuntimeError, r"`input` must .* in \[0, 1\]; got 1.03"),
        (X.binary_cross_entropy, (P * NAN, T), {}, RuntimeError, "got nan at index"),
        (X.binary_cross_entropy, (P, T - 1), {}, RuntimeError, r"`target` must lie in \[0, 1\]; got -1"),
        (X.kl_div, (Q, -P), {"reduction": "sum"}, ValueError, "probabilities >= 0; got -0.03"),
        (X.cross_entropy, (Z, Y), {"label_smoothing": -0.1}, RuntimeError, "`label_smoothing` must be"),
        (X.cross_entropy, (Z, Y, torch.tensor([NAN, 1, 1, 1])), {}, ValueError, "`weight` must be finite"),
        (X.binary_cross_entropy_with_logits, (Z, T), {"pos_weight": -torch.ones(4)}, ValueError, "`pos_weight` must"),
        (X.sigmoid_focal_loss, (Z, T), {"alpha": 2.0}, ValueError, "`alpha` must be"),
        (X.cross_entropy, (Z, Y), {"reduction": "what"}, ValueError, "must be one of 'mean', 'sum', 'none'"),
        (X.kl_div, (Q, P), {"reduction": "what"}, ValueError, "'batchmean'"),
        (X.nll_loss, (Q, Y), {"denominator": "what"}, ValueError, "`denominator` must be"),
    ],
    "kinds": [
        (X.cross_entropy, (Y[None], Y[:1]), {}, NotImplementedError, "`input` must hold floating-point numbers"),
        (X.binary_cross_entropy_with_logits, (Y, Y), {}, TypeError, "`input` must hold floating-point numbers"),
        (X.cross_entropy, ([[1.0]], Y), {}, TypeError, "`input` must be a tensor; got list"),
        (X.cross_entropy, (Z, Y), {"where": Y}, TypeError, "`where` must be boolean"),
        (X.cross_entropy, (Z, Y.to("meta")), {}, RuntimeError, "on the device of the input, cpu; got meta"),
        (X.nll_loss, (Q.to("meta"), Y), {}, ValueError, "`target` must be on the device of the input, meta; got cpu"),
        (X.kl_div, (Q, P.to("meta")), {"reduction": "sum"}, ValueError, "on the device of the input"),
        (X.binary_cross_entropy_with_logits, (Z, T, T.to("meta")), {}, ValueError, "`weight` must be on the device"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_input(kind):
    for function, args, given, error, message in BAD[kind]:
        with pytest.raises(error, match=message) as caught:
            function(*args, **given)
        assert isinstance(caught.value, (ValueError, TypeError))


def test_negative_ids_do_not_wrap():
    """-100 beside unsigned ids is 156 to torch's operators, and 2^64 - 100 as a signed number is -100."""
    z = torch.randn(1, 200)
    for dtype in (torch.uint8, torch.uint16):
        y = torch.tensor([156], dtype=dtype)
        for name in ("cross_entropy", "nll_loss"):
            ours = getattr(X, name)(z, y, z.new_full((200,), -1.0))
            torch.testing.assert_close(ours, getattr(F, name)(z, y.long()))
    for name in ("cross_entropy", "nll_loss"):
        with pytest.raises(IndexError):
            getattr(X, name)(z, torch.tensor([2**64 - 100], dtype=torch.uint64))


def test_integers_cannot_require_a_gradient():
    with pytest.raises(RuntimeError, match="floating"):
        torch.tensor([1], requires_grad=True)


@pytest.mark.parametrize("name", MASKED)
def test_what_nobody_may_look_at_becomes_nan(name):
    """Under vmap no error can be raised: the row's loss and gradient are NaN."""
    a, b = peers(name)
    b = b.clone()
    b[1] = 5
    value = torch.func.vmap(lambda z, y: getattr(X, name)(z[None], y[None]))
    grads = torch.func.vmap(torch.func.grad(lambda z, y: getattr(X, name)(z[None], y[None])))
    assert value(a, b).isnan().tolist() == [False, True, False]
    assert grads(a, b).isnan().any(1).tolist() == [False, True, False]


def test_an_unknown_option_is_a_plain_type_error():
    with pytest.raises(TypeError, match="sample_weights"):
        X.cross_entropy(Z, Y, sample_weights=None)


def test_inputs_are_never_written():
    a, b = Z.clone(), P.clone()
    gradient(X.cross_entropy, a, b, torch.tensor([1.0, -1.0, 1.0, 1.0]))
    gradient(X.binary_cross_entropy, b, b)
    assert torch.equal(a, Z) and torch.equal(b, P)


def test_numpy_beside_tensors():
    assert X.cross_entropy(Z, Y.numpy()) == X.cross_entropy(Z, Y)
    assert X.binary_cross_entropy_with_logits(Z, T.numpy().astype(np.int8)) == X.binary_cross_entropy_with_logits(Z, T)
