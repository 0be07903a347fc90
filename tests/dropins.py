"""What the tests of the torch drop-ins share: ordinary calls, and how a value and its gradient are taken."""

import torch

FUNCTIONS = (
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "kl_div",
    "multilabel_soft_margin_loss", "nll_loss",
)  # fmt: skip
MASKED = ("binary_cross_entropy", "binary_cross_entropy_with_logits", "cross_entropy", "nll_loss")
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


def ordinary(name):
    """An ordinary call of the function: (input, target)."""
    known = {"binary_cross_entropy": (P, T), "kl_div": (Q, P), "nll_loss": (Q, Y), "cross_entropy": (Z, Y)}
    return known.get(name, (Z, T))
