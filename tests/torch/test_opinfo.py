"""PyTorch's own samples of these operators, from its OpInfo database, through the drop-ins: value, gradient, gradcheck.

Every sample that differs stands in DIFFERENCES with its reason; what stands there must differ, so the list stays short.
"""

import random
import warnings

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.opinfo.core import SampleInput

import xent.torch

NAMES = (
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "multilabel_soft_margin_loss",
    "nll_loss",
)
OPS = {op.name.removeprefix("nn.functional."): op for op in op_db}
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
COUNTS = {
    "binary_cross_entropy": 11,
    "binary_cross_entropy_with_logits": 26,
    "cross_entropy": 21,
    "kl_div": 16,
    "multilabel_soft_margin_loss": 4,
    "nll_loss": 61,
}

# operator -> (which samples, the error that ours raises, why)
DIFFERENCES = {
    "multilabel_soft_margin_loss": (
        range(4), ValueError, "the samples' targets lie in [-9, 9], where the loss is no loss: it has no lower bound",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def quiet():
    """One thread, which is faster for a handful of numbers; kl_div warns of its mean, in torch as here."""
    torch.manual_seed(0)
    random.seed(0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*reduction.*mean.*")
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)  # of torch itself
        yield
    torch.set_num_threads(threads)


def samples(name, dtype):
    """(index, sample) of one operator, the reference inputs where it has more of them."""
    op = OPS[name]
    each = op.sample_inputs if op.reference_inputs_func is None else op.reference_inputs
    yield from enumerate(each("cpu", dtype, requires_grad=True))


def leaves(sample):
    return [x for x in (sample.input, *sample.args) if isinstance(x, torch.Tensor) and x.requires_grad]


def inside(sample):
    """The sample with its targets squashed into [0, 1]."""
    sample.args = (torch.sigmoid(sample.args[0]), *sample.args[1:])
    return sample


def double(x):
    """In float64, with a gradient of its own."""
    if not isinstance(x, torch.Tensor) or not x.is_floating_point():
        return x
    return x.detach().double().requires_grad_(x.requires_grad)


def near(ours, truth, dtype):
    """Within a few units in the last place of the dtype, of the entry or of the largest one where terms cancel."""
    assert ours.dtype == dtype and ours.shape == truth.shape
    eps = (64 if dtype is torch.float64 else 4) * torch.finfo(dtype).eps  # torch adds in float64, we better
    torch.testing.assert_close(ours.double(), truth, rtol=eps, atol=eps * max(1.0, truth.abs().max().item()) / 8)


def compare(name, sample, dtype):
    """Ours against torch's in float64 of the same numbers: closer than torch's own in half precision comes."""
    function, op = getattr(xent.torch, name), OPS[name].op
    peer = op(sample.input, *sample.args, **sample.kwargs)
    exact = SampleInput(
        double(sample.input),
        args=tuple(map(double, sample.args)),
        kwargs={k: double(v) for k, v in sample.kwargs.items()},
    )
    truth = op(exact.input, *exact.args, **exact.kwargs)
    ours = function(sample.input, *sample.args, **sample.kwargs)
    assert ours.requires_grad and (ours.dtype, ours.shape) == (peer.dtype, peer.shape)
    near(ours, truth, peer.dtype)
    up = torch.rand_like(peer)
    right = torch.autograd.grad(truth, leaves(exact), up.double())
    for mine, best, leaf in zip(torch.autograd.grad(ours, leaves(sample), up), right, leaves(sample), strict=True):
        near(mine, best, leaf.dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: str(d).removeprefix("torch."))
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name, dtype):
    where, error, _ = DIFFERENCES.get(name, ((), None, ""))
    seen = 0
    for i, sample in samples(name, dtype):
        seen += 1
        if i in where:
            with pytest.raises(error):
                getattr(xent.torch, name)(sample.input, *sample.args, **sample.kwargs)
            sample = inside(sample)
        compare(name, sample, dtype)
    assert seen == COUNTS[name]


def test_these_operators_have_no_error_samples():
    """If torch adds some they belong here."""
    assert [name for name in NAMES if OPS[name].error_inputs_func is not None] == []


def derivatives(name, whole):
    """gradcheck and gradgradcheck, reverse and forward mode, of every float64 sample; how many samples.

    `whole`: entry by entry and with batched gradients, else along random directions.
    """
    done = 0
    for i, sample in samples(name, torch.float64):
        sample = inside(sample) if i in DIFFERENCES.get(name, ((),))[0] else sample
        inputs = leaves(sample)
        rest = sample.args[len(inputs) - 1 :]

        def function(*given, rest=rest, sample=sample):
            return getattr(xent.torch, name)(*given, *rest, **sample.kwargs)

        how = {"fast_mode": not whole or sample.input.numel() > 30, "check_batched_grad": whole}
        assert gradcheck(function, inputs, check_forward_ad=True, **how)
        assert gradgradcheck(function, inputs, check_fwd_over_rev=True, **how)
        done += 1
    return done


@pytest.mark.parametrize("name", NAMES)
def test_derivatives(name):
    assert derivatives(name, whole=False) == COUNTS[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_derivatives_entry_by_entry(name):
    assert derivatives(name, whole=True) == COUNTS[name]


def test_the_list_of_differences_is_in_the_docs():
    assert sum(len(where) for where, *_ in DIFFERENCES.values()) == 4  # of 139 samples a dtype
    assert sum(COUNTS.values()) == 139
