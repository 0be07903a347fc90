"""The drop-ins as modules: torch's own classes with xent's loss inside.

They subclass torch's, so isinstance checks, buffers and state_dicts are torch's. xent's options are kept beside:
numbers and names in `options`, tensors as buffers that move with the module and stay out of the state_dict.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from xent.torch import bernoulli, likelihoods, sigmoid, softmax

Tensor = Any

MEAN = {"denominator": None, "empty": "zero"}
SHARED = {
    "prior": None, "gamma": 0.0, "alpha": None, "poly": 0.0, "gce": 0.0, "temperature": 1.0, "softcap": None,
    "bias": None, **MEAN,
}  # fmt: skip


class Options(torch.nn.Module):
    """xent's options of a module, keyword-only. `defaults` says which there are."""

    defaults: ClassVar[dict[str, Any]] = {}

    def keep(self, options: dict[str, Any]) -> None:
        """Takes the options: tensors as buffers, what is not the default as it is."""
        self.options: dict[str, Any] = {}
        for name, value in options.items():
            if name not in self.defaults:
                raise TypeError(
                    f"`{name}` is no option of {type(self).__name__}; these are: {', '.join(self.defaults)}."
                )
            if isinstance(value, torch.Tensor):
                self.register_buffer(name, value, persistent=False)
                self.options[name] = None
            elif value is not self.defaults[name] and value != self.defaults[name]:
                self.options[name] = value

    def given(self) -> dict[str, Any]:
        """The options as the function takes them."""
        return {name: self._buffers.get(name, value) for name, value in self.options.items()}

    def extra_repr(self) -> str:
        """Nothing, as torch's, but for xent's options."""
        return ", ".join(f"{name}={value!r}" for name, value in self.given().items())


class BCEWithLogitsLoss(Options, torch.nn.BCEWithLogitsLoss):
    """`torch.nn.BCEWithLogitsLoss`; options as in `binary_cross_entropy_with_logits`.

    `sample_weight` and `where` travel with the call.

    >>> import torch
    >>> BCEWithLogitsLoss(gamma=2.0)(torch.zeros(3), torch.ones(3))
    tensor(0.1733)
    """

    defaults: ClassVar[dict[str, Any]] = {"ignore_index": None, "class_weight": None, "label_smoothing": 0.0, **SHARED}

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean", pos_weight: Tensor | None = None, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction, pos_weight)
        self.keep(options)

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Any = None, where: Any = None) -> Tensor:
        """The loss."""
        return sigmoid.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction,
            sample_weight=sample_weight, where=where, **self.given(),
        )  # fmt: skip


class MultiLabelSoftMarginLoss(Options, torch.nn.MultiLabelSoftMarginLoss):
    """`torch.nn.MultiLabelSoftMarginLoss`; options as in `multilabel_soft_margin_loss`.

    >>> import torch
    >>> MultiLabelSoftMarginLoss()(torch.zeros(2, 3), torch.ones(2, 3))
    tensor(0.6931)
    """

    defaults: ClassVar[dict[str, Any]] = {"ignore_index": None, "pos_weight": None, "label_smoothing": 0.0, **SHARED}

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean", **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.keep(options)

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Any = None, where: Any = None) -> Tensor:
        """The loss."""
        return sigmoid.multilabel_soft_margin_loss(
            input, target, self.weight, reduction=self.reduction, sample_weight=sample_weight, where=where,
            **self.given(),
        )  # fmt: skip


class CrossEntropyLoss(Options, torch.nn.CrossEntropyLoss):
    """`torch.nn.CrossEntropyLoss`; options as in `cross_entropy`.

    `sample_weight` and `where` travel with the call.

    >>> import torch
    >>> CrossEntropyLoss(label_smoothing=0.1, z_loss=1e-4)
    CrossEntropyLoss(z_loss=0.0001)
    """

    defaults: ClassVar[dict[str, Any]] = {"axis": None, "z_loss": 0.0, **SHARED}

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, ignore_index: Any = -100,
        reduce: bool | None = None, reduction: str = "mean", label_smoothing: float = 0.0, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, ignore_index, reduce, reduction, label_smoothing)
        self.keep(options)

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Any = None, where: Any = None) -> Tensor:
        """The loss."""
        return softmax.cross_entropy(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            label_smoothing=self.label_smoothing, sample_weight=sample_weight, where=where, **self.given(),
        )  # fmt: skip


class BCELoss(Options, torch.nn.BCELoss):
    """`torch.nn.BCELoss`; options as in `binary_cross_entropy`.

    >>> import torch
    >>> BCELoss(exact=True)(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(inf)
    """

    defaults: ClassVar[dict[str, Any]] = {"exact": False, "ignore_index": None, "label_smoothing": 0.0, **MEAN}

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, reduce: bool | None = None,
        reduction: str = "mean", **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.keep(options)

    def forward(self, input: Tensor, target: Tensor, *, where: Any = None) -> Tensor:
        """The loss."""
        return bernoulli.binary_cross_entropy(
            input, target, self.weight, reduction=self.reduction, where=where, **self.given()
        )


class NLLLoss(Options, torch.nn.NLLLoss):
    """`torch.nn.NLLLoss`; options as in `nll_loss`.

    >>> import torch
    >>> NLLLoss(reduction="sum")(torch.tensor([[0.9, 0.1]]).log(), torch.tensor([1]))
    tensor(2.3026)
    """

    defaults: ClassVar[dict[str, Any]] = MEAN

    def __init__(
        self, weight: Tensor | None = None, size_average: bool | None = None, ignore_index: Any = -100,
        reduce: bool | None = None, reduction: str = "mean", **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, ignore_index, reduce, reduction)
        self.keep(options)

    def forward(self, input: Tensor, target: Tensor, *, sample_weight: Any = None, where: Any = None) -> Tensor:
        """The loss."""
        return likelihoods.nll_loss(
            input, target, self.weight, ignore_index=self.ignore_index, reduction=self.reduction,
            sample_weight=sample_weight, where=where, **self.given(),
        )  # fmt: skip


class KLDivLoss(Options, torch.nn.KLDivLoss):
    """`torch.nn.KLDivLoss`; options as in `kl_div`.

    >>> import torch
    >>> KLDivLoss(reduction="batchmean")(torch.tensor([[0.5, 0.5]]).log(), torch.tensor([[1.0, 0.0]]))
    tensor(0.6931)
    """

    defaults: ClassVar[dict[str, Any]] = MEAN

    def __init__(
        self, size_average: bool | None = None, reduce: bool | None = None, reduction: str = "mean",
        log_target: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction, log_target)
        self.keep(options)

    def forward(self, input: Tensor, target: Tensor, *, where: Any = None) -> Tensor:
        """The loss."""
        return likelihoods.kl_div(
            input, target, reduction=self.reduction, log_target=self.log_target, where=where, **self.given()
        )
