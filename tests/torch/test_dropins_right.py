"""Where torch is wrong the drop-ins are right: docs/torch.md has the list."""

import math

import pytest
import torch
import torch.nn.functional as F
from dropins import MASKED, P, Q, T, Y, Z, gradient

import xent.torch as X

INF, NAN = math.inf, math.nan
INTEGERS = (
    torch.bool, torch.int8, torch.uint8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64
)  # fmt: skip


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
