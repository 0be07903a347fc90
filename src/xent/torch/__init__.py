"""torch's own losses, name for name and argument for argument, exact: change the import and nothing else.

    import xent.torch as F          # for torch.nn.functional as F
    from xent.torch import CrossEntropyLoss

Signatures, defaults, means, dtypes, errors and state_dicts are torch's (`sigmoid_focal_loss`: torchvision's); xent's
options are keyword-only. docs/torch.md lists what differs, with the reasons.
"""

try:
    import torch as _torch  # noqa: F401
except ModuleNotFoundError as error:
    raise ImportError('xent.torch needs PyTorch, which is not installed: pip install "xent[torch]"') from error

from xent.torch.bernoulli import binary_cross_entropy
from xent.torch.likelihoods import kl_div, nll_loss
from xent.torch.modules import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    KLDivLoss,
    MultiLabelSoftMarginLoss,
    NLLLoss,
)
from xent.torch.sigmoid import binary_cross_entropy_with_logits, multilabel_soft_margin_loss, sigmoid_focal_loss
from xent.torch.softmax import cross_entropy

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "KLDivLoss",
    "MultiLabelSoftMarginLoss",
    "NLLLoss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "kl_div",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "sigmoid_focal_loss",
]
