"""The drop-ins are torch's functions: same arguments, means, dtypes and shapes; options are xent's."""

import inspect

import pytest
import torch
import torch.nn.functional as F
from dropins import FUNCTIONS, P, Q, T, Y, Z, gradient, ordinary

import xent
import xent.torch as X

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


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
        ours = getattr(X, name)(*ordinary(name), size_average=pair[0], reduce=pair[1], reduction="what")
    with pytest.warns(UserWarning, match="size_average and reduce"):
        theirs = getattr(F, name)(*ordinary(name), size_average=pair[0], reduce=pair[1], reduction="mean")
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
            a, b = ordinary(name)
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
    a, b = (x.bfloat16() if x.is_floating_point() else x for x in ordinary(name))
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


@pytest.mark.parametrize("shape", [(2, 3, 5), (5,), (3, 1)])
def test_pos_weight_of_no_images(shape):
    z, given = torch.zeros((0, 2, 3, 5), requires_grad=True), {"pos_weight": torch.ones(shape)}
    loss = X.binary_cross_entropy_with_logits(z, torch.zeros_like(z), **given)
    loss.backward()
    assert loss == 0 and z.grad.shape == z.shape
    assert X.binary_cross_entropy_with_logits(z, z.detach(), reduction="none", **given).shape == z.shape


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
