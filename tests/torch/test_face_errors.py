"""Bad tensors: errors in the house grammar, before any value is returned."""

import numpy as np
import pytest
import torch

import xent
from xent import SigmoidCrossEntropy, SoftmaxCrossEntropy

Z, IDS, T = torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]), torch.zeros(4, 3)
META = torch.zeros(4, 3, device="meta")
SOFTMAX, SIGMOID = xent.softmax_cross_entropy, xent.sigmoid_cross_entropy


@pytest.mark.parametrize("tracked", [False, True])
@pytest.mark.parametrize(
    "loss, targets, arrays, message",
    [
        (SOFTMAX, torch.tensor([0, 1, 2, 12]), {}, "`targets` must hold class ids in [0, 3); got 12 at row 3."),
        (SOFTMAX, torch.tensor([0, -1, 2, 1]), {}, "`targets` must hold class ids in [0, 3); got -1 at row 1."),
        (SOFTMAX, IDS[:, None], {}, "`targets` must have the shape of the logits, or one class id per row, (4, 3)"),
        (SOFTMAX, IDS.float(), {}, "are class ids and must be integers; got float32"),
        (SIGMOID, T + 1.5, {}, "`targets` must lie in [0, 1]; got 1.5 at index (0, 0)."),
        (SIGMOID, (T + 1.5).bfloat16(), {}, "`targets` must lie in [0, 1]; got 1.5 at index (0, 0)."),
        (SIGMOID, T[:, :1], {}, "`targets` must have the shape of the logits, (4, 3); got shape (4, 1)."),
        (SIGMOID, T, {"sample_weight": -torch.ones(4)}, "`sample_weight` must be finite and >= 0; got -1.0 at index"),
        (SIGMOID, T, {"where": torch.ones(4)}, "`where` must be boolean; got float32."),
        (SIGMOID, T, {"pos_weight": torch.ones(4)}, "`pos_weight` must be a number or hold one number per label"),
        (SIGMOID, T.to_sparse(), {}, "`targets` must be a strided tensor; got layout torch.sparse_coo."),
        (SIGMOID, T.cfloat(), {}, "`targets` must hold bool, integer or floating-point numbers; got complex64."),
        (SIGMOID, META, {}, "`targets` must be on the device of the logits, cpu; got meta."),
        (
            SIGMOID,
            T,
            {"sample_weight": META[:, 0]},
            "`sample_weight` must be on the device of the logits, cpu; got meta",
        ),
        (SIGMOID, [["a"] * 3] * 4, {}, "`targets` must hold bool, integer or floating-point numbers"),
    ],
)
def test_beside(loss, targets, arrays, message, tracked):
    with pytest.raises((ValueError, TypeError)) as caught:
        loss(Z.clone().requires_grad_(tracked), targets, **arrays)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "logits, message",
    [
        (IDS, "`logits` must hold floating-point numbers (float16, bfloat16, float32, float64); got torch.int64"),
        (Z.cfloat(), "`logits` must hold floating-point numbers"),
        (Z.to(torch.float8_e4m3fn), "`logits` must hold floating-point numbers"),
        (Z.to_sparse(), "`logits` must be a strided tensor; got layout torch.sparse_coo. Pass `logits.to_dense()`."),
    ],
)
def test_logits(logits, message):
    for call in (SIGMOID, SigmoidCrossEntropy().value_and_grad, SigmoidCrossEntropy().grad_and_hess):
        with pytest.raises(TypeError) as caught:
            call(logits, T)
        assert message in str(caught.value)


def test_a_tensor_beside_numpy_logits():
    for call in (
        lambda: SOFTMAX(Z.numpy(), IDS),
        lambda: SIGMOID(Z.numpy(), T.numpy(), sample_weight=torch.ones(4)),
        lambda: SIGMOID([0.0, 1.0], torch.zeros(2)),
    ):
        with pytest.raises(TypeError, match="got a torch Tensor where NumPy's are expected"):
            call()


def test_tables_may_come_from_the_cpu():
    loss = SigmoidCrossEntropy()(META, META, pos_weight=torch.ones(3))
    assert loss.device.type == "meta"


def test_out():
    loss, none = SoftmaxCrossEntropy(), SoftmaxCrossEntropy(reduction="none")
    for out, error, message in (
        (np.empty((4, 3), np.float32), TypeError, "`out` must be a tensor; got ndarray."),
        (torch.empty(3, 4), ValueError, r"`out` must have shape \(4, 3\) and dtype torch.float32"),
        (torch.empty(4, 3, dtype=torch.bfloat16), ValueError, "got shape .* and dtype torch.bfloat16"),
        (torch.empty(4, 3, requires_grad=True), ValueError, "`out` must not require a gradient"),
        (torch.empty(4, 3, device="meta"), ValueError, "`out` must be on the device of the logits, cpu; got meta"),
        (Z, ValueError, "`out` must not share memory"),
        (torch.empty(1, 1).expand(4, 3), ValueError, "`out` must hold every result at a place of its own"),
    ):
        for call in (
            lambda out: loss.value_and_grad(Z, IDS, out=out),
            lambda out: loss.hvp(Z, IDS, torch.ones(4, 3), out=out),
            lambda out: loss.grad_and_hess(Z, IDS, out=(torch.empty(4, 3), out)),
        ):
            with pytest.raises(error, match=message):
                call(out)
    with pytest.raises(TypeError, match="`out` must be a pair"):
        loss.grad_and_hess(Z, IDS, out=torch.empty(4, 3))
    with pytest.raises(ValueError, match="`out` takes the losses"):
        loss(Z, IDS, out=torch.empty(4))
    with pytest.raises(ValueError, match="`out` takes losses of which no derivative is asked"):
        none(Z.clone().requires_grad_(), IDS, out=torch.empty(4))
    with pytest.raises(ValueError, match="`v` must have the shape of the logits"):
        loss.hvp(Z, IDS, torch.zeros(3))


def test_names():
    with pytest.raises(TypeError, match="`gamma` does not travel with a call"):
        SoftmaxCrossEntropy()(Z, IDS, gamma=torch.tensor(1.0))
    with pytest.raises(ValueError, match="`class_weight` is given twice"):
        SoftmaxCrossEntropy(class_weight=2.0)(Z, IDS, class_weight=torch.ones(3))
    with pytest.raises(ValueError, match="nothing is left to average"):
        SoftmaxCrossEntropy(empty="raise")(Z, IDS, where=torch.zeros(4, dtype=torch.bool))


def test_errors_of_a_compiled_call():
    torch._dynamo.reset()
    call = torch.compile(lambda z, t: SOFTMAX(z, t), fullgraph=True, backend="eager")
    with pytest.raises(ValueError, match="got 12 at row 3"):
        call(Z, torch.tensor([0, 1, 2, 12]))
