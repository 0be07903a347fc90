"""Other libraries' log losses, to explain their numbers: each one holds a row's cost between two bounds.

scikit-learn 1.9 clips probabilities to [eps, 1 - eps], eps that of the stored dtype (`_log_loss`, _classification.py).
PyTorch's BCELoss holds log p at -100 or above. Keras divides by the row's sum, then clips to [1e-7, 1 - 1e-7].
XGBoost's logloss and mlogloss take max(p, 1e-16).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .faults import BadInput

# eps of the dtype in which the probabilities are stored.
EPS = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}
NAMES = ("sklearn", "torch", "keras", "xgboost")


@dataclass(frozen=True)
class Convention:
    """What a row may cost, least and most, in nats; `normalised`: after dividing the row by its sum."""

    name: str
    says: str
    least: float
    most: float
    normalised: bool = False


def convention(compat: str | None, floor: float | None, dtype: str) -> Convention | None:
    """The clip asked for by `compat` or `floor`; None when neither is."""
    if compat is not None and floor is not None:
        raise BadInput("`compat` and `floor` both set the least probability; give one of them.")
    if floor is not None:
        if not 0.0 < floor < 1.0:
            raise BadInput(f"`floor` must lie strictly between 0 and 1; got {floor!r}.")
        return Convention(f"floor {floor:g}", f"p >= {floor:g}", 0.0, -math.log(floor))
    if compat is None:
        return None
    if compat == "sklearn":
        eps = EPS.get(dtype, EPS["float64"])
        return Convention("sklearn", f"clips at {eps:.3g}, eps of {dtype}", -math.log1p(-eps), -math.log(eps))
    if compat == "torch":
        return Convention("torch", "log p >= -100", 0.0, 100.0)
    if compat == "keras":
        return Convention(
            "keras", "divides by the row's sum, clips at 1e-07", -math.log1p(-1e-7), -math.log(1e-7), True
        )
    if compat == "xgboost":
        return Convention("xgboost", "p >= 1e-16", 0.0, -math.log(1e-16))
    raise BadInput(f"`compat` must be one of {', '.join(NAMES)}; got {compat!r}.")


def row_tolerance(dtype: str, classes: int) -> float:
    """How far a row of probabilities may be from summing to 1 without being asked about.

    classes * eps(float32): a float32 softmax is off by a few eps at 100 classes, and files stored in float64 mostly
    hold float32 results. Half precision adds 4 of its own eps for the rounding of the largest entries.
    """
    own = 4 * EPS[dtype] if dtype in ("float16", "bfloat16") else 0.0
    return classes * EPS["float32"] + own
