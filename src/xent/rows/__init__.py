"""Any shape -> what the kernels take, and back."""

from xent.rows.shapes import ALL, Rows, checked, labels
from xent.rows.sigmoid import SigmoidRows
from xent.rows.softmax import SoftmaxRows

__all__ = ["ALL", "Rows", "SigmoidRows", "SoftmaxRows", "checked", "labels"]
