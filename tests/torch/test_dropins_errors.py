"""Bad input is an error of torch's kind and of xent's, or NaN where nobody may look: the table of docs/torch.md."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from dropins import MASKED, P, Q, T, Y, Z, gradient, ordinary

import xent.torch as X

NAN = math.nan


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
        (X.nll_loss, (Q, Y), {"denominator": 0}, ValueError, "`denominator` must be"),
        (X.binary_cross_entropy, (P, T), {"denominator": -3.0}, ValueError, "`denominator` must be"),
        (X.binary_cross_entropy, (P, T), {"label_smoothing": 1.5}, ValueError, "`label_smoothing` must be"),
        (X.cross_entropy, (Z, Y, -torch.ones(4)), {"label_smoothing": 1.5}, ValueError, "`label_smoothing` must be"),
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
    a, b = ordinary(name)
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
