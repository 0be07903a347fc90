"""What a fit says when the answer is not a map with finite parameters, and the one rule of both cases.

A likelihood that grows for ever has no best map: that raises `NoFiniteOptimum`. A best map on the edge of what a
calibration may do (the scores carry no information, or point the wrong way) exists: it is returned, with a
`CalibrationWarning`.
"""

from __future__ import annotations

import sys


class NoFiniteOptimum(ValueError):
    """The likelihood has no maximum: every further step of the parameters makes the fit better, without end."""


class CalibrationWarning(UserWarning):
    """The best map exists and is returned, but it says that the scores are not what they were taken for."""


def not_fitted(name: str) -> Exception:
    """The error of a calibrator used before `fit`; scikit-learn's own class where scikit-learn is loaded."""
    kind: type[Exception] = AttributeError
    if "sklearn" in sys.modules:
        from sklearn.exceptions import NotFittedError

        kind = NotFittedError
    return kind(f"{name} is not fitted; call `fit(logits, targets)` first.")


def separable(what: str, mend: str) -> NoFiniteOptimum:
    return NoFiniteOptimum(f"the fit has no finite optimum: {what}. {mend}")
